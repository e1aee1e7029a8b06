"""The exercises of the book: ``check`` says how an answer stands, ``reveal`` gives ours, one line each.

Answers and typical wrong answers stand in the files of this folder, a file a chapter: whoever looks for them finds
them, and nobody else meets them. `check` never raises for an answer, whatever it is, and never says what is right: at
first it replies to what is typical of a wrong answer, or gives a hint; then a stronger hint; `reveal` gives the rest.
"""

from __future__ import annotations

import difflib
import importlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._values import Numbers, Words

if TYPE_CHECKING:
    from ._code import Code, Task
    from .pieces import Piece

__all__ = ["check", "find", "names", "reveal"]

_tries: Counter[str] = Counter()  # wrong answers to every exercise since the kernel was started


def check(name: str, answer: object, *, keep: bool = False) -> None:
    """Say in one line how an answer stands.

    Parameters
    ----------
    name : str
        The exercise, such as ``"double_conv.count"``.
    answer : object
        What the reader wrote: anything. ``None`` means "not answered yet".
    keep : bool, default False
        Whether a piece of the network that is right is written into ``my_unet.py``, in the notebook's folder.

    Raises
    ------
    ValueError
        If there is no such exercise. No answer raises.

    Examples
    --------
    >>> check("double_conv.shape", None)
    Not answered yet: replace None by your answer.
    >>> check("double_conv.shape", (4, 32, 25, 35))
    Not yet: (4, 32, 25, 35). Height and width were halved: that is what a pooling does, and a DoubleConv has none.
    >>> check("double_conv.shape", [4, 32, 50, 70])
    Right: (4, 32, 50, 70).
    """
    exercise = find(name)
    if answer is None:
        print("Not answered yet: replace None by your answer.")
        return
    import torch

    with torch.random.fork_rng(devices=[]):  # what follows in the notebook must not depend on an answer
        reply = exercise.judge(answer)
    if reply.state == "missing":
        print(f"Not answered yet: {reply.shown}.")
    elif reply.state == "right":
        print(f"Right: {reply.shown}." + (_keep(name, answer) if keep else ""))
    else:
        words = reply.words or f"Hint: {exercise.hints[min(_tries[name], 1)]}"
        more = f' For ours: reveal("{name}")' if _tries[name] else ""
        _tries[name] += 1
        print(f"Not yet: {reply.shown}. {words}{more}")


def reveal(name: str) -> None:
    """Print the right answer to an exercise, in one line; of what is written in code, the place where ours stands.

    Parameters
    ----------
    name : str
        The exercise.

    Raises
    ------
    ValueError
        If there is no such exercise.

    Examples
    --------
    >>> reveal("double_conv.shape")
    The answer: (4, 32, 50, 70).
    """
    print(find(name).revealed())


def names() -> list[str]:
    """Return the names of all exercises, chapter by chapter.

    Returns
    -------
    list of str

    Examples
    --------
    >>> "double_conv.count" in names()
    True
    """
    found = []
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        chapter = _chapter(path.stem)
        found += [
            f"{path.stem}.{name}" for name, value in vars(chapter).items() if hasattr(value, "judge") and _is_one(value)
        ]
    return found


def find(name: str) -> Numbers | Words | Code | Task | Piece:
    """Return an exercise.

    Parameters
    ----------
    name : str
        The chapter's file in this folder, a dot, and the exercise.

    Returns
    -------
    Numbers, Words, Code, Task or Piece

    Raises
    ------
    ValueError
        If there is no such exercise.

    Examples
    --------
    >>> type(find("double_conv.count")).__name__
    'Numbers'
    """
    chapter, _, one = name.partition(".") if isinstance(name, str) else ("", "", "")
    if chapter.isidentifier() and Path(__file__).with_name(f"{chapter}.py").is_file() and not chapter.startswith("_"):
        exercise: Any = getattr(_chapter(chapter), one, None)
        if _is_one(exercise):
            return exercise
    near = difflib.get_close_matches(str(name), names(), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"name must be that of an exercise, but got {name!r}.{hint}")


def _chapter(name: str) -> Any:
    """Import the exercises of a chapter only when one is asked for: some load much."""
    return importlib.import_module(f"{__name__}.{name}")


def _is_one(value: object) -> bool:
    return type(value).__name__ in ("Numbers", "Words", "Code", "Task", "Piece")


def _keep(name: str, answer: object) -> str:
    from . import pieces

    exercise = find(name)
    piece = exercise.ours.__name__  # type: ignore[union-attr]
    try:
        pieces.keep(piece, answer)
    except (OSError, ValueError) as error:
        return f" It was not kept: {error}"
    try:
        problem = exercise.judge(pieces.load(piece))
    except Exception as error:  # the file is the reader's, and may do anything
        return f" Kept in {pieces.FILE}, which raises {type(error).__name__}: {error}"
    if problem.state != "right":
        return f" Kept in {pieces.FILE}, but there {problem.shown}. Does the class use what stands outside of it?"
    return f" Kept in {pieces.FILE}."
