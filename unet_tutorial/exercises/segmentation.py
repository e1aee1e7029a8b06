"""Chapter 1: IoU by hand, a mask from a file, a picture for which Otsu fails, and Otsu's method."""

import numpy as np
import skimage.data
import torch
import torch.nn.functional as F
from skimage import filters

from .. import metrics
from ..data.masks import from_gray, resize_mask
from ..data.synthetic import SyntheticCircleDataset
from ._calls import as_tensor
from ._code import Code, Task
from ._values import Numbers, Reply, show


def _overlap():
    p, t = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    p[..., 1:5, 1:5], t[..., 3:7, 3:7] = 1, 1
    return metrics.iou(p, t).item()


iou = Numbers(
    _overlap,
    [
        (4 / 32, "The union is too large: 16 + 16 counts the common pixels twice."),
        (4 / 16, "That divides by one of the two masks. The union holds the pixels of both."),
        (9 / 23, "Rows 1 to 4 and rows 3 to 6 have two rows in common, not three."),
        (4, "That is the intersection, in pixels. The IoU is a share."),
        (28, "That is the union, in pixels. The IoU is a share."),
        (14, "As a percentage, yes. The IoU is a number from 0 to 1."),
        (14.3, "As a percentage, yes. The IoU is a number from 0 to 1."),
    ],
    ("How many pixels are in both, and how many in at least one?", "The union counts the common pixels once."),
    tolerance=0.005,
)


def _repair(array, size):
    inside = torch.from_numpy(array > 0).float()[None, None]  # (1, 1, H, W)
    return F.interpolate(inside, size=size, mode="nearest-exact")[0]  # (1, height, width)


def _resized(array, size, mode, divided=True):
    values = torch.from_numpy(array).float()[None, None] / (255 if divided else 1)
    return F.interpolate(values, size=size, mode=mode)[0]


def _masks():
    _, mask = SyntheticCircleDataset(num_samples=24, split="test")[9]
    stored = (mask[0] * 255).to(torch.uint8).numpy()  # (128, 128), as a PNG file holds it
    return [(stored, (64, 64)), (stored[:, :100], (50, 25)), (stored[:40], (60, 128))]


repair = Code(
    _repair,
    _masks,
    [
        (lambda a, size: resize_mask(from_gray(a), size)[0], "The axis of the channel is missing: (1, H, W)."),
        (
            lambda a, size: _resized(a, size, "nearest"),
            "mode='nearest' takes its pixels half a pixel too far to the upper "
            "left. 'nearest-exact' does not, nor does resize_mask.",
        ),
        (lambda a, size: _resized(a, size, "nearest-exact", False), "The values are still 0 and 255."),
        (
            lambda a, size: _resized(a, size, "bilinear"),
            "Between 0 and 1 there are values now that are neither. A mask is resized without blending.",
        ),
        (lambda a, size: from_gray(a), "The mask keeps the contract, but not the size that was asked for."),
    ],
    (
        "First the values, then the size.",
        "Two functions of the package, one after the other: from_gray and resize_mask.",
    ),
    exact_dtype=True,
)


def _rescued():
    noisy = SyntheticCircleDataset(num_samples=24, split="test")[11][0]
    smooth = filters.gaussian(noisy[0].numpy(), 1)
    return (smooth > filters.threshold_otsu(smooth))[None]  # (1, 128, 128)


def _is_rescued(answer):
    if not hasattr(answer, "shape") or not getattr(answer, "ndim", 0):
        words = "A mask is asked for: one value for each pixel, such as picture > threshold."
        return Reply("known", show(answer), words)
    mask = as_tensor(answer)
    mask = mask[None] if mask.ndim == 2 else mask
    if mask.shape != (1, 128, 128):
        return Reply("unreadable", show(answer), "The mask must have the shape of noisy, (1, 128, 128).")
    if not ((mask == 0) | (mask == 1)).all():
        words = "A mask holds 0 and 1, or False and True. Is a threshold still to come?"
        return Reply("known", f"values from {float(mask.min()):.3g} to {float(mask.max()):.3g}", words)
    noisy, truth = SyntheticCircleDataset(num_samples=24, split="test")[11]
    reached = metrics.iou(mask[None], truth[None]).item()
    shown = f"IoU {reached:.3f}"
    if torch.equal(mask, truth):
        return Reply("known", shown, "That is the truth itself. Make the mask from noisy alone.")
    if reached > 0.95:
        return Reply("right", shown)
    alone = noisy > float(filters.threshold_otsu(noisy[0].numpy()))
    if torch.equal(mask, alone.float()):
        return Reply("known", shown, "That is Otsu alone. What could you do to the picture first?")
    return Reply("unknown", shown)


rescue_otsu = Task(
    _is_rescued,
    (
        "Look at the noise: it fills the valley of the histogram.",
        "A mild blur, such as filters.gaussian(picture, 1), then Otsu again.",
    ),
    _rescued,
)


def _threshold(image):
    return int(filters.threshold_otsu(np.asarray(image)))


def _searched(image, *, weighted=True, below=False):
    image, scores = np.asarray(image), []
    for t in range(256):
        low = image < t if below else image <= t
        a, b = image[low], image[~low]
        if not a.size or not b.size:
            scores.append(-1.0)
            continue
        weight = a.size * b.size / image.size**2 if weighted else 1.0
        scores.append(weight * (a.mean() - b.mean()) ** 2)
    return int(np.argmax(scores))


def _pictures():
    image = SyntheticCircleDataset(num_samples=24, split="test")[9][0]
    return [(skimage.data.coins(),), (skimage.data.camera(),), ((image[0] * 255).byte().numpy(),)]


otsu = Code(
    _threshold,
    _pictures,
    [
        (
            lambda image: _searched(image, below=True),
            "One too large: values *up to* t are the darker group, so t itself belongs to it.",
        ),
        (
            lambda image: _searched(image, weighted=False),
            "The weights of the two groups are missing. Without them a group of a few pixels wins.",
        ),
    ],
    (
        "Try every t, and keep the best.",
        "Try t from 0 to 254: image[image <= t] and image[image > t] are the two groups.",
    ),
)
