"""Four relatives of U-Net. Each hands in one part of its own, and takes the rest from `unet_tutorial.unet`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ._checks import channel_list, option
from ._contract import features
from .blocks import AttentionGate, SeparableConvBlock
from .unet import CHANNELS, Decoder, DecoderBlock, EncoderDecoder, UNet, check_count, common_config, contracting_path


class AttentionDecoder(Decoder):
    """The expanding path with an `unet_tutorial.blocks.AttentionGate` on every skip connection.

    The features that are about to be upsampled are the gate: the coarser stage decides, pixel by pixel,
    how much of the finer one passes.

    Parameters
    ----------
    channels : sequence of int
        Channels of every stage, finest first, and of the bottleneck, last.
    block, norm, upsample : str
        See `unet_tutorial.unet.DecoderBlock`.

    Raises
    ------
    ValueError
        As in `unet_tutorial.unet.Decoder`.

    Examples
    --------
    >>> skips = [torch.zeros(1, 64, 32, 32), torch.zeros(1, 128, 16, 16)]
    >>> AttentionDecoder((64, 128, 256))(torch.zeros(1, 256, 8, 8), skips).shape
    torch.Size([1, 64, 32, 32])
    """

    def __init__(
        self, channels: Sequence[int], block: str = "double", norm: str = "batch", upsample: str = "transpose"
    ):
        super().__init__(channels, block, norm, upsample)
        self.gates = nn.ModuleList(
            AttentionGate(step.in_channels, step.skip_channels, inter_channels=max(1, step.skip_channels // 2))
            for step in self.blocks
        )

    def forward(self, x: torch.Tensor, skips: Sequence[torch.Tensor]) -> torch.Tensor:
        check_count(skips, len(self.blocks))
        for gate, block, skip in zip(self.gates, self.blocks, reversed(skips), strict=True):
            x = block(x, gate(x, skip))  # twice the side, the skip connection's channels
        return x


class AttentionUNet(EncoderDecoder):
    """U-Net whose skip connections pass through attention gates.

    The gates compare the skip connection with the coarser features one stage below, and weigh every pixel
    with one number between 0 and 1. `attention_maps` shows these numbers.

    Parameters
    ----------
    in_channels, num_classes, channels, block, norm, upsample
        As in `unet_tutorial.unet.UNet`. There is no ``skip``: the gated skip connections are concatenated.

    Attributes
    ----------
    encoder, bottleneck, decoder, head : torch.nn.Module
        The parts of a U-Net; ``decoder`` is an `AttentionDecoder`.
    config : dict
        The arguments, so that ``AttentionUNet(**model.config)`` builds the same architecture again.
    depth : int
        The number of poolings.

    Raises
    ------
    ValueError
        As in `unet_tutorial.unet.UNet`.

    References
    ----------
    Oktay et al. 2018, arXiv:1804.03999. The paper's network is for volumes, leaves the finest skip
    connection without a gate, and takes predictions at several stages in training; this one does not.

    Examples
    --------
    >>> model = AttentionUNet(in_channels=1, channels=(8, 16, 32))
    >>> model(torch.zeros(2, 1, 45, 64)).shape
    torch.Size([2, 1, 45, 64])
    >>> [tuple(weights.shape) for weights in model.attention_maps(torch.zeros(2, 1, 45, 64))]
    [(2, 1, 45, 64), (2, 1, 22, 32)]
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1,
        *,
        channels: Sequence[int] = CHANNELS,
        block: str = "double",
        norm: str = "batch",
        upsample: str = "transpose",
    ):
        config, options = (
            common_config(in_channels, num_classes, channels),
            {"block": block, "norm": norm, "upsample": upsample},
        )
        decoder = AttentionDecoder(config["channels"], **options)
        super().__init__({**config, **options}, *contracting_path(config, block, norm), decoder)

    @torch.no_grad()
    def attention_maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the weights that the gates give to the pixels of a batch of images.

        This is a forward pass in the mode in which the model is: call ``model.eval()`` first to see what
        happens in prediction.

        Parameters
        ----------
        x : torch.Tensor
            The images, (B, in_channels, H, W).

        Returns
        -------
        list of torch.Tensor
            One map a stage, finest first: (B, 1, H, W), (B, 1, H // 2, W // 2) and so on, without gradient.

        Raises
        ------
        ValueError
            If the images are not what the model takes.
        """
        maps: list[torch.Tensor] = []
        gates = self.decoder.gates  # coarsest first, in the order in which they are called
        # A gate ends in these logits and a sigmoid, so each is computed once.
        hooks = [gate.weight_conv.register_forward_hook(lambda *call: maps.append(call[2].sigmoid())) for gate in gates]
        try:
            self(x)
        finally:
            for hook in hooks:
                hook.remove()
        return maps[::-1]


class ResidualUNet(EncoderDecoder):
    """U-Net with a `unet_tutorial.blocks.ResidualConvBlock` at every stage.

    Parameters
    ----------
    in_channels, num_classes, channels, norm, upsample, skip
        As in `unet_tutorial.unet.UNet`. There is no ``block``: it is residual.

    Attributes
    ----------
    encoder, bottleneck, decoder, head : torch.nn.Module
        The parts of a U-Net.
    config : dict
        The arguments, so that ``ResidualUNet(**model.config)`` builds the same architecture again.
    depth : int
        The number of poolings.

    Raises
    ------
    ValueError
        As in `unet_tutorial.unet.UNet`.

    References
    ----------
    Zhang, Liu and Wang 2018, arXiv:1711.10684. The paper's network has three steps down, made by strides
    instead of pooling, and normalizes before each convolution.

    Examples
    --------
    >>> model = ResidualUNet(in_channels=1, channels=(8, 16, 32))
    >>> model(torch.zeros(2, 1, 45, 64)).shape
    torch.Size([2, 1, 45, 64])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1,
        *,
        channels: Sequence[int] = CHANNELS,
        norm: str = "batch",
        upsample: str = "transpose",
        skip: str = "concat",
    ):
        config, options = (
            common_config(in_channels, num_classes, channels),
            {"norm": norm, "upsample": upsample, "skip": skip},
        )
        encoder, bottleneck = contracting_path(config, "residual", norm)
        super().__init__({**config, **options}, encoder, bottleneck, Decoder(config["channels"], "residual", **options))


class NestedDecoder(nn.Module):
    """The expanding path of U-Net++: a triangle of decoder blocks instead of one chain.

    Column 0 is the encoder. The node at stage i of column j joins *all* earlier nodes of its stage with the
    upsampled node at stage i + 1 of column j - 1. The result is the finest node of the last column.

    Parameters
    ----------
    channels : sequence of int
        Channels of every stage, finest first, and of the bottleneck, last.
    block, norm, upsample : str
        See `unet_tutorial.unet.DecoderBlock`.

    Raises
    ------
    ValueError
        As in `unet_tutorial.unet.Decoder`.

    Examples
    --------
    >>> decoder = NestedDecoder((64, 128, 256))
    >>> [len(column) for column in decoder.columns]
    [2, 1]
    >>> skips = [torch.zeros(1, 64, 32, 32), torch.zeros(1, 128, 16, 16)]
    >>> decoder(torch.zeros(1, 256, 8, 8), skips).shape
    torch.Size([1, 64, 32, 32])
    """

    def __init__(
        self, channels: Sequence[int], block: str = "double", norm: str = "batch", upsample: str = "transpose"
    ):
        super().__init__()
        channels = channel_list(channels)
        depth = len(channels) - 1
        self.columns = nn.ModuleList(  # columns[j - 1][i] is the paper's node X(i, j)
            nn.ModuleList(
                DecoderBlock(channels[i + 1], channels[i], block, norm, upsample, skip_channels=j * channels[i])
                for i in range(depth + 1 - j)
            )
            for j in range(1, depth + 1)
        )

    def forward(self, x: torch.Tensor, skips: Sequence[torch.Tensor]) -> torch.Tensor:
        check_count(skips, len(self.columns))
        for block, skip in zip(self.columns[0], skips, strict=True):
            features("skip", skip, block.skip_channels, next(block.parameters()), "NestedDecoder")
        rows = [[skip] for skip in skips]  # of every stage, finest first, its nodes so far
        column = [*skips, x]
        for blocks in self.columns:
            # Every column is one node shorter than the last; zip stops there.
            joined = [torch.cat(row, dim=1) for row, _ in zip(rows, blocks, strict=False)]  # (B, j * channels[i], ...)
            column = [step(below, skip) for step, below, skip in zip(blocks, column[1:], joined, strict=True)]
            for row, node in zip(rows, column, strict=False):
                row.append(node)
        return column[0]  # (B, channels[0], H, W)


class UNetPlusPlus(EncoderDecoder):
    """U-Net++: between encoder and decoder, nested blocks bring the two closer step by step.

    The paper also takes a prediction from every node of the finest stage, in training and to prune the
    network (deep supervision). This one predicts from the last node alone, so that it is trained and
    judged like the others.

    Parameters
    ----------
    in_channels, num_classes, channels, block, norm, upsample
        As in `unet_tutorial.unet.UNet`. There is no ``skip``: the nodes are concatenated.

    Attributes
    ----------
    encoder, bottleneck, decoder, head : torch.nn.Module
        The parts of a U-Net; ``decoder`` is a `NestedDecoder`.
    config : dict
        The arguments, so that ``UNetPlusPlus(**model.config)`` builds the same architecture again.
    depth : int
        The number of poolings.

    Raises
    ------
    ValueError
        As in `unet_tutorial.unet.UNet`.

    References
    ----------
    Zhou, Siddiquee, Tajbakhsh and Liang 2018, arXiv:1807.10165.

    Examples
    --------
    >>> model = UNetPlusPlus(in_channels=1, channels=(8, 16, 32))
    >>> model(torch.zeros(2, 1, 45, 64)).shape
    torch.Size([2, 1, 45, 64])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1,
        *,
        channels: Sequence[int] = CHANNELS,
        block: str = "double",
        norm: str = "batch",
        upsample: str = "transpose",
    ):
        config, options = (
            common_config(in_channels, num_classes, channels),
            {"block": block, "norm": norm, "upsample": upsample},
        )
        decoder = NestedDecoder(config["channels"], **options)
        super().__init__({**config, **options}, *contracting_path(config, block, norm), decoder)


class EfficientUNet(EncoderDecoder):
    """U-Net with a `unet_tutorial.blocks.SeparableConvBlock` at every stage: about an eighth of the weights.

    The first convolution of all is a full one. Split in two, it would have one filter for every channel of
    the image, and a grey image would enter the network through a single filter.

    Parameters
    ----------
    in_channels, num_classes, channels, norm, upsample, skip
        As in `unet_tutorial.unet.UNet`, but ``upsample`` is ``"bilinear"`` by default: transposed
        convolutions would have nearly half of the weights here. There is no ``block``: it is separable.

    Attributes
    ----------
    encoder, bottleneck, decoder, head : torch.nn.Module
        The parts of a U-Net.
    config : dict
        The arguments, so that ``EfficientUNet(**model.config)`` builds the same architecture again.
    depth : int
        The number of poolings.

    Raises
    ------
    ValueError
        As in `unet_tutorial.unet.UNet`.

    References
    ----------
    Howard et al. 2017, arXiv:1704.04861, for the separable convolution and the full first one.

    Examples
    --------
    >>> model = EfficientUNet(in_channels=1, channels=(8, 16, 32))
    >>> model(torch.zeros(2, 1, 45, 64)).shape
    torch.Size([2, 1, 45, 64])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1,
        *,
        channels: Sequence[int] = CHANNELS,
        norm: str = "batch",
        upsample: str = "bilinear",
        skip: str = "concat",
    ):
        config, options = (
            common_config(in_channels, num_classes, channels),
            {"norm": norm, "upsample": upsample, "skip": skip},
        )
        first = SeparableConvBlock(config["in_channels"], config["channels"][0], norm, full_first=True)
        encoder, bottleneck = contracting_path(config, "separable", norm, first=first)
        super().__init__(
            {**config, **options}, encoder, bottleneck, Decoder(config["channels"], "separable", **options)
        )


#: The networks, by the names under which `build` knows them.
MODELS: dict[str, type[EncoderDecoder]] = {
    model.__name__: model for model in (UNet, AttentionUNet, ResidualUNet, UNetPlusPlus, EfficientUNet)
}


def build(name: str, config: Mapping[str, Any]) -> EncoderDecoder:
    """Build a model from its class's name and its ``config``, as a checkpoint holds them.

    Parameters
    ----------
    name : {"UNet", "AttentionUNet", "ResidualUNet", "UNetPlusPlus", "EfficientUNet"}
        Name of the class.
    config : mapping of str to object
        The model's arguments by name, such as ``model.config``.

    Returns
    -------
    torch.nn.Module
        The model, with fresh weights.

    Raises
    ------
    ValueError
        If the name, or an argument's name or value, is unknown.

    Examples
    --------
    >>> model = AttentionUNet(1, channels=(8, 16))
    >>> again = build(type(model).__name__, model.config)
    >>> again.load_state_dict(model.state_dict())
    <All keys matched successfully>
    """
    model = MODELS[option("name", name, MODELS)]
    if not isinstance(config, Mapping):
        raise ValueError(f"config must be a dict of the model's arguments, but got {type(config).__name__}.")
    arguments = list(inspect.signature(model).parameters)
    for argument in config:
        option(f"an argument of {name}", argument, arguments)
    return model(**config)
