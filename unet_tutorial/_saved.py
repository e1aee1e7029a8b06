"""Files of torch.save: the package's own weights, and yours, which are refused in words where they are damaged."""

from __future__ import annotations

import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

OLD_TORCH = b"\x80\x02\x8a\n" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little")

Model = TypeVar("Model", bound=nn.Module)


def shipped(folder: str, name: str, model: Model) -> Model:
    """Give a model the weights that come with the package, and return it in eval mode and on the CPU."""
    with (files("unet_tutorial") / folder / f"{name}.pt").open("rb") as file:
        model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return model.eval()


def read(kind: str, path: Path, writer: str) -> Any:
    """Return what a file holds, with its tensors on the CPU; ``kind`` and ``writer`` are for the messages."""
    if path.stat().st_size == 0:
        raise ValueError(f"{kind} '{path}' is empty.")
    if not _is_of_old_torch(path):
        _check_sums(kind, path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whole, so not written by us: the reasons to refuse it are many
        raise ValueError(
            f"{kind} '{path}' cannot be read: it is not a file that {writer} wrote. If it holds a whole model, and "
            f"if you trust it, since reading it runs its code: model = torch.load({str(path)!r}, weights_only=False)."
        ) from error


def _check_sums(kind: str, path: Path) -> None:
    """Refuse a file that is damaged: torch.save writes a zip archive, in which every part has a check sum."""
    try:
        with zipfile.ZipFile(path) as file:
            damaged = file.testzip()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise ValueError(f"{kind} '{path}' is damaged, cut off, or no file of torch.save ({error}).") from error
    if damaged is not None:
        raise ValueError(f"{kind} '{path}' is damaged: the check sum of its part '{damaged}' is wrong.")


def _is_of_old_torch(path: Path) -> bool:
    """Whether a file begins as those that torch wrote before version 1.6, which are no archives."""
    with path.open("rb") as file:
        return file.read(len(OLD_TORCH)) == OLD_TORCH
