"""The controls of an explorer: traits with a short list of values, each shown as a native element of the page.

A control knows every value that it can take. So the states of an explorer can be counted and computed beforehand,
a page without a kernel reaches exactly the states that Python reaches, and a wrong value is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real

from traitlets import TraitError, TraitType, Undefined

MOST_RADIO_BUTTONS = 6  # a longer choice becomes a list that unfolds


class _WrongValueError(TraitError, ValueError):
    """A control was set to a value that is not in its list: a ``ValueError`` that traitlets knows too."""


class Control(TraitType):
    """What `Slider`, `Choice` and `Switch` share: a trait that takes one of a list of values.

    Parameters
    ----------
    label : str
        What stands beside the control, and what a screen reader calls it.
    values : sequence
        All values in their order: texts, whole numbers, floats or booleans.
    default : object, optional
        The value at the start; the first if not given.
    says : callable, optional
        Turns a value into what is shown and spoken for it; ``str`` if not given.

    Raises
    ------
    ValueError
        If there are fewer than two values, or ``default`` is none of them.

    Examples
    --------
    >>> side = Slider("Side of the image", (64, 128, 256), default=128, says="{} pixels".format)
    >>> side.look, side.default_value, side.words()
    ('slider', 128, ['64 pixels', '128 pixels', '256 pixels'])
    """

    look = "slider"

    def __init__(self, label: str, values: Sequence, default: object = Undefined, says: Callable = str):
        self.label, self.values, self.says = label, tuple(values), says
        if len(self.values) < 2:
            raise ValueError(f"the control {label!r} needs at least two values, but got {self.values!r}.")
        super().__init__(default_value=self.values[0] if default is Undefined else default)
        self.tag(sync=True)
        if self.find(self.default_value) is None:
            raise ValueError(f"the default of {label!r} must be one of {self.listed()}, but got {default!r}.")

    def find(self, value: object) -> int | None:
        """Return the place of a value in the list, or None. ``True`` is not 1 here, and ``1.0`` is."""
        if not isinstance(value, (str, bool, Real)):
            return None
        places = (i for i, v in enumerate(self.values) if v == value and isinstance(v, bool) == isinstance(value, bool))
        return next(places, None)

    def listed(self) -> str:
        """Return the values as they stand in a message."""
        return ", ".join(map(repr, self.values))

    def words(self) -> list[str]:
        """Return what is shown and spoken for each value."""
        return [self.says(value) for value in self.values]

    def validate(self, obj: object, value: object) -> object:
        """Return the listed value that equals ``value``; refuse what is not listed."""
        place = self.find(value)
        if place is None:
            name = f"{type(obj).__name__}.{self.name}"
            raise _WrongValueError(f"{name} must be one of {self.listed()}, but got {value!r}.")
        return self.values[place]

    def plan(self) -> dict:
        """Return what the page needs to know to show this control."""
        return {
            "name": self.name,
            "label": self.label,
            "look": self.look,
            "values": list(self.values),
            "words": self.words(),
        }


class Slider(Control):
    """A slider over values that have an order.

    Parameters
    ----------
    label, values, default, says
        As in `Control`.

    Examples
    --------
    >>> Slider("Depth", range(1, 7), default=4).values
    (1, 2, 3, 4, 5, 6)
    """


class Choice(Control):
    """Radio buttons; a list that unfolds where there are more than six values.

    Parameters
    ----------
    label, values, default, says
        As in `Control`.

    Examples
    --------
    >>> Choice("Padding", ("same", "none")).look, Choice("Stage", "abcdefgh").look
    ('buttons', 'list')
    """

    @property
    def look(self) -> str:
        """How it is shown."""
        return "buttons" if len(self.values) <= MOST_RADIO_BUTTONS else "list"


class Switch(Control):
    """A check box.

    Parameters
    ----------
    label : str
        What it switches.
    default : bool, default False
        Whether it is on at the start.

    Examples
    --------
    >>> Switch("Show the truth").values
    (False, True)
    """

    look = "switch"

    def __init__(self, label: str, default: bool = False):
        super().__init__(label, (False, True), default, says=lambda value: "on" if value else "off")
