"""Run chapters side by side, once each, and keep what came: the pages show it, nbval compares it, notebooks store it.

The runs lie in a jupyter-cache below `_build`. It knows a notebook by its code; whether something else has changed on
which the outputs depend is kept beside each run (`dependencies.key`). How long a cell takes does not matter. A kernel
that dies, or does nothing at all any more, ends its own chapter and no other.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

import nbformat
import psutil
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

import kernels
import watch
from console import Board, bar, duration
from dependencies import key
from unet_tutorial import records

ROOT = Path(__file__).resolve().parents[1]
MEMORY = 2.8e9  # bytes that one chapter may need; the largest took 2.7 GB
CELL_SECONDS = 0.5  # for each code cell, where nobody has measured its chapter
NEVER = 10**7  # seconds: where nbclient asks for a limit
KEPT_RUNS = 100  # in the cache, before the oldest go
DIED = (
    "Its Python ended without a word. Most likely the memory ran out: close other programs, and run the command again."
)


class Failure(NamedTuple):
    """Why a chapter was not run to its end: the cell, and a sentence with what to do."""

    cell: str
    reason: str


def cache_folder(root: Path) -> Path:
    return root / "_build" / ".jupyter_cache"


def log_file(root: Path, name: str) -> Path:
    return root / "_build" / "log" / f"{name}.txt"


def opened(root: Path):
    """Return the cache of a book."""
    cache = get_cache(str(cache_folder(root)))
    cache.change_cache_limit(KEPT_RUNS)
    return cache


def find(root: Path, notebook: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """Return the notebook with the outputs of its kept run, or None where it is to be run."""
    if not cache_folder(root).is_dir():
        return None
    cache = opened(root)
    try:
        record = cache.match_cache_notebook(notebook)
        if record.data.get("key") != key(notebook):
            return None
        return cache.merge_match_into_notebook(notebook)[1]
    except (KeyError, ValueError):  # there is none, or it was cut off while it was written
        return None


def keep(root: Path, name: str, notebook: nbformat.NotebookNode, seconds: float) -> None:
    """Put the run of a chapter into the cache, in the place of an older one."""
    data = {"key": key(notebook), "seconds": round(seconds, 1)}
    cache = opened(root)
    remains = cache_folder(root) / "executed" / cache.create_hashed_notebook(notebook)[1]
    shutil.rmtree(remains, ignore_errors=True)  # of a run that was cut off while it was written
    cache.cache_notebook_bundle(CacheBundleIn(notebook, name, data=data), overwrite=True)


def seconds_before(root: Path) -> dict[str, float]:
    """Return what the last kept run of each chapter took on this computer."""
    if not cache_folder(root).is_dir():
        return {}
    records = sorted(opened(root).list_cache_records(), key=lambda record: record.created)
    return {record.uri: record.data["seconds"] for record in records if "seconds" in record.data}


def expected_seconds(root: Path, chapters: dict[str, nbformat.NotebookNode]) -> dict[str, float]:
    """Return how long each chapter will take: as the last time here, or else what the benchmark leads to expect."""
    here = seconds_before(root)
    part = records.load("bench").get("chapters", {})
    there = {chapter["name"]: chapter["seconds"] for chapter in part.get("chapters", [])}
    slower = work_seconds() / part["work_seconds"] if "work_seconds" in part else 1.0
    cells = {name: sum(cell.cell_type == "code" for cell in book.cells) for name, book in chapters.items()}
    return {name: here.get(name, there.get(name, CELL_SECONDS * cells[name]) * slower) for name in chapters}


def work_seconds() -> float:
    """Return how long a small piece of work takes now: what this machine can do, less what else it is doing."""
    start = time.perf_counter()
    sum(number * number for number in range(3_000_000))
    return time.perf_counter() - start


def workers() -> int:
    """Return how many chapters run at a time: one for each core, as far as the memory goes."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, int(psutil.virtual_memory().available / MEMORY)))


class Chapter:
    """One chapter while it is being run."""

    def __init__(self, root: Path, name: str, notebook: nbformat.NotebookNode):
        self.root, self.name, self.notebook = root, name, notebook
        self.code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self.done, self.seconds = 0, 0.0
        self.process_id: int | None = None
        self.guard: watch.Guard | None = None
        self.is_stopped = False

    def run(self, folder: str, progress: Callable[[Chapter], None], record_timing: bool = False) -> Failure | None:
        """Run every cell in a fresh kernel, and return None, or why one could not be run."""
        start = time.perf_counter()
        log = log_file(self.root, self.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as words:  # what the kernel's process says beside its cells
            client = self._client(folder, progress, record_timing)
            try:
                how = {"env": kernels.environment(), "stdout": words, "stderr": words}
                asyncio.run(client.async_execute(cleanup_kc=True, **how))
            except CellExecutionError as error:
                words.write(str(error))
                return Failure(self._cell(), f"It ended with {error.ename}: {error.evalue.strip() or 'no words'}")
            except (DeadKernelError, RuntimeError) as error:
                words.write(str(error))
                hangs = self.guard is not None and self.guard.hangs
                return Failure(self._cell(), watch.verdict() if hangs else DIED)
            finally:
                if self.guard is not None:
                    self.guard.stop()
                self.seconds = time.perf_counter() - start
        return None

    def _client(self, folder: str, progress: Callable[[Chapter], None], record_timing: bool) -> NotebookClient:
        manager = AsyncKernelManager(**kernels.options(folder))

        def started(**_: object) -> None:
            self.process_id = manager.provisioner.pid
            self.guard = watch.Guard(self.process_id)
            if self.is_stopped:
                self.stop()

        def executed(**_: object) -> None:
            self.done += 1
            progress(self)

        return NotebookClient(
            self.notebook,
            km=manager,
            timeout=None,
            startup_timeout=NEVER,
            iopub_timeout=NEVER,
            record_timing=record_timing,
            coalesce_streams=True,
            resources={"metadata": {"path": str(self.root / "notebooks")}},
            on_notebook_start=started,
            on_cell_executed=executed,
        )

    def _cell(self) -> str:
        """Return the number and the first line of the cell that was being run."""
        number = min(self.done, len(self.code) - 1)
        return f"code cell {number + 1} ({self.code[number].source.strip().partition(chr(10))[0][:60]})"

    def stop(self) -> None:
        """End the kernel at once, or as soon as it has started."""
        self.is_stopped = True
        if self.process_id is not None:
            watch.end_tree(self.process_id)


def run_all(root: Path, chapters: dict[str, nbformat.NotebookNode], board: Board) -> dict[str, Failure]:
    """Run chapters, each in its notebook and as many at a time as there are cores, and keep those that came to an end.

    The longest are started first. Each gets a line on the board. Returned are those that failed.
    """
    expected = expected_seconds(root, chapters)
    order = sorted(chapters, key=lambda name: -expected[name])
    jobs = [Chapter(root, name, chapters[name]) for name in order]
    failures: dict[str, Failure] = {}
    begun: dict[str, float] = {}

    def progress(job: Chapter) -> None:
        began = begun.setdefault(job.name, time.perf_counter())
        board.show(job.name, f"  {job.name:<24}{bar(job.done, len(job.code))}  {time.perf_counter() - began:4.0f} s")

    def run(job: Chapter) -> Failure | None:
        progress(job)
        return job.run(folder, progress)

    folders = tempfile.TemporaryDirectory(prefix="kernels-", ignore_cleanup_errors=True)
    with folders as folder, ThreadPoolExecutor(workers()) as pool:
        futures = {pool.submit(run, job): job for job in jobs}
        try:
            left = set(futures)
            while left:
                done, left = wait(left, return_when=FIRST_COMPLETED)
                for future in done:
                    _finish(root, futures[future], future.result(), failures, board)
        except BaseException:  # Ctrl-C, too: what has not begun does not begin, and what runs ends now
            pool.shutdown(wait=False, cancel_futures=True)
            for job in jobs:
                job.stop()
            board.clear()
            raise
    return failures


def _finish(root: Path, job: Chapter, failure: Failure | None, failures: dict[str, Failure], board: Board) -> None:
    if failure is None:
        keep(root, job.name, job.notebook, job.seconds)
        board.done(f"  {job.name:<24}{duration(job.seconds):>8}", job.name)
    else:
        failures[job.name] = failure
        board.done(f"  {job.name:<24}  FAILED in {failure.cell}", job.name)


def failures_file(root: Path) -> Path:
    return root / "_build" / "failures.json"


def write_failures(root: Path, failures: dict[str, Failure]) -> None:
    """Keep for the pages which chapters were not run to their end."""
    failures_file(root).parent.mkdir(exist_ok=True)
    failures_file(root).write_text(json.dumps(failures, indent=1), encoding="utf-8")
