"""Chapter 11: a predicted disc over a true one; what the losses and the IoU say, and where the losses pull."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
from matplotlib.colors import to_rgb

from .. import _svg as svg
from ..losses import CombinedLoss, bce_loss, dice_loss
from ..metrics import iou, predicted_masks
from ..plots import ORANGE, SKY
from .kit import Choice, Explorer, Panel, Slider, State, asset, encode

COLUMN, RADIUS, SIZE = 20, 10, 300  # the centre and the radius of the true disc, in pixels; units of a drawing
LOSSES: dict[str, Callable] = {
    "BCE": bce_loss,
    "Dice loss": dice_loss,
    "combined": CombinedLoss(),
}
BARS = (*LOSSES, "1 − IoU")
PULLS = {
    "BCE": "Where BCE pulls",
    "Dice loss": "Where the Dice loss pulls",
    "combined": "Where the combined loss pulls",
}


def _disc(side: int, column: int, radius: int) -> torch.Tensor:
    """Draw a disc in the middle row of a square picture."""
    y, x = torch.arange(side)[:, None] - side // 2, torch.arange(side) - column
    return (y**2 + x**2 <= radius**2).float()[None, None]  # (1, 1, side, side)


@functools.cache
def _measured(shift: int, radius: int, confidence: float, side: int) -> tuple[dict, dict, torch.Tensor]:
    """Return each of BARS, the gradients by loss times the pixels, (side, side), and the truth, (1, 1, side, side)."""
    truth = _disc(side, COLUMN, RADIUS)
    logits = (confidence * (2 * _disc(side, COLUMN + shift, radius) - 1)).requires_grad_()
    values, slopes = {}, {}
    for name, loss in LOSSES.items():
        value = loss(logits, truth)
        values[name] = value.item()
        slopes[name] = torch.autograd.grad(value, logits)[0][0, 0] * logits.numel()
    values["1 − IoU"] = 1 - iou(predicted_masks(logits.detach()), truth).item()
    return values, slopes, truth


class Losses(Explorer):
    """A predicted disc that can be moved, resized and made surer, over a true disc in a smaller or larger picture.

    Parameters
    ----------
    shift : int
        How many pixels the predicted disc lies to the right of the true one.
    radius : {7, 10, 13}
        Radius of the predicted disc; that of the true one is 10.
    confidence : {1, 4, 8}
        The logit inside the predicted disc; outside it is minus this.
    side : {64, 96, 128}
        Side of the picture: the larger it is, the smaller the share of the disc.

    Examples
    --------
    >>> Losses(shift=0).shown.numbers["IoU"], Losses(shift=24).shown.numbers["IoU"]
    ('1.00', '0.00')
    """

    name = "losses"
    title = "What the losses say about a disc that is not in its place"
    shift = Slider("Shift to the right", range(0, 25, 3), default=6, says="{} pixels".format)
    radius = Choice("Radius of the prediction", (7, 10, 13), default=10, says="{} pixels".format)
    confidence = Choice("Confidence, the logit", (1, 4, 8), default=4, says="± {}".format)
    side = Choice("Side of the picture", (64, 96, 128), says="{} pixels".format)

    @classmethod
    def assets(cls):
        """Return the gradients of the losses."""
        found = {}
        for setting in cls.settings():
            slopes = _measured(**setting)[1]
            for loss, slope in slopes.items():
                found[asset(loss, *setting.values())] = encode(_in_colours(slope))
        return found

    @classmethod
    def state(cls, shift, radius, confidence, side):
        """Return losses and IoU as bars, and where the losses pull."""
        setting = {"shift": shift, "radius": radius, "confidence": confidence, "side": side}
        values, slopes, truth = _measured(**setting)
        missed = (truth[0, 0] > 0) & (_disc(side, COLUMN + shift, radius)[0, 0] == 0)
        pulls = [float(-slopes[loss][missed].mean()) if missed.any() else None for loss in ("BCE", "Dice loss")]
        pull = "no pixel is missed" if pulls[0] is None else f"BCE {pulls[0]:.2f}, Dice {pulls[1]:.2f}"
        numbers = {name: f"{values[name]:.3f}" for name in LOSSES}
        numbers["IoU"] = f"{1 - values['1 − IoU']:.2f}"
        numbers["the disc's share of the picture"] = f"{100 * truth.mean():.1f} %"
        numbers["pull at a missed pixel"] = pull
        words = (
            f"Shifted by {shift} pixels, with radius {radius} and a confidence of {confidence} in a picture of "
            f"{side} × {side}: BCE {numbers['BCE']}, Dice loss {numbers['Dice loss']}, "
            f"combined {numbers['combined']}, IoU {numbers['IoU']}. Pull at a missed pixel: {pull}."
        )
        panels = (
            Panel("Dashed: truth. Filled: prediction", _scene(shift, radius, side)),
            Panel("Losses, and 1 − IoU", _bars(values)),
            *(
                Panel(title, svg.picture(asset(loss, *setting.values()), SIZE, f"Gradient of {loss}"))
                for loss, title in PULLS.items()
            ),
        )
        return State(words, numbers, panels)


def _in_colours(slope: torch.Tensor) -> np.ndarray:
    """Colour a gradient: blue where the logit should rise, orange where it should fall, black where nothing pulls."""
    strength = np.sqrt((slope.abs() / slope.abs().max()).numpy())[..., None]
    colours = np.where((slope < 0).numpy()[..., None], to_rgb(SKY), to_rgb(ORANGE))
    return np.round(12 * strength) / 12 * colours  # few different colours, which take few bytes


def _scene(shift: int, radius: int, side: int) -> str:
    """Draw the true disc and the predicted one."""
    unit = SIZE / side
    middle = (side // 2 + 0.5) * unit
    return svg.drawing(
        SIZE,
        SIZE,
        "The true disc and the predicted one",
        svg.rect(0, 0, SIZE, SIZE, "ink stroke thin"),
        svg.circle((COLUMN + shift + 0.5) * unit, middle, radius * unit, "c1 wash"),
        svg.circle((COLUMN + 0.5) * unit, middle, RADIUS * unit, "ink stroke dashed"),
    )


def _bars(values: dict) -> str:
    """Draw the losses and 1 − IoU as bars from 0 to 1; what is larger is cut off, and its number tells."""
    left, length, step = 80, 150, 56
    parts = []
    for i, name in enumerate(BARS):
        y, value = 22 + i * step, values[name]
        parts += [
            svg.text(left - 8, y + 19, name, "end"),
            svg.rect(left, y, length, 28, "ink stroke thin"),
            svg.rect(left, y, length * min(value, 1), 28, f"c{i} fill"),
            svg.text(left + length + 8, y + 19, f"{value:.3f}", "start"),
        ]
    parts += [svg.text(left, 22 + 4 * step + 4, "0", "middle small")]
    parts += [svg.text(left + length, 22 + 4 * step + 4, "1", "middle small")]
    return svg.drawing(SIZE, SIZE, "Four bars", *parts)
