"""Measure a training step with one thread and with as many as there are cores, idle and beside busy processes.

Why every notebook takes one thread: see setup_cell.py, and bench.py for the rest.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from statistics import median

import torch

from busy import busy_cores
from unet_tutorial.losses import bce_loss
from unet_tutorial.unet import UNet

THREADS = {
    "rounds": 5,
    "steps": 6,
    "networks": [
        {"channels": [8, 16, 32, 64], "batch": [4, 1, 96, 96]},  # chapter 9
        {"channels": [8, 16, 32, 64], "batch": [4, 1, 256, 256]},  # chapter 14
        {"channels": [32, 64, 128, 256], "batch": [4, 1, 128, 128]},  # the wide one of chapter 9
    ],
}


def threads(_seeds: list[int], settings: dict = THREADS) -> dict:
    """Return the part of the record: of each network the milliseconds of a step, on the clock on the wall."""
    before, cores = torch.get_num_threads(), os.cpu_count() or 1
    numbers = sorted({1, cores})
    results = []
    for network in settings["networks"]:
        times = {}
        for name, beside in (("idle", nullcontext), ("busy", busy_cores)):
            with beside():
                rounds = [
                    [step_ms(network, number, settings["steps"]) for number in numbers]
                    for _ in range(settings["rounds"])
                ]
            times[name] = {str(number): sorted(row[i] for row in rounds) for i, number in enumerate(numbers)}
        results.append({**network, "ms": times})
        print(network, {name: {n: median(ms) for n, ms in by.items()} for name, by in times.items()}, flush=True)
    torch.set_num_threads(before)
    return {"settings": {**settings, "cores": cores}, "networks": results}


def step_ms(network: dict, number: int, steps: int) -> float:
    """Return the mean time of some training steps with a number of threads, after one that warms up."""
    torch.set_num_threads(number)
    torch.manual_seed(0)
    model = UNet(1, channels=network["channels"]).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters())
    images = torch.rand(network["batch"])  # (B, 1, H, W)
    masks = (images > 0.5).float()
    for i in range(steps + 1):
        if i == 1:
            start = time.perf_counter()
        loss = bce_loss(model(images), masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return round(1000 * (time.perf_counter() - start) / steps, 2)
