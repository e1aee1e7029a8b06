"""Real pictures: 200 fields of stained nuclei (BBBC039), every nucleus marked by hand.

Whoever reads their masks meets a trap: a colour is not a nucleus. There are three colours, so that touching nuclei can
differ; the nuclei are the connected components of every colour, see `decode_instances`.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pooch
import requests

from .._checks import file_path, option
from .meaning import connected_parts
from .pictures import InstanceDataset
from .reading import read_image, read_mask

VARIABLE = "UNET_TUTORIAL_DATA"
ADDRESS = "https://data.broadinstitute.org/bbbc/BBBC039/"
ARCHIVES = {  # name and sha256
    "images.zip": "6f30a5d4fe38c928ded972704f085975f8dc0d65d9aa366df00e5a9d449fddd7",
    "masks.zip": "f9e6043d8ca56344a4886f96a700d804d6ee982f31e2b2cd3194af2a053c2710",
    "metadata.zip": "a2c1f900bed9ba92a99553efd4c2ae98598433691c7401d818653ab61110deb2",
}
DOWNLOAD = 81  # MB, the archives together
ABANDONED = 3600  # seconds after which nobody unpacks any more
SPACE = 250  # MB, for the archives and what is in them
SPLITS = {"train": "training.txt", "val": "validation.txt", "test": "test.txt"}  #: The list of each split.


def cache_folder() -> Path:
    """Return the folder of this user in which a downloaded data set is kept.

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> cache_folder().name
    'bbbc039'
    """
    return Path(pooch.os_cache("unet_tutorial")) / "bbbc039"


def find_nuclei() -> Path | None:
    """Find the data set on this computer, without a network.

    Looked for in the folder that the environment variable ``UNET_TUTORIAL_DATA`` names and, if there is no such
    variable, in `cache_folder`.

    Returns
    -------
    pathlib.Path or None
        A folder with ``images/``, ``masks/`` and the three lists of the split, or None.

    Raises
    ------
    ValueError
        If ``UNET_TUTORIAL_DATA`` names a folder in which the data set is not whole.

    Examples
    --------
    >>> folder = find_nuclei()
    >>> folder is None or (folder / "images").is_dir()
    True
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return cache_folder() if _missing(cache_folder()) is None else None
    missing = _missing(Path(named))
    if missing is not None:
        raise ValueError(
            f"{VARIABLE} must name a folder with images/, masks/ and the lists {', '.join(SPLITS.values())} "
            f"(beside them or in metadata/), but in '{named}' {missing}."
        )
    return Path(named)


def fetch_nuclei(*, address: str = ADDRESS, progress: bool = True) -> Path:
    """Find the data set, or else download it: 81 MB, once.

    The three archives are compared with their pinned SHA-256 and unpacked beside the cache, and only the whole data
    set is moved into it. After an interruption, call it again: archives that are complete are not fetched twice.

    Parameters
    ----------
    address : str
        Where the three archives lie; that of the Broad Bioimage Benchmark Collection if not given.
    progress : bool, default True
        Show a progress bar for every archive.

    Returns
    -------
    pathlib.Path
        A folder as from `find_nuclei`.

    Raises
    ------
    ConnectionError
        If an archive cannot be fetched. The message says what to download, and where to put it.
    OSError
        If the cache cannot be written, or the disk is full. `ConnectionError` is one too.
    ValueError
        If an archive is not the one that is expected, or names files outside its folder, or as `find_nuclei`.

    References
    ----------
    Ljosa, Sokolnicki and Carpenter 2012, doi:10.1038/nmeth.2083, for the collection. Caicedo et al. 2019,
    doi:10.1002/cyto.a.23863, for BBBC039.

    Examples
    --------
    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, {VARIABLE: "nowhere"}):
    ...     fetch_nuclei()
    Traceback (most recent call last):
    ...
    ValueError: UNET_TUTORIAL_DATA must name a folder with images/, masks/ and the lists ...
    """
    folder = find_nuclei()
    if folder is not None:
        return folder
    folder = cache_folder()
    try:
        _fetch(folder, address, progress)
    except ConnectionError:
        raise
    except OSError as error:
        if _missing(folder) is None:  # another notebook fetched it meanwhile, and cleared the downloads away
            return folder
        raise OSError(
            f"the nuclei (BBBC039) are not on this computer, and '{folder.parent}' could not take them ({error}). Make "
            f"room for {SPACE} MB there, or permit writing, and run this again. {_by_hand(address)}"
        ) from error
    return folder


def decode_instances(mask: np.ndarray) -> np.ndarray:
    """Turn a mask of BBBC039 into one number a nucleus.

    The red channel is 0 for the background and otherwise one of a few colours, chosen so that touching nuclei
    differ. A nucleus is a connected component of one colour, connected through the sides of its pixels.

    Parameters
    ----------
    mask : numpy.ndarray
        (H, W) colours, or (H, W, 3) or (H, W, 4), of which the first channel counts. Whole numbers.

    Returns
    -------
    numpy.ndarray
        int64 (H, W): 0 background, 1 to n the nuclei.

    Raises
    ------
    ValueError
        If the mask has other axes or does not hold whole numbers.

    Examples
    --------
    >>> decode_instances(np.array([[7, 7, 0, 7], [9, 9, 0, 7]]))
    array([[1, 1, 0, 2],
           [3, 3, 0, 2]])
    """
    plain = isinstance(mask, np.ndarray) and not isinstance(mask, np.ma.MaskedArray)
    right = plain and mask.dtype.kind in "iu" and mask.size
    if not right or not (mask.ndim == 2 or (mask.ndim == 3 and mask.shape[2] in (3, 4))):
        came = f"{mask.dtype} of shape {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise ValueError(f"mask must be whole numbers of shape (H, W), (H, W, 3) or (H, W, 4), but got {came}.")
    colours = mask if mask.ndim == 2 else mask[..., 0]  # (H, W)
    return connected_parts(colours)


class NucleiDataset(InstanceDataset):
    """The fields of one split of BBBC039: 100 to train on, 50 to choose by, 50 for the last word.

    Everything is read and decoded once, here, so that an epoch never waits for the disk.

    Parameters
    ----------
    split : {"train", "val", "test"}
        The official split.
    folder : str or pathlib.Path, optional
        A folder with ``images/``, ``masks/`` and the three lists. If not given, as `fetch_nuclei` finds it.

    Attributes
    ----------
    names : list of str
        The names of the mask files.
    images : list of numpy.ndarray
        uint16 (520, 696) each, as the microscope gave them.

    Raises
    ------
    ValueError
        If the split is unknown, the folder does not hold the whole data set, or a file cannot be read.
    ConnectionError, OSError
        As `fetch_nuclei`.

    References
    ----------
    Caicedo et al. 2019, doi:10.1002/cyto.a.23863.

    Examples
    --------
    >>> NucleiDataset("test", folder="nowhere")
    Traceback (most recent call last):
    ...
    ValueError: folder must hold the whole data set, but in 'nowhere' there is no training.txt, or it is empty.
    """

    def __init__(self, split: str, folder: str | Path | None = None):
        self.split = option("split", split, SPLITS)
        folder = fetch_nuclei() if folder is None else file_path("folder", folder)
        missing = _missing(folder)
        if missing is not None:
            raise ValueError(f"folder must hold the whole data set, but in '{folder}' {missing}.")
        names = _names(folder, self.split)
        images = [read_image(folder / "images" / f"{Path(name).stem}.tif") for name in names]  # (520, 696) uint16
        masks = [read_mask(folder / "masks" / name) for name in names]  # (520, 696, 3) uint8; (520, 696) if empty
        super().__init__(names, images, [decode_instances(mask) for mask in masks])


def _missing(folder: Path) -> str | None:
    """Say what a folder lacks to be the whole data set, or return None."""
    for split in SPLITS:
        names = _names(folder, split)
        if not names:
            return f"there is no {SPLITS[split]}, or it is empty"
        for name in names:
            for path in (folder / "images" / f"{Path(name).stem}.tif", folder / "masks" / name):
                if not path.is_file():
                    return f"there is no {path.parent.name}/{path.name}"
    return None


def _names(folder: Path, split: str) -> list[str]:
    """Read the names of a split's mask files, from the folder or, as in the official archives, from metadata/."""
    for path in (folder / SPLITS[split], folder / "metadata" / SPLITS[split]):
        if path.is_file():
            return path.read_text(encoding="utf-8").split()
    return []


def _fetch(folder: Path, address: str, progress: bool) -> None:
    """Download, unpack beside the folder, and move the whole data set into it."""
    downloads = folder.with_name("bbbc039-downloads")
    downloads.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    archives = [_download(address, name, downloads, progress) for name in ARCHIVES]
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="bbbc039-unpacking-") as unpacked:
        for archive in archives:
            _unpack(archive, Path(unpacked))
        missing = _missing(Path(unpacked))
        if missing is not None:
            raise ValueError(f"the archives of {address} must hold the whole data set, but {missing}.")
        shutil.rmtree(folder, ignore_errors=True)  # what is left of a damaged one
        (whole := Path(unpacked) / "whole").mkdir()
        for part in ("images", "masks", "metadata"):
            os.replace(Path(unpacked) / part, whole / part)
        os.replace(whole, folder)  # one operation: the data set is there, or it is not
    shutil.rmtree(downloads, ignore_errors=True)  # the data set is there


def _sweep(folder: Path) -> None:
    """Delete what processes left behind that were killed while they unpacked; one that unpacks now is younger."""
    for left in folder.glob("bbbc039-unpacking-*"):
        if time.time() - left.stat().st_mtime > ABANDONED:
            shutil.rmtree(left, ignore_errors=True)


def _download(address: str, name: str, folder: Path, progress: bool) -> Path:
    """Fetch one archive, unless it is there; pooch gives it its name only when its check sum is right."""
    get = pooch.HTTPDownloader(progressbar=progress, timeout=30)
    pooch.get_logger().setLevel("WARNING")  # it would print the whole path of the user's folder
    try:
        return Path(pooch.retrieve(f"{address}{name}", f"sha256:{ARCHIVES[name]}", name, folder, downloader=get))
    except requests.RequestException as error:
        answer = "" if error.response is None else f" {error.response.status_code}"  # such as 404
        raise ConnectionError(
            f"the nuclei (BBBC039) are not on this computer, and {address}{name} could not be fetched "
            f"({type(error).__name__}{answer}). Run this again when there is a network. {_by_hand(address)}"
        ) from error
    except ValueError as error:  # pooch's word for a wrong check sum
        raise ValueError(
            f"{address}{name} must have the SHA-256 {ARCHIVES[name]}, but what came has another: the download was "
            f"altered or cut off, or the network sent a page of its own, such as one to sign in. Nothing of it was "
            f"kept; run this again, if need be after signing in. {_by_hand(address)}"
        ) from error


def _by_hand(address: str) -> str:
    """Say how the data set comes to this computer without a download."""
    return (
        f"Or download {', '.join(ARCHIVES)} from {address} elsewhere, unpack all three into one folder, and set the "
        f"environment variable {VARIABLE} to that folder."
    )


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive, and refuse one that would write anywhere else."""
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            path = PurePosixPath(member.filename.replace("\\", "/"))
            link = stat.S_ISLNK(member.external_attr >> 16)
            if path.is_absolute() or ".." in path.parts or ":" in member.filename or link:
                raise ValueError(f"archive '{archive.name}' names a file outside its folder: {member.filename!r}.")
        file.extractall(folder)
