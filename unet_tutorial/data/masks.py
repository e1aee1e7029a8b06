"""The mask contract: what a mask must be before it meets a network, and four ways to get there.

One class against the background: float32, values 0 and 1, shape (1, H, W), in a batch (B, 1, H, W).
Several classes: int64, class indices 0 to num_classes - 1, shape (H, W), in a batch (B, H, W).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from .. import _contract
from .._checks import LARGEST, whole_number
from .._contract import ArrayLike


def check_mask(
    mask: ArrayLike, num_classes: int = 1, image: ArrayLike | None = None, *, ignore_index: int | None = None
) -> None:
    """Refuse a mask that does not keep the contract, and say how to mend it.

    Parameters
    ----------
    mask : torch.Tensor or numpy.ndarray
        For one class, float32 0 and 1 of shape (1, H, W) or (B, 1, H, W). For several, int64 class
        indices of shape (H, W) or (B, H, W).
    num_classes : int, default 1
        1 means "this or background"; more than 1 counts the background as a class.
    image : torch.Tensor or numpy.ndarray, optional
        The image of this mask, (C, H, W) or (B, C, H, W), whose size the mask must have.
    ignore_index : int, optional
        What stands in the mask for pixels that do not count.

    Raises
    ------
    ValueError
        If the mask has another type, other axes, dtype or values, or another size than the image.

    Examples
    --------
    >>> check_mask(torch.zeros(1, 4, 4))
    >>> check_mask(np.array([[0, 255], [255, 255]], dtype=np.uint8))
    Traceback (most recent call last):
    ...
    ValueError: mask must hold 0 and 1, but holds 0 and 255. Convert it with from_gray(mask).
    """
    whole_number("num_classes", num_classes)
    _contract.mask("mask", mask, num_classes, ignore_index=_contract.index("ignore_index", ignore_index))
    if image is not None:
        _check_same_size(tuple(mask.shape), tuple(_contract.numbers("image", image).shape), num_classes == 1)


def check_pair(image: ArrayLike, mask: ArrayLike, num_classes: int = 1, *, ignore_index: int | None = None) -> None:
    """Refuse a sample of a data set whose image or mask a network cannot learn from.

    Parameters
    ----------
    image : torch.Tensor or numpy.ndarray
        Floating point, between 0 and 1, shape (C, H, W) or (B, C, H, W). Check a sample first and
        normalise its mean and spread afterwards.
    mask : torch.Tensor or numpy.ndarray
        The mask of this image, as for `check_mask`.
    num_classes, ignore_index
        As for `check_mask`.

    Raises
    ------
    ValueError
        If the image has other axes, whole numbers, NaN or values outside 0 to 1, or the mask does not
        keep the contract or has another size.

    Examples
    --------
    >>> check_pair(torch.rand(3, 8, 8), torch.zeros(1, 8, 8))
    >>> check_pair(torch.rand(3, 8, 8), torch.zeros(1, 4, 4))
    Traceback (most recent call last):
    ...
    ValueError: mask must have the image's height and width (8, 8), but has (4, 4). Resize it with ...
    """
    _check_image(image)
    check_mask(mask, num_classes, image, ignore_index=ignore_index)


def _check_image(image: ArrayLike) -> None:
    values = _contract.numbers("image", image)
    if values.ndim not in (3, 4):
        raise ValueError(f"image must have the shape (C, H, W) or (B, C, H, W), but got {values.shape}.")
    if values.dtype.kind != "f":
        raise ValueError(
            f"image must be floating point between 0 and 1, but got {values.dtype}. "
            f"Convert it, for 8-bit images with image / 255."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"image must be finite, but {int((~np.isfinite(values)).sum())} of its values are not.")
    if values.min() < 0 or values.max() > 1:
        raise ValueError(
            f"image must lie between 0 and 1, but spans {values.min():g} to {values.max():g}. "
            f"Divide 8-bit values by 255, or scale the image's own range to 0 to 1."
        )


def from_gray(array: ArrayLike, threshold: float | None = None) -> torch.Tensor:
    """Turn a grey picture of two values, such as 0 and 255, into a mask.

    Parameters
    ----------
    array : torch.Tensor or numpy.ndarray
        Shape (H, W) or (1, H, W), any dtype of numbers. Zero is background.
    threshold : float, optional
        Where the picture holds more than two values: what lies above is the object.

    Returns
    -------
    torch.Tensor
        float32 (1, H, W), values 0 and 1.

    Raises
    ------
    ValueError
        If the array has other axes, holds NaN, or, without a threshold, is not zero and one more value;
        or if the threshold is not a finite number.

    Examples
    --------
    >>> from_gray(np.array([[0, 255], [255, 0]], dtype=np.uint8))
    tensor([[[0., 1.],
             [1., 0.]]])
    """
    values = _contract.numbers("array", array)
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != 2:
        hint = " Colour masks are read by from_colors." if 3 in values.shape[-3:] and values.ndim == 3 else ""
        raise ValueError(f"array must have the shape (H, W) or (1, H, W), but got {tuple(array.shape)}.{hint}")
    if np.isnan(values).any():
        raise ValueError(f"array must hold numbers, but {int(np.isnan(values).sum())} of its values are NaN.")
    if threshold is not None and not _is_finite(threshold):
        raise ValueError(f"threshold must be a number, but got {threshold!r}.")
    if threshold is None:
        found = np.unique(values)
        if (found != 0).sum() > 1:
            raise ValueError(
                f"array must hold zero and at most one other value, but holds {_contract.listed(found)}. "
                f"Give a threshold, such as from_gray(array, threshold=127), or load the mask before it was resized."
            )
        inside = values != 0
    else:
        inside = values > threshold
    return torch.from_numpy(inside.astype(np.float32))[None]  # (1, H, W)


def from_colors(rgb: ArrayLike, palette: Mapping[tuple[int, int, int], int]) -> torch.Tensor:
    """Turn a colour picture, one colour a class, into class indices.

    Parameters
    ----------
    rgb : torch.Tensor or numpy.ndarray
        uint8 of shape (H, W, 3), as image files are read.
    palette : mapping of (int, int, int) to int
        The class of every colour that may occur.

    Returns
    -------
    torch.Tensor
        int64 (H, W).

    Raises
    ------
    ValueError
        If the picture is not uint8 (H, W, 3), the palette is not colours and class indices, or a colour
        is not in it.

    Examples
    --------
    >>> rgb = np.array([[[0, 0, 0], [255, 0, 0]]], dtype=np.uint8)
    >>> from_colors(rgb, {(0, 0, 0): 0, (255, 0, 0): 1})
    tensor([[0, 1]])
    """
    values = _contract.numbers("rgb", rgb)
    if values.ndim != 3 or values.shape[2] != 3 or values.dtype != np.uint8:
        raise ValueError(f"rgb must be uint8 of shape (H, W, 3), but got {values.dtype} of shape {values.shape}.")
    classes = {_color_code(color): _class_index(color, index) for color, index in palette.items()}
    codes = values.astype(np.int64) @ (1 << 16, 1 << 8, 1)  # (H, W): one number a colour
    found, where = np.unique(codes, return_inverse=True)
    unknown = [code for code in found.tolist() if code not in classes]
    if unknown:
        names = ", ".join(str((code >> 16, code >> 8 & 255, code & 255)) for code in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise ValueError(
            f"every colour of rgb must be in the palette, but these are not: {names}{more}. Add them, "
            f"or load the mask before it was resized or saved as JPEG, which both mix colours."
        )
    lookup = np.array([classes[code] for code in found.tolist()], dtype=np.int64)
    return torch.from_numpy(lookup[where].reshape(codes.shape))  # (H, W)


def resize_mask(mask: ArrayLike, size: tuple[int, int]) -> torch.Tensor:
    """Resize a mask to another height and width. Every new pixel takes the value of the nearest old one.

    Interpolation would mix values and invent classes: between class 0 and class 2 it finds a class 1.

    Parameters
    ----------
    mask : torch.Tensor or numpy.ndarray
        A mask that keeps the contract of one class (float32) or of several (int64).
    size : (int, int)
        New height and width in pixels, in this order (Pillow's is the other one).

    Returns
    -------
    torch.Tensor
        The mask with its dtype and other axes, (..., height, width).

    Raises
    ------
    ValueError
        If the mask does not keep the contract, or the size is not two whole numbers of at least 1.

    Examples
    --------
    >>> resize_mask(torch.tensor([[0, 2], [1, 0]]), (2, 4))
    tensor([[0, 0, 2, 2],
            [1, 1, 0, 0]])
    """
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise ValueError(f"size must be (height, width), but got {size!r}.")
    values = _contract.numbers("mask", mask)
    check_mask(mask, 1 if values.dtype.kind == "f" else max(2, int(values.max()) + 1))
    picked = []
    for name, new, old in zip(("height", "width"), size, values.shape[-2:], strict=True):
        whole_number(f"the {name} in size", new)
        picked.append((2 * np.arange(new) + 1) * old // (2 * new))  # the old pixel under each new pixel's centre
    return torch.from_numpy(values[..., picked[0][:, None], picked[1]])  # (..., height, width)


def _is_finite(value: Any) -> bool:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return bool(number and -LARGEST <= value <= LARGEST)


def _check_same_size(mask: tuple[int, ...], image: tuple[int, ...], binary: bool) -> None:
    if len(image) not in (3, 4):
        raise ValueError(f"image must have the shape (C, H, W) or (B, C, H, W), but got {image}.")
    if mask[-2:] != image[-2:]:
        if image[-3:-1] == mask[-2:]:
            raise ValueError(
                f"image must have the shape (C, H, W) or (B, C, H, W), but got {image}. The channels stand last."
                f"{_contract.channels_first('image')}"
            )
        if mask[-1] == 1 and mask[-3:-1] == image[-2:]:
            raise ValueError(f"mask must have no channel axis, but got {mask}. Drop it with mask[..., 0].")
        raise ValueError(
            f"mask must have the image's height and width {image[-2:]}, but has {mask[-2:]}. "
            f"Resize it with resize_mask(mask, {image[-2:]})."
        )
    batch = image[:-3]  # () or (B,)
    expected = (*batch, 1, *image[-2:]) if binary else (*batch, *image[-2:])
    if mask != expected:
        raise ValueError(f"mask must have the shape {expected} for an image of shape {image}, but got {mask}.")


def _color_code(color: Any) -> int:
    whole = isinstance(color, tuple) and len(color) == 3 and all(isinstance(c, int) and 0 <= c <= 255 for c in color)
    if not whole:
        raise ValueError(f"palette must map colours such as (255, 0, 0), values 0 to 255, but got {color!r}.")
    return color[0] << 16 | color[1] << 8 | color[2]


def _class_index(color: object, index: object) -> int:
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise ValueError(f"palette must map {color!r} to a class index of at least 0, but got {index!r}.")
    return index
