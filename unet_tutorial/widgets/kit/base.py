"""The foundation of all explorers: pictures with controls that live in a page without Python, and in Jupyter with it.

An explorer is a class with a name, a title, controls, and a function `Explorer.state` that says for every setting of
the controls what is to be seen: a sentence, numbers and drawings. Everything else is done here and in three files
beside this one: ``explorer.js`` shows the controls and the states, ``host.js`` stands in for the kernel where there is
none, ``explorer.css`` is the style. They compute nothing. Every state comes from Python.
"""

from __future__ import annotations

import base64
import functools
import gzip
import inspect
import itertools
import json
import re
import uuid
from html import escape
from pathlib import Path
from typing import NamedTuple

import anywidget
from traitlets import Dict, Unicode

from ... import _svg as svg
from ..._checks import option
from .controls import Control

_HERE = Path(__file__).parent
PARTS = (_HERE / "parts.js").read_text(encoding="utf-8")
STYLE = svg.STYLE + (_HERE / "explorer.css").read_text(encoding="utf-8")
_SHOW = PARTS + (_HERE / "explorer.js").read_text(encoding="utf-8")
_HOST = (_HERE / "host.js").read_text(encoding="utf-8")
_PICTURE = re.compile(r'<image data-asset="([\w-]+)"')
_PART = re.compile(r'<g data-asset="([\w-]+)">')


class Panel(NamedTuple):
    """One drawing of a state.

    Attributes
    ----------
    title : str
        What stands above it; "" for nothing.
    svg : str
        The drawing, as `drawing` of `unet_tutorial._svg` returns it.
    pick : tuple
        For a drawing that can be pointed at: ``(control, control, x, y, width, height)``. Pointing into this
        rectangle sets the first control by the place across, the second by the place down. A name may be "".

    Examples
    --------
    >>> Panel("image", "<svg></svg>").pick
    ()
    """

    title: str
    svg: str
    pick: tuple = ()

    def filled(self, assets: dict[str, str]) -> str:
        """Return the drawing with the pictures and parts that it names, as a page without JavaScript shows it."""
        drawing = _PICTURE.sub(lambda match: f'<image href="{assets[match[1]]}"', self.svg)
        return _PART.sub(lambda match: f"<g>{assets[match[1]]}", drawing)


class State(NamedTuple):
    """What is to be seen for one setting of the controls.

    Attributes
    ----------
    words : str
        One or two sentences that say it to somebody who cannot see the drawing.
    numbers : dict of str to str or int
        What stands beside the drawing: a name and a number, or a short text. Always the same names, at most six.
    panels : tuple of Panel
        The drawings.

    Examples
    --------
    >>> State("Two cells touch.", {"cells": 2}, ()).numbers
    {'cells': 2}
    """

    words: str
    numbers: dict
    panels: tuple

    def as_json(self) -> dict:
        """Return the state as a page gets it: ``numbers`` as pairs of texts, ``panels`` with title, svg and pick."""
        numbers = [[name, _written(value)] for name, value in self.numbers.items()]
        return {"words": self.words, "numbers": numbers, "panels": [panel._asdict() for panel in self.panels]}


class Explorer(anywidget.AnyWidget):
    """A picture with controls. A subclass says what there is to see; this class brings it into a page.

    Each control is a trait: read it, set it, observe it. In Jupyter the picture follows, and a moved control sets the
    trait. In a page without a kernel the same states are shown from a table that comes with the page.

    Parameters
    ----------
    **values
        Values of the controls at the start.

    Raises
    ------
    ValueError
        If there is no such control, or its value is not in its list.

    Examples
    --------
    >>> from unet_tutorial import _svg as svg
    >>> from unet_tutorial.widgets import Panel, Slider, State
    >>> class Square(Explorer):
    ...     name = "square"
    ...     title = "A square"
    ...     side = Slider("Side", (1, 2, 3))
    ...
    ...     @classmethod
    ...     def state(cls, side):
    ...         drawing = svg.drawing(9, 9, "A square", svg.rect(0, 0, side, side, "c0 fill"))
    ...         return State(f"A square of side {side}.", {"area": side * side}, (Panel("", drawing),))
    >>> Square(side=3)
    A square
    A square of side 3.
    area: 9
    """

    name = ""  # in links to a setting: #name:control=value
    title = ""
    _esm = _SHOW
    _css = STYLE
    _kind = "unet-explorer"  # the classes of its element in a page
    _mine = "figure.unet-explorer:not(.unet-live)"  # the elements that its script can show
    _id = Unicode().tag(sync=True)  # by which a picture in a page finds the kernel's model of it
    _plan = Dict().tag(sync=True)
    _table = Unicode().tag(sync=True)
    # ipywidgets 7 would display itself by this, and pass over our HTML.
    _ipython_display_ = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        keywords = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=control.default_value)
            for name, control in cls.controls().items()
        ]
        cls.__signature__ = inspect.Signature(keywords)

    def __init__(self, **values):
        for name in values:
            option(f"a control of {type(self).__name__}", name, self.controls())
        plans = [control.plan() for control in self.controls().values()]
        plan = {"name": self.name, "title": self.title, "controls": plans}
        super().__init__(**values, _id=uuid.uuid4().hex, _plan=plan, _table=self.packed())

    @classmethod
    def controls(cls) -> dict[str, Control]:
        """Return the controls by their names, in the order in which the class lists them."""
        found = (vars(parent).items() for parent in reversed(cls.__mro__))
        return {name: value for name, value in itertools.chain(*found) if isinstance(value, Control)}

    @classmethod
    def state(cls, **values) -> State:
        """Return what is to be seen for the given values of all controls. Every explorer has its own."""
        raise NotImplementedError(f"{cls.__name__} must have a class method state.")

    @classmethod
    def assets(cls) -> dict[str, str]:
        """Return what drawings share, by name: what `encode` makes of a picture, or parts of a drawing."""
        return {}

    @classmethod
    def settings(cls) -> list[dict]:
        """Return every setting of the controls, the last control changing fastest."""
        names, lists = cls.controls(), [control.values for control in cls.controls().values()]
        return [dict(zip(names, values, strict=True)) for values in itertools.product(*lists)]

    @classmethod
    @functools.cache
    def packed(cls) -> str:
        """Return the table of all states and pictures: JSON, gzip, base64. It is computed once."""
        states = [cls.state(**setting).as_json() for setting in cls.settings()]
        table = json.dumps({"states": states, "assets": cls.assets()}, ensure_ascii=False, separators=(",", ":"))
        return base64.b64encode(gzip.compress(table.encode(), mtime=0)).decode()

    @property
    def values(self) -> dict:
        """The values of the controls now."""
        return {name: getattr(self, name) for name in self.controls()}

    @property
    def shown(self) -> State:
        """What is to be seen now."""
        return self.state(**self.values)

    def __repr__(self) -> str:
        words, numbers, _ = self.shown
        return "\n".join([self.title, words, *(f"{name}: {_written(value)}" for name, value in numbers.items())])

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        # Not the widget's own form: Jupyter would prefer it, and show an error in its place where there is no kernel,
        # so in a notebook that is opened again, or exported. host.js finds the kernel's model, where there is one.
        page = self.html().replace(" aria-label=", f' data-model="{self._id}" aria-label=', 1)
        return {"text/plain": repr(self), "text/html": page}, {}

    def html(self) -> str:
        """Return the explorer as a piece of a page that works without Python, and stands still without JavaScript."""
        values = json.dumps({**self._plan, "values": self.values, "table": self._table}).replace("<", "\\u003c")
        return (
            f'<figure class="{self._kind}" data-explorer="{type(self).__name__}" aria-label="{escape(self.title)}">'
            f'<style>{self._css}</style><div class="view">{self._still()}</div>'
            f'<script type="application/json">{values}</script>'
            f'<script type="module">{self._esm}\nconst MINE = {json.dumps(self._mine)};\n{_HOST}</script></figure>'
        )

    def _still(self) -> str:
        """Return the state of now, as ``explorer.js`` shows it, without the controls."""
        words, numbers, panels = self.shown
        assets = self.assets()
        rows = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(_written(v))}</dd></div>" for n, v in numbers.items())
        drawings = "".join(
            f'<div class="panel"><p class="panel-title">{escape(panel.title)}</p><div class="drawing">'
            + panel.filled(assets)
            + "</div></div>"
            for panel in panels
        )
        return (
            f'<p class="title">{escape(self.title)}</p><div class="panels">{drawings}</div>'
            f'<div class="results"><p class="words">{escape(words)}</p><dl class="numbers">{rows}</dl></div>'
        )


def asset(*parts: object) -> str:
    """Return the name of what drawings share: what it is, and the values on which it depends.

    Parameters
    ----------
    *parts : object
        Texts and numbers.

    Returns
    -------
    str
        The name, as `Explorer.assets` and the drawings use it.

    Examples
    --------
    >>> asset("mistakes", "other image", 0.05)
    'mistakes-other-image-0-05'
    """
    return "-".join(re.sub(r"\W+", "-", str(part)) for part in parts)


def _written(value: str | int) -> str:
    """Return a number of a state as it is shown; how many digits a float has is decided where it is computed."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    raise ValueError(f"a number of a state must be a text or a whole number, but got {value!r}; format it first.")
