"""The street scenes: whole or refused, in colour, with eleven classes and pixels that do not count."""

import numpy as np
import pytest
import torch
from PIL import Image

from unet_tutorial.data import camvid, fetching
from unet_tutorial.data.camvid import CLASSES, SPLITS, VOID, StreetDataset
from unet_tutorial.losses import DiceLoss


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The data set with pictures of 12×16 pixels, in which every class occurs."""
    folder = tmp_path_factory.mktemp("camvid")
    numbers = np.arange(12, dtype=np.uint8)[:, None].repeat(16, axis=1)
    rng = np.random.default_rng(0)
    for name in camvid.STREETS.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture = numbers if "annot" in name else rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / name)
    return folder


@pytest.mark.parametrize("split, number", [("train", 123), ("val", 51), ("test", 59)])
def test_a_split_is_read_with_its_classes_and_sequences(small, split, number):
    data = StreetDataset(split, small)
    assert len(data) == number and set(data.splits) == {split}
    image, mask = data[0]
    assert image.shape == (3, 12, 16) and image.dtype == torch.float32 and data.colour
    assert mask.dtype == torch.int64 and mask.unique().tolist() == list(range(12))
    assert data.num_classes == len(CLASSES) == VOID and data.ignore_index == VOID
    assert set(data.groups) == {name.split("_")[0] for name in data.names}


def test_what_does_not_count_does_not_count_in_the_loss(small):
    image, mask = StreetDataset("val", small)[0]
    logits = torch.randn(1, len(CLASSES), 12, 16, generator=torch.Generator().manual_seed(0))
    loss = DiceLoss(ignore_index=VOID)(logits, mask[None])
    changed = logits.clone()
    changed[:, :, 11] += 100 * torch.randn(len(CLASSES), 16)  # the row of pixels that do not count
    assert torch.equal(loss, DiceLoss(ignore_index=VOID)(changed, mask[None]))
    changed[:, :, 10] += 100 * torch.randn(len(CLASSES), 16)
    assert not torch.equal(loss, DiceLoss(ignore_index=VOID)(changed, mask[None]))


def test_no_picture_is_in_two_splits(small):
    names = [name for split in SPLITS for name in StreetDataset(split, small).names]
    assert len(set(names)) == len(names) == 233


def test_a_folder_that_is_not_whole_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="folder must hold the whole data set, but in .* there is no test/0001TP_008550"
    ):
        StreetDataset("train", tmp_path)
    with pytest.raises(ValueError, match="Did you mean 'train'"):
        StreetDataset("training", tmp_path)


@pytest.mark.real_streets
def test_the_real_scenes_are_those_that_were_published():
    folder = fetching.find(camvid.STREETS)
    assert folder is not None, "set UNET_TUTORIAL_DATA, or leave this out with -m 'not real_streets'"
    data = StreetDataset("train", folder)
    assert {image.shape for image in data.images} == {(360, 480, 3)}
    shares = sum(np.bincount(data[i][1].ravel(), minlength=12) for i in range(len(data)))
    assert np.round(100 * shares / shares.sum(), 1).tolist() == [
        *(16.9, 23.5, 1.0, 31.6, 4.5, 9.6, 1.2, 1.1, 5.8, 0.7, 0.3),
        3.9,
    ]
    assert set(data.groups) == {"0001TP", "0006R0", "0016E5"}
