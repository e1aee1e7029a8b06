"""What a plan that reads the data reaches, and what each of its parts is worth.

    python experiments/plan_pictures.py COMMAND

parts     on a mixed collection, the whole plan and the plan without one of its parts: results/plan_parts.json
mixed     on the mixed collection, the whole plan for longer: results/plan_mixed.json
bbbc039   on BBBC039, the plan beside the recipe of chapter 15, in turns: results/plan_bbbc039.json

The mixed collection is made here, of fields of BBBC039 (scaled, dimmed, negative, coloured like stained tissue) and of
drawn cells. Its training, validation and test pictures come from different fields. All budgets are times of the
processor for this process, with one thread, so that other work on the machine changes them least.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from skimage.transform import resize

import provenance
import train_nuclei
from unet_tutorial.data.bbbc039 import NucleiDataset
from unet_tutorial.data.pictures import InstanceDataset
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.metrics import scores
from unet_tutorial.plan import Plan, plan
from unet_tutorial.planned import Planned, carry_out, predict_picture

KINDS = ("plain", "plain", "plain", "half", "third", "double", "dim", "negative", "pink", "white", "drawn", "triple")
SIZES = {"train": 156, "val": 24, "test": 48}  # pictures
SECONDS = 80.0  # of every training of `parts`
LONG = 900.0  # of `mixed`
PARTS: dict[str, dict[str, Any]] = {
    "the whole plan": {},
    "border and watershed in place of votes": {"way": "border"},
    "one scale for all pictures": {"own_zoom": False},
    "no varied scale": {"jitter": 0.0},
    "no picture turned": {"polarity": "bright"},
    "grey": {"in_channels": 1},
}


class Mixed:
    """Pictures of many kinds, as `plan` takes them."""

    def __init__(self, names: list[str], images: list[np.ndarray], instances: list[np.ndarray]):
        self.names, self.images, self._instances = names, images, instances

    def __len__(self) -> int:
        return len(self.images)

    def instances(self, index: int) -> np.ndarray:
        return self._instances[index]


def mixed(split: str, number: int) -> Mixed:
    """Make a part of the mixed collection."""
    fields, drawn = NucleiDataset(split), SyntheticCellsDataset(number, split=split)
    rng, kept = np.random.default_rng(len(split)), Mixed([], [], [])
    turn = 0
    while len(kept) < number:
        kind, turn = KINDS[turn % len(KINDS)], turn + 1
        if kind == "drawn":
            image, labels = 255 * drawn[len(kept)][0][0].numpy(), drawn.instances(len(kept)).numpy()
        else:
            image, labels = picture(kind, fields, (7 * turn) % len(fields), rng)
        if labels.any():
            kept.names.append(kind)
            kept.images.append(np.clip(image, 0, 255).astype(np.uint8))
            kept._instances.append(np.ascontiguousarray(labels, dtype=np.int64))
    return kept


def picture(kind: str, fields: InstanceDataset, field: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Make one picture of a kind from a field: values from 0 to 255, and its objects."""
    side, zoom = {
        "plain": ((256, 256), 1.0),
        "half": ((512, 512), 0.5),
        "third": ((512, 690), 1 / 3),
        "double": ((180, 180), 2.0),
        "triple": ((240, 240), 3.0),
        "dim": ((256, 320), 1.0),
        "negative": ((300, 360), float(rng.choice([0.6, 1.0]))),
    }.get(kind, ((300, 380), float(rng.choice([0.5, 0.8, 1.3]))))
    image, labels = fields.images[field].astype(np.float32), fields.instances(field).numpy()
    top, left = (int(rng.integers(have - want + 1)) for have, want in zip(image.shape, side, strict=True))
    image, labels = (part[top : top + side[0], left : left + side[1]] for part in (image, labels))
    size = [round(zoom * length) for length in side]
    image = resize(image, size, order=1, anti_aliasing=zoom < 1, preserve_range=True)
    labels = resize(labels, size, order=0, anti_aliasing=False, preserve_range=True)
    bottom, high = np.percentile(image, [1, 99.9])
    light = np.clip((image - bottom) / max(high - bottom, 1e-6), 0, 1)
    even = np.log1p(20 * light) / np.log(21)
    if kind == "dim":
        return 30 * light + 8 + rng.normal(0, 2, light.shape), labels
    if kind == "negative":
        y, x = np.indices(light.shape)
        uneven = 1 + 0.25 * np.sin(x / 150 + rng.uniform(0, 6)) * np.cos(y / 170)
        return 255 * ((0.9 - 0.5 * even) * uneven + rng.normal(0, 0.02, light.shape)), labels
    if kind in ("pink", "white"):
        return stained(even, labels, (0.93, 0.72, 0.85) if kind == "pink" else (0.95, 0.93, 0.95), rng), labels
    return 255 * light * rng.uniform(0.3, 1), labels


def stained(light: np.ndarray, labels: np.ndarray, ground: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """Colour a picture like stained tissue: purple nuclei with texture, on a ground with texture of its own."""

    def texture(coarse: float) -> np.ndarray:
        noise = ndimage.gaussian_filter(rng.normal(size=light.shape), coarse)
        return noise / noise.std()

    inside = ndimage.gaussian_filter((labels > 0).astype(float), 0.7)
    ink = inside * np.clip(0.45 + 0.5 * light + 0.12 * texture(1.5), 0.15, 1)
    around = (1 - inside) * np.clip(0.35 * texture(12) + 0.2 * texture(3), 0, 1)
    ink = np.clip(ink + 0.35 * around, 0, 1)[..., None]  # (H, W, 1)
    clouds = np.clip(texture(25), -1.5, 1.5)[..., None] * (0.03, 0.1, 0.06)
    purple = np.array((0.38, 0.22, 0.56)) + rng.uniform(-0.06, 0.06, 3)
    return 255 * (np.array(ground) * (1 - clouds) * (1 - ink) + purple * ink + rng.normal(0, 0.02, ink.shape))


def trained(recipe: Plan, train: Any, val: Any, seed: int) -> Planned:
    planned = carry_out(recipe, train, val, seed=seed, device="cpu", clock=time.process_time, progress=False)
    print("\n".join(f"{rule}: {value} ({why})" for rule, value, why in planned.reasons), flush=True)
    return planned


def judged(planned: Planned, test: Any) -> dict[str, Any]:
    """Return the means of the scores over test pictures, the AP of every kind, and what was chosen."""
    rows = [scores(predict_picture(planned, test.images[i]), test.instances(i)) for i in range(len(test))]
    mean = {name: round(statistics.fmean(row[name] for row in rows), 4) for name in ("ap", "iou", "f1_50", "f1_75")}
    kinds: dict[str, list[float]] = {}
    for name, row in zip(test.names, rows, strict=True):
        kinds.setdefault(name, []).append(row["ap"])
    by_kind = {name: round(statistics.fmean(values), 3) for name, values in kinds.items()}
    told = {reason.rule: [reason.value, reason.why] for reason in planned.reasons}
    print(mean, by_kind, flush=True)
    return {"scores": mean, "ap_by_kind": by_kind, "numbers": planned.numbers, "told": told}


def collection() -> list[Mixed]:
    return [mixed(split, number) for split, number in SIZES.items()]


def keep(name: str, content: dict, command: str, seeds: Sequence[int]) -> None:
    provenance.write_record(name, content, command=f"python experiments/plan_pictures.py {command}", seeds=seeds)


def command_parts(seeds: Sequence[int], only: Sequence[str]) -> None:
    train, val, test = collection()
    recipe = plan(train, minutes=SECONDS / 60)
    print(recipe, flush=True)
    runs = []
    for seed in seeds:
        for name in only or PARTS:
            print(name, flush=True)
            planned = trained(replace(recipe, **PARTS[name]), train, val, seed)
            runs.append({"name": name, "seed": seed, **judged(planned, test)})
            content = {"sizes": SIZES, "seconds": SECONDS, "plan": [list(one) for one in recipe.reasons], "runs": runs}
            keep("plan_parts", content, "parts", seeds)


def command_mixed(seeds: Sequence[int], only: Sequence[str]) -> None:
    train, val, test = collection()
    recipe = plan(train, minutes=LONG / 60)
    runs = [{"seed": seed, **judged(trained(recipe, train, val, seed), test)} for seed in seeds]
    content = {"sizes": SIZES, "seconds": LONG, "plan": [list(one) for one in recipe.reasons], "runs": runs}
    keep("plan_mixed", content, "mixed", seeds)


def command_bbbc039(seeds: Sequence[int], only: Sequence[str]) -> None:
    splits = {split: NucleiDataset(split) for split in ("train", "val", "test")}
    runs = []
    for seed in seeds:
        start = time.process_time()
        model = train_nuclei.train(train_nuclei.READER | {"seed": seed}, splits["train"], splits["val"])
        seconds = time.process_time() - start
        by_hand = train_nuclei.measure(model, splits, "test")["scores"]
        print("by hand", seconds, by_hand, flush=True)
        recipe = plan(splits["train"], minutes=seconds / 60)
        planned = trained(recipe, splits["train"], splits["val"], seed)
        rows = judged(planned, splits["test"])
        rows.pop("ap_by_kind")
        runs.append({"seed": seed, "seconds": round(seconds, 1), "by hand": by_hand, "by plan": rows})
        keep("plan_bbbc039", {"plan": [list(one) for one in recipe.reasons], "runs": runs}, "bbbc039", seeds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = {"parts": command_parts, "mixed": command_mixed, "bbbc039": command_bbbc039}
    parser.add_argument("command", choices=commands)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", default=[], choices=PARTS, help="of parts, these alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    commands[arguments.command](arguments.seeds, arguments.only)
