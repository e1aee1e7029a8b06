"""Metrics: how good a prediction is, for people to read. Nothing here is made to be differentiated.

A prediction is a mask like the truth: float32 of 0 and 1 with shape (B, 1, H, W), or int64 class indices
with shape (B, H, W). `predicted_masks` makes it from logits. Pixels that the truth marks with ``ignore_index`` count
nowhere, whatever is predicted there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

import numpy as np
import torch
from scipy import ndimage
from skimage.metrics import contingency_table
from skimage.segmentation import relabel_sequential

from . import _contract
from ._checks import option, probability, whole_number
from ._contract import ArrayLike

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
    probability("threshold", threshold)
    _contract.logits(logits)
    if logits.isnan().any():
        raise _nan_error(int(logits.isnan().sum()))
    return _predicted_masks(logits, threshold)


def iou(pred: torch.Tensor, truth: torch.Tensor, num_classes: int = 1, ignore_index: int | None = None) -> torch.Tensor:
    """Intersection over union of every image, also called the Jaccard index.

    Parameters
    ----------
    pred, truth : torch.Tensor
        Two masks of the same shape: for one class float32 (B, 1, H, W) of 0 and 1, for several int64
        (B, H, W) of class indices.
    num_classes : int, default 1
        1 means "this or background"; more than 1 counts the background as a class.
    ignore_index : int, optional
        The value of the truth's pixels that do not count, such as 255.

    Returns
    -------
    torch.Tensor
        One class: (B,), where nothing found and nothing to find is a full success, 1, and NaN where no pixel
        counts. Several classes: (B, num_classes), with NaN where an image holds the class neither in truth nor in
        prediction.

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
    overlap, predicted, true, pixels = _checked_areas(pred, truth, num_classes, ignore_index)
    return _ratio(overlap, predicted + true - overlap, pixels)


def dice(
    pred: torch.Tensor, truth: torch.Tensor, num_classes: int = 1, ignore_index: int | None = None
) -> torch.Tensor:
    """Dice coefficient of every image, also called F1: with the IoU J, it is 2J / (1 + J).

    Parameters
    ----------
    pred, truth : torch.Tensor
        Two masks of the same shape, as for `iou`.
    num_classes : int, default 1
        As for `iou`.
    ignore_index : int, optional
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
    overlap, predicted, true, pixels = _checked_areas(pred, truth, num_classes, ignore_index)
    return _ratio(2 * overlap, predicted + true, pixels)


def confusion_matrix(
    pred: torch.Tensor, truth: torch.Tensor, num_classes: int, ignore_index: int | None = None
) -> torch.Tensor:
    """Count the pixels of every class that were taken for every class: a row for the truth, a column for the answer.

    Parameters
    ----------
    pred, truth : torch.Tensor
        int64 class indices of one shape (B, H, W).
    num_classes : int
        At least 2.
    ignore_index : int, optional
        The value of the truth's pixels that do not count, such as 255.

    Returns
    -------
    torch.Tensor
        int64 (num_classes, num_classes), on the CPU. Its sum is the number of pixels that count, its diagonal holds
        those that are right. Matrices of several batches can be added.

    Raises
    ------
    ValueError
        If the masks have different shapes, or another shape, dtype or range than ``num_classes`` asks for.

    Examples
    --------
    >>> truth, pred = torch.tensor([[[0, 0, 1, 2]]]), torch.tensor([[[0, 1, 1, 1]]])
    >>> confusion_matrix(pred, truth, 3)
    tensor([[1, 1, 0],
            [0, 1, 0],
            [0, 1, 0]])
    """
    num_classes = whole_number("num_classes", num_classes, least=2)
    ignore_index = _contract.index("ignore_index", ignore_index)
    _check_masks(pred, truth, num_classes, ignore_index)
    pred, truth = pred.cpu(), truth.cpu()
    counted = _contract.counted(truth, ignore_index)
    if counted is not None:
        pred, truth = pred[counted], truth[counted]
    pairs = num_classes * truth.reshape(-1) + pred.reshape(-1)  # one number for every pair of classes
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_scores(matrix: torch.Tensor) -> dict[str, torch.Tensor]:
    """Read a confusion matrix class by class.

    Parameters
    ----------
    matrix : torch.Tensor
        int64 (C, C), at least 0, as `confusion_matrix` returns them, C at least 2.

    Returns
    -------
    dict of str to torch.Tensor
        Each float64 (C,). ``precision``: of the pixels that were called so, the share that is so. ``recall``: of those
        that are so, the share that was called so. ``iou``: of those that are or were called so, the share that is
        both. NaN where there is nothing to divide by.

    Raises
    ------
    ValueError
        If the matrix has another shape or dtype, or holds a number below 0.

    Examples
    --------
    >>> {name: values.tolist() for name, values in class_scores(torch.tensor([[8, 2], [0, 6]])).items()}
    {'precision': [1.0, 0.75], 'recall': [0.8, 1.0], 'iou': [0.8, 0.75]}
    """
    _contract.tensor("matrix", matrix)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] >= 2
    if not square or matrix.dtype != torch.int64 or bool((matrix < 0).any()):
        raise ValueError(
            f"matrix must be whole numbers of at least 0 of shape (C, C), C at least 2, as confusion_matrix returns "
            f"them, but got {matrix.dtype} of shape {tuple(matrix.shape)}."
        )
    counts = matrix.double()
    right, called, true = counts.diagonal(), counts.sum(0), counts.sum(1)
    return {"precision": right / called, "recall": right / true, "iou": right / (called + true - right)}


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
    ignore_index : int, optional
        The value of masks' pixels that do not count, such as 255. An image without any other is left out; if the
        batch has no other image, the result is NaN.

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

    def __init__(self, threshold: float = 0.5, reduction: str = "images", ignore_index: int | None = None):
        self.threshold = probability("threshold", threshold)
        self.reduction = option("reduction", reduction, REDUCTIONS)
        self.ignore_index = _contract.index("ignore_index", ignore_index)

    def __call__(self, logits: torch.Tensor, masks: torch.Tensor, threshold: float | None = None) -> float:
        threshold = self.threshold if threshold is None else probability("threshold", threshold)
        _contract.masks_for(logits, masks, self.ignore_index)
        areas = _areas(_predicted_masks(logits, threshold), masks, logits.shape[1], self.ignore_index)
        if self.reduction == "pooled":
            areas = tuple(area.sum(0, keepdim=True) for area in areas)
        overlap, predicted, true, pixels = areas
        scores = _ratio(overlap, predicted + true - overlap, pixels)  # (B,) or (B, C); B = 1 where pooled
        if scores.ndim == 2:
            scores = scores.nanmean(dim=1)
        # Both at once: on a GPU, every number that Python reads waits for all the work before it.
        score, nan = torch.stack([scores.double().nanmean(), logits.isnan().sum().double()]).tolist()
        if nan:
            raise _nan_error(int(nan))
        return score

    def __repr__(self) -> str:
        ignored = "" if self.ignore_index is None else f", ignore_index={self.ignore_index}"
        return f"IoUMetric(threshold={self.threshold}, reduction={self.reduction!r}{ignored})"


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
    pred: ArrayLike,
    true: ArrayLike,
    thresholds: Sequence[float] = AP_THRESHOLDS,
) -> torch.Tensor:
    """How many objects of one picture are found one by one: TP / (TP + FP + FN) at several strictnesses.

    A true object counts as found (TP) if a predicted one overlaps it with an IoU greater than the
    threshold. From 0.5 on there is at most one such partner on either side, so no choice has to be made.
    The rest are false alarms (FP) and missed objects (FN). No object is left out for its size.

    Parameters
    ----------
    pred, true : torch.Tensor or numpy.ndarray
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
    return _average_precision(_shared_pixels(pred, true), thresholds)


def scores(pred: ArrayLike, true: ArrayLike) -> dict[str, float]:
    """Measure the objects of one picture.

    Parameters
    ----------
    pred, true : torch.Tensor or numpy.ndarray
        Instance maps (H, W) of one size.

    Returns
    -------
    dict of str to float
        ``dice`` and ``iou``: of all objects' pixels together against the background. ``ap``: mean of
        `average_precision` over IoU 0.50 to 0.95. ``f1_50`` and ``f1_75``: the F1 score of the
        objects, where an overlap above IoU 0.5 or 0.75 counts as found. ``splits``: true objects within which two or
        more predicted ones lie. ``merges``: predicted objects within which two or more true ones lie. An object
        lies within another one if more than half of its pixels do.

    Raises
    ------
    ValueError
        If the maps are not whole numbers of at least 0 of shape (H, W), both the same.

    Examples
    --------
    >>> true = np.array([[1, 1, 1, 1, 0, 2, 2, 3, 3]])
    >>> pred = np.array([[1, 1, 2, 2, 0, 3, 3, 3, 3]])
    >>> found = scores(pred, true)
    >>> found["dice"], found["f1_50"], found["splits"], found["merges"]
    (1.0, 0.0, 1, 1)
    """
    shared = _shared_pixels(pred, true)
    by_threshold = _average_precision(shared, AP_THRESHOLDS)  # (10,)
    overlap = shared[1:, 1:].sum()  # pixels that are an object in both
    areas = shared[1:].sum() + shared[:, 1:].sum()
    f1 = 2 * by_threshold / (1 + by_threshold)  # TP / (TP + FP + FN) becomes 2 TP / (2 TP + FP + FN)
    return {
        "dice": float(2 * overlap / areas) if areas else 1.0,
        "iou": float(overlap / (areas - overlap)) if areas else 1.0,
        "ap": by_threshold.mean().item(),
        "f1_50": f1[0].item(),
        "f1_75": f1[5].item(),
        "splits": _holding_several(shared),
        "merges": _holding_several(shared.T),
    }


def mean_scores(preds: Sequence[ArrayLike], trues: Sequence[ArrayLike]) -> dict[str, float]:
    """Measure the objects of several pictures: every picture counts the same.

    Parameters
    ----------
    preds, trues : sequence of torch.Tensor or numpy.ndarray
        Instance maps, in the same order.

    Returns
    -------
    dict of str to float
        As `scores`: means over the pictures, but ``splits`` and ``merges`` are counted over all of them.

    Raises
    ------
    ValueError
        If there is no picture, or not one prediction for every truth, or as `scores`.

    Examples
    --------
    >>> empty, one = np.zeros((2, 2), dtype=int), np.ones((2, 2), dtype=int)
    >>> mean_scores([empty, one], [empty, empty])["ap"]  # nothing found where nothing is: 1; a false alarm: 0
    0.5
    """
    for name, maps in (("preds", preds), ("trues", trues)):
        if not isinstance(maps, (Sequence, torch.Tensor, np.ndarray)) or isinstance(maps, str):
            raise ValueError(f"{name} must list label maps, one a picture, but got {type(maps).__name__}.")
    if not len(preds) == len(trues) > 0:
        raise ValueError(f"preds and trues must be of one length, at least 1, but have {len(preds)} and {len(trues)}.")
    found = [scores(pred, true) for pred, true in zip(preds, trues, strict=True)]
    totals = {name: sum(one[name] for one in found) for name in found[0]}
    return {name: total if name in ("splits", "merges") else total / len(found) for name, total in totals.items()}


def _predicted_masks(logits: torch.Tensor, threshold: float) -> torch.Tensor:
    if logits.shape[1] == 1:  # the logit of the threshold, because the sigmoid of a small logit is rounded to one half
        return (logits > math.log(threshold / (1 - threshold))).float()
    return logits.argmax(dim=1)  # (B, H, W)


def _checked_areas(
    pred: torch.Tensor, truth: torch.Tensor, num_classes: int, ignore_index: int | None
) -> tuple[torch.Tensor, ...]:
    num_classes = whole_number("num_classes", num_classes)
    ignore_index = _contract.index("ignore_index", ignore_index)
    _check_masks(pred, truth, num_classes, ignore_index)
    return _areas(pred, truth, num_classes, ignore_index)


def _areas(
    pred: torch.Tensor, truth: torch.Tensor, num_classes: int, ignore_index: int | None
) -> tuple[torch.Tensor, ...]:
    """Return overlap, predicted area and true area in pixels, (B,) for one class, (B, C) for several; and all pixels.

    Only those pixels are taken that count.
    """
    counted = _contract.counted(truth, ignore_index)  # (B, 1, H, W) or (B, H, W)
    if counted is None:
        counted = torch.ones_like(truth, dtype=torch.bool)
    if num_classes == 1:
        pred, truth, counted = pred[:, 0] == 1, truth[:, 0] == 1, counted[:, 0]  # (B, H, W)
    else:
        classes = torch.arange(num_classes, device=pred.device)[:, None, None]
        pred, truth, counted = pred[:, None] == classes, truth[:, None] == classes, counted[:, None]  # (B, C, H, W)
    pred, truth = pred & counted, truth & counted
    return (pred & truth).sum((-2, -1)), pred.sum((-2, -1)), truth.sum((-2, -1)), counted.sum((-2, -1))


def _ratio(part: torch.Tensor, whole: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Divide; nothing of nothing is 1 for one class, and no answer (NaN) for one class among several, or no pixel."""
    ratio = part / whole
    return torch.where((whole == 0) & (pixels > 0), 1.0, ratio) if ratio.ndim == 1 else ratio


def _surface_distance(pred: np.ndarray, truth: np.ndarray) -> float:
    """Return the average symmetric surface distance of two boolean masks (H, W)."""
    if not pred.any() or not truth.any():
        return 0.0 if pred.any() == truth.any() else math.hypot(*truth.shape)
    pred, truth = (mask & ~ndimage.binary_erosion(mask) for mask in (pred, truth))  # the outlines
    to_truth = ndimage.distance_transform_edt(~truth)[pred]
    to_pred = ndimage.distance_transform_edt(~pred)[truth]
    return float(np.concatenate([to_truth, to_pred]).mean())


def _shared_pixels(pred: object, true: object) -> np.ndarray:
    """Count the pixels that each object of one label map shares with each of another, (1 + objects, 1 + objects).

    The objects are numbered anew, from 1; row and column 0 are the background.
    """
    pred, true = _contract.label_map("pred", pred), _contract.label_map("true", true)
    if pred.shape != true.shape:
        raise ValueError(f"both label maps must have one shape, but got {pred.shape} and {true.shape}.")
    return contingency_table(relabel_sequential(pred)[0], relabel_sequential(true)[0]).toarray()


def _average_precision(shared: np.ndarray, thresholds: Sequence[float]) -> torch.Tensor:
    union = shared.sum(1, keepdims=True) + shared.sum(0, keepdims=True) - shared
    overlaps = (shared / np.maximum(union, 1))[1:, 1:]  # IoU of each object in pred with each in true
    objects = sum(overlaps.shape)
    if objects == 0:
        return torch.ones(len(thresholds))
    found = [int((overlaps > threshold).sum()) for threshold in thresholds]
    return torch.tensor([tp / (objects - tp) for tp in found], dtype=torch.float32)  # objects = 2 TP + FP + FN


def _holding_several(shared: np.ndarray) -> int:
    """Count the columns' objects within which two or more of the rows' lie with more than half of their pixels."""
    within = 2 * shared > shared.sum(axis=1, keepdims=True)
    return int((within[1:, 1:].sum(axis=0) > 1).sum())


def _check_masks(pred: torch.Tensor, truth: torch.Tensor, num_classes: int, ignore_index: int | None = None) -> None:
    """Refuse two masks that are not both what ``num_classes`` asks for."""
    for name, mask, ignored in (("pred", pred, None), ("truth", truth, ignore_index)):
        _contract.tensor(name, mask)
        _contract.mask(name, mask, num_classes, batch=True, ignore_index=ignored)
    if pred.shape != truth.shape:
        raise ValueError(f"pred and truth must have one shape, but got {tuple(pred.shape)} and {tuple(truth.shape)}.")


def _nan_error(count: int) -> ValueError:
    return ValueError(f"logits must be numbers, but {count} of them are NaN.")


def _check_ap_thresholds(thresholds: Sequence[float]) -> tuple[float, ...]:
    given = thresholds.tolist() if isinstance(thresholds, (torch.Tensor, np.ndarray)) else thresholds
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):
        example = f"({given},)" if isinstance(given, (int, float)) else "(0.5, 0.75)"
        raise ValueError(f"thresholds must list IoU thresholds, such as {example}, but got {thresholds!r}.")
    thresholds = tuple(given)
    numbers = all(isinstance(t, Real) and not isinstance(t, bool) for t in thresholds)
    if not thresholds or not numbers or not all(0.5 <= threshold < 1 for threshold in thresholds):
        raise ValueError(
            f"thresholds must be IoU values of at least 0.5 and below 1, but got {thresholds!r}. "
            f"Below 0.5, an object may have several partners."
        )
    return thresholds
