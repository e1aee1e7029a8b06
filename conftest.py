"""For the notebooks under nbval: every kernel talks through files of its own.

By default a kernel gets ports that were free a second before it takes them. Kernels that start at the same time can be
given the same one (https://github.com/jupyter/jupyter_client/issues/487), and then all cells of a notebook fail. Files
cannot be mixed up; Windows has only the ports.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import nbval.kernel


def pytest_configure(config):
    """Let nbval start its kernels with the transport ipc, each in a folder of its own."""
    if sys.platform == "win32":
        return
    folder = tempfile.TemporaryDirectory(prefix="kernels-")
    config.add_cleanup(folder.cleanup)
    start = nbval.kernel.KernelManager
    config.add_cleanup(partial(setattr, nbval.kernel, "KernelManager", start))

    def manager(**options):
        return start(transport="ipc", ip=str(Path(tempfile.mkdtemp(dir=folder.name)) / "kernel"), **options)

    nbval.kernel.KernelManager = manager
