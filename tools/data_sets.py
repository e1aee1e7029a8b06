"""The published data sets that chapters use: where each is on this computer, and which chapters use it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from unet_tutorial.data.fetching import Published


class DataSet(NamedTuple):
    """Where a data set is described in the package, and how the tests that need it are marked."""

    module: str
    variable: str
    marker: str

    def published(self) -> Published:
        """Return its description. Loads torch, which not every tool needs."""
        return getattr(import_module(self.module), self.variable)


ALL = (
    DataSet("unet_tutorial.data.bbbc039", "NUCLEI", "real_nuclei"),
    DataSet("unet_tutorial.data.vnc", "SECTIONS", "real_sections"),
    DataSet("unet_tutorial.data.camvid", "STREETS", "real_streets"),
)


@cache
def place(one: DataSet) -> str:
    """Return the folder in which a data set is on this computer, or "" if it is not, or not whole."""
    from unet_tutorial.data import fetching  # here, because it is slow to load

    try:
        return str(fetching.find(one.published()) or "")
    except ValueError:  # who fetches it is told why
        return ""


def missing() -> list[DataSet]:
    """Return those that are not on this computer."""
    return [one for one in ALL if not place(one)]


def tests_without(those: list[DataSet] | tuple[DataSet, ...] = ALL) -> str:
    """Return pytest's expression for the tests that need none of some data sets."""
    return " and ".join(f"not {one.marker}" for one in those)
