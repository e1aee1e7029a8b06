"""Checks for the exercises of the book: each prints one line that says how the reader's answer stands.

A wrong answer never raises. As long as the answer is ``None``, nothing is said about the right one; afterwards the
line says what came and what was expected.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["check", "check_function"]


def check(answer: object, expected: object, *, hint: str | None = None, tolerance: float = 1e-6) -> None:
    """Compare an answer with what is expected, and print one line about it.

    Parameters
    ----------
    answer : object
        What the reader wrote; ``None`` means "not answered yet".
    expected : object
        The right answer: a number, a string, a truth value, a list or tuple of these, a NumPy array or a PyTorch
        tensor. Or a function without arguments that returns it, so that an expensive answer is computed only when
        there is something to compare it with.
    hint : str, optional
        One sentence that helps on; it is shown with a wrong answer.
    tolerance : float
        The largest difference that still counts as right, where a float is expected. Whole numbers must be equal.

    Raises
    ------
    ValueError
        If ``expected`` is none of the kinds above. That is a mistake of the exercise, not of the reader.

    Notes
    -----
    Strings are compared without regard to case and to blanks around them; a list and a tuple count as the same. An
    array must have the shape and the dtype that are expected.

    Examples
    --------
    >>> answer = None
    >>> check(answer, 38_848)
    Not answered yet: replace None by your answer.
    >>> check(38_848, 38_848)
    Right: 38,848.
    >>> check(36_928, 38_848, hint="Count the batch norms too.")
    Not yet: you have 36,928, but 38,848 was expected. Hint: Count the batch norms too.
    >>> check(45.6, lambda: 100 * 14_159_872 / 31_037_633, tolerance=0.1)
    Right: 45.6.
    >>> check([1, 64, 32], (1, 64, 16, 16))
    Not yet: you have (1, 64, 32), but (1, 64, 16, 16) was expected.
    """
    if answer is None:
        print("Not answered yet: replace None by your answer.")
        return
    if callable(expected):
        expected = expected()
    problem = _difference(answer, expected, tolerance)
    print(_verdict(problem and f"you have {problem}", f"Right: {_show(answer)}.", hint))


def check_function(
    function: Callable[..., Any] | None,
    reference: Callable[..., Any],
    cases: Iterable[tuple],
    *,
    hint: str | None = None,
    tolerance: float = 1e-6,
) -> None:
    """Call a reader's function and a right one with the same arguments, and print one line about the first difference.

    Parameters
    ----------
    function : callable
        What the reader wrote. ``None``, or a function that returns ``None``, means "not answered yet".
    reference : callable
        A function that gives the right answers.
    cases : iterable of tuple
        The arguments of each call, such as ``[(64, 3), (65, 3)]``. Every call gets its own copy of them.
    hint : str, optional
        One sentence that helps on; it is shown with a wrong answer.
    tolerance : float
        The largest difference that still counts as right, where the reference returns a float.

    Raises
    ------
    ValueError
        If there are no cases, or the reference returns something that :func:`check` cannot compare.

    Examples
    --------
    >>> def half(side):
    ...     return side / 2
    >>> check_function(half, lambda side: side // 2, [(8,), (9,)])
    Not yet: for (9) your function returns 4.5, but 4 was expected.
    >>> check_function(lambda side: side // 2, lambda side: side // 2, [(8,), (9,)])
    Right: your function agrees with ours in 2 of 2 cases.
    """
    cases = list(cases)
    if not cases:
        raise ValueError("cases must hold at least one tuple of arguments, but it is empty.")
    if function is None:
        print("Not answered yet: replace None by your answer.")
        return
    if not callable(function):
        print(_verdict(f"you have {_show(function)}, but a function was expected", "", hint))
        return
    for arguments in cases:
        expected = reference(*copy.deepcopy(arguments))
        call = f"for ({', '.join(map(_show, arguments))}) your function"
        try:
            answer = function(*copy.deepcopy(arguments))
        except Exception as error:  # whatever the reader's code raises is part of the answer
            message = str(error).partition("\n")[0].removesuffix(".")
            print(_verdict(f"{call} raises {type(error).__name__}: {message}", "", hint))
            return
        if answer is None:
            print("Not answered yet: your function returns None.")
            return
        problem = _difference(answer, expected, tolerance)
        if problem:
            print(_verdict(f"{call} returns {problem}", "", hint))
            return
    print(f"Right: your function agrees with ours in {len(cases)} of {len(cases)} cases.")


def _verdict(problem: str | None, right: str, hint: str | None) -> str:
    if problem is None:
        return right
    return f"Not yet: {problem}." + (f" Hint: {hint}" if hint else "")


def _difference(answer: object, expected: object, tolerance: float) -> str | None:
    """Return ``None`` for a right answer, and otherwise "(the answer), but (what) was expected"."""
    if _is_array(expected) and _is_array(answer):
        difference = _array_difference(answer, expected, tolerance)
        return f"{_show(answer)}, but {difference}" if difference else None
    if _same(answer, expected, tolerance):
        return None
    return f"{_show(answer)}, but {_show(expected)} was expected"


def _same(answer: object, expected: object, tolerance: float) -> bool:
    answer, expected = _plain(answer), _plain(expected)
    if isinstance(expected, bool) or isinstance(answer, bool):
        return answer is expected
    if isinstance(expected, int):
        return isinstance(answer, (int, float)) and answer == expected
    if isinstance(expected, float):
        return isinstance(answer, (int, float)) and math.isclose(answer, expected, rel_tol=0, abs_tol=tolerance)
    if isinstance(expected, str):
        return isinstance(answer, str) and answer.strip().casefold() == expected.strip().casefold()
    if isinstance(expected, (list, tuple)):
        return (
            isinstance(answer, (list, tuple))
            and len(answer) == len(expected)
            and all(_same(a, e, tolerance) for a, e in zip(answer, expected, strict=True))
        )
    if _is_array(expected):
        return False  # against anything but an array
    raise ValueError(
        f"expected must be a number, a string, a truth value, a list or tuple of these, an array or a tensor, "
        f"but got {expected!r}."
    )


def _library(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def _is_array(value: object) -> bool:
    """Tell arrays and tensors with at least one axis, without importing NumPy or PyTorch."""
    return _library(value) in ("numpy", "torch") and len(getattr(value, "shape", ())) > 0


def _plain(value: object) -> object:
    """Return Python's own number for a NumPy or PyTorch scalar, and anything else as it is."""
    if _library(value) in ("numpy", "torch") and hasattr(value, "item") and not _is_array(value):
        return value.item()
    return value


def _array_difference(answer: Any, expected: Any, tolerance: float) -> str | None:
    """Return what tells two arrays apart, shape first, or ``None``."""
    import numpy as np

    if _library(answer) != _library(expected) or answer.dtype != expected.dtype or answer.shape != expected.shape:
        return f"{_show(expected)} was expected"
    ours, theirs = (np.asarray(x.detach().cpu() if _library(x) == "torch" else x) for x in (expected, answer))
    if ours.dtype.kind != "f":
        tolerance = 0
    close = np.isclose(theirs, ours, rtol=0, atol=tolerance, equal_nan=True)
    if close.all():
        return None
    first = tuple(int(i) for i in np.argwhere(~close)[0])
    count = f"{int((~close).sum()):,} of {close.size:,} places"
    return f"values differ in {count}: {_show(theirs[first])} at {list(first)}, where {_show(ours[first])} was expected"


def _show(value: Any) -> str:
    """Return a short text for a value: thousands separated, arrays by kind, dtype and shape."""
    value = _plain(value)
    if _is_array(value):
        kind = "tensor" if _library(value) == "torch" else "array"
        dtype = str(value.dtype).removeprefix("torch.")
        return f"{'an' if dtype.startswith('i') else 'a'} {dtype} {kind} of shape {tuple(value.shape)}"
    if isinstance(value, bool) or not isinstance(value, (int, float, list, tuple)):
        text = repr(value)
        return text if len(text) <= 80 else f"{text[:79]}…"
    if isinstance(value, (list, tuple)):  # no thousands separator where a comma separates the entries
        return f"({', '.join(_show(v).replace(',', '') if isinstance(v, (int, float)) else _show(v) for v in value)})"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
