"""How many pictures does a training need, and does it help to begin with weights that are there? See chapter 16.

    python experiments/fine_tune.py

A network of the shape of the shipped weights ("nuclei") learns from 5, 10, 20 and 40 pictures, once from these weights
and once from random ones, with three seeds, and with equal steps. This is done for three kinds of pictures:

nuclei              128x128 pieces of BBBC039, as the shipped weights know them
nuclei, other look  256x256 pieces, shrunk to half their sides and turned dark on bright
drawn cells         `unet_tutorial.data.synthetic.SyntheticCellsDataset`: shells among things that are no cells

The learning rate of each start, and the seed threshold of each network, are chosen on nine pictures that are neither
trained on nor judged by. The shipped weights have seen training fields of BBBC039 alone, so the pieces to learn from
and to choose by come from validation fields, and those to judge by from test fields. Results are kept after every
training; the same code goes on where it ended. It writes unet_tutorial/results/fine_tuning.json.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.utils.data import DataLoader

import provenance
import recipes
from unet_tutorial.augment import Augmentation, Augmented
from unet_tutorial.data.bbbc039 import NucleiDataset
from unet_tutorial.data.pictures import Crops
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.inference import predict
from unet_tutorial.instances import from_logits, otsu, otsu_watershed, with_targets
from unet_tutorial.losses import weighted_cross_entropy
from unet_tutorial.metrics import mean_scores
from unet_tutorial.pretrained import load_pretrained, pretrained_record
from unet_tutorial.unet import UNet

NAME = "fine_tuning"
SIDE = 128
COUNTS = (5, 10, 20, 40)
SEEDS = (0, 1, 2)
RATES = (0.01, 0.003)
THRESHOLDS = (0.5, 0.7, 0.9)  # for `from_logits`, of the seeds
CHOSEN_WITH, OTHER_SEED = 10, 100  # pictures for the learning rate, and a seed that no result has
TO_CHOOSE, TO_JUDGE = 9, 30  # pictures
RECIPE = {"steps": 60, "epochs": 1, "batch_size": 4, "crop": 64, "precision": "float32"}
STARTS = ("random", "shipped")
SHRUNK = "nuclei, other look"

Pictures = list[tuple[torch.Tensor, torch.Tensor]]  # image (1, 128, 128) from 0 to 1, instance map (128, 128)


class Listed:
    """A list of pictures with the two methods that `with_targets` asks for."""

    def __init__(self, pictures: Pictures):
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, labels = self.pictures[index]
        return image, (labels > 0).float()[None]

    def instances(self, index: int) -> torch.Tensor:
        return self.pictures[index][1]


def pieces(split: str, number: int, side: int) -> Pictures:
    """Cut one piece out of each of so many fields, at a place that the field's number alone decides."""
    data = NucleiDataset(split)
    fields = [i for i in range(len(data)) if data.instances(i).max() >= 10][:number]  # nobody brings empty ones first
    found = []
    for i in fields:
        image, labels = data[i][0], data.instances(i)
        rng = np.random.default_rng((int(split == "test"), i))
        top, left = (int(rng.integers(size - side + 1)) for size in labels.shape)
        place = (..., slice(top, top + side), slice(left, left + side))
        found.append((image[place].clone(), labels[place].clone()))
    return found


def other_look(pictures: Pictures) -> Pictures:
    """Shrink to half the sides, by the mean of 2x2 pixels, and turn bright to dark. A label is that of one of four."""
    return [(1 - nn.functional.avg_pool2d(image, 2), labels[::2, ::2]) for image, labels in pictures]


def drawn(split: str, number: int) -> Pictures:
    cells = SyntheticCellsDataset(number, image_size=SIDE, split=split)
    return [(cells[i][0], cells.instances(i)) for i in range(number)]


def looks() -> dict[str, tuple[Pictures, Pictures, Pictures]]:
    """Return of every kind the pictures to learn from, to choose by, and to judge by."""
    learn = max(COUNTS)
    val, test = (partial(pieces, split) for split in ("val", "test"))
    same, large = val(learn + TO_CHOOSE, SIDE), val(learn + TO_CHOOSE, 2 * SIDE)
    shrunk = other_look(large)
    return {
        SHRUNK: (shrunk[:learn], shrunk[learn:], other_look(test(TO_JUDGE, 2 * SIDE))),
        "drawn cells": (drawn("train", learn), drawn("val", TO_CHOOSE), drawn("test", TO_JUDGE)),
        "nuclei": (same[:learn], same[learn:], test(TO_JUDGE, SIDE)),
    }


def objects(look: str) -> Callable[..., torch.Tensor]:
    """Return what turns logits into objects. At half the sides, an object has a quarter of the pixels."""
    return partial(from_logits, smallest_seed=5, smallest=8) if look == SHRUNK else from_logits


def train(start: str, rate: float, seed: int, pictures: Pictures) -> nn.Module:
    torch.manual_seed(seed)
    model = load_pretrained("nuclei") if start == "shipped" else UNet(**pretrained_record("nuclei")["config"])
    samples = RECIPE["steps"] * RECIPE["batch_size"]
    taught = with_targets(Listed(pictures))
    crops = Crops(taught, size=RECIPE["crop"], samples=samples, seed=seed)
    batches = Augmented(DataLoader(crops, batch_size=RECIPE["batch_size"], shuffle=True), Augmentation())
    recipe = RECIPE | {"learning_rate": rate, "channels_last": True}
    recipes.train(model, batches, DataLoader(taught[:1]), recipe, loss=weighted_cross_entropy, progress=False)
    return model


def some(pictures: Pictures, number: int, seed: int) -> Pictures:
    """Return so many of them, others with every seed; 5 are among the 10, and so on."""
    order = np.random.default_rng(seed).permutation(len(pictures))
    return [pictures[i] for i in order[:number]]


def ap(found: list, pictures: Pictures) -> float:
    return round(mean_scores(found, [labels for _, labels in pictures])["ap"], 4)


def judge(model: nn.Module, look: str, choose: Pictures, test: Pictures) -> dict[str, float]:
    """Return the average precision on both, with the seed threshold that does best on the first."""
    of_both = [predict(model, torch.stack([image for image, _ in part]), progress=False) for part in (choose, test)]
    to_objects, scores = objects(look), {}
    for threshold in THRESHOLDS:
        scores[threshold] = ap([to_objects(logits, seed=threshold) for logits in of_both[0]], choose)
    best = max(scores, key=lambda threshold: scores[threshold])
    found = [to_objects(logits, seed=best) for logits in of_both[1]]
    return {"seed_threshold": best, "ap_to_choose": scores[best], "ap": ap(found, test)}


def untrained(look: str, choose: Pictures, test: Pictures) -> dict[str, float]:
    """Return what needs no training: thresholds, and the shipped weights, also on pictures made as they know them."""
    bright = [(1 - image if look == SHRUNK else image)[0].numpy() for image, _ in test]
    smallest, apart = (8, 5) if look == SHRUNK else (30, 10)
    by_shape = partial(otsu_watershed, smallest=smallest, apart=apart, smooth=apart / 5)
    model = load_pretrained("nuclei")
    scores = {
        "Otsu": ap([otsu(image, smallest=smallest) for image in bright], test),
        "watershed": ap([by_shape(image) for image in bright], test),
        "shipped weights": judge(model, look, choose, test)["ap"],
    }
    if look == SHRUNK:  # enlarged and turned back, and the answer shrunk again
        large = [ndimage.zoom(image, 2, order=1, grid_mode=True, mode="nearest") for image in bright]
        logits = predict(model, torch.from_numpy(np.stack(large))[:, None], progress=False)
        scores["shipped weights, pictures made fit"] = ap([from_logits(one)[::2, ::2] for one in logits], test)
    return scores


def keep(content: dict) -> None:
    provenance.write_record(NAME, content, command="python experiments/fine_tune.py", seeds=list(SEEDS))


def choose_rates(content: dict, look: str, learn: Pictures, choose: Pictures) -> None:
    """Train with each start and each learning rate, and note how well it does on the pictures to choose by."""
    done = {(run["look"], run["start"], run["rate"]) for run in content["rates"]}
    for start, rate in itertools.product(STARTS, RATES):
        if (look, start, rate) not in done:
            model = train(start, rate, OTHER_SEED, some(learn, CHOSEN_WITH, OTHER_SEED))
            score = judge(model, look, choose, choose[:1])["ap_to_choose"]
            content["rates"].append({"look": look, "start": start, "rate": rate, "ap_to_choose": score})
            print(content["rates"][-1], flush=True)
            keep(content)


def train_all(content: dict, look: str, learn: Pictures, choose: Pictures, test: Pictures) -> None:
    """Train with each seed, number of pictures and start, and judge."""
    done = {(run["look"], run["seed"], run["pictures"], run["start"]) for run in content["runs"]}
    for seed, number, start in itertools.product(SEEDS, COUNTS, STARTS):
        if (look, seed, number, start) not in done:
            tried = [run for run in content["rates"] if (run["look"], run["start"]) == (look, start)]
            rate = max(tried, key=lambda run: run["ap_to_choose"])["rate"]
            model = train(start, rate, seed, some(learn, number, seed))
            run = {"look": look, "seed": seed, "pictures": number, "start": start, "rate": rate}
            content["runs"].append(run | judge(model, look, choose, test))
            print(content["runs"][-1], flush=True)
            keep(content)


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    content = provenance.begun(NAME, {"recipe": RECIPE}, {"untrained": {}, "rates": [], "runs": []})
    for look, (learn, choose, test) in looks().items():
        if look not in content["untrained"]:
            content["untrained"][look] = untrained(look, choose, test)
        print(look, content["untrained"][look], flush=True)
        choose_rates(content, look, learn, choose)
        train_all(content, look, learn, choose, test)
    return 0


if __name__ == "__main__":
    sys.exit(main())
