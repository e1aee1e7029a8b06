"""Objects found by votes: every pixel of an object says where the middle of its object is.

Where many votes meet is an object, and every pixel belongs to the one for which it has voted. Objects of any shape
that touch have different middles, so a border between them need not be seen.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.feature import peak_local_max
from skimage.segmentation import relabel_sequential

from ._checks import number, probability, whole_number
from ._contract import FLOATS, ArrayLike, label_map, tensor


def middles(instances: ArrayLike) -> np.ndarray:
    """Return the middle of every object: the mean of the places of its pixels.

    Parameters
    ----------
    instances : torch.Tensor or numpy.ndarray
        (H, W), an instance map.

    Returns
    -------
    numpy.ndarray
        float32 (1 + n, 2): row and column, where ``n`` is the largest number of an object. The place of a number that
        no object has, such as 0, is (0, 0). The middle of the first pixel is at 0.5.

    Raises
    ------
    ValueError
        If the map is not whole numbers of at least 0 of shape (H, W).

    Examples
    --------
    >>> middles(np.array([[0, 1, 1], [0, 1, 1]]))
    array([[0., 0.],
           [1., 2.]], dtype=float32)
    """
    labels = label_map("instances", instances)
    places = np.indices(labels.shape) + 0.5  # (2, H, W)
    areas = np.bincount(labels.ravel())
    sums = np.stack([np.bincount(labels.ravel(), weights=place.ravel()) for place in places], axis=1)
    found = sums / np.maximum(areas, 1)[:, None]
    found[0] = 0
    return found.astype(np.float32)


def from_votes(
    logits: torch.Tensor,
    size: tuple[int, int] | None = None,
    *,
    radius: float = 10.0,
    foreground: float = 0.5,
    votes: float = 1.0,
    smallest: float = 15.0,
) -> torch.Tensor:
    """Turn the logits of one picture into objects.

    Votes are counted where they land, and smoothed; each peak is an object. As in the Hough transform, pixels that err
    in different directions do not meet and do no harm.

    Parameters
    ----------
    logits : torch.Tensor
        (3, h, w): whether a pixel belongs to an object, and how many radii its object's middle lies below and to the
        right of it.
    size : (int, int), optional
        Height and width of the objects' map, if the logits belong to a picture that was scaled. Outlines are then
        drawn at this size.
    radius : float, default 10.0
        The unit of the votes, in pixels of the logits.
    foreground : float, default 0.5
        The probability above which a pixel belongs to an object.
    votes : float, default 1.0
        How many votes a pixel must meet, after smoothing, for an object: a disc whose votes are exact has at least
        one where its radius is a third of ``radius``.
    smallest : float, default 15.0
        Objects of a smaller area, in pixels of the logits, are left out.

    Returns
    -------
    torch.Tensor
        int64, an instance map.

    Raises
    ------
    ValueError
        If the logits have another shape or dtype, or an argument is out of range.

    References
    ----------
    Cheng et al. 2020, arXiv:1911.10194, whose network says for every pixel where the middle of its object is; Wang et
    al. 2020, arXiv:2004.01849, who find the middles where votes of pixels meet.

    Examples
    --------
    >>> logits = torch.zeros(3, 16, 32)
    >>> logits[0] = 9.0  # everything belongs to an object
    >>> y, x = torch.meshgrid(torch.arange(16) + 0.5, torch.arange(32) + 0.5, indexing="ij")
    >>> logits[1], logits[2] = (8 - y) / 10, (torch.where(x < 16, 8, 24) - x) / 10  # of a left one or a right one
    >>> from_votes(logits).unique_consecutive(dim=0)[0].unique_consecutive()
    tensor([1, 2])
    """
    tensor("logits", logits)
    right = logits.ndim == 3 and len(logits) == 3 and logits.dtype in FLOATS and logits.numel() > 0
    if not right or not logits.isfinite().all():
        came = f"{logits.dtype} of shape {tuple(logits.shape)}"
        raise ValueError(f"logits must be finite floating point of shape (3, h, w), but got {came}.")
    h, w = logits.shape[1:]
    size = (h, w) if size is None else (whole_number("size[0]", size[0]), whole_number("size[1]", size[1]))
    number("radius", radius, above_zero=True)
    limit = float(np.log(probability("foreground", foreground) / (1 - foreground)))
    number("votes", votes, above_zero=True)
    number("smallest", smallest)
    logits = logits.detach().float().cpu()
    full = F.interpolate(logits[None], size=size, mode="bilinear")[0].numpy()  # (3, H, W)
    y, x = np.nonzero(full[0] > limit)
    scale = np.array([h / size[0], w / size[1]])
    lands = (np.stack([y, x], axis=1) + 0.5) * scale + radius * full[1:, y, x].T  # (n, 2), in pixels of the logits
    bins = np.clip(lands, 0, [h - 1, w - 1]).astype(int)
    counted = np.bincount(bins[:, 0] * w + bins[:, 1], minlength=h * w).reshape(h, w) * scale.prod()
    heat = ndimage.gaussian_filter(counted, radius / 5)
    peaks = peak_local_max(heat, min_distance=max(1, int(radius / 3)), threshold_abs=votes, exclude_border=False)
    objects = np.zeros(size, dtype=np.int64)
    if len(peaks) and len(lands):
        objects[y, x] = 1 + KDTree(peaks + 0.5).query(lands)[1]
        areas = np.bincount(objects.ravel()) * scale.prod()
        objects[areas[objects] < smallest] = 0
    return torch.from_numpy(relabel_sequential(objects)[0])
