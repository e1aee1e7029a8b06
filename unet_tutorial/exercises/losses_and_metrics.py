"""Chapter 11: the best constant answer, a paper's numbers, a Dice loss of the full pictures, two means far apart."""

import torch

from .. import metrics
from ..data.synthetic import SyntheticCircleDataset
from ..losses import bce_loss, dice_loss
from ._calls import as_tensor, call
from ._code import Code, Task
from ._values import Numbers, Reply, show


def _best_constant():
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    mask[..., :4, :4] = 1  # a quarter
    candidates = torch.linspace(-5, 5, 1001, dtype=torch.float64).tolist()  # try them all
    return min(candidates, key=lambda c: bce_loss(torch.full_like(mask, c), mask.float()).item())


best_constant = Numbers(
    _best_constant,
    [
        (0.25, "That is the best *probability*. Which logit has it? The sigmoid turns logits into probabilities."),
        (-1.386, "That is log(p). The logit is log(p / (1 - p))."),
        (1.0986, "A positive logit says more than one half. The object has a quarter of the pixels."),
        (-0.477, "That is with the logarithm to base 10. The sigmoid is made of the natural one."),
        (0, "A logit of 0 says one half everywhere. The object has less."),
    ],
    (
        "With one p for all pixels, the slope of the loss is the mean of p - m. For which p is that 0?",
        "p is the share of the object, and its logit is log(p / (1 - p)).",
    ),
    tolerance=0.02,
)


def _iou_of_the_first():
    one, other = torch.ones(1, 1, 1, 11), torch.ones(1, 1, 1, 11)
    one[..., 0], other[..., 10] = 0, 0  # 10 pixels each, 9 in common: a Dice of 0.9
    return metrics.iou(one, other).item()


read_a_paper = Numbers(
    _iou_of_the_first,
    [
        (0.81, "That is 0.9 squared, which comes near, but the two are related by D = 2J / (1 + J)."),
        (2 * 0.9 / 1.9, "That is the Dice of somebody with an IoU of 0.9: the other direction."),
        (0.9, "Dice and IoU of the same prediction differ, except at 0 and 1. The IoU is the smaller one."),
        (0.83, "That is the other paper's."),
        (81.8, "As a percentage, yes. Write it as a number from 0 to 1."),
        (82, "As a percentage, yes. Write it as a number from 0 to 1."),
    ],
    ("Which of the two numbers of one prediction is the larger, Dice or IoU?", "Solve D = 2J / (1 + J) for J."),
    tolerance=0.006,
)


def _dice_of_the_full(logits, masks):
    full = masks.flatten(1).any(1)
    if not full.any():
        return 0 * logits.sum()
    return dice_loss(logits[full], masks[full])


def _batches():
    data = SyntheticCircleDataset(num_samples=4, image_size=32)
    masks = torch.stack([data[i][1] for i in range(4)])  # (4, 1, 32, 32)
    some = masks * torch.tensor([1.0, 0, 0, 1])[:, None, None, None]  # two of the four masks are empty
    logits = 3 * masks - 1 + 0.5 * torch.linspace(-1, 1, 32)
    return [(logits, masks), (logits, some), (logits, torch.zeros_like(masks))]


def _goes_back(function):
    logits = torch.zeros(2, 1, 4, 4, requires_grad=True)
    for masks in (torch.ones(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)):
        loss = call(function, logits, masks).value
        if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
            which = "where a mask holds something" if masks.any() else "where all masks are empty"
            return f"No gradient can go back from it {which}: it must stay a function of the logits."
    return None


dice_of_the_full = Code(
    _dice_of_the_full,
    _batches,
    [
        (lambda z, m: dice_loss(z, m), "The empty pictures are still in the mean."),
        (lambda z, m: 1 - _dice_of_the_full(z, m), "That is the score. The loss is 1 minus the score."),
        (
            lambda z, m: _dice_of_the_full(z, m) * m.flatten(1).any(1).float().mean(),
            "The sum is divided by the number of all pictures, not by that of the full ones.",
        ),
        (
            lambda z, m: (
                dice_loss(z[m.flatten(1).any(1)], m[m.flatten(1).any(1)], per_image=False) if m.any() else 0 * z.sum()
            ),
            "The pictures are pooled: first the Dice of each picture, then the mean.",
        ),
    ],
    (
        "Which pictures are full? Choose them before you call the Dice loss.",
        "masks.flatten(1).any(1) is True for them: index logits and masks with it.",
    ),
    tests=(_goes_back,),
    tolerance=1e-4,
)


def _pooled(pred, true):
    common, union = (pred * true).sum(), ((pred + true) > 0).sum()
    return float(common / union)


def _far_apart():
    true = torch.zeros(10, 1, 64, 64)
    true[:, :, 0, 0] = 1  # nine objects of a single pixel, all of them missed
    true[0] = 1  # and one that fills its picture, found perfectly
    pred = torch.zeros_like(true)
    pred[0] = 1
    return pred, true


def _is_far_apart(function):
    if not callable(function):
        return Reply("unreadable", show(function), "A function is asked for: give its name, without brackets.")
    outcome = call(function)
    if outcome.missing:
        return Reply("missing", "your function returns None")
    if outcome.failed:
        return Reply("unknown", f"your function {outcome.failed}")
    try:
        pred, true = (as_tensor(part) for part in outcome.value)
        pred, true = (part[:, None] if part.ndim == 3 else part for part in (pred, true))
    except (TypeError, ValueError, RuntimeError):
        return Reply(
            "unreadable",
            f"your function returns {show(outcome.value)}",
            "Two sets of masks are asked for: predictions, true masks.",
        )
    if pred.shape != (10, 1, 64, 64) or true.shape != pred.shape:
        words = "Both must have the shape (10, 1, 64, 64)."
        return Reply("unreadable", f"your masks have the shapes {tuple(pred.shape)} and {tuple(true.shape)}", words)
    if not all(((part == 0) | (part == 1)).all() for part in (pred, true)):
        return Reply("known", "your masks hold other values than 0 and 1", "Masks hold 0 and 1.")
    if not true.flatten(1).any(1).all():
        return Reply("known", "one of your true masks is empty", "Each of the ten must hold an object.")
    pooled, mean = _pooled(pred, true), float(metrics.iou(pred, true).mean())
    shown = f"pooled {pooled:.3f}, mean of the pictures {mean:.3f}"
    if pooled - mean >= 0.89:
        return Reply("right", shown)
    if mean - pooled >= 0.5:
        return Reply("known", shown, "The other way round: the pooled one is to be the larger one.")
    return Reply("unknown", shown)


def _far_apart_function():
    return _far_apart


far_apart = Task(
    _is_far_apart,
    (
        "Nine pictures may fail completely.",
        "How large should the objects be that fail, and how large the one that is found?",
    ),
    _far_apart_function,
)
