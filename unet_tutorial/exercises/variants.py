"""Chapter 12: a gate by hand, nodes, seeds, the work of a split convolution; a gate and a residual block."""

from itertools import combinations

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..blocks import AttentionGate, DoubleConv, ResidualConvBlock
from ..variants import UNetPlusPlus
from ._code import Code
from ._values import Numbers
from .pieces import Piece


def _count(module):
    return sum(p.numel() for p in module.parameters())


gate = Numbers(
    lambda: _count(AttentionGate(512, 256, 128)),
    [
        (
            512 * 128 + 128 + 256 * 128 + 128 + 128 + 1,
            "The two maps are added, so one bias is enough: the skip connection's convolution has none.",
        ),
        (
            512 * 128 + 256 * 128 + 128,
            "Those are the weights alone, or the first two convolutions alone. Two of three have a bias.",
        ),
        (512 * 128 + 128 + 256 * 128 + 128, "One bias is missing: the last convolution has one, for its one channel."),
        (9 * (512 * 128 + 256 * 128 + 128) + 129, "The kernels have 1×1 pixel."),
    ],
    (
        "Three convolutions of 1×1. From where to where does each go?",
        "512 to 128 with a bias, 256 to 128 without, 128 to 1 with one.",
    ),
)

nodes = Numbers(
    lambda: sum(len(column) for column in UNetPlusPlus(1, channels=(2,) * 6).decoder.columns),
    [
        (5, "That is the U-Net's. Its blocks are the last node of each row."),
        (21, "The first column is the encoder and the bottleneck; it does not count."),
        (20, "The encoder's stages do not count."),
        (10, "That is with 4 poolings."),
        (25, "It is a triangle, not a square."),
    ],
    ("Draw the triangle.", "The first column of the decoder has 5 nodes, the next one fewer."),
)


def _chance(n):
    """Return how many of all deals of 2n results are as extreme as all the best to one side, as a share."""
    deals = list(combinations(range(2 * n), n))
    extreme = [deal for deal in deals if set(deal) in (set(range(n)), set(range(n, 2 * n)))]
    return len(extreme) / len(deals)


seeds = Numbers(
    lambda: next(n for n in range(1, 9) if _chance(n) < 0.05),
    [
        (
            3,
            "With three there are 20 deals. One of them is 5 %, which is "
            "not less; and the other direction counts, too.",
        ),
        (2, "With two there are only 6 deals, and 2 of them are as extreme."),
        (5, "It is enough. One less is, too."),
        (8, "It is more than enough: we wanted to see smaller gaps as well."),
    ],
    (
        "How many ways are there to deal 2n results to two networks, n to each?",
        "Two of all deals are as extreme: all the best to the first, or all to the second.",
    ),
)


def _counted(c, d):
    split = nn.Sequential(nn.Conv2d(c, c, 3, padding=1, groups=c), nn.Conv2d(c, d, 1))
    operations = []
    for layers in (split, nn.Conv2d(c, d, 3, padding=1)):
        with FlopCounterMode(display=False) as counter:
            layers(torch.rand(1, c, 16, 16))
        operations.append(counter.get_total_flops())
    return operations[0] / operations[1]


work_ratio = Code(
    _counted,
    lambda: [(8, 16), (64, 128), (3, 5)],
    [
        (
            lambda c, d: (9 * c * d) / (9 * c + c * d),
            "The other way round: the split convolution is divided by the full one.",
        ),
        (lambda c, d: (9 * d + c * d) / (9 * c * d), "There is one filter for each *incoming* channel."),
        (lambda c, d: (9 * c + c * d) / (c * d), "The full convolution has kernels of 3×3, too."),
        (lambda c, d: 1 / d, "That is the first half alone. The mixture of 1×1 comes after it."),
        (lambda c, d: 1 / 9, "That is the second half alone. The filters come before it."),
    ],
    (
        "Each weight is used once for every pixel, so the pixels cancel.",
        "9 · c weights in the filters, c · d in the mixture, 9 · c · d in the full one.",
    ),
    tolerance=1e-4,
)


class _FaultyGate(nn.Module):
    """An attention gate with a fault by name."""

    def __init__(self, gate_channels, skip_channels, inter_channels, fault):
        super().__init__()
        self.gate_conv = nn.Conv2d(gate_channels, inter_channels, kernel_size=1)
        self.skip_conv = nn.Conv2d(skip_channels, inter_channels, kernel_size=1, bias=fault == "bias")
        self.weight_conv = nn.Conv2d(inter_channels, 1, kernel_size=1)
        self.fault = fault

    def forward(self, gate, skip):
        mode = "nearest" if self.fault == "nearest" else "bilinear"
        below = F.interpolate(self.gate_conv(gate), size=skip.shape[2:], mode=mode)
        both = below + self.skip_conv(skip)
        both = self.weight_conv(both if self.fault == "no relu" else both.relu())
        weights = both if self.fault == "no sigmoid" else both.sigmoid()
        return weights if self.fault == "weights" else skip + weights if self.fault == "added" else skip * weights


def _gate_with(fault):
    return lambda gate, skip, inter: _FaultyGate(gate, skip, inter, fault)


write_gate = Piece(
    AttentionGate,
    (16, 8, 4),
    lambda: [(torch.randn(2, 16, 6, 7), torch.randn(2, 8, 12, 14))],
    [
        (
            _gate_with("bias"),
            "The skip connection's convolution has a bias. The other one has it already, and the two are added.",
        ),
        (_gate_with("no relu"), "The ReLU is missing between the sum and the last convolution."),
        (_gate_with("no sigmoid"), "The sigmoid is missing: a weight lies between 0 and 1."),
        (_gate_with("weights"), "You return the weights. The skip connection, multiplied with them, is asked for."),
        (_gate_with("added"), "The weights are added to the skip connection. They multiply it."),
        (_gate_with("nearest"), "The map from below is enlarged with mode='nearest'. Here it is bilinear."),
    ],
    (
        "Follow the formula from the inside out: two convolutions, a sum, ReLU, a convolution, a sigmoid, a product.",
        "gate_conv (with bias) and F.interpolate to the size of skip; skip_conv "
        "(bias=False); weight_conv to one channel; skip * weights.",
    ),
)


class _FaultyResidual(nn.Module):
    """A residual block with a fault by name."""

    def __init__(self, in_channels, out_channels, fault):
        super().__init__()
        layers = DoubleConv(in_channels, out_channels).layers
        self.convs = layers if fault == "relu before" else layers[:-1]
        shortcut = [nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=fault == "bias")]
        self.shortcut = nn.Sequential(*shortcut, *([] if fault == "no norm" else [nn.BatchNorm2d(out_channels)]))
        self.fault = fault

    def forward(self, x):
        total = self.convs(x) + self.shortcut(x)
        return total if self.fault in ("no relu", "relu before") else total.relu()


def _residual_with(fault):
    return lambda in_channels, out_channels: _FaultyResidual(in_channels, out_channels, fault)


write_residual = Piece(
    ResidualConvBlock,
    (4, 8),
    lambda: [(torch.randn(2, 4, 9, 10),)],
    [
        (_residual_with("no relu"), "The ReLU after the sum is missing."),
        (_residual_with("relu before"), "The last ReLU stands before the sum. It comes after."),
        (_residual_with("no norm"), "The shortcut has no normalisation."),
        (
            _residual_with("bias"),
            "The convolution of the shortcut has a bias, which its normalisation takes away again.",
        ),
        (DoubleConv, "There is no shortcut."),
    ],
    (
        "Two ways from x to the sum. What lies on each?",
        "DoubleConv(...).layers[:-1] is the one way; the other is a 1×1 convolution "
        "without bias and a BatchNorm2d. ReLU comes after the sum.",
    ),
)
