"""Chapter 7: what the skip connections cost, which map is the right one, what costs more, and a shift."""

import torch
import torch.nn.functional as F

from .. import sizing
from ._code import Code
from ._values import Numbers, Words

_CHANNELS = (8, 16, 32, 64)


def _price():
    with_skip, without = (sum(sizing.parameters(1, 1, _CHANNELS, skip=kind).values()) for kind in ("concat", "none"))
    return with_skip - without


price = Numbers(
    _price,
    [
        (
            sum(18 * c * c for c in (8, 16, 32)),
            "Only the first convolution of each block reads more channels. The second does not notice.",
        ),
        (sum(c * c for c in (8, 16, 32)), "Each pair of channels has a kernel of 3×3, nine weights."),
        (sum(9 * c * c for c in (8, 16, 32, 64)), "The 64 belong to the bottleneck, which has no skip connection."),
        (sum(9 * c * c for c in (16, 32, 64)), "Blocks of the decoder end with 32, 16 and 8 channels."),
        (
            9 * (8 + 16 + 32),
            "A weight for every pair: as many channels more go in as come out, so the channels are multiplied.",
        ),
    ],
    (
        "Which layers read more channels than without skip connections?",
        "The first 3×3 convolution of each of the three decoder blocks reads as many channels again as it puts out.",
    ),
)


def _map():
    encoder = [m for m in sizing.feature_maps(320, 192) if m.part.startswith("encoder")]
    return encoder[-3].channels, encoder[-3].height, encoder[-3].width


right_map = Numbers(
    _map,
    [
        ((256, 80, 48), "That is stage 3, which goes to the second block."),
        ((64, 320, 192), "That is stage 1, which goes to the last block."),
        ((512, 40, 24), "That is stage 4, which goes to the first block."),
        ((128, 96, 160), "Height first, then width."),
        ((128, 80, 48), "The channels are right. How many poolings lie before stage 2?"),
        ((64, 160, 96), "The size is right. Stage 2 has twice the channels of stage 1."),
    ],
    (
        "The first block gets the skip connection of stage 4.",
        "The blocks get stages 4, 3, 2, 1. One pooling lies before stage 2.",
    ),
)

bottleneck = Words(
    ("skip", "bottleneck"),
    ("skip",),
    [
        (
            ("bottleneck",),
            "It holds most of the weights, so this is a natural guess. But how "
            "large is a cell, and how far does stage 3 see?",
        )
    ],
    (
        "How far does stage 3 see, and how large is a cell?",
        "Try it: a forward hook on model.bottleneck may return zeros in the place of its output.",
    ),
)


def _shifted(skip, pixels):
    return F.pad(skip, (pixels, -pixels))


def _maps():
    torch.manual_seed(0)
    return [(torch.rand(2, 3, 4, 6), pixels) for pixels in (0, 1, 4)]


def _with_minus_zero(skip, pixels):
    shifted = torch.zeros_like(skip)
    shifted[..., pixels:] = skip[..., :-pixels]
    return shifted


shift_right = Code(
    _shifted,
    _maps,
    [
        (
            lambda skip, pixels: skip.roll(pixels, 3),
            "What leaves on the right comes in on the left. Zeros are asked for.",
        ),
        (lambda skip, pixels: F.pad(skip, (-pixels, pixels)), "That is to the left."),
        (lambda skip, pixels: F.pad(skip, (0, 0, pixels, -pixels)), "That is downwards: the width is the last axis."),
        (lambda skip, pixels: F.pad(skip, (pixels, 0)), "The map has become wider. What leaves on the right is gone."),
        (_with_minus_zero, "A shift by 0 fails: [:-0] is empty, not everything. [: width - pixels] works for all."),
    ],
    (
        "Begin with zeros of the same shape, and copy what stays.",
        "torch.zeros_like(skip), and then two slices along the last axis, [..., pixels:] and [..., : width - pixels].",
    ),
)
