"""What the numbers of masks mean: every kind is recognised by its name, and its cure gives the true objects."""

import io as memory

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from skimage.transform import resize

from unet_tutorial.data.bbbc039 import NUCLEI, NucleiDataset, decode_instances
from unet_tutorial.data.fetching import find
from unet_tutorial.data.meaning import as_classes, connected_parts, counts, kind_of, whole_numbers
from unet_tutorial.data.pictures import own_pictures
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.instances import class_map


def grid(count, side=8):
    """Return so many squares in rows, each with a number of its own, and a pixel of ground around it: int64 (H, W)."""
    columns = int(np.ceil(np.sqrt(count)))
    cells = np.zeros(columns**2, dtype=np.int64)
    cells[:count] = 1 + np.arange(count)
    square = np.pad(np.ones((side, side), dtype=np.int64), 1)
    return np.kron(cells.reshape(columns, columns), square)


def folder(path, mask, name="a.tif", **options):
    for part in ("images", "masks"):
        (path / part).mkdir(exist_ok=True)
    height, width = mask.shape[:2]
    tifffile.imwrite(path / "images" / "a.tif", np.arange(height * width, dtype=np.uint16).reshape(height, width))
    for old in (path / "masks").iterdir():
        old.unlink()
    if name.endswith("tif"):
        tifffile.imwrite(path / "masks" / name, mask, photometric="rgb" if mask.ndim == 3 else "minisblack")
    else:
        Image.fromarray(mask, **options).save(path / "masks" / name)
    return path


def same_objects(found, truth):
    """Tell whether two maps have the same objects, whatever their numbers."""
    found, truth = np.asarray(found), np.asarray(truth)
    pairs = np.unique(np.stack([found.ravel(), truth.ravel()]), axis=1)
    return pairs.shape[1] == np.unique(found).size == np.unique(truth).size and np.array_equal(found > 0, truth > 0)


def jpeg(mask, quality=90):
    file = memory.BytesIO()
    Image.fromarray(mask).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def smaller(mask):
    return resize(mask, [side // 2 for side in mask.shape], order=1, preserve_range=True, anti_aliasing=True)


TRUTH = grid(12)
CLASSES = np.where(TRUTH > 0, 1 + TRUTH % 2, 0)
COLOURS = np.array([[0, 0, 0], [0, 255, 0], [255, 0, 0]], dtype=np.uint8)
WHITE = (255 * (TRUTH > 0)).astype(np.uint8)
MANY = grid(400, side=4)
WIDE = np.kron(WHITE, np.ones((2, 2), dtype=np.uint8))

# What was saved, what the message says, and what it says to do: with the folder, or with the mask. Then, what is true.
KINDS = {
    "classes": (
        CLASSES.astype(np.uint8),
        r"2 of 2 numbers mark parts far apart. If each number is a class, say .*task='classes'",
        lambda path, mask: own_pictures(path, task="classes").mask(0),
        CLASSES,
    ),
    "colours of neighbours": (
        COLOURS[CLASSES],
        r"2 of 2 numbers mark parts far apart.* own_pictures\(folder, parts=True\).* decode_instances",
        lambda path, mask: own_pictures(path, parts=True).instances(0),
        TRUTH,
    ),
    "run over": (
        MANY.astype(np.uint8),
        r"every number from 1 to 255 is used: numbers above 255 have run over.*astype\('uint16'\)",
        lambda path, mask: own_pictures(folder(path, MANY.astype("uint16"))).instances(0),
        MANY,
    ),
    "through JPEG": (
        jpeg(WHITE),
        "that was resized with interpolation, or saved as JPEG.* or keep what is greater than 127",
        lambda path, mask: own_pictures(folder(path, (mask > 127).astype("uint8"))).instances(0),
        TRUTH,
    ),
    "interpolated": (
        smaller(WIDE.astype(float)).round().astype(np.uint8),
        "interpolation.* keep what is greater than .*127",
        lambda path, mask: own_pictures(folder(path, (mask > 127).astype("uint8"))).instances(0),
        TRUTH,
    ),
    "divided by 255": (
        (TRUTH / 255).astype(np.float32),
        "whole numbers divided by 255: multiply by 255 and round",
        lambda path, mask: own_pictures(folder(path, (mask * 255).round().astype("uint8"))).instances(0),
        TRUTH,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_masks_that_do_not_number_objects_are_told_and_their_cure_gives_the_truth(tmp_path, kind):
    mask, said, cure, truth = KINDS[kind]
    with pytest.raises(ValueError, match=said) as refused:
        own_pictures(folder(tmp_path, mask))
    assert "a.tif" in str(refused.value)
    found = cure(tmp_path, mask)
    assert np.array_equal(found, truth) if kind == "classes" else same_objects(found, truth)


RIGHT = {
    "numbers": (TRUTH.astype(np.uint8), {}, "a.tif"),
    "more than 255 numbers": (MANY.astype(np.uint16), {}, "a.tif"),
    "0 and 255": (WHITE, {}, "a.tif"),
    "0 and 1": ((WHITE > 0).astype(np.uint8), {}, "a.png"),
    "bool": (WHITE > 0, {}, "a.png"),
    "three equal channels": (np.dstack([WHITE] * 3), {}, "a.png"),
    "and alpha": (np.dstack([WHITE] * 3 + [np.full_like(WHITE, 255)]), {}, "a.png"),
    "a palette": (TRUTH.astype(np.uint8), {"mode": "P"}, "a.png"),
    "a colour for each": (np.stack([TRUTH * 20, TRUTH * 7 % 256, 255 - TRUTH], -1).astype(np.uint8), {}, "a.png"),
    "whole numbers in floating point": (TRUTH.astype(np.float32), {}, "a.tif"),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_masks_that_number_objects_are_read_in_every_form(tmp_path, kind):
    mask, options, name = RIGHT[kind]
    if kind == "a colour for each":
        mask = mask * (TRUTH > 0)[..., None].astype(np.uint8)
    truth = MANY if "255 numbers" in kind else TRUTH
    assert same_objects(own_pictures(folder(tmp_path, mask, name, **options)).instances(0), truth)


def test_two_palette_colours_of_one_brightness_stay_two_classes(tmp_path):
    image = Image.fromarray(CLASSES.astype(np.uint8), mode="P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 130, 0])  # both become 76 in grey
    folder(tmp_path, CLASSES.astype(np.uint8))
    image.save(tmp_path / "masks" / "a.tif")
    pictures = own_pictures(tmp_path, task="classes")
    assert np.array_equal(pictures.mask(0), CLASSES) and pictures.num_classes == 3


def test_classes_in_colour_are_read_by_a_palette(tmp_path):
    folder(tmp_path, COLOURS[CLASSES])
    pictures = own_pictures(tmp_path, palette={(0, 0, 0): 0, (0, 255, 0): 1, (255, 0, 0): 2})
    assert pictures.task == "classes" and np.array_equal(pictures.mask(0), CLASSES)
    with pytest.raises(ValueError, match=r"a class for every number of the masks, but not for \(255, 0, 0\). Add it"):
        own_pictures(tmp_path, palette={(0, 0, 0): 0, (0, 255, 0): 1})
    with pytest.raises(ValueError, match=r"without a gap.* palette=\{0: 0, 65280: 1, \(255, 0, 0\): 2\}"):
        own_pictures(tmp_path, task="classes")


def test_gaps_in_class_numbers_are_closed_by_the_palette_that_the_message_names():
    masks = [np.array([[0, 128, 255]])]
    with pytest.raises(ValueError, match=r"palette=\{0: 0, 128: 1, 255: 2\}") as refused:
        as_classes(masks)
    cure = str(refused.value).partition("palette=")[2].rstrip(".")
    indices, number = as_classes(masks, eval(cure))  # the text of our own message
    assert indices[0].tolist() == [[0, 1, 2]] and number == 3


@pytest.mark.parametrize(
    "options, said",
    [
        ({"task": "object"}, "task must be one of 'objects', 'one class', 'classes', but got 'object'. Did you mean"),
        ({"parts": True, "task": "classes"}, "parts=True asks for objects, and palette for classes"),
        ({"palette": {0: 0}, "task": "objects"}, "palette tells classes, but task is 'objects'"),
        ({"palette": {"red": 1}}, "palette must map numbers, or colours such as .255, 0, 0., to classes"),
    ],
)
def test_options_that_contradict_are_refused(tmp_path, options, said):
    with pytest.raises(ValueError, match=said):
        own_pictures(folder(tmp_path, CLASSES.astype(np.uint8)), **options)


def test_drawn_cells_are_objects_and_their_classes_are_not():
    cells = SyntheticCellsDataset(12)
    labels = [cells.instances(i).numpy() for i in range(12)]
    assert kind_of(labels) == "objects"
    assert kind_of([class_map(torch.from_numpy(one)).numpy() for one in labels]) == "classes or colours"
    assert kind_of([(one > 0) * 255 for one in labels]) == "one class"
    assert kind_of([one * 0 for one in labels]) == "nothing"


def test_a_speck_is_no_second_part():
    mask = grid(4)
    mask[0, 0] = mask[-1, 0] = mask[0, -1] = 4  # three slips of the brush
    assert counts(mask).apart == 0 and kind_of([mask]) == "objects"


def test_numbers_that_are_none_are_refused():
    for wrong, said in (
        (np.ones((2, 2, 2)), "one number a pixel"),
        (np.array([[-1.0, 2.0]]), "but it is float64 and "),
    ):
        with pytest.raises(ValueError, match=f"mask 'x' must hold .*{said}"):
            whole_numbers(wrong, "mask 'x'")


@pytest.mark.real_nuclei
def test_the_masks_of_bbbc039_are_recognised_and_their_cure_counts_the_nuclei(tmp_path):
    source, data = find(NUCLEI), NucleiDataset("val")
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for name in data.names[:3]:
        (tmp_path / "masks" / name).write_bytes((source / "masks" / name).read_bytes())
        image = f"{name.rpartition('.')[0]}.tif"
        (tmp_path / "images" / image).write_bytes((source / "images" / image).read_bytes())
    with pytest.raises(ValueError, match="mark parts far apart.* parts=True.* decode_instances"):
        own_pictures(tmp_path)
    pictures = own_pictures(tmp_path, parts=True)
    for i in range(3):
        assert same_objects(pictures.instances(i), data.instances(data.names.index(f"{pictures.names[i]}.png")))
        assert same_objects(decode_instances(connected_parts(data.instances(i).numpy())), data.instances(i))
