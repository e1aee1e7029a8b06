"""Make the editions for a class: one to hand out, without solutions, and one to teach from, with notes.

    python tools/editions.py            write dist/student and dist/instructor, and a zip of each
    python tools/editions.py student    one of them

Each is a folder that works without a network: the pages, to be opened from ``pages/index.html``, and the notebooks.
Both come from the chapters' text and the kept runs; `make book` is run first, if it must be.
"""

from __future__ import annotations

import argparse
import copy
import re
import shutil
import sys
from pathlib import Path

import nbformat
import yaml

import notebook_rules
import notebooks
import pages
import runs
from book_build import build_book
from console import Board
from only_one import only_one

ROOT = Path(__file__).resolve().parents[1]
EDITIONS = ("student", "instructor")
NOT_FOR_STUDENTS = {"solution", "check"}  # tags of cells
NEEDED = ("_toc.yml", "book", "experiments", "tools", "unet_tutorial")  # beside the notebooks, to build the pages
README = """\
{title}

pages/index.html   the book; open it in any browser, no network is needed
notebooks/         its chapters, for Jupyter; README.md of the project says how to install what they need
{more}
"""
MORE = {
    "student": "Solutions, and what would answer a question before it is asked, are not in this edition.",
    "instructor": "Notes for the teacher stand where they belong: minutes, what students say, what to ask back.",
}


def transformed(name: str, edition: str, executed: nbformat.NotebookNode, root: Path = ROOT) -> nbformat.NotebookNode:
    """Return a chapter, with its outputs, as an edition has it."""
    if edition == "instructor":
        notebook = notebooks.generate(root, name, teacher=True)
        ran = iter([cell for cell in executed.cells if cell.cell_type == "code"])
        for cell in notebook.cells:
            if cell.cell_type == "code":
                one = next(ran)
                cell.outputs, cell.execution_count = one.outputs, one.execution_count
        return notebook
    notebook = copy.deepcopy(executed)
    notebook.cells = [cell for cell in notebook.cells if not NOT_FOR_STUDENTS & set(notebook_rules.tags(cell))]
    return notebook


def for_jupyter(notebook: nbformat.NotebookNode, edition: str) -> nbformat.NotebookNode:
    """Return a chapter as a file for Jupyter: text outputs alone, and none that would answer a question."""
    notebook = copy.deepcopy(notebook)
    notebooks.clean(notebook)
    notebook_rules.put_away(notebook)
    count = 0
    for cell in notebook.cells:
        answers = cell.metadata.pop("seen_later", None)
        if edition == "instructor" and answers:
            cell.outputs = answers
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
        elif notebook_rules.TEACHER in notebook_rules.tags(cell):
            cell.source = "\n".join(f"> {line}".rstrip() for line in f"**For the teacher.** {cell.source}".split("\n"))
    return notebook


def for_pages(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a chapter as the pages are built from it: notes in a box of their own."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if notebook_rules.TEACHER in notebook_rules.tags(cell):
            cell.source = f"```{{admonition}} For the teacher\n:class: teacher\n{cell.source}\n```"
    return notebook


def make(edition: str, root: Path = ROOT) -> Path:
    """Write one edition below ``dist``, with its zip, and return the folder."""
    chapters = {}
    for name in notebooks.names_in(root / "book" / "chapters", "*.md"):
        executed = runs.find(root, notebooks.generate(root, name))
        if executed is None:
            raise RuntimeError(f"no run of {name} is kept: `make notebooks book` makes one.")
        chapters[name] = transformed(name, edition, executed, root)
    tree, board = root / "_build" / "editions" / edition, Board()
    plant(root, tree, edition, chapters)
    if not pages.build(tree, board):
        raise RuntimeError("the pages were not built:\n" + "\n".join(pages.warnings(tree)))
    folder = root / "dist" / edition
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(pages.html(tree), folder / "pages")
    (folder / "notebooks").mkdir()
    for name, notebook in chapters.items():
        nbformat.write(for_jupyter(notebook, edition), folder / "notebooks" / f"{name}.ipynb")
        offered = folder / "pages" / "_sources" / "notebooks" / f"{name}.ipynb"  # what the page offers to download
        shutil.copyfile(folder / "notebooks" / f"{name}.ipynb", offered)
    title = f"{yaml.safe_load((root / '_config.yml').read_text(encoding='utf-8'))['title']}: the {edition}'s edition"
    (folder / "README.txt").write_text(README.format(title=title, more=MORE[edition]), encoding="utf-8")
    shutil.make_archive(str(folder), "zip", folder.parent, folder.name)
    return folder


def plant(root: Path, tree: Path, edition: str, chapters: dict[str, nbformat.NotebookNode]) -> None:
    """Put into a folder what the pages of an edition are built from: the chapters with their outputs, run already."""
    kept = tree / "_build"  # what Sphinx remembers of the last time
    for path in tree.glob("*"):
        if path != kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (tree / "notebooks").mkdir(parents=True)
    for name in NEEDED:
        source = root / name
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, tree / name, ignore=ignore) if source.is_dir() else shutil.copyfile(source, tree / name)
    settings = (root / "_config.yml").read_text(encoding="utf-8")
    settings = re.sub(r"execute_notebooks: \w+", 'execute_notebooks: "off"', settings)
    settings = settings.replace("  config:\n", f"  config:\n    edition: {edition}\n", 1)
    (tree / "_config.yml").write_text(settings, encoding="utf-8")
    for name, notebook in chapters.items():
        nbformat.write(for_pages(notebook), tree / "notebooks" / f"{name}.ipynb")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edition", nargs="*", choices=[*EDITIONS, []], help="which; without one, both")
    wanted = parser.parse_args().edition or EDITIONS
    with only_one(ROOT, "make editions"):
        if build_book(ROOT):
            return 1
        for edition in wanted:
            folder = make(edition)
            print(f"{folder.relative_to(ROOT)} and {folder.name}.zip: open pages/index.html in it.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
