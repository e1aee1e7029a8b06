"""The comparison of beginnings: the same record from an interrupted run, pictures that do not mix, and its shape."""

import copy
import json
import sys

import numpy as np
import pytest
import torch

import fine_tune
import provenance
from unet_tutorial import records


def pictures(number, seed):
    """Bright discs on dark, one a picture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    found = []
    for _ in range(number):
        row, column = rng.integers(20, 44, 2)
        labels = torch.from_numpy((np.hypot(y - row, x - column) < 12).astype(np.int64))
        found.append((0.2 + 0.6 * labels.float()[None], labels))
    return found


@pytest.fixture
def small(monkeypatch, tmp_path):
    """One look, one seed, one step, in a folder of its own; returns how many networks are trained."""
    monkeypatch.setattr(fine_tune, "looks", lambda: {"discs": (pictures(4, 0), pictures(2, 1), pictures(2, 2))})
    for name, value in (("COUNTS", (1, 2)), ("SEEDS", (0,)), ("RATES", (0.01,)), ("CHOSEN_WITH", 2)):
        monkeypatch.setattr(fine_tune, name, value)
    monkeypatch.setattr(fine_tune, "RECIPE", fine_tune.RECIPE | {"steps": 1})
    monkeypatch.setattr(provenance, "RESULTS", tmp_path)
    kept = tmp_path / "fine_tuning.json"
    monkeypatch.setattr(provenance, "commit", lambda: "0123456789ab")
    monkeypatch.setattr(sys, "argv", ["fine_tune.py"])
    trained, train = [], fine_tune.train
    monkeypatch.setattr(fine_tune, "train", lambda *a: trained.append(a[:3]) or train(*a))
    threads = torch.get_num_threads()
    yield kept, trained
    torch.set_num_threads(threads)


def test_every_pair_is_trained_once_and_what_is_kept_is_not_trained_again(small):
    kept, trained = small
    fine_tune.main()
    content = json.loads(kept.read_text(encoding="utf-8"))
    assert len(trained) == 2 + 4 and len(content["rates"]) == 2
    assert {(run["pictures"], run["start"]) for run in content["runs"]} == {
        (number, start) for number in (1, 2) for start in ("random", "shipped")
    }
    assert set(content["untrained"]["discs"]) == {"Otsu", "watershed", "shipped weights"}
    assert content["untrained"]["discs"]["Otsu"] == 1
    cut = copy.deepcopy(content)
    del cut["runs"][-1]
    kept.write_text(json.dumps(cut), encoding="utf-8")
    trained.clear()
    fine_tune.main()
    again = json.loads(kept.read_text(encoding="utf-8"))
    assert len(trained) == 1 and again["runs"] == content["runs"]


def test_the_other_look_is_half_as_large_and_dark():
    ((image, labels),) = fine_tune.other_look(pictures(1, 0))
    assert image.shape == (1, 32, 32) and labels.shape == (32, 32)
    assert image[0][labels > 0].mean() < image[0][labels == 0].mean()


def test_more_pictures_hold_the_fewer():
    everything = list(range(40))
    for seed in (0, 1):
        five, ten = (fine_tune.some(everything, number, seed) for number in (5, 10))
        assert ten[:5] == five and len(set(ten)) == 10
    assert fine_tune.some(everything, 5, 0) != fine_tune.some(everything, 5, 1)


def test_the_record_holds_every_pair():
    runs = records.load("fine_tuning")["runs"]
    found = {(run["look"], run["start"], run["pictures"], run["seed"]) for run in runs}
    assert len(runs) == len(found) == 3 * len(fine_tune.STARTS) * len(fine_tune.COUNTS) * len(fine_tune.SEEDS)
