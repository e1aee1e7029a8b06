"""Metrics: how good a prediction is, for people to read. Nothing here is made to be differentiated.

A prediction is a mask like the truth: float32 of 0 and 1 with shape (B, 1, H, W), or int64 class indices
with shape (B, H, W). `predicted_masks` makes it from logits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage

from ._checks import option, positive_int

REDUCTIONS = ("images", "pooled")
AP_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def predicted_masks(logits: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """Turn logits into the masks that they predict.

    Parameters
    ----------
    logits : torch.Tensor
        (B, C, H, W), what the model returns, before sigmoid or softmax.
    threshold : float, default 0.5
        For one class: a pixel belongs to the object if its probability is greater. Several classes do
        not use it: the largest logit wins.

    Returns
    -------
    torch.Tensor
        For C = 1, float32 (B, 1, H, W) of 0 and 1. For C > 1, int64 (B, H, W).

    Raises
    ------
    ValueError
        If the logits have other axes, are not floating point or hold NaN, or the threshold is not
        between 0 and 1.

    Examples
    --------
    >>> predicted_masks(torch.tensor([[[[-2.0, 0.1, 3.0]]]]))
    tensor([[[[0., 1., 1.]]]])
    """
    _check_threshold(threshold)
    if not isinstance(logits, torch.Tensor) or logits.ndim != 4 or not logits.is_floating_point():
        came = f"{logits.dtype} of shape {tuple(logits.shape)}" if isinstance(logits, torch.Tensor) else repr(logits)
        raise ValueError(
            f"logits must be a floating point tensor of shape (B, C, H, W), but got {came}. "
            f"Pass what the model returns for a batch."
        )
    if logits.isnan().any():
        raise ValueError(f"logits must be numbers, but {int(logits.isnan().sum())} of them are NaN.")
    if logits.shape[1] == 1:
        return (torch.sigmoid(logits) > threshold).float()
    return logits.argmax(dim=1)  # (B, H, W)


def iou(pred: torch.Tensor, truth: torch.Tensor, num_classes: int = 1) -> torch.Tensor:
    """Intersection over union of every image, also called the Jaccard index.

    Parameters
    ----------
    pred, truth : torch.Tensor
        Two masks of the same shape: for one class float32 (B, 1, H, W) of 0 and 1, for several int64
        (B, H, W) of class indices.
    num_classes : int, default 1
        1 means "this or background"; more than 1 counts the background as a class.

    Returns
    -------
    torch.Tensor
        One class: (B,), where nothing found and nothing to find is a full success, 1. Several classes:
        (B, num_classes), with NaN where an image holds the class neither in truth nor in prediction.

    Raises
    ------
    ValueError
        If the masks have different shapes, or another shape, dtype or range than ``num_classes`` asks for.

    Examples
    --------
    >>> truth = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]])
    >>> pred = torch.tensor([[[[0.0, 1.0, 1.0, 0.0]]]])
    >>> iou(pred, truth)
    tensor([0.3333])
    """
    overlap, predicted, true = _areas(pred, truth, num_classes)
    return _ratio(overlap, predicted + true - overlap)


def dice(pred: torch.Tensor, truth: torch.Tensor, num_classes: int = 1) -> torch.Tensor:
    """Dice coefficient of every image, also called F1: with the IoU J, it is 2J / (1 + J).

    Parameters
    ----------
    pred, truth : torch.Tensor
        Two masks of the same shape, as for `iou`.
    num_classes : int, default 1
        As for `iou`.

    Returns
    -------
    torch.Tensor
        (B,) or (B, num_classes), as for `iou`.

    Raises
    ------
    ValueError
        As for `iou`.

    References
    ----------
    Dice 1945, doi:10.2307/1932409.

    Examples
    --------
    >>> truth = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]])
    >>> pred = torch.tensor([[[[0.0, 1.0, 1.0, 0.0]]]])
    >>> dice(pred, truth)
    tensor([0.5000])
    """
    overlap, predicted, true = _areas(pred, truth, num_classes)
    return _ratio(2 * overlap, predicted + true)


class IoUMetric:
    """The IoU of a batch as one number.

    Parameters
    ----------
    threshold : float, default 0.5
        See `predicted_masks`.
    reduction : {"images", "pooled"}, default "images"
        ``"images"`` takes the IoU of every image and then the mean, so every image counts the same.
        ``"pooled"`` treats the batch as one large image, so large objects count more. For several
        classes, both take the mean over the classes that occur: the mean IoU.

    Raises
    ------
    ValueError
        If an argument is out of range or unknown; at the call, if the masks do not fit the logits.

    Examples
    --------
    >>> truth = torch.tensor([[[[1.0, 1.0, 1.0, 1.0]]], [[[1.0, 0.0, 0.0, 0.0]]]])
    >>> logits = torch.tensor([[[[9.0, 9.0, 9.0, 9.0]]], [[[-9.0, 9.0, -9.0, -9.0]]]])
    >>> IoUMetric()(logits, truth), round(IoUMetric(reduction="pooled")(logits, truth), 3)
    (0.5, 0.667)
    """

    def __init__(self, threshold: float = 0.5, reduction: str = "images"):
        self.threshold = _check_threshold(threshold)
        self.reduction = option("reduction", reduction, REDUCTIONS)

    def __call__(self, logits: torch.Tensor, masks: torch.Tensor, threshold: float | None = None) -> float:
        pred = predicted_masks(logits, self.threshold if threshold is None else threshold)
        overlap, predicted, true = _areas(pred, masks, logits.shape[1])
        if self.reduction == "pooled":
            overlap, predicted, true = (area.sum(0, keepdim=True) for area in (overlap, predicted, true))
        scores = _ratio(overlap, predicted + true - overlap)  # (B,) or (B, C); B = 1 where pooled
        if scores.ndim == 2:
            scores = scores.nanmean(dim=1)
        return scores.mean().item()

    def __repr__(self) -> str:
        return f"IoUMetric(threshold={self.threshold}, reduction={self.reduction!r})"


def boundary_error(pred: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """How far apart two outlines are, in pixels: the average symmetric surface distance.

    The outline of a mask is its pixels that have a neighbour outside it, above, below, left or right;
    where the object runs out of the picture, the outline follows the picture's side. For every pixel of
    either outline we take the Euclidean distance to the nearest pixel of the other, and then the mean of
    all of these.

    Parameters
    ----------
    pred, truth : torch.Tensor
        Two masks of the same shape (B, 1, H, W), float32 of 0 and 1.

    Returns
    -------
    torch.Tensor
        (B,) float32, in pixels. 0 is perfect, and is also the value where both masks are empty. Where
        only one of them is, no distance exists, and we return the worst possible: the image's diagonal.

    Raises
    ------
    ValueError
        If the masks have different shapes, or another shape, dtype or range.

    References
    ----------
    Heimann et al. 2009, doi:10.1109/TMI.2009.2013851.

    Examples
    --------
    >>> truth = torch.zeros(1, 1, 16, 16)
    >>> truth[..., 4:12, 4:12] = 1
    >>> boundary_error(truth, truth), boundary_error(truth.roll(1, dims=-1), truth)
    (tensor([0.]), tensor([0.5000]))
    """
    _check_masks(pred, truth, num_classes=1)
    pairs = zip(pred[:, 0].bool().cpu().numpy(), truth[:, 0].bool().cpu().numpy(), strict=True)
    return torch.tensor([_surface_distance(a, b) for a, b in pairs], dtype=torch.float32)


def average_precision(
    instances_pred: torch.Tensor | np.ndarray,
    instances_true: torch.Tensor | np.ndarray,
    thresholds: Sequence[float] = AP_THRESHOLDS,
) -> torch.Tensor:
    """How many objects of one picture are found one by one: TP / (TP + FP + FN) at several strictnesses.

    A true object counts as found (TP) if a predicted one overlaps it with an IoU greater than the
    threshold. From 0.5 on there is at most one such partner on either side, so no choice has to be made.
    The rest are false alarms (FP) and missed objects (FN). No object is left out for its size.

    Parameters
    ----------
    instances_pred, instances_true : torch.Tensor or numpy.ndarray
        (H, W) whole numbers, 0 background, every other number one object. The numbers need not be
        consecutive, nor the same in both.
    thresholds : sequence of float, default 0.5 to 0.95 in steps of 0.05
        IoU thresholds, at least 0.5 and below 1.

    Returns
    -------
    torch.Tensor
        float32, one value a threshold. Its mean is the average precision of the picture. Where there is
        nothing to find, 1 if nothing is found, else 0.

    Raises
    ------
    ValueError
        If the labels are not whole numbers of at least 0 of shape (H, W), both the same, or a threshold
        is out of range.

    References
    ----------
    Caicedo et al. 2019, doi:10.1038/s41592-019-0612-7. Detection benchmarks such as COCO mean something
    else by the same name: the area under a precision-recall curve.

    Examples
    --------
    >>> true = torch.tensor([[1, 1, 1, 1, 0, 2, 2, 0]])
    >>> pred = torch.tensor([[5, 5, 5, 0, 0, 0, 0, 7]])
    >>> average_precision(pred, true, thresholds=(0.5, 0.75))
    tensor([0.3333, 0.0000])
    """
    thresholds = _check_ap_thresholds(thresholds)
    pred, true = _labels("instances_pred", instances_pred), _labels("instances_true", instances_true)
    if pred.shape != true.shape:
        raise ValueError(f"both label images must have one shape, but got {pred.shape} and {true.shape}.")
    overlaps = _instance_iou(pred, true)  # (objects in pred, objects in true)
    objects = sum(overlaps.shape)
    if objects == 0:
        return torch.ones(len(thresholds))
    found = [int((overlaps > threshold).sum()) for threshold in thresholds]
    return torch.tensor([tp / (objects - tp) for tp in found], dtype=torch.float32)  # objects = 2 TP + FP + FN


def _areas(
    pred: torch.Tensor, truth: torch.Tensor, num_classes: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return overlap, predicted area and true area in pixels: (B,) for one class, (B, C) for several."""
    positive_int("num_classes", num_classes)
    _check_masks(pred, truth, num_classes)
    if num_classes == 1:
        pred, truth = pred[:, 0].bool(), truth[:, 0].bool()  # (B, H, W)
    else:
        classes = torch.arange(num_classes, device=pred.device)[:, None, None]
        pred, truth = pred[:, None] == classes, truth[:, None] == classes  # (B, C, H, W)
    return (pred & truth).sum((-2, -1)), pred.sum((-2, -1)), truth.sum((-2, -1))


def _ratio(part: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """Divide; nothing of nothing is 1 for one class, and no answer (NaN) for one class among several."""
    ratio = part / whole
    return torch.where(whole == 0, 1.0, ratio) if ratio.ndim == 1 else ratio


def _surface_distance(pred: np.ndarray, truth: np.ndarray) -> float:
    """Return the average symmetric surface distance of two boolean masks (H, W)."""
    if not pred.any() or not truth.any():
        return 0.0 if pred.any() == truth.any() else math.hypot(*truth.shape)
    pred, truth = (mask & ~ndimage.binary_erosion(mask) for mask in (pred, truth))  # the outlines
    to_truth = ndimage.distance_transform_edt(~truth)[pred]
    to_pred = ndimage.distance_transform_edt(~pred)[truth]
    return float(np.concatenate([to_truth, to_pred]).mean())


def _instance_iou(pred: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the IoU of every object in ``pred`` with every object in ``true``."""
    names_pred, pred = np.unique(pred, return_inverse=True)
    names_true, true = np.unique(true, return_inverse=True)
    pairs = np.ravel(pred) * names_true.size + np.ravel(true)
    both = np.bincount(pairs, minlength=names_pred.size * names_true.size)
    both = both.reshape(names_pred.size, names_true.size)  # pixels of every pair
    union = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    return (both / union)[names_pred != 0][:, names_true != 0]


def _check_masks(pred: torch.Tensor, truth: torch.Tensor, num_classes: int) -> None:
    """Refuse two masks that are not both what ``num_classes`` asks for."""
    axes, dtype = ("(B, 1, H, W)", torch.float32) if num_classes == 1 else ("(B, H, W)", torch.int64)
    for name, mask in (("pred", pred), ("truth", truth)):
        if not isinstance(mask, torch.Tensor):
            raise ValueError(f"{name} must be a torch tensor, but got {type(mask).__name__}.")
        right = mask.ndim == 3 if num_classes > 1 else mask.ndim == 4 and mask.shape[1] == 1
        if not right or mask.numel() == 0:
            raise ValueError(
                f"{name} must have the shape {axes} for {_classes(num_classes)}, but got {tuple(mask.shape)}."
                f"{_axes_hint(name, mask, num_classes)}"
            )
        if mask.dtype != dtype:
            raise ValueError(f"{name} must be {dtype} for {_classes(num_classes)}, but got {mask.dtype}.")
        _check_range(name, mask, num_classes)
    if pred.shape != truth.shape:
        raise ValueError(f"pred and truth must have one shape, but got {tuple(pred.shape)} and {tuple(truth.shape)}.")


def _check_range(name: str, mask: torch.Tensor, num_classes: int) -> None:
    if num_classes == 1 and not torch.equal(mask * mask, mask):  # only 0 and 1 are their own squares
        raise ValueError(
            f"{name} must hold only 0 and 1, but holds values from {mask.min():g} to {mask.max():g}. "
            f"Logits become a mask with predicted_masks(logits), 0 and 255 with from_gray."
        )
    low, high = (int(value) for value in torch.aminmax(mask))
    if num_classes > 1 and (low < 0 or high >= num_classes):
        raise ValueError(
            f"{name} must hold class indices 0 to {num_classes - 1} for {num_classes} classes, "
            f"but holds {low} to {high}."
        )


def _classes(num_classes: int) -> str:
    return "one class" if num_classes == 1 else f"{num_classes} classes"


def _axes_hint(name: str, mask: torch.Tensor, num_classes: int) -> str:
    if num_classes == 1 and mask.ndim == 3:
        return f" Add the missing axis: {name}[None] for one image (1, H, W), {name}[:, None] for a batch (B, H, W)."
    if num_classes > 1 and mask.ndim == 4 and mask.shape[1] == 1:
        return f" Drop the channel axis with {name}[:, 0]."
    if num_classes > 1 and mask.ndim == 4 and mask.shape[1] == num_classes:
        return f" Logits become class indices with predicted_masks({name})."
    return ""


def _check_threshold(threshold: float) -> float:
    number = isinstance(threshold, (int, float)) and not isinstance(threshold, bool)
    if not number or not 0 < threshold < 1:
        raise ValueError(f"threshold must be a probability between 0 and 1, both excluded, but got {threshold!r}.")
    return threshold


def _check_ap_thresholds(thresholds: Sequence[float]) -> tuple[float, ...]:
    if isinstance(thresholds, (int, float)):
        raise ValueError(f"thresholds must list IoU thresholds, such as ({thresholds},), but got {thresholds!r}.")
    thresholds = tuple(thresholds)
    if not thresholds or not all(0.5 <= threshold < 1 for threshold in thresholds):
        raise ValueError(
            f"thresholds must be IoU values of at least 0.5 and below 1, but got {thresholds!r}. "
            f"Below 0.5, an object may have several partners."
        )
    return thresholds


def _labels(name: str, labels: torch.Tensor | np.ndarray) -> np.ndarray:
    values = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else labels
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "iu" or values.size == 0:
        came = f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else type(labels).__name__
        raise ValueError(f"{name} must be whole numbers of shape (H, W), one label a pixel, but got {came}.")
    if values.min() < 0:
        raise ValueError(f"{name} must hold labels of at least 0, but holds {values.min()}.")
    return values
