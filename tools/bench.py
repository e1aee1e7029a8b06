"""Measure what the data and the checks cost beside a training step, as shares in one run: ``make bench``.

Each round measures the step and the pieces one after the other, so that other work on the machine meets both. The
table shows the median of the rounds and their range. One thread, CPU, batches of 4 images of 128².
"""

from __future__ import annotations

from functools import partial
from statistics import median

import torch
from torch.utils.benchmark import Timer

from unet_tutorial import SyntheticCellsDataset, SyntheticCircleDataset, UNet
from unet_tutorial.losses import CombinedLoss, _check

ROUNDS = 7
BATCH = 4


def pieces() -> dict:
    """Return what is measured, by name; the first is the training step that all others are divided by."""
    cells, discs = SyntheticCellsDataset(BATCH), SyntheticCircleDataset(BATCH)
    images, masks = (torch.stack(part) for part in zip(*cells, strict=True))  # (BATCH, 1, 128, 128) each
    model = UNet(in_channels=1, channels=(8, 16, 32, 64))
    optimizer, loss = torch.optim.AdamW(model.parameters()), CombinedLoss()

    def step():
        optimizer.zero_grad()
        loss(model(images), masks).backward()
        optimizer.step()

    return {
        "training step of UNet (8, 16, 32, 64)": step,
        "drawing the batch of cells": partial(list, cells),
        "drawing the batch of discs": partial(list, discs),
        "one check of logits and masks": partial(_check, images, masks),
    }


def seconds(work) -> float:
    return Timer("work()", globals={"work": work}, num_threads=1).blocked_autorange(min_run_time=0.2).median


def main() -> None:
    torch.manual_seed(0)
    works = pieces()
    rounds = [[seconds(work) for work in works.values()] for _ in range(ROUNDS)]
    for column, name in enumerate(works):
        times = [row[column] for row in rounds]
        shares = [100 * row[column] / row[0] for row in rounds]
        spread = f"{min(shares):.2f} to {max(shares):.2f}"
        print(f"{name:<40}{1000 * median(times):>8.2f} ms   {median(shares):>6.2f} % of a step ({spread})")


if __name__ == "__main__":
    main()
