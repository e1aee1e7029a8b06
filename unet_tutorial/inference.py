"""Prediction for images of any size: smaller than the network's smallest, of odd sides, or larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from ._checks import whole_number
from ._contract import dense
from ._modes import computing, mode, unwrapped
from .devices import choose_device
from .sizing import receptive_field

Span = tuple[int, int]  # the first row (or column) of a tile, and the one after its last


def predict(
    model: nn.Module,
    images: torch.Tensor | np.ndarray,
    *,
    tile: int | None = None,
    overlap: int | None = None,
    batch_size: int = 8,
    out: np.ndarray | None = None,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> torch.Tensor | np.ndarray:
    """Compute the logits of images of any size, at once or tile by tile.

    The model is in eval mode meanwhile, and afterwards every part is back in the mode in which it was.
    `unet_tutorial.metrics.predicted_masks` turns logits into masks.

    Poolings halve a side evenly only if it is a multiple of ``2**depth``. Where it is not, the image is
    continued at the bottom and at the right by its mirror image, up to the next multiple, and the logits are cut
    back to the image's size. An image whose sides are such multiples is not changed.

    With ``tile``, the network sees one square of the image at a time. Neighbouring tiles overlap, and there one
    fades into the other. A pixel near the side of a tile misses what lies beyond, so the outermost pixels do not
    count. With the default overlap these are all the pixels whose receptive field leaves the tile: the result is
    then that of the whole image, up to rounding. A smaller overlap is faster and approximate. So are all
    tiles of a network with ``norm="group"``, which normalizes each tile by the tile's own mean.

    Parameters
    ----------
    model : torch.nn.Module
        `unet_tutorial.unet.UNet` or one of its variants, also in ``nn.DataParallel`` or compiled. Its ``depth`` and
        ``config`` are used.
    images : torch.Tensor or numpy.ndarray
        (B, in_channels, H, W) with the dtype of the model's weights, commonly float32, and every side at least
        one pixel. A `numpy.memmap` is read tile by tile.
    tile : int, optional
        Side of a tile in pixels, a multiple of ``2**depth`` and at least twice the overlap. If not
        given, whole images are computed.
    overlap : int, optional
        How many pixels neighbouring tiles share, a multiple of ``2**depth``, or 0. If not given, as many as the
        receptive field asks for: 272 for a depth of 4, 128 for a depth of 3.
    batch_size : int, default 8
        How many images, or tiles at the same place of several images, are computed at once.
    out : numpy.ndarray, optional
        Where to write the logits, (B, num_classes, H, W) with the dtype of the images. What it held is lost. If
        this is a `numpy.memmap` too, the memory used depends on the tile and not on the image.
    device : str or torch.device, optional
        Where to compute; the model is moved there. If not given, the model stays where it is.
    progress : bool, default True
        Show a progress bar, if there is more than one step. Setting the environment variable ``TQDM_DISABLE=1``
        hides it.

    Returns
    -------
    torch.Tensor or numpy.ndarray
        The logits (B, num_classes, H, W), on the CPU: ``out`` if it is given, otherwise a tensor.

    Raises
    ------
    ValueError
        If the model does not know its depth or does not keep the size, ``images`` or ``out`` have another shape or
        dtype than the model asks for, the images hold NaN or infinity, or another argument is out of range.

    References
    ----------
    Ronneberger, Fischer and Brox 2015, arXiv:1505.04597, for overlapping tiles and the mirrored border.

    Examples
    --------
    >>> from unet_tutorial.unet import UNet
    >>> model = UNet(in_channels=1, channels=(4, 8, 16))
    >>> predict(model, torch.rand(2, 1, 3, 45)).shape  # 3 is less than 2**depth
    torch.Size([2, 1, 3, 45])
    >>> image = np.random.default_rng(0).random((1, 1, 300, 500), dtype=np.float32)
    >>> whole, tiled = predict(model, image), predict(model, image, tile=128, progress=False)
    >>> torch.allclose(whole, tiled, atol=1e-4)
    True
    """
    depth, dtype, config = _check_model(model)
    _check_images(images, config["in_channels"], dtype)
    batch_size = whole_number("batch_size", batch_size)
    tile, overlap = _check_tiling(tile, overlap, depth)
    B, _, H, W = images.shape
    result = _result((B, config["num_classes"], H, W), dtype, images, out)  # zeros, (B, num_classes, H, W)
    if device is not None:
        chosen = choose_device(device)
        if chosen.type == "meta":
            raise ValueError("device must be one that computes, but on 'meta' tensors have shapes alone.")
        model.to(chosen)
    where = next(model.parameters()).device
    places = [
        (i, rows, columns)
        for i in range(0, B, batch_size)
        for rows in _spans(H, tile, overlap, depth)
        for columns in _spans(W, tile, overlap, depth)
    ]
    hide = {} if progress and len(places) > 1 else {"disable": True}  # disable=False would overrule TQDM_DISABLE
    with mode(model, training=False), torch.no_grad():
        for i, rows, columns in tqdm(places, unit="batch" if tile is None else "tile", **hide):
            part = _read(images[i : i + batch_size], rows, columns)  # (b, in_channels, h, w)
            logits = model(part.to(where)).cpu()  # (b, num_classes, h, w)
            weights = _weights(rows, H, overlap, depth)[:, None] * _weights(columns, W, overlap, depth)  # (h, w)
            place = result[i : i + batch_size, :, slice(*rows), slice(*columns)]  # ends where the image ends
            h, w = place.shape[-2:]
            place += (logits * weights.to(dtype))[..., :h, :w]
    return result if out is None else out


def _reach(depth: int) -> int:
    """Return how many pixels beyond itself a logit sees, on the side where it sees farther.

    Bilinear upsampling looks at a neighbour more than transposed convolution does, and so do attention gates. We
    take the larger number for every network.
    """
    fields = [(p, *receptive_field("logits", depth, p, "bilinear")) for p in range(2**depth)]
    return max(max(p - first, last - p) for p, first, last in fields)


def _check_tiling(tile: int | None, overlap: int | None, depth: int) -> tuple[int | None, int]:
    """Return the tile, and the overlap in pixels, 0 where there are no tiles."""
    step = 2**depth  # tiles start on multiples of it, so that a tile is pooled in the same 2x2 squares as the image
    if tile is None:
        if overlap is not None:
            raise ValueError(f"overlap needs tiles, but got overlap={overlap!r} and no tile. Pass tile too.")
        return None, 0
    tile = whole_number("tile", tile)
    reason = ""
    if overlap is None:
        overlap = -(-2 * _reach(depth) // step) * step + step  # the two margins, and at least a step to fade
        reason = ", the default at this depth, which covers the receptive field"
    overlap = whole_number("overlap", overlap, least=0)
    for name, value in (("tile", tile), ("overlap", overlap)):
        if value % step:
            below, above = value // step * step, -(-value // step) * step
            two = below > 0 or name == "overlap"  # no tile has 0 pixels
            nearest = f"are {below} and {above}" if two else f"is {above}"
            raise ValueError(
                f"{name} must be a multiple of 2**depth = 2**{depth} = {step}, but got {value}. The nearest {nearest}."
            )
    if tile < 2 * overlap:
        raise ValueError(
            f"tile must be at least twice the overlap, but got tile={tile} and overlap={overlap}{reason}. "
            f"Use tile={2 * overlap} or more, or a smaller overlap."
        )
    return tile, overlap


def _spans(side: int, tile: int | None, overlap: int, depth: int) -> Iterator[Span]:
    """Yield the spans of the tiles along one side of the image, which is continued to a multiple of 2**depth."""
    end = -(-side // 2**depth) * 2**depth
    if tile is None:
        tile = end
    for start in range(0, max(1, end - overlap), tile - overlap):
        yield start, min(start + tile, end)  # the last tile may be shorter, but is longer than the overlap


def _read(images: Any, down: Span, across: Span) -> torch.Tensor:
    """Return a copy of one tile of the images, (b, in_channels, h, w), continued by mirroring beyond their end."""
    rows, columns = _mirrored(down, images.shape[2]), _mirrored(across, images.shape[3])
    top, left = rows.min(), columns.min()
    part = images[:, :, top : rows.max() + 1, left : columns.max() + 1]  # of a memmap, only this is read
    if isinstance(part, np.ndarray):
        part = torch.from_numpy(np.array(part, dtype=part.dtype.newbyteorder("=")))
    part = part[:, :, rows - top][..., columns - left]
    if not part.isfinite().all():
        # without numbers of ours, infinity would become the largest of float32, and the logits NaN
        array = isinstance(images, np.ndarray)
        cure = "numpy.nan_to_num(images, nan=0, posinf=1, neginf=0)" if array else "images.nan_to_num(0, 1, 0)"
        raise ValueError(
            f"images must hold finite numbers, but there is NaN or infinity within the rows {top} to {rows.max()} "
            f"and the columns {left} to {columns.max()}. Replace it, for example with {cure}."
        )
    return part


def _mirrored(span: Span, side: int) -> torch.Tensor:
    """Return the indices of a span, those beyond the end mirrored at the last one: 0 1 2 3 | 2 1 0 1 2 …"""
    period = max(1, 2 * (side - 1))  # a side of one pixel is repeated
    index = torch.arange(*span) % period
    return torch.minimum(index, period - index)


def _weights(span: Span, side: int, overlap: int, depth: int) -> torch.Tensor:
    """Return what the pixels of a tile count along one side, float64. In an overlap, two tiles' weights add up to 1.

    The weight is 0 where the receptive field leaves the tile, as far as the overlap has room for that beside a
    fade of 2**depth pixels; then it rises as half a wave of the cosine.
    """
    start, stop = span
    weights = torch.ones(stop - start, dtype=torch.float64)
    if overlap:
        margin = min(_reach(depth), (overlap - 2**depth) // 2)
        position = (torch.arange(overlap, dtype=torch.float64) + 0.5 - margin) / (overlap - 2 * margin)
        rise = (1 - torch.cos(torch.pi * position.clamp(0, 1))) / 2  # (overlap,)
        if start > 0:
            weights[:overlap] = rise
        if stop < side:
            weights[-overlap:] = rise.flip(0)
    return weights


def _check_model(model: nn.Module) -> tuple[int, torch.dtype, dict[str, Any]]:
    """Return the model's depth, the dtype of its weights, and its arguments."""
    inner = unwrapped(computing(model))
    depth, config = getattr(inner, "depth", None), getattr(inner, "config", None)
    if not isinstance(depth, int) or not isinstance(config, dict):
        raise ValueError(
            f"model must be a UNet or one of its variants, which know their depth and config, "
            f"but got {type(inner).__name__}."
        )
    if config.get("padding", "same") != "same":
        raise ValueError(
            "model must keep the size of an image, but was built with padding='none', which answers for its middle "
            "alone. Call the model itself, or build one with padding='same'."
        )
    return depth, next(inner.parameters()).dtype, config


def _check_images(images: torch.Tensor | np.ndarray, in_channels: int, dtype: torch.dtype) -> None:
    if not isinstance(images, (torch.Tensor, np.ndarray)):
        raise ValueError(f"images must be a torch tensor or a numpy array, but got {type(images).__name__}.")
    if isinstance(images, torch.Tensor):
        dense("images", images)
    if isinstance(images, np.ma.MaskedArray):
        raise ValueError("images must be a plain array, but is a masked one. Fill it, as in images.filled(0).")
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] != in_channels or 0 in shape:
        hint = ""
        if len(shape) == 3 and in_channels in (shape[0], shape[2]):
            hint = " Add the missing axis: images[None] for one image."
        elif len(shape) == 3 and in_channels == 1:
            hint = " Add the axis of the channel with images[:, None]."
        if len(shape) == 4 and shape[3] == in_channels and 0 not in shape:
            move = "permute" if isinstance(images, torch.Tensor) else "transpose"
            hint = f" Are the channels last? Bring them forward with images.{move}(0, 3, 1, 2)."
        raise ValueError(
            f"images must have the shape (B, {in_channels}, H, W) with at least one image and one pixel, "
            f"but got {shape}.{hint}"
        )
    given = images.dtype.newbyteorder("=") if isinstance(images, np.ndarray) else images.dtype
    if _name(given) != _name(dtype):
        raise ValueError(
            f"images must be {_name(dtype)} like the model's weights, but got {_name(images.dtype)}. Convert them, and "
            f"bring them into the range on which the model was trained, such as 0 to 1."
        )


def _result(
    shape: tuple[int, ...], dtype: torch.dtype, images: torch.Tensor | np.ndarray, out: np.ndarray | None
) -> torch.Tensor:
    """Return a tensor of zeros for the logits, which shares the memory of ``out`` if that is given."""
    if out is None:
        return torch.zeros(shape, dtype=dtype)
    if not isinstance(out, np.ndarray) or out.shape != shape or _name(out.dtype.newbyteorder("=")) != _name(dtype):
        came = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"out must be a numpy array, {_name(dtype)} of shape {shape}, but got {came}.")
    if not out.dtype.isnative or any(step < 0 for step in out.strides):
        raise ValueError(
            "out must be an array in the computer's own order of bytes, and not turned around (as by out[::-1]), "
            "because torch writes into its memory. Pass a plain one, and turn it around afterwards."
        )
    if not out.flags.writeable:
        cure = "Open a memmap with mode='w+' or mode='r+'." if isinstance(out, np.memmap) else "Pass out.copy()."
        raise ValueError(f"out must be writable, but it is read-only. {cure}")
    given = images.detach().numpy() if isinstance(images, torch.Tensor) and images.device.type == "cpu" else images
    if isinstance(given, np.ndarray) and np.may_share_memory(given, out):
        raise ValueError(
            "out must not share memory with images: the tiles overlap, and are read after others are done."
        )
    out[...] = 0
    return torch.from_numpy(out)


def _name(dtype: torch.dtype | np.dtype) -> str:
    return str(dtype).removeprefix("torch.")
