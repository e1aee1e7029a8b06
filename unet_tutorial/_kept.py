"""The JSON files that come with the package: which there are in a folder, and what one of them says."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from ._checks import option


def names(folder: str) -> list[str]:
    """Return the names of the JSON files in a folder of the package, without their endings."""
    entries = (files("unet_tutorial") / folder).iterdir()
    return sorted(entry.name.removesuffix(".json") for entry in entries if entry.name.endswith(".json"))


def read(folder: str, name: str) -> dict[str, Any]:
    """Return what a JSON file of the package says; refuse a name that is not there."""
    option("name", name, names(folder))
    return json.loads((files("unet_tutorial") / folder / f"{name}.json").read_text(encoding="utf-8"))
