"""Chapter 9: recorded trainings with several learning rates, epoch by epoch: curves, and what the network predicts."""

from __future__ import annotations

import functools

import torch

from .. import records
from ..data import SyntheticCellsDataset
from ..plots import to_picture
from . import svg
from .base import Explorer, Panel, State
from .controls import Choice, Slider
from .pictures import encode

RECORD = records.load("training")
RUNS = {run["learning_rate"]: run for run in RECORD["runs"]}
EPOCHS = RECORD["recipe"]["epochs"]
PICTURES = tuple(range(len(RECORD["runs"][0]["probabilities"][0])))
SIZE = 256  # units of a picture
LEFT, RIGHT, TOP, BOTTOM = 34, 250, 12, 150  # of the axes, in units of a drawing
LARGEST = 1.0  # the losses lie below


@functools.cache
def watched(picture: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a validation picture that was watched, and its mask.

    Parameters
    ----------
    picture : int
        Its number in the validation split.

    Returns
    -------
    image, mask : torch.Tensor
        (1, 64, 64).

    Examples
    --------
    >>> watched(0)[0].shape
    torch.Size([1, 64, 64])
    """
    return SyntheticCellsDataset(len(PICTURES), image_size=RECORD["recipe"]["side"], split="val")[picture]


class TrainingScrubber(Explorer):
    """Recorded trainings that differ in nothing but the learning rate, with what they predict after each epoch.

    Parameters
    ----------
    rate : {0.0001, 0.001, 0.01, 10.0}
        The highest learning rate of the one-cycle schedule.
    epoch : int
        After which epoch.
    picture : {0, 1}
        Which validation picture is predicted.

    Examples
    --------
    >>> [TrainingScrubber(rate=rate, epoch=8).shown.numbers["validation IoU"] for rate in (0.01, 10.0)]
    ['0.80', '0.00']
    """

    name = "training"
    title = "A training, epoch by epoch"
    rate = Choice("Learning rate", tuple(RUNS), default=0.01, says="{:g}".format)
    epoch = Slider("Epoch", range(1, EPOCHS + 1))
    picture = Choice("Validation picture", PICTURES)

    @classmethod
    def assets(cls):
        """Return the watched pictures, their masks, and the recorded probabilities."""
        found = {}
        for picture in PICTURES:
            image, mask = watched(picture)
            found[f"image-{picture}"] = encode(image.clamp(0, 1), quality=80)
            found[f"truth-{picture}"] = encode(to_picture(mask) > 0)
            for place, run in enumerate(RUNS.values()):
                for epoch in range(1, EPOCHS + 1):
                    found[f"probability-{place}-{epoch}-{picture}"] = run["probabilities"][epoch - 1][picture]
        return found

    @classmethod
    def state(cls, rate, epoch, picture):
        """Return the curves with a mark at the epoch, and the prediction after it."""
        run, place = RUNS[rate], list(RUNS).index(rate)
        losses = {"training": run["train_loss"], "validation": run["val_loss"]}
        numbers = {f"{name} loss": f"{values[epoch - 1]:.2f}" for name, values in losses.items()}
        numbers["validation IoU"] = f"{run['val_iou'][epoch - 1]:.2f}"
        words = (
            f"Learning rate {rate:g}, after epoch {epoch} of {EPOCHS}: training loss {numbers['training loss']}, "
            f"validation loss {numbers['validation loss']}, validation IoU {numbers['validation IoU']}. "
            f"Shown is what the network makes of picture {picture}."
        )
        views = {"Picture": "image", "Truth": "truth", "Probability": f"probability-{place}-{epoch}"}
        panels = (
            Panel("Losses", curves("Losses over the epochs", losses, epoch)),
            Panel("Validation IoU", curves("Validation IoU over the epochs", {"validation": run["val_iou"]}, epoch)),
            *(
                Panel(title, svg.drawing(SIZE, SIZE, title, svg.image(f"{name}-{picture}", 0, 0, SIZE, SIZE)))
                for title, name in views.items()
            ),
        )
        return State(words, numbers, panels)


def curves(label: str, lines: dict[str, list[float]], epoch: int) -> str:
    """Draw lines over the epochs, from 0 to 1, and a mark at one epoch.

    Parameters
    ----------
    label : str
        What the drawing shows.
    lines : dict of str to list of float
        The values after each epoch. A value above 1 leaves the axes at the top.
    epoch : int
        The marked one.

    Returns
    -------
    str

    Examples
    --------
    >>> curves("Loss", {"training": [0.9, 0.4], "validation": [0.8, 0.5]}, epoch=2).count("<circle")
    2
    """
    count = len(next(iter(lines.values())))

    def across(number: int) -> float:
        return LEFT + (RIGHT - LEFT) * (number - 1) / (count - 1)

    def down(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * min(value / LARGEST, 1.02)

    parts = [svg.rect(LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP, "ink stroke thin")]
    parts += [svg.text(LEFT - 6, down(value) + 4, f"{value:g}", "end small") for value in (0, 0.5, 1)]
    parts += [svg.text(across(number), BOTTOM + 16, str(number), "middle small") for number in (1, count)]
    parts += [svg.text((LEFT + RIGHT) / 2, BOTTOM + 16, "epoch", "middle small")]
    parts += [svg.line(across(epoch), TOP, across(epoch), BOTTOM, "ink stroke thin")]
    for place, (name, values) in enumerate(lines.items()):
        kind = "c0 stroke" if name == "training" else "c1 stroke dashed"
        parts.append(svg.polyline([(across(i), down(value)) for i, value in enumerate(values, start=1)], kind))
        parts.append(svg.circle(across(epoch), down(values[epoch - 1]), 4, f"{kind[:2]} fill"))
        x = LEFT + 8 + 110 * place
        parts += [svg.line(x, BOTTOM + 34, x + 18, BOTTOM + 34, kind), svg.text(x + 24, BOTTOM + 38, name, "start")]
    return svg.drawing(SIZE, BOTTOM + 48, label, *parts)
