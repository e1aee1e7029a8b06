"""What losses, a split and a start are worth where there are several classes. See chapter 18.

    python experiments/learn_streets.py losses      # four losses: what each gives to rare classes
    python experiments/learn_streets.py leak        # what a split by chance claims, and one by sequences
    python experiments/learn_streets.py pretrain    # random weights, or those of a network that removes noise
    python experiments/learn_streets.py sizes       # pictures of a quarter, of half and of the whole size

All learn from the street scenes (CamVid), with the network of chapter 18, equal steps and three seeds; all but the last
at a quarter of the sides. Results are kept after every training, and the same code goes on where it ended. Each
takes ten to thirty minutes of one core, and writes unet_tutorial/results/streets_COMMAND.json.

losses      With the higher learning rate; and with the lower one too, where that did better on the validation pictures
            after half of the steps. Judged on the test pictures.
leak        Every second picture of a sequence is judged, of each of the four in turn. Once the network learns from 100
            pictures drawn from all others, which leaves neighbours of the judged ones among them, as a split by chance
            does; and once from 100 of the other sequences. The judged pictures are the same. The official validation
            pictures are left out: they show one scene.
pretrain    A network first learns to remove noise from the training pictures, without their masks. Its contracting path
            and bottleneck are then the start, free or frozen. Against random weights: with the same steps, and with as
            many more as the noise took; and with ten pictures, mirrored and in another light each time.
sizes       Cross-entropy with the higher learning rate. The network, and so what one of its answers can see in pixels,
            is the same for all three.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

import provenance
import recipes
from unet_tutorial.augment import Augmentation, Augmented
from unet_tutorial.data.camvid import CLASSES, SPLITS, VOID, StreetDataset
from unet_tutorial.data.pictures import Pictures
from unet_tutorial.data.shrinking import shrink
from unet_tutorial.losses import DiceLoss, FocalLoss
from unet_tutorial.metrics import class_scores, confusion_matrix, iou, predicted_masks
from unet_tutorial.training import train_step
from unet_tutorial.unet import UNet

FACTORS = {"a quarter": 4, "half": 2, "the whole": 1}  # of the sides
CONFIG = {"in_channels": 3, "num_classes": len(CLASSES), "channels": (8, 16, 32, 64)}
RECIPE = {"epochs": 1, "batch_size": 8, "schedule": "one-cycle", "precision": "float32", "channels_last": True}
SEEDS, OTHER_SEED = (0, 1, 2), 100  # the last one for learning rates alone
RATES = (0.01, 0.003)
STEPS = {"losses": 200, "leak": 200, "pretrain": 150, "noise": 150, "sizes": 150}
CHOSEN_WITH = 30
LEARNED = 100  # pictures to learn from, where a split leaks or does not
NOISE = 0.2  # standard deviation, of values between 0 and 1
STARTS = ("random", "random, longer", "denoising", "denoising, frozen")
AUGMENTED = "random, augmented"
STARTS_OF = {10: (*STARTS, AUGMENTED), 30: STARTS, 100: STARTS}  # by the number of pictures
OWN_RATE = ("random", "denoising", "denoising, frozen")  # the others take that of "random"

Tensors = list[tuple[torch.Tensor, torch.Tensor]]  # image (3, 90, 120), mask (90, 120)


@cache
def streets(split: str, size: str = "a quarter") -> Pictures:
    return shrink(StreetDataset(split), FACTORS[size])


def pairs(pictures: Pictures) -> Tensors:
    return [pictures[i] for i in range(len(pictures))]


def weights(pictures: Tensors) -> torch.Tensor:
    """Return the weight of every class: the median share divided by its own, as Badrinarayanan et al. 2017 say it."""
    counts = sum(torch.bincount(mask.flatten(), minlength=VOID + 1)[:VOID] for _, mask in pictures)
    return (counts.double().median() / counts.clamp_min(1)).float()


def losses(pictures: Tensors) -> dict[str, nn.Module]:
    """Return the losses, all without what does not count."""
    plain = nn.CrossEntropyLoss(ignore_index=VOID)
    dice = DiceLoss(per_image=False, ignore_index=VOID)
    return {
        "cross entropy": plain,
        "class weights": nn.CrossEntropyLoss(weights(pictures), ignore_index=VOID),
        "Dice": dice,
        "focal": FocalLoss(ignore_index=VOID),
    }


def train(
    model: nn.Module,
    pictures: Dataset | list,
    steps: int,
    rate: float,
    seed: int,
    loss: Callable,
    augmentation: Callable | None = None,
) -> nn.Module:
    """Train with so many steps, of pictures in an order that the seed decides."""
    torch.manual_seed(seed)
    size = RECIPE["batch_size"]
    batches = DataLoader(pictures, size, sampler=RandomSampler(pictures, num_samples=steps * size))
    val = DataLoader(pictures, size, sampler=range(size))
    loader = Augmented(batches, augmentation) if augmentation else batches
    recipe = RECIPE | {"learning_rate": rate}
    recipes.train(model, loader, val, recipe, loss=loss, progress=False)
    return model


def mirrored(images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirror half of the streets, left and right alone: none stands on its head; and change the light of all."""
    swap = torch.rand(len(images)) < 0.5  # (B,)
    images = torch.where(swap[:, None, None, None], images.flip(3), images)
    masks = torch.where(swap[:, None, None], masks.flip(2), masks)
    return Augmentation(flip=False)(images, masks)


def new(seed: int, num_classes: int = len(CLASSES)) -> UNet:
    torch.manual_seed(seed)
    return UNet(**CONFIG | {"num_classes": num_classes})


def judge(model: nn.Module, pictures: Tensors) -> dict[str, Any]:
    """Return the mean IoU over classes, all pictures taken together, and more."""
    model.eval()
    with torch.no_grad():
        images = torch.stack([image for image, _ in pictures]).split(RECIPE["batch_size"])
        answers = torch.cat([predicted_masks(model(batch)) for batch in images])  # (N, 90, 120)
    truth = torch.stack([mask for _, mask in pictures])
    matrix = confusion_matrix(answers, truth, len(CLASSES), VOID)
    each = iou(answers, truth, len(CLASSES), VOID).nanmean(dim=1)  # (N,)
    return {
        "mean_iou": round(class_scores(matrix)["iou"].nanmean().item(), 4),
        "accuracy": round((matrix.diagonal().sum() / matrix.sum()).item(), 4),
        "pictures": [round(value, 4) for value in each.tolist()],
        "matrix": [" ".join(map(str, row)) for row in matrix.tolist()],  # a row a line
    }


def keep(command: str, content: dict) -> None:
    command_line = f"python experiments/learn_streets.py {command}"
    provenance.write_record(f"streets_{command}", content, command=command_line, seeds=list(SEEDS))


def add(command: str, content: dict, part: str, key: dict, work: Callable[[], dict]) -> None:
    """Do the work that the record does not hold yet, and keep it."""
    if not any(key.items() <= run.items() for run in content[part]):
        content[part].append(key | work())
        print(key, content[part][-1].get("mean_iou"), flush=True)
        keep(command, content)


def best_rate(content: dict, of: dict) -> float:
    tried = [run for run in content["rates"] if of.items() <= run.items()]
    return max(tried, key=lambda run: run["mean_iou"])["rate"]


def compare_losses() -> None:
    learn, choose, test = (pairs(streets(split)) for split in SPLITS)
    steps = STEPS["losses"]
    settings = {"recipe": RECIPE | {"steps": steps}, "config": CONFIG, "weights": weights(learn).tolist()}
    content = provenance.begun("streets_losses", settings, {"rates": [], "runs": []})
    for name, rate in itertools.product(losses(learn), RATES):
        loss = losses(learn)[name]

        def try_out(loss=loss, rate=rate) -> dict:
            model = train(new(OTHER_SEED), learn, steps // 2, rate, OTHER_SEED, loss)
            return {"mean_iou": judge(model, choose)["mean_iou"]}

        add("losses", content, "rates", {"loss": name, "rate": rate}, try_out)
    for seed, name, rate in itertools.product(SEEDS, losses(learn), RATES):
        if rate not in (RATES[0], best_rate(content, {"loss": name})):
            continue
        loss = losses(learn)[name]

        def run(loss=loss, rate=rate, seed=seed) -> dict:
            return judge(train(new(seed), learn, steps, rate, seed, loss), test)

        add("losses", content, "runs", {"loss": name, "seed": seed, "rate": rate}, run)


def measure_leak() -> None:
    everything = [(group, pair) for split in ("train", "test") for group, pair in named(streets(split))]
    settings = {"recipe": RECIPE | {"steps": STEPS["leak"]}, "config": CONFIG, "learned": LEARNED}
    content = provenance.begun("streets_leak", settings, {"runs": []})
    plain = nn.CrossEntropyLoss(ignore_index=VOID)
    for seed, sequence in itertools.product(SEEDS, sorted({group for group, _ in everything})):
        judged = [i for i, (group, _) in enumerate(everything) if group == sequence][::2]
        others = {
            "by chance": [i for i in range(len(everything)) if i not in judged],
            "by sequence": [i for i, (group, _) in enumerate(everything) if group != sequence],
        }
        for split, allowed in others.items():

            def run(allowed=allowed, judged=judged, seed=seed) -> dict:
                chosen = np.random.default_rng(seed).permutation(allowed)[:LEARNED]
                learn = [everything[i][1] for i in chosen]
                model = train(new(seed), learn, STEPS["leak"], RATES[0], seed, plain)
                return judge(model, [everything[i][1] for i in judged])

            add("leak", content, "runs", {"sequence": sequence, "split": split, "seed": seed}, run)


def named(pictures: Pictures) -> list[tuple[str, tuple[torch.Tensor, torch.Tensor]]]:
    return list(zip(pictures.groups, pairs(pictures), strict=True))


class Noisy(Dataset):
    """Pictures with noise, and without: what a network needs that is to remove it. Each time the noise is new."""

    def __init__(self, pictures: Tensors):
        self.images = [image for image, _ in pictures]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.images[i] + NOISE * torch.randn(self.images[i].shape), self.images[i]


def without_noise(pictures: Tensors, seed: int) -> UNet:
    """Teach a network to remove noise, with `train_step` alone: `fit` measures an IoU, and there is none."""
    model = new(seed, num_classes=3).to(memory_format=torch.channels_last).train()  # three colours for logits
    steps, size = STEPS["noise"], RECIPE["batch_size"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATES[0])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATES[0], total_steps=steps)
    sampler = RandomSampler(Noisy(pictures), num_samples=steps * size)
    for noisy, clean in DataLoader(Noisy(pictures), size, sampler=sampler):
        train_step(model, optimizer, noisy, clean, loss=F.mse_loss)
        schedule.step()
    return model


def started(start: str, seed: int, teacher: UNet) -> UNet:
    """Return a network with random weights, or with the contracting path and bottleneck of one that removes noise."""
    model = new(seed)
    if start.startswith("denoising"):
        for part in ("encoder", "bottleneck"):
            getattr(model, part).load_state_dict(getattr(teacher, part).state_dict())
            getattr(model, part).requires_grad_(start != "denoising, frozen")
    return model


def compare_starts() -> None:
    everything, choose, test = (pairs(streets(split)) for split in SPLITS)
    steps = {key: STEPS[key] for key in ("pretrain", "noise")}
    settings = {"recipe": RECIPE, "steps": steps, "config": CONFIG, "noise": NOISE}
    content = provenance.begun("streets_pretrain", settings, {"rates": [], "runs": []})
    plain = nn.CrossEntropyLoss(ignore_index=VOID)
    teacher = cache(lambda seed: without_noise(everything, seed))

    def trained(start: str, seed: int, number: int, rate: float) -> nn.Module:
        order = np.random.default_rng(seed).permutation(len(everything))
        learn = [everything[i] for i in order[:number]]  # 10 are among the 30, and so on
        longer = steps["pretrain"] + (steps["noise"] if start == "random, longer" else 0)
        augmentation = mirrored if start == AUGMENTED else None
        return train(started(start, seed, teacher(seed)), learn, longer, rate, seed, plain, augmentation)

    for start, rate in itertools.product(OWN_RATE, RATES):

        def try_out(start=start, rate=rate) -> dict:
            return {"mean_iou": judge(trained(start, OTHER_SEED, CHOSEN_WITH, rate), choose)["mean_iou"]}

        add("pretrain", content, "rates", {"start": start, "rate": rate}, try_out)
    pairs_of_both = [(number, start) for number, starts in STARTS_OF.items() for start in starts]
    for seed, (number, start) in itertools.product(SEEDS, pairs_of_both):
        rate = best_rate(content, {"start": start if start in OWN_RATE else "random"})

        def run(start=start, seed=seed, number=number, rate=rate) -> dict:
            return {"rate": rate} | judge(trained(start, seed, number, rate), test)

        add("pretrain", content, "runs", {"start": start, "pictures_learned": number, "seed": seed}, run)


def compare_sizes() -> None:
    settings = {"recipe": RECIPE | {"steps": STEPS["sizes"]}, "config": CONFIG, "rate": RATES[0], "factors": FACTORS}
    content = provenance.begun("streets_sizes", settings, {"runs": []})
    plain = nn.CrossEntropyLoss(ignore_index=VOID)
    for size in FACTORS:
        learn, test = (pairs(streets(split, size)) for split in ("train", "test"))
        for seed in SEEDS:

            def run(learn=learn, test=test, seed=seed) -> dict:
                return judge(train(new(seed), learn, STEPS["sizes"], RATES[0], seed, plain), test)

            add("sizes", content, "runs", {"size": size, "seed": seed}, run)


COMMANDS = {"losses": compare_losses, "leak": measure_leak, "pretrain": compare_starts, "sizes": compare_sizes}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args().command
    torch.set_num_threads(1)
    COMMANDS[command]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
