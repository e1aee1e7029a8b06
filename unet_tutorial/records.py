"""Results that took too long for a notebook: small files that come with the package and say how they were made."""

from __future__ import annotations

from typing import Any

from . import _kept


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
    return _kept.names("results")


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
    return _kept.read("results", name)
