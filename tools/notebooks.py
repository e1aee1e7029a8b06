"""Make the notebooks from the chapters' text, and check that they still belong together.

    python tools/notebooks.py build [NAME ...]    write and execute notebooks/NAME.ipynb (all without a NAME)
    python tools/notebooks.py check               compare notebooks and text, without executing anything

A chapter is ``book/chapters/NN_name.md`` (jupytext's MyST format). A notebook in git keeps its text outputs, which
nbval compares with every run, and no images, widget state, times or paths.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections import Counter
from pathlib import Path

import jupytext
import nbformat

import notebook_rules
import runs
from console import Board, last_lines
from setup_cell import repository_url, setup_cell

ROOT = Path(__file__).resolve().parents[1]
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
}
# nbval does not compare these, and git does not carry them.
STRIPPED = ("image/png", "image/jpeg", "application/vnd.jupyter.widget-view+json")
# Of what remains, nbval compares what these patterns leave, and git carries no more. Read as nbval reads them.
PATTERNS = re.findall(
    r"^regex: (.*)$\n^replace: (.*)$", Path(__file__).with_name("nbval.cfg").read_text(encoding="utf-8"), re.M
)


def source_path(root: Path, name: str) -> Path:
    return root / "book" / "chapters" / f"{name}.md"


def notebook_path(root: Path, name: str) -> Path:
    return root / "notebooks" / f"{name}.ipynb"


def names_in(folder: Path, pattern: str) -> list[str]:
    return sorted(path.stem for path in folder.glob(pattern))


def generate(root: Path, name: str, *, teacher: bool = False) -> nbformat.NotebookNode:
    """Return the notebook of a chapter's text, not executed: a function of the text and ``_config.yml`` alone.

    What the text says to teachers is in it only where ``teacher`` asks for it (``tools/editions.py``).
    """
    notebook = jupytext.read(source_path(root, name), fmt="md:myst")
    if not teacher:
        notebook.cells = [cell for cell in notebook.cells if notebook_rules.TEACHER not in notebook_rules.tags(cell)]
    setup = nbformat.v4.new_code_cell(setup_cell(repository_url(root)), metadata={"tags": ["remove-cell"]})
    if not notebook.cells or notebook.cells[0].cell_type != "markdown":
        raise ValueError(f"{name}: a chapter must start with text, its title, but its first cell is code.")
    notebook.cells.insert(1, setup)
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        fold = notebook_rules.fold(cell)
        if fold is not None:
            cell.source = f"{notebook_rules.FOLDS[fold][0]}\n{cell.source}"
        cell.metadata = _metadata(cell)
        # The id follows from the content, so that generating again changes nothing.
        digest = hashlib.sha256(f"{cell.cell_type} {cell.source}".encode()).hexdigest()[:12]
        seen[digest] += 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _metadata(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the cell's metadata with what its tags ask for."""
    metadata = nbformat.from_dict(dict(cell.metadata))
    tags = list(notebook_rules.tags(cell))
    if "varies" in tags:
        tags.append("nbval-ignore-output")
    fold = notebook_rules.fold(cell)
    if fold is not None:  # in the book, in Jupyter and in Colab
        _, how, name = notebook_rules.FOLDS[fold]
        tags.append(how)
        metadata.jupyter = {"source_hidden": True}
        metadata.cellView = "form"
        if name:
            metadata.mystnb = {"code_prompt_show": f"Show the {name}", "code_prompt_hide": f"Hide the {name}"}
    if notebook_rules.DECIDE in tags:
        tags.append("hide-output")
        what = "what comes out" if fold is None else "{type}"  # both are folded: book/_ext/book_cells.py names them
        metadata.mystnb = {"code_prompt_show": f"Show {what}", "code_prompt_hide": f"Hide {what}"}
    if notebook_rules.ASKS.match(cell.source):
        tags.append("remove-input")  # a reader of the page needs the question, not the line that shows it
    if tags:
        metadata.tags = list(dict.fromkeys(tags))
    return metadata


def clean(notebook: nbformat.NotebookNode) -> None:
    """Take out of an executed notebook what differs from machine to machine, or is no text."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("execution", None)
        if "varies" in notebook_rules.tags(cell):
            cell.outputs = []
        for output in cell.outputs:
            if "data" in output:
                output.data = {kind: cut(value) for kind, value in output.data.items() if kind not in STRIPPED}
                output.metadata = {}
            if output.output_type == "stream":
                output.text = cut(output.text)
            if output.output_type == "error":
                output.traceback = [f"{output.ename}: {output.evalue}"]


def cut(value: object) -> object:
    """Return what git carries of one form of an output."""
    if isinstance(value, str):
        for pattern, replacement in PATTERNS:
            value = re.sub(pattern, replacement, value)
    return value


def build(root: Path, names: list[str]) -> list[str]:
    """Write the notebooks ``names``, run if need be; return what went wrong, one sentence each."""
    made = {name: generate(root, name) for name in names}
    executed = {name: runs.find(root, notebook) for name, notebook in made.items()}
    stale = {name: made[name] for name in names if executed[name] is None}
    failures = runs.run_all(root, stale, Board())
    problems = [
        f"{name}: {failure.cell}: {failure.reason} The notebook was not written.\n"
        + last_lines(runs.log_file(root, name), count=40)
        for name, failure in failures.items()
    ]
    for name in names:
        if name not in failures:
            problems += write(root, name, executed[name] or made[name])  # what was run now holds its outputs
    return problems


def write(root: Path, name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """Write an executed notebook as git carries it, if it has changed, and return what is wrong with it."""
    clean(notebook)
    problems = list(notebook_rules.notebook_problems(name, notebook, root))
    notebook_rules.put_away(notebook)
    path, text = notebook_path(root, name), nbformat.writes(notebook) + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        print(f"written: {path.relative_to(root)}", flush=True)
    return problems


def check(root: Path) -> list[str]:
    """Return what is wrong with the notebooks and their sources, one sentence each; print what was counted."""
    sources, notebooks = names_in(root / "book" / "chapters", "*.md"), names_in(root / "notebooks", "*.ipynb")
    missing, orphans = (sorted(set(a) - set(b)) for a, b in ((sources, notebooks), (notebooks, sources)))
    problems = [f"{name}: has no notebook; run `python tools/notebooks.py build {name}`." for name in missing]
    problems += [f"{name}: has no text book/chapters/{name}.md; write it, or delete the notebook." for name in orphans]
    problems += notebook_rules.toc_problems(root, notebooks)
    counts: Counter[str] = Counter(notebooks=len(notebooks))
    for name in notebooks:
        notebook = notebook_rules.bring_back(nbformat.read(notebook_path(root, name), as_version=4))
        if name in sources:
            problems += notebook_rules.difference(name, generate(root, name), notebook)
        problems += notebook_rules.notebook_problems(name, notebook, root)
        counts += notebook_rules.count_cells(notebook)
    for what in ("notebooks", "code cells", "cells compared", "cells that vary"):
        print(f"{what:<16}{counts[what]:>6}")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="write and execute notebooks").add_argument("names", nargs="*", metavar="NAME")
    commands.add_parser("check", help="compare notebooks and text")
    arguments = parser.parse_args()
    if arguments.command == "check":
        problems = check(ROOT)
    else:
        known = names_in(ROOT / "book" / "chapters", "*.md")
        names = [Path(name).stem for name in arguments.names] or known
        unknown = [name for name in names if name not in known]
        if unknown:
            parser.error(f"no chapter {', '.join(unknown)} in book/chapters; there are: {', '.join(known) or 'none'}")
        problems = build(ROOT, names)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
