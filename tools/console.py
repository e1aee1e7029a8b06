"""What the commands show: one line for each thing that they do, and on a terminal one that moves meanwhile.

In a log stand the same lines without those that move, and without control characters. It needs nothing but Python.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

BAR = 20  # characters


class Board:
    """The lines of one command: those that are done stay, those of what is being done move below them.

    Several threads may write. What moves is shown on a terminal alone.
    """

    def __init__(self, out=None):
        self.out = sys.stdout if out is None else out
        self.is_terminal = self.out.isatty()
        self.moving: dict[object, str] = {}
        self._lock, self._shown = threading.RLock(), 0
        if self.is_terminal and os.name == "nt":
            os.system("")  # this lets the terminal of Windows move its cursor

    def show(self, key: object, text: str) -> None:
        """Let the moving line of ``key`` say ``text``."""
        with self._lock:
            self.moving[key] = text
            self._draw()

    def done(self, text: str, key: object = None) -> None:
        """Print a line that stays, and end the moving line of ``key``."""
        with self._lock:
            self.moving.pop(key, None)
            self._draw(text + "\n")

    def clear(self) -> None:
        """Take the moving lines away."""
        with self._lock:
            self.moving.clear()
            self._draw()

    def _draw(self, lasting: str = "") -> None:
        lines = list(self.moving.values()) if self.is_terminal else []
        width = shutil.get_terminal_size().columns - 1
        up = f"\x1b[{self._shown}F\x1b[J" if self._shown else ""  # to the first moving line, and wipe from there
        self.out.write(up + lasting + "".join(f"{line[:width]}\n" for line in lines))
        self.out.flush()
        self._shown = len(lines)


def bar(done: int, total: int) -> str:
    """Return a bar and the two numbers."""
    full = BAR * done // max(total, 1)
    return f"[{'#' * full}{'.' * (BAR - full)}] {done} of {total}"


def duration(seconds: float) -> str:
    """Return a time in words: seconds below two minutes, else minutes.

    >>> duration(0.4), duration(75), duration(410)
    ('under a second', '75 s', '7 min')
    """
    if seconds < 1:
        return "under a second"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def last_lines(path: Path, count: int = 12) -> str:
    """Return the end of a log, each line moved in."""
    lines: Iterable[str] = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return "\n".join(f"    {line}" for line in [line for line in lines if line.strip()][-count:])
