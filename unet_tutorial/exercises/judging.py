"""Chapter 14: scores of one cell, how many pictures, calibration in one number, a threshold in the dark."""

import numpy as np
import torch

from ..metrics import iou
from ._code import Code
from ._values import Numbers


def _iou_of_the_cell():
    pixel = torch.arange(200)
    cell, marked = (pixel < 100).float(), ((pixel >= 40) & (pixel < 120)).float()  # (200,)
    return iou(marked[None, None, None], cell[None, None, None]).item()


both = Numbers(
    _iou_of_the_cell,
    [
        (0.6, "That is the recall: the share of the cell that was found."),
        (0.75, "That is the precision: the share of the marked pixels that are right."),
        (2 * 60 / 180, "That is the Dice coefficient."),
        (60 / 180, "100 + 80 counts the common pixels twice."),
        (50, "As a percentage, yes. Write it as a number from 0 to 1."),
    ],
    (
        "How many pixels are in both, and how many in at least one of the two?",
        "In at least one: the 100 of the cell, and those marked outside it.",
    ),
    tolerance=0.005,
)


def _needed():
    """Search for it: the mean of n pictures has the uncertainty 1 / sqrt(n)."""
    return next(n for n in range(200, 2000) if (200 / n) ** 0.5 <= 0.5)


more_pictures = Numbers(
    _needed,
    [
        (400, "Twice as many make it narrower by the square root of two only."),
        (100, "Fewer pictures make it wider."),
        (50, "Fewer pictures make it wider: a quarter of them, twice as wide."),
        (1600, "That would be a little more than a third as wide."),
        (600, "Those are the new ones. How many are there then in all?"),
    ],
    (
        "The uncertainty of a mean falls with the square root of the number.",
        "Which number has a square root twice that of 200?",
    ),
)


def _error(said, true, count):
    return float(np.average(np.abs(np.subtract(said, true)), weights=count))


def _bins():
    return [([0.2, 0.8], [0.1, 0.6], [30, 10]), ([0.1, 0.5, 0.9], [0.2, 0.45, 0.9], [100, 4, 16])]


calibration_error = Code(
    _error,
    _bins,
    [
        (
            lambda s, t, n: float(np.mean(np.abs(np.subtract(s, t)))),
            "The weights are missing: a bin with many pixels counts more.",
        ),
        (
            lambda s, t, n: float(np.average(np.subtract(s, t), weights=n)),
            "Too much in one bin makes up for too little in another. Take distances, without a sign.",
        ),
        (
            lambda s, t, n: float(np.average(np.subtract(s, t) ** 2, weights=n)),
            "Those are squares. The distances themselves are asked for.",
        ),
        (
            lambda s, t, n: float(np.sum(np.abs(np.subtract(s, t)) * n)),
            "Divide by the number of all pixels: the weights are shares.",
        ),
    ],
    ("In each bin a distance, and then a mean. Which mean?", "sum(abs(s - t) * n) / sum(n)."),
)

# Found by the chapter with its own network; a check beneath the exercise compares the two.
dark_threshold = Numbers(
    lambda: 0.05,
    [
        (0.5, "That is the one that was best with the usual light, or close to it. In the dark the network says less."),
        (0.95, "In the dark the network says too little, not too much."),
        (
            0.3,
            "That is one half, darkened as the pictures are. But what a "
            "network says does not grow in proportion to the light.",
        ),
    ],
    (
        "Use the loop that chose best, with dark_logits.",
        "thresholds[int(np.argmax([iou(predicted_masks(dark_logits, t), val_masks).mean() for t in thresholds]))]",
    ),
    tolerance=1e-6,
)
