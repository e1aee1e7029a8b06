"""Pictures of any folder: read and checked, brought to one range, and cut into crops."""

from functools import partial

import numpy as np
import pytest
import torch
from skimage import io as pictures
from skimage.transform import resize
from torch.nn import functional

import cut_nuclei
from unet_tutorial.data.pictures import PIECES, Crops, InstanceDataset, normalize, nuclei_pieces, own_pictures


def test_normalizing_forgives_the_lamp_but_does_not_stretch_noise():
    rng = np.random.default_rng(0)
    field = rng.uniform(100, 120, (64, 64))
    bright = np.where(np.hypot(*(np.mgrid[:64, :64] - 32)) < 12, 10 * field, field)
    assert np.abs(normalize(bright) - normalize(3 * bright)).max() < 0.01
    assert normalize(bright).min() == 0 and normalize(bright).max() == 1
    assert normalize(field).max() < 0.2, "a field without anything stays dark"


@pytest.mark.parametrize(
    "image, message",
    [
        (np.ones(3), "image must be numbers of shape .H, W., one channel, or .H, W, C., but got float64"),
        (np.ones((2, 2), dtype=bool), "but got bool of shape .2, 2."),
        ([[1.0]], "but got list"),
        (np.array([[np.nan, 2.0]]), "infinite or NaN"),
    ],
)
def test_what_cannot_be_normalized_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        normalize(image)


def test_indices_count_as_in_a_list():
    picture, labels = np.full((4, 5), 7, dtype=np.uint16), np.ones((4, 5), dtype=np.int64)
    data = InstanceDataset(["a", "b"], [picture, np.tril(picture)], [labels, labels])
    assert len(data) == 2 and torch.equal(data[-1][0], data[1][0])
    for index in (2, -3):
        with pytest.raises(IndexError, match="out of range for a data set of 2 pictures"):
            data[index]


def test_pictures_that_do_not_fit_one_another_are_refused():
    picture = np.ones((4, 4))
    with pytest.raises(ValueError, match="of one length, at least 1, but have 1, 2 and 1"):
        InstanceDataset(["a"], [picture] * 2, [picture.astype(int)])
    with pytest.raises(ValueError, match="picture 'a': mask must have the image's height and width"):
        InstanceDataset(["a"], [picture], [np.ones((3, 3), int)])


# Pieces --------------------------------------------------------------------------------------------------------------


def test_pieces_belong_together_and_depend_on_seed_and_index_alone():
    images = [torch.arange(40 * 50.0).reshape(1, 40, 50), torch.arange(60 * 45.0).reshape(1, 60, 45)]
    whole = [(image, image[0].long(), image[0]) for image in images]
    crops = Crops(whole, size=32, samples=20)
    for image, mask, weight in (crops[i] for i in range(20)):
        assert image.shape == (1, 32, 32) and torch.equal(image[0].long(), mask) and torch.equal(image[0], weight)
    again = Crops(whole, size=32, samples=5)
    assert torch.equal(again[3][0], crops[3][0])
    assert len({float(crops[i][0][0, 0, 0]) for i in range(20)}) > 10
    assert any(not torch.equal(Crops(whole, size=32, seed=1)[i][0], crops[i][0]) for i in range(5))
    with pytest.raises(IndexError, match="index 5 is out of range for 5 crops"):
        again[5]


def test_pieces_larger_than_a_picture_or_of_unequal_parts_are_refused():
    image, mask, weights = torch.rand(1, 40, 50), torch.zeros(40, 50).long(), torch.ones(40, 50)
    with pytest.raises(ValueError, match="at least size = 64, but in picture 0 they have .40, 50."):
        Crops([(image, mask, weights)], size=64)
    with pytest.raises(ValueError, match="one height and width"):
        Crops([(image, mask[:39], weights)], size=32)
    with pytest.raises(ValueError, match="at least one, but there is none"):
        Crops([])


# Pictures of one's own -----------------------------------------------------------------------------------------------


@pytest.fixture
def mine(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    marked = np.zeros((32, 40), dtype=np.uint8)
    marked[4:12, 4:12] = marked[20:28, 20:36] = 255
    save(tmp_path / "images" / "first.tif", (marked * 3 + 200).astype(np.uint16))
    save(tmp_path / "masks" / "first.png", marked)
    numbered = np.zeros((48, 40), dtype=np.uint16)
    numbered[4:12, 4:12], numbered[4:12, 12:20] = 7, 300  # they touch
    save(tmp_path / "images" / "second.png", (numbered > 0).astype(np.uint8) * 90)
    save(tmp_path / "masks" / "second.tif", numbered)
    return tmp_path


def save(path, picture):
    pictures.imsave(path, picture, check_contrast=False)


def test_pictures_of_ones_own_are_read_by_their_names(mine):
    data = own_pictures(mine)
    assert data.names == ["first", "second"]
    assert data.instances(0).unique().tolist() == [0, 1, 2], "a mask of 0 and 255: what hangs together is one"
    assert data.instances(1).unique().tolist() == [0, 7, 300], "a mask of numbers is taken as it is"
    assert [tuple(image.shape) for image, _ in (data[0], data[1])] == [(1, 32, 40), (1, 48, 40)]


def test_a_mask_without_its_image_is_named(mine):
    (mine / "images" / "second.png").rename(mine / "images" / "secnd.png")
    with pytest.raises(ValueError, match="these 1 in .* have no image: second. Images without a mask are: secnd. Ren"):
        own_pictures(mine)


def test_a_picture_without_a_mask_is_welcome(mine):
    (mine / "masks" / "first.png").unlink()
    data = own_pictures(mine)
    assert data.names == ["first", "second"] and data.labelled == [1] and data.unlabelled == [0]
    assert data.image(0).shape == (1, 32, 40)
    with pytest.raises(ValueError, match="picture 'first' has no mask. Its image is pictures.image.0."):
        data[0]


def test_what_is_wrong_with_pictures_of_ones_own_is_said(mine, tmp_path):
    with pytest.raises(ValueError, match="must hold images/ and masks/, but there is no"):
        own_pictures(tmp_path / "nowhere")
    save(mine / "masks" / "first.png", np.zeros((32, 41), dtype=np.uint8))
    with pytest.raises(ValueError, match="picture 'first': mask must have the image's height and width"):
        own_pictures(mine)
    save(mine / "masks" / "first.tif", np.zeros((32, 40), dtype=np.uint8))
    with pytest.raises(ValueError, match="'first' is there twice"):
        own_pictures(mine)
    for path in (mine / "images").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="must hold pictures .*, but there is none in"):
        own_pictures(mine)


@pytest.mark.parametrize(
    "values, message",
    [
        ([[0, 0.25], [0.5, 1]], "float32 and holds 0.25, 0.5. Was it resized with interpolation"),
        ([[0, np.nan], [np.inf, 1]], "float32 and holds inf, nan"),
        ([[0, 1e30], [0, 1]], "float32 and holds 1e.30"),
        ([[0, -1], [0, 2]], "float32 and holds -1.$"),
    ],
)
def test_a_mask_of_other_numbers_than_whole_ones_is_refused(mine, values, message):
    wrong = np.kron(np.array(values, dtype=np.float32), np.ones((24, 20), dtype=np.float32))
    save(mine / "masks" / "second.tif", wrong)
    with pytest.raises(ValueError, match=rf"second.tif' must hold whole numbers, .* but it is {message}"):
        own_pictures(mine)


def test_whole_numbers_in_floating_point_lose_nothing(mine):
    numbered = pictures.imread(mine / "masks" / "second.tif")
    save(mine / "masks" / "second.tif", numbered.astype(np.float32))
    assert own_pictures(mine).instances(1).tolist() == numbered.tolist()


def test_masks_of_which_none_marks_an_object_are_refused(mine):
    save(mine / "masks" / "second.tif", np.zeros((48, 40), dtype=np.uint16))
    assert own_pictures(mine).instances(1).max() == 0, "one picture may hold nothing"
    save(mine / "masks" / "first.png", np.zeros((32, 40), dtype=np.uint8))
    with pytest.raises(ValueError, match="must mark at least one object, but all 2 in .* hold nothing but 0"):
        own_pictures(mine)


def discs(rng, numbers, side, smallest, largest) -> np.ndarray:
    """Draw discs of these numbers at random places, one over the other: uint16 (side, side)."""
    y, x = np.mgrid[:side, :side]
    mask = np.zeros((side, side), dtype=np.uint16)
    for number in numbers:
        row, column = rng.uniform(0, side, 2)
        mask[np.hypot(y - row, x - column) < rng.uniform(smallest, largest)] = number
    return mask


def bilinear(mask, factor):  # without looking at what lies between, as many libraries do
    channels = torch.from_numpy(mask.astype(np.float32))[None, None]  # (1, 1, H, W)
    return functional.interpolate(channels, scale_factor=factor, mode="bilinear")[0, 0].numpy()


def scaled(mask, factor, **options):
    size = [round(factor * side) for side in mask.shape]
    return resize(mask.astype(float), size, preserve_range=True, **options).clip(0, mask.max())


@pytest.mark.parametrize(
    "shrink",
    [
        partial(bilinear, factor=0.5),
        partial(bilinear, factor=2.7),
        partial(scaled, factor=0.25, order=1, anti_aliasing=True),
        partial(scaled, factor=0.6, order=3, anti_aliasing=True),
        partial(scaled, factor=3, order=1),
        partial(scaled, factor=3, order=3),
    ],
)
@pytest.mark.parametrize("value, dtype", [(255, np.uint8), (65535, np.uint16)])
def test_a_mask_of_two_values_that_was_interpolated_is_refused(mine, shrink, value, dtype):
    rng = np.random.default_rng(0)
    for count in (1, 4, 12, 12):
        marked = discs(rng, [value] * count, 128, 8, 25)
        mask = shrink(marked).round().astype(dtype)
        assert mask.max() == value and len(np.unique(mask)) > 4
        save(mine / "images" / "second.png", np.full(mask.shape, 90, dtype=np.uint8))
        save(mine / "masks" / "second.tif", mask)
        with pytest.raises(ValueError, match=f"second.tif' .* as in a mask of 0 and {value} that was resized with int"):
            own_pictures(mine)
        save(mine / "masks" / "second.tif", (mask > value // 2).astype(dtype))  # the way out that the message names
        assert own_pictures(mine).instances(1).max() <= count


def numbered_masks(rng):
    """Yield masks that number their objects in every way that might be taken for a rim."""
    yield discs(rng, rng.permutation(40) + 1, 100, 4, 14)  # crowded, one over the other
    yield discs(rng, rng.permutation(9) + 1, 100, 10, 30)
    yield discs(rng, rng.permutation(60) + 1, 100, 0.6, 3)  # hardly any pixels
    yield discs(rng, rng.permutation(500) + 1, 40, 1, 2)  # so many that no background is left
    yield discs(rng, rng.integers(1, 5, 40), 100, 3, 12)  # four colours, so that touching objects may differ
    top, left, side = *rng.integers(0, 80, 2), rng.integers(8, 20)
    yield discs(rng, rng.permutation(60) + 1, 100, 4, 14)[top : top + side, left : left + side]  # slivers at the frame
    for apart in (0, 4):  # one large object with the largest number, and small ones that touch it or do not
        mask, radius = np.zeros((80, 80), dtype=np.uint16), rng.uniform(8, 25)
        distance = np.hypot(*(np.mgrid[:80, :80] - 40))
        for number in range(1, rng.integers(4, 14)):
            angle = rng.uniform(0, 2 * np.pi)
            centre = 40 + (radius + apart) * np.array([np.sin(angle), np.cos(angle)])
            mask[np.hypot(*(np.mgrid[:80, :80] - centre[:, None, None])) < rng.uniform(0.6, 3.5)] = number
        mask[distance < radius] = 255
        yield mask


def test_masks_that_number_their_objects_are_never_taken_for_interpolated(tmp_path):
    rng = np.random.default_rng(0)
    masks = [mask for _ in range(40) for mask in numbered_masks(rng)]
    assert sum(len(np.unique(mask)) > 4 for mask in masks) > 200, "the others have too few values to be asked"
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for number, mask in enumerate(masks):
        save(tmp_path / "images" / f"{number:03}.png", np.full(mask.shape, 90, dtype=np.uint8))
        save(tmp_path / "masks" / f"{number:03}.tif", mask)
    data = own_pictures(tmp_path)
    for number, mask in enumerate(masks):
        if len(np.unique(mask)) > 2:
            assert np.array_equal(data.instances(number), mask)


# The real data set ---------------------------------------------------------------------------------------------------


def test_the_pieces_of_nuclei_come_with_the_package_and_are_small():
    pieces = nuclei_pieces()
    assert [image.shape for image, _ in pieces] == 4 * [(1, 128, 128)]
    assert all(5 <= pieces.instances(i).max() <= 20 for i in range(4))
    assert PIECES.stat().st_size < 100_000


@pytest.mark.real_nuclei
def test_the_pieces_are_cut_from_the_training_fields():
    made = cut_nuclei.cut()
    with np.load(PIECES) as kept:
        assert set(made) == set(kept)
        for name, value in made.items():
            np.testing.assert_array_equal(value, kept[name])
