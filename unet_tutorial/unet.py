"""U-Net: an encoder, a bottleneck, a decoder with skip connections, and a head."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import _checks
from ._checks import (
    PADDINGS,
    SKIPS,
    UPSAMPLES,
    channel_list,
    joinable,
    option,
    sides,
    unpadded_sides,
    whole_number,
)
from ._contract import FLOATS, as_tensor, dense, same_numbers
from ._modes import checked
from .blocks import BLOCKS, check_joined

CHANNELS = _checks.CHANNELS  #: The channels of the paper, and of its bottleneck.


class Encoder(nn.Module):
    """The contracting path: a block at every stage, and a 2x2 max pooling after each.

    Parameters
    ----------
    in_channels : int, default 3
        Channels of the image.
    channels : sequence of int, default (64, 128, 256, 512)
        Channels of every stage, finest first. The bottleneck is not among them.
    block : {"double", "residual", "separable"}, default "double"
        The block of every stage, see `unet_tutorial.blocks`.
    norm : {"batch", "group", "none"}, default "batch"
        The normalization, see `unet_tutorial.blocks.normalization`.
    padding : {"same", "none"}, default "same"
        A frame of zeros that keeps the side, or none, see `unet_tutorial.blocks.DoubleConv`.
    first : torch.nn.Module, optional
        Another block for the first stage, from ``in_channels`` to ``channels[0]``.

    Raises
    ------
    ValueError
        If a channel count is not a whole number of at least 1, or an option is unknown.

    Examples
    --------
    >>> pooled, skips = Encoder(3, (64, 128))(torch.zeros(1, 3, 32, 32))
    >>> pooled.shape, [tuple(skip.shape[1:]) for skip in skips]
    (torch.Size([1, 128, 8, 8]), [(64, 32, 32), (128, 16, 16)])
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = CHANNELS[:-1],
        block: str = "double",
        norm: str = "batch",
        padding: str = "same",
        first: nn.Module | None = None,
    ):
        super().__init__()
        make = BLOCKS[option("block", block, BLOCKS)]
        widths = [whole_number("in_channels", in_channels), *channel_list(channels, bottleneck=False)]
        stages = [] if first is None else [first]
        stages += [make(a, b, norm, padding) for a, b in itertools.pairwise(widths[len(stages) :])]
        self.stages = nn.ModuleList(stages)
        self.pool = nn.MaxPool2d(kernel_size=2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        skips = []
        for stage in self.stages:
            x = stage(x)  # (B, channels[i], H / 2**i, W / 2**i)
            skips.append(x)  # kept before pooling, while the position is still exact
            _check_pooled(x)
            x = self.pool(x)  # (B, channels[i], H / 2**(i+1), W / 2**(i+1)), rounded down
        return x, skips


class DecoderBlock(nn.Module):
    """One step of the expanding path: upsample by 2, join the skip connection, and a block.

    A side that was odd before pooling lost its last row or column there. The upsampled features are
    then one pixel smaller than the skip connection, and are padded with zeros at the bottom and right.
    Without padding, the skip connection is larger by more than that, and its middle is cut out.

    Parameters
    ----------
    in_channels : int
        Channels of the coarser features.
    out_channels : int
        Channels of the result and, unless ``skip_channels`` says otherwise, of the skip connection.
    block : {"double", "residual", "separable"}, default "double"
        The block after the join.
    norm : {"batch", "group", "none"}, default "batch"
        The normalization.
    upsample : {"transpose", "bilinear", "nearest"}, default "transpose"
        A 2x2 transposed convolution with stride 2, or an interpolation followed by a 1x1 convolution.
    skip : {"concat", "add", "none"}, default "concat"
        Put the skip connection in front of the upsampled channels, add the two, or leave it out.
    skip_channels : int, optional
        Channels of the skip connection where they are not ``out_channels``. U-Net++ needs it.
    padding : {"same", "none"}, default "same"
        A frame of zeros in the block that keeps the side, or none, see `unet_tutorial.blocks.DoubleConv`.

    Raises
    ------
    ValueError
        If an argument is unknown or not positive, or the skip connection is to be added but has other
        channels than the result; at the call, if the features have another number of
        channels, or the skip connection another resolution than one pooling asks for (without padding: is
        smaller than the upsampled features, or larger by an odd number of pixels).

    Examples
    --------
    >>> block = DecoderBlock(128, 64)
    >>> block(torch.zeros(1, 128, 16, 16), torch.zeros(1, 64, 33, 32)).shape
    torch.Size([1, 64, 33, 32])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        block: str = "double",
        norm: str = "batch",
        upsample: str = "transpose",
        skip: str = "concat",
        skip_channels: int | None = None,
        padding: str = "same",
    ):
        super().__init__()
        self.in_channels = in_channels = whole_number("in_channels", in_channels)
        out_channels = whole_number("out_channels", out_channels)
        self.skip = option("skip", skip, SKIPS)
        self.skip_channels = whole_number("skip_channels", out_channels if skip_channels is None else skip_channels)
        if skip == "add" and self.skip_channels != out_channels:
            raise ValueError(
                f"skip='add' needs skip_channels equal to out_channels = {out_channels}, but got {skip_channels}."
            )
        if option("upsample", upsample, UPSAMPLES) == "transpose":
            self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        else:
            smooth: dict[str, Any] = {"align_corners": False} if upsample == "bilinear" else {}
            self.up = nn.Sequential(
                nn.Upsample(scale_factor=2, mode=upsample, **smooth),
                nn.Conv2d(in_channels, out_channels, kernel_size=1),
            )
        joined = self.skip_channels + out_channels if skip == "concat" else out_channels
        self.block: nn.Module = BLOCKS[option("block", block, BLOCKS)](joined, out_channels, norm, padding)
        self.padding = padding

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        self._check(x, skip)
        x = self.up(x)  # (B, out_channels, 2h, 2w)
        if self.padding == "none":
            skip = center_crop(skip, x.shape[-2:])  # (B, skip_channels, 2h, 2w)
        else:
            missing_rows = skip.shape[-2] - x.shape[-2]  # 0, or 1 where the side was odd
            missing_columns = skip.shape[-1] - x.shape[-1]
            x = F.pad(x, (0, missing_columns, 0, missing_rows))  # (B, out_channels, H, W), as the skip connection
        if self.skip == "concat":
            x = torch.cat([skip, x], dim=1)  # (B, skip_channels + out_channels, H, W), skip connection first
        elif self.skip == "add":
            x = skip + x  # (B, out_channels, H, W)
        return self.block(x)  # (B, out_channels, H, W); without padding (B, out_channels, 2h - 4, 2w - 4)

    def _check(self, x: torch.Tensor, skip: torch.Tensor) -> None:
        axes = [part.shape[1] if isinstance(part, torch.Tensor) and part.ndim == 4 else None for part in (x, skip)]
        if None not in axes and axes != [self.in_channels, self.skip_channels]:
            raise ValueError(
                f"this DecoderBlock takes features with {self.in_channels} channels and a skip connection with "
                f"{self.skip_channels}, but got {x.shape[1]} and {skip.shape[1]}."
            )
        check_joined(self, x, skip, self.in_channels, self.skip_channels, next(self.parameters()))
        if self.padding == "same":  # otherwise center_crop looks at the sizes
            joinable(x.shape[-2:], skip.shape[-2:])


class Decoder(nn.Module):
    """The expanding path: one `DecoderBlock` for every stage of the encoder, coarsest first.

    Parameters
    ----------
    channels : sequence of int
        Channels of every stage, finest first, and of the bottleneck, last.
    block, norm, upsample, skip, padding : str
        See `DecoderBlock`.

    Raises
    ------
    ValueError
        If an argument is unknown or not positive; at the call, if the number of skip connections
        is not the number of stages.

    Examples
    --------
    >>> skips = [torch.zeros(1, 64, 32, 32), torch.zeros(1, 128, 16, 16)]
    >>> Decoder((64, 128, 256))(torch.zeros(1, 256, 8, 8), skips).shape
    torch.Size([1, 64, 32, 32])
    """

    def __init__(
        self,
        channels: Sequence[int],
        block: str = "double",
        norm: str = "batch",
        upsample: str = "transpose",
        skip: str = "concat",
        padding: str = "same",
    ):
        super().__init__()
        upward = channel_list(channels)[::-1]  # coarsest first
        self.blocks = nn.ModuleList(
            DecoderBlock(a, b, block, norm, upsample, skip, padding=padding)
            for a, b in zip(upward, upward[1:], strict=False)
        )

    def forward(self, x: torch.Tensor, skips: Sequence[torch.Tensor]) -> torch.Tensor:
        check_count(skips, len(self.blocks))
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            x = block(x, skip)  # twice the side, the skip connection's channels
        return x


class EncoderDecoder(nn.Module):
    """A network in the shape of a U, made of the parts that are handed in, and of a head.

    Parameters
    ----------
    config : mapping
        The arguments of the network, ``in_channels``, ``num_classes`` and ``channels`` among them.
    encoder : torch.nn.Module
        Maps images to ``(pooled, skips)``, see `Encoder`.
    bottleneck : torch.nn.Module
        Maps what was pooled to the last of ``channels``.
    decoder : torch.nn.Module
        Maps ``(bottleneck, skips)`` to the first of ``channels``, see `Decoder`.
    padding : {"same", "none"}, default "same"
        Which sizes of images the parts take, see `UNet`.

    Attributes
    ----------
    encoder, bottleneck, decoder, head : torch.nn.Module
        The four parts, in the order in which an image passes them.
    config : dict
        The arguments, so that ``type(model)(**model.config)`` builds the same architecture again.
    depth : int
        The number of poolings.

    Raises
    ------
    ValueError
        If the config lacks something, or a part is no module; at the call, if the images are not a floating point
        tensor (B, in_channels, H, W), have a side below
        ``2**depth`` (without padding: one that does not come out even), or leave batch normalization a single value to
        average in training (one image that is 1x1 at the bottleneck).

    Examples
    --------
    >>> config = {"in_channels": 1, "num_classes": 1, "channels": (4, 8)}
    >>> parts = Encoder(1, (4,)), nn.Conv2d(4, 8, 1), Decoder((4, 8))
    >>> EncoderDecoder(config, *parts)(torch.zeros(1, 1, 16, 16)).shape
    torch.Size([1, 1, 16, 16])
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        encoder: nn.Module,
        bottleneck: nn.Module,
        decoder: nn.Module,
        padding: str = "same",
    ):
        super().__init__()
        _check_config(config)
        for name, part in (("encoder", encoder), ("bottleneck", bottleneck), ("decoder", decoder)):
            checked(part, name)
        self.config, self.padding = dict(config), option("padding", padding, PADDINGS)
        self.depth = len(config["channels"]) - 1
        self.encoder, self.bottleneck, self.decoder = encoder, bottleneck, decoder
        self.head = nn.Conv2d(config["channels"][0], config["num_classes"], kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        check_images(x, self.config["in_channels"], self.depth, self.padding)
        same_numbers("images", x, self.head.weight)
        _check_batch_statistics(x, self.bottleneck, self.depth)
        x, skips = self.encoder(x)  # (B, channels[-2], H / 2**depth, W / 2**depth)
        x = self.bottleneck(x)  # (B, channels[-1], H / 2**depth, W / 2**depth)
        x = self.decoder(x, skips)  # (B, channels[0], H, W)
        return self.head(x)  # (B, num_classes, H, W): logits, no sigmoid and no softmax


def common_config(in_channels: int, num_classes: int, channels: Sequence[int]) -> dict[str, Any]:
    """Return the part of a config that all networks share, checked.

    Parameters
    ----------
    in_channels, num_classes, channels
        As in `UNet`.

    Returns
    -------
    dict
        The three, as whole numbers of Python.

    Raises
    ------
    ValueError
        If one is not positive, or ``channels`` has fewer than two entries.

    Examples
    --------
    >>> common_config(1, 1, [4, 8])
    {'in_channels': 1, 'num_classes': 1, 'channels': (4, 8)}
    """
    return {
        "in_channels": whole_number("in_channels", in_channels),
        "num_classes": whole_number("num_classes", num_classes),
        "channels": channel_list(channels),
    }


def contracting_path(
    config: Mapping[str, Any], block: str, norm: str, padding: str = "same", first: nn.Module | None = None
) -> tuple[Encoder, nn.Module]:
    """Return the encoder and the bottleneck of a network.

    Parameters
    ----------
    config : mapping
        What `common_config` returns.
    block, norm, padding, first
        As in `Encoder`.

    Returns
    -------
    encoder : Encoder
    bottleneck : torch.nn.Module

    Raises
    ------
    ValueError
        If an option is unknown.

    Examples
    --------
    >>> encoder, bottleneck = contracting_path(common_config(1, 1, (4, 8)), "double", "batch")
    >>> len(encoder.stages)
    1
    """
    _check_config(config)
    option("block", block, BLOCKS)
    *stages, before, last = config["channels"]
    encoder = Encoder(config["in_channels"], (*stages, before), block, norm, padding, first)
    return encoder, BLOCKS[block](before, last, norm, padding)


def _check_config(config: Any) -> None:
    """Refuse what is not, or does not contain, what `common_config` returns."""
    if not isinstance(config, Mapping):
        raise ValueError(f"config must be a dict as common_config returns it, but got {type(config).__name__}.")
    missing = [name for name in ("in_channels", "num_classes", "channels") if name not in config]
    if missing:
        raise ValueError(
            f"config must hold in_channels, num_classes and channels, but {', '.join(missing)} is missing."
        )
    common_config(config["in_channels"], config["num_classes"], config["channels"])


class UNet(EncoderDecoder):
    """U-Net: image in, one logit for every class and pixel out, at the image's own size.

    Parameters
    ----------
    in_channels : int, default 3
        Channels of the image.
    num_classes : int, default 1
        Channels of the output. 1 means "this or background" (read it with a sigmoid); more than 1 means
        one score a class (read it with a softmax).
    channels : sequence of int, default (64, 128, 256, 512, 1024)
        Channels of every stage, finest first, and of the bottleneck, last. The depth, the number of
        poolings, is ``len(channels) - 1``.
    block : {"double", "residual", "separable"}, default "double"
        The block at every stage, see `unet_tutorial.blocks`.
    norm : {"batch", "group", "none"}, default "batch"
        The normalization, see `unet_tutorial.blocks.normalization`.
    upsample : {"transpose", "bilinear", "nearest"}, default "transpose"
        How the decoder doubles the side, see `DecoderBlock`.
    skip : {"concat", "add", "none"}, default "concat"
        How the decoder joins a skip connection, see `DecoderBlock`.
    padding : {"same", "none"}, default "same"
        ``"same"`` keeps the size of the image. ``"none"`` is the network of the paper: no zeros come in from
        beyond the border, the logits are for the middle of the image alone, and `center_crop` cuts the masks to it.

    Attributes
    ----------
    encoder, bottleneck, decoder, head : torch.nn.Module
        The four parts, in the order in which an image passes them.
    config : dict
        The arguments, so that ``UNet(**model.config)`` builds the same architecture again.
    depth : int
        The number of poolings.

    Raises
    ------
    ValueError
        If an argument is unknown or not positive; at the call, if the images are not a floating point
        tensor (B, in_channels, H, W), have a side below ``2**depth`` (without padding: one that does not come
        out even), or leave batch normalization a single value to average in training (one image that is 1x1
        at the bottleneck).

    References
    ----------
    Ronneberger, Fischer and Brox 2015, arXiv:1505.04597. The padding, which keeps the size, and the
    normalization are what today's implementations add.

    Examples
    --------
    >>> model = UNet(in_channels=1, channels=(8, 16, 32))
    >>> model(torch.zeros(2, 1, 45, 64)).shape
    torch.Size([2, 1, 45, 64])
    >>> sum(p.numel() for p in UNet().parameters())
    31037633
    >>> paper = UNet(in_channels=1, num_classes=2, channels=(2, 4, 8, 16, 32), padding="none")
    >>> paper(torch.zeros(1, 1, 572, 572)).shape
    torch.Size([1, 2, 388, 388])
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
        skip: str = "concat",
        padding: str = "same",
    ):
        config = common_config(in_channels, num_classes, channels)
        encoder, bottleneck = contracting_path(config, block, norm, padding)
        decoder = Decoder(config["channels"], block, norm, upsample, skip, padding)
        options = {"block": block, "norm": norm, "upsample": upsample, "skip": skip, "padding": padding}
        super().__init__({**config, **options}, encoder, bottleneck, decoder, padding)


def center_crop(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Cut the middle out of a batch of maps or masks.

    Parameters
    ----------
    x : torch.Tensor
        (..., H, W).
    size : (int, int)
        Height h and width w of the result, such as ``logits.shape[-2:]``. As much goes at the top as at the bottom,
        and at the left as at the right.

    Returns
    -------
    torch.Tensor
        (..., h, w), a view.

    Raises
    ------
    ValueError
        If the result would be larger, or what is to be cut off is odd and has no middle.

    Examples
    --------
    >>> center_crop(torch.arange(6).view(1, 6), (1, 2))
    tensor([[2, 3]])
    """
    if not isinstance(x, torch.Tensor) or x.ndim < 2:
        came = tuple(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
        raise ValueError(f"x must be a torch tensor (..., H, W), but got {came}.")
    if x.layout is not torch.strided or x.is_nested:
        dense("x", x)
    given = size.tolist() if isinstance(size, np.ndarray) else size
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence) or len(given) != 2:
        raise ValueError(f"size must be (height, width), but got {size!r}.")
    size = [whole_number(f"the {side} in size", n) for side, n in zip(("height", "width"), given, strict=True)]
    cuts = [have - want for have, want in zip(x.shape[-2:], size, strict=True)]
    if any(cut < 0 or cut % 2 for cut in cuts):
        raise ValueError(
            f"size must be smaller than {tuple(x.shape[-2:])} by an even number of pixels, or equal, "
            f"but got {tuple(size)}."
        )
    top, left = (cut // 2 for cut in cuts)
    return x[..., top : top + size[0], left : left + size[1]]


def check_images(x: torch.Tensor, in_channels: int, depth: int, padding: str = "same") -> None:
    """Refuse a batch that a network cannot take, with a message that says how to mend it.

    Parameters
    ----------
    x : torch.Tensor
        The batch, expected as (B, in_channels, H, W) and floating point.
    in_channels : int
        Channels that the network was built for.
    depth : int
        The number of poolings.
    padding : {"same", "none"}, default "same"
        As in `UNet`.

    Raises
    ------
    ValueError
        If the batch is no tensor, has another number of axes or channels, holds whole numbers, is too small, or,
        without padding, has sides that do not come out even.

    Examples
    --------
    >>> check_images(torch.zeros(1, 3, 16, 16), in_channels=3, depth=4)
    """
    if not isinstance(x, torch.Tensor):
        way = as_tensor("images", x, "as_tensor")
        cure = f" Convert them, for example {way}." if way else ""
        raise ValueError(f"images must be a torch tensor, but got {type(x).__name__}.{cure}")
    in_channels, depth = whole_number("in_channels", in_channels), whole_number("depth", depth, least=0)
    option("padding", padding, PADDINGS)
    if x.layout is not torch.strided or x.is_quantized or x.is_nested:
        dense("images", x)
    shape = tuple(x.shape)
    if x.ndim != 4:
        one = x.ndim == 3 and in_channels in (shape[0], shape[2])
        hint = " Add the missing axis with image.unsqueeze(0)." if one else ""
        if x.ndim == 3 and in_channels == 1 and not one:
            hint = " Add the axis of the channel with images.unsqueeze(1)."
        raise ValueError(f"images must have the shape (B, {in_channels}, H, W), but got {shape}.{hint}")
    if shape[1] != in_channels:
        plural = "channel" if in_channels == 1 else "channels"
        if shape[3] == in_channels:
            raise ValueError(
                f"images must have the shape (B, {in_channels}, H, W), channels first, but got {shape}. "
                f"Bring the channels forward with images.permute(0, 3, 1, 2)."
            )
        cure = f" Build the model with in_channels={shape[1]}, or convert the images." if shape[1] else ""
        raise ValueError(f"images must have {in_channels} {plural}, but got shape {shape} with {shape[1]}.{cure}")
    if not x.is_floating_point():
        raise ValueError(f"images must be floating point, but got {x.dtype}.{_as_floats(x.dtype)}")
    if x.dtype not in FLOATS:
        raise ValueError(f"images must be of 16 bits or more, but got {x.dtype}. Convert them with images.float().")
    if shape[0] == 0:
        raise ValueError(f"images must hold at least one image, but got shape {shape}.")
    check_sides = sides if padding == "same" else unpadded_sides
    check_sides(shape[2], shape[3], depth)


def _as_floats(dtype: torch.dtype) -> str:
    """Say how images of whole numbers come to lie between 0 and 1."""
    if dtype == torch.bool:
        return " Convert them with images.float()."
    if dtype in (torch.uint8, torch.uint16):
        return f" Convert them, for example images.float() / {torch.iinfo(dtype).max}."
    if dtype.is_complex:
        return ""
    return " Convert them with images.float(), and divide by the largest number that a pixel can have, such as 255."


def _check_pooled(x: torch.Tensor) -> None:
    """Refuse a map that pooling would leave nothing of."""
    if min(x.shape[-2:]) < 2:
        raise ValueError(
            f"a map must have at least 2 pixels a side to be pooled, but has {x.shape[-2]}x{x.shape[-1]}. Use a larger "
            f"image, or fewer stages."
        )


def _check_batch_statistics(x: torch.Tensor, bottleneck: nn.Module, depth: int) -> None:
    """Refuse to train batch normalization on one image that is a single pixel at the bottleneck.

    The mean of one value is the value itself, and its variance is zero: nothing would be left.
    """
    height, width = x.shape[-2:]
    values = x.shape[0] * (height // 2**depth) * (width // 2**depth)
    batch_norms = (m for m in bottleneck.modules() if isinstance(m, nn.BatchNorm2d))
    if values == 1 and any(m.training for m in batch_norms):
        raise ValueError(
            f"batch normalization cannot be trained on one image of {height}x{width} pixels: after {depth} "
            f"poolings one value a channel is left, and a mean needs more. Use larger images, more images in a "
            f"batch, or norm='group'; to predict, call model.eval() first."
        )


def check_count(skips: Sequence[torch.Tensor], stages: int) -> None:
    """Refuse skip connections of another number than the decoder has stages.

    Parameters
    ----------
    skips : sequence of torch.Tensor
        One skip connection a stage.
    stages : int
        The number of stages.

    Raises
    ------
    ValueError
        If the numbers differ.

    Examples
    --------
    >>> check_count([torch.zeros(1, 8, 4, 4)], stages=2)
    Traceback (most recent call last):
    ...
    ValueError: this decoder needs 2 skip connections, but got 1.
    """
    stages = whole_number("stages", stages)
    if not isinstance(skips, (list, tuple)):
        raise ValueError(f"skips must list {stages} skip connections, but got {type(skips).__name__}.")
    if len(skips) != stages:
        raise ValueError(f"this decoder needs {stages} skip connections, but got {len(skips)}.")
