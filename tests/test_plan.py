"""The plan: rules on pictures whose answer is known, votes, and a training by a clock that the test turns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from unet_tutorial import _answers, _crops
from unet_tutorial import plan as plans
from unet_tutorial import planned as outcomes
from unet_tutorial.data.pictures import nuclei_pieces
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.data.targets import object_size, target
from unet_tutorial.metrics import mean_scores, scores
from unet_tutorial.plan import DIAMETER, plan, prepare, told
from unet_tutorial.planned import (
    KEPT_ASIDE,
    USUAL,
    Planned,
    build,
    carry_out,
    load_planned,
    predict_picture,
    save_planned,
)
from unet_tutorial.votes import from_votes, middles


class Drawn:
    """Discs of one radius a picture, on a ground; what `plan` needs of a data set, and nothing else."""

    def __init__(self, radii, *, ground=20, ink=200, side=96, colour=None, task=None, num_classes=1, sparse=False):
        rng, self.images, self._labels = np.random.default_rng(0), [], []
        if task is not None:
            self.task, self.num_classes = task, num_classes
        for number, radius in enumerate(radii):
            y, x = np.indices((side, side)) + 0.5
            labels, apart = np.zeros((side, side), dtype=np.int64), 2 * radius + 5
            for row in np.arange(radius + 2, side - radius, apart * (3 if sparse else 1)):
                for column in np.arange(radius + 2, side - radius, apart):
                    labels[np.hypot(y - row, x - column) < radius] = labels.max() + 1
            image = np.where(labels > 0, ink, ground) + rng.normal(0, 4, labels.shape)
            image = image.clip(0, 255).astype(np.uint8)
            if colour is not None and number % 2 == 0:
                image = (image[..., None] * np.array(colour)).astype(np.uint8)
            self.images.append(image)
            self._labels.append(labels)

    def __len__(self):
        return len(self.images)

    def instances(self, index):
        return torch.from_numpy(self._labels[index])

    def __getitem__(self, index):
        labels = self.instances(index)
        if self.num_classes == 1:
            return None, (labels > 0).float()[None]
        return None, torch.where(labels > 0, 1 + labels % (self.num_classes - 1), 0)


class Together(Drawn):
    """Several collections as one."""

    def __init__(self, *parts):
        self.images = [image for part in parts for image in part.images]
        self._labels = [labels for part in parts for labels in part._labels]


class Clock:
    """Every look at it takes a second."""

    def __init__(self):
        self.time = 0.0

    def __call__(self):
        self.time += 1.0
        return self.time


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setattr(outcomes, "WIDTHS", (4,))


def quickly(recipe, train, val=None, *, steps=3, **options):
    """Carry a plan out with a clock that counts: a fixed number of steps, give or take those that are measured."""
    recipe = replace(recipe, minutes=(steps + 9) / 60)
    return carry_out(recipe, train, val, clock=Clock(), progress=False, **options)


# The rules ------------------------------------------------------------------------------------------------------------


def test_bright_and_dark_and_both():
    bright, dark = Drawn([8, 8]), Drawn([8, 8], ground=230, ink=60)
    assert plan(bright).polarity == "bright" and plan(dark).polarity == "dark"
    both = plan(Together(bright, dark))
    assert both.polarity == "mixed" and "dark in 50%" in both.reasons[2].why and "in 100%" in both.reasons[2].why
    for data in (bright, dark):
        image, labels = data.images[0], data.instances(0).numpy()
        ready = prepare(image, both)[0]
        assert ready[labels > 0].mean() > 0.8 > 0.3 > ready[labels == 0].mean(), "objects become bright, in either"


def test_colour_is_kept_where_there_is_some():
    assert plan(Drawn([8, 8])).in_channels == 1
    recipe = plan(Drawn([8, 8], colour=(1.0, 0.4, 0.7)))
    assert recipe.in_channels == 3 and "1 of 2" in recipe.reasons[1].why
    equal = Drawn([8, 8], colour=(1, 1, 1))
    assert plan(equal).in_channels == 1, "three equal channels are grey"
    assert prepare(equal.images[0], plan(equal)).shape == (1, 96, 96)
    grey = prepare(equal.images[1], recipe)
    assert grey.shape == (3, 96, 96) and np.array_equal(grey[0], grey[2])


def test_the_typical_object_is_brought_to_one_size():
    assert plan(Drawn([10, 10])).zoom == 1.0, "near enough"
    for radius in (4, 40):
        data = Drawn([radius] * 2, side=200)
        recipe = plan(data)
        assert not recipe.own_zoom
        assert recipe.zoom == pytest.approx(DIAMETER / object_size(data.instances(0).numpy()))
        assert recipe.zoom == pytest.approx(10 / radius, rel=0.1)
    own = plan(Drawn([4, 16], side=200))
    assert own.own_zoom and own.zooms == pytest.approx((10 / 16, 10 / 4), rel=0.1)
    assert plan(Drawn([5, 6, 7])).own_zoom is False and plan(Drawn([4, 8, 12, 16], side=200)).own_zoom is True


def test_the_size_of_objects_is_that_of_the_middle_one():
    labels = np.zeros((30, 30), dtype=np.int64)
    labels[:2, :2], labels[5:9, 5:9], labels[10:30, 10:30] = 7, 10**9, 3
    assert object_size(labels) == pytest.approx(2 * np.sqrt(16 / np.pi))


def test_crop_and_depth_fit_the_pictures():
    for data in (Drawn([8, 8]), Drawn([8, 8], side=40), Drawn([4, 40], side=200), Drawn([60], side=400)):
        recipe = plan(data)
        assert recipe.crop % 2**recipe.depth == 0 and recipe.batch_size >= 2
        assert recipe.crop <= 6 * DIAMETER + 2**recipe.depth
    assert plan(Drawn([8, 8], side=40)).crop <= 64, "no crop is much larger than the largest picture"
    assert plan(Drawn([8, 8], task="one class", side=400)).crop == 256


def test_what_is_rare_counts_more():
    common, rare = Drawn([10], task="one class"), Drawn([3], task="one class", sparse=True)
    assert plan(common).class_weights == (1.0, 1.0)
    recipe, share = plan(rare), (rare.instances(0).numpy() > 0).mean()
    background, inside = recipe.class_weights
    assert share < 0.1 and inside > 1 > background
    assert inside / background == pytest.approx(np.sqrt((1 - share) / share), rel=0.05)
    assert share * inside + (1 - share) * background == pytest.approx(1, abs=0.02)


def test_every_rule_is_told_with_its_reason():
    recipe = plan(nuclei_pieces(), minutes=3)
    assert [one.rule for one in recipe.reasons] == [
        *("task", "channels", "polarity", "values", "scale", "crop", "depth", "weights", "augmentation", "budget")
    ]
    for one in recipe.reasons:
        assert one.why and "\n" not in one.why and one.why in str(recipe) and f"{one.rule}: {one.value}" in str(recipe)
    assert "3 minutes" in str(recipe) and str(recipe) == told(recipe.reasons)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.astype(np.uint16) * 257,
        lambda image: image.astype(np.float32) / 255,
        lambda image: image.astype(np.int32) + 32768,
        lambda image: image.astype(">u2"),
        lambda image: image[..., None],
    ],
)
def test_the_unit_of_the_pixels_does_not_matter(change):
    data = Drawn([8, 8])
    recipe = plan(data)
    np.testing.assert_allclose(prepare(change(data.images[0]), recipe), prepare(data.images[0], recipe), atol=1e-3)


def test_noise_alone_stays_even():
    recipe, rng = plan(Drawn([8, 8])), np.random.default_rng(0)
    noise, full = rng.normal(100, 5, (96, 96)), Drawn([8]).images[0]
    assert prepare(noise, recipe).std() < 0.12 < 0.3 < prepare(full, recipe).std()
    assert np.ptp(prepare(np.full((8, 8), 7), recipe)) == 0


@pytest.mark.parametrize(
    "image, said",
    [
        (np.zeros((2, 3, 4, 5)), "of shape (2, 3, 4, 5)"),
        (np.full((4, 4), np.nan), "finite numbers"),
        (np.zeros((4, 4, 7)), "must have 3 channels, as in training, but has 7"),
        ("a.png", "but got str"),
        (np.zeros((0, 4)), "of shape (0, 4)"),
    ],
)
def test_what_is_no_picture_is_refused(image, said):
    recipe = replace(plan(nuclei_pieces()), in_channels=3)
    with pytest.raises(ValueError, match="image must") as error:
        prepare(image, recipe)
    assert said in str(error.value)


def test_what_cannot_be_planned_is_refused():
    empty = Drawn([8])
    empty._labels = [np.zeros((96, 96), dtype=np.int64)]
    with pytest.raises(ValueError, match="must mark something"):
        plan(empty)
    with pytest.raises(ValueError, match="minutes must be a number greater than 0"):
        plan(Drawn([8]), minutes=0)
    several = Drawn([8, 8])
    several.images[0] = np.zeros((96, 96, 6))
    with pytest.raises(ValueError, match=r"one number of channels, or be grey and RGB, but have \[1, 6\]"):
        plan(several)


# Votes ----------------------------------------------------------------------------------------------------------------


def exact(labels, radius=10.0):
    """Return the logits of a network that knows everything."""
    places = middles(labels)[labels]  # (H, W, 2)
    votes = (np.moveaxis(places, 2, 0) - np.indices(labels.shape) - 0.5) / radius * (labels > 0)
    return torch.from_numpy(np.concatenate([np.where(labels > 0, 9.0, -9.0)[None], votes])).float()


def test_the_middle_is_the_mean_of_the_places():
    labels = SyntheticCellsDataset(1).instances(0).numpy()
    found = ndimage.center_of_mass(labels > 0, labels, range(1, labels.max() + 1))
    np.testing.assert_allclose(middles(labels)[1:], np.array(found) + 0.5, rtol=1e-5)


@pytest.mark.parametrize("index", range(3))
def test_exact_votes_give_back_objects_that_touch(index):
    labels = SyntheticCellsDataset(3).instances(index)
    assert scores(from_votes(exact(labels.numpy())), labels)["ap"] > 0.99


def test_votes_of_a_scaled_picture_give_objects_at_its_own_size():
    labels = np.kron(Drawn([10]).instances(0).numpy(), np.ones((2, 2), dtype=np.int64))  # (192, 192)
    half = exact(labels[::2, ::2])  # (3, 96, 96)
    found = from_votes(half, (192, 192))
    assert found.shape == (192, 192) and scores(found, labels)["ap"] > 0.9


def test_few_votes_and_small_objects_are_left_out():
    labels = np.zeros((60, 60), dtype=np.int64)
    labels[5:9, 5:9], labels[20:50, 20:50] = 1, 2
    logits = exact(labels)
    assert from_votes(logits, votes=0.1, smallest=1).max() == 2
    assert from_votes(logits, votes=0.1, smallest=17).max() == 1
    assert from_votes(logits, votes=3, smallest=1).max() == 1
    assert from_votes(logits * 0 - 1).max() == 0


@pytest.mark.parametrize(
    "change",
    [
        {"logits": torch.zeros(2, 8, 8)},
        {"logits": torch.zeros(3, 8, 8).long()},
        {"logits": np.zeros((3, 8, 8))},
        {"logits": torch.full((3, 8, 8), torch.nan)},
        {"size": (0, 8)},
        {"radius": 0},
        {"foreground": 1},
        {"votes": 0},
        {"smallest": -1},
    ],
)
def test_votes_that_are_none_are_refused(change):
    arguments = {"logits": torch.zeros(3, 8, 8)} | change
    with pytest.raises(ValueError, match=next(iter(change))):
        from_votes(arguments.pop("logits"), **arguments)


# What a network is taught ---------------------------------------------------------------------------------------------


def sample(data, recipe, seed=0, index=0):
    kept = _crops.keep(data.images[index], target(data, index), recipe)
    return _crops.sample(kept, recipe, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_in_every_crop_the_votes_of_an_object_meet(seed, jitter):
    recipe = replace(plan(Drawn([9, 9])), jitter=jitter, crop=64)
    image, labels, counts, votes = sample(Drawn([9, 9]), recipe, seed)
    assert image.shape == (1, 64, 64) and labels.shape == counts.shape == (64, 64) and votes.shape == (2, 64, 64)
    lands = np.indices((64, 64)) + 0.5 + votes * DIAMETER / 2  # (2, 64, 64)
    for number in np.unique(labels[labels > 0]):
        own = lands[:, labels == number]
        assert own.std(axis=1).max() < 0.7, "all pixels of an object point at one place"
        inside = labels == number
        if not (inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any()):
            np.testing.assert_allclose(own.mean(axis=1), middles(inside.astype(int))[1], atol=1.0)
    assert image[0][labels > 0].mean() > image[0][labels == 0].mean() + 0.3, "the picture lies as its labels"


def test_crops_differ_in_scale_as_planned():
    data = Drawn([9, 9], side=200)
    recipe = replace(plan(data), crop=96, jitter=1.0)
    sizes = [object_size(sample(data, recipe, seed)[1]) for seed in range(40)]
    assert max(sizes) / min(sizes) > 2.5
    fixed = [object_size(sample(data, replace(recipe, jitter=0.0), seed)[1]) for seed in range(10)]
    assert max(fixed) / min(fixed) < 1.25


def test_what_lies_beyond_a_small_picture_does_not_count():
    data = Drawn([8, 8], side=40)
    recipe = replace(plan(data), jitter=0.0, crop=64)
    image, labels, counts, _ = sample(data, recipe)
    assert counts.sum() == 40 * 40 and (labels[counts == 0] == 0).all() and image.shape == (1, 64, 64)


def test_every_picture_has_its_turn():
    data = Drawn([8] * 5)
    for number, image in enumerate(data.images):
        image[...] = 0
        data._labels[number][...] = 0
        data._labels[number][: 10 + 10 * number] = 1  # the share of it tells which picture a crop is of
    recipe = replace(plan(data), jitter=0.0, zoom=1.0, own_zoom=False, crop=96, batch_size=5)
    kept = [_crops.keep(data.images[i], target(data, i), recipe) for i in range(5)]
    batches = _crops.batches(kept, recipe, np.random.default_rng(0), torch.device("cpu"))
    for _ in range(3):
        labels = next(batches)[1]
        assert sorted((labels > 0).float().mean(dim=(1, 2)).mul(96).round().int().tolist()) == [10, 20, 30, 40, 50]


# Carried out ----------------------------------------------------------------------------------------------------------


def test_it_ends_with_the_time_and_the_learning_rate_with_it(narrow, monkeypatch):
    rates, step = [], outcomes.train_step

    def watched(model, optimizer, *batch, **options):
        rates.append(optimizer.param_groups[0]["lr"] / outcomes.LEARNING_RATE)
        return step(model, optimizer, *batch, **options)

    monkeypatch.setattr(outcomes, "train_step", watched)
    data, clock = Drawn([8, 8]), Clock()
    carry_out(replace(plan(data), minutes=1.0), data, clock=clock, progress=False)
    assert 60 <= clock.time <= 62, "a minute, and no look at the clock more"
    rates = rates[3:]  # the first three were to measure
    top = rates.index(max(rates))
    assert len(rates) > 40 and rates[0] == 0.01 and max(rates) > 0.98 and rates[-1] < 0.02
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert 0.05 < top / len(rates) < 0.15


def test_one_step_at_least_is_taken(narrow):
    data = Drawn([8, 8])
    planned = carry_out(replace(plan(data), minutes=0.001), data, clock=Clock(), progress=False)
    assert "there was time for 1," in planned.reasons[0].why


@pytest.mark.parametrize("seconds, width", [(0.5, 4), (5.0, 4), (50.0, 8)])
def test_a_wider_network_needs_time_for_enough_steps(monkeypatch, seconds, width):
    monkeypatch.setattr(outcomes, "WIDTHS", (4, 8))
    monkeypatch.setattr(outcomes, "ENOUGH_STEPS", 20)
    recipe = plan(Drawn([8, 8]))
    kept = [_crops.keep(Drawn([8]).images[0], target(Drawn([8]), 0), recipe)]
    batch = next(_crops.batches(kept, recipe, np.random.default_rng(0), torch.device("cpu")))

    def loss(*parts):
        return outcomes._loss(*parts, recipe=recipe)

    assert outcomes._width(recipe, batch, loss, seconds, Clock()) == (width, 1.0)


def test_the_same_seed_gives_the_same_network(narrow):
    data = Drawn([8] * 3)
    weights = [quickly(plan(data), data, seed=seed).model.head.weight for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_with_few_pictures_nothing_is_chosen_and_it_is_said(narrow):
    data = Drawn([8] * 5)
    planned = quickly(plan(data), data)
    assert planned.scores is None and "no picture was left to choose by" in planned.reasons[-1].why
    assert planned.numbers == {name: USUAL[name] for name in ("foreground", "votes", "smallest")}
    assert "on 5 pictures" in planned.reasons[0].why and planned.reasons[-1].why in str(planned)


@pytest.mark.parametrize("pictures, aside", [(9, 0), (10, 2), (20, 4), (400, KEPT_ASIDE)])
def test_a_fifth_is_kept_aside(pictures, aside):
    kept = outcomes._kept_aside(range(pictures), np.random.default_rng(0))
    assert len(set(kept)) == len(kept) == aside and set(kept) <= set(range(pictures))


@pytest.mark.parametrize("seed", range(3))
def test_no_group_is_cut_in_two(seed):
    groups = ["a"] * 30 + ["b", "c", "d", "e"] * 5
    kept = outcomes._kept_aside(groups, np.random.default_rng(seed))
    assert len(kept) == 10 and all(kept.count(i) == 1 for i in kept)
    assert not {groups[i] for i in kept} & {group for i, group in enumerate(groups) if i not in kept}


@pytest.mark.parametrize("way", ["votes", "border"])
def test_the_numbers_are_the_best_of_those_tried_and_the_score_is_theirs(narrow, way):
    data, val = Drawn([8] * 4), Drawn([7] * 3)
    recipe = replace(plan(data), way=way, crop=64, batch_size=4)
    planned = quickly(recipe, data, val, steps=15)
    found = [predict_picture(planned, image) for image in val.images]
    true = [val.instances(i) for i in range(3)]
    assert planned.scores == mean_scores(found, true) and f"{planned.scores['ap']:.3f}" in planned.reasons[-1].why
    usual = Planned(planned.model, planned.plan, dict(USUAL))
    assert planned.scores["ap"] >= mean_scores([predict_picture(usual, image) for image in val.images], true)["ap"]
    assert all(value in _answers.CHOICES[name] or value == USUAL[name] for name, value in planned.numbers.items())
    assert ("votes" in planned.numbers) == (way == "votes") and ("seed" in planned.numbers) == (way == "border")


@pytest.mark.parametrize("way", ["votes", "border"])
def test_it_learns_to_find_objects(monkeypatch, way):
    monkeypatch.setattr(outcomes, "WIDTHS", (8,))
    data = Drawn([8, 10, 9, 11])
    planned = quickly(replace(plan(data), way=way, crop=48, batch_size=4, depth=2), data, data, steps=60)
    assert planned.scores["f1_50"] > 0.9


def test_a_picture_is_looked_at_until_its_objects_have_the_size(monkeypatch):
    monkeypatch.setattr(outcomes, "WIDTHS", (8,))
    data = Drawn([5, 10, 20, 5, 10, 20], side=120)
    recipe = replace(plan(data), crop=48, batch_size=6)
    assert recipe.own_zoom
    planned = quickly(recipe, data, data, steps=90)
    for radius in (5, 20):
        image = Drawn([radius], side=120).images[0]
        planes = prepare(image, recipe)
        h, _ = _answers.look(planned.model, recipe, planned.numbers, planes).shape[1:]
        assert h / 120 == pytest.approx(10 / radius, rel=0.35), "to twenty pixels an object"


@pytest.mark.parametrize("task, num_classes", [("one class", 1), ("classes", 3)])
def test_masks_of_classes_are_planned_and_learned(monkeypatch, task, num_classes):
    monkeypatch.setattr(outcomes, "WIDTHS", (8,))
    data = Drawn([10, 12, 10], task=task, num_classes=num_classes)
    recipe = plan(data)
    assert recipe.task == task and recipe.zoom == 1.0 and len(recipe.class_weights) == max(2, num_classes)
    planned = quickly(replace(recipe, crop=48, batch_size=4, depth=2), data, data, steps=40)
    found = predict_picture(planned, data.images[0])
    assert found.dtype == torch.int64 and found.shape == (96, 96) and set(found.unique().tolist()) <= set(range(3))
    assert scores((found > 0).long(), (data.instances(0) > 0).long())["iou"] > 0.7


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (64, 3, 3), (40, 50, 4), (33, 47, 1)])
@pytest.mark.parametrize("own_zoom", [False, True])
def test_pictures_of_any_size_are_predicted(size, own_zoom):
    recipe = replace(plan(nuclei_pieces()), own_zoom=own_zoom, zooms=(0.2, 5.0))
    image = np.random.default_rng(0).integers(0, 255, size, dtype=np.uint8)
    found = predict_picture(Planned(build(recipe, 4).eval(), recipe, USUAL), image)
    assert found.shape == size[:2] and found.dtype == torch.int64


def test_large_pictures_are_predicted_in_tiles(monkeypatch):
    recipe = replace(plan(nuclei_pieces()), zoom=1.0)
    torch.manual_seed(0)
    planned = Planned(build(recipe, 4).eval(), recipe, USUAL)
    image = np.random.default_rng(0).integers(0, 255, (300, 520), dtype=np.uint8)
    whole = predict_picture(planned, image)
    monkeypatch.setattr(_answers, "TILE", 256)
    assert (predict_picture(planned, image) > 0).eq(whole > 0).float().mean() > 0.999


def test_saved_and_loaded_it_finds_the_same(narrow, tmp_path):
    data = Drawn([8] * 10, colour=(1.0, 0.5, 0.8))
    planned = quickly(plan(data), data)
    save_planned(planned, tmp_path / "model.pt")
    again = load_planned(tmp_path / "model.pt")
    assert (again.plan, again.numbers, again.scores) == (planned.plan, planned.numbers, planned.scores)
    assert str(again) == str(planned) and not again.model.training
    for image in data.images[:2]:
        assert torch.equal(predict_picture(again, image), predict_picture(planned, image))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "model.pt"
    for content, said in ((b"", "is empty"), (b"text", "is damaged, cut off, or no file of torch.save")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=said):
            load_planned(path)
    torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="not a file of save_planned. One that fit wrote is read by load_model"):
        load_planned(path)
    with pytest.raises(ValueError, match="a file in a folder that is there"):
        save_planned(Planned(build(plan(nuclei_pieces()), 4), plan(nuclei_pieces()), USUAL), tmp_path / "no" / "a.pt")


def test_masks_of_another_size_are_refused(narrow):
    data = Drawn([8, 8])
    recipe = plan(data)
    data.images[1] = data.images[1][:50]
    with pytest.raises(ValueError, match=r"one size, but have \(50, 96\) and \(96, 96\)"):
        quickly(recipe, data)


def test_interrupted_it_keeps_what_it_has(narrow, monkeypatch):
    step, taken = outcomes.train_step, []

    def interrupted(*parts, **options):
        taken.append(1)
        if len(taken) == 6:
            raise KeyboardInterrupt
        return step(*parts, **options)

    monkeypatch.setattr(outcomes, "train_step", interrupted)
    data = Drawn([8, 8])
    with pytest.warns(UserWarning, match="interrupted after 2 steps"):
        planned = quickly(plan(data), data, steps=30)
    assert predict_picture(planned, data.images[0]).shape == (96, 96)


def test_pictures_without_a_mask_are_left_out(narrow):
    data = Drawn([8] * 4)
    data.labelled, data.images[1], data._labels[1] = [0, 2, 3], np.zeros((5, 5, 7)), None
    planned = quickly(plan(data), data, data)
    assert "on 3 pictures" in planned.reasons[0].why and "on the 3 pictures" in planned.reasons[-1].why


def test_the_plan_looks_at_a_part_of_many_pictures(monkeypatch):
    monkeypatch.setattr(plans, "LOOKED_AT", 4)
    data = Drawn([8] * 9)
    for image in data.images[1::2]:
        image[...] = 0
    assert plan(data).reasons[1].why == "in no picture do the channels differ"
