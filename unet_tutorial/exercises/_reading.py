"""What a reader may type for numbers: one grammar, here and in the page (``book/_static/exercise.js``).

A person who knows the answer must not fail at the form. So ``221,696`` is a number although Python makes a tuple of it,
and a tuple may come as a list, an array, a tensor or a text.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from numbers import Real
from typing import Any

MOST = 10_000  # numbers in one answer; nobody types more
_GROUPS = re.compile(r"[+-]?\d{1,3}([ ,'_\u00a0\u2009\u202f])\d{3}(\1\d{3})*(\.\d+)?", re.A)
_COMMA = re.compile(r"[+-]?\d*,\d+", re.A)
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.I | re.A)
_FRACTION = re.compile(r"([+-]?\d+)\s*/\s*(\d+)", re.A)
_UNIT = re.compile(r"(?<=[\d.])\s*[^\W\d_]+\.?$")  # such as pixels, behind the number
_BETWEEN = re.compile(r"\s*[\s,;x\u00d7]\s*")


def readings(answer: Any, count: int) -> list[tuple[float, ...]]:
    """Return what an answer may mean as ``count`` numbers: nothing, one list, or two where a comma has two meanings."""
    if isinstance(answer, str):
        return _of_text(answer, count)
    numbers = _flat(answer)
    if numbers is None:
        return []
    found = [tuple(numbers)]
    if count == 1 and isinstance(answer, tuple) and _is_split(numbers):  # 221,696
        found.append((float("".join([f"{numbers[0]:.0f}", *(f"{part:03.0f}" for part in numbers[1:])])),))
    return found


def _of_text(text: str, count: int) -> list[tuple[float, ...]]:
    text = text.strip().strip("\"'").replace("\u2212", "-").replace("\u2013", "-")
    bare = re.sub(r"[()\[\]{}]", " ", text).strip()
    if count != 1:
        parts = [part for part in _BETWEEN.split(bare) if part]
        if parts and len(parts) <= MOST and all(_PLAIN.fullmatch(part) for part in parts):
            return [tuple(float(part) for part in parts)]
        return []
    share = bare.endswith("%")
    bare = bare.removesuffix("%").strip() if share else _UNIT.sub("", bare)
    found = []
    if fraction := _FRACTION.fullmatch(bare):
        found += [float(fraction[1]) / float(fraction[2])] if int(fraction[2]) else []
    if _GROUPS.fullmatch(bare):
        found.append(float(re.sub(r"[ ,'_\u00a0\u2009\u202f]", "", bare)))
    if _COMMA.fullmatch(bare):
        found.append(float(bare.replace(",", ".")))
    if _PLAIN.fullmatch(bare):
        found.append(float(bare))
    return [(number / 100 if share else number,) for number in found] or _of_text(bare, 2)


def _is_split(numbers: list[float]) -> bool:
    """Tell whether commas between groups of three digits made these: Python refuses 12,096, but not 12,960."""
    first, *rest = numbers
    return bool(rest) and first in range(1, 1000) and all(part == 0 or part in range(100, 1000) for part in rest)


def _flat(value: Any, depth: int = 0) -> list[float] | None:
    """Return the numbers of a value in their order, or ``None`` if it holds anything else."""
    if isinstance(value, bool) or depth > 6:
        return None
    if isinstance(value, (Real, Decimal)):
        try:
            return [float(value)]
        except OverflowError:
            return [math.inf]
    if isinstance(value, str):
        return [float(value)] if _PLAIN.fullmatch(value.strip()) else None
    if type(value).__module__.partition(".")[0] in ("numpy", "torch") and hasattr(value, "tolist"):
        if getattr(value, "dtype", None) is None or "bool" in str(value.dtype) or _size(value) > MOST:
            return None
        try:
            return _flat(value.tolist(), depth + 1)
        except (
            NotImplementedError,
            RuntimeError,
            TypeError,
        ):  # a tensor whose numbers do not lie there, such as a sparse one
            return None
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=repr) if len(value) <= MOST else None
    if not isinstance(value, (list, tuple, range)) or not 0 < len(value) <= MOST:
        return None
    parts = [_flat(part, depth + 1) for part in value]
    return None if any(part is None for part in parts) else [number for part in parts for number in part or ()][:MOST]


def _size(value: Any) -> int:
    return int(value.numel() if hasattr(value, "numel") else value.size)
