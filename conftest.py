"""The notebooks under nbval: with ``--kept-runs`` it compares what was kept when the book was built, and runs nothing.

Then no chapter is run twice, and what is compared is what the pages show. Without the option, nbval runs every cell
itself, and its kernels talk through files (see ``tools/kernels.py``). All that leans on the insides of nbval is here.
"""

import os
import signal
import sys
import tempfile
from collections import deque
from functools import partial
from pathlib import Path

import nbval.kernel
import nbval.plugin

sys.path.insert(0, str(Path(__file__).parent / "tools"))

import kernels  # noqa: E402
import notebook_rules  # noqa: E402
import runs  # noqa: E402
from setup_cell import THREADS  # noqa: E402

for _name, _number in THREADS.items():
    os.environ.setdefault(_name, _number)  # before a test imports torch; for the reason see tools/setup_cell.py

# A shell lets what it starts with & ignore Ctrl-C, and so would all that these tests start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    """Add the option that takes the runs from the build of the book."""
    parser.addoption("--kept-runs", metavar="BOOK", help="compare the runs that are kept below BOOK/_build")


def pytest_configure(config):
    """Put what answers nbval in the place of its kernels."""
    book = config.getoption("--kept-runs")
    collect = nbval.plugin.IPyNbFile.collect
    replace(config, nbval.plugin.IPyNbFile, "collect", lambda file: with_answers(file, collect))
    if book:
        replace(config, nbval.plugin.IPyNbFile, "setup", lambda file: setup(Path(book), file))
        return
    folder = tempfile.TemporaryDirectory(prefix="kernels-")
    config.add_cleanup(folder.cleanup)
    start = nbval.kernel.KernelManager
    replace(config, nbval.kernel, "KernelManager", lambda **options: start(**options, **kernels.transport(folder.name)))


def pytest_runtest_setup():
    """Let no test see the tries of another one: the examples of the exercises show the replies to a first one."""
    if "unet_tutorial.exercises" in sys.modules:
        sys.modules["unet_tutorial.exercises"]._tries.clear()


def replace(config, place, name, value):
    """Put a value in the place of another one until pytest ends."""
    config.add_cleanup(partial(setattr, place, name, getattr(place, name)))
    setattr(place, name, value)


def with_answers(file, collect):
    """Collect the cells of a notebook, each with the outputs that it keeps out of the reader's sight."""
    for cell in collect(file):
        notebook_rules.bring_back(file.nb)
        yield cell


def setup(book, file):
    """Prepare a notebook for nbval, as its own ``setup`` does, but with a kept run in the place of a kernel."""
    file.setup_sanitize_files()
    executed = runs.find(book, file.nb)
    if executed is None:
        raise RuntimeError(f"no run of {file.path.name} is kept that fits it: build the book first, with `make book`")
    file.kernel = KeptRun(executed)


class KeptRun:
    """Answers nbval, in the order of the cells, with what each cell gave when it was run."""

    def __init__(self, notebook):
        self.cells = iter([cell for cell in notebook.cells if cell.cell_type == "code"])
        self.messages, self.number = deque(), 0

    def is_alive(self):
        """Return True: nothing here can die."""
        return True

    def execute_cell_input(self, source, allow_stdin=None):
        """Take the next cell's outputs as the answer."""
        cell = next(self.cells)
        assert cell.source == source, "nbval must ask for the cells in their order"
        self.number += 1
        self.messages = deque(self.message(output["output_type"], output) for output in cell.outputs)
        self.messages.append(self.message("status", {"execution_state": "idle"}))
        return self.number

    def message(self, kind, content):
        """Return a message as a kernel would send it."""
        return {"msg_type": kind, "parent_header": {"msg_id": self.number}, "content": content}

    def await_reply(self, msg_id, timeout=None):
        """Return at once: the cell has been run."""

    def await_idle(self, parent_id, timeout):
        """Pass over the rest of a cell that failed."""
        self.messages.clear()

    def get_message(self, stream, timeout=None):
        """Return the next message."""
        return self.messages.popleft()

    def stop(self):
        """Have nothing to stop."""
