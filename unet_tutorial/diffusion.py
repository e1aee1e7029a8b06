"""From noise to pictures: a noise schedule, a U-Net that is told the step, its loss, and the way back, step by step.

Levels of noise are numbered from 0, the clean picture, to T, (nearly) pure noise. How much of the picture's variance is
left at level t is ``alpha_bar[t]``: a tensor of T + 1 numbers that begins with 1, see `noise_schedule`. Pictures are
expected around 0, from -1 to 1, as ``2 * image - 1`` makes them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from tqdm.auto import tqdm

from . import _contract, _kept, _saved
from ._checks import number, whole_number
from ._modes import computing, mode
from .unet import CHANNELS, Decoder, check_images, common_config, contracting_path

_FIRST, _LAST, _STEPS = 1e-4, 0.02, 1000  # of Ho, Jain and Abbeel
_LONGEST = 10_000  # the slowest wave of `step_embedding`
_FEWEST = 25  # with fewer steps, the last would take more than 0.8 of what is left


def noise_schedule(steps: int = _STEPS) -> torch.Tensor:
    """Return how much of the picture's variance is left at every level of noise: ᾱ of the levels 0 to ``steps``.

    Step t multiplies what is left by 1 - β_t. The β are evenly spaced, as in the paper, where they rise from 0.0001 to
    0.02 in 1000 steps. For another number of steps they are scaled, so that about as much noise is there at the end.

    Parameters
    ----------
    steps : int, default 1000
        The number of steps T, at least 25.

    Returns
    -------
    torch.Tensor
        float32 (steps + 1,), from 1, the clean picture, down to about 0.00004.

    Raises
    ------
    ValueError
        If ``steps`` is no whole number of at least 25.

    References
    ----------
    Ho, Jain and Abbeel 2020, arXiv:2006.11239, section 4.

    Examples
    --------
    >>> alpha_bar = noise_schedule(200)
    >>> alpha_bar.shape, alpha_bar[0].item(), f"{alpha_bar[-1]:.0e}"
    (torch.Size([201]), 1.0, '3e-05')
    """
    steps = whole_number("steps", steps, least=_FEWEST)
    beta = torch.linspace(_FIRST, _LAST, steps, dtype=torch.float64) * (_STEPS / steps)
    left = torch.cumprod(1 - beta, dim=0)
    return torch.cat([torch.ones(1, dtype=torch.float64), left]).float()


def add_noise(
    pictures: torch.Tensor, noise: torch.Tensor, steps: torch.Tensor, alpha_bar: torch.Tensor
) -> torch.Tensor:
    """Bring pictures to levels of noise in one go: √ᾱ · picture + √(1 - ᾱ) · noise.

    Parameters
    ----------
    pictures : torch.Tensor
        Clean pictures (B, C, H, W), floating point, around 0.
    noise : torch.Tensor
        Standard normal numbers of the same shape.
    steps : torch.Tensor
        int64 (B,): the level of each picture, from 0 to T.
    alpha_bar : torch.Tensor
        What `noise_schedule` returns.

    Returns
    -------
    torch.Tensor
        (B, C, H, W).

    Raises
    ------
    ValueError
        If a tensor has another shape or dtype, is not finite, or a level is none of the schedule's.

    References
    ----------
    Ho, Jain and Abbeel 2020, arXiv:2006.11239, equation 4.

    Examples
    --------
    >>> pictures, noise = torch.ones(2, 1, 1, 1), torch.zeros(2, 1, 1, 1)
    >>> add_noise(pictures, noise, torch.tensor([0, 200]), noise_schedule(200)).flatten()
    tensor([1.0000, 0.0055])
    """
    _check_pair("pictures", pictures, "noise", noise)
    left = _left(alpha_bar, steps, pictures)  # (B, 1, 1, 1)
    return left.sqrt() * pictures + (1 - left).sqrt() * noise


def remove_noise(
    noisy: torch.Tensor, noise: torch.Tensor, steps: torch.Tensor, alpha_bar: torch.Tensor
) -> torch.Tensor:
    """Undo `add_noise` where the noise is known, or guessed: (noisy - √(1 - ᾱ) · noise) / √ᾱ.

    Parameters
    ----------
    noisy : torch.Tensor
        (B, C, H, W).
    noise : torch.Tensor
        The noise that is in it, or what a network takes for it; of the same shape.
    steps : torch.Tensor
        int64 (B,): the level of each picture, from 0 to T.
    alpha_bar : torch.Tensor
        What `noise_schedule` returns.

    Returns
    -------
    torch.Tensor
        (B, C, H, W): clean pictures, or what the network takes for them.

    Raises
    ------
    ValueError
        If a tensor has another shape or dtype, is not finite, or a level is none of the schedule's.

    Examples
    --------
    >>> pictures, noise = torch.rand(2, 1, 4, 4), torch.randn(2, 1, 4, 4)
    >>> steps, alpha_bar = torch.tensor([20, 100]), noise_schedule(200)
    >>> again = remove_noise(add_noise(pictures, noise, steps, alpha_bar), noise, steps, alpha_bar)
    >>> torch.allclose(again, pictures, atol=1e-5)
    True
    """
    _check_pair("noisy", noisy, "noise", noise)
    left = _left(alpha_bar, steps, noisy)  # (B, 1, 1, 1)
    return (noisy - (1 - left).sqrt() * noise) / left.sqrt()


def step_embedding(steps: torch.Tensor, size: int = 64) -> torch.Tensor:
    """Write each step as waves: the sines and the cosines of step · 10000^(-2i / size), for i from 0 to size / 2 - 1.

    Parameters
    ----------
    steps : torch.Tensor
        Whole numbers (B,).
    size : int, default 64
        How many numbers stand for a step; even.

    Returns
    -------
    torch.Tensor
        float32 (B, size): first all sines, then all cosines.

    Raises
    ------
    ValueError
        If ``steps`` is no tensor (B,) of whole numbers of at least 0, or ``size`` is not even.

    References
    ----------
    Vaswani et al. 2017, arXiv:1706.03762, section 3.5, for positions in a text, with sines and cosines in turn.

    Examples
    --------
    >>> step_embedding(torch.tensor([0, 1]), size=4)
    tensor([[0.0000, 0.0000, 1.0000, 1.0000],
            [0.8415, 0.0100, 0.5403, 0.9999]])
    """
    _check_steps(steps)
    if whole_number("size", size, least=2) % 2:
        raise ValueError(f"size must be even, as many sines as cosines, but got {size}.")
    exponents = torch.arange(size // 2, device=steps.device) / (size // 2)
    angles = steps[:, None].float() * _LONGEST**-exponents  # (B, size / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class StepUNet(nn.Module):
    """A U-Net that is told a step: the same blocks, and after each of them a number a channel that the step decides.

    Parameters
    ----------
    in_channels : int, default 1
        Channels of the pictures, and of the answer: of an image alone, or of an image and its mask.
    channels : sequence of int, default (64, 128, 256, 512, 1024)
        Channels of every stage, finest first, and of the bottleneck, last.
    norm : {"batch", "group", "none"}, default "batch"
        The normalization, see `unet_tutorial.blocks.normalization`. ``"group"`` subtracts from every picture its own
        means: less is left of how bright the whole is, and what is drawn may become much too bright or too dark.
    embedding : int, default 64
        How many numbers stand for the step, see `step_embedding`.

    Attributes
    ----------
    encoder, bottleneck, decoder, head : torch.nn.Module
        The parts of a `unet_tutorial.unet.UNet`.
    embed : torch.nn.Module
        Two linear layers that the embedding of the step passes.
    shifts : torch.nn.ModuleList
        For every block a linear layer, from the embedding to the block's channels.
    config : dict
        The arguments, so that ``StepUNet(**model.config)`` builds the same architecture again.

    Raises
    ------
    ValueError
        If an argument is unknown or not positive; at the call, if the pictures are no floating point tensor
        (B, in_channels, H, W) with sides of at least ``2**(len(channels) - 1)``, or ``steps`` no int64 (B,).

    References
    ----------
    Ho, Jain and Abbeel 2020, arXiv:2006.11239. Their network adds the step inside of residual blocks, and has attention
    at one resolution.

    Examples
    --------
    >>> model = StepUNet(1, channels=(8, 16))
    >>> model(torch.zeros(2, 1, 32, 32), torch.tensor([1, 200])).shape
    torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 1,
        *,
        channels: Sequence[int] = CHANNELS,
        norm: str = "batch",
        embedding: int = 64,
    ):
        super().__init__()
        common = common_config(in_channels, in_channels, channels)
        widths, in_channels = common["channels"], common["in_channels"]
        self.embedding = whole_number("embedding", embedding, least=2)
        step_embedding(torch.zeros(1, dtype=torch.int64), self.embedding)  # refuses an odd one
        self.encoder, self.bottleneck = contracting_path(common, "double", norm)
        self.decoder = Decoder(widths, "double", norm)
        self.head = nn.Conv2d(widths[0], in_channels, kernel_size=1)
        self.embed = nn.Sequential(
            nn.Linear(self.embedding, self.embedding), nn.SiLU(), nn.Linear(self.embedding, self.embedding), nn.SiLU()
        )
        self.shifts = nn.ModuleList(nn.Linear(self.embedding, width) for width in (*widths, *widths[-2::-1]))
        self.config = {"in_channels": in_channels, "channels": widths, "norm": norm, "embedding": self.embedding}

    def forward(self, x: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        check_images(x, self.config["in_channels"], len(self.config["channels"]) - 1)
        _contract.same_numbers("images", x, self.head.weight)
        _check_steps(steps, len(x))
        step = self.embed(step_embedding(steps, self.embedding).to(self.head.weight.dtype))  # (B, embedding)
        shifts = iter([shift(step)[:, :, None, None] for shift in self.shifts])  # (B, channels, 1, 1) each
        skips = []
        for stage in self.encoder.stages:
            x = stage(x) + next(shifts)  # (B, channels[i], H / 2**i, W / 2**i)
            skips.append(x)
            x = self.encoder.pool(x)
        x = self.bottleneck(x) + next(shifts)
        for block, skip in zip(self.decoder.blocks, reversed(skips), strict=True):
            x = block(x, skip) + next(shifts)
        return self.head(x)  # (B, in_channels, H, W)


def noise_loss(
    model: nn.Module, pictures: torch.Tensor, alpha_bar: torch.Tensor, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Add noise at random levels, ask the model for the noise, and return the mean squared error of its answer.

    Parameters
    ----------
    model : torch.nn.Module
        Takes noisy pictures (B, C, H, W) and steps (B,), and returns the noise that it sees, (B, C, H, W).
    pictures : torch.Tensor
        Clean pictures (B, C, H, W), floating point, around 0.
    alpha_bar : torch.Tensor
        What `noise_schedule` returns. Every level from 1 to T is drawn equally often.
    generator : torch.Generator, optional
        Where levels and noise come from.

    Returns
    -------
    torch.Tensor
        A scalar. 1 is what the answer "no noise" gets.

    Raises
    ------
    ValueError
        If a tensor has another shape or dtype, or is not finite, or the model answers with another shape.

    References
    ----------
    Ho, Jain and Abbeel 2020, arXiv:2006.11239, equation 14: the loss that they call simple.

    Examples
    --------
    >>> blind = lambda noisy, steps: torch.zeros_like(noisy)
    >>> torch.manual_seed(0)
    <torch._C.Generator object at ...>
    >>> f"{noise_loss(blind, torch.zeros(8, 1, 32, 32), noise_schedule(200)):.1f}"
    '1.0'
    """
    _check_pictures("pictures", pictures)
    _check_schedule(alpha_bar, pictures)
    where: dict[str, Any] = {"generator": generator, "device": pictures.device}
    steps = torch.randint(1, len(alpha_bar), (len(pictures),), **where)
    noise = torch.randn(pictures.shape, dtype=pictures.dtype, **where)
    return F.mse_loss(_answer(model, add_noise(pictures, noise, steps, alpha_bar), steps), noise)


def fit_noise(
    model: nn.Module,
    pictures: torch.Tensor,
    alpha_bar: torch.Tensor,
    *,
    updates: int,
    batch_size: int = 32,
    learning_rate: float = 0.003,
    progress: bool = True,
) -> list[float]:
    """Train a model to see noise, with AdamW and one cycle of the learning rate.

    Parameters
    ----------
    model : torch.nn.Module
        As for `noise_loss`; changed in place, and afterwards in the mode in which it was.
    pictures : torch.Tensor
        Clean pictures (N, C, H, W), around 0, on the model's device. Every batch is drawn from all of them.
    alpha_bar : torch.Tensor
        What `noise_schedule` returns.
    updates : int
        How often the weights are changed. (The word *step* is taken.)
    batch_size : int, default 32
        Pictures in a batch.
    learning_rate : float, default 0.003
        The highest one of the cycle.
    progress : bool, default True
        Show a progress bar. Setting the environment variable ``TQDM_DISABLE=1`` hides all of them.

    Returns
    -------
    list of float
        The loss of every batch.

    Raises
    ------
    ValueError
        If an argument is out of range or of another kind.
    FloatingPointError
        If the loss is not finite.

    Examples
    --------
    >>> torch.manual_seed(0)
    <torch._C.Generator object at ...>
    >>> losses = fit_noise(
    ...     StepUNet(1, channels=(8, 16)), torch.zeros(4, 1, 8, 8), noise_schedule(200), updates=50, progress=False
    ... )
    >>> losses[-1] < losses[0]
    True
    """
    computing(model)
    _check_pictures("pictures", pictures)
    _check_schedule(alpha_bar, pictures)
    updates, batch_size = whole_number("updates", updates), whole_number("batch_size", batch_size)
    rate = number("learning_rate", learning_rate, above_zero=True)
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ValueError(f"model must have weights that can be trained, but {type(model).__name__} has none.")
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=updates, cycle_momentum=False)
    losses: list[float] = []
    with mode(model, training=True), tqdm(total=updates, disable=None if progress else True, leave=False) as bar:
        while len(losses) < updates:
            batch = pictures[torch.randint(len(pictures), (batch_size,))]
            loss = noise_loss(model, batch, alpha_bar)
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise FloatingPointError(
                    f"the loss is {losses[-1]} in update {len(losses)}. Lower the learning rate, {rate:g}."
                )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            bar.update()
    return losses


def step_back(
    noisy: torch.Tensor,
    noise: torch.Tensor,
    step: int,
    to: int,
    alpha_bar: torch.Tensor,
    *,
    eta: float = 0.0,
    clip: bool = True,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Go from one level of noise to a lower one, with what a network takes for the noise.

    The picture that this noise leaves, see `remove_noise`, gets noise again, as much as belongs to the lower level:
    with ``eta=0`` the same noise, less of it (DDIM); with ``eta=1`` partly fresh noise, which is the step of Ho, Jain
    and Abbeel (DDPM) where ``to`` is ``step - 1``, with the smaller one of their two variances.

    Parameters
    ----------
    noisy : torch.Tensor
        (B, C, H, W), all at level ``step``.
    noise : torch.Tensor
        The network's answer, of the same shape.
    step, to : int
        The level of now, at least 1, and that of the result, below it.
    alpha_bar : torch.Tensor
        What `noise_schedule` returns.
    eta : float, default 0.0
        How much of the noise is fresh, from 0 to 1.
    clip : bool, default True
        Keep the picture that is meant between -1 and 1, where the pictures of the training lie.
    generator : torch.Generator, optional
        Where fresh noise comes from.

    Returns
    -------
    torch.Tensor
        (B, C, H, W), at level ``to``.

    Raises
    ------
    ValueError
        If a tensor has another shape or dtype, or is not finite, or a number is out of range.

    References
    ----------
    Song, Meng and Ermon 2021, arXiv:2010.02502, equations 12 and 16. Ho, Jain and Abbeel 2020, arXiv:2006.11239,
    section 3.2 and algorithm 2. They clip, too, in their published code.

    Examples
    --------
    >>> picture, noise, alpha_bar = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), noise_schedule(200)
    >>> noisy = add_noise(picture, noise, torch.tensor([100]), alpha_bar)
    >>> torch.equal(step_back(noisy, noise, 100, 0, alpha_bar), picture)
    True
    """
    _check_pair("noisy", noisy, "noise", noise)
    _check_schedule(alpha_bar, noisy)
    step, to = whole_number("step", step), whole_number("to", to, least=0)
    eta = number("eta", eta)
    if not to < step < len(alpha_bar) or eta > 1:
        raise ValueError(
            f"step must lie above to, and both in the schedule of {len(alpha_bar) - 1} steps, and eta between 0 and 1, "
            f"but got step {step}, to {to} and eta {eta:g}."
        )
    steps = torch.full((len(noisy),), step, device=noisy.device)
    picture = remove_noise(noisy, noise, steps, alpha_bar)
    left, then = (alpha_bar[level].to(noisy.device, noisy.dtype) for level in (step, to))
    if clip:
        picture = picture.clamp(-1, 1)
        noise = (noisy - left.sqrt() * picture) / (1 - left).sqrt()  # what is noise, if this is the picture
    fresh = eta * ((1 - then) / (1 - left) * (1 - left / then)).sqrt()  # its standard deviation; 0 at the last step
    result = then.sqrt() * picture + (1 - then - fresh**2).clamp(min=0).sqrt() * noise
    if eta > 0:
        result = result + fresh * torch.randn(noisy.shape, generator=generator, device=noisy.device, dtype=noisy.dtype)
    return result


class Stop(NamedTuple):
    """Where a walk from noise to a picture stands.

    Attributes
    ----------
    step : int
        The level of noise.
    noisy : torch.Tensor
        (B, C, H, W), at this level.
    picture : torch.Tensor or None
        The clean picture that the model saw in it on the way to the next stop, (B, C, H, W), from -1 to 1 if clipped;
        None at the last stop, where nothing is left to be seen.

    Examples
    --------
    >>> Stop(200, torch.zeros(1, 1, 2, 2), None).step
    200
    """

    step: int
    noisy: torch.Tensor
    picture: torch.Tensor | None


def walk(
    model: nn.Module,
    start: torch.Tensor,
    alpha_bar: torch.Tensor,
    *,
    steps: int | None = None,
    eta: float = 0.0,
    clip: bool = True,
    generator: torch.Generator | None = None,
) -> Iterator[Stop]:
    """Go from noise to pictures, and stop at every level on the way.

    Parameters
    ----------
    model : torch.nn.Module
        As for `noise_loss`. It is in eval mode while it is asked.
    start : torch.Tensor
        Standard normal numbers (B, C, H, W), on the model's device.
    alpha_bar : torch.Tensor
        The schedule with which the model was trained.
    steps : int, optional
        How many steps, at most those of the schedule; evenly spaced. All of them if not given.
    eta, clip, generator
        As in `step_back`.

    Yields
    ------
    Stop
        ``steps + 1`` of them, from the noise to the pictures.

    Raises
    ------
    ValueError
        If an argument is out of range or of another kind; with the first stop, as in every generator.

    Examples
    --------
    >>> blind = lambda noisy, steps: torch.zeros_like(noisy)
    >>> [stop.step for stop in walk(blind, torch.zeros(1, 1, 4, 4), noise_schedule(200), steps=4)]
    [200, 150, 100, 50, 0]
    """
    _check_pictures("start", start)
    _check_schedule(alpha_bar, start)
    last = len(alpha_bar) - 1
    steps = last if steps is None else whole_number("steps", steps)
    if steps > last:
        raise ValueError(f"steps must be at most those of the schedule, {last}, but got {steps}.")
    levels = [round(last * (steps - i) / steps) for i in range(steps + 1)]
    noisy = start
    for step, to in zip(levels, levels[1:], strict=False):
        at = torch.full((len(noisy),), step, device=noisy.device)
        with torch.no_grad():
            noise = _asked(model, noisy, at)
            picture = remove_noise(noisy, noise, at, alpha_bar)
            yield Stop(step, noisy, picture.clamp(-1, 1) if clip else picture)
            noisy = step_back(noisy, noise, step, to, alpha_bar, eta=eta, clip=clip, generator=generator)
    yield Stop(0, noisy, None)


def sample(model: nn.Module, start: torch.Tensor, alpha_bar: torch.Tensor, **options: Any) -> torch.Tensor:
    """Go from noise to pictures, and return the pictures.

    Parameters
    ----------
    model, start, alpha_bar
        As in `walk`.
    **options
        ``steps``, ``eta``, ``clip`` and ``generator`` of `walk`. As they are if not given, the walk takes all steps
        and draws no fresh noise: the same start gives the same pictures. For the sampler of Ho, Jain and Abbeel,
        ``eta=1``.

    Returns
    -------
    torch.Tensor
        (B, C, H, W).

    Raises
    ------
    ValueError
        As in `walk`.

    Examples
    --------
    >>> torch.manual_seed(0)
    <torch._C.Generator object at ...>
    >>> start = torch.randn(2, 1, 8, 8)
    >>> sample(StepUNet(1, channels=(4, 8)), start, noise_schedule(200), steps=10).shape
    torch.Size([2, 1, 8, 8])
    """
    *_, stop = walk(model, start, alpha_bar, **options)
    return stop.noisy


def gaussian_denoiser(mean: float, std: float, alpha_bar: torch.Tensor) -> nn.Module:
    """Return the best possible model for pictures whose pixels are normal numbers, independent of each other.

    It is the only kind of picture here for which the answer is known: the noise is, in the mean,
    √(1 - ᾱ) · (noisy - √ᾱ · mean) / (ᾱ · std² + 1 - ᾱ). Samplers can be tested with it.

    Parameters
    ----------
    mean : float
        Of the pixels.
    std : float
        Their standard deviation, above 0.
    alpha_bar : torch.Tensor
        What `noise_schedule` returns.

    Returns
    -------
    torch.nn.Module
        Takes noisy pictures (B, C, H, W) and steps (B,), as `StepUNet` does; it has no weights.

    Raises
    ------
    ValueError
        If a number is not finite, or ``std`` not above 0.

    Examples
    --------
    >>> torch.manual_seed(0)
    <torch._C.Generator object at ...>
    >>> alpha_bar = noise_schedule(200)
    >>> model = gaussian_denoiser(0.5, 0.1, alpha_bar)
    >>> pixels = sample(model, torch.randn(4, 1, 64, 64), alpha_bar, clip=False)
    >>> abs(pixels.mean() - 0.5) < 0.01, abs(pixels.std() - 0.1) < 0.01  # but for chance, and for the last steps
    (tensor(True), tensor(True))
    """
    _check_schedule(alpha_bar, alpha_bar)
    negative = isinstance(mean, (int, float)) and mean < 0
    mean = -number("mean", -mean) if negative else number("mean", mean)
    return _Gaussian(mean, number("std", std, above_zero=True), alpha_bar)


class _Gaussian(nn.Module):
    """See `gaussian_denoiser`."""

    def __init__(self, mean: float, std: float, alpha_bar: torch.Tensor):
        super().__init__()
        self.mean, self.std, self.alpha_bar = mean, std, alpha_bar

    def forward(self, x: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        left = _left(self.alpha_bar, steps, x)
        return (1 - left).sqrt() * (x - left.sqrt() * self.mean) / (left * self.std**2 + 1 - left)


def denoiser_record() -> dict[str, Any]:
    """Read how the model of `load_denoiser` was trained: architecture, recipe, seed, losses, the command to repeat it.

    Returns
    -------
    dict

    Examples
    --------
    >>> denoiser_record()["recipe"]["levels"]
    200
    """
    return _kept.read("denoisers", "cells")


def load_denoiser() -> tuple[StepUNet, torch.Tensor]:
    """Load the trained model that comes with the package, in eval mode and on the CPU, with its schedule.

    It has learned image and mask together, as two channels, from what `unet_tutorial.data.synthetic.small_cells` draws.

    Returns
    -------
    model : StepUNet
        Takes noisy pictures (B, 2, 32, 32) around 0, and steps (B,), and returns the noise.
    alpha_bar : torch.Tensor
        The schedule.

    Examples
    --------
    >>> model, alpha_bar = load_denoiser()
    >>> model(torch.zeros(1, 2, 32, 32), torch.tensor([200])).shape
    torch.Size([1, 2, 32, 32])
    """
    record = denoiser_record()
    model = _saved.shipped("denoisers", "cells", StepUNet(**record["config"]))
    return model, noise_schedule(record["recipe"]["levels"])


def _answer(model: Any, noisy: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Ask a model for the noise; refuse what is no model, or no answer."""
    if not callable(model) or isinstance(model, type) or not _takes_two(model):
        raise ValueError(
            f"model must take noisy pictures and steps, such as StepUNet(1, channels=(16, 32, 64)), but got "
            f"{model.__name__ if isinstance(model, type) else type(model).__name__}."
        )
    answer = model(noisy, steps)
    if not isinstance(answer, torch.Tensor) or answer.shape != noisy.shape:
        came = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
        raise ValueError(f"model must return the noise, of the pictures' shape {tuple(noisy.shape)}, but got {came}.")
    return answer


def _takes_two(model: Any) -> bool:
    """Whether a model can be called with two arguments, as far as that can be told."""
    try:
        inspect.signature(model.forward if isinstance(model, nn.Module) else model).bind(0, 0)
    except TypeError:
        return False
    except ValueError:  # some functions of C do not tell
        return True
    return True


def _asked(model: Any, noisy: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Ask a model in eval mode."""
    if not isinstance(model, nn.Module):
        return _answer(model, noisy, steps)
    with mode(computing(model), training=False):
        return _answer(model, noisy, steps)


def _check_pictures(name: str, value: Any) -> None:
    """Refuse what is no batch of pictures."""
    _contract.tensor(name, value)
    if value.ndim != 4 or value.dtype not in _contract.FLOATS or not value.numel():
        kind = str(value.dtype).removeprefix("torch.")
        raise ValueError(
            f"{name} must be floating point of the shape (B, C, H, W), but got {kind} of shape {tuple(value.shape)}."
        )
    if not torch.isfinite(value).all():
        raise ValueError(f"{name} must be finite, but holds NaN or infinity.")


def _check_pair(name: str, value: Any, other_name: str, other: Any) -> None:
    """Refuse two batches of pictures that are not alike."""
    _check_pictures(name, value)
    _check_pictures(other_name, other)
    if value.shape != other.shape or value.device != other.device or value.dtype != other.dtype:
        raise ValueError(
            f"{name} and {other_name} must have the same shape, dtype and device, but got {tuple(value.shape)}, "
            f"{value.dtype}, '{value.device}' and {tuple(other.shape)}, {other.dtype}, '{other.device}'."
        )


def _check_steps(steps: Any, count: int | None = None) -> None:
    """Refuse what is no step for every picture."""
    _contract.tensor("steps", steps)
    expected = "(B,)" if count is None else f"({count},)"
    if steps.dtype not in (torch.int64, torch.int32) or steps.ndim != 1 or count not in (None, len(steps)):
        kind = str(steps.dtype).removeprefix("torch.")
        raise ValueError(
            f"steps must be int64 of the shape {expected}, one for every picture, but got {kind} of shape "
            f"{tuple(steps.shape)}. For the same step everywhere: torch.full((len(pictures),), step)."
        )
    if len(steps) == 0 or steps.min() < 0:
        raise ValueError(f"steps must be at least one, each of at least 0, but got {steps.tolist()[:6]}.")


def _check_schedule(alpha_bar: Any, pictures: torch.Tensor) -> None:
    """Refuse what `noise_schedule` does not return."""
    _contract.tensor("alpha_bar", alpha_bar)
    right = alpha_bar.ndim == 1 and alpha_bar.dtype in _contract.FLOATS and len(alpha_bar) > 1
    if not right or alpha_bar[0] != 1 or not (alpha_bar[-1] > 0) or not (alpha_bar[1:] < alpha_bar[:-1]).all():
        raise ValueError(
            "alpha_bar must fall from 1 to a number above 0, one number a level, but does not. Make it with "
            "noise_schedule(200)."
        )


def _left(alpha_bar: torch.Tensor, steps: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """Return ᾱ of the level of each picture, (B, 1, 1, 1)."""
    _check_schedule(alpha_bar, pictures)
    _check_steps(steps, len(pictures))
    if steps.max() >= len(alpha_bar):
        raise ValueError(f"steps must be at most {len(alpha_bar) - 1}, the last of alpha_bar, but got {steps.max()}.")
    return alpha_bar[steps.to(alpha_bar.device)].to(pictures.device, pictures.dtype)[:, None, None, None]
