"""The contract: what every model of the book promises. On a machine with a GPU, it is tested there too."""

import copy
import hashlib
import inspect
import itertools
import json
import re

import onnxruntime
import pytest
import torch
from torch import nn
from torch.export import Dim
from torch.testing import assert_close

from unet_tutorial._checks import NORMS, SKIPS, UPSAMPLES
from unet_tutorial.blocks import BLOCKS, AttentionGate, DoubleConv
from unet_tutorial.unet import Decoder, DecoderBlock, UNet
from unet_tutorial.variants import (
    MODELS,
    AttentionDecoder,
    AttentionUNet,
    EfficientUNet,
    NestedDecoder,
    ResidualUNet,
    UNetPlusPlus,
    build,
)

OPTIONS = {"block": list(BLOCKS), "norm": NORMS, "upsample": UPSAMPLES, "skip": SKIPS}
CHANNELS = (4, 8, 16)
SMALLEST = 2 ** (len(CHANNELS) - 1)

every_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(params=["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def device(request):
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield request.param


def make(name: str, *arguments, device: str = "cpu", channels=CHANNELS, **options) -> UNet:
    """Build a model whose signal stays large from the image to the logits, so that no comparison is of noise."""
    torch.manual_seed(0)
    model = MODELS[name](*arguments, channels=channels, **options)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return model.to(device)


def images(*shape: int, device: str = "cpu") -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(device)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# What every model promises -------------------------------------------------------------------------------------------


@every_model
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_logits_have_the_size_of_the_image(name, depth, device):
    smallest = 2**depth
    sizes = [(smallest, smallest), (smallest, 3 * smallest - 1), (2 * smallest + 1, smallest), (37, 50)]
    for in_channels, num_classes in [(1, 1), (3, 1), (2, 4)]:
        model = make(name, in_channels, num_classes, device=device, channels=(2, 3, 4, 6, 8)[: depth + 1])
        assert model.depth == depth
        for height, width in sizes:
            logits = model(images(2, in_channels, height, width, device=device))
            assert logits.shape == (2, num_classes, height, width)
            assert logits.dtype == torch.float32
            assert logits.device.type == device


@every_model
@pytest.mark.parametrize("size", [(SMALLEST - 1, SMALLEST), (SMALLEST, SMALLEST - 1)])
def test_smaller_images_are_refused(name, size):
    with pytest.raises(ValueError, match=re.escape("at least 2**depth = 2**2 = 4 pixels")):
        make(name)(images(1, 3, *size))


@every_model
def test_the_defaults_are_those_of_the_paper(name):
    config = inspect.signature(MODELS[name]).parameters
    assert config["in_channels"].default == 3
    assert config["num_classes"].default == 1
    assert config["channels"].default == (64, 128, 256, 512, 1024)


@every_model
def test_every_combination_of_options_works_and_every_parameter_learns(name, device):
    offered = {option: OPTIONS[option] for option in inspect.signature(MODELS[name]).parameters if option in OPTIONS}
    assert {"norm", "upsample"} <= set(offered)
    for values in itertools.product(*offered.values()):
        options = dict(zip(offered, values, strict=True))
        model = make(name, device=device, channels=(8, 16, 32), **options)  # in a narrow one, a gate can be dead
        assert options.items() <= model.config.items()
        logits = model(images(2, 3, 13, 8, device=device))
        assert logits.shape == (2, 1, 13, 8)
        logits.square().mean().backward()
        still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert not still, f"{options}: no gradient reaches {still}"


@every_model
def test_an_unknown_option_is_answered_with_the_nearest(name):
    for option in inspect.signature(MODELS[name]).parameters:
        if option in OPTIONS:
            known = OPTIONS[option][0]
            with pytest.raises(ValueError, match=f"{option} must be one of .* Did you mean '{known}'"):
                make(name, **{option: known + "s"})


@every_model
def test_eval_is_deterministic_and_looks_at_each_image_alone(name, device):
    model = make(name, device=device).eval()
    batch = images(3, 3, 13, 16, device=device)
    before = copy.deepcopy(model.state_dict())
    logits = model(batch)
    assert logits.std(dim=(2, 3)).min() > 0.02  # not one value everywhere
    assert torch.equal(model(batch), logits)
    for i in range(3):
        assert_close(model(batch[i : i + 1]), logits[i : i + 1], atol=1e-5, rtol=1e-4)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@every_model
def test_one_image_of_the_smallest_size_in_training(name, device):
    image = images(1, 3, SMALLEST, SMALLEST, device=device)
    with pytest.raises(ValueError, match="batch normalization cannot be trained on one image of 4x4 pixels"):
        make(name, device=device)(image)
    for norm in ("group", "none"):
        model = make(name, device=device, norm=norm)
        model(image).square().mean().backward()
        assert all(p.grad.isfinite().all() for p in model.parameters())


@every_model
def test_no_weight_has_two_names(name):
    model = make(name)
    addresses = [value.data_ptr() for value in model.state_dict().values()]
    assert len(set(addresses)) == len(addresses)
    assert count(model) == sum(v.numel() for _, v in model.named_parameters(remove_duplicate=False))


@every_model
def test_saved_and_loaded_it_predicts_the_same(name, device, tmp_path):
    model = make(name, 1, 2, device=device, norm="group", upsample="nearest").eval()
    x = images(2, 1, 9, 12, device=device)
    torch.save({"model": name, "config": model.config, "weights": model.state_dict()}, tmp_path / "model.pt")
    checkpoint = torch.load(tmp_path / "model.pt", map_location=device, weights_only=True)
    again = build(checkpoint["model"], checkpoint["config"]).to(device).eval()
    again.load_state_dict(checkpoint["weights"])
    assert type(again) is type(model)
    assert torch.equal(again(x), model(x))


@every_model
def test_config_survives_json(name):
    model = make(name, 1, 2, norm="none")
    again = build(name, json.loads(json.dumps(model.config)))
    assert again.config == model.config
    assert set(model.config) == set(inspect.signature(MODELS[name]).parameters)
    assert [v.shape for v in again.state_dict().values()] == [v.shape for v in model.state_dict().values()]


@every_model
def test_a_copy_is_equal_and_apart(name, device):
    model = make(name, device=device).eval()
    twin = copy.deepcopy(model)
    x = images(1, 3, 9, 8, device=device)
    expected = model(x)
    assert torch.equal(twin(x), expected)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    twin.config["norm"] = "none"
    assert torch.equal(model(x), expected)
    assert model.config["norm"] == "batch"


@every_model
def test_bfloat16_autocast(name, device):
    model = make(name, device=device)
    x = images(2, 3, 13, 16, device=device)
    with torch.autocast(device, dtype=torch.bfloat16):
        half = model(x)
    half.float().square().mean().backward()
    assert half.dtype == torch.bfloat16
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in model.parameters())
    full = model(x)
    assert (half.float() - full).norm() < 0.05 * full.norm()  # bfloat16 keeps 8 bits of a number


@every_model
def test_double_precision_agrees_with_single(name, device):
    model = make(name, device=device).eval()
    x = images(2, 3, 13, 16, device=device)
    assert_close(model(x), copy.deepcopy(model).double()(x.double()).float(), atol=1e-5, rtol=1e-4)


@every_model
def test_channels_last_changes_the_layout_and_not_the_result(name, device):
    model = make(name, device=device)
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    x = images(2, 3, 13, 16, device=device)
    expected, logits = model(x), last(x.to(memory_format=torch.channels_last))
    assert_close(logits, expected, atol=1e-5, rtol=1e-4)
    for loss in (expected, logits):
        loss.square().mean().backward()
    for mine, other in zip(last.parameters(), model.parameters(), strict=True):
        assert_close(mine.grad, other.grad, atol=1e-5, rtol=1e-3, check_stride=False)


@every_model
@pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores", "ignore:.*is deprecated:DeprecationWarning")
def test_compiled_it_computes_the_same(name, device):
    """All but the last step of the usual backend, which needs a C++ compiler and a folder without spaces."""
    torch.compiler.reset()
    model = make(name, 1, device=device, channels=(2, 4), norm="group").eval()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    x = images(2, 1, 9, 8, device=device)
    with torch.no_grad():
        assert_close(compiled(x), model(x), atol=1e-5, rtol=1e-4)


@every_model
def test_exported_it_takes_other_batches_and_sizes(name, device):
    model = make(name, device=device).eval()
    dynamic = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    program = torch.export.export(model, (images(2, 3, 21, 16, device=device),), dynamic_shapes=(dynamic,)).module()
    for shape in [(1, 3, 2 * SMALLEST, 2 * SMALLEST), (3, 3, 33, 19)]:  # the smallest size of all is not among them
        x = images(*shape, device=device)
        assert_close(program(x), model(x))


@every_model
@pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")
def test_in_onnx_it_computes_the_same(name):
    model = make(name).eval()
    dynamic = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    program = torch.onnx.export(
        model, (images(2, 3, 21, 16),), dynamo=True, dynamic_shapes=(dynamic,), input_names=["images"], verbose=False
    )
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for shape in [(1, 3, SMALLEST, SMALLEST), (3, 3, 33, 19)]:
        x = images(*shape)
        (logits,) = session.run(None, {"images": x.numpy()})
        assert_close(torch.from_numpy(logits), model(x), atol=1e-5, rtol=1e-4)


# What each variant is ------------------------------------------------------------------------------------------------


def with_gates(model: AttentionUNet, bias: float) -> AttentionUNet:
    """Set every attention map to one value, sigmoid(bias)."""
    for gate in model.decoder.gates:
        nn.init.zeros_(gate.weight_conv.weight)
        nn.init.constant_(gate.weight_conv.bias, bias)
    return model


def test_attention_unet_with_open_gates_is_a_unet():
    model = with_gates(make("AttentionUNet"), bias=40.0).eval()
    plain = make("UNet").eval()
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if ".gates." not in k})
    x = images(2, 3, 13, 16)
    assert_close(model(x), plain(x))


def test_attention_unet_with_closed_gates_has_no_skip_connections():
    model = with_gates(make("AttentionUNet"), bias=-200.0).eval()
    x = images(2, 3, 13, 16)
    pooled, skips = model.encoder(x)
    features = model.bottleneck(pooled)
    for step, skip in zip(model.decoder.blocks, reversed(skips), strict=True):
        features = step(features, torch.zeros_like(skip))
    assert_close(model(x), model.head(features))


def test_attention_maps_are_what_the_gates_apply(device):
    model = make("AttentionUNet", device=device).eval()
    x = images(2, 3, 13, 16, device=device)
    maps = model.attention_maps(x)
    assert [tuple(m.shape) for m in maps] == [(2, 1, 13, 16), (2, 1, 6, 8)]
    assert all(0 < m.min() and m.max() < 1 and not m.requires_grad for m in maps)
    pooled, skips = model.encoder(x)
    features = model.bottleneck(pooled)
    for weights, step, skip in zip(reversed(maps), model.decoder.blocks, reversed(skips), strict=True):
        features = step(features, weights * skip)
    assert_close(model(x), model.head(features))


def test_attention_maps_leave_nothing_behind():
    model = make("AttentionUNet").eval()
    with pytest.raises(ValueError, match="images must have 3 channels"):
        model.attention_maps(images(1, 1, 8, 8))
    assert not any(gate._forward_hooks for gate in model.decoder.gates)
    assert len(model.attention_maps(images(1, 3, 8, 8))) == len(model.attention_maps(images(1, 3, 8, 8))) == 2


def test_the_gates_are_all_that_attention_adds():
    channels = (64, 128, 256, 512, 1024)
    added = 0
    for skip, gate in itertools.pairwise(channels):
        inter = skip // 2
        added += (gate * inter + inter) + skip * inter + (inter + 1)
    assert count(AttentionUNet()) == 31_037_633 + added


def test_residual_unet_is_a_unet_of_residual_blocks():
    model, plain = make("ResidualUNet").eval(), make("UNet", block="residual").eval()
    plain.load_state_dict(model.state_dict())
    x = images(2, 3, 13, 16)
    assert_close(model(x), plain(x))
    # A shortcut is a 1x1 convolution and a normalization, and is needed wherever the channels change.
    blocks = [(3, 64), (64, 128), (128, 256), (256, 512), (512, 1024), (1024, 512), (512, 256), (256, 128), (128, 64)]
    assert count(ResidualUNet()) == 31_037_633 + sum(a * b + 2 * b for a, b in blocks)


def test_efficient_unet_is_a_unet_of_separable_blocks_but_for_its_first_convolution():
    model, plain = make("EfficientUNet").eval(), make("UNet", block="separable", upsample="bilinear").eval()
    assert model.config["upsample"] == "bilinear"
    full, *rest = model.encoder.stages[0].layers
    assert (full.in_channels, full.kernel_size, full.groups) == (3, (3, 3), 1)
    plain.encoder.stages[0].layers = nn.Sequential(full, *plain.encoder.stages[0].layers[2:])
    plain.load_state_dict(model.state_dict())
    x = images(2, 3, 13, 16)
    assert_close(model(x), plain(x))


def test_efficient_unet_has_a_fraction_of_the_weights():
    assert count(EfficientUNet()) < 31_037_633 / 7
    assert count(EfficientUNet(channels=(8, 16, 32, 64))) < count(UNet(channels=(8, 16, 32, 64))) / 6


def test_unet_plus_plus_of_depth_1_is_a_unet():
    model, plain = make("UNetPlusPlus", channels=(4, 8)).eval(), make("UNet", channels=(4, 8)).eval()
    plain.load_state_dict(dict(zip(plain.state_dict(), model.state_dict().values(), strict=True)))
    x = images(2, 3, 13, 16)
    assert_close(model(x), plain(x))


def test_unet_plus_plus_of_depth_3_node_by_node():
    """The paper's figure 1a, every node by its name."""
    model = make("UNetPlusPlus", channels=(2, 4, 6, 8)).eval()
    image = images(2, 3, 27, 16)
    (b01, b11, b21), (b02, b12), (b03,) = model.decoder.columns
    pooled, (x00, x10, x20) = model.encoder(image)
    x30 = model.bottleneck(pooled)
    x01, x11, x21 = b01(x10, x00), b11(x20, x10), b21(x30, x20)
    x02, x12 = b02(x11, torch.cat([x00, x01], dim=1)), b12(x21, torch.cat([x10, x11], dim=1))
    x03 = b03(x12, torch.cat([x00, x01, x02], dim=1))
    assert_close(model(image), model.head(x03))


def test_the_nested_nodes_are_all_that_unet_plus_plus_adds():
    channels = (64, 128, 256, 512, 1024)
    nested = sum(
        count(DecoderBlock(channels[i + 1], channels[i], skip_channels=j * channels[i]))
        for i in range(4)
        for j in range(1, 5 - i)
    )
    rest = count(UNet()) - count(Decoder(channels))
    assert count(UNetPlusPlus()) == rest + nested


@pytest.mark.parametrize("decoder", [AttentionDecoder, NestedDecoder])
def test_the_decoders_refuse_what_does_not_fit(decoder):
    with pytest.raises(ValueError, match="this decoder needs 2 skip connections, but got 1"):
        decoder(CHANNELS)(torch.zeros(1, 16, 2, 2), [torch.zeros(1, 8, 4, 4)])
    with pytest.raises(ValueError, match="channels needs at least two entries"):
        decoder((4,))


def test_the_variants_do_not_take_what_they_fix():
    for name, fixed in [("AttentionUNet", "skip"), ("UNetPlusPlus", "skip"), ("ResidualUNet", "block")]:
        with pytest.raises(ValueError, match=f"an argument of {name} must be one of .*, but got '{fixed}'"):
            build(name, {fixed: "concat"})


def test_build_names_the_nearest():
    with pytest.raises(ValueError, match="name must be one of 'UNet', .* but got 'Unet'. Did you mean 'UNet'"):
        build("Unet", {})
    with pytest.raises(ValueError, match="an argument of UNet must be one of .* Did you mean 'channels'"):
        build("UNet", {"chanels": (4, 8)})


def test_a_gray_image_enters_the_efficient_unet_through_more_than_one_filter():
    first = EfficientUNet(1, channels=(8, 16)).encoder.stages[0].layers[0]
    assert torch.linalg.matrix_rank(first.weight.detach().flatten(1)) == min(8, 9)
    assert DoubleConv(1, 8).layers[0].weight.shape == first.weight.shape


# What checkpoints of earlier versions hold: the number of parameters, and a hash of the names and shapes.
KEPT = {
    "UNet": (29_571, "fb60c51279687ee7"),
    "AttentionUNet": (30_077, "8fc9f3e9e8072bce"),
    "ResidualUNet": (31_027, "e4f2aa9f3409c21f"),
    "UNetPlusPlus": (32_427, "0b81510908d09430"),
    "EfficientUNet": (5_467, "29d5086eb08277dd"),
}


@pytest.mark.parametrize("name", MODELS)
def test_weights_of_earlier_versions_fit(name):
    model = MODELS[name](2, 3, channels=(8, 16, 32))
    shapes = "\n".join(f"{key} {tuple(value.shape)}" for key, value in model.state_dict().items())
    parameters = sum(value.numel() for value in model.parameters())
    assert (parameters, hashlib.sha256(shapes.encode()).hexdigest()[:16]) == KEPT[name]


@pytest.mark.parametrize("name", MODELS)
def test_no_layer_is_built_to_be_thrown_away(name, monkeypatch):
    made = []
    reset = nn.modules.conv._ConvNd.reset_parameters
    monkeypatch.setattr(nn.modules.conv._ConvNd, "reset_parameters", lambda layer: made.append(layer) or reset(layer))
    model = MODELS[name](1, channels=(4, 8, 16))
    assert len(made) == sum(isinstance(layer, nn.modules.conv._ConvNd) for layer in model.modules())


def test_attention_maps_run_every_gate_once(monkeypatch):
    model, calls = MODELS["AttentionUNet"](1, channels=(4, 8, 16)).eval(), []
    attention = AttentionGate.attention
    monkeypatch.setattr(AttentionGate, "attention", lambda *call: calls.append(call[0]) or attention(*call))
    assert len(model.attention_maps(torch.rand(1, 1, 16, 16))) == len(calls) == 2
