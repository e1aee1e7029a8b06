"""Chapter 6: three ways to enlarge a map, what becomes of its values, and how often each new pixel is painted."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F

from . import svg
from .base import Explorer, Panel, State
from .controls import Choice

SIDE, SIZE = 4, 336  # values in a row of the input; units of a drawing
TRANSPOSED = "transposed convolution"
METHODS = ("nearest", "bilinear", TRANSPOSED)
INPUTS = {
    "one pixel": torch.eye(SIDE)[1].outer(torch.eye(SIDE)[1]),
    "flat": torch.ones(SIDE, SIDE),
    "edge": torch.tensor([0.0, 0, 1, 1]).expand(SIDE, SIDE),
}


def enlarge(image: torch.Tensor, method: str, kernel: int, stride: int) -> torch.Tensor:
    """Enlarge a map in one of three ways.

    Parameters
    ----------
    image : torch.Tensor
        (H, W).
    method : {"nearest", "bilinear", "transposed convolution"}
        The way.
    kernel : int
        Side of the kernel of a transposed convolution, whose weights are all 1. The other ways have none.
    stride : int
        By how much the sides grow.

    Returns
    -------
    torch.Tensor
        (stride * H, stride * W), or what the formula of the transposed convolution gives.

    Examples
    --------
    >>> enlarge(torch.ones(2, 2), "transposed convolution", 3, 2)[2]
    tensor([2., 2., 4., 2., 2.])
    """
    batch = image[None, None]  # (1, 1, H, W)
    if method == TRANSPOSED:
        return F.conv_transpose2d(batch, torch.ones(1, 1, kernel, kernel, dtype=image.dtype), stride=stride)[0, 0]
    smooth = {"align_corners": False} if method == "bilinear" else {}
    return F.interpolate(batch, scale_factor=stride, mode=method, **smooth)[0, 0]


@functools.cache
def contributions(method: str, kernel: int, stride: int) -> torch.Tensor:
    """Count for each pixel of the output from how many pixels of the input it gets something.

    Parameters
    ----------
    method, kernel, stride
        As for `enlarge`.

    Returns
    -------
    torch.Tensor
        int64, of the output's shape.

    Examples
    --------
    >>> contributions("transposed convolution", 3, 2)[2].tolist()
    [2, 2, 4, 2, 4, 2, 4, 2, 2]
    """
    dots = torch.eye(SIDE * SIDE).view(-1, SIDE, SIDE)  # 16 inputs, each with another single 1
    return sum((enlarge(dot, method, kernel, stride) > 0).long() for dot in dots)


def is_even(method: str, kernel: int, stride: int) -> bool:
    """Say whether a flat map stays flat, away from its border.

    Parameters
    ----------
    method, kernel, stride
        As for `enlarge`.

    Returns
    -------
    bool

    Examples
    --------
    >>> [is_even("transposed convolution", kernel, 2) for kernel in (2, 3, 4)]
    [True, False, True]
    """
    flat = enlarge(torch.ones(12, 12), method, kernel, stride)
    inside = flat[len(flat) // 4 : -len(flat) // 4, len(flat) // 4 : -len(flat) // 4]
    return bool((inside - inside[0, 0]).abs().max() < 1e-5)


class Upsampling(Explorer):
    """A map of 4×4 values, enlarged by repeating, by blending, or by painting with a kernel of ones.

    Parameters
    ----------
    image : {"one pixel", "flat", "edge"}
        The input.
    method : {"nearest", "bilinear", "transposed convolution"}
        How it is enlarged.
    stride : {2, 3}
        How far apart neighbouring pixels of the input are in the output.
    kernel : {2, 3, 4}
        Side of the kernel of the transposed convolution.

    Examples
    --------
    >>> Upsampling(kernel=3).shown.numbers["copies on one pixel, inside"]
    '1 to 4'
    >>> Upsampling(kernel=3, stride=3).shown.numbers["a flat map, inside"]
    'stays flat'
    """

    name = "upsampling"
    title = "Three ways to enlarge a map"
    image = Choice("Input", tuple(INPUTS), default="flat")
    method = Choice("Method", METHODS, default=TRANSPOSED)
    stride = Choice("Stride", (2, 3))
    kernel = Choice("Kernel of the transposed convolution", (2, 3, 4), says="{0} × {0}".format)

    @classmethod
    def assets(cls):
        """Return the grids, which several settings share: without a kernel, its side changes nothing."""
        grids = {f"input-{place}": grid(image) for place, image in enumerate(INPUTS.values())}
        for setting in cls.settings():
            how = [setting[key] for key in ("method", "kernel", "stride")]
            grids[asset("output", **setting)] = grid(enlarge(INPUTS[setting["image"]], *how))
            grids[asset("copies", **setting)] = grid(contributions(*how))
        return grids

    @classmethod
    def state(cls, image, method, stride, kernel):
        """Return the enlarged map, and on each of its pixels the number of copies."""
        output = enlarge(INPUTS[image], method, kernel, stride)
        copies = contributions(method, kernel, stride)
        edge = kernel if method == TRANSPOSED else stride  # pixels at the border, where a neighbour is missing
        inside = copies[edge:-edge, edge:-edge]
        low, high = int(inside.min()), int(inside.max())
        even, side = is_even(method, kernel, stride), len(output)
        setting = {"image": image, "method": method, "stride": stride, "kernel": kernel}
        how = f"a kernel of {kernel} × {kernel} ones" if method == TRANSPOSED else "no kernel"
        reach = f"{low}" if low == high else f"{low} to {high}"
        words = (
            f"{method.capitalize()} with stride {stride} and {how} makes {side} × {side} values of {SIDE} × {SIDE}. "
            f"Inside, each gets something from {reach} of the input's pixels, "
            f"and a flat map {'stays flat' if even else 'gets a pattern'}."
        )
        numbers = {
            "output": f"{side} × {side}",
            "values of the output": f"{output.min():.2f} to {output.max():.2f}",
            "copies on one pixel, inside": reach,
            "a flat map, inside": "stays flat" if even else "gets a pattern",
        }
        panels = (
            Panel("Input", board("Input", f"input-{list(INPUTS).index(image)}")),
            Panel("Output", board("Output", asset("output", **setting))),
            Panel("Copies on each pixel", board("Copies on each pixel of the output", asset("copies", **setting))),
        )
        return State(words, numbers, panels)


def asset(what: str, image: str, method: str, stride: int, kernel: int) -> str:
    """Return the name of a grid: the same for settings that look the same.

    Parameters
    ----------
    what : {"output", "copies"}
        What the grid shows.
    image, method, stride, kernel
        The setting.

    Returns
    -------
    str

    Examples
    --------
    >>> asset("copies", "flat", "nearest", 2, 3), asset("output", "one pixel", "transposed convolution", 3, 4)
    ('copies-0-2', 'output-2-3-4-one-pixel')
    """
    parts = [what, METHODS.index(method), stride]
    parts += [kernel] if method == TRANSPOSED else []
    parts += [image.replace(" ", "-")] if what == "output" else []
    return "-".join(map(str, parts))


def grid(values: torch.Tensor) -> str:
    """Draw values as squares, darker or lighter, with the numbers in them.

    Parameters
    ----------
    values : torch.Tensor
        (n, n), from 0 upwards.

    Returns
    -------
    str
        The parts of a drawing of ``SIZE`` units.

    Examples
    --------
    >>> grid(torch.eye(2)).count("<text")
    4
    """
    cell, largest = SIZE / len(values), max(1.0, float(values.max()))
    parts = []
    for row, line in enumerate(values.tolist()):
        for column, value in enumerate(line):
            x, y = column * cell, row * cell
            if value:
                parts.append(svg.rect(x, y, cell, cell, "c0 fill", opacity=0.5 * value / largest))
            parts.append(svg.rect(x, y, cell, cell, "ink stroke thin"))
            number = f"{value:.2f}".rstrip("0").rstrip(".").removeprefix("0") or "0"
            parts.append(svg.text(x + cell / 2, y + cell / 2 + 4, number, "middle small"))
    return "".join(parts)


def board(title: str, name: str) -> str:
    """Return the drawing of one grid.

    Parameters
    ----------
    title, name : str
        What it is, and the name of the grid.

    Returns
    -------
    str

    Examples
    --------
    >>> "copies-0-2" in board("Copies", "copies-0-2")
    True
    """
    return svg.drawing(SIZE, SIZE, title, svg.part(name))
