"""The experiment on the plan: its mixed collection is what it says, and a run of it can be read."""

import json

import numpy as np
import pytest

import plan_pictures
import provenance
from unet_tutorial import records
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.data.targets import object_size
from unet_tutorial.plan import plan


class Fields:
    """Drawn cells of the size of a field."""

    def __init__(self, split="train"):
        cells = SyntheticCellsDataset(1, image_size=(520, 696), split=split)
        image, self._labels = 3000 * cells[0][0][0].numpy(), cells.instances(0)
        self.images = [image.astype(np.uint16)]

    def __len__(self):
        return 1

    def instances(self, index):
        return self._labels


@pytest.mark.parametrize("kind", sorted(set(plan_pictures.KINDS) - {"drawn"}))
def test_a_picture_of_every_kind(kind):
    image, labels = plan_pictures.picture(kind, Fields(), 0, np.random.default_rng(0))
    assert image.shape[:2] == labels.shape and image.ndim == (3 if kind in ("pink", "white") else 2)
    assert np.isfinite(image).all() and np.ptp(image) > 20 and np.array_equal(labels, labels.round())
    if kind in ("negative", "pink", "white") and (labels > 0).any():
        assert image[labels > 0].mean() < image[labels == 0].mean()


def test_kinds_differ_in_the_size_of_objects():
    whole = object_size(Fields().instances(0).numpy())
    sizes = []
    for kind in ("third", "triple"):
        rng, found = np.random.default_rng(1), []
        for _ in range(5):
            labels = plan_pictures.picture(kind, Fields(), 0, rng)[1].astype(int)
            found += [object_size(labels)] if labels.any() else []
        sizes.append(np.median(found) / whole)
    assert sizes[0] < 0.6 < 1.5 < sizes[1]


def test_a_small_run_can_be_read(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "RESULTS", tmp_path)
    monkeypatch.setattr(plan_pictures, "NucleiDataset", Fields)
    monkeypatch.setattr(plan_pictures, "KINDS", ("third", "pink"))
    monkeypatch.setattr(plan_pictures, "SIZES", {"train": 2, "val": 1, "test": 1})
    monkeypatch.setattr(plan_pictures, "SECONDS", 0.1)
    plan_pictures.command_parts([0], ["grey"])
    record = json.loads((tmp_path / "plan_parts.json").read_text(encoding="utf-8"))
    assert [(run["name"], run["seed"]) for run in record["runs"]] == [("grey", 0)]
    assert set(record["runs"][0]["scores"]) == {"ap", "iou", "f1_50", "f1_75"}
    assert record["provenance"]["command"] == "python experiments/plan_pictures.py parts"


def test_every_part_that_is_left_out_is_one_of_the_plan():
    fields = Fields()
    recipe = plan(fields)
    for change in plan_pictures.PARTS.values():
        assert all(hasattr(recipe, name) for name in change)


def test_what_a_part_is_worth_is_said_as_it_was_measured():
    """The docstring of `plan` gives numbers, and these are those of the records."""
    words = " ".join(plan.__doc__.split())
    runs = records.load("plan_parts")["runs"]
    ap = {
        name: f"{np.mean([run['scores']['ap'] for run in runs if run['name'] == name]):.2f}"
        for name in plan_pictures.PARTS
    }
    said = "is {} with all of them, {} with a border class in place of votes, {} with one scale for all pictures, {} "
    said += "without a varied scale, and {} if no picture is turned. Grey in place of colour is no worse there ({})"
    assert said.format(*ap.values()) in words
    of_field = records.load("plan_bbbc039")["runs"]
    lists = [run["by plan"]["scores"]["ap"] for run in of_field], [run["by hand"]["ap"] for run in of_field]
    (low, high), (low_by_hand, high_by_hand) = ((f"{min(values):.3f}", f"{max(values):.3f}") for values in lists)
    assert f"the plan reaches {low} to {high}" in words
    assert f"the recipe of chapter 15 in the same time {low_by_hand} to {high_by_hand}" in words
