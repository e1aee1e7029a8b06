"""Chapter 3: a 3×3 kernel moves over a small image; its nine products, their sum, padding, stride, and two in a row."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import torch
import torch.nn.functional as F

from .. import _svg as svg
from .kit import Choice, Explorer, Panel, Slider, State, asset

SIDE, CELL = 7, 36  # pixels in a row of the image; units of a cell of the drawing
WIDTH = (SIDE + 2) * CELL  # room for the frame
PICK = ("column", "row", CELL, CELL, SIDE * CELL, SIDE * CELL)
IMAGE = torch.tensor(
    [
        [1, 1, 1, 1, 2, 2, 2],
        [1, 1, 7, 8, 8, 2, 2],
        [1, 2, 7, 9, 8, 3, 2],
        [1, 2, 8, 9, 8, 2, 2],
        [1, 1, 7, 8, 7, 2, 3],
        [1, 1, 1, 2, 2, 2, 2],
        [1, 1, 1, 1, 2, 6, 2],
    ]
).double()
KERNELS = {
    "left edges": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "upper edges": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "outline": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "sum": [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
}


@functools.cache
def _outputs(kernel: str, padding: int, stride: int, convolutions: int) -> tuple[torch.Tensor, ...]:
    """Convolve the image once or twice with the same kernel."""
    maps = [IMAGE]
    weight = torch.tensor(KERNELS[kernel]).double()[None, None]  # (1, 1, 3, 3)
    for _ in range(convolutions):
        maps.append(F.conv2d(maps[-1][None, None], weight, padding=padding, stride=stride)[0, 0])
    return tuple(maps)


def _unit_at(pixel: int, padding: int, stride: int, sizes: tuple[int, ...]) -> list[int] | None:
    """Follow a pixel of the image through the convolutions: at which unit of each does a kernel stand centred on it?"""
    units = []
    for size in sizes:
        unit, rest = divmod(pixel - 1 + padding, stride)
        if rest or not 0 <= unit < size:
            return None
        units.append(unit)
        pixel = unit
    return units


class Convolution(Explorer):
    """A 3×3 kernel over an image of 7×7 pixels, with its products and their sum, once or twice in a row.

    Parameters
    ----------
    kernel : {"left edges", "upper edges", "outline", "sum"}
        The nine weights.
    padding : {0, 1}
        How wide the frame of zeros is.
    stride : {1, 2}
        How far the kernel moves at a time.
    convolutions : {1, 2}
        How many in a row, with the same kernel and nothing in between.
    row, column : int
        The pixel on which the kernel is centred.

    Examples
    --------
    >>> Convolution(kernel="sum").shown.numbers["sum"]
    71
    >>> Convolution(kernel="sum", padding=0, row=0).shown.numbers["sum"]
    'none'
    """

    name = "convolution"
    title = "A kernel moves over an image"
    kernel = Choice("Kernel", tuple(KERNELS))
    padding = Choice("Padding", (0, 1))
    stride = Choice("Stride", (1, 2))
    convolutions = Choice("Convolutions in a row", (1, 2))
    row = Slider("Row of the kernel's centre", range(SIDE), default=3)
    column = Slider("Column of the kernel's centre", range(SIDE), default=3)

    @classmethod
    def assets(cls):
        """Return the grids of numbers, which do not depend on where the kernel stands."""
        grids = {f"image-{padding}": _grid(IMAGE, padding) for padding in (0, 1)}
        for how in itertools.product(KERNELS, (0, 1), (1, 2)):  # kernel, padding, stride
            _, first, second = _outputs(*how, 2)
            grids[asset("output", *how, 1)], grids[asset("output", *how, 2)] = _grid(first, 0), _grid(second, 0)
            grids[asset("between", *how)] = _grid(first, how[1])  # the second convolution sees a frame again
        return grids

    @classmethod
    def state(cls, kernel, padding, stride, convolutions, row, column):
        """Return the products and the sum with the kernel's centre on one pixel, or why it cannot stand there."""
        maps = _outputs(kernel, padding, stride, convolutions)
        sizes = tuple(len(values) for values in maps[1:])
        rows, columns = (_unit_at(pixel, padding, stride, sizes) for pixel in (row, column))
        size, here = f"{sizes[-1]} × {sizes[-1]}", f"row {row}, column {column}"
        if rows is None or columns is None:
            words = f"The kernel never stands centred on {here}: {_reason(row, column, padding, convolutions)} "
            words += f"The output has {size} values."
            numbers: dict[str, Any]
            numbers = {"sum": "none", "place in the output": "none", "size of the output": size, "sees": "none"}
            squares: list[Any] = [(row - 1, column - 1, 3)] + [None] * convolutions
            nothing = svg.text(WIDTH / 2, 30, "No value of the output comes from here.")
            middle = svg.drawing(WIDTH, 60, "No products", nothing)
        else:
            squares = _seen(rows[-1], columns[-1], padding, stride, convolutions)
            window = _window_of(maps[-2], squares[-2], padding)
            total = int((window * torch.tensor(KERNELS[kernel])).sum())
            target, field = f"row {rows[-1]}, column {columns[-1]}", f"{squares[0][2]} × {squares[0][2]} pixels"
            words = (
                f"With the kernel centred on {here}, nine products add up to {total}. This is the value in {target} of "
                f"the output, which has {size} values. It depends on {field} of the image."
            )
            numbers = {"sum": total, "place in the output": target, "size of the output": size, "sees": field}
            middle = _products(window, KERNELS[kernel], total)
        how, hangs = (kernel, padding, stride), rows is None or columns is None
        image = _board("Image", f"image-{padding}", SIDE, squares[0], hangs)
        first = _board("First output", asset("between", *how), sizes[0], squares[1])
        output = _board("Output", asset("output", *how, convolutions), sizes[-1], squares[-1])
        panels = [Panel("Image", image, PICK), Panel("Value × weight", middle), Panel("Output", output)]
        if convolutions == 2:
            panels.insert(1, Panel("First output", first))
        return State(words, numbers, tuple(panels))


def _reason(row: int, column: int, padding: int, convolutions: int) -> str:
    """Say why no kernel of the last convolution is centred on a pixel."""
    edge = convolutions if padding == 0 else 0  # pixels that are lost on each side with stride 1
    if min(row, column) < edge or max(row, column) >= SIDE - edge:
        return "without padding it would hang over the edge."
    return "with stride 2 it steps over this pixel."


def _seen(row: int, column: int, padding: int, stride: int, convolutions: int) -> list[tuple[int, int, int]]:
    """Walk back from one unit of the last output to what it depends on in every map before."""
    squares = [(row, column, 1)]
    for _ in range(convolutions):
        row, column, side = squares[0]
        squares.insert(0, (row * stride - padding, column * stride - padding, (side - 1) * stride + 3))
    return squares


def _window_of(values: torch.Tensor, square: tuple[int, int, int], padding: int) -> torch.Tensor:
    """Return the values in a square that may reach into the frame of zeros."""
    row, column, side = square
    padded = F.pad(values, (padding,) * 4)
    return padded[row + padding :, column + padding :][:side, :side]


def _corner(side: int) -> float:
    """Return where a grid begins, so that it stands in the middle of its drawing."""
    return CELL * (SIDE + 2 - side) / 2


def _grid(values: torch.Tensor, frame: int) -> str:
    """Draw values as numbers in cells, orange above zero and blue below it, with the frame of zeros."""
    side, start, parts = len(values), _corner(len(values)), []
    largest = max(1, float(values.abs().max()))
    for row in range(-frame, side + frame):
        for column in range(-frame, side + frame):
            x, y = start + column * CELL, start + row * CELL
            inside = 0 <= row < side and 0 <= column < side
            value = int(values[row, column]) if inside else 0
            if value:
                kind = "c4 fill" if value > 0 else "c0 fill"
                parts.append(svg.rect(x, y, CELL, CELL, kind, 0.5 * abs(value) / largest))
            parts.append(svg.rect(x, y, CELL, CELL, "ink stroke thin" if inside else "ink stroke thin dashed"))
            parts.append(svg.text(x + CELL / 2, y + CELL / 2 + 4, str(value)))
    return "".join(parts)


def _board(title: str, name: str, side: int, square: tuple[int, int, int] | None, hangs: bool = False) -> str:
    """Draw one map with a square on it: what the looked-at value of the output depends on."""
    parts = [svg.part(name)]
    if square:
        row, column, size = square
        x, y = _corner(side) + column * CELL, _corner(side) + row * CELL
        parts.append(svg.rect(x, y, size * CELL, size * CELL, "c1 stroke thick dashed" if hangs else "c1 stroke thick"))
    return svg.drawing(WIDTH, WIDTH, title, *parts)


def _products(window: torch.Tensor, weights: list[list[int]], total: int) -> str:
    """Write out the nine products and their sum."""
    width, height, parts = WIDTH / 3, 44, []
    for row in range(3):
        for column in range(3):
            value, weight = int(window[row, column]), weights[row][column]
            x, y = column * width, row * height
            parts.append(svg.rect(x, y, width, height, "ink stroke thin"))
            parts.append(svg.text(x + width / 2, y + height / 2 + 4, f"{value} × {weight} = {value * weight}"))
    parts.append(svg.rect(0, 0, WIDTH, 3 * height, "c1 stroke thick"))
    parts.append(svg.text(WIDTH / 2, 3 * height + 26, f"sum: {total}", "middle bold"))
    return svg.drawing(WIDTH, 3 * height + 36, "The nine products", *parts)
