"""Build the book: say how long it will take, run the chapters that have changed, build the pages, say where it is."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import nbformat
import psutil
import yaml

import data_sets
import dependencies
import notebook_rules
import notebooks
import pages
import runs
from console import Board, duration, last_lines
from unet_tutorial.data import fetching

SPACE = 300e6  # bytes, for the runs and two books
PAGES_SECONDS = 40  # for all pages, where nobody has measured it


def build_book(root: Path) -> int:
    """Build the book, and return 0 if it is whole."""
    board = Board()
    if shutil.disk_usage(root).free < SPACE:
        print(f"The book needs {SPACE / 1e6:.0f} MB of free space. Make room, and run this again.", file=sys.stderr)
        return 1
    chapters = stored(root)
    stale, lacking = stale_ones(root, chapters), missing_data(chapters)
    if stale or lacking or not pages.is_current(root):
        board.done(forecast(root, chapters, runs.expected_seconds(root, stale)))
    drawn = [sentence for one, users in lacking.items() if (sentence := fetch(one, users, board))]
    if len(drawn) < len(lacking):
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


def missing_data(chapters: dict[str, nbformat.NotebookNode]) -> dict[data_sets.DataSet, list[str]]:
    """Return the data sets that are not on this computer, and the chapters that use each."""
    users: dict[data_sets.DataSet, list[str]] = {}
    for name, notebook in chapters.items():
        for one in dependencies.data_of(notebook):
            if not data_sets.place(one):
                users.setdefault(one, []).append(name)
    return users


def fetch(one: data_sets.DataSet, users: list[str], board: Board) -> str:
    """Get a data set, and return "", or in a sentence why its chapters will do without."""
    data = one.published()
    board.done(f"  {', '.join(users)}: the data are {data.title}, a download of {data.download} MB, once.")
    try:
        fetching.fetch(data, progress=board.is_terminal)
    except (OSError, ValueError) as error:
        return f"{', '.join(users)}: what is shown was drawn by a program. {str(error)[:1].upper()}{str(error)[1:]}"
    data_sets.place.cache_clear()
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


def finish(root: Path, failures: dict[str, runs.Failure], drawn: list[str]) -> int:
    """Say what is missing, and where the book is."""
    for name, failure in failures.items():
        print(f"{name} could not be run, and its page says so. The run ended in {failure.cell}. {failure.reason}")
        print(f"All that was said is in {runs.log_file(root, name).relative_to(root)}.")
    for sentence in drawn:
        print(sentence)
    address = (pages.html(root) / "index.html").as_uri()
    seconds = time.time() - psutil.Process().create_time()  # with what it takes to load everything
    print(f"The book is built ({duration(seconds)}). Open it: {address}", flush=True)
    return 1 if failures else 0
