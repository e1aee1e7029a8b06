"""Chapter 0: the shape of a batch, from a file to a network, one step by hand."""

import numpy as np
import torch

from ._code import Code
from ._values import Numbers

axes = Numbers(
    lambda: tuple(torch.stack([torch.zeros(3, 100, 150)] * 8).shape),
    [
        ((8, 100, 150, 3), "Files and matplotlib keep the colours last. PyTorch wants them before rows and columns."),
        ((8, 3, 150, 100), "Rows come before columns: the height stands in front of the width."),
        (
            (3, 8, 100, 150),
            "That is three of something, each of eight. The pictures are the outermost: the batch comes first.",
        ),
        ((3, 100, 150), "That is one picture. Where do the eight stand?"),
        ((24, 100, 150), "Eight times three, yes, but pictures and colours keep an axis each."),
    ],
    ("Four axes: which of them is the outermost?", "Batch, channel, height, width."),
)


def _prepare(array):
    return torch.tensor(array / 255, dtype=torch.float32).reshape(1, 1, *array.shape)


def _pictures():
    rows, columns = np.mgrid[:4, :5]
    piece = (rows * 50 + columns * 3).astype(np.uint8)  # (4, 5)
    return [(piece,), (np.full((7, 3), 255, np.uint8),), (np.zeros((2, 3), np.uint8),)]


prepare = Code(
    _prepare,
    _pictures,
    [
        (
            lambda array: torch.from_numpy(array).float()[None, None],
            "The values still reach 255. A network wants 0 to 1.",
        ),
        (
            lambda array: torch.from_numpy(array).float() / 255,
            "The values are right. Batch and channel still need an axis each.",
        ),
        (
            lambda array: (torch.from_numpy(array).float() / 255)[None],
            "One axis more. Which of batch and channel has none yet?",
        ),
        (
            lambda array: torch.from_numpy(array / 255)[None, None],
            "These are float64, twice as many bytes as the weights of a network, which are float32.",
        ),
        (
            lambda array: torch.from_numpy(array)[None, None] // 255,
            "A division with // keeps whole numbers: nearly everything becomes 0.",
        ),
    ],
    ("Three steps: another type, another range, two axes more.", "from_numpy, float, divide, and None twice."),
    exact_dtype=True,
)


def _after_one_step():
    w = torch.tensor(1.0, requires_grad=True)
    (slope,) = torch.autograd.grad((3 * w - 6) ** 2, w)
    return (w - 0.1 * slope).item()


one_step = Numbers(
    _after_one_step,
    [
        (-0.8, "You have walked uphill: the step goes *against* the slope, so the slope is subtracted."),
        (1.6, "The slope of the inner part, 3, is missing: the slope is 2 · (3w - 6) · 3."),
        (-18, "That is the slope at w = 1. How far does w move with it?"),
        (18, "That is the slope without its sign. How far, and in which direction, does w move with it?"),
        (2, "That is where the loss is smallest. One step does not land there."),
    ],
    (
        "First the slope of (3w - 6)² at w = 1, then a tenth of it.",
        "The slope is 2 · (3w - 6) · 3, and w becomes w - 0.1 · slope.",
    ),
    tolerance=1e-4,
)
