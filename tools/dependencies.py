"""What the result of a chapter depends on: its code, what it imports of the package, the data, and the libraries.

If none of these has changed, a chapter that was run before need not be run again.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import re
import sysconfig
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

import grimp
import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from packaging.utils import canonicalize_name

import data_sets
import install

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "unet_tutorial"
# Files that are no Python, and the module that reads them. Of these folders, only what is asked for by name counts.
READ_BY = {
    ".": PACKAGE,
    "widgets/kit": f"{PACKAGE}.widgets.kit.base",
    "data": f"{PACKAGE}.data.pictures",
    "live": f"{PACKAGE}.live.base",
    "exercises": f"{PACKAGE}.exercises._page",  # for the pages alone, so no chapter depends on them
    "quiz": f"{PACKAGE}.quiz",
    "results": f"{PACKAGE}._kept",
    "weights": f"{PACKAGE}._kept",
    "denoisers": f"{PACKAGE}._kept",
}
BY_NAME = ("quiz", "results", "weights", "denoisers")
EXERCISE = re.compile(r"\b(?:check|reveal)\(\"(\w+)\.")  # asks for the exercises of a chapter, which are loaded then


@cache
def graph() -> grimp.ImportGraph:
    """Return who imports whom in the package."""
    return grimp.build_graph(PACKAGE, cache_dir=None)


def with_parents(module: str) -> set[str]:
    """Return a module and the packages in which it is: Python runs their `__init__` first."""
    parts = module.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts) + 1)}


def imported(code: str) -> set[str]:
    """Return the modules of the package that a piece of code names.

    What is imported from the package itself and is no module may be anywhere in it, so then all of them are returned.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(TransformerManager().transform_cell(code))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            both = [(node.module, f"{node.module}.{alias.name}") for alias in node.names]
            names = [whole if whole in graph().modules else module for module, whole in both]
        else:
            continue
        found.update(name for name in names if name.split(".")[0] == PACKAGE)
    return set(graph().modules) if PACKAGE in found else found


def modules(code: str) -> set[str]:
    """Return the modules of the package that a piece of code runs, directly or not."""
    asked = {f"{PACKAGE}.exercises.{chapter}" for chapter in EXERCISE.findall(code)} & set(graph().modules)
    found, left = set(), {parent for module in imported(code) | asked for parent in with_parents(module)}
    while left:
        found |= left
        upstream = {name for module in left for name in graph().find_modules_directly_imported_by(module)}
        left = {parent for module in upstream for parent in with_parents(module)} - found
    return found


def module_file(module: str) -> Path:
    """Return where a module of the package is."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def files(code: str) -> list[Path]:
    """Return the files of the package on which the result of a piece of code depends."""
    found = modules(code)
    paths = [module_file(module) for module in found]
    text = "\n".join([code, *(path.read_text(encoding="utf-8") for path in paths)])
    for folder, reader in READ_BY.items():
        for path in (ROOT / PACKAGE / folder).iterdir() if reader in found else ():
            asked = rf"[\"']{re.escape(path.stem)}[\"']"
            is_named = re.search(rf"Quiz\({asked}" if folder == "quiz" else asked, text)
            counts = is_named or folder not in BY_NAME or path.suffix in (".css", ".js")
            if path.is_file() and path.suffix != ".py" and counts:
                paths.append(path)
    return sorted(paths)


@cache
def libraries() -> str:
    """Return the Python and what is installed for the book, with its version; what only the tests need is no part."""
    places = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})  # sys.path may grow while we run
    book = {canonicalize_name(pin.partition("==")[0]) for pin in install.pins(install.BOOK)}
    found = ((canonicalize_name(one.name), one.version) for one in distributions(path=places))
    installed = sorted(f"{name}=={version}" for name, version in found if name in book)
    return "\n".join([platform.python_version(), *installed])


def data_of(notebook: nbformat.NotebookNode) -> list[data_sets.DataSet]:
    """Return the published data sets that a notebook uses."""
    found = modules(code_of(notebook))
    return [one for one in data_sets.ALL if one.module in found]


def code_of(notebook: nbformat.NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def key(notebook: nbformat.NotebookNode) -> str:
    """Return a text that changes when something changes on which the notebook's outputs depend."""
    digest = hashlib.sha256()
    code = code_of(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            digest.update(json.dumps([cell.source, cell.metadata], sort_keys=True).encode())
    for path in files(code):
        digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    digest.update(libraries().encode())
    for one in data_of(notebook):
        digest.update(data_sets.place(one).encode())
    return digest.hexdigest()
