"""What logits, masks and label maps must be: every refusal once, for data sets, losses, metrics and objects.

What the computer knows of a tensor without looking into it (type, axes, dtype) comes first. Whether the values are
right is one question with one answer: on a GPU, every answer that Python reads waits for all the work before it. Only
if the answer is no are the values looked at again, to say what they are.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any, NoReturn

import numpy as np
import torch

ArrayLike = torch.Tensor | np.ndarray


FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # with shorter ones nothing can be computed


def tensor(name: str, value: Any) -> None:
    """Refuse what is no tensor, or one whose numbers cannot be read."""
    if not isinstance(value, torch.Tensor):
        if isinstance(value, np.ndarray):
            _refuse_masked(name, value)
        way = as_tensor(name, value)
        cure = f" Convert it with {way}." if way else ""
        raise ValueError(f"{name} must be a torch tensor, but got {type(value).__name__}.{cure}")
    dense(name, value)


def as_tensor(name: str, value: Any, function: str = "from_numpy") -> str:
    """Return how an array, or a list of tensors, becomes one tensor; nothing where it cannot."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.itemsize <= 8:
        # torch takes no array that is turned around, as by [::-1], and none in another order of bytes
        plain = value.dtype.isnative and min(value.strides, default=0) >= 0
        return f"torch.{function}({name}{'' if plain else f'.astype({value.dtype.name!r})'})"
    tensors = isinstance(value, (list, tuple)) and all(isinstance(part, torch.Tensor) for part in value)
    return f"torch.stack({name})" if tensors and len({(part.shape, part.dtype) for part in value}) == 1 else ""


def dense(name: str, value: torch.Tensor) -> None:
    """Refuse a tensor whose numbers do not all lie in memory, as they are."""
    if value.is_nested:
        raise ValueError(f"{name} must be one dense tensor, but is nested. Make all of one size, and use torch.stack.")
    if value.is_quantized:
        raise ValueError(f"{name} must be a dense tensor, but is quantized. Convert it with {name}.dequantize().")
    if value.layout is not torch.strided:
        kind = str(value.layout).removeprefix("torch.")
        raise ValueError(f"{name} must be a dense tensor, but is {kind}. Convert it with {name}.to_dense().")
    if value.device.type == "meta":
        raise ValueError(f"{name} must hold numbers, but is on the device 'meta', where tensors have shapes alone.")


def index(name: str, value: Any) -> int | None:
    """Return the number that marks pixels which do not count, or None; refuse what is no whole number."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} must be a whole number, such as 255, or None, but got {value!r}.")
    return int(value)


def counted(masks: torch.Tensor, ignore_index: int | None) -> torch.Tensor | None:
    """Return True where a pixel counts, in the shape of the masks; or None where all of them do."""
    return None if ignore_index is None else masks != ignore_index


def logits(value: Any) -> None:
    """Refuse what is not the answer of a model to a batch."""
    if isinstance(value, torch.Tensor):
        dense("logits", value)
        if value.ndim == 4 and value.dtype in FLOATS and value.numel():
            return
    came = f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
    raise ValueError(
        f"logits must be a floating point tensor of shape (B, C, H, W), but got {came}. "
        f"Pass what the model returns for a batch."
    )


def masks_for(answer: Any, masks: Any, ignore_index: int | None = None) -> None:
    """Refuse logits that are not the answer of a model to a batch, and masks that do not fit them."""
    logits(answer)
    tensor("masks", masks)
    B, C, H, W = answer.shape
    if masks.device != answer.device:
        raise ValueError(
            f"masks must be where the logits are, on '{answer.device}', but are on '{masks.device}'. "
            f"Move them with masks.to('{answer.device}')."
        )
    expected = (B, 1, H, W) if C == 1 else (B, H, W)
    shape = tuple(masks.shape)
    if shape == expected:
        mask("masks", masks, C, batch=True, ignore_index=ignore_index)
        return
    raise ValueError(
        f"masks must have the shape {expected} for logits of shape {tuple(answer.shape)}, but got {shape}."
        f"{_axes_hint('masks', shape, C) or _equal_channels_hint('masks', masks, C)}"
    )


def features(name: str, x: Any, channels: int, weight: torch.Tensor, module: str) -> None:
    """Refuse what a layer with such a weight cannot take; ``module`` is what the message calls it."""
    if not isinstance(x, torch.Tensor):
        raise ValueError(f"{name} must be a torch tensor, but got {type(x).__name__}.")
    if x.layout is not torch.strided or x.is_quantized or x.is_nested:
        dense(name, x)
    if x.ndim != 4 or x.shape[1] != channels or not x.numel():
        raise ValueError(f"{name} must have the shape (B, {channels}, H, W) for this {module}, but got {_shape(x)}.")
    same_numbers(name, x, weight)


def same_numbers(name: str, x: torch.Tensor, weight: torch.Tensor) -> None:
    """Refuse a tensor of another dtype, or in another place, than the weights with which it is to be multiplied."""
    if x.device != weight.device:
        raise ValueError(
            f"{name} must be where the weights are, on '{weight.device}', but got a tensor on '{x.device}'. "
            f"Move it with {name}.to('{weight.device}')."
        )
    if x.dtype != weight.dtype and not (x.dtype in FLOATS and torch.is_autocast_enabled(x.device.type)):
        ours, theirs = (str(t.dtype).removeprefix("torch.") for t in (x, weight))
        cure = "" if x.is_complex() else f" Convert it with {name}.to(torch.{theirs})."
        raise ValueError(f"{name} must be {theirs} like the weights, but got {ours}.{cure}")


def _shape(x: torch.Tensor) -> str:
    return str(tuple(x.shape))


def weights_for(masks: torch.Tensor, weights: Any) -> None:
    """Refuse weights of pixels that do not fit the masks."""
    tensor("weights", weights)
    if weights.shape != masks.shape or weights.dtype not in FLOATS:
        raise ValueError(
            f"weights must be floating point of the masks' shape {tuple(masks.shape)}, "
            f"but got {weights.dtype} of shape {tuple(weights.shape)}."
        )
    if not (((weights >= 0) & (weights < torch.inf)).all() & (weights.sum() > 0)):  # NaN is not at least 0
        raise ValueError(
            f"weights must be at least 0, finite, and one of them more, but lie from {weights.min():g} to "
            f"{weights.max():g}. Leave a pixel out with the weight 0."
        )


def mask(name: str, value: Any, num_classes: int, *, batch: bool = False, ignore_index: int | None = None) -> None:
    """Refuse a mask that does not keep the contract of `unet_tutorial.data.masks`; ``batch`` asks for the axis B."""
    if isinstance(value, torch.Tensor):
        dense(name, value)
    array = isinstance(value, (torch.Tensor, np.ndarray)) and not isinstance(value, np.ma.MaskedArray)
    if array and _right_axes(value, num_classes, batch) and _keeps(value, num_classes, ignore_index):
        return
    values = numbers(name, value)
    if ignore_index is not None:
        values = np.where(values == ignore_index, np.zeros_like(values), values)  # they are as they may be
    colours = num_classes > 1 and values.dtype == np.uint8 and values.ndim > 2 and values.shape[-1] in (3, 4)
    if colours and values.shape[-1] == 4:  # a batch of narrow masks has no numbers above the classes
        colours = values.ndim == 3 and bool(values.max() >= num_classes)
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
        dense(name, value)
        value = value.detach().cpu()
        short = value.is_floating_point() and value.dtype not in (torch.float16, torch.float32, torch.float64)
        values = (value.float() if short else value).numpy()  # numpy has no bfloat16
    elif isinstance(value, np.ndarray):
        values = value
    else:
        listed_numbers = isinstance(value, (list, tuple)) or hasattr(value, "__array_interface__")  # Pillow's pictures
        cure = f" Convert it with numpy.asarray({name})." if listed_numbers else ""
        raise ValueError(f"{name} must be a torch tensor or a numpy array, but got {type(value).__name__}.{cure}")
    _refuse_masked(name, values)
    if values.dtype.kind not in "biuf" or values.size == 0:
        raise ValueError(
            f"{name} must hold real numbers, one a pixel, but got {values.dtype} of shape {tuple(values.shape)}."
        )
    return values


def label_map(name: str, labels: Any) -> np.ndarray:
    """Return a label map as int64 of numpy, (H, W); refuse what is none."""
    array = isinstance(labels, (torch.Tensor, np.ndarray))
    values = numbers(name, labels) if array and 0 not in labels.shape else labels
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "iu" or values.size == 0:
        shape = f"{str(labels.dtype).removeprefix('torch.')} of shape {tuple(labels.shape)}" if array else ""
        came = shape or type(labels).__name__
        raise ValueError(
            f"{name} must be whole numbers of shape (H, W), one label a pixel, but got {came}."
            f"{_label_hint(name, labels, values) if isinstance(values, np.ndarray) else ''}"
        )
    if values.min() < 0:
        raise ValueError(f"{name} must hold labels of at least 0, but holds {values.min()}.")
    if values.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name} must hold labels below 2**63, but holds {values.max()}.")
    return values.astype(np.int64)


def _label_hint(name: str, labels: ArrayLike, values: np.ndarray) -> str:
    """Say how something close to a label map becomes one."""
    if values.ndim == 3 and values.shape[0] == 1:
        return f" Take the only one with {name}[0]."
    if values.ndim == 2 and values.dtype.kind == "b":
        return " Number the objects with scipy.ndimage.label."
    if values.ndim == 2 and values.dtype.kind == "f" and values.size and (values == np.round(values)).all():
        return f" Convert it with {name}{_cast(labels, 'int64')}."
    return ""


def _refuse_masked(name: str, values: np.ndarray) -> None:
    """Refuse numpy's masked arrays: the numbers that are masked out would count."""
    if isinstance(values, np.ma.MaskedArray):
        raise ValueError(
            f"{name} must be a plain array, but is a masked one. Say what stands for the masked pixels, as in "
            f"{name}.filled(0)."
        )


def listed(found: np.ndarray) -> str:
    """Name up to six values, and say how many there are in all."""
    names = ", ".join(f"{value:g}" for value in found[:6].tolist())
    return names if found.size <= 6 else f"{names}, ... ({found.size} different values)"


def _keeps(mask: Any, num_classes: int, ignore_index: int | None = None) -> bool:
    """Return whether dtype and values are as they must be. Of a tensor on a GPU, one value is read back, at the end."""
    if str(mask.dtype).removeprefix("torch.") != ("float32" if num_classes == 1 else "int64"):
        return False
    right = (mask == 0) | (mask == 1) if num_classes == 1 else (mask >= 0) & (mask < num_classes)
    return bool((right if ignore_index is None else right | (mask == ignore_index)).all())


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
    if len(shape) == 3 and shape[-1] == 4 and values.dtype == np.uint8:
        raise ValueError(
            f"{name} must hold one number a pixel, but got shape {shape}: three colours and how opaque they are. "
            f"Take the colours with {name}[..., :3], and convert them with from_colors."
        )
    axes = "(1, H, W)" if num_classes == 1 else "(H, W)"
    whole = "(B, 1, H, W)" if num_classes == 1 else "(B, H, W)"
    expected = whole if batch else f"{axes} or {whole}"
    hint = _axes_hint(name, shape, num_classes) or _equal_channels_hint(name, value, num_classes)
    raise ValueError(f"{name} must have the shape {expected} for {_classes(num_classes)}, but got {shape}.{hint}")


def channels_first(name: str) -> str:
    """Say how the channels of an image or a mask come to their place."""
    return f" Move them before height and width with np.moveaxis({name}, -1, -3), of a tensor {name}.movedim(-1, -3)."


def _axes_hint(name: str, shape: tuple[int, ...], num_classes: int) -> str:
    if len(shape) >= 3 and shape[-1] == 1 < shape[-2]:
        cure = f" Drop the channel axis with {name}[..., 0]."
        return cure if num_classes > 1 else " The channels stand last." + channels_first(name)
    if num_classes == 1:
        one = f" Add the channel axis with {name}[None], and in a batch of one image {name}[None, None]."
        several = f" Add the channel axis with {name}[:, None], or, if it is one image (1, H, W), {name}[None]."
        return {2: one, 3: several}.get(len(shape), "")
    if len(shape) == 4 and shape[1] == 1:
        return f" Drop the channel axis with {name}[:, 0]."
    if len(shape) == 4 and shape[1] == num_classes:
        return f" Logits become class indices with predicted_masks({name}), one channel a class with {name}.argmax(1)."
    return ""


def _equal_channels_hint(name: str, value: ArrayLike, num_classes: int) -> str:
    """Say how a grey mask that was saved in colour becomes one channel again."""
    if len(value.shape) != 4 or value.shape[1] not in (3, 4):
        return ""
    first = value[:, :1]
    if value.shape[1] == 3 and bool(np.all(numbers(name, value) == numbers(name, first))):
        return f" Its channels are equal. Take one with {name}[:, {':1' if num_classes == 1 else '0'}]."
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
        hint = "Give every class an index, or count them again."
        if wrong.size == 1 and wrong[0] in (255, -1, -100):  # what data sets write there
            hint += f" If it marks pixels that do not count, say ignore_index={wrong[0]:g}; in fit, the loss says it."
        raise ValueError(
            f"{name} must hold class indices 0 to {num_classes - 1} for {_classes(num_classes)}, "
            f"but holds {listed(wrong)} too. {hint}"
        )
