"""Chapters 2 and 8: depth, channels, size of the image and padding go in; the U, drawn to scale, and its cost come out.

All numbers come from `unet_tutorial.sizing`. What an image that does not fit meets on its way down is measured with a
real encoder.
"""

from __future__ import annotations

import functools

import torch

from .. import sizing
from ..unet import Encoder, UNet
from . import svg
from .base import Explorer, Panel, State
from .controls import Choice, Slider

SIDES = (48, 64, 100, 128, 188, 250, 256, 380, 512, 572, 764)
BASES = (8, 16, 32, 64)
WIDTH, TOP, LABEL = 340, 46, 34  # units: the drawing's width, room for the image, room for the label of a box
PER_PIXEL = 0.16  # units of height for a pixel of the side
LEGEND = (
    ("c1 stroke", "max pooling: half the side"),
    ("c2 stroke", "upsampling: twice the side"),
    ("c0 stroke dashed", "skip connection"),
)


class Architecture(Explorer):
    """The whole U-Net: every feature map with its channels and size, and what the network costs.

    Parameters
    ----------
    depth : int
        The number of poolings, 1 to 6.
    base_channels : {8, 16, 32, 64}
        Channels of the first stage; every stage below has twice as many.
    side : int
        Side of the square colour image in pixels.
    padding : {"same", "none"}
        As in `unet_tutorial.unet.UNet`.

    Examples
    --------
    >>> explorer = Architecture(depth=4, base_channels=64, side=256)
    >>> explorer.shown.numbers["parameters"]
    31037633
    >>> explorer.depth = 2
    >>> sum(p.numel() for p in explorer.model.parameters()) == explorer.shown.numbers["parameters"]
    True
    """

    name = "architecture"
    title = "A U-Net of your size"
    depth = Slider("Depth", range(1, 7), default=4)
    side = Slider("Side of the image", SIDES, default=256, says="{} pixels".format)
    padding = Choice("Padding", ("same", "none"))
    # last, so that states which differ little stand together, and the table becomes small
    base_channels = Slider("Channels of the first stage", BASES, default=64)

    @property
    def model(self) -> UNet:
        """A new `unet_tutorial.unet.UNet` of the chosen depth, channels and padding, for colour images, one class."""
        return UNet(3, 1, channels=channels(self.depth, self.base_channels), padding=self.padding)

    @classmethod
    def state(cls, depth, side, padding, base_channels):
        """Return the drawing and the cost, or how far an image comes that the network refuses."""
        widths = channels(depth, base_channels)
        parameters = sum(sizing.parameters(channels=widths).values())
        pixels = f"{side} × {side} pixels"
        try:
            maps = sizing.feature_maps(side, side, channels=widths, padding=padding)
        except ValueError as error:
            words = f"The network refuses an image of {pixels}: {error}"
            none = dict.fromkeys(
                ("multiply-adds", "activations of one image", "bottleneck", "size of the answer"), "none"
            )
            drawing = draw_refused(walk(depth, side, padding), widths, side)
            return State(words, {"parameters": parameters, **none}, (Panel("", drawing),))
        bottom = maps[depth + 1]
        cost = sum(sizing.multiply_adds(side, side, channels=widths, padding=padding).values())
        activations = sizing.memory(1, side, side, channels=widths, padding=padding).activations
        words = (
            f"An image of {pixels} goes down through {depth} pooling{'s' if depth > 1 else ''} to {shape(bottom)} in "
        )
        words += f"the bottleneck, and comes back as {maps[-1].height} × {maps[-1].width} logits. {what_divides(maps)}"
        numbers = {
            "parameters": parameters,
            "multiply-adds": f"{cost / 1e9:,.2f} billion",
            "activations of one image": f"{activations / 2**20:,.1f} MiB",
            "bottleneck": shape(bottom),
            "size of the answer": f"{maps[-1].height} × {maps[-1].width}",
        }
        return State(words, numbers, (Panel("", draw(maps)),))


def channels(depth: int, base_channels: int) -> list[int]:
    """Return the channels of every stage and of the bottleneck, each twice those before.

    Parameters
    ----------
    depth, base_channels : int
        The number of poolings, and the channels of the first stage.

    Returns
    -------
    list of int
        As `unet_tutorial.unet.UNet` takes them.

    Examples
    --------
    >>> channels(2, 8)
    [8, 16, 32]
    """
    return [base_channels * 2**stage for stage in range(depth + 1)]


def shape(feature_map: sizing.FeatureMap) -> str:
    """Return "channels × height × width".

    Parameters
    ----------
    feature_map : unet_tutorial.sizing.FeatureMap
        A feature map.

    Returns
    -------
    str
        Its shape.

    Examples
    --------
    >>> shape(sizing.FeatureMap("bottleneck", 1024, 16, 16))
    '1024 × 16 × 16'
    """
    return f"{feature_map.channels} × {feature_map.height} × {feature_map.width}"


@functools.cache
def walk(depth: int, side: int, padding: str) -> tuple[int, ...]:
    """Send an image down a real encoder, without weights, and note the side that every stage hands on.

    Parameters
    ----------
    depth, side : int
        The number of stages, and the side of the image.
    padding : {"same", "none"}
        As in `unet_tutorial.unet.Encoder`.

    Returns
    -------
    tuple of int
        The sides, up to the stage at which nothing is left.

    Examples
    --------
    >>> walk(4, 572, "none"), walk(3, 20, "none")
    ((568, 280, 136, 64), (16, 4))
    """
    seen = []
    with torch.device("meta"):  # shapes only
        encoder, image = Encoder(1, [1] * depth, padding=padding), torch.empty(1, 1, side, side)
    for stage in encoder.stages:
        stage.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[-1]))
    try:
        encoder.eval()(image)
    except RuntimeError:  # torch's word for a map that is smaller than the kernel: that is where the image ends
        pass
    return tuple(seen)


def joins(maps: list[sizing.FeatureMap]) -> list[tuple[int, int]]:
    """Return for every skip connection, the finest first, the side that it brings and the one that comes from below.

    Parameters
    ----------
    maps : list of FeatureMap
        As `unet_tutorial.sizing.feature_maps` lists them.

    Returns
    -------
    list of (int, int)
        Two sides in pixels.

    Examples
    --------
    >>> joins(sizing.feature_maps(250, 250, channels=[8, 16, 32, 64]))
    [(250, 250), (125, 124), (62, 62)]
    """
    depth = len(maps) // 2 - 1
    up = maps[depth + 1 : -1]  # from the bottleneck to decoder 1
    below = [2 * feature_map.height for feature_map in reversed(up[:-1])]
    return list(zip((feature_map.height for feature_map in maps[1 : depth + 1]), below, strict=True))


def what_divides(maps: list[sizing.FeatureMap]) -> str:
    """Say whether the two sides of every skip connection meet, and what the code does where they do not.

    Parameters
    ----------
    maps : list of FeatureMap
        As `unet_tutorial.sizing.feature_maps` lists them.

    Returns
    -------
    str
        A sentence.

    Examples
    --------
    >>> what_divides(sizing.feature_maps(256, 256))
    'Every side on the way down can be halved.'
    """
    unequal = [(i, skip, below) for i, (skip, below) in enumerate(joins(maps), start=1) if skip != below]
    if not unequal:
        return "Every side on the way down can be halved."
    if maps[1].height == maps[0].height:
        places = " and ".join(f"encoder {i} ({skip} pixels)" for i, skip, _ in unequal)
        return (
            f"The side is odd at {places}: pooling loses a row and a column, and the decoder adds zeros in their place."
        )
    cuts = ", ".join(f"from {skip} to {below}" for _, skip, below in unequal)
    return f"Every 3×3 convolution takes a pixel from each edge, so the skip connections are cut: {cuts}."


def box(x: float, y: float, width: int, side: int, kind: str = "c5 wash") -> str:
    """Draw a feature map, its middle above or below x and its top at y: its height is its side, to scale.

    Parameters
    ----------
    x, y : float
        The place.
    width, side : int
        Channels and side in pixels. The width of the box grows with the root of the channels.
    kind : str
        As in `svg.rect`.

    Returns
    -------
    str
        The rectangle.

    Examples
    --------
    >>> box(50, 0, 64, 100)
    '<rect x="46" y="0" width="8" height="16" class="c5 wash"/>'
    """
    return svg.rect(x - width**0.5 / 2, y, width**0.5, max(1.0, side * PER_PIXEL), kind)


def labelled(x: float, y: float, feature_map: sizing.FeatureMap, kind: str = "c5 wash") -> str:
    """Draw a feature map with its name and shape below.

    Parameters
    ----------
    x, y : float
        As in `box`.
    feature_map : FeatureMap
        What is drawn.
    kind : str
        As in `svg.rect`.

    Returns
    -------
    str
        The parts.

    Examples
    --------
    >>> "8 × 4 × 4" in labelled(0, 0, sizing.FeatureMap("encoder 1", 8, 4, 4))
    True
    """
    bottom = y + feature_map.height * PER_PIXEL
    name = svg.text(x, bottom + 14, feature_map.part, "middle bold")
    return (
        box(x, y, feature_map.channels, feature_map.height, kind) + name + svg.text(x, bottom + 28, shape(feature_map))
    )


def draw(maps: list[sizing.FeatureMap]) -> str:
    """Draw the U.

    Parameters
    ----------
    maps : list of FeatureMap
        As `unet_tutorial.sizing.feature_maps` lists them.

    Returns
    -------
    str
        The drawing.

    Examples
    --------
    >>> draw(sizing.feature_maps(64, 64, channels=[8, 16])).count("<rect")
    3
    """
    image, *inner, logits = maps
    depth = len(inner) // 2
    parts, y, edge = [], TOP, (WIDTH / 2 - 68) / depth
    for i, (skip, below) in enumerate(joins(maps)):
        left, right, mended = 52 + i * edge / 2, WIDTH - 52 - i * edge / 2, skip != below
        down, up = inner[i], inner[-1 - i]
        parts += [labelled(left, y, down, "c1 wash" if mended and skip % 2 else "c5 wash"), labelled(right, y, up)]
        tall = max(down.height, up.height) * PER_PIXEL
        middle = y + up.height * PER_PIXEL / 2
        parts.append(svg.arrow(left + 12 + edge / 8, middle, right - 12 - edge / 8, middle, "c0 stroke dashed"))
        if mended:
            words = f"{below} + zeros = {skip}" if skip % 2 else f"{skip} cut to {below}"
            parts.append(svg.text(WIDTH / 2, middle - 4, words, "middle small"))
        inward = left + edge / 2 if i < depth - 1 else WIDTH / 2 - 24
        y += tall + LABEL
        parts.append(svg.arrow(left, y - 2, inward, y + 14, "c1 stroke"))
        parts.append(svg.arrow(WIDTH - inward, y + 14, right, y - 2, "c2 stroke"))
        y += 18
    parts.append(labelled(WIDTH / 2, y, inner[depth]))
    for x, feature_map in ((52, image), (WIDTH - 52, logits)):
        parts += [svg.text(x, 12, feature_map.part, "middle bold"), svg.text(x, 26, shape(feature_map))]
    parts += [svg.arrow(52, 31, 52, TOP - 2), svg.arrow(WIDTH - 52, TOP - 2, WIDTH - 52, 31)]
    y += inner[depth].height * PER_PIXEL + LABEL + 20
    for i, (kind, words) in enumerate(LEGEND):
        parts += [svg.arrow(70, y + 18 * i, 104, y + 18 * i, kind), svg.text(116, y + 4 + 18 * i, words, "start")]
    return svg.drawing(WIDTH, y + 18 * len(LEGEND), f"A U-Net of depth {depth}, drawn to scale", *parts)


def draw_refused(sides: tuple[int, ...], widths: list[int], side: int) -> str:
    """Draw the way down of an image that the network refuses.

    Parameters
    ----------
    sides : tuple of int
        What `walk` returns.
    widths : list of int
        The channels of the stages.
    side : int
        Of the image.

    Returns
    -------
    str
        The drawing.

    Examples
    --------
    >>> draw_refused((252, 124), [8, 16, 32], 256).count("<rect")
    2
    """
    parts = [
        svg.text(52, 12, "image", "middle bold"),
        svg.text(52, 26, f"3 × {side} × {side}"),
        svg.arrow(52, 31, 52, TOP - 2),
    ]
    y = TOP
    for i, (stage, width) in enumerate(zip(sides, widths, strict=False)):
        x, odd = 52 + 10 * i, stage % 2 == 1
        feature_map = sizing.FeatureMap(f"encoder {i + 1}", width, stage, stage)
        parts.append(labelled(x, y, feature_map, "c1 wash" if odd else "c5 wash"))
        if odd:
            parts.append(svg.text(x + 62, y + stage * PER_PIXEL + 28, f"{stage} is odd", "start"))
        y += stage * PER_PIXEL + LABEL
        parts.append(svg.arrow(x, y - 2, x + 10, y + 14, "c1 stroke"))
        y += 18
    parts.append(svg.text(52 + 10 * len(sides), y + 12, "stop", "middle bold"))
    return svg.drawing(WIDTH, y + 24, "The way down of an image that the network refuses", *parts)
