"""Exercises whose answer is a function that the reader writes, or a thing with a property."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ._calls import Outcome, call, difference
from ._values import Reply, show


@dataclass(frozen=True)
class Code:
    """An exercise that asks for a function.

    Parameters
    ----------
    ours : callable
        A function that gives the right answers.
    cases : callable
        Returns the arguments of every call, a tuple each.
    typical : tuple of (callable, str)
        Functions that people write in its place, and the reply to whoever gets what they give.
    hints : (str, str)
        What helps on at the first wrong answer, and from the second on.
    tests : tuple of callable
        What a right function must do beside returning the right values: each gets the function, and returns
        ``None`` or what is wrong.
    tolerance : float, default 1e-5
        The largest difference that counts as right, in numbers that are not whole.
    exact_dtype : bool, default False
        Whether the dtype is part of the answer.

    Examples
    --------
    >>> typical = [(lambda n: n / 2, "Sides are whole numbers.")]
    >>> exercise = Code(lambda n: n // 2, lambda: [(8,), (9,)], typical, ("Round down.", "Use //."))
    >>> exercise.judge(lambda side: side * 0.5)
    Reply(state='known', shown='for (9) your function returns 4.5', words='Sides are whole numbers.')
    """

    ours: Callable[..., Any]
    cases: Callable[[], list[tuple]]
    typical: Sequence[tuple[Callable[..., Any], str]]
    hints: tuple[str, str]
    tests: Sequence[Callable[[Callable[..., Any]], str | None]] = ()
    tolerance: float = 1e-5
    exact_dtype: bool = False

    def judge(self, function: Any) -> Reply:
        """Say how a function stands, whatever it is and does."""
        if not callable(function):
            return Reply("unreadable", show(function), "A function is asked for: give its name, without brackets.")
        cases = self.cases()
        outcomes = [call(function, *arguments) for arguments in cases]
        if all(outcome.missing for outcome in outcomes):
            return Reply("missing", "your function returns None")
        expected = [call(self.ours, *arguments).value for arguments in cases]
        for arguments, outcome, right in zip(cases, outcomes, expected, strict=True):
            if problem := self._problem(outcome, right):
                place = f"for ({', '.join(show(argument) for argument in arguments)}) your function {problem}"
                return self._known(cases, outcomes, place) or Reply("unknown", place)
        if any(outcome.changed for outcome in outcomes):
            words = "What it returns is right, but the caller's data are spoilt: work on a copy."
            return Reply("known", "your function changes what it is given", words)
        for test in self.tests:
            if complaint := test(function):
                return Reply("known", "the values are right, but something else is not", complaint)
        return Reply("right", f"your function agrees with ours in {len(cases)} of {len(cases)} cases")

    def _problem(self, outcome: Outcome, right: Any) -> str | None:
        if outcome.failed or outcome.missing:
            return outcome.failed or "returns nothing"
        wrong = difference(outcome.value, right, self.tolerance, exact_dtype=self.exact_dtype)
        return f"returns {wrong}" if wrong else None

    def _known(self, cases: list[tuple], outcomes: list[Outcome], place: str) -> Reply | None:
        """Find the typical function that does in all cases what the reader's does."""
        for wrong, reply in self.typical:
            theirs = [call(wrong, *arguments) for arguments in cases]
            pairs = list(zip(outcomes, theirs, strict=True))
            if all(_alike(a, b, self.tolerance, self.exact_dtype) for a, b in pairs):
                return Reply("known", place.partition(", but ")[0], reply)
        return None

    def revealed(self) -> str:
        """Say where ours stands."""
        return f"Ours: {self.ours.__name__}, in {_place(self.ours)}."


@dataclass(frozen=True)
class Task:
    """An exercise that asks for anything with a property, such as a mask that is good enough.

    Parameters
    ----------
    judged : callable
        Gets the answer; returns a `Reply`.
    hints : (str, str)
        What helps on at the first wrong answer, and from the second on.
    solution : callable
        Returns an answer that is right.

    Examples
    --------
    >>> even = Task(lambda n: Reply("right" if n % 2 == 0 else "unknown", str(n)), ("", ""), lambda: 2)
    >>> even.judge(3).state
    'unknown'
    """

    judged: Callable[[Any], Reply]
    hints: tuple[str, str]
    solution: Callable[[], Any]

    def judge(self, answer: Any) -> Reply:
        """Say how an answer stands, whatever it is."""
        try:
            return self.judged(answer)
        except (TypeError, ValueError, RuntimeError):  # what has no form that could be looked at
            return Reply("unreadable", show(answer), "That has not the form that is asked for.")

    def revealed(self) -> str:
        """Say where ours stands."""
        return f"Ours: {self.solution.__name__}, in {_place(self.solution)}."


def _place(function: Callable[..., Any]) -> str:
    return f"unet_tutorial/exercises/{inspect.getmodule(function).__name__.rpartition('.')[2]}.py"  # type: ignore[union-attr]


def _alike(one: Outcome, other: Outcome, tolerance: float, exact_dtype: bool) -> bool:
    if one.failed or other.failed:
        return one.failed.partition(":")[0] == other.failed.partition(":")[0]
    return difference(one.value, other.value, tolerance, exact_dtype=exact_dtype) is None
