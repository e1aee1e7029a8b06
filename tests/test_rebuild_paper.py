"""The experiment on the paper of 2015: it trains what it says, and its scores are right where they are known."""

import numpy as np
import pytest
import torch
from torch import nn

import rebuild_paper as paper
from unet_tutorial.data.meaning import connected_parts
from unet_tutorial.instances import weight_map

RECIPES = paper.RECIPES


@pytest.fixture(scope="module")
def section():
    """A section of 144×150 pixels: cells between dark straight membranes."""
    membrane = torch.zeros(144, 150, dtype=torch.int64)
    membrane[::24], membrane[:, ::30] = 1, 1
    noise = torch.rand(membrane.shape, generator=torch.Generator().manual_seed(0))
    image = (0.8 - 0.6 * membrane + 0.1 * noise)[None]
    cells = connected_parts(1 - membrane.numpy())
    return paper.Section(image, membrane, cells, weight_map(cells))


def test_the_margin_is_what_the_unpadded_network_loses():
    unpadded = RECIPES["the paper's"]
    around = paper.margin(unpadded)
    side = paper.OUT + 2 * around
    assert paper.network(unpadded, 0)(torch.zeros(1, 1, side, side)).shape == (1, 2, paper.OUT, paper.OUT)
    assert paper.margin(RECIPES["today's"]) == 0


def test_every_recipe_but_todays_differs_from_the_papers_in_one_thing():
    for name, recipe in RECIPES.items():
        others = [key for key in paper.PAPER if recipe[key] != paper.PAPER[key]]
        assert recipe.keys() == paper.PAPER.keys() and (len(others) == 1 or name in ("the paper's", "today's")), name
        assert recipe["momentum"] in paper.RATES
    assert RECIPES["the paper's"] == paper.PAPER


def test_first_weights_and_dropout_are_as_a_recipe_says():
    images = torch.rand(1, 1, 236, 236, generator=torch.Generator().manual_seed(0))
    answers = {name: paper.network(recipe, 0).train()(images) for name, recipe in RECIPES.items()}
    for name in ("PyTorch's own first weights", "no dropout", "batch normalization", "today's"):
        assert answers[name].shape != answers["the paper's"].shape or not torch.equal(
            answers[name], answers["the paper's"]
        )
    convolutions = (one for one in paper.network(RECIPES["the paper's"], 0).modules() if isinstance(one, nn.Conv2d))
    spreads = {one.in_channels: one.weight.std().item() for one in convolutions if one.kernel_size == (3, 3)}
    assert spreads[128] == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.05)


@pytest.mark.parametrize("name", RECIPES)
def test_tiles_and_answers_fit_together(section, name):
    recipe = RECIPES[name]
    around = paper.margin(recipe)
    tiles = paper.Tiles([section], 32, around, 3, weighted=recipe["weights"])
    torch.manual_seed(0)
    image, membrane, weights = next(iter(torch.utils.data.DataLoader(tiles, 1)))
    assert image.shape[2:] == (32 + 2 * around,) * 2 and len(tiles) == 3
    assert ((image[:, 0] < 0.5) == (membrane == 1)).all(), "both are cut at the same place"
    assert (weights.max() > 1) == recipe["weights"]
    (batch,) = paper.Cropped([(image, membrane, weights)], 1, around)
    assert batch[0].shape[2:] == (32 + 2 * around,) * 2 and batch[1].shape == batch[2].shape == (1, 32, 32)
    assert torch.equal(batch[1][0], membrane[0][around : around + 32, around : around + 32])


@pytest.mark.parametrize("name", ["the paper's", "today's"])
def test_a_section_of_any_size_is_answered_pixel_by_pixel(section, name):
    recipe = RECIPES[name]
    model = paper.network(recipe, 0).eval()
    found = paper.probability(model, recipe, section.image)
    assert found.shape == section.membrane.shape
    # In the middle the border plays no part: a larger picture with the section in its midst gives the same there.
    around = torch.nn.functional.pad(section.image[None], [40] * 4, mode="reflect")[0]
    again = paper.probability(model, recipe, around)[40:-40, 40:-40]
    assert torch.allclose(found[40:-40, 40:-40], again[40:-40, 40:-40], atol=1e-4)


def test_scores_of_a_perfect_map_and_of_maps_that_are_wrong_in_a_known_way(section):
    splits = {split: [section] for split in ("train", "val", "test")}
    right = section.membrane.numpy().astype(float)
    perfect = paper.judged({"val": [right], "test": [right]}, splits)
    assert (perfect["rand_error"], perfect["pixel_error"], perfect["iou"]) == (0, 0, 1)
    gap = right.copy()
    gap[5:8, 30] = 0  # three pixels are missing in one membrane, and two cells become one
    one_gap = paper.judged({"val": [right], "test": [gap]}, splits)
    assert one_gap["pixel_error"] == pytest.approx(3 / right.size, abs=1e-4) and one_gap["rand_error"] > 0.03
    nothing = paper.judged({"val": [0 * right], "test": [0 * right]}, splits)
    assert nothing["pixel_error"] == pytest.approx(right.mean(), abs=1e-4) and nothing["rand_error"] > 0.8


def test_pixels_of_what_is_no_probability_are_counted_with_the_chosen_threshold(section):
    splits = {split: [section] for split in ("train", "val", "test")}
    ranks = {split: [0.8 + 0.1 * section.membrane.numpy()] for split in ("val", "test")}
    assert paper.judged(ranks, splits)["iou"] < 0.2 and paper.judged(ranks, splits, half=False)["iou"] == 1


def test_networks_of_one_kind_take_equally_many_steps(monkeypatch, section):
    monkeypatch.setattr(paper, "OUT", 20)
    steps = paper.affordable([section], 2.0)
    assert steps.keys() == RECIPES.keys() and min(steps.values()) >= 2
    alike = {name for name, recipe in RECIPES.items() if recipe["norm"] == "none"}
    assert len({steps[name] for name in alike}) == 1 and len(alike) == 5
    assert paper.affordable([section], 0.0) == dict.fromkeys(RECIPES, 2)


def test_ways_without_a_network_find_clean_membranes(section):
    splits = {split: [section] for split in ("train", "val", "test")}
    found = paper.without_network(splits)
    assert found["threshold"]["rand_error"] < 0.1 and found["watershed"]["rand_error"] < 0.5
    assert paper.dark([section], 0.0)[0].max() == 1 and paper.dark([section], 0.0)[0].min() == 0


def test_each_command_trains_what_it_says_and_chooses_the_rate_with_the_lowest_error(monkeypatch, section):
    splits = {split: [section] for split in ("train", "val", "test")}
    monkeypatch.setattr(paper, "OUT", 20)
    monkeypatch.setattr(paper, "RATES", {0.99: (0.001,), 0.9: (0.001, 0.01), None: (0.01,)})
    monkeypatch.setattr(paper, "SECTIONS", (1,))
    rates = paper.choose_rates(splits, seconds=0.0)
    assert [row["name"] for row in rates["runs"]].count("momentum 0.9") == 2
    for row in rates["runs"]:
        row["rand_error"] = abs(row["rate"] - 0.01)
    chosen = paper.chosen_rates(rates)
    assert chosen.keys() == RECIPES.keys() and chosen["momentum 0.9"] == 0.01
    *_, content = paper.compare_recipes(splits, chosen, seeds=[0], seconds=0.0)
    assert [run["name"] for run in content["runs"]] == list(RECIPES) and all(
        run["steps"] == 2 for run in content["runs"]
    )
    assert set(content["without"]) == {"threshold", "watershed"}
    empty = {"steps": 2, "rate": 0.01, "runs": []}
    *_, content = paper.compare_elastic(splits, empty, seeds=[0])
    assert [run["bent"] for run in content["runs"]] == list(paper.BENT)
    first = content["runs"][:-1]
    again = list(paper.compare_elastic(splits, empty | {"runs": [*first]}, seeds=[0]))
    assert len(again) == 1 and again[0]["runs"][:-1] == first, "only what is missing is trained"


def test_a_training_that_runs_away_is_a_row_with_the_worst_scores(monkeypatch, section):
    splits = {split: [section] for split in ("train", "val", "test")}
    monkeypatch.setattr(paper, "OUT", 20)
    found = paper.run(RECIPES["the paper's"], [section], splits, 2, 0, rate=1e30)
    assert found["diverged"] and found["rand_error"] == 1 and "steps" not in found
    assert not paper.run(RECIPES["the paper's"], [section], splits, 2, 0, rate=1e-4)["diverged"]


def test_equal_seeds_give_equal_networks_and_tiles(section):
    def run(seed):
        return paper.trained(RECIPES["today's"], [section], 2, seed, 0.01).state_dict()

    first, same, other = run(0), run(0), run(1)
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.real_sections
def test_halved_sections_keep_their_membranes():
    (*_, one) = paper.halved("val")
    assert one.image.shape == (1, 512, 512) and 0.1 < one.membrane.float().mean() < 0.25
    assert np.array_equal(one.cells == 0, one.membrane.numpy() == 1)
