"""What holds for all inputs, and not only for those that somebody thought of: Hypothesis makes them up."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unet_tutorial import losses, metrics, sizing
from unet_tutorial.data.masks import check_mask, resize_mask
from unet_tutorial.inference import predict
from unet_tutorial.instances import class_map, weight_map
from unet_tutorial.unet import UNet

# The same examples in every run, and no limit in time: machines are busy.
settings.register_profile(
    "book", max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("book")

SIDES = st.integers(1, 7)
SEEDS = st.integers(0, 2**31)
WHOLE = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


CLASSES, NOTHING = st.integers(1, 4), st.just(None)


@st.composite
def batches(draw, classes=CLASSES, ignored=NOTHING):
    """Draw logits, masks that fit them, and the value of pixels that do not count."""
    B, C, H, W = draw(st.integers(1, 3)), draw(classes), draw(SIDES), draw(SIDES)
    random, mark = torch.Generator().manual_seed(draw(SEEDS)), draw(ignored)
    logits = draw(st.floats(0.1, 20)) * torch.randn(B, C, H, W, generator=random, dtype=torch.float64)
    masks = torch.randint(0, max(2, C), (B, 1, H, W) if C == 1 else (B, H, W), generator=random)
    masks = masks.float() if C == 1 else masks
    if mark is not None:
        hidden = torch.rand(masks.shape, generator=random) < 0.4
        hidden.view(-1)[0] = False  # one pixel counts
        masks = masks.masked_fill(hidden, mark)
    return logits, masks, mark


@st.composite
def label_maps(draw):
    labels = draw(hnp.arrays(np.int64, st.tuples(st.integers(2, 9), st.integers(2, 9)), elements=st.integers(0, 4)))
    return labels


def renumbered(labels: np.ndarray, numbers: list[int]) -> np.ndarray:
    return np.array([0, *numbers])[labels]


NUMBERS = st.lists(st.integers(1, 2**62), min_size=4, max_size=4, unique=True)
LOSSES = [losses.bce_loss, losses.dice_loss, losses.focal_loss, losses.tversky_loss, losses.CombinedLoss()]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: getattr(loss, "__name__", "both"))
@given(batches())
def test_a_loss_is_a_finite_number_of_at_least_0_and_knows_no_order_of_pixels(loss, batch):
    logits, masks, _ = batch
    value = loss(logits, masks)
    assert value.isfinite() and value >= -1e-9
    torch.testing.assert_close(loss(logits.flip(-1), masks.flip(-1)), value)
    torch.testing.assert_close(loss(logits.flip(0), masks.flip(0)), value)


@given(batches(classes=st.integers(2, 4), ignored=st.sampled_from([255, -1, -100, 7])))
def test_ignored_pixels_are_those_of_pytorch(batch):
    logits, masks, mark = batch
    expected = F.cross_entropy(logits, masks, ignore_index=mark)
    torch.testing.assert_close(losses.bce_loss(logits, masks, ignore_index=mark), expected)


@pytest.mark.parametrize("name", ["bce_loss", "dice_loss", "focal_loss", "tversky_loss"])
@given(batches(ignored=st.sampled_from([255, 7])))
def test_what_is_predicted_where_no_pixel_counts_changes_nothing(name, batch):
    logits, masks, mark = batch
    hidden = (masks == mark) if logits.shape[1] == 1 else (masks == mark)[:, None]
    other = torch.where(hidden, -3 * logits + 1, logits)
    loss = getattr(losses, name)
    torch.testing.assert_close(loss(other, masks, ignore_index=mark), loss(logits, masks, ignore_index=mark))
    for reduction in metrics.REDUCTIONS:
        metric = metrics.IoUMetric(reduction=reduction, ignore_index=mark)
        np.testing.assert_equal(metric(other, masks), metric(logits, masks))
    leaf = logits.clone().requires_grad_()
    loss(leaf, masks, ignore_index=mark).backward()
    assert not leaf.grad[hidden.expand_as(leaf)].any()


@given(batches())
def test_a_value_that_does_not_occur_ignores_nothing(batch):
    logits, masks, _ = batch
    for name in ("bce_loss", "dice_loss", "focal_loss", "tversky_loss"):
        loss = getattr(losses, name)
        torch.testing.assert_close(loss(logits, masks, ignore_index=99), loss(logits, masks))
    assert metrics.IoUMetric(ignore_index=99)(logits, masks) == pytest.approx(metrics.IoUMetric()(logits, masks))


@given(batches())
def test_iou_and_dice_are_what_they_are_of_each_other_and_count_as_sets_do(batch):
    logits, truth, _ = batch
    classes = logits.shape[1]
    pred = metrics.predicted_masks(logits)
    j, d = metrics.iou(pred, truth, classes), metrics.dice(pred, truth, classes)
    torch.testing.assert_close(2 * j / (1 + j), d, equal_nan=True)
    for i in range(len(pred)):
        for c in [1] if classes == 1 else range(classes):
            ours, theirs = (set((m[i].flatten() == c).nonzero().flatten().tolist()) for m in (pred, truth))
            found = j[i] if classes == 1 else j[i, c]
            if ours | theirs:
                assert found.item() == pytest.approx(len(ours & theirs) / len(ours | theirs))


@given(st.floats(0.01, 0.99), SEEDS, st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
def test_a_threshold_decides_the_same_in_every_precision(threshold, seed, dtype):
    logits = (torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) / 50).to(dtype)
    exact = torch.sigmoid(logits.double()) > threshold
    close = (torch.sigmoid(logits.double()) - threshold).abs() < 1e-6
    assert ((metrics.predicted_masks(logits, threshold) == 1) == exact)[~close].all()


@given(label_maps(), NUMBERS)
def test_how_objects_are_numbered_is_all_the_same(labels, numbers):
    other = renumbered(labels, numbers)
    assert torch.equal(class_map(labels), class_map(other))
    assert torch.equal(weight_map(labels), weight_map(other))
    moved = np.roll(labels, 1, axis=0)
    assert metrics.scores(labels, moved) == metrics.scores(other, moved)
    assert metrics.scores(labels, other)["ap"] == 1


@given(label_maps(), st.sampled_from(WHOLE), st.booleans(), st.booleans())
def test_in_which_type_and_order_labels_are_stored_is_all_the_same(labels, dtype, swapped, turned):
    stored = labels.astype(np.dtype(dtype).newbyteorder() if swapped else dtype)
    stored = stored[::-1].copy()[::-1] if turned else stored
    assert torch.equal(class_map(labels), class_map(stored))
    assert torch.equal(weight_map(labels), weight_map(stored))
    assert metrics.scores(labels, stored)["ap"] == 1


@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=5, max_side=4), elements=st.floats(-2, 300, width=32))
)
def test_a_mask_passes_only_if_it_keeps_the_contract(values):
    right = values.ndim in (3, 4) and values.shape[-3] == 1 and bool(np.isin(values, (0, 1)).all())
    try:
        check_mask(values)
        passed = True
    except ValueError as error:
        passed = False
        assert str(error).startswith("mask must ")
    assert passed == right


@given(batches(classes=st.integers(1, 3)), st.integers(1, 9), st.integers(1, 9))
def test_a_resized_mask_keeps_the_contract_and_its_values(batch, height, width):
    logits, mask, _ = batch
    small = resize_mask(mask, (height, width))
    check_mask(small, logits.shape[1])
    assert small.shape[-2:] == (height, width) and set(small.unique().tolist()) <= set(mask.unique().tolist())


@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=4),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(["batch", "group", "none"]),
    st.sampled_from(["transpose", "bilinear", "nearest"]),
    st.sampled_from(["concat", "add", "none"]),
)
def test_the_arithmetic_counts_what_a_network_has(channels, in_channels, num_classes, norm, upsample, skip):
    model = UNet(in_channels, num_classes, channels=channels, norm=norm, upsample=upsample, skip=skip)
    counted = sizing.parameters(in_channels, num_classes, channels, norm=norm, upsample=upsample, skip=skip)
    assert sum(counted.values()) == sum(p.numel() for p in model.parameters())


@given(st.integers(4, 21), st.integers(4, 21), st.lists(st.integers(1, 4), min_size=2, max_size=3))
def test_the_arithmetic_has_the_sizes_of_the_maps(height, width, channels):
    model, seen = UNet(1, channels=channels).eval(), []
    for part in (*model.encoder.stages, model.bottleneck, *model.decoder.blocks, model.head):
        part.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape[1:])))
    with torch.no_grad():
        model(torch.zeros(1, 1, height, width))
    maps = sizing.feature_maps(height, width, 1, 1, channels)
    assert seen == [(m.channels, m.height, m.width) for m in maps[1:]]


@settings(max_examples=6)
@given(st.integers(1, 60), st.integers(1, 60), SEEDS)
def test_tiles_give_what_the_whole_image_gives(height, width, seed):
    torch.manual_seed(seed)
    model = UNet(1, channels=(2, 4)).eval()
    image = torch.rand(1, 1, height, width)
    whole, tiled = (predict(model, image, progress=False, **how) for how in ({}, {"tile": 48}))
    torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=1e-4)
