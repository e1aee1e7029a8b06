"""The shipped weights: small, recorded, and as good as their record says; and what every record says of its making."""

import json
import re
import sys
from importlib.resources import files

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import provenance
import train_nuclei
import train_weights
from unet_tutorial import records
from unet_tutorial.data.pictures import InstanceDataset
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.pretrained import available, load_pretrained, pretrained_record
from unet_tutorial.training import evaluate

WEIGHTS = files("unet_tutorial") / "weights"
COMMANDS = {"nuclei": "python tools/train_nuclei.py train"}  # real pictures: a tool of their own
OLDER = {"cells"}  # made before the tools recorded commit and processor, which nobody can add afterwards


@pytest.mark.parametrize("name", available())
def test_every_network_is_small_and_recorded(name):
    assert len((WEIGHTS / f"{name}.pt").read_bytes()) <= 600_000
    record = pretrained_record(name)
    made = {key: record.pop(key) for key in ("command", "versions")} if name in OLDER else record["provenance"]
    assert set(record) == {"model", "config", "recipe", "scores"} | (set() if name in OLDER else {"provenance"})
    assert made["command"] == COMMANDS.get(name, f"python tools/train_weights.py {name}")
    assert {"python", "torch", "numpy"} <= set(made["versions"])
    assert "seed" in record["recipe"]
    model = load_pretrained(name)
    assert not model.training
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def commits(content) -> list[str]:
    """Collect every commit that a record names, at any depth."""
    if isinstance(content, list):
        return [found for part in content for found in commits(part)]
    if not isinstance(content, dict):
        return []
    return [found for key, part in content.items() for found in ([part] if key == "commit" else commits(part))]


@pytest.mark.parametrize("name", [*records.available(), *sorted({*available()} - OLDER)])
def test_every_record_was_made_from_a_clean_checkout(name):
    found = commits(records.load(name) if name in records.available() else pretrained_record(name))
    assert found and all(re.fullmatch("[0-9a-f]{12}", commit) for commit in found), found


@pytest.fixture
def threads():
    """The tools train with one thread; the other tests go on with as many as before."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_the_tools_write_beside_the_weights_how_they_were_made(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "commit", lambda: "0123456789ab")
    image = np.arange(32.0 * 32).reshape(32, 32)
    fields = InstanceDataset(["a", "b"], [image] * 2, [(image > 600).astype(np.int64)] * 2)
    small = {"channels": (2, 4), "samples": 4, "batch_size": 2, "epochs": 1, "steps": 1, "crop": 32}
    for tool in (train_weights, train_nuclei):
        monkeypatch.setattr(tool, "WEIGHTS", tmp_path)
    monkeypatch.setattr(train_weights, "HELD_OUT", 2)
    monkeypatch.setitem(train_weights.RECIPES, "cells", train_weights.RECIPES["cells"] | small)
    monkeypatch.setattr(train_nuclei, "CHECKPOINT", tmp_path / "checkpoint.pt")
    monkeypatch.setattr(train_nuclei, "NucleiDataset", lambda split: fields)
    monkeypatch.setattr(train_nuclei, "SHIPPED", train_nuclei.SHIPPED | small)
    for tool, arguments in (
        (train_weights, ["train_weights.py", "cells"]),
        (train_nuclei, ["train_nuclei.py", "train"]),
    ):
        monkeypatch.setattr(sys, "argv", arguments)
        tool.main()
    for name in ("cells", "nuclei"):
        record = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        made = record["provenance"]
        assert set(record) == {"model", "config", "recipe", "scores", "provenance"}
        assert made["command"] == COMMANDS.get(name, f"python tools/train_weights.py {name}").replace(
            "tools", "experiments"
        )
        assert made["seeds"] == [0] and made["threads"] == 1 and made["commit"] == "0123456789ab"
        assert made.keys() == provenance.provenance("", []).keys() and (tmp_path / f"{name}.pt").is_file()


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
