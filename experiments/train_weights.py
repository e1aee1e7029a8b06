"""Train the small networks that come with the package, and record how.

    python experiments/train_weights.py NAME      write unet_tutorial/weights/NAME.pt and NAME.json

The same command on the same kind of machine, with the same versions, gives the same weights.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader

import recipes
from provenance import provenance
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.training import evaluate
from unet_tutorial.unet import UNet

WEIGHTS = Path(__file__).resolve().parents[1] / "unet_tutorial" / "weights"
RECIPES = {
    "cells": {
        "data": "SyntheticCellsDataset",
        "samples": 1200,
        "seed": 0,
        "batch_size": 4,
        "epochs": 6,
        "learning_rate": 0.01,
        "channels": (8, 16, 32, 64),
    },
}
HELD_OUT = 64  # images of the validation split and of the test split


def train(recipe: dict) -> tuple[UNet, dict]:
    """Train one network on the CPU; return it with its scores on held-out images."""
    torch.manual_seed(recipe["seed"])
    torch.set_num_threads(1)  # the order of additions, and with it the last digit, depends on the threads
    data = {
        split: SyntheticCellsDataset(samples, seed=recipe["seed"], split=split)
        for split, samples in (("train", recipe["samples"]), ("val", HELD_OUT), ("test", HELD_OUT))
    }
    model = UNet(in_channels=1, num_classes=1, channels=recipe["channels"])
    loaders = {
        split: DataLoader(samples, batch_size=recipe["batch_size"], shuffle=split == "train")
        for split, samples in data.items()
    }
    recipes.train(model, loaders["train"], loaders["val"], recipe)
    scores = {f"{split}_iou": round(evaluate(model, loaders[split]).iou, 4) for split in ("val", "test")}
    return model.eval(), {"samples": HELD_OUT, **scores}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=RECIPES)
    name = parser.parse_args().name
    model, scores = train(RECIPES[name])
    record = {
        "model": type(model).__name__,
        "config": model.config,
        "recipe": RECIPES[name],
        "scores": scores,
        "provenance": provenance(f"python experiments/train_weights.py {name}", [RECIPES[name]["seed"]]),
    }
    torch.save(model.state_dict(), WEIGHTS / f"{name}.pt")
    (WEIGHTS / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"{name}: IoU {scores['val_iou']} on validation, {scores['test_iou']} on test, {HELD_OUT} images each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
