"""Which names of PyTorch, NumPy, SciPy and scikit-image the chapters use, and in which chapter each comes first.

The page `book/functions.md` explains them in a line each, and a test holds the two together.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import jupytext
import numpy as np
import torch

LIBRARIES = ("torch", "numpy", "scipy", "skimage")
# The short names by which the field knows the parts of these libraries, and by which the page lists them.
SHORT = {
    "torch.nn.functional": "F",
    "torch.nn": "nn",
    "numpy": "np",
    "scipy.ndimage": "ndimage",
    **{f"skimage.{part}": part for part in ("color", "feature", "filters", "io", "measure", "segmentation")},
}
# What lists, texts and numbers of Python do as well is no method to explain.
PLAIN = {name for kind in (list, dict, str, set, int, float, Path) for name in dir(kind)}
METHODS = {name for kind in (torch.Tensor, np.ndarray, torch.nn.Module) for name in dir(kind)} - PLAIN

MATPLOTLIB = {"axes": "matplotlib.axes", "figure": "matplotlib.figure"}  # so they are called in every chapter


def is_of_libraries(name: str) -> bool:
    return name.split(".")[0] in LIBRARIES


def short(name: str) -> str:
    """Return a name as the page lists it: `F.conv2d` for `torch.nn.functional.conv2d`."""
    for whole, alias in SHORT.items():
        if name.startswith(f"{whole}."):
            return alias + name[len(whole) :]
    return name


def imported(tree: ast.AST) -> dict[str, str]:
    """Return what every imported name stands for."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            whole = {alias.name if alias.asname else alias.name.split(".")[0]: alias for alias in node.names}
            found |= {alias.asname or name: name for name, alias in whole.items()}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def names_in(code: str) -> Iterator[str]:
    """Yield the names of the libraries that a piece of code uses, and with a dot in front the methods of tensors."""
    tree = ast.parse(code)
    known = imported(tree)
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            parts, root = [node.attr], node.value
            while isinstance(root, ast.Attribute):
                parts, root = [root.attr, *parts], root.value
            whole = known.get(root.id, MATPLOTLIB.get(root.id)) if isinstance(root, ast.Name) else None
            if whole is None and node.attr in METHODS:
                yield f".{node.attr}"
            elif whole is not None and id(node) not in inner and is_of_libraries(whole):
                yield short(".".join([whole, *parts]))  # of torch.testing.assert_close only the whole
        elif isinstance(node, ast.Name) and id(node) not in inner and is_of_libraries(known.get(node.id, "")):
            yield short(known[node.id])


def first_uses(chapters: Path) -> dict[str, str]:
    """Return for every name that the chapters use the chapter in which it comes first."""
    first: dict[str, str] = {}
    for path in sorted(chapters.glob("*.md")):
        cells = [cell.source for cell in jupytext.read(path).cells if cell.cell_type == "code"]
        for name in names_in("\n\n".join(cells)):
            first.setdefault(name, path.stem)
    return first
