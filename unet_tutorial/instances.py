"""Objects told apart: what a network is taught so that touching ones can be separated, how its answer becomes objects,
and how good they are.

An instance map is (H, W) whole numbers: 0 background, every other number one object.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed
from torch.utils.data import Dataset

from ._checks import positive_int
from .metrics import average_precision, dice, iou

BACKGROUND, INTERIOR, BORDER = range(3)
CLASSES = ("background", "interior", "border")
LabelsLike = torch.Tensor | np.ndarray


def class_map(instances: LabelsLike, border: int = 2) -> torch.Tensor:
    """Turn objects into three classes: background, interior, and the border between touching objects.

    A pixel of an object belongs to the border if another object lies within ``border`` pixels of it, also
    diagonally. So a border is about ``2 * border`` pixels thick where two objects touch, and an object
    that stands alone has none.

    Parameters
    ----------
    instances : torch.Tensor or numpy.ndarray
        (H, W), an instance map.
    border : int, default 2
        How far the border reaches into an object, in pixels. With 0 there are only two classes.

    Returns
    -------
    torch.Tensor
        int64 (H, W): 0 background, 1 interior, 2 border.

    Raises
    ------
    ValueError
        If the map is not whole numbers of at least 0 of shape (H, W), or ``border`` is no whole number of at least 0.

    References
    ----------
    Caicedo et al. 2019, doi:10.1002/cyto.a.23863, who teach a border around every nucleus.

    Examples
    --------
    >>> class_map(np.array([[1, 1, 1, 2, 2, 0]]), border=1)
    tensor([[1, 1, 2, 2, 1, 0]])
    """
    labels = _labels("instances", instances)
    side = 2 * (border and positive_int("border", border)) + 1
    inside = labels > 0
    highest = ndimage.maximum_filter(labels, size=side)
    lowest = ndimage.minimum_filter(np.where(inside, labels, labels.max() + 1), size=side)  # of objects alone
    return torch.from_numpy(np.where(inside, np.where(highest != lowest, BORDER, INTERIOR), BACKGROUND))


def weight_map(instances: LabelsLike, w0: float = 10.0, sigma: float = 5.0) -> torch.Tensor:
    r"""Say how much every pixel counts, so that the narrow places between objects count most.

    With the distances :math:`d_1` and :math:`d_2` from a pixel to the nearest and to the second nearest object,

    .. math:: w = 1 + w_0 \exp\left(-\frac{(d_1 + d_2)^2}{2 \sigma^2}\right).

    Within an object :math:`d_1 = 0`. The paper has class frequencies in place of the 1.

    Parameters
    ----------
    instances : torch.Tensor or numpy.ndarray
        (H, W), an instance map.
    w0 : float, default 10.0
        What the narrowest place counts more than an open one. 0 makes all pixels equal.
    sigma : float, default 5.0
        How quickly that fades, in pixels.

    Returns
    -------
    torch.Tensor
        float32 (H, W), values from 1 to ``1 + w0``.

    Raises
    ------
    ValueError
        If the map is not whole numbers of at least 0 of shape (H, W), ``w0`` is negative, or ``sigma`` not positive.

    References
    ----------
    Ronneberger, Fischer and Brox 2015, arXiv:1505.04597, equation 2.

    Examples
    --------
    >>> weight_map(np.array([[1, 0, 0, 0, 2]]), sigma=2).numpy().round(2)
    array([[2.35, 2.35, 2.35, 2.35, 2.35]], dtype=float32)
    """
    labels = _labels("instances", instances)
    if not (np.isfinite(w0) and w0 >= 0) or not (np.isfinite(sigma) and sigma > 0):
        raise ValueError(f"w0 must be at least 0 and sigma greater than 0, but got w0={w0!r} and sigma={sigma!r}.")
    reach = int(np.ceil(4 * sigma))  # beyond it, the exponential is less than 0.0004
    nearest = np.full(labels.shape, np.inf, dtype=np.float32)
    second = nearest.copy()
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:  # no object has this number
            continue
        near = tuple(slice(max(0, side.start - reach), side.stop + reach) for side in box)
        distance = ndimage.distance_transform_edt(labels[near] != number)
        second[near] = np.minimum(second[near], np.maximum(nearest[near], distance))
        nearest[near] = np.minimum(nearest[near], distance)
    weights = 1 + w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return torch.from_numpy(weights.astype(np.float32))  # (H, W)


def with_targets(
    dataset: Dataset, *, border: int = 2, w0: float = 10.0, sigma: float = 5.0
) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Compute, once, what a network is to learn from every picture of a data set.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        With ``dataset[i]``, an image (C, H, W) and a mask, and ``dataset.instances(i)``, an instance map: such as
        `unet_tutorial.data.nuclei.NucleiDataset` or `unet_tutorial.data.synthetic.SyntheticCellsDataset`.
    border : int, default 2
        See `class_map`.
    w0, sigma : float
        See `weight_map`.

    Returns
    -------
    list of tuple of torch.Tensor
        For every picture the image (C, H, W), the classes, int64 (H, W), and the weights, float32 (H, W).

    Raises
    ------
    ValueError
        As `class_map` and `weight_map`.

    Examples
    --------
    >>> from unet_tutorial.data.synthetic import SyntheticCellsDataset
    >>> pictures = with_targets(SyntheticCellsDataset(2, image_size=64))
    >>> [tuple(part.shape) for part in pictures[1]], pictures[1][1].max().item()
    ([(1, 64, 64), (64, 64), (64, 64)], 2)
    """
    pictures = []
    for index in range(len(dataset)):
        labels = dataset.instances(index)  # (H, W)
        pictures.append((dataset[index][0], class_map(labels, border), weight_map(labels, w0, sigma)))
    return pictures


def weighted_cross_entropy(logits: torch.Tensor, masks: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Cross entropy of the softmax, in which every pixel counts as its weight says.

    Parameters
    ----------
    logits : torch.Tensor
        (B, C, H, W), C > 1.
    masks : torch.Tensor
        int64 (B, H, W) of class indices.
    weights : torch.Tensor
        float32 (B, H, W), not negative.

    Returns
    -------
    torch.Tensor
        A scalar: the weighted mean over the pixels of the batch.

    Raises
    ------
    ValueError
        If the three do not fit one another.

    References
    ----------
    Ronneberger, Fischer and Brox 2015, arXiv:1505.04597, equation 1.

    Examples
    --------
    >>> logits = torch.tensor([[[[9.0, 9.0]], [[-9.0, -9.0]]]])  # class 0, twice
    >>> masks = torch.tensor([[[0, 1]]])  # right, wrong
    >>> round(weighted_cross_entropy(logits, masks, torch.tensor([[[3.0, 1.0]]])).item(), 3)
    4.5
    """
    if logits.ndim != 4 or masks.shape != weights.shape or masks.shape != (len(logits), *logits.shape[2:]):
        raise ValueError(
            f"logits must have the shape (B, C, H, W), masks and weights (B, H, W), "
            f"but got {tuple(logits.shape)}, {tuple(masks.shape)} and {tuple(weights.shape)}."
        )
    losses = F.cross_entropy(logits, masks, reduction="none")  # (B, H, W)
    return (losses * weights).sum() / weights.sum()


def from_logits(
    logits: torch.Tensor, *, foreground: float = 0.6, seed: float = 0.5, smallest_seed: int = 20, smallest: int = 30
) -> torch.Tensor:
    """Turn the logits of one picture into objects.

    A pixel is foreground if interior and border together have more than the probability ``foreground``. Where the
    interior alone has more than ``seed``, each part that hangs together is a seed. The seeds grow by watershed until
    they meet or reach the end of the foreground; a foreground without any seed becomes one object. The defaults are
    those that found most on the validation fields of BBBC039.

    Parameters
    ----------
    logits : torch.Tensor
        (3, H, W), what a network with the classes of `class_map` returns for one picture; or (2, H, W), where
        it has learned no border.
    foreground, seed : float
        The two probabilities.
    smallest_seed : int, default 20
        Seeds of fewer pixels are left out.
    smallest : int, default 30
        Objects of fewer pixels are left out in the end: at this size most are specks.

    Returns
    -------
    torch.Tensor
        int64 (H, W), an instance map.

    Raises
    ------
    ValueError
        If the logits have another shape or dtype, or an argument is out of range.

    Examples
    --------
    >>> classes = torch.tensor([[0, 1, 1, 2, 2, 1, 1, 0, 2, 0]])
    >>> logits = 9.0 * F.one_hot(classes).permute(2, 0, 1)  # (3, 1, 10)
    >>> from_logits(logits, smallest_seed=1, smallest=1)
    tensor([[0, 1, 1, 1, 2, 2, 2, 0, 3, 0]])
    """
    tensor = isinstance(logits, torch.Tensor)
    if not tensor or logits.ndim != 3 or len(logits) not in (2, 3) or not logits.is_floating_point():
        came = f"{logits.dtype} of shape {tuple(logits.shape)}" if tensor else type(logits).__name__
        raise ValueError(f"logits must be floating point of shape (3, H, W), those of one picture, but got {came}.")
    for name, value in (("foreground", foreground), ("seed", seed)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must be a probability between 0 and 1, both excluded, but got {value!r}.")
    positive_int("smallest_seed", smallest_seed)
    positive_int("smallest", smallest)
    probabilities = logits.float().softmax(dim=0).cpu().numpy()  # (3, H, W)
    inside = 1 - probabilities[BACKGROUND] > foreground
    seeds, _ = ndimage.label((probabilities[INTERIOR] > seed) & inside)
    pixels = np.bincount(seeds.ravel())  # of every seed
    seeds[pixels[seeds] < smallest_seed] = 0
    parts, _ = ndimage.label(inside)
    without = inside & ~np.isin(parts, np.unique(parts[seeds > 0]))
    seeds[without] = parts[without] + seeds.max()
    objects = watershed(-probabilities[INTERIOR], seeds, mask=inside)  # (H, W)
    return _without_specks(objects, smallest)


def otsu(image: np.ndarray, *, smallest: int = 30) -> torch.Tensor:
    """The oldest opponent: a threshold, and what hangs together above it is one object.

    Parameters
    ----------
    image : numpy.ndarray
        (H, W) numbers.
    smallest : int, default 30
        Objects of fewer pixels are left out, as in `from_logits`.

    Returns
    -------
    torch.Tensor
        int64 (H, W), an instance map.

    Raises
    ------
    ValueError
        If the image has other axes, or ``smallest`` is no whole number of at least 1.

    References
    ----------
    Otsu 1979, doi:10.1109/TSMC.1979.4310076.

    Examples
    --------
    >>> otsu(np.array([[1.0, 9.0, 1.0, 8.0, 8.0]]), smallest=1)
    tensor([[0, 1, 0, 2, 2]])
    """
    return _without_specks(ndimage.label(_above_otsu(image))[0], positive_int("smallest", smallest))


def otsu_watershed(image: np.ndarray, *, smooth: float = 2.0, apart: int = 10, smallest: int = 30) -> torch.Tensor:
    """A better opponent without any training: what Otsu finds, cut at its waists.

    Every pixel above the threshold gets its distance to the background. A nucleus is round, so each has one peak of
    the distance; from the peaks, a watershed grows until the parts meet. The defaults are those that found most on the
    validation fields of BBBC039.

    Parameters
    ----------
    image : numpy.ndarray
        (H, W) numbers.
    smooth : float, default 2.0
        The distances are smoothed with a Gaussian of so many pixels, so that one nucleus has one peak.
    apart : int, default 10
        Peaks closer than so many pixels are one.
    smallest : int, default 30
        Objects of fewer pixels are left out, as in `from_logits`.

    Returns
    -------
    torch.Tensor
        int64 (H, W), an instance map.

    Raises
    ------
    ValueError
        If the image has other axes, or an argument is out of range.

    References
    ----------
    Vincent and Soille 1991, doi:10.1109/34.87344, for the watershed.

    Examples
    --------
    >>> y, x = np.mgrid[:20, :40]
    >>> discs = np.minimum(np.hypot(y - 10, x - 13), np.hypot(y - 10, x - 27)) < 8  # they touch
    >>> otsu(discs.astype(float)).max().item(), otsu_watershed(discs.astype(float)).max().item()
    (1, 2)
    """
    if not (np.isfinite(smooth) and smooth >= 0):
        raise ValueError(f"smooth must be a number of at least 0, but got {smooth!r}.")
    positive_int("apart", apart)
    positive_int("smallest", smallest)
    inside = _above_otsu(image)
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(inside), smooth)
    parts, _ = ndimage.label(inside)
    seeds = np.zeros(inside.shape, dtype=np.int64)
    peaks = peak_local_max(depth, min_distance=apart, labels=parts, exclude_border=False)  # (peaks, 2)
    seeds[tuple(peaks.T)] = 1 + np.arange(len(peaks))
    return _without_specks(watershed(-depth, seeds, mask=inside), smallest)


def scores(pred: LabelsLike, true: LabelsLike) -> dict[str, float]:
    """Measure the objects of one picture.

    Parameters
    ----------
    pred, true : torch.Tensor or numpy.ndarray
        Instance maps (H, W) of one size.

    Returns
    -------
    dict of str to float
        ``dice`` and ``iou``: of all objects' pixels together against the background. ``ap``: mean of
        `unet_tutorial.metrics.average_precision` over IoU 0.50 to 0.95. ``f1_50`` and ``f1_75``: the F1 score of the
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
    by_threshold = average_precision(pred, true)  # (10,)
    pred, true = _labels("pred", pred), _labels("true", true)
    masks = [torch.from_numpy((labels > 0).astype(np.float32))[None, None] for labels in (pred, true)]
    f1 = 2 * by_threshold / (1 + by_threshold)  # TP / (TP + FP + FN) becomes 2 TP / (2 TP + FP + FN)
    return {
        "dice": dice(*masks).item(),
        "iou": iou(*masks).item(),
        "ap": by_threshold.mean().item(),
        "f1_50": f1[0].item(),
        "f1_75": f1[5].item(),
        "splits": _holding_several(pred, true),
        "merges": _holding_several(true, pred),
    }


def mean_scores(preds: Sequence[LabelsLike], trues: Sequence[LabelsLike]) -> dict[str, float]:
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
    if not len(preds) == len(trues) > 0:
        raise ValueError(f"preds and trues must be of one length, at least 1, but have {len(preds)} and {len(trues)}.")
    found = [scores(pred, true) for pred, true in zip(preds, trues, strict=True)]
    totals = {name: sum(one[name] for one in found) for name in found[0]}
    return {name: total if name in ("splits", "merges") else total / len(found) for name, total in totals.items()}


def _above_otsu(image: np.ndarray) -> np.ndarray:
    if not isinstance(image, np.ndarray) or image.ndim != 2 or image.size == 0:
        came = image.shape if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"image must be a numpy array of shape (H, W), but got {came}.")
    return image > threshold_otsu(image)


def _holding_several(inner: np.ndarray, outer: np.ndarray) -> int:
    """Count the objects of ``outer`` within which two or more of ``inner`` lie with more than half of their pixels."""
    inner, outer = _renumbered(inner), _renumbered(outer)
    columns = outer.max() + 1
    both = np.bincount((inner * columns + outer).ravel(), minlength=(inner.max() + 1) * columns)
    both = both.reshape(-1, columns)  # pixels of every pair
    within = 2 * both > both.sum(axis=1, keepdims=True)
    return int((within[1:, 1:].sum(axis=0) > 1).sum())


def _without_specks(objects: np.ndarray, smallest: int) -> torch.Tensor:
    """Leave out objects of fewer pixels, and number the rest: int64 (H, W)."""
    return torch.from_numpy(_renumbered(np.where(np.bincount(objects.ravel())[objects] < smallest, 0, objects)))


def _renumbered(labels: np.ndarray) -> np.ndarray:
    """Number the objects 1 to n, int64."""
    return np.unique(np.append(0, labels), return_inverse=True)[1][1:].reshape(labels.shape).astype(np.int64)


def _labels(name: str, labels: LabelsLike) -> np.ndarray:
    """Return an instance map as int64 of numpy; refuse what is none."""
    values = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else labels
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "iu" or values.size == 0:
        came = f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else type(labels).__name__
        raise ValueError(f"{name} must be whole numbers of shape (H, W), one label a pixel, but got {came}.")
    if values.min() < 0:
        raise ValueError(f"{name} must hold labels of at least 0, but holds {values.min()}.")
    return values.astype(np.int64)
