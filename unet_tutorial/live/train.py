"""Press a button, and a U-Net learns in the page."""

from __future__ import annotations

import base64
import functools
import gzip
import itertools
import json
from typing import Any

import torch
from skimage.filters import gaussian, threshold_otsu
from torch import nn
from traitlets import Dict

from .. import _svg as svg
from .._checks import SKIPS, UPSAMPLES
from ..data.synthetic import SyntheticCellsDataset, SyntheticCircleDataset
from ..metrics import iou
from ..sizing import multiply_adds
from ..unet import UNet
from ..widgets.kit import Choice, Panel, Slider, State, Switch, encode
from .base import Live, script
from .packing import as_seen, to_hex

SIDE = 64  # of the pictures
DATA: dict[str, tuple[Any, int, int]] = {
    "discs": (SyntheticCircleDataset, 32, 16),
    "cells": (SyntheticCellsDataset, 64, 32),
}  # pictures to learn, to judge
DEPTHS, BASES = (1, 2, 3), (4, 6, 8)
TASKS = {
    "first": "Bring a network to an IoU of 0.9 on the discs.",
    "small": "Reach 0.70 on the cells with at most 2,000 weights.",
    "rate": "Find the largest learning rate that still learns: one training reaches 0.8, and the next rate of the "
    "list, all else being equal, stays below 0.5.",
    "depth": "Which depth stops paying? Show two trainings on the cells of which the deeper one gains less than 0.02.",
    "skips": "Take the skip connections away, change nothing else, and lose at least 0.05.",
    "accident": "Which accident costs more than 0.2? Train once without it and once with it.",
}


class Train(Live):
    """Choose a network and how it learns; press *Train*, and see it learn.

    Parameters
    ----------
    data : {"discs", "cells"}
        The pictures: 32 of discs or 64 of cells to learn from, half as many to judge by, each of 64×64 pixels.
    depth : {1, 2, 3}
        The number of poolings.
    base_channels : {4, 6, 8}
        Channels of the first stage; each further one has twice as many.
    skip, upsample
        As in `unet_tutorial.unet.UNet`.
    loss : {"bce", "dice", "combined"}
        See `unet_tutorial.losses`.
    rate : float
        The learning rate, the highest one of the schedule.
    schedule : {"one cycle", "constant"}
        How the learning rate changes.
    batch, steps, seed : int
        Pictures in a batch, steps of the training, and the seed of its random numbers.
    accident : {"none", "no zero_grad", "masks 0 and 255", "wrong pairs"}
        What goes wrong on purpose.
    baseline : bool
        Whether the charts show what a blur and Otsu's threshold reach.

    Examples
    --------
    >>> train = Train(data="cells", depth=1)
    >>> train.values["depth"], train.model() is None
    (1, True)
    """

    name = "train"
    title = "A U-Net that learns while you look"
    _esm = script("train.js")
    _weights = Dict().tag(sync=True)

    data = Choice("Pictures", tuple(DATA))
    depth = Slider("Depth", DEPTHS, default=2)
    base_channels = Slider("Channels of the first stage", BASES)
    skip = Choice("Skip connections", SKIPS)
    upsample = Choice("Upsampling", UPSAMPLES)
    loss = Choice("Loss", ("combined", "bce", "dice"))
    rate = Slider(
        "Learning rate", (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0), default=0.03, says="{:g}".format
    )
    schedule = Choice("Rate over the steps", ("one cycle", "constant"))
    batch = Slider("Pictures in a batch", (1, 2, 4, 8), default=4)
    steps = Slider("Steps", (40, 80, 160, 320), default=80)
    seed = Slider("Seed", (0, 1, 2, 3, 4))
    accident = Choice("An accident", ("none", "no zero_grad", "masks 0 and 255", "wrong pairs"))
    baseline = Switch("Show what a threshold reaches", default=True)

    def model(self) -> nn.Module | None:
        """Return the network that was trained in the page, in eval mode, or None before the first training.

        Returns
        -------
        UNet or None
            Its prediction is the one that the page shows. Press *Pause*, or let the training end, and its weights are
            here.

        Examples
        --------
        >>> Train().model() is None
        True
        """
        if not self._weights:
            return None
        model = UNet(**self._weights["config"])
        state = model.state_dict()
        for name, kept in self._weights["weights"].items():
            state[name] = torch.tensor(kept["values"]).reshape(kept["shape"])
        model.load_state_dict(state)
        return model.eval()

    @classmethod
    def knows(cls) -> dict:
        """Return the tasks, and what each network costs for one picture."""
        tasks = [{"name": name, "words": words} for name, words in TASKS.items()]
        return {"tasks": tasks, "costs": _costs()}

    @classmethod
    @functools.cache
    def packed(cls) -> str:
        """Return the pictures and masks: JSON, gzip, base64."""
        content = {}
        for name in DATA:
            sets = {split: pictures(name, split) for split in ("train", "val")}
            packed = {
                split: {"images": to_hex(images), "masks": to_hex(masks)} for split, (images, masks) in sets.items()
            }
            content[name] = {"side": SIDE, "digits": 1, "baseline": _threshold_score(*sets["val"]), **packed}
        return base64.b64encode(gzip.compress(json.dumps(content).encode(), mtime=0)).decode()

    @classmethod
    def assets(cls) -> dict[str, str]:
        """Return the pictures that stand there without JavaScript."""
        return {name: encode(torch.cat(list(pictures(name, "val")[0][:4]), dim=2)) for name in DATA}

    @classmethod
    def state(cls, **values) -> State:
        """Return what stands there without JavaScript: four pictures of the validation set."""
        image = svg.image(values["data"], 0, 0, 4 * SIDE, SIDE)
        drawing = svg.drawing(4 * SIDE, SIDE, f"Four noisy pictures of {values['data']}", image)
        score = _threshold_score(*pictures(values["data"], "val"))
        words = "With JavaScript a network learns here to find the objects in such pictures."
        return State(words, {"IoU of a threshold": f"{score:.2f}"}, (Panel("", drawing),))


@functools.cache
def pictures(name: str, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images and masks as the page has them.

    Parameters
    ----------
    name : {"discs", "cells"}
        The data.
    split : {"train", "val"}
        The split.

    Returns
    -------
    images, masks : torch.Tensor
        (N, 1, 64, 64), float32. The images have 16 levels of grey.

    Examples
    --------
    >>> images, masks = pictures("discs", "val")
    >>> images.shape, masks.unique().tolist()
    (torch.Size([16, 1, 64, 64]), [0.0, 1.0])
    """
    dataset, train, val = DATA[name]
    samples = dataset(num_samples={"train": train, "val": val}[split], image_size=SIDE, split=split)
    images, masks = (torch.stack(parts) for parts in zip(*samples, strict=True))
    return as_seen(images), masks


def _threshold_score(images: torch.Tensor, masks: torch.Tensor) -> float:
    """Return the mean IoU of a mild blur and Otsu's threshold."""
    soft = [gaussian(image[0].numpy(), 1) for image in images]
    found = torch.stack([torch.from_numpy(picture > threshold_otsu(picture)).float()[None] for picture in soft])
    return round(iou(found, masks).mean().item(), 3)


def _costs() -> dict[str, str]:
    costs = {}
    for depth, base, skip, upsample in itertools.product(DEPTHS, BASES, SKIPS, UPSAMPLES):
        widths = [base * 2**i for i in range(depth + 1)]
        parts = multiply_adds(SIDE, SIDE, 1, 1, widths, upsample=upsample, skip=skip)
        costs[f"{depth},{base},{skip},{upsample}"] = f"{sum(parts.values()) / 1e6:.1f} million"
    return costs
