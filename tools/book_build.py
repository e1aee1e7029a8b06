"""Build the book: say how long it will take, run the chapters that have changed, build the pages, say where it is."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import nbformat
import psutil
import yaml

import dependencies
import notebook_rules
import notebooks
import pages
import runs
from console import Board, duration, last_lines
from unet_tutorial.data import bbbc039
from unet_tutorial.data.bbbc039 import find_nuclei

SPACE = 300e6  # bytes, for the runs and two books
PAGES_SECONDS = 40  # for all pages, where nobody has measured it


def build_book(root: Path) -> int:
    """Build the book, and return 0 if it is whole."""
    board = Board()
    if shutil.disk_usage(root).free < SPACE:
        print(f"The book needs {SPACE / 1e6:.0f} MB of free space. Make room, and run this again.", file=sys.stderr)
        return 1
    chapters = stored(root)
    stale, lacks_nuclei = stale_ones(root, chapters), needs_nuclei(chapters) and find_nuclei() is None
    if stale or lacks_nuclei or not pages.is_current(root):
        board.done(forecast(root, chapters, runs.expected_seconds(root, stale)))
    drawn = fetch_nuclei(board) if lacks_nuclei else ""
    if lacks_nuclei and not drawn:
        stale = stale_ones(root, chapters)
    if not stale and pages.is_current(root):
        board.done("Nothing has changed since the book was built.")
        return finish(root, {}, drawn)
    for name in changed_by_hand(root, chapters):
        board.done(f"  {name}: the notebook differs from its text; the book shows the notebook.")
    failures = runs.run_all(root, stale, board)
    runs.write_failures(root, failures)
    if not pages.build(root, board):
        print("The pages were not built:", file=sys.stderr)
        print("\n".join(pages.warnings(root)) or last_lines(pages.log_file(root)), file=sys.stderr)
        print(f"All that was said is in {pages.log_file(root).relative_to(root)}.", file=sys.stderr)
        return 1
    return finish(root, failures, drawn)


def stored(root: Path) -> dict[str, nbformat.NotebookNode]:
    """Return the notebooks that the book shows, in its order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    names = [file.removeprefix("notebooks/") for file in notebook_rules.toc_files(toc) if "notebooks/" in file]
    paths = {name: notebooks.notebook_path(root, name) for name in names}
    return {name: notebook_rules.bring_back(nbformat.read(path, as_version=4)) for name, path in paths.items()}


def stale_ones(root: Path, chapters: dict[str, nbformat.NotebookNode]) -> dict[str, nbformat.NotebookNode]:
    """Return the chapters that are to be run."""
    return {name: notebook for name, notebook in chapters.items() if runs.find(root, notebook) is None}


def needs_nuclei(chapters: dict[str, nbformat.NotebookNode]) -> bool:
    """Return whether a chapter uses the data set BBBC039."""
    return any(dependencies.NUCLEI in dependencies.modules(dependencies.code_of(book)) for book in chapters.values())


def fetch_nuclei(board: Board) -> str:
    """Get the data set BBBC039, and return "", or in a sentence why its chapter will do without."""
    board.done(f"  Chapter 15 needs the data set BBBC039: a download of {bbbc039.DOWNLOAD} MB, once.")
    try:
        bbbc039.fetch_nuclei(progress=board.is_terminal)
    except (OSError, ValueError) as error:
        return f"Chapter 15 shows cells that a program draws: {error}"
    dependencies.nuclei.cache_clear()
    return ""


def forecast(root: Path, chapters: dict, expected: dict[str, float]) -> str:
    """Return the first line: what is to be done, and how long it will take here."""
    at_once = min(runs.workers(), max(len(expected), 1))
    longest = max(expected.values(), default=0)
    seconds = max(longest, sum(expected.values()) / at_once) + pages.remembered(root).get("seconds", PAGES_SECONDS)
    if not expected:
        return f"The chapters are as they were; the pages take about {duration(seconds)}."
    several = f", {at_once} at a time" if at_once > 1 else ""
    return (
        f"{len(expected)} of {len(chapters)} chapters to run{several}, then the pages: about {duration(seconds)} here."
    )


def changed_by_hand(root: Path, chapters: dict[str, nbformat.NotebookNode]) -> list[str]:
    """Return the chapters whose notebook is not what their text makes."""
    texts = notebooks.names_in(root / "book" / "chapters", "*.md")
    return [
        name
        for name, notebook in chapters.items()
        if name in texts and any(notebook_rules.difference(name, notebooks.generate(root, name), notebook))
    ]


def finish(root: Path, failures: dict[str, runs.Failure], drawn: str) -> int:
    """Say what is missing, and where the book is."""
    for name, failure in failures.items():
        print(f"{name} could not be run, and its page says so. The run ended in {failure.cell}. {failure.reason}")
        print(f"All that was said is in {runs.log_file(root, name).relative_to(root)}.")
    if drawn:
        print(drawn)
    address = (pages.html(root) / "index.html").as_uri()
    seconds = time.time() - psutil.Process().create_time()  # with what it takes to load everything
    print(f"The book is built ({duration(seconds)}). Open it: {address}", flush=True)
    return 1 if failures else 0
