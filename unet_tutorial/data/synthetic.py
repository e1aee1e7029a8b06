"""Two synthetic data sets with known truth: discs, which a threshold finds, and cells, where it fails.

A sample is drawn from its index alone, so that any order and any number of workers give the same one.
The functions draw with numpy, each object in its own bounding box, and leave the global generators alone.
"""

from __future__ import annotations

import math
import operator
from numbers import Integral

import numpy as np
import torch
from scipy import ndimage
from torch.utils.data import Dataset

from .._checks import option, whole_number

SPLITS = ("train", "val", "test")
SMALLEST_SIDE = 32  # below this, the objects are too small to have a shape


class _SyntheticDataset(Dataset):
    """What both data sets share: arguments, indices, and the way from an index to its random numbers."""

    def __init__(
        self, num_samples: int = 500, image_size: int | tuple[int, int] = 128, seed: int = 0, split: str = "train"
    ):
        self.num_samples = whole_number("num_samples", num_samples)
        self.image_size = _image_size(image_size)
        self.seed = whole_number("seed", seed, least=0)
        self.split = option("split", split, SPLITS)

    def __len__(self) -> int:
        return self.num_samples

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, labels = self._sample(index)
        mask = (labels > 0).astype(np.float32)
        return torch.from_numpy(image)[None], torch.from_numpy(mask)[None]  # both (1, H, W)

    def instances(self, index: int) -> torch.Tensor:
        """Return who is who in sample ``index``: int64 (H, W), 0 background, 1 to n the objects.

        Where two objects overlap, the one with the higher number lies on top.
        """
        return torch.from_numpy(self._sample(index)[1])

    def _sample(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        position = operator.index(index)
        if not -self.num_samples <= position < self.num_samples:
            raise IndexError(f"index {position} is out of range for a data set of {self.num_samples} samples.")
        # One independent stream for every (seed, split, index): splits cannot meet, order does not matter.
        stream = (SPLITS.index(self.split), position % self.num_samples)
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=stream))
        return self._draw(rng, self.image_size)

    def _draw(self, rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError


class SyntheticCircleDataset(_SyntheticDataset):
    """The easy data: one to three bright discs on a noisy background. Blur, then a threshold, finds them.

    Discs never overlap, but they may touch.

    Parameters
    ----------
    num_samples : int, default 500
        Length of the data set.
    image_size : int or (int, int), default 128
        Side of the square image, or its height and width, in pixels. At least 32.
    seed : int, default 0
        Another seed, other pictures.
    split : {"train", "val", "test"}, default "train"
        Each split draws from random streams of its own, so no sample of one appears in another.

    Raises
    ------
    ValueError
        If an argument is out of range or unknown.
    IndexError
        At ``dataset[i]``, if there is no such sample. Negative indices count from the end.

    Examples
    --------
    >>> dataset = SyntheticCircleDataset(num_samples=10, image_size=64)
    >>> image, mask = dataset[3]
    >>> image.shape, mask.unique().tolist()
    (torch.Size([1, 64, 64]), [0.0, 1.0])
    >>> torch.equal(mask[0], (dataset.instances(3) > 0).float())
    True
    """

    def _draw(self, rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        return _draw_discs(rng, size)


class SyntheticCellsDataset(_SyntheticDataset):
    """The hard data: touching cells of irregular shape in uneven light, among things that only look like cells.

    The light changes across the picture by more than a cell stands out, so no global threshold works.
    Hollow shells, fibres, specks and blurred blobs are as bright as cells, and are not cells: a cell is
    filled, is textured inside, and has an edge. Four to twelve cells touch and overlap.

    Parameters
    ----------
    num_samples : int, default 500
        Length of the data set.
    image_size : int or (int, int), default 128
        Side of the square image, or its height and width, in pixels. At least 32.
    seed : int, default 0
        Another seed, other pictures.
    split : {"train", "val", "test"}, default "train"
        Each split draws from random streams of its own, so no sample of one appears in another.

    Raises
    ------
    ValueError
        If an argument is out of range or unknown.
    IndexError
        At ``dataset[i]``, if there is no such sample. Negative indices count from the end.

    Examples
    --------
    >>> dataset = SyntheticCellsDataset(num_samples=10, split="val")
    >>> image, mask = dataset[0]
    >>> image.shape, image.dtype, mask.unique().tolist()
    (torch.Size([1, 128, 128]), torch.float32, [0.0, 1.0])
    >>> 4 <= dataset.instances(0).max() <= 12
    tensor(True)
    """

    def _draw(self, rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        return draw_cells(rng, size)


def small_cells(number: int, split: str = "train", seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw many small pictures of cells: quarters of the pictures of `SyntheticCellsDataset`, at half their size.

    A picture of 128x128 pixels is shrunk to 64x64 by the mean of 2x2 pixels, which takes away half of the camera's
    noise, and cut into four.

    Parameters
    ----------
    number : int
        How many.
    split : {"train", "val", "test"}, default "train"
        Each split draws from random streams of its own.
    seed : int, default 0
        Another seed, other pictures.

    Returns
    -------
    images : torch.Tensor
        (number, 1, 32, 32) float32 between 0 and 1.
    masks : torch.Tensor
        (number, 1, 32, 32) float32, 0 and 1: a pixel belongs to a cell if at least two of its four did.

    Raises
    ------
    ValueError
        If an argument is out of range or unknown.

    Examples
    --------
    >>> images, masks = small_cells(6)
    >>> images.shape, masks.unique().tolist()
    (torch.Size([6, 1, 32, 32]), [0.0, 1.0])
    """
    number = whole_number("number", number)
    data = SyntheticCellsDataset(-(-number // 4), image_size=128, seed=seed, split=split)
    whole = torch.stack([torch.stack(data[i]) for i in range(len(data))])[:, :, 0]  # (pictures, 2, 128, 128)
    half = torch.nn.functional.avg_pool2d(whole, 2)  # (pictures, 2, 64, 64)
    quarters = half.unfold(2, 32, 32).unfold(3, 32, 32)  # (pictures, 2, 2, 2, 32, 32)
    both = quarters.permute(0, 2, 3, 1, 4, 5).reshape(-1, 2, 32, 32)[:number]
    return both[:, :1].contiguous(), (both[:, 1:] >= 0.5).float()


def _draw_discs(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw one easy picture: image (H, W) float32 from 0 to 1, and labels (H, W) int64, 0 background, 1 to n."""
    radii = rng.uniform(0.09, 0.18, rng.integers(1, 4)) * min(size)
    image = np.full(size, rng.uniform(0.2, 0.3), dtype=np.float32)
    labels = np.zeros(size, dtype=np.int64)
    for number, (row, column, radius) in enumerate(_place(rng, radii, size, closest=1.0), start=1):
        box, y, x = _box(row, column, radius, size)
        inside = y * y + x * x <= radius * radius
        image[box][inside] = rng.uniform(0.65, 0.8)
        labels[box][inside] = number
    image += 0.08 * rng.standard_normal(size, dtype=np.float32)
    return image.clip(0, 1, out=image), labels


def draw_cells(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw one hard picture: light, then what is not a cell, then the cells, then the camera.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the random numbers come from.
    size : (int, int)
        Height and width in pixels.

    Returns
    -------
    image : numpy.ndarray
        (H, W) float32 between 0 and 1.
    labels : numpy.ndarray
        (H, W) int64, 0 background, 1 to n the cells, a higher number on top of a lower one.

    Raises
    ------
    ValueError
        If the size is not two whole numbers of at least 32.

    Examples
    --------
    >>> image, labels = draw_cells(np.random.default_rng(0), (96, 64))
    >>> image.shape, 4 <= labels.max() <= 12
    ((96, 64), np.True_)
    """
    size = _image_size(size)
    contrast = rng.uniform(0.2, 0.28)  # how far a cell stands out, before the light's own changes
    light = _light(rng, size)
    image = light + 0.05 * _noise(rng, size, 5)
    for draw in (_add_blobs, _add_shells, _add_fibres, _add_specks):
        draw(rng, image, contrast)

    labels = np.zeros(size, dtype=np.int64)
    grain = _noise(rng, size, 3)  # the cells' texture, finer than the background's
    radii = rng.uniform(0.06, 0.105, rng.integers(4, 13)) * min(size)
    for number, (row, column, radius) in enumerate(_place(rng, radii, size, closest=0.75), start=1):
        box, depth = _shape(rng, row, column, radius, size)
        inside = depth > 0
        body = contrast * rng.uniform(0.8, 1.2) * (0.55 + 0.6 * np.sqrt(depth.clip(0, 1)))  # dimmer at the rim
        body += light[box] + 0.09 * grain[box]
        np.copyto(image[box], body, where=inside)
        np.copyto(labels[box], number, where=inside)

    ndimage.gaussian_filter(image, rng.uniform(0.7, 1.0), output=image, truncate=3)
    image += rng.uniform(0.03, 0.05) * rng.standard_normal(size, dtype=np.float32)
    return image.clip(0, 1, out=image), labels


def _image_size(image_size: object) -> tuple[int, int]:
    """Return height and width; refuse what is not one whole number or two, or is too small."""
    given = image_size.tolist() if isinstance(image_size, np.ndarray) else image_size
    sides = given if isinstance(given, (tuple, list)) else (given, given)
    whole = all(isinstance(side, Integral) and not isinstance(side, bool) for side in sides)
    if len(sides) != 2 or not whole or min(sides) < SMALLEST_SIDE:
        raise ValueError(
            f"image_size must be one side or (height, width), whole numbers of at least {SMALLEST_SIDE} pixels, "
            f"but got {image_size!r}."
        )
    return int(sides[0]), int(sides[1])


def _place(
    rng: np.random.Generator, radii: np.ndarray, size: tuple[int, int], closest: float
) -> list[tuple[float, float, float]]:
    """Find a place (row, column, radius) for every radius, every second time right beside an earlier one.

    Two centres stay ``closest`` times the sum of their radii apart: 1 is touching, less is overlapping.
    An object that finds no room is left out.
    """
    placed: list[tuple[float, float, float]] = []
    for radius in radii.tolist():
        for _ in range(40):
            row, column, beside, angle, anchor = rng.random(5).tolist()
            row, column = row * size[0], column * size[1]
            if placed and beside < 0.5:
                y, x, other = placed[int(anchor * len(placed))]
                apart = 1.0001 * closest * (radius + other)  # a hair more, so that rounding cannot refuse it
                row = y + apart * math.sin(2 * math.pi * angle)
                column = x + apart * math.cos(2 * math.pi * angle)
            in_view = 0.5 * radius < row < size[0] - 0.5 * radius and 0.5 * radius < column < size[1] - 0.5 * radius
            if in_view and all(math.hypot(row - y, column - x) >= closest * (radius + r) for y, x, r in placed):
                placed.append((row, column, radius))
                break
    return placed


def _box(
    row: float, column: float, reach: float, size: tuple[int, int]
) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """Return the part of the picture within ``reach`` of a point, and there the distances (h, 1), (1, w) to it."""
    top, bottom = max(0, math.ceil(row - reach)), min(size[0], math.floor(row + reach) + 1)
    left, right = max(0, math.ceil(column - reach)), min(size[1], math.floor(column + reach) + 1)
    y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(row)
    x = np.arange(left, right, dtype=np.float32)[None] - np.float32(column)
    return (slice(top, bottom), slice(left, right)), y, x


def _shape(
    rng: np.random.Generator, row: float, column: float, radius: float, size: tuple[int, int]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Return a bounding box and in it the depth below a random smooth outline: 1 at the centre, 0 on the outline.

    The outline is a circle plus a few Fourier modes: r(t) = radius * (1 + sum of a_k cos(k t + p_k)), k = 2 to 7.
    """
    modes = np.arange(2, 8)
    sizes = rng.uniform(0, 0.35, 6) / modes
    phases = rng.uniform(0, 2 * math.pi, 6)
    box, y, x = _box(row, column, radius * (1 + sizes.sum()), size)
    distance = np.hypot(y, x) + np.float32(1e-6)
    # With u = e^(it), cos(k t + p) is the real part of e^(ip) u^k: a polynomial in u, and no arctangent.
    unit = (x + 1j * y) / distance
    wave = np.zeros_like(unit)
    for coefficient in (sizes * np.exp(1j * phases)).astype(np.complex64)[::-1]:
        wave = (wave + coefficient) * unit
    outline = np.float32(radius) * (1 + (wave * unit).real)
    return box, 1 - distance / outline


def _noise(rng: np.random.Generator, size: tuple[int, int], step: int) -> np.ndarray:
    """Return smooth noise (H, W) between -1 and 1: random values every ``step`` pixels, blended in between."""
    field = rng.uniform(-1, 1, (size[0] // step + 3, size[1] // step + 3)).astype(np.float32)
    for axis in (0, 1):
        cell, offset = np.divmod(np.arange(size[axis]) + rng.integers(step), step)
        t = (offset / step).astype(np.float32)
        t = t * t * (3 - 2 * t)  # smooth at the grid points too
        t = t[:, None] if axis == 0 else t
        field = field.take(cell, axis) * (1 - t) + field.take(cell + 1, axis) * t
    return field


def _light(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Return the uneven light (H, W): a slope across the picture, bent by slow noise."""
    angle = rng.uniform(0, 2 * math.pi)
    y = np.linspace(-0.5, 0.5, size[0], dtype=np.float32)[:, None]
    x = np.linspace(-0.5, 0.5, size[1], dtype=np.float32)[None]
    slope = np.float32(math.sin(angle)) * y + np.float32(math.cos(angle)) * x
    return np.float32(0.38) + np.float32(rng.uniform(0.4, 0.55)) * slope + 0.08 * _noise(rng, size, min(size) // 2)


def _spot(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[float, float, float]:
    """Return a place anywhere in the picture, and the radius of a cell."""
    return rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(0.06, 0.105) * min(shape)


def _add_blobs(rng: np.random.Generator, image: np.ndarray, contrast: float) -> None:
    """Add cells far out of focus: bright, round, without an edge."""
    for _ in range(rng.integers(1, 4)):
        row, column, radius = _spot(rng, image.shape)
        box, y, x = _box(row, column, 2.5 * radius, image.shape)
        width = np.float32(0.8 * radius)
        image[box] += np.float32(1.1 * contrast) * np.exp(-((y / width) ** 2)) * np.exp(-((x / width) ** 2))


def _add_shells(rng: np.random.Generator, image: np.ndarray, contrast: float) -> None:
    """Add hollow shells: a cell's outline, as bright as a cell, with the background inside."""
    for _ in range(rng.integers(1, 4)):
        row, column, radius = _spot(rng, image.shape)
        box, depth = _shape(rng, row, column, radius, image.shape)
        image[box][(depth > 0) & (depth < max(0.25, 1.5 / radius))] += contrast


def _add_fibres(rng: np.random.Generator, image: np.ndarray, contrast: float) -> None:
    """Add thin curved fibres."""
    for _ in range(rng.integers(1, 4)):
        steps = int(rng.uniform(0.6, 1.6) * min(image.shape))  # half a pixel each
        angle = rng.uniform(0, 2 * math.pi) + np.cumsum(rng.normal(0, 0.05, steps))
        rows = (rng.uniform(0, image.shape[0]) + 0.5 * np.cumsum(np.sin(angle))).astype(int)
        columns = (rng.uniform(0, image.shape[1]) + 0.5 * np.cumsum(np.cos(angle))).astype(int)
        seen = (rows >= 1) & (rows < image.shape[0]) & (columns >= 1) & (columns < image.shape[1])
        rows, columns = rows[seen], columns[seen]
        painted = np.zeros(image.shape, dtype=bool)
        painted[rows, columns] = painted[rows - 1, columns] = painted[rows, columns - 1] = True
        image[painted] += 1.3 * contrast


def _add_specks(rng: np.random.Generator, image: np.ndarray, contrast: float) -> None:
    """Add small sharp specks."""
    for _ in range(rng.integers(4, 10)):
        row, column, radius = _spot(rng, image.shape)
        radius = max(0.8, 0.22 * radius)
        box, y, x = _box(row, column, radius, image.shape)
        image[box][y * y + x * x <= radius * radius] += rng.uniform(0.9, 1.5) * contrast
