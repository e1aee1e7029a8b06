"""Measure a training step with one thread and with as many as there are cores, idle and beside busy processes.

Why every notebook takes one thread: see setup_cell.py, and bench.py for the rest.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from statistics import median

import torch

import recipes
from busy import busy_cores
from unet_tutorial.unet import UNet

THREADS = {
    "rounds": 5,
    "networks": [
        {"channels": [8, 16, 32, 64], "batch": [4, 1, 96, 96]},  # chapter 10
        {"channels": [8, 16, 32, 64], "batch": [4, 1, 256, 256]},  # chapter 15
        {"channels": [32, 64, 128, 256], "batch": [4, 1, 128, 128]},  # the wide one of chapter 10
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
                rounds = [[step_ms(network, number) for number in numbers] for _ in range(settings["rounds"])]
            times[name] = {str(number): sorted(row[i] for row in rounds) for i, number in enumerate(numbers)}
        results.append({**network, "ms": times})
        print(network, {name: {n: median(ms) for n, ms in by.items()} for name, by in times.items()}, flush=True)
    torch.set_num_threads(before)
    return {"settings": {**settings, "cores": cores}, "networks": results}


def step_ms(network: dict, number: int) -> float:
    """Return the milliseconds of a training step with a number of threads, on the clock on the wall."""
    torch.set_num_threads(number)
    torch.manual_seed(0)
    images = torch.rand(network["batch"])  # (B, 1, H, W)
    model = UNet(1, channels=network["channels"])
    work = recipes.step(model, images, (images > 0.5).float(), recipe={"loss": "BCE", "channels_last": True})
    work()  # the first one warms up
    return round(1000 * recipes.seconds(work, clock=time.perf_counter), 2)
