"""Chapter 7: what a trained network still finds when its skip connections are damaged, one by one or together."""

from __future__ import annotations

import functools

import torch

from .. import _svg as svg
from ..data import SyntheticCellsDataset
from ..metrics import boundary_error, iou, predicted_masks
from ..plots import error_map
from ..pretrained import load_pretrained
from .kit import Choice, Explorer, Panel, State, asset, encode

SAMPLE, OTHER, SIZE = 1, 0, 320  # the picture of chapter 7, and the one whose maps it may get; units of a drawing
SHIFT = 4  # pixels of the picture
DAMAGES = ("intact", "zeros", "shift", "swapped channels", "other image")


def _damaged(skip: torch.Tensor, damage: str) -> torch.Tensor:
    """Damage what a skip connection delivers, as chapter 7 does."""
    changes = {
        "intact": lambda: skip,
        "zeros": lambda: torch.zeros_like(skip),
        "shift": lambda: skip.roll(SHIFT * skip.shape[3] // 128, dims=3),
        "swapped channels": lambda: skip.roll(1, dims=1),
        "other image": lambda: skip.roll(1, dims=0),
    }
    return changes[damage]()


@functools.cache
def _halfway() -> tuple:
    """Send two pictures through encoder and bottleneck, which no damage touches."""
    cells, model = SyntheticCellsDataset(num_samples=30, split="test"), load_pretrained("cells")
    images, masks = (torch.stack(part) for part in zip(cells[OTHER], cells[SAMPLE], strict=True))
    with torch.no_grad():
        pooled, skips = model.encoder(images)
        return model, images, masks, model.bottleneck(pooled), skips


@functools.cache
def _prediction(stage_1: str, stage_2: str, stage_3: str) -> torch.Tensor:
    """Predict the mask of the picture with damaged skip connections."""
    model, _, _, deepest, skips = _halfway()
    changed = [_damaged(skip, how) for skip, how in zip(skips, (stage_1, stage_2, stage_3), strict=True)]
    with torch.no_grad():
        return predicted_masks(model.head(model.decoder(deepest, changed)))[1:]


class SkipSwitchboard(Explorer):
    """A trained network whose three skip connections can be damaged, and what it then predicts.

    Parameters
    ----------
    stage_1, stage_2, stage_3 : {"intact", "zeros", "shift", "swapped channels", "other image"}
        What each skip connection delivers; stage 1 is the finest.

    Examples
    --------
    >>> SkipSwitchboard(stage_3="zeros").shown.numbers["damaged"]
    'stage 3'
    """

    name = "skip-switchboard"
    title = "Damage the skip connections of a trained network"
    stage_1 = Choice("Stage 1, 128 × 128", DAMAGES)
    stage_2 = Choice("Stage 2, 64 × 64", DAMAGES)
    stage_3 = Choice("Stage 3, 32 × 32", DAMAGES)

    @classmethod
    def assets(cls):
        """Return the picture, and the mistakes of every prediction."""
        _, images, masks, *_ = _halfway()
        found = {"picture": encode(images[1].clamp(0, 1), quality=75)}
        for setting in cls.settings():
            found[asset("mistakes", *setting.values())] = encode(error_map(_prediction(**setting)[0], masks[1]))
        return found

    @classmethod
    def state(cls, **stages):
        """Return the mistakes of the prediction, and its scores."""
        truth, predicted = _halfway()[2][1:], _prediction(**stages)
        hurt = [f"{name.replace('_', ' ')}" for name, damage in stages.items() if damage != "intact"]
        false, missed = (int((a > b).sum()) for a, b in ((predicted, truth), (truth, predicted)))
        numbers = {
            "damaged": ", ".join(hurt) or "none",
            "IoU": f"{iou(predicted, truth).item():.2f}",
            "boundary error": f"{boundary_error(predicted, truth).item():.1f} pixels",
            "missed pixels": missed,
            "false pixels": false,
        }
        delivers = ", ".join(f"{name.replace('_', ' ')} delivers {damage}" for name, damage in stages.items())
        delivers = delivers.replace("delivers intact", "is intact").replace("delivers shift", "is shifted")
        words = (
            f"{delivers.capitalize()}. The IoU is {numbers['IoU']}, with {missed:,} missed and {false:,} false pixels."
        )
        panels = (
            Panel("Picture", svg.picture("picture", SIZE, "The picture")),
            Panel(
                "Blue: missed. Orange: false",
                svg.picture(asset("mistakes", *stages.values()), SIZE, "The prediction"),
            ),
        )
        return State(words, numbers, panels)
