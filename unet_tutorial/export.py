"""A network in a file of ONNX, which programs without PyTorch run: in C++, C#, JavaScript, on a phone, in a browser."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim

from . import __version__
from ._modes import mode

NEEDS = ("onnx", "onnxscript")  #: What `to_onnx` needs beside PyTorch.


def to_onnx(
    model: nn.Module, path: str | Path, *, notes: Mapping[str, str] | None = None, overwrite: bool = False
) -> dict[str, str]:
    """Write a network as ONNX, for any number of images of any size.

    The file has one input, ``images``, float32 (B, in_channels, H, W), and one output, ``logits``, float32 (B,
    num_classes, H, W). B, H and W are free. Every side must have at least ``2**depth`` pixels. Where a side is no
    multiple of ``2**depth``, the decoder fills up as the model itself does; `unet_tutorial.inference.predict`
    continues the picture by its mirror image first, and so gives other numbers in the last few pixels there.

    What belongs to a picture before and after the network is not in the file: no normalization, no sigmoid, no
    threshold, no watershed. So that it is not forgotten, the file says in its metadata what ``images`` and ``logits``
    are, and what ``notes`` add.

    Parameters
    ----------
    model : torch.nn.Module
        `unet_tutorial.unet.UNet` or one of its variants, with float32 weights. It is not changed.
    path : str or pathlib.Path
        Where to write, a name that ends in ``.onnx``.
    notes : mapping of str to str, optional
        What a user of the file must know, such as ``{"normalization": "divide 8 bits by 255"}``. It goes into the
        metadata.
    overwrite : bool, default False
        Whether a file that is there may be replaced.

    Returns
    -------
    dict of str to str
        The metadata as the file holds it.

    Raises
    ------
    ValueError
        If the model does not know its ``config`` or does not keep the size of an image, its weights are not float32,
        the path has another ending, its folder is not there, a file is there already, or a note is no text or has the
        name of one that is always written.
    ModuleNotFoundError
        If ``onnx`` or ``onnxscript`` is not installed.

    References
    ----------
    The format: https://onnx.ai. The exporter: ``torch.onnx.export`` with ``dynamo=True``.

    Examples
    --------
    >>> import tempfile, onnx
    >>> from unet_tutorial.unet import UNet
    >>> path = Path(tempfile.mkdtemp()) / "unet.onnx"
    >>> metadata = to_onnx(UNet(1, channels=(2, 4)), path, notes={"normalization": "divide 8 bits by 255"})
    >>> metadata["smallest side"], metadata["normalization"]
    ('2', 'divide 8 bits by 255')
    >>> [one.name for one in onnx.load(path).graph.output]
    ['logits']
    """
    path = Path(path)
    config = _check_model(model)
    _check_path(path, overwrite)
    metadata = _metadata(model, config) | _checked_notes(notes or {}, _metadata(model, config))
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"to write ONNX, {' and '.join(NEEDS)} are needed beside PyTorch, but {' and '.join(missing)} cannot be "
            f"found. Install them: pip install {' '.join(NEEDS)}"
        )
    import onnx

    program = _exported(model, config["in_channels"])
    onnx.helper.set_model_props(program, metadata)
    onnx.checker.check_model(program)
    onnx.save(program, path)
    return metadata


def _exported(model: nn.Module, in_channels: int) -> Any:
    """Return the model as ONNX's ``ModelProto``."""
    where = next(model.parameters()).device
    side = 3 * 2**model.depth  # any that no two axes share and no pooling cuts: what is equal here is taken for equal
    example = torch.zeros(2, in_channels, side, side + 2**model.depth, device=where)  # (2, C, H, W)
    free = ({0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC},)
    names: dict[str, Any] = {"input_names": ["images"], "output_names": ["logits"]}
    log = logging.getLogger("torch.onnx")
    level = log.level
    with mode(model, training=False), torch.no_grad(), warnings.catch_warnings():
        # The exporter warns of its own code, and logs that torchvision is not there, which no model of ours needs.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        log.setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(model, (example,), dynamo=True, dynamic_shapes=free, verbose=False, **names)
        finally:
            log.setLevel(level)
    assert program is not None  # so with dynamo=True
    return program.model_proto


def _metadata(model: nn.Module, config: Mapping[str, Any]) -> dict[str, str]:
    return {
        "unet_tutorial": __version__,
        "model": type(model).__name__,
        "config": json.dumps(config),
        "images": f"float32 (B, {config['in_channels']}, H, W), normalized as in training",
        "logits": f"float32 (B, {config['num_classes']}, H, W), before sigmoid or softmax",
        "smallest side": str(2**model.depth),
    }


def _check_model(model: nn.Module) -> dict[str, Any]:
    config = getattr(model, "config", None)
    if not isinstance(model, nn.Module) or not isinstance(config, dict) or not isinstance(model.depth, int):
        raise ValueError(
            f"model must be a UNet or one of its variants, which know their depth and config, "
            f"but got {type(model).__name__}."
        )
    if config.get("padding", "same") != "same":
        raise ValueError("model must keep the size of an image, but was built with padding='none'.")
    dtypes = sorted({str(weight.dtype).removeprefix("torch.") for weight in model.parameters()})
    if dtypes != ["float32"]:
        raise ValueError(f"model must have float32 weights, but has {', '.join(dtypes)}. Convert it: model.float().")
    return config


def _check_path(path: Path, overwrite: bool) -> None:
    if path.suffix != ".onnx":
        raise ValueError(f"path must end in .onnx, but got '{path}'.")
    if not path.parent.is_dir():
        parents = "" if path.parent.parent.is_dir() else "-p "  # mkdir makes one folder, and not those above it
        raise ValueError(f"the folder of '{path}' is not there. Make it first: mkdir {parents}'{path.parent}'.")
    if path.is_dir():
        raise ValueError(f"'{path}' is a folder. Take another name.")
    if path.exists() and not overwrite:
        raise ValueError(f"'{path}' is there already. Take another name, or say overwrite=True.")


def _checked_notes(notes: Mapping[str, str], taken: Mapping[str, str]) -> dict[str, str]:
    for name, text in notes.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise ValueError(f"notes must map text to text, but got {name!r}: {text!r}.")
        if name in taken:
            raise ValueError(f"notes must not have the name {name!r}, which the file always says itself.")
    return dict(notes)
