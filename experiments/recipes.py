"""One trainer and one stopwatch for all experiments.

A recipe is a dict, as records keep it. `train` gives to `unet_tutorial.training.fit` what a recipe says of it;
`step` is one step of it on a batch that stays the same; `in_turns` times such steps, or anything else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.utils.benchmark import Timer
from torch.utils.data import Dataset

from unet_tutorial.losses import CombinedLoss, bce_loss, weighted_cross_entropy
from unet_tutorial.training import History, fit, train_step

LOSSES = {"BCE": bce_loss, "BCE + Dice": CombinedLoss(), "weighted cross entropy": weighted_cross_entropy}
OF_FIT = ("epochs", "learning_rate", "schedule", "precision", "channels_last")  # what a recipe may say of `fit`


class RandomCrops(Dataset):
    """A random square piece of each picture of a data set, with the same piece of its mask; another one each time."""

    def __init__(self, pictures: Sequence[tuple[torch.Tensor, torch.Tensor]], side: int):
        self.pictures, self.side = pictures, side

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, mask = self.pictures[i]  # (1, H, W) each
        top, left = (int(torch.randint(size - self.side + 1, ())) for size in image.shape[1:])
        piece = (..., slice(top, top + self.side), slice(left, left + self.side))
        return image[piece], mask[piece]  # (1, side, side) each


def train(model: nn.Module, batches: Iterable, val: Iterable, recipe: Mapping[str, Any], **options: Any) -> History:
    """Train a model on the CPU as a recipe says; the options are others of `fit`."""
    options = {key: recipe[key] for key in OF_FIT if key in recipe} | options
    if "loss" in recipe:
        options["loss"] = LOSSES[recipe["loss"]]
    if "optimizer" in recipe:
        options["optimizer"] = getattr(torch.optim, recipe["optimizer"])
    return fit(model, batches, val, device="cpu", **options)


def step(model: nn.Module, *batch: torch.Tensor, recipe: Mapping[str, Any]) -> Callable[[], float]:
    """Return what takes one training step on a batch, where the batch is: with AdamW, and BCE + Dice by default."""
    model.to(batch[0].device).train()
    if recipe.get("channels_last"):
        model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.get("learning_rate", 0.001))
    options = {"loss": LOSSES[recipe.get("loss", "BCE + Dice")], "precision": recipe.get("precision", "float32")}
    return lambda: train_step(model, optimizer, *batch, **options)


def seconds(work: Callable[[], object], *, device: str = "cpu", clock: Callable[[], float] | None = None) -> float:
    """Return the median time of one call, out of as many as fit into a fifth of a second.

    On the CPU it is the time of the processor for this process, which other work on the machine changes least, if no
    other clock is named. On a GPU it is the time on the wall, for which the timer waits until the GPU is done.
    """
    clocks = {"timer": clock or time.process_time} if device == "cpu" else {}
    timer = Timer("work()", globals={"work": work}, num_threads=torch.get_num_threads(), **clocks)
    return timer.blocked_autorange(min_run_time=0.2).median


def in_turns(works: Mapping[str, Callable[[], object]], rounds: int, **how: Any) -> dict[str, list[float]]:
    """Return the seconds of every work in every round. In a round each has its turn, so a busy moment meets all."""
    for work in works.values():
        work()  # what is done only once, such as compiling
    times = [{name: seconds(work, **how) for name, work in works.items()} for _ in range(rounds)]
    return {name: [row[name] for row in times] for name in works}


def ratios(times: Mapping[str, list[float]], base: str) -> dict[str, list[float]]:
    """Return the seconds of every work as multiples of those of one of them, round by round."""
    return {name: [a / b for a, b in zip(row, times[base], strict=True)] for name, row in times.items()}


def spread(values: Iterable[float], digits: int = 4) -> list[float]:
    """Return median, lowest and highest."""
    values = list(values)
    return [round(value, digits) for value in (median(values), min(values), max(values))]
