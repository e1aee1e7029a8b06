"""Compare U-Net with its four relatives on the hard synthetic cells, and keep the result for chapter 12.

    python experiments/compare_variants.py                train what is missing, print the table, keep the record
    python experiments/compare_variants.py --minutes 3    the same, but begin no training after three minutes

Every run is kept as soon as it is there, with the commit that made it. On another machine, with other versions, or
with other settings that all runs share, everything is trained anew; where a network was added or changed, only that
one. Delete the record to begin from nothing. About an hour on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from statistics import mean, quantiles, stdev

import torch
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

import provenance
import recipes
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.metrics import boundary_error, iou, predicted_masks
from unet_tutorial.variants import MODELS

NAME, COMMAND = "variants", "python experiments/compare_variants.py"
# What all runs share. The settings were chosen with the plain UNet, before any of the others was trained.
SETTINGS = {
    "data": "SyntheticCellsDataset",
    "image_size": 64,
    "images": {"train": 512, "val": 32, "test": 128},
    "batch_size": 4,
    "channels": [8, 16, 32, 64],
    "epochs": 6,
    "learning_rate": 0.01,
    "channels_last": True,
    "threads": 1,
    "seeds": [0, 1, 2, 3, 4, 5, 6, 7],
    "learning_rates": [0.003, 0.03],  # others, for a side question
    "side_seeds": [0],
}
# Plain UNets that have as many parameters, or do as much work in a step or in the whole training, as a variant.
CONTROLS = {
    "UNet, parameters of UNetPlusPlus": {"channels": [9, 17, 34, 69]},
    "UNet, work of UNetPlusPlus": {"channels": [11, 22, 44, 88]},
    "UNet, longer": {"epochs": 11},
    "UNet, parameters of EfficientUNet": {"channels": [3, 6, 13, 25]},
    "UNet, work of EfficientUNet": {"channels": [4, 7, 15, 30]},
}
ROW = ("model", "channels", "epochs", "learning_rate", "channels_last")  # what makes a network what it is
SHARED = ("data", "image_size", "images", "batch_size", "threads")
TIMED_ROUNDS = 15


def networks(settings: dict) -> dict[str, dict]:
    """Return what is trained, by name: the model, its channels, the recipe, and the seeds."""
    usual = {key: settings[key] for key in ("channels", "epochs", "learning_rate", "channels_last", "seeds")}
    rows = {name: {"model": name, **usual} for name in MODELS}
    rows |= {name: {"model": "UNet", **usual, **change} for name, change in CONTROLS.items()}
    side = {**usual, "seeds": settings["side_seeds"]}
    for rate in settings["learning_rates"]:
        rows |= {f"{name}, learning rate {rate}": {"model": name, **side, "learning_rate": rate} for name in MODELS}
    # The same numbers, added in another order: how far does a training go apart from that alone?
    rows["AttentionUNet, other order"] = {"model": "AttentionUNet", **side, "channels_last": not usual["channels_last"]}
    return rows


def load_data(settings: dict) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Draw the pictures and masks of every split, both (number, 1, side, side)."""
    data = {}
    for split, number in settings["images"].items():
        dataset = SyntheticCellsDataset(number, image_size=settings["image_size"], split=split)
        images, masks = zip(*(dataset[i] for i in range(number)), strict=True)
        data[split] = torch.stack(images), torch.stack(masks)
    return data


def train(network: dict, seed: int, data: dict, settings: dict) -> dict:
    """Train one network from one seed, and return what is kept of it."""
    start = time.perf_counter()
    torch.manual_seed(seed)
    model = MODELS[network["model"]](1, channels=network["channels"])
    order = torch.Generator().manual_seed(seed)  # the same order of pictures for every network
    loader = DataLoader(TensorDataset(*data["train"]), batch_size=settings["batch_size"], shuffle=True, generator=order)
    history = recipes.train(model, loader, [data["val"]], network, progress=False)
    model.eval()
    images, masks = data["test"]
    with torch.no_grad():
        predicted = predicted_masks(model(images))  # (number, 1, side, side)
    scores = {
        "iou": iou(predicted, masks).mean().item(),
        "boundary_error": boundary_error(predicted, masks).mean().item(),
    }
    kept = {"seed": seed, **scores, "train_loss": history.train_loss, "val_iou": history.val_iou}
    rounded = {key: _rounded(value) for key, value in kept.items()}
    return {**rounded, "seconds": round(time.perf_counter() - start, 1)}


def _rounded(value: int | float | list[float]) -> int | float | list[float]:
    return [round(v, 6) for v in value] if isinstance(value, list) else round(value, 6)


def size(network: dict, settings: dict) -> dict[str, int]:
    """Count the parameters of a network and the multiply-adds of its convolutions for one image."""
    model = MODELS[network["model"]](1, channels=network["channels"]).eval()
    side = settings["image_size"]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 1, side, side))
    parameters = sum(p.numel() for p in model.parameters())
    return {"parameters": parameters, "multiply_adds": counter.get_total_flops() // 2}  # it counts both halves


def time_steps(chosen: dict[str, dict], data: dict, settings: dict) -> dict[str, dict]:
    """Time one training step of each network, as a ratio to that of the plain UNet in the same round."""
    batch = [part[: settings["batch_size"]] for part in data["train"]]
    steps = {
        name: recipes.step(MODELS[network["model"]](1, channels=network["channels"]), *batch, recipe=network)
        for name, network in chosen.items()
    }
    shares = recipes.ratios(recipes.in_turns(steps, TIMED_ROUNDS), "UNet")
    return {name: _quartiles(values) for name, values in shares.items()}


def _quartiles(values: list[float]) -> dict[str, float]:
    lower, middle, upper = quantiles(values, n=4, method="inclusive")
    return {"median": round(middle, 3), "lower_quartile": round(lower, 3), "upper_quartile": round(upper, 3)}


def kept_runs(settings: dict, chosen: dict[str, dict]) -> dict[str, list[dict]]:
    """Return the runs that are kept already and were made under the conditions of now, by network."""
    path = provenance.RESULTS / f"{NAME}.json"
    if not path.is_file():
        return {name: [] for name in chosen}
    record, now = json.loads(path.read_text(encoding="utf-8")), provenance.provenance(COMMAND, [])
    changed = [key for key in ("versions", "processor", "threads", "gpu") if record["provenance"][key] != now[key]]
    changed += [key for key in SHARED if record["settings"][key] != settings[key]]
    if changed:
        print(f"The kept record is of other conditions ({', '.join(changed)}). Everything is trained anew.")
    runs = {}
    for name, network in chosen.items():
        kept = {} if changed else record["networks"].get(name, {})
        same = all(kept.get(key) == network[key] for key in ROW)
        runs[name] = [run for run in kept["runs"] if run["seed"] in network["seeds"]] if same else []
    return runs


def compare(settings: dict, minutes: float) -> bool:
    """Train what is missing, as long as there is time; return whether all is there."""
    torch.set_num_threads(settings["threads"])  # the order of additions, and with it the last digit, depends on it
    end = time.monotonic() + 60 * minutes
    chosen, data = networks(settings), load_data(settings)
    seeds = sorted({seed for network in chosen.values() for seed in network["seeds"]})
    runs = kept_runs(settings, chosen)
    record = {
        "settings": settings,
        "networks": {name: {**n, **size(n, settings), "runs": runs[name]} for name, n in chosen.items()},
        "step_time": {},
    }
    commit = provenance.commit()
    missing = [
        (name, seed)
        for seed in seeds  # seed by seed, so that an unfinished record already holds every network
        for name, network in chosen.items()
        if seed in network["seeds"] and seed not in [run["seed"] for run in runs[name]]
    ]
    for name, seed in sorted(
        missing, key=lambda pair: chosen[pair[0]]["seeds"] != settings["seeds"]
    ):  # side questions last
        if time.monotonic() > end:
            return False
        run = {**train(chosen[name], seed, data, settings), "commit": commit}
        runs[name].append(run)
        print(f"seed {seed}  {name:36} IoU {run['iou']:.3f}  {run['seconds']:.0f} s", flush=True)
        provenance.write_record(NAME, record, command=COMMAND, seeds=seeds)
    timed = {name: n for name, n in chosen.items() if name in MODELS or "channels" in CONTROLS.get(name, {})}
    record["step_time"] = time_steps(timed, data, settings)
    provenance.write_record(NAME, record, command=COMMAND, seeds=seeds)
    print(table(record))
    return True


def table(record: dict) -> str:
    """Return one line a network: parameters, multiply-adds, time of a step, and the scores with their spread."""
    head = f"{'':34}{'parameters':>11}{'multiply-adds':>15}{'step':>6}   {'IoU':17}boundary error"
    lines = [head]
    for name, network in record["networks"].items():
        step = record["step_time"].get(name)
        ratio = f"{step['median']:.2f}" if step else ""
        ious, errors = (_spread([run[key] for run in network["runs"]]) for key in ("iou", "boundary_error"))
        size = f"{network['parameters']:>11,}{network['multiply_adds']:>15,}"
        lines.append(f"{name:34}{size}{ratio:>6}   {ious:17}{errors}")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    """Return the mean, and the standard deviation where there is one."""
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no training after this time")
    if compare(SETTINGS, parser.parse_args().minutes):
        return 0
    print("Not all is trained yet. Run the same command again.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
