"""Measure training: seconds to a validation IoU of 0.99 on discs, and scores against seconds on cells.

What is timed is `unet_tutorial.training.fit` itself, with options that a reader can type. See bench.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator

import torch
from torch.utils.data import DataLoader

import recipes
from unet_tutorial.data.synthetic import SyntheticCellsDataset, SyntheticCircleDataset
from unet_tutorial.metrics import boundary_error, iou, predicted_masks
from unet_tutorial.unet import UNet

HELD_OUT = 64  # images that the checks look at
# "images": as many are drawn anew for each epoch. "crop": the side of the random piece of each that is trained on.
DISCS = {
    "target": 0.99,
    "check_every": 4,  # steps
    "goal": 25,
    "repeats": {"usual": 1, "ours": 3},  # the same training again: of a short one, one time alone says little
    "recipes": {
        "usual": {
            "channels": [32, 64, 128, 256],
            "block": "double",
            "images": 500,
            "epochs": 4,
            "crop": None,
            "batch_size": 8,
            "loss": "BCE",
            "optimizer": "Adam",
            "learning_rate": 0.001,
            "schedule": "constant",
            "channels_last": False,
        },
        "ours": {
            "channels": [8, 16, 32, 64],
            "block": "residual",
            "images": 384,
            "epochs": 1,
            "crop": 64,
            "batch_size": 6,
            "loss": "BCE + Dice",
            "optimizer": "AdamW",
            "learning_rate": 0.03,
            "schedule": "one-cycle",
            "channels_last": True,
        },
    },
}
CELLS = {
    "check_every": 50,
    "networks": [
        {"channels": [8, 16, 32, 64], "block": "double"},
        {"channels": [8, 16, 32, 64], "block": "residual"},
        {"channels": [16, 32, 64, 128], "block": "residual"},
    ],
    "recipe": {
        "images": 1200,
        "epochs": 1,
        "crop": None,
        "batch_size": 4,
        "loss": "BCE + Dice",
        "optimizer": "AdamW",
        "learning_rate": 0.01,
        "schedule": "one-cycle",
        "channels_last": True,
    },
}


class Reached(Exception):  # noqa: N818 - it is no error
    """Ends a training whose goal is reached."""


class NewEveryEpoch:
    """A loader that draws other images every time it is gone through."""

    def __init__(self, data: type, seed: int, recipe: dict):
        self.data, self.seed, self.recipe, self.epoch = data, seed, recipe, 0

    def __len__(self) -> int:
        return -(-self.recipe["images"] // self.recipe["batch_size"])

    def __iter__(self) -> Iterator:
        dataset = self.data(self.recipe["images"], seed=1000 * self.seed + self.epoch)
        self.epoch += 1
        dataset = dataset if self.recipe["crop"] is None else recipes.RandomCrops(dataset, self.recipe["crop"])
        return iter(DataLoader(dataset, self.recipe["batch_size"], shuffle=True))


class Watched:
    """A loader that looks at the network every few steps, and keeps a clock that stands still meanwhile.

    The clock is the processor's time for this process: with one thread, the time that it takes on a machine that does
    nothing else.
    """

    def __init__(
        self, loader: Iterable, look: Callable[[], tuple[float, ...]], every: int, target: float | None = None
    ):
        self.loader, self.look, self.every, self.target = loader, look, every, target
        self.steps, self.looking, self.curve = 0, 0.0, []
        self.start = time.process_time()

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator:
        for batch in self.loader:
            yield batch
            self.steps += 1  # the step is done when the next batch is asked for
            if self.steps % self.every == 0:
                self._check()

    def _check(self) -> None:
        now = time.process_time()
        scores = self.look()
        self.curve.append([self.steps, round(now - self.start - self.looking, 4), *(round(s, 4) for s in scores)])
        self.looking += time.process_time() - now
        if self.target is not None and scores[0] >= self.target:
            raise Reached


def held_out(data: type, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images and masks that the checks look at, (HELD_OUT, 1, H, W) each."""
    images, masks = zip(*data(HELD_OUT, seed=seed, split="val"), strict=True)
    return torch.stack(images), torch.stack(masks)


def look(
    model: UNet, images: torch.Tensor, masks: torch.Tensor, metrics: tuple, target: float | None = None
) -> tuple[float, ...]:
    """Return the mean over the images of each metric, at threshold 0.5, with the network in eval mode meanwhile.

    With a target, the first metric is the only one, and a look ends as soon as the target is out of reach: then what
    is returned is the most that the mean could be.
    """
    scores, missing = [], 0.0
    allowed = math.inf if target is None else (1 - target) * len(images)
    model.eval()
    with torch.no_grad():
        for part, truth in zip(images.split(4), masks.split(4), strict=True):
            predicted = predicted_masks(model(part))  # (4, 1, H, W)
            scores.append(torch.stack([metric(predicted, truth) for metric in metrics]))  # (metrics, 4)
            missing += (1 - scores[-1][0]).sum().item()
            if missing > allowed:
                break
    model.train()
    if missing > allowed:
        return (1 - missing / len(images),)
    return tuple(torch.cat(scores, dim=1).mean(dim=1).tolist())


def train(data: type, recipe: dict, seed: int, every: int, metrics: tuple, target: float | None = None) -> dict:
    """Train once, until the first metric reaches a target; return steps, seconds and the scores of every check."""
    torch.manual_seed(seed)
    images, masks = held_out(data, seed)
    model = network(recipe)
    loader = NewEveryEpoch(data, seed, recipe)
    watched = Watched(loader, lambda: look(model, images, masks, metrics, target), every, target)
    try:
        # What fit itself evaluates after an epoch is counted, so let it be little.
        recipes.train(model, watched, [(images[:1], masks[:1])], recipe, progress=False)
        reached = False
    except Reached:
        reached = True
    steps, seconds = watched.curve[-1][:2]
    return {"reached": reached, "steps": steps, "seconds": seconds, "curve": watched.curve}


def network(recipe: dict) -> UNet:
    return UNet(1, channels=recipe["channels"], block=recipe["block"])


def parameters(recipe: dict) -> int:
    return sum(p.numel() for p in network(recipe).parameters())


def discs(seeds: list[int], settings: dict = DISCS) -> dict:
    """Train both recipes from every seed, one beside the other, and return the part of the record."""
    runs = []
    for seed in seeds:
        both = {}
        for name, recipe in settings["recipes"].items():
            repeats = [
                train(SyntheticCircleDataset, recipe, seed, settings["check_every"], (iou,), settings["target"])
                for _ in range(settings["repeats"][name])
            ]
            both[name] = sorted(repeats, key=lambda run: run["seconds"])[len(repeats) // 2]
        runs.append({"seed": seed, "times_faster": ratio(both), **both})
        print(f"seed {seed}: {summary(both)}", flush=True)
    sizes = {name: parameters(recipe) for name, recipe in settings["recipes"].items()}
    return {"settings": settings, "parameters": sizes, "runs": runs}


def ratio(both: dict) -> float | None:
    """Return how many times faster ours is, or None where one of the two did not arrive."""
    if not all(run["reached"] for run in both.values()):
        return None
    return round(both["usual"]["seconds"] / both["ours"]["seconds"], 2)


def summary(both: dict) -> str:
    words = [
        f"{name} {run['steps']} steps, {run['seconds']:.2f} s{'' if run['reached'] else ' and not there'}"
        for name, run in both.items()
    ]
    return f"{'; '.join(words)}; ratio {ratio(both)}"


def cells(seeds: list[int], settings: dict = CELLS) -> dict:
    """Train every network from every seed, and return the part of the record: scores against seconds."""
    runs = []
    for seed in seeds:
        curves = []
        for kind in settings["networks"]:
            recipe = {**settings["recipe"], **kind}
            run = train(SyntheticCellsDataset, recipe, seed, settings["check_every"], (iou, boundary_error))
            curves.append(run["curve"])
            print(f"seed {seed}, {kind}: {run['steps']} steps, {run['seconds']:.1f} s", flush=True)
        runs.append({"seed": seed, "curves": curves})
    return {"settings": settings, "parameters": [parameters(kind) for kind in settings["networks"]], "runs": runs}
