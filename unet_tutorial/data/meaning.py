"""What the numbers of a mask mean: measured on the masks, because no file says it.

A number may stand for an object, for a class, or for a colour that only keeps neighbours apart. It may also be what was
left over when numbers above 255 went into 8 bits, or when a mask was resized or compressed as if it were a photograph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from skimage import measure

from .. import _contract

KINDS = ("nothing", "one class", "objects", "classes or colours", "run over", "mixed")  #: What `kind_of` can find.


class Counts(NamedTuple):
    """How the numbers of a mask lie in its picture, as `counts` finds it.

    Attributes
    ----------
    numbers : int
        Different numbers above 0.
    apart : int
        Of these, the ones that mark parts far apart.
    thin : int
        Of these, the ones of which no pixel has four equal neighbours.
    largest : int
        The largest number.
    full : bool
        Whether the mask uses every number from 1 to 255 and none above.

    Examples
    --------
    >>> counts(np.array([[1, 1], [0, 0]])).numbers
    1
    """

    numbers: int
    apart: int
    thin: int
    largest: int
    full: bool


def whole_numbers(mask: np.ndarray, name: str) -> np.ndarray:
    """Return a mask as int64, without a change; refuse other numbers than whole ones of at least 0.

    Colours (H, W, 3) of 8 bits become one number each, 0 for black.

    Parameters
    ----------
    mask : numpy.ndarray
        (H, W) numbers, or (H, W, 3) uint8.
    name : str
        What the message calls the mask.

    Returns
    -------
    numpy.ndarray
        int64 (H, W).

    Raises
    ------
    ValueError
        If the mask has other axes or holds other numbers.

    Examples
    --------
    >>> whole_numbers(np.array([[0.0, 3.0]]), "mask"), whole_numbers(np.array([[[0, 1, 0]]], dtype=np.uint8), "mask")
    (array([[0, 3]]), array([[256]]))
    """
    mask = _contract.numbers(name, mask)
    if mask.ndim == 3 and mask.shape[2] == 3 and mask.dtype == np.uint8:
        return mask.astype(np.int64) @ (1 << 16, 1 << 8, 1)
    if mask.ndim != 2:
        raise ValueError(
            f"{name} must hold one number a pixel, (H, W), or three colours of 8 bits, but has the shape {mask.shape} "
            f"and {mask.dtype}. Save the channel that marks the objects in a file of its own."
        )
    with np.errstate(invalid="ignore"):  # NaN and infinity become some whole number, and so differ from themselves
        whole = mask.astype(np.int64)
    wrong = np.unique(mask[(whole != mask) | (whole < 0)])
    if not wrong.size:
        return whole
    hint = "" if (wrong < 0).any() else " Was it resized with interpolation? Resize the original with resize_mask."
    if mask.min() >= 0 and mask.max() <= 1 and np.abs(mask * 255 - np.round(mask * 255)).max() < 1e-3:
        hint = " All are whole numbers divided by 255: multiply by 255 and round, and save whole numbers."
    raise ValueError(
        f"{name} must hold whole numbers, 0 for the background and more for objects, but it is {mask.dtype} and holds "
        f"{_contract.listed(wrong)}.{hint}"
    )


def counts(mask: np.ndarray) -> Counts:
    """Measure how the numbers of a mask lie.

    A number marks *parts far apart* if it has several 8-connected parts and the second largest is at least a quarter of
    the largest: a speck that was drawn by mistake, or a corner that another object cuts off, is no second part.

    Parameters
    ----------
    mask : numpy.ndarray
        int64 (H, W), 0 for the background.

    Returns
    -------
    Counts

    Examples
    --------
    >>> counts(np.array([[1, 1, 0, 1, 1], [0, 0, 0, 0, 0], [2, 2, 0, 0, 0]]))[:2]
    (2, 1)
    """
    parts = measure.label(mask, background=0, connectivity=2)  # neighbours are one part if their numbers are equal
    size = np.bincount(parts.ravel())[1:]
    places = np.unique(parts, return_index=True)[1]
    first = places[places.size - size.size :]  # of every part, but not of the background
    of_part = mask.ravel()[first]  # the number of every part
    numbers, place = np.unique(of_part, return_inverse=True)
    largest = np.zeros(numbers.size, dtype=np.int64)
    np.maximum.at(largest, place, size)
    weighty = np.bincount(place, weights=4 * size >= largest[place], minlength=numbers.size)
    cross = ndimage.generate_binary_structure(2, 1)
    flat = ndimage.minimum_filter(mask, footprint=cross) == ndimage.maximum_filter(mask, footprint=cross)
    thin = ~np.isin(numbers, np.unique(mask[flat]))
    full = numbers.size == 255 and numbers[-1] == 255
    return Counts(numbers.size, int((weighty > 1).sum()), int(thin.sum()), int(max(numbers, default=0)), full)


def kind_of(masks: Sequence[np.ndarray]) -> str:
    """Find what the numbers of the masks of one folder mean.

    Parameters
    ----------
    masks : sequence of numpy.ndarray
        int64 (H, W) each, as `whole_numbers` returns them.

    Returns
    -------
    str
        One of `KINDS`. "one class": no mask has more than one number above 0. "objects": most numbers mark one part.
        "classes or colours": at least half of the numbers mark parts far apart. "run over": the same, and 8 bits are
        used up. "mixed": the same, but most numbers are thin rims, as interpolation and JPEG leave them.

    Notes
    -----
    Numbers that mark one part each are taken for objects. Where every class is one part (a liver, a kidney), nothing in
    the masks tells a class from an object: say ``task="classes"`` then.

    Examples
    --------
    >>> mask = np.kron([[1, 0, 1], [0, 0, 0], [2, 0, 2]], np.ones((4, 4), dtype=int))
    >>> kind_of([mask]), kind_of([connected_parts(mask)])
    ('classes or colours', 'objects')
    """
    found = [one for one in map(counts, masks) if one.numbers]
    several = [one for one in found if one.numbers > 1]
    if not several:
        return "one class" if found else "nothing"
    numbers, apart, thin = (sum(one[place] for one in several) for place in range(3))
    if any(looks_interpolated(mask) for mask in masks):
        return "mixed"
    if any(one.full and one.apart for one in several):
        return "run over"
    if 2 * apart < numbers:
        return "objects"
    return "mixed" if 2 * thin > numbers else "classes or colours"


def connected_parts(mask: np.ndarray) -> np.ndarray:
    """Give every connected part of every number a number of its own.

    Parameters
    ----------
    mask : numpy.ndarray
        Whole numbers (H, W), 0 for the background. Pixels are connected through their sides.

    Returns
    -------
    numpy.ndarray
        int64 (H, W): 1 to n.

    Examples
    --------
    >>> connected_parts(np.array([[7, 7, 0, 7], [9, 9, 0, 7]]))
    array([[1, 1, 0, 2],
           [3, 3, 0, 2]])
    """
    return measure.label(mask, background=0, connectivity=1).astype(np.int64)


def as_objects(mask: np.ndarray) -> np.ndarray:
    """Return one number an object: the mask itself, or, if it has a single number above 0, its connected parts.

    Parameters
    ----------
    mask : numpy.ndarray
        int64 (H, W).

    Returns
    -------
    numpy.ndarray
        int64 (H, W).

    Examples
    --------
    >>> as_objects(np.array([[255, 0, 255]])), as_objects(np.array([[3, 0, 7]]))
    (array([[1, 0, 2]]), array([[3, 0, 7]]))
    """
    return connected_parts(mask) if np.unique(mask[mask > 0]).size <= 1 else mask


def as_classes(masks: Sequence[np.ndarray], palette: Mapping | None = None) -> tuple[list[np.ndarray], int]:
    """Return class indices, and how many classes there are with the background.

    Parameters
    ----------
    masks : sequence of numpy.ndarray
        int64 (H, W) each.
    palette : mapping, optional
        The class of every number, or of every colour (red, green, blue), that occurs. Without it, the numbers must be
        the indices: 0, 1, 2 and so on, without a gap.

    Returns
    -------
    indices : list of numpy.ndarray
        int64 (H, W) each.
    num_classes : int

    Raises
    ------
    ValueError
        If a number has no class, or the numbers have gaps and there is no palette.

    Examples
    --------
    >>> as_classes([np.array([[0, 128, 255]])], palette={0: 0, 128: 1, 255: 2})
    ([array([[0, 1, 2]])], 3)
    """
    found = np.unique(np.concatenate([np.unique(mask) for mask in masks]))
    if palette is None:
        classes = found[found > 0]
        if classes.size and classes[-1] > classes.size:
            example = ", ".join(f"{_as_colour(n)}: {index}" for index, n in enumerate(found[:8].tolist()))
            more = ", ..." if found.size > 8 else ""
            raise ValueError(
                f"the masks must hold class indices 0 to {classes.size} without a gap, but hold "
                f"{_contract.listed(found)}. Say which class each is: palette={{{example}{more}}}.{_void_hint(classes)}"
            )
        return list(masks), int(found[-1]) + 1
    table = {as_number(key): index for key, index in palette.items()}
    unknown = [number for number in found.tolist() if number not in table]
    if unknown:
        raise ValueError(
            f"palette must have a class for every number of the masks, but not for "
            f"{', '.join(_as_colour(number) for number in unknown[:6])}. Add {'it' if len(unknown) == 1 else 'them'}."
        )
    lookup = np.array([table[number] for number in found.tolist()], dtype=np.int64)
    return [lookup[np.searchsorted(found, mask)] for mask in masks], int(max(table.values())) + 1


def _void_hint(classes: np.ndarray) -> str:
    """Say what else a single number far above the others may be."""
    last = int(classes[-1])
    alone = last <= 255 and classes.size > 1 and classes[-2] == classes.size - 1
    return f" Or, if {last} marks pixels that do not count, say ignore_index={last}." if alone else ""


def as_number(key: object) -> int:
    """Return the number in a mask, see `whole_numbers`, that a key of a palette stands for.

    Parameters
    ----------
    key : int or tuple of int
        A number, or a colour (red, green, blue) of 0 to 255 each.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If it is something else.

    Examples
    --------
    >>> as_number((0, 1, 0))
    256
    """
    if isinstance(key, tuple) and len(key) == 3 and all(isinstance(c, int) and 0 <= c <= 255 for c in key):
        return key[0] << 16 | key[1] << 8 | key[2]
    if isinstance(key, int):
        return int(key)
    raise ValueError(f"palette must map numbers, or colours such as (255, 0, 0), to classes, but got {key!r}.")


def _as_colour(number: int) -> str:
    """Write a number as whoever made the mask knows it: above 65,535 it can only be a colour."""
    return str((number >> 16, number >> 8 & 255, number & 255) if number > 65_535 else number)


def looks_interpolated(mask: np.ndarray) -> bool:
    """Tell whether a mask of two values was resized with interpolation: what lies between them is a rim.

    The values below the largest are no objects but its rim if there are at least three of them, more than two thirds of
    their pixels lie on a slope, with a smaller and a larger value beside them, and less than half of the edge of the
    largest value touches the background.

    Parameters
    ----------
    mask : numpy.ndarray
        int64 (H, W).

    Returns
    -------
    bool

    Examples
    --------
    >>> looks_interpolated(np.array([[0, 0, 64, 128, 191, 255, 255]]))
    True
    """
    largest = mask == mask.max()
    between = (mask > 0) & ~largest
    if np.unique(mask[between]).size < 3:
        return False
    slope = (ndimage.minimum_filter(mask, size=3) < mask) & (mask < ndimage.maximum_filter(mask, size=3))
    edge = largest & ~ndimage.binary_erosion(largest, border_value=1)  # the frame of the picture is no edge
    cross = ndimage.generate_binary_structure(2, 1)
    open_edge = largest & (ndimage.minimum_filter(mask, footprint=cross) == 0)
    return bool(slope[between].mean() > 2 / 3 and open_edge.sum() < edge.sum() / 2)
