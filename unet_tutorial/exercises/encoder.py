"""Chapter 4: pooling by hand, the map that goes down, what is forgotten, a pooling, and the encoder."""

import torch
import torch.nn.functional as F
from torch import nn

from ..blocks import DoubleConv
from ..unet import Encoder
from ._code import Code
from ._values import Numbers
from .pieces import Piece


def _pooled():
    small = torch.tensor([[-1.0, -3, 5, 5], [-2, -4, 5, 6], [0, 9, 7, 1], [8, 2, 3, 4]])
    return F.max_pool2d(small[None, None], 2).flatten().tolist()


pool = Numbers(
    _pooled,
    [
        (
            (0, 6, 9, 7),
            "Nothing here makes negative numbers 0: that would be a ReLU. The "
            "largest of four negative numbers is negative.",
        ),
        ((-4, 5, 0, 1), "That is the smallest of each window."),
        ((-2.5, 5.25, 4.75, 3.75), "That is the mean of each window."),
        ((-1, 9, 6, 7), "Row by row: the second number is the upper right window."),
        ((-4, 6, 9, 7), "-4 is the smallest of its window. Which of -1, -3, -2, -4 is the largest?"),
    ],
    ("Cut the map into four windows of 2×2.", "The largest of four negative numbers is negative too."),
)

down = Numbers(
    lambda: tuple(Encoder(1, (32, 64, 128))(torch.zeros(2, 1, 100, 150))[0].shape),
    [
        ((2, 128, 25, 37), "That is the last skip connection: it is kept before the third pooling."),
        ((2, 128, 12.5, 18.75), "Half a pixel does not exist: an odd side is rounded down each time."),
        ((2, 128, 13, 19), "An odd side is rounded down, not up."),
        ((2, 128, 13, 18), "An odd side is rounded down, not up."),
        ((2, 128, 6, 9), "Three stages, three poolings."),
        ((128, 12, 18), "The batch of 2 comes out as it went in."),
        ((2, 128, 18, 12), "Height first, then width."),
    ],
    ("How many poolings does it pass?", "Three poolings, each rounded down."),
)


def _same_pooled():
    bits = torch.arange(2**16)[:, None] >> torch.arange(16) & 1  # (65536, 16): every picture once
    pooled = F.max_pool2d(bits.float().view(-1, 1, 4, 4), 2)  # (65536, 1, 2, 2)
    return int((pooled.flatten(1) == 1).all(dim=1).sum())


forgotten = Numbers(
    _same_pooled,
    [
        (1, "One picture is all white, and it is among them. Others become the same."),
        (4**4, "That counts windows with exactly one 1. There may be more."),
        (15, "That is one window. There are four, and each is filled as it likes."),
        (4 * 15, "Four windows, each in 15 ways: they multiply, since any filling goes with any other."),
        (2**16 - 1, "A picture with one black window gives a 0 there. All four windows must hold a 1."),
        (16**4, "That is all pictures. In how many of the 16 ways does a window give no 1?"),
    ],
    (
        "Begin with one window of four pixels.",
        "In how many ways can one window have at least one 1? The four windows are independent.",
    ),
)


def _max_pool(image):
    return F.max_pool2d(image[None, None], 2)[0, 0]


def _maps():
    features = torch.tensor([[1.0, 3, 0, 2], [4, 2, 1, 0], [0, 5, 7, 6], [2, 1, 8, 3]])
    return [(features,), (torch.arange(35.0).reshape(5, 7),), (-torch.arange(1.0, 13).reshape(4, 3),)]


def _stacked(image):
    height, width = image.shape
    image = image[: height // 2 * 2, : width // 2 * 2]
    return torch.stack([image[i::2, j::2] for i in (0, 1) for j in (0, 1)])


max_pool = Code(
    _max_pool,
    _maps,
    [
        (
            lambda image: F.max_pool2d(image[None, None], 2, ceil_mode=True)[0, 0],
            "A row or column without a partner is left out: odd sides are rounded down.",
        ),
        (lambda image: _stacked(image).mean(0), "That is the mean of each window."),
        (
            lambda image: F.max_pool2d(image[None, None], 2, stride=1)[0, 0],
            "The windows overlap. Each begins two pixels after the one before.",
        ),
        (
            lambda image: image[: image.shape[0] // 2 * 2 : 2, : image.shape[1] // 2 * 2 : 2],
            "That takes the upper left pixel of every window, not the largest.",
        ),
        (
            lambda image: _stacked(image).max(0).values.clamp(min=0),
            "The largest of four negative numbers is negative: do not begin with 0.",
        ),
    ],
    (
        "Four pixels of each window have to be compared. Where are they?",
        "image[0::2, 0::2] is the upper left of every window, once the sides are even.",
    ),
)


class _Faulty(nn.Module):
    """An encoder with a fault by name."""

    def __init__(self, in_channels, channels, fault):
        super().__init__()
        before = [in_channels, *channels[:-1]]
        self.stages = nn.ModuleList(DoubleConv(a, b) for a, b in zip(before, channels, strict=True))
        self.fault = fault

    def forward(self, x):
        skips = []
        for number, stage in enumerate(self.stages, 1):
            x = stage(x)
            kept = x
            if self.fault == "mean":
                x = F.avg_pool2d(x, 2)
            elif self.fault != "no pooling" and not (self.fault == "last" and number == len(self.stages)):
                x = F.max_pool2d(x, 2)
            skips.append(x if self.fault == "after" else kept)
        return (x, skips[::-1]) if self.fault == "reversed" else (x, skips)


def _with(fault):
    return lambda in_channels, channels: _Faulty(in_channels, channels, fault)


write = Piece(
    Encoder,
    (3, (4, 8, 16)),
    lambda: [(torch.randn(2, 3, 32, 24),), (torch.randn(2, 3, 45, 31),)],
    [
        (
            _with("after"),
            "The skip connections are kept after the pooling. They must be "
            "kept before, while the position is still exact.",
        ),
        (_with("reversed"), "The list of skip connections begins with the coarsest. The finest comes first."),
        (_with("no pooling"), "The pooling is missing after each stage."),
        (
            _with("last"),
            "After the last stage comes a pooling, too: what goes down to the "
            "bottleneck is smaller than every skip connection.",
        ),
        (_with("mean"), "It pools with the mean. U-Net takes the largest of four."),
    ],
    (
        "One loop: a stage, keep, pool.",
        "Make the stages in __init__ with nn.ModuleList; in forward append to "
        "skips before F.max_pool2d(x, 2), and return x, skips.",
    ),
)
