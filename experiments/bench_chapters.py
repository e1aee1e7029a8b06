"""Measure what each chapter takes in a fresh kernel with one thread, and which cells take longest. See bench.py."""

from __future__ import annotations

import re
import tempfile
from datetime import datetime
from pathlib import Path

import nbformat

import notebooks
import runs
from runs import work_seconds

CHAPTERS = {
    "minute": 60,
    "pass": 480,
    "within": [number for number in range(20) if number != 15],
    "slowest": 3,
}  # goals in seconds, for all chapters but the one that trains on real pictures for minutes


def chapters(_seeds: list[int], settings: dict = CHAPTERS, root: Path = notebooks.ROOT) -> dict:
    """Run every chapter once, one after the other, and return the part of the record."""
    results, work = [], round(work_seconds(), 4)
    for name in notebooks.names_in(root / "book" / "chapters", "*.md"):
        notebook = notebooks.generate(root, name)
        title = re.match(r"# (.+)", notebook.cells[0].source)[1]
        chapter = runs.Chapter(root, name, notebook)
        with tempfile.TemporaryDirectory() as folder:
            failure = chapter.run(folder, lambda _: None, record_timing=True)
        if failure is not None:
            raise RuntimeError(f"{name}: {failure.cell}: {failure.reason}")
        seconds = round(chapter.seconds, 1)
        cells = slowest(notebook, settings["slowest"])
        results.append({"name": name, "number": int(name[:2]), "title": title, "seconds": seconds, "slowest": cells})
        print(
            f"{name}: {seconds} s; " + ", ".join(f"{cell['seconds']} s {cell['source']}" for cell in cells), flush=True
        )
    return {"settings": settings, "work_seconds": work, "chapters": results}


def slowest(notebook: nbformat.NotebookNode, count: int) -> list[dict]:
    """Return the cells of an executed notebook that took longest: which code cell it is, its first line, seconds."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and "execution" in cell.metadata]
    timed = [
        {"cell": number, "source": first_line(cell.source)[:60], "seconds": cell_seconds(cell)}
        for number, cell in enumerate(code, start=1)
    ]
    return sorted(timed, key=lambda cell: -cell["seconds"])[:count]


def first_line(source: str) -> str:
    """Return the first line that is code, and not the title under which Colab folds the cell."""
    return next((line for line in source.splitlines() if not line.startswith("# @title")), "")


def cell_seconds(cell: nbformat.NotebookNode) -> float:
    """Return how long the kernel was busy with a cell."""
    busy, idle = (
        datetime.fromisoformat(cell.metadata.execution[f"iopub.status.{state}"]) for state in ("busy", "idle")
    )
    return round((idle - busy).total_seconds(), 2)
