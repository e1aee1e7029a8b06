"""The U-Net itself: weights by count, what is joined to what, and equality with the usual implementations."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.networks.nets.basic_unet import UpCat
from torch import nn
from torch.testing import assert_close

from unet_tutorial._checks import UPSAMPLES
from unet_tutorial.blocks import BLOCKS
from unet_tutorial.unet import Decoder, DecoderBlock, Encoder, UNet, center_crop, check_images


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Load the weights of one model into another, matching them by their order alone."""
    values = list(source.state_dict().values())
    target.load_state_dict(dict(zip(target.state_dict(), values, strict=True)))


def usual_double_conv(in_channels: int, out_channels: int) -> nn.Module:
    layers = []
    for a, b in ((in_channels, out_channels), (out_channels, out_channels)):
        layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers)


class UsualUp(nn.Module):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
        self.conv = usual_double_conv(in_channels, out_channels)

    def forward(self, below, beside):
        below = self.up(below)
        rows, columns = beside.size(2) - below.size(2), beside.size(3) - below.size(3)
        below = F.pad(below, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.conv(torch.cat([beside, below], dim=1))


class UsualUNet(nn.Module):
    """The U-Net with its usual names, written without a loop and without our package."""

    def __init__(self, n_channels: int, n_classes: int, base: int):
        super().__init__()
        self.inc = usual_double_conv(n_channels, base)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), usual_double_conv(base, 2 * base))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), usual_double_conv(2 * base, 4 * base))
        self.down3 = nn.Sequential(nn.MaxPool2d(2), usual_double_conv(4 * base, 8 * base))
        self.down4 = nn.Sequential(nn.MaxPool2d(2), usual_double_conv(8 * base, 16 * base))
        self.up1 = UsualUp(16 * base, 8 * base)
        self.up2 = UsualUp(8 * base, 4 * base)
        self.up3 = UsualUp(4 * base, 2 * base)
        self.up4 = UsualUp(2 * base, base)
        self.outc = nn.Conv2d(base, n_classes, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x = self.up1(self.down4(x4), x4)
        x = self.up2(x, x3)
        x = self.up3(x, x2)
        x = self.up4(x, x1)
        return self.outc(x)


def small_pair() -> tuple[UNet, UsualUNet]:
    torch.manual_seed(0)
    ours, usual = UNet(3, 2, channels=(4, 8, 16, 32, 64)), UsualUNet(3, 2, base=4)
    for name, value in ours.state_dict().items():
        if "running_var" in name:
            value.uniform_(0.5, 1.5)
        elif "running_mean" in name:
            value.normal_(std=0.1)
        elif value.ndim == 4:  # keep the signal large all the way, so that the comparison is not one of noise
            nn.init.kaiming_normal_(value, nonlinearity="relu")
    copy_in_order(ours, usual)
    return ours, usual


def test_the_parameters_are_everybodys():
    assert count(UNet()) == count(UsualUNet(3, 1, base=64)) == 31_037_633


@pytest.mark.parametrize("size", [(32, 48), (33, 32), (45, 63), (16, 16), (17, 31)])
def test_the_weights_map_one_to_one_onto_the_usual_implementation(size):
    ours, usual = small_pair()
    x = torch.randn(2, 3, *size)
    logits = ours.eval()(x)
    assert logits.std(dim=(2, 3)).min() > 0.1
    assert_close(logits, usual.eval()(x), atol=1e-5, rtol=1e-4)


def test_a_training_step_equals_the_usual_implementation():
    ours, usual = small_pair()
    x = torch.randn(2, 3, 35, 32)
    for model in (ours, usual):
        model.train()(x).square().mean().backward()
    for mine, other in zip(ours.parameters(), usual.parameters(), strict=True):
        assert_close(mine.grad, other.grad, atol=1e-6, rtol=1e-4)
    for mine, other in zip(ours.buffers(), usual.buffers(), strict=True):
        assert_close(mine, other)


def test_the_decoder_block_equals_monai():
    """Even sizes only: for odd ones, MONAI repeats the last row and column where we pad with zeros."""
    theirs = UpCat(2, 8, 4, 4, act="relu", norm="batch", bias=False, dropout=0.0, upsample="deconv").eval()
    ours = DecoderBlock(8, 4).eval()
    copy_in_order(ours, theirs)
    x, skip = torch.randn(2, 8, 3, 5), torch.randn(2, 4, 6, 10)
    assert_close(ours(x, skip), theirs(x, skip))


def test_the_skip_connection_comes_first_in_the_concatenation():
    torch.manual_seed(0)
    block = DecoderBlock(8, 4).eval()
    x, skip = torch.randn(1, 8, 4, 4), torch.randn(1, 4, 8, 8)
    first_conv = block.block.layers[0]
    with torch.no_grad():
        first_conv.weight[:, 4:] = 0  # blind to what comes second
    assert_close(block(x, skip), block(torch.randn(1, 8, 4, 4), skip))
    assert not torch.allclose(block(x, skip), block(x, torch.randn(1, 4, 8, 8)))


def test_an_odd_side_is_padded_with_zeros_at_the_bottom_and_right():
    block = DecoderBlock(2, 1, norm="none", skip="none")
    seen = []
    block.block.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    nn.init.zeros_(block.up.weight)
    nn.init.ones_(block.up.bias)
    block(torch.zeros(1, 2, 2, 3), torch.zeros(1, 1, 5, 7))
    expected = torch.zeros(1, 1, 5, 7)
    expected[..., :4, :6] = 1
    assert_close(seen[0], expected)


@pytest.mark.parametrize("block", BLOCKS)
def test_without_padding_the_logits_are_those_of_the_middle_of_a_larger_padded_input(block):
    """Where no zeros from beyond the border are seen, both networks must agree."""
    torch.manual_seed(0)
    options = {"channels": (4, 8, 16), "block": block}
    padded, unpadded = UNet(1, **options).eval(), UNet(1, **options, padding="none").eval()
    unpadded.load_state_dict(padded.state_dict())
    x = torch.randn(1, 1, 88, 80)
    logits = unpadded(center_crop(x, (84, 76)))  # 2 pixels at each side: then both pool the same 2x2 squares
    assert logits.shape == (1, 1, 44, 36)
    assert_close(logits, center_crop(padded(x), logits.shape[-2:]))


def test_without_padding_the_gradient_comes_from_inside_the_image():
    model = UNet(1, channels=(4, 8), padding="none", norm="none").double()
    for p in model.parameters():
        nn.init.uniform_(p, 0.1, 1.0)
    model.encoder.pool = nn.AvgPool2d(2)  # no path is lost to a maximum
    x = torch.rand(1, 1, 18, 26, dtype=torch.float64, requires_grad=True)
    logits = model(x)
    assert logits.shape == (1, 1, 2, 10)
    logits[..., 0, 0].sum().backward()
    assert x.grad[0, 0, 0, 0] != 0  # the corner pixel of the output sees the very corner of the input


def test_the_middle_is_cut_out():
    x = torch.arange(24.0).view(1, 1, 4, 6)
    assert_close(center_crop(x, (2, 6)), x[:, :, 1:3])
    assert_close(center_crop(x, (4, 6)), x)
    for size in ((3, 6), (4, 8)):
        with pytest.raises(ValueError, match=re.escape("smaller than (4, 6) by an even number of pixels, or equal, b")):
            center_crop(x, size)


def test_adding_and_leaving_out_the_skip_connection():
    x, skip = torch.randn(1, 8, 4, 4), torch.randn(1, 4, 8, 8)
    for option, joined in (("add", lambda up: skip + up), ("none", lambda up: up)):
        block = DecoderBlock(8, 4, skip=option).eval()
        assert_close(block(x, skip), block.block(joined(block.up(x))))


@pytest.mark.parametrize("upsample", UPSAMPLES)
def test_upsampling_doubles_each_pixel_in_its_way(upsample):
    up = DecoderBlock(1, 1, upsample=upsample).up
    for name, parameter in up.named_parameters():
        nn.init.constant_(parameter, 0.0 if "bias" in name else 1.0)
    x = torch.tensor([[[[0.0, 4.0]]]])
    row = [0.0, 1.0, 3.0, 4.0] if upsample == "bilinear" else [0.0, 0.0, 4.0, 4.0]
    assert_close(up(x), torch.tensor([[[row, row]]]))


def test_the_encoder_keeps_what_it_had_before_pooling():
    encoder = Encoder(3, (4, 8))
    x = torch.randn(2, 3, 13, 16)
    pooled, skips = encoder.eval()(x)
    assert [tuple(skip.shape) for skip in skips] == [(2, 4, 13, 16), (2, 8, 6, 8)]
    assert_close(skips[0], encoder.stages[0](x))
    assert_close(pooled, F.max_pool2d(skips[1], 2))


def test_the_forward_pass_is_its_four_parts():
    model = UNet(3, 2, channels=(4, 8, 16)).eval()
    x = torch.randn(1, 3, 21, 16)
    pooled, skips = model.encoder(x)
    assert_close(model(x), model.head(model.decoder(model.bottleneck(pooled), skips)))


def test_there_is_no_sigmoid_inside():
    model = UNet(1, channels=(4, 8))
    nn.init.constant_(model.head.bias, 7.0)
    nn.init.zeros_(model.head.weight)
    assert_close(model(torch.randn(1, 1, 8, 8)), torch.full((1, 1, 8, 8), 7.0))


def test_half_the_channels_are_a_quarter_of_the_weights():
    half = UNet(channels=(32, 64, 128, 256, 512))
    assert count(half) / 31_037_633 == pytest.approx(0.25, abs=0.001)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "in_channels must be a whole number of at least 1, but got 0."),
        ({"num_classes": 1.5}, "num_classes must be a whole number of at least 1, but got 1.5."),
        ({"channels": (64,)}, "channels needs at least two entries, one stage and the bottleneck, but got (64,)."),
        ({"channels": 64}, "channels must list the channels of every stage and of the bottleneck, such as (64, 128,"),
        ({"channels": "64"}, "channels must list the channels of every stage and of the bottleneck, such as (64, 128,"),
        ({"channels": (64, -1)}, "channels[1] must be a whole number of at least 1, but got -1."),
        ({"block": "duble"}, "block must be one of 'double', 'residual', 'separable', but got 'duble'. Did you mean"),
        ({"norm": "bacth"}, "norm must be one of 'batch', 'group', 'none', but got 'bacth'. Did you mean 'batch'?"),
        ({"norm": None}, "norm must be one of 'batch', 'group', 'none', but got None. Did you mean 'none'?"),
        ({"upsample": "bilinar"}, "but got 'bilinar'. Did you mean 'bilinear'?"),
        ({"upsample": 2}, "upsample must be one of 'transpose', 'bilinear', 'nearest', but got 2."),
        ({"padding": "valid"}, "padding must be one of 'same', 'none', but got 'valid'."),
        ({"skip": "concatenate"}, "skip must be one of 'concat', 'add', 'none', but got 'concatenate'. Did you mean"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        UNet(**{"channels": (4, 8)} | arguments)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(3, 8, 8), "must have the shape (B, 3, H, W), but got (3, 8, 8). Add the missing axis with"),
        (torch.zeros(8, 8), "images must have the shape (B, 3, H, W), but got (8, 8)."),
        (torch.zeros(1, 1, 8, 8), "must have 3 channels, but got shape (1, 1, 8, 8) with 1. Build the model with in_"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "must be floating point, but got torch.uint8. Convert them, for"),
        (np.zeros((1, 3, 8, 8)), "images must be a torch tensor, but got ndarray. Convert them, for example torch.as_"),
        (torch.zeros(1, 3, 3, 8), "at least 2**depth = 2**2 = 4 pixels, but got height 3 and width 8. Use a larger"),
        (torch.zeros(1, 3, 8, 3), "at least 2**depth = 2**2 = 4 pixels, but got height 8 and width 3. Use a larger"),
    ],
)
def test_images_that_do_not_fit_are_refused(images, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        UNet(3, channels=(4, 8, 16))(images)


def test_without_padding_a_side_must_come_out_even():
    model = UNet(1, channels=(4, 8, 16), padding="none")
    with pytest.raises(ValueError, match="is not so for the width 46. The nearest that fits is 44 or 48"):
        model(torch.zeros(1, 1, 44, 46))


def test_one_channel_is_singular():
    with pytest.raises(ValueError, match="images must have 1 channel, but got"):
        check_images(torch.zeros(1, 3, 8, 8), in_channels=1, depth=1)


def test_batch_norm_with_one_value_a_channel_is_refused_in_training_alone():
    model = UNet(1, channels=(4, 8, 16))
    image = torch.randn(1, 1, 7, 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"one image of 7x4 pixels: after 2 poolings one value .* norm='group'"):
        model(image)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())  # refused at once
    assert model(torch.randn(2, 1, 7, 4)).shape == (2, 1, 7, 4)
    assert model(torch.randn(1, 1, 8, 4)).shape == (1, 1, 8, 4)
    for norm in ("group", "none"):
        assert UNet(1, channels=(4, 8, 16), norm=norm)(image).shape == (1, 1, 7, 4)
    for module in model.modules():  # frozen statistics need no batch
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    assert model(image).shape == (1, 1, 7, 4)


@pytest.mark.parametrize(
    ("x", "skip", "message"),
    [
        ((1, 7, 4, 4), (1, 4, 8, 8), "features with 8 channels and a skip connection with 4, but got 7 and 4."),
        ((1, 8, 4, 4), (1, 8, 8, 8), "features with 8 channels and a skip connection with 4, but got 8 and 8."),
        ((1, 8, 4, 4), (1, 4, 16, 16), "after pooling (16, 16) is (8, 8), and the features are (4, 4). Take the skip"),
        ((1, 8, 4, 4), (1, 4, 8, 10), "after pooling (8, 10) is (4, 5), and the features are (4, 4)."),
    ],
)
def test_the_decoder_block_refuses_what_does_not_fit(x, skip, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        DecoderBlock(8, 4)(torch.zeros(x), torch.zeros(skip))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4), "in_channels must be a whole number"),
        ((8, 0), "out_channels must be a whole number"),
        ((8, 4, "double", "batch", "transpose", "concat", 0), "skip_channels must be a whole number of at least 1"),
        ((8, 4, "double", "batch", "transpose", "add", 8), "skip='add' needs skip_channels equal to out_channels = 4"),
        ((8, 4, "double", "batch", "transpos"), "Did you mean 'transpose'"),
        ((8, 4, "double", "batch", "nearest", "ad"), "Did you mean 'add'"),
        ((8, 4, "single"), "block must be one of"),
    ],
)
def test_the_decoder_block_refuses_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DecoderBlock(*arguments)


@pytest.mark.parametrize("skip", ["concat", "none"])
def test_a_decoder_block_may_take_a_wider_skip_connection(skip):
    block = DecoderBlock(8, 4, skip=skip, skip_channels=12)
    assert block(torch.zeros(1, 8, 4, 4), torch.zeros(1, 12, 9, 8)).shape == (1, 4, 9, 8)


def test_the_decoder_refuses_another_number_of_skip_connections():
    with pytest.raises(ValueError, match="this decoder needs 2 skip connections, but got 1"):
        Decoder((4, 8, 16))(torch.zeros(1, 16, 2, 2), [torch.zeros(1, 8, 4, 4)])


@pytest.mark.parametrize(
    ("channels", "message"),
    [((), "channels needs at least one entry, a stage"), (64, "channels must list the channels of every stage, such")],
)
def test_the_encoder_refuses_bad_channels(channels, message):
    with pytest.raises(ValueError, match=message):
        Encoder(3, channels)


def test_numpy_integers_are_whole_numbers():
    model = UNet(np.int64(1), channels=np.array([4, 8]))
    assert model.config["in_channels"] == 1
    assert [type(value) for value in (model.config["in_channels"], *model.config["channels"])] == [int] * 3


def test_an_encoder_has_the_channels_of_the_paper_unless_others_are_given():
    pooled, skips = Encoder(in_channels=3)(torch.zeros(1, 3, 16, 16))
    assert [skip.shape[1] for skip in skips] == [64, 128, 256, 512] and pooled.shape == (1, 512, 1, 1)
