"""The metrics against hand-made cases, against MONAI, torchmetrics and SciPy, and against wrong input."""

import math

import monai.metrics
import numpy as np
import pytest
import torch
import torchmetrics.segmentation
from scipy.optimize import linear_sum_assignment

from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.metrics import (
    AP_THRESHOLDS,
    IoUMetric,
    average_precision,
    boundary_error,
    class_scores,
    confusion_matrix,
    dice,
    iou,
    mean_scores,
    predicted_masks,
    scores,
)


def random_masks(seed: int, *shape: int, num_classes: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    if num_classes == 1:
        return (torch.rand(*shape, generator=generator) > 0.6).float()
    return torch.randint(0, num_classes, shape, generator=generator)


def one_hot(masks: torch.Tensor, num_classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(masks, num_classes).permute(0, 3, 1, 2).float()


def cells(count: int = 6, size: int | tuple[int, int] = 96) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks of cells, and the same masks shifted more and more and with one corner cut off."""
    truth = torch.stack([mask for _, mask in SyntheticCellsDataset(num_samples=count, image_size=size)])
    pred = torch.stack([mask.roll((shift, -2 * shift), dims=(-2, -1)) for shift, mask in enumerate(truth, start=1)])
    pred[..., :20, :20] = 0
    return pred, truth


# A row of pixels a picture: hand-counted.
TRUTH = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]).float().view(4, 1, 1, 4)
PRED = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]]).float().view(4, 1, 1, 4)


def test_iou_and_dice_by_hand():
    torch.testing.assert_close(iou(PRED, TRUTH), torch.tensor([3 / 4, 1 / 3, 1.0, 0.0]))
    torch.testing.assert_close(dice(PRED, TRUTH), torch.tensor([6 / 7, 1 / 2, 1.0, 0.0]))


def test_iou_and_dice_of_several_classes_by_hand():
    truth = torch.tensor([[[0, 0, 1, 1]], [[0, 0, 0, 0]]])
    pred = torch.tensor([[[0, 1, 1, 1]], [[0, 0, 0, 2]]])
    nan = math.nan
    expected = torch.tensor([[1 / 2, 2 / 3, nan], [3 / 4, nan, 0.0]])
    torch.testing.assert_close(iou(pred, truth, num_classes=3), expected, equal_nan=True)
    torch.testing.assert_close(dice(pred, truth, num_classes=3), 2 * expected / (1 + expected), equal_nan=True)


def test_dice_is_a_function_of_iou():
    pred, truth = cells()
    j = iou(pred, truth)
    assert 0 < j.min() < j.max() < 1
    torch.testing.assert_close(dice(pred, truth), 2 * j / (1 + j))


def test_iou_and_dice_agree_with_monai():
    for pred, truth in (cells(), (random_masks(0, 5, 1, 16, 9), random_masks(1, 5, 1, 16, 9))):
        torch.testing.assert_close(iou(pred, truth), monai.metrics.compute_iou(pred, truth)[:, 0])
        torch.testing.assert_close(dice(pred, truth), monai.metrics.compute_dice(pred, truth)[:, 0])


def test_iou_and_dice_of_several_classes_agree_with_monai():
    pred, truth = random_masks(0, 5, 16, 9, num_classes=4), random_masks(1, 5, 16, 9, num_classes=4)
    hot = one_hot(pred, 4), one_hot(truth, 4)
    torch.testing.assert_close(iou(pred, truth, 4), monai.metrics.compute_iou(*hot))
    torch.testing.assert_close(dice(pred, truth, 4), monai.metrics.compute_dice(*hot))


def test_the_mean_of_images_agrees_with_monai_and_torchmetrics():
    pred, truth = cells()
    ours = IoUMetric()(20 * pred - 10, truth)
    monai_metric = monai.metrics.MeanIoU(reduction="mean")
    monai_metric(pred, truth)
    assert ours == pytest.approx(monai_metric.aggregate().item(), rel=1e-6)
    other = torchmetrics.segmentation.MeanIoU(num_classes=1, input_format="one-hot")
    assert ours == pytest.approx(other(pred.long(), truth.long()).item(), rel=1e-6)
    monai_dice = monai.metrics.DiceMetric(reduction="mean")
    monai_dice(pred, truth)
    assert dice(pred, truth).mean().item() == pytest.approx(monai_dice.aggregate().item(), rel=1e-6)


def test_the_mean_iou_of_several_classes_agrees_with_torchmetrics():
    truth = random_masks(1, 5, 16, 9, num_classes=4)
    logits = torch.randn(5, 4, 16, 9, generator=torch.Generator().manual_seed(2))
    pred = logits.argmax(1)
    reference = torchmetrics.segmentation.MeanIoU(num_classes=4, input_format="index")(pred, truth)
    assert IoUMetric()(logits, truth) == pytest.approx(reference.item(), rel=1e-6)
    pooled = torchmetrics.JaccardIndex(task="multiclass", num_classes=4)(pred, truth)
    assert IoUMetric(reduction="pooled")(logits, truth) == pytest.approx(pooled.item(), rel=1e-6)


def test_pooling_counts_pixels_and_the_mean_counts_images():
    logits = 20 * PRED - 10
    assert IoUMetric()(logits, TRUTH) == pytest.approx((3 / 4 + 1 / 3 + 1 + 0) / 4)
    assert IoUMetric(reduction="pooled")(logits, TRUTH) == pytest.approx((3 + 1) / (4 + 3 + 0 + 1))
    reference = torchmetrics.JaccardIndex(task="binary")(PRED, TRUTH.long())
    assert IoUMetric(reduction="pooled")(logits, TRUTH) == pytest.approx(reference.item())


def test_pooling_an_empty_batch_of_masks_is_a_full_success():
    assert IoUMetric(reduction="pooled")(torch.full((2, 1, 4, 4), -9.0), torch.zeros(2, 1, 4, 4)) == 1
    assert IoUMetric()(torch.full((2, 1, 4, 4), -9.0), torch.zeros(2, 1, 4, 4)) == 1


def test_the_metric_is_a_plain_number_without_a_gradient():
    logits = torch.randn(2, 1, 8, 8, requires_grad=True)
    assert type(IoUMetric()(logits, torch.ones(2, 1, 8, 8))) is float
    assert repr(IoUMetric(0.3, "pooled")) == "IoUMetric(threshold=0.3, reduction='pooled')"


def test_the_threshold_is_a_probability():
    logits = torch.logit(torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=torch.float64)).view(1, 1, 1, 4)
    assert predicted_masks(logits, 0.3).flatten().tolist() == [0, 1, 1, 1]
    assert predicted_masks(logits, 0.7).flatten().tolist() == [0, 0, 0, 1]
    assert predicted_masks(torch.zeros(1, 1, 1, 1)).item() == 0  # exactly 0.5 is not greater
    truth = torch.tensor([0.0, 1, 1, 1]).view(1, 1, 1, 4)
    assert [IoUMetric(threshold)(logits, truth) for threshold in (0.3, 0.7)] == pytest.approx([1, 1 / 3])


def test_several_classes_take_the_largest_logit():
    logits = torch.tensor([[[[1.0, 0.0]], [[2.0, -1.0]], [[0.0, -2.0]]]])
    masks = predicted_masks(logits)
    assert masks.tolist() == [[[1, 0]]] and masks.dtype == torch.int64


def square(top: int, left: int, side: int, size: tuple[int, int] = (24, 32)) -> torch.Tensor:
    mask = torch.zeros(1, 1, *size)
    mask[..., top : top + side, left : left + side] = 1
    return mask


def test_boundary_error_by_hand():
    # One pixel against one pixel: the distance itself.
    assert boundary_error(square(3, 4, 1), square(6, 8, 1)).item() == 5
    # A square inside a square one pixel larger on each side: every outer outline pixel is 1 away, but the four
    # corners are sqrt(2) away; every inner one is 1 away. 8x8 has 28 outline pixels, 6x6 has 20.
    expected = (24 * 1 + 4 * math.sqrt(2) + 20 * 1) / 48
    assert boundary_error(square(4, 4, 8), square(5, 5, 6)).item() == pytest.approx(expected)
    assert boundary_error(square(5, 5, 6), square(4, 4, 8)).item() == pytest.approx(expected)


def test_boundary_error_does_not_look_at_the_area():
    ring = square(4, 4, 8)
    ring[..., 5:11, 5:11] = 0
    assert iou(ring, square(4, 4, 8)) < 0.5
    assert boundary_error(ring, square(4, 4, 8)).item() < 1


def test_boundary_error_where_masks_are_empty():
    empty, full = torch.zeros(1, 1, 30, 40), torch.ones(1, 1, 30, 40)
    assert boundary_error(empty, empty).item() == 0
    assert boundary_error(empty, full).item() == boundary_error(full, empty).item() == 50
    batch = boundary_error(torch.cat([empty, empty, full]), torch.cat([empty, full, full]))
    assert batch.tolist() == [0, 50, 0]


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # MONAI 1.6 warns of its own call
@pytest.mark.parametrize("size", [96, (60, 110)])
def test_boundary_error_agrees_with_monai(size):
    pred, truth = cells(size=size)
    reference = monai.metrics.compute_average_surface_distance(pred, truth, include_background=True, symmetric=True)
    assert reference.max() > 1
    torch.testing.assert_close(boundary_error(pred, truth), reference[:, 0])


def labels(*rows: str) -> torch.Tensor:
    return torch.tensor([[int(pixel) for pixel in row] for row in rows])


def test_average_precision_by_hand():
    true = labels("11110222", "11110222", "00000000", "33330000")
    assert average_precision(true, true).tolist() == [1] * 10
    pred = labels("44440550", "44440550", "00000000", "00000066")  # IoU 1, 4/6 and a false alarm; 3 is missed
    assert average_precision(pred, true, (0.5, 0.6, 0.7)).tolist() == pytest.approx([2 / 4, 2 / 4, 1 / 5])
    merged = labels("77777777", "77777777", "00000000", "00000000")  # two cells as one: IoU 8/16 and 6/16
    assert average_precision(merged, true, (0.5,)).tolist() == [0]


def test_average_precision_asks_for_more_than_the_threshold():
    true, halves, most = labels("1111"), labels("1122"), labels("1110")
    assert average_precision(halves, true, (0.5,)).tolist() == [0]  # each half has exactly 0.5, neither is the cell
    assert average_precision(most, true, (0.74, 0.75)).tolist() == [1, 0]


def test_average_precision_where_there_is_nothing():
    empty, one = torch.zeros(4, 4, dtype=torch.int64), torch.eye(4, dtype=torch.int64)
    assert average_precision(empty, empty).tolist() == [1] * 10
    assert average_precision(one, empty).sum() == average_precision(empty, one).sum() == 0
    full = torch.ones(4, 4, dtype=torch.int64)  # no background at all
    assert average_precision(full, full).tolist() == [1] * 10


def test_average_precision_depends_on_no_name():
    dataset = SyntheticCellsDataset(num_samples=2, image_size=64)
    true, pred = dataset.instances(0), dataset.instances(0).roll(1, dims=1)
    renamed = (100 - pred) * (pred > 0)
    assert torch.equal(average_precision(renamed.numpy().astype(np.uint8), true), average_precision(pred, true))


def reference_ap(pred: np.ndarray, true: np.ndarray, threshold: float) -> float:
    """The best one-to-one matching of all, found by an assignment solver on sets of pixels."""

    def pixels(image):
        return [set(np.flatnonzero(image == name).tolist()) for name in sorted(set(image.ravel().tolist()) - {0})]

    pred, true = pixels(pred), pixels(true)
    good = np.array([[len(p & t) / len(p | t) > threshold for t in true] for p in pred]).reshape(len(pred), len(true))
    tp = int(good[linear_sum_assignment(good, maximize=True)].sum())
    return tp / (len(pred) + len(true) - tp)


def test_average_precision_agrees_with_an_optimal_matching():
    dataset = SyntheticCellsDataset(num_samples=12, image_size=64)
    rng = np.random.default_rng(0)
    seen = set()
    for index in range(12):
        true = dataset.instances(index).numpy()
        pred = np.roll(true, rng.integers(-2, 3, 2), axis=(0, 1))
        pred[pred == rng.integers(1, 4)] = 0  # one missed
        pred[pred == rng.integers(4, 7)] = 2  # two merged
        pred[:10, :10] = 99  # one too many
        expected = [reference_ap(pred, true, threshold) for threshold in AP_THRESHOLDS]
        assert average_precision(pred, true).tolist() == pytest.approx(expected)
        seen |= set(expected)
    assert len(seen) > 20


B1 = torch.zeros(2, 1, 4, 6)
B3 = torch.zeros(2, 4, 6, dtype=torch.int64)


@pytest.mark.parametrize("metric", [iou, dice, lambda pred, truth, _: boundary_error(pred, truth)])
@pytest.mark.parametrize(
    "pred, truth, message",
    [
        (None, B1, "pred must be a torch tensor, but got NoneType"),
        (B1, B1.numpy(), "truth must be a torch tensor, but got ndarray"),
        (B1[:, 0], B1, r"pred must have the shape \(B, 1, H, W\) .* \(2, 4, 6\). Add .* with pred\[:, None\]"),
        (
            B1,
            B1[0],
            r"truth must have the shape \(B, 1, H, W\) .*\(1, 4, 6\). .* one image \(1, H, W\), truth\[None\]",
        ),
        (
            B1.expand(2, 3, 4, 6),
            B1,
            r"\(B, 1, H, W\) for one class, but got \(2, 3, 4, 6\). Its channels are equal. Take",
        ),
        (B1[:0], B1[:0], r"one a pixel, but got float32 of shape \(0, 1, 4, 6\).$"),
        (B1.bool(), B1, r"pred must be float32 for one class, but got bool. Convert it with pred.float\(\)"),
        (B1, B1.double(), "truth must be float32 for one class, but got float64"),
        (B1 - 3.5, B1, r"pred must hold 0 and 1, but holds -3.5. Logits .* predicted_masks\(pred\)"),
        (B1, B1 + 255, "truth must hold 0 and 1, but holds 0 and 255. Convert it with "),
        (B1 * math.nan, B1, "pred must hold 0 and 1, but 48 of its values are NaN"),
        (B1, B1[:1], r"pred and truth must have one shape, but got \(2, 1, 4, 6\) and \(1, 1, 4, 6\)"),
    ],
)
def test_masks_of_one_class_that_do_not_fit_are_refused(metric, pred, truth, message):
    with pytest.raises(ValueError, match=message):
        metric(pred, truth, 1)


@pytest.mark.parametrize("metric", [iou, dice])
@pytest.mark.parametrize(
    "pred, truth, num_classes, message",
    [
        (B3, B3[:, None], 3, r"truth must have the shape \(B, H, W\) for 3 classes, .* Drop .* with truth\[:, 0\]"),
        (torch.zeros(2, 3, 4, 6), B3, 3, r"but got \(2, 3, 4, 6\). Logits .* with predicted_masks\(pred\)"),
        (B3[0], B3, 3, r"pred must have the shape \(B, H, W\) for 3 classes, but got \(4, 6\).$"),
        (
            B3.float(),
            B3,
            3,
            r"pred must be int64 class indices for 3 classes, but got float32. Convert it with pred.long\(\)",
        ),
        (
            B3,
            B3 + 3,
            3,
            "truth must hold class indices 0 to 2 for 3 classes, but holds 3.* too. Give every class an index",
        ),
        (B3 - 1, B3, 3, "pred must hold class indices 0 to 2 for 3 classes, but holds -1.* too"),
        (B3, B3, 0, "num_classes must be a whole number of at least 1, but got 0"),
    ],
)
def test_masks_of_several_classes_that_do_not_fit_are_refused(metric, pred, truth, num_classes, message):
    with pytest.raises(ValueError, match=message):
        metric(pred, truth, num_classes)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: IoUMetric(threshold=0), "threshold must be a probability between 0 and 1, both excluded, but got 0"),
        (lambda: IoUMetric(threshold="0.5"), "threshold must be a probability .* but got '0.5'"),
        (lambda: IoUMetric(reduction="mean"), "reduction must be one of 'images', 'pooled', but got 'mean'"),
        (lambda: IoUMetric()(B1, B1[:, 0]), r"masks must have the shape \(2, 1, 4, 6\) for .* but got \(2, 4"),
        (lambda: IoUMetric()(B1, B1[:1]), r"masks must have the shape \(2, 1, 4, 6\) for .* but got \(1, 1, 4, 6\)"),
        (lambda: predicted_masks(B1, 1.0), "threshold must be a probability between 0 and 1, both excluded, but got 1"),
        (lambda: predicted_masks(B1[0]), r"logits must be a floating point .* torch.float32 of shape \(1, 4, 6\)"),
        (lambda: predicted_masks(B1.long()), r"tensor of shape \(B, C, H, W\), but got torch.int64 of shape"),
        (lambda: predicted_masks(None), r"floating point tensor of shape \(B, C, H, W\), but got NoneType. Pass what"),
        (lambda: predicted_masks(B1 * math.nan), "logits must be numbers, but 48 of them are NaN"),
    ],
)
def test_wrong_logits_and_options_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "pred, true, thresholds, message",
    [
        (B3, B3, (0.5,), r"pred must be whole numbers of shape \(H, W\), .* got int64 of shape \(2, 4, 6\)"),
        (B3[0], B1[0, 0], (0.5,), "true must be whole numbers .* got float32 of shape"),
        (B3[0], [[0, 1]], (0.5,), "true must be whole numbers .* one label a pixel, but got list"),
        (B3[0, :0], B3[0], (0.5,), r"pred must be whole numbers .* got int64 of shape \(0, 6\)"),
        (B3[0] - 1, B3[0], (0.5,), "pred must hold labels of at least 0, but holds -1"),
        (B3[0], B3[0, :2], (0.5,), r"both label maps must have one shape, but got \(4, 6\) and \(2, 6\)"),
        (B3[0], B3[0], (0.4, 0.5), r"of at least 0.5 and below 1, but got \(0.4, 0.5\). .* several partners"),
        (B3[0], B3[0], (1.0,), r"thresholds must be IoU values of at least 0.5 and below 1, but got \(1.0,\)"),
        (B3[0], B3[0], (), r"thresholds must be IoU values .* but got \(\)"),
        (B3[0], B3[0], 0.5, r"thresholds must list IoU thresholds, such as \(0.5,\), but got 0.5"),
    ],
)
def test_wrong_instances_and_thresholds_are_refused(pred, true, thresholds, message):
    with pytest.raises(ValueError, match=message):
        average_precision(pred, true, thresholds)


def test_the_threshold_of_the_iou_may_come_with_the_call():
    logits, masks = torch.tensor([[[[-1.0, 1.0]]]]), torch.ones(1, 1, 1, 2)
    metric = IoUMetric()
    assert metric(logits, masks) == metric(logits, masks, threshold=0.5) == 0.5
    assert metric(logits, masks, threshold=0.2) == IoUMetric(threshold=0.2)(logits, masks) == 1
    with pytest.raises(ValueError, match="threshold"):
        metric(logits, masks, threshold=1.5)


def squares() -> np.ndarray:
    """Two squares that touch, one alone, and a gap of three pixels to a fourth."""
    labels = np.zeros((40, 48), dtype=np.int64)
    labels[4:16, 4:16], labels[4:16, 16:28] = 1, 2
    labels[24:36, 4:16], labels[24:36, 19:31] = 3, 9
    return labels


def test_splits_and_merges_are_counted():
    truth = squares()
    cut = np.where((truth == 1) & (np.arange(40)[:, None] < 9), 20, truth)
    assert (scores(cut, truth)["splits"], scores(cut, truth)["merges"]) == (1, 0)
    assert scores(cut, truth)["f1_50"] == pytest.approx(8 / 9), "one part has 7 of the 12 rows, and still counts"
    one = np.where(truth == 2, 1, truth)
    assert (scores(one, truth)["splits"], scores(one, truth)["merges"]) == (0, 1)
    assert scores(one, truth)["dice"] == 1, "the pixels are all right"


def test_scores_agree_with_average_precision():
    truth, found = squares(), squares()
    found[found == 9] = 0
    result = scores(found, truth)
    assert result["ap"] == pytest.approx(3 / 4) and result["f1_50"] == result["f1_75"] == pytest.approx(6 / 7)
    assert result["dice"] == pytest.approx(6 / 7) and result["iou"] == pytest.approx(3 / 4)


def test_means_are_over_pictures_and_errors_are_totals():
    truth = squares()
    merged = np.where(truth == 2, 1, truth)
    result = mean_scores([merged, merged, truth], [truth] * 3)
    assert result["merges"] == 2
    assert result["ap"] == pytest.approx((2 * scores(merged, truth)["ap"] + 1) / 3)


def test_scores_of_what_does_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"both label maps must have one shape, but got \(40, 48\) and \(3, 48\)"):
        scores(squares(), squares()[:3])
    with pytest.raises(ValueError, match="of one length, at least 1, but have 0 and 0"):
        mean_scores([], [])


def test_the_iou_of_a_batch_says_how_many_logits_are_nan():
    logits = torch.zeros(2, 1, 4, 6)
    logits[0, 0, :2] = math.nan
    with pytest.raises(ValueError, match="logits must be numbers, but 12 of them are NaN"):
        IoUMetric()(logits, B1)


def test_a_confusion_matrix_counts_every_pair_and_its_iou_is_ours():
    pred, truth = (random_masks(seed, 3, 20, 30, num_classes=4) for seed in (0, 1))
    matrix = confusion_matrix(pred, truth, 4)
    theirs = [[int(((truth == a) & (pred == b)).sum()) for b in range(4)] for a in range(4)]
    assert matrix.tolist() == theirs and matrix.dtype == torch.int64
    whole = iou(pred.reshape(1, 60, 30), truth.reshape(1, 60, 30), 4)[0]
    assert torch.allclose(class_scores(matrix)["iou"].float(), whole)
    parts = sum(confusion_matrix(p[None], t[None], 4) for p, t in zip(pred, truth, strict=True))
    assert torch.equal(parts, matrix)


def test_what_does_not_count_is_in_no_confusion():
    pred, truth = (random_masks(seed, 1, 8, 8, num_classes=3) for seed in (0, 1))
    void = truth.clone()
    void[:, :3] = 9
    expected = confusion_matrix(pred[:, 3:], truth[:, 3:], 3)
    assert torch.equal(confusion_matrix(pred, void, 3, ignore_index=9), expected)
    assert not confusion_matrix(pred, torch.full_like(truth, 9), 3, ignore_index=9).any()
    with pytest.raises(ValueError, match="truth must hold class indices 0 to 2 for 3 classes, but holds 9 too"):
        confusion_matrix(pred, void, 3)


def test_a_class_that_nothing_was_called_has_no_precision():
    scores_of = class_scores(torch.tensor([[5, 0, 0], [2, 0, 0], [0, 0, 0]]))
    assert scores_of["precision"].isnan().tolist() == [False, True, True]
    assert scores_of["recall"].tolist()[:2] == [1.0, 0.0] and scores_of["recall"][2].isnan()
    assert scores_of["iou"].tolist()[:2] == [5 / 7, 0.0] and scores_of["iou"][2].isnan()


@pytest.mark.parametrize("matrix", [torch.ones(2, 2), torch.ones(2, 3).long(), torch.tensor([[1, -1], [0, 1]])])
def test_what_is_no_confusion_matrix_is_refused(matrix):
    with pytest.raises(ValueError, match="matrix must be whole numbers of at least 0 of shape"):
        class_scores(matrix)
