"""Train the network that tells touching nuclei apart, measure it, and record how.

    python experiments/train_nuclei.py COMMAND

train         write unet_tutorial/weights/nuclei.pt and nuclei.json
score         measure the weights that the book ships, and compare with their record
baselines     what a threshold and a watershed reach: results/nuclei_baselines.json
reader        the training of chapter 15: results/nuclei_reader.json
ablations     change one thing at a time: results/nuclei_ablations.json
candidates    the shipped recipe beside three others, on the validation fields: results/nuclei_candidates.json
augmentation  what it costs beside a step: results/nuclei_augmentation.json

The data set (BBBC039) is found or downloaded as `unet_tutorial.data.fetching.fetch` says. Everything is chosen on
the validation split. The test split is measured once for each result that is written.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from scipy import ndimage
from torch import nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

import provenance
import recipes
from unet_tutorial import records
from unet_tutorial.augment import Augmentation, Augmented
from unet_tutorial.data.bbbc039 import NucleiDataset
from unet_tutorial.data.pictures import Crops, InstanceDataset
from unet_tutorial.inference import predict
from unet_tutorial.instances import (
    from_logits,
    otsu,
    otsu_watershed,
    with_targets,
)
from unet_tutorial.losses import weighted_cross_entropy
from unet_tutorial.metrics import mean_scores
from unet_tutorial.pretrained import load_pretrained, pretrained_record
from unet_tutorial.unet import UNet

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "unet_tutorial" / "weights"
CHECKPOINT = ROOT / "build" / "nuclei-checkpoint.pt"
PLAIN = {"flip": True, "light": 0.25, "elastic": 0.0}
ELASTIC = PLAIN | {"elastic": 10.0}
SHIPPED = {
    "seed": 0,
    "channels": (12, 24, 48, 96),
    "skip": "concat",
    "border": 2,
    "w0": 10.0,
    "augmentation": PLAIN,
    "crop": 256,
    "batch_size": 4,
    "steps": 1500,
    "epochs": 5,
    "learning_rate": 0.01,
    "precision": "bfloat16",  # on a processor with instructions for it, 1.7 times as fast as float32
}
READER = SHIPPED | {"channels": (8, 16, 32, 64), "steps": 400, "epochs": 4, "precision": "float32"}
REDUCED = SHIPPED | {"channels": (8, 16, 32, 64), "steps": 300, "epochs": 1}  # the same for all, so that it ends
SEEDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)  # thresholds of `from_logits` among which each row has its own
FOREGROUND = 0.6  # as in `from_logits`
ROUNDS = 12  # of the measurement of the augmentation
ABLATIONS = {
    "all of it": {},
    "without border class": {"border": 0},
    "without weight map": {"w0": 0.0},
    "without augmentation": {"augmentation": None},
    "without skip connections": {"skip": "none"},
    "with elastic deformation": {"augmentation": ELASTIC},
}
CANDIDATES = {
    "1,500 steps": {"steps": 1500, "augmentation": PLAIN},
    "1,500 steps, no augmentation": {"steps": 1500, "augmentation": None},
    "1,500 steps, elastic": {"steps": 1500, "augmentation": ELASTIC},
    "3,000 steps": {"steps": 3000, "augmentation": PLAIN},
}


def loaders(recipe: dict, train: InstanceDataset, val: InstanceDataset) -> tuple:
    """Return what `fit` goes through: random crops of the training fields, and whole validation fields."""
    teach = partial(with_targets, border=recipe["border"], w0=recipe["w0"])
    samples = recipe["steps"] // recipe["epochs"] * recipe["batch_size"]
    crops = Crops(teach(train), size=recipe["crop"], samples=samples, seed=recipe["seed"])
    batches = DataLoader(crops, batch_size=recipe["batch_size"], shuffle=True)
    if recipe["augmentation"] is not None:
        batches = Augmented(batches, Augmentation(**recipe["augmentation"]))
    return batches, DataLoader(teach(val)[::5], batch_size=2)  # ten fields are enough to see how it goes


def train(recipe: dict, train_data: InstanceDataset, val_data: InstanceDataset, checkpoint: Path | None = None) -> UNet:
    """Train one network on the CPU, from the recipe's seed, or go on from a checkpoint that is there."""
    torch.manual_seed(recipe["seed"])
    model = UNet(1, num_classes=3 if recipe["border"] else 2, channels=recipe["channels"], skip=recipe["skip"])
    batches, fields = loaders(recipe, train_data, val_data)
    history = recipes.train(
        model,
        batches,
        fields,
        recipe,
        loss=weighted_cross_entropy,
        channels_last=True,
        checkpoint=checkpoint,
        resume=checkpoint is not None and checkpoint.is_file(),
    )
    if history.epochs < recipe["epochs"]:
        sys.exit("Interrupted: run the command again to go on.")
    return model


def answers(model: nn.Module, data: InstanceDataset, fields: Sequence[int]) -> Iterator[torch.Tensor]:
    """Yield the logits of fields, (3, H, W) each."""
    for i in tqdm(fields, unit="field"):
        yield predict(model, data[i][0][None], progress=False)[0]


def score(found: list[torch.Tensor], data: InstanceDataset, fields: Sequence[int]) -> dict[str, float]:
    return rounded(mean_scores(found, [data.instances(i) for i in fields]))


def measure(model: nn.Module, splits: dict[str, InstanceDataset], split: str) -> dict:
    """Return the scores of a network on the fields of a split."""
    fields = range(len(splits[split]))
    found = [from_logits(logits) for logits in answers(model, splits[split], fields)]
    return {"scores": score(found, splits[split], fields)}


def measure_three_ways(model: nn.Module, splits: dict[str, InstanceDataset], split: str) -> dict:
    """Return the scores of a network on the fields of a split, with three ways from its logits to objects.

    As `from_logits` does it; with the seed threshold that finds most on half of the validation fields; and the same
    foreground cut by its shape, which asks for no border.
    """
    half = range(0, len(splits["val"]), 2)
    seen = list(answers(model, splits["val"], half))
    ap = {seed: score([from_logits(one, seed=seed) for one in seen], splits["val"], half)["ap"] for seed in SEEDS}
    best = max(ap, key=lambda seed: ap[seed])
    fields = range(len(splits[split]))
    logits = list(answers(model, splits[split], fields))
    inside = [(1 - one.softmax(dim=0)[0] > FOREGROUND).double().numpy() for one in logits]
    return {
        "scores": score([from_logits(one) for one in logits], splits[split], fields),
        "seed": best,
        "with_this_seed": score([from_logits(one, seed=best) for one in logits], splits[split], fields),
        "by_shape": score([otsu_watershed(one) for one in inside], splits[split], fields),
    }


def rounded(found: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in found.items()}


def command_train() -> None:
    """Train the weights that the book ships."""
    splits = {split: NucleiDataset(split) for split in ("train", "val", "test")}
    CHECKPOINT.parent.mkdir(exist_ok=True)
    model = train(SHIPPED, splits["train"], splits["val"], CHECKPOINT)
    # Half the bytes. What is measured and recorded is the network that load_pretrained makes of the file.
    halves = {name: v.half() if v.is_floating_point() else v for name, v in model.state_dict().items()}
    torch.save(halves, WEIGHTS / "nuclei.pt")
    model.load_state_dict(halves)
    record = {
        "model": type(model).__name__,
        "config": model.config,
        "recipe": SHIPPED | {"data": "NucleiDataset"},
        "scores": {split: measure(model, splits, split)["scores"] for split in ("val", "test")},
        "provenance": provenance.provenance("python experiments/train_nuclei.py train", [SHIPPED["seed"]]),
    }
    (WEIGHTS / "nuclei.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    CHECKPOINT.unlink()
    print(f"nuclei: {record['scores']}")


def command_score() -> None:
    """Measure the shipped weights once more, and fail where the record says something else."""
    recorded = pretrained_record("nuclei")["scores"]["test"]
    found = measure(load_pretrained("nuclei"), {"test": NucleiDataset("test")}, "test")["scores"]
    for name, value in found.items():
        print(f"{name:<8}{value:>10.4f}   recorded {recorded[name]:.4f}")
    if abs(found["ap"] - recorded["ap"]) > 0.001:
        sys.exit("the average precision is not the recorded one")


def command_baselines() -> None:
    """Measure what needs no training, and what a perfect mask without any separation would reach."""
    content = {}
    for split in ("val", "test"):
        data = NucleiDataset(split)
        true = [data.instances(i) for i in range(len(data))]
        normalized = [data[i][0][0].numpy() for i in range(len(data))]
        found = {
            "Otsu": [otsu(image) for image in data.images],
            "Otsu, normalized": [otsu(image) for image in normalized],
            "Otsu and watershed, normalized": [otsu_watershed(image) for image in normalized],
            "perfect mask": [ndimage.label(labels.numpy() > 0)[0] for labels in true],
        }
        content[split] = {name: rounded(mean_scores(preds, true)) for name, preds in found.items()}
    print(json.dumps(content, indent=1))
    keep("nuclei_baselines", {"scores": content}, "baselines", seeds=[])


def command_reader() -> None:
    """Do what the reader of chapter 15 does."""
    splits = {split: NucleiDataset(split) for split in ("train", "val", "test")}
    start = time.perf_counter()
    model = train(READER, splits["train"], splits["val"])
    content = {"recipe": READER, "seconds": round(time.perf_counter() - start)}
    content["scores"] = {split: measure(model, splits, split)["scores"] for split in ("val", "test")}
    print(content["scores"])
    keep("nuclei_reader", content, "reader", seeds=[READER["seed"]])


def command_augmentation() -> None:
    """Measure what the augmentation of a batch costs beside the training step on it: processor time, as ratios."""
    batch = torch.rand(4, 1, 256, 256), torch.randint(0, 3, (4, 256, 256)), torch.ones(4, 256, 256)
    model = UNet(1, num_classes=3, channels=READER["channels"])
    works = {
        "step": recipes.step(model, *batch, recipe={"loss": "weighted cross entropy", "channels_last": True}),
        "flips and turns": partial(Augmentation(light=0), *batch),
        "light": partial(Augmentation(flip=False), *batch),
        "elastic": partial(Augmentation(flip=False, light=0, elastic=10), *batch),
    }
    of_a_step = recipes.ratios(recipes.in_turns(works, ROUNDS), "step")  # in turns, so that a busy moment meets all
    shares = {name: round(statistics.median(values), 3) for name, values in of_a_step.items() if name != "step"}
    print(shares)
    keep("nuclei_augmentation", {"share_of_a_step": shares}, "augmentation", seeds=[])


def compare(
    name: str, changes: dict[str, dict], base: dict, seeds: tuple[int, ...], split: str, judge: Callable = measure
) -> None:
    """Train with one change at a time and measure. What is kept already, of the same recipe, is not trained again."""
    splits = {key: NucleiDataset(key) for key in ("train", "val", split)}
    kept = records.load(f"nuclei_{name}")["runs"] if f"nuclei_{name}" in records.available() else []
    for seed in seeds:
        for what, change in changes.items():
            recipe = json.loads(json.dumps(base | change | {"seed": seed}))  # as it will be read: lists, no tuples
            if any(run["recipe"] == recipe for run in kept):
                continue
            found = judge(train(recipe, splits["train"], splits["val"]), splits, split)
            kept = [run for run in kept if (run["name"], run["recipe"]["seed"]) != (what, seed)]
            kept.append({"name": what, "recipe": recipe, "commit": provenance.commit(), **found})
            print(f"{what}, seed {seed}: {found}")
            keep(f"nuclei_{name}", {"runs": kept}, name, seeds=list(seeds))


def keep(name: str, content: dict, command: str, seeds: list[int]) -> None:
    path = provenance.write_record(name, content, command=f"python experiments/train_nuclei.py {command}", seeds=seeds)
    print(f"{path.name} written")


def main() -> int:
    commands = {"train": command_train, "score": command_score}
    commands |= {
        "augmentation": command_augmentation,
        "baselines": command_baselines,
        "reader": command_reader,
        "ablations": partial(
            compare, "ablations", ABLATIONS, REDUCED, seeds=(0, 1, 2), split="test", judge=measure_three_ways
        ),
        "candidates": partial(compare, "candidates", CANDIDATES, SHIPPED, seeds=(0,), split="val"),
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=commands)
    torch.set_num_threads(1)  # the order of additions, and with it the last digit, depends on the threads
    commands[parser.parse_args().command]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
