"""Smaller pictures: a network that is to be trained in a minute need not see every pixel of the camera."""

from __future__ import annotations

from typing import Any

import numpy as np
from skimage.transform import downscale_local_mean

from .._checks import whole_number
from .pictures import Pictures


def shrink(pictures: Pictures, factor: int) -> Pictures:
    """Make all pictures smaller by a whole factor, and their masks with them.

    A pixel of a small image is the mean of ``factor`` × ``factor`` pixels. A pixel of a small mask takes one number,
    that of the pixel in the middle: the mean of two classes would be a third one. Rows and columns at the end that do
    not fill a pixel are left out.

    Parameters
    ----------
    pictures : Pictures
        With masks or without.
    factor : int
        At least 1, and at most the smallest side.

    Returns
    -------
    Pictures
        With all that was known of them: names, groups, splits, classes, and which pixels do not count.

    Raises
    ------
    ValueError
        If these are no `Pictures`, or the factor is no whole number of at least 1 or is larger than a side.

    Examples
    --------
    >>> image = np.array([[10, 30, 50, 50], [10, 30, 50, 90]], dtype=np.uint8)
    >>> mask = np.array([[0, 0, 1, 1], [0, 0, 1, 2]])
    >>> small = shrink(Pictures(["a"], [image], [mask], task="classes"), 2)
    >>> small.images[0].tolist(), small.mask(0).tolist()
    ([[20, 60]], [[0, 2]])
    """
    factor = whole_number("factor", factor)
    if not isinstance(pictures, Pictures):
        raise ValueError(
            f"pictures must be Pictures, such as own_pictures(folder) reads, but got {type(pictures).__name__}."
        )
    smallest = min(side for image in pictures.images for side in image.shape[:2])
    if factor > smallest:
        raise ValueError(f"factor must be at most the smallest side of the pictures, {smallest}, but got {factor}.")
    masks: list[np.ndarray | None] = [None] * len(pictures)
    for i in pictures.labelled:
        values = pictures.instances(i) if pictures.task == "objects" else pictures.mask(i)
        numbers = (values[0] if values.ndim == 3 else values).numpy().astype(np.int64)  # (H, W)
        masks[i] = _whole(numbers, factor)[factor // 2 :: factor, factor // 2 :: factor]  # (H / factor, W / factor)
    of_classes: dict[str, Any] = {"num_classes": pictures.num_classes} if pictures.task == "classes" else {}
    return Pictures(
        pictures.names,
        [_mean(image, factor) for image in pictures.images],
        masks,
        task=pictures.task,
        paths=pictures.paths,
        groups=pictures.groups,
        splits=pictures.splits,
        class_names=pictures.class_names,
        ignore_index=pictures.ignore_index,
        **of_classes,
    )


def _whole(array: np.ndarray, factor: int) -> np.ndarray:
    """Leave out what does not fill a pixel at the end of both sides."""
    height, width = (side // factor * factor for side in array.shape[:2])
    return array[:height, :width]


def _mean(image: np.ndarray, factor: int) -> np.ndarray:
    """Return the means of squares of pixels, in the dtype of the image."""
    sides = (factor, factor, 1)[: image.ndim]
    means = downscale_local_mean(_whole(image, factor), sides)  # it would fill up what is not whole with zeros
    return (means.round() if image.dtype.kind in "iu" else means).astype(image.dtype)
