"""Chapter 18: cross entropy of several classes, a weighted mean, a row and a column, colours that are classes."""

import numpy as np
import torch
import torch.nn.functional as F

from ..metrics import class_scores
from ._calls import call
from ._code import Code, Task
from ._values import Numbers, Reply, show

VOID = 11


def _cross_entropy(logits, masks, void):
    return F.cross_entropy(logits, masks, ignore_index=void)


def _batches():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 4, 5, 6, generator=generator)
    masks = torch.randint(0, 4, (2, 5, 6), generator=generator)
    some = masks.clone()
    some[0, :2], some[1, :, 5] = VOID, VOID
    return [(logits, masks, VOID), (logits, some, VOID), (logits, torch.where(some == VOID, 9, some), 9)]


def _chosen(logits, masks, void, of):
    counted = masks != void
    right = of(logits).gather(1, masks.masked_fill(~counted, 0)[:, None])[:, 0]  # (B, H, W)
    return right, counted


def _over_all_pixels(logits, masks, void):
    right, counted = _chosen(logits, masks, void, lambda z: -F.log_softmax(z, 1))
    return (right * counted).mean()


def _void_as_class_0(logits, masks, void):
    return F.cross_entropy(logits, masks.masked_fill(masks == void, 0))


def _mean_of(of):
    def function(logits, masks, void):
        right, counted = _chosen(logits, masks, void, of)
        return right[counted].mean()

    return function


def _sum(logits, masks, void):
    return F.cross_entropy(logits, masks, ignore_index=void, reduction="sum")


def _log_of_the_mean(logits, masks, void):
    right, counted = _chosen(logits, masks, void, lambda z: z.softmax(1))
    return -right[counted].mean().log()


def _has_a_slope(function):
    logits = torch.zeros(1, 3, 2, 2, requires_grad=True)
    loss = call(function, logits, torch.tensor([[[0, 1], [2, VOID]]]), VOID).value
    if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
        return "No gradient can go back from it: it must stay a function of the logits."
    return None


cross_entropy = Code(
    _cross_entropy,
    _batches,
    [
        (_over_all_pixels, "The sum is divided by all pixels. Divide by the number of those that count."),
        (_void_as_class_0, "The pixels that do not count are counted as class 0. Leave them out."),
        (_mean_of(lambda z: -z.sigmoid().log()), "A sigmoid looks at one class alone. The softmax shares 1 among all."),
        (_mean_of(lambda z: -z.softmax(-1).log()), "The softmax goes over the columns. The classes are axis 1."),
        (_mean_of(lambda z: -z.softmax(0).log()), "The softmax goes over the pictures. The classes are axis 1."),
        (_mean_of(lambda z: z.log_softmax(1)), "The sign is missing: a loss becomes small where things are right."),
        (_mean_of(lambda z: -z.softmax(1)), "The logarithm is missing."),
        (_sum, "That is the sum. Take the mean, over the pixels that count."),
        (_log_of_the_mean, "First the logarithm of every pixel, and then the mean."),
    ],
    (
        "Which axis holds the classes, and which pixels count?",
        "Take log_softmax over axis 1, pick the true class with gather, keep what counts, and take minus the mean.",
    ),
    tests=(_has_a_slope,),
    tolerance=1e-4,
)


def _one_pedestrian():
    cost, weight = np.array([0.1] * 99 + [2.0]), np.array([1.0] * 99 + [50.0])
    return float((cost * weight).sum() / weight.sum())


weighted = Numbers(
    _one_pedestrian,
    [
        ((99 * 0.1 + 50 * 2) / 100, "Divided by the 100 pixels. A weighted mean is divided by the sum of the weights."),
        ((99 * 0.1 + 2) / 100, "That is the mean without weights."),
        (99 * 0.1 + 50 * 2, "That is the weighted sum. Divide it by the sum of the weights."),
        ((0.1 + 50 * 2) / 51, "There are 99 pixels of road."),
        (2 * 50, "That is what the pedestrian alone costs."),
    ],
    (
        "What does each kind of pixel cost in all, and what do the weights add up to?",
        "(99 · 1 · 0.1 + 1 · 50 · 2) / (99 · 1 + 1 · 50).",
    ),
    tolerance=0.005,
)

_MATRIX = ((90, 6, 4), (16, 24, 10), (0, 2, 38))  # the chapter prints the same one


def _of_the_second():
    scores = class_scores(torch.tensor(_MATRIX))
    return tuple(float(scores[name][1]) for name in ("precision", "recall", "iou"))


row_and_column = Numbers(
    _of_the_second,
    [
        ((0.48, 0.75, 24 / 58), "Precision asks the column, what was *called* so; recall the row, what *is* so."),
        ((0.75, 0.48, 24 / 82), "Row and column both hold the 24 right pixels. Count them once in the union."),
        ((0.75, 0.48, 2 * 24 / 82), "That is the Dice. For the IoU, divide by the union."),
        ((24 / 190, 24 / 190, 24 / 190), "Divide by the sum of a row or of a column, not by all pixels."),
    ],
    (
        "The row holds what *is* of the class, the column what was *called* so.",
        "24 are right. The column has 32 pixels, the row has 50. How many are in either?",
    ),
    tolerance=0.005,
)


def _to_classes(rgb, palette):
    classes = np.full(rgb.shape[:2], -1, dtype=np.int64)
    for colour, number in palette.items():
        classes[(rgb == colour).all(axis=-1)] = number
    return classes


def _pictures():
    palette = {(128, 64, 128): 0, (128, 128, 64): 1, (0, 0, 192): 2, (192, 0, 0): 3}
    colours = np.array([*palette, (127, 64, 128), (64, 64, 192)], dtype=np.uint8)
    picture = colours[np.arange(24).reshape(4, 6) % 6]  # (4, 6, 3)
    return [(picture, palette), (picture[:2, :4], palette), (picture, {(0, 0, 192): 7})]


def _nearest(rgb, palette):
    colours = np.array(list(palette), dtype=float)
    distance = np.abs(rgb[:, :, None].astype(float) - colours).sum(-1)
    return np.array(list(palette.values()))[distance.argmin(-1)]


def _by_sum(rgb, palette):
    classes = np.full(rgb.shape[:2], -1)
    for colour, number in palette.items():
        classes[rgb.sum(-1, dtype=int) == sum(colour)] = number
    return classes


def _any_channel(rgb, palette):
    classes = np.full(rgb.shape[:2], -1)
    for colour, number in palette.items():
        classes[(rgb == colour).any(axis=-1)] = number
    return classes


def _unknown_is_0(rgb, palette):
    return np.maximum(_to_classes(rgb, palette), 0)


to_classes = Code(
    _to_classes,
    _pictures,
    [
        (_nearest, "Yours gives every colour to the nearest class, also a colour that no class has."),
        (_by_sum, "Different colours have the same sum. Compare all three channels."),
        (_any_channel, "One equal channel is not enough: all three must be equal."),
        (_unknown_is_0, "A colour that no class has became class 0. It should be -1, so that somebody notices."),
    ],
    (
        "For one colour: which pixels have it, in all three channels?",
        "(rgb == colour).all(axis=-1) says where. Begin with -1 everywhere, and go through the palette.",
    ),
)


def _judged(matrix):
    if not isinstance(matrix, torch.Tensor):
        return Reply("unreadable", show(matrix), "Give the tensor that confusion_matrix returns.")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] < 3:
        return Reply(
            "unreadable", f"a table of shape {tuple(matrix.shape)}", "It should be (C, C), of three classes or more."
        )
    if matrix.dtype != torch.int64 or bool((matrix < 0).any()) or not bool(matrix.any()):
        return Reply("unreadable", f"a table of {matrix.dtype}", "It should count pixels, as confusion_matrix does.")
    true = matrix.sum(1).double()
    for_nothing = float(true.max() / true.sum() / (true > 0).sum())
    reached = float(class_scores(matrix)["iou"].nanmean())
    if reached > for_nothing:  # without its number, which differs from machine to machine
        return Reply("right", f"{len(matrix)} classes, and more than the most frequent one everywhere")
    shown = f"mean IoU {reached:.3f}; always the most frequent class: {for_nothing:.3f}"
    words = "No better than one class everywhere. Are rows the truth, and has the network learned at all?"
    return Reply("known", shown, words)


def _learned():
    return torch.tensor([[50, 5, 0], [6, 20, 4], [1, 4, 10]])


sections = Task(
    _judged,
    (
        "What is asked for is the confusion matrix of pictures that were not learned from.",
        "Set num_classes to that of the pictures and leave ignore_index out. The rest is as it is above.",
    ),
    _learned,
)
