"""What a planned network answers: its logits at the right scale, and the numbers with which they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ._crops import RADIUS
from .data.targets import object_size, target
from .inference import predict
from .instances import from_logits
from .metrics import mean_scores
from .plan import DIAMETER, Plan, Reason, prepare
from .unet import UNet
from .votes import from_votes

TILE = 1024  # the side of a tile; pictures with sides above it are predicted in tiles
USUAL = {"foreground": 0.5, "votes": 1.0, "seed": 0.5, "smallest": 0.1}  #: The numbers, where none can be chosen.
CHOICES = {  #: Among which numbers is chosen, one after the other.
    "foreground": (0.3, 0.4, 0.5, 0.6, 0.7),
    "votes": (0.5, 1.0, 2.0, 3.0),
    "seed": (0.3, 0.5, 0.7, 0.9),
    "smallest": (0.02, 0.05, 0.1, 0.2),
}
NEEDED: dict[str, tuple[str, ...]] = {  # which of them a task, or a way to tell objects apart, asks for
    "votes": ("foreground", "votes", "smallest"),
    "border": ("foreground", "seed", "smallest"),
    "one class": ("foreground",),
    "classes": (),  # the class with the highest score needs no number
}


def look(model: UNet, recipe: Plan, numbers: Mapping[str, float], planes: np.ndarray) -> torch.Tensor:
    """Return the logits at the scale of the plan, or look first, measure the objects, and look again, twice."""
    zoom, size = recipe.zoom, planes.shape[1:]
    logits = _logits(model, planes, zoom)
    for _ in range(2 if recipe.own_zoom else 0):
        found = read(recipe, numbers, logits, size).numpy()
        if not found.any():
            break
        zoom = float(np.clip(DIAMETER / object_size(found), *recipe.zooms))
        logits = _logits(model, planes, zoom)
    return logits


def _logits(model: UNet, planes: np.ndarray, zoom: float) -> torch.Tensor:
    """Return the logits of a prepared picture at a scale, (outputs, h, w)."""
    size = [max(1, round(zoom * side)) for side in planes.shape[1:]]
    images = F.interpolate(torch.from_numpy(planes)[None], size=size, mode="bilinear", antialias=zoom < 1)
    return predict(model, images, tile=TILE if max(size) > TILE else None, progress=False)[0]


def read(recipe: Plan, numbers: Mapping[str, float], logits: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Return what logits say of a picture of a size, int64 (H, W)."""
    H, W = size
    area = numbers["smallest"] * np.pi * RADIUS**2  # in pixels of the logits
    if recipe.task == "objects" and recipe.way == "votes":
        chosen = {name: numbers[name] for name in ("foreground", "votes")}
        return from_votes(logits, (H, W), radius=RADIUS, smallest=area, **chosen)
    full = F.interpolate(logits[None], size=(H, W), mode="bilinear")[0]  # (outputs, H, W)
    if recipe.task == "objects":
        pixels = max(1, round(area * H * W / logits[0].numel()))
        chosen = {name: numbers[name] for name in ("foreground", "seed")}
        return from_logits(full, smallest_seed=max(1, pixels // 2), smallest=pixels, **chosen)
    return full.argmax(dim=0) if recipe.task == "classes" else (full[0].sigmoid() > numbers["foreground"]).long()


def choose(
    model: UNet, recipe: Plan, judges: Sequence[tuple[Any, int]]
) -> tuple[dict[str, float], dict[str, float] | None, Reason]:
    """Choose one number after the other, that with which most is found in the pictures kept aside; and their scores."""
    names = NEEDED[recipe.way if recipe.task == "objects" else recipe.task]
    usual = {name: USUAL[name] for name in ("smallest", *names)}
    if not judges:
        said = ", ".join(f"{name} {usual[name]:g}" for name in names) or "none"
        return usual, None, Reason("numbers", said, "the usual ones: no picture was left to choose by")
    looks = [look(model, recipe, usual, prepare(data.images[i], recipe)) for data, i in judges]
    true = [torch.from_numpy(target(data, i)) for data, i in judges]

    def scores(numbers: dict[str, float]) -> dict[str, float]:
        found = [read(recipe, numbers, logits, labels.shape) for logits, labels in zip(looks, true, strict=True)]
        found = [answer * (labels >= 0) for answer, labels in zip(found, true, strict=True)]  # what does not count is 0
        return mean_scores(found, [labels.clamp(min=0) for labels in true])

    measure = "ap" if recipe.task == "objects" else "iou"
    best, numbers = scores(usual), usual
    for name in names:
        for value in CHOICES[name]:
            now = scores(numbers | {name: value})
            if now[measure] > best[measure]:
                best, numbers = now, numbers | {name: value}
    said = ", ".join(f"{name} {numbers[name]:g}" for name in names) or "none are needed"
    why = f"{measure.upper()} is {best[measure]:.3f} on the {len(judges)} pictures by which they were chosen"
    return numbers, best, Reason("numbers", said, why)
