"""Which file is the mask of which image: the ways in which people lay out their folders.

- ``images/`` and ``masks/``, or what else these two are often called (`IMAGE_FOLDERS`, `MASK_FOLDERS`);
- all in one folder, the masks by a tag: ``a.png`` and ``a_mask.png``;
- nnU-Net: ``imagesTr/a_0000.png``, ``a_0001.png`` are channels of one picture, ``labelsTr/a.png`` is its mask;
- one folder a picture, one file an object, as in the 2018 Data Science Bowl: ``a/images/a.png``, ``a/masks/*.png``;
- one file an object in ``masks/a/*.png``;
- outlines beside the images or in the masks' folder, see `unet_tutorial.data.annotations`;
- a table, ``index.csv``, which says all of it;
- each of these once more in ``train``, ``val`` and ``test``.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .._checks import file_path
from .reading import ENDINGS, is_litter, picture_files, plain_name

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "imagestr", "imagests", "jpegimages", "raw", "inputs", "input")
MASK_FOLDERS = (
    *("masks", "mask", "labels", "label", "labelstr", "annotations", "segmentations", "segmentation", "seg", "gt"),
    *("ground_truth", "groundtruth", "targets", "segmentationobject", "segmentationclass"),
)
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
IMAGE_TAG = re.compile(r"[-_. ](img|image|raw)$", re.I)
MASK_TAG = re.compile(
    r"[-_. ](cp_masks?|masks?|seg|segmentation|labels?|gt|ground_?truth|instances?|annotations?)$", re.I
)
CHANNEL = re.compile(r"_(\d{4})$")  # nnU-Net's number of a channel
OUTLINES = (".json", ".geojson", ".roi", ".zip", ".xml", ".csv")  # what people mark with may write these


@dataclass
class Entry:
    """The files of one picture.

    Parameters
    ----------
    name : str
        What the picture is called.
    images : list of pathlib.Path
        One, or one a channel.
    masks : list of pathlib.Path
        None, one, or one an object.
    group : str, optional
        Patient, slide, series: what must not be split.
    split : {"train", "val", "test"}, optional
        Where the folder says so.

    Examples
    --------
    >>> Entry("a", [Path("images/a.png")]).masks
    []
    """

    name: str
    images: list[Path]
    masks: list[Path] = field(default_factory=list)
    group: str | None = None
    split: str | None = None


def find_entries(folder: str | Path, index: str | Path | None = None) -> list[Entry]:
    """Find the images of a folder, and for each of them its masks.

    Parameters
    ----------
    folder : str or pathlib.Path
        In one of the layouts above.
    index : str or pathlib.Path, optional
        A CSV table with a column ``image`` and, if they are known, ``mask``, ``group`` and ``split``. Paths are
        relative to the table. Without it, ``index.csv`` in the folder is taken if it is there.

    Returns
    -------
    list of Entry
        In the order of the table, or of the names.

    Raises
    ------
    ValueError
        If there is no picture, two have one name, a mask has no image, or the table does not fit.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a.png", "a_mask.png", "b.png"):
    ...     (folder / name).touch()
    >>> [(entry.name, [path.name for path in entry.masks]) for entry in find_entries(folder)]
    [('a', ['a_mask.png']), ('b', [])]
    """
    folder = file_path("folder", folder)
    if not folder.is_dir():
        raise ValueError(f"the folder must hold images/ and masks/, but there is no '{folder}'.")
    if index is not None or (folder / "index.csv").is_file():
        return _of_table(Path(index) if index is not None else folder / "index.csv")
    parts = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir() and not is_litter(path)}
    images = next((parts[name] for name in IMAGE_FOLDERS if name in parts), None)
    masks = next((parts[name] for name in MASK_FOLDERS if name in parts), None)
    if images is not None:
        if masks is None:  # but outlines may lie beside the images
            return _paired(_by_name(images), _beside(images), {}, images, images)
        return _paired(_by_name(images), *_masks_in(masks), images, masks)
    if parts and all((path / "images").is_dir() for path in parts.values()) and not set(parts) <= set(SPLITS):
        return [_of_one_folder(path) for path in parts.values()]
    if parts and set(parts) <= set(SPLITS):
        return [
            Entry(f"{path.name}/{entry.name}", entry.images, entry.masks, entry.group, SPLITS[part])
            for part, path in parts.items()
            for entry in find_entries(path)
        ]
    if masks is not None:
        return _paired(_by_name(folder), *_masks_in(masks), folder, masks)
    pictures, others = picture_files(folder)
    marked = [path for path in pictures if MASK_TAG.search(plain_name(path))]
    plain = [path for path in pictures if path not in set(marked)]
    masks_here = _named(marked, folder) | _beside(folder)
    return _paired(_named(plain, folder, others), masks_here, {}, folder, folder)


def _of_one_folder(folder: Path) -> Entry:
    """Read a picture that has a folder of its own, with a file for every object."""
    images, others = picture_files(folder / "images")
    if len(images) != 1:
        raise ValueError(
            f"'{folder / 'images'}' must hold the one image of its masks, but holds {len(images)}{_other(others)}."
        )
    masks = picture_files(folder / "masks")[0] if (folder / "masks").is_dir() else []
    return Entry(folder.name, images, masks)


def _outlines(others: list[Path]) -> list[Path]:
    """Return the files of outlines among those that are no pictures; refuse packed ones, which would be passed by."""
    for path in others:
        if path.suffix.lower() == ".gz" and Path(path.stem).suffix.lower() in OUTLINES:
            raise ValueError(f"'{path}' must be unpacked to be read. Unpack it with gzip -d, or export it without gz.")
    return [path for path in others if path.suffix.lower() in OUTLINES]


def _beside(folder: Path) -> dict[str, Path]:
    """Return the files of outlines beside images: of one image, by its name, or of many. Other files may lie there."""
    pictures, others = picture_files(folder)
    names = {plain_name(path) for path in pictures}
    outlines = [path for path in _outlines(others) if path.suffix.lower() != ".csv"]
    return _named([path for path in outlines if plain_name(path) in names or _of_several(path)], folder)


def _masks_in(folder: Path) -> tuple[dict[str, Path], dict[str, list[Path]]]:
    """Return the masks of a folder by their names, and those of its folders, one file an object."""
    pictures, others = picture_files(folder)
    outlines = _outlines(others)
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and not is_litter(path)]
    return _named(pictures + outlines, folder), {plain_name(path): picture_files(path)[0] for path in inner}


def _by_name(folder: Path) -> dict[str, Path]:
    pictures, others = picture_files(folder)
    return _named(pictures, folder, others)


def _named(paths: list[Path], folder: Path, others: list[Path] | None = None) -> dict[str, Path]:
    """Return files by their names without the ending; with ``others``, refuse a folder without any picture."""
    if others is not None and not paths:
        raise ValueError(
            f"the folder must hold pictures ({', '.join(ENDINGS)}), but there is none in '{folder}'{_other(others)}."
        )
    found: dict[str, Path] = {}
    for path in paths:
        if plain_name(path) in found:
            raise ValueError(
                f"every picture needs a name of its own, but '{plain_name(path)}' is there twice in '{folder}': "
                f"{found[plain_name(path)].name} and {path.name}. Rename one of them, or move it away."
            )
        found[plain_name(path)] = path
    return found


def _other(others: list[Path]) -> str:
    """Name the endings of what is no picture."""
    if not others:
        return ""
    endings = Counter(path.suffix.lower() or "no ending" for path in others)
    return ", only " + ", ".join(f"{count} × {ending}" for ending, count in endings.most_common(5))


def _paired(
    images: dict[str, Path], masks: dict[str, Path], of_objects: dict[str, list[Path]], here: Path, there: Path
) -> list[Entry]:
    """Give every image its mask: by the same name, or else by the name without tags, or without nnU-Net's channel."""
    groups = _channels(images, set(masks) | set(of_objects))
    files: dict[str, list[Path]] = {name: [path] for name, path in masks.items()} | of_objects
    of = {name: name for name in files if name in groups}
    left = {IMAGE_TAG.sub("", name): name for name in groups if name not in files}
    for name in files:
        if name not in of and (key := MASK_TAG.sub("", name)) in left | groups:
            of[name] = left.get(key, key)
    twice = [name for name, count in Counter(of.values()).items() if count > 1]
    if twice:
        both = ", ".join(files[name][0].name for name in of if of[name] == twice[0])
        raise ValueError(f"every picture needs one mask, but '{twice[0]}' in '{there}' has several: {both}.")
    alone = [name for name in files if name not in of and files[name] and not _of_several(files[name][0])]
    if alone:
        _refuse_alone(alone, sorted(set(groups) - set(of.values())), here, there)
    whole = [path for name in files if name not in of for path in files[name][:1]]  # outlines of a whole data set
    by_image = {image: files[mask] for mask, image in of.items()}
    return [Entry(name, paths, by_image.get(name, whole)) for name, paths in groups.items()]


def _of_several(path: Path) -> bool:
    """Tell whether a file holds the outlines of many pictures, as those of COCO and CVAT do, also in CVAT's ZIP."""
    if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(Path(name).suffix.lower() in (".xml", ".json") for name in archive.namelist())
    signs = {".json": ('"annotations"', '"images"', '"categories"'), ".xml": ("<annotations", "<image")}
    asked = signs.get(path.suffix.lower())
    if asked is None:
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return all(sign in text for sign in asked)


def _channels(images: dict[str, Path], masks: set[str]) -> dict[str, list[Path]]:
    """Group the images whose names end with nnU-Net's number of a channel."""
    stems: dict[str, list[Path]] = {}
    for name, path in images.items():
        stems.setdefault(CHANNEL.sub("", name) if CHANNEL.search(name) else name, []).append(path)
    alike = {len(paths) for paths in stems.values()} in ({n} for n in range(2, 9)) and len(stems) > 1
    numbered = all(CHANNEL.search(name) for name in images)
    known = any(name in masks for name in stems if name not in images)
    if numbered and (known or (alike and not masks)):
        return stems
    return {name: [path] for name, path in images.items()}


def _refuse_alone(alone: list[str], free: list[str], here: Path, there: Path) -> None:
    def some(names: list[str]) -> str:
        return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")

    others = picture_files(here)[1]
    also = f" Images without a mask are: {some(free)}." if free else ""
    also += f" What else is in '{here}'{_other(others).removeprefix(', only')} is not read." if others else ""
    raise ValueError(
        f"every mask needs an image of its name, but these {len(alone)} in '{there}' have no image: {some(alone)}."
        f"{also} Rename the one or the other."
    )


def _of_table(table: Path) -> list[Entry]:
    """Read a table of images, masks, groups and splits."""
    with table.open(newline="", encoding="utf-8-sig") as file:
        head = file.readline()
        file.seek(0)
        rows = list(csv.DictReader(file, delimiter=max(",;\t", key=head.count)))
    columns = [name.strip().lower() for name in rows[0]] if rows else []
    if "image" not in columns:
        raise ValueError(
            f"'{table}' must be a table with the columns image and, if they are known, mask, group and split, and at "
            f"least one row, but has the columns {', '.join(columns) or 'of no row'}."
        )
    entries = []
    for number, row in enumerate(rows, start=2):
        values = {(name or "").strip().lower(): (value or "").strip() for name, value in row.items() if name}
        paths = [table.parent / values[part] for part in ("image", "mask") if values.get(part)]
        lost = [path for path in paths if not path.is_file()]
        if lost or not values["image"]:
            raise ValueError(
                f"'{table}', line {number}: there is no file '{lost[0] if lost else ''}'. Paths are relative to the "
                f"folder of the table."
            )
        split = values.get("split", "").lower() or None
        entries.append(
            Entry(
                plain_name(paths[0]), paths[:1], paths[1:], values.get("group") or None, SPLITS.get(split or "", split)
            )
        )
    names = Counter(entry.name for entry in entries)
    for entry in entries:  # of two files with one name, the folder tells which is meant
        if names[entry.name] > 1:
            entry.name = entry.images[0].relative_to(table.parent).with_suffix("").as_posix()
    return entries
