"""What logits, masks and label maps must be: every refusal once, for data sets, losses, metrics and objects.

What the computer knows of a tensor without looking into it (type, axes, dtype) comes first. Whether the values are
right is one question with one answer: on a GPU, every answer that Python reads waits for all the work before it. Only
if the answer is no are the values looked at again, to say what they are.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import torch

ArrayLike = torch.Tensor | np.ndarray


def tensor(name: str, value: Any) -> None:
    """Refuse what is no tensor."""
    if not isinstance(value, torch.Tensor):
        raise ValueError(f"{name} must be a torch tensor, but got {type(value).__name__}.")


def logits(value: Any) -> None:
    """Refuse what is not the answer of a model to a batch."""
    if isinstance(value, torch.Tensor) and value.ndim == 4 and value.is_floating_point() and value.numel():
        return
    came = f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
    raise ValueError(
        f"logits must be a floating point tensor of shape (B, C, H, W), but got {came}. "
        f"Pass what the model returns for a batch."
    )


def masks_for(answer: Any, masks: Any) -> None:
    """Refuse logits that are not the answer of a model to a batch, and masks that do not fit them."""
    logits(answer)
    B, C, H, W = answer.shape
    expected = (B, 1, H, W) if C == 1 else (B, H, W)
    if isinstance(masks, torch.Tensor) and masks.shape == expected and _keeps(masks, C):
        return
    tensor("masks", masks)
    shape = tuple(masks.shape)
    if shape == expected:
        mask("masks", masks, C, batch=True)  # says what is wrong with the dtype or the values
    raise ValueError(
        f"masks must have the shape {expected} for logits of shape {tuple(answer.shape)}, but got {shape}."
        f"{_axes_hint('masks', shape, C)}"
    )


def weights_for(masks: torch.Tensor, weights: Any) -> None:
    """Refuse weights of pixels that do not fit the masks."""
    tensor("weights", weights)
    if weights.shape != masks.shape or not weights.is_floating_point():
        raise ValueError(
            f"weights must be floating point of the masks' shape {tuple(masks.shape)}, "
            f"but got {weights.dtype} of shape {tuple(weights.shape)}."
        )
    if not ((weights >= 0).all() & (weights.sum() > 0)):  # NaN is not at least 0
        raise ValueError(
            f"weights must be at least 0, and one of them more, but lie from {weights.min():g} to {weights.max():g}. "
            f"Leave a pixel out with the weight 0."
        )


def mask(name: str, value: Any, num_classes: int, *, batch: bool = False) -> None:
    """Refuse a mask that does not keep the contract of `unet_tutorial.data.masks`; ``batch`` asks for the axis B."""
    array = isinstance(value, (torch.Tensor, np.ndarray))
    if array and _right_axes(value, num_classes, batch) and _keeps(value, num_classes):
        return
    values = numbers(name, value)
    colours = num_classes > 1 and values.dtype == np.uint8 and values.shape[-1] == 3
    if colours or not _right_axes(values, num_classes, batch):
        _refuse_axes(name, value, values, num_classes, batch)
    dtype, classes = str(value.dtype).removeprefix("torch."), _classes(num_classes)
    if num_classes == 1:
        _refuse_other_than_0_and_1(name, value, values)
        convert = f"{name}{_cast(value, 'float32')}"
        raise ValueError(f"{name} must be float32 for {classes}, but got {dtype}. Convert it with {convert}.")
    _refuse_other_than_classes(name, values, num_classes)
    convert = f"{name}{_cast(value, 'int64')}"
    raise ValueError(f"{name} must be int64 class indices for {classes}, but got {dtype}. Convert it with {convert}.")


def numbers(name: str, value: Any) -> np.ndarray:
    """Return what a tensor or an array holds; refuse what is neither, holds no numbers, or is empty."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        values = (value.float() if value.dtype == torch.bfloat16 else value).numpy()  # numpy has no bfloat16
    elif isinstance(value, np.ndarray):
        values = value
    else:
        raise ValueError(
            f"{name} must be a torch tensor or a numpy array, but got {type(value).__name__}. "
            f"Convert it with numpy.asarray({name})."
        )
    if values.dtype.kind not in "biuf" or values.size == 0:
        raise ValueError(
            f"{name} must hold real numbers, one a pixel, but got {values.dtype} of shape {tuple(values.shape)}."
        )
    return values


def label_map(name: str, labels: Any) -> np.ndarray:
    """Return a label map as int64 of numpy, (H, W); refuse what is none."""
    values = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else labels
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "iu" or values.size == 0:
        came = f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else type(labels).__name__
        raise ValueError(f"{name} must be whole numbers of shape (H, W), one label a pixel, but got {came}.")
    if values.min() < 0:
        raise ValueError(f"{name} must hold labels of at least 0, but holds {values.min()}.")
    return values.astype(np.int64)


def listed(found: np.ndarray) -> str:
    """Name up to six values, and say how many there are in all."""
    names = ", ".join(f"{value:g}" for value in found[:6].tolist())
    return names if found.size <= 6 else f"{names}, ... ({found.size} different values)"


def _keeps(mask: Any, num_classes: int) -> bool:
    """Return whether dtype and values are as they must be. Of a tensor on a GPU, one value is read back, at the end."""
    if str(mask.dtype).removeprefix("torch.") != ("float32" if num_classes == 1 else "int64"):
        return False
    if num_classes == 1:
        return bool((mask * mask == mask).all())  # only 0 and 1 are their own squares; NaN equals nothing
    return bool(((mask >= 0) & (mask < num_classes)).all())


def _right_axes(mask: ArrayLike, num_classes: int, batch: bool) -> bool:
    if 0 in mask.shape:
        return False
    axes = len(mask.shape) - (num_classes == 1)  # without the channel axis
    return axes in ((3,) if batch else (2, 3)) and (num_classes > 1 or mask.shape[-3] == 1)


def _refuse_axes(name: str, value: ArrayLike, values: np.ndarray, num_classes: int, batch: bool) -> NoReturn:
    """Say what is wrong with the axes. Colour pictures and masks of 0 and 255 have messages of their own."""
    shape = values.shape
    three_masks = batch and len(shape) == 3 and shape[-1] != 3  # (B, H, W), and B happens to be 3
    if len(shape) >= 3 and not three_masks and (shape[-1] == 3 or (shape[-3] == 3 and values.max() > 1)):
        raise ValueError(
            f"{name} must hold one number a pixel, but got shape {shape} with three colours. "
            f"Convert it with from_colors({name}, palette), which takes (H, W, 3)."
        )
    if num_classes == 1:
        _refuse_0_and_255(name, value, values)
    axes = "(1, H, W)" if num_classes == 1 else "(H, W)"
    whole = "(B, 1, H, W)" if num_classes == 1 else "(B, H, W)"
    expected = whole if batch else f"{axes} or {whole}"
    hint = _axes_hint(name, shape, num_classes)
    raise ValueError(f"{name} must have the shape {expected} for {_classes(num_classes)}, but got {shape}.{hint}")


def _axes_hint(name: str, shape: tuple[int, ...], num_classes: int) -> str:
    if num_classes == 1:
        one = f" Add the channel axis with {name}[None], and in a batch of one image {name}[None, None]."
        several = f" Add the channel axis with {name}[:, None], or, if it is one image (1, H, W), {name}[None]."
        return {2: one, 3: several}.get(len(shape), "")
    if len(shape) == 4 and shape[1] == 1:
        return f" Drop the channel axis with {name}[:, 0]."
    if len(shape) == 4 and shape[1] == num_classes:
        return f" Logits become class indices with predicted_masks({name}), one channel a class with {name}.argmax(1)."
    return ""


def _classes(num_classes: int) -> str:
    return "one class" if num_classes == 1 else f"{num_classes} classes"


def _cast(value: ArrayLike, dtype: str) -> str:
    """Return how a tensor of torch, or an array of numpy, is converted."""
    if isinstance(value, np.ndarray):
        return f".astype({dtype!r})"
    return {"float32": ".float()", "int64": ".long()"}[dtype]


def _is_one_picture(values: np.ndarray) -> bool:
    """Tell whether `unet_tutorial.data.masks.from_gray` takes it: (H, W) or (1, H, W)."""
    return values.ndim == 2 or (values.ndim == 3 and values.shape[0] == 1)


def _refuse_0_and_255(name: str, value: ArrayLike, values: np.ndarray) -> None:
    if (values == 255).any() and ((values == 0) | (values == 255)).all():
        convert = f"from_gray({name})" if _is_one_picture(values) else f"({name} / 255){_cast(value, 'float32')}"
        raise ValueError(f"{name} must hold 0 and 1, but holds 0 and 255. Convert it with {convert}.")


def _refuse_other_than_0_and_1(name: str, value: ArrayLike, values: np.ndarray) -> None:
    if np.isnan(values).any():
        raise ValueError(f"{name} must hold 0 and 1, but {int(np.isnan(values).sum())} of its values are NaN.")
    _refuse_0_and_255(name, value, values)
    if ((values == 0) | (values == 1)).all():
        return
    found = np.unique(values)
    above = f"from_gray({name}, threshold=...)"
    if not _is_one_picture(values):
        above = f"({name} > ...){_cast(value, 'float32')}"
    hint = f"Convert it with {above}, with a threshold for the dots."
    if values.min() >= 0 and values.max() <= 1:
        hint = "Was it resized with interpolation? Resize the original with resize_mask."
    elif (found == found.round()).all():
        objects = f"({name} > 0){_cast(value, 'float32')}"
        hint = f"Are these labels of objects or classes? {objects} is the object; several classes need num_classes > 1."
    elif values.min() < 0:
        hint = f"Logits become a mask with predicted_masks({name})."
    raise ValueError(f"{name} must hold 0 and 1, but holds {listed(found)}. {hint}")


def _refuse_other_than_classes(name: str, values: np.ndarray, num_classes: int) -> None:
    if np.isnan(values).any():
        raise ValueError(f"{name} must hold class indices, but {int(np.isnan(values).sum())} of its values are NaN.")
    if values.dtype.kind == "f" and (values != values.round()).any():
        raise ValueError(
            f"{name} must hold class indices, but holds {listed(np.unique(values))}. "
            f"Was it resized with interpolation? Resize the original with resize_mask."
        )
    wrong = np.unique(values[(values < 0) | (values >= num_classes)])
    if wrong.size:
        raise ValueError(
            f"{name} must hold class indices 0 to {num_classes - 1} for {_classes(num_classes)}, "
            f"but holds {listed(wrong)} too. Give every class an index, or count them again."
        )
