"""Every accident is named, healthy models and data are left in peace, and nothing stays behind in the model."""

import copy
import random
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from unet_tutorial.data.masks import check_mask, check_pair
from unet_tutorial.data.synthetic import SyntheticCellsDataset, SyntheticCircleDataset
from unet_tutorial.diagnosis import _CHECKS, FEWEST_BATCHES, Diagnosis, Finding, diagnose
from unet_tutorial.pretrained import load_pretrained
from unet_tutorial.training import fit
from unet_tutorial.unet import UNet
from unet_tutorial.variants import MODELS

CHANNELS = (4, 8, 16)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
NAN = float("nan")


def batch(kind="discs", number=8, size=64, first=0):
    data = SyntheticCellsDataset if kind == "cells" else SyntheticCircleDataset
    data = data(first + number, image_size=size)
    chosen = range(first, first + number)
    images, masks = (torch.stack(column) for column in zip(*(data[i] for i in chosen), strict=True))
    if kind == "classes":  # background and up to three discs, each a class
        masks = torch.stack([data.instances(i) for i in chosen])
    return images, masks


def make(name="UNet", num_classes=1, **options):
    torch.manual_seed(0)
    return MODELS[name](1, num_classes, **{"channels": CHANNELS} | options)


def trained(model, images, masks, steps=FEWEST_BATCHES):
    # A learning rate that falls to nothing, so that the running averages catch up with the weights.
    loader = DataLoader(TensorDataset(images, masks), batch_size=4)
    fit(model, loader, loader, epochs=-(-steps // len(loader)), progress=False, device="cpu")
    return model.eval()


def said(model, images, masks):
    """Return the findings as one text, a line each, without what was checked."""
    return "\n".join(map(str, diagnose(model, images, masks)))


# Healthy: nothing is found -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["discs", "cells", "classes"])
@pytest.mark.parametrize("norm", ["batch", "group", "none"])
@pytest.mark.parametrize("name", MODELS)
def test_healthy_and_untrained_is_left_in_peace(name, norm, kind):
    model = make(name, num_classes=4 if kind == "classes" else 1, norm=norm)
    for images, masks in (batch(kind), batch(kind, 4, (65, 79), first=8)):
        assert said(model, images, masks) == ""
        assert said(model.eval(), images, masks) == ""
        model.train()


@pytest.mark.parametrize("kind", ["discs", "classes"])
@pytest.mark.parametrize("name", MODELS)
def test_healthy_and_trained_is_left_in_peace(name, kind):
    images, masks = batch(kind, 8, 32)
    model = trained(make(name, num_classes=4 if kind == "classes" else 1), images, masks)
    assert said(model, images, masks) == ""
    assert diagnose(model, images, masks).unchecked == {"batch norm": "there is none in train mode"}


def test_the_shipped_network_is_healthy():
    assert said(load_pretrained("cells"), *batch("cells", 8, 128)) == ""


@pytest.mark.parametrize("mean_and_spread", [(0.0, 1.0), (0.3, 0.15)])
def test_standardized_images_are_healthy(mean_and_spread):
    images, masks = batch("cells")
    mean, spread = mean_and_spread
    assert said(make(), (images - mean) / spread, masks) == ""


def test_a_network_without_padding_answers_for_the_middle():
    images, masks = batch(size=92)
    model = make(padding="none")
    middle = masks[..., 20:-20, 20:-20]
    assert model(images).shape == middle.shape
    found = diagnose(model, images, middle)
    assert found == []
    assert "pairs" in found.checked
    assert said(model, images, masks).startswith("output: the model must return logits (8, num_classes, 92, 92), but")
    assert said(model, images[..., :-1], middle).startswith("images: ")
    assert said(model, images, middle.flip(-1)).startswith("pairs: ")


def test_what_is_seen_of_pairs_is_reliable():
    """No false alarm on 100 batches; of wrong pairs, mirrored and turned masks none is missed on 100 batches each."""
    model = nn.Identity()  # its logits are the image
    spoilers = [
        lambda m: m.roll(1, 0),
        lambda m: m.flip(-1),
        lambda m: m.flip(-2),
        lambda m: m.transpose(-1, -2),
        lambda m: torch.rot90(m, 1, (-2, -1)),
    ]
    for kind in ("discs", "cells"):
        images, masks = batch(kind, 400, 64)
        for i in range(0, 400, 8):
            part = images[i : i + 8], masks[i : i + 8]
            checks = {finding.check for finding in diagnose(model, *part)}
            assert "pairs" not in checks
            for spoil in spoilers:
                assert "pairs" in {finding.check for finding in diagnose(model, part[0], spoil(part[1]))}


# Accidents: each is named, and nothing else is -----------------------------------------------------------------------

images, masks = batch()
classes = batch("classes")[1]


def spoiled(value, index=(3, 0, 10, 10)):
    result = images.clone()
    result[index] = value
    return result


class Plain(nn.Module):
    """What people write in an afternoon: it neither pads nor checks."""

    def __init__(self, depth=1, last=nn.Identity):
        super().__init__()
        self.down = nn.ModuleList(nn.Conv2d(4 if i else 1, 4, 3, padding=1) for i in range(depth))
        self.up = nn.ModuleList(nn.ConvTranspose2d(8 if i else 4, 4, 2, stride=2) for i in range(depth))
        self.head, self.last = nn.Conv2d(8, 1, 1), last()

    def forward(self, x):
        skips = []
        for down in self.down:
            skips.append(torch.relu(down(x)))
            x = F.max_pool2d(skips[-1], 2)
        for up, skip in zip(self.up, reversed(skips), strict=True):
            x = torch.cat([skip, up(x)], dim=1)
        return self.last(self.head(x))


class Greedy(Plain):
    def __init__(self, message):
        super().__init__()
        self.message = message

    def forward(self, x):
        raise RuntimeError(self.message)


class Cut(UNet):
    def forward(self, x):
        x, skips = self.encoder(x)
        return self.head(self.decoder(self.bottleneck(x).detach(), skips))


def wrapped(change):
    """Return a U-Net whose output is changed."""

    class Changed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = make()

        def forward(self, x):
            return change(self.inner(x))

    return Changed()


def collapsed():
    model = make(num_classes=1)
    nn.init.constant_(model.head.bias, -3.0)  # where training on rare objects goes first
    return model


def dead():
    model = make(norm="none")
    nn.init.constant_(model.decoder.blocks[-1].block.layers[3].bias, -1e3)  # the last ReLU is always 0
    return model


def poisoned():
    model = make()
    model.head.weight.data[0, 0] = NAN
    return model


ACCIDENTS = {
    "channels": (lambda: UNet(3, channels=CHANNELS), images, masks, "images: images must have 3 channels"),
    "channels, foreign": (Plain, images.repeat(1, 3, 1, 1), masks, "first convolution takes 1 channels, and .* have 3"),
    "no batch": (make, images[0], masks[:1], r"images: .*got \(1, 64, 64\). Add the missing axis with image.unsqueeze"),
    "numpy": (make, images.numpy(), masks, "images: images must be a torch tensor, but got ndarray"),
    "list": (make, [1, 2], masks, "images: images must be a torch tensor, but got list"),
    "uint8": (make, (255 * images).byte(), masks, "images: images must be floating point, but got torch.uint8"),
    "double": (
        make,
        images.double(),
        masks,
        r"images are float64, .* weights are float32. .* images.to\(torch.float32",
    ),
    "NaN": (make, spoiled(NAN), masks, "images: image must be finite, but 1 of its values are not"),
    "small": (
        make,
        images[..., 20:23, :],
        masks[..., 20:23, :],
        r"images: each side .* at least 2\*\*depth = 2\*\*2 = 4",
    ),
    "odd, foreign": (lambda: Plain(2), images[..., :63], masks[..., :63], "On .* 64x63 it fails, on 64x64 it runs"),
    "small, foreign": (lambda: Plain(5), images[..., :20], masks[..., :20], "On .* 64x20 it fails, on 64x32 it runs"),
    "unknown error": (lambda: Greedy("the moon is full"), images, masks, "raises RuntimeError: the moon is full.$"),
    "memory, CPU": (lambda: Greedy("DefaultCPUAllocator: can't allocate memory"), images, masks, "Use a smaller batch"),
    "memory, GPU": (
        lambda: Greedy("CUDA out of memory."),
        images,
        masks,
        "forward pass: .*memory. Use a smaller batch",
    ),
    "0 to 255": (make, 255 * images, masks, "range: image must lie between 0 and 1, but spans 0 to 255. Divide 8-bit"),
    "8-bit, dark": (make, (30 * images).round(), masks, "range: image must lie between 0 and 1, but spans 0 to 30"),
    "divided twice": (
        make,
        images / 255,
        masks,
        "range: images hardly vary: .* 0 to 0.00392. Were they divided by 255",
    ),
    "weights": (poisoned, images, masks, "weights: head.weight of the model holds NaN .* earlier checkpoint"),
    "dict": (lambda: wrapped(lambda x: {"out": x}), images, masks, "output: .* one tensor .* a dict with 'out'"),
    "tuple": (lambda: wrapped(lambda x: (x, x)), images, masks, "output: .* one tensor of logits, but returns tuple"),
    "squeezed": (lambda: wrapped(lambda x: x[:, 0]), images, masks, r"output: .*returns \(8, 64, 64\). Do not squeeze"),
    "cropped": (
        lambda: wrapped(lambda x: x[..., 1:]),
        images,
        masks,
        r"\(8, 1, 64, 63\). Pad its .* center_crop",
    ),
    "infinite": (lambda: wrapped(lambda x: x / 0), images, masks, "output: 32768 of 32768 logits are NaN or infinity"),
    "sigmoid": (lambda: Plain(last=nn.Sigmoid), images, masks, "last layer: the model ends with a sigmoid"),
    "sigmoid, moved": (lambda: wrapped(lambda x: x[:, 0].sigmoid()[:, None]), images, masks, "ends with a sigmoid"),
    "softmax": (lambda: nn.Sequential(make(num_classes=4), nn.Softmax(1)), images, classes, "ends with a softmax"),
    "ReLU": (lambda: Plain(last=nn.ReLU), images, masks, "last layer: the model ends with a ReLU"),
    "tanh": (lambda: Plain(last=nn.Tanh), images, masks, "last layer: the model ends with tanh"),
    "mask 255": (make, images, 255 * masks, "masks: mask must hold 0 and 1, but holds 0 and 255"),
    "mask uint8": (make, images, masks.byte(), "masks: mask must be float32 for one class, but got uint8"),
    "mask RGB": (make, images, (255 * masks).byte().repeat(1, 3, 1, 1), "masks: .* with three colours"),
    "mask RGB last": (make, images, masks.repeat(1, 3, 1, 1).permute(0, 2, 3, 1), "masks: .* with three colours"),
    "mask soft": (make, images, F.avg_pool2d(masks, 3, 1, 1), "masks: .* Was it resized with interpolation"),
    "mask axes": (make, images, masks[:, 0], r"masks: .* Add the channel axis with mask\[:, None\]"),
    "mask size": (make, images, masks[..., ::2, ::2], r"masks: .* height and width \(64, 64\), but has \(32, 32\)"),
    "mask missing": (make, images, masks[:7], r"masks: .* \(8, 1, 64, 64\) for an image .* got \(7, 1, 64, 64\)"),
    "index": (lambda: make(num_classes=4), images, classes + 1, "masks: .*class indices 0 to 3 .* but holds 4 too"),
    "float index": (
        lambda: make(num_classes=4),
        images,
        classes.float(),
        "masks: .*int64 class indices .*, but got float32",
    ),
    "empty mask": (make, images, masks * (torch.arange(8) > 2)[:, None, None, None], "balance: 3 of 8 masks hold noth"),
    "all empty": (make, images, 0 * masks, "balance: 8 of 8 masks hold nothing but background"),
    "other image": (make, images, masks.roll(1, 0), "pairs: 8 of 8 images fit .* image 0 fits mask 1. Pair images"),
    "classes, other": (lambda: make(num_classes=4), images, classes.roll(1, 0), "pairs: 8 of 8 images fit the mask"),
    "two swapped": (make, images, masks[[1, 0, 3, 2, 4, 5, 6, 7]], "pairs: 4 of 8 images fit the mask of another"),
    "mirrored": (make, images, masks.flip(-1), "pairs: 8 of 8 masks fit their image better mirrored left to right"),
    "upside down": (make, images, masks.flip(-2), "pairs: 8 of 8 masks fit .* mirrored top to bottom"),
    "transposed": (make, images, masks.transpose(-1, -2), "pairs: . of 8 .* with rows and columns exchanged"),
    "turned": (make, images, masks.rot90(1, (-2, -1)), "pairs: 8 of 8 masks fit .* turned by three quarters"),
    "one, mirrored": (make, images[:1], masks[:1].flip(-1), "pairs: 1 of 1 masks fit .* mirrored left to right"),
    "detached": (lambda: Cut(1, channels=CHANNELS), images, masks, r"no gradient reaches bottleneck\S* .*detach\(\)"),
    "no_grad": (
        lambda: wrapped(lambda x: x.detach()),
        images,
        masks,
        r"no gradient reaches any layer. Look for detach\(\)",
    ),
    "batch norm": (make, images[:2, :, :8, :8], masks[:2, :, :8, :8], "batch norm: .* bottleneck.* over 8 values only"),
    "one pixel": (make, images[:1, :, :4, :4], masks[:1, :, :4, :4], "forward pass: .* cannot be trained on one image"),
    "all black": (collapsed, images, masks, r"prediction: .* class 0 \(all background\) at every pixel, .* 0.95"),
    "dead": (dead, images, masks, "prediction: the model answers the same at every pixel of every image"),
}
# What an accident brings with it: these findings are true as well.
ALSO = {
    "small": {"balance"},
    "weights": {"output"},
    "ReLU": {"gradients", "prediction"},
    "tanh": {"prediction"},
    "softmax": {"prediction"},
    "dead": {"gradients"},
    "batch norm": {"balance"},
    "one pixel": {"balance"},
}


@pytest.mark.parametrize("name", ACCIDENTS)
def test_an_accident_is_named_and_nothing_else(name):
    build, images, masks, message = ACCIDENTS[name]
    torch.manual_seed(0)
    found = diagnose(build(), images, masks)
    fitting = {finding.check for finding in found if re.search(message, str(finding))}
    assert len(fitting) == 1, found
    assert {finding.check for finding in found} - fitting <= ALSO.get(name, set()), found


def test_an_imbalanced_mask():
    small = torch.zeros_like(masks)
    small[..., 30:34, 30:34] = 1
    assert "balance: 99.61 % of the pixels belong to one class" in said(make(), images, small)
    assert "balance: 99.61 % of the pixels belong to one class" in said(make(), images, 1 - small)


def test_an_infinite_running_average():
    model = make()
    model.bottleneck.layers[1].running_var[0] = torch.inf
    assert said(model, images, masks).startswith("weights: bottleneck.layers.1.running_var of the model holds NaN")


def test_forgotten_eval():
    images, masks = batch(size=32)
    model = trained(make(), images, masks)
    assert said(model, images, masks) == ""
    message = r"^mode: the model is trained and in train mode: eval mode gives another .*eval\(\)"
    assert re.search(message, said(model.train(), images, masks))


def test_running_averages_that_do_not_fit():
    model = load_pretrained("cells")
    cells, truth = batch("cells", 8, 128)
    message = r"^mode: in eval mode the prediction is worse by 0.\d\d IoU than in train mode: the running averages"
    assert re.search(message, said(model, (cells - cells.mean()) / cells.std(), truth))


def test_all_black_after_real_training():
    torch.manual_seed(0)
    model = UNet(1, channels=CHANNELS, norm="none")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(15):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(images), masks).backward()
        optimizer.step()
    assert said(model, images, masks).startswith(
        "prediction: the prediction is class 0 (all background) at every pixel"
    )


def test_a_frozen_model_is_no_accident():
    model = make().requires_grad_(False)
    found = diagnose(model, images, masks)
    assert found == []
    assert found.unchecked["gradients"] == "no parameter asks for a gradient"


def test_every_check_has_an_accident():
    found = {finding.check for build, *data, _ in ACCIDENTS.values() for finding in diagnose(build(), *data)}
    assert found | {"mode"} == set(_CHECKS)


# The result ----------------------------------------------------------------------------------------------------------


def test_the_messages_are_those_of_the_mask_contract():
    for mask in (255 * masks, masks[:, 0], masks.byte(), F.avg_pool2d(masks, 3, 1, 1)):
        with pytest.raises(ValueError) as refusal:
            check_mask(mask, 1, images)
        assert diagnose(make(), images, mask) == [Finding("masks", str(refusal.value))]
    with pytest.raises(ValueError) as refusal:
        check_pair(255 * images, masks)
    assert diagnose(make(), 255 * images, masks) == [Finding("range", str(refusal.value))]


def test_what_was_not_checked_is_said():
    found = diagnose(make(), spoiled(NAN), 255 * masks)
    assert [finding.check for finding in found] == ["images", "masks"]
    assert found.checked == ["weights", "images", "masks"]
    assert set(found.checked) | set(found.unchecked) == set(_CHECKS)
    assert found.unchecked["gradients"] == "first mend images"
    assert found.unchecked["balance"] == "first mend masks"


def test_pairs_of_tiny_pictures_are_not_judged():
    found = diagnose(make(), images[..., :15, :], masks[..., :15, :])
    assert found.unchecked["pairs"] == "needs images of 16 pixels or more a side"


def test_the_class_count_may_be_unknown():
    found = diagnose(Greedy("no"), images, masks)
    assert found.unchecked["masks"] == "the number of classes is not known without an output"


def test_the_report_is_a_list_that_reads_well():
    report = Diagnosis([Finding("a", "one"), Finding("b", "two")], ["a", "b"], {"c": "why", "d": "why", "e": "so"})
    assert report == [("a", "one"), ("b", "two")]
    assert repr(report) == "- a: one\n- b: two\nChecked: a, b.\nNot checked: c, d (why); e (so)."
    assert repr(Diagnosis([], ["a"], {})) == "Nothing found.\nChecked: a."


def test_in_a_notebook_long_lines_wrap():
    report = Diagnosis([Finding("a", "one < two")], ["a"], {"c": "why"})
    checked = "<details><summary>What was checked</summary><p>Checked: a.</p><p>Not checked: c (why).</p></details>"
    assert report._repr_html_() == f"<ul><li><strong>a</strong>: one &lt; two</li></ul>{checked}"
    assert Diagnosis([], ["a"], {})._repr_html_().startswith("<p>Nothing found.</p><details>")


def test_no_model_is_refused():
    with pytest.raises(ValueError, match="model must be a torch.nn.Module, but got dict"):
        diagnose({}, images, masks)


# Nothing stays behind ------------------------------------------------------------------------------------------------


def everything(model):
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    modes = [m.training for m in model.modules()]
    return tensors, gradients, (hooks, modes, [p.requires_grad for p in model.parameters()])


def randoms():
    return torch.rand(1).item(), random.random(), np.random.rand()


class Noisy(nn.Module):
    """Draws random numbers, and keeps what it saw."""

    def __init__(self):
        super().__init__()
        self.inner, self.drop = make(), nn.Dropout2d(0.5)

    def forward(self, x):
        self.seen = self.inner(self.drop(x + 0.01 * random.random() + 0.01 * np.random.rand()))
        return self.seen


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "data", [(images, masks), (images, 255 * masks), (spoiled(NAN), masks), (images[..., :3], masks)]
)
def test_the_model_is_as_before(data, device):
    model = Noisy().to(device)
    model(images.to(device)).sum().backward()
    model.inner.encoder.eval()  # a frozen part
    before = everything(model)
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    expected = randoms()
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    diagnose(model, *data)
    assert randoms() == expected
    torch.testing.assert_close(everything(model)[:2], before[:2], rtol=0, atol=0)
    assert everything(model)[2] == before[2]


def test_random_numbers_and_modes_are_as_before_also_after_an_error(monkeypatch):
    def fail(case):
        torch.rand(1)
        raise OSError("the disk is gone")
        yield

    monkeypatch.setitem(_CHECKS, "weights", (fail, ()))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    with pytest.raises(OSError, match="the disk is gone"):
        diagnose(make().eval(), images, masks)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), expected)


def test_where_gradients_are_off_it_works_too():
    healthy, cut = make(), Cut(1, channels=CHANNELS)
    for switch in (torch.no_grad, torch.inference_mode):
        with switch():
            assert said(healthy, images, masks) == ""
            assert "no gradient reaches bottleneck" in said(cut, images, masks)


@pytest.mark.parametrize("device", DEVICES)
def test_the_batch_may_lie_elsewhere(device):
    model = make().to(device)
    assert said(model, images, masks) == ""
    assert said(model, images.to(device), masks.to(device)) == ""
    assert next(model.parameters()).device.type == device


def test_a_copy_gives_the_same_answer():
    model = Cut(1, channels=CHANNELS)
    assert diagnose(copy.deepcopy(model), images, masks) == diagnose(model, images, masks)
