"""The paper of 2015 on sections of a nerve cord: what each part of its recipe did, what elastic deformation is worth.

    python experiments/rebuild_paper.py COMMAND

rates       the learning rate of every recipe, chosen on the validation sections: results/paper_rates.json
recipes     the paper's recipe, the same without one of its parts, today's, and two ways without a network:
            results/paper_recipes.json
elastic     today's recipe with 1, 4 and 12 sections, with and without elastic deformation: results/paper_elastic.json;
            the same code goes on where it ended

The sections are halved, to 512×512 pixels of 9.2 nm. All trainings of ``rates`` and of ``recipes`` have the same time
of the processor, with one thread: `SECONDS`. A step of one network takes longer than one of another, so they differ in
their number of steps, which is measured once, for all in turns. All trainings of ``elastic`` have the same steps. All
numbers that are not learned are chosen on the validation sections.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from skimage.metrics import adapted_rand_error
from skimage.segmentation import watershed
from torch import nn
from torch.utils.data import DataLoader, Dataset

import provenance
import recipes
from compare_starts import drop_at_the_end_of_the_way_down, start_as_the_paper
from unet_tutorial import records
from unet_tutorial.augment import Augmentation, Augmented
from unet_tutorial.data.meaning import connected_parts
from unet_tutorial.data.vnc import SectionsDataset
from unet_tutorial.instances import weight_map
from unet_tutorial.losses import weighted_cross_entropy
from unet_tutorial.metrics import iou
from unet_tutorial.sizing import feature_maps
from unet_tutorial.training import fit
from unet_tutorial.unet import UNet, center_crop

CHANNELS = (16, 32, 64, 128)
OUT = 148  # pixels of a side that the unpadded network answers for, see `margin`
PAPER: dict[str, Any] = {
    "padding": "none",
    "norm": "none",
    "start": "paper",
    "dropout": 0.5,
    "momentum": 0.99,
    "weights": True,
    "batch": 1,
}
RECIPES: dict[str, dict[str, Any]] = {
    "the paper's": PAPER,
    "PyTorch's own first weights": PAPER | {"start": "pytorch"},
    "no dropout": PAPER | {"dropout": 0.0},
    "momentum 0.9": PAPER | {"momentum": 0.9},
    "no weight map": PAPER | {"weights": False},
    "batch normalization": PAPER | {"norm": "batch"},
    "today's": {
        "padding": "same",
        "norm": "batch",
        "start": "pytorch",
        "dropout": 0.0,
        "momentum": None,  # AdamW
        "weights": False,
        "batch": 4,
    },
}
RATES = {  # by the momentum; None is AdamW
    0.99: (0.01, 0.003, 0.001, 0.0003),
    0.9: (0.1, 0.03, 0.01, 0.003),
    None: (0.03, 0.01, 0.003, 0.001),
}
SECONDS = {"rates": 20.0, "recipes": 90.0}  # of the processor, for every training of a command
STEPS = 200  # of every training of ``elastic``: a minute or more
BENT: dict[str, dict[str, Any] | None] = {
    "nothing": None,
    "flips and turns": {},
    "and elastic, 2.5": {"elastic": 2.5},  # 10 pixels for tiles of 512 are, in proportion, 2.5 for our tiles of 128
    "and elastic, 10": {"elastic": 10.0},
}
SECTIONS = (1, 4, 12)
LOSS = {"loss": "weighted cross entropy"}
THRESHOLDS = tuple(i / 40 for i in range(1, 40))


class Section(NamedTuple):
    """A halved section: image (1, H, W); membrane (H, W) int64; its cells, (H, W) int64; weights (H, W)."""

    image: torch.Tensor
    membrane: torch.Tensor
    cells: np.ndarray
    weights: torch.Tensor


def halved(split: str) -> list[Section]:
    """Return the sections of a split with half the side: means of four pixels."""
    sections = []
    for image, mask in SectionsDataset(split):
        image, membrane = F.avg_pool2d(image, 2), (F.avg_pool2d(mask, 2) >= 0.5)[0]
        cells = connected_parts((~membrane).long().numpy())
        sections.append(Section(image, membrane.long(), cells, weight_map(cells)))
    return sections


def margin(recipe: dict[str, Any]) -> int:
    """Return how many pixels a side of the answer lacks on each end: 0 with padding."""
    if recipe["padding"] == "same":
        return 0
    return next(m for m in itertools.count() if _out(OUT + 2 * m) == OUT)


def _out(side: int) -> int | None:
    """Return the side of what the unpadded network answers, or None if the side does not fit."""
    try:
        return feature_maps(side, side, channels=CHANNELS, padding="none")[-1].height
    except ValueError:
        return None


class Tiles(Dataset):
    """Square pieces at random places and, around each, a margin that is mirrored at the side of the section."""

    def __init__(self, sections: Sequence[Section], side: int, margin: int, number: int, weighted: bool):
        self.side, self.number = side + 2 * margin, number
        self.parts = []
        for one in sections:
            weights = one.weights if weighted else torch.ones_like(one.weights)
            stack = torch.stack([one.image[0], one.membrane.float(), weights])[None]  # (1, 3, H, W)
            self.parts.append(F.pad(stack, [margin] * 4, mode="reflect")[0] if margin else stack[0])

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        part = self.parts[int(torch.randint(len(self.parts), ()))]
        top, left = (int(torch.randint(size - self.side + 1, ())) for size in part.shape[1:])
        image, membrane, weights = part[:, top : top + self.side, left : left + self.side]
        return image[None], membrane.long(), weights  # (1, side, side), (side, side), (side, side)


class Cropped:
    """Batches of which masks and weights lose a margin, as the answer of an unpadded network does."""

    def __init__(self, batches: Iterable, length: int, margin: int):
        self.batches, self.length, self.margin = batches, length, margin

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        for images, *others in self.batches:
            size = [side - 2 * self.margin for side in images.shape[2:]]
            yield images, *(center_crop(part[:, None], size)[:, 0] for part in others)


def network(recipe: dict[str, Any], seed: int) -> nn.Module:
    """Build a U-Net with two classes, membrane or not, as a recipe says."""
    torch.manual_seed(seed)
    model = UNet(1, 2, channels=CHANNELS, norm=recipe["norm"], padding=recipe["padding"])
    if recipe["start"] == "paper":
        start_as_the_paper(model)
    if recipe["dropout"]:
        drop_at_the_end_of_the_way_down(model, recipe["dropout"])
    return model


def optimizer(recipe: dict[str, Any]) -> Callable:
    if recipe["momentum"] is None:
        return torch.optim.AdamW
    return partial(torch.optim.SGD, momentum=recipe["momentum"])


def batches(
    recipe: dict[str, Any], sections: Sequence[Section], steps: int, augmentation: Augmentation | None = None
) -> Cropped:
    """Return so many batches of random tiles, of the size that a recipe's network is given."""
    around, side = margin(recipe), OUT if recipe["padding"] == "none" else 128
    tiles = Tiles(sections, side, around, steps * recipe["batch"], recipe["weights"])
    loader = DataLoader(tiles, recipe["batch"])
    return Cropped(Augmented(loader, augmentation) if augmentation else loader, steps, around)


def affordable(sections: Sequence[Section], seconds: float) -> dict[str, int]:
    """Return how many steps, with their batches, every recipe can take in a time of the processor.

    Networks of one kind take the same time for a step, so they get the same number of steps.
    """

    def kind(recipe: dict[str, Any]) -> str:
        return f"{recipe['padding']} {recipe['norm']} {recipe['batch']}"

    def work(recipe: dict[str, Any]) -> Callable[[], Any]:
        step = recipes.step(network(recipe, 0), *next(iter(batches(recipe, sections, 1))), recipe=LOSS)
        return lambda: (next(iter(batches(recipe, sections, 1))), step())

    times = recipes.in_turns({kind(recipe): work(recipe) for recipe in RECIPES.values()}, rounds=5)
    return {name: max(2, int(seconds / statistics.median(times[kind(recipe)]))) for name, recipe in RECIPES.items()}


def trained(
    recipe: dict[str, Any],
    sections: Sequence[Section],
    steps: int,
    seed: int,
    rate: float,
    augmentation: Augmentation | None = None,
) -> nn.Module:
    """Train with so many steps, and return the model."""
    model = network(recipe, seed)
    torch.manual_seed(seed)
    fit(
        model,
        batches(recipe, sections, steps, augmentation),
        batches(recipe, sections, 1),
        epochs=1,
        learning_rate=rate,
        schedule="one-cycle" if recipe["momentum"] is None else "constant",
        optimizer=optimizer(recipe),
        loss=weighted_cross_entropy,
        device="cpu",
        progress=False,
    )
    return model


@torch.no_grad()
def probability(model: nn.Module, recipe: dict[str, Any], image: torch.Tensor) -> torch.Tensor:
    """Return how likely each pixel of a section is membrane, (H, W); the border is mirrored as the network needs it."""
    height, width = image.shape[1:]
    around = margin(recipe)
    sides = [next(n for n in itertools.count(side + 2 * around) if _fits(n, recipe)) for side in (height, width)]
    more = [side - have for side, have in zip(sides, (height, width), strict=True)]
    pad = [more[1] // 2, more[1] - more[1] // 2, more[0] // 2, more[0] - more[0] // 2]
    padded = F.pad(image[None], pad, mode="reflect")
    logits = model.eval()(padded)  # (1, 2, H', W'): smaller by the margin on each end
    top, left = pad[2] - around, pad[0] - around
    return logits.softmax(1)[0, 1, top : top + height, left : left + width]


def _fits(side: int, recipe: dict[str, Any]) -> bool:
    return side % 8 == 0 if recipe["padding"] == "same" else _out(side) is not None


def rand_error(membrane: np.ndarray, cells: np.ndarray) -> float:
    """Return the adapted Rand error of the parts between predicted membranes against the marked cells."""
    return float(adapted_rand_error(cells, connected_parts(1 - membrane.astype(np.int64)), ignore_labels=[0])[0])


def judged(maps: dict[str, list[np.ndarray]], splits: dict[str, list[Section]], half: bool = True) -> dict[str, float]:
    """Choose a threshold of membrane maps on the validation sections, and return the scores on the test sections.

    Pixels are counted with a threshold of one half, which is where a probability is cut; or with the chosen one, since
    one half means nothing for what is no probability.
    """

    def mean_rand(split: str, threshold: float) -> float:
        pairs = zip(maps[split], splits[split], strict=True)
        return statistics.fmean(rand_error(found > threshold, one.cells) for found, one in pairs)

    threshold = min(THRESHOLDS, key=partial(mean_rand, "val"))
    rows = []
    for found, one in zip(maps["test"], splits["test"], strict=True):
        mask = torch.from_numpy(found > (0.5 if half else threshold)).float()[None, None]
        rows.append(
            (iou(mask, one.membrane.float()[None, None]).item(), (mask[0, 0] != one.membrane).float().mean().item())
        )
    area, wrong = (statistics.fmean(values) for values in zip(*rows, strict=True))
    return {
        "threshold": threshold,
        "rand_error": round(mean_rand("test", threshold), 4),
        "rand_error_at_half": round(mean_rand("test", 0.5), 4),
        "pixel_error": round(wrong, 4),
        "iou": round(area, 4),
    }


def maps_of(model: nn.Module, recipe: dict[str, Any], splits: dict[str, list[Section]]) -> dict[str, list[np.ndarray]]:
    return {
        split: [probability(model, recipe, one.image).numpy() for one in splits[split]] for split in ("val", "test")
    }


def dark(sections: Sequence[Section], smooth: float) -> list[np.ndarray]:
    """Return how dark each pixel is after smoothing, from 0 to 1 by its rank: what a threshold can be put on."""
    found = []
    for one in sections:
        values = ndimage.gaussian_filter(one.image[0].numpy(), smooth)
        ranks = np.empty(values.size)
        ranks[np.argsort(-values, axis=None)] = np.linspace(0, 1, values.size)
        found.append(ranks.reshape(values.shape))
    return found


def flooded(sections: Sequence[Section], smooth: float) -> list[np.ndarray]:
    """Return the lines between basins that are flooded from every minimum of darkness, as (H, W) of 0 and 1."""
    heights = [-ndimage.gaussian_filter(one.image[0].numpy(), smooth) for one in sections]  # membranes are ridges
    return [(watershed(height, watershed_line=True) == 0).astype(float) for height in heights]


def without_network(splits: dict[str, list[Section]]) -> dict[str, dict[str, float]]:
    """Judge a threshold and a watershed, with their numbers chosen on the validation sections."""

    def best(way: Callable, choices: Sequence[tuple]) -> dict[str, float]:
        made = [{split: way(splits[split], *choice) for split in ("val", "test")} for choice in choices]
        on_val = [judged({"val": one["val"], "test": one["val"]}, {**splits, "test": splits["val"]}) for one in made]
        place = min(range(len(made)), key=lambda i: on_val[i]["rand_error"])
        return {"choice": list(choices[place]), **judged(made[place], splits, half=False)}

    return {
        "threshold": best(dark, [(smooth,) for smooth in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)]),
        "watershed": best(flooded, [(smooth,) for smooth in (2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0)]),
    }


def all_splits() -> dict[str, list[Section]]:
    return {split: halved(split) for split in ("train", "val", "test")}


def choose_rates(splits: dict[str, list[Section]], seconds: float) -> dict[str, Any]:
    """Train every recipe shortly with every rate; the best has the lowest Rand error on the validation sections."""
    rows: list[dict[str, Any]] = []
    on_val, steps = {**splits, "test": splits["val"]}, affordable(splits["train"], seconds)
    for name, recipe in RECIPES.items():
        for rate in RATES[recipe["momentum"]]:
            rows.append({"name": name, "rate": rate, **run(recipe, splits["train"], on_val, steps[name], 100, rate)})
            print(rows[-1], flush=True)
    return {"seconds": seconds, "runs": rows}


def run(
    recipe: dict[str, Any],
    sections: Sequence[Section],
    splits: dict[str, list[Section]],
    steps: int,
    seed: int,
    rate: float,
    augmentation: Augmentation | None = None,
) -> dict[str, Any]:
    """Train and judge once. A training that runs away ends with the worst scores, and says so."""
    try:
        model = trained(recipe, sections, steps, seed, rate, augmentation)
    except FloatingPointError as error:  # the loss is no number any more
        print(error, flush=True)
        return {"diverged": True, "rand_error": 1.0, "rand_error_at_half": 1.0, "pixel_error": 1.0, "iou": 0.0}
    return {"diverged": False, "steps": steps, **judged(maps_of(model, recipe, splits), splits)}


def chosen_rates(rates: dict[str, Any]) -> dict[str, float]:
    """Return the best rate of every recipe, from the record of `choose_rates`."""
    rows = sorted(rates["runs"], key=lambda row: row["rand_error"], reverse=True)
    return {row["name"]: row["rate"] for row in rows}  # of each name, the last one stays


def compare_recipes(
    splits: dict[str, list[Section]], rates: dict[str, float], seeds: Sequence[int], seconds: float
) -> Iterator[dict[str, Any]]:
    """Train every recipe from every seed, and yield the record after each."""
    content: dict[str, Any] = {"seconds": seconds, "rates": rates, "without": without_network(splits), "runs": []}
    steps = affordable(splits["train"], seconds)
    for seed in seeds:
        for name, recipe in RECIPES.items():
            found = run(recipe, splits["train"], splits, steps[name], seed, rates[name])
            content["runs"].append({"name": name, "seed": seed, **found})
            print(content["runs"][-1], flush=True)
            yield content


def compare_elastic(
    splits: dict[str, list[Section]], content: dict[str, Any], seeds: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Train today's recipe with few sections and with many, bent and not, and yield the record after each.

    The record, ``content``, holds ``steps``, ``rate`` and ``runs``; a run that is there is not trained again.
    """
    there = {(one["sections"], one["bent"], one["seed"]) for one in content["runs"]}
    for seed in seeds:
        for number in SECTIONS:
            for name, how in BENT.items():
                if (number, name, seed) in there:
                    continue
                augmentation = None if how is None else Augmentation(light=0, **how)
                first = (5 * seed) % len(splits["train"])  # every seed has other sections
                some = [splits["train"][(first + i) % len(splits["train"])] for i in range(number)]
                steps, rate = content["steps"], content["rate"]
                found = run(RECIPES["today's"], some, splits, steps, seed, rate, augmentation)
                content["runs"].append({"sections": number, "bent": name, "seed": seed, **found})
                print(content["runs"][-1], flush=True)
                yield content


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("rates", "recipes", "elastic"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    splits = all_splits()
    keep = partial(
        provenance.write_record,
        f"paper_{options.command}",
        command=f"python experiments/rebuild_paper.py {options.command}",
    )
    if options.command == "rates":
        keep(choose_rates(splits, SECONDS["rates"]), seeds=[100])
        return 0
    rates = chosen_rates(records.load("paper_rates"))
    if options.command == "recipes":
        runs = compare_recipes(splits, rates, options.seeds, SECONDS["recipes"])
    else:
        settings = {"steps": STEPS, "rate": rates["today's"]}
        runs = compare_elastic(splits, provenance.begun("paper_elastic", settings, {"runs": []}), options.seeds)
    for content in runs:
        keep(content, seeds=options.seeds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
