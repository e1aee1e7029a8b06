"""Answers that a page holds, so that who looks at its source does not read them by accident. It keeps no secret."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

UNSEAL = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")  # the other direction, for the page


def sealed(name: str, table: Any) -> str:
    """Return what JSON can hold as a text, mixed with the numbers of a generator that begins with the name; base64."""
    state = 2166136261
    for byte in name.encode():
        state = (state ^ byte) * 16777619 % 2**32  # the hash of Fowler, Noll and Vo
    state, mixed = state or 1, bytearray()
    for byte in json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode():
        for left, right in ((13, 0), (0, 17), (5, 0)):  # Marsaglia (2003), doi:10.18637/jss.v008.i14
            state ^= (state << left) % 2**32 if left else state >> right
        mixed.append(byte ^ (state & 255))
    return base64.b64encode(bytes(mixed)).decode()
