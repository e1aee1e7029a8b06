"""Drawing for explorers: small functions that return SVG as text.

Colours come from the page, so that a drawing is right on light and on dark ground: a shape of the class ``c0`` to
``c5`` takes one of six colours that people with any colour vision tell apart, ``ink`` that of the text.
Text has 12 units; a drawing of at most 340 units in width can be read on a phone.
"""

from __future__ import annotations

from html import escape
from math import hypot


def drawing(width: float, height: float, label: str, *parts: str) -> str:
    """Return a whole drawing.

    Parameters
    ----------
    width, height : float
        Its size in units of its own; the page scales it.
    label : str
        What it is, in a few words. The sentence of the state says what is to be seen on it.
    *parts : str
        What the other functions of this module return.

    Returns
    -------
    str
        The element ``svg``.

    Raises
    ------
    ValueError
        If ``label`` is empty.

    Examples
    --------
    >>> drawing(10, 10, "A box", rect(1, 2, 3, 4, "c0 fill"))[:54]
    '<svg viewBox="0 0 10 10" role="img" aria-label="A box"'
    """
    if not label.strip():
        raise ValueError("label must say what the drawing is, but got an empty text.")
    size = f"{_short(width)} {_short(height)}"
    opening = f'<svg viewBox="0 0 {size}" role="img" aria-label="{escape(label)}" style="--width: {_short(width)}">'
    return opening + "".join(parts) + "</svg>"


def rect(x: float, y: float, width: float, height: float, kind: str = "ink stroke", opacity: float = 1) -> str:
    """Return a rectangle.

    Parameters
    ----------
    x, y, width, height : float
        Its left upper corner and its size.
    kind : str
        Its classes: a colour and ``fill``, ``stroke`` or ``wash`` (a pale filling with an outline).
    opacity : float, default 1
        From 0, not seen, to 1. Text on a filling can be read up to 0.5.

    Returns
    -------
    str
        The element.

    Examples
    --------
    >>> rect(0, 0, 2.5, 1)
    '<rect x="0" y="0" width="2.5" height="1" class="ink stroke"/>'
    """
    place = f'x="{_short(x)}" y="{_short(y)}" width="{_short(width)}" height="{_short(height)}"'
    pale = f' opacity="{opacity:.2f}"' if opacity < 1 else ""
    return f'<rect {place} class="{kind}"{pale}/>'


def circle(x: float, y: float, radius: float, kind: str = "ink stroke") -> str:
    """Return a circle.

    Parameters
    ----------
    x, y, radius : float
        Its centre and radius.
    kind : str
        As for `rect`.

    Returns
    -------
    str
        The element.

    Examples
    --------
    >>> circle(1, 2, 3)
    '<circle cx="1" cy="2" r="3" class="ink stroke"/>'
    """
    return f'<circle cx="{_short(x)}" cy="{_short(y)}" r="{_short(radius)}" class="{kind}"/>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "ink stroke") -> str:
    """Return a straight line.

    Parameters
    ----------
    x1, y1, x2, y2 : float
        Its two ends.
    kind : str
        As for `rect`; ``dashed`` makes it dashed.

    Returns
    -------
    str
        The element.

    Examples
    --------
    >>> line(0, 0, 1, 1, "c2 stroke dashed")
    '<path d="M0 0L1 1" class="c2 stroke dashed"/>'
    """
    return polyline([(x1, y1), (x2, y2)], kind)


def polyline(points: list, kind: str = "ink stroke") -> str:
    """Return a line through points.

    Parameters
    ----------
    points : list of (float, float)
        The points in their order.
    kind : str
        As for `line`.

    Returns
    -------
    str
        The element.

    Examples
    --------
    >>> polyline([(0, 0), (1, 2), (3, 2)])
    '<path d="M0 0L1 2L3 2" class="ink stroke"/>'
    """
    path = "L".join(f"{_short(x)} {_short(y)}" for x, y in points)
    return f'<path d="M{path}" class="{kind}"/>'


def arrow(x1: float, y1: float, x2: float, y2: float, kind: str = "ink stroke") -> str:
    """Return an arrow from the first point to the second.

    Parameters
    ----------
    x1, y1, x2, y2 : float
        Its two ends.
    kind : str
        As for `line`.

    Returns
    -------
    str
        The elements.

    Examples
    --------
    >>> arrow(0, 0, 20, 0).count("<path")
    2
    """
    length = hypot(x2 - x1, y2 - y1) or 1
    along, across = ((x2 - x1) / length * 7, (y2 - y1) / length * 7), 0.5
    base = (x2 - along[0], y2 - along[1])
    left = (base[0] - along[1] * across, base[1] + along[0] * across)
    right = (base[0] + along[1] * across, base[1] - along[0] * across)
    colour = kind.split()[0]
    return line(x1, y1, *base, kind) + polyline([left, (x2, y2), right, left], f"{colour} fill")


def text(x: float, y: float, words: str, kind: str = "middle") -> str:
    """Return a line of text whose baseline begins, is centred or ends at a point.

    Parameters
    ----------
    x, y : float
        The point.
    words : str
        The text.
    kind : str
        ``start``, ``middle`` or ``end``, and if you like ``bold``, ``small`` or ``on-picture`` (white with a dark rim).

    Returns
    -------
    str
        The element.

    Examples
    --------
    >>> text(5, 5, "a < b")
    '<text x="5" y="5" class="middle">a &lt; b</text>'
    """
    return f'<text x="{_short(x)}" y="{_short(y)}" class="{kind}">{escape(words)}</text>'


def image(asset: str, x: float, y: float, width: float, height: float) -> str:
    """Return a picture of the explorer's assets, each of its pixels as it is, without smoothing.

    Parameters
    ----------
    asset : str
        The name of the picture in `Explorer.assets`.
    x, y, width, height : float
        Where it stands in the drawing.

    Returns
    -------
    str
        The element.

    Examples
    --------
    >>> image("cells", 0, 0, 320, 320)
    '<image data-asset="cells" x="0" y="0" width="320" height="320"/>'
    """
    place = f'x="{_short(x)}" y="{_short(y)}" width="{_short(width)}" height="{_short(height)}"'
    return f'<image data-asset="{asset}" {place}/>'


def part(asset: str) -> str:
    """Return a drawing of the explorer's assets that many states share, such as a grid full of numbers.

    Parameters
    ----------
    asset : str
        The name of what `Explorer.assets` holds: what other functions of this module return, joined.

    Returns
    -------
    str
        The element.

    Examples
    --------
    >>> part("grid")
    '<g data-asset="grid"></g>'
    """
    return f'<g data-asset="{asset}"></g>'


def _short(number: float) -> str:
    """Return a number with one decimal at most, and without "-0"."""
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")
