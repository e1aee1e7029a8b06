"""Kernels that run notebooks: of this Python, talking through files of their own, with one thread each.

By default a kernel gets ports that were free a second before it takes them. Kernels that start at the same time can be
given the same one (https://github.com/jupyter/jupyter_client/issues/487), and then all cells of a notebook fail. Files
cannot be mixed up; Windows has only the ports.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager

from setup_cell import THREADS


def options(folder: str | Path) -> dict:
    """Return what a kernel manager needs, for a kernel whose files lie in ``folder``."""
    # Without kernel folders only this interpreter's own kernel is left, whatever else is installed on the machine.
    chosen = {"kernel_name": "python3", "kernel_spec_manager": KernelSpecManager(kernel_dirs=[])}
    return chosen | transport(folder)


def transport(folder: str | Path) -> dict:
    """Return through what a kernel talks whose files lie in ``folder``."""
    if sys.platform == "win32":
        return {}
    return {"transport": "ipc", "ip": str(Path(tempfile.mkdtemp(dir=folder)) / "kernel")}


def environment() -> dict[str, str]:
    """Return the environment variables of a kernel or of a test."""
    return os.environ | THREADS
