"""Chapter 5: how far a unit sees, one stage deeper, for any list of layers, and with gaps in the kernel."""

import torch
import torch.nn.functional as F

from .. import sizing
from ._code import Code
from ._values import Numbers


def _side(depth):
    first, last = sizing.receptive_field("bottleneck", depth)
    return last - first + 1


five = Numbers(
    lambda: _side(5),
    [
        (280, "Twice 140: close, but the field does not simply double. Add what each layer adds."),
        (
            220,
            "One convolution is missing, or the jump has not doubled: after the fifth "
            "pooling it is 32, and a 3×3 convolution adds two jumps.",
        ),
        (268, "The pooling itself adds something too: one jump, before the jump doubles."),
        (300, "The pooling adds one jump of *before*, 16, and only then does the jump become 32."),
        (140, "That is with four poolings."),
    ],
    (
        "Go on from side 140 and jump 16.",
        "A pooling adds one jump and doubles it; then two convolutions add two jumps each.",
    ),
)


def _field(layers):
    grow = {"conv": 2, "pool": 1}
    return 1 + sum(grow[layer] * 2 ** layers[:i].count("pool") for i, layer in enumerate(layers))


def _walk(layers, conv, pool, doubles=True):
    side, jump = 1, 1
    for layer in layers:
        side = conv(side, jump) if layer == "conv" else pool(side, jump)
        jump *= 2 if layer == "pool" and doubles else 1
    return side


def _lists():
    stage = ["conv", "conv", "pool"]
    return [(["conv"],), (["pool", "pool"],), ([*stage, "conv"],), (4 * stage + ["conv", "conv"],)]


field_side = Code(
    _field,
    _lists,
    [
        (
            lambda layers: _walk(layers, lambda s, j: s + 2, lambda s, j: s + 1),
            "After a pooling, one step on the map is two steps in the picture: what a layer adds grows with the jump.",
        ),
        (
            lambda layers: _walk(layers, lambda s, j: s + 2 * j, lambda s, j: s),
            "A pooling looks at two pixels, so it adds something, too: one jump.",
        ),
        (
            lambda layers: _walk(layers, lambda s, j: s + 2 * j, lambda s, j: 2 * s),
            "A pooling does not double the field. It adds one jump, and doubles the jump.",
        ),
        (
            lambda layers: _walk(layers, lambda s, j: s + 2 * j, lambda s, j: s + 2 * j),
            "The pooling adds the jump of before; it doubles afterwards.",
        ),
        (
            lambda layers: _walk(layers, lambda s, j: s + 3 * j, lambda s, j: s + j),
            "A 3×3 convolution adds one jump on each side: two, not three.",
        ),
    ],
    (
        "Keep two numbers, side and jump.",
        "Begin with side 1 and jump 1. conv: side += 2 * jump. pool: side += jump, then jump *= 2.",
    ),
)

deep_enough = Numbers(
    lambda: next(depth for depth in range(1, 10) if _side(depth) >= 512),
    [
        (5, "At depth 5 the field is 284 pixels wide."),
        (4, "At depth 4 the field is 140 pixels wide."),
        (9, "2⁹ is 512, yes. But the field is wider than 2 to the depth: 140 at depth 4, where that is 16."),
        (7, "It is wide enough, but one less is, too."),
    ],
    ("How does the side grow from depth to depth?", "It a little more than doubles with each pooling: 140 at depth 4."),
)


def _measured(layers):
    """Measure the field in one dimension: which inputs reach the unit in the middle?"""
    signal = torch.ones(1, 1, 1024, requires_grad=True)
    x = signal
    for layer, dilation in layers:
        if layer == "pool":
            x = F.avg_pool1d(x, 2)
        else:
            x = F.conv1d(x, torch.ones(1, 1, 3), padding=dilation, dilation=dilation)
    (gradient,) = torch.autograd.grad(x[0, 0, x.shape[-1] // 2], signal)
    seen = gradient[0, 0].nonzero()
    return int(seen.max() - seen.min()) + 1


dilation = Numbers(
    lambda: _measured(4 * [("conv", 1), ("conv", 1), ("pool", 1)] + 2 * [("conv", 2)]),
    [
        (140, "That is without dilation: two jumps for each convolution."),
        (172, "That is with dilation in one of the two convolutions."),
        (280, "Only what the two convolutions of the bottleneck add is doubled, not the whole field."),
        (76, "That is the field before the bottleneck."),
    ],
    (
        "The field is 76 wide before the bottleneck, and the jump is 16.",
        "With dilation 2 a kernel reaches two jumps to each side: four for each convolution.",
    ),
)
