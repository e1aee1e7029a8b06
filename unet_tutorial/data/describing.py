"""The first look at one's own data: what was read, in numbers, and what looks suspicious, by name."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from .pictures import Pictures
from .splitting import alike

SPECK = 5  # an object of fewer pixels is more likely a slip of the hand
FULL = 0.95  # a mask that marks more than this is perhaps the wrong way round
SATURATED = 0.05  # this share of pixels at the largest possible value has lost what was brighter


@dataclass
class Description:
    """What `describe` found. It prints as text, and a notebook shows it as tables.

    Parameters
    ----------
    rows : list of (str, str)
        A property and its value each.
    suspicious : list of (str, str)
        A picture and what is odd about it.

    Examples
    --------
    >>> print(Description([("pictures", "4"), ("channels", "1, grey")]))
    pictures  4
    channels  1, grey
    """

    rows: list[tuple[str, str]]
    suspicious: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        lines = [f"{name:{width}}  {value}" for name, value in self.rows]
        lines += ["", "To be looked at:", *(f"  {name}: {why}" for name, why in self.suspicious)] * bool(
            self.suspicious
        )
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def table(caption: str, head: tuple[str, str], rows: list[tuple[str, str]]) -> str:
            cells = "".join(
                f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
                for name, value in rows
            )
            columns = "".join(f'<th scope="col">{name}</th>' for name in head)
            return f"<table><caption>{caption}</caption><thead><tr>{columns}</tr></thead><tbody>{cells}</tbody></table>"

        said = table("What was read", ("property", "value"), self.rows)
        if self.suspicious:
            said += table("To be looked at", ("picture", "why"), self.suspicious)
        return said


def describe(pictures: Pictures) -> Description:
    """Say what a set of pictures holds, before anything is trained on it.

    Parameters
    ----------
    pictures : unet_tutorial.data.pictures.Pictures
        As `unet_tutorial.data.pictures.own_pictures` reads them.

    Returns
    -------
    Description
        Number, sizes, bits, channels, groups; of the masks the task, how much they mark, how many objects there are and
        how large they are. And the pictures that ask for a look: empty or full masks, specks, pictures without any
        difference or with much that is overexposed, pictures that look alike, and a brightness that contradicts the
        rest.

    Raises
    ------
    ValueError
        If ``pictures`` is something else.

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> print(describe(nuclei_pieces()))
    pictures             4, of which 4 have a mask
    height × width       128 × 128
    numbers              uint16, 137 to 2,126
    channels             1
    groups               none known
    masks                objects
    marked               23.9 % of the pixels
    objects a picture    median 8, from 5 to 16
    pixels of an object  median 499, from 15 to 961
    """
    if not isinstance(pictures, Pictures):
        raise ValueError(f"pictures must be Pictures, as own_pictures reads them, but got {type(pictures).__name__}.")
    areas = {index: _areas(pictures.instances(index).numpy()) for index in pictures.labelled}
    rows = [
        ("pictures", f"{len(pictures)}, of which {len(pictures.labelled)} have a mask"),
        ("height × width", _sizes([image.shape[:2] for image in pictures.images])),
        ("numbers", _numbers(pictures.images)),
        (
            "channels",
            f"{pictures.channels}{' (red, green, blue)' if pictures.colour and pictures.channels == 3 else ''}",
        ),
        ("groups", _groups(pictures)),
    ]
    if areas:
        every = np.concatenate(list(areas.values()))
        counts = [len(area) for area in areas.values()]
        pixels = sum(pictures.images[i].shape[0] * pictures.images[i].shape[1] for i in areas)
        rows += [
            ("masks", pictures.task if pictures.task != "classes" else _classes(pictures, pixels)),
            ("marked", f"{every.sum() / pixels:.1%} of the pixels".replace("%", " %")),
            ("objects a picture" if pictures.task == "objects" else "parts a picture", _spread(counts)),
            ("pixels of an object" if pictures.task == "objects" else "pixels of a part", _spread(every.tolist())),
        ]
        if pictures.ignore_index is not None:
            void = sum(int((pictures.mask(i) == pictures.ignore_index).sum()) for i in areas)
            rows.append(("do not count", f"{void / pixels:.1%} of the pixels".replace("%", " %")))
        empty = sum(count == 0 for count in counts)
        if empty:
            rows.append(("empty masks", str(empty)))
    return Description(rows, [*_suspicious(pictures, areas)])


def _areas(instances: np.ndarray) -> np.ndarray:
    """Return the pixels of every object."""
    return np.unique(instances[instances > 0], return_counts=True)[1]


def _spread(values: list) -> str:
    if not values:
        return "none"
    return f"median {np.median(values):,.0f}, from {min(values):,} to {max(values):,}"


def _sizes(sizes: list[tuple[int, ...]]) -> str:
    found = Counter(f"{height} × {width}" for height, width in sizes)
    if len(found) == 1:
        return next(iter(found))
    some = ", ".join(f"{size} ({count})" for size, count in found.most_common(3))
    return some + (f", and {len(found) - 3} more sizes" if len(found) > 3 else "")


def _numbers(images: list[np.ndarray]) -> str:
    kinds = Counter(str(image.dtype) for image in images)
    low, high = min(image.min() for image in images), max(image.max() for image in images)
    return f"{', '.join(kinds)}, {float(low):,.6g} to {float(high):,.6g}"


def _groups(pictures: Pictures) -> str:
    if pictures.groups == pictures.names:
        return "none known"
    return f"{len(set(pictures.groups))}, with up to {max(Counter(pictures.groups).values())} pictures"


def _classes(pictures: Pictures, pixels: int) -> str:
    masks = [pictures.mask(i).numpy() for i in pictures.labelled]
    counted = [mask[mask != pictures.ignore_index] for mask in masks]
    total = np.sum([np.bincount(mask, minlength=pictures.num_classes) for mask in counted], axis=0)
    names = pictures.class_names or [str(number) for number in range(pictures.num_classes)]
    return "classes: " + ", ".join(f"{name} {count / pixels:.1%}" for name, count in zip(names, total, strict=True))


def _suspicious(pictures: Pictures, areas: dict[int, np.ndarray]) -> Iterator[tuple[str, str]]:
    """Name the pictures that ask for a look, each with its reason."""
    brighter = {}  # whether what is marked is brighter than what is not
    for index, name in enumerate(pictures.names):
        raw, image = pictures.images[index], pictures.image(index).mean(dim=0).numpy()
        if raw.max() == raw.min():
            yield name, f"every pixel is {raw.max():g}"
        elif raw.dtype.kind == "u" and (share := float((raw == np.iinfo(raw.dtype).max).mean())) > SATURATED:
            yield (
                name,
                f"{share:.0%} of its pixels have the largest value of {raw.dtype}: overexposed, or a white ground",
            )
        if index not in areas:
            continue
        inside = pictures.instances(index).numpy() > 0
        if not inside.any():
            yield name, "its mask is empty: is nothing there, or was it not marked?"
            continue
        if inside.mean() > FULL:
            yield name, f"its mask marks {inside.mean():.0%}: are object and background exchanged?"
        elif raw.max() > raw.min():
            brighter[index] = bool(np.median(image[inside]) > np.median(image[~inside]))
        specks = int((areas[index] < SPECK).sum())
        if specks:
            yield name, f"{specks} of {len(areas[index])} objects have fewer than {SPECK} pixels"
    share = float(np.mean(list(brighter.values()))) if brighter else 0.5
    if len(brighter) > 4 and (share > 0.75 or share < 0.25):  # a few against many
        for index, is_brighter in brighter.items():
            if is_brighter != (share > 0.5):
                how = "brighter" if is_brighter else "darker"
                yield pictures.names[index], f"what is marked is {how} than the rest, unlike in most pictures"
    for one, other in alike(pictures)[:20]:
        same = pictures.images[one].shape == pictures.images[other].shape
        copies = same and np.array_equal(pictures.images[one], pictures.images[other])
        yield pictures.names[one], f"{'is the same picture as' if copies else 'looks like'} {pictures.names[other]}"
