"""The building blocks: what they compute, how many weights they have, and what they refuse."""

import pytest
import torch
import torch.nn.functional as F
from monai.networks.blocks.dynunet_block import UnetResBlock
from monai.networks.nets.attentionunet import AttentionBlock
from monai.networks.nets.basic_unet import TwoConv
from torch import nn
from torch.testing import assert_close

from unet_tutorial.blocks import (
    BLOCKS,
    AttentionGate,
    DoubleConv,
    ResidualConvBlock,
    SeparableConvBlock,
    normalization,
)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Load the weights of one module into another, matching them by their order alone."""
    values = list(source.state_dict().values())
    target.load_state_dict(dict(zip(target.state_dict(), values, strict=True)))


def shuffled(module: nn.Module) -> nn.Module:
    """Give every weight and statistic a value of its own, so that no default hides a mistake."""
    torch.manual_seed(0)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5) if "var" in name else value.normal_(std=0.3)
    return module.eval()


@pytest.mark.parametrize(
    ("block", "channels", "parameters"),
    [
        (DoubleConv, (3, 64), 38_848),
        (DoubleConv, (512, 1024), 14_159_872),
        (DoubleConv, (64, 128), 221_696),
        (ResidualConvBlock, (64, 128), 230_144),
    ],
)
def test_parameters_by_hand(block, channels, parameters):
    assert count(block(*channels)) == parameters


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
@pytest.mark.parametrize("block", BLOCKS.values())
@pytest.mark.parametrize("channels", [(1, 1), (3, 5), (4, 4), (5, 12)])
def test_blocks_keep_the_side_and_change_the_channels(block, channels, norm):
    x = torch.randn(2, channels[0], 7, 10)
    assert block(*channels, norm)(x).shape == (2, channels[1], 7, 10)
    assert block(*channels, norm).eval()(x[:, :, :1, :1].expand(2, -1, 2, 1)).shape == (2, channels[1], 2, 1)


def test_double_conv_is_convolution_normalization_relu_twice():
    block = shuffled(DoubleConv(3, 4))
    first, norm1, _, second, norm2, _ = block.layers
    x = torch.randn(2, 3, 9, 8)
    y = F.relu(norm1(F.conv2d(x, first.weight, padding=1)))
    assert_close(block(x), F.relu(norm2(F.conv2d(y, second.weight, padding=1))))


def test_double_conv_equals_monai():
    theirs = TwoConv(2, 3, 4, act="relu", norm="batch", bias=False)
    ours = shuffled(DoubleConv(3, 4))
    copy_in_order(ours, theirs)
    x = torch.randn(2, 3, 9, 8)
    assert_close(ours(x), theirs.eval()(x))


def test_residual_block_equals_monai():
    theirs = UnetResBlock(2, 3, 4, kernel_size=3, stride=1, norm_name="batch", act_name="relu")
    ours = shuffled(ResidualConvBlock(3, 4))
    pairs = {"conv1": ours.convs[0], "norm1": ours.convs[1], "conv2": ours.convs[3], "norm2": ours.convs[4]}
    pairs |= {"conv3": ours.shortcut[0], "norm3": ours.shortcut[1]}
    for name, module in pairs.items():
        copy_in_order(module, getattr(theirs, name))
    x = torch.randn(2, 3, 9, 8)
    assert_close(ours(x), theirs.eval()(x))


def test_residual_block_passes_its_input_on_where_the_channels_agree():
    block = ResidualConvBlock(4, 4, norm="none")
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    x = torch.rand(2, 4, 9, 8)
    assert_close(block(x), x)
    assert not list(block.shortcut.parameters())


def test_separable_block_is_a_double_conv_whose_kernels_are_products():
    separable = shuffled(SeparableConvBlock(3, 4, norm="none"))
    full = DoubleConv(3, 4, norm="none").eval()
    layers = separable.layers
    for depthwise, pointwise, conv in [(layers[0], layers[1], full.layers[0]), (layers[4], layers[5], full.layers[3])]:
        # (out, in, 1, 1) * (1, in, 3, 3): each mixture weight times its channel's one filter
        conv.weight.data = pointwise.weight.data * depthwise.weight.data.transpose(0, 1)
        conv.bias.data = pointwise.bias.data
    x = torch.randn(2, 3, 9, 8)
    assert_close(separable(x), full(x))


def test_attention_gate_equals_monai_on_a_gate_of_one_size():
    """MONAI's block enlarges the gate outside and normalizes inside; fresh running statistics change nothing."""
    theirs = AttentionBlock(2, f_int=3, f_g=6, f_l=4).eval()
    for norm in (m for m in theirs.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.eps = 0.0
    ours = shuffled(AttentionGate(gate_channels=6, skip_channels=4, inter_channels=3))
    pairs = [(ours.gate_conv, theirs.W_g), (ours.skip_conv, theirs.W_x), (ours.weight_conv, theirs.psi)]
    for mine, other in pairs:
        conv = next(m for m in other.modules() if isinstance(m, nn.Conv2d))
        conv.weight.data = mine.weight.data
        conv.bias.data = torch.zeros(len(mine.weight)) if mine.bias is None else mine.bias.data
    coarse, skip = torch.randn(2, 6, 4, 5), torch.randn(2, 4, 8, 10)
    gate = F.interpolate(coarse, size=(8, 10), mode="bilinear", align_corners=False)
    assert_close(ours(coarse, skip), theirs(g=gate, x=skip))


def test_attention_gate_weighs_every_channel_of_a_pixel_alike():
    gate = shuffled(AttentionGate(6, 4, 3))
    coarse, skip = torch.randn(2, 6, 4, 5), torch.randn(2, 4, 9, 10)
    weights = gate.attention(coarse, skip)
    assert weights.shape == (2, 1, 9, 10)
    assert 0 < weights.min() < weights.max() < 1
    assert_close(gate(coarse, skip) / skip, weights.expand(2, 4, 9, 10))


@pytest.mark.parametrize(
    ("coarse", "skip", "message"),
    [
        ((1, 5, 4, 4), (1, 4, 8, 8), "a gate with 6 channels and a skip connection with 4, but got 5 and 4"),
        ((1, 6, 4, 4), (1, 6, 8, 8), "a gate with 6 channels and a skip connection with 4, but got 6 and 6"),
        ((1, 6, 3, 3), (1, 4, 4, 4), r"after pooling \(4, 4\) is \(2, 2\), and the features are \(3, 3\)"),
    ],
)
def test_attention_gate_refuses_what_does_not_fit(coarse, skip, message):
    with pytest.raises(ValueError, match=message):
        AttentionGate(6, 4, 3)(torch.zeros(coarse), torch.zeros(skip))


def test_group_norm_always_has_something_to_average():
    """At least two channels a group, wherever there are two: a 1x1 feature map has no other neighbours."""
    groups = {channels: normalization("group", channels).num_groups for channels in (2, 3, 4, 6, 8, 12, 16, 64)}
    assert groups == {2: 1, 3: 1, 4: 2, 6: 1, 8: 4, 12: 2, 16: 8, 64: 8}
    assert normalization("group", 3)(torch.randn(1, 3, 1, 1)).shape == (1, 3, 1, 1)


def test_a_bias_before_batch_norm_would_change_nothing():
    block = shuffled(DoubleConv(3, 4)).train()
    x = torch.randn(2, 3, 9, 8)
    expected = block(x)
    block.layers[0].bias = nn.Parameter(torch.randn(4))
    assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("block", BLOCKS.values())
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4), "in_channels must be a whole number of at least 1, but got 0"),
        ((3, 4.0), "out_channels must be a whole number of at least 1, but got 4.0"),
        ((True, 4), "in_channels must be a whole number of at least 1, but got True"),
        ((3, 4, "bacth"), "norm must be one of 'batch', 'group', 'none', but got 'bacth'. Did you mean 'batch'?"),
    ],
)
def test_blocks_refuse_bad_arguments(block, arguments, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        block(*arguments)


@pytest.mark.parametrize("name", ["gate_channels", "skip_channels", "inter_channels"])
def test_attention_gate_refuses_bad_arguments(name):
    arguments = {"gate_channels": 6, "skip_channels": 4, "inter_channels": 3} | {name: -1}
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, but got -1"):
        AttentionGate(**arguments)


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'group'"):
        normalization("groups", 4)


def test_a_gate_may_have_the_size_of_the_skip_connection_already():
    torch.manual_seed(0)
    gate, small, skip = AttentionGate(256, 256, 128), torch.randn(1, 256, 4, 4), torch.randn(1, 256, 8, 8)
    large = F.interpolate(small, size=(8, 8), mode="bilinear", align_corners=False)
    # A 1x1 convolution and an enlargement can change places.
    torch.testing.assert_close(gate(large, skip), gate(small, skip), atol=1e-5, rtol=1e-4)
