"""The engine of the page against PyTorch: every layer, whole networks, single steps of a training, and its beginning.

Trained weights themselves are not compared. Rounding grows from step to step: two trainings that are equal in the first
steps differ in the second digit of the logits some hundred steps later, in PyTorch, too, when sums change their order.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn

from browser import node
from unet_tutorial.data import SyntheticCircleDataset
from unet_tutorial.live import base
from unet_tutorial.losses import CombinedLoss, bce_loss, dice_loss
from unet_tutorial.pretrained import load_pretrained
from unet_tutorial.unet import UNet

ENGINE = Path(base.__file__).with_name("engine.js")
LOSSES = {"bce": bce_loss, "dice": dice_loss, "combined": CombinedLoss()}


def answer(what, **question):
    """Ask the engine in Node."""
    command = [str(node()), str(Path(__file__).parent / "live" / "answer.mjs"), ENGINE.as_uri()]
    asked = json.dumps({"what": what, **question})
    done = subprocess.run(command, input=asked, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def written(x):
    return {"shape": list(x.shape), "values": x.detach().flatten().tolist()}


def read(found):
    return torch.tensor(found["values"], dtype=torch.float32).reshape(found["shape"])


def weights_of(model):
    return {name: value.flatten().tolist() for name, value in model.state_dict().items() if "num_batches" not in name}


def assert_near(found, expected, share=1e-5):
    """Compare with the largest number of what is expected as the measure."""
    expected = expected.detach()
    found = torch.as_tensor(found, dtype=torch.float32).reshape(expected.shape)
    assert (found - expected).abs().max() <= share * expected.abs().max().clamp(min=1e-3)


LAYERS = {
    "Conv3": ([3, 5, True], lambda: nn.Conv2d(3, 5, 3, padding=1)),
    "Conv3 without bias": ([3, 5, False], lambda: nn.Conv2d(3, 5, 3, padding=1, bias=False)),
    "Conv1": ([3, 5], lambda: nn.Conv2d(3, 5, 1)),
    "UpConv": ([3, 5], lambda: nn.ConvTranspose2d(3, 5, 2, stride=2)),
    "BatchNorm": ([3], lambda: nn.BatchNorm2d(3)),
    "ReLU": ([], nn.ReLU),
    "MaxPool": ([], lambda: nn.MaxPool2d(2)),
    "Enlarge": ([False], lambda: nn.Upsample(scale_factor=2, mode="nearest")),
    "Enlarge smoothly": ([True], lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)),
}


@pytest.mark.parametrize("size", [(1, 3, 2, 2), (2, 3, 8, 8), (3, 3, 7, 4), (2, 3, 5, 9)], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_and_its_gradients(name, size):
    arguments, make = LAYERS[name]
    torch.manual_seed(0)
    layer, x = make(), torch.randn(size, requires_grad=True)
    for value in layer.parameters():
        value.data.uniform_(-1, 1)
    weights = weights_of(layer)
    y = layer(x)
    dy = torch.randn_like(y)
    y.backward(dy)
    asked = {"kind": name.split()[0], "arguments": arguments}
    found = answer("layer", layer=asked, weights=weights, x=written(x), dy=dy.flatten().tolist())
    assert found["y"]["shape"] == list(y.shape)
    assert_near(read(found["y"]), y)
    assert_near(read(found["dx"]), x.grad)
    assert set(found["gradients"]) == {name for name, _ in layer.named_parameters()}
    for name, value in layer.named_parameters():
        assert_near(found["gradients"][name], value.grad)


CONFIGS = [
    ({"channels": [4, 8, 16]}, (3, 1, 16, 16)),
    ({"in_channels": 2, "channels": [4, 8], "upsample": "bilinear", "skip": "add"}, (2, 2, 13, 11)),
    ({"channels": [3, 4, 5, 6], "upsample": "nearest", "skip": "none", "norm": "none"}, (2, 1, 21, 27)),
    ({"in_channels": 3, "channels": [4, 8, 16, 24, 32]}, (2, 3, 35, 32)),
]


def network(config, seed=0):
    """Return a network whose statistics and normalizations are no longer those of the beginning."""
    torch.manual_seed(seed)
    model = UNet(num_classes=1, **{"in_channels": 1, **config})
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in ((module.weight.data, 0.5, 1.5), (module.bias.data, -0.5, 0.5)):
                values.uniform_(low, high)
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("config, size", CONFIGS, ids=lambda value: str(value))
def test_whole_networks_and_their_gradients(config, size, loss):
    model = network(config).double()  # PyTorch counts exactly, so that what differs is the engine's own rounding
    images, masks = torch.randn(size), (torch.rand(size[0], 1, *size[2:]) > 0.6).float()
    asked = {"config": {**config, "num_classes": 1}, "weights": weights_of(model), "loss": loss}
    found = answer("network", images=written(images), masks=written(masks), **asked)
    assert_near(read(found["evaluated"]), model.eval()(images.double()))
    logits = model.train()(images.double())
    logits.retain_grad()
    value = LOSSES[loss](logits.float(), masks)
    value.backward()
    assert_near(read(found["trained"]), logits)
    assert_near(found["loss"], value)
    scale = max(parameter.grad.abs().max() for parameter in model.parameters())
    for name, parameter in model.named_parameters():
        difference = torch.tensor(found["gradients"][name]) - parameter.grad.flatten()
        assert difference.abs().max() <= 1e-4 * scale, name  # one ReLU that rounding has turned costs more than 1e-5


def test_a_closed_skip_connection_delivers_zeros():
    model, images = network({"channels": [4, 8, 16]}).eval(), torch.randn(1, 1, 16, 16)
    model.encoder.stages[0].register_forward_hook(lambda module, inputs, output: None)
    found = answer(
        "network",
        config={"channels": [4, 8, 16]},
        weights=weights_of(model),
        images=written(images),
        open=[False, True],
    )
    with torch.no_grad():
        x, skips = model.encoder(images)
        x = model.decoder(model.bottleneck(x), [torch.zeros_like(skips[0]), skips[1]])
    assert_near(read(found["evaluated"]), model.head(x))


@pytest.mark.parametrize("name, side", [("cells", 128), ("cells", 70), ("nuclei", 96)])
def test_the_shipped_networks_answer_the_same(name, side):
    model = load_pretrained(name)
    torch.manual_seed(0)
    images = torch.rand(1, 1, side, side + 2)
    config = {key: model.config[key] for key in ("in_channels", "num_classes", "channels", "norm", "upsample", "skip")}
    found = answer("network", config=config, weights=weights_of(model), images=written(images))
    assert_near(read(found["evaluated"]), model(images), share=1e-4)


@pytest.fixture(scope="module")
def recorded():
    """A training in PyTorch: what every step began with, and the weights after it."""
    config, loss = {"channels": [4, 8]}, "combined"
    torch.manual_seed(0)
    model = UNet(1, 1, channels=config["channels"])
    data, steps = SyntheticCircleDataset(16, 32), 50
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=steps, cycle_momentum=False)
    states, after = [], []
    for step in range(steps):
        images, masks = (
            torch.stack(parts) for parts in zip(*(data[(4 * step + i) % 16] for i in range(4)), strict=True)
        )
        kept = [optimizer.state.get(p, {}) for p in model.parameters()]
        zeros = [torch.zeros_like(p) for p in model.parameters()]
        parts = {
            key: [state.get(name, zero).flatten().tolist() for state, zero in zip(kept, zeros, strict=True)]
            for key, name in (("means", "exp_avg"), ("squares", "exp_avg_sq"))
        }
        states.append(
            {"weights": weights_of(model), **parts, "step": step, "rate": schedule.get_last_lr()[0], "loss": loss}
            | {"images": written(images), "masks": written(masks)}
        )
        value = LOSSES[loss](model(images), masks)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
        after.append((value.item(), {name: v.clone() for name, v in model.state_dict().items() if "num_b" not in name}))
    return config, states, after


def test_one_step_from_each_of_many_states(recorded):
    config, states, after = recorded
    # In the first steps some gradients are rounding alone, and Adam makes a whole step of their sign.
    found = answer("steps", config=config, states=states[10:])
    assert len(found) == 40
    for ours, (value, weights) in zip(found, after[10:], strict=True):
        assert ours["loss"] == pytest.approx(value, rel=1e-5)
        whole = torch.cat([values.flatten() for values in weights.values()])
        mine = torch.cat([torch.tensor(ours["weights"][name]) for name in weights])
        assert (mine - whole).norm() <= 1e-5 * whole.norm()


def test_the_loss_over_twenty_steps(recorded):
    config, states, after = recorded
    batches = [{"images": state["images"], "masks": state["masks"]} for state in states[:20]]
    rates = [state["rate"] for state in states[:20]]
    found = answer(
        "training", config=config, weights=states[0]["weights"], batches=batches, rates=rates, loss="combined"
    )
    assert found == pytest.approx([value for value, _ in after[:20]], rel=1e-4)


@pytest.mark.parametrize("steps", [10, 40, 80, 321])
def test_one_cycle_is_that_of_pytorch(steps):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.3, total_steps=steps, cycle_momentum=False)
    expected = []
    for _ in range(steps):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        if len(expected) < steps:
            schedule.step()
    assert answer("rates", steps=steps, highest=0.3) == pytest.approx(expected, rel=1e-9)


def test_chance_repeats_and_is_even():
    first = answer("random", seed=3, count=20_000)
    assert first == answer("random", seed=3, count=20_000) != answer("random", seed=4, count=20_000)
    numbers = torch.tensor(first)
    assert 0 <= numbers.min() and numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.01 and abs(numbers.var() - 1 / 12) < 0.002


def test_a_new_network_begins_as_one_of_pytorch():
    config = {"channels": [4, 8, 16], "norm": "none"}
    weights = answer("begin", config=config, seed=1)
    model = UNet(1, 1, **config)
    assert list(weights) == list(weights_of(model))
    for name, value in model.state_dict().items():
        assert len(weights[name]) == value.numel()
    for name, parameter in model.named_parameters():
        layer = model.get_submodule(name.rpartition(".")[0])
        fan_in = nn.init._calculate_fan_in_and_fan_out(layer.weight)[0]
        largest = torch.tensor(weights[name]).abs().max().item()
        assert largest <= fan_in**-0.5 and (parameter.numel() < 30 or largest > 0.8 * fan_in**-0.5), name


@pytest.mark.parametrize(
    "question, said",
    [
        ({"shape": [1, 2, 16, 16]}, "RangeError: images must have 1 channels and sides of at least 4"),
        ({"shape": [1, 1, 3, 16]}, "RangeError: images must have 1 channels and sides of at least 4"),
        (
            {"shape": [1, 1, 16, 16], "weights": {}},
            "RangeError: weights must hold 36 numbers as encoder.stages.0.layers.0",
        ),
    ],
)
def test_what_does_not_fit_is_refused(question, said):
    assert answer("refuse", config={"channels": [4, 8, 16]}, **question).startswith(said)


def test_the_engine_is_small_and_knows_no_page():
    text = ENGINE.read_text(encoding="utf-8")
    assert len(text.encode()) < 25 * 1024
    code = re.sub(r"//.*", "", text)
    assert not re.search(r"\b(document|window|self|fetch|Date|Math\.random|performance|console)\b", code)
