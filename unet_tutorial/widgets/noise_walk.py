"""Chapter 19: from noise to cells, stop by stop: what is there, and what the trained network sees in it."""

from __future__ import annotations

import functools

import torch

from .. import _svg as svg
from ..diffusion import load_denoiser, walk
from .kit import Choice, Explorer, Panel, Slider, State, asset, encode

SIZE = 256  # units of a picture
STARTS = (1, 2, 3, 4)
STOPS = tuple(range(200, -1, -20))  # of the fifty steps of the walk, every fifth
STEPS = 50


@functools.cache
def _walks() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return for every stop and start the noisy picture, what is seen in it, (stops, starts, 2, 32, 32), and all ᾱ.

    In double precision, so that the pictures are the same to the last bit, however many threads compute them.
    """
    model, alpha_bar = load_denoiser()
    model, alpha_bar = model.double(), alpha_bar.double()
    seeds = [torch.Generator().manual_seed(start) for start in STARTS]
    noise = torch.stack([torch.randn(2, 32, 32, generator=seed) for seed in seeds]).double()
    stops = [stop for stop in walk(model, noise, alpha_bar, steps=STEPS) if stop.step in STOPS]
    noisy = torch.stack([stop.noisy for stop in stops])
    seen = torch.stack([stop.noisy.clamp(-1, 1) if stop.picture is None else stop.picture for stop in stops])
    return noisy, seen, alpha_bar


def _grey(values: torch.Tensor) -> torch.Tensor:
    """Bring -1 to 1 to what a picture shows; noise beyond is black or white."""
    return ((values + 1) / 2).clamp(0, 1)


class NoiseWalk(Explorer):
    """A walk of the shipped model from noise to a picture of cells and its mask, for four starts.

    Parameters
    ----------
    step : int
        The level of noise, from 200, noise alone, to 0.
    start : {1, 2, 3, 4}
        Which noise it begins with.

    Examples
    --------
    >>> [NoiseWalk(step=step).shown.numbers["picture's variance that is left"] for step in (200, 0)]
    ['0 %', '100 %']
    """

    name = "noise-walk"
    title = "From noise to cells"
    step = Slider("Step", STOPS, default=STOPS[5])
    start = Choice("Noise at the start", STARTS, says="number {}".format)

    @classmethod
    def assets(cls):
        """Return what is there at every stop, and the image and the mask that the model sees in it."""
        noisy, seen, _ = _walks()
        found = {}
        for stop, step in enumerate(STOPS):
            for place, start in enumerate(STARTS):
                found[asset("noisy", step, start)] = encode(_grey(noisy[stop, place, 0]), quality=70)
                found[asset("image", step, start)] = encode(_grey(seen[stop, place, 0]), quality=80)
                found[asset("mask", step, start)] = encode(_grey(seen[stop, place, 1]), quality=80)
        return found

    @classmethod
    def state(cls, step, start):
        """Return what is there, what is seen in it, and how far that still is from the picture at the end."""
        _, seen, alpha_bar = _walks()
        stop, place = STOPS.index(step), STARTS.index(start)
        left = alpha_bar[step].item()
        of_cells = (seen[stop, place, 1] > 0).float().mean().item()
        away = ((seen[stop, place, 0] - seen[-1, place, 0]) / 2).square().mean().sqrt().item()
        numbers = {
            "picture's variance that is left": f"{left:.0%}".replace("%", " %"),
            "cells in the mask that is seen": f"{of_cells:.0%}".replace("%", " %"),
            "difference from the end, in grey values": f"{away:.2f}",
        }
        first = f"Step {step}: " + (
            "nothing but noise, number" if step == STOPS[0] else "the picture, of noise number"
            if step == 0 else "a picture in noise, of number"
        )  # fmt: skip
        words = (
            f"{first} {start}. The network sees a picture in it of which {numbers['cells in the mask that is seen']} "
            f"are cells, and whose grey values are {away:.2f} away from those at the end."
        )
        views = {"What is there": "noisy", "The picture seen in it": "image", "Its mask": "mask"}
        panels = (Panel(title, svg.picture(asset(kind, step, start), SIZE, title)) for title, kind in views.items())
        return State(words, numbers, tuple(panels))
