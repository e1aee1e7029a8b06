"""Every file that people have: read as its header says, or refused with its name, a reason and a cure that works."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from unet_tutorial.data.reading import picture_files, plain_name, read_image, read_mask, read_pages

RNG = np.random.default_rng(0)
GREY16 = RNG.integers(0, 4000, (33, 41)).astype(np.uint16)
GREY = (GREY16 >> 4).astype(np.uint8)
RGB = RNG.integers(0, 255, (33, 41, 3)).astype(np.uint8)
RGB16 = RNG.integers(0, 65535, (33, 41, 3)).astype(np.uint16)
OPAQUE = np.full((33, 41, 1), 255, dtype=np.uint8)
BITS = GREY > 100
FLOAT = (GREY16 / 7).astype(np.float32)
CLASSES = GREY % 5
COLOURS = np.array(
    [[0, 0, 0], [255, 0, 0], [0, 130, 0], [0, 0, 255], [76, 76, 76]], dtype=np.uint8
)  # 1, 2, 4: one grey


def tiff(array, **options):
    return lambda path: tifffile.imwrite(path, array, **options)


def pillow(image, **options):
    return lambda path: (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)


def palette(numbers=CLASSES):
    image = Image.fromarray(numbers, mode="P")
    image.putpalette(COLOURS.ravel().tolist())
    return image


def raw(data):
    return lambda path: path.write_bytes(data)


def png(bits, rows, width):
    """Return a grey PNG of so few bits, which Pillow does not write."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), bits, 0, 0, 0, 0))
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


PLAIN = {"grey16": GREY16, "grey": GREY, "rgb": RGB, "rgb16": RGB16}
IMAGES = {  # name, how it is written, what is read
    **{
        f"{name}-{how}.tif": (tiff(array, compression=how), array)
        for name, array in PLAIN.items()
        for how in (None, "lzw", "deflate", "packbits", "zstd")
    },
    "jpeg2000.tif": (tiff(GREY16, compression="jpeg2000", compressionargs={"level": 0}), GREY16),
    "big-endian.tif": (tiff(GREY16, byteorder=">"), GREY16),
    "bigtiff.tif": (tiff(GREY16, bigtiff=True), GREY16),
    "tiles.tif": (tiff(GREY16, tile=(16, 16), compression="lzw"), GREY16),
    "planes.tif": (tiff(RGB16.transpose(2, 0, 1), planarconfig="separate", photometric="rgb"), RGB16),
    "white-is-zero.tif": (tiff(255 - GREY, photometric="miniswhite"), GREY),
    "float.tif": (tiff(FLOAT), FLOAT),
    "float-lzw.tif": (tiff(FLOAT, compression="lzw", predictor=3), FLOAT),
    "half.tif": (tiff(FLOAT.astype(np.float16)), FLOAT.astype(np.float16).astype(np.float32)),
    "double.tif": (tiff(FLOAT.astype(np.float64)), FLOAT.astype(np.float64)),
    "signed.tif": (tiff(GREY16.astype(np.int16) - 100), GREY16.astype(np.int16) - 100),
    "32bits.tif": (tiff(GREY16.astype(np.uint32) * 70_000), GREY16.astype(np.uint32) * 70_000),
    "imagej.tif": (
        tiff(np.stack([GREY16, GREY16 + 1]), imagej=True, metadata={"axes": "CYX"}),
        np.stack([GREY16, GREY16 + 1], axis=-1),
    ),
    "ome.ome.tif": (tiff(np.stack([GREY16] * 4), metadata={"axes": "CYX"}), np.stack([GREY16] * 4, axis=-1)),
    "turned.tif": (tiff(np.rot90(GREY16), extratags=[(274, "H", 1, 6, True)]), GREY16),
    "alpha.tif": (tiff(np.dstack([RGB, OPAQUE]), photometric="rgb", extrasamples=["unassalpha"]), RGB),
    "palette.tif": (pillow(palette()), COLOURS[CLASSES]),
    "fax.tif": (pillow(BITS, compression="group4"), BITS.astype(np.uint8) * 255),
    "bits.png": (pillow(BITS), BITS.astype(np.uint8) * 255),
    "palette.png": (pillow(palette()), COLOURS[CLASSES]),
    "palette.gif": (pillow(palette()), COLOURS[CLASSES]),
    "palette.bmp": (pillow(palette()), COLOURS[CLASSES]),
    "grey.bmp": (pillow(GREY), GREY),
    "rgb.BMP": (pillow(RGB), RGB),
    "grey16.png": (raw(imagecodecs.png_encode(GREY16)), GREY16),
    "rgb16.png": (raw(imagecodecs.png_encode(RGB16)), RGB16),
    "rgba.png": (pillow(np.dstack([RGB, OPAQUE])), RGB),
    "2bits.png": (raw(png(2, [b"\x1b"], 4)), np.array([[0, 85, 170, 255]], dtype=np.uint8)),
    "4bits.png": (raw(png(4, [b"\x01\x2f"], 4)), np.array([[0, 17, 34, 255]], dtype=np.uint8)),
    "a tiff called.png": (tiff(GREY16), GREY16),
}
MASKS = {
    **{name: IMAGES[name] for name in ("grey16-lzw.tif", "grey-deflate.tif", "grey.bmp", "grey16.png", "turned.tif")},
    "palette.tif": (pillow(palette()), CLASSES),
    "palette.png": (pillow(palette()), CLASSES),
    "palette-4bits.png": (pillow(palette(), bits=4), CLASSES),
    "palette.bmp": (pillow(palette()), CLASSES),
    "palette.gif": (pillow(palette()), CLASSES),
    "fax.tif": (pillow(BITS, compression="group4"), BITS.astype(np.uint8)),
    "bits.png": (pillow(BITS), BITS.astype(np.uint8)),
    "2bits.png": (raw(png(2, [b"\x1b"], 4)), np.array([[0, 1, 2, 3]], dtype=np.uint8)),
    "4bits.png": (raw(png(4, [b"\x01\x2f"], 4)), np.array([[0, 1, 2, 15]], dtype=np.uint8)),
    "three equal.png": (pillow(np.dstack([GREY] * 3)), GREY),
    "three equal and alpha.png": (pillow(np.dstack([GREY] * 3 + [OPAQUE])), GREY),
    "colours.png": (pillow(np.dstack([RGB, OPAQUE])), RGB),
    "float.tif": (tiff(CLASSES.astype(np.float32)), CLASSES.astype(np.float32)),
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_read_as_its_header_says(tmp_path, name):
    write, expected = IMAGES[name]
    write(tmp_path / name)
    found = read_image(tmp_path / name)
    assert found.dtype == expected.dtype and found.dtype.isnative and found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_keeps_its_numbers(tmp_path, name):
    write, expected = MASKS[name]
    write(tmp_path / name)
    found = read_mask(tmp_path / name)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("how", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_a_picture_is_turned_as_every_viewer_turns_it(tmp_path, how, ending):
    exif = Image.Exif()
    exif[274] = how
    path = tmp_path / f"a.{ending}"
    Image.fromarray(RGB).save(path, exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    np.testing.assert_array_equal(read_image(path), upright)
    if ending != "jpg":
        np.testing.assert_array_equal(read_mask(path), upright)


def test_jpeg_is_read_as_an_image(tmp_path):
    for name in ("a.jpg", "a.tif"):
        Image.fromarray(RGB).save(tmp_path / name, quality=95, **({"compression": "jpeg"} if "tif" in name else {}))
        np.testing.assert_array_equal(read_image(tmp_path / name), np.asarray(Image.open(tmp_path / name)))


def whole(path, keep):
    """Return the bytes of a good file, cut off."""
    return raw(path.read_bytes()[:keep])


def nan(path):
    tifffile.imwrite(path, np.where(BITS, np.nan, FLOAT))


def mended_nan(path):
    image = tifffile.imread(path)
    tifffile.imwrite(path, np.nan_to_num(image, nan=image[np.isfinite(image)].min()))


def flattened(path):
    ground = Image.new("RGB", (41, 33), "white")
    image = Image.open(path)
    ground.paste(image, mask=image.getchannel("A"))
    ground.save(path)


ALPHA = pillow(np.dstack([RGB * 0 + 9, np.where(BITS, 255, 0).astype(np.uint8)]))
SAVE_MASK = pillow(CLASSES)
SAVE_TRUE = pillow(BITS)
WRONG = {  # name: how it is written, read as a mask?, what is said, the cure, what is right then
    "empty.png": (raw(b""), False, "it is no picture. The file is empty: copy it again", pillow(GREY), GREY),
    "page.png": (raw(b"<!DOCTYPE html>"), False, "a web page that was saved under this name", pillow(GREY), GREY),
    "lfs.png": (raw(b"version https://git-lfs.github.com/spec/v1"), False, "run `git lfs pull`", pillow(GREY), GREY),
    "text.png": (raw(b"Dear diary"), False, "it is no picture. If other programs cannot open it", pillow(GREY), GREY),
    "short.tif": (raw(b"II*\0\x08\0"), False, "cannot be read", tiff(GREY), GREY),
    "nan.tif": (nan, False, "must hold finite numbers, but .* are NaN or infinite. .*nan_to_num", mended_nan, None),
    "inks.tif": (pillow(Image.new("CMYK", (4, 4))), False, "SEPARATED. Save it as RGB", pillow(RGB), RGB),
    "alpha.png": (ALPHA, False, "must be opaque, but .* are transparent.* Put it on a ground", flattened, None),
    "alpha-mask.png": (
        ALPHA,
        True,
        r"the one that you mean .* numpy.asarray\(PIL.Image.open\(path\)\)\[..., -1\]",
        lambda path: Image.fromarray(np.asarray(Image.open(path))[..., -1]).save(path),
        np.where(BITS, 255, 0),
    ),
    "mask.jpg": (pillow(GREY, quality=95), True, "it is JPEG, which mixes .* PNG or TIFF", SAVE_TRUE, BITS),
    "mask.tif": (pillow(GREY, compression="jpeg"), True, "a TIFF with JPEG inside, which", SAVE_MASK, CLASSES),
    "stack.tif": (
        tiff(np.zeros((5, 9, 8), np.uint8), photometric="minisblack"),
        False,
        "but holds 5. Take one",
        None,
        0,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_cannot_be_taken_is_named_and_the_cure_helps(tmp_path, name):
    write, as_mask, said, cure, right = WRONG[name]
    path = tmp_path / name
    write(path)
    read = read_mask if as_mask else read_image
    with pytest.raises(ValueError, match=f"{name}'.*{said}"):
        read(path)
    if cure is None:
        np.testing.assert_array_equal(read_pages(path)[2], 0)
        return
    if path.suffix == ".jpg":  # the cure is another file
        path = path.with_suffix(".png")
    cure(path)
    mended = read(path)
    if right is not None:
        np.testing.assert_array_equal(mended, right)
    assert np.isfinite(mended).all() and mended.shape[:2] in ((33, 41), (4, 4))


@pytest.mark.parametrize("name", ["grey16-None.tif", "grey16-lzw.tif", "rgb16.png", "grey16.png", "rgb.BMP", "a.jpg"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_what_is_cut_off_is_never_read_as_black(tmp_path, name, share):
    write = IMAGES[name][0] if name in IMAGES else pillow(RGB, quality=95)
    write(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=f"{name}' (is cut off|cannot be read).* [Cc]opy it again"):
        read_image(tmp_path / name)


def test_a_file_that_is_not_there_is_told_by_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match="a.png"):
        read_image(tmp_path / "a.png")


PLANES = {"metadata": {"axes": "ZYX"}}


@pytest.mark.parametrize("options", [{"imagej": True, **PLANES}, PLANES, {"metadata": None}])
def test_pages_are_pages_and_channels_are_channels(tmp_path, options):
    stack = np.stack([GREY16, GREY16 + 1, GREY16 + 2])
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", **options)
    pages = read_pages(tmp_path / "a.tif")
    assert len(pages) == 3 and all(np.array_equal(page, right) for page, right in zip(pages, stack, strict=True))
    tifffile.imwrite(tmp_path / "b.tif", np.stack([stack, stack]), imagej=True, metadata={"axes": "TCYX"})
    assert [page.shape for page in read_pages(tmp_path / "b.tif")] == 2 * [(33, 41, 3)]


def test_what_systems_leave_in_folders_is_left_out_and_other_files_are_named(tmp_path):
    for name in ("b.PNG", "a.tif", "._a.tif", ".DS_Store", "Thumbs.db", "desktop.ini", "c.czi", "notes"):
        (tmp_path / name).touch()
    pictures, others = picture_files(tmp_path)
    assert [path.name for path in pictures] == ["a.tif", "b.PNG"]
    assert [path.name for path in others] == ["c.czi", "notes"]
    with pytest.raises(ValueError, match="must be a folder with pictures, but there is no"):
        picture_files(tmp_path / "nowhere")


def test_a_name_is_the_same_however_its_accents_are_written(tmp_path):
    assert plain_name(tmp_path / "zelle_a\u0308.png") == plain_name(tmp_path / "zelle_\u00e4.tif")
