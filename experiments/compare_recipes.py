"""Train the seven recipes of chapter 10 from several seeds, and keep their curves for the chapter.

    python experiments/compare_recipes.py      write unet_tutorial/results/recipes.json, in some three minutes

The chapter trains each recipe once, in view. One seed each says little; this is the same with five.
"""

from __future__ import annotations

import sys

import torch
from torch.utils.data import DataLoader

import provenance
import recipes
from unet_tutorial.data.synthetic import SyntheticCircleDataset
from unet_tutorial.unet import UNet

COMMAND = "python experiments/compare_recipes.py"
SEEDS = range(5)
SIDE, CROP, TRAIN, VAL = 64, 48, 128, 32  # pixels of a picture and of a crop; pictures
BASE = {
    "channels": [8, 16, 32, 64],
    "block": "double",
    "batch_size": 8,
    "crop": False,
    "epochs": 5,
    "learning_rate": 0.02,
    "schedule": "one-cycle",
    "loss": "BCE",
    "channels_last": True,
}
CHANGES = {
    "one cycle to 0.02": {},
    "batches of 16": {"batch_size": 16},
    "crops of 48×48": {"crop": True},
    "residual blocks": {"block": "residual"},
    "BCE + Dice": {"loss": "BCE + Dice"},
    "constant 0.02": {"schedule": "constant"},
    "constant 0.001": {"schedule": "constant", "learning_rate": 0.001, "epochs": 10},
}


def val_iou(recipe: dict, seed: int, train: list, val: list) -> list[float]:
    """Train once, and return the validation IoU after every epoch."""
    torch.manual_seed(seed)
    model = UNet(1, channels=recipe["channels"], block=recipe["block"])
    batches = DataLoader(
        recipes.RandomCrops(train, CROP) if recipe["crop"] else train, recipe["batch_size"], shuffle=True
    )
    history = recipes.train(model, batches, DataLoader(val, batch_size=len(val)), recipe, progress=False)
    return [round(value, 4) for value in history.val_iou]


def main(seeds: range = SEEDS, train: int = TRAIN, val: int = VAL) -> int:
    """Train all, print a line each, and keep the record."""
    torch.set_num_threads(1)
    data = [list(SyntheticCircleDataset(n, image_size=SIDE, split=s)) for n, s in ((train, "train"), (val, "val"))]
    runs = []
    for name, change in CHANGES.items():
        for seed in seeds:
            runs.append({"name": name, "seed": seed, "val_iou": val_iou(BASE | change, seed, *data)})
            print(f"{name:18} seed {seed}: {runs[-1]['val_iou']}", flush=True)
    content = {"settings": {"base": BASE, "changes": CHANGES}, "runs": runs}
    provenance.write_record("recipes", content, command=COMMAND, seeds=list(seeds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
