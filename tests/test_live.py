"""The live pictures from Python: what goes into the page, what stands still without it, and what comes back."""

import base64
import gzip
import json
import subprocess

import numpy as np
import pytest
import torch

from browser import node
from unet_tutorial import live
from unet_tutorial.data.pictures import normalize
from unet_tutorial.live import base, packing, train
from unet_tutorial.metrics import iou, predicted_masks
from unet_tutorial.pretrained import load_pretrained
from unet_tutorial.unet import UNet


def unpacked(picture):
    return json.loads(gzip.decompress(base64.b64decode(picture.packed())))


def from_hex(text, digits):
    levels = [int(text[i : i + digits], 16) for i in range(0, len(text), digits)]
    return torch.tensor(levels) / (16**digits - 1)


@pytest.mark.parametrize("digits", [1, 2])
def test_numbers_come_back_as_python_says_that_they_are_seen(digits):
    values = torch.rand(50, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(from_hex(packing.to_hex(values, digits), digits), packing.as_seen(values, digits))
    assert (packing.as_seen(values, digits) - values).abs().max() <= 0.5 / (16**digits - 1) + 1e-6


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_number_that_is_no_grey_value_is_refused(value):
    with pytest.raises(ValueError, match="values must be floating point between 0 and 1, but got"):
        packing.to_hex(torch.tensor([value]))


def test_weights_in_one_byte_are_those_of_the_page_and_cost_nothing_to_speak_of():
    model = load_pretrained("cells")
    small = packing.in_one_byte(model)
    for name, packed in packing.pack_weights(model).items():
        if "numbers" in packed:
            values = torch.tensor(packed["numbers"])
        else:
            levels = [int(packed["values"][i : i + 2], 16) - 128 for i in range(0, len(packed["values"]), 2)]
            scales = torch.tensor(packed["scales"]).repeat_interleave(len(levels) // len(packed["scales"]))
            values = torch.tensor(levels) * scales
        torch.testing.assert_close(values, small[name].flatten(), rtol=1e-6, atol=1e-9)
    images, masks = train.pictures("cells", "val")
    scores = []
    for state in (model.state_dict(), small):
        model.load_state_dict(state)
        with torch.no_grad():
            scores.append(iou(predicted_masks(model(images)), masks).mean())
    assert abs(scores[0] - scores[1]) < 0.005


def test_the_page_gets_the_pictures_of_the_package():
    table = unpacked(live.Train)
    for name, (_, learned, judged) in train.DATA.items():
        for split, count in (("train", learned), ("val", judged)):
            images, masks = train.pictures(name, split)
            assert images.shape == (count, 1, 64, 64)
            torch.testing.assert_close(from_hex(table[name][split]["images"], 1), images.flatten())
            torch.testing.assert_close(from_hex(table[name][split]["masks"], 1), masks.flatten())
        assert 0 < table[name]["baseline"] < 1
    assert table["discs"]["baseline"] > 0.9 > 0.5 > table["cells"]["baseline"]


@pytest.mark.parametrize("name", live.__all__)
def test_every_live_picture_stands_still_without_javascript(name):
    page = getattr(live, name)().html()
    assert 'class="unet-explorer unet-live"' in page and "With JavaScript" in page
    assert '<image href="data:image/webp;base64,' in page
    assert page.count("<script") == 2


def test_settings_are_those_that_the_controls_offer():
    assert live.Train(depth=3).values["depth"] == 3
    with pytest.raises(ValueError, match="Train.depth must be one of 1, 2, 3, but got 4"):
        live.Train(depth=4)
    with pytest.raises(ValueError, match="control of Draw"):
        live.Draw(dept=3)


def test_a_network_that_was_trained_in_the_page_comes_to_python():
    torch.manual_seed(0)
    model = UNet(1, 1, channels=(4, 8)).eval()
    weights = {
        name: {"shape": list(value.shape), "values": value.flatten().tolist()}
        for name, value in model.state_dict().items()
        if "num_batches" not in name
    }
    picture = live.Train()
    assert picture.model() is None
    picture._weights = {"config": {"in_channels": 1, "num_classes": 1, "channels": [4, 8]}, "weights": weights}
    images = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(picture.model()(images), model(images))


def test_the_page_knows_what_every_network_costs():
    plan = live.Train()._plan
    assert len(plan["costs"]) == 3 * 3 * 3 * 3 and len(plan["tasks"]) == 6
    assert plan["costs"]["2,4,concat,transpose"] == "6.3 million"
    assert live.Draw()._plan["small"] is False and live.SmallDraw()._plan["small"] is True
    assert 40 < live.Draw()._plan["field"] < 128


@pytest.mark.parametrize("kind", ["dim", "bright", "flat", "stretched", "lifted", "counts"])
def test_a_picture_of_the_readers_own_is_normalised_as_the_package_does(kind):
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 30) ** 2 * np.ones((20, 1))
    image = {
        "dim": rng.gamma(2.0, 6.0, (20, 30)),
        "bright": rng.normal(180, 25, (20, 30)),
        "flat": np.full((20, 30), 90.0),
        "stretched": 255 * ramp,
        "lifted": 150 + 80 * ramp,
        "counts": 20 + 200 * ramp + rng.normal(0, 1, (20, 30)),
    }[kind]
    image = image.clip(0, 255).astype(np.uint8)
    script = base.read("draw.js").replace("export default { initialize, render };", "")
    code = f"{script}\nconst values = Float32Array.from({(image / 255).ravel().tolist()});"
    code += "\nconsole.log(JSON.stringify([...prepared({ values, W: 30, H: 20 }, false)]))"
    done = subprocess.run([str(node()), "-"], input=code, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout), normalize(image).ravel(), atol=1e-5)
