"""What a notebook in git must be like. Every rule gives a sentence that names the cell and says how to mend it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nbformat
import yaml

MAX_LINES, MAX_SOLUTION_LINES = 15, 25
MAX_WIDTH = 84  # characters of a line of code: more is cut off on a page of 1280 pixels
# What is folded: the cells with these tags. Colab folds a cell under the title in its first line, and the book folds it
# under the same words; a check of what the text says is not shown there at all.
FOLDS = {
    "solution": ("# @title Solution", "hide-cell", "solution"),
    "figure": ("# @title Code of the figure", "hide-input", "code of the figure"),
    "check": ("# @title A check of what the text says", "remove-cell", ""),
}
DECIDE = "decide"  # the tag of a cell behind a question: what comes out is shown when the reader asks for it
TEACHER = "teacher"  # the tag of a text that only the teacher's edition has
SEEN_LATER = ("solution", DECIDE)  # what these cells gave is compared, but not shown before it is asked for
ASKS = re.compile(r"(Guess|Quiz)\(")
SHOWS = re.compile(r"^plots\.show\(", re.M)
TO_CHANGE = "# change this"  # a line that the reader changes, to see what the picture becomes: they stay together
IMPORT = re.compile(r"(import|from) \w")  # lines that no lesson counts
ASSERT = re.compile(r"^\s*assert\b", re.M)
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{9,16}\b")
MACHINE_PATH = re.compile(r"(?<![\w.-])/(home|Users|tmp|root|private/var|var/folders)/|\b[A-Za-z]:\\+Users\\")
NO_ALT = re.compile(r"<(Figure|IPython\.core\.display\.Image|PIL\.)")
# What only MyST understands, and JupyterLab and Colab would show as raw text.
MYST = {
    "directive": re.compile(r"^\s*(`{3,}|~{3,}|:{3,})\s*\{", re.M),
    "colon fence": re.compile(r"^\s*:{3,}", re.M),
    "role": re.compile(r"\{[A-Za-z][\w:.+-]*\}`"),
    "target": re.compile(r"^\([\w:.-]+\)=\s*$", re.M),
    "footnote": re.compile(r"\[\^[^\]]+\]"),
}
IMAGE_WITHOUT_ALT = re.compile(r"!\[\s*\]\(|<img(?![^>]*\balt=\"[^\"]+\")[^>]*>")


def fold(cell: nbformat.NotebookNode) -> str | None:
    """Return the tag for which a cell is folded."""
    return next((tag for tag in tags(cell) if tag in FOLDS), None)


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def put_away(notebook: nbformat.NotebookNode) -> None:
    """Take what would answer a question out of the reader's sight: into the metadata of its cell."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.outputs and set(SEEN_LATER) & set(tags(cell)):
            cell.metadata["seen_later"], cell.outputs = cell.outputs, []


def bring_back(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Undo `put_away`, and return the notebook."""
    for cell in notebook.cells:
        if "seen_later" in cell.metadata:
            cell.outputs = cell.metadata.pop("seen_later")
    return notebook


def count_cells(notebook: nbformat.NotebookNode) -> Counter[str]:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    vary = sum("nbval-ignore-output" in tags(cell) for cell in code)
    return Counter({"code cells": len(code), "cells compared": len(code) - vary, "cells that vary": vary})


def toc_files(node: object) -> Iterator[str]:
    """Yield the pages that a part of ``_toc.yml`` lists, in order."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [value] if key in ("file", "root") else toc_files(value)
    elif isinstance(node, list):
        for value in node:
            yield from toc_files(value)


def toc_problems(root: Path, names: list[str]) -> Iterator[str]:
    """Yield the notebooks that ``_toc.yml`` does not list, and those that it lists and that do not exist."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    listed = [file.removesuffix(".ipynb") for file in toc_files(toc)]
    for name in names:
        if f"notebooks/{name}" not in listed:
            yield f"{name}: _toc.yml does not list it; add `- file: notebooks/{name}`."
    for file in listed:
        if file.startswith("notebooks/") and file.removeprefix("notebooks/") not in names:
            yield f"_toc.yml lists {file}, which does not exist."


def difference(name: str, generated: nbformat.NotebookNode, stored: nbformat.NotebookNode) -> Iterator[str]:
    """Yield one sentence when the stored notebook is not what its text generates."""
    mend = f"Edit book/chapters/{name}.md, then run `python tools/notebooks.py build {name}`."
    fresh, old = ([(c.id, c.cell_type, c.source, c.metadata) for c in nb.cells] for nb in (generated, stored))
    number = next((i for i, (a, b) in enumerate(zip(fresh, old, strict=False), 1) if a != b), None)
    if number is not None:
        yield f"{name}, cell {number}: differs from its text. {mend}"
    elif len(fresh) != len(old):
        yield f"{name}: has {len(old)} cells, but its text makes {len(fresh)}. {mend}"
    elif generated.metadata != stored.metadata:
        yield f"{name}: its metadata differ from those that are generated. {mend}"


def notebook_problems(name: str, notebook: nbformat.NotebookNode, root: Path) -> Iterator[str]:
    """Yield what is wrong with one notebook, cell by cell."""
    if "widgets" in notebook.metadata:
        yield f"{name}: stores widget state; build it again."
    number_of_code_cell = 0
    for number, cell in enumerate(notebook.cells, 1):
        found = list(_anywhere(cell, root))
        if cell.cell_type == "code":
            number_of_code_cell += 1
            found += _code(cell, number_of_code_cell)
            found += _width(cell)
            found += _outputs(cell)
        else:
            found += _markdown(cell)
        first_line = cell.source.strip().split("\n")[0][:60]
        yield from (f"{name}, cell {number} ({first_line!r}): {problem}" for problem in found)


def _anywhere(cell: nbformat.NotebookNode, root: Path) -> Iterator[str]:
    text = "\n".join([cell.source, *_texts(cell.get("outputs", []))])
    if MACHINE_PATH.search(text) or str(root) in text:
        yield "holds a path of this machine; show a path relative to the notebook, or only the file's name."


def _texts(node: object) -> Iterator[str]:
    """Yield every string inside the outputs of a cell."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


def _code(cell: nbformat.NotebookNode, position: int) -> Iterator[str]:
    if cell.execution_count != position:
        yield f"has execution count {cell.execution_count}, but is code cell {position}; build the notebook again."
    if "execution" in cell.metadata:
        yield "stores times of execution; build the notebook again."
    if SHOWS.search(cell.source) and fold(cell) is None and TO_CHANGE not in cell.source:
        yield "draws beside other code; give the drawing a cell of its own, tagged figure."
    if "varies" in tags(cell) and not ASSERT.search(cell.source):
        yield "is tagged varies, so it must assert a bound on what it shows; add an assert, or drop the tag."
    if "nbval-ignore-output" in tags(cell) and "varies" not in tags(cell):
        yield "hides its output from nbval; tag it varies instead, and assert a bound on what it shows."
    if "solution" in tags(cell) and "check(" in cell.source and not _is_right(cell):
        yield "is a solution that its check does not find right; mend it."
    if {"nbval-skip", "skip-execution"} & set(tags(cell)) or "NBVAL_" in cell.source.upper():
        yield "is not fully run by nbval; drop the mark, or tag the cell varies."
    lines = sum(bool(line.strip()) and not IMPORT.match(line) for line in cell.source.split("\n"))
    limit = MAX_SOLUTION_LINES if fold(cell) else MAX_LINES
    if lines > limit:
        yield f"has {lines} lines of code, more than {limit}; split it."


def _width(cell: nbformat.NotebookNode) -> Iterator[str]:
    for number, line in enumerate(cell.source.split("\n"), 1):
        if len(line) > MAX_WIDTH:
            yield f"has {len(line)} characters in line {number}, more than {MAX_WIDTH}; give a part of it a name."


def _is_right(cell: nbformat.NotebookNode) -> bool:
    printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    return len(re.findall(r"^Right: ", printed, re.M)) == len(re.findall(r"^check\(", cell.source, re.M))


def _outputs(cell: nbformat.NotebookNode) -> Iterator[str]:
    expects_error = "raises-exception" in tags(cell)
    raised = any(output.output_type == "error" for output in cell.outputs)
    if raised and not expects_error:
        yield "stores an error; mend the code, or tag the cell raises-exception if the lesson shows the error."
    if expects_error and not raised and "varies" not in tags(cell):
        yield "is tagged raises-exception, but raised nothing."
    if DECIDE in tags(cell) and not cell.outputs and "varies" not in tags(cell):  # what varies is not kept
        yield "is tagged decide, but nothing comes out of it; tag the cell that shows the answer."
    for output in cell.outputs:
        kinds = output.get("data", {})
        if any(kind.startswith("image/") for kind in kinds) or any("data:image/" in text for text in _texts(output)):
            yield "stores an image; show figures with plots.show (as PNG), and build the notebook again."
        if any("vnd.jupyter.widget" in kind for kind in kinds):
            yield "stores widget state; build the notebook again."
        if NO_ALT.match(kinds.get("text/plain", "")):
            yield "shows an image without alternative text; use plots.show(fig, alt=…), and end the cell with it."
        if output.output_type == "stream" and output.name == "stderr":
            yield "writes to stderr; mend what it warns of, or tag the cell varies if it is a progress bar."
        address = next(filter(None, map(ADDRESS.search, _texts(output))), None)
        if address:
            yield f"shows the memory address {address.group()}; give the object a stable repr, or do not show it."


def _markdown(cell: nbformat.NotebookNode) -> Iterator[str]:
    for what, pattern in MYST.items():
        match = pattern.search(cell.source)
        if match:
            mark = match.group().strip()
            yield f"has a MyST {what} ({mark!r}), which Jupyter and Colab show as raw text; write plain Markdown."
    if IMAGE_WITHOUT_ALT.search(cell.source):
        yield "has an image without alternative text; write ![what the picture shows](file)."
