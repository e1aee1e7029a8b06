"""A trained network in use: from a file of it and a folder of pictures to masks and a table of the objects."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from scipy import ndimage
from skimage import io
from skimage.measure import regionprops_table
from torch import nn
from tqdm.auto import tqdm

from . import _saved, planned, pretrained
from ._checks import option
from .data.meaning import connected_parts
from .data.normalizing import normalize_picture
from .data.reading import picture_files, plain_name, read_pages
from .inference import predict
from .instances import from_logits

NORMALIZATIONS = {
    "percentiles": "unet_tutorial.data.normalizing.normalize: percentiles of the logarithm, as own_pictures does",
    "range": "whole numbers divided by the largest of their type, such as 255; floating point as it is, 0 to 1",
}  #: How the pictures of a training may have been brought to 0 to 1.
OUTPUTS = {
    "mask": "one channel: object where it is above 0; every connected part is one object",
    "border": "three channels: background, interior, border between objects that touch, see unet_tutorial.instances",
    "classes": "a channel for every class, the first is the background; the largest decides",
}  #: What the channels of a network may mean.
SHIPPED = {"nuclei": ("percentiles", "border"), "cells": ("range", "mask")}
SHAPE = ("label", "area", "centroid", "bbox", "equivalent_diameter_area", "eccentricity")
INTENSITY = ("intensity_mean", "intensity_min", "intensity_max")
LARGE = 2048  # pixels of a side from which on a picture is computed in tiles, and the side of such a tile
LARGEST_LABEL = np.iinfo(np.uint16).max


@dataclass(frozen=True)
class Segmenter:
    """A network, with what has to be done to a picture before it and to its answer after it.

    Parameters
    ----------
    network : torch.nn.Module
        The network alone.
    segment : callable
        From a raw picture (H, W) or (H, W, C), as `unet_tutorial.data.reading.read_image` returns it, of any size, to
        int64 (H, W): the numbers of the objects, or those of the classes.
    task : str
        ``"objects"`` or ``"classes"``: what these numbers are.
    notes : dict of str to str
        What is done before and after the network, in words.

    Examples
    --------
    >>> Segmenter(nn.Identity(), lambda image: (image > 9).astype(np.int64), "classes", {}).segment(np.array([[3, 12]]))
    array([[0, 1]])
    """

    network: nn.Module
    segment: Callable[[np.ndarray], np.ndarray]
    task: str
    notes: dict[str, str]


def open_segmenter(
    model: str | Path, *, normalization: str | None = None, output: str | None = None, device: str | None = None
) -> Segmenter:
    """Open a trained network, ready to be used on pictures as they lie in files.

    Parameters
    ----------
    model : str or pathlib.Path
        One of `unet_tutorial.pretrained.available`, such as ``"nuclei"``; or a file: of
        `unet_tutorial.planned.save_planned`, or a checkpoint of `unet_tutorial.training.fit`.
    normalization : str, optional
        One of `NORMALIZATIONS`. A checkpoint does not say how the pictures of its training were normalized. If it is
        not given, ``"percentiles"``. The other kinds of files say it themselves.
    output : str, optional
        One of `OUTPUTS`. A checkpoint does not say what its channels mean. A single one is a mask; where there are
        several, this must be given.
    device : str, optional
        Where to compute. If not given, on the processor.

    Returns
    -------
    Segmenter

    Raises
    ------
    ValueError
        If there is no such model, the file is something else, an option is unknown, does not fit the number of
        channels, is missing, or says what the file says itself.

    Examples
    --------
    >>> cells = open_segmenter("cells")
    >>> cells.task, cells.segment(np.zeros((50, 70), np.uint8)).shape
    ('objects', (50, 70))
    """
    given = {"normalization": normalization, "output": output}
    said = [name for name, value in given.items() if value is not None]
    if str(model) in pretrained.available():
        _refuse_options(said, f"'{model}'")
        normalization, output = SHIPPED[str(model)]
        return _plain(pretrained.load_pretrained(str(model)), normalization, output, device)
    if not Path(model).is_file():
        near = difflib.get_close_matches(str(model), pretrained.available(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"model must be a file, or one of {', '.join(map(repr, pretrained.available()))}, but there is no file "
            f"'{model}'.{hint}"
        )
    if _is_plan(Path(model)):
        _refuse_options(said, f"the file '{model}'")
        return _of_plan(planned.load_planned(model), device)
    network = pretrained.load_model(model)
    return _plain(network, *_meaning(network, normalization, output), device)


def _is_plan(path: Path) -> bool:
    """Tell whether a file is one of `unet_tutorial.planned.save_planned`."""
    try:
        content = _saved.read("model", path, "fit")
    except ValueError:  # what is wrong with it, load_model says
        return False
    return isinstance(content, dict) and content.get("format") == planned.FORMAT


def _refuse_options(said: list[str], what: str) -> None:
    if said:
        raise ValueError(f"{what} says itself what is done before and after it: leave out {' and '.join(said)}.")


def _meaning(network: nn.Module, normalization: str | None, output: str | None) -> tuple[str, str]:
    """Return normalization and output of a checkpoint, which says neither."""
    channels = network.config["num_classes"]
    if output is None and channels > 1:
        raise ValueError(
            f"the network gives {channels} channels, and a checkpoint does not say what they mean. Say output='border' "
            f"if it learned background, interior and border, or output='classes'."
        )
    output = option("output", output or "mask", OUTPUTS)
    fits = {"mask": channels == 1, "border": channels in (2, 3), "classes": channels > 1}
    if not fits[output]:
        raise ValueError(f"output={output!r} does not fit a network with {channels} channels: {OUTPUTS[output]}.")
    return option("normalization", normalization or "percentiles", NORMALIZATIONS), output


def _plain(network: nn.Module, normalization: str, output: str, device: str | None) -> Segmenter:
    segment = partial(_segment, network=network, normalization=normalization, output=output, device=device)
    notes = {"normalization": NORMALIZATIONS[normalization], "output": OUTPUTS[output]}
    return Segmenter(network, segment, "classes" if output == "classes" else "objects", notes)


def _of_plan(found: planned.Planned, device: str | None) -> Segmenter:
    if device is not None:
        found.model.to(device)
    notes = {name: f"{value}: {why}" for name, value, why in (*found.plan.reasons, *found.reasons)}
    task = "classes" if found.plan.task == "classes" else "objects"
    parts = found.plan.task == "one class"

    def segment(image: np.ndarray) -> np.ndarray:
        labels = planned.predict_picture(found, image).numpy()  # (H, W)
        return ndimage.label(labels)[0].astype(np.int64) if parts else labels

    return Segmenter(found.model, segment, task, notes)


def _segment(
    image: np.ndarray, *, network: nn.Module, normalization: str, output: str, device: str | None
) -> np.ndarray:
    """Find in a raw picture what a network without a plan was trained for: int64 (H, W)."""
    planes = _planes(image, network.config["in_channels"], normalization)  # (C, H, W)
    tile = max(LARGE, 2 ** (network.depth + 6)) if max(planes.shape[1:]) > 1.5 * LARGE else None
    images = torch.from_numpy(planes)[None].to(next(network.parameters()).dtype)
    logits = torch.as_tensor(predict(network, images, tile=tile, device=device, progress=False))[0]  # (classes, H, W)
    if not logits.isfinite().all():
        raise ValueError("the network's answer holds NaN or infinity: its weights are broken.")
    if output == "border":
        return from_logits(logits).numpy()
    if output == "classes":
        return logits.argmax(dim=0).numpy()
    return ndimage.label(logits[0].numpy() > 0)[0].astype(np.int64)


def _planes(image: np.ndarray, in_channels: int, normalization: str) -> np.ndarray:
    """Return a raw picture as float32 (C, H, W) from 0 to 1, as `Pictures` made those that the network learned from.

    Grey is repeated for RGB, and RGB averaged for grey.
    """
    image = image.astype(np.uint8) if image.dtype == bool else image
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels == 3 and in_channels == 1:
        image = image.mean(axis=2) if image.dtype.kind == "f" else image.mean(axis=2).round().astype(image.dtype)
    elif channels != in_channels and (channels, in_channels) != (1, 3):
        raise ValueError(f"the network takes {in_channels} channels, but the picture has {channels}.")
    if normalization == "percentiles":
        values = normalize_picture(image)
    else:
        values = _by_range(image)
    planes = values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    planes = planes if len(planes) == in_channels else planes.repeat(in_channels, axis=0)
    return np.ascontiguousarray(planes, dtype=np.float32)


def _by_range(image: np.ndarray) -> np.ndarray:
    if image.dtype.kind == "u":
        return image / np.float32(np.iinfo(image.dtype).max)
    if image.dtype.kind != "f" or image.min() < 0 or image.max() > 1:
        raise ValueError(
            f"a picture that is taken by its range must hold whole numbers of at least 0, or floating point from 0 to "
            f"1, but it is {image.dtype} from {image.min():g} to {image.max():g}."
        )
    return image


# A whole folder ------------------------------------------------------------------------------------------------------


@dataclass
class Report:
    """What became of a folder.

    Parameters
    ----------
    done : dict of str to int
        The pictures that were segmented, with the number of their objects.
    left_out : dict of str to str
        The files of which nothing could be made, with the reason.
    out : pathlib.Path
        Where the masks and the tables are.

    Examples
    --------
    >>> print(Report(Path("found"), {"a": 2}, {"b.png": "it is empty"}))
    1 picture segmented, 2 objects found.
    Masks, objects.csv and pictures.csv are in 'found'.
    1 file left out:
      b.png: it is empty
    """

    out: Path
    done: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        objects = sum(self.done.values())
        lines = [f"{_counted(len(self.done), 'picture')} segmented, {_counted(objects, 'object')} found."]
        if self.done:
            lines.append(f"Masks, objects.csv and pictures.csv are in '{self.out}'.")
        if self.left_out:
            lines.append(f"{_counted(len(self.left_out), 'file')} left out:")
            lines += [f"  {name}: {reason}" for name, reason in self.left_out.items()]
        return "\n".join(lines)


def segment_folder(
    segmenter: Segmenter,
    folder: str | Path,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    progress: bool = True,
) -> Report:
    """Segment all pictures of a folder, and measure the objects.

    For a picture ``a.tif`` there will be ``a.png``, 16 bits, 0 for the background and a number for every object (or
    every class); of a file with several pages, ``a_000.png`` and so on. More than 65,535 objects go to ``a.tif``, 32
    bits. ``objects.csv`` has a row for every object: its numbers are those of
    `skimage.measure.regionprops_table`, lengths in pixels, intensities in the units of the file. ``pictures.csv`` has a
    row for every picture, also for those that were left out, with the reason. Each picture is written as soon as it is
    done.

    Parameters
    ----------
    segmenter : Segmenter
        See `open_segmenter`.
    folder : str or pathlib.Path
        Its pictures are read as `unet_tutorial.data.reading.picture_files` lists them; folders in it are not entered.
    out : str or pathlib.Path, optional
        Where to write; it is made if it is not there. If not given, beside the folder, with ``_objects`` behind its
        name.
    overwrite : bool, default False
        Whether ``out`` may hold files. Those of the same names are then replaced.
    progress : bool, default True
        Show a progress bar. Setting the environment variable ``TQDM_DISABLE=1`` hides it.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If there is no such folder, no picture in it, or ``out`` is the folder itself or holds files already.
    OSError
        If something cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "new"
    >>> folder.mkdir()
    >>> io.imsave(folder / "a.png", np.zeros((40, 60), np.uint8), check_contrast=False)
    >>> report = segment_folder(open_segmenter("cells"), folder, progress=False)
    >>> report.done, sorted(path.name for path in report.out.iterdir())
    ({'a': 0}, ['a.png', 'objects.csv', 'pictures.csv'])
    """
    folder = Path(folder)
    files, others = picture_files(folder)
    if not files:
        also = f" The {_counted(len(others), 'file')} in it have other endings." if others else ""
        raise ValueError(f"the folder must hold pictures, but there is none in '{folder}'.{also}")
    here = folder if folder.name else folder.resolve()  # "." has no name that could be continued
    out = here.with_name(f"{here.name}_objects") if out is None else Path(out)
    if out.resolve() == folder.resolve():
        raise ValueError(f"what is written must not go among the pictures, but out is '{out}' itself.")
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()) and not overwrite:
        raise ValueError(f"'{out}' holds files already. Name another folder, or say that they may be replaced.")
    report = Report(out)
    hide: dict[str, Any] = {} if progress else {"disable": True}  # disable=False would overrule TQDM_DISABLE
    with ExitStack() as stack:
        objects, pictures = (
            stack.enter_context((out / f"{name}.csv").open("w", newline="", encoding="utf-8"))
            for name in ("objects", "pictures")
        )
        tables = _Tables(objects, pictures, segmenter.task)
        for path in tqdm(files, unit="file", **hide):
            _segment_file(segmenter, path, report, tables)
    return report


def _segment_file(segmenter: Segmenter, path: Path, report: Report, tables: _Tables) -> None:
    """Segment the pages of a file, and write what comes of each; or note why nothing comes of it."""
    try:
        pages = read_pages(path)
    except (ValueError, OSError) as error:
        _leave_out(path.name, error, report, tables)
        return
    for number, page in enumerate(pages):
        image = _grey_if_equal(page)
        name = plain_name(path) + (f"_{number:03}" if len(pages) > 1 else "")
        try:
            if name in report.done:
                raise ValueError(f"another file has the name '{name}', and its mask would be overwritten. Rename one.")
            labels = segmenter.segment(image)
            rows = _measured(labels, image, segmenter.task)
            tables.check(image)
        except (ValueError, MemoryError, torch.OutOfMemoryError) as error:
            _leave_out(path.name if len(pages) == 1 else f"{path.name}, page {number}", error, report, tables)
            continue
        _write_labels(report.out / f"{name}.png", labels)
        tables.write(name, image, rows)
        report.done[name] = len(rows)


def _grey_if_equal(image: np.ndarray) -> np.ndarray:
    """Return (H, W) of a grey picture that was saved as RGB."""
    return image[..., 0] if image.ndim == 3 and bool((image == image[..., :1]).all()) else image


def _leave_out(name: str, error: BaseException, report: Report, tables: _Tables) -> None:
    report.left_out[name] = str(error) or type(error).__name__
    tables.leave_out(name, report.left_out[name])


def _measured(labels: np.ndarray, image: np.ndarray, task: str) -> list[dict[str, Any]]:
    """Measure every object, or every connected part of every class."""
    regions, classes = labels, dict[int, int]()
    if task == "classes":
        regions = connected_parts(labels)
        numbers, places = np.unique(regions, return_index=True)
        classes = dict(zip(numbers.tolist(), labels.ravel()[places].tolist(), strict=True))
    table = regionprops_table(regions, image, properties=(*SHAPE, *INTENSITY))
    rows = [dict(zip(table, values, strict=True)) for values in zip(*(c.tolist() for c in table.values()), strict=True)]
    return [{"label": row["label"], "class": classes[row["label"]]} | row for row in rows] if classes else rows


def _write_labels(path: Path, labels: np.ndarray) -> None:
    if labels.max() > LARGEST_LABEL:
        io.imsave(path.with_suffix(".tif"), labels.astype(np.uint32), check_contrast=False)
    else:
        io.imsave(path, labels.astype(np.uint16), check_contrast=False)


class _Tables:
    """The two tables of a folder, written row by row."""

    def __init__(self, objects: TextIO, pictures: TextIO, task: str):
        self.task, self.channels = task, 0
        self.files = objects, pictures
        self.objects = csv.writer(objects, lineterminator="\n")
        self.pictures = csv.writer(pictures, lineterminator="\n")
        self.pictures.writerow(("picture", "height", "width", "objects", "left out because"))

    def check(self, image: np.ndarray) -> None:
        """Write the head at the first picture, and refuse others that do not fit beneath it."""
        channels = 1 if image.ndim == 2 else image.shape[2]
        if not self.channels:
            self.channels = channels
            self.objects.writerow(("picture", *_columns(image, self.task)))
        if channels != self.channels:
            raise ValueError(
                f"it has {_counted(channels, 'channel')}, and the table of objects began with pictures of "
                f"{self.channels}. Put them into folders of their own."
            )

    def write(self, name: str, image: np.ndarray, rows: list[dict[str, Any]]) -> None:
        self.objects.writerows((name, *(_plain_number(value) for value in row.values())) for row in rows)
        self.pictures.writerow((name, *image.shape[:2], len(rows), ""))
        self._flush()

    def leave_out(self, name: str, reason: str) -> None:
        self.pictures.writerow((name, "", "", "", reason))
        self._flush()

    def _flush(self) -> None:
        for file in self.files:  # what is done is kept, whatever happens next
            file.flush()


def _columns(image: np.ndarray, task: str) -> list[str]:
    """Return the columns that `_measured` gives."""
    several = image.ndim == 3
    names = list(
        regionprops_table(np.zeros(image.shape[:2], int), image[..., 0] if several else image, properties=SHAPE)
    )
    if task == "classes":
        names.insert(1, "class")
    for name in INTENSITY:
        names += [f"{name}-{channel}" for channel in range(image.shape[2])] if several else [name]
    return names


def _plain_number(value: float) -> float:
    return round(value, 4) if isinstance(value, float) else value


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
