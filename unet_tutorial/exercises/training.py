"""Chapter 9: steps of a training, a split by patients, a forgotten line."""

import torch
from torch.utils.data import DataLoader, TensorDataset

from ._code import Code
from ._values import Numbers

steps = Numbers(
    lambda: 12 * len(DataLoader(TensorDataset(torch.zeros(1000)), batch_size=8)),
    [
        (125, "That is one epoch."),
        (12_000, "That is how many pictures are looked at. One batch of 8 makes one step."),
        (96, "Batches of 8 in 12 epochs, yes, but how many batches has an epoch?"),
        (1000, "One step for every picture would be a batch of one, and there are 12 epochs."),
    ],
    ("How many batches has an epoch?", "One batch, one step. An epoch has 1,000 / 8 of them."),
)


def _split(patients, held_out):
    numbers = range(len(patients))
    return [i for i in numbers if patients[i] not in held_out], [i for i in numbers if patients[i] in held_out]


def _cases():
    return [(["a", "b", "a", "c", "b"], ["b"]), (["x", "y", "z"], ["x", "z"]), (["a", "a"], [])]


split = Code(
    _split,
    _cases,
    [
        (lambda patients, held_out: _split(patients, held_out)[::-1], "The training pictures come first."),
        (
            lambda patients, held_out: (
                [p for p in patients if p not in held_out],
                [p for p in patients if p in held_out],
            ),
            "Those are the patients. The numbers of the pictures are asked for.",
        ),
        (
            lambda patients, held_out: tuple(
                [patients.index(p) for p in part]
                for part in ([p for p in patients if p not in held_out], [p for p in patients if p in held_out])
            ),
            "patients.index(p) gives the first picture of a patient, again and "
            "again. enumerate(patients) counts the pictures.",
        ),
        (
            lambda patients, held_out: (list(range(len(patients))), _split(patients, held_out)[1]),
            "The held-out pictures are still among the training pictures.",
        ),
    ],
    (
        "A picture's number goes where its patient goes.",
        "for i, patient in enumerate(patients): append i to the one list or to the other.",
    ),
)


def _two_steps():
    w = torch.tensor(1.0, requires_grad=True)
    for _ in range(2):
        (w**2).backward()  # adds to w.grad
        assert w.grad is not None
        with torch.no_grad():
            w -= 0.1 * w.grad
    return w.item()


forgotten = Numbers(
    _two_steps,
    [
        (0.64, "That is *with* zero_grad: both steps use their own gradient alone."),
        (0.8, "That is after the first step. There is another one."),
        (0.6, "The second gradient is taken where w is by then, at 0.8: it is 1.6, not 2."),
        (0.48, "The gradients add up: the second step uses the first gradient as well, 2, and the new one."),
    ],
    (
        "The gradient of w² is 2w. What is w after the first step?",
        "The first step ends at 0.8. The second uses 2 + 1.6.",
    ),
    tolerance=1e-4,
)
