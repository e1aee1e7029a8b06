"""Chapters 2 and 8: depth, channels, size of the image and padding go in; the U, drawn to scale, and its cost come out.

All numbers come from `unet_tutorial.sizing`. What an image that does not fit meets on its way down is measured with a
real encoder.
"""

from __future__ import annotations

import functools

import torch

from .. import diagram, sizing
from ..unet import Encoder, UNet
from .kit import Choice, Explorer, Panel, Slider, State

SIDES = (48, 64, 100, 128, 188, 250, 256, 380, 512, 572, 764)
BASES = (8, 16, 32, 64)
NUMBERS = ("parameters", "multiply-adds", "activations of one image", "bottleneck", "size of the answer")
PER_PIXEL = 0.16  # units of height for a pixel of the side


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
        return UNet(3, 1, channels=_channels(self.depth, self.base_channels), padding=self.padding)

    @classmethod
    def state(cls, depth, side, padding, base_channels):
        """Return the drawing and the cost, or how far an image comes that the network refuses."""
        widths, pixels = _channels(depth, base_channels), f"{side} × {side} pixels"
        numbers = dict.fromkeys(NUMBERS, "none") | {"parameters": sum(sizing.parameters(channels=widths).values())}
        try:
            maps = sizing.feature_maps(side, side, channels=widths, padding=padding)
        except ValueError as error:
            down = [sizing.FeatureMap("image", 3, side, side)]
            for i, (width, left) in enumerate(zip(widths, _walk(depth, side, padding), strict=False), start=1):
                down.append(sizing.FeatureMap(f"encoder {i}", width, left, left))
            drawn = diagram.draw(down, "The way down of an image that the network refuses", per_pixel=PER_PIXEL)
            return State(f"The network refuses an image of {pixels}: {error}", numbers, (Panel("", drawn),))
        bottom, answer = diagram.shape(maps[depth + 1]), f"{maps[-1].height} × {maps[-1].width}"
        cost = sum(sizing.multiply_adds(side, side, channels=widths, padding=padding).values())
        activations = sizing.memory(1, side, side, channels=widths, padding=padding).activations
        words = (
            f"An image of {pixels} goes down through {depth} pooling{'s' if depth > 1 else ''} to {bottom} in the "
            f"bottleneck, and comes back as {answer} logits. {_what_divides(maps)}"
        )
        numbers["multiply-adds"] = f"{cost / 1e9:,.2f} billion"
        numbers["activations of one image"] = f"{activations / 2**20:,.1f} MiB"
        numbers |= {"bottleneck": bottom, "size of the answer": answer}
        drawn = diagram.draw(maps, f"A U-Net of depth {depth}, drawn to scale", per_pixel=PER_PIXEL)
        return State(words, numbers, (Panel("", drawn),))


def _channels(depth: int, base_channels: int) -> list[int]:
    """Return the channels of every stage and of the bottleneck, each twice those before."""
    return [base_channels * 2**stage for stage in range(depth + 1)]


@functools.cache
def _walk(depth: int, side: int, padding: str) -> tuple[int, ...]:
    """Send an image down a real encoder, without weights, and note the side that every stage hands on."""
    seen = []
    with torch.device("meta"):  # shapes only
        encoder, image = Encoder(1, [1] * depth, padding=padding), torch.empty(1, 1, side, side)
    for stage in encoder.stages:
        stage.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[-1]))
    try:
        encoder.eval()(image)
    except ValueError:  # a map that is smaller than the kernel: that is where the image ends
        pass
    return tuple(seen)


def _what_divides(maps: list[sizing.FeatureMap]) -> str:
    """Say whether the two sides of every skip connection meet, and what the code does where they do not."""
    # of squares: (stage, side that the skip connection brings, side that comes from below)
    sides = [(i, skip[0], below[0]) for i, (skip, below) in enumerate(diagram.joins(maps), start=1)]
    unequal = [(i, skip, below) for i, skip, below in sides if skip != below]
    if not unequal:
        return "Every side on the way down can be halved."
    if maps[1].height == maps[0].height:
        places = " and ".join(f"encoder {i} ({skip} pixels)" for i, skip, _ in unequal)
        return (
            f"The side is odd at {places}: pooling loses a row and a column, and the decoder adds zeros in their place."
        )
    cuts = ", ".join(f"from {skip} to {below}" for _, skip, below in unequal)
    return f"Every 3×3 convolution takes a pixel from each edge, so the skip connections are cut: {cuts}."
