"""Real pictures: 200 fields of stained nuclei (BBBC039), every nucleus marked by hand.

Whoever reads their masks meets a trap: a colour is not a nucleus. There are three colours, so that touching nuclei can
differ; the nuclei are the connected components of every colour, see `decode_instances`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .._checks import option
from . import fetching
from .meaning import connected_parts
from .pictures import InstanceDataset
from .reading import read_image, read_mask

SPLITS = {"train": "training.txt", "val": "validation.txt", "test": "test.txt"}  #: The list of each split.


def _lacks(folder: Path) -> str | None:
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


NUCLEI = fetching.Published(
    name="bbbc039",
    title="the nuclei (BBBC039)",
    address="https://data.broadinstitute.org/bbbc/BBBC039/",
    files={
        "images.zip": "6f30a5d4fe38c928ded972704f085975f8dc0d65d9aa366df00e5a9d449fddd7",
        "masks.zip": "f9e6043d8ca56344a4886f96a700d804d6ee982f31e2b2cd3194af2a053c2710",
        "metadata.zip": "a2c1f900bed9ba92a99553efd4c2ae98598433691c7401d818653ab61110deb2",
    },
    download=81,
    room=250,
    holds=f"images/, masks/ and the lists {', '.join(SPLITS.values())} (beside them or in metadata/)",
    by_hand="download images.zip, masks.zip, metadata.zip from {address} elsewhere, unpack all three into one folder",
    check=_lacks,
)  #: How the data set comes to this computer. Caicedo et al. 2019, doi:10.1002/cyto.a.23863; CC0.


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
        A folder with ``images/``, ``masks/`` and the three lists. If not given, as
        `unet_tutorial.data.fetching.fetch` finds it.

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
        As `unet_tutorial.data.fetching.fetch`.

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
        folder = fetching.locate(NUCLEI, folder)
        names = _names(folder, self.split)
        images = [read_image(folder / "images" / f"{Path(name).stem}.tif") for name in names]  # (520, 696) uint16
        masks = [read_mask(folder / "masks" / name) for name in names]  # (520, 696, 3) uint8; (520, 696) if empty
        super().__init__(names, images, [decode_instances(mask) for mask in masks])
