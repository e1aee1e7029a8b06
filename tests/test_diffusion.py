"""Noise and back: the schedule, the U-Net with a step, the loss, and samplers against what can be known exactly."""

import math
from importlib.resources import files

import pytest
import torch
from torch import nn

from unet_tutorial.data.synthetic import SyntheticCellsDataset, small_cells
from unet_tutorial.diffusion import (
    StepUNet,
    add_noise,
    denoiser_record,
    fit_noise,
    gaussian_denoiser,
    load_denoiser,
    noise_loss,
    noise_schedule,
    remove_noise,
    sample,
    step_back,
    step_embedding,
    walk,
)

LEVELS = 200
ALPHA_BAR = noise_schedule(LEVELS)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


# ---- the schedule, and the way to the noise


@pytest.mark.parametrize("steps", [25, 200, 1000])
def test_the_schedule_is_that_of_the_paper_scaled_to_its_number_of_steps(steps):
    alpha_bar = noise_schedule(steps)
    assert alpha_bar.shape == (steps + 1,) and alpha_bar[0] == 1 and (alpha_bar.diff() < 0).all()
    left, expected = 1.0, [1.0]
    for t in range(1, steps + 1):  # as the paper writes it: the product of 1 - beta
        beta = (1e-4 + (0.02 - 1e-4) * (t - 1) / (steps - 1)) * 1000 / steps
        left *= 1 - beta
        expected.append(left)
    torch.testing.assert_close(alpha_bar, torch.tensor(expected), rtol=1e-4, atol=0)
    assert alpha_bar[-1] < 1e-4


def test_noise_keeps_the_mean_that_is_left_and_adds_the_variance_that_is_missing(generator):
    pictures = torch.full((4, 1, 128, 128), 0.7)
    noise = torch.randn(pictures.shape, generator=generator)
    steps = torch.tensor([0, 40, 100, 200])
    noisy = add_noise(pictures, noise, steps, ALPHA_BAR)
    left = ALPHA_BAR[steps]
    torch.testing.assert_close(noisy.mean((1, 2, 3)), 0.7 * left.sqrt(), atol=0.03, rtol=0)
    torch.testing.assert_close(noisy.var((1, 2, 3)), 1 - left, atol=0.03, rtol=0)
    assert torch.equal(noisy[0], pictures[0])


def test_pictures_of_variance_1_keep_it_at_every_level(generator):
    pictures, noise = torch.randn(2, 64, 1, 32, 32, generator=generator)
    for step in (1, 50, 120, 200):
        noisy = add_noise(pictures, noise, torch.full((64,), step), ALPHA_BAR)
        assert noisy.var().item() == pytest.approx(1, abs=0.02)


def test_many_small_steps_are_one_large_one(generator):
    """The one formula for all levels is what the chain of the paper gives: here with its variance, step by step."""
    x, variance = 1.0, 0.0
    for t in range(1, LEVELS + 1):
        keep = (ALPHA_BAR[t] / ALPHA_BAR[t - 1]).item()
        x, variance = math.sqrt(keep) * x, keep * variance + 1 - keep
    assert x == pytest.approx(ALPHA_BAR[-1].sqrt().item(), rel=1e-3)
    assert variance == pytest.approx(1 - ALPHA_BAR[-1].item(), rel=1e-5)


# ---- the step, written as waves


def test_the_embedding_is_sines_and_cosines_and_tells_all_steps_apart():
    steps = torch.arange(1001)
    found = step_embedding(steps, 16)
    for i in range(8):
        angle = steps / 10_000 ** (i / 8)
        torch.testing.assert_close(found[:, i], angle.sin(), atol=1e-4, rtol=0)
        torch.testing.assert_close(found[:, 8 + i], angle.cos(), atol=1e-4, rtol=0)
    apart = torch.cdist(found, found) + 10 * torch.eye(len(found))
    assert apart.min() > 0.1
    torch.testing.assert_close(found.norm(dim=1), torch.full((1001,), math.sqrt(8)))


# ---- the network


def test_the_network_listens_to_the_step_at_every_stage(generator):
    torch.manual_seed(0)
    model = StepUNet(2, channels=(4, 8, 16)).eval()
    x = torch.randn(2, 2, 16, 16, generator=generator)
    early, late = (model(x, torch.full((2,), step)) for step in (1, 200))
    assert early.shape == x.shape and not torch.allclose(early, late, atol=1e-3)
    assert [shift.out_features for shift in model.shifts] == [4, 8, 16, 8, 4]
    mixed = model(x, torch.tensor([1, 200]))  # every picture of a batch has its own
    torch.testing.assert_close(mixed, torch.stack([early[0], late[1]]))
    for shift in model.shifts:
        before = [p.clone() for p in shift.parameters()]
        with torch.no_grad():
            [p.zero_() for p in shift.parameters()]
            assert not torch.equal(model(x, torch.tensor([1, 200])), mixed)
            [p.copy_(old) for p, old in zip(shift.parameters(), before, strict=True)]


def test_a_u_net_with_steps_is_a_u_net_and_its_shifts():
    from unet_tutorial.unet import UNet

    model, plain = StepUNet(1, channels=(4, 8, 16)), UNet(1, channels=(4, 8, 16))
    of_the_step = sum(p.numel() for part in (model.embed, model.shifts) for p in part.parameters())
    assert sum(p.numel() for p in model.parameters()) - of_the_step == sum(p.numel() for p in plain.parameters())
    again = StepUNet(**model.config)
    again.load_state_dict(model.state_dict())


@pytest.mark.parametrize("side", [(17, 23), (32, 20)])
def test_odd_sides_come_back_as_they_were(side):
    model = StepUNet(1, channels=(4, 8, 8))
    assert model(torch.zeros(2, 1, *side), torch.tensor([1, 2])).shape == (2, 1, *side)


# ---- the loss, and the training


def test_the_loss_of_a_perfect_model_is_0_and_of_no_answer_1(generator):
    class Perfect(nn.Module):  # it knows that all pictures are black
        def forward(self, x, steps):
            return x / (1 - ALPHA_BAR[steps]).sqrt()[:, None, None, None]

    pictures = torch.zeros(16, 1, 32, 32)
    assert noise_loss(Perfect(), pictures, ALPHA_BAR, generator) < 1e-8
    nothing = noise_loss(lambda x, steps: torch.zeros_like(x), pictures, ALPHA_BAR, generator)
    assert nothing.item() == pytest.approx(1, abs=0.05)


def test_the_loss_draws_every_level_but_the_clean_one():
    seen = []

    def note(x, steps):
        seen.extend(steps.tolist())
        return torch.zeros_like(x)

    few = noise_schedule(25)
    noise_loss(note, torch.zeros(2000, 1, 2, 2), few, torch.Generator().manual_seed(0))
    assert set(seen) == set(range(1, 26))


def test_a_training_learns_and_is_repeated_by_its_seed():
    images, _ = small_cells(8)
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        model = StepUNet(1, channels=(4, 8)).eval()
        runs.append(fit_noise(model, 2 * images - 1, ALPHA_BAR, updates=60, batch_size=8, progress=False))
        assert not model.training
    assert runs[0] == runs[1] and len(runs[0]) == 60
    assert sum(runs[0][-10:]) < 0.6 * sum(runs[0][:10])


def test_a_learning_rate_that_is_too_large_is_told_by_name():
    with pytest.raises(FloatingPointError, match="Lower the learning rate, 1e\\+30"):
        fit_noise(
            StepUNet(1, channels=(4, 8)), torch.zeros(4, 1, 8, 8), ALPHA_BAR, updates=9, learning_rate=1e30,
            progress=False,
        )  # fmt: skip


# ---- the way back


def test_who_knows_the_noise_finds_the_picture_from_any_level(generator):
    images, _ = small_cells(3)
    pictures = 2 * images - 1
    noise = torch.randn(pictures.shape, generator=generator)
    for step in (1, 60, 130):
        steps = torch.full((3,), step)
        noisy = add_noise(pictures, noise, steps, ALPHA_BAR)
        torch.testing.assert_close(remove_noise(noisy, noise, steps, ALPHA_BAR), pictures, atol=1e-4, rtol=0)
        torch.testing.assert_close(step_back(noisy, noise, step, 0, ALPHA_BAR), pictures, atol=1e-4, rtol=0)
        between = step_back(noisy, noise, step, step // 2, ALPHA_BAR)
        expected = add_noise(pictures, noise, torch.full((3,), step // 2), ALPHA_BAR)
        torch.testing.assert_close(between, expected, atol=1e-4, rtol=0)


class Knows(nn.Module):
    """A perfect predictor for one picture: whatever is not the picture is noise."""

    def __init__(self, picture):
        super().__init__()
        self.picture = picture

    def forward(self, x, steps):
        left = ALPHA_BAR[steps][:, None, None, None]
        return (x - left.sqrt() * self.picture) / (1 - left).sqrt()


@pytest.mark.parametrize("eta", [0, 0.5, 1])
@pytest.mark.parametrize("steps", [1, 7, 200])
def test_a_perfect_predictor_recovers_its_picture_by_every_sampler(steps, eta, generator):
    picture = 2 * small_cells(1)[0] - 1
    start = torch.randn(2, 1, 32, 32, generator=generator)
    found = sample(Knows(picture), start, ALPHA_BAR, steps=steps, eta=eta, generator=generator)
    torch.testing.assert_close(found, picture.expand(2, -1, -1, -1), atol=2e-3, rtol=0)


@pytest.mark.parametrize("step", [2, 50, 199])
def test_eta_1_is_the_step_of_ddpm(step, generator):
    """Mean and variance as Ho, Jain and Abbeel write them, in equations 7 and 11."""
    before, now = ALPHA_BAR[step - 1], ALPHA_BAR[step]
    alpha = now / before
    beta = 1 - alpha
    noisy, noise = torch.randn(2, 1, 1, 400, 400, generator=generator)
    found = step_back(noisy, noise, step, step - 1, ALPHA_BAR, eta=1, clip=False, generator=generator)
    mean = (noisy - beta / (1 - now).sqrt() * noise) / alpha.sqrt()
    fresh = found - mean
    assert fresh.mean().item() == pytest.approx(0, abs=0.02)
    variance = (1 - before) / (1 - now) * beta
    assert fresh.var().item() == pytest.approx(variance.item(), rel=0.03)


def spread_by_hand(std, levels, steps, eta):
    """Follow the variance alone through the steps: with Gaussian pictures every step is a multiplication and a sum."""
    alpha_bar = noise_schedule(levels).double()
    stops = [round(levels * (steps - i) / steps) for i in range(steps + 1)]
    variance = 1.0
    for now, then in ((alpha_bar[a].item(), alpha_bar[b].item()) for a, b in zip(stops, stops[1:], strict=False)):
        noise = math.sqrt(1 - now) / (now * std**2 + 1 - now)  # what the best model answers to 1
        picture = (1 - math.sqrt(1 - now) * noise) / math.sqrt(now)
        fresh = eta * math.sqrt((1 - then) / (1 - now) * (1 - now / then))
        factor = math.sqrt(then) * picture + math.sqrt(1 - then - fresh**2) * noise
        variance = factor**2 * variance + fresh**2
    return math.sqrt(variance)


@pytest.mark.parametrize("steps, eta", [(200, 0), (200, 1), (50, 0), (10, 0.5)])
@pytest.mark.parametrize("mean, std", [(0.4, 0.3), (-0.5, 1.0)])
def test_of_gaussian_pictures_the_samplers_give_mean_and_spread(steps, eta, mean, std, generator):
    model = gaussian_denoiser(mean, std, ALPHA_BAR)
    start = torch.randn(1, 1, 200, 200, generator=generator)
    pixels = sample(model, start, ALPHA_BAR, steps=steps, eta=eta, clip=False, generator=generator)
    assert pixels.mean().item() == pytest.approx(mean, abs=0.03)
    assert pixels.std().item() == pytest.approx(spread_by_hand(std, LEVELS, steps, eta), rel=0.02)


@pytest.mark.parametrize("eta", [0, 1])
@pytest.mark.parametrize("std", [0.3, 1.0, 2.0])
def test_the_more_steps_the_nearer_to_the_true_spread(std, eta):
    found = [spread_by_hand(std, levels, steps, eta) / std for levels, steps in ((200, 20), (200, 200), (4000, 4000))]
    assert found == sorted(found) and found[-1] == pytest.approx(1, abs=0.005)


def test_the_gaussian_denoiser_is_the_best_answer_that_there_is(generator):
    """The mean of the noise where pictures of known pixels have come to a value: estimated by counting."""
    model, step = gaussian_denoiser(0.4, 0.3, ALPHA_BAR), 60
    pictures = 0.4 + 0.3 * torch.randn(1, 1, 1500, 1500, generator=generator)
    noise = torch.randn(pictures.shape, generator=generator)
    steps = torch.tensor([step])
    noisy = add_noise(pictures, noise, steps, ALPHA_BAR)
    said = model(noisy, steps)
    for value in (-0.5, 0.3, 1.0):
        near = (noisy - value).abs() < 0.02
        assert said[near].mean().item() == pytest.approx(noise[near].mean().item(), abs=0.02)


def test_without_fresh_noise_the_start_decides_and_with_it_the_generator_does(generator):
    torch.manual_seed(0)
    model, start = StepUNet(1, channels=(4, 8)), torch.randn(2, 1, 16, 16, generator=generator)
    short = noise_schedule(25)
    assert torch.equal(sample(model, start, short), sample(model, start, short))
    with_seed = [sample(model, start, short, eta=1, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(with_seed[0], with_seed[1]) and not torch.allclose(with_seed[0], with_seed[2], atol=0.01)


def test_a_walk_stops_at_every_level_and_leaves_the_model_as_it_was(generator):
    model, start = StepUNet(1, channels=(4, 8), norm="batch").train(), torch.randn(2, 1, 16, 16, generator=generator)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    stops = list(walk(model, start, ALPHA_BAR, steps=7))
    assert [stop.step for stop in stops] == [200, 171, 143, 114, 86, 57, 29, 0]
    assert stops[0].noisy is start and stops[-1].picture is None
    assert all(stop.picture.abs().max() <= 1 for stop in stops[:-1])
    torch.testing.assert_close(stops[-1].noisy, stops[-2].picture)  # the last step takes the picture that was seen
    assert model.training and all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(sample(model, start, ALPHA_BAR, steps=7), stops[-1].noisy)


# ---- what comes with the package


def test_the_shipped_model_is_small_recorded_and_as_good_as_its_record_says():
    record, (model, alpha_bar) = denoiser_record(), load_denoiser()
    assert not model.training and len(alpha_bar) == record["recipe"]["levels"] + 1
    images, masks = small_cells(record["scores"]["pictures"], "test")
    pictures = 2 * torch.cat([images, masks], 1) - 1
    with torch.no_grad():
        loss = noise_loss(model, pictures, alpha_bar, torch.Generator().manual_seed(0))
    assert loss.item() == pytest.approx(record["scores"]["test_loss"], abs=1e-3)
    folder = files("unet_tutorial") / "denoisers"
    assert {entry.name for entry in folder.iterdir()} == {"cells.pt", "cells.json"}
    assert len((folder / "cells.pt").read_bytes()) < 600_000
    assert record["provenance"]["command"] == "python experiments/learn_noise.py weights"


def test_small_cells_are_quarters_of_the_large_ones_at_half_their_size():
    images, masks = small_cells(6, "val", seed=3)
    assert images.shape == masks.shape == (6, 1, 32, 32) and masks.unique().tolist() == [0, 1]
    image, mask = SyntheticCellsDataset(2, seed=3, split="val")[1]
    block = image[0, :64, 64:].reshape(32, 2, 32, 2)
    torch.testing.assert_close(images[5, 0], block.mean((1, 3)))
    torch.testing.assert_close(masks[5, 0], (mask[0, :64, 64:].reshape(32, 2, 32, 2).mean((1, 3)) >= 0.5).float())
    assert torch.equal(small_cells(3, "val", seed=3)[0], images[:3])


# ---- what is refused


PICTURES, NOISE, STEPS = torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8), torch.tensor([3, 4])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: noise_schedule(10), "steps must be a whole number of at least 25, but got 10"),
        (lambda: add_noise(PICTURES[0], NOISE, STEPS, ALPHA_BAR), r"pictures must be floating point of the shape"),
        (lambda: add_noise(PICTURES, NOISE[:1], STEPS, ALPHA_BAR), "must have the same shape"),
        (lambda: add_noise(PICTURES, NOISE, STEPS[:1], ALPHA_BAR), r"shape \(2,\), one for every picture"),
        (lambda: add_noise(PICTURES, NOISE, STEPS.float(), ALPHA_BAR), "steps must be int64"),
        (lambda: add_noise(PICTURES, NOISE, STEPS + 400, ALPHA_BAR), "steps must be at most 200"),
        (lambda: add_noise(PICTURES, NOISE, STEPS - 9, ALPHA_BAR), "each of at least 0"),
        (lambda: add_noise(PICTURES, NOISE, STEPS, 1 - ALPHA_BAR), "must fall from 1"),
        (lambda: remove_noise(PICTURES / 0, NOISE, STEPS, ALPHA_BAR), "noisy must be finite"),
        (lambda: step_embedding(STEPS, 5), "size must be even"),
        (lambda: step_embedding(3), "steps must be a torch tensor"),
        (lambda: StepUNet(1, channels=(4, 8), embedding=7), "must be even"),
        (lambda: StepUNet(1, channels=(4, 8))(PICTURES, 3), "steps must be a torch tensor"),
        (lambda: StepUNet(1, channels=(4, 8))(PICTURES, STEPS[:1]), "one for every picture"),
        (lambda: noise_loss(StepUNet, PICTURES, ALPHA_BAR), "such as StepUNet"),
        (lambda: noise_loss(nn.Identity(), PICTURES, ALPHA_BAR), "must take noisy pictures and steps"),
        (lambda: noise_loss(lambda x, t: x[:1], PICTURES, ALPHA_BAR), "model must return the noise"),
        (
            lambda: fit_noise(gaussian_denoiser(0, 1, ALPHA_BAR), PICTURES, ALPHA_BAR, updates=1),
            "must have weights that can be trained",
        ),
        (lambda: step_back(PICTURES, NOISE, 5, 5, ALPHA_BAR), "step must lie above to"),
        (lambda: step_back(PICTURES, NOISE, 5, 4, ALPHA_BAR, eta=2), "eta between 0 and 1"),
        (lambda: sample(StepUNet(1, channels=(4, 8)), PICTURES, ALPHA_BAR, steps=300), "at most those of the schedule"),
        (lambda: gaussian_denoiser(0, 0, ALPHA_BAR), "std must be a number greater than 0"),
        (lambda: gaussian_denoiser(math.nan, 1, ALPHA_BAR), "mean must be a number"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(call, message):
    with pytest.raises(ValueError, match=message):
        call()
