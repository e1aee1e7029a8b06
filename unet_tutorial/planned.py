"""A plan carried out: a network trained within its minutes, the numbers behind it chosen, and all of it in one file."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from . import _answers, _crops, _saved
from ._answers import USUAL as USUAL  # for whoever puts a Planned together
from .checkpoints import write_checkpoint
from .data.targets import labelled, target
from .devices import choose_device
from .losses import weighted_cross_entropy
from .plan import Plan, Reason, prepare, told
from .training import train_step
from .unet import UNet

FORMAT = "unet_tutorial plan 1"  #: What the file of `save_planned` says of itself.
WIDTHS = (8, 16, 24)  #: Channels of the first stage, among which the speed of the machine decides.
ENOUGH_STEPS = 3000  # so many steps must fit into the time for a wider network than the first
LEARNING_RATE, WARM_UP = 0.005, 0.1  # the highest, and the share of the time after which it is reached
KEPT_ASIDE = 30  # pictures at most, by which the numbers are chosen


@dataclass
class Planned:
    """What came of a plan: the network, and all that prediction needs beside it.

    Parameters
    ----------
    model : UNet
        In eval mode, on the CPU.
    plan : Plan
        The plan that was carried out.
    numbers : dict of str to float
        What turns probabilities into an answer. ``foreground``: above which one a pixel belongs to an object;
        ``votes``: see `unet_tutorial.votes.from_votes`; ``seed``: see `unet_tutorial.instances.from_logits`;
        ``smallest``: smaller objects are left out, as a share of the area of a typical one.
    reasons : tuple of Reason
        What was measured and chosen, and why.
    scores : dict of str to float, optional
        Of the pictures by which the numbers were chosen, as `unet_tutorial.metrics.mean_scores`.

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> from unet_tutorial.plan import plan
    >>> recipe = plan(nuclei_pieces())
    >>> Planned(build(recipe, 4), recipe, USUAL).model.depth == recipe.depth
    True
    """

    model: UNet
    plan: Plan
    numbers: dict[str, float]
    reasons: tuple[Reason, ...] = ()
    scores: dict[str, float] | None = None

    def __str__(self) -> str:
        return told((*self.plan.reasons, *self.reasons))


def carry_out(
    recipe: Plan,
    train: Any,
    val: Any = None,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    clock: Callable[[], float] = time.perf_counter,
    progress: bool = True,
) -> Planned:
    """Train as planned, as long as the plan says, and choose the numbers behind the network.

    The learning rate follows the clock and not the steps: it rises for the first tenth of the time and falls to
    nothing until its end (half a wave of the cosine), whatever else the machine has to do meanwhile. For the same
    reason two runs are not equal to the last digit. Ctrl-C, or the stop button of a notebook, ends the training early.

    Parameters
    ----------
    recipe : Plan
        What `unet_tutorial.plan.plan` returned.
    train : data set
        As for `unet_tutorial.plan.plan`.
    val : data set, optional
        Pictures by which the numbers are chosen. If not given, a fifth of ``train`` is kept aside for it, at most 30
        pictures; of fewer than ten, none. Where ``train`` has ``groups``, pictures of one group stay together.
    seed : int, default 0
        Of the weights, the crops, and which pictures are kept aside.
    device : str or torch.device, optional
        Where to train, see `unet_tutorial.devices.choose_device`.
    clock : callable, default time.perf_counter
        Returns seconds.
    progress : bool, default True
        Show a progress bar, in seconds.

    Returns
    -------
    Planned
        ``print(planned)`` says everything that was decided, measured and chosen.

    Raises
    ------
    ValueError
        If the pictures do not fit the plan.
    FloatingPointError
        If the loss is not finite.

    References
    ----------
    Loshchilov and Hutter 2017, arXiv:1608.03983, for the cosine.

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> from unet_tutorial.plan import plan
    >>> pieces = nuclei_pieces()
    >>> planned = carry_out(plan(pieces, minutes=0.02), pieces, progress=False)
    >>> predict_picture(planned, pieces.images[0]).shape, planned.reasons[-1].rule
    (torch.Size([128, 128]), 'numbers')
    """
    end = clock() + 60 * recipe.minutes
    where = choose_device(device)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    marked = labelled(train)
    groups = getattr(train, "groups", range(len(train)))
    aside = [marked[i] for i in _kept_aside([groups[i] for i in marked], rng)] if val is None else []
    judges = [(train, i) for i in aside] if val is None else [(val, i) for i in labelled(val)]
    learned = [i for i in marked if i not in set(aside)]
    kept = [_crops.keep(train.images[i], target(train, i), recipe) for i in learned]
    batches = _crops.batches(kept, recipe, rng, where)
    loss = partial(_loss, recipe=recipe)
    width, seconds = _width(recipe, next(batches), loss, end - clock(), clock)
    model = build(recipe, width).to(where, memory_format=torch.channels_last)
    steps = _train(model, batches, loss, end, clock, progress)
    why = f"a step takes {1000 * seconds:.0f} ms here, and there was time for {steps}, on {len(kept)} pictures"
    reasons = (Reason("width", f"{width} channels", why),)
    model = model.cpu().eval()
    numbers, scores, chosen = _answers.choose(model, recipe, judges[:: max(1, len(judges) // KEPT_ASIDE)])
    return Planned(model, recipe, numbers, (*reasons, chosen), scores)


def predict_picture(planned: Planned, image: np.ndarray) -> torch.Tensor:
    """Find in a picture what the plan was made for.

    Parameters
    ----------
    planned : Planned
        What `carry_out` or `load_planned` returned.
    image : numpy.ndarray
        (H, W) or (H, W, C), of any size and as it was read, see `unet_tutorial.plan.prepare`.

    Returns
    -------
    torch.Tensor
        int64 (H, W), at the size of the picture: numbers of objects, or classes, or 0 and 1.

    Raises
    ------
    ValueError
        If the image is something else.

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> from unet_tutorial.plan import plan
    >>> recipe = plan(nuclei_pieces())
    >>> predict_picture(Planned(build(recipe, 4).eval(), recipe, USUAL), np.zeros((30, 50))).shape
    torch.Size([30, 50])
    """
    model, recipe, numbers = planned.model, planned.plan, planned.numbers
    planes = prepare(image, recipe)
    return _answers.read(recipe, numbers, _answers.look(model, recipe, numbers, planes), planes.shape[1:])


def save_planned(planned: Planned, path: str | Path) -> None:
    """Write a network with its plan and its numbers into one file.

    Parameters
    ----------
    planned : Planned
        What `carry_out` returned.
    path : str or pathlib.Path
        The file. One that is there is replaced.

    Raises
    ------
    ValueError
        If the folder is not there.

    Examples
    --------
    >>> import tempfile
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> from unet_tutorial.plan import plan
    >>> recipe = plan(nuclei_pieces())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_planned(Planned(build(recipe, 4), recipe, USUAL), Path(folder) / "model.pt")
    ...     load_planned(Path(folder) / "model.pt").plan == recipe
    True
    """
    content = asdict(planned.plan) | {"reasons": [tuple(reason) for reason in planned.plan.reasons]}
    rest = {"numbers": planned.numbers, "scores": planned.scores, "reasons": [tuple(one) for one in planned.reasons]}
    weights = {"config": planned.model.config, "model": planned.model.state_dict()}
    write_checkpoint(path, {"format": FORMAT, "plan": content, **weights, **rest})


def load_planned(path: str | Path) -> Planned:
    """Read what `save_planned` has written. No code of the file is run.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.

    Returns
    -------
    Planned
        In eval mode and on the CPU.

    Raises
    ------
    ValueError
        If the file is not there, is damaged, or is something else.

    Examples
    --------
    >>> load_planned("nowhere.pt")
    Traceback (most recent call last):
    ...
    ValueError: plan 'nowhere.pt' is not there.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"plan '{path}' is not there.")
    content = _saved.read("plan", path, "save_planned")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"plan '{path}' is not a file of save_planned. One that fit wrote is read by load_model.")
    model = UNet(**content["config"])
    model.load_state_dict(content["model"])
    reasons, own = (tuple(Reason(*one) for one in part["reasons"]) for part in (content["plan"], content))
    recipe = Plan(**content["plan"] | {"reasons": reasons})
    return Planned(model.eval(), recipe, content["numbers"], own, content["scores"])


def build(recipe: Plan, width: int) -> UNet:
    """Build the network of a plan, untrained: the channels double at every pooling.

    Parameters
    ----------
    recipe : Plan
        Of the task, the channels of a picture and the depth.
    width : int
        Channels of the first stage.

    Returns
    -------
    UNet
        For objects with three classes: whether a pixel belongs to one, and the two parts of its vote.

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> from unet_tutorial.plan import plan
    >>> build(plan(nuclei_pieces()), 8).config["channels"]
    (8, 16, 32, 64)
    """
    outputs = {"objects": 3, "one class": 1, "classes": recipe.num_classes}[recipe.task]
    channels = [width * 2**stage for stage in range(recipe.depth + 1)]
    return UNet(recipe.in_channels, num_classes=outputs, channels=channels)


def _loss(
    logits: torch.Tensor, labels: torch.Tensor, counts: torch.Tensor, *votes: torch.Tensor, recipe: Plan
) -> torch.Tensor:
    """Weighted cross entropy of what a pixel is; and for objects, by how far its vote misses the middle."""
    if recipe.task == "classes" or (recipe.task == "objects" and recipe.way == "border"):
        weights = logits.new_tensor(recipe.class_weights)[labels] if recipe.task == "classes" else 1
        return weighted_cross_entropy(logits, labels, weights * counts)
    inside = (labels > 0).float()  # (B, S, S)
    weights = logits.new_tensor(recipe.class_weights)[inside.long()] * counts
    value = weighted_cross_entropy(logits[:, :1], inside[:, None], weights[:, None])
    if recipe.task == "objects":
        misses = (logits[:, 1:] - votes[0]).abs().sum(dim=1)  # (B, S, S), in radii
        value = value + 0.5 * (misses * inside).sum() / inside.sum().clamp(min=1)
    return value


def _kept_aside(groups: Sequence[Any], rng: np.random.Generator) -> list[int]:
    """Choose a fifth of the pictures, at most KEPT_ASIDE, of fewer than ten none; no group is cut in two."""
    number = min(KEPT_ASIDE, len(groups) // 5) if len(groups) >= 10 else 0
    chosen: list[int] = []
    names = sorted(set(groups))
    for name in (names[i] for i in rng.permutation(len(names))):
        members = [i for i, group in enumerate(groups) if group == name]
        if len(chosen) + len(members) <= number:
            chosen += members
    return sorted(chosen)


def _width(
    recipe: Plan, batch: tuple[torch.Tensor, ...], loss: Callable, budget: float, clock: Callable[[], float]
) -> tuple[int, float]:
    """Measure a step of every width, and return the widest with ENOUGH_STEPS in the budget, and its seconds."""
    chosen = (0, 0.0)
    for width in WIDTHS:
        model = build(recipe, width).to(batch[0].device, memory_format=torch.channels_last).train()
        optimizer, times = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE), []
        for _ in range(3):
            before = clock()
            train_step(model, optimizer, *batch, loss=loss)
            times.append(clock() - before)
        if chosen[0] and budget < ENOUGH_STEPS * min(times):
            break
        chosen = (width, min(times))
    return chosen


def _train(
    model: UNet, batches: Iterator, loss: Callable, end: float, clock: Callable[[], float], progress: bool
) -> int:
    """Train until the clock shows the end, and at least one step; return how many they were.

    `unet_tutorial.training.fit` counts epochs of a loader; here there are none, and the time sets the learning rate.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    begin, steps, done = clock(), 0, 0.0
    model.train()
    hide = {} if progress else {"disable": True}  # disable=False would overrule TQDM_DISABLE
    try:
        with tqdm(total=max(1, round(end - begin)), unit="s", **hide) as bar:
            while done < 1:
                for group in optimizer.param_groups:
                    group["lr"] = LEARNING_RATE * _rate(done)
                value = train_step(model, optimizer, *next(batches), loss=loss, clip_norm=5.0)
                steps, done = steps + 1, (clock() - begin) / max(end - begin, 1e-9)
                bar.set_postfix(steps=steps, loss=f"{value:.3f}", refresh=False)
                bar.update(min(bar.total, int(done * bar.total)) - bar.n)
    except KeyboardInterrupt:
        warnings.warn(f"training was interrupted after {steps} steps, {done:.0%} of its time.", stacklevel=3)
    return steps


def _rate(done: float) -> float:
    """Return the learning rate, as a share of the highest, when a share of the time is over: a rise, half a cosine."""
    if done < WARM_UP:
        return max(done / WARM_UP, 0.01)
    return float(1 + np.cos(np.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2
