"""The shipped weights: small, recorded, and as good as their record says."""

from importlib.resources import files

import pytest
import torch
from torch.utils.data import DataLoader

from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.pretrained import available, load_pretrained, pretrained_record
from unet_tutorial.training import evaluate

WEIGHTS = files("unet_tutorial") / "weights"
COMMANDS = {"nuclei": "python tools/train_nuclei.py train"}  # real pictures: a tool of their own


@pytest.mark.parametrize("name", available())
def test_every_network_is_small_and_recorded(name):
    assert len((WEIGHTS / f"{name}.pt").read_bytes()) <= 600_000
    record = pretrained_record(name)
    assert set(record) == {"model", "config", "recipe", "versions", "scores", "command"}
    assert record["command"] == COMMANDS.get(name, f"python tools/train_weights.py {name}")
    assert {"python", "torch", "numpy"} <= set(record["versions"])
    assert "seed" in record["recipe"]
    model = load_pretrained(name)
    assert not model.training
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_nothing_lies_in_the_folder_without_its_record():
    expected = {f"{name}{suffix}" for name in available() for suffix in (".pt", ".json")}
    assert {entry.name for entry in WEIGHTS.iterdir()} == expected


@pytest.mark.parametrize("split", ["val", "test"])
def test_cells_scores_what_its_record_says(split):
    record = pretrained_record("cells")
    data = SyntheticCellsDataset(record["scores"]["samples"], split=split, seed=record["recipe"]["seed"])
    scores = evaluate(load_pretrained("cells"), DataLoader(data, batch_size=8), device="cpu")
    assert scores.iou == pytest.approx(record["scores"][f"{split}_iou"], abs=1e-3)
    assert scores.iou > 0.85


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'cells'"):
        load_pretrained("cell")
