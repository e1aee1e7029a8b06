"""Chapter 9: recorded trainings with several learning rates, epoch by epoch: curves, and what the network predicts."""

from __future__ import annotations

import functools

import torch

from .. import _svg as svg
from .. import records
from ..data import SyntheticCellsDataset
from ..plots import to_picture
from .kit import Choice, Explorer, Panel, Slider, State, asset, encode

RATES, EPOCHS, PICTURES = (0.0001, 0.001, 0.01, 10.0), 8, (0, 1)  # of the record, which is only read when it is used
SIZE = 256  # units of a picture
LEFT, RIGHT, TOP, BOTTOM = 34, 250, 12, 150  # of the axes, in units of a drawing
LARGEST = 1.0  # the losses lie below


@functools.cache
def _record() -> dict:
    """Return the recorded trainings, with the one of every learning rate as ``"runs"``."""
    record = records.load("training")
    return record | {"runs": {run["learning_rate"]: run for run in record["runs"]}}


@functools.cache
def _watched(picture: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a validation picture that was watched, and its mask."""
    return SyntheticCellsDataset(len(PICTURES), image_size=_record()["recipe"]["side"], split="val")[picture]


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
    rate = Choice("Learning rate", RATES, default=0.01, says="{:g}".format)
    epoch = Slider("Epoch", range(1, EPOCHS + 1))
    picture = Choice("Validation picture", PICTURES)

    @classmethod
    def assets(cls):
        """Return the watched pictures, their masks, and the recorded probabilities."""
        found = {}
        for picture in PICTURES:
            image, mask = _watched(picture)
            found[f"image-{picture}"] = encode(image.clamp(0, 1), quality=80)
            found[f"truth-{picture}"] = encode(to_picture(mask) > 0)
            for rate, run in _record()["runs"].items():
                for epoch, probabilities in enumerate(run["probabilities"], start=1):
                    found[asset("probability", rate, epoch, picture)] = probabilities[picture]
        return found

    @classmethod
    def state(cls, rate, epoch, picture):
        """Return the curves with a mark at the epoch, and the prediction after it."""
        run = _record()["runs"][rate]
        losses = {"training": run["train_loss"], "validation": run["val_loss"]}
        numbers = {f"{name} loss": f"{values[epoch - 1]:.2f}" for name, values in losses.items()}
        numbers["validation IoU"] = f"{run['val_iou'][epoch - 1]:.2f}"
        words = (
            f"Learning rate {rate:g}, after epoch {epoch} of {EPOCHS}: training loss {numbers['training loss']}, "
            f"validation loss {numbers['validation loss']}, validation IoU {numbers['validation IoU']}. "
            f"Shown is what the network makes of picture {picture}."
        )
        views = {
            "Picture": f"image-{picture}",
            "Truth": f"truth-{picture}",
            "Probability": asset("probability", rate, epoch, picture),
        }
        panels = (
            Panel("Losses", _curves("Losses over the epochs", losses, epoch)),
            Panel("Validation IoU", _curves("Validation IoU over the epochs", {"validation": run["val_iou"]}, epoch)),
            *(Panel(title, svg.picture(name, SIZE, title)) for title, name in views.items()),
        )
        return State(words, numbers, panels)


def _curves(label: str, lines: dict[str, list[float]], epoch: int) -> str:
    """Draw lines over the epochs, from 0 to 1, and a mark at one epoch."""
    count = len(next(iter(lines.values())))

    def across(number: int) -> float:
        return LEFT + (RIGHT - LEFT) * (number - 1) / (count - 1)

    def down(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * min(value / LARGEST, 1.02)

    parts = [svg.rect(LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP, "ink stroke thin")]
    parts += [svg.text(LEFT - 6, down(value) + 4, f"{value:g}", "end small") for value in (0, 0.5, 1)]
    parts += [svg.text(across(number), BOTTOM + 16, str(number), "middle small") for number in (1, count)]
    parts += [svg.text((LEFT + RIGHT) / 2, BOTTOM + 16, "epoch", "middle small")]
    parts += [svg.line([(across(epoch), TOP), (across(epoch), BOTTOM)], "ink stroke thin")]
    for place, (name, values) in enumerate(lines.items()):
        kind = "c0 stroke" if name == "training" else "c1 stroke dashed"
        parts.append(svg.line([(across(i), down(value)) for i, value in enumerate(values, start=1)], kind))
        parts.append(svg.circle(across(epoch), down(values[epoch - 1]), 4, f"{kind[:2]} fill"))
        x = LEFT + 8 + 110 * place
        parts.append(svg.line([(x, BOTTOM + 34), (x + 18, BOTTOM + 34)], kind))
        parts.append(svg.text(x + 24, BOTTOM + 38, name, "start"))
    return svg.drawing(SIZE, BOTTOM + 48, label, *parts)
