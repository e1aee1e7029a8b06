"""Pictures to learn from, to choose by and to judge by: what belongs together stays together."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

COUNTER = re.compile(
    r"[-_ .]*(slice|tile|page|frame|field|crop|patch|img|image|z|t|s|x|y)?[-_ .]*\d+(?=([-_ .]|$))[^a-z\d]*$", re.I
)
SIDE = 24  # of the small pictures that are compared
ALIKE = 0.95  # the correlation from which two of them count as neighbours


class _Pictures(Protocol):
    names: list[str]
    groups: list[str]
    splits: list[str | None]

    def __len__(self) -> int: ...
    def image(self, index: int, /): ...
    def subset(self, indices: Sequence[int], /): ...


P = TypeVar("P", bound=_Pictures)


def split(
    pictures: P, fractions: Sequence[float] | None = None, *, groups: Sequence[str] | None = None, seed: int = 0
) -> list[P]:
    """Split pictures into parts, by chance, without cutting a group: a patient, a slide, a series.

    Two neighbouring slices show the same cells. If one is learned from and the other one judged by, the score says how
    well the network remembers.

    Parameters
    ----------
    pictures : unet_tutorial.data.pictures.Pictures
        At least one for each part.
    fractions : sequence of float, optional
        How much of the pictures each part is to have; their sum is 1. If not given, the split that the folder or its
        table says: train, val and, if there is one, test.
    groups : sequence of str, optional
        The group of every picture. If not given, those of the pictures; if these know none, those that the names say,
        see `groups_of`.
    seed : int, default 0
        Another seed, another split.

    Returns
    -------
    list of Pictures
        One for each fraction, in their order. Whole groups make the parts a little larger or smaller.

    Raises
    ------
    ValueError
        If the fractions are not above 0 with the sum 1, there are fewer groups than parts, or there is no split to
        take.

    Warns
    -----
    UserWarning
        If pictures of two parts look alike (the correlation of small copies, without what all pictures have in common,
        is above 0.95): they may be neighbours of one series, or copies.

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> train, val = split(nuclei_pieces(), (0.75, 0.25))
    >>> len(train), len(val)
    (3, 1)
    """
    if fractions is None:
        return _as_said(pictures)
    shares = [float(share) for share in fractions]
    if len(shares) < 2 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"fractions must be at least two, each above 0, with the sum 1, but got {tuple(fractions)}.")
    if groups is None:
        groups = pictures.groups if pictures.groups != pictures.names else groups_of(pictures.names)
    if len(groups) != len(pictures):
        raise ValueError(f"groups must name one for each of {len(pictures)} pictures, but got {len(groups)}.")
    names = sorted(set(groups))
    if len(names) < len(shares):
        raise ValueError(
            f"{len(shares)} parts need at least as many groups, but there are {len(names)}: {', '.join(names)}. Bring "
            f"more, or pass groups=pictures.names if pictures of one group do not resemble each other."
        )
    members = {name: [i for i, group in enumerate(groups) if group == name] for name in names}
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    parts: list[list[int]] = [[] for _ in shares]
    for place, name in enumerate(order):
        left = len(order) - place  # groups that are still to be given
        empty = [i for i, part in enumerate(parts) if not part]
        lacks = [share * len(pictures) - len(part) for share, part in zip(shares, parts, strict=True)]
        choice = empty if len(empty) == left else range(len(parts))
        parts[max(choice, key=lambda i: lacks[i])] += members[name]
    _warn_of_neighbours(pictures, parts)
    return [pictures.subset(sorted(part)) for part in parts]


def groups_of(names: Sequence[str]) -> list[str]:
    """Tell from their names which pictures are of one series: ``mouse3_slice07`` is of ``mouse3``.

    Parameters
    ----------
    names : sequence of str
        The names of all pictures.

    Returns
    -------
    list of str
        The group of every picture: its name without the last number. Its whole name, if that would put all pictures
        into one group.

    Examples
    --------
    >>> groups_of(["a_slice01", "a_slice02", "b_slice01"]), groups_of(["img_1", "img_2"])
    (['a', 'a', 'b'], ['img_1', 'img_2'])
    """
    groups = [COUNTER.sub("", name) or name for name in names]
    return groups if len(set(groups)) > 1 else list(names)


def _as_said(pictures: P) -> list[P]:
    said = {name: [i for i, part in enumerate(pictures.splits) if part == name] for name in ("train", "val", "test")}
    unknown = sorted({str(part) for part in pictures.splits if part not in said})
    if unknown or not said["train"] or not said["val"]:
        came = f"some are marked as {', '.join(unknown)}" if unknown else "none is to train, or none is for val"
        raise ValueError(
            f"fractions may be left out only if every picture is marked as train, val or test, by its folder or in "
            f"index.csv, but {came}. Pass fractions, such as (0.8, 0.2)."
        )
    return [pictures.subset(chosen) for chosen in said.values() if chosen]


def _warn_of_neighbours(pictures: _Pictures, parts: Sequence[Sequence[int]]) -> None:
    """Compare small copies of the pictures of different parts."""
    pairs = alike(pictures)
    part_of = {index: number for number, part in enumerate(parts) for index in part}
    cut = [(one, other) for one, other in pairs if part_of[one] != part_of[other]]
    if cut:
        some = ", ".join(f"{pictures.names[one]} and {pictures.names[other]}" for one, other in cut[:3])
        more = ", ..." if cut[3:] else ""
        warnings.warn(
            f"{len(cut)} pairs of pictures look alike and are in different parts: {some}{more}. If they are neighbours "
            f"of one series, or copies, the score will be too good: say which pictures belong together with groups=.",
            stacklevel=3,
        )


def alike(pictures: _Pictures) -> list[tuple[int, int]]:
    """Find the pairs of pictures that look alike.

    Parameters
    ----------
    pictures : unet_tutorial.data.pictures.Pictures
        All of them.

    Returns
    -------
    list of (int, int)
        Their indices. The pictures are made small, and what all have in common is taken away; pairs whose correlation
        is above 0.95 look alike. Fewer than three pictures have too little in common to ask.

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> alike(nuclei_pieces())
    []
    """
    if len(pictures) < 3:
        return []
    small = np.stack([_small(pictures.image(index).mean(dim=0).numpy()) for index in range(len(pictures))])  # (N, 576)
    small = small - small.mean(axis=1, keepdims=True)
    small -= small.mean(axis=0)  # uneven light, for example, which all of them have
    length = np.linalg.norm(small, axis=1, keepdims=True)
    small = np.divide(small, length, out=np.zeros_like(small), where=length > 1e-3)  # an even picture resembles none
    pairs = np.argwhere(np.triu(small @ small.T, 1) > ALIKE)
    return [(int(one), int(other)) for one, other in pairs]


def _small(image: np.ndarray) -> np.ndarray:
    """Return the means of SIDE times SIDE fields, as one row."""
    rows, columns = (np.linspace(0, side, SIDE + 1)[:-1].astype(int) for side in image.shape)
    sums = np.add.reduceat(np.add.reduceat(image, rows, axis=0), columns, axis=1)
    counts = np.add.reduceat(np.add.reduceat(np.ones_like(image), rows, axis=0), columns, axis=1)
    return (sums / counts).ravel()
