"""What a planned network is shown: crops of its pictures at random places and scales, varied, with what is to be found.

`sample` draws from the random numbers in a fixed order: whoever changes it changes what every seed gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from skimage.segmentation import relabel_sequential

from .data.targets import object_size
from .instances import class_map
from .plan import DIAMETER, Plan, prepare
from .votes import middles

RADIUS = DIAMETER / 2  # the unit of the votes


class Kept(NamedTuple):
    """A training picture, ready to be cropped."""

    image: np.ndarray  # uint8 (C, H, W): a quarter of the memory of float32
    labels: np.ndarray  # int32 (H, W), -1 where a pixel does not count
    middles: np.ndarray  # float32 (1 + objects, 2)
    zoom: float


def keep(image: np.ndarray, labels: np.ndarray, recipe: Plan) -> Kept:
    planes = (255 * prepare(image, recipe)).round().astype(np.uint8)
    if planes.shape[1:] != labels.shape:
        raise ValueError(f"an image and its mask must have one size, but have {planes.shape[1:]} and {labels.shape}.")
    zoom, places = recipe.zoom, np.zeros((1, 2), np.float32)
    if recipe.task == "objects" and labels.any():
        labels = relabel_sequential(labels)[0]
        zoom, places = DIAMETER / object_size(labels) if recipe.own_zoom else zoom, middles(labels)
    return Kept(planes, labels.astype(np.int32), places, zoom)


def sample(one: Kept, recipe: Plan, rng: np.random.Generator) -> list[np.ndarray]:
    """Cut a crop of a random place and scale: image (C, S, S), labels and what counts (S, S), votes (2, S, S)."""
    S = recipe.crop
    side = max(2, round(S / (one.zoom * 2 ** rng.uniform(-recipe.jitter, recipe.jitter))))  # in the picture
    top, left = (int(rng.integers(max(0, length - side) + 1)) for length in one.labels.shape)
    window = (slice(top, top + side), slice(left, left + side))
    labels, cut = one.labels[window], torch.from_numpy(one.image[:, *window].astype(np.float32) / 255)
    h, w = (max(1, round(length * S / side)) for length in labels.shape)  # S, unless the picture is smaller
    image = F.interpolate(cut[None], size=(h, w), mode="bilinear", antialias=S < side)[0].numpy()
    y, x = ((np.arange(new) + 0.5) * old / new for new, old in zip((h, w), labels.shape, strict=True))
    labels = labels[y.astype(int)[:, None], x.astype(int)]  # (h, w)
    places = one.middles[np.minimum(labels, len(one.middles) - 1)]  # (h, w, 2): where the pixel's object has its middle
    votes = np.stack([places[..., 0] - top - y[:, None], places[..., 1] - left - x]) * (S / side / RADIUS)
    parts = [_varied(image, recipe, rng), np.maximum(labels, 0), labels >= 0, votes]
    if (h, w) != (S, S):  # what lies beyond the picture does not count
        frame = [(0, S - h), (0, S - w)]
        parts = [np.pad(part, [(0, 0)] * (part.ndim - 2) + frame) for part in parts]
    for axis in (-2, -1):
        if rng.random() < 0.5:
            parts = [np.flip(part, axis) for part in parts]
            parts[3] = parts[3] * np.where(np.arange(2) == axis + 2, -1, 1)[:, None, None]
    if rng.random() < 0.5:
        parts = [part.swapaxes(-2, -1) for part in parts]
        parts[3] = parts[3][::-1]
    kinds = (np.float32, np.int64, np.float32, np.float32)
    return [np.ascontiguousarray(part, dtype=kind) for part, kind in zip(parts, kinds, strict=True)]


def _varied(image: np.ndarray, recipe: Plan, rng: np.random.Generator) -> np.ndarray:
    """Vary gamma, contrast, brightness and noise; in colour, every channel a little; and show some negatives."""
    image = image ** (2 ** rng.uniform(-0.7, 0.7)) * rng.uniform(0.75, 1.25) + rng.uniform(-0.05, 0.05)
    if len(image) > 1:
        image = image * rng.uniform(0.9, 1.1, (len(image), 1, 1))
    if rng.random() < 0.3:
        image = image + rng.normal(0, rng.uniform(0, 0.06), image.shape)
    image = np.clip(image, 0, 1)
    return 1 - image if recipe.polarity == "mixed" and rng.random() < 0.1 else image


def batches(
    kept: Sequence[Kept], recipe: Plan, rng: np.random.Generator, where: torch.device
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield batches without end. Every picture has its turn, in another order each time."""
    order: list[int] = []
    while True:
        while len(order) < recipe.batch_size:
            order += rng.permutation(len(kept)).tolist()
        now, order = order[: recipe.batch_size], order[recipe.batch_size :]
        samples = [sample(kept[i], recipe, rng) for i in now]
        if recipe.task == "objects" and recipe.way == "border":
            samples = [[image, *_bordered(labels, counts)] for image, labels, counts, _ in samples]
        yield tuple(torch.from_numpy(np.stack(part)).to(where) for part in zip(*samples, strict=True))


def _bordered(labels: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    """Return the three classes of `class_map`, and counts in which the narrow places count more."""
    narrow = (class_map(labels, 2) == 2).numpy()
    return [class_map(labels, 1).numpy(), (counts * (1 + 4 * narrow)).astype(np.float32)]
