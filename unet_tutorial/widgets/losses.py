"""Chapter 10: a predicted disc over a true one; what the losses and the IoU say, and where the losses pull."""

from __future__ import annotations

import functools

import numpy as np
import torch
from matplotlib.colors import to_rgb

from ..losses import CombinedLoss, bce_loss, dice_loss
from ..metrics import iou, predicted_masks
from ..plots import ORANGE, SKY
from . import svg
from .base import Explorer, Panel, State
from .controls import Choice, Slider
from .pictures import encode

COLUMN, RADIUS, SIZE = 20, 10, 300  # the centre and the radius of the true disc, in pixels; units of a drawing
LOSSES = {"BCE": bce_loss, "Dice loss": dice_loss, "combined": CombinedLoss()}
BARS = (*LOSSES, "1 − IoU")
PULLS = {
    "BCE": "Where BCE pulls",
    "Dice loss": "Where the Dice loss pulls",
    "combined": "Where the combined loss pulls",
}


def disc(side: int, column: int, radius: int) -> torch.Tensor:
    """Draw a disc in the middle row of a square picture.

    Parameters
    ----------
    side, column, radius : int
        Side of the picture, column of the centre, and radius of the disc, in pixels.

    Returns
    -------
    torch.Tensor
        (1, 1, side, side), 0 and 1.

    Examples
    --------
    >>> int(disc(64, 20, 10).sum())
    317
    """
    y, x = torch.arange(side)[:, None] - side // 2, torch.arange(side) - column
    return (y**2 + x**2 <= radius**2).float()[None, None]


@functools.cache
def measured(shift: int, radius: int, confidence: float, side: int) -> tuple[dict, dict, torch.Tensor]:
    """Compute losses, their gradients and the IoU of one setting.

    Parameters
    ----------
    shift, radius : int
        How far the predicted disc lies to the right of the true one, and its radius.
    confidence : float
        The logit inside the predicted disc; outside it is minus this.
    side : int
        Side of the picture.

    Returns
    -------
    values : dict of str to float
        Each of ``BARS``.
    slopes : dict of str to torch.Tensor
        The gradient of each loss at each logit, times the number of pixels, (side, side).
    truth : torch.Tensor
        (1, 1, side, side).

    Examples
    --------
    >>> values, slopes, truth = measured(0, 10, 8, 64)
    >>> values["1 − IoU"], round(values["BCE"], 4)
    (0.0, 0.0003)
    """
    truth = disc(side, COLUMN, RADIUS)
    logits = (confidence * (2 * disc(side, COLUMN + shift, radius) - 1)).requires_grad_()
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
            slopes = measured(**setting)[1]
            for loss, slope in slopes.items():
                found[asset(loss, **setting)] = encode(in_colours(slope))
        return found

    @classmethod
    def state(cls, shift, radius, confidence, side):
        """Return losses and IoU as bars, and where the losses pull."""
        setting = {"shift": shift, "radius": radius, "confidence": confidence, "side": side}
        values, slopes, truth = measured(**setting)
        missed = (truth[0, 0] > 0) & (disc(side, COLUMN + shift, radius)[0, 0] == 0)
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
            Panel("Dashed: truth. Filled: prediction", scene(shift, radius, side)),
            Panel("Losses, and 1 − IoU", bars(values)),
            *(Panel(title, gradient(loss, asset(loss, **setting))) for loss, title in PULLS.items()),
        )
        return State(words, numbers, panels)


def in_colours(slope: torch.Tensor) -> np.ndarray:
    """Colour a gradient: blue where the logit should rise, orange where it should fall, black where nothing pulls.

    Parameters
    ----------
    slope : torch.Tensor
        (H, W). The strongest pull gets the full colour, the rest the square root of its share.

    Returns
    -------
    numpy.ndarray
        (H, W, 3), from 0 to 1.

    Examples
    --------
    >>> in_colours(torch.tensor([[-1.0, 0.0]]))[0, 1].tolist()
    [0.0, 0.0, 0.0]
    """
    strength = np.sqrt((slope.abs() / slope.abs().max()).numpy())[..., None]
    colours = np.where((slope < 0).numpy()[..., None], to_rgb(SKY), to_rgb(ORANGE))
    return np.round(12 * strength) / 12 * colours  # few different colours, which take few bytes


def scene(shift: int, radius: int, side: int) -> str:
    """Draw the true disc and the predicted one.

    Parameters
    ----------
    shift, radius, side : int
        The setting.

    Returns
    -------
    str

    Examples
    --------
    >>> scene(6, 10, 64).count("<circle")
    2
    """
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


def bars(values: dict) -> str:
    """Draw the losses and 1 − IoU as bars from 0 to 1; what is larger is cut off, and its number tells.

    Parameters
    ----------
    values : dict of str to float
        By the names in ``BARS``.

    Returns
    -------
    str

    Examples
    --------
    >>> bars(dict.fromkeys(BARS, 0.5)).count("<rect")
    8
    """
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


def gradient(loss: str, name: str) -> str:
    """Return the drawing of a gradient.

    Parameters
    ----------
    loss, name : str
        The loss, and the name of the picture.

    Returns
    -------
    str

    Examples
    --------
    >>> "<image" in gradient("BCE", "bce-0-10-4-64")
    True
    """
    return svg.drawing(SIZE, SIZE, f"Gradient of {loss}", svg.image(name, 0, 0, SIZE, SIZE))


def asset(loss: str, shift: int, radius: int, confidence: float, side: int) -> str:
    """Return the name of a gradient's picture.

    Parameters
    ----------
    loss : {"BCE", "Dice loss", "combined"}
        The loss.
    shift, radius, confidence, side
        The setting.

    Returns
    -------
    str

    Examples
    --------
    >>> asset("Dice loss", 6, 10, 4, 64)
    'dice-6-10-4-64'
    """
    return f"{loss.split()[0].lower()}-{shift}-{radius}-{confidence}-{side}"
