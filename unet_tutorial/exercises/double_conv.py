"""Chapter 3: a shape, a count, a convolution, a window, and the block itself."""

import torch
import torch.nn.functional as F
from torch import nn

from ..blocks import DoubleConv
from ._calls import call
from ._code import Code
from ._values import Numbers
from .pieces import Piece

shape = Numbers(
    lambda: tuple(DoubleConv(16, 32)(torch.zeros(4, 16, 50, 70)).shape),
    [
        ((4, 32, 25, 35), "Height and width were halved: that is what a pooling does, and a DoubleConv has none."),
        ((4, 32, 46, 66), "Without padding, yes: two convolutions take away two pixels each. This block has padding."),
        ((4, 16, 50, 70), "That is what goes in. Which of the four numbers can the block change?"),
        ((32, 4, 50, 70), "The batch stays in front."),
        ((32, 50, 70), "The batch of 4 goes through together, and comes out together."),
    ],
    (
        "Which of the four numbers can the block change?",
        "Padding keeps height and width, and the batch stays as it is.",
    ),
)


def _count(module):
    return sum(p.numel() for p in module.parameters())


count = Numbers(
    lambda: _count(DoubleConv(64, 128)),
    [
        (
            64 * 128 * 9 + 128 * 128 * 9,
            "That is both convolutions. Each normalisation has a scale and a shift for every channel, too.",
        ),
        (64 * 128 * 9 + 128 * 128 * 9 + 256, "One normalisation is in it. There are two."),
        (
            64 * 128 * 9 + 128 * 128 * 9 + 512 + 256,
            "That is with a bias in each convolution. Before a normalisation there is none.",
        ),
        (
            3 * (64 * 128 + 128 * 128) + 512,
            "A kernel has 3 rows *and* 3 columns: 9 weights for every pair of channels.",
        ),
        (
            2 * 64 * 128 * 9 + 512,
            "The second convolution does not begin with 64 channels: the first has made 128 of them.",
        ),
        (64 * 128 * 9 + 256, "That is half of the block: there are two convolutions and two normalisations."),
    ],
    (
        "Two convolutions and two normalisations. What does each of the four hold?",
        "64 · 128 · 9 weights, then 128 · 128 · 9, then two numbers for each channel, twice.",
    ),
)


def _convolve(image, kernel):
    height, width = image.shape
    output = torch.zeros(height - 2, width - 2)
    for i in range(height - 2):
        for j in range(width - 2):
            output[i, j] = (image[i : i + 3, j : j + 3] * kernel).sum()
    return output


def _uses_conv(function):
    used, conv2d = [], torch.conv2d

    def noticed(*arguments, **options):
        used.append(True)
        return conv2d(*arguments, **options)

    torch.conv2d = F.conv2d = noticed
    try:
        call(function, torch.rand(4, 4), torch.rand(3, 3))
    finally:
        torch.conv2d = F.conv2d = conv2d
    return "conv2d does the work here. Two loops and a sum show what it does inside." if used else None


def _images():
    image = torch.tensor([[0.0, 0, 0, 1, 1]] * 5)
    kernel = torch.tensor([[-1.0, 0, 2], [-1, 0, 1], [-3, 0, 1]])
    return [(image, kernel), (torch.arange(20.0).reshape(4, 5), kernel)]


convolve = Code(
    _convolve,
    _images,
    [
        (
            lambda image, kernel: _convolve(image, kernel.flip(0, 1)),
            "The kernel is flipped. Mathematicians do that; networks do not.",
        ),
        (
            lambda image, kernel: _convolve(image, kernel) / 9,
            "That is the mean of the nine products. Their sum is asked for.",
        ),
        (lambda image, kernel: _convolve(image, kernel.T), "Rows and columns of the kernel have changed places."),
        (
            lambda image, kernel: F.conv2d(image[None, None], kernel[None, None], padding=1)[0, 0],
            "The size of the image is kept: that is with padding.",
        ),
    ],
    (
        "One output pixel is the sum of nine products. How many places are there for the kernel?",
        "output[i, j] = (image[i : i + 3, j : j + 3] * kernel).sum(), for all i and j where the kernel fits.",
    ),
    tests=(_uses_conv,),
)


def _window():
    dot = torch.zeros(1, 1, 11, 11)
    dot[..., 5, 5] = 1
    for _ in range(3):
        dot = F.conv2d(dot, torch.ones(1, 1, 3, 3), padding=1)
    return int((dot[0, 0].sum(0) > 0).sum())


thrice = Numbers(
    _window,
    [
        (9, "Three windows of three, side by side. But they overlap: each convolution adds one pixel on each side."),
        (5, "That is after two."),
        (6, "The middle pixel counts once: it is 1, and then two more for every convolution."),
        (27, "Windows do not multiply. Each convolution adds one pixel on each side."),
        (49, "That is how many pixels the window holds. How wide is it?"),
    ],
    ("One convolution sees 3 pixels, two see 5.", "Each convolution adds one pixel on both sides."),
)


def _made(*layers):
    return lambda a, b: nn.Sequential(*_layers(a, b, layers))


def _layers(a: int, b: int, names: tuple[str, ...]) -> list[nn.Module]:
    """Return layers by their names: a convolution goes on with the channels that the one before has made."""
    made: list[nn.Module] = []
    channels = a
    for name in names:
        if name == "norm":
            made.append(nn.BatchNorm2d(channels))
        elif name == "relu":
            made.append(nn.ReLU())
        else:
            wide = a if name == "narrow" else b
            made.append(nn.Conv2d(channels, wide, 3, padding=int(name != "bare"), bias=name == "bias"))
            channels = wide
    return made


write = Piece(
    DoubleConv,
    (3, 8),
    lambda: [(torch.randn(2, 3, 12, 12),), (torch.randn(2, 3, 9, 14),)],
    [
        (
            _made("bias", "norm", "relu", "bias", "norm", "relu"),
            "The convolutions have a bias, which the normalisation takes away again: bias=False.",
        ),
        (
            _made("conv", "norm", "conv", "norm"),
            "There is no ReLU. Without one, two convolutions are no more than one.",
        ),
        (
            _made("conv", "norm", "relu", "conv", "norm"),
            "The last ReLU is missing: each of the two convolutions has one.",
        ),
        (_made("conv", "norm", "conv", "norm", "relu"), "The first ReLU is missing, between the two convolutions."),
        (
            _made("conv", "relu", "norm", "conv", "relu", "norm"),
            "The order is another one: convolution, normalisation, ReLU.",
        ),
        (_made("bare", "norm", "relu", "bare", "norm", "relu"), "The map gets smaller: padding=1 keeps its size."),
        (_made("bias", "relu", "bias", "relu"), "The normalisation is missing after each convolution."),
        (_made("conv", "relu", "conv", "relu"), "The normalisation is missing after each convolution."),
        (_made("conv", "norm", "relu"), "That is one convolution. There are two."),
        (
            _made("narrow", "norm", "relu", "conv", "norm", "relu"),
            "The channels change in the *first* convolution; the second keeps them.",
        ),
    ],
    (
        "Six layers, three kinds, each twice. In which order?",
        "Convolution (kernel_size=3, padding=1, bias=False), BatchNorm2d, "
        "ReLU; and once more from out_channels to out_channels.",
    ),
)
