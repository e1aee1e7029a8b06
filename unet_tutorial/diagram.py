"""The map of a U-Net: every feature map as a box, to scale, with its shape; drawn as SVG, from plain arithmetic.

One drawing serves a notebook, the pages of the book, the explorer of chapter 2, a slide and a worksheet: its text is
text, it takes the colours of the page around it, and on paper it is black on white.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from . import _svg as svg
from ._checks import number
from .sizing import FeatureMap

_WIDTH, _TOP, _LABEL, _STEP = 340, 46, 34, 18  # units: the drawing, room for the image, for a box's label, for an arrow
_EDGE = 52  # from the left to the middle of the first box
_TALLEST = 64  # units of the first box, where nothing else is asked for
_LEGEND = (  # the third says how far the arrow goes down: on paper it has no colour
    ("c1 stroke", "max pooling: half the side", 5),
    ("c2 stroke", "upsampling: twice the side", -5),
    ("c0 stroke dashed", "skip connection", 0),
)


class UNetDiagram:
    """The map of a U-Net, as the last line of a cell shows it.

    Parameters
    ----------
    maps : sequence of FeatureMap
        As `unet_tutorial.sizing.feature_maps` lists them.
    layers : bool, default False
        Say of each box which channels its two convolutions read and make, as figures in papers do. In the decoder
        "512 + 512 → 512 → 512" is the skip connection, what upsampling brings, and what each convolution leaves.

    Attributes
    ----------
    svg : str
        The drawing, complete: part of an HTML page as it is, or the content of a file ``u.svg`` for a slide.
    alt : str
        What is to be seen, for those who cannot see it. A notebook keeps it beside the drawing.

    Raises
    ------
    ValueError
        If ``maps`` does not begin with the image and end with the logits.

    Examples
    --------
    >>> from unet_tutorial.sizing import feature_maps
    >>> UNetDiagram(feature_maps(64, 64, channels=(8, 16, 32)))  # doctest: +NORMALIZE_WHITESPACE
    Map of a U-Net. An image of 3 × 64 × 64 goes down through 2 encoder stages, from 8 × 64 × 64 to 16 × 32 × 32, to the
    bottleneck of 32 × 16 × 16, and up again through 2 decoder stages to logits of 1 × 64 × 64. A skip connection joins
    each encoder stage with the decoder stage beside it.
    """

    def __init__(self, maps: Sequence[FeatureMap], *, layers: bool = False):
        if not _is_whole(maps):
            raise ValueError("maps must reach from the image to the logits, but they end on the way down.")
        image, *inner, logits = maps
        depth = len(inner) // 2
        stages = "stage" if depth == 1 else "stages"
        self.alt = (
            f"Map of a U-Net. An image of {shape(image)} goes down through {depth} encoder {stages}, from "
            f"{shape(inner[0])} to {shape(inner[depth - 1])}, to the bottleneck of {shape(inner[depth])}, and up again "
            f"through {depth} decoder {stages} to logits of {shape(logits)}. A skip connection joins each encoder "
            "stage with the decoder stage beside it."
        )
        if layers:
            said = "; ".join(f"{part}: {words}" for part, words in _channels(maps).items())
            self.alt += f" Channels from layer to layer: {said}."
        self.svg = svg.alone(draw(maps, self.alt, per_pixel=_TALLEST / inner[0].height, layers=layers))

    def __repr__(self) -> str:
        return self.alt

    def _repr_html_(self) -> str:
        return self.svg


def draw(maps: Sequence[FeatureMap], label: str, *, per_pixel: float, layers: bool = False) -> str:
    """Draw the U, or only the way down of an image that the network refuses.

    Parameters
    ----------
    maps : sequence of FeatureMap
        As `unet_tutorial.sizing.feature_maps` lists them; or only the image and the first stages of the encoder.
    label : str
        What the drawing is, in a few words.
    per_pixel : float
        Units of the drawing for a pixel of a feature map's height. A box is as wide as the root of its channels.
    layers : bool, default False
        Write the channels of each layer below the boxes, too; only where the list reaches to the logits.

    Returns
    -------
    str
        The element ``svg``, 340 units wide, without the style.

    Raises
    ------
    ValueError
        If ``maps`` is no such list, or ``per_pixel`` no number above 0.

    Examples
    --------
    >>> from unet_tutorial.sizing import feature_maps
    >>> draw(feature_maps(64, 64, channels=(8, 16)), "A small U", per_pixel=1).count("<rect")
    3
    """
    whole, per_pixel = _is_whole(maps), number("per_pixel", per_pixel, above_zero=True)
    said = _channels(maps) if layers and whole else {}
    label_height = _LABEL + (14 if said else 0)
    depth = len(maps) // 2 - 1 if whole else len(maps) - 1
    step = (_WIDTH / 2 - 68) / (2 * depth) if whole else 10  # to the right, from stage to stage
    parts, y = [_end(_EDGE, maps[0], "in")], float(_TOP)
    for i, stage in enumerate(maps[1 : depth + 1]):
        left, odd, tall = _EDGE + i * step, stage.height % 2 or stage.width % 2, stage.height * per_pixel
        inward = _WIDTH / 2 - 24 if whole and i == depth - 1 else left + step
        below = y + tall + label_height
        parts.append(_box(left, y, stage, per_pixel, "c1 wash" if odd else "c0 wash", said))
        parts.append(svg.arrow(left, below - 2, inward, below + 14, "c1 stroke"))
        if whole:
            right, up = _WIDTH - left, maps[-2 - i]
            middle = y + up.height * per_pixel / 2
            gap = 8 * ceil((stage.channels**0.5 / 2 + 3) / 8)  # in few steps, so that states of an explorer share it
            parts.append(_box(right, y, up, per_pixel, "c0 wash", said))
            parts.append(svg.arrow(left + gap, middle, right - gap, middle, "c0 stroke dashed"))
            parts.append(svg.arrow(_WIDTH - inward, below + 14, right, below - 2, "c2 stroke"))
            parts.append(_mended(middle, *joins(maps)[i]))
        elif odd:
            parts.append(svg.text(left + 62, y + tall + 28, f"{_sides(stage.height, stage.width)} is odd", "start"))
        y = below + _STEP
    if whole:
        parts.append(_box(_WIDTH / 2, y, maps[depth + 1], per_pixel, "c0 wash", said))
        parts.append(_end(_WIDTH - _EDGE, maps[-1], "out"))
        y += maps[depth + 1].height * per_pixel + label_height + 20
        parts += [_entry(y + 18 * i, *entry) for i, entry in enumerate(_LEGEND)]
        height = y + 18 * len(_LEGEND)
    else:
        parts.append(svg.text(_EDGE + step * depth, y + 12, "stop", "middle bold"))
        height = y + 24
    return svg.drawing(_WIDTH, height, label, '<g class="diagram">', *parts, "</g>")


def joins(maps: Sequence[FeatureMap]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return for every skip connection, the finest first, the size that it brings and the one that comes from below.

    Parameters
    ----------
    maps : sequence of FeatureMap
        As `unet_tutorial.sizing.feature_maps` lists them.

    Returns
    -------
    list of ((int, int), (int, int))
        Height and width of the skip connection, and of what the upsampling makes of the stage below.

    Examples
    --------
    >>> from unet_tutorial.sizing import feature_maps
    >>> joins(feature_maps(250, 250, channels=[8, 16, 32]))
    [((250, 250), (250, 250)), ((125, 125), (124, 124))]
    """
    depth = len(maps) // 2 - 1
    below = reversed(maps[depth + 1 : -2])  # from decoder 2 down to the bottleneck
    return [((m.height, m.width), (2 * b.height, 2 * b.width)) for m, b in zip(maps[1 : depth + 1], below, strict=True)]


def shape(feature_map: FeatureMap) -> str:
    """Return "channels × height × width".

    Parameters
    ----------
    feature_map : FeatureMap
        A feature map.

    Returns
    -------
    str
        Its shape.

    Examples
    --------
    >>> shape(FeatureMap("bottleneck", 1024, 16, 16))
    '1024 × 16 × 16'
    """
    return f"{feature_map.channels} × {feature_map.height} × {feature_map.width}"


def _is_whole(maps: Sequence[FeatureMap]) -> bool:
    """Return whether the list reaches to the logits, or ends on the way down; refuse any other list."""
    parts = [getattr(one, "part", one) for one in maps]
    depth = sum(str(part).startswith("encoder") for part in parts)
    down = ["image", *(f"encoder {i}" for i in range(1, depth + 1))]
    up = ["bottleneck", *(f"decoder {i}" for i in range(depth, 0, -1)), "logits"]
    if parts not in (down, down + up):
        raise ValueError(f"maps must be a list as sizing.feature_maps returns it, but got the parts {parts}.")
    return parts != down


def _channels(maps: Sequence[FeatureMap]) -> dict[str, str]:
    """Return for every box which channels its first convolution reads, and how many each of the two makes."""
    image, *inner, _ = maps
    depth = len(inner) // 2
    read = [str(one.channels) for one in (image, *inner[:depth])]
    read += [
        f"{skip.channels} + {up.channels}" for skip, up in zip(inner[depth - 1 :: -1], inner[depth + 1 :], strict=True)
    ]
    return {one.part: f"{before} → {one.channels} → {one.channels}" for one, before in zip(inner, read, strict=True)}


def _box(x: float, y: float, feature_map: FeatureMap, per_pixel: float, kind: str, said: dict[str, str]) -> str:
    """Return a box with its middle at x and its top at y, and below it the name, the shape, and what is said of it."""
    width, height = feature_map.channels**0.5, feature_map.height * per_pixel
    box = svg.rect(x - width / 2, y, width, max(1.0, height), kind)
    more = svg.text(x, y + height + 42, said[feature_map.part], "middle small") if said else ""
    return box + _named(x, y + height + 14, feature_map) + more


def _end(x: float, feature_map: FeatureMap, way: str) -> str:
    """Return the image or the logits above the first or the last box, with an arrow "in" or "out"."""
    near, far = (31, _TOP - 2) if way == "in" else (_TOP - 2, 31)
    return _named(x, 12, feature_map) + svg.arrow(x, near, x, far)


def _named(x: float, y: float, feature_map: FeatureMap) -> str:
    return svg.text(x, y, feature_map.part, "middle bold") + svg.text(x, y + 14, shape(feature_map))


def _entry(y: float, kind: str, words: str, down: int) -> str:
    """Return a line of the legend."""
    return svg.arrow(70, y - down, 104, y + down, kind) + svg.text(116, y + 4, words, "start")


def _mended(y: float, skip: tuple[int, int], below: tuple[int, int]) -> str:
    """Say above a skip connection at y what becomes of two sizes that differ: zeros are added, or the larger is cut."""
    if skip == below:
        return ""
    odd = any(side % 2 for side in skip)
    words = f"{_sides(*below)} + zeros = {_sides(*skip)}" if odd else f"{_sides(*skip)} cut to {_sides(*below)}"
    return svg.text(_WIDTH / 2, y - 4, words, "middle small")


def _sides(height: int, width: int) -> str:
    return str(height) if height == width else f"{height} × {width}"
