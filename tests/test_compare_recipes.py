"""The comparison of chapter 9's recipes: it trains and is kept, and the kept record is of these recipes."""

import json

import torch

import compare_recipes
import provenance
from unet_tutorial import records


def test_a_small_comparison_can_be_read(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "RESULTS", tmp_path)
    monkeypatch.setattr(compare_recipes, "CHANGES", {"crops": {"crop": True, "epochs": 2}, "residual": {"epochs": 1}})
    threads = torch.get_num_threads()
    try:
        assert compare_recipes.main(range(2), train=16, val=2) == 0
    finally:
        torch.set_num_threads(threads)
    record = json.loads((tmp_path / "recipes.json").read_text(encoding="utf-8"))
    assert [(run["name"], run["seed"], len(run["val_iou"])) for run in record["runs"]] == [
        ("crops", 0, 2),
        ("crops", 1, 2),
        ("residual", 0, 1),
        ("residual", 1, 1),
    ]


def test_the_kept_comparison_is_of_these_recipes_and_complete():
    record = records.load("recipes")
    assert record["settings"] == {"base": compare_recipes.BASE, "changes": compare_recipes.CHANGES}
    wanted = [(name, seed) for name in compare_recipes.CHANGES for seed in compare_recipes.SEEDS]
    assert [(run["name"], run["seed"]) for run in record["runs"]] == wanted
    for run in record["runs"]:
        assert len(run["val_iou"]) == (compare_recipes.BASE | compare_recipes.CHANGES[run["name"]])["epochs"]
