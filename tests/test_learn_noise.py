"""The experiment of chapter 19 on a small scale, and what its records must be."""

import json

import numpy as np
import pytest
import torch

import learn_noise
import provenance
from unet_tutorial import _kept, diffusion, records

TINY = {"updates": 3, "batch_size": 4, "pictures": 8, "channels": (2, 4)}


@pytest.fixture
def small(monkeypatch, tmp_path):
    """All of it with next to no pictures, and what is written lies in a folder of its own."""
    monkeypatch.setattr(learn_noise, "DENOISERS", tmp_path / "denoisers")
    monkeypatch.setattr(provenance, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(provenance, "commit", lambda: "0123456789ab")
    monkeypatch.setattr(learn_noise, "SHIPPED", learn_noise.SHIPPED | TINY)
    monkeypatch.setattr(learn_noise, "GENERATOR", learn_noise.GENERATOR | {"updates": 2, "batch_size": 2})
    monkeypatch.setattr(learn_noise, "SEGMENTER", learn_noise.SEGMENTER | {"channels": (2, 4), "steps": 2})
    monkeypatch.setattr(learn_noise, "POOL", {"pictures": 4, "steps": 2})
    for name, value in {"HELD_OUT": 4, "JUDGED": 8, "TAUGHT": 4, "TO_CHOOSE": 2, "TO_JUDGE": 2}.items():
        monkeypatch.setattr(learn_noise, name, value)
    for name, value in {"COUNTS": (2, 4), "SEEDS": (0,), "RATES": (0.01,), "CHOSEN_WITH": 2}.items():
        monkeypatch.setattr(learn_noise, name, value)
    samplers = {"DDPM, 200 steps": {"steps": 3, "eta": 1.0}, "DDIM, 5 steps": {"steps": 2}}
    monkeypatch.setattr(learn_noise, "SAMPLERS", samplers)
    model = diffusion.StepUNet(2, channels=(2, 4)).eval()
    monkeypatch.setattr(learn_noise, "load_denoiser", lambda: (model, diffusion.noise_schedule(25)))
    monkeypatch.setattr(_kept, "files", lambda package: tmp_path)
    (tmp_path / "results").mkdir()
    return tmp_path


def test_the_weights_come_with_how_they_were_made(small):
    learn_noise.command_weights()
    record = json.loads((small / "denoisers" / "cells.json").read_text(encoding="utf-8"))
    assert record["provenance"]["command"] == "python experiments/learn_noise.py weights"
    assert record["recipe"]["updates"] == 3 and set(record["scores"]) >= {"train_loss", "val_loss", "test_loss"}
    model = diffusion.StepUNet(**record["config"])
    model.load_state_dict(torch.load(small / "denoisers" / "cells.pt", weights_only=True))


def test_everything_is_judged_beside_its_control(small):
    learn_noise.command_judge()
    record = records.load("noise_judged")
    kinds = {"drawn", "drawn again", *learn_noise.SAMPLERS}
    assert set(record["described"]) == kinds and set(record["classifier"]) == kinds - {"drawn"}
    assert set(record["nearest"]) == kinds | {"copies with a little noise"}


def test_an_interrupted_experiment_goes_on_where_it_ended(small, monkeypatch):
    learn_noise.command_extra()
    whole = records.load("noise_extra")
    assert len(whole["runs"]) == len(learn_noise.ARMS) * 2 and len(whole["rates"]) == len(learn_noise.ARMS)
    for run in whole["runs"]:
        assert ("generator" in run) == (run["arm"] == "with generated") and 0 <= run["iou"] <= 1
    cut = {key: part for key, part in whole.items() if key != "provenance"} | {"runs": whole["runs"][:3]}
    provenance.write_record("noise_extra", cut, command="", seeds=[])
    learn_noise.command_extra()
    again = records.load("noise_extra")
    assert again["runs"][:3] == whole["runs"][:3] and len(again["runs"]) == len(whole["runs"])


def test_half_of_a_batch_comes_out_of_the_pool():
    real, more = (learn_noise.as_data(torch.full((3, 2, 32, 32), value)) for value in (-1.0, 1.0))
    for other, share in ((None, 0.0), (more, 0.5)):
        batches = learn_noise.mixed(real, other, 0)
        assert len(batches) == learn_noise.SEGMENTER["steps"]
        assert {tuple(images.shape) for images, _ in batches} == {(learn_noise.SEGMENTER["batch_size"], 1, 32, 32)}
        assert all(images.mean() == share for images, _ in batches)


def test_a_copy_is_near_however_it_is_laid():
    real = learn_noise.pairs(3)
    turned = torch.rot90(real, 1, (2, 3)).flip(3)[:, :1]
    assert learn_noise.nearest(turned, learn_noise.eight(real)[:, :1]).max() < 1e-3
    assert learn_noise.nearest(turned, real[:, :1]).min() > 0.05


def test_numbers_of_pictures_are_what_they_say():
    both = -torch.ones(2, 2, 32, 32)
    both[:, :, 4:8, 4:8] = 1  # one cell of 16 pixels, white on black
    both[1, 1, 20, 20] = 1  # a crumb in the mask that is none in the image
    found = learn_noise.described(both)
    assert found["parts in a mask"] == 1.5 and found["area of a part"] == 16
    assert found["parts below 10 pixels"] == pytest.approx(1 / 3, abs=1e-3)
    assert found["brightness"] == pytest.approx(16 / 1024, abs=1e-3)
    assert found["share of cells"] == pytest.approx(16.5 / 1024, abs=1e-3)
    assert 0.9 < found["cells above their ground"] <= 1


def test_the_record_keeps_the_rules_of_the_experiment():
    record = records.load("noise_extra")
    runs = {(run["arm"], run["pictures"], run["seed"]): run for run in record["runs"]}
    expected = {(a, n, s) for a in learn_noise.ARMS for n in learn_noise.COUNTS for s in learn_noise.SEEDS}
    assert set(runs) == expected and len(record["runs"]) == len(expected)
    for arm in learn_noise.ARMS:
        tried = {row["rate"]: row["iou_to_choose"] for row in record["rates"] if row["arm"] == arm}
        assert set(tried) == set(learn_noise.RATES)
        assert {run["rate"] for key, run in runs.items() if key[0] == arm} == {max(tried, key=tried.get)}
    judged = records.load("noise_judged")
    controls = judged["classifier"]["drawn again"]
    assert len(controls) == 3 and np.mean(controls) == pytest.approx(0.5, abs=0.1)
