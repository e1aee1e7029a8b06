"""Draw, and a trained network in the page says at every stroke what it finds."""

from __future__ import annotations

import base64
import functools
import gzip
import json
from typing import Any

import torch
from skimage.filters import gaussian, threshold_otsu
from skimage.segmentation import find_boundaries

from .. import _svg as svg
from ..data.synthetic import SyntheticCellsDataset
from ..metrics import iou, predicted_masks
from ..pretrained import load_pretrained
from ..sizing import receptive_field
from ..widgets.kit import Choice, Panel, Slider, State, Switch, asset, encode
from .base import Live, script
from .packing import as_seen, in_one_byte, pack_weights, to_hex

SIDE, DIGITS = 128, 2  # of the pictures that come with the page
SAMPLES = {"picture 1": 17, "picture 2": 0, "picture 3": 4}  # of the test split
GROUNDS = ("empty", *SAMPLES)
ORANGE = (1.0, 0.57, 0.12)  # as in draw.js


class SmallDraw(Live):
    """Draw cells and what only looks like them; a U-Net in the page finds the cells.

    Parameters
    ----------
    ground : {"empty", "picture 1", "picture 2", "picture 3"}
        What is drawn on: nothing but a noisy ground, or a picture of the test data.
    tool : {"cell", "rubber", "ring", "fibre", "dust"}
        What a stroke draws. Only a cell is a cell.
    light : float
        How much brighter the picture is at one side than at the other.
    threshold : float
        The probability above which a pixel is called cell.

    Examples
    --------
    >>> SmallDraw(ground="picture 1")
    Draw, and a U-Net finds the cells
    ...
    """

    name = "draw"
    title = "Draw, and a U-Net finds the cells"
    _esm = script("draw.js")
    small = True

    tool = Choice("Draw", ("cell", "rubber", "ring", "fibre", "dust"))
    ground = Choice("On", GROUNDS, default="picture 1")
    light = Slider("Uneven light", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5), says="{:.1f}".format)
    threshold = Slider("Threshold", tuple(i / 20 for i in range(1, 20)), default=0.5, says="{:.2f}".format)

    @classmethod
    def knows(cls) -> dict:
        """Return how many pixels wide one answer sees, and whether this is the small form."""
        first, last = receptive_field("logits", _network().depth)
        return {"field": last - first + 1, "small": cls.small}

    @classmethod
    @functools.cache
    def packed(cls) -> str:
        """Return the network and the pictures: JSON, gzip, base64."""
        pictures: dict[str, Any] = {"side": SIDE, "digits": DIGITS}
        for name in SAMPLES:
            image, mask = _sample(name)
            pictures[name] = {"image": to_hex(image, DIGITS), "mask": to_hex(mask)}
        content = {"weights": pack_weights(load_pretrained("cells")), "config": _config(), "pictures": pictures}
        return base64.b64encode(gzip.compress(json.dumps(content).encode(), mtime=0)).decode()

    @classmethod
    def assets(cls) -> dict[str, str]:
        """Return the pictures that stand there without JavaScript."""
        return {asset(name): _still(name)[0] for name in SAMPLES}

    @classmethod
    def state(cls, **values) -> State:
        """Return what stands there without JavaScript: a picture, what the network finds in it, and both scores."""
        name = values["ground"] if values["ground"] in SAMPLES else "picture 1"
        _, ours, rival = _still(name)
        drawing = svg.picture(asset(name), SIDE, "A grey picture with outlines around its cells")
        words = (
            "With JavaScript you can draw here. This is a picture of the test data; orange is what the network finds."
        )
        return State(words, {"IoU, network": f"{ours:.2f}", "IoU, Otsu": f"{rival:.2f}"}, (Panel("", drawing),))


class Draw(SmallDraw):
    """The same with everything: brushes, noise, a picture of your own, skip connections to close, feature maps.

    Parameters
    ----------
    ground, tool, light, threshold
        As in `SmallDraw`.
    brush : int
        Width of the brush in pixels.
    noise : float
        Standard deviation of the noise.
    skip_1, skip_2, skip_3 : bool
        Whether the skip connection of a stage, the finest first, delivers its maps or zeros.
    stage : str
        Whose feature maps are shown, such as ``"encoder 1"``.
    size : int
        The longer side, in pixels, to which a picture of your own is brought.
    inverted : bool
        Whether dark and bright change places in a picture of your own.

    Examples
    --------
    >>> Draw(skip_1=False).values["skip_1"]
    False
    """

    name = "draw-all"
    small = False

    brush = Slider("Brush", (3, 6, 10, 14, 18, 24, 32), default=18, says="{} pixels".format)
    noise = Slider("Noise", (0.0, 0.02, 0.04, 0.06, 0.1, 0.15), default=0.04, says="{:.2f}".format)
    skip_1 = Switch("Skip connection 1, the finest", default=True)
    skip_2 = Switch("Skip connection 2", default=True)
    skip_3 = Switch("Skip connection 3", default=True)
    stage = Choice(
        "Feature maps of",
        ("none", "encoder 1", "encoder 2", "encoder 3", "bottleneck", "decoder 3", "decoder 2", "decoder 1"),
    )
    size = Slider("Your picture's longer side", (64, 96, 128, 160, 192), default=128, says="{} pixels".format)
    inverted = Switch("Your picture inverted")


@functools.cache
def _network():
    """Return the network as the page has it."""
    model = load_pretrained("cells")
    model.load_state_dict(in_one_byte(model))
    return model


def _config() -> dict:
    names = ("in_channels", "num_classes", "channels", "norm", "upsample", "skip")
    return {name: _network().config[name] for name in names}


def _sample(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return picture and mask (1, H, W) as the page has them."""
    image, mask = SyntheticCellsDataset(num_samples=24, image_size=SIDE, split="test")[SAMPLES[name]]
    return as_seen(image, DIGITS), mask


@functools.cache
def _still(name: str) -> tuple[str, float, float]:
    """Return a picture with what the network finds, and the IoU of the network and of Otsu's threshold."""
    image, mask = _sample(name)
    with torch.no_grad():
        found = predicted_masks(_network()(image[None]))  # (1, 1, H, W)
    soft = gaussian(image[0].numpy(), 1)
    bright = torch.from_numpy(soft > threshold_otsu(soft)).float()[None, None]
    picture = image[0, ..., None].repeat(1, 1, 3)  # (H, W, 3)
    picture[torch.from_numpy(find_boundaries(found[0, 0].numpy(), mode="inner"))] = torch.tensor(ORANGE)
    return encode(picture), iou(found, mask[None]).item(), iou(bright, mask[None]).item()
