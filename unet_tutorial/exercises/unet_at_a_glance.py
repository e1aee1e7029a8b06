"""Chapter 2: the bottom of a small U, a join, the sides of the paper, a budget."""

from .. import sizing
from ._values import Numbers

_SMALL = (16, 32, 64, 128)


def _bottom():
    maps = sizing.feature_maps(96, 160, 1, 1, _SMALL)
    return next((m.channels, m.height, m.width) for m in maps if m.part == "bottleneck")


bottom = Numbers(
    _bottom,
    [
        ((128, 20, 12), "Height first, then width."),
        ((128, 6, 10), "That is one pooling too many: the last entry of channels is the bottleneck, which has none."),
        ((128, 24, 40), "That is one pooling too few: three stages lie above the bottleneck."),
        ((64, 12, 20), "The size is right. 64 are the channels of the last stage; the bottleneck has the last entry."),
        ((12, 20, 128), "Channels first, then height and width."),
    ],
    ("How many poolings are there?", "One pooling less than the entries of channels; each halves both sides."),
)


def _reads():
    from ..unet import UNet

    return UNet(3).decoder.blocks[1].block.layers[0].in_channels  # coarsest first: decoder 4, decoder 3


join = Numbers(
    _reads,
    [
        (256, "That is one of the two. What is it joined with?"),
        (768, "256 from the skip connection, yes. But upsampling halves the channels from below before the join."),
        (1024, "What comes from below is halved by the upsampling. The skip connection of stage 3 has 256."),
        (128, "That is the stage above: decoder 2."),
    ],
    (
        "What lies to its left on the map, and what comes from below?",
        "The skip connection of encoder 3, and what upsampling makes of decoder 4.",
    ),
)


def _fits(side):
    sides = [m.height for m in sizing.feature_maps(side, side, padding="none")[1:-1]]
    return sides[-1] >= 512


def _smallest():
    for side in range(512, 2000):
        try:
            if _fits(side):
                return side
        except ValueError:  # a map of this side does not come out even
            continue
    raise AssertionError("a side below 2000 fits")


unpadded = Numbers(
    _smallest,
    [
        (
            696,
            "512 + 184, and every pixel would be there. But one of the maps would have an odd side before a pooling.",
        ),
        (572, "That is the paper's, and its output is 388. You want 512."),
        (
            512,
            "Without padding the output is smaller than the input, by the "
            "same number of pixels each time. By how many?",
        ),
        (704, "A multiple of 16, but the sides that fit are 572 and its neighbours, 16 apart."),
        (697, "One map would have an odd side before a pooling."),
    ],
    (
        "572 gives 388. How much larger must the input be than the output, and which sides fit at all?",
        "Count up from 572 in steps of 16, until 184 pixels less are at least 512.",
    ),
)


def _needs(base):
    return sizing.memory(4, 512, 512, channels=[base * 2**stage for stage in range(5)]).total


def _most():
    base = 8
    while _needs(base + 8) <= 7 * 2**30:
        base += 8
    return base


budget = Numbers(
    _most,
    [
        (lambda: range(_most() - 7, _most()), "It fits, but it is none of the steps of 8."),
        (lambda: range(_most() + 1, _most() + 25), "This needs more than 7 GiB."),
        (64, "The paper's 64 fit. Do 8 channels more fit, too?"),
        (48, "It fits, and there is room for more."),
    ],
    (
        "Let sizing.memory(4, 512, 512, channels=...).total tell the bytes; 7 GiB are 7 * 2**30.",
        "Write a loop: add 8 while the next one still fits.",
    ),
)
