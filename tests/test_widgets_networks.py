"""The explorers that look into networks: what they show, against the whole network, hooks and plain loops."""

import base64
import io
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import provenance
import record_training
from unet_tutorial import diffusion, records
from unet_tutorial.data import SyntheticCellsDataset
from unet_tutorial.metrics import iou, predicted_masks
from unet_tutorial.pretrained import load_pretrained
from unet_tutorial.widgets import (
    FeatureMaps,
    Losses,
    NoiseWalk,
    ReceptiveField,
    SkipSwitchboard,
    Threshold,
    TrainingScrubber,
    Upsampling,
    feature_maps,
    losses,
    noise_walk,
    receptive_field,
    skip_switchboard,
    training_scrubber,
    upsampling,
)

CELLS = SyntheticCellsDataset(num_samples=30, split="test")


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_copies_of_a_kernel_are_counted_as_they_are_painted(kernel, stride):
    side = (upsampling.SIDE - 1) * stride + kernel
    painted = torch.zeros(side, side, dtype=torch.int64)
    for i in range(upsampling.SIDE):
        for j in range(upsampling.SIDE):
            painted[i * stride : i * stride + kernel, j * stride : j * stride + kernel] += 1
    assert torch.equal(upsampling._contributions(upsampling.TRANSPOSED, kernel, stride), painted)
    assert upsampling._is_even(upsampling.TRANSPOSED, kernel, stride) == (kernel % stride == 0)


def test_nearest_and_bilinear_are_those_of_a_layer_and_leave_a_flat_map_flat():
    x = torch.rand(4, 4)
    for method, options in (("nearest", {}), ("bilinear", {"align_corners": False})):
        layer = nn.Upsample(scale_factor=3, mode=method, **options)
        assert torch.equal(upsampling._enlarge(x, method, 2, 3), layer(x[None, None])[0, 0])
        assert upsampling._is_even(method, 2, 3)
        numbers = Upsampling(method=method, image="flat").shown.numbers
        assert (numbers["output"], numbers["values of the output"]) == ("8 × 8", "1.00 to 1.00")


@pytest.mark.parametrize("part", receptive_field.PARTS)
def test_a_unit_changes_with_pixels_of_its_field_alone(part):
    for row, column in [(18, 64), (64, 64), (110, 41)]:
        seen = receptive_field._gradient(part, row, column) > 0
        (top, bottom), (left, right) = (receptive_field._field(part, place) for place in (row, column))
        window = torch.zeros(128, 128, dtype=torch.bool)
        window[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = True
        assert not (seen & ~window).any() and (seen & window).sum() > 0.5 * window.sum()
        height = ReceptiveField(part=part, row=row, column=column).shown.numbers["the field"].split(" ")[0]
        assert int(height) == bottom - top + 1


def test_the_field_depends_on_the_phase_at_the_logits():
    rows = {receptive_field._field("logits", place)[1] - receptive_field._field("logits", place)[0] + 1
            for place in receptive_field.PLACES}  # fmt: skip
    assert rows == {92, 100}


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_the_maps_are_those_that_hooks_see(stage):
    model, seen = load_pretrained("cells"), {}
    model.encoder.stages[stage - 1].register_forward_hook(lambda m, i, out: seen.update(out=out[0]))
    below = [*model.encoder.stages, model.bottleneck][stage]
    below.register_forward_pre_hook(lambda m, inputs: seen.update(down=inputs[0][0]))
    with torch.no_grad():
        model(CELLS[feature_maps.SAMPLE][0][None])
    shown = FeatureMaps(stage=f"stage {stage}", number=2).shown.numbers
    values = seen["out"][shown["channel"] - 1]
    assert torch.equal(values, feature_maps._encoded("cells")[1][stage - 1][shown["channel"] - 1])
    assert torch.equal(feature_maps._pooled(values), seen["down"][shown["channel"] - 1])
    assert shown["goes down"] == f"{seen['down'].shape[1]} × {seen['down'].shape[2]}"
    assert shown["maps of this stage"] == len(seen["out"])


@pytest.mark.parametrize(
    "damages",
    [("intact",) * 3, ("zeros", "intact", "shift"), ("swapped channels", "other image", "intact"), ("shift",) * 3],
)
def test_the_switchboard_predicts_what_hooks_on_the_whole_network_give(damages):
    model = load_pretrained("cells")
    places = (skip_switchboard.OTHER, skip_switchboard.SAMPLE)
    images, masks = (torch.stack(part) for part in zip(*(CELLS[i] for i in places), strict=True))
    for block, damage in zip(reversed(model.decoder.blocks), damages, strict=True):  # the finest block is the last

        def change(module, inputs, damage=damage):
            return inputs[0], skip_switchboard._damaged(inputs[1], damage)

        block.register_forward_pre_hook(change)
    with torch.no_grad():
        expected = predicted_masks(model(images))[1:]
    assert torch.equal(skip_switchboard._prediction(*damages), expected)
    settings = dict(zip(("stage_1", "stage_2", "stage_3"), damages, strict=True))
    numbers = SkipSwitchboard(**settings).shown.numbers
    assert numbers["IoU"] == f"{iou(expected, masks[1:]).item():.2f}"
    assert numbers["missed pixels"] == int((masks[1:] > expected).sum())


def test_the_damages_do_what_they_say():
    skip = torch.arange(2 * 2 * 1 * 64.0).view(2, 2, 1, 64)
    damaged = {name: skip_switchboard._damaged(skip, name) for name in skip_switchboard.DAMAGES}
    assert torch.equal(damaged["intact"], skip) and not damaged["zeros"].any()
    assert torch.equal(damaged["shift"][..., 2:], skip[..., :-2])  # 64 values for 128 pixels: 4 pixels are 2 values
    assert torch.equal(damaged["swapped channels"][:, 1], skip[:, 0])
    assert torch.equal(damaged["other image"][1], skip[0])


@pytest.mark.parametrize("threshold", [0.05, 0.5, 0.95])
def test_the_threshold_cuts_as_the_metrics_do(threshold):
    image, truth = CELLS[2]
    with torch.no_grad():
        found = predicted_masks(load_pretrained("cells")(image[None]), threshold)[0]
    numbers = Threshold(threshold=threshold, picture=2).shown.numbers
    assert numbers["IoU"] == f"{iou(found[None], truth[None]).item():.3f}"
    assert numbers["false positives"] == int((found > truth).sum())
    assert numbers["precision"] == f"{truth[found == 1].mean():.3f}"
    assert numbers["recall"] == f"{found[truth == 1].mean():.3f}"


@pytest.mark.parametrize("setting", [(6, 10, 4, 64), (24, 7, 8, 96), (0, 13, 1, 128)])
def test_losses_and_their_pull_are_those_of_the_formulas(setting):
    shift, radius, confidence, side = setting
    values, slopes, truth = losses._measured(*setting)
    logits = confidence * (2 * losses._disc(side, losses.COLUMN + shift, radius) - 1)
    p, n = torch.sigmoid(logits), logits.numel()
    overlap, areas = (p * truth).sum(), p.sum() + truth.sum()
    assert values["BCE"] == pytest.approx(F.binary_cross_entropy_with_logits(logits, truth).item(), rel=1e-5)
    assert values["Dice loss"] == pytest.approx(1 - float(2 * overlap / areas), abs=1e-5)
    assert values["combined"] == pytest.approx((values["BCE"] + values["Dice loss"]) / 2, rel=1e-5)
    torch.testing.assert_close(slopes["BCE"], (p - truth)[0, 0], atol=1e-5, rtol=1e-4)
    formula = 2 * (overlap - truth * areas) / areas**2 * p * (1 - p) * n  # chapter 11
    torch.testing.assert_close(slopes["Dice loss"], formula[0, 0], atol=1e-5, rtol=1e-3)
    shown = Losses(**dict(zip(("shift", "radius", "confidence", "side"), setting, strict=True))).shown.numbers
    assert shown["BCE"] == f"{values['BCE']:.3f}" and shown["IoU"] == f"{1 - values['1 − IoU']:.2f}"


def test_blue_pulls_up_and_orange_down():
    colours = losses._in_colours(torch.tensor([[-2.0, 0.0, 0.5]]))
    assert colours[0, 0, 2] > colours[0, 0, 0] and not colours[0, 1].any() and colours[0, 2, 0] > colours[0, 2, 2]


def test_the_controls_of_the_scrubber_are_those_of_the_record():
    record = records.load("training")
    runs = record["runs"]
    assert training_scrubber.RATES == tuple(run["learning_rate"] for run in runs)
    assert training_scrubber.EPOCHS == record["recipe"]["epochs"] == len(runs[0]["probabilities"])
    assert training_scrubber.PICTURES == tuple(range(len(runs[0]["probabilities"][0])))


def test_the_record_is_read_when_it_is_used():
    code = "import pathlib; read = pathlib.Path.read_text; seen = []\n"
    code += "pathlib.Path.read_text = lambda path, *a, **k: (seen.append(path.name), read(path, *a, **k))[1]\n"
    code += "from unet_tutorial import widgets; print('training.json' in seen, end=' ')\n"
    code += "widgets.TrainingScrubber(); print('training.json' in seen)"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.split() == ["False", "True"]


def test_the_scrubber_shows_what_was_recorded():
    for run in records.load("training")["runs"]:
        for epoch in (1, 8):
            numbers = TrainingScrubber(rate=run["learning_rate"], epoch=epoch).shown.numbers
            assert numbers["training loss"] == f"{run['train_loss'][epoch - 1]:.2f}"
            assert numbers["validation IoU"] == f"{run['val_iou'][epoch - 1]:.2f}"
        addresses = [address for after in run["probabilities"] for address in after]
        pictures = [Image.open(io.BytesIO(base64.b64decode(one.partition(",")[2]))) for one in addresses]
        assert {picture.size for picture in pictures} == {(64, 64)} and len(pictures) == 8 * 2


def test_the_recorded_predictions_fit_the_recorded_scores():
    """The best of the recorded runs has found the cells of the pictures that are shown, the worst has not."""
    runs = {run["learning_rate"]: run for run in records.load("training")["runs"]}
    scores = {}
    for rate in (0.01, 10.0):
        found = Image.open(io.BytesIO(base64.b64decode(runs[rate]["probabilities"][-1][0].partition(",")[2])))
        mask = torch.from_numpy(np.asarray(found.convert("L")) > 127).float()[None, None]
        scores[rate] = iou(mask, training_scrubber._watched(0)[1][None]).item()
    assert scores[0.01] > 0.7 and scores[10.0] == 0


def test_a_small_recording_can_be_read(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "RESULTS", tmp_path)
    recipe = {"learning_rates": (0.001, 0.01), "epochs": 2, "batch_size": 2, "channels": (2, 4)}
    threads = torch.get_num_threads()
    try:
        assert record_training.main(recipe, train=4, val=2) == 0
    finally:
        torch.set_num_threads(threads)
    text = (tmp_path / "training.json").read_text(encoding="utf-8")
    assert text.count("data:image/webp;base64,") == 2 * 2 * 2
    assert '"command": "python experiments/record_training.py"' in text


@pytest.mark.parametrize("start", [1, 3])
def test_the_walk_ends_at_the_picture_that_the_sampler_draws(start):
    """Each start walks alone here, and in the explorer all of them together."""
    model, alpha_bar = diffusion.load_denoiser()
    noise = torch.randn(1, 2, 32, 32, generator=torch.Generator().manual_seed(start))
    drawn = diffusion.sample(model, noise, alpha_bar, steps=noise_walk.STEPS)[0]
    noisy, seen, _ = noise_walk._walks()
    place = noise_walk.STARTS.index(start)
    torch.testing.assert_close(noisy[-1, place].float(), drawn, atol=1e-3, rtol=0)
    assert torch.equal(noisy[0, place].float(), noise[0])
    numbers = NoiseWalk(step=0, start=start).shown.numbers
    assert numbers["cells in the mask that is seen"] == f"{(drawn[1] > 0).float().mean().item():.0%}".replace("%", " %")
    away = ((seen[5, place, 0] - drawn[0]) / 2).square().mean().sqrt().item()
    shown = float(NoiseWalk(step=100, start=start).shown.numbers["difference from the end, in grey values"])
    assert shown == pytest.approx(away, abs=0.006)


def test_the_steps_of_the_walk_are_levels_of_the_schedule():
    noisy, seen, alpha_bar = noise_walk._walks()
    assert noisy.shape == seen.shape == (len(noise_walk.STOPS), len(noise_walk.STARTS), 2, 32, 32)
    assert len(alpha_bar) - 1 == noise_walk.STOPS[0]
    left = NoiseWalk(step=60).shown.numbers["picture's variance that is left"]
    assert left == f"{alpha_bar[60]:.0%}".replace("%", " %")
