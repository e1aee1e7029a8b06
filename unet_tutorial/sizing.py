"""The arithmetic of a U-Net: sizes, parameters, multiplications, memory, receptive field. Plain Python, no torch.

Everything here can be worked out by hand, and the tests compare it with what a real `unet_tutorial.unet.UNet`
does. The block is `unet_tutorial.blocks.DoubleConv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ._checks import (
    CHANNELS,
    NORMS,
    PADDINGS,
    SKIPS,
    UPSAMPLES,
    channel_list,
    option,
    sides,
    unpadded_sides,
    whole_number,
)

FLOAT32 = 4  # bytes
DEEPEST = 32  # poolings


class FeatureMap(NamedTuple):
    """The result of one step: which part of the network made it, and its shape.

    Attributes
    ----------
    part : str
        The part of the network, such as ``"image"`` or ``"bottleneck"``.
    channels, height, width : int
        The shape, without the batch.

    Examples
    --------
    >>> feature_maps(64, 64)[0]
    FeatureMap(part='image', channels=3, height=64, width=64)
    """

    part: str
    channels: int
    height: int
    width: int


class Memory(NamedTuple):
    """Bytes that one training step holds, by what they are for.

    Attributes
    ----------
    weights, gradients, optimizer, activations : int
        Bytes each: the parameters, their gradients, what the optimizer remembers, and the feature maps that the way
        back needs.

    Examples
    --------
    >>> Memory(weights=4, gradients=4, optimizer=8, activations=100).total
    116
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """The sum of the four."""
        return sum(self)


def feature_maps(
    height: int,
    width: int,
    in_channels: int = 3,
    num_classes: int = 1,
    channels: Sequence[int] = CHANNELS,
    *,
    padding: str = "same",
) -> list[FeatureMap]:
    """List the shape of every feature map, from the image to the logits.

    Parameters
    ----------
    height, width : int
        Size of the image in pixels.
    in_channels, num_classes : int
        Channels of the image and of the logits.
    channels : sequence of int
        Channels of every stage, finest first, and of the bottleneck, last.
    padding : {"same", "none"}, default "same"
        As in `unet_tutorial.unet.UNet`.

    Returns
    -------
    list of FeatureMap
        ``image``, ``encoder 1`` … ``encoder d``, ``bottleneck``, ``decoder d`` … ``decoder 1``, ``logits``.
        A stage's map is the one before pooling, which is also the one that the skip connection carries.

    Raises
    ------
    ValueError
        If an argument is not positive or unknown, or a side is below ``2**depth`` (without padding: does not come
        out even).

    Examples
    --------
    >>> for row in feature_maps(64, 48, channels=(8, 16, 32)):
    ...     print(row.part, row.channels, row.height, row.width)
    image 3 64 48
    encoder 1 8 64 48
    encoder 2 16 32 24
    bottleneck 32 16 12
    decoder 2 16 32 24
    decoder 1 8 64 48
    logits 1 64 48
    """
    in_channels, num_classes, channels, depth = _architecture(in_channels, num_classes, channels)
    height, width = whole_number("height", height), whole_number("width", width)
    lost = 0 if option("padding", padding, PADDINGS) == "same" else 4  # pixels that a block takes from each side
    (sides if padding == "same" else unpadded_sides)(height, width, depth)
    maps = [FeatureMap("image", in_channels, height, width)]
    h, w = height, width
    for i, c in enumerate(channels):
        h, w = h - lost, w - lost
        maps.append(FeatureMap(f"encoder {i + 1}" if i < depth else "bottleneck", c, h, w))
        if i < depth:
            h, w = h // 2, w // 2
    for i in reversed(range(depth)):
        skip = maps[i + 1]
        # With padding, the upsampled map is brought to the size of the skip connection, also of an odd one.
        h, w = (2 * h - lost, 2 * w - lost) if lost else (skip.height, skip.width)
        maps.append(FeatureMap(f"decoder {i + 1}", channels[i], h, w))
    return [*maps, FeatureMap("logits", num_classes, h, w)]


def parameters(
    in_channels: int = 3,
    num_classes: int = 1,
    channels: Sequence[int] = CHANNELS,
    *,
    norm: str = "batch",
    upsample: str = "transpose",
    skip: str = "concat",
) -> dict[str, int]:
    """Count the parameters of a U-Net, part by part.

    Parameters
    ----------
    in_channels, num_classes : int
        Channels of the image and of the logits.
    channels : sequence of int
        Channels of every stage, finest first, and of the bottleneck, last.
    norm : {"batch", "group", "none"}
    upsample : {"transpose", "bilinear", "nearest"}
    skip : {"concat", "add", "none"}
        As in `unet_tutorial.unet.UNet`.

    Returns
    -------
    dict of str to int
        Parameters of ``encoder 1`` …, ``bottleneck``, ``upsample d`` and ``decoder d`` …, ``head``.
        The values add up to the whole network.

    Raises
    ------
    ValueError
        If an argument is not positive or unknown.

    Examples
    --------
    >>> count = parameters()
    >>> count["bottleneck"], sum(count.values())
    (14159872, 31037633)
    """
    in_channels, num_classes, channels, depth = _architecture(in_channels, num_classes, channels)
    option("norm", norm, NORMS)
    option("upsample", upsample, UPSAMPLES)
    option("skip", skip, SKIPS)
    widths = [in_channels, *channels]
    count = {}
    for i in range(depth + 1):
        name = f"encoder {i + 1}" if i < depth else "bottleneck"
        count[name] = double_conv_parameters(widths[i], widths[i + 1], norm)
    taps = 4 if upsample == "transpose" else 1  # a 2x2 kernel, or a 1x1 after the interpolation
    for i in reversed(range(depth)):
        coarse, fine = channels[i + 1], channels[i]
        count[f"upsample {i + 1}"] = taps * coarse * fine + fine
        count[f"decoder {i + 1}"] = double_conv_parameters(2 * fine if skip == "concat" else fine, fine, norm)
    count["head"] = channels[0] * num_classes + num_classes
    return count


def double_conv_parameters(in_channels: int, out_channels: int, norm: str = "batch") -> int:
    """Count the parameters of a `unet_tutorial.blocks.DoubleConv`.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    norm : {"batch", "group", "none"}, default "batch"
        With a normalization there is no bias, but a factor and an offset for every channel.

    Returns
    -------
    int
        The number of parameters.

    Raises
    ------
    ValueError
        If a channel count is not positive, or ``norm`` is unknown.

    Examples
    --------
    >>> double_conv_parameters(3, 64)
    38848
    """
    in_channels, out_channels = whole_number("in_channels", in_channels), whole_number("out_channels", out_channels)
    per_channel = 1 if option("norm", norm, NORMS) == "none" else 2  # a bias, or a factor and an offset
    kernels = 9 * in_channels * out_channels + 9 * out_channels * out_channels
    return kernels + 2 * per_channel * out_channels


def multiply_adds(
    height: int,
    width: int,
    in_channels: int = 3,
    num_classes: int = 1,
    channels: Sequence[int] = CHANNELS,
    *,
    upsample: str = "transpose",
    skip: str = "concat",
    padding: str = "same",
) -> dict[str, int]:
    """Count the multiply-add operations of all convolutions for one image, part by part.

    Normalization, ReLU, pooling and interpolation are left out: they cost little beside the convolutions.

    Parameters
    ----------
    height, width : int
        Size of the image in pixels.
    in_channels, num_classes : int
        Channels of the image and of the logits.
    channels : sequence of int
        Channels of every stage, finest first, and of the bottleneck, last.
    upsample : {"transpose", "bilinear", "nearest"}
    skip : {"concat", "add", "none"}
    padding : {"same", "none"}
        As in `unet_tutorial.unet.UNet`.

    Returns
    -------
    dict of str to int
        The same parts as `parameters`.

    Raises
    ------
    ValueError
        If an argument is not positive or unknown, or a side does not fit, see `feature_maps`.

    Examples
    --------
    >>> round(sum(multiply_adds(256, 256).values()) / 1e9, 1)
    48.2
    """
    maps = {m.part: m for m in feature_maps(height, width, in_channels, num_classes, channels, padding=padding)}
    weights = parameters(in_channels, num_classes, channels, norm="none", upsample=upsample, skip=skip)
    num_classes = maps["logits"].channels  # a number of Python
    ring = 0 if padding == "same" else 2  # the first convolution of a block puts out so many rows and columns more
    cost = {}
    for part, count in weights.items():
        kind, _, number = part.partition(" ")
        if kind == "upsample":
            stage = maps[f"decoder {number}"]
            coarse = maps.get(f"decoder {int(number) + 1}", maps["bottleneck"])
            # Each weight of a 2x2 kernel is used once a coarse pixel, that of a 1x1 kernel once a fine one.
            pixels = coarse.height * coarse.width if upsample == "transpose" else 4 * coarse.height * coarse.width
            cost[part] = (count - stage.channels) * pixels
        elif kind == "head":
            cost[part] = (count - num_classes) * maps["logits"].height * maps["logits"].width
        else:
            stage = maps[part]
            second = 9 * stage.channels**2  # weights of the block's second convolution; the rest but two biases: first
            first = count - second - 2 * stage.channels
            h, w = stage.height, stage.width
            cost[part] = first * (h + ring) * (w + ring) + second * h * w
    return cost


def memory(
    batch: int,
    height: int,
    width: int,
    in_channels: int = 3,
    num_classes: int = 1,
    channels: Sequence[int] = CHANNELS,
    *,
    padding: str = "same",
) -> Memory:
    """Account for the memory of one training step with Adam.

    The activations are the tensors that the backward pass of a `unet_tutorial.unet.UNet` with batch
    normalization needs again. Per `DoubleConv` these are its input, and for each of its two convolutions
    the result before normalization and the result after ReLU (which works in place). Pooling keeps the
    position of each maximum, in 8-byte numbers. The loss keeps logits and masks. Not counted is what a
    library uses for a moment inside a convolution, and the two numbers a channel that a normalization keeps.

    Parameters
    ----------
    batch : int
        Images in a batch.
    height, width : int
        Size of the image in pixels.
    in_channels, num_classes : int
        Channels of the image and of the logits.
    channels : sequence of int
        Channels of every stage, finest first, and of the bottleneck, last.
    padding : {"same", "none"}, default "same"
        As in `unet_tutorial.unet.UNet`.

    Returns
    -------
    Memory
        Bytes for weights, gradients, optimizer (two values a weight) and activations.

    Raises
    ------
    ValueError
        If an argument is not positive or unknown, or a side does not fit, see `feature_maps`.

    Examples
    --------
    >>> memory(8, 256, 256).weights / 2**20  # MiB
    118.39917373657227
    """
    batch = whole_number("batch", batch)
    weights = FLOAT32 * sum(parameters(in_channels, num_classes, channels).values())
    values = 0  # of one image
    indices = 0  # of pooling, one image
    for stage in feature_maps(height, width, in_channels, num_classes, channels, padding=padding):
        ring = 0 if padding == "same" else 2  # the maps before the second convolution, and before the first, are larger
        pixels, between, joined = ((stage.height + r) * (stage.width + r) for r in (0, ring, 2 * ring))
        pooled = stage.channels * (stage.height // 2) * (stage.width // 2)
        if stage.part == "image":
            values += stage.channels * pixels
        elif stage.part.startswith("encoder"):
            values += 2 * stage.channels * (between + pixels) + pooled  # two convolutions, and the pooled map
            indices += pooled
        elif stage.part == "bottleneck":
            values += 2 * stage.channels * (between + pixels)
        elif stage.part.startswith("decoder"):
            values += 2 * stage.channels * (joined + between + pixels)  # the joined map, two convolutions
        else:
            values += stage.channels * pixels  # logits, kept by the loss, and so is the mask
            values += pixels if num_classes == 1 else 0  # a number for every pixel
            indices += 0 if num_classes == 1 else pixels  # a class index for every pixel, 8 bytes
    activations = batch * (FLOAT32 * values + 8 * indices)
    return Memory(weights, weights, 2 * weights, activations)


def receptive_field(part: str, depth: int, position: int = 0, upsample: str = "transpose") -> tuple[int, int]:
    """Find the range of image columns that one unit can see, by walking back through the network.

    Rows behave as columns do. The image is taken to be unbounded: near a border, part of the range lies
    outside and holds padding.

    Parameters
    ----------
    part : str
        ``"encoder 1"`` …, ``"bottleneck"``, ``"decoder d"`` … ``"decoder 1"`` or ``"logits"``.
    depth : int
        The number of poolings.
    position : int, default 0
        The unit's column in its own feature map. In the decoder the size of the field depends on it.
    upsample : {"transpose", "bilinear", "nearest"}, default "transpose"
        As in `unet_tutorial.unet.UNet`.

    Returns
    -------
    first, last : int
        The first and the last column. The field is ``last - first + 1`` pixels wide.

    Raises
    ------
    ValueError
        If ``part`` does not exist at this depth, ``depth`` or ``position`` is no whole number in its range, or an
        option is unknown.

    References
    ----------
    Araujo, Norris and Sim 2019, doi 10.23915/distill.00021.

    Examples
    --------
    >>> first, last = receptive_field("bottleneck", depth=4)
    >>> last - first + 1
    140
    """
    depth, position = whole_number("depth", depth), whole_number("position", position, least=0)
    if depth > DEEPEST:
        raise ValueError(f"depth must be at most {DEEPEST}, where a side has {2**DEEPEST} pixels, but got {depth}.")
    option("upsample", upsample, UPSAMPLES)
    names = [f"encoder {i + 1}" for i in range(depth)] + ["bottleneck"]
    decoders = [f"decoder {i + 1}" for i in range(depth)]
    option("part", part, [*names, *decoders, "logits"])
    part = "decoder 1" if part == "logits" else part  # the head is a 1x1 convolution and sees one pixel
    stage = names.index(part) if part in names else decoders.index(part)
    first = last = position
    if part in decoders:
        while stage < depth:  # walk down to the bottleneck: everything else sees less
            first, last = first - 2, last + 2  # two 3x3 convolutions
            if upsample == "bilinear":
                first, last = (first - 1) // 2, (last + 1) // 2  # a mean of two neighbours
            else:
                first, last = first // 2, last // 2
            stage += 1
    first, last = first - 2, last + 2
    for _ in range(stage):  # walk up to the image
        first, last = 2 * first, 2 * last + 1  # 2x2 pooling
        first, last = first - 2, last + 2
    return first, last


def _architecture(in_channels: int, num_classes: int, channels: Sequence[int]) -> tuple[int, int, tuple[int, ...], int]:
    """Return the three as numbers of Python, which do not overflow as those of numpy do, and the depth."""
    channels = channel_list(channels)
    return (
        whole_number("in_channels", in_channels),
        whole_number("num_classes", num_classes),
        channels,
        len(channels) - 1,
    )
