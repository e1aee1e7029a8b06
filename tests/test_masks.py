"""The mask contract: what is accepted, what every refusal says, and the ways to a mask that keeps it."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.transform import resize

from unet_tutorial import _contract
from unet_tutorial.data.masks import check_mask, check_pair, from_colors, from_gray, resize_mask
from unet_tutorial.data.synthetic import SyntheticCellsDataset

TRUE = (torch.arange(60).view(3, 1, 4, 5) % 3 == 0).float()  # (3, 1, 4, 5)
FORMS = {
    "tensor": lambda tensor: tensor,
    "array": lambda tensor: tensor.numpy(),
}


@pytest.mark.parametrize(
    "mask, num_classes, image",
    [
        (torch.ones(1, 4, 5), 1, None),
        (torch.zeros(2, 1, 4, 5), 1, torch.zeros(2, 3, 4, 5)),
        (np.ones((1, 4, 5), dtype=np.float32), 1, np.zeros((1, 4, 5))),
        (torch.zeros(1, 4, 3), 1, None),  # three columns are not three colours
        (torch.zeros(4, 5, dtype=torch.int64), 2, torch.zeros(3, 4, 5)),
        (torch.full((2, 4, 5), 6), 7, torch.zeros(2, 3, 4, 5)),
        (np.zeros((4, 3), dtype=np.int64), 3, None),
    ],
)
def test_good_masks_pass(mask, num_classes, image):
    assert check_mask(mask, num_classes, image) is None


def test_our_own_samples_pass():
    for image, mask in SyntheticCellsDataset(num_samples=3, image_size=64):
        check_pair(image, mask)


ZERO_255 = np.array([[0, 255], [255, 255]], dtype=np.uint8)
RGB = np.full((4, 5, 3), 200, dtype=np.uint8)


@pytest.mark.parametrize(
    "mask, num_classes, message",
    [
        ([[0, 1]], 1, r"must be a torch tensor or a numpy array, but got list. Convert it with numpy.asarray\(mask\)"),
        (np.array([["a"]]), 1, "mask must hold real numbers, one a pixel, but got <U1"),
        (torch.zeros(1, 0, 4), 1, r"mask must hold real numbers, one a pixel, but got float32 of shape \(1, 0, 4\)"),
        (
            torch.zeros(4, 5),
            1,
            r"\(B, 1, H, W\) for one class, but got \(4, 5\). Add .* with mask\[None\]",
        ),
        (torch.zeros(2, 4, 5), 1, r"but got \(2, 4, 5\). Add the channel axis with mask\[:, None\]"),
        (torch.zeros(3, 4, 5), 1, r"but got \(3, 4, 5\). Add the channel axis with mask\[:, None\]"),
        (
            torch.zeros(2, 2, 4, 5),
            1,
            r"shape \(1, H, W\) or \(B, 1, H, W\) for one class, but got \(2, 2, 4, 5\).$",
        ),
        (
            torch.ones(1, 4, 5, dtype=torch.uint8),
            1,
            r"be float32 for one class, but got uint8. Convert it with mask.float\(\)",
        ),
        (torch.ones(1, 4, 5, dtype=torch.bool), 1, "mask must be float32 for one class, but got bool"),
        (torch.ones(1, 4, 5, dtype=torch.float64), 1, "mask must be float32 for one class, but got float64"),
        (torch.ones(1, 4, 5, dtype=torch.bfloat16), 1, "mask must be float32 for one class, but got bfloat16"),
        (ZERO_255, 1, r"holds 0 and 255. Convert it with from_gray\(mask\)\."),
        (torch.tensor([[[0.0, 255.0]]]), 1, r"holds 0 and 255. Convert it with from_gray\(mask\)"),
        (RGB, 1, r"one number a pixel, but got shape \(4, 5, 3\) with three colours. .*from_colors\(mask, palette\)"),
        (np.moveaxis(RGB, -1, 0), 1, r"got shape \(3, 4, 5\) with three colours. Convert it with from_colors"),
        (RGB, 4, r"got shape \(4, 5, 3\) with three colours. Convert it with from_colors"),
        (torch.tensor([[[0.0, 0.25, 1.0]]]), 1, "0, 0.25, 1. Was it resized with interpolation. .* with resize_mask"),
        (
            torch.tensor([[[0.0, 1.0, 2.0]]]),
            1,
            r"holds 0, 1, 2. Are these labels .* \(mask > 0\).float\(\) is the object",
        ),
        (torch.tensor([[[0.0, 1.5, 2.0]]]), 1, r"0, 1.5, 2. Convert it with from_gray\(mask, threshold=...\)"),
        (torch.arange(20.0).view(1, 4, 5), 1, r"holds 0, 1, 2, 3, 4, 5, \.\.\. \(20 different values\)"),
        (torch.tensor([[[0.0, float("nan")]]]), 1, "must hold 0 and 1, but 1 of its values are NaN"),
        (torch.zeros(2, 1, 4, 5).long(), 3, r"3 classes, but got \(2, 1, 4, 5\). Drop .* with mask\[:, 0\]"),
        (torch.zeros(5).long(), 3, r"shape \(H, W\) or \(B, H, W\) for 3 classes, but got \(5,\)"),
        (torch.zeros(4, 5), 3, r"int64 class indices for 3 classes, but got float32. Convert it with mask.long\(\)"),
        (np.zeros((4, 5), dtype=np.uint8), 3, "int64 class indices for 3 classes, but got uint8"),
        (torch.tensor([[0.0, 0.5]]), 3, "class indices, but holds 0, 0.5. Was it resized with interpolation"),
        (torch.tensor([[0.0, float("nan")]]), 3, "class indices, but 1 of its values are NaN"),
        (torch.tensor([[0, 3]]), 3, "class indices 0 to 2 for 3 classes, but holds 3 too"),
        (torch.tensor([[-1, 255]]), 3, "class indices 0 to 2 for 3 classes, but holds -1, 255 too"),
        (torch.zeros(1, 4, 5), 0, "num_classes must be a whole number of at least 1, but got 0"),
    ],
)
def test_bad_masks_are_refused(mask, num_classes, message):
    with pytest.raises(ValueError, match=message):
        check_mask(mask, num_classes)


@pytest.mark.parametrize(
    "mask, num_classes, image, message",
    [
        (torch.zeros(1, 4, 4), 1, torch.zeros(3, 8, 6), r"\(8, 6\), but has \(4, 4\).* resize_mask\(mask, \(8, 6\)\)"),
        (torch.zeros(1, 4, 4), 1, torch.zeros(2, 3, 4, 4), r"\(2, 1, 4, 4\) for an image of shape \(2, 3, 4, 4\), but"),
        (torch.zeros(2, 1, 4, 4), 1, torch.zeros(3, 4, 4), r"mask must have the shape \(1, 4, 4\) for an image of"),
        (torch.zeros(1, 4, 4).long(), 2, torch.zeros(3, 4, 4), r"must have the shape \(4, 4\) for .* got \(1, 4, 4\)"),
        (torch.zeros(1, 4, 4), 1, torch.zeros(4, 4), r"image must have the shape \(C, H, W\) .* but got \(4, 4\)"),
        (torch.zeros(1, 4, 4), 1, "cell.png", "image must be a torch tensor or a numpy array, but got str"),
    ],
)
def test_masks_of_another_size_than_the_image_are_refused(mask, num_classes, image, message):
    with pytest.raises(ValueError, match=message):
        check_mask(mask, num_classes, image)


@pytest.mark.parametrize(
    "image, message",
    [
        (torch.zeros(4, 4), r"image must have the shape \(C, H, W\) or \(B, C, H, W\), but got \(4, 4\)"),
        (torch.zeros(1, 4, 4, dtype=torch.uint8), "floating point between 0 and 1, but got uint8. .* image / 255"),
        (torch.full((1, 4, 4), float("nan")), "image must be finite, but 16 of its values are not"),
        (torch.full((1, 4, 4), float("inf")), "image must be finite, but 16 of its values are not"),
        (torch.tensor([[[0.0, 200.0]]]), "between 0 and 1, but spans 0 to 200. Divide 8-bit values by 255"),
        (torch.tensor([[[-0.5, 1.0]]]), "between 0 and 1, but spans -0.5 to 1. .* scale the image's own range"),
        (None, "image must be a torch tensor or a numpy array, but got NoneType"),
    ],
)
def test_bad_images_are_refused(image, message):
    with pytest.raises(ValueError, match=message):
        check_pair(image, torch.zeros(1, 4, 4))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("last", ["image", "mask"])
def test_channels_in_the_last_place_are_told_and_the_cure_mends_them(form, last):
    image, mask = torch.rand(3, 4, 5), TRUE[0]  # (1, 4, 5)
    pair = {"image": image, "mask": mask}
    pair[last] = pair[last].movedim(0, -1)
    pair = {name: FORMS[form](tensor) for name, tensor in pair.items()}
    with pytest.raises(ValueError, match=rf"{last} must have the shape .* The channels stand last.") as refused:
        check_pair(**pair)
    cure = f"np.moveaxis({last}, -1, -3)" if form == "array" else f"{last}.movedim(-1, -3)"
    assert cure in str(refused.value)
    pair[last] = eval(cure, {"np": np, **pair})  # the text of our own message
    check_pair(**pair)
    assert torch.as_tensor(pair["image"]).equal(image) and torch.as_tensor(pair["mask"]).equal(mask)


@pytest.mark.parametrize("batch", [(), (2,)])
def test_class_indices_with_a_channel_axis_in_the_last_place_lose_it(batch):
    image, mask = torch.rand(*batch, 3, 4, 5), (torch.arange(20) % 3).view(4, 5).expand(*batch, 4, 5)
    with pytest.raises(ValueError, match=r"[Dd]rop (it|the channel axis) with mask\[\.\.\., 0\]"):
        check_pair(image, mask[..., None], num_classes=3)
    check_pair(image, mask[..., None][..., 0], num_classes=3)


def test_check_pair_checks_the_mask_too():
    with pytest.raises(ValueError, match=r"image's height and width \(4, 4\), but has \(2, 2\)"):
        check_pair(torch.zeros(1, 4, 4), torch.zeros(1, 2, 2))
    check_pair(torch.zeros(2, 3, 4, 4), torch.full((2, 4, 4), 2), num_classes=3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float64, bool])
def test_from_gray_keeps_zero_as_background(dtype):
    high = 1 if dtype is bool else 255
    mask = from_gray(np.array([[0, high, 0]]).astype(dtype))
    assert mask.tolist() == [[[0.0, 1.0, 0.0]]] and mask.dtype == torch.float32
    check_mask(mask)


def test_from_gray_takes_tensors_constant_pictures_and_thresholds():
    assert from_gray(torch.full((1, 2, 2), 255)).mean() == 1
    assert from_gray(torch.zeros(2, 2)).sum() == 0
    assert from_gray(np.array([[10, 127, 128]], dtype=np.uint8), threshold=127).tolist() == [[[0.0, 0.0, 1.0]]]


@pytest.mark.parametrize(
    "array, message",
    [
        (np.array([[0, 128, 255]]), r"at most one other value, but holds 0, 128, 255. Give a threshold, such as"),
        (np.array([[1, 2]]), "zero and at most one other value, but holds 1, 2"),
        (np.array([[0.0, np.nan]]), "array must hold numbers, but 1 of its values are NaN"),
        (np.zeros((4, 5, 3)), r"shape \(H, W\) or \(1, H, W\), but got \(4, 5, 3\). Colour masks are read by"),
        (np.zeros(4), r"shape \(H, W\) or \(1, H, W\), but got \(4,\).$"),
        ("mask.png", "array must be a torch tensor or a numpy array, but got str"),
    ],
)
def test_from_gray_refuses(array, message):
    with pytest.raises(ValueError, match=message):
        from_gray(array)


def test_from_gray_refuses_a_threshold_that_is_no_number():
    with pytest.raises(ValueError, match="threshold must be a number, but got nan"):
        from_gray(np.zeros((2, 2)), threshold=float("nan"))


PALETTE = {(0, 0, 0): 0, (255, 0, 0): 2, (0, 0, 255): 1}


def test_from_colors_reads_every_colour():
    rgb = np.array([[[0, 0, 0], [255, 0, 0]], [[0, 0, 255], [255, 0, 0]]], dtype=np.uint8)
    for picture in (rgb, torch.from_numpy(rgb)):
        mask = from_colors(picture, PALETTE)
        assert mask.tolist() == [[0, 2], [1, 2]]
        check_mask(mask, num_classes=3)


def test_from_colors_names_up_to_five_unknown_colours():
    rgb = np.zeros((1, 2, 3), dtype=np.uint8)
    rgb[0, 1] = (1, 2, 3)
    with pytest.raises(ValueError, match=r"must be in the palette, but these are not: \(1, 2, 3\). Add them, or load"):
        from_colors(rgb, PALETTE)
    many = np.arange(1, 25, dtype=np.uint8).reshape(1, 8, 3)
    with pytest.raises(ValueError, match=r"\(1, 2, 3\), .*\(13, 14, 15\) and 3 more"):
        from_colors(many, PALETTE)


@pytest.mark.parametrize(
    "rgb, palette, message",
    [
        (np.zeros((4, 5, 4), dtype=np.uint8), PALETTE, r"of shape \(H, W, 3\), but got uint8 of shape \(4, 5, 4\)"),
        (np.zeros((4, 5, 3)), PALETTE, r"uint8 of shape \(H, W, 3\), but got float64"),
        (np.zeros((4, 5), dtype=np.uint8), PALETTE, r"shape \(H, W, 3\), but got uint8 of shape \(4, 5\)"),
        (RGB, {(0, 0, 256): 1}, r"colours such as \(255, 0, 0\), values 0 to 255, but got \(0, 0, 256\)"),
        (RGB, {"red": 1}, "palette must map colours .* but got 'red'"),
        (RGB, {(0, 0, 0): -1}, r"palette must map \(0, 0, 0\) to a class index of at least 0, but got -1"),
        (RGB, {(0, 0, 0): 0.5}, "to a class index of at least 0, but got 0.5"),
    ],
)
def test_from_colors_refuses(rgb, palette, message):
    with pytest.raises(ValueError, match=message):
        from_colors(rgb, palette)


@pytest.mark.parametrize("size", [(64, 64), (128, 96), (37, 53), (11, 300)])
def test_resize_mask_agrees_with_torch_and_scikit_image(size):
    labels = SyntheticCellsDataset(num_samples=1, image_size=(75, 90)).instances(0)
    small = resize_mask(labels, size)
    assert small.shape == size and small.dtype == torch.int64
    reference = F.interpolate(labels[None, None].double(), size=size, mode="nearest-exact")[0, 0]
    assert torch.equal(small.double(), reference)
    other = resize(labels.numpy(), size, order=0, preserve_range=True, anti_aliasing=False)
    assert (small.numpy() == other).mean() > 0.99  # it may round a tie the other way


def test_resize_mask_keeps_the_contract():
    mask = (torch.rand(2, 1, 20, 30, generator=torch.manual_seed(0)) > 0.5).float()
    check_mask(resize_mask(mask, (13, 47)))
    assert torch.equal(resize_mask(resize_mask(mask, (40, 60)), (20, 30)), mask)
    assert resize_mask(torch.zeros(2, 20, 30).long(), (5, 6)).shape == (2, 5, 6)
    check_mask(resize_mask(np.zeros((1, 8, 8), dtype=np.float32), (3, 3)))


@pytest.mark.parametrize(
    "mask, size, message",
    [
        (torch.zeros(1, 4, 4), 8, r"size must be \(height, width\), but got 8"),
        (torch.zeros(1, 4, 4), (8, 0), "the width in size must be a whole number of at least 1, but got 0"),
        (torch.zeros(1, 4, 4), (8.0, 8), "the height in size must be a whole number of at least 1, but got 8.0"),
        (torch.full((1, 4, 4), 0.5), (8, 8), "must hold 0 and 1, but holds 0.5"),
        (torch.full((4, 4), -1), (8, 8), "must hold class indices 0 to 1 .* but holds -1"),
        (ZERO_255, (8, 8), "mask must be int64 class indices for 256 classes, but got uint8"),
    ],
)
def test_resize_mask_refuses(mask, size, message):
    with pytest.raises(ValueError, match=message):
        resize_mask(mask, size)


def named_cures(message: str) -> list[str]:
    """Return the expressions in a message that begin with the mask, or convert it: what the reader would type."""
    return re.findall(
        r"(?:Convert it with|Add the channel axis with|image,) ([\w.()\[\], /:'>]*?(?:\)|\]))(?=[.,])", message
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3, 1, 4, 5), (3, 4, 5), (1, 1, 4, 5), (1, 4, 5), (4, 5)])
@pytest.mark.parametrize("high", [1, 255])
def test_the_cures_that_the_messages_name_lead_to_the_true_mask(form, dtype, shape, high):
    """Whoever does what the messages say, one after the other, ends with the mask that was meant."""
    count = shape[0] if shape != (4, 5) and shape != (1, 4, 5) else 1
    true = TRUE[:count]
    mask = FORMS[form]((high * true).reshape(shape).to(dtype))
    for _ in range(4):
        try:
            _contract.mask("mask", mask, 1, batch=count > 1)
            break
        except ValueError as error:
            cures = named_cures(str(error))
            assert cures, f"names no cure that can be typed: {error}"
            mask = eval(cures[0], {"mask": mask, "from_gray": from_gray})  # the text of our own message
    else:
        pytest.fail("the cures go round in circles")
    assert torch.as_tensor(mask).reshape(true.shape).tolist() == true.tolist()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 5)])
@pytest.mark.parametrize("wrong", [torch.float32, torch.uint8, torch.int32])
def test_the_cures_for_class_indices_are_true_too(form, shape, wrong):
    mask = FORMS[form]((torch.arange(20) % 3).view(shape).to(wrong))
    with pytest.raises(ValueError, match="Convert it with") as refused:
        _contract.mask("mask", mask, 3)
    mended = eval(named_cures(str(refused.value))[0], {"mask": mask})
    _contract.mask("mask", mended, 3)
    assert mended.tolist() == mask.tolist()
