"""Calls of what a reader wrote: whatever it does, the notebook goes on, and one line says what happened."""

from __future__ import annotations

import copy
import sys
import sysconfig
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from ._values import show

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
MOST_LINES = 3_000_000  # of the reader's own code; a loop that ends has far fewer


class Outcome(NamedTuple):
    """What a call returned, or the text about how it failed.

    Attributes
    ----------
    value : object
        What came back.
    failed : str
        One line, or "" if nothing failed.
    missing : bool
        Whether there is no answer yet.
    changed : bool
        Whether the call changed what it was given.

    Examples
    --------
    >>> Outcome(3).failed
    ''
    """

    value: Any = None
    failed: str = ""
    missing: bool = False
    changed: bool = False


class _TooLongError(BaseException):
    """Ends a loop. No ``except Exception`` of the reader's code catches it."""


def call(function: Callable[..., Any], *arguments: Any) -> Outcome:
    """Call a function with copies of the arguments, and come back, whatever it does.

    Parameters
    ----------
    function : callable
        What the reader wrote.
    *arguments : object
        What it gets: copies, so that it cannot spoil them.

    Returns
    -------
    Outcome

    Examples
    --------
    >>> call(lambda x: 1 / x, 0).failed
    'raises ZeroDivisionError: division by zero'
    """
    given = copy.deepcopy(arguments)
    try:
        value = _limited(function, given)
    except NotImplementedError:
        return Outcome(missing=True)
    except _TooLongError:
        return Outcome(failed=f"has not come to an end after {MOST_LINES:,} lines. Is there a loop that never stops")
    except (Exception, SystemExit) as error:  # whatever it raises is part of the answer
        message = " ".join(str(error).split()).removesuffix(".")
        return Outcome(failed=f"raises {type(error).__name__}" + (f": {message[:160]}" if message else ""))
    pairs = zip(given, arguments, strict=True)
    changed = any(difference(after, before, 0.0) for after, before in pairs if not isinstance(before, torch.nn.Module))
    return Outcome(value, missing=value is None, changed=changed)


def _limited(function: Callable[..., Any], arguments: tuple) -> Any:
    """Call it, and count the lines of the reader's code. The count is the same on a slow machine; a clock is not."""
    if sys.gettrace() is not None:  # a debugger is at work
        return function(*arguments)
    lines = 0

    def count(frame: types.FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        if frame.f_code.co_filename.startswith(_LIBRARIES):
            return None
        lines += 1
        if lines > MOST_LINES:
            raise _TooLongError
        return count

    sys.settrace(count)
    try:
        return function(*arguments)
    finally:
        sys.settrace(None)


def difference(answer: Any, expected: Any, tolerance: float, *, exact_dtype: bool = False) -> str | None:
    """Return ``None`` if two values are the same, and otherwise what tells them apart.

    A right value in another form is right: a list for an array, numpy for torch, float64 for float32.

    Parameters
    ----------
    answer, expected : object
        Numbers, texts, truth values, arrays, tensors, and lists, tuples and dicts of these.
    tolerance : float
        The largest difference between two numbers that is none, where one of them is not whole.
    exact_dtype : bool, default False
        Whether an array must have the dtype that is expected.

    Returns
    -------
    str or None

    Examples
    --------
    >>> difference([1, 2], torch.tensor([1, 2]), 0.0) is None
    True
    >>> difference((4, 4), (4, 5), 0.0)
    '(4, 4), but (4, 5) was expected'
    """
    ours = _array(expected)
    if ours is None:
        return None if _same(answer, expected, tolerance) else f"{show(answer)}, but {show(expected)} was expected"
    theirs = _array(answer)
    wanted = show(expected)
    if theirs is None or theirs.shape != ours.shape:
        return f"{show(answer)}, but {wanted} was expected"
    if exact_dtype and (type(answer) is not type(expected) or answer.dtype != expected.dtype):
        return f"{show(answer)}, but {wanted} was expected"
    close = np.isclose(theirs, ours, rtol=tolerance, atol=tolerance, equal_nan=True)
    if close.all():
        return None
    first = tuple(int(i) for i in np.argwhere(~close)[0])
    if not first or (ours.ndim == 1 and isinstance(expected, (list, tuple))):
        return f"{show(answer)}, but {wanted} was expected"
    count = f"{int((~close).sum()):,} of {close.size:,} places"
    found, wanted = show(theirs[first].item()), show(ours[first].item())
    return f"{show(answer)}, which differs in {count}: {found} at {list(first)}, where {wanted} was expected"


def _array(value: Any) -> np.ndarray | None:
    """Return what holds numbers as float64, or ``None``: text, nothing, and lists of different lengths."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=repr)
    if isinstance(value, (list, tuple)) and value and all(isinstance(part, torch.Tensor) for part in value):
        parts = [part for part in map(_array, value) if part is not None]
        value = np.stack(parts) if len(parts) == len(value) and len({part.shape for part in parts}) == 1 else None
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):
        return None
    return array.astype(np.float64) if array.dtype.kind in "biuf" and array.size else None


def _same(answer: Any, expected: Any, tolerance: float) -> bool:
    """Compare what is no array: texts, lists that hold lists of several lengths, dicts."""
    if isinstance(expected, str):
        return isinstance(answer, str) and answer.strip().casefold() == expected.strip().casefold()
    if isinstance(expected, dict):
        return (
            isinstance(answer, dict)
            and answer.keys() == expected.keys()
            and all(difference(answer[key], expected[key], tolerance) is None for key in expected)
        )
    if isinstance(expected, (list, tuple)):
        answer = sorted(answer, key=repr) if isinstance(answer, (set, frozenset)) else answer
        answer = list(answer) if isinstance(answer, (list, tuple, np.ndarray, torch.Tensor)) else None
        return (
            answer is not None
            and len(answer) == len(expected)
            and all(difference(a, b, tolerance) is None for a, b in zip(answer, expected, strict=True))
        )
    return answer is expected


def as_tensor(value: Any) -> torch.Tensor:
    """Return numbers in any form as a float32 tensor on the CPU; raise a TypeError or ValueError for anything else.

    Parameters
    ----------
    value : object
        A number, an array, a tensor, lists of numbers.

    Returns
    -------
    torch.Tensor

    Raises
    ------
    TypeError, ValueError
        If it holds anything but real numbers.

    Examples
    --------
    >>> as_tensor([[1, 2]])
    tensor([[1., 2.]])
    """
    array = _array(list(value[:1000]) if isinstance(value, range) else value)
    if array is None:
        raise TypeError("real numbers are asked for")
    return torch.from_numpy(array.astype(np.float32))
