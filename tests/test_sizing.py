"""The arithmetic of `sizing` against a real network: hooks, autograd, torch's own counter."""

import itertools

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from unet_tutorial import sizing
from unet_tutorial._checks import NORMS, SKIPS, UPSAMPLES
from unet_tutorial.unet import UNet

SMALL = (4, 6, 8, 10)
OPTIONS = list(itertools.product(NORMS, UPSAMPLES, SKIPS))


def parts(model):
    """The module of every part, by the name that `sizing` gives it."""
    named = {f"encoder {i + 1}": m for i, m in enumerate(model.encoder.stages)}
    named["bottleneck"] = model.bottleneck
    for i, block in enumerate(model.decoder.blocks):
        named[f"upsample {model.depth - i}"] = block.up
        named[f"decoder {model.depth - i}"] = block.block
    return {**named, "head": model.head}


@pytest.mark.parametrize("norm, upsample, skip", OPTIONS)
def test_parameters_of_every_part(norm, upsample, skip):
    model = UNet(2, 3, channels=SMALL, norm=norm, upsample=upsample, skip=skip)
    real = {name: sum(p.numel() for p in part.parameters()) for name, part in parts(model).items()}
    assert sizing.parameters(2, 3, SMALL, norm=norm, upsample=upsample, skip=skip) == real
    assert sum(real.values()) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    "height, width, padding",
    [(8, 8, "same"), (64, 48, "same"), (45, 71, "same"), (9, 15, "same"), (92, 108, "none"), (100, 188, "none")],
)
def test_feature_maps_are_what_hooks_see(height, width, padding):
    model = UNet(2, 3, channels=SMALL, padding=padding).eval()
    seen = {"image": (2, height, width)}
    for name, part in parts(model).items():
        name = "logits" if name == "head" else name
        part.register_forward_hook(lambda m, i, out, name=name: seen.update({name: tuple(out.shape[1:])}))
    model(torch.zeros(1, 2, height, width))
    computed = {m.part: m[1:] for m in sizing.feature_maps(height, width, 2, 3, SMALL, padding=padding)}
    assert computed == {name: shape for name, shape in seen.items() if not name.startswith("upsample")}
    assert list(computed)[:2] == ["image", "encoder 1"] and list(computed)[-2:] == ["decoder 1", "logits"]


@pytest.mark.parametrize("upsample, skip", list(itertools.product(UPSAMPLES, SKIPS)))
@pytest.mark.parametrize("height, width, padding", [(32, 32, "same"), (45, 71, "same"), (92, 108, "none")])
def test_multiply_adds_are_those_that_torch_counts(height, width, padding, upsample, skip):
    model = UNet(2, 3, channels=SMALL, upsample=upsample, skip=skip, padding=padding).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 2, height, width))
    computed = sizing.multiply_adds(height, width, 2, 3, SMALL, upsample=upsample, skip=skip, padding=padding)
    assert 2 * sum(computed.values()) == counter.get_total_flops()
    assert list(computed) == list(sizing.parameters(2, 3, SMALL, upsample=upsample, skip=skip))


@pytest.mark.parametrize("num_classes", [1, 3])
@pytest.mark.parametrize("height, width, padding", [(64, 64, "same"), (45, 61, "same"), (76, 100, "none")])
def test_activations_are_what_autograd_keeps(height, width, padding, num_classes):
    model = UNet(3, num_classes, channels=(8, 16, 32), padding=padding)
    *_, logits = sizing.feature_maps(height, width, 3, num_classes, (8, 16, 32), padding=padding)
    own = {t.untyped_storage().data_ptr() for t in [*model.parameters(), *model.buffers()]}
    kept = {}  # holding the tensors keeps their addresses from being used again

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    images = torch.randn(2, 3, height, width)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        if num_classes == 1:
            nn.functional.binary_cross_entropy_with_logits(model(images), torch.zeros(2, 1, *logits[2:]))
        else:
            nn.functional.cross_entropy(model(images), torch.zeros(2, *logits[2:], dtype=torch.int64))
    real = sum(t.untyped_storage().nbytes() for address, t in kept.items() if address not in own)
    computed = sizing.memory(2, height, width, 3, num_classes, (8, 16, 32), padding=padding)
    assert computed.activations == pytest.approx(real, rel=2e-3)  # the rest: two numbers a normalized channel
    weights = sum(4 * p.numel() for p in model.parameters())
    assert computed[:3] == (weights, weights, 2 * weights)
    assert computed.total == sum(computed)


def measured_field(model, images, part, position):
    """First and last column with a gradient, of one unit in the middle row of a part's output."""
    grabbed = {}
    name = "head" if part == "logits" else part
    handle = parts(model)[name].register_forward_hook(lambda m, i, out: grabbed.update(out=out))
    images = images.clone().requires_grad_()
    model(images)
    handle.remove()
    out = grabbed["out"]
    out[0, :, out.shape[2] // 2, position].sum().backward()
    columns = images.grad[0].abs().sum(dim=(0, 1)).nonzero().flatten()
    return int(columns[0]), int(columns[-1])


@pytest.mark.parametrize("upsample", UPSAMPLES)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_receptive_field_is_where_the_gradient_is(depth, upsample):
    torch.manual_seed(0)
    # Every weight positive and smooth activations: no path is cut by a ReLU or lost by the maximum of a pooling.
    model = UNet(1, 1, channels=(2,) * (depth + 1), norm="none", upsample=upsample).double().eval()
    for p in model.parameters():
        nn.init.uniform_(p, 0.1, 1.0)
    model.encoder.pool = nn.AvgPool2d(2)
    images = torch.rand(1, 1, 2**depth * 2, 2**depth * 32, dtype=torch.float64)
    for part in ["encoder 1", f"encoder {depth}", "bottleneck", f"decoder {depth}", "decoder 1", "logits"]:
        level = {"bottleneck": depth, "logits": 0}.get(part)
        level = int(part.split()[1]) - 1 if level is None else level
        middle = images.shape[3] // 2 // 2**level
        for position in range(middle, middle + min(2 ** (depth - level), 4) + 1):
            expected = sizing.receptive_field(part, depth, position, upsample)
            assert measured_field(model, images, part, position) == expected, (part, position)


def test_receptive_field_of_the_usual_network():
    def width(part, position=0):
        first, last = sizing.receptive_field(part, 4, position)
        return last - first + 1

    assert width("encoder 1") == 5
    assert width("bottleneck") == 140
    assert {width("logits", position) for position in range(16)} == {188, 204}


def test_the_sizes_of_the_paper():
    sides = [m.height for m in sizing.feature_maps(572, 572, 1, 2, padding="none")]
    assert sides == [572, 568, 280, 136, 64, 28, 52, 100, 196, 388, 388]


def test_numbers_of_the_usual_network():
    count = sizing.parameters()
    assert sum(count.values()) == 31_037_633
    assert count["bottleneck"] == 14_159_872
    transposed = sum(n for part, n in count.items() if part.startswith("upsample"))
    assert round(100 * transposed / sum(count.values()), 1) == 9.0
    assert sizing.double_conv_parameters(64, 128) == 221_696


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: sizing.feature_maps(15, 64), r"2\*\*4 = 16 pixels, but got height 15 and width 64"),
        (lambda: sizing.feature_maps(572, 570, padding="none"), "width 570. The nearest that fits is 556 or 572"),
        (lambda: sizing.feature_maps(64, 572, padding="none"), "for the height 64. The nearest that fits is 188"),
        (lambda: sizing.multiply_adds(572, 572, padding="non"), "Did you mean 'none'"),
        (lambda: sizing.memory(1, 572, 572, padding="valid"), "padding must be one of 'same', 'none'"),
        (lambda: sizing.feature_maps(64.0, 64), "height must be a whole number of at least 1, but got 64.0"),
        (lambda: sizing.parameters(channels=64), "channels must list"),
        (lambda: sizing.parameters(channels=(64,)), "at least two entries"),
        (lambda: sizing.parameters(channels=(64, 0)), r"channels\[1\] must be a whole number of at least 1, but got 0"),
        (lambda: sizing.parameters(norm="bach"), "Did you mean 'batch'"),
        (lambda: sizing.parameters(upsample="transposed"), "Did you mean 'transpose'"),
        (lambda: sizing.parameters(skip="concatenate"), "Did you mean 'concat'"),
        (lambda: sizing.parameters(0), "in_channels must be"),
        (lambda: sizing.double_conv_parameters(3, True), "out_channels must be a whole number"),
        (lambda: sizing.memory(0, 64, 64), "batch must be"),
        (lambda: sizing.receptive_field("encoder 5", 4), "Did you mean 'encoder"),
        (lambda: sizing.receptive_field("bottleneck", 0), "depth must be"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_field_is_that_of_position_0_if_none_is_named():
    fields = [sizing.receptive_field("encoder 1", 3, position) for position in range(2)]
    assert sizing.receptive_field("encoder 1", 3) == fields[0] != fields[1]
