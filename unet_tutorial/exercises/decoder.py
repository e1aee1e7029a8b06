"""Chapter 6: transposed convolutions by hand, a kernel without a checkerboard, a join, and the block of the decoder."""

import torch
import torch.nn.functional as F
from torch import nn

from ..blocks import DoubleConv
from ..unet import DecoderBlock
from ._calls import as_tensor, difference
from ._code import Code, Task
from ._values import Numbers, Reply, show
from .pieces import Piece

side = Numbers(
    lambda: nn.ConvTranspose2d(1, 1, kernel_size=4, stride=3)(torch.zeros(1, 1, 10, 10)).shape[-1],
    [
        (30, "Ten copies, three apart. But the last copy is longer than three."),
        (34, "The first copy begins at 0, so the tenth begins at 9 · 3."),
        (40, "That would be with copies four apart, beside each other. They are three apart and overlap."),
        (27, "That is where the last copy begins. Where does it end?"),
    ],
    (
        "Draw ten copies of length 4, each three pixels after the one before.",
        "Where does the last copy begin, and where does it end?",
    ),
)


def _paint(image, kernel, stride):
    return F.conv_transpose2d(image[None, None], kernel[None, None], stride=stride)[0, 0]


def _even(stride, sizes):
    counts = {size: _paint(torch.ones(8, 8), torch.ones(size, size), stride)[9:-9, 9:-9] for size in sizes}
    return [size for size, count in counts.items() if count.min() == count.max()]


even_sizes = Numbers(
    lambda: _even(3, range(3, 10)),
    [
        ((4, 6, 8), "Even numbers were the answer for stride 2. What is it that 2 and 4 have in common with 2?"),
        (
            (6, 9),
            "The smallest size of the list is missing: copies that touch and do not overlap cover every pixel once.",
        ),
        ((3,), "That one is right. Are there larger ones?"),
        ((3, 6), "Those are right. Is there a larger one?"),
        ((3, 5, 7, 9), "Odd is not what counts. With stride 2 the even sizes were 2 and 4: the stride divides them."),
        ((5, 8), "A kernel of 5 with stride 3 lies twice on some pixels and once on others."),
    ],
    (
        "With stride 2 the kernels 2 and 4 were even, kernel 3 was not.",
        "Every pixel gets the same number of copies when the stride divides the kernel's side.",
    ),
    any_order=True,
)


def _balanced():
    line = torch.tensor([0.5, 1, 0.5])  # the middle stands alone, the two ends overlap and add up to 1
    return line[:, None] * line  # (3, 3)


def _is_balanced(answer):
    try:
        kernel = as_tensor(answer).reshape(3, 3)
    except (ValueError, TypeError, RuntimeError):
        return Reply("unreadable", show(answer), "A kernel of 3×3 numbers is asked for.")
    inside = _paint(torch.ones(4, 4), kernel, 2)[2:-2, 2:-2]
    if difference(inside, torch.ones(5, 5), 1e-5) is None:
        return Reply("right", "every pixel inside is 1")
    shown = f"the pixels inside go from {float(inside.min()):.3g} to {float(inside.max()):.3g}"
    if float(kernel.min()) == float(kernel.max()):
        return Reply(
            "known",
            shown,
            "All nine weights are equal, so a pixel on which two copies lie gets more than its neighbour.",
        )
    if difference(inside / inside.mean(), torch.ones(5, 5), 1e-5) is None:
        return Reply("known", shown, "There is no checkerboard, but the brightness has changed: ones should stay ones.")
    return Reply("unknown", shown)


balance = Task(
    _is_balanced,
    (
        "Begin with one dimension: three weights a, b, c, two pixels apart.",
        "The middle weight stands alone, so it is 1; where two copies overlap, their ends must add up to 1.",
    ),
    _balanced,
)


def _crop(x, skip):
    return torch.cat([F.pad(skip, (0, x.shape[3] - skip.shape[3], 0, x.shape[2] - skip.shape[2])), x], dim=1)


def _maps():
    torch.manual_seed(0)
    return [(torch.rand(1, 2, 4, 4), torch.rand(1, 2, *size)) for size in [(5, 5), (4, 5), (5, 4), (4, 4)]]


crop_and_join = Code(
    _crop,
    _maps,
    [
        (
            lambda x, skip: torch.cat([x, skip[:, :, : x.shape[2], : x.shape[3]]], 1),
            "The order is another one: the skip connection comes first.",
        ),
        (
            lambda x, skip: torch.cat([skip[:, :, skip.shape[2] - x.shape[2] :, skip.shape[3] - x.shape[3] :], x], 1),
            "You cut off the first rows and columns. Pooling has lost the last ones.",
        ),
        (
            lambda x, skip: torch.cat(
                [skip, F.pad(x, (0, skip.shape[3] - x.shape[3], 0, skip.shape[2] - x.shape[2]))], 1
            ),
            "That pads x, as our decoder does. Here the skip connection is to become smaller.",
        ),
        (
            lambda x, skip: torch.cat([skip[:, :, : x.shape[2], : x.shape[3]], x], 0),
            "They are joined along the batch. Channels are axis 1.",
        ),
        (
            lambda x, skip: skip[:, :, : x.shape[2], : x.shape[3]] + x,
            "They are added. Concatenating puts the channels one behind the other.",
        ),
    ],
    ("Two steps: cut the skip connection, then join.", "skip[:, :, :height, :width] and torch.cat([..., x], dim=1)."),
)


class _Faulty(nn.Module):
    """A block of the decoder with a fault by name."""

    def __init__(self, in_channels, out_channels, fault):
        super().__init__()
        upsampled = in_channels if fault == "not halved" else out_channels
        if fault == "interpolated":
            self.up = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(in_channels, out_channels, 1))
        else:
            self.up = nn.ConvTranspose2d(in_channels, upsampled, kernel_size=2, stride=2)
        joined = {"added": out_channels, "no skip": out_channels, "not halved": in_channels + out_channels}
        self.block = DoubleConv(joined.get(fault, 2 * out_channels), out_channels)
        self.fault = fault

    def forward(self, x, skip):
        x = self.up(x)
        rows, columns = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
        if self.fault == "cropped":
            skip = skip[:, :, : x.shape[2], : x.shape[3]]
        elif self.fault == "upper left":
            x = F.pad(x, (columns, 0, rows, 0))
        elif self.fault == "stretched":
            x = F.interpolate(x, size=skip.shape[2:])
        else:
            x = F.pad(x, (0, columns, 0, rows))
        if self.fault == "added":
            return self.block(skip + x)
        if self.fault == "no skip":
            return self.block(x)
        return self.block(torch.cat([x, skip] if self.fault == "order" else [skip, x], dim=1))


def _with(fault):
    return lambda in_channels, out_channels: _Faulty(in_channels, out_channels, fault)


def _inputs():
    return [(torch.randn(2, 16, 8, 8), torch.randn(2, 8, *size)) for size in ((16, 16), (17, 16), (17, 17))]


write = Piece(
    DecoderBlock,
    (16, 8),
    _inputs,
    [
        (_with("order"), "The order of the join is another one: the skip connection comes first."),
        (
            _with("not halved"),
            "Upsampling keeps the channels. It brings them to out_channels, "
            "so that both halves of the join have as many.",
        ),
        (
            _with("cropped"),
            "The skip connection is cropped. It has the exact positions, so the upsampled map is padded to its size.",
        ),
        (
            _with("upper left"),
            "The zeros are added at the top and left. Pooling has lost the last "
            "row and column: add them at the bottom and right.",
        ),
        (
            _with("stretched"),
            "The upsampled map is stretched to the odd size. Add a row and a column of zeros instead.",
        ),
        (_with("added"), "The two maps are added. They are concatenated."),
        (_with("no skip"), "The skip connection is not used."),
        (
            _with("interpolated"),
            "Upsampling is an interpolation here. The paper takes a transposed convolution with kernel 2 and stride 2.",
        ),
    ],
    (
        "Four steps: double, make the sizes agree, join, a DoubleConv.",
        "nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2); "
        "F.pad(x, (0, columns, 0, rows)); torch.cat([skip, x], dim=1).",
    ),
)
