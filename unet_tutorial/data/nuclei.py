"""Real pictures: 200 fields of stained nuclei (BBBC039), every nucleus marked by hand; and pictures of your own.

Whoever reads the masks of BBBC039 meets a trap: a colour is not a nucleus. There are three colours, so that
touching nuclei can differ; the nuclei are the connected parts of every colour, see `decode_instances`.
"""

from __future__ import annotations

import operator
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pooch
import requests
import torch
from scipy import ndimage
from skimage import io
from torch.utils.data import Dataset

from .._checks import option, positive_int
from .masks import _listed, check_pair

VARIABLE = "UNET_TUTORIAL_DATA"
ADDRESS = "https://data.broadinstitute.org/bbbc/BBBC039/"
ARCHIVES = {  # name and sha256
    "images.zip": "6f30a5d4fe38c928ded972704f085975f8dc0d65d9aa366df00e5a9d449fddd7",
    "masks.zip": "f9e6043d8ca56344a4886f96a700d804d6ee982f31e2b2cd3194af2a053c2710",
    "metadata.zip": "a2c1f900bed9ba92a99553efd4c2ae98598433691c7401d818653ab61110deb2",
}
DOWNLOAD = 81  # MB, the archives together
SPACE = 250  # MB, for the archives and what is in them
SPLITS = {"train": "training.txt", "val": "validation.txt", "test": "test.txt"}
PICTURES = (".png", ".tif", ".tiff")


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
        raise OSError(
            f"the nuclei (BBBC039) are not on this computer, and '{folder.parent}' could not take them ({error}). Make "
            f"room for {SPACE} MB there, or permit writing, and run this again. {_by_hand(address)}"
        ) from error
    return folder


def decode_instances(mask: np.ndarray) -> np.ndarray:
    """Turn a mask of BBBC039 into one number a nucleus.

    The red channel is 0 for the background and otherwise one of a few colours, chosen so that touching nuclei
    differ. A nucleus is what hangs together in one colour, through the sides of its pixels.

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
    right = isinstance(mask, np.ndarray) and mask.dtype.kind in "iu" and mask.size
    if not right or not (mask.ndim == 2 or (mask.ndim == 3 and mask.shape[2] in (3, 4))):
        came = f"{mask.dtype} of shape {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise ValueError(f"mask must be whole numbers of shape (H, W), (H, W, 3) or (H, W, 4), but got {came}.")
    colours = mask if mask.ndim == 2 else mask[..., 0]  # (H, W)
    instances = np.zeros(colours.shape, dtype=np.int64)
    for colour in np.unique(colours[colours != 0]):
        parts, _ = ndimage.label(colours == colour)  # neighbours share a side
        instances[parts > 0] = parts[parts > 0] + instances.max()
    return instances


def normalize(image: np.ndarray, *, low: float = 1, high: float = 99.8, contrast: float = 4) -> np.ndarray:
    """Bring a picture of any number of bits to values from 0 to 1, by the percentiles of its logarithm.

    Light varies from field to field by factors, and a factor is a shift of the logarithm. Some fields also hold
    dust ten times as bright as the nuclei: without the logarithm it would leave them almost no range. A
    field with nothing in it holds only noise, which would be stretched to the full range; so what is called 1 is at
    least ``contrast`` times as bright as what is called 0.

    Parameters
    ----------
    image : numpy.ndarray
        (H, W) numbers of at least 0.
    low, high : float
        The percentiles that become 0 and 1. What lies beyond is clipped.
    contrast : float, default 4
        The least ratio between them, greater than 1.

    Returns
    -------
    numpy.ndarray
        float32 (H, W).

    Raises
    ------
    ValueError
        If the image is not finite numbers of at least 0 of shape (H, W), or a percentile or the contrast is out of
        range.

    Examples
    --------
    >>> normalize(np.array([[0, 15], [63, 255]], dtype=np.uint8), low=0, high=100)
    array([[0.  , 0.5 ],
           [0.75, 1.  ]], dtype=float32)
    """
    if not isinstance(image, np.ndarray) or image.ndim != 2 or image.dtype.kind not in "uif" or image.size == 0:
        came = f"{image.dtype} of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"image must be numbers of shape (H, W), one channel, but got {came}.")
    if not (np.isfinite(image).all() and image.min() >= 0):
        raise ValueError("image must hold finite numbers of at least 0, but some are negative, infinite or NaN.")
    if not 0 <= low < high <= 100:
        raise ValueError(f"low and high must be percentiles, 0 <= low < high <= 100, but got {low!r} and {high!r}.")
    if not contrast > 1:
        raise ValueError(f"contrast must be greater than 1, but got {contrast!r}.")
    scaled = np.log1p(image.astype(np.float32))
    bottom, top = np.percentile(scaled, [low, high])
    return np.clip((scaled - bottom) / max(top - bottom, np.log(contrast)), 0, 1).astype(np.float32)


class InstanceDataset(Dataset):
    """Pictures in memory, with one number for every object: what both data sets of this module are.

    Parameters
    ----------
    names : sequence of str
        What the pictures are called.
    images : sequence of numpy.ndarray
        (H, W) each, as they were read.
    instances : sequence of numpy.ndarray
        int64 (H, W) each: 0 background, every other number one object.

    Attributes
    ----------
    names, images : list
        As above.

    Raises
    ------
    ValueError
        If there is no picture, the three are not of one length, or an image and its mask do not keep the contract of
        `unet_tutorial.data.masks.check_pair`.
    IndexError
        At ``dataset[i]``, if there is no such picture. Negative indices count from the end.

    Examples
    --------
    >>> picture = np.array([[100, 120, 900], [110, 130, 800]], dtype=np.uint16)
    >>> dataset = InstanceDataset(["a"], [picture], [np.array([[0, 0, 7], [0, 0, 7]])])
    >>> image, mask = dataset[0]
    >>> image.shape, mask.tolist(), dataset.instances(0).max().item()
    (torch.Size([1, 2, 3]), [[[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]], 7)
    """

    def __init__(self, names: Sequence[str], images: Sequence[np.ndarray], instances: Sequence[np.ndarray]):
        if not len(names) == len(images) == len(instances) > 0:
            raise ValueError(
                f"names, images and instances must be of one length, at least 1, "
                f"but have {len(names)}, {len(images)} and {len(instances)}."
            )
        self.names, self.images = list(names), list(images)
        self._normalized = [normalize(image) for image in images]  # float32 (H, W) each
        self._instances = [np.asarray(labels) for labels in instances]
        for name, index in zip(self.names, range(len(self)), strict=True):
            try:
                check_pair(*self[index])
            except ValueError as error:
                raise ValueError(f"picture '{name}': {error}") from error

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        place = self._place(index)
        mask = (self._instances[place] > 0).astype(np.float32)
        return torch.from_numpy(self._normalized[place])[None], torch.from_numpy(mask)[None]  # both (1, H, W)

    def instances(self, index: int) -> torch.Tensor:
        """Return who is who in picture ``index``: int64 (H, W), 0 background, every other number one object."""
        return torch.from_numpy(self._instances[self._place(index)])

    def _place(self, index: int) -> int:
        place = operator.index(index)
        if not -len(self) <= place < len(self):
            raise IndexError(f"index {place} is out of range for a data set of {len(self)} pictures.")
        return place % len(self)


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
        If the split is unknown, or the folder does not hold the whole data set.
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
        folder = fetch_nuclei() if folder is None else Path(folder)
        missing = _missing(folder)
        if missing is not None:
            raise ValueError(f"folder must hold the whole data set, but in '{folder}' {missing}.")
        names = _names(folder, self.split)
        images = [io.imread(folder / "images" / f"{Path(name).stem}.tif") for name in names]  # (520, 696) uint16
        masks = [io.imread(folder / "masks" / name) for name in names]  # (520, 696, 4) uint8
        super().__init__(names, images, [decode_instances(mask) for mask in masks])


def own_pictures(folder: str | Path) -> InstanceDataset:
    """Read pictures and masks of your own, and check them.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds ``images/`` and ``masks/`` with PNG or TIFF files of one channel. A mask has the name of its image; the
        ending may differ. A mask with two values, such as 0 and 255, marks the objects as a whole: parts that hang
        together become one object each. A mask with more values numbers the objects.

    Returns
    -------
    InstanceDataset

    Raises
    ------
    ValueError
        If a folder, an image or a mask is missing, two files have one name, a file holds several channels, a mask
        holds other numbers than whole ones of at least 0 or looks like a mask of two values that was resized with
        interpolation, no mask of the folder marks an object, or an image and its mask do not keep the contract of
        `unet_tutorial.data.masks.check_pair`.

    Notes
    -----
    Interpolation leaves a rim of other values around what was marked, and each of them would count as an object. A
    mask is refused if it has at least three values below its largest, more than two thirds of their pixels lie on a
    slope, with a smaller and a larger value beside them, and less than half of the edge of the largest value touches
    the background. What leaves a rim on few edges only, or was done to a mask that numbers its objects, is not
    recognised: look at what was read.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("images", "masks"):
    ...     (folder / name).mkdir()
    ...     io.imsave(folder / name / "a.png", np.kron([[0, 255], [0, 0]], np.ones((8, 8))).astype(np.uint8))
    >>> own_pictures(folder).names
    ['a']
    """
    folder = Path(folder)
    images, masks = (_files(folder / part) for part in ("images", "masks"))
    for part, here, other in (("mask", images, masks), ("image", masks, images)):
        alone = sorted(set(here) - set(other))
        if alone:
            raise ValueError(
                f"every picture needs an image and a mask of one name, but these {len(alone)} in '{folder}' have no "
                f"{part}: {', '.join(alone[:5])}{', ...' if len(alone) > 5 else ''}."
            )
    pictures = [_one_channel(images[name]) for name in images]
    instances = [_objects(_one_channel(masks[name]), masks[name]) for name in images]
    if not any(labels.any() for labels in instances):
        raise ValueError(
            f"the masks must mark at least one object, but all {len(instances)} in '{folder / 'masks'}' hold nothing "
            f"but 0. Give every object a number above 0."
        )
    return InstanceDataset(list(images), pictures, instances)


class Crops(Dataset):
    """Square pieces at random places of larger pictures, with everything that belongs to them.

    A piece is drawn from its index alone, so any order and any number of workers give the same one.

    Parameters
    ----------
    pictures : sequence of tuple of torch.Tensor
        What belongs to one picture: the image (C, H, W), the mask (H, W), the weights (H, W). The pictures may
        differ in size.
    size : int, default 256
        Side of a piece in pixels, at most the smallest side of any picture.
    samples : int, default 500
        How many pieces there are.
    seed : int, default 0
        Another seed, other pieces.

    Raises
    ------
    ValueError
        If there is no picture, its parts differ in height or width or are too small, or an argument is out of range.
    IndexError
        At ``crops[i]``, if there is no such piece.

    Examples
    --------
    >>> picture = torch.rand(1, 40, 50), torch.zeros(40, 50).long(), torch.ones(40, 50)
    >>> crops = Crops([picture], size=32, samples=3)
    >>> len(crops), [tuple(part.shape) for part in crops[0]]
    (3, [(1, 32, 32), (32, 32), (32, 32)])
    """

    def __init__(
        self, pictures: Sequence[tuple[torch.Tensor, ...]], *, size: int = 256, samples: int = 500, seed: int = 0
    ):
        self.size, self.samples, self.seed = positive_int("size", size), positive_int("samples", samples), seed
        self.pictures = list(pictures)
        if not self.pictures:
            raise ValueError("pictures must hold at least one, but there is none.")
        for number, parts in enumerate(self.pictures):
            sizes = [tuple(part.shape[-2:]) for part in parts]
            if len(set(sizes)) > 1 or min(sizes[0]) < size:
                raise ValueError(
                    f"the parts of a picture must have one height and width, at least size = {size}, "
                    f"but in picture {number} they have {', '.join(map(str, sizes))}."
                )

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        place = operator.index(index)
        if not 0 <= place < self.samples:
            raise IndexError(f"index {place} is out of range for {self.samples} crops.")
        rng = np.random.default_rng((self.seed, place))
        parts = self.pictures[rng.integers(len(self.pictures))]
        top, left = (int(rng.integers(side - self.size + 1)) for side in parts[0].shape[-2:])
        rows, columns = slice(top, top + self.size), slice(left, left + self.size)
        return tuple(part[..., rows, columns] for part in parts)  # (C, size, size) and twice (size, size)


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


def _download(address: str, name: str, folder: Path, progress: bool) -> Path:
    """Fetch one archive, unless it is there; pooch gives it its name only when its check sum is right."""
    get = pooch.HTTPDownloader(progressbar=progress, timeout=30)
    pooch.get_logger().setLevel("WARNING")  # it would print the whole path of the user's folder
    try:
        return Path(pooch.retrieve(f"{address}{name}", f"sha256:{ARCHIVES[name]}", name, folder, downloader=get))
    except requests.RequestException as error:
        raise ConnectionError(
            f"the nuclei (BBBC039) are not on this computer, and {address}{name} could not be fetched "
            f"({type(error).__name__}). Run this again when there is a network. {_by_hand(address)}"
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


def _files(folder: Path) -> dict[str, Path]:
    """Return the pictures in a folder by their names without the ending, in alphabetical order."""
    if not folder.is_dir():
        raise ValueError(f"the folder must hold images/ and masks/, but there is no '{folder}'.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in PICTURES:
            if path.stem in found:
                raise ValueError(
                    f"every picture needs a name of its own, but '{path.stem}' is there twice in '{folder}'."
                )
            found[path.stem] = path
    if not found:
        raise ValueError(f"the folder must hold pictures ({', '.join(PICTURES)}), but there is none in '{folder}'.")
    return found


def _one_channel(path: Path) -> np.ndarray:
    picture = io.imread(path)
    if picture.ndim != 2:
        raise ValueError(
            f"pictures must have one channel, (H, W), but '{path}' has the shape {picture.shape}. "
            f"Save it in grey; colour masks are read by from_colors."
        )
    return picture


def _objects(mask: np.ndarray, path: Path) -> np.ndarray:
    """Return one number an object, int64 (H, W): from a mask that numbers them, or from one with a single value."""
    with np.errstate(invalid="ignore"):  # NaN and infinity become some whole number, and so differ from themselves
        whole = mask.astype(np.int64)
    wrong = np.unique(mask[(whole != mask) | (whole < 0)])
    if wrong.size:
        hint = "" if (wrong < 0).any() else " Was it resized with interpolation? Resize the original with resize_mask."
        raise ValueError(
            f"mask '{path}' must hold whole numbers, 0 for the background and more for objects, but it is "
            f"{mask.dtype} and holds {_listed(wrong)}.{hint}"
        )
    values = np.unique(whole[whole > 0])
    if values.size <= 1:
        return ndimage.label(whole)[0].astype(np.int64)
    if _looks_interpolated(whole):
        raise ValueError(
            f"mask '{path}' must mark its objects with one value or number them, but its values {_listed(values)} "
            f"rise in steps at the edges, as in a mask of 0 and {values[-1]} that was resized with interpolation. "
            f"Resize the original with resize_mask, or keep what is greater than {values[-1] // 2}."
        )
    return whole


def _looks_interpolated(mask: np.ndarray) -> bool:
    """Tell whether the values below the largest are no objects but its rim, see the notes of `own_pictures`."""
    largest = mask == mask.max()
    between = (mask > 0) & ~largest
    if np.unique(mask[between]).size < 3:
        return False
    slope = (ndimage.minimum_filter(mask, size=3) < mask) & (mask < ndimage.maximum_filter(mask, size=3))
    edge = largest & ~ndimage.binary_erosion(largest, border_value=1)  # the frame of the picture is no edge
    cross = ndimage.generate_binary_structure(2, 1)
    open_edge = largest & (ndimage.minimum_filter(mask, footprint=cross) == 0)
    return bool(slope[between].mean() > 2 / 3 and open_edge.sum() < edge.sum() / 2)
