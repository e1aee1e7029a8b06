"""Chapters 4 and 7: the maps of a trained encoder, one large, and what of it goes down and what goes across."""

from __future__ import annotations

import functools

import skimage.data
import torch
import torch.nn.functional as F

from ..data import SyntheticCellsDataset
from ..pretrained import load_pretrained
from . import svg
from .base import Explorer, Panel, State
from .controls import Choice, Slider
from .pictures import encode

SAMPLE, SIDE, SIZE = 3, 128, 320  # the picture of cells; its pixels in a row; units of a drawing
SHOWN, COLUMNS = 8, 4  # maps of a stage; maps in a row of the small ones
STAGES = ("stage 1", "stage 2", "stage 3")
PICTURES = ("cells", "coins")


@functools.cache
def encoded(picture: str) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """Send a picture through the trained encoder.

    Parameters
    ----------
    picture : {"cells", "coins"}
        Cells that the network has never seen, or a photograph of coins.

    Returns
    -------
    image : torch.Tensor
        (128, 128), values from 0 to 1.
    skips : tuple of torch.Tensor
        What each stage puts aside, (C, h, w), finest first.

    Examples
    --------
    >>> [tuple(skip.shape) for skip in encoded("cells")[1]]
    [(8, 128, 128), (16, 64, 64), (32, 32, 32)]
    """
    if picture == "cells":
        image = SyntheticCellsDataset(num_samples=20, split="test")[SAMPLE][0][0]
    else:
        image = torch.from_numpy(skimage.data.coins()[:SIDE, :SIDE] / 255).float()
    with torch.no_grad():
        _, skips = load_pretrained("cells").encoder(image[None, None])
    return image, tuple(skip[0] for skip in skips)


@functools.cache
def strongest(picture: str, stage: str) -> list[int]:
    """Return the channels of a stage that vary most over a picture, the strongest first.

    Parameters
    ----------
    picture, stage : str
        The picture and the stage.

    Returns
    -------
    list of int
        Eight channels, counted from 1.

    Examples
    --------
    >>> sorted(strongest("cells", "stage 1"))  # this stage has no more
    [1, 2, 3, 4, 5, 6, 7, 8]
    """
    maps = encoded(picture)[1][STAGES.index(stage)]
    return (maps.std(dim=(1, 2)).argsort(descending=True)[:SHOWN] + 1).tolist()


class FeatureMaps(Explorer):
    """The maps of a trained encoder: the eight strongest of a stage, one of them large, before and after pooling.

    Parameters
    ----------
    picture : {"cells", "coins"}
        What the network is shown. It was trained on cells such as these.
    stage : {"stage 1", "stage 2", "stage 3"}
        The stage of the encoder.
    number : int
        Which of the eight maps is shown large, 1 is the one that varies most.

    Examples
    --------
    >>> FeatureMaps(stage="stage 2").shown.numbers["goes across"]
    '64 × 64'
    """

    name = "feature-maps"
    title = "What the stages of a trained encoder make of a picture"
    picture = Choice("Picture", PICTURES)
    stage = Choice("Stage", STAGES)
    number = Slider("Map, the strongest first", range(1, SHOWN + 1))

    @classmethod
    def assets(cls):
        """Return the pictures and the maps, each stretched from its smallest to its largest value."""
        found = {}
        for picture in PICTURES:
            image, skips = encoded(picture)
            found[picture] = encode(image.clamp(0, 1), quality=75)
            for stage, maps in zip(STAGES, skips, strict=True):
                for number, channel in enumerate(strongest(picture, stage), start=1):
                    values = maps[channel - 1]
                    for what, shown in (("across", values), ("down", pooled(values))):
                        stretched = (shown - values.min()) / (values.max() - values.min())
                        found[asset(what, picture, stage, number)] = encode(stretched.clamp(0, 1), quality=55)
        return found

    @classmethod
    def state(cls, picture, stage, number):
        """Return one map of a stage, with what the skip connection carries and what goes down."""
        maps = encoded(picture)[1][STAGES.index(stage)]
        channels, side, _ = maps.shape
        channel = strongest(picture, stage)[number - 1]
        values = maps[channel - 1]
        silent = f"{(values == 0).float().mean():.0%}".replace("%", " %")
        words = (
            f"{stage.capitalize()} makes {channels} maps of {side} × {side} values. Shown large is channel {channel}, "
            f"number {number} by how much it varies. {silent} of its values are 0. "
            f"It goes across as it is, and down with {side // 2} × {side // 2} values."
        )
        numbers = {
            "maps of this stage": channels,
            "channel": channel,
            "values that are 0": silent,
            "goes across": f"{side} × {side}",
            "goes down": f"{side // 2} × {side // 2}",
        }
        panels = (
            Panel("Picture", single(picture, "The picture")),
            Panel(f"The eight strongest of {channels} maps", small_ones(picture, stage, number)),
            Panel("Goes across: the skip connection", single(asset("across", picture, stage, number), "The map")),
            Panel("Goes down: after pooling", single(asset("down", picture, stage, number), "The pooled map")),
        )
        return State(words, numbers, panels)


def pooled(values: torch.Tensor) -> torch.Tensor:
    """Return the largest of every 2×2 values.

    Parameters
    ----------
    values : torch.Tensor
        (H, W).

    Returns
    -------
    torch.Tensor
        (H // 2, W // 2).

    Examples
    --------
    >>> pooled(torch.eye(4))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return F.max_pool2d(values[None], 2)[0]


def small_ones(picture: str, stage: str, number: int) -> str:
    """Draw the eight maps of a stage, and a frame around one.

    Parameters
    ----------
    picture, stage : str
        The picture and the stage.
    number : int
        The one with the frame.

    Returns
    -------
    str

    Examples
    --------
    >>> small_ones("cells", "stage 1", 3).count("<image")
    8
    """
    side = SIZE / COLUMNS
    parts = []
    for i in range(SHOWN):
        x, y = i % COLUMNS * side, i // COLUMNS * side
        parts.append(svg.image(asset("across", picture, stage, i + 1), x + 2, y + 2, side - 4, side - 4))
    x, y = (number - 1) % COLUMNS * side, (number - 1) // COLUMNS * side
    parts.append(svg.rect(x + 2, y + 2, side - 4, side - 4, "c1 stroke thick"))
    return svg.drawing(SIZE, SHOWN / COLUMNS * side, "The small maps, one of them framed", *parts)


def single(name: str, label: str) -> str:
    """Return the drawing of one picture.

    Parameters
    ----------
    name, label : str
        The picture's name among the assets, and what it is.

    Returns
    -------
    str

    Examples
    --------
    >>> 'data-asset="cells"' in single("cells", "The picture")
    True
    """
    return svg.drawing(SIZE, SIZE, label, svg.image(name, 0, 0, SIZE, SIZE))


def asset(what: str, picture: str, stage: str, number: int) -> str:
    """Return the name of a map's picture.

    Parameters
    ----------
    what : {"across", "down"}
        Before or after pooling.
    picture, stage : str
        The picture and the stage.
    number : int
        The map.

    Returns
    -------
    str

    Examples
    --------
    >>> asset("down", "cells", "stage 2", 8)
    'down-cells-2-8'
    """
    return f"{what}-{picture}-{stage.removeprefix('stage ')}-{number}"
