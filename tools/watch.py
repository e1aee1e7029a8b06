"""Tell what hangs from what is slow: by the work that processes do, and never by a clock.

On a busy machine everything takes longer, and that is no failure. A process that hangs is one that does nothing at all:
it uses no processor time, writes nothing, and neither starts nor ends another one. A machine that sleeps does not
count, because then nobody looks.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterable
from contextlib import suppress

import psutil

SECONDS = 5.0  # between two looks
LOOKS = 36  # in a row without work: three minutes
LEAST = 0.05  # seconds of processor time between two looks; a kernel that waits uses less, one that works uses more


def work(process_id: int) -> dict[int, tuple[float, int]]:
    """Return what a process and all that it started have done so far: processor seconds and bytes written, by process.

    Where the system does not tell the bytes, they are 0. A process that has ended is not listed.
    """
    try:
        tree = [psutil.Process(process_id)]
        tree += tree[0].children(recursive=True)
    except psutil.NoSuchProcess:
        return {}
    done = {}
    for process in tree:
        try:
            times = process.cpu_times()
            written = process.io_counters().write_bytes if hasattr(process, "io_counters") else 0
            done[process.pid] = times.user + times.system, written
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it has just ended, or is another user's
    return done


class Watch:
    """Counts for how many looks in a row the processes below one did nothing.

    Parameters
    ----------
    process_id : int
        The process that started the others.
    looks : int
        After how many looks without work it hangs.
    least : float
        Seconds of processor time between two looks, below which nothing was done.
    """

    def __init__(self, process_id: int, looks: int, least: float):
        self.process_id, self.looks, self.least = process_id, looks, least
        self.before, self.idle = work(process_id), 0

    def hangs(self) -> bool:
        """Look once, and return whether the processes hang; to be called every `SECONDS` seconds."""
        now, before = work(self.process_id), self.before
        self.before = now
        used = sum(now[one][0] - before[one][0] for one in now if one in before)
        wrote = any(now[one][1] != before[one][1] for one in now if one in before)
        self.idle = 0 if now.keys() != before.keys() or used >= self.least or wrote else self.idle + 1
        return self.idle >= self.looks


class Guard:
    """Looks at a process, and ends it and all that it started if they hang, until `stop` is called.

    Attributes
    ----------
    hangs : bool
        Whether it was ended for that.
    """

    def __init__(self, process_id: int):
        self.hangs, self._over = False, threading.Event()
        self._watch = Watch(process_id, LOOKS, LEAST)
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(SECONDS):
            if self._watch.hangs():
                self.hangs = True
                end_tree(self._watch.process_id)
                return

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()


def verdict() -> str:
    """Return what to say of a process that was ended because it hung."""
    return f"It hangs: for {LOOKS * SECONDS / 60:.0f} minutes it used no processor time and wrote nothing."


def end_tree(process_id: int) -> None:
    """End a process and all that it started."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process_id)
        end([*parent.children(recursive=True), parent])


class HangsError(RuntimeError):
    """A command did nothing any more, and was ended."""


def run(command: list[str], seconds: float = SECONDS, looks: int = LOOKS, **how) -> subprocess.CompletedProcess:
    """Run a command as `subprocess.run` does, however long it works, and end it with its children if it hangs.

    Raises
    ------
    HangsError
        If it does nothing for `looks` looks in a row, `seconds` apart; the message ends with what it had written.
    """
    with subprocess.Popen(command, **how) as process:
        watch = Watch(process.pid, looks, LEAST * seconds / SECONDS)
        while True:
            try:
                out, err = process.communicate(timeout=seconds)
                return subprocess.CompletedProcess(command, process.returncode, out, err)
            except subprocess.TimeoutExpired:
                if not watch.hangs():
                    continue
            end_tree(process.pid)
            written = "".join(str(part)[-2000:] for part in process.communicate() if part)
            raise HangsError(f"{command[0]} did nothing for {looks * seconds:.0f} s, and was ended. {written}")


def end(processes: Iterable[psutil.Process]) -> None:
    """End processes at once, those that are still there."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
