"""The comparison of chapter 10's recipes: it trains and is kept, and the kept record is of these recipes."""

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


def epochs_to(goal, values):
    """Return from which epoch on the goal is kept, as the chapter counts, or None."""
    below = [epoch for epoch, value in enumerate(values, 1) if value < goal]
    return max(below, default=0) + 1 if values[-1] >= goal else None


def test_what_the_chapter_says_of_the_five_seeds():
    kept = records.load("recipes")["runs"]
    fewest = {
        name: [epochs_to(0.95, run["val_iou"]) for run in kept if run["name"] == name]
        for name in compare_recipes.CHANGES
    }
    ours = fewest["one cycle to 0.02"]
    assert fewest["batches of 16"].count(None) >= 3, "half the steps an epoch, and it shows"
    assert 1.7 < sum(fewest["constant 0.001"]) / sum(ours) < 2.3, "about twice as many"
    assert abs(sum(fewest["crops of 48×48"]) - sum(ours)) <= 2, "about as many"
    assert {a - b for a, b in zip(ours, fewest["BCE + Dice"], strict=True)} == {0, 1}, "as many, or one fewer"
    assert sum(fewest["constant 0.02"]) == sum(ours), "the same on average"
    residual = fewest["residual blocks"]
    assert residual.count(None) == 1 and {a - b for a, b in zip(ours, residual, strict=True) if b} >= {0, 1}
