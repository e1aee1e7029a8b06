"""From the files of a picture to its numbers, and from the numbers of all masks to what they mean."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from .. import _contract
from . import meaning
from .annotations import Outline, label_map, read_outlines
from .layouts import OUTLINES, Entry
from .reading import plain_name, read_image, read_mask, read_pages


@dataclass
class Page:
    """One picture, with the numbers of its mask as they were stored."""

    name: str
    path: Path
    image: np.ndarray  # (H, W) or (H, W, C)
    mask: np.ndarray | None = None  # int64 (H, W)
    mask_path: Path | None = None
    outlines: list[Outline] | None = None
    is_merged: bool = False  # from one file an object
    group: str | None = None
    split: str | None = None


def read(entry: Entry) -> list[Page]:
    """Read the files of one picture, or of a stack of pictures."""
    if len(entry.images) > 1:  # a file a channel
        channels = [read_image(path) for path in entry.images]
        if len({channel.shape for channel in channels}) > 1 or channels[0].ndim != 2:
            shapes = ", ".join(f"{path.name} {c.shape}" for path, c in zip(entry.images, channels, strict=True))
            raise ValueError(f"the channels of '{entry.name}' must be (H, W) of one size, but are {shapes}.")
        images = [np.stack(channels, axis=-1)]  # (H, W, C)
    else:
        images = read_pages(entry.images[0])
    several = len(images) > 1
    names = [f"{entry.name}_{number:03}" for number in range(len(images))] if several else [entry.name]
    group = entry.group or (entry.name if several else None)
    pages = [
        Page(name, entry.images[0], image, group=group, split=entry.split)
        for name, image in zip(names, images, strict=True)
    ]
    if len(entry.masks) > 1:
        _one(pages, entry)
        pages[0].mask, pages[0].is_merged = _merged(entry.masks, pages[0].image.shape[:2]), True
        pages[0].mask_path = entry.masks[0].parent
    elif entry.masks and entry.masks[0].suffix.lower() in OUTLINES:
        _one(pages, entry)
        pages[0].outlines, pages[0].mask_path = _outlines_of(entry), entry.masks[0]
    elif entry.masks:
        path = entry.masks[0]
        masks = read_pages(path, mask=True)
        if len(masks) != len(pages):
            raise ValueError(
                f"mask '{path}' must have as many pages as its image, {len(pages)}, but has {len(masks)}. Save a "
                f"page for each, or each page as a file of its own."
            )
        for page, mask in zip(pages, masks, strict=True):
            page.mask, page.mask_path = meaning.whole_numbers(mask, f"mask '{path}'"), path
            _same_size(page.image.shape[:2], page.mask.shape, page.name, path)
    return pages


def _one(pages: Sequence[Page], entry: Entry) -> None:
    if len(pages) > 1:
        raise ValueError(
            f"'{entry.images[0]}' must hold one page, because its mask is of one, but holds {len(pages)}. Save each "
            f"page as a file of its own."
        )


def _same_size(image: tuple[int, ...], mask: tuple[int, ...], name: str, path: Path) -> None:
    if image == mask:
        return
    turned = " One of the two seems to be turned by 90 degrees." if image == mask[::-1] else ""
    raise ValueError(
        f"picture '{name}': mask must have the image's height and width {image}, but '{path}' has {mask}.{turned} Take "
        f"the mask that was drawn on this image; one of the same picture in another size becomes its by "
        f"resize_mask(torch.from_numpy(mask.astype('int64')), {image})."
    )


def _merged(paths: Sequence[Path], size: tuple[int, ...]) -> np.ndarray:
    """Join masks of one object each; a pixel that several claim goes to the smallest of them."""
    objects = []
    for path in paths:
        mask = meaning.whole_numbers(read_mask(path), f"mask '{path}'") > 0
        _same_size(size, mask.shape, path.parent.name, path)
        if not mask.any():
            raise ValueError(f"mask '{path}' must mark its object, but holds nothing but 0. Delete it.")
        objects.append(mask)
    shared = int((np.sum(objects, axis=0) > 1).sum())
    if shared:
        warnings.warn(
            f"the objects in '{paths[0].parent}' share {shared} pixels; each of these goes to the smaller object.",
            stacklevel=4,
        )
    labels = np.zeros(size, dtype=np.int64)
    for place in sorted(range(len(objects)), key=lambda i: -int(objects[i].sum())):
        labels[objects[place]] = place + 1
    return labels


@lru_cache(maxsize=8)
def _file_of_outlines(path: Path, changed: int) -> dict[str, list[Outline]]:
    return read_outlines(path)  # one of COCO or CVAT is asked for every image


def _outlines_of(entry: Entry) -> list[Outline] | None:
    """Return the outlines of one image; None if the file is of other images."""
    path = entry.masks[0]
    found = _file_of_outlines(path, path.stat().st_mtime_ns)
    if "" in found:
        if plain_name(path).startswith(plain_name(entry.images[0])):
            return found[""]
        raise ValueError(
            f"'{path}' holds the outlines of one image, but there is no image of its name. Rename the one or the other."
        )
    by_name = {Path(name).name: outlines for name, outlines in found.items()}
    path = entry.images[0]
    return by_name.get(path.name, by_name.get(path.stem))  # CVAT names the frames of a video without an ending


def drawn(pages: Sequence[Page], task: str | None) -> tuple[list[np.ndarray | None], list[str] | None, str]:
    """Turn outlines into masks: a number for every outline, or for every class."""
    wanted = task or "objects"
    labels = sorted({outline.label for page in pages for outline in page.outlines or []})
    names = ["background", *labels] if wanted == "classes" else None
    masks = []
    for page in pages:
        if page.outlines is None:
            masks.append(page.mask)
            continue
        numbers = [names.index(outline.label) for outline in page.outlines] if names else None
        try:
            masks.append(label_map(page.outlines, page.image.shape[:2], numbers))
        except ValueError as error:
            raise ValueError(f"'{page.mask_path}', picture '{page.name}': {error}") from error
    if all(mask is None for mask in masks):
        path = next(page.mask_path for page in pages if page.mask_path is not None)
        named = sorted(read_outlines(path))
        raise ValueError(
            f"'{path}' must hold outlines of the images in the folder, but names {', '.join(named[:5])}. "
            f"Rename the images as they were called when they were marked."
        )
    return masks, names, wanted


def without_void(
    pages: Sequence[Page], palette: Mapping | None, ignore_index: int | None
) -> tuple[list[np.ndarray | None], Mapping | None]:
    """Make background, for now, of what does not count in the masks; return where that was, and the palette without it.

    It does not count if its number is ``ignore_index``, or if the palette says so of its number or colour.
    """
    if ignore_index is None:
        return [None] * len(pages), palette
    numbers = {ignore_index} | {meaning.as_number(key) for key, to in (palette or {}).items() if to == ignore_index}
    voids: list[np.ndarray | None] = []
    for page in pages:
        if page.mask is None or page.is_merged:  # from one file an object: the numbers are ours
            voids.append(None)
            continue
        void = np.isin(page.mask, list(numbers))
        voids.append(void)
        page.mask = np.where(void, 0, page.mask)
    rest = {key: to for key, to in (palette or {}).items() if to != ignore_index}
    return voids, {0: 0, **rest} if palette is not None else None


def as_task(
    masks: list[np.ndarray | None],
    pages: Sequence[Page],
    folder: Path,
    task: str | None,
    parts: bool,
    palette: Mapping | None,
) -> tuple[str, list[np.ndarray | None], int | None]:
    """Find what the numbers of the masks mean, or refuse what they cannot mean; return the task and its masks."""
    there = [mask for mask in masks if mask is not None]
    if not there:
        return task or "objects", masks, None
    if not any(mask.any() for mask in there):
        raise ValueError(
            f"the masks must mark at least one object, but all {len(there)} in '{folder}' hold nothing "
            f"but 0. Give every object a number above 0."
        )
    if palette is not None or parts:
        _check_options(task, parts, palette)
    if parts:
        return "objects", [None if mask is None else meaning.connected_parts(mask) for mask in masks], None
    if palette is None:
        stored = [(page.mask, page.mask_path) for page in pages if page.mask is not None and not page.is_merged]
        kind = meaning.kind_of([mask for mask, _ in stored]) if stored else "objects"
        if kind == "nothing":  # the others have a file an object
            kind = "objects"
        if kind in ("mixed", "run over") or (kind == "classes or colours" and task not in ("classes", "one class")):
            _refuse(kind, stored, folder)
        task = task or kind
    if task == "classes":
        indices, num_classes = meaning.as_classes(there, palette)
        left = iter(indices)
        return "classes", [None if mask is None else next(left) for mask in masks], num_classes
    if task == "objects":
        masks = [
            mask if mask is None or page.is_merged or page.outlines is not None else meaning.as_objects(mask)
            for mask, page in zip(masks, pages, strict=True)
        ]
    return task or "objects", masks, None


def _check_options(task: str | None, parts: bool, palette: Mapping | None) -> None:
    if parts and (palette is not None or task not in (None, "objects")):
        raise ValueError("parts=True asks for objects, and palette for classes: give one of the two, or neither.")
    if palette is not None and task not in (None, "classes"):
        raise ValueError(f"palette tells classes, but task is {task!r}. Leave it out, or say task='classes'.")


def _refuse(kind: str, stored: Sequence[tuple[np.ndarray, Path | None]], folder: Path) -> None:
    """Say of which kind masks are that do not number their objects, and what helps."""
    for mask, path in stored:
        if kind == "mixed" and meaning.looks_interpolated(mask):
            values = np.unique(mask[mask > 0])
            raise ValueError(
                f"mask '{path}' must mark its objects with one value or number them, but its values "
                f"{_contract.listed(values)} rise in steps at the edges, as in a mask of 0 and {values[-1]} that was "
                f"resized with interpolation, or saved as JPEG. Resize the original with resize_mask, or keep what is "
                f"greater than {values[-1] // 2}."
            )
    found, path = max(((meaning.counts(mask), path) for mask, path in stored), key=lambda one: one[0].apart)
    said = (
        f"the masks in '{folder}' must give every object a number of its own, but in '{path}' "
        f"{found.apart} of {found.numbers} numbers mark parts far apart"
    )
    if kind == "run over":
        raise ValueError(
            f"{said}, and every number from 1 to 255 is used: numbers above 255 have run over, because the file has 8 "
            f"bits. What is lost cannot be brought back from it. Save the numbers again with 16, for example with "
            f"tifffile.imwrite(path, labels.astype('uint16'))."
        )
    if kind == "mixed":
        raise ValueError(
            f"{said}, and {found.thin} are but thin rims, as interpolation and JPEG leave them, or colours that were "
            f"read as grey. Take the masks as they were before that. If there were only two values, keep what is "
            f"greater than half: (mask > {found.largest // 2}).astype('uint8')."
        )
    raise ValueError(
        f"{said}. If each number is a class, say own_pictures(folder, task='classes'). If the numbers are colours that "
        f"only keep neighbours apart, as in BBBC039, say own_pictures(folder, parts=True): then every connected part "
        f"of a number is an object, as decode_instances finds them."
    )
