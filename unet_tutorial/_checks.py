"""The options of the networks, and checks on what comes in: each raises a ``ValueError`` of what was expected."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

NORMS = ("batch", "group", "none")
UPSAMPLES = ("transpose", "bilinear", "nearest")
SKIPS = ("concat", "add", "none")
PADDINGS = ("same", "none")
CHANNELS = (64, 128, 256, 512, 1024)  # those of the paper


def whole_number(name: str, value: object, least: int = 1) -> int:
    """Return ``value`` as an int when it is a whole number of at least ``least``, of Python or numpy; or refuse it."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, but got {_short(value)}.")
    return int(value)


SMALLEST, LARGEST = 1.2e-38, 3.4e38  # what float32, in which networks compute, holds above 0


def number(name: str, value: Any, *, above_zero: bool = False) -> float:
    """Return ``value`` when it is a finite number of at least 0, or above 0; refuse anything else."""
    if not _is_real(value) or not (value == 0 or SMALLEST <= value <= LARGEST) or (above_zero and value == 0):
        beyond = _is_real(value) and value > 0 and (value < SMALLEST or LARGEST < value < math.inf)
        raise ValueError(
            f"{name} must be a number {'greater than' if above_zero else 'of at least'} 0, but got {_short(value)}."
            f"{f' The numbers of float32 lie between {SMALLEST} and {LARGEST}.' if beyond else ''}"
        )
    return float(value)


def probability(name: str, value: Any) -> float:
    """Return ``value`` when it lies between 0 and 1, both excluded; refuse anything else."""
    if not _is_real(value) or not 0 < value < 1:
        raise ValueError(f"{name} must be a probability between 0 and 1, both excluded, but got {_short(value)}.")
    return float(value)


def _is_real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _short(value: object) -> str:
    """Return a value in one line: a tensor or a list may have thousands of numbers."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:99]}…"


def option(name: str, value: object, known: Iterable[str]) -> str:
    """Return ``value`` when it is one of ``known``; otherwise name the nearest known one."""
    known = list(known)
    if isinstance(value, str) and value in known:
        return value
    near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, but got {_short(value)}.{hint}")


def file_path(name: str, value: Any) -> Path:
    """Return ``value`` as a path; refuse what names no file."""
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
        raise ValueError(f"{name} must be the path of a file, a text or a pathlib.Path, but got {_short(value)}.")
    return Path(value)


def channel_list(channels: object, *, bottleneck: bool = True) -> tuple[int, ...]:
    """Return the channels of the stages, and of the bottleneck after them, as a tuple; refuse anything else."""
    parts = "every stage and of the bottleneck" if bottleneck else "every stage"
    given = channels.tolist() if hasattr(channels, "tolist") else channels  # an array, or a tensor
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):  # a set has no order
        raise ValueError(f"channels must list the channels of {parts}, such as {CHANNELS}, but got {_short(channels)}.")
    channels = tuple(given)
    if len(channels) < (2 if bottleneck else 1):
        least = "two entries, one stage and the bottleneck" if bottleneck else "one entry, a stage"
        raise ValueError(f"channels needs at least {least}, but got {channels!r}.")
    return tuple(whole_number(f"channels[{i}]", c) for i, c in enumerate(channels))


def sides(height: int, width: int, depth: int) -> None:
    """Refuse an input that would vanish on its way down: every side must be at least ``2**depth``."""
    smallest = 2**depth
    if height < smallest or width < smallest:
        raise ValueError(
            f"each side of the input must be at least 2**depth = 2**{depth} = {smallest} pixels, "
            f"but got height {height} and width {width}. "
            f"Use a larger image, or a network with fewer stages (a shorter channels)."
        )


def unpadded_sides(height: int, width: int, depth: int) -> None:
    """Refuse an input of a network without padding that is too small, or is odd before a pooling."""
    for name, side in (("height", height), ("width", width)):
        if not _fits_unpadded(side, depth):
            below = next((s for s in range(side - 1, 0, -1) if _fits_unpadded(s, depth)), None)
            above = next(s for s in itertools.count(side + 1) if _fits_unpadded(s, depth))
            raise ValueError(
                f"without padding, every map must have an even side before each pooling, and a pixel must be left at "
                f"the end. At depth {depth} that is not so for the {name} {side}. "
                f"The nearest that fits is {above if below is None else f'{below} or {above}'}."
            )


def _fits_unpadded(side: int, depth: int) -> bool:
    """Walk down, and up again: every block takes away 4 pixels, one for each side of each convolution."""
    for _ in range(depth):
        side -= 4
        if side < 2 or side % 2:
            return False
        side //= 2
    for _ in range(depth):
        side = 2 * (side - 4)
    return side > 4


def joinable(features: Sequence[int], skip: Sequence[int]) -> None:
    """Refuse a skip connection whose (height, width) is not what one pooling turns into that of ``features``."""
    pooled = (skip[0] // 2, skip[1] // 2)
    if pooled != tuple(features):
        raise ValueError(
            f"the skip connection must be the features' size before one pooling, but after pooling "
            f"{tuple(skip)} is {pooled}, and the features are {tuple(features)}. "
            f"Take the skip connection of the stage one step above the features."
        )
