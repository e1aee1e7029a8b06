"""Exercises whose answer is a value: numbers, or names out of a few. They are answered in the page too."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ._reading import readings

NumbersLike = float | Sequence[float]


class Reply(NamedTuple):
    """How an answer stands.

    Attributes
    ----------
    state : {"missing", "right", "known", "unknown", "unreadable"}
        ``"known"`` is a typical wrong answer, to which ``words`` are the reply.
    shown : str
        The answer itself, or what happened to it, in one line.
    words : str
        What is said beside it.

    Examples
    --------
    >>> Reply("right", "4").words
    ''
    """

    state: str
    shown: str
    words: str = ""


@dataclass(frozen=True)
class Numbers:
    """An exercise that asks for one number or for several.

    Parameters
    ----------
    answer : callable
        Returns the right one, computed when it is needed.
    typical : tuple of (number, sequence, range or callable, str)
        Wrong answers that people give, and the reply to each. A ``range`` stands for all its numbers.
    hints : (str, str)
        What helps on at the first wrong answer, and from the second on.
    tolerance : float, default 0.0
        The largest difference that counts as right. Whole numbers must be equal.
    any_order : bool, default False
        Whether several numbers may come in any order.

    Examples
    --------
    >>> exercise = Numbers(lambda: 12, [(10, "That is without the bias.")], ("Count.", "Count the bias."))
    >>> exercise.judge(10)
    Reply(state='known', shown='10', words='That is without the bias.')
    """

    answer: Callable[[], NumbersLike]
    typical: Sequence[tuple[Any, str]]
    hints: tuple[str, str]
    tolerance: float = 0.0
    any_order: bool = False

    def right(self) -> tuple[float, ...]:
        """Return the right numbers."""
        return _numbers(self.answer())

    def known(self) -> list[tuple[list[tuple[float, ...]], str]]:
        """Return the typical wrong answers, each as lists of numbers, with its reply."""
        values = [(value() if callable(value) else value, reply) for value, reply in self.typical]
        return [
            ([_numbers(one) for one in value] if isinstance(value, range) else [_numbers(value)], reply)
            for value, reply in values
        ]

    def judge(self, answer: Any) -> Reply:
        """Say how an answer stands, whatever it is."""
        right = self.right()
        found = readings(answer, len(right))
        fitting = [numbers for numbers in found if len(numbers) == len(right)]
        shown = _written(fitting[-1]) if fitting else show(answer)
        if any(self._same(numbers, right) for numbers in fitting):
            return Reply("right", _written(right if self.tolerance == 0 else fitting[0]))
        for wrong, reply in self.known():
            if any(self._same(numbers, one) for numbers in found for one in wrong):
                return Reply("known", shown, reply)
        if not found:
            return Reply("unreadable", shown, f"It cannot be read as {_asked(len(right))}.")
        if not fitting:
            return Reply("unreadable", shown, f"{_asked(len(right)).capitalize()} {_is(len(right))} asked for.")
        return Reply("unknown", shown)

    def _same(self, numbers: tuple[float, ...], right: tuple[float, ...]) -> bool:
        if self.any_order:
            numbers, right = tuple(sorted(numbers)), tuple(sorted(right))
        return len(numbers) == len(right) and all(
            math.isclose(a, b, rel_tol=1e-9, abs_tol=self.tolerance) for a, b in zip(numbers, right, strict=True)
        )

    def revealed(self) -> str:
        """Return the right answer as a text."""
        return f"The answer: {_written(self.right())}."

    def table(self) -> dict:
        """Return all that a page needs to judge an answer as `judge` does."""
        known = [[wrong, reply] for wrong, reply in self.known()]
        return {
            "kind": "numbers",
            "right": self.right(),
            "known": known,
            "hints": self.hints,
            "tolerance": self.tolerance,
            "anyOrder": self.any_order,
            "revealed": self.revealed(),
        }


@dataclass(frozen=True)
class Words:
    """An exercise that asks for one name out of a few, or for several.

    Parameters
    ----------
    options : tuple of str
        The names that may be chosen.
    answer : tuple of str
        The right ones among them.
    typical : tuple of (tuple of str, str)
        Wrong choices, and the reply to each.
    hints : (str, str)
        What helps on at the first wrong answer, and from the second on.
    several : bool, default False
        Whether any number of names may be chosen.

    Examples
    --------
    >>> exercise = Words(("left", "right"), ("left",), [(("right",), "The other one.")], ("Look.", "Look again."))
    >>> exercise.judge("the left one").state
    'right'
    """

    options: tuple[str, ...]
    answer: tuple[str, ...]
    typical: Sequence[tuple[tuple[str, ...], str]]
    hints: tuple[str, str]
    several: bool = False

    def judge(self, answer: Any) -> Reply:
        """Say how an answer stands, whatever it is."""
        parts = list(answer) if isinstance(answer, (list, tuple, set, frozenset)) else [answer]
        names = ", ".join(f'"{option}"' for option in self.options)
        if not all(isinstance(part, str) for part in parts):
            return Reply("unreadable", show(answer), f"Answer with words: {names}.")
        text = " ".join(parts).casefold()
        chosen = {option for option in self.options if re.search(rf"\b{re.escape(option.casefold())}\b", text)}
        if not chosen or (len(chosen) > 1 and not self.several):
            asked = "some of" if self.several else "one of"
            return Reply("unreadable", show(answer), f"Answer with {asked} {names}.")
        if chosen == set(self.answer):
            return Reply("right", show(answer))
        for wrong, reply in self.typical:
            if chosen == set(wrong):
                return Reply("known", show(answer), reply)
        return Reply("unknown", show(answer))

    def revealed(self) -> str:
        """Return the right answer as a text."""
        return f"The answer: {', '.join(self.answer)}."

    def table(self) -> dict:
        """Return all that a page needs to judge an answer as `judge` does."""
        return {
            "kind": "words",
            "options": self.options,
            "several": self.several,
            "right": self.answer,
            "known": [list(pair) for pair in self.typical],
            "hints": self.hints,
            "revealed": self.revealed(),
        }


def show(value: Any, depth: int = 0) -> str:
    """Return a short text for any value whatsoever, in one line.

    Parameters
    ----------
    value : object
        Anything: its ``repr`` may fail, be long, or have several lines.
    depth : int, default 0
        In how many lists it lies.

    Returns
    -------
    str

    Examples
    --------
    >>> show("a\\nb"), show([1000, 2.5])
    ("'a\\\\nb'", '(1000, 2.5)')
    """
    kind = type(value).__module__.partition(".")[0]
    try:
        if kind in ("numpy", "torch") and getattr(value, "ndim", None):
            dtype = str(value.dtype).removeprefix("torch.")
            noun = "tensor" if kind == "torch" else "array"
            return f"{'an' if dtype.startswith('i') else 'a'} {dtype} {noun} of shape {tuple(value.shape)}"
        if callable(getattr(value, "named_parameters", None)):
            return f"a {type(value).__name__}"  # a network would fill the page
        if kind in ("numpy", "torch") and hasattr(value, "item"):
            value = value.item()
        if _is_number(value):
            return _written((value,))
        if isinstance(value, (list, tuple)) and 0 < len(value) <= 8 and depth < 3:
            texts = [show(part, depth + 1).replace(",", "" if _is_number(part) else ",") for part in value]
            text = f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"
        else:
            text = " ".join(repr(value).split())
    except Exception:  # whatever the reader's own class does
        text = f"an object of the type {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:79]}…"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _written(numbers: Iterable[float]) -> str:
    """Return numbers as a text: one with separators of thousands, several without, since commas separate them."""
    texts = [_digits(number) for number in numbers]
    return texts[0] if len(texts) == 1 else f"({', '.join(text.replace(',', '') for text in texts)})"


def _digits(number: float) -> str:
    if math.isfinite(number) and number == int(number) and abs(number) < 1e15:
        return f"{int(number):,}"
    return f"{number:,.6g}"


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(float(one) for one in value) if isinstance(value, (list, tuple)) else (float(value),)


def _asked(count: int) -> str:
    return "one number" if count == 1 else f"{count} numbers"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
