"""One command at a time in one folder: two that build there at once would undo each other's work.

    with only_one(folder, "make book"):
        ...

The system gives the lock back when the process ends, however it ends, so nothing is ever left locked. A command that
is started by the one that holds the lock may take it too. It needs nothing but Python.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if os.name == "nt":
    import msvcrt
else:
    import fcntl

NAME = ".lock"  # git ignores it; not in a folder that a command deletes while it holds the lock
HOLDER = "UNET_TUTORIAL_LOCK"  # by this variable a command knows that it was started by the holder
PLACE = 1 << 20  # Windows lets nobody read the byte that is locked, so it is one behind the text


@contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of ``folder`` while ``what`` is at work there.

    Ends this process with one sentence and exit code 1 if another command holds it, or if nothing can be written there.
    """
    try:
        file = open(folder / NAME, "a+b", buffering=0)
    except OSError as error:
        sys.exit(f"Nothing can be written in {folder} ({error.strerror}): put the project where you may write.")
    with file:
        if not _lock(file.fileno()):
            _refuse_unless_ours(file, folder)
            yield
            return
        mark = uuid.uuid4().hex
        file.truncate(0)
        file.write(f"{mark}\n{os.getpid()}\n{what}\n".encode())  # in append mode it goes to the end, wherever we are
        os.environ[HOLDER] = mark
        try:
            yield
        finally:
            os.environ.pop(HOLDER, None)
            _unlock(file.fileno())


def _refuse_unless_ours(file, folder: Path) -> None:
    """End this process unless the one that holds the lock has started it."""
    file.seek(0)
    mark, process, what, *_ = [*file.read().decode(errors="replace").splitlines(), "", "", ""]
    if not mark or mark != os.environ.get(HOLDER):
        sys.exit(
            f"In {folder}, {what or 'another command'} is at work{process and f' (process {process})'}: "
            "wait until it has ended, and then run the same command again."
        )


def _lock(number: int) -> bool:
    """Take the lock of an open file; return False if another process has it."""
    try:
        if os.name == "nt":
            os.lseek(number, PLACE, os.SEEK_SET)
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True  # a file system without locks, as on some networks: better to work there than to refuse
    return True


def _unlock(number: int) -> None:
    """Give the lock back on Windows, which takes its time for that otherwise; elsewhere closing the file does it."""
    if os.name == "nt":
        with suppress(OSError):  # it was never taken, on a file system without locks
            os.lseek(number, PLACE, os.SEEK_SET)
            msvcrt.locking(number, msvcrt.LK_UNLCK, 1)
