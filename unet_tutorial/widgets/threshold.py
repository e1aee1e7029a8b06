"""Chapter 13: a trained network's probabilities, cut at a threshold, and what precision and recall make of it."""

from __future__ import annotations

import functools

import torch

from ..data import SyntheticCellsDataset
from ..metrics import dice, iou
from ..plots import error_map
from ..pretrained import load_pretrained
from . import svg
from .base import Explorer, Panel, State
from .controls import Choice, Slider
from .pictures import encode

SIZE = 320  # units of a drawing
PICTURES = (0, 1, 2, 3)  # the first of the test split, whatever they are
THRESHOLDS = tuple(step / 20 for step in range(1, 20))


@functools.cache
def predicted(picture: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ask the trained network about a picture that it has never seen.

    Parameters
    ----------
    picture : int
        Its number in the test split.

    Returns
    -------
    image, mask, probability : torch.Tensor
        (1, 1, 128, 128) each.

    Examples
    --------
    >>> [tuple(part.shape) for part in predicted(0)]
    [(1, 1, 128, 128), (1, 1, 128, 128), (1, 1, 128, 128)]
    """
    image, mask = SyntheticCellsDataset(num_samples=len(PICTURES), split="test")[picture]
    with torch.no_grad():
        return image[None], mask[None], torch.sigmoid(load_pretrained("cells")(image[None]))


class Threshold(Explorer):
    """The probabilities of a trained network, and the mask, its mistakes and its scores at a threshold.

    Parameters
    ----------
    threshold : float
        From 0.05 to 0.95 in steps of 0.05.
    picture : {0, 1, 2, 3}
        One of the first four test pictures.

    Examples
    --------
    >>> Threshold(threshold=0.9).shown.numbers["recall"] < Threshold(threshold=0.1).shown.numbers["recall"]
    True
    """

    name = "threshold"
    title = "From probability to mask"
    threshold = Slider("Threshold", THRESHOLDS, default=0.5, says="{:.2f}".format)
    picture = Choice("Test picture", PICTURES)

    @classmethod
    def assets(cls):
        """Return the pictures, the probabilities, and the mistakes at every threshold."""
        found = {}
        for picture in PICTURES:
            image, mask, probability = (part[0] for part in predicted(picture))
            found[f"image-{picture}"] = encode(image.clamp(0, 1), quality=75)
            found[f"probability-{picture}"] = encode(probability, quality=85)
            for threshold in THRESHOLDS:
                found[asset(threshold, picture)] = encode(error_map(probability > threshold, mask))
        return found

    @classmethod
    def state(cls, threshold, picture):
        """Return the mistakes at a threshold, and what the four scores make of them."""
        _, truth, probability = predicted(picture)
        found = (probability > threshold).float()
        right, false, missed = (int((a * b).sum()) for a, b in
                                ((found, truth), (found, 1 - truth), (1 - found, truth)))  # fmt: skip
        numbers = {
            "false positives": false,
            "false negatives": missed,
            "precision": f"{right / (right + false):.3f}",
            "recall": f"{right / (right + missed):.3f}",
            "Dice": f"{dice(found, truth).item():.3f}",
            "IoU": f"{iou(found, truth).item():.3f}",
        }
        words = (
            f"At a threshold of {threshold:.2f}, {false:,} pixels are false and {missed:,} are missed. "
            f"The precision is {numbers['precision']}, the recall {numbers['recall']} and the IoU {numbers['IoU']}."
        )
        panels = tuple(
            Panel(title, svg.drawing(SIZE, SIZE, title, svg.image(name, 0, 0, SIZE, SIZE)))
            for title, name in (
                ("Image", f"image-{picture}"),
                ("Probability", f"probability-{picture}"),
                ("Blue: missed. Orange: false", asset(threshold, picture)),
            )
        )
        return State(words, numbers, panels)


def asset(threshold: float, picture: int) -> str:
    """Return the name of the picture of the mistakes.

    Parameters
    ----------
    threshold : float
        The threshold.
    picture : int
        The test picture.

    Returns
    -------
    str

    Examples
    --------
    >>> asset(0.05, 3)
    'mistakes-3-5'
    """
    return f"mistakes-{picture}-{round(100 * threshold)}"
