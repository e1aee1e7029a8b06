"""Record trainings with several learning rates, for the explorer of chapter 9.

    python experiments/record_training.py      write unet_tutorial/results/training.json

The network, the pictures and the recipe are those of the chapter, with more epochs and more learning rates. What the
network makes of two validation pictures after every epoch is kept as small images.
"""

from __future__ import annotations

import sys

import torch
from torch.utils.data import DataLoader

from provenance import write_record
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.training import try_learning_rates
from unet_tutorial.unet import UNet
from unet_tutorial.widgets.kit import encode

COMMAND = "python experiments/record_training.py"
SEED = 0
RECIPE = {"learning_rates": (0.0001, 0.001, 0.01, 10.0), "epochs": 8, "batch_size": 8, "channels": (8, 16, 32, 64)}
TRAIN, VAL, WATCHED, SIDE = 192, 32, 2, 64  # pictures of each kind, those that are looked at, and their side in pixels


def main(recipe: dict = RECIPE, train: int = TRAIN, val: int = VAL) -> int:
    """Train with each learning rate, and write the record."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    splits = {"train": train, "val": val}
    data = {name: list(SyntheticCellsDataset(n, image_size=SIDE, split=name)) for name, n in splits.items()}
    tried = try_learning_rates(
        lambda: UNet(1, channels=recipe["channels"]),
        DataLoader(data["train"], batch_size=recipe["batch_size"], shuffle=True),
        DataLoader(data["val"], batch_size=val),
        learning_rates=recipe["learning_rates"],
        epochs=recipe["epochs"],
        watch=torch.stack([data["val"][i][0] for i in range(WATCHED)]),  # (WATCHED, 1, SIDE, SIDE)
        channels_last=True,
        device="cpu",
    )
    runs = [
        {
            "learning_rate": rate,
            **{name: [round(v, 4) for v in getattr(history, name)] for name in ("train_loss", "val_loss", "val_iou")},
            "probabilities": [[encode(one[0], quality=75) for one in after] for after in history.watched],
        }
        for rate, history in tried.items()
    ]
    path = write_record("training", {"recipe": {**recipe, "side": SIDE}, "runs": runs}, command=COMMAND, seeds=[SEED])
    print(f"{path.name}: {path.stat().st_size:,} bytes")
    for run in runs:
        print(f"learning rate {run['learning_rate']:g}: validation IoU {run['val_iou'][-1]:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
