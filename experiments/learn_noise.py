"""From noise to pictures: train the weights of chapter 19, judge what they draw, and use it to train. See chapter 19.

    python experiments/learn_noise.py COMMAND

weights  write unet_tutorial/denoisers/cells.pt and cells.json: image and mask as two channels
judge    compare drawn and generated pictures, and samplers: results/noise_judged.json
extra    generated pictures with masks as extra pictures to learn to segment from: results/noise_extra.json

In ``judge`` every number has its control: drawn pictures in the place of generated ones. In ``extra`` a generator
learns from the very 4, 16 or 64 marked pictures that the segmentation has, so that no mark comes in by another way;
beside it stand the shipped generator, which has seen thousands of marked pictures, and as many newly drawn ones. All
segmentations take equally many steps. Their learning rate is chosen on validation pictures, for each kind of training
apart. ``extra`` keeps its results after every training, and the same code goes on where it ended; its last kind of
training needs the weights.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from functools import partial
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import provenance
import recipes
from unet_tutorial.augment import Augmentation, Augmented
from unet_tutorial.blocks import DoubleConv
from unet_tutorial.data.synthetic import small_cells
from unet_tutorial.diffusion import StepUNet, fit_noise, load_denoiser, noise_loss, noise_schedule, sample
from unet_tutorial.inference import predict
from unet_tutorial.metrics import iou
from unet_tutorial.unet import UNet

DENOISERS = Path(__file__).resolve().parents[1] / "unet_tutorial" / "denoisers"
COMMAND = "python experiments/learn_noise.py"
SHIPPED = {
    "data": "small_cells",
    "pictures": 4000,
    "seed": 0,
    "levels": 200,
    "channels": (16, 32, 64),
    "norm": "batch",
    "updates": 8000,
    "batch_size": 32,
    "learning_rate": 0.003,
}
HELD_OUT = 512  # pictures for the losses of the record

SAMPLERS = {  # steps and eta of each
    "DDPM, 200 steps": {"steps": 200, "eta": 1.0},
    "DDIM, 200 steps": {"steps": 200},
    "DDIM, 50 steps": {"steps": 50},
    "DDIM, 20 steps": {"steps": 20},
    "DDIM, 10 steps": {"steps": 10},
    "DDIM, 5 steps": {"steps": 5},
}
JUDGED = 256  # pictures of each kind
TAUGHT = 192  # of them, from which the classifier learns; it is judged by the others
SEEDS = (0, 1, 2)

COUNTS = (4, 16, 64)
TO_CHOOSE, TO_JUDGE = 64, 256
RATES = (0.01, 0.003)
CHOSEN_WITH, OTHER_SEED = 16, 100  # pictures for the learning rate, and a seed that no result has
GENERATOR = {"updates": 800, "batch_size": 16, "learning_rate": 0.003}
POOL = {"pictures": 256, "steps": 20}  # what a generator draws, and in how many steps
SEGMENTER = {"channels": (8, 16, 32), "steps": 300, "batch_size": 16, "epochs": 1, "channels_last": True}
ARMS = ("as they are", "augmented", "with newly drawn", "with generated", "with shipped generator's")


def pairs(number: int, split: str = "train", seed: int = 0) -> torch.Tensor:
    """Draw pictures with their masks as two channels from -1 to 1: (number, 2, 32, 32)."""
    return 2 * torch.cat(small_cells(number, split, seed), dim=1) - 1


def apart(both: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images from 0 to 1, and the masks, both (N, 1, 32, 32)."""
    return ((both[:, :1] + 1) / 2).clamp(0, 1), (both[:, 1:] > 0).float()


def generate(model: nn.Module, alpha_bar: torch.Tensor, number: int, seed: int, **sampler) -> torch.Tensor:
    """Let a model draw, 128 pictures at a time."""
    model.to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for first in range(0, number, 128):
        start = torch.randn(min(128, number - first), 2, 32, 32, generator=generator)
        parts.append(sample(model, start, alpha_bar, generator=generator, **sampler))
    return torch.cat(parts)


# ---- weights


def command_weights() -> None:
    """Train the weights that the book ships."""
    torch.manual_seed(SHIPPED["seed"])
    model = StepUNet(2, channels=SHIPPED["channels"], norm=SHIPPED["norm"]).to(memory_format=torch.channels_last)
    alpha_bar = noise_schedule(SHIPPED["levels"])
    pictures = pairs(SHIPPED["pictures"], seed=SHIPPED["seed"])
    options = {key: SHIPPED[key] for key in ("updates", "batch_size", "learning_rate")}
    losses = fit_noise(model, pictures, alpha_bar, **options)
    # Half the bytes. What is measured and recorded is the model that load_denoiser makes of the file.
    halves = {name: v.half() if v.is_floating_point() else v for name, v in model.state_dict().items()}
    DENOISERS.mkdir(exist_ok=True)
    torch.save({name: v.contiguous() for name, v in halves.items()}, DENOISERS / "cells.pt")
    model.load_state_dict(halves)
    scores = {"pictures": HELD_OUT, "train_loss": round(mean(losses[-500:]), 4)}
    for split in ("train", "val", "test"):
        with torch.no_grad():
            held = pairs(HELD_OUT, split, SHIPPED["seed"])
            loss = noise_loss(model.eval(), held, alpha_bar, torch.Generator().manual_seed(0))
        scores[f"{split}_loss" if split != "train" else "train_loss_afterwards"] = round(loss.item(), 4)
    record = {
        "model": type(model).__name__,
        "config": model.config,
        "recipe": SHIPPED,
        "scores": scores,
        "curve": [round(mean(losses[i : i + 100]), 4) for i in range(0, len(losses), 100)],
        "provenance": provenance.provenance(f"{COMMAND} weights", [SHIPPED["seed"]]),
    }
    (DENOISERS / "cells.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(scores)


# ---- judge


def described(both: torch.Tensor) -> dict[str, float]:
    """Return numbers that pictures with masks can be compared by: means over them, and some spreads."""
    images, masks = (part[:, 0].numpy() for part in apart(both))
    labelled = [ndimage.label(mask) for mask in masks]
    areas = np.concatenate([np.bincount(labels.ravel())[1:] for labels, _ in labelled])
    marked = [(image[mask > 0].mean(), image[mask == 0].mean()) for image, mask in zip(images, masks, strict=True)
              if 0 < mask.mean() < 1]  # fmt: skip
    fine = images - np.stack([ndimage.gaussian_filter(image, 1) for image in images])
    numbers = {
        "brightness": images.mean(),
        "spread of the brightness": images.mean((1, 2)).std(),
        "contrast in a picture": images.std((1, 2)).mean(),
        "fine grain": fine.std((1, 2)).mean(),
        "share of cells": masks.mean(),
        "parts in a mask": np.mean([count for _, count in labelled]),
        "area of a part": np.median(areas) if areas.size else 0.0,
        "parts below 10 pixels": (areas < 10).mean() if areas.size else 0.0,
        "cells above their ground": np.mean([inside - outside for inside, outside in marked]),
    }
    return {name: round(float(value), 4) for name, value in numbers.items()}


def nearest(images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the distance of each image to the nearest of others: the root of the mean squared difference, (N,)."""
    distances = torch.cdist(images.flatten(1), others.flatten(1)).min(dim=1).values
    return distances / images[0].numel() ** 0.5


def quantiles(distances: torch.Tensor) -> dict[str, float]:
    names = {"least": 0.0, "5 %": 0.05, "median": 0.5}
    return {name: round(distances.quantile(share).item(), 4) for name, share in names.items()}


def classifier_error(one: torch.Tensor, other: torch.Tensor, seed: int) -> float:
    """Train a small network to tell two kinds of images apart, and return its error on those that it has not seen."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        DoubleConv(1, 16), nn.MaxPool2d(2), DoubleConv(16, 32), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 1)
    )
    kinds = torch.cat([torch.zeros(TAUGHT, 1), torch.ones(TAUGHT, 1)])
    data = TensorDataset(torch.cat([one[:TAUGHT], other[:TAUGHT]]), kinds)
    loader = DataLoader(data, batch_size=32, shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
    steps = 6 * len(loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.003, total_steps=steps, cycle_momentum=False)
    for _ in range(6):
        for images, targets in loader:
            loss = nn.functional.binary_cross_entropy_with_logits(model(images), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.no_grad():
        wrong = [(model(part[TAUGHT:]) > 0).float().mean().item() for part in (one, other)]
    return round((wrong[0] + 1 - wrong[1]) / 2, 4)


def command_judge() -> None:
    """Compare what the shipped weights draw with what the program draws."""
    model, alpha_bar = load_denoiser()
    learned = apart(pairs(SHIPPED["pictures"], seed=SHIPPED["seed"]))[0]
    drawn, again = pairs(JUDGED, "test"), pairs(JUDGED, "val")
    kinds = {"drawn": drawn, "drawn again": again}
    for name, sampler in SAMPLERS.items():
        kinds[name] = generate(model, alpha_bar, JUDGED, 0, **sampler)
        print(name, flush=True)
    images = {name: apart(both)[0] for name, both in kinds.items()}
    noisy = learned[:JUDGED] + 0.03 * torch.randn(JUDGED, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    copies = {"copies with a little noise": quantiles(nearest(noisy, learned))}
    content = {
        "judged": JUDGED,
        "described": {name: described(both) for name, both in kinds.items()},
        "nearest": {name: quantiles(nearest(part, learned)) for name, part in images.items()} | copies,
        "classifier": {
            name: [classifier_error(images["drawn"], part, seed) for seed in SEEDS]
            for name, part in images.items()
            if name != "drawn"
        },
        "samplers": SAMPLERS,
    }
    print(json.dumps(content, indent=1))
    provenance.write_record("noise_judged", content, command=f"{COMMAND} judge", seeds=list(SEEDS))


# ---- extra


def mixed(real: TensorDataset, more: TensorDataset | None, seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return the batches of a training: of real pictures alone, or half of them and half out of a pool."""
    rng = np.random.default_rng(seed)
    size, halves = SEGMENTER["batch_size"], []
    for data, share in ((real, size if more is None else size // 2), (more, size // 2)):
        if data is not None:
            chosen = rng.integers(len(data), size=(SEGMENTER["steps"], share))
            halves.append([data[torch.from_numpy(one)] for one in chosen])
    return [tuple(torch.cat(parts) for parts in zip(*pieces, strict=True)) for pieces in zip(*halves, strict=True)]


def segment(arm: str, rate: float, seed: int, real: TensorDataset, more: TensorDataset | None) -> nn.Module:
    """Train a segmentation; all kinds of training but the first mirror, turn and relight what they see."""
    torch.manual_seed(seed)
    model = UNet(1, channels=SEGMENTER["channels"])
    batches = mixed(real, more, seed)
    loader = batches if arm == "as they are" else Augmented(batches, Augmentation())
    recipes.train(model, loader, batches[:1], SEGMENTER | {"learning_rate": rate}, progress=False)
    return model


def score(model: nn.Module, data: TensorDataset) -> float:
    """Return the IoU of all pixels of all pictures together, since some pictures hold no cell."""
    images, masks = data.tensors
    found = (predict(model, images, progress=False) > 0).float()
    as_one = (part.reshape(1, 1, 32, -1) for part in (found, masks))
    return round(iou(*as_one).item(), 4)


def eight(both: torch.Tensor) -> torch.Tensor:
    """Return pictures in all the eight ways to lay them: (8N, C, H, W)."""
    turned = [torch.rot90(both, turns, (2, 3)) for turns in range(4)]
    return torch.cat([*turned, *(one.flip(3) for one in turned)])


def learned_generator(real: torch.Tensor, seed: int) -> tuple[torch.Tensor, dict[str, float]]:
    """Train a generator on a few pictures with masks; return what it draws, and how near that comes to them."""
    torch.manual_seed(seed)
    model = StepUNet(2, channels=SHIPPED["channels"], norm=SHIPPED["norm"]).to(memory_format=torch.channels_last)
    alpha_bar = noise_schedule(SHIPPED["levels"])
    losses = fit_noise(model, eight(real), alpha_bar, progress=False, **GENERATOR)
    drawn = generate(model, alpha_bar, POOL["pictures"], seed, steps=POOL["steps"])
    known, fresh = eight(apart(real)[0]), apart(pairs(POOL["pictures"], "val", seed=1))[0]
    distances = [quantiles(nearest(part, known))["median"] for part in (apart(drawn)[0], fresh)]
    return drawn, {
        "loss": round(mean(losses[-100:]), 4),
        "nearest_of_generated": distances[0],
        "nearest_of_drawn": distances[1],
    }


def as_data(both: torch.Tensor) -> TensorDataset:
    return TensorDataset(*(part.contiguous() for part in apart(both)))


def pool(arm: str, real: torch.Tensor, seed: int) -> tuple[TensorDataset | None, dict[str, float]]:
    """Return what a kind of training mixes in, and what is known of a generator that learned from so few pictures."""
    if arm == "with generated":
        generated, about = learned_generator(real, seed)
        return as_data(generated), {"generator": about}
    if arm == "with newly drawn":
        return as_data(pairs(POOL["pictures"], "val", seed=2 + seed)), {}
    if arm == "with shipped generator's":
        model, alpha_bar = load_denoiser()
        return as_data(generate(model, alpha_bar, POOL["pictures"], 1000 + seed, steps=POOL["steps"])), {}
    return None, {}


def command_extra() -> None:
    """Train segmentations with and without generated pictures."""
    name = "noise_extra"
    settings = {"segmenter": SEGMENTER, "generator": GENERATOR, "pool": POOL}
    content = provenance.begun(name, settings, {"rates": [], "runs": []})
    keep = partial(provenance.write_record, name, command=f"{COMMAND} extra", seeds=list(SEEDS))
    choose, test = as_data(pairs(TO_CHOOSE, "val")), as_data(pairs(TO_JUDGE, "test"))
    all_real = pairs(4 * max(COUNTS))

    def some(number: int, seed: int) -> torch.Tensor:  # others with every seed; 4 are among the 16, and so on
        return all_real[np.random.default_rng(seed).permutation(len(all_real))[:number]]

    for arm in ARMS:
        if arm not in [row["arm"] for row in content["rates"]]:
            real = some(CHOSEN_WITH, OTHER_SEED)
            mixed_in, _ = pool(arm, real, OTHER_SEED)
            for rate in RATES:
                found = score(segment(arm, rate, OTHER_SEED, as_data(real), mixed_in), choose)
                content["rates"].append({"arm": arm, "rate": rate, "iou_to_choose": found})
                print(content["rates"][-1], flush=True)
        tried = [row for row in content["rates"] if row["arm"] == arm]
        rate = max(tried, key=lambda row: row["iou_to_choose"])["rate"]
        for number, seed in itertools.product(COUNTS, SEEDS):
            if (arm, number, seed) not in [(run["arm"], run["pictures"], run["seed"]) for run in content["runs"]]:
                real = some(number, seed)
                mixed_in, about = pool(arm, real, seed)
                found = score(segment(arm, rate, seed, as_data(real), mixed_in), test)
                run = {"arm": arm, "pictures": number, "seed": seed, "rate": rate, "iou": found}
                content["runs"].append(run | about)
                print(content["runs"][-1], flush=True)
                keep(content)


COMMANDS = {"weights": command_weights, "judge": command_judge, "extra": command_extra}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    torch.set_num_threads(1)
    COMMANDS[parser.parse_args().command]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
