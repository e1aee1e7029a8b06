"""The synthetic data: the same index gives the same sample, discs are easy, cells are hard."""

import random

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.filters import threshold_otsu
from torch.utils.data import DataLoader

from unet_tutorial.data import synthetic
from unet_tutorial.data.synthetic import SyntheticCellsDataset, SyntheticCircleDataset

BOTH = pytest.mark.parametrize("make", [SyntheticCircleDataset, SyntheticCellsDataset])


@BOTH
@pytest.mark.parametrize("size", [32, 128, (48, 80)])
def test_a_sample_keeps_the_contract(make, size):
    dataset = make(num_samples=20, image_size=size)
    height, width = (size, size) if isinstance(size, int) else size
    for index in range(len(dataset)):
        image, mask = dataset[index]
        labels = dataset.instances(index)
        assert image.shape == mask.shape == (1, height, width)
        assert image.dtype == mask.dtype == torch.float32
        assert labels.shape == (height, width) and labels.dtype == torch.int64
        assert 0 <= image.min() and image.max() <= 1
        assert set(mask.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(mask[0], (labels > 0).float())
        assert labels.unique().tolist() == list(range(int(labels.max()) + 1))


@pytest.mark.parametrize("make, fewest, most", [(SyntheticCircleDataset, 1, 3), (SyntheticCellsDataset, 4, 12)])
def test_the_number_of_objects(make, fewest, most):
    dataset = make(num_samples=200, image_size=64)
    counts = {int(dataset.instances(index).max()) for index in range(200)}
    assert counts == set(range(fewest, most + 1))


def touching(labels: torch.Tensor) -> bool:
    """Whether two objects share a side of a pixel."""
    pairs = [(labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1])]
    return any(((a != b) & (a > 0) & (b > 0)).any().item() for a, b in pairs)


def test_discs_sometimes_touch_and_cells_nearly_always():
    share = {
        make: np.mean([touching(make(num_samples=100).instances(index)) for index in range(100)])
        for make in (SyntheticCircleDataset, SyntheticCellsDataset)
    }
    assert 0.1 < share[SyntheticCircleDataset] < 0.6
    assert share[SyntheticCellsDataset] > 0.9


def test_discs_do_not_overlap_and_cells_do():
    # A whole disc away from the picture's sides has the area of its circle; an overlapped one has less.
    dataset = SyntheticCircleDataset(num_samples=100)
    for index in range(100):
        labels = dataset.instances(index)
        for number in range(1, int(labels.max()) + 1):
            rows, columns = torch.nonzero(labels == number, as_tuple=True)
            if min(rows.min(), columns.min()) > 0 and max(rows.max(), columns.max()) < 127:
                side = (rows.max() - rows.min() + columns.max() - columns.min() + 2).item() / 2
                assert len(rows) > 0.93 * np.pi / 4 * side**2
    rng = np.random.default_rng(0)
    radii = np.full(12, 12.0)
    places = synthetic._place(rng, radii, (128, 128), closest=0.75)
    distances = [np.hypot(a[0] - b[0], a[1] - b[1]) for i, a in enumerate(places) for b in places[:i]]
    assert 0.75 * 24 <= min(distances) < 24


@BOTH
def test_the_same_index_gives_the_same_sample_in_any_order(make):
    forwards, backwards = make(num_samples=12, image_size=64), make(num_samples=12, image_size=64)
    samples = [forwards[index] for index in range(12)]
    for index in reversed(range(12)):
        for one, other in zip(samples[index], backwards[index], strict=True):
            assert torch.equal(one, other)


@BOTH
def test_the_same_index_gives_the_same_sample_in_any_worker(make):
    dataset = make(num_samples=12, image_size=64)
    loader = DataLoader(dataset, batch_size=3, num_workers=2)
    images = torch.cat([images for images, _ in loader])
    assert torch.equal(images, torch.stack([dataset[index][0] for index in range(12)]))


@BOTH
def test_the_length_of_a_data_set_does_not_change_its_samples(make):
    assert torch.equal(make(num_samples=5)[3][0], make(num_samples=500)[3][0])


@BOTH
def test_indices_work_as_in_a_list(make):
    dataset = make(num_samples=4, image_size=32)
    assert len(dataset) == len(list(dataset)) == 4
    assert torch.equal(dataset[-1][0], dataset[3][0])
    assert torch.equal(dataset.instances(-4), dataset.instances(0))
    assert torch.equal(dataset[np.int64(2)][0], dataset[torch.tensor(2)][0])
    for index in (4, -5):
        with pytest.raises(IndexError, match=f"index {index} is out of range for a data set of 4 samples"):
            dataset[index]
        with pytest.raises(IndexError, match=f"index {index} is out of range"):
            dataset.instances(index)


@BOTH
def test_splits_and_seeds_share_no_sample(make):
    seen = set()
    for split in ("train", "val", "test"):
        for seed in (0, 1, 2**40):
            dataset = make(num_samples=50, image_size=32, seed=seed, split=split)
            seen |= {dataset[index][0].numpy().tobytes() for index in range(50)}
    assert len(seen) == 3 * 3 * 50


@BOTH
def test_the_global_generators_stay_as_they_are(make):
    before = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())
    make(num_samples=1)[0]
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])
    assert before[2] == random.getstate()


@BOTH
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_samples": 0}, "num_samples must be a whole number of at least 1, but got 0"),
        ({"image_size": 31}, "image_size must be one side or .height, width., .* at least 32 pixels, but got 31"),
        ({"image_size": (64, 31)}, r"image_size must be .* but got \(64, 31\)"),
        ({"image_size": (64, 64, 64)}, r"image_size must be .* but got \(64, 64, 64\)"),
        ({"image_size": 64.0}, r"image_size must be .* but got 64\.0"),
        ({"image_size": True}, "image_size must be .* but got True"),
        ({"seed": -1}, "seed must be a whole number of at least 0, but got -1"),
        ({"seed": 0.5}, r"seed must be a whole number of at least 0, but got 0\.5"),
        ({"split": "valid"}, "split must be one of 'train', 'val', 'test', but got 'valid'. Did you mean 'val'?"),
    ],
)
def test_wrong_arguments_are_refused(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def overlap(pred: np.ndarray, truth: np.ndarray) -> float:
    return float((pred & truth).sum() / (pred | truth).sum())


def best_threshold(image: np.ndarray, truth: np.ndarray) -> float:
    """The IoU of the best of all thresholds, chosen with the truth: one candidate below every pixel's value."""
    order = np.argsort(-image, axis=None)
    found = np.cumsum(truth.ravel()[order])  # true pixels among the brightest 1, 2, 3, ...
    return float((found / (np.arange(1, found.size + 1) + truth.sum() - found)).max())


def scores(make, count: int = 60) -> dict[str, np.ndarray]:
    """The IoU of every sample for Otsu's threshold and for the best one, on the image and on the blurred image."""
    table = {"best": [], "best after blur": [], "otsu": [], "otsu after blur": []}
    dataset = make(num_samples=count, split="val")
    for image, mask in dataset:
        image, truth = image[0].numpy(), mask[0].numpy() > 0
        for suffix, picture in (("", image), (" after blur", ndimage.gaussian_filter(image, 1.5))):
            table["best" + suffix].append(best_threshold(picture, truth))
            table["otsu" + suffix].append(overlap(picture > threshold_otsu(picture), truth))
    return {name: np.array(values) for name, values in table.items()}


def test_a_threshold_after_blur_solves_every_picture_of_discs():
    found = scores(SyntheticCircleDataset)
    assert found["otsu after blur"].min() > 0.95
    assert found["best after blur"].mean() > 0.98


def test_no_threshold_solves_the_cells():
    found = scores(SyntheticCellsDataset)
    assert found["best"].mean() < 0.4 and found["best"].max() < 0.7
    assert found["best after blur"].mean() < 0.4 and found["best after blur"].max() < 0.7
    assert found["otsu"].mean() < 0.35 and found["otsu after blur"].mean() < 0.35


def test_the_light_changes_by_more_than_a_cell_stands_out():
    dataset = SyntheticCellsDataset(num_samples=40)
    for index in range(40):
        image, inside = dataset[index][0][0].numpy(), dataset[index][1][0].numpy() > 0
        around = ndimage.binary_dilation(inside, iterations=5) & ~ndimage.binary_dilation(inside, iterations=2)
        contrast = np.median(image[inside]) - np.median(image[around])
        low, high = np.percentile(ndimage.gaussian_filter(image, 4)[~inside], (2, 98))
        assert 0.1 < contrast < high - low


@pytest.mark.parametrize("draw", ["_add_blobs", "_add_shells", "_add_fibres", "_add_specks"])
def test_the_distractors_are_as_bright_as_cells_and_cover_little(draw):
    image = np.zeros((128, 128), dtype=np.float32)
    seen = 0  # pictures in which one stands out; a fibre may begin at a side and leave at once
    for seed in range(20):
        image[:] = 0
        getattr(synthetic, draw)(np.random.default_rng(seed), image, contrast=0.2)
        assert image.min() == 0
        assert (image > 0.1).mean() < 0.15
        seen += image.max() >= 0.18
    assert seen >= 18


def test_the_outlines_are_not_discs():
    roundness = []  # share of the smallest circle around the centre that the shape fills
    for seed in range(20):
        _, depth = synthetic._shape(np.random.default_rng(seed), 64.0, 64.0, 20.0, (128, 128))
        rows, columns = np.nonzero(depth > 0)
        reach = np.hypot(rows - rows.mean(), columns - columns.mean()).max()
        roundness.append(len(rows) / (np.pi * reach**2))
    assert max(roundness) < 0.95 and np.mean(roundness) < 0.8


@pytest.mark.parametrize("size", [(48, 144), (144, 48)])
def test_cells_lie_all_over_a_picture_that_is_not_square(size):
    cells = SyntheticCellsDataset(60, image_size=size)
    inside = torch.stack([cells[i][1][0] for i in range(len(cells))]).nonzero()[:, 1:].double()  # rows, columns
    middle, spread = inside.mean(0) / torch.tensor(size), inside.std(0) / torch.tensor(size)
    assert ((middle - 0.5).abs() < 0.08).all() and (spread > 0.22).all() and (spread < 0.33).all()


def test_no_cell_hides_another_one_entirely():
    cells = SyntheticCellsDataset(500, image_size=synthetic.SMALLEST_SIDE)
    for index in range(len(cells)):
        labels = cells.instances(index).unique()
        assert torch.equal(labels, torch.arange(len(labels)))
