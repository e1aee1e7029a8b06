"""Pixels that do not count, in pictures of one's own: from the files to a plan, nothing learns from them."""

import numpy as np
import pytest
import torch
from PIL import Image

from unet_tutorial import _answers, _crops, plots
from unet_tutorial import planned as outcomes
from unet_tutorial.data.describing import describe
from unet_tutorial.data.pictures import Pictures, own_pictures
from unet_tutorial.data.targets import target
from unet_tutorial.losses import bce_loss
from unet_tutorial.metrics import iou
from unet_tutorial.plan import plan

VOID = 255
RNG = np.random.default_rng(0)
Y, X = np.indices((64, 64))
CLASSES = np.where((Y - 20) ** 2 + (X - 20) ** 2 < 144, 1, np.where(Y > 44, 2, 0))
RIM = (Y < 3) | (X < 3) | (Y > 60)
IMAGE = (40 + 70 * CLASSES + RNG.normal(0, 4, CLASSES.shape)).clip(0, 255).astype(np.uint8)
COLOURS = {0: (0, 0, 0), 1: (200, 0, 0), 2: (0, 0, 200), VOID: (224, 224, 192)}


def folder(path, mask):
    for part, array in (("images", IMAGE), ("masks", mask.astype(np.uint8))):
        (path / part).mkdir()
        Image.fromarray(array).save(path / part / "a.png")
    return path


def voided(classes=CLASSES):
    return np.where(RIM, VOID, classes)


def test_a_number_far_above_the_classes_is_asked_about_and_the_cure_keeps_it_out(tmp_path):
    where = folder(tmp_path, voided())
    with pytest.raises(ValueError, match="Or, if 255 marks pixels that do not count, say ignore_index=255") as refused:
        own_pictures(where, task="classes")
    cure = str(refused.value).rpartition(" say ")[2].rstrip(".")
    pictures = eval(f"own_pictures(where, task='classes', {cure})", {"where": where, "own_pictures": own_pictures})
    assert pictures.num_classes == 3 and pictures.ignore_index == VOID
    assert pictures.mask(0).tolist() == voided().tolist()
    assert (pictures.instances(0).numpy() > 0).tolist() == ((CLASSES > 0) & ~RIM).tolist()
    assert target(pictures, 0).tolist() == np.where(RIM, -1, CLASSES).tolist()


def test_of_one_class_the_mask_is_0_and_1_and_what_does_not_count(tmp_path):
    pictures = own_pictures(folder(tmp_path, voided(200 * (CLASSES > 0))), ignore_index=VOID)
    assert pictures.task == "one class" and pictures.mask(0).dtype == torch.float32
    assert pictures.mask(0)[0].tolist() == voided(CLASSES > 0).tolist()
    assert np.array_equal(pictures.instances(0) > 0, (CLASSES > 0) & ~RIM)
    masks, right = pictures.mask(0)[None], torch.from_numpy(np.where(CLASSES > 0, 50.0, -50.0)).float()[None, None]
    wrong = torch.where(torch.from_numpy(RIM), -right, right)  # wrong in what does not count, and nowhere else
    assert bce_loss(wrong, masks, ignore_index=VOID) < 1e-6
    assert iou((wrong > 0).float(), masks, ignore_index=VOID) == 1


def test_a_colour_can_stand_for_what_does_not_count(tmp_path):
    colours = np.zeros((*CLASSES.shape, 3), dtype=np.uint8)
    for number, colour in COLOURS.items():
        colours[voided() == number] = colour
    palette = {colour: number for number, colour in COLOURS.items()}
    pictures = own_pictures(folder(tmp_path, colours), palette=palette, ignore_index=VOID)
    assert pictures.num_classes == 3 and pictures.mask(0).tolist() == voided().tolist()


def test_the_background_may_be_what_does_not_count(tmp_path):
    pictures = own_pictures(folder(tmp_path, CLASSES), palette={0: VOID, 1: 0, 2: 1}, ignore_index=VOID)
    assert pictures.num_classes == 2
    assert pictures.mask(0).tolist() == np.choose(CLASSES, [VOID, 0, 1]).tolist()


@pytest.mark.parametrize(
    "options, said",
    [
        ({"task": "objects", "ignore_index": VOID}, "for masks of classes, but the numbers of these are objects. Say"),
        (
            {"palette": {0: 0, 1: 5, 2: 1}, "ignore_index": 3},
            "ignore_index must be a whole number of at least 6, but got 3",
        ),
        ({"task": "one class", "ignore_index": 1}, "ignore_index must be a whole number of at least 2, but got 1"),
        ({"task": "classes", "ignore_index": "void"}, "ignore_index must be a whole number, such as 255, or None, but"),
    ],
)
def test_a_number_that_means_something_else_is_refused(tmp_path, options, said):
    with pytest.raises(ValueError, match=said):
        own_pictures(folder(tmp_path, CLASSES), **options)


def two(masks, **options):
    return Pictures(["a", "b"], [IMAGE, IMAGE], masks, task="classes", **options)


def test_what_does_not_count_is_in_no_share_and_is_told():
    rows = dict(describe(two([voided(), voided()], ignore_index=VOID)).rows)
    share = RIM.mean()
    assert rows["do not count"] == f"{100 * share:.1f} % of the pixels"
    counted = np.bincount(CLASSES[~RIM]) / CLASSES.size
    assert rows["masks"] == "classes: " + ", ".join(f"{i} {part:.1%}" for i, part in enumerate(counted))
    assert "2 objects" in plots.contact_sheet_text(two([voided(), voided()], ignore_index=VOID)).replace(
        "parts", "objects"
    )


def test_a_plan_measures_and_learns_without_it():
    data = two([voided(), voided()], ignore_index=VOID)
    recipe = plan(data, minutes=1)
    shares = np.bincount(CLASSES[~RIM]) / (~RIM).sum()
    assert next(reason.why for reason in recipe.reasons if reason.rule == "weights").startswith(
        "of the pixels, " + ", ".join(f"{share:.1%}" for share in shares)
    )
    kept = _crops.keep(IMAGE, target(data, 0), recipe)
    full = _crops.keep(IMAGE, CLASSES, recipe)
    for seed in range(4):  # the same crop of both: where the void lies, nothing counts
        _, labels, counts, _ = _crops.sample(kept, recipe, np.random.default_rng(seed))
        _, true, inside, _ = _crops.sample(full, recipe, np.random.default_rng(seed))
        assert np.array_equal(labels, np.where(counts > 0, true, 0)) and (counts <= inside).all()
        assert counts.sum() < inside.sum()
        logits = torch.randn(1, 3, *labels.shape)
        value = outcomes._loss(logits, *(torch.from_numpy(part)[None] for part in (labels, counts)), recipe=recipe)
        logits[0, :, torch.from_numpy(counts) == 0] += torch.randn(3, 1)
        again = outcomes._loss(logits, *(torch.from_numpy(part)[None] for part in (labels, counts)), recipe=recipe)
        assert torch.equal(value, again)


def test_numbers_are_chosen_without_it(monkeypatch):
    data = Pictures(["a"], [IMAGE], [voided(CLASSES > 0)], task="one class", ignore_index=VOID)
    recipe = plan(data, minutes=1)
    answer = torch.from_numpy(np.where(RIM, 8.0, np.where(CLASSES > 0, 8.0, -8.0))).float()[None]  # wrong in the rim
    monkeypatch.setattr(_answers, "look", lambda *_: answer)
    assert _answers.choose(None, recipe, [(data, 0)])[1]["iou"] == 1.0
