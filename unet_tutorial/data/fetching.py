"""Data sets that others have published: found on this computer, or fetched whole, or not at all.

Nothing of them comes with the package. Each file is compared with its pinned SHA-256, archives are unpacked beside the
cache, and only a whole data set is moved into it.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pooch
import requests
from tqdm import tqdm

from .._checks import file_path, option

VARIABLE = "UNET_TUTORIAL_DATA"
ABANDONED = 3600  # seconds after which nobody unpacks any more
SILENCE = 30  # seconds without a byte after which a source is given up
LEAST, WINDOW = 1000, 60.0  # bytes a second, and the seconds over which a source must not stay below that
CHUNK = 256  # bytes; a source is looked at when one is full, so one that sends a byte a second after four minutes


@dataclass(frozen=True)
class Published:
    """A data set that somebody has published, and how it comes to this computer.

    Parameters
    ----------
    name : str
        The folder that it has in the cache, and in the folder that the environment variable names.
    title : str
        What it is called in a sentence, such as "the nuclei (BBBC039)".
    address : str
        Where its files lie, with a slash at the end.
    files : mapping of str to str
        The names of the files, below the address, and their SHA-256. Those that end in ``.zip`` are unpacked.
    download, room : int
        MB, all files together, and what must be free while they are fetched.
    holds : str
        What a folder with the data set holds, in words.
    by_hand : str
        What to do where there is no network, up to the point where there is a folder; ``{address}`` stands for the
        address.
    check : callable, optional
        Takes a folder and says what it lacks to be the whole data set, or returns None. If not given, it lacks what it
        has not of the files.

    Examples
    --------
    >>> from unet_tutorial.data.bbbc039 import NUCLEI
    >>> NUCLEI.name, sorted(NUCLEI.files)
    ('bbbc039', ['images.zip', 'masks.zip', 'metadata.zip'])
    """

    name: str
    title: str
    address: str
    files: Mapping[str, str] = field(repr=False)
    download: int
    room: int
    holds: str
    by_hand: str
    check: Callable[[Path], str | None] | None = field(default=None, repr=False)

    def lacks(self, folder: Path) -> str | None:
        """Say what a folder lacks to be the whole data set, or return None."""
        if self.check is not None:
            return self.check(folder)
        return next((f"there is no {name}" for name in self.files if not (folder / name).is_file()), None)


def registry(name: str) -> dict[str, str]:
    """Return the files of a data set that come one by one, and the SHA-256 of each.

    Parameters
    ----------
    name : str
        The data set. The list comes with the package.

    Returns
    -------
    dict of str to str

    Raises
    ------
    ValueError
        If there is no such list.

    Examples
    --------
    >>> len(registry("vnc"))
    40
    """
    lists = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.txt"))}
    lines = lists[option("name", name, lists)].read_text(encoding="utf-8").splitlines()
    return dict(line.split() for line in lines)


def cache_folder(data: Published) -> Path:
    """Return the folder of this user in which a downloaded data set is kept.

    Parameters
    ----------
    data : Published
        The data set.

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> from unet_tutorial.data.bbbc039 import NUCLEI
    >>> cache_folder(NUCLEI).name
    'bbbc039'
    """
    return Path(pooch.os_cache("unet_tutorial")) / data.name


def find(data: Published) -> Path | None:
    """Find a data set on this computer, without a network.

    Looked for in the folder that the environment variable ``UNET_TUTORIAL_DATA`` names, there in a folder with the data
    set's name or in the folder itself; and, if there is no such variable, in `cache_folder`.

    Parameters
    ----------
    data : Published
        The data set.

    Returns
    -------
    pathlib.Path or None
        A folder with the whole data set, or None.

    Raises
    ------
    ValueError
        If ``UNET_TUTORIAL_DATA`` names a folder in which the data set is not whole.

    Examples
    --------
    >>> from unet_tutorial.data.bbbc039 import NUCLEI
    >>> folder = find(NUCLEI)
    >>> folder is None or (folder / "images").is_dir()
    True
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return cache_folder(data) if data.lacks(cache_folder(data)) is None else None
    own = Path(named) / data.name
    folder = own if own.is_dir() else Path(named)
    lacks = data.lacks(folder)
    if lacks is not None:
        raise ValueError(
            f"{VARIABLE} must name a folder with {data.holds}, or one that has such a folder '{data.name}', but in "
            f"'{folder}' {lacks}. Put the data set there, or unset {VARIABLE}: then it is downloaded."
        )
    return folder


def fetch(data: Published, *, progress: bool = True) -> Path:
    """Find a data set, or else download it, once.

    After an interruption, call it again: files that are complete are not fetched twice.

    Parameters
    ----------
    data : Published
        The data set.
    progress : bool, default True
        Show a progress bar: for every archive, or for all files where there are many.

    Returns
    -------
    pathlib.Path
        A folder as from `find`.

    Raises
    ------
    ConnectionError
        If a file cannot be fetched, or hardly anything comes. The message says what to download, and where to put it.
    OSError
        If the cache cannot be written, or the disk is full. `ConnectionError` is one too.
    ValueError
        If a file is not the one that is expected, or an archive names files outside its folder, or as `find`.

    Examples
    --------
    >>> from unittest import mock
    >>> from unet_tutorial.data.bbbc039 import NUCLEI
    >>> with mock.patch.dict(os.environ, {VARIABLE: "nowhere"}):
    ...     fetch(NUCLEI)
    Traceback (most recent call last):
    ...
    ValueError: UNET_TUTORIAL_DATA must name a folder with ...
    """
    folder = find(data)
    if folder is not None:
        return folder
    folder = cache_folder(data)
    try:
        _fetch(data, folder, progress)
    except ConnectionError:
        raise
    except OSError as error:
        if data.lacks(folder) is None:  # another notebook fetched it meanwhile, and cleared the downloads away
            return folder
        raise OSError(
            f"{data.title} are not on this computer, and '{folder.parent}' could not take them ({error}). Make room "
            f"for {data.room} MB there, or permit writing, and run this again. {_by_hand(data)}"
        ) from error
    return folder


def locate(data: Published, folder: str | Path | None = None) -> Path:
    """Return a folder with a whole data set: the given one, or else as `fetch`.

    Parameters
    ----------
    data : Published
        The data set.
    folder : str or pathlib.Path, optional
        Where it is said to be.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        If the folder does not hold all of it.
    ConnectionError, OSError
        As `fetch`.

    Examples
    --------
    >>> from unet_tutorial.data.bbbc039 import NUCLEI
    >>> locate(NUCLEI, "nowhere")
    Traceback (most recent call last):
    ...
    ValueError: folder must hold the whole data set, but in 'nowhere' there is no training.txt, or it is empty.
    """
    if folder is None:
        return fetch(data)
    folder = file_path("folder", folder)
    lacks = data.lacks(folder)
    if lacks is not None:
        raise ValueError(f"folder must hold the whole data set, but in '{folder}' {lacks}.")
    return folder


def _fetch(data: Published, folder: Path, progress: bool) -> None:
    """Download, unpack beside the folder, and move the whole data set into it."""
    downloads = folder.with_name(f"{data.name}-downloads")
    downloads.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    archives = [name for name in data.files if name.endswith(".zip")]
    with tqdm(data.files, desc=data.title, unit="file", disable=not progress or bool(archives)) as names:
        files = [_download(data, name, downloads, progress and bool(archives)) for name in names]
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{data.name}-unpacking-") as unpacked:
        (whole := Path(unpacked) / "whole").mkdir()
        for name, file in zip(data.files, files, strict=True):
            if name in archives:
                _unpack(file, whole)
            else:
                (whole / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, whole / name)
        lacks = data.lacks(whole)
        if lacks is not None:
            raise ValueError(f"the files of {data.address} must hold the whole data set, but {lacks}.")
        shutil.rmtree(folder, ignore_errors=True)  # what is left of a damaged one
        os.replace(whole, folder)  # one operation: the data set is there, or it is not
    shutil.rmtree(downloads, ignore_errors=True)  # the data set is there


def _sweep(folder: Path) -> None:
    """Delete what processes left behind that were killed while they unpacked; one that unpacks now is younger."""
    for left in folder.parent.glob(f"{folder.name}-unpacking-*"):
        if time.time() - left.stat().st_mtime > ABANDONED:
            shutil.rmtree(left, ignore_errors=True)


class _Bar(tqdm):
    """A progress bar that gives a source up from which hardly anything comes."""

    def __init__(self, **how):
        super().__init__(unit="B", unit_scale=True, **how)
        self._since, self._came = time.monotonic(), 0

    def __bool__(self):
        return True  # pooch asks whether there is a bar, and an empty one would say no

    def update(self, n=1):
        """Count what came, and look at it every `WINDOW` seconds."""
        self._came += n
        seconds = time.monotonic() - self._since
        if seconds >= WINDOW:
            if self._came < LEAST * seconds:
                raise requests.Timeout(f"fewer than {LEAST} bytes a second")
            self._since, self._came = time.monotonic(), 0
        return super().update(n)


def _download(data: Published, name: str, folder: Path, progress: bool) -> Path:
    """Fetch one file, unless it is there; pooch gives it its name only when its check sum is right."""

    def get(address: str, file: Any, source: pooch.Pooch) -> None:
        with _Bar(disable=not progress) as bar:
            pooch.HTTPDownloader(progressbar=bar, chunk_size=CHUNK, timeout=SILENCE)(address, file, source)

    pooch.get_logger().setLevel("WARNING")  # it would print the whole path of the user's folder
    source = pooch.create(folder, data.address, registry={name: f"sha256:{data.files[name]}"})
    try:
        return Path(source.fetch(name, downloader=get))
    except requests.RequestException as error:
        answer = "" if error.response is None else f" {error.response.status_code}"  # such as 404
        why = f": {error}" if isinstance(error, requests.Timeout) else ""
        raise ConnectionError(
            f"{data.title} are not on this computer, and {data.address}{name} could not be fetched "
            f"({type(error).__name__}{answer}{why}). Run this again when there is a network. {_by_hand(data)}"
        ) from error
    except ValueError as error:  # pooch's word for a wrong check sum
        raise ValueError(
            f"{data.address}{name} must have the SHA-256 {data.files[name]}, but what came has another: the download "
            f"was altered or cut off, or the network sent a page of its own, such as one to sign in. Nothing of it was "
            f"kept; run this again, if need be after signing in. {_by_hand(data)}"
        ) from error


def _by_hand(data: Published) -> str:
    """Say how the data set comes to this computer without a download."""
    there = data.by_hand.format(address=data.address)
    return f"Or {there}, and set the environment variable {VARIABLE} to that folder."


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive, and refuse one that would write anywhere else."""
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            path = PurePosixPath(member.filename.replace("\\", "/"))
            link = stat.S_ISLNK(member.external_attr >> 16)
            if path.is_absolute() or ".." in path.parts or ":" in member.filename or link:
                raise ValueError(f"archive '{archive.name}' names a file outside its folder: {member.filename!r}.")
        file.extractall(folder)
