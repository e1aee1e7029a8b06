"""Every picture file goes through here: what its header says of its numbers is obeyed, and errors name the file.

What a file is, its first bytes say, and not its ending. TIFF is read by tifffile, and fax pages and the rest by Pillow.

- *Palette*: of an image the colours are what is seen; of a mask the indices are what is meant, and they are kept.
- *Bits*: 1, 2 and 4 bits of an image are stretched to 8, as the formats say; in a mask they stay the numbers they are.
  12 bits in 16 stay 12 bits. PNG with 16 bits a colour keeps all of them.
- *White is zero* (a TIFF's photometric interpretation): an image is turned round; a mask too, if it has 1 bit.
- *Orientation* (EXIF, or a TIFF's tag): images and masks are turned as every viewer shows them.
- *Pages, channels, planes*: `read_pages` gives one array a page, with the channels last.
- *Alpha*: left out where everything is opaque, and refused where it hides something.
- *Gamma and colour profiles*: not applied. The numbers are those of the file, and `normalize` brings them to one range.
"""

from __future__ import annotations

import io
import unicodedata
import warnings
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

from .._checks import file_path

ENDINGS = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg", ".gif")  #: Files with these endings are pictures.
LOSSY = (".jpg", ".jpeg")  #: Of these, what does not keep its numbers.
LITTER = {"thumbs.db", "desktop.ini"}  # what Windows leaves in folders; hidden files begin with a dot
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # classic and BigTIFF, in both orders of bytes
# What brings a picture to its upright form, by the number that EXIF and TIFF give to how it lies.
UPRIGHT = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


def picture_files(folder: str | Path) -> tuple[list[Path], list[Path]]:
    """List the pictures in a folder, and what else lies there; hidden files and system files are in neither list.

    Parameters
    ----------
    folder : str or pathlib.Path
        The folder. Its own folders are not entered.

    Returns
    -------
    pictures, others : list of pathlib.Path
        Files with one of `ENDINGS`, in capitals or not, and all others, each in the order of their names.

    Raises
    ------
    ValueError
        If there is no such folder.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.PNG", "a.tif", "._a.tif", "Thumbs.db", "notes.txt"):
    ...     (folder / name).touch()
    >>> [[path.name for path in files] for files in picture_files(folder)]
    [['a.tif', 'b.PNG'], ['notes.txt']]
    """
    folder = file_path("folder", folder)
    if not folder.is_dir():
        raise ValueError(f"folder must be a folder with pictures, but there is no '{folder}'.")
    files = sorted(path for path in folder.iterdir() if path.is_file() and not is_litter(path))
    pictures = [path for path in files if path.suffix.lower() in ENDINGS]
    return pictures, [path for path in files if path not in set(pictures)]


def is_litter(path: Path) -> bool:
    """Tell whether a file or folder is one that an operating system leaves behind, such as ``._a.png``.

    Parameters
    ----------
    path : pathlib.Path
        The file or folder.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_litter(Path(".DS_Store")), is_litter(Path("a.png"))
    (True, False)
    """
    return path.name.startswith(".") or path.name.lower() in LITTER or path.name == "__MACOSX"


def plain_name(path: Path) -> str:
    """Return a file's name without its ending, with accents written in one way (NFC), so that equal names are equal.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    str

    Examples
    --------
    >>> plain_name(Path("zelle_a\\u0308.png")) == "zelle_\\u00e4"
    True
    """
    return unicodedata.normalize("NFC", path.stem)


def read_image(path: str | Path) -> np.ndarray:
    """Read an image of one page as its file means it.

    Parameters
    ----------
    path : str or pathlib.Path
        A PNG, TIFF, BMP, JPEG or GIF file.

    Returns
    -------
    numpy.ndarray
        (H, W), or (H, W, C) if there are several channels: real numbers of the file's own type.

    Raises
    ------
    ValueError
        If the file is empty, cut off, no picture, has several pages, a kind of colour that cannot be shown in RGB,
        parts that are transparent, or numbers that are not finite. The message names the file.
    OSError
        If the file is not there, or may not be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.png"
    >>> Image.fromarray(np.array([[0, 200]], dtype=np.uint8)).save(path)
    >>> read_image(path)
    array([[  0, 200]], dtype=uint8)
    """
    return _one(read_pages(path), path)


def read_mask(path: str | Path) -> np.ndarray:
    """Read a mask of one page: the numbers as they are stored.

    Parameters
    ----------
    path : str or pathlib.Path
        A PNG, TIFF, BMP or GIF file.

    Returns
    -------
    numpy.ndarray
        (H, W) numbers; or (H, W, 3) if the file really holds colours. Of a file with a palette, the indices. Of several
        equal channels, one.

    Raises
    ------
    ValueError
        As `read_image`, and if the file was compressed as JPEG, which changes numbers.
    OSError
        If the file is not there, or may not be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.png"
    >>> mask = Image.fromarray(np.array([[0, 2]], dtype=np.uint8), mode="P")
    >>> mask.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    >>> mask.save(path)
    >>> read_mask(path), read_image(path).tolist()
    (array([[0, 2]], dtype=uint8), [[[0, 0, 0], [0, 0, 255]]])
    """
    return _one(read_pages(path, mask=True), path)


def read_pages(path: str | Path, *, mask: bool = False) -> list[np.ndarray]:
    """Read all pages of a file, as `read_image` and `read_mask` read one.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    mask : bool, default False
        Read it as a mask.

    Returns
    -------
    list of numpy.ndarray
        One for each page. Channels of one place, as ImageJ and OME-TIFF name them, are no pages.

    Raises
    ------
    ValueError, OSError
        As `read_image` and `read_mask`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "stack.tif"
    >>> tifffile.imwrite(path, np.zeros((5, 4, 6), np.uint16), photometric="minisblack")
    >>> [page.shape for page in read_pages(path)]
    [(4, 6), (4, 6), (4, 6), (4, 6), (4, 6)]
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        pages = (_tiff if data[:4] in TIFF else _other)(data, mask)
        pages = [_checked(page, mask) for page in pages]
    except Exception as error:  # whatever a decoder raises, the file is to be named
        if isinstance(error, OSError) and error.filename is not None:  # the system's own words name it
            raise
        if isinstance(error, _RefusedError):
            raise ValueError(f"'{path}' {error}") from error
        reason = "it is no picture" if isinstance(error, UnidentifiedImageError) else str(error)
        raise ValueError(f"'{path}' cannot be read: {reason}. {_cure(path)}") from error
    return pages


class _RefusedError(ValueError):
    """What is wrong with a file, in words that follow its name."""


def _cure(path: Path) -> str:
    """Say what helps, by what the file begins with."""
    start = path.read_bytes()[:64]
    if not start:
        return "The file is empty: copy it again."
    if start.startswith(b"version https://git-lfs"):
        return "It is a note of Git LFS and not the picture: run `git lfs pull`."
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "It is a web page that was saved under this name: download the picture again."
    return "If other programs cannot open it either, copy it again; else save it as PNG or TIFF."


def _one(pages: list[np.ndarray], path: str | Path) -> np.ndarray:
    if len(pages) > 1:
        raise ValueError(
            f"'{path}' must hold one page, but holds {len(pages)}. Take one of read_pages(path); own_pictures takes "
            f"every page as a picture."
        )
    return pages[0]


def _checked(page: np.ndarray, mask: bool) -> np.ndarray:
    """Return a page in the computer's own order of bytes, of which it is sure that it can be worked with."""
    if page.dtype.kind not in "buif" or page.ndim not in (2, 3) or not page.size:
        raise _RefusedError(
            f"must hold real numbers, (H, W) or (H, W, C), but holds {page.dtype} of shape {page.shape}."
        )
    if page.dtype.kind == "f" and not mask and not np.isfinite(page).all():
        wrong = int((~np.isfinite(page)).sum())
        raise _RefusedError(
            f"must hold finite numbers, but {wrong} of {page.size} are NaN or infinite. Put numbers in their place, "
            f"such as numpy.nan_to_num(image, nan=image[numpy.isfinite(image)].min()), and save it again."
        )
    if page.dtype == np.float16:
        page = page.astype(np.float32)
    if page.ndim == 3 and (page.shape[2] == 1 or (mask and (page == page[..., :1]).all())):
        page = page[..., 0]  # several equal channels are one
    return np.ascontiguousarray(page, dtype=page.dtype.newbyteorder("="))


# TIFF ----------------------------------------------------------------------------------------------------------------


def _tiff(data: bytes, mask: bool) -> list[np.ndarray]:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        series = file.series[0]  # of a pyramid, this is the full size
        first = series.keyframe
        for page in series.pages:
            _whole(page, len(data))
        if mask and first.compression in (6, 7, 33003, 33005, 34712) or (mask and first.compression == 34892):
            raise _RefusedError(_JPEG.format("a TIFF with JPEG inside"))
        if first.compression in (2, 3, 4):  # as fax machines write: few releases of tifffile read it, all of Pillow do
            return _other(data, mask)
        array, axes = series.asarray(), series.axes
        others = [other for other in file.series[1:] if other.shape == series.shape and other.kind == series.kind]
        pages = _pages(array, axes)
        for other in others:  # pages that differ in a tag stand in series of their own
            pages += _pages(other.asarray(), other.axes)
        return [_as_meant(page, first, mask) for page in pages]


def _whole(page: Any, size: int) -> None:
    """Refuse a file that ends before its pixels do: a decoder may fill them with zeros."""
    if page is None:
        return
    ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if ends and max(ends) > size:
        raise _RefusedError(
            f"is cut off: it has {size:,} bytes, and its pixels go on to byte {max(ends):,}. Copy it again from where "
            f"it came from."
        )


def _pages(array: np.ndarray, axes: str) -> list[np.ndarray]:
    """Split what a series holds into pages, each (H, W) or (H, W, channels)."""
    channels = [axis for axis, letter in enumerate(axes) if letter in "SC"]
    rows, columns = axes.index("Y"), axes.index("X")
    rest = [axis for axis in range(array.ndim) if axis not in (rows, columns, *channels)]
    array = array.transpose(*rest, rows, columns, *channels)
    size = array.shape[len(rest) : len(rest) + 2]
    several = int(np.prod(array.shape[len(rest) + 2 :], dtype=int))
    shape = (-1, *size, several) if channels else (-1, *size)
    return list(array.reshape(shape))


def _as_meant(page: np.ndarray, tags: tifffile.TiffPage, mask: bool) -> np.ndarray:
    """Obey what the tags of a page say: white is zero, palette, few bits, alpha, orientation."""
    kind, bits = int(tags.photometric), tags.bitspersample
    if kind in (5, 8, 9, 10):  # separated inks, and three kinds of Lab
        raise _RefusedError(
            f"must be grey or RGB, but its colours are {tifffile.PHOTOMETRIC(kind).name}. Save it as RGB."
        )
    if page.dtype == bool:
        page = page.astype(np.uint8)
    whole = page.dtype.kind == "u"
    if kind == 0 and (not mask or bits == 1):
        if not whole:
            raise _RefusedError(f"says that white is zero, which {page.dtype} cannot tell. Save it with black as zero.")
        page = (2**bits - 1) - page
    if kind == 3 and not mask and tags.colormap is not None:
        page = _grey_if_equal((tags.colormap[:, page].transpose(1, 2, 0) >> 8).astype(np.uint8))
    elif not mask and whole and bits < 8:
        page = page * (255 // (2**bits - 1))
    if tags.extrasamples and page.ndim == 3 and int(tags.extrasamples[-1]) in (1, 2):  # alpha, of either kind
        page = _without_alpha(page)
    tag = tags.tags.get(274)
    return UPRIGHT.get(int(tag.value) if tag else 1, lambda a: a)(page)


# Everything else -----------------------------------------------------------------------------------------------------

_JPEG = (
    "must be a file that keeps every number, but it is {}, which mixes the numbers of neighbouring pixels. Save the "
    "original mask as PNG or TIFF; to turn this file into PNG does not bring the numbers back."
)


def _other(data: bytes, mask: bool) -> list[np.ndarray]:
    deep = data[:8] == b"\x89PNG\r\n\x1a\n" and data[24] == 16 and data[25] in (2, 4, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a damaged EXIF block, or many pixels: neither changes what is read
        with Image.open(io.BytesIO(data)) as image:
            if mask and image.format in ("JPEG", "MPO", "WEBP"):
                raise _RefusedError(_JPEG.format(image.format))
            several = getattr(image, "n_frames", 1) if image.format in ("GIF", "TIFF") else 1
            pages = []
            for number in range(several):
                image.seek(number)
                image.load()
                page = imagecodecs.png_decode(data) if deep else _pixels(image, data, mask)
                if deep and page.shape[2] in (2, 4):
                    page = _without_alpha(page, mask)
                pages.append(UPRIGHT.get(image.getexif().get(274, 1), lambda a: a)(page))
            return pages


def _pixels(image: Image.Image, data: bytes, mask: bool) -> np.ndarray:
    """Return the numbers of one frame: (H, W) or (H, W, C)."""
    if image.mode in ("P", "PA") and mask:
        return np.asarray(image.convert("P") if image.mode == "PA" else image)
    if image.mode in ("P", "PA") or (image.format == "GIF" and image.mode in ("RGB", "RGBA")):
        hides = "transparency" in image.info or image.mode in ("PA", "RGBA")
        colours = np.asarray(image.convert("RGBA" if hides else "RGB"))
        return _grey_if_equal(_without_alpha(colours) if hides else colours)
    if image.mode in ("CMYK", "LAB", "HSV"):
        if image.mode != "CMYK":
            raise _RefusedError(f"must be grey or RGB, but its colours are {image.mode}. Save it as RGB.")
        return np.asarray(image.convert("RGB"))
    array = np.asarray(image)
    if image.mode == "1":
        return array.astype(np.uint8) * (1 if mask else 255)
    if image.mode in ("LA", "RGBA"):
        return _without_alpha(array, mask)
    bits = data[24] if image.format == "PNG" else 8
    if mask and image.mode == "L" and bits in (2, 4):  # Pillow stretches them to 0 to 255
        return array // (255 // (2**bits - 1))
    return array


def _grey_if_equal(colours: np.ndarray) -> np.ndarray:
    """Return one channel of three equal ones: a palette of greys."""
    return colours[..., 0] if (colours == colours[..., :1]).all() else colours


def _without_alpha(array: np.ndarray, mask: bool = False) -> np.ndarray:
    """Leave out the last channel where everything is opaque; refuse what hides something."""
    alpha, top = array[..., -1], np.iinfo(array.dtype).max if array.dtype.kind in "ui" else 1
    rest = array[..., 0] if array.shape[-1] == 2 else array[..., :-1]
    if (alpha == alpha.flat[0]).all() and (mask or alpha.flat[0] == top):
        return rest
    if mask:
        raise _RefusedError(
            f"must hold one number a pixel, but {np.mean(alpha < top):.0%} of its pixels are transparent, and so its "
            f"meaning may be in the colours or in the transparency. Save the one that you mean as a grey PNG, such as "
            f"numpy.asarray(PIL.Image.open(path))[..., -1] for the transparency."
        )
    raise _RefusedError(
        f"must be opaque, but {np.mean(alpha < top):.0%} of its pixels are transparent, and what colour they have no "
        f"file says. Put it on a ground of one colour and save it without transparency."
    )
