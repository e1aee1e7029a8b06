"""The losses against known numbers, against MONAI (values and gradients), and against wrong input."""

import math

import monai.losses
import pytest
import torch
from torch.nn.functional import softplus
from torch.utils._python_dispatch import TorchDispatchMode

from unet_tutorial.losses import (
    CombinedLoss,
    DiceLoss,
    FocalLoss,
    TverskyLoss,
    bce_loss,
    dice_loss,
    focal_loss,
    tversky_loss,
    weighted_cross_entropy,
)

FUNCTIONS = (bce_loss, dice_loss, focal_loss, tversky_loss)
ALL = pytest.mark.parametrize("loss", [*FUNCTIONS, CombinedLoss()], ids=lambda loss: getattr(loss, "__name__", "both"))


def one_class(dtype=torch.float64, size=9) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(3, 1, size, size + 2, generator=generator, dtype=dtype)
    return logits.requires_grad_(), (torch.rand(3, 1, size, size + 2, generator=generator) > 0.7).float()


def four_classes(dtype=torch.float64, size=9) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(3, 4, size, size + 2, generator=generator, dtype=dtype)
    return logits.requires_grad_(), torch.randint(0, 4, (3, size, size + 2), generator=generator)


def assert_same_value_and_gradient(ours: torch.Tensor, theirs: torch.Tensor, logits: torch.Tensor) -> None:
    # MONAI's focal loss computes in float32 whatever comes, so that is the precision to agree in.
    close = {"rtol": 1e-5, "atol": 1e-7}
    torch.testing.assert_close(ours, theirs.double(), **close)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (ours, theirs)]
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(*gradients, **close)


def test_a_small_square_costs_little_bce_and_much_dice():
    masks = torch.zeros(1, 1, 64, 64)
    masks[..., 30:34, 30:34] = 1
    logits = torch.full((1, 1, 64, 64), -2.0)
    p = 1 / (1 + math.exp(2))
    bce, dice = bce_loss(logits, masks).item(), dice_loss(logits, masks).item()
    assert bce == pytest.approx(-(16 * math.log(p) + 4080 * math.log(1 - p)) / 4096, rel=1e-5)
    assert dice == pytest.approx(1 - 2 * 16 * p / (4096 * p + 16), rel=1e-5)
    assert (round(bce, 3), round(dice, 3)) == (0.135, 0.992)


def test_an_empty_mask_costs_nearly_one_dice_unless_smooth_is_large():
    logits, masks = torch.full((1, 1, 8, 8), -10.0), torch.zeros(1, 1, 8, 8)
    p = 1 / (1 + math.exp(10))
    assert round(dice_loss(logits, masks, smooth=1e-6).item(), 4) == 0.9997
    assert dice_loss(logits, masks, smooth=1.0).item() == pytest.approx(1 - 1 / (64 * p + 1), rel=1e-4)


def test_bce_is_minus_the_log_of_the_truths_probability():
    logits, masks = one_class()
    cost = masks * softplus(-logits) + (1 - masks) * softplus(logits)
    assert_same_value_and_gradient(bce_loss(logits, masks), cost.mean(), logits)
    gradient = torch.autograd.grad(bce_loss(logits, masks), logits)[0]
    torch.testing.assert_close(gradient, (torch.sigmoid(logits) - masks) / masks.numel())  # the textbook's slope


def test_cross_entropy_is_minus_the_log_of_the_truths_probability():
    logits, masks = four_classes()
    truth = logits.gather(1, masks[:, None])[:, 0]
    assert_same_value_and_gradient(bce_loss(logits, masks), (logits.logsumexp(1) - truth).mean(), logits)


@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize("smooth", [1e-6, 1.0])
def test_dice_agrees_with_monai(smooth, per_image):
    options = {"smooth_nr": smooth, "smooth_dr": smooth, "batch": not per_image}
    logits, masks = one_class()
    reference = monai.losses.DiceLoss(sigmoid=True, **options)(logits, masks)
    assert_same_value_and_gradient(dice_loss(logits, masks, smooth, per_image), reference, logits)
    logits, masks = four_classes()
    reference = monai.losses.DiceLoss(softmax=True, to_onehot_y=True, **options)(logits, masks[:, None])
    assert_same_value_and_gradient(dice_loss(logits, masks, smooth, per_image), reference, logits)


@pytest.mark.parametrize("gamma", [0, 0.5, 2.0])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_agrees_with_monai_for_one_class(gamma, alpha):
    logits, masks = one_class()
    reference = monai.losses.FocalLoss(gamma=gamma, alpha=alpha)(logits, masks)
    assert_same_value_and_gradient(focal_loss(logits, masks, gamma, alpha), reference, logits)


@pytest.mark.parametrize("gamma", [0, 0.5, 2.0])
def test_focal_agrees_with_monai_for_several_classes(gamma):
    logits, masks = four_classes()
    pixel_costs = monai.losses.FocalLoss(gamma=gamma, use_softmax=True, to_onehot_y=True, reduction="none")
    reference = pixel_costs(logits, masks[:, None]).sum(1).mean()  # MONAI's own mean also divides by the classes
    assert_same_value_and_gradient(focal_loss(logits, masks, gamma), reference, logits)


def test_focal_with_gamma_zero_is_the_cross_entropy():
    for logits, masks in (one_class(), four_classes()):
        torch.testing.assert_close(focal_loss(logits, masks, gamma=0), bce_loss(logits, masks))


@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize("alpha, beta", [(0.3, 0.7), (1.0, 0.0)])
def test_tversky_agrees_with_monai(alpha, beta, per_image):
    options = {"alpha": alpha, "beta": beta, "smooth_nr": 0.1, "smooth_dr": 0.1, "batch": not per_image}
    logits, masks = one_class()
    reference = monai.losses.TverskyLoss(sigmoid=True, **options)(logits, masks)
    assert_same_value_and_gradient(tversky_loss(logits, masks, alpha, beta, 0.1, per_image), reference, logits)
    logits, masks = four_classes()
    reference = monai.losses.TverskyLoss(softmax=True, to_onehot_y=True, **options)(logits, masks[:, None])
    assert_same_value_and_gradient(tversky_loss(logits, masks, alpha, beta, 0.1, per_image), reference, logits)


def test_tversky_with_equal_prices_is_dice():
    for logits, masks in (one_class(), four_classes()):
        tversky = tversky_loss(logits, masks, alpha=0.5, beta=0.5, smooth=0.5)
        torch.testing.assert_close(tversky, dice_loss(logits, masks, smooth=1.0))


@ALL
@pytest.mark.parametrize("sample", [one_class, four_classes])
def test_gradients_agree_with_finite_differences(loss, sample):
    logits, masks = sample(size=3)
    assert torch.autograd.gradcheck(lambda x: loss(x, masks), (logits,))


def test_modules_compute_what_the_functions_compute():
    logits, masks = one_class()
    pairs = [
        (DiceLoss(smooth=0.5, per_image=False), dice_loss(logits, masks, 0.5, per_image=False)),
        (FocalLoss(gamma=1.5, alpha=0.3), focal_loss(logits, masks, 1.5, 0.3)),
        (TverskyLoss(0.2, 0.9, smooth=0.5, per_image=False), tversky_loss(logits, masks, 0.2, 0.9, 0.5, False)),
        (
            CombinedLoss(0.2, 0.9, smooth=0.5),
            0.2 * bce_loss(logits, masks) + 0.9 * dice_loss(logits, masks, smooth=0.5),
        ),
    ]
    for module, value in pairs:
        assert torch.equal(module(logits, masks), value)


@ALL
@pytest.mark.parametrize("confidence", [1e2, 1e4])
def test_certain_logits_keep_loss_and_gradient_finite(loss, confidence):
    masks = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])
    logits = torch.tensor([[[[-1.0, 1.0], [1.0, -1.0]]]]).mul(confidence).requires_grad_()
    loss(logits, masks).backward()
    assert logits.grad.isfinite().all()
    classes = torch.cat([torch.zeros_like(logits), logits], dim=1).detach().requires_grad_()
    loss(classes, masks[:, 0].long()).backward()
    assert classes.grad.isfinite().all()


def test_focal_keeps_a_finite_slope_below_gamma_one():
    logits = torch.full((1, 1, 2, 2), 200.0, requires_grad=True)
    focal_loss(logits, torch.ones(1, 1, 2, 2), gamma=0.5).backward()
    assert logits.grad.isfinite().all()


@ALL
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(loss, dtype):
    # 512 * 512 probabilities of 1 add up to 262,144; float16 ends at 65,504.
    logits, masks = torch.full((1, 1, 512, 512), 8.0, dtype=dtype), torch.ones(1, 1, 512, 512)
    value = loss(logits, masks)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(logits.float(), masks))


L1, M1 = torch.zeros(2, 1, 4, 6), torch.zeros(2, 1, 4, 6)
L3, M3 = torch.zeros(2, 3, 4, 6), torch.zeros(2, 4, 6, dtype=torch.int64)


@ALL
@pytest.mark.parametrize(
    "logits, masks, message",
    [
        (None, M1, "logits must be a floating point tensor .* but got NoneType"),
        (L1, M1.numpy(), "masks must be a torch tensor, but got ndarray"),
        (L1[0], M1[0], r"floating point tensor of shape \(B, C, H, W\), but got torch.float32 of shape \(1, 4, 6\)"),
        (L1.long(), M1, "logits must be a floating point tensor .* but got torch.int64"),
        (L1[:0], M1[:0], r"logits must be a floating point tensor .* of shape \(0, 1, 4, 6\)"),
        (L1, M1[:, 0], r"shape \(2, 1, 4, 6\) .* but got \(2, 4, 6\). Add the channel axis with masks\[:, None\]"),
        (L1, M1[:1], r"masks must have the shape \(2, 1, 4, 6\) .* but got \(1, 1, 4, 6\).$"),
        (L1, M1[..., :3], r"masks must have the shape \(2, 1, 4, 6\) .* but got \(2, 1, 4, 3\).$"),
        (L1, M1.bool(), r"masks must be float32 for one class, but got bool. .* masks.float\(\)"),
        (L1, M1.double(), "masks must be float32 for one class, but got float64"),
        (L1, M1 + 255, "masks must hold 0 and 1, but holds 0 and 255. Convert it with "),
        (L1, M1 + 0.5, "masks must hold 0 and 1, but holds 0.5. Was it resized with interpolation"),
        (L1, M1 * float("nan"), "masks must hold 0 and 1, but 48 of its values are NaN"),
        (L3, M3[:, None], r"\(2, 4, 6\) .* but got \(2, 1, 4, 6\). Drop the channel axis with masks\[:, 0\]"),
        (
            L3,
            L3,
            r"masks must have the shape \(2, 4, 6\) for .*, but got \(2, 3, 4, 6\). Logits .*argmax",
        ),
        (L3, M3.float(), r"int64 class indices for 3 classes, but got float32. .* masks.long\(\)"),
        (L3, M3.int(), "masks must be int64 class indices for 3 classes, but got int32"),
        (L3, M3 + 3, "masks must hold class indices 0 to 2 for 3 classes, but holds 3 too"),
        (L3, M3 - 1, "masks must hold class indices 0 to 2 for 3 classes, but holds -1 too"),
    ],
)
def test_masks_that_do_not_fit_are_refused(loss, logits, masks, message):
    with pytest.raises(ValueError, match=message):
        loss(logits, masks)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: dice_loss(L1, M1, smooth=0), "smooth must be a number greater than 0, but got 0"),
        (lambda: DiceLoss(smooth=-1.0), "smooth must be a number greater than 0, but got -1.0"),
        (lambda: tversky_loss(L1, M1, smooth=math.nan), "smooth must be a number greater than 0, but got nan"),
        (lambda: tversky_loss(L1, M1, alpha=-0.1), "alpha must be a number of at least 0, but got -0.1"),
        (lambda: TverskyLoss(beta="0.7"), "beta must be a number of at least 0, but got '0.7'"),
        (lambda: focal_loss(L1, M1, gamma=-1), "gamma must be a number of at least 0, but got -1"),
        (lambda: FocalLoss(gamma=None), "gamma must be a number of at least 0, but got None"),
        (lambda: FocalLoss(alpha=-0.5), "alpha must be a number of at least 0, but got -0.5"),
        (lambda: focal_loss(L1, M1, alpha=1.5), "alpha must lie between 0 and 1, but got 1.5"),
        (lambda: FocalLoss(alpha=1.5), "alpha must lie between 0 and 1, but got 1.5"),
        (lambda: focal_loss(L3, M3, alpha=0.25), "alpha weighs one class .* the logits have 3 channels. Leave it out"),
        (lambda: CombinedLoss(bce_weight=-1), "bce_weight must be a number of at least 0, but got -1"),
        (lambda: CombinedLoss(dice_weight=True), "dice_weight must be a number of at least 0, but got True"),
        (lambda: CombinedLoss(0, 0.0), "bce_weight and dice_weight must not both be 0"),
        (lambda: CombinedLoss(smooth=math.inf), "smooth must be a number greater than 0, but got inf"),
    ],
)
def test_wrong_options_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_equal_weights_are_the_plain_cross_entropy_and_zero_weights_hide_a_pixel():
    torch.manual_seed(0)
    logits, masks = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
    ones = torch.ones(2, 8, 8)
    assert weighted_cross_entropy(logits, masks, 4 * ones).item() == pytest.approx(bce_loss(logits, masks).item())
    ones[:, :4] = 0
    half = bce_loss(logits[:, :, 4:], masks[:, 4:]).item()
    assert weighted_cross_entropy(logits, masks, ones).item() == pytest.approx(half)
    L1, M1 = one_class()
    assert torch.equal(weighted_cross_entropy(L1, M1, torch.ones(M1.shape)), bce_loss(L1, M1)), "one class, too"


@pytest.mark.parametrize(
    "weights, message",
    [
        (None, "weights must be a torch tensor, but got NoneType"),
        (torch.ones(4, 6), r"weights must be floating point of the masks' shape \(2, 4, 6\), but got .* \(4, 6\)"),
        (torch.ones(2, 4, 6).long(), "weights must be floating point .* but got torch.int64"),
        (torch.full((2, 4, 6), -1.0), "weights must be at least 0, .* but lie from -1 to -1"),
        (torch.full((2, 4, 6), math.nan), "weights must be at least 0, .* but lie from nan to nan"),
        (torch.zeros(2, 4, 6), "one of them more, but lie from 0 to 0. Leave a pixel out with the weight 0"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        weighted_cross_entropy(L3, M3, weights)


class Readings(TorchDispatchMode):
    """Count the values of tensors that Python reads: on a GPU, each waits for all the work before it."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.equal.default)
        return function(*args, **(kwargs or {}))


@ALL
@pytest.mark.parametrize("classes", [one_class, four_classes])
def test_a_loss_reads_one_value(loss, classes):
    logits, masks = classes()
    with Readings() as readings:
        loss(logits, masks)
    assert readings.count == 1


def test_a_millionth_of_a_pixel_smooths_if_nothing_else_is_said():
    logits, masks = one_class()
    for loss in (dice_loss, tversky_loss):
        assert loss(logits, 0 * masks) == loss(logits, 0 * masks, smooth=1e-6) != loss(logits, 0 * masks, smooth=1.0)
