"""Measure networks: our U-Net against MONAI's of the same widths, and what stands beside a training step.

In every round each contestant has its turn, so that other work on the machine meets all of them, and what is compared
is the ratio within a round. See bench.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from monai.networks.nets import BasicUNet
from torch import nn

import recipes
from bench_tables import label
from unet_tutorial.data.masks import check_mask
from unet_tutorial.data.synthetic import SyntheticCellsDataset, SyntheticCircleDataset
from unet_tutorial.unet import UNet

PLAIN = {"channels_last": False, "precision": "float32", "compile": False}
CHANNELS_LAST = {**PLAIN, "channels_last": True}
FASTEST = {"channels_last": True, "precision": "bfloat16", "compile": True}
# Of every pair (network, options) the first is what all others of its device are divided by.
MODELS = {
    "rounds": 7,
    "devices": {
        "cpu": {
            "channels": [[16, 32, 64, 128, 256], [32, 64, 128, 256, 512]],
            "batch": [4, 1, 128, 128],
            "contestants": [("MONAI", PLAIN), ("ours", PLAIN), ("MONAI", CHANNELS_LAST), ("ours", CHANNELS_LAST)],
            "goal": 0.8,
        },
        "cuda": {
            "channels": [[32, 64, 128, 256, 512], [64, 128, 256, 512, 1024]],
            "batch": [8, 1, 256, 256],
            "contestants": [("MONAI", PLAIN), ("ours", PLAIN), ("MONAI", FASTEST), ("ours", FASTEST)],
            "goal": 0.5,
        },
    },
}
PIECES = {"rounds": 7, "batch": 4, "channels": [8, 16, 32, 64]}


def build(name: str, channels: list[int]) -> nn.Module:
    """Return a network for one-channel images and one class: "ours", or MONAI's with batch normalization and ReLU."""
    if name == "ours":
        return UNet(1, channels=channels)
    # MONAI wants five widths and the last decoder stage's; ours follows the length of the list.
    return BasicUNet(2, 1, 1, features=(*channels, channels[0]), act=("relu", {"inplace": True}), norm="batch")


def works(model: nn.Module, options: dict, batch: list[int], device: str) -> dict[str, Callable[[], object]]:
    """Return what is timed of a network: a forward pass, and a training step as `fit` does it."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(batch, generator=generator).to(device)  # (B, 1, H, W)
    step = recipes.step(model, images, (images > 0.5).float(), recipe=options)
    if options["compile"]:
        model.compile()
    short = options["precision"] != "float32"
    dtype = getattr(torch, options["precision"])

    def forward() -> None:
        model.eval()
        with torch.no_grad(), torch.autocast(device, dtype=dtype, enabled=short):
            model(images)
        model.train()

    return {"forward": forward, "step": step}


def compare(timed: dict[str, Callable[[], object]], rounds: int, device: str) -> dict[str, dict]:
    """Time all in turns: the median in ms, and the ratio to the first, as (median, lowest, highest)."""
    times = recipes.in_turns(timed, rounds, device=device)
    shares = recipes.ratios(times, next(iter(timed)))
    return {
        name: {"ms": round(1000 * median(row), 3), "ratio": recipes.spread(shares[name])} for name, row in times.items()
    }


def models(_seeds: list[int], settings: dict = MODELS) -> dict:
    """Compare both networks on every device that is there, and return the part of the record."""
    devices = [device for device in settings["devices"] if device != "cuda" or torch.cuda.is_available()]
    return {
        "settings": settings,
        "devices": {device: on_device(device, settings["devices"][device], settings["rounds"]) for device in devices},
    }


def on_device(device: str, settings: dict, rounds: int) -> list[dict]:
    """Compare the contestants at each of the widths on one device."""
    results = []
    for channels in settings["channels"]:
        torch.manual_seed(0)
        parameters, timed = {}, {"forward": {}, "step": {}}
        for name, options in settings["contestants"]:
            model = build(name, channels)
            parameters[name] = sum(p.numel() for p in model.parameters())
            for what, work in works(model, options, settings["batch"], device).items():
                timed[what][label(name, options)] = work
        compared = {what: compare(works_, rounds, device) for what, works_ in timed.items()}
        results.append({"channels": channels, "parameters": parameters, **compared})
        print(f"{device}, channels {channels}: {compared}", flush=True)
    return results


def pieces(_seeds: list[int], settings: dict = PIECES) -> dict:
    """Time what the data and the checks cost beside a training step, and return the part of the record."""
    torch.manual_seed(0)
    batch = settings["batch"]
    cells, discs = SyntheticCellsDataset(batch), SyntheticCircleDataset(batch)
    images, masks = (torch.stack(part) for part in zip(*cells, strict=True))  # (batch, 1, 128, 128) each
    timed = {
        "training step": works(UNet(1, channels=settings["channels"]), PLAIN, list(images.shape), "cpu")["step"],
        "drawing the batch of cells": partial(list, cells),
        "drawing the batch of discs": partial(list, discs),
        "one check of the masks": partial(check_mask, masks),
    }
    return {"settings": settings, "pieces": compare(timed, settings["rounds"], "cpu")}
