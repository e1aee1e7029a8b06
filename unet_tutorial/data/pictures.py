"""Pictures of any folder with a number for every object, one range of values for them, and crops to train on."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from skimage import io
from torch.utils.data import Dataset

from .. import _contract
from .._checks import whole_number
from .masks import check_pair

ENDINGS = (".png", ".tif", ".tiff")
LOW, HIGH = 1, 99.8  # the percentiles of a picture that become 0 and 1
CONTRAST = 4  # the least ratio between them


PIECES = Path(__file__).with_name("nuclei_pieces.npz")  #: Where `nuclei_pieces` are kept.


class InstanceDataset(Dataset):
    """Pictures in memory, with one number for every object: such as `own_pictures` reads.

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


def nuclei_pieces() -> InstanceDataset:
    """Return four small pieces of training fields, which come with the package: real pictures without a download.

    Each is the middle of a field; nobody chose them by their looks (``experiments/cut_nuclei.py``).

    Returns
    -------
    InstanceDataset
        Pictures of 128×128 pixels, with their nuclei.

    References
    ----------
    Caicedo et al. 2019, doi:10.1002/cyto.a.23863. BBBC039 is in the public domain (CC0).

    Examples
    --------
    >>> image, mask = nuclei_pieces()[0]
    >>> image.shape, mask.shape
    (torch.Size([1, 128, 128]), torch.Size([1, 128, 128]))
    """
    with np.load(PIECES) as kept:
        return InstanceDataset(list(kept["names"]), list(kept["images"]), list(kept["instances"].astype(np.int64)))


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
    >>> import tempfile
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


def normalize(image: np.ndarray) -> np.ndarray:
    """Bring a picture of any number of bits to values from 0 to 1, by the percentiles of its logarithm.

    Light varies from field to field by factors, and a factor is a shift of the logarithm. Some fields also hold
    dust ten times as bright as the nuclei: without the logarithm it would leave them almost no range. A
    field with nothing in it holds only noise, which would be stretched to the full range; so what is called 1 is at
    least four times as bright as what is called 0.

    Parameters
    ----------
    image : numpy.ndarray
        (H, W) numbers of at least 0.

    Returns
    -------
    numpy.ndarray
        float32 (H, W). What lies below the 1st percentile is 0, what lies above the 99.8th is 1.

    Raises
    ------
    ValueError
        If the image is not finite numbers of at least 0 of shape (H, W).

    Examples
    --------
    >>> normalize(np.array([[100, 200], [400, 800]], dtype=np.uint16)).round(2)
    array([[0.  , 0.33],
           [0.66, 1.  ]], dtype=float32)
    """
    if not isinstance(image, np.ndarray) or image.ndim != 2 or image.dtype.kind not in "uif" or image.size == 0:
        came = f"{image.dtype} of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"image must be numbers of shape (H, W), one channel, but got {came}.")
    if not (np.isfinite(image).all() and image.min() >= 0):
        raise ValueError("image must hold finite numbers of at least 0, but some are negative, infinite or NaN.")
    scaled = np.log1p(image.astype(np.float32))
    bottom, top = np.percentile(scaled, [LOW, HIGH])
    return np.clip((scaled - bottom) / max(top - bottom, np.log(CONTRAST)), 0, 1).astype(np.float32)


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
        self.size, self.samples, self.seed = whole_number("size", size), whole_number("samples", samples), seed
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


def _files(folder: Path) -> dict[str, Path]:
    """Return the pictures in a folder by their names without the ending, in alphabetical order."""
    if not folder.is_dir():
        raise ValueError(f"the folder must hold images/ and masks/, but there is no '{folder}'.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in ENDINGS:
            if path.stem in found:
                raise ValueError(
                    f"every picture needs a name of its own, but '{path.stem}' is there twice in '{folder}'."
                )
            found[path.stem] = path
    if not found:
        raise ValueError(f"the folder must hold pictures ({', '.join(ENDINGS)}), but there is none in '{folder}'.")
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
            f"{mask.dtype} and holds {_contract.listed(wrong)}.{hint}"
        )
    values = np.unique(whole[whole > 0])
    if values.size <= 1:
        return ndimage.label(whole)[0].astype(np.int64)
    if _looks_interpolated(whole):
        raise ValueError(
            f"mask '{path}' must mark its objects with one value or number them, but its values "
            f"{_contract.listed(values)} rise in steps at the edges, as in a mask of 0 and {values[-1]} that was "
            f"resized with interpolation. Resize the original with resize_mask, or keep what is greater than "
            f"{values[-1] // 2}."
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
