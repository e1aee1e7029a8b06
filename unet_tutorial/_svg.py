"""Drawings as text: small functions that return SVG, and the style that is right on light and dark ground and on paper.

A drawing has units of its own, and its text has 12 of them; one of at most 340 units in width can be read on a phone.
The ``kind`` of a part is its classes: first its colour, ``c0`` to ``c5`` for those of `_palette` in their order, or
``ink`` (that of the text), ``black`` or ``white``; then ``fill``, ``stroke`` or ``wash`` (a pale filling with an
outline); then ``thin``, ``thick``, ``dashed``. Of the six colours the first four serve as lines. A text is ``start``,
``middle`` or ``end``, and ``bold``, ``small`` or ``on-picture`` (white with a dark rim).
"""

from __future__ import annotations

from html import escape
from math import hypot

from ._palette import DARK, LIGHT


def drawing(width: float, height: float, label: str, *parts: str) -> str:
    """Return a whole drawing; ``label`` says in a few words what it is."""
    if not label.strip():
        raise ValueError("label must say what the drawing is, but got an empty text.")
    size = f'viewBox="0 0 {_short(width)} {_short(height)}" style="--width: {_short(width)}"'
    return f'<svg class="unet-drawing" {size} role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def alone(drawing: str) -> str:
    """Return a drawing with its style, as part of any page, or as the content of a file."""
    opening = '<svg xmlns="http://www.w3.org/2000/svg"'
    return drawing.replace("<svg", opening, 1).replace(">", f"><style>{STYLE}</style>", 1)


def picture(asset: str, side: float, label: str, *parts: str) -> str:
    """Return the drawing of one square picture of an explorer's assets, with other parts over it."""
    return drawing(side, side, label, image(asset, 0, 0, side, side), *parts)


def image(asset: str, x: float, y: float, width: float, height: float) -> str:
    """Return a picture of an explorer's assets, each of its pixels as it is, without smoothing."""
    return f'<image data-asset="{asset}" {_place(x, y, width, height)}/>'


def part(asset: str) -> str:
    """Return a drawing of an explorer's assets that many states share, such as a grid full of numbers."""
    return f'<g data-asset="{asset}"></g>'


def rect(x: float, y: float, width: float, height: float, kind: str, opacity: float = 1) -> str:
    """Return a rectangle. Text on a filling can be read up to an opacity of 0.5."""
    pale = f' opacity="{opacity:.2f}"' if opacity < 1 else ""
    return f'<rect {_place(x, y, width, height)} class="{kind}"{pale}/>'


def circle(x: float, y: float, radius: float, kind: str) -> str:
    """Return a circle around a point."""
    return f'<circle cx="{_short(x)}" cy="{_short(y)}" r="{_short(radius)}" class="{kind}"/>'


def ring(x: float, y: float) -> str:
    """Return a small ring around a point, seen on light and on dark ground."""
    return circle(x, y, 7, "black stroke") + circle(x, y, 5, "white stroke")


def line(points: list[tuple[float, float]], kind: str) -> str:
    """Return a line through points."""
    path = "L".join(f"{_short(x)} {_short(y)}" for x, y in points)
    return f'<path d="M{path}" class="{kind}"/>'


def arrow(x1: float, y1: float, x2: float, y2: float, kind: str = "ink stroke") -> str:
    """Return an arrow from the first point to the second."""
    length = hypot(x2 - x1, y2 - y1) or 1
    along = ((x2 - x1) / length * 7, (y2 - y1) / length * 7)  # the head, half as wide as long
    base = (x2 - along[0], y2 - along[1])
    left = (base[0] - along[1] / 2, base[1] + along[0] / 2)
    right = (base[0] + along[1] / 2, base[1] - along[0] / 2)
    return line([(x1, y1), base], kind) + line([left, (x2, y2), right, left], f"{kind.split()[0]} fill")


def text(x: float, y: float, words: str, kind: str = "middle") -> str:
    """Return a line of text whose baseline begins, is centred or ends at a point."""
    return f'<text x="{_short(x)}" y="{_short(y)}" class="{kind}">{escape(words)}</text>'


def _place(x: float, y: float, width: float, height: float) -> str:
    return f'x="{_short(x)}" y="{_short(y)}" width="{_short(width)}" height="{_short(height)}"'


def _short(number: float) -> str:
    """Return a number with one decimal at most, and without "-0"."""
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")


def _colors(palette: dict[str, str]) -> str:
    return " ".join(f"--c{i}: {color};" for i, color in enumerate(palette.values()))


# The colour of text is that of the book's theme, of JupyterLab, of Colab, of VS Code, or of the page around it.
STYLE = f"""\
.unet-explorer, .unet-drawing {{
  --ink: var(--pst-color-text-base, var(--jp-content-font-color1, var(--colab-primary-text-color, currentcolor)));
  {_colors(LIGHT)}
}}
@media screen {{
  :is(html[data-theme="dark"], html[theme="dark"], body[data-jp-theme-light="false"], body.vscode-dark)
    :is(.unet-explorer, .unet-drawing) {{
    {_colors(DARK)}
  }}
}}
svg.unet-drawing {{
  color: var(--ink); display: block; overflow: visible;
  height: auto; max-width: calc(var(--width) * 1.6px); width: 100%;
}}
.unet-drawing text {{
  fill: currentcolor;
  font: 12px var(--pst-font-family-base, var(--jp-ui-font-family, system-ui, sans-serif));
}}
.unet-drawing .middle {{ text-anchor: middle; }}
.unet-drawing .end {{ text-anchor: end; }}
.unet-drawing .bold {{ font-weight: 650; }}
.unet-drawing .small {{ font-size: 10px; }}
.unet-drawing .on-picture {{ fill: #fff; font-weight: 650; paint-order: stroke; stroke: #000; stroke-width: 3px; }}
.unet-drawing image {{ image-rendering: pixelated; }}
{"".join(f".unet-drawing .c{i} {{ --c: var(--c{i}); }}" for i in range(len(LIGHT)))}
.unet-drawing .ink {{ --c: currentcolor; }}
.unet-drawing .white {{ --c: #fff; }}
.unet-drawing .black {{ --c: #000; }}
.unet-drawing .fill {{ fill: var(--c); }}
.unet-drawing .stroke {{ fill: none; stroke: var(--c); stroke-width: 2; }}
.unet-drawing .wash {{ fill: var(--c); fill-opacity: 0.3; stroke: var(--c); stroke-width: 1.5; }}
.unet-drawing .thin {{ stroke-opacity: 0.35; stroke-width: 1; }}
.unet-drawing .thick {{ stroke-width: 3.5; }}
.unet-drawing .dashed {{ stroke-dasharray: 5 3; }}
@media print {{
  .unet-explorer, svg.unet-drawing {{ --ink: #000; background: #fff; }}
  .unet-drawing .diagram {{ {" ".join(f"--c{i}: #000;" for i in range(len(LIGHT)))} }}
  .unet-drawing .diagram .wash {{ fill: none; }}
}}
"""
