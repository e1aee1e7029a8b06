"""Train the small U-Net from two kinds of first weights, with and without dropout, and keep the scores for chapter 9.

    python experiments/compare_starts.py      write unet_tutorial/results/starts.json, in five minutes of a free core

The paper draws the first weights with a standard deviation of sqrt(2 / N), and drops numbers at the end of the way
down (it does not say how many; here it is half). The paper had no normalisation; does either matter with it? (What the
first weights do without, the chapter shows itself.) The first seed chooses among three learning rates, by the
validation pictures; the others follow at the chosen one. If it is interrupted, it goes on with the runs that
`_build/starts.jsonl` has not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

import provenance
import recipes
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.training import evaluate
from unet_tutorial.unet import UNet

COMMAND = "python experiments/compare_starts.py"
SEEDS, RATES = range(4), (0.003, 0.01, 0.03)
SIDE, PICTURES = 64, {"train": 128, "val": 32, "test": 64}
BASE = {
    "channels": [8, 16, 32, 64],
    "batch_size": 8,
    "epochs": 8,
    "schedule": "one-cycle",
    "loss": "BCE + Dice",
    "channels_last": True,
}
CONTESTANTS = [
    {"norm": "batch", "start": start, "dropout": dropout}
    for start, dropout in (("PyTorch's", 0.0), ("the paper's", 0.0), ("PyTorch's", 0.5))
]
DONE = Path(provenance.ROOT) / "_build" / "starts.jsonl"


def start_as_the_paper(model: nn.Module) -> None:
    """Draw the weights of every convolution anew: Gaussian, with a standard deviation of sqrt(2 / N).

    N is the number of inputs of one output (He et al. 2015, https://arxiv.org/abs/1502.01852). A transposed convolution
    whose kernel is as large as its stride gives each output one pixel of every channel.
    """
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            area = layer.kernel_size[0] * layer.kernel_size[1] if isinstance(layer, nn.Conv2d) else 1
            nn.init.normal_(layer.weight, std=(2 / (area * layer.in_channels)) ** 0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def drop_at_the_end_of_the_way_down(model: UNet, share: float) -> None:
    """In train mode, set a share of the bottleneck's numbers to 0, and enlarge the others to make up for it."""
    model.bottleneck.register_forward_hook(lambda module, inputs, out: F.dropout(out, share, module.training))


def run(contestant: dict, rate: float, seed: int, data: dict[str, list]) -> dict:
    """Train once, and return the IoU on validation and on test pictures."""
    torch.manual_seed(seed)
    model = UNet(1, channels=BASE["channels"], norm=contestant["norm"])
    if contestant["start"] == "the paper's":
        start_as_the_paper(model)
    if contestant["dropout"]:
        drop_at_the_end_of_the_way_down(model, contestant["dropout"])
    order = torch.Generator().manual_seed(seed)  # the same order of pictures for all
    batches = DataLoader(data["train"], BASE["batch_size"], shuffle=True, generator=order)
    val, test = (DataLoader(data[split], batch_size=32) for split in ("val", "test"))
    history = recipes.train(model, batches, val, BASE, learning_rate=rate, progress=False)
    return {"val_iou": round(history.val_iou[-1], 4), "test_iou": round(evaluate(model, test).iou, 4)}


def main(seeds: range = SEEDS, rates: tuple[float, ...] = RATES, pictures: dict[str, int] = PICTURES) -> int:
    """Train all, print a line each, and keep the record."""
    torch.set_num_threads(1)
    data = {split: list(SyntheticCellsDataset(n, image_size=SIDE, split=split)) for split, n in pictures.items()}
    done = [json.loads(line) for line in DONE.read_text().splitlines()] if DONE.exists() else []
    runs: list[dict] = []

    def add(contestant: dict, rate: float, seed: int) -> float:
        settings = {**contestant, "learning_rate": rate, "seed": seed}
        earlier = [one for one in done if settings.items() <= one.items()]
        runs.append(earlier[0] if earlier else settings | run(contestant, rate, seed, data))
        if not earlier:
            DONE.parent.mkdir(exist_ok=True)
            with DONE.open("a") as file:
                print(json.dumps(runs[-1]), file=file)
        print(runs[-1], flush=True)
        return runs[-1]["val_iou"]

    for contestant in CONTESTANTS:
        val_iou = {rate: add(contestant, rate, seeds[0]) for rate in rates}
        for seed in seeds[1:]:
            add(contestant, max(val_iou, key=val_iou.__getitem__), seed)
    settings = {"base": BASE, "learning_rates": list(rates), "image_size": SIDE, "pictures": dict(pictures)}
    provenance.write_record("starts", {"settings": settings, "runs": runs}, command=COMMAND, seeds=list(seeds))
    DONE.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
