"""Chapter 14: a trained network's probabilities, cut at a threshold, and what precision and recall make of it."""

from __future__ import annotations

import functools

import torch

from .. import _svg as svg
from ..data import SyntheticCellsDataset
from ..metrics import dice, iou
from ..plots import error_map
from ..pretrained import load_pretrained
from .kit import Choice, Explorer, Panel, Slider, State, asset, encode

SIZE = 320  # units of a drawing
PICTURES = (0, 1, 2, 3)  # the first of the test split, whatever they are
THRESHOLDS = tuple(step / 20 for step in range(1, 20))


@functools.cache
def _predicted(picture: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ask the trained network about a picture that it has never seen."""
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
            image, mask, probability = (part[0] for part in _predicted(picture))
            found[f"image-{picture}"] = encode(image.clamp(0, 1), quality=75)
            found[f"probability-{picture}"] = encode(probability, quality=85)
            for threshold in THRESHOLDS:
                found[asset("mistakes", picture, threshold)] = encode(error_map(probability > threshold, mask))
        return found

    @classmethod
    def state(cls, threshold, picture):
        """Return the mistakes at a threshold, and what the four scores make of them."""
        _, truth, probability = _predicted(picture)
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
            Panel(title, svg.picture(name, SIZE, title))
            for title, name in (
                ("Image", f"image-{picture}"),
                ("Probability", f"probability-{picture}"),
                ("Blue: missed. Orange: false", asset("mistakes", picture, threshold)),
            )
        )
        return State(words, numbers, panels)
