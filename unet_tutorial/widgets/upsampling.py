"""Chapter 6: three ways to enlarge a map, what becomes of its values, and how often each new pixel is painted."""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F

from .. import _svg as svg
from .kit import Choice, Explorer, Panel, State, asset

SIDE, SIZE = 4, 336  # values in a row of the input; units of a drawing
TRANSPOSED = "transposed convolution"
METHODS = ("nearest", "bilinear", TRANSPOSED)
INPUTS = {
    "one pixel": torch.eye(SIDE)[1].outer(torch.eye(SIDE)[1]),
    "flat": torch.ones(SIDE, SIDE),
    "edge": torch.tensor([0.0, 0, 1, 1]).expand(SIDE, SIDE),
}


def _enlarge(image: torch.Tensor, method: str, kernel: int, stride: int) -> torch.Tensor:
    """Enlarge a map in one of three ways."""
    batch = image[None, None]  # (1, 1, H, W)
    if method == TRANSPOSED:
        return F.conv_transpose2d(batch, torch.ones(1, 1, kernel, kernel, dtype=image.dtype), stride=stride)[0, 0]
    smooth: dict[str, Any] = {"align_corners": False} if method == "bilinear" else {}
    return F.interpolate(batch, scale_factor=stride, mode=method, **smooth)[0, 0]


@functools.cache
def _contributions(method: str, kernel: int, stride: int) -> torch.Tensor:
    """Count for each pixel of the output from how many pixels of the input it gets something."""
    dots = torch.eye(SIDE * SIDE).view(-1, SIDE, SIDE)  # 16 inputs, each with another single 1
    return torch.stack([_enlarge(dot, method, kernel, stride) > 0 for dot in dots]).sum(0)


def _is_even(method: str, kernel: int, stride: int) -> bool:
    """Say whether a flat map stays flat, away from its border."""
    flat = _enlarge(torch.ones(12, 12), method, kernel, stride)
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
        grids = {asset("input", name): _grid(image) for name, image in INPUTS.items()}
        for setting in cls.settings():
            image, method, stride, kernel = setting.values()
            output, copies = _assets(*setting.values())
            grids[output] = _grid(_enlarge(INPUTS[image], method, kernel, stride))
            grids[copies] = _grid(_contributions(method, kernel, stride))
        return grids

    @classmethod
    def state(cls, image, method, stride, kernel):
        """Return the enlarged map, and on each of its pixels the number of copies."""
        output = _enlarge(INPUTS[image], method, kernel, stride)
        copies = _contributions(method, kernel, stride)
        edge = kernel if method == TRANSPOSED else stride  # pixels at the border, where a neighbour is missing
        inside = copies[edge:-edge, edge:-edge]
        low, high = int(inside.min()), int(inside.max())
        even, side = _is_even(method, kernel, stride), len(output)
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
        grids = (asset("input", image), *_assets(image, method, stride, kernel))
        titles = ("Input", "Output", "Copies on each pixel")
        drawn = [svg.drawing(SIZE, SIZE, title, svg.part(grid)) for title, grid in zip(titles, grids, strict=True)]
        return State(words, numbers, tuple(map(Panel, titles, drawn)))


def _assets(image: str, method: str, stride: int, kernel: int) -> tuple[str, str]:
    """Return the names of the grids of the output and of the copies: the same for settings that look the same."""
    how = (method, stride, kernel) if method == TRANSPOSED else (method, stride)
    return asset("output", *how, image), asset("copies", *how)


def _grid(values: torch.Tensor) -> str:
    """Draw values as squares, darker or lighter, with the numbers in them."""
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
