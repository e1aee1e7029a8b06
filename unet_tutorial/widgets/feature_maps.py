"""Chapters 4 and 7: the maps of a trained encoder, one large, and what of it goes down and what goes across."""

from __future__ import annotations

import functools

import skimage.data
import torch
import torch.nn.functional as F

from .. import _svg as svg
from ..data import SyntheticCellsDataset
from ..pretrained import load_pretrained
from .kit import Choice, Explorer, Panel, Slider, State, asset, encode

SAMPLE, SIDE, SIZE = 3, 128, 320  # the picture of cells; its pixels in a row; units of a drawing
SHOWN, COLUMNS = 8, 4  # maps of a stage; maps in a row of the small ones
STAGES = ("stage 1", "stage 2", "stage 3")
PICTURES = ("cells", "coins")


@functools.cache
def _encoded(picture: str) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """Send a picture through the trained encoder."""
    if picture == "cells":
        image = SyntheticCellsDataset(num_samples=20, split="test")[SAMPLE][0][0]
    else:
        image = torch.from_numpy(skimage.data.coins()[:SIDE, :SIDE] / 255).float()
    with torch.no_grad():
        _, skips = load_pretrained("cells").encoder(image[None, None])
    return image, tuple(skip[0] for skip in skips)


@functools.cache
def _strongest(picture: str, stage: str) -> list[int]:
    """Return the channels of a stage that vary most over a picture, the strongest first."""
    maps = _encoded(picture)[1][STAGES.index(stage)]
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
            image, skips = _encoded(picture)
            found[picture] = encode(image.clamp(0, 1), quality=75)
            for stage, maps in zip(STAGES, skips, strict=True):
                for number, channel in enumerate(_strongest(picture, stage), start=1):
                    values = maps[channel - 1]
                    for what, shown in (("across", values), ("down", _pooled(values))):
                        stretched = (shown - values.min()) / (values.max() - values.min())
                        found[asset(what, picture, stage, number)] = encode(stretched.clamp(0, 1), quality=55)
        return found

    @classmethod
    def state(cls, picture, stage, number):
        """Return one map of a stage, with what the skip connection carries and what goes down."""
        maps = _encoded(picture)[1][STAGES.index(stage)]
        channels, side, _ = maps.shape
        channel = _strongest(picture, stage)[number - 1]
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
        across, down = (asset(what, picture, stage, number) for what in ("across", "down"))
        panels = (
            Panel("Picture", svg.picture(picture, SIZE, "The picture")),
            Panel(f"The eight strongest of {channels} maps", _small_ones(picture, stage, number)),
            Panel(
                "Goes across: the skip connection",
                svg.picture(across, SIZE, "The map"),
            ),
            Panel("Goes down: after pooling", svg.picture(down, SIZE, "The pooled map")),
        )
        return State(words, numbers, panels)


def _pooled(values: torch.Tensor) -> torch.Tensor:
    """Return the largest of every 2×2 values."""
    return F.max_pool2d(values[None], 2)[0]


def _small_ones(picture: str, stage: str, number: int) -> str:
    """Draw the eight maps of a stage, and a frame around one."""
    side = SIZE / COLUMNS
    parts = []
    for i in range(SHOWN):
        x, y = i % COLUMNS * side, i // COLUMNS * side
        parts.append(svg.image(asset("across", picture, stage, i + 1), x + 2, y + 2, side - 4, side - 4))
    x, y = (number - 1) % COLUMNS * side, (number - 1) // COLUMNS * side
    parts.append(svg.rect(x + 2, y + 2, side - 4, side - 4, "c1 stroke thick"))
    return svg.drawing(SIZE, SHOWN / COLUMNS * side, "The small maps, one of them framed", *parts)
