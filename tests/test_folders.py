"""Folders as people lay them out: every picture finds its mask, and what does not fit is named."""

import unicodedata

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch.utils.data import DataLoader

from unet_tutorial.data.layouts import find_entries
from unet_tutorial.data.pictures import Pictures, own_pictures, pictures_from_files
from unet_tutorial.data.splitting import groups_of, split
from unet_tutorial.instances import with_targets

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(50, 4000, (24, 32)).astype(np.uint16)
MASK = np.zeros((24, 32), dtype=np.uint8)
MASK[2:8, 2:8], MASK[2:8, 8:14], MASK[14:20, 20:30] = 1, 2, 3  # the first two touch


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, photometric="rgb" if array.ndim == 3 and array.shape[-1] == 3 else "minisblack")
    elif path.suffix not in (".png", ".jpg", ".bmp"):
        path.write_bytes(b"")
    else:
        Image.fromarray(array).save(path)


def write(folder, files):
    for name in files:
        is_mask = any(word in name.lower() for word in ("mask", "label", "_seg", "_gt"))
        eight = name.endswith((".jpg", ".bmp"))
        save(folder / name, MASK if is_mask else (IMAGE >> 4).astype(np.uint8) if eight else IMAGE)


LAYOUTS = {  # files, and the names of the pictures with the number of channels and whether there is a mask
    "two folders": (["images/a.tif", "images/b.png", "masks/a.png", "masks/b.tif"], {"a": (1, True), "b": (1, True)}),
    "other names and capitals": (
        ["Imgs/a.TIF".lower(), "imgs/b.jpg", "Labels/a.png"],
        {"a": (1, True), "b": (1, False)},
    ),
    "tags in two folders": (["images/a_img.tif", "masks/a_mask.png"], {"a_img": (1, True)}),
    "one folder with tags": (["a.tif", "a_mask.png", "b.bmp", "b_seg.tif", "c.tif"], {"a": (1, True), "c": (1, False)}),
    "Cellpose": (["a.tif", "a_cp_masks.png", "a_seg.npy"], {"a": (1, True)}),
    "nnU-Net": (
        ["imagesTr/a_0000.tif", "imagesTr/a_0001.tif", "imagesTr/b_0000.tif", "imagesTr/b_0001.tif", "labelsTr/a.tif"],
        {"a": (2, True), "b": (2, False)},
    ),
    "numbers that are no channels": (
        ["images/a_0000.tif", "images/a_0001.tif", "masks/a_0000.tif", "masks/a_0001.tif"],
        {"a_0000": (1, True), "a_0001": (1, True)},
    ),
    "pictures alone": (["a_0000.tif", "a_0001.tif", "b_0000.tif"], {"a_0000": (1, False), "b_0000": (1, False)}),
    "litter": (
        ["images/a.tif", "images/._a.tif", "images/Thumbs.db", "masks/a.png", "masks/.DS_Store"],
        {"a": (1, True)},
    ),
    "splits": (
        ["train/images/a.tif", "train/masks/a.png", "val/images/a.tif", "val/masks/a.png"],
        {"train/a": (1, True), "val/a": (1, True)},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_picture_finds_its_mask(tmp_path, layout):
    files, expected = LAYOUTS[layout]
    write(tmp_path, files)
    if "labels" not in layout and layout in ("pictures alone",):
        assert not own_pictures(tmp_path).labelled
    pictures = own_pictures(tmp_path)
    for name, (channels, marked) in expected.items():
        index = pictures.names.index(name)
        assert pictures.image(index).shape == (channels, 24, 32)
        assert (index in pictures.labelled) == marked
        if marked:
            assert np.array_equal(pictures.instances(index), MASK)


def test_one_file_an_object_as_in_the_2018_data_science_bowl(tmp_path):
    for name in ("one", "two"):
        save(
            tmp_path / name / "images" / f"{name}.png", np.dstack([IMAGE >> 4] * 3 + [IMAGE * 0 + 255]).astype(np.uint8)
        )
        for number in (1, 2, 3):
            save(tmp_path / name / "masks" / f"{name}{number}.png", ((MASK == number) * 255).astype(np.uint8))
    pictures = own_pictures(tmp_path)
    assert pictures.names == ["one", "two"] and pictures.channels == 1
    assert all(np.array_equal(pictures.instances(i), MASK) for i in range(2))
    save(tmp_path / "two" / "masks" / "two3.png", ((MASK > 0) * 255).astype(np.uint8))
    with pytest.warns(UserWarning, match="two/masks' share 72 pixels; each of these goes to the smaller object"):
        assert np.array_equal(own_pictures(tmp_path).instances(1), MASK)


def test_one_file_an_object_in_a_folder_by_the_name_of_its_image(tmp_path):
    save(tmp_path / "images" / "a.tif", IMAGE)
    for number in (1, 2, 3):
        save(tmp_path / "masks" / "a" / f"{number}.png", ((MASK == number) * 255).astype(np.uint8))
    assert np.array_equal(own_pictures(tmp_path).instances(0), MASK)


def test_every_page_of_a_stack_is_a_picture_and_they_belong_together(tmp_path):
    save(tmp_path / "images" / "a.tif", np.stack([IMAGE] * 5))
    save(tmp_path / "masks" / "a.tif", np.stack([MASK] * 5))
    save(tmp_path / "images" / "b.tif", IMAGE)
    save(tmp_path / "masks" / "b.tif", MASK)
    pictures = own_pictures(tmp_path)
    assert pictures.names == [f"a_00{number}" for number in range(5)] + ["b"]
    assert pictures.groups == ["a"] * 5 + ["b"]
    save(tmp_path / "masks" / "a.tif", np.stack([MASK] * 4))
    with pytest.raises(ValueError, match="a.tif' must have as many pages as its image, 5, but has 4"):
        own_pictures(tmp_path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_says_what_belongs_together(tmp_path, separator):
    for name in ("one/a.tif", "two/a.tif", "c.tif"):
        save(tmp_path / name, IMAGE)
    save(tmp_path / "m.png", MASK)
    rows = ["image,mask,group,split", "one/a.tif,m.png,x,train", "two/a.tif,m.png,y,validation", "c.tif,,y,test"]
    (tmp_path / "index.csv").write_text("\n".join(rows).replace(",", separator), encoding="utf-8-sig")
    pictures = own_pictures(tmp_path)
    assert pictures.names == ["one/a", "two/a", "c"] and pictures.labelled == [0, 1]
    assert pictures.groups == ["x", "y", "y"] and pictures.splits == ["train", "val", "test"]
    assert [part.names for part in split(pictures)] == [["one/a"], ["two/a"], ["c"]]
    (tmp_path / "index.csv").write_text("image\nnowhere.tif\n")
    with pytest.raises(ValueError, match="index.csv', line 2: there is no file .*nowhere.tif'"):
        own_pictures(tmp_path)
    (tmp_path / "index.csv").write_text("picture\na.tif\n")
    with pytest.raises(ValueError, match="must be a table with the columns image and.* but has the columns picture"):
        own_pictures(tmp_path)


def test_names_are_equal_however_their_accents_are_written(tmp_path):
    for part, form in (("images", "NFC"), ("masks", "NFD")):
        save(tmp_path / part / f"{unicodedata.normalize(form, 'zelle_ä')}.png", MASK)
    assert own_pictures(tmp_path).labelled == [0]


@pytest.mark.parametrize(
    "files, said",
    [
        (
            ["images/a.tif", "images/b.svg", "masks/a.png", "masks/c.png"],
            "have no image: c. What else .* 1 × .svg is not",
        ),
        (["images/a.czi", "masks/a.png"], "must hold pictures .*, but there is none in .*images', only 1 × .czi"),
        (["images/a.tif", "images/a.png"], "'a' is there twice in .*: a.png and a.tif. Rename one"),
        (["a.tif", "a_mask.png", "a_seg.png"], "'a' in .* has several: a_mask.png, a_seg.png"),
        (["images/a.tif", "masks/a.jpg"], "a.jpg' must be a file that keeps every number, but it is JPEG"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, files, said):
    write(tmp_path, [name for name in files if not name.endswith("masks/a.jpg")])
    if "masks/a.jpg" in files:
        save(tmp_path / "masks" / "a.jpg", MASK)
    with pytest.raises(ValueError, match=said):
        own_pictures(tmp_path)


def test_a_damaged_file_among_many_is_named(tmp_path):
    write(tmp_path, [f"{part}/{name}.png" for part in ("images", "masks") for name in "abcdef"])
    path = tmp_path / "masks" / "d.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match="masks/d.png' cannot be read"):
        own_pictures(tmp_path)


def test_a_turned_mask_is_told(tmp_path):
    save(tmp_path / "images" / "a.png", IMAGE)
    save(tmp_path / "masks" / "a.png", MASK.T.copy())
    with pytest.raises(ValueError, match="picture 'a': mask must have .* seems to be turned by 90 degrees"):
        own_pictures(tmp_path)


# Pictures ------------------------------------------------------------------------------------------------------------


def some(number=6, **options):
    return Pictures([f"p{i}" for i in range(number)], [IMAGE + i for i in range(number)], [MASK] * number, **options)


def test_every_task_gives_masks_in_the_form_that_its_network_needs():
    shapes = {"objects": (1, 24, 32), "one class": (1, 24, 32), "classes": (24, 32)}
    parts = {"objects": 3, "one class": 2, "classes": 3}
    for task, shape in shapes.items():
        pictures = some(task=task)
        image, mask = pictures[0]
        assert image.dtype == torch.float32 and mask.shape == shape
        assert mask.dtype == (torch.int64 if task == "classes" else torch.float32)
        assert pictures.instances(0).unique().numel() - 1 == parts[task]
        assert pictures.num_classes == (4 if task == "classes" else 1)
    batch = next(iter(DataLoader(some(), batch_size=3)))
    assert batch[0].shape == (3, 1, 24, 32) and len(with_targets(some())) == 6


def test_a_part_of_the_pictures_is_pictures():
    pictures = some(paths=None, groups=list("aabbcc"))
    for part in (pictures[1:3], pictures.subset([1, 2]), pictures.subset([1, -4])):
        assert part.names == ["p1", "p2"] and part.groups == ["a", "b"] and torch.equal(part[0][0], pictures[1][0])
    with pytest.raises(ValueError, match="must name at least one picture"):
        pictures[6:]


@pytest.mark.parametrize("kind", [np.int64, np.uint8, ">u2", np.int32])
def test_label_maps_of_every_kind_become_int64_and_nothing_else_passes(kind):
    mask = np.asfortranarray(MASK.astype(kind))[::-1][::-1]
    mask.flags.writeable = False
    pictures = Pictures(["a"], [IMAGE], [mask])
    assert pictures.instances(0).dtype == torch.int64 and np.array_equal(pictures.instances(0), MASK)
    for wrong in (MASK > 0, MASK.astype(float), MASK.astype(int) - 1):
        with pytest.raises(ValueError, match="the mask of picture 'a' must"):
            Pictures(["a"], [IMAGE], [wrong])


def test_grey_pictures_and_colours_may_be_mixed_and_other_channels_may_not():
    colour = RNG.integers(0, 255, (24, 32, 3)).astype(np.uint8)
    grey = np.dstack([(IMAGE >> 4).astype(np.uint8)] * 3)
    alone = Pictures(["a", "b"], [grey, grey[..., 0]], [MASK, MASK])
    assert alone.channels == 1 and torch.equal(alone.image(0), alone.image(1))
    mixed = Pictures(["a", "b", "c"], [colour, grey, grey[..., 0]], [MASK] * 3)
    assert mixed.channels == 3 and mixed.colour and torch.equal(mixed.image(1)[2], alone.image(0)[0])
    with pytest.raises(ValueError, match="the same channels, but 'a' has 2 and 'b' has 1. Keep them in folders"):
        Pictures(["a", "b"], [np.dstack([IMAGE] * 2), IMAGE], [MASK] * 2)


def test_files_without_masks_are_read_by_their_paths(tmp_path):
    save(tmp_path / "a.tif", np.stack([IMAGE] * 2))
    save(tmp_path / "b.png", IMAGE)
    pictures = pictures_from_files([tmp_path / "a.tif", tmp_path / "b.png"])
    assert pictures.names == ["a_000", "a_001", "b"] and pictures.unlabelled == [0, 1, 2]


# Splits --------------------------------------------------------------------------------------------------------------


def noise(number, groups=None):
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 4000, (24, 24)).astype(np.uint16) for _ in range(number)]
    return Pictures([f"p{i}" for i in range(number)], images, [None] * number, groups=groups)


def test_a_split_takes_every_picture_once_and_cuts_no_group():
    groups = [f"g{i // 3}" for i in range(30)]
    for seed in range(5):
        parts = split(noise(30, groups), (0.6, 0.2, 0.2), seed=seed)
        assert sorted(name for part in parts for name in part.names) == sorted(noise(30).names)
        assert [len(part) for part in parts] == [18, 6, 6]
        assert not set(parts[0].groups) & set(parts[1].groups) | set(parts[1].groups) & set(parts[2].groups)
    assert split(noise(30), (0.8, 0.2), seed=1)[1].names != split(noise(30), (0.8, 0.2), seed=2)[1].names
    assert [len(part) for part in split(noise(3), (0.9, 0.05, 0.05))] == [1, 1, 1], "no part is empty"


def test_neighbours_in_different_parts_are_told():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 1000, (48, 48)).astype(np.uint16) for _ in range(10)]
    images += [image + rng.integers(0, 50, image.shape).astype(np.uint16) for image in images]
    pictures = Pictures([f"{i:02}" for i in range(20)], images, [None] * 20)
    with pytest.warns(UserWarning, match="pairs of pictures look alike and are in different parts: .* with groups="):
        split(pictures, (0.5, 0.5))
    train, _ = split(pictures, (0.5, 0.5), groups=[str(i % 10) for i in range(20)])
    assert sorted(int(name) % 10 for name in train.names) == sorted(2 * sorted({int(n) % 10 for n in train.names}))


@pytest.mark.parametrize(
    "names, groups",
    [
        (["mouse1_slice01", "mouse1_slice02", "mouse2_slice01"], ["mouse1", "mouse1", "mouse2"]),
        (["s1-t001", "s1-t002", "s2-t001"], ["s1", "s1", "s2"]),
        (["A01_field3", "A02_field3"], ["A01", "A02"]),
        (["001", "002"], ["001", "002"]),
        (["img001", "img002", "img003"], ["img001", "img002", "img003"]),
    ],
)
def test_names_tell_series(names, groups):
    assert groups_of(names) == groups


@pytest.mark.parametrize(
    "arguments, said",
    [
        (((0.5, 0.6),), "at least two, each above 0, with the sum 1, but got .0.5, 0.6."),
        (((1.0,),), "fractions must be at least two"),
        ((None,), "only if every picture is marked as train, val or test"),
    ],
)
def test_splits_that_cannot_be_made_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        split(noise(4), *arguments)
    with pytest.raises(ValueError, match="2 parts need at least as many groups, but there are 1: x"):
        split(noise(4), (0.5, 0.5), groups=["x"] * 4)
    with pytest.raises(ValueError, match="groups must name one for each of 4 pictures, but got 2"):
        split(noise(4), (0.5, 0.5), groups=["x", "y"])


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must hold images/ and masks/, but there is no"):
        find_entries(tmp_path / "nowhere")
