"""Small trained networks that come with the package, and the records of how they were trained."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import torch
from torch import nn

from ._checks import option
from .variants import build


def available() -> list[str]:
    """List the names of the trained networks.

    Returns
    -------
    list of str

    Examples
    --------
    >>> available()
    ['cells']
    """
    folder = files("unet_tutorial") / "weights"
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


def pretrained_record(name: str = "cells") -> dict[str, Any]:
    """Read how a network was trained: architecture, recipe, seed, versions, scores, and the command to repeat it.

    Parameters
    ----------
    name : str, default "cells"
        One of `available`.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If there is no network of this name.

    Examples
    --------
    >>> pretrained_record("cells")["config"]["channels"]
    [8, 16, 32, 64]
    """
    option("name", name, available())
    return json.loads((files("unet_tutorial") / "weights" / f"{name}.json").read_text(encoding="utf-8"))


def load_pretrained(name: str = "cells") -> nn.Module:
    """Load a trained network, in eval mode and on the CPU.

    Parameters
    ----------
    name : str, default "cells"
        One of `available`. ``"cells"`` is a `unet_tutorial.unet.UNet` for grey images that was trained on
        `unet_tutorial.data.synthetic.SyntheticCellsDataset`.

    Returns
    -------
    torch.nn.Module
        Takes images (B, 1, H, W) with values from 0 to 1 and gives logits (B, 1, H, W).

    Raises
    ------
    ValueError
        If there is no network of this name.

    Examples
    --------
    >>> model = load_pretrained("cells")
    >>> model(torch.zeros(1, 1, 64, 64)).shape
    torch.Size([1, 1, 64, 64])
    """
    record = pretrained_record(name)
    model = build(record["model"], record["config"])
    with (files("unet_tutorial") / "weights" / f"{name}.pt").open("rb") as file:
        model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return model.eval()
