"""The building blocks: what happens at one resolution, before and after pooling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from . import _contract
from ._checks import NORMS, PADDINGS, joinable, option, whole_number


def normalization(norm: str, channels: int) -> nn.Module:
    """Build the normalization layer that follows a convolution.

    Parameters
    ----------
    norm : {"batch", "group", "none"}
        ``"batch"`` is batch normalization (Ioffe and Szegedy 2015, arXiv:1502.03167). ``"group"`` is
        group normalization (Wu and He 2018, arXiv:1803.08494), which does not depend on the batch.
        ``"none"`` leaves the values as they are.
    channels : int
        Channels of the tensor that is normalized.

    Returns
    -------
    torch.nn.Module
        A module that maps (B, channels, H, W) to the same shape.

    Raises
    ------
    ValueError
        If ``norm`` is not one of the three names, or ``channels`` is no whole number of at least 1.

    Examples
    --------
    >>> normalization("group", 64).num_groups
    8
    """
    option("norm", norm, NORMS)
    channels = whole_number("channels", channels)
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "group":
        # At least two channels a group, so that a 1x1 feature map still has something to average.
        groups = next((g for g in (8, 4, 2) if channels % (2 * g) == 0), 1)
        return nn.GroupNorm(groups, channels)
    return nn.Identity()


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each followed by normalization and ReLU. The side stays, the channels change.

    The convolutions have no bias when a normalization follows: it subtracts the mean, and with it any
    constant that a bias had added.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    norm : {"batch", "group", "none"}, default "batch"
        The normalization, see `normalization`.
    padding : {"same", "none"}, default "same"
        ``"same"`` puts a frame of zeros around each map, so that its side stays. ``"none"`` does not, and each
        3x3 convolution takes away one pixel on every side.

    Raises
    ------
    ValueError
        If a channel count is not a whole number of at least 1, or an option is unknown.

    References
    ----------
    Ronneberger, Fischer and Brox 2015, arXiv:1505.04597, without padding and normalization, which came later.

    Examples
    --------
    >>> block = DoubleConv(3, 64)
    >>> block(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 64, 32, 32])
    >>> sum(p.numel() for p in block.parameters())
    38848
    """

    def __init__(self, in_channels: int, out_channels: int, norm: str = "batch", padding: str = "same"):
        super().__init__()
        in_channels = whole_number("in_channels", in_channels)
        out_channels = whole_number("out_channels", out_channels)
        bias = option("norm", norm, NORMS) == "none"
        frame = int(option("padding", padding, PADDINGS) == "same")  # pixels around the map
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=frame, bias=bias),
            normalization(norm, out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=frame, bias=bias),
            normalization(norm, out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _check_features(self, x, self.layers[0], self.layers[0].padding[0])
        return self.layers(x)  # (B, in_channels, H, W) -> (B, out_channels, H, W), or 4 less without padding


class ResidualConvBlock(nn.Module):
    """Two 3x3 convolutions whose result is added to the input, as in a residual network.

    Where the channels differ, a 1x1 convolution brings the input to the new number. The order is that
    of He et al. 2015 (convolution, normalization, ReLU after the sum); Zhang et al. 2018 normalize first.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    norm : {"batch", "group", "none"}, default "batch"
        The normalization, see `normalization`.
    padding : {"same", "none"}, default "same"
        A frame of zeros that keeps the side, or none, see `DoubleConv`.

    Raises
    ------
    ValueError
        If a channel count is not a whole number of at least 1, or an option is unknown.

    References
    ----------
    He et al. 2015, arXiv:1512.03385. Zhang, Liu and Wang 2018, arXiv:1711.10684.

    Examples
    --------
    >>> sum(p.numel() for p in ResidualConvBlock(64, 128).parameters())
    230144
    """

    def __init__(self, in_channels: int, out_channels: int, norm: str = "batch", padding: str = "same"):
        super().__init__()
        layers = DoubleConv(in_channels, out_channels, norm, padding).layers
        self.convs = layers[:-1]  # the last ReLU comes after the sum
        self.cut = 0 if padding == "same" else 2  # pixels that the two convolutions take away on every side
        in_channels, out_channels = int(in_channels), int(out_channels)  # numpy's become Python's
        if in_channels == out_channels:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=norm == "none"),
                normalization(norm, out_channels),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _check_features(self, x, self.convs[0], self.convs[0].padding[0])
        height, width = x.shape[-2:]
        inner = x[..., self.cut : height - self.cut, self.cut : width - self.cut]  # all of x with padding
        return F.relu(self.convs(x) + self.shortcut(inner))  # (B, out_channels, H, W), or 4 less without padding


class SeparableConvBlock(nn.Module):
    """`DoubleConv` with each 3x3 convolution split in two: one filter a channel, then a 1x1 mixture.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    norm : {"batch", "group", "none"}, default "batch"
        The normalization, see `normalization`.
    padding : {"same", "none"}, default "same"
        A frame of zeros that keeps the side, or none, see `DoubleConv`.

    full_first : bool, default False
        Whether the first convolution is a full one. Split in two, it has one filter for every incoming channel, and
        a grey image would enter a network through a single filter.

    Raises
    ------
    ValueError
        If a channel count is not a whole number of at least 1, or an option is unknown.

    References
    ----------
    Howard et al. 2017, arXiv:1704.04861 (there with normalization and ReLU between the two halves as well).
    Chollet 2017, arXiv:1610.02357.

    Examples
    --------
    >>> sum(p.numel() for p in SeparableConvBlock(64, 128).parameters())
    26816
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        norm: str = "batch",
        padding: str = "same",
        full_first: bool = False,
    ):
        super().__init__()
        in_channels = whole_number("in_channels", in_channels)
        out_channels = whole_number("out_channels", out_channels)
        bias = option("norm", norm, NORMS) == "none"
        frame = int(option("padding", padding, PADDINGS) == "same")  # pixels around the map
        layers: list[nn.Module] = []
        for before in (in_channels, out_channels):
            if full_first and not layers:
                layers += [nn.Conv2d(before, out_channels, kernel_size=3, padding=frame, bias=bias)]
            else:
                layers += [
                    nn.Conv2d(before, before, kernel_size=3, padding=frame, groups=before, bias=False),
                    nn.Conv2d(before, out_channels, kernel_size=1, bias=bias),
                ]
            layers += [normalization(norm, out_channels), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _check_features(self, x, self.layers[0], next(m for m in self.layers if m.kernel_size == (3, 3)).padding[0])
        return self.layers(x)  # (B, in_channels, H, W) -> (B, out_channels, H, W), or 4 less without padding


class AttentionGate(nn.Module):
    """Weigh a skip connection, pixel by pixel, by what the coarser stage below says about it.

    Both inputs are brought to ``inter_channels`` by 1x1 convolutions, the coarse one is enlarged to the
    fine one's size, and their sum decides on one weight between 0 and 1 for every pixel.

    Parameters
    ----------
    gate_channels : int
        Channels of the coarser features, the gate.
    skip_channels : int
        Channels of the skip connection.
    inter_channels : int
        Channels in which the two are compared, commonly half of ``skip_channels``.

    Raises
    ------
    ValueError
        If a channel count is not a whole number of at least 1; at the call, if an input has another number
        of channels, or the skip connection another resolution than the gate, or than one pooling asks for.

    References
    ----------
    Oktay et al. 2018, arXiv:1804.03999. In the paper the gate comes from one stage below, at half the side. It
    compares the two at the coarser size and enlarges the weights; this gate enlarges the coarser features first. Where
    they have the skip connection's size already, nothing is enlarged.

    Examples
    --------
    >>> gate = AttentionGate(gate_channels=128, skip_channels=64, inter_channels=32)
    >>> gate(torch.zeros(1, 128, 16, 16), torch.zeros(1, 64, 32, 32)).shape
    torch.Size([1, 64, 32, 32])
    """

    def __init__(self, gate_channels: int, skip_channels: int, inter_channels: int):
        super().__init__()
        gate_channels = whole_number("gate_channels", gate_channels)
        skip_channels = whole_number("skip_channels", skip_channels)
        inter_channels = whole_number("inter_channels", inter_channels)
        self.gate_channels, self.skip_channels = gate_channels, skip_channels
        self.gate_conv = nn.Conv2d(gate_channels, inter_channels, kernel_size=1)
        self.skip_conv = nn.Conv2d(skip_channels, inter_channels, kernel_size=1, bias=False)
        self.weight_conv = nn.Conv2d(inter_channels, 1, kernel_size=1)

    def attention(self, gate: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Return the weights themselves, shape (B, 1, H, W), between 0 and 1."""
        axes = [part.shape[1] if isinstance(part, torch.Tensor) and part.ndim == 4 else None for part in (gate, skip)]
        if None not in axes and axes != [self.gate_channels, self.skip_channels]:
            raise ValueError(
                f"this AttentionGate takes a gate with {self.gate_channels} channels and a skip connection with "
                f"{self.skip_channels}, but got {gate.shape[1]} and {skip.shape[1]}."
            )
        check_joined(self, gate, skip, self.gate_channels, self.skip_channels, self.gate_conv.weight, "gate")
        if gate.shape[-2:] != skip.shape[-2:]:
            joinable(gate.shape[-2:], skip.shape[-2:])
        gate = self.gate_conv(gate)  # (B, inter_channels, h, w)
        gate = F.interpolate(gate, size=skip.shape[-2:], mode="bilinear", align_corners=False)  # (B, inter, H, W)
        return torch.sigmoid(self.weight_conv(F.relu(gate + self.skip_conv(skip))))  # (B, 1, H, W)

    def forward(self, gate: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return skip * self.attention(gate, skip)  # (B, skip_channels, H, W)


def _check_features(module: nn.Module, x: torch.Tensor, first: nn.Module, padding: int) -> None:
    """Refuse x if it is no (B, in_channels, H, W) of the weights' dtype and device, or too small."""
    _contract.features("x", x, first.in_channels, first.weight, type(module).__name__)
    height, width = x.shape[-2:]
    if not padding and min(height, width) < 5:
        raise ValueError(
            f"x must have sides of at least 5 pixels for a {type(module).__name__} without padding, which takes 4 "
            f"away, but got {tuple(x.shape)}."
        )
    values = x.shape[0] * (height - 4 * (1 - padding)) * (width - 4 * (1 - padding))
    if values == 1 and any(isinstance(part, nn.BatchNorm2d) and part.training for part in module.modules()):
        raise ValueError(
            f"batch normalization cannot be trained on one value a channel, but got x of shape {tuple(x.shape)}. Use "
            f"larger maps, more images in a batch, or norm='group'; to predict, call eval() first."
        )


def check_joined(
    module: nn.Module,
    x: torch.Tensor,
    skip: torch.Tensor,
    channels: int,
    skip_channels: int,
    weight: torch.Tensor,
    name: str = "x",
) -> None:
    """Refuse features and a skip connection that cannot be joined.

    Parameters
    ----------
    module : torch.nn.Module
        What joins them.
    x, skip : torch.Tensor
        The features from below, and the skip connection.
    channels, skip_channels : int
        How many channels each must have.
    weight : torch.Tensor
        A weight of the module.
    name : str, default "x"
        What the message calls the features.

    Raises
    ------
    ValueError
        If one is no tensor (B, C, H, W), has another dtype than the weights or lies elsewhere, or the two have
        different numbers of images.

    Examples
    --------
    >>> AttentionGate(8, 4, 2)(torch.zeros(1, 8, 4, 4), torch.zeros(2, 4, 8, 8))
    Traceback (most recent call last):
    ...
    ValueError: gate and skip must be of as many images, but got 1 and 2.
    """
    _contract.features(name, x, channels, weight, type(module).__name__)
    _contract.features("skip", skip, skip_channels, weight, type(module).__name__)
    if x.shape[0] != skip.shape[0]:  # len(x) would tie an exported network to one size of batch
        raise ValueError(f"{name} and skip must be of as many images, but got {x.shape[0]} and {skip.shape[0]}.")


BLOCKS = {"double": DoubleConv, "residual": ResidualConvBlock, "separable": SeparableConvBlock}
