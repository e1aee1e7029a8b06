"""Trained networks: small ones that come with the package, with their records, and those of your own checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from . import _kept, _saved
from ._modes import without_prefixes
from .checkpoints import read_checkpoint
from .variants import MODELS, build


def available() -> list[str]:
    """List the names of the trained networks.

    Returns
    -------
    list of str

    Examples
    --------
    >>> available()
    ['cells', 'nuclei']
    """
    return _kept.names("weights")


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
    return _kept.read("weights", name)


def load_pretrained(name: str = "cells") -> nn.Module:
    """Load a trained network, in eval mode and on the CPU.

    Parameters
    ----------
    name : str, default "cells"
        One of `available`. ``"cells"`` is a `unet_tutorial.unet.UNet` for grey images that was trained on
        `unet_tutorial.data.synthetic.SyntheticCellsDataset`. ``"nuclei"`` is one for the real pictures of
        `unet_tutorial.data.bbbc039.NucleiDataset`, with three classes, see `unet_tutorial.instances`.

    Returns
    -------
    torch.nn.Module
        Takes images (B, 1, H, W) with values from 0 to 1 and gives logits (B, 1, H, W), or (B, 3, H, W) for the
        nuclei.

    Raises
    ------
    ValueError
        If there is no network of this name.

    Examples
    --------
    >>> import torch
    >>> model = load_pretrained("cells")
    >>> model(torch.zeros(1, 1, 64, 64)).shape
    torch.Size([1, 1, 64, 64])
    """
    record = pretrained_record(name)
    return _saved.shipped("weights", name, build(record["model"], record["config"]))


def load_model(path: str | Path) -> nn.Module:
    """Build the model that a checkpoint holds, with its weights, in eval mode and on the CPU.

    Parameters
    ----------
    path : str or pathlib.Path
        A file that `unet_tutorial.training.fit` wrote with ``checkpoint=path``.

    Returns
    -------
    torch.nn.Module
        With the weights of the best epoch so far when `fit` was given ``patience``, or else of the last whole one.

    Raises
    ------
    ValueError
        If the file is not there, is damaged or something else, or holds a model that is none of
        `unet_tutorial.variants.MODELS`.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> from unet_tutorial.training import fit
    >>> from unet_tutorial.unet import UNet
    >>> data = [(torch.rand(2, 1, 16, 16), torch.ones(2, 1, 16, 16))]
    >>> model = UNet(1, channels=(4, 8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = fit(model, data, data, epochs=1, checkpoint=Path(folder) / "unet.pt", progress=False)
    ...     again = load_model(Path(folder) / "unet.pt")
    >>> again.config == model.config, torch.equal(again.head.weight, model.head.weight.cpu())
    (True, True)
    """
    content = read_checkpoint(path)
    name, config = content["architecture"]["name"], content["architecture"]["config"]
    if name not in MODELS or config is None:
        raise ValueError(
            f"checkpoint '{path}' holds a model of the class {name}, and only {', '.join(MODELS)} can be built from a "
            f"checkpoint alone. Build it yourself, and load the weights into it: "
            f"model.load_state_dict(read_checkpoint({str(path)!r})[{'best' if content['best'] else 'model'!r}])."
        )
    model = build(name, config)
    model.load_state_dict(without_prefixes(content["best"] or content["model"]))
    return model.eval()
