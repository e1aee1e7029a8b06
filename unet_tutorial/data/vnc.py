"""Twenty sections through the nerve cord of a fly's larva, under an electron microscope, with a class for every pixel.

It is the kind of picture for which the U-Net was made: the first experiment of Ronneberger, Fischer and Brox (2015)
used a sister stack. Neighbouring sections are nearly the same picture, and there is no official split: ours is by
blocks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .._checks import option
from .._contract import listed
from . import fetching
from .meaning import connected_parts, whole_numbers
from .pictures import Pictures
from .reading import read_image, read_mask

SPLITS = {"train": range(12), "val": range(12, 16), "test": range(16, 20)}  #: The sections of each split.
CLASSES = ("inside", "membrane", "mitochondria", "synapse", "outside")  #: By index; inside and outside of the cells.
TARGETS = ("membrane", "classes", "cells")  #: What a mask may show, see `SectionsDataset`.
NUMBERS = {  # in the files: the class of each. The first four are membranes by direction, then where membranes meet.
    **dict.fromkeys((0, 32, 64, 96, 128), 1),
    159: 4,  # glia
    191: 2,
    223: 3,
    255: 0,
}

SECTIONS = fetching.Published(
    name="vnc",
    title="the sections of a nerve cord (Gerhard et al. 2013)",
    address="https://raw.githubusercontent.com/unidesigner/groundtruth-drosophila-vnc/"
    "4a5f051466d24d8dc1e855ab55658bb1b1dcd6bf/",
    files=fetching.registry("vnc"),
    download=22,
    room=60,
    holds="stack1/raw/ and stack1/labels/, twenty files each",
    by_hand="download the ZIP of github.com/unidesigner/groundtruth-drosophila-vnc elsewhere, unpack it",
)  #: How the data set comes to this computer. Its licence is CC BY-NC-SA 3.0: not for commercial use.


class SectionsDataset(Pictures):
    """The sections of one split, 1024×1024 pixels each: 12 to train on, 4 to choose by, 4 for the last word.

    Parameters
    ----------
    split : {"train", "val", "test"}
        Sections 0 to 11, 12 to 15, or 16 to 19. A pixel is 4.6 nm wide, and from one section to the next it is about
        50 nm.
    target : {"membrane", "classes", "cells"}
        What the masks show: membrane or not, as in the paper of 2015; one of five `CLASSES`; or a number for every
        cell, which is a connected part of what is no membrane.
    folder : str or pathlib.Path, optional
        A folder with ``stack1/``. If not given, as `unet_tutorial.data.fetching.fetch` finds it.

    Raises
    ------
    ValueError
        If the split or the target is unknown, the folder does not hold the whole data set, or a file cannot be read.
    ConnectionError, OSError
        As `unet_tutorial.data.fetching.fetch`.

    References
    ----------
    Gerhard, Funke, Martel, Cardona and Fetter 2013, doi:10.6084/m9.figshare.856713.

    Examples
    --------
    >>> SectionsDataset("test", folder="nowhere")
    Traceback (most recent call last):
    ...
    ValueError: folder must hold the whole data set, but in 'nowhere' there is no stack1/labels/labels00000000.png.
    """

    def __init__(self, split: str, target: str = "membrane", folder: str | Path | None = None):
        option("split", split, SPLITS)
        option("target", target, TARGETS)
        folder = fetching.locate(SECTIONS, folder)
        images = [read_image(folder / f"stack1/raw/{i:02}.tif") for i in SPLITS[split]]  # (1024, 1024) uint8
        classes = [decode_classes(read_mask(folder / f"stack1/labels/labels{i:08}.png")) for i in SPLITS[split]]
        kind = {"membrane": "one class", "classes": "classes", "cells": "objects"}[target]
        masks = [mask if target == "classes" else (mask == 1).astype(np.int64) for mask in classes]
        super().__init__(
            [f"{i:02}" for i in SPLITS[split]],
            images,
            [connected_parts(1 - mask) for mask in masks] if target == "cells" else masks,
            task=kind,
            num_classes=len(CLASSES) if target == "classes" else None,
            class_names=CLASSES if target == "classes" else None,
        )


def decode_classes(mask: np.ndarray) -> np.ndarray:
    """Turn a mask of the data set into class indices, those of `CLASSES`.

    Parameters
    ----------
    mask : numpy.ndarray
        (H, W), whole numbers: those of the files.

    Returns
    -------
    numpy.ndarray
        int64 (H, W), from 0 to 4.

    Raises
    ------
    ValueError
        If the mask is not (H, W) or holds other numbers.

    Examples
    --------
    >>> decode_classes(np.array([[255, 0, 128], [191, 223, 159]], dtype=np.uint8))
    array([[0, 1, 1],
           [2, 3, 4]])
    """
    numbers = whole_numbers(mask, "mask")  # int64 (H, W)
    others = np.setdiff1d(numbers, list(NUMBERS))
    if others.size:
        raise ValueError(
            f"mask must hold the numbers {', '.join(map(str, NUMBERS))}, but also holds {listed(others)}. Read the "
            f"file with unet_tutorial.data.reading.read_mask, and change nothing."
        )
    table = np.zeros(256, dtype=np.int64)
    table[list(NUMBERS)] = list(NUMBERS.values())
    return table[numbers]
