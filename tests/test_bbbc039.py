"""BBBC039: whole or refused, and decoded as it is. How it is fetched: tests/test_fetching.py."""

from functools import partial

import numpy as np
import pytest
import torch
from skimage import io as pictures

from unet_tutorial.data import bbbc039, fetching
from unet_tutorial.data.bbbc039 import NUCLEI, NucleiDataset, decode_instances

LISTS = {"training.txt": ("a", "b"), "validation.txt": ("c",), "test.txt": ("d",)}


def write_data_set(folder, metadata="metadata"):
    """Write four small fields in the format of BBBC039, and return the folder."""
    rng = np.random.default_rng(0)
    for part in ("images", "masks", metadata):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for file, names in LISTS.items():
        (folder / metadata / file).write_text("".join(f"{name}.png\n" for name in names))
        for name in names:
            colours = np.zeros((24, 32, 4), dtype=np.uint8)
            colours[..., 3] = 255  # opaque, as in the real masks
            colours[2:9, 2:9, 0] = 1
            colours[2:9, 9:16, 0] = 2  # touches the first
            colours[14:20, 20:30, 0] = 1  # the first one's colour, but another nucleus
            image = (rng.integers(100, 140, (24, 32)) + 900 * (colours[..., 0] > 0)).astype(np.uint16)
            pictures.imsave(folder / "images" / f"{name}.tif", image, check_contrast=False)
            pictures.imsave(folder / "masks" / f"{name}.png", colours, check_contrast=False)
    return folder


@pytest.mark.parametrize("metadata", ["metadata", "."])
def test_a_folder_that_is_named_is_taken(monkeypatch, tmp_path, metadata):
    folder = write_data_set(tmp_path / "mine", metadata)
    monkeypatch.setenv(fetching.VARIABLE, str(folder))
    assert fetching.fetch(NUCLEI) == fetching.find(NUCLEI) == folder
    assert NucleiDataset("train").names == ["a.png", "b.png"]


@pytest.mark.parametrize("lost", ["masks/c.png", "images/a.tif", "metadata/test.txt"])
def test_a_folder_that_is_named_and_not_whole_is_refused(monkeypatch, tmp_path, lost):
    folder = write_data_set(tmp_path / "mine")
    (folder / lost).unlink()
    monkeypatch.setenv(fetching.VARIABLE, str(folder))
    for call in (partial(fetching.find, NUCLEI), partial(fetching.fetch, NUCLEI), partial(NucleiDataset, "train")):
        with pytest.raises(
            ValueError, match=f"UNET_TUTORIAL_DATA must name a folder .*there is no {lost.removeprefix('metadata/')}"
        ):
            call()
    with pytest.raises(ValueError, match="folder must hold the whole data set, but in"):
        NucleiDataset("train", folder)


def test_a_colour_is_not_an_instance(tmp_path):
    data = NucleiDataset("val", write_data_set(tmp_path))
    assert data.instances(0).unique().tolist() == [0, 1, 2, 3]
    assert len(np.unique(pictures.imread(tmp_path / "masks" / "c.png")[..., 0])) == 3, "two colours and the background"
    image, mask = data[0]
    assert image.shape == mask.shape == (1, 24, 32) and image.dtype == mask.dtype == torch.float32
    assert torch.equal(mask[0] > 0, data.instances(0) > 0)
    assert data.images[0].dtype == np.uint16


def test_parts_that_meet_at_a_corner_are_two():
    assert decode_instances(np.array([[4, 0], [0, 4]])).max() == 2


@pytest.mark.parametrize(
    "mask", [[[1]], np.ones((2, 2)), np.ones((2, 2, 2), int), np.ones(4, int), np.ones((0, 2), int)]
)
def test_what_is_no_mask_is_refused(mask):
    with pytest.raises(ValueError, match="mask must be whole numbers of shape .H, W., .H, W, 3. or .H, W, 4., but got"):
        decode_instances(mask)


def test_a_split_is_named(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'train'"):
        NucleiDataset("training", tmp_path)


@pytest.fixture(scope="module")
def real():
    folder = fetching.find(NUCLEI)
    assert folder is not None, f"set {fetching.VARIABLE} to the data set, or leave these out with -m 'not real_nuclei'"
    return {split: NucleiDataset(split, folder) for split in bbbc039.SPLITS}


@pytest.mark.real_nuclei
@pytest.mark.parametrize("split", bbbc039.SPLITS)
def test_the_files_are_read_as_skimage_reads_them(real, split):
    data, folder = real[split], fetching.find(NUCLEI)
    for index in (0, 1, len(data) // 2, -1):
        name = data.names[index]
        image = pictures.imread(folder / "images" / f"{name.removesuffix('.png')}.tif")
        assert image.dtype == data.images[index].dtype and np.array_equal(data.images[index], image)
        nuclei = decode_instances(pictures.imread(folder / "masks" / name))
        assert np.array_equal(data.instances(index).numpy(), nuclei)


def test_a_damaged_file_is_named(tmp_path):
    folder = write_data_set(tmp_path)
    path = folder / "images" / "c.tif"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="c.tif"):
        NucleiDataset("val", folder)


@pytest.mark.real_nuclei
def test_the_real_data_set_is_the_one_that_was_published(real):
    counts = {split: [int(data.instances(i).max()) for i in range(len(data))] for split, data in real.items()}
    assert {split: len(found) for split, found in counts.items()} == {"train": 100, "val": 50, "test": 50}
    assert sum(map(sum, counts.values())) == 23617
    assert sum(counts["test"]) == 5720 and sum(counts["val"]) == 5896
    assert sum(found.count(0) for found in counts.values()) == 3, "three fields hold no nucleus"
    assert {image.shape for data in real.values() for image in data.images} == {(520, 696)}
    assert {image.dtype for data in real.values() for image in data.images} == {np.dtype("uint16")}
    names = [name for data in real.values() for name in data.names]
    assert len(set(names)) == 200, "no field is in two splits"
