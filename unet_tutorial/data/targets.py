"""What is to be found in the pictures of a data set: which of them have a mask, what it says, how large objects are."""

from __future__ import annotations

from typing import Any

import numpy as np


def object_size(labels: np.ndarray) -> float:
    """Return the typical diameter of the objects of a picture: of a disc with their median area.

    Parameters
    ----------
    labels : numpy.ndarray
        (H, W), an instance map with at least one object.

    Returns
    -------
    float
        In pixels.

    Examples
    --------
    >>> round(object_size(np.array([[1, 1, 0, 2], [1, 1, 0, 2]])), 2)  # areas 4 and 2, in the middle 3
    1.95
    """
    areas = np.unique(labels[labels > 0], return_counts=True)[1]
    return float(2 * np.sqrt(np.median(areas) / np.pi))


def labelled(pictures: Any) -> list[int]:
    """List the pictures that have a mask: all, unless the data set says which.

    Parameters
    ----------
    pictures : data set
        As for `unet_tutorial.plan.plan`; `unet_tutorial.data.pictures.Pictures` says it.

    Returns
    -------
    list of int

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> labelled(nuclei_pieces())
    [0, 1, 2, 3]
    """
    return list(getattr(pictures, "labelled", range(len(pictures))))


def target(pictures: Any, index: int) -> np.ndarray:
    """Return what is to be found in a picture: the numbers of its objects, or the classes of its pixels.

    Parameters
    ----------
    pictures : data set
        As for `unet_tutorial.plan.plan`.
    index : int
        Which picture.

    Returns
    -------
    numpy.ndarray
        int64 (H, W); -1 where a pixel does not count.

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> target(nuclei_pieces(), 0).shape
    (128, 128)
    """
    if getattr(pictures, "task", "objects") == "objects":
        return np.asarray(pictures.instances(index)).astype(np.int64)
    mask = np.asarray(pictures[index][1])
    labels = (mask[0] if mask.ndim == 3 else mask).astype(np.int64)
    void = getattr(pictures, "ignore_index", None)
    return labels if void is None else np.where(labels == void, -1, labels)
