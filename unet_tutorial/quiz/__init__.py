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

__all__ = ["Quiz", "load", "titles"]

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
        of the right option. In texts, ```code``` and ``*emphasis*`` are marked as in Markdown.

    Raises
    ------
    ValueError
        If there is no such quiz.

    Examples
    --------
    >>> sorted(load("double_conv")[0])
    ['ask', 'options', 'right']
    """
    if name not in titles():
        raise ValueError(f"name must be one of {', '.join(titles())}, but got {name!r}.")
    questions = yaml.safe_load((_HERE / f"{name}.yml").read_text(encoding="utf-8"))
    return [
        {
            "ask": question["ask"],
            "options": [
                {"say": option.get("right", option.get("wrong")), "reply": option["reply"]}
                for option in question["options"]
            ],
            "right": next(place for place, option in enumerate(question["options"]) if "right" in option),
        }
        for question in questions
    ]


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
        items = "".join(_item(self.name, number, question) for number, question in enumerate(self.questions, 1))
        return (
            f'<section class="unet-quiz" data-quiz="{self.name}" data-sealed="{sealed(self.name, replies)}" '
            f'aria-label="Quiz"><style>{_STYLE}</style><form>{items}'
            f'<p class="count" role="status"></p><button type="reset">Begin again</button></form>'
            f'<script type="module">{_SCRIPT}</script></section>'
        )


def _item(name: str, number: int, question: dict[str, Any]) -> str:
    button = f'<label><input type="radio" name="{name}-{number}"'
    options = "".join(
        f'{button} value="{place}"> <span>{_marked(option["say"])}</span></label>'
        for place, option in enumerate(question["options"])
    )
    return (
        f"<fieldset><legend>{number}. {_marked(question['ask'])}</legend>{options}"
        f'<p class="reply" role="status"></p></fieldset>'
    )


def _marked(text: str) -> str:
    """Return a text as HTML: code between backticks, emphasis between asterisks."""
    text = html.escape(" ".join(text.split()), quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"(?<!\w)\*([^*]+)\*(?!\w)", r"<em>\1</em>", text)
