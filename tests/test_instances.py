"""Objects told apart: what is taught, what is found, how it is measured; on small pictures whose truth is known."""

import json

import numpy as np
import pytest
import torch
from skimage import io as pictures
from torch.utils.data import DataLoader

import train_nuclei
from unet_tutorial import records
from unet_tutorial.augment import Augmentation, Augmented, bend
from unet_tutorial.data.bbbc039 import NUCLEI
from unet_tutorial.data.fetching import find
from unet_tutorial.data.pictures import Crops, own_pictures
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.inference import predict
from unet_tutorial.instances import (
    class_map,
    from_logits,
    otsu,
    otsu_watershed,
    weight_map,
    with_targets,
)
from unet_tutorial.losses import weighted_cross_entropy
from unet_tutorial.metrics import average_precision, scores
from unet_tutorial.training import fit
from unet_tutorial.unet import UNet


def squares() -> np.ndarray:
    """Two squares that touch, one alone, and a gap of three pixels to a fourth."""
    labels = np.zeros((40, 48), dtype=np.int64)
    labels[4:16, 4:16], labels[4:16, 16:28] = 1, 2
    labels[24:36, 4:16], labels[24:36, 19:31] = 3, 9
    return labels


def sure(classes: torch.Tensor, num_classes: int = 3) -> torch.Tensor:
    """Return logits (C, H, W) that leave no doubt about the classes."""
    return 12.0 * torch.nn.functional.one_hot(classes, num_classes).permute(2, 0, 1)


# What is taught ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("border", [1, 2, 3])
def test_the_border_lies_where_two_touch_and_nowhere_else(border):
    classes = class_map(squares(), border)
    assert torch.equal(classes > 0, torch.from_numpy(squares() > 0))
    expected = torch.zeros(40, 48, dtype=torch.bool)
    expected[4:16, 16 - border : 16 + border] = True
    if border > 3:
        expected[24:36, 13:16] = True
    assert torch.equal(classes == 2, expected)
    assert classes.dtype == torch.int64


def test_the_border_reaches_over_a_gap_that_is_narrower_than_itself():
    assert (class_map(squares(), 4)[24:36] == 2).any()


def test_no_border_leaves_two_classes():
    assert class_map(squares(), 0).unique().tolist() == [0, 1]


def test_the_weights_follow_the_formula():
    labels = squares()
    weights = weight_map(labels, w0=10, sigma=5)
    # between the third and the fourth: two pixels from the one, and also two from the other
    assert labels[30, 17] == 0
    assert weights[30, 17].item() == pytest.approx(1 + 10 * np.exp(-((2 + 2) ** 2) / 50), abs=1e-4)
    # within the first, a pixel's distance to the second
    assert weights[10, 13].item() == pytest.approx(1 + 10 * np.exp(-(3**2) / 50), abs=1e-4)
    distances = [distance_to(labels == number) for number in (1, 2, 3, 9)]
    two = np.sort(distances, axis=0)[:2].sum(axis=0)
    assert np.abs(weights.numpy() - (1 + 10 * np.exp(-(two**2) / 50))).max() < 0.01
    assert torch.equal(weight_map(labels, w0=0), torch.ones(40, 48))


def distance_to(mask: np.ndarray) -> np.ndarray:
    """Return every pixel's distance to the nearest pixel of a mask, by trying all of them."""
    there = np.argwhere(mask)  # (n, 2)
    here = np.stack(np.mgrid[: mask.shape[0], : mask.shape[1]], axis=-1)[..., None, :]  # (H, W, 1, 2)
    return np.sqrt(((here - there) ** 2).sum(-1)).min(-1)


@pytest.mark.parametrize("labels", [np.zeros((4, 5), dtype=np.int64), np.ones((4, 5), dtype=np.int64)])
def test_one_object_or_none_has_no_neighbour(labels):
    assert torch.equal(weight_map(labels), torch.ones(4, 5))
    assert class_map(labels).max() <= 1


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: class_map(np.zeros((2, 2))), "instances must be whole numbers of shape .H, W., one label a pixel"),
        (lambda: class_map(np.full((2, 2), -1)), "labels of at least 0, but holds -1"),
        (lambda: class_map(squares(), -1), "border must be a whole number of at least 0"),
        (lambda: weight_map(squares(), sigma=0), "sigma must be a number greater than 0, but got 0"),
        (lambda: from_logits(torch.zeros(1, 3, 4, 4)), "logits must be floating point of shape .3, H, W."),
        (lambda: from_logits(torch.zeros(3, 4, 4), seed=1.0), "seed must be a probability between 0 and 1"),
        (lambda: from_logits(torch.zeros(3, 4, 4), smallest=0), "smallest must be a whole number of at least 1"),
        (lambda: otsu(np.zeros((2, 2, 3))), "image must be a numpy array of shape .H, W., but got .2, 2, 3."),
        (lambda: otsu_watershed(np.eye(4), smooth=-1), "smooth must be a number of at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# What is found -------------------------------------------------------------------------------------------------------


def test_the_right_classes_give_the_right_objects_to_the_last_pixel():
    truth = squares()
    found = from_logits(sure(class_map(truth)))
    assert found.unique().tolist() == [0, 1, 2, 3, 4]
    assert average_precision(found, truth).min() == 1


def test_without_a_border_touching_objects_are_one():
    found = from_logits(sure(class_map(squares(), 0), num_classes=2))
    assert found.max() == 3 and scores(found, squares())["merges"] == 1


def test_specks_are_left_out_and_what_has_no_seed_is_an_object():
    classes = torch.zeros(32, 32, dtype=torch.int64)
    classes[2:4, 2:4] = 1  # four pixels
    classes[10:20, 10:20] = 2  # all border: no seed within
    assert from_logits(sure(classes)).unique(return_counts=True)[1].tolist() == [32 * 32 - 100, 100]
    assert from_logits(sure(classes), smallest=4).max() == 2


def test_nothing_gives_nothing():
    assert from_logits(sure(torch.zeros(16, 16, dtype=torch.int64))).max() == 0


def test_the_baselines_find_what_stands_alone_and_the_better_one_cuts_what_touches():
    y, x = np.mgrid[:60, :80]
    discs = np.zeros((60, 80), dtype=np.int64)
    for number, (row, column) in enumerate([(20, 20), (20, 37), (45, 60)], start=1):
        discs[np.hypot(y - row, x - column) < 9.5] = number
    image = 100 + 900.0 * (discs > 0)
    assert scores(otsu(image), discs)["merges"] == 1
    better = scores(otsu_watershed(image), discs)
    assert better["merges"] == better["splits"] == 0 and better["f1_75"] == 1


@pytest.mark.parametrize("find", [otsu, otsu_watershed])
def test_specks_have_less_than_thirty_pixels_if_nothing_else_is_said(find):
    image = np.zeros((20, 30))
    image[2:8, 2:7] = image[2:8, 20:25] = 1  # 30 pixels each
    image[7, 24] = 0  # one less
    assert np.unique(np.argwhere(find(image).numpy())[:, 1]).tolist() == [2, 3, 4, 5, 6]


def test_peaks_closer_than_ten_pixels_are_one_if_nothing_else_is_said():
    y, x = np.mgrid[:40, :60]
    for apart, objects in ((9, 1), (10, 2)):  # distance of the centres of two discs
        discs = np.minimum(np.hypot(y - 20, x - 20), np.hypot(y - 20, x - 20 - apart)) < 6
        assert otsu_watershed(discs.astype(float), smooth=0).max() == objects
    assert otsu_watershed(discs.astype(float), smooth=0, apart=11).max() == 1


# Augmentation --------------------------------------------------------------------------------------------------------


def parts(side: int = 64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return a batch whose mask and weights can be read from the image."""
    images = torch.zeros(4, 1, side, side)
    images[:, :, 8:30, 12:50] = 0.5
    images[:, :, 40:60, 5:20] = 1.0
    return images, (2 * images[:, 0]).round().long(), 1 + images[:, 0]


def test_flips_and_turns_move_the_three_parts_together_and_mix_no_pixels():
    torch.manual_seed(0)
    before = parts()
    images, masks, weights = Augmentation(light=0)(*before)
    assert torch.equal(masks, (2 * images[:, 0]).round().long())
    assert torch.allclose(weights, 1 + images[:, 0], atol=1e-5)
    assert torch.allclose(images.flatten(1).sort()[0], before[0].flatten(1).sort()[0], atol=1e-5)
    assert any(not torch.equal(a, b) for a, b in zip(images, before[0], strict=True))
    assert masks.dtype == torch.int64


def test_light_changes_the_image_alone_and_stays_in_range():
    torch.manual_seed(0)
    before = parts()
    images, masks, weights = Augmentation(flip=False)(*before)
    assert torch.equal(masks, before[1]) and torch.equal(weights, before[2])
    assert images.min() >= 0 and images.max() <= 1 and not torch.allclose(images, before[0])


def test_bending_moves_the_three_parts_together_and_invents_no_class():
    torch.manual_seed(0)
    images, masks, weights = Augmentation(flip=False, light=0, elastic=5)(*parts())
    assert masks.unique().tolist() == [0, 1, 2]
    assert torch.allclose(weights, 1 + images[:, 0], atol=1e-4)
    agree = (masks == (2 * images[:, 0]).round().long()).float().mean()
    assert agree > 0.97, "they differ only where the image is interpolated, along the outlines"
    assert not torch.equal(masks, parts()[1])


def test_bending_by_nothing_changes_nothing():
    image = torch.rand(1, 1, 32, 32)
    assert torch.allclose(bend(image, image, image, pixels=0.0)[0], image, atol=1e-4)


def test_the_same_seed_gives_the_same_pictures_and_every_epoch_others():
    loader = Augmented([parts()], Augmentation(elastic=3))
    runs = []
    for _ in range(2):
        torch.manual_seed(5)
        runs.append([images for _ in range(2) for images, _, _ in loader])
    assert torch.equal(runs[0][0], runs[1][0]) and torch.equal(runs[0][1], runs[1][1])
    assert not torch.equal(runs[0][0], runs[0][1])


def test_what_cannot_be_augmented_is_refused():
    images, masks, weights = parts()
    with pytest.raises(ValueError, match="must be square, but got 64x32. Pass flip=False"):
        Augmentation()(images[..., :32], masks[..., :32], weights[..., :32])
    with pytest.raises(ValueError, match="a batch must be images .B, C, H, W., masks .B, H, W. or .B, 1, H, W."):
        Augmentation()(images, masks[:, None], weights)
    with pytest.raises(ValueError, match="light must be"):
        Augmentation(light=1)


# All of it -----------------------------------------------------------------------------------------------------------


def write_pairs(folder, pictures_wanted: int, rng: np.random.Generator) -> None:
    """Write pictures with four pairs of touching discs each, and their numbered masks."""
    y, x = np.mgrid[:96, :96]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(pictures_wanted):
        labels = np.zeros((96, 96), dtype=np.uint16)
        for pair, (row, column) in enumerate([(24, 24), (24, 68), (70, 30), (70, 72)]):
            angle = rng.uniform(0, np.pi)
            for side in (0, 1):
                away = (16 * side - 8) * np.array([np.sin(angle), np.cos(angle)])
                labels[np.hypot(y - row - away[0], x - column - away[1]) < 8.3] = 1 + 2 * pair + side
        image = (40 + 120 * (labels > 0) + rng.normal(0, 8, labels.shape)).clip(0, 255).astype(np.uint8)
        pictures.imsave(folder / "images" / f"{number}.png", image, check_contrast=False)
        pictures.imsave(folder / "masks" / f"{number}.tif", labels, check_contrast=False)


def test_a_folder_of_ones_own_is_learned_and_told_apart(tmp_path):
    """The whole way of chapter 15 in small: files, targets, crops, augmentation, training, objects, scores."""
    rng = np.random.default_rng(0)
    write_pairs(tmp_path / "mine", 5, rng)
    write_pairs(tmp_path / "unseen", 1, rng)
    data, unseen = own_pictures(tmp_path / "mine"), own_pictures(tmp_path / "unseen")
    torch.manual_seed(0)
    taught = with_targets(data)
    crops = DataLoader(Crops(taught, size=64, samples=400), batch_size=4, shuffle=True)
    model = UNet(1, num_classes=3, channels=(8, 16, 32))
    options = {"loss": weighted_cross_entropy, "channels_last": True, "device": "cpu", "progress": False}
    fit(model, Augmented(crops, Augmentation()), DataLoader(taught[:1]), epochs=1, **options)
    found = from_logits(predict(model, unseen[0][0][None], progress=False)[0])
    assert scores(found, unseen.instances(0))["f1_50"] > 0.9
    assert scores(otsu(unseen.images[0]), unseen.instances(0))["merges"] > 1, "a threshold finds pairs"


def test_the_synthetic_cells_can_be_taught_too():
    image, classes, weights = with_targets(SyntheticCellsDataset(1, image_size=64), border=1, w0=3)[0]
    assert image.shape == (1, 64, 64) and classes.max() == 2 and 1 < weights.max() <= 4


def test_the_tool_trains_alike_each_time_and_measures(tmp_path):
    write_pairs(tmp_path, 3, np.random.default_rng(0))
    data = own_pictures(tmp_path)
    small = {"channels": (4, 8), "crop": 64, "steps": 4, "epochs": 2, "precision": "float32"}
    models = [train_nuclei.train(train_nuclei.SHIPPED | small, data, data) for _ in range(2)]
    weights = [model.state_dict().values() for model in models]
    assert all(torch.equal(*pair) for pair in zip(*weights, strict=True))
    splits = {"val": data, "test": data}
    (found,) = train_nuclei.measure(models[0], splits, "test").values()
    assert set(found) == {"dice", "iou", "ap", "f1_50", "f1_75", "splits", "merges"}
    three = train_nuclei.measure_three_ways(models[0], splits, "test")
    assert three["scores"] == found and three["seed"] in train_nuclei.SEEDS
    assert set(three["with_this_seed"]) == set(three["by_shape"]) == set(found)


def test_every_ablation_changes_one_thing_and_trains(tmp_path):
    write_pairs(tmp_path, 2, np.random.default_rng(0))
    data = own_pictures(tmp_path)
    small = {"channels": (4, 8), "crop": 64, "steps": 1, "epochs": 1, "precision": "float32"}
    for name, change in train_nuclei.ABLATIONS.items():
        assert len(change) == (name != "all of it") and change.keys() <= train_nuclei.SHIPPED.keys()
        model = train_nuclei.train(train_nuclei.REDUCED | change | small, data, data)
        assert model.config["num_classes"] == (2 if "border" in change else 3)


# The records that the package keeps ----------------------------------------------------------------------------------


def as_kept(recipe: dict) -> dict:
    """Return a recipe as JSON gives it back, with lists for tuples."""
    return json.loads(json.dumps(recipe))


@pytest.mark.parametrize(
    "name, changes, base, seeds",
    [
        ("ablations", train_nuclei.ABLATIONS, train_nuclei.REDUCED, [0, 1, 2]),
        ("candidates", train_nuclei.CANDIDATES, train_nuclei.SHIPPED, [0]),
    ],
)
def test_the_kept_comparisons_are_of_these_recipes_and_complete(name, changes, base, seeds):
    record = records.load(f"nuclei_{name}")
    rows = sorted((run["name"], run["recipe"]["seed"]) for run in record["runs"])
    assert rows == sorted((change, seed) for change in changes for seed in seeds)
    for run in record["runs"]:
        assert run["recipe"] == as_kept(base | changes[run["name"]] | {"seed": run["recipe"]["seed"]})
        assert 0 < run["scores"]["ap"] < run["scores"]["f1_50"] < 1
    made = record["provenance"]
    folder = {"ablations": "experiments", "candidates": "tools"}[name]  # the latter were made before the move
    assert made["command"] == f"python {folder}/train_nuclei.py {name}" and made["seeds"] == seeds


def test_the_kept_training_of_the_reader_is_of_this_recipe_and_good_enough():
    record = records.load("nuclei_reader")
    assert record["recipe"] == as_kept(train_nuclei.READER)
    assert record["scores"]["test"]["ap"] >= 0.68
    assert record["provenance"]["seeds"] == [train_nuclei.READER["seed"]]


# The real pictures ---------------------------------------------------------------------------------------------------


@pytest.mark.real_nuclei
def test_the_shipped_weights_score_what_their_record_says_on_the_test_fields():
    # slow: all fifty fields go through the network, or the score would be another one
    assert find(NUCLEI) is not None, "set UNET_TUTORIAL_DATA, or leave this out with -m 'not real_nuclei'"
    recorded = train_nuclei.pretrained_record("nuclei")["scores"]["test"]
    found = train_nuclei.measure(
        train_nuclei.load_pretrained("nuclei"), {"test": train_nuclei.NucleiDataset("test")}, "test"
    )["scores"]
    assert found["ap"] == pytest.approx(recorded["ap"], abs=1e-3)
    assert found["ap"] > 0.714, "what a perfect mask reaches with connected components"


def test_what_chapter_15_says_of_the_ablations():
    runs = records.load("nuclei_ablations")["runs"]

    def values(name, way, what="ap"):
        return np.array([run[way][what] for run in runs if run["name"] == name])

    whole = values("all of it", "with_this_seed")
    for name in ("without border class", "without weight map"):
        gap = values("all of it", "scores") - values(name, "scores")
        assert (gap > 0.07).all() and gap.mean() < 0.12, "about a tenth, with every seed"
        best = np.maximum(values(name, "with_this_seed"), values(name, "by_shape"))
        assert 0.01 < (whole - best).min() and (whole - best).max() < 0.04, "two to three hundredths"
    shapes = [values(name, "by_shape").mean() for name in train_nuclei.ABLATIONS if "skip" not in name]
    assert max(shapes) - min(shapes) < 0.01, "a cut by shape brings as much to all"
    dice = {name: values(name, "scores", "dice").mean() for name in train_nuclei.ABLATIONS}
    assert min(dice, key=lambda name: dice[name]) == "without skip connections"
    for what, fewer in (("merges", 1), ("splits", -1)):
        gap = values("all of it", "scores", what) - values("without skip connections", "scores", what)
        assert (fewer * gap > 0).all()
    reader = records.load("nuclei_reader")["scores"]["test"]["ap"]
    assert reader - values("all of it", "scores").mean() > (whole - best).max(), "a hundred steps more"
