"""The sections of a nerve cord: whole or refused, and their numbers read as what they mean."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from unet_tutorial.data import fetching, vnc
from unet_tutorial.data.vnc import CLASSES, NUMBERS, SPLITS, SectionsDataset, decode_classes


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The data set with sections of 40×60 pixels: two cells, one with a mitochondrion, and all that can occur."""
    folder = tmp_path_factory.mktemp("vnc")
    numbers = np.full((40, 60), 255, dtype=np.uint8)
    numbers[:, 30] = (0, 32, 64, 96, 128) * 8
    numbers[5:9, 5:9], numbers[20:22, 40:44], numbers[:2] = 191, 223, 159
    rng = np.random.default_rng(0)
    for name in vnc.SECTIONS.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture = numbers if "labels" in name else rng.integers(0, 256, numbers.shape, dtype=np.uint8)
        Image.fromarray(picture).save(folder / name)
    return folder


def test_every_section_is_in_one_split_and_neighbours_are_apart_only_at_two_places():
    sections = [section for split in SPLITS.values() for section in split]
    assert sections == list(range(20))
    assert {f"stack1/raw/{i:02}.tif" for i in sections} < set(vnc.SECTIONS.files) and len(vnc.SECTIONS.files) == 40


def test_three_targets_of_the_same_sections(small):
    membrane, classes, cells = (SectionsDataset("val", target, small) for target in vnc.TARGETS)
    assert membrane.names == classes.names == cells.names == ["12", "13", "14", "15"]
    image, mask = membrane[0]
    assert image.shape == mask.shape == (1, 40, 60) and mask.dtype == torch.float32
    assert torch.equal(image, classes[0][0]) and torch.equal(mask[0] == 1, classes[0][1] == CLASSES.index("membrane"))
    assert mask.sum() == 38, "a column, but for two rows that are outside"
    assert classes.num_classes == 5 and classes[0][1].unique().tolist() == [0, 1, 2, 3, 4]
    assert classes.class_names == list(CLASSES)
    numbers = cells.instances(0)
    assert torch.equal(numbers == 0, mask[0] == 1) and numbers.max() == 1, "both cells touch what is outside"


def test_numbers_become_classes_and_others_are_refused():
    numbers = np.array([list(NUMBERS)], dtype=np.uint8)
    assert decode_classes(numbers).tolist() == [list(NUMBERS.values())] == [[1, 1, 1, 1, 1, 4, 2, 3, 0]]
    with pytest.raises(ValueError, match="mask must hold the numbers 0, 32, 64, .* but also holds 1, 33, .*read_mask"):
        decode_classes(numbers.astype(int) + 1)
    for wrong in (numbers[0], numbers.tolist(), numbers / 3):
        with pytest.raises(ValueError, match="mask"):
            decode_classes(wrong)


def test_what_is_unknown_is_named(small):
    with pytest.raises(ValueError, match="Did you mean 'train'"):
        SectionsDataset("training", folder=small)
    with pytest.raises(ValueError, match="Did you mean 'membrane'"):
        SectionsDataset("train", "membranes", small)


def test_a_section_with_another_number_is_refused(small, tmp_path):
    folder = shutil.copytree(small, tmp_path / "vnc")
    Image.fromarray(np.full((40, 60), 7, dtype=np.uint8)).save(folder / "stack1/labels/labels00000012.png")
    with pytest.raises(ValueError, match="mask must hold the numbers"):
        SectionsDataset("val", folder=folder)


@pytest.mark.real_sections
def test_the_real_sections_are_those_that_were_published():
    folder = fetching.find(vnc.SECTIONS)
    assert folder is not None, "set UNET_TUTORIAL_DATA, or leave this out with -m 'not real_sections'"
    shares = np.zeros(5)
    for split in SPLITS:
        data = SectionsDataset(split, "classes", folder)
        assert {image.shape for image in data.images} == {(1024, 1024)}
        assert {image.dtype for image in data.images} == {np.dtype("uint8")}
        shares += sum(np.bincount(data[i][1].ravel(), minlength=5) for i in range(len(data)))
    # As the data set's own figures say, in percent.
    assert (100 * shares / shares.sum()).tolist() == pytest.approx([74.06, 17.16, 5.38, 0.56, 2.85], abs=0.02)
