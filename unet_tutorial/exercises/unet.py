"""Chapter 8: the head, the activations, from logits to a mask, a cut gradient, and the whole network."""

import torch
from torch import nn

from .. import sizing
from ..unet import UNet
from ._code import Code
from ._values import Numbers, Words
from .pieces import Piece

head = Numbers(
    lambda: sizing.parameters(num_classes=5)["head"],
    [
        (5 * 64, "Those are the weights. Each class has a bias, too."),
        (64 + 1, "That is the head for one class."),
        (5 * (64 * 9 + 1), "The head's kernel has 1×1 pixel, not 3×3."),
        (5 * (1024 + 1), "1,024 channels leave the bottleneck. How many reach the head?"),
        (64 * 5 + 1, "Each of the five classes has a bias of its own."),
    ],
    ("How many channels reach the head?", "Each class has one weight for each of the 64 channels, and its own bias."),
)


def _activations(channels):
    return sizing.memory(8, 256, 256, channels=channels).activations


half_as_wide = Numbers(
    lambda: _activations((32, 64, 128, 256, 512)) / _activations((64, 128, 256, 512, 1024)),
    [
        (
            0.25,
            "That is what the weights do: they grow with the product of two "
            "numbers of channels. A map has its channels once.",
        ),
        (0.125, "Only one of a map's three numbers is halved."),
        (2, "From the wide network to the narrow one: a number between 0 and 1."),
        (1, "Height and width stay. Do the channels?"),
    ],
    (
        "What is the size of a feature map made of?",
        "A map has channels × height × width numbers. Which of the three is halved?",
    ),
    tolerance=0.02,
)


def _classes(logits):
    if logits.shape[1] == 1:  # the background of a single class has the logit 0
        logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
    return logits.argmax(dim=1)


def _logits():
    torch.manual_seed(0)
    return [(torch.randn(2, 1, 4, 5),), (torch.randn(2, 3, 4, 5),)]


def _either(one, several):
    return lambda logits: one(logits) if logits.shape[1] == 1 else several(logits)


predict = Code(
    _classes,
    _logits,
    [
        (
            lambda logits: logits.argmax(1),
            "Of a single channel the first is always the largest: the class "
            "is 0 everywhere. What is the background's logit?",
        ),
        (
            _either(lambda z: z[:, 0] > 0, lambda z: z.argmax(1)),
            "For one class you return True and False. int64 is asked for.",
        ),
        (
            _either(lambda z: (z > 0).long(), lambda z: z.argmax(1)),
            "For one class the axis of the channel is still there: (B, H, W) is asked for.",
        ),
        (
            _either(lambda z: (z[:, 0] > 0.5).long(), lambda z: z.argmax(1)),
            "One half is the border for a probability. For a logit it is 0.",
        ),
        (
            _either(lambda z: (z[:, 0] > 0).float(), lambda z: z.argmax(1)),
            "For one class you return floats. int64 is asked for.",
        ),
        (
            _either(lambda z: (z.sigmoid()[:, 0] > 0).long(), lambda z: z.argmax(1)),
            "After a sigmoid everything is above 0. Compare the logits with 0, or the probabilities with one half.",
        ),
    ],
    (
        "One channel and several channels are two cases.",
        "(logits[:, 0] > 0).long() for one class, logits.argmax(dim=1) for several.",
    ),
    exact_dtype=True,
)

no_gradient = Words(
    ("encoder", "bottleneck", "decoder", "head"),
    ("bottleneck",),
    [
        (
            ("encoder", "bottleneck"),
            "The gradient stops on its way through the bottleneck. Is there another way back to the encoder?",
        ),
        (("encoder",), "Is there another way back to the encoder? And how would the gradient come to the bottleneck?"),
        (("decoder", "head"), "The gradient comes from the loss, behind the head. It passes head and decoder first."),
        (
            ("encoder", "bottleneck", "decoder", "head"),
            "The gradient comes from the loss, behind the head. It passes head and decoder first.",
        ),
    ],
    (
        "Follow the gradient from the loss backwards.",
        "The skip connections are a way back, too. To which parts do they lead?",
    ),
    several=True,
)


def _whole(in_channels, num_classes, channels):
    return UNet(in_channels, num_classes, channels=channels)


_whole.__name__, _whole.__module__ = "UNet", UNet.__module__


def _with_sigmoid(*arguments):
    return nn.Sequential(_whole(*arguments), nn.Sigmoid())


class _Faulty(nn.Module):
    """A U-Net with a fault by name."""

    def __init__(self, in_channels, num_classes, channels, fault):
        super().__init__()
        whole = _whole(in_channels, num_classes, channels)
        self.encoder, self.bottleneck, self.decoder = whole.encoder, whole.bottleneck, whole.decoder
        side = 3 if fault == "wide head" else 1
        self.head = nn.Conv2d(channels[0], num_classes, side, padding=side // 2, bias=fault != "no bias")
        self.fault = fault

    def forward(self, x):
        pooled, skips = self.encoder(x)
        x = self.bottleneck(pooled)
        logits = self.head(self.decoder(x, skips))
        return logits.relu() if self.fault == "relu" else logits


def _with(fault):
    return lambda in_channels, num_classes, channels: _Faulty(in_channels, num_classes, channels, fault)


write = Piece(
    _whole,
    (3, 2, (4, 8, 16)),
    lambda: [(torch.randn(2, 3, 16, 24),), (torch.randn(2, 3, 21, 30),)],
    [
        (
            _with_sigmoid,
            "There is a sigmoid at the end. The loss contains it already, "
            "and computes it more exactly: return the logits.",
        ),
        (_with("relu"), "There is a ReLU at the end. A logit may be negative."),
        (_with("wide head"), "The head's kernel has 3×3 pixels. It should be 1×1: no neighbours any more."),
        (_with("no bias"), "The head has no bias. No normalisation follows it, so it needs one."),
    ],
    (
        "Four parts: encoder, bottleneck, one decoder block for each skip connection, head.",
        "channels[:-1] for the encoder, from channels[-2] to channels[-1] in the "
        "bottleneck; in forward the skip connections from the last to the first.",
    ),
)
