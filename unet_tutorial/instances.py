"""Objects told apart: what a network is taught so that touching ones can be separated, how its answer becomes objects,
and how good they are.

An instance map is (H, W) whole numbers: 0 background, every other number one object.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import relabel_sequential, watershed

from ._checks import number, probability, whole_number
from ._contract import FLOATS, ArrayLike, dense, label_map, numbers

BACKGROUND, INTERIOR, BORDER = range(3)
CLASSES = ("background", "interior", "border")


def class_map(instances: ArrayLike, border: int = 2) -> torch.Tensor:
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
    labels = relabel_sequential(label_map("instances", instances))[0]
    side = 2 * whole_number("border", border, least=0) + 1
    inside = labels > 0
    highest = ndimage.maximum_filter(labels, size=side)
    lowest = ndimage.minimum_filter(np.where(inside, labels, labels.max() + 1), size=side)  # of objects alone
    return torch.from_numpy(np.where(inside, np.where(highest != lowest, BORDER, INTERIOR), BACKGROUND))


def weight_map(instances: ArrayLike, w0: float = 10.0, sigma: float = 5.0) -> torch.Tensor:
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
    labels = relabel_sequential(label_map("instances", instances))[0]  # a list up to the largest label is made below
    w0, sigma = number("w0", w0), number("sigma", sigma, above_zero=True)
    reach = int(np.ceil(4 * sigma))  # beyond it, the exponential is less than 0.0004
    nearest = np.full(labels.shape, np.inf, dtype=np.float32)
    second = nearest.copy()
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:  # no object has this label
            continue
        near = tuple(slice(max(0, side.start - reach), side.stop + reach) for side in box)
        distance = ndimage.distance_transform_edt(labels[near] != label)
        second[near] = np.minimum(second[near], np.maximum(nearest[near], distance))
        nearest[near] = np.minimum(nearest[near], distance)
    weights = 1 + w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return torch.from_numpy(weights.astype(np.float32))  # (H, W)


class _Instances(Protocol):
    """A data set that knows its objects one by one."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[torch.Tensor, torch.Tensor]: ...
    def instances(self, index: int, /) -> torch.Tensor: ...


def with_targets(
    dataset: _Instances, *, border: int = 2, w0: float = 10.0
) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Compute, once, what a network is to learn from every picture of a data set.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        With ``dataset[i]``, an image (C, H, W) and a mask, and ``dataset.instances(i)``, an instance map: such as
        `unet_tutorial.data.bbbc039.NucleiDataset` or `unet_tutorial.data.synthetic.SyntheticCellsDataset`.
    border : int, default 2
        See `class_map`.
    w0 : float, default 10.0
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
    missing = [name for name in ("__len__", "__getitem__", "instances") if not hasattr(dataset, name)]
    if missing or isinstance(dataset, type):
        raise ValueError(
            f"dataset must know its objects, with dataset[i] and dataset.instances(i), as SyntheticCellsDataset does, "
            f"but got {dataset!r}."
        )
    pictures = []
    for index in range(len(dataset)):
        labels = dataset.instances(index)  # (H, W)
        pictures.append((dataset[index][0], class_map(labels, border), weight_map(labels, w0)))
    return pictures


def from_logits(
    logits: torch.Tensor, *, foreground: float = 0.6, seed: float = 0.5, smallest_seed: int = 20, smallest: int = 30
) -> torch.Tensor:
    """Turn the logits of one picture into objects.

    A pixel is foreground if interior and border together have more than the probability ``foreground``. Where the
    interior alone has more than ``seed``, each connected component is a seed. The seeds grow by watershed until
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
        If the logits have another shape or dtype, or are no numbers, or an argument is out of range.

    Examples
    --------
    >>> classes = torch.tensor([[0, 1, 1, 2, 2, 1, 1, 0, 2, 0]])
    >>> logits = 9.0 * torch.nn.functional.one_hot(classes).permute(2, 0, 1)  # (3, 1, 10)
    >>> from_logits(logits, smallest_seed=1, smallest=1)
    tensor([[0, 1, 1, 1, 2, 2, 2, 0, 3, 0]])
    """
    tensor = isinstance(logits, torch.Tensor)
    if tensor:
        dense("logits", logits)
    if not tensor or logits.ndim != 3 or len(logits) not in (2, 3) or logits.dtype not in FLOATS or not logits.numel():
        came = f"{logits.dtype} of shape {tuple(logits.shape)}" if tensor else type(logits).__name__
        raise ValueError(f"logits must be floating point of shape (3, H, W), those of one picture, but got {came}.")
    probability("foreground", foreground)
    probability("seed", seed)
    smallest_seed, smallest = whole_number("smallest_seed", smallest_seed), whole_number("smallest", smallest)
    probabilities = logits.detach().float().softmax(dim=0).cpu().numpy()  # (3, H, W)
    if np.isnan(probabilities).any():  # of NaN, or of infinity in two classes
        raise ValueError(
            f"logits must be numbers, but {int((~logits.isfinite()).sum())} of them are NaN or infinite. Has the "
            f"training diverged?"
        )
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
    """The oldest baseline: a threshold; every connected component above it is one object.

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
        If the image has other axes or holds NaN or infinity, or ``smallest`` is no whole number of at least 1.

    References
    ----------
    Otsu 1979, doi:10.1109/TSMC.1979.4310076.

    Examples
    --------
    >>> otsu(np.array([[1.0, 9.0, 1.0, 8.0, 8.0]]), smallest=1)
    tensor([[0, 1, 0, 2, 2]])
    """
    return _without_specks(ndimage.label(_above_otsu(image))[0], whole_number("smallest", smallest))


def otsu_watershed(image: np.ndarray, *, smooth: float = 2.0, apart: int = 10, smallest: int = 30) -> torch.Tensor:
    """A better baseline, without training as well: what Otsu finds, cut at its waists.

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
        If the image has other axes or holds NaN or infinity, or an argument is out of range.

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
    smooth, apart = number("smooth", smooth), whole_number("apart", apart)
    smallest = whole_number("smallest", smallest)
    inside = _above_otsu(image)
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(inside), smooth)
    parts, _ = ndimage.label(inside)
    seeds = np.zeros(inside.shape, dtype=np.int64)
    peaks = peak_local_max(depth, min_distance=apart, labels=parts, exclude_border=False)  # (peaks, 2)
    seeds[tuple(peaks.T)] = 1 + np.arange(len(peaks))
    return _without_specks(watershed(-depth, seeds, mask=inside), smallest)


def _above_otsu(image: np.ndarray) -> np.ndarray:
    if not isinstance(image, np.ndarray) or image.ndim != 2 or image.size == 0:
        came = image.shape if isinstance(image, np.ndarray) else type(image).__name__
        flat = isinstance(image, torch.Tensor) and image.ndim == 2
        hint = " Convert it with image.float().numpy(force=True)." if flat else ""  # also with a gradient, or on a GPU
        raise ValueError(f"image must be a numpy array of shape (H, W), but got {came}.{hint}")
    values = numbers("image", image)
    if not np.isfinite(values).all():
        wrong = int((~np.isfinite(values)).sum())
        raise ValueError(f"image must hold finite numbers, but {wrong} of them are NaN or infinite.")
    if values.dtype == np.float16 or not values.dtype.isnative:  # numpy's histogram knows neither
        values = values.astype(np.float32 if values.dtype == np.float16 else values.dtype.newbyteorder("="))
    return values > threshold_otsu(values)


def _without_specks(objects: np.ndarray, smallest: int) -> torch.Tensor:
    """Leave out objects of fewer pixels, and number the rest: int64 (H, W)."""
    objects = objects.astype(np.int64)
    kept = np.where(np.bincount(objects.ravel())[objects] < smallest, 0, objects)
    return torch.from_numpy(relabel_sequential(kept)[0])
