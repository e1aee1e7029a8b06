"""Chapter 19: noise added, a step as waves, one step back, half and half, two possible answers, copies."""

import torch

from .. import diffusion
from ._code import Code
from ._values import Numbers

_LEVELS = 200


def _schedule():
    return diffusion.noise_schedule(_LEVELS)


def _batch():
    generator = torch.Generator().manual_seed(0)
    pictures, noise = torch.randn(2, 3, 1, 4, 4, generator=generator)
    return pictures.clamp(-1, 1), noise


def _picked(alpha_bar, steps):
    return alpha_bar[steps][:, None, None, None]


def _add_noise(pictures, noise, steps, alpha_bar):
    left = _picked(alpha_bar, steps)
    return left.sqrt() * pictures + (1 - left).sqrt() * noise


add_noise = Code(
    _add_noise,
    lambda: [(*_batch(), torch.tensor(steps), _schedule()) for steps in ([1, 80, 200], [0, 0, 150])],
    [
        (
            lambda p, n, t, a: _picked(a, t) * p + (1 - _picked(a, t)) * n,
            "ᾱ and 1 - ᾱ are shares of the variance. What is multiplied by a number has its variance multiplied by "
            "the square of that number.",
        ),
        (
            lambda p, n, t, a: _picked(a, t).sqrt() * p + n,
            "The noise must grow with the step: at step 0 there is none.",
        ),
        (
            lambda p, n, t, a: (1 - _picked(a, t)).sqrt() * p + _picked(a, t).sqrt() * n,
            "Picture and noise have changed places: ᾱ says how much of the picture is left.",
        ),
        (
            lambda p, n, t, a: a[t[0]].sqrt() * p + (1 - a[t[0]]).sqrt() * n,
            "Every picture of the batch has a step of its own. Yours gives all of them that of the first.",
        ),
    ],
    (
        "alpha_bar[steps] has the shape (B,). With [:, None, None, None] it meets (B, C, H, W).",
        "√ᾱ · picture + √(1 - ᾱ) · noise, with the ᾱ of each picture's step.",
    ),
    tolerance=1e-4,
)


def _waves(steps, size):
    slow = 10_000 ** -(torch.arange(size // 2) / (size // 2))
    angles = steps[:, None] * slow
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _waves_from_whole(steps, size):
    angles = steps[:, None] * 10_000 ** -(torch.arange(size // 2) / size)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _faster(steps, size):
    angles = steps[:, None] * torch.arange(size // 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _in_turns(steps, size):
    return torch.stack(_waves(steps, size).chunk(2, dim=1), dim=2).flatten(1)


embedding = Code(
    _waves,
    lambda: [(torch.tensor([0, 1, 50, 200]), 8), (torch.tensor([7]), 2)],
    [
        (
            lambda t, n: torch.cat(_waves(t, n).chunk(2, dim=1)[::-1], dim=1),
            "These are all of them. The sines come first.",
        ),
        (_in_turns, "These are all of them, in turns. First all sines, then all cosines."),
        (
            _faster,
            "Your waves become faster from one to the next. They should become slower, down to 10000^(-1).",
        ),
        (_waves_from_whole, "The exponent runs from 0 to nearly 1: i is divided by the number of waves, size / 2."),
    ],
    (
        "Build the angles (B, size / 2) first: every step times every factor.",
        "The factors are 10000 to the power of -i / (size / 2), for i = 0, 1, …; torch.cat joins sines and cosines.",
    ),
    tolerance=1e-4,
)  # fmt: skip


def _one_step(noisy, noise, step, to, alpha_bar):
    now, then = alpha_bar[step], alpha_bar[to]
    picture = (noisy - (1 - now).sqrt() * noise) / now.sqrt()
    return then.sqrt() * picture + (1 - then).sqrt() * noise


def _cases():
    pictures, noise = _batch()
    return [(pictures, noise, *pair, _schedule()) for pair in ((200, 150), (60, 59), (20, 0))]


def _picture(noisy, noise, now):
    return (noisy - (1 - now).sqrt() * noise) / now.sqrt()


one_step = Code(
    _one_step,
    _cases,
    [
        (
            lambda x, e, s, t, a: _picture(x, e, a[s]),
            "That is the picture which the network sees. It has to get noise again, as much as belongs to level `to`.",
        ),
        (
            lambda x, e, s, t, a: a[t].sqrt() * _picture(x, e, a[s]),
            "The noise is missing which belongs to the level `to`.",
        ),
        (
            lambda x, e, s, t, a: a[t].sqrt() * _picture(x, e, a[s]) + (1 - a[s]).sqrt() * e,
            "You put back the noise of the level that you have left. How much belongs to `to`?",
        ),
        (
            lambda x, e, s, t, a: a[t].sqrt() * (x - (1 - a[s]).sqrt() * e) + (1 - a[t]).sqrt() * e,
            "Without the noise, √ᾱ of the picture is left. Divide by it to have the whole picture.",
        ),
        (
            lambda x, e, s, t, a: x - e / max(s, 1),
            "Subtracting a little noise is the idea, but the picture must grow again, too: solve for it, and add.",
        ),
    ],
    (
        "First the picture: solve noisy = √ᾱ · picture + √(1 - ᾱ) · noise for it, with the ᾱ of `step`.",
        "Then add noise anew, with the same noise and the ᾱ of `to`.",
    ),
    tolerance=1e-3,
)


def _half():
    return int((_schedule() < 0.5).nonzero()[0, 0])


half = Numbers(
    _half,
    [
        (100, "Halfway in steps. But the steps grow: each takes a larger share than the one before."),
        (lambda: int((_schedule().sqrt() < 0.5).nonzero()[0, 0]),
         "There √ᾱ falls below one half, so a quarter of the variance is left."),
        (lambda: _half() - 1, "There slightly more than half is still left. Take the next."),
        (lambda: int((_schedule() < 0.01).nonzero()[0, 0]), "There hardly anything of the picture is left."),
    ],
    (
        "The share that is left is ᾱ, and not its root.",
        "Look for the first step whose ᾱ is below 0.5: (alpha_bar < 0.5).nonzero()[0].",
    ),
)  # fmt: skip


def _two_answers():
    chances = torch.exp(-((0.5 - torch.tensor([-1.0, 1.0])) ** 2) / 2)
    return float((chances * torch.tensor([-1.0, 1.0])).sum() / chances.sum())


two_answers = Numbers(
    _two_answers,
    [
        (1, "White is the more likely one, and so it is the best answer if only right and wrong count. Squared errors "
            "punish the times when it was black."),
        (0.5, "That is what was seen, with its noise. What is known of the pixel beforehand?"),
        (0, "That is the mean before anything was seen. Having seen 0.5, white is more likely than black."),
        (lambda: 1 / (1 + float(torch.exp(torch.tensor(-1.0)))),
         "That is the probability of white. The answer is the mean of -1 and 1 with these probabilities."),
        (lambda: float(torch.tanh(torch.tensor(0.25))), "Look at the exponents once more: (0.5 - 1)² and (0.5 + 1)²."),
    ],
    (
        "Which answer makes the mean of the squared errors smallest? The mean of what is possible, weighed.",
        "Weigh -1 with exp(-(0.5 + 1)² / 2) and 1 with exp(-(0.5 - 1)² / 2), and divide by the sum of the weights.",
    ),
    tolerance=0.005,
)  # fmt: skip


def _distances(images, others):
    return torch.cdist(images.flatten(1), others.flatten(1)).min(dim=1).values


def _images():
    generator = torch.Generator().manual_seed(1)
    others = torch.rand(6, 1, 4, 5, generator=generator)
    images = torch.cat([others[2:4], torch.rand(3, 1, 4, 5, generator=generator)])
    return [(images, others), (images[2:], others[:1])]


nearest = Code(
    _distances,
    _images,
    [
        (
            lambda a, b: torch.cdist(a.flatten(1), b.flatten(1)).mean(dim=1),
            "That is the mean distance to all of them. A copy is near to *one*.",
        ),
        (
            lambda a, b: torch.cdist(a.flatten(1), b.flatten(1)).min(dim=0).values,
            "For each training picture you look for the nearest generated one. The question goes the other way round.",
        ),
        (
            lambda a, b: torch.cdist(a.flatten(1), b.flatten(1)).min(dim=1).values ** 2,
            "These are the squares of the distances.",
        ),
        (
            lambda a, b: torch.cdist(a.flatten(1), b.flatten(1)).min(dim=1).indices,
            "That says *which* is the nearest. How far is it?",
        ),
    ],
    (
        "With flatten(1) each picture becomes a row, and torch.cdist gives all distances between two lists of rows.",
        "torch.cdist(...) is (N, M). Take the least of every row.",
    ),
    tolerance=1e-3,
)
