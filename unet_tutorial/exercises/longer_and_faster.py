"""Chapter 10: what is left after an interruption, when to stop, too small to count."""

import torch
from torch.utils.data import DataLoader, TensorDataset

from ._code import Code
from ._values import Numbers

left = Numbers(
    lambda: (12 - 4) * len(DataLoader(TensorDataset(torch.zeros(1000)), batch_size=8)),
    [
        (range(937, 939), "That goes on from the middle of the fifth epoch. The file holds the last *whole* epoch."),
        (937.5, "That goes on from the middle of the fifth epoch. The file holds the last *whole* epoch."),
        (875, "The fifth epoch was not finished, so it is not in the file."),
        (1500, "That is the whole training. Four epochs are in the file."),
        (8, "Those are the epochs. How many steps has an epoch?"),
    ],
    (
        "What does the file hold: the last step, or the last whole epoch?",
        "Four epochs are whole. The fifth begins again, so 8 epochs of 125 steps are left.",
    ),
)


def _stops(val_iou, patience):
    for epochs in range(1, len(val_iou) + 1):
        so_far = val_iou[:epochs]
        if epochs - 1 - so_far.index(max(so_far)) >= patience:
            return epochs
    return len(val_iou)


def _variant(val_iou, patience, *, ties=False, more=0, best=False):
    top, at = -1.0, 0
    for epoch, value in enumerate(val_iou, 1):
        if value > top or (ties and value == top):
            top, at = value, epoch
        if epoch - at >= patience + more:
            return at if best else epoch
    return at if best else len(val_iou)


def _waits_after_the_last(val_iou, patience):
    drops = 0
    for epoch, value in enumerate(val_iou, 1):
        drops = drops + 1 if epoch > 1 and value <= val_iou[epoch - 2] else 0
        if drops >= patience:
            return epoch
    return len(val_iou)


def _curves():
    return [
        ([0.1, 0.3, 0.2, 0.9], 1),
        ([0.1, 0.3, 0.2, 0.3, 0.9], 2),
        ([0.1, 0.2, 0.3], 1),
        ([0.5, 0.4, 0.6], 2),
        ([0.5, 0.2, 0.3, 0.4, 0.9], 3),
    ]


stops_after = Code(
    _stops,
    _curves,
    [
        (
            lambda v, p: _variant(v, p, ties=True),
            "A score that is only as good as the best is no new best: compare with >, not with >=.",
        ),
        (
            lambda v, p: _variant(v, p, more=1),
            "One epoch too late: it ends *when* the best lies patience epochs back, not after.",
        ),
        (
            lambda v, p: _variant(v, p, best=True),
            "That is the best epoch. After how many epochs does the training end?",
        ),
        (lambda v, p: _variant(v, p) - 1, "One too small: epochs are counted from 1."),
        (_waits_after_the_last, "It compares each score with the one before. The best so far is what counts."),
    ],
    (
        "Go through the epochs, and remember the best one and its number.",
        "Count epochs from 1; end as soon as epoch - best_epoch >= patience.",
    ),
)


def _thousand(dtype):
    weight = torch.tensor(1.0, dtype=dtype)
    for _ in range(1000):
        weight = weight + torch.tensor(0.001, dtype=dtype)
    return weight.item()


too_small = Numbers(
    lambda: _thousand(torch.bfloat16),
    [
        (
            lambda: round(_thousand(torch.float32), 3),
            "That is float32, about. In bfloat16, what is 1 + 0.001 rounded to?",
        ),
        (1.001, "In bfloat16 the number after 1 is 1 + 1/128."),
        (1 + 1 / 128, "That is the number after 1. Is 0.001 enough to reach it, or to be rounded to it?"),
    ],
    (
        "What is the first sum, 1 + 0.001, rounded to the nearest number that exists?",
        "Is 0.001 more or less than half of 1/128?",
    ),
    tolerance=1e-6,
)
