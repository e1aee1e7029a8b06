"""Pictures of any folder, with their masks: read and checked, brought to one range, and cut into crops."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from .. import _contract
from .._checks import file_path, option, whole_number
from . import _assembled, meaning
from .layouts import Entry, find_entries
from .masks import check_pair
from .normalizing import is_colour, normalize, normalize_picture
from .reading import plain_name

TASKS = ("objects", "one class", "classes")  #: What masks may say: see `Pictures`.
PIECES = Path(__file__).with_name("nuclei_pieces.npz")  # no "#:": the API's page would show the path on this computer


class Pictures(Dataset):
    """Pictures in memory, with their masks as far as they have one: what `own_pictures` reads.

    Parameters
    ----------
    names : sequence of str
        What the pictures are called.
    images : sequence of numpy.ndarray
        (H, W) or (H, W, C) each, as they were read. Sizes may differ.
    masks : sequence of numpy.ndarray or None
        Whole numbers (H, W) each, 0 for the background; None for a picture that nobody has marked.
    task : {"objects", "one class", "classes"}
        What the numbers of the masks are: one for each object; one for everything that is marked; one for each class.
    num_classes : int, optional
        For ``"classes"``, how many there are with the background; if not given, those that occur.
    paths : sequence of pathlib.Path or None, optional
        The files of the images.
    groups, splits : sequence of str or None, optional
        The patient, slide or series of every picture, and whether it is to train, val or test.
    class_names : sequence of str, optional
        What the classes are called, the background first.
    ignore_index : int, optional
        The number of the pixels that do not count, for one class or several.

    Attributes
    ----------
    names, images, paths, groups, splits, task, num_classes, class_names, ignore_index
        As above. ``num_classes`` is 1 for objects and for one class.
    channels : int
        Channels of every image.
    colour : bool
        Whether the channels are red, green and blue.

    Raises
    ------
    ValueError
        If there is no picture, the arguments are not of one length, the channels differ, or an image and its mask do
        not keep the contract of `unet_tutorial.data.masks.check_pair`. At ``pictures[i]``, if that has no mask.
    IndexError
        At ``pictures[i]``, if there is no such picture. Negative indices count from the end.

    Notes
    -----
    ``pictures[i]`` is an image, float32 (C, H, W) from 0 to 1, and its mask: float32 (1, H, W) of 0 and 1, or, for
    classes, int64 (H, W); both with ``ignore_index`` where a pixel does not count. Images of three channels of 8 bits
    are taken for colours; if among such there are grey ones, these get three equal channels.

    Examples
    --------
    >>> picture = np.array([[100, 120, 900], [110, 130, 800]], dtype=np.uint16)
    >>> pictures = Pictures(["a", "b"], [picture, picture], [np.array([[0, 0, 7], [0, 0, 7]]), None])
    >>> image, mask = pictures[0]
    >>> image.shape, mask.tolist(), pictures.labelled, pictures.image(1).shape
    (torch.Size([1, 2, 3]), [[[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]], [0], torch.Size([1, 2, 3]))
    """

    def __init__(
        self,
        names: Sequence[str],
        images: Sequence[np.ndarray],
        masks: Sequence[np.ndarray | None],
        *,
        task: str = "objects",
        num_classes: int | None = None,
        paths: Sequence[Path | None] | None = None,
        groups: Sequence[str] | None = None,
        splits: Sequence[str | None] | None = None,
        class_names: Sequence[str] | None = None,
        ignore_index: int | None = None,
    ):
        if not len(names) == len(images) == len(masks) > 0:
            raise ValueError(
                f"names, images and instances must be of one length, at least 1, "
                f"but have {len(names)}, {len(images)} and {len(masks)}."
            )
        self.task = option("task", task, TASKS)
        self.names, self.images = list(names), list(images)
        self.paths: list[Path | None] = list(paths) if paths is not None else [None] * len(names)
        self.groups = list(groups) if groups is not None else list(names)
        self.splits: list[str | None] = list(splits) if splits is not None else [None] * len(names)
        self.class_names = list(class_names) if class_names is not None else None
        self._masks = [
            None if mask is None else _contract.label_map(f"the mask of picture '{name}'", mask)  # int64 (H, W)
            for name, mask in zip(self.names, masks, strict=True)
        ]
        counted = (mask[mask != ignore_index] for mask in self._masks if mask is not None)
        largest = max((int(numbers.max(initial=1)) for numbers in counted), default=1)
        self.num_classes = 1 if task != "classes" else num_classes or max(2, largest + 1)
        self.ignore_index = _void(ignore_index, task, self.num_classes)
        self.channels, self.colour = _channels_of(self.names, self.images)
        self._normalized = [self._prepared(name, image) for name, image in zip(names, images, strict=True)]
        for index in self.labelled:
            try:
                check_pair(self.image(index), self.mask(index), self.num_classes, ignore_index=self.ignore_index)
            except ValueError as error:
                raise ValueError(f"picture '{self.names[index]}': {error}") from error

    def _prepared(self, name: str, image: np.ndarray) -> torch.Tensor:
        """Return an image in the network's form, float32 (C, H, W)."""
        try:
            # A grey picture among colours, or one whose colours are all grey, is brought to its range as grey ones are.
            values = normalize_picture(image) if self.colour else normalize(image)
        except ValueError as error:
            raise ValueError(f"picture '{name}': {error}") from error
        channels = torch.from_numpy(values[None] if values.ndim == 2 else values.transpose(2, 0, 1).copy())  # (C, H, W)
        return channels if len(channels) == self.channels else channels.repeat(self.channels, 1, 1)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.subset(range(*index.indices(len(self))))
        return self.image(index), self.mask(index)

    def image(self, index: int) -> torch.Tensor:
        """Return picture ``index``, with a mask or without: float32 (C, H, W), values from 0 to 1."""
        return self._normalized[self._place(index)]

    def mask(self, index: int) -> torch.Tensor:
        """Return its mask: float32 (1, H, W) of 0 and 1, or class indices, int64 (H, W)."""
        mask = self._marked(index)
        if self.task == "classes":
            return torch.from_numpy(mask)
        marked = (mask > 0).astype(np.float32)
        return torch.from_numpy(np.where(mask == self.ignore_index, mask, marked).astype(np.float32))[None]  # (1, H, W)

    def instances(self, index: int) -> torch.Tensor:
        """Return who is who in it: int64 (H, W), 0 background, every other number one object.

        Where the masks hold one class or several, each connected part of a class is one object.
        """
        mask = self._marked(index)
        if self.task == "objects":
            return torch.from_numpy(mask)
        mask = np.where(mask == self.ignore_index, 0, mask)
        return torch.from_numpy(meaning.connected_parts(mask if self.task == "classes" else mask > 0))

    @property
    def labelled(self) -> list[int]:
        """The indices of the pictures that have a mask."""
        return [index for index, mask in enumerate(self._masks) if mask is not None]

    @property
    def unlabelled(self) -> list[int]:
        """The indices of those that have none."""
        return [index for index, mask in enumerate(self._masks) if mask is None]

    def subset(self, indices: Sequence[int]) -> Pictures:
        """Return the pictures of these indices, in this order, as `Pictures`. Nothing is copied."""
        chosen = [self._place(index) for index in indices]
        if not chosen:
            raise ValueError("indices must name at least one picture, but there is none.")
        other = object.__new__(Pictures)
        other.__dict__ = dict(self.__dict__)
        for name in ("names", "images", "paths", "groups", "splits", "_masks", "_normalized"):
            setattr(other, name, [getattr(self, name)[index] for index in chosen])
        return other

    def _marked(self, index: int) -> np.ndarray:
        mask = self._masks[self._place(index)]
        if mask is None:
            raise ValueError(
                f"picture '{self.names[index]}' has no mask. Its image is pictures.image({index}); those with a mask "
                f"are pictures.subset(pictures.labelled)."
            )
        return mask

    def _place(self, index: int) -> int:
        place = operator.index(index)
        if not -len(self) <= place < len(self):
            raise IndexError(f"index {place} is out of range for a data set of {len(self)} pictures.")
        return place % len(self)


class InstanceDataset(Pictures):
    """Pictures in memory, with one number for every object.

    Parameters
    ----------
    names, images : sequence
        As for `Pictures`.
    instances : sequence of numpy.ndarray
        int64 (H, W) each: 0 background, every other number one object.

    Raises
    ------
    ValueError, IndexError
        As `Pictures`.

    Examples
    --------
    >>> picture = np.array([[100, 120, 900], [110, 130, 800]], dtype=np.uint16)
    >>> dataset = InstanceDataset(["a"], [picture], [np.array([[0, 0, 7], [0, 0, 7]])])
    >>> image, mask = dataset[0]
    >>> image.shape, mask.tolist(), dataset.instances(0).max().item()
    (torch.Size([1, 2, 3]), [[[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]], 7)
    """

    def __init__(self, names: Sequence[str], images: Sequence[np.ndarray], instances: Sequence[np.ndarray]):
        super().__init__(names, images, instances)


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


def own_pictures(
    folder: str | Path,
    task: str | None = None,
    *,
    parts: bool = False,
    palette: Mapping | None = None,
    index: str | Path | None = None,
    ignore_index: int | None = None,
) -> Pictures:
    """Read pictures of your own, with their masks as far as there are any, and check them.

    Parameters
    ----------
    folder : str or pathlib.Path
        Most simply, it holds ``images/`` and ``masks/``, and a mask has the name of its image; the ending may differ.
        The other layouts that are understood are those of `unet_tutorial.data.layouts`, the kinds of files those of
        `unet_tutorial.data.reading` and `unet_tutorial.data.annotations`. Of a file with several pages, each is a
        picture. An image without a mask is read, too.
    task : {"objects", "one class", "classes"}, optional
        What the numbers of the masks are. If not given, it is found: "one class" if no mask has more than one number
        above 0, else "objects"; classes are recognised if their parts lie apart, and then you are asked.
    parts : bool, default False
        The numbers are colours that only keep neighbours apart: every connected part of a number is an object.
    palette : mapping, optional
        For classes: the class of every number, or of every colour (red, green, blue), in the masks; or
        ``ignore_index``.
    index : str or pathlib.Path, optional
        A table of the pictures, see `unet_tutorial.data.layouts.find_entries`.
    ignore_index : int, optional
        The number, in masks of one class or several, of the pixels that do not count; often 255. It stays in the
        masks. Losses and metrics take it under this name, and `unet_tutorial.training.fit` from its loss.

    Returns
    -------
    Pictures

    Raises
    ------
    ValueError
        If a file cannot be read or is not what it should be, a mask has no image or another size than its image, no
        mask marks anything, or what the numbers of the masks mean is not what ``task`` says. The message names the
        file.
    OSError
        If a file may not be read.

    Warns
    -----
    UserWarning
        If objects that have a file each share pixels: these go to the smaller object.

    Notes
    -----
    Whether numbers are objects is measured, see `unet_tutorial.data.meaning.kind_of`. Interpolation leaves a rim of
    other values around what was marked, and each of them would count as an object; such masks are refused as far as
    they can be told, see `unet_tutorial.data.meaning.looks_interpolated`. What leaves a rim on few edges only is not
    recognised: look at what was read, with `unet_tutorial.data.describing.describe` and
    `unet_tutorial.plots.contact_sheet`.

    Examples
    --------
    >>> import tempfile
    >>> from skimage import io
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("images", "masks"):
    ...     (folder / name).mkdir()
    ...     io.imsave(folder / name / "a.png", np.kron([[0, 255], [0, 0]], np.ones((8, 8))).astype(np.uint8))
    >>> pictures = own_pictures(folder)
    >>> pictures.names, pictures.task
    (['a'], 'one class')
    """
    if task is not None:
        option("task", task, TASKS)
    folder = file_path("folder", folder)
    entries = find_entries(folder, index)
    pages = [page for entry in entries for page in _assembled.read(entry)]
    ignore_index = _contract.index("ignore_index", ignore_index)
    voids, palette = _assembled.without_void(pages, palette, ignore_index)
    masks = [page.mask for page in pages]
    class_names = None
    if any(page.mask is None and page.mask_path is not None for page in pages):
        masks, class_names, task = _assembled.drawn(pages, task)
    task, masks, num_classes = _assembled.as_task(
        masks, pages, folder, "classes" if palette and not task else task, parts, palette
    )
    for mask, void in zip(masks, voids, strict=True):
        if mask is not None and void is not None:
            mask[void] = ignore_index
    groups = [page.group for page in pages]
    return Pictures(
        [page.name for page in pages],
        [page.image for page in pages],
        masks,
        task=task,
        num_classes=len(class_names) if class_names else num_classes,
        paths=[page.path for page in pages],
        groups=[name if group is None else group for name, group in zip([p.name for p in pages], groups, strict=True)],
        splits=[page.split for page in pages],
        class_names=class_names,
        ignore_index=ignore_index,
    )


def pictures_from_files(paths: Sequence[str | Path]) -> Pictures:
    """Read image files without masks, such as those that a trained network is to answer.

    Parameters
    ----------
    paths : sequence of str or pathlib.Path
        The files. Of one with several pages, each is a picture.

    Returns
    -------
    Pictures

    Raises
    ------
    ValueError, OSError
        As `own_pictures`.

    Examples
    --------
    >>> import tempfile
    >>> from skimage import io
    >>> path = Path(tempfile.mkdtemp()) / "a.png"
    >>> io.imsave(path, np.eye(8, dtype=np.uint8) * 200, check_contrast=False)
    >>> pictures_from_files([path]).image(0).shape
    torch.Size([1, 8, 8])
    """
    files = [Path(path) for path in paths]
    pages = [page for path in files for page in _assembled.read(Entry(plain_name(path), [path]))]
    return Pictures(
        [page.name for page in pages],
        [page.image for page in pages],
        [None] * len(pages),
        paths=[page.path for page in pages],
    )


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
        self.size, self.samples = whole_number("size", size), whole_number("samples", samples)
        self.seed = whole_number("seed", seed, least=0)
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


def _void(ignore_index: int | None, task: str, num_classes: int) -> int | None:
    """Return the number of the pixels that do not count, if it can be told from what the masks say."""
    if ignore_index is None:
        return None
    if task == "objects":
        raise ValueError(
            f"ignore_index is for masks of classes, but the numbers of these are objects. Say task='classes' or "
            f"task='one class' if they are none, or leave ignore_index={ignore_index!r} out."
        )
    return whole_number("ignore_index", ignore_index, max(2, num_classes))


def _channels_of(names: Sequence[str], images: Sequence[np.ndarray]) -> tuple[int, bool]:
    """Return how many channels the images have in common, and whether they are colours."""
    wrong = [image for image in images if not isinstance(image, np.ndarray) or image.ndim not in (2, 3)]
    if wrong:
        came = wrong[0].shape if isinstance(wrong[0], np.ndarray) else type(wrong[0]).__name__
        raise ValueError(f"images must be numpy arrays of shape (H, W) or (H, W, C), but one is {came}.")
    colours = [is_colour(image) for image in images]
    grey = [c and bool((image == image[..., :1]).all()) for image, c in zip(images, colours, strict=True)]
    if any(c and not g for c, g in zip(colours, grey, strict=True)):
        if all(c or image.ndim == 2 for image, c in zip(images, colours, strict=True)):
            return 3, True
    elif all(g or image.ndim == 2 for image, g in zip(images, grey, strict=True)):
        return 1, any(grey)
    numbers = [1 if image.ndim == 2 else image.shape[2] for image in images]
    if len(set(numbers)) > 1:
        other = next(i for i, number in enumerate(numbers) if number != numbers[0])
        raise ValueError(
            f"all images must have the same channels, but '{names[0]}' has {numbers[0]} and '{names[other]}' has "
            f"{numbers[other]}. Keep them in folders of their own, or save one channel of each."
        )
    return numbers[0], False
