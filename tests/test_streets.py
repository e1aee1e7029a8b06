"""What the chapter on streets brings: smaller pictures, drawn streets, and the experiment with its records."""

import json
import sys

import numpy as np
import pytest
import torch

import learn_streets
import provenance
from unet_tutorial import records
from unet_tutorial.data.camvid import CLASSES, COLOURS, VOID
from unet_tutorial.data.drawn_streets import draw_street
from unet_tutorial.data.pictures import Pictures, nuclei_pieces
from unet_tutorial.data.shrinking import shrink
from unet_tutorial.metrics import class_scores


def streets(number, seed=0):
    """Drawn streets of two sequences, as small as they may be."""
    pairs = [draw_street(np.random.default_rng((seed, i)), (32, 40)) for i in range(number)]
    images, masks = zip(*pairs, strict=True)
    groups = [("Seq05VD", "0006R0")[i % 2] for i in range(number)]
    names = [f"{seed} {i}" for i in range(number)]
    options = {"task": "classes", "num_classes": len(CLASSES), "class_names": CLASSES, "ignore_index": VOID}
    return Pictures(names, list(images), list(masks), groups=groups, **options)


def test_a_small_picture_is_the_mean_and_a_small_mask_is_one_pixel():
    data = streets(2)
    small = shrink(data, 3)
    assert small.images[0].shape == (10, 13, 3) and small.images[0].dtype == np.uint8
    square = data.images[0][3:6, 6:9].reshape(9, 3).mean(0).round()
    assert np.array_equal(small.images[0][1, 2], square)
    assert torch.equal(small.mask(1), data.mask(1)[1:30:3, 1:39:3])
    for name in ("names", "groups", "num_classes", "class_names", "ignore_index", "task", "colour"):
        assert getattr(small, name) == getattr(data, name)


def test_pictures_of_objects_and_without_masks_become_smaller_too():
    pieces = nuclei_pieces()
    small = shrink(pieces, 2)
    assert small.task == "objects" and small.images[0].dtype == pieces.images[0].dtype
    assert torch.equal(small.instances(3), pieces.instances(3)[1::2, 1::2])
    without = Pictures(["a"], [np.full((5, 4), 0.25)], [None])
    assert shrink(without, 2).unlabelled == [0] and shrink(without, 2).images[0].tolist() == [[0.25, 0.25]] * 2
    one = Pictures(["a"], [np.eye(4)], [np.eye(4, dtype=int)], task="one class")
    assert torch.equal(shrink(one, 1).mask(0), one.mask(0))


def test_what_cannot_become_smaller_is_refused():
    with pytest.raises(ValueError, match="factor must be at most the smallest side of the pictures, 32, but got 33"):
        shrink(streets(1), 33)
    with pytest.raises(ValueError, match="factor must be a whole number of at least 1, but got 0"):
        shrink(streets(1), 0)
    with pytest.raises(
        ValueError, match=r"pictures must be Pictures, such as own_pictures\(folder\) reads, but got list"
    ):
        shrink([1], 2)


def test_drawn_streets_hold_every_class_and_are_the_same_again():
    masks = [draw_street(np.random.default_rng(seed))[1] for seed in range(20)]
    assert set(np.unique(masks)) == {*range(len(CLASSES)), VOID} == set(COLOURS.values())
    assert all((mask == CLASSES.index("road")).any() and (mask == 0).any() for mask in masks)
    again = draw_street(np.random.default_rng(3), (48, 64)), draw_street(np.random.default_rng(3), (48, 64))
    assert all(np.array_equal(one, other) for one, other in zip(*again, strict=True))


@pytest.fixture
def small(monkeypatch, tmp_path):
    """One seed, one step, few pictures, in a folder of its own; returns the record, and how many are trained."""
    data = {"train": streets(12), "val": streets(8, 1), "test": streets(8, 2)}
    monkeypatch.setattr(learn_streets, "streets", lambda split, size="a quarter": data[split])
    all_starts = learn_streets.STARTS_OF[10]
    starts = {"STARTS_OF": {8: all_starts, 10: learn_streets.STARTS}, "CHOSEN_WITH": 8}
    changed = {"SEEDS": (0,), "RATES": (0.01, 0.003), "LEARNED": 8} | starts
    for name, value in changed.items():
        monkeypatch.setattr(learn_streets, name, value)
    monkeypatch.setattr(learn_streets, "STEPS", dict.fromkeys(learn_streets.STEPS, 2))
    monkeypatch.setattr(learn_streets, "CONFIG", learn_streets.CONFIG | {"channels": (2, 4)})
    monkeypatch.setattr(provenance, "RESULTS", tmp_path)
    monkeypatch.setattr(provenance, "commit", lambda: "0123456789ab")
    trained, train = [], learn_streets.train
    monkeypatch.setattr(learn_streets, "train", lambda *a: trained.append(a[2:5]) or train(*a))
    threads = torch.get_num_threads()
    yield tmp_path, trained
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "command, rates, runs", [("losses", 8, 8), ("leak", 0, 4), ("pretrain", 6, 9), ("sizes", 0, 3)]
)
def test_a_command_trains_each_of_its_pairs_once(small, monkeypatch, command, rates, runs):
    folder, trained = small
    monkeypatch.setattr(sys, "argv", ["learn_streets.py", command])
    learn_streets.main()
    path = folder / f"streets_{command}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert len(content.get("rates", [])) == rates and runs // 2 <= len(content["runs"]) <= runs
    assert len(trained) == rates + len(content["runs"])
    runs = len(content["runs"])  # of the losses, those of the second rate only where it was better
    content["runs"].pop()
    path.write_text(json.dumps(content), encoding="utf-8")
    trained.clear()
    learn_streets.main()
    assert len(trained) == 1 and len(json.loads(path.read_text(encoding="utf-8"))["runs"]) == runs


def test_a_frozen_part_does_not_learn_and_a_free_one_does():
    teacher, pictures = learn_streets.new(1, num_classes=3), learn_streets.pairs(streets(8))
    loss = torch.nn.CrossEntropyLoss(ignore_index=VOID)
    for start, stays in (("denoising, frozen", True), ("denoising", False)):
        model = learn_streets.started(start, 0, teacher)
        learn_streets.train(model, pictures, 1, 0.01, 0, loss)
        first = "encoder.stages.0", model.encoder.stages[0].state_dict(), teacher.encoder.stages[0].state_dict()
        names = [name for name, weight in model.encoder.stages[0].named_parameters()]
        assert all(torch.equal(first[1][name], first[2][name]) for name in names) == stays


def test_a_mirrored_street_keeps_its_sky_above_and_each_pixel_its_class():
    torch.manual_seed(0)
    masks = torch.arange(32 * 40).reshape(1, 32, 40).repeat(20, 1, 1) % VOID
    images = (masks[:, None] / 20 + 0.2).repeat(1, 3, 1, 1)
    seen, classes = learn_streets.mirrored(images, masks)
    sides = {tuple(one.flatten().tolist()) for one in classes}
    assert sides == {tuple(masks[0].flatten().tolist()), tuple(masks[0].flip(1).flatten().tolist())}
    for image, mask in zip(seen, classes, strict=True):  # the light is another one, but the same at all pixels
        assert all(image[0][mask == number].std() < 1e-5 for number in range(VOID))


def test_the_weight_of_the_median_class_is_1():
    weights = learn_streets.weights(learn_streets.pairs(streets(8)))
    assert weights.shape == (len(CLASSES),) and weights.median() == 1


@pytest.mark.parametrize("command, groups", [("losses", 6), ("leak", 8), ("pretrain", 13), ("sizes", 3)])
def test_the_records_hold_every_pair(command, groups):
    record = records.load(f"streets_{command}")
    keys = ("loss", "rate", "sequence", "split", "start", "pictures_learned", "size", "seed")
    found = {tuple(run.get(key) for key in keys) for run in record["runs"]}
    assert len(record["runs"]) == len(found) == groups * len(record["provenance"]["seeds"])
    assert record["provenance"]["command"] == f"python experiments/learn_streets.py {command}"
    for run in record["runs"]:
        matrix = torch.tensor([[int(number) for number in row.split()] for row in run["matrix"]])
        assert matrix.shape == (len(CLASSES), len(CLASSES))
        assert abs(class_scores(matrix)["iou"].nanmean().item() - run["mean_iou"]) < 1e-4
