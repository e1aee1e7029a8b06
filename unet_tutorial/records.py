"""Results that took too long for a notebook: small files that come with the package and say how they were made."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from ._checks import option


def available() -> list[str]:
    """List the names of the kept results.

    Returns
    -------
    list of str

    Examples
    --------
    >>> "none of this name" in available()
    False
    """
    folder = files("unet_tutorial") / "results"
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


def load(name: str) -> dict[str, Any]:
    """Read a kept result.

    Parameters
    ----------
    name : str
        One of `available`.

    Returns
    -------
    dict
        The results under names of their own, and under ``"provenance"`` how they were made: the command, the
        commit, the seeds, the versions and the machine.

    Raises
    ------
    ValueError
        If there is no result of this name.

    Examples
    --------
    >>> load("none of this name")
    Traceback (most recent call last):
    ...
    ValueError: name must be one of ..., but got 'none of this name'.
    """
    option("name", name, available())
    return json.loads((files("unet_tutorial") / "results" / f"{name}.json").read_text(encoding="utf-8"))
