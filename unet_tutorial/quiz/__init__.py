"""The quiz at the end of each chapter: a few questions, and a reply to every option.

The questions of a chapter are one YAML file in this folder. A quiz works in the page and in a notebook, without a
kernel and without a network, and by the keyboard alone.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import yaml

from .._seal import UNSEAL, sealed

__all__ = ["Guess", "Quiz", "guesses", "load", "titles"]

_HERE = Path(__file__).parent
_SCRIPT = UNSEAL + (_HERE / "quiz.js").read_text(encoding="utf-8")
_STYLE = (_HERE / "quiz.css").read_text(encoding="utf-8")


def titles() -> list[str]:
    """Return the names of all quizzes: those of the chapters, without their numbers.

    Returns
    -------
    list of str

    Examples
    --------
    >>> "double_conv" in titles()
    True
    """
    return sorted(path.stem for path in _HERE.glob("*.yml"))


def load(name: str) -> list[dict[str, Any]]:
    """Return the questions of a quiz.

    Parameters
    ----------
    name : str
        One of `titles`.

    Returns
    -------
    list of dict
        Each with ``ask``, a text; ``options``, a list of dicts with ``say`` and ``reply``; and ``right``, the place
        of the right option. In texts, code is marked by backticks and emphasis by asterisks, as in Markdown.

    Raises
    ------
    ValueError
        If there is no such quiz.

    Examples
    --------
    >>> sorted(load("double_conv")[0])
    ['ask', 'options', 'right']
    """
    return [_asked(question) for question in _read(name)["questions"]]


def guesses(name: str) -> dict[str, dict[str, Any]]:
    """Return what a chapter asks the reader to guess before a cell is run.

    Parameters
    ----------
    name : str
        One of `titles`.

    Returns
    -------
    dict of str to dict
        As those of `load`, without replies.

    Raises
    ------
    ValueError
        If there is no such quiz.

    Examples
    --------
    >>> guesses("double_conv")["padding"]["right"]
    1
    """
    return {one: _asked(guess) for one, guess in _read(name)["guesses"].items()}


def _read(name: str) -> dict[str, Any]:
    if name not in titles():
        raise ValueError(f"name must be one of {', '.join(titles())}, but got {name!r}.")
    return yaml.safe_load((_HERE / f"{name}.yml").read_text(encoding="utf-8"))


def _asked(question: dict[str, Any]) -> dict[str, Any]:
    options = [
        {"say": str(option.get("right", option.get("wrong"))), "reply": option.get("reply", "")}
        for option in question["options"]
    ]
    right = next(place for place, option in enumerate(question["options"]) if "right" in option)
    return {"ask": question["ask"], "options": options, "right": right}


class Quiz:
    """The questions of a chapter, to be answered in the page or in the notebook.

    Parameters
    ----------
    name : str
        The chapter, without its number.

    Raises
    ------
    ValueError
        If there is no quiz of this name.

    Examples
    --------
    >>> Quiz("double_conv").name
    'double_conv'
    """

    def __init__(self, name: str):
        self.name, self.questions = name, load(name)

    def __repr__(self) -> str:
        """Return the questions and options, without replies."""
        lines = []
        for number, question in enumerate(self.questions, 1):
            lines.append(f"{number}. {question['ask']}")
            lines += [
                f"   {letter}) {option['say']}" for letter, option in zip("abcd", question["options"], strict=False)
            ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        replies = [
            {"right": question["right"], "replies": [_marked(option["reply"]) for option in question["options"]]}
            for question in self.questions
        ]
        items = "".join(_item(f"{self.name}-{n}", f"{n}.", question) for n, question in enumerate(self.questions, 1))
        return (
            f'<section class="unet-quiz" data-quiz="{self.name}" data-sealed="{sealed(self.name, replies)}" '
            f'aria-label="Quiz"><style>{_STYLE}</style><form>{items}'
            f'<p class="guessed"></p><p class="count" role="status"></p>'
            f'<button type="reset">Begin again</button></form>'
            f'<script type="module">{_SCRIPT}</script></section>'
        )


class Guess:
    """A question before a cell: the reader commits to an answer, and then looks at what comes out.

    Parameters
    ----------
    name : str
        The chapter, without its number, a dot, and one of its `guesses`.

    Raises
    ------
    ValueError
        If there is no such guess.

    Examples
    --------
    >>> Guess("double_conv.padding")
    How large is the output, and what about the values inside?
       a) 3×3, with other values
       b) 5×5, with the same values inside
       c) 5×5, with other values inside
    """

    def __init__(self, name: str):
        if not isinstance(name, str):
            raise ValueError(f"name must be a chapter, a dot and one of its guesses, but got {name!r}.")
        chapter, _, one = name.partition(".")
        known = guesses(chapter)
        if one not in known:
            raise ValueError(f"name must be {chapter}.{{one of {', '.join(known)}}}, but got {name!r}.")
        self.name, self.question = name, known[one]

    def __repr__(self) -> str:
        return "\n".join([self.question["ask"], *_lettered(self.question)])

    def _repr_html_(self) -> str:
        return (
            f'<section class="unet-quiz unet-guess" data-guess="{self.name}" '
            f'data-sealed="{sealed(self.name, self.question["right"])}" aria-label="Your guess"><style>{_STYLE}</style>'
            f"<form>{_item(self.name, 'Your guess:', self.question)}</form>"
            f'<script type="module">{_SCRIPT}</script></section>'
        )


def _lettered(question: dict[str, Any]) -> list[str]:
    return [f"   {letter}) {option['say']}" for letter, option in zip("abcd", question["options"], strict=False)]


def _item(group: str, number: str, question: dict[str, Any]) -> str:
    button = f'<label><input type="radio" name="{group}"'
    options = "".join(
        f'{button} value="{place}"> <span>{_marked(option["say"])}</span></label>'
        for place, option in enumerate(question["options"])
    )
    return (
        f"<fieldset><legend>{number} {_marked(question['ask'])}</legend>{options}"
        f'<p class="reply" role="status"></p></fieldset>'
    )


def _marked(text: str) -> str:
    """Return a text as HTML: code between backticks, emphasis between asterisks."""
    text = html.escape(" ".join(text.split()), quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"(?<!\w)\*([^*]+)\*(?!\w)", r"<em>\1</em>", text)
