"""Training and evaluation: the loop that everybody writes, with the usual mistakes left out."""

from __future__ import annotations

import copy
import hashlib
import inspect
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from ._checks import number, option, whole_number
from ._contract import FLOATS, counted, index, tensor
from ._modes import computing, mode, unwrapped
from .checkpoints import (
    FORMAT,
    architecture,
    check_same,
    random_states,
    read_checkpoint,
    set_random_states,
    write_checkpoint,
)
from .devices import choose_device
from .losses import CombinedLoss
from .metrics import IoUMetric

SCHEDULES = ("one-cycle", "constant")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Scores(NamedTuple):
    """How good a model is on a set of images: the mean loss and the mean IoU, over the images.

    Attributes
    ----------
    loss, iou : float
        The two means.

    Examples
    --------
    >>> Scores(loss=0.25, iou=0.8)
    Scores(loss=0.25, iou=0.8)
    """

    loss: float
    iou: float


@dataclass(repr=False)
class History:
    """What happened in training: one entry an epoch in every list.

    As the last line of a notebook's cell it draws itself, with `unet_tutorial.plots.history`.

    Parameters
    ----------
    train_loss : list of float
        Mean over the training images of the loss, taken while the weights were changing.
    val_loss, val_iou : list of float
        Mean loss and mean IoU over the validation images, after the epoch.
    watched : list of torch.Tensor
        Probabilities of the images that `fit` was told to ``watch``, after the epoch: float32 (B, num_classes, H, W)
        on the CPU. Empty if there were none. Two histories are equal if all the other lists are.

    Examples
    --------
    >>> History(train_loss=[0.51, 0.32], val_loss=[0.45, 0.30], val_iou=[0.61, 0.78])
    History(epochs=2, train_loss=0.3200, val_loss=0.3000, val_iou=0.7800)
    """

    train_loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_iou: list[float] = field(default_factory=list)
    watched: list[torch.Tensor] = field(default_factory=list, compare=False)

    @property
    def epochs(self) -> int:
        """The number of epochs so far."""
        return len(self.train_loss)

    def _curves(self) -> dict[str, list[float]]:
        return {name: values for name, values in vars(self).items() if name != "watched"}

    def __repr__(self) -> str:
        last = "".join(f", {name}={values[-1]:.4f}" for name, values in self._curves().items() if values)
        return f"History(epochs={self.epochs}{last})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Any:
        if not self.epochs:
            return {"text/plain": repr(self)}
        from . import plots  # here, so that training alone does not load matplotlib

        names = {"train_loss": "training loss", "val_loss": "validation loss", "val_iou": "validation IoU"}
        ends = (f"{names[name]} from {v[0]:.3f} to {v[-1]:.3f}" for name, v in self._curves().items())
        return plots.bundle(plots.history(self), f"Curves over {self.epochs} epochs: {', '.join(ends)}.")


def evaluate(
    model: nn.Module,
    loader: Iterable,
    *,
    loss: Loss | None = None,
    device: str | torch.device | None = None,
    threshold: float = 0.5,
    precision: str = "float32",
) -> Scores:
    """Measure a model on images that it was not trained on.

    The model is in eval mode meanwhile, so batch normalization uses what it learned and learns nothing.
    Afterwards every part is back in the mode in which it was.

    Parameters
    ----------
    model : torch.nn.Module
        Takes images (B, in_channels, H, W) and returns logits (B, num_classes, H, W).
    loader : iterable of (images, masks)
        Batches, such as a `torch.utils.data.DataLoader`. For one class the masks are float32 0 and 1 of
        shape (B, 1, H, W); for several, int64 class indices (B, H, W). A batch may have a third tensor, a weight
        for every pixel: the loss then takes (logits, masks, weights).
    loss : callable, optional
        Takes (logits, masks) and returns a scalar, the mean over the batch.
        `unet_tutorial.losses.CombinedLoss` if not given. Pixels that it leaves out by its ``ignore_index`` do not
        count for the IoU either: ``CombinedLoss(ignore_index=255)``, or PyTorch's ``nn.CrossEntropyLoss``.
    device : str or torch.device, optional
        Where to compute; the model is moved there. If not given, the model stays where it is.
    threshold : float, default 0.5
        For one class, the probability above which a pixel belongs to the object.
    precision : {"float32", "bfloat16", "float16"}, default "float32"
        What convolutions are computed in, see `fit`.

    Returns
    -------
    Scores
        Mean loss and mean IoU. Every image counts the same, also in a last, smaller batch. The IoU leaves out images
        of which no pixel counts.

    Raises
    ------
    ValueError
        If the loader gives no batch, a batch is not a pair of tensors of one length, masks do not fit
        the logits, the loss does not take what the batches hold, or an argument is out of range or of another kind.
    FloatingPointError
        If the loss is not finite.

    Examples
    --------
    >>> logits = torch.tensor([[[[5.0, -5.0]]], [[[5.0, 5.0]]]])  # two images; the model below passes them on
    >>> masks = torch.tensor([[[[1.0, 0.0]]], [[[1.0, 0.0]]]])
    >>> evaluate(nn.Identity(), [(logits, masks)]).iou  # 1 for the first, 1/2 for the second
    0.75
    """
    computing(model)
    loss = _checked_loss(loss)
    metric = IoUMetric(threshold, ignore_index=_ignored(loss))
    if device is not None:
        model.to(choose_device(device))
    where = next((p.device for p in model.parameters()), torch.device("cpu"))
    _check_precision(precision, where)
    count, judged, total_loss, total_iou = 0, 0, 0.0, 0.0
    with mode(model, training=False), torch.no_grad():
        for batches, batch in enumerate(_iterated("loader", loader), start=1):
            images, *targets = _parts(batch, where)
            _check_takes(loss, targets)
            logits = _forward(model, images, precision)  # (B, num_classes, H, W)
            value = _number(loss(logits, *targets), f"batch {batches} of the evaluation")
            count += len(images)
            total_loss += value * len(images)  # a batch's mean counts as often as it has images
            images_judged = _with_pixels(targets[0], metric.ignore_index)
            if images_judged:
                judged += images_judged
                total_iou += metric(logits, targets[0]) * images_judged
    if count == 0:
        raise ValueError("loader must give at least one batch, but it is empty.")
    return Scores(total_loss / count, total_iou / judged if judged else math.nan)


def train_step(
    model: nn.Module,
    optimizer: Optimizer,
    images: torch.Tensor,
    *targets: torch.Tensor,
    loss: Loss,
    precision: str = "float32",
    clip_norm: float | None = None,
    scaler: torch.amp.GradScaler | None = None,
    where: str = "this step",
) -> float:
    """Change the weights of a model once, and return the loss from before: what `fit` does with every batch.

    Parameters
    ----------
    model : torch.nn.Module
        In train mode. The batch is moved to its device.
    optimizer : torch.optim.Optimizer
        Of the model's parameters.
    images : torch.Tensor
        (B, in_channels, H, W).
    *targets : torch.Tensor
        What the loss takes after the logits: the masks, and weights of pixels where there are some.
    loss : callable
        Returns a scalar, the mean over the batch.
    precision : {"float32", "bfloat16", "float16"}, default "float32"
        What convolutions are computed in, see `fit`.
    clip_norm : float, optional
        Shorten the gradient to this length where it is longer.
    scaler : torch.amp.GradScaler, optional
        For float16: it scales the loss, and leaves out a step whose gradients are too large.
    where : str, default "this step"
        What messages call this step.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the loss returns something else than one number, does not take what the batch holds, or refuses the masks,
        or an argument is out of range or of another kind.
    FloatingPointError
        If the loss is not finite, or the gradient that is to be clipped. No parameter is changed then.

    Examples
    --------
    >>> from unet_tutorial.unet import UNet
    >>> model = UNet(1, channels=(4, 8))
    >>> batch = torch.rand(2, 1, 16, 16), torch.ones(2, 1, 16, 16)
    >>> optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    >>> before, after = (train_step(model, optimizer, *batch, loss=CombinedLoss()) for _ in range(2))
    >>> after < before
    True
    """
    device = next((p.device for p in computing(model).parameters()), torch.device("cpu"))
    for name, part in zip(("images", *["targets"] * len(targets)), (images, *targets), strict=True):
        tensor(name, part)
        if part.ndim == 0 or len(part) != len(images) or len(part) == 0:
            raise ValueError(
                f"{name} must be of as many images as the batch has, at least one, but got {tuple(part.shape)}."
            )
    images, *parts = (part.to(device) for part in (images, *targets))
    loss = _checked_loss(loss)
    _check_takes(loss, parts)
    if not isinstance(optimizer, Optimizer):
        raise ValueError(
            f"optimizer must be a built one, such as torch.optim.AdamW(model.parameters()), but got {optimizer!r}."
        )
    _check_precision(precision, images.device)
    clip_norm = None if clip_norm is None else number("clip_norm", clip_norm, above_zero=True)
    scaler = torch.amp.GradScaler(images.device.type, enabled=False) if scaler is None else scaler
    value = loss(_forward(model, images, precision), *parts)
    before = _number(value, where)
    optimizer.zero_grad()
    scaler.scale(value).backward()
    if clip_norm is not None:
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        if not (scaler.is_enabled() or torch.isfinite(norm)):
            raise FloatingPointError(f"the gradient's length is {norm.item()} in {where}. Lower the learning rate.")
    scaler.step(optimizer)
    scaler.update()
    return before


def fit(
    model: nn.Module,
    train_loader: Iterable,
    val_loader: Iterable,
    *,
    epochs: int,
    learning_rate: float = 0.01,
    schedule: str = "one-cycle",
    optimizer: Callable[..., Optimizer] = torch.optim.AdamW,
    loss: Loss | None = None,
    clip_norm: float | None = None,
    precision: str = "float32",
    channels_last: bool = False,
    patience: int | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    watch: torch.Tensor | None = None,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> History:
    """Train a model, and evaluate it after every epoch.

    The model is changed in place and stays on the device. Ctrl-C, or the stop button of a notebook, ends the
    training early: the history so far is returned, with a warning.

    Parameters
    ----------
    model : torch.nn.Module
        Takes images (B, in_channels, H, W) and returns logits (B, num_classes, H, W).
    train_loader, val_loader : sized iterable of (images, masks)
        Batches, such as a `torch.utils.data.DataLoader`. For one class the masks are float32 0 and 1 of
        shape (B, 1, H, W); for several, int64 class indices (B, H, W). A batch may have a third tensor, a weight
        for every pixel: the loss then takes (logits, masks, weights).
    epochs : int
        How many times to go through the training data.
    learning_rate : float, default 0.01
        The highest learning rate. The default suits one cycle and small networks; a constant learning rate,
        or a network without normalization, usually wants less.
    schedule : {"one-cycle", "constant"}, default "one-cycle"
        One cycle: the learning rate rises for the first 30 % of the steps and falls to almost nothing
        over the rest. Constant: it stays.
    optimizer : callable, default torch.optim.AdamW
        Called with the parameters and ``lr``, and returns the optimizer. Further arguments can be set with
        `functools.partial`.
    loss : callable, optional
        Takes (logits, masks) and returns a scalar, the mean over the batch.
        `unet_tutorial.losses.CombinedLoss` if not given. Pixels that it leaves out by its ``ignore_index`` do not
        count for the IoU either: ``CombinedLoss(ignore_index=255)``, or PyTorch's ``nn.CrossEntropyLoss``.
    clip_norm : float, optional
        Shorten the gradient to this length where it is longer: one number for all parameters together.
    precision : {"float32", "bfloat16", "float16"}, default "float32"
        What convolutions are computed in; weights, losses and metrics stay float32. The two short ones are for
        GPUs. For float16 the loss is scaled, so that small gradients do not become 0; a step whose gradients
        are too large for it is left out, also in the schedule.
    channels_last : bool, default False
        Keep the channels of a pixel side by side in memory. The numbers mean the same, their last digits
        may differ. Convolutions are often faster so; the model stays in this format.
    patience : int, optional
        Stop when the validation IoU has not risen above its best for so many epochs. However the training ends,
        the model then has the weights of its best epoch; without ``patience``, those of the last step.
        One cycle is best at its end: to stop early, a constant learning rate is the better company.
    checkpoint : str or pathlib.Path, optional
        A file that always holds the training as it was after the last whole epoch, from before the first one on.
        A file that is there is replaced. `unet_tutorial.pretrained.load_model` makes a model of it. The weights have
        the names that they have in the model itself, also where `torch.compile` or ``nn.DataParallel`` is around it.
    resume : bool, default False
        Go on from ``checkpoint``. Weights and random numbers are taken from there, and an epoch that was cut
        short begins again. The model, the loaders and all options must be those of the beginning.
    watch : torch.Tensor, optional
        A few validation images, (B, in_channels, H, W). What the model makes of them after every epoch is kept in
        ``history.watched``, in memory and in the checkpoint: 64 KiB for an image of 128² pixels.
    device : str or torch.device, optional
        Where to compute. If not given, on a GPU if there is one, see `unet_tutorial.devices.choose_device`.
    progress : bool, default True
        Show a progress bar. Setting the environment variable ``TQDM_DISABLE=1`` hides all of them.

    Returns
    -------
    History
        Training loss, validation loss and validation IoU of every epoch, and the probabilities of ``watch``.

    Raises
    ------
    ValueError
        If an argument is out of range, unknown or of another kind, a loader is empty, does not know its length or
        gives another number of batches, a batch is not a pair of tensors of one length, masks do not fit the logits,
        the loss does not take what the batches hold, the precision is not to be had on the device, or the checkpoint
        cannot be read, or is of another model or of another recipe. The first batch of ``val_loader`` and the images
        to ``watch`` are tried before the first step.
    FloatingPointError
        If the loss is not finite, or the gradient that is to be clipped. The parameters are then those from before
        that step, but the running averages of a batch normalization have already seen the batch.

    Notes
    -----
    For the same weights again on the same machine, call ``torch.manual_seed`` before you build the model: the
    shuffling of a `torch.utils.data.DataLoader` follows it too. The number of its workers changes nothing as long
    as the data set does not draw random numbers itself. A training that was resumed ends with the very weights of
    one that was never interrupted, unless random numbers are drawn in workers that the loader keeps
    (``persistent_workers=True``). On a GPU, the last digits may differ in both cases.

    A resumed training has to have the same loss. A function without a name of its own, such as a ``lambda``, is known
    by what it was compiled to, so it counts as another one under another version of Python.

    For `torch.compile`, call ``model.compile()`` before. It needs a C++ compiler and some ten seconds at the start.

    References
    ----------
    Loshchilov and Hutter 2019, arXiv:1711.05101, for AdamW. Smith and Topin 2019, arXiv:1708.07120, for one cycle.
    Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063, for clipping. Micikevicius et al. 2018, arXiv:1710.03740, for
    float16 and the scaled loss.

    Examples
    --------
    >>> from torch.utils.data import DataLoader
    >>> from unet_tutorial.data.synthetic import SyntheticCircleDataset
    >>> from unet_tutorial.unet import UNet
    >>> train = DataLoader(SyntheticCircleDataset(8, image_size=32), batch_size=4, shuffle=True)
    >>> val = DataLoader(SyntheticCircleDataset(4, image_size=32, split="val"), batch_size=4)
    >>> history = fit(UNet(1, channels=(4, 8)), train, val, epochs=2, progress=False)
    >>> history.epochs, len(history.val_iou)
    (2, 2)
    """
    computing(model)
    loss = _checked_loss(loss)
    loaders = (train_loader, val_loader)
    recipe: dict[str, Any] = {
        "epochs": whole_number("epochs", epochs),
        "batches": _length("train_loader", train_loader),
        "learning_rate": number("learning_rate", learning_rate, above_zero=True),
        "schedule": option("schedule", schedule, SCHEDULES),
        "loss": _name(loss),
        "clip_norm": None if clip_norm is None else number("clip_norm", clip_norm, above_zero=True),
        "precision": precision,
        "channels_last": bool(channels_last),
        "patience": None if patience is None else whole_number("patience", patience),
        "watch": None if watch is None else _watched(watch),
    }
    _length("val_loader", val_loader)
    if checkpoint is None and resume:
        raise ValueError("resume=True needs checkpoint, the file from which to go on, but got None.")
    device = choose_device(device)
    _check_precision(precision, device)
    state = _start(model, optimizer, recipe, device)
    recipe["optimizer"] = _name(state.optimizer)
    history, best = History(), None
    for loader in loaders:
        # A loader that keeps its workers draws a seed for them when it is gone through for the first time, and then
        # never again. Drawn here, it counts the same for a training that begins and for one that goes on.
        if getattr(loader, "persistent_workers", False):
            iter(loader)
    options: dict[str, Any] = {"loss": loss, "precision": precision, "clip_norm": clip_norm, "scaler": state.scaler}
    step = partial(train_step, model, state.optimizer, **options)
    batches = recipe["batches"]
    try:
        _try_out(model, loaders, loss, precision, watch)
        if checkpoint is not None and resume:
            history, best = _restore(checkpoint, state, recipe, loaders)
        elif checkpoint is not None:
            _save(checkpoint, state, recipe, loaders, history, best)
            read_checkpoint(checkpoint)  # what cannot be read again is to be known now, and not when it is needed
        with mode(model, training=True), _bar(epochs * batches, history.epochs * batches, progress) as bar:
            while history.epochs < epochs and (patience is None or _since_best(history) < patience):
                bar.set_description(f"epoch {history.epochs + 1}/{epochs}")
                train_loss = _epoch(step, state, train_loader, batches, history.epochs + 1, bar)
                scores = evaluate(model, val_loader, loss=loss, precision=precision)
                seen = [] if watch is None else [_probabilities(model, watch, precision)]
                history = _extended(history, train_loss, scores, seen)
                if patience is not None and _since_best(history) == 0:
                    best = copy.deepcopy(state.model.state_dict())
                if checkpoint is not None:
                    _save(checkpoint, state, recipe, loaders, history, best)
                bar.set_postfix(train_loss=f"{train_loss:.4f}", val_iou=f"{scores.iou:.4f}")
    except KeyboardInterrupt:
        hint = " Go on with resume=True." if checkpoint is not None and Path(checkpoint).is_file() else ""
        warnings.warn(f"training was interrupted after {history.epochs} of {epochs} epochs.{hint}", stacklevel=2)
    if best is not None:
        state.model.load_state_dict(best)
    return history


def try_learning_rates(
    build: Callable[[], nn.Module],
    train_loader: Iterable,
    val_loader: Iterable,
    *,
    learning_rates: Sequence[float],
    **options: Any,
) -> dict[float, History]:
    """Train the same network anew with each of several learning rates, all else being equal.

    Every training begins with the random numbers as they are at the call, those of the loaders too: with the same
    weights, and with the same images in the same order.

    Parameters
    ----------
    build : callable
        Called without arguments before each training, and returns the network.
    train_loader, val_loader : sized iterable of (images, masks)
        As for `fit`.
    learning_rates : sequence of float
        What `fit` gets as ``learning_rate``, one after the other.
    **options
        All else goes to `fit`; ``epochs`` must be among it. With ``watch=images``, each history also holds what
        its network made of these images after every epoch.

    Returns
    -------
    dict of float to History
        In the order of the learning rates.

    Raises
    ------
    ValueError
        If there is no learning rate, or one is there twice, ``build`` does not build a network, or `fit` refuses
        something.
    FloatingPointError
        If a learning rate is so large that the loss is no longer finite.

    Examples
    --------
    >>> from unet_tutorial.unet import UNet
    >>> data = [(torch.rand(2, 1, 16, 16), torch.ones(2, 1, 16, 16))]
    >>> tried = try_learning_rates(
    ...     lambda: UNet(1, channels=(4, 8)), data, data, learning_rates=(1e-4, 1e-2), epochs=2, progress=False
    ... )
    >>> {rate: history.epochs for rate, history in tried.items()}
    {0.0001: 2, 0.01: 2}
    """
    if isinstance(build, nn.Module) or not callable(build) or not _takes(build):
        raise ValueError(
            f"build must be a function that builds the network anew, such as lambda: UNet(1), but got "
            f"{type(build).__name__}."
        )
    rates = learning_rates.tolist() if hasattr(learning_rates, "tolist") else learning_rates  # an array
    if isinstance(rates, (str, bytes)) or not isinstance(rates, Sequence):
        raise ValueError(f"learning_rates must list learning rates, such as (0.001, 0.01), but got {rates!r}.")
    rates = [number("learning_rates", rate, above_zero=True) for rate in rates]
    if not rates or len(set(rates)) < len(rates):
        wrong = "one is there twice" if rates else "it is empty"
        raise ValueError(f"learning_rates must hold at least one learning rate, each once, but {wrong}.")
    loaders = (train_loader, val_loader)
    beginning = random_states(loaders)
    tried = {}
    for rate in rates:
        set_random_states(beginning, loaders)
        tried[rate] = fit(build(), train_loader, val_loader, learning_rate=rate, **options)
    return tried


class _State(NamedTuple):
    """What changes from step to step, and has to be kept to go on."""

    model: nn.Module  # itself, without what is around it
    optimizer: Optimizer
    scheduler: LRScheduler
    scaler: torch.amp.GradScaler  # does nothing but for float16


def _start(
    model: nn.Module, optimizer: Callable[..., Optimizer], recipe: dict[str, Any], device: torch.device
) -> _State:
    if not callable(optimizer) and not isinstance(optimizer, Optimizer):
        raise ValueError(
            f"optimizer must be what builds an optimizer, such as torch.optim.AdamW, but got {optimizer!r}."
        )
    if isinstance(optimizer, Optimizer):
        kind = type(optimizer).__name__
        place = "torch.optim." if getattr(torch.optim, kind, None) is type(optimizer) else ""  # or one's own
        raise ValueError(
            f"optimizer must be what builds an optimizer, but got a built {kind}. "
            f"Pass the class, such as {place}{kind}, and learning_rate beside it."
        )
    model.to(device)
    if recipe["channels_last"]:
        model.to(memory_format=torch.channels_last)  # convolutions follow their weights, whatever the images are
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ValueError(
            f"model must have weights that can be trained, but {type(unwrapped(model)).__name__} has none: either no "
            f"parameter at all, or all are frozen (requires_grad=False)."
        )
    stepper, steps = optimizer(model.parameters(), lr=recipe["learning_rate"]), recipe["epochs"] * recipe["batches"]
    if not isinstance(stepper, Optimizer):
        raise ValueError(f"optimizer must build a torch.optim.Optimizer, but built {type(stepper).__name__}.")
    scheduler: LRScheduler
    if recipe["schedule"] == "constant":
        scheduler = ConstantLR(stepper, factor=1.0)
    else:
        scheduler = OneCycleLR(stepper, max_lr=recipe["learning_rate"], total_steps=steps, cycle_momentum=False)
    scaler = torch.amp.GradScaler(device.type, enabled=recipe["precision"] == "float16")
    return _State(unwrapped(model), stepper, scheduler, scaler)


def _try_out(model: nn.Module, loaders: tuple, loss: Loss, precision: str, watch: torch.Tensor | None) -> None:
    """Refuse what would be found only after the first epoch, and leave model and random numbers as they were."""
    states = random_states(loaders)
    metric = IoUMetric(ignore_index=_ignored(loss))
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    with mode(model, training=False), torch.no_grad():
        for batch in loaders[1]:
            images, *targets = _parts(batch, device)
            _check_takes(loss, targets)
            logits = _forward(model, images, precision)
            loss(logits, *targets)
            metric(logits, targets[0])
            break
    if watch is not None:
        _probabilities(model, watch, precision)
    set_random_states(states, loaders)


def _epoch(step: Callable, state: _State, loader: Iterable, expected: int, epoch: int, bar: tqdm) -> float:
    """Go through the training data once, and return the mean loss over its images."""
    count, total, batches = 0, 0.0, 0
    device = next(state.model.parameters()).device
    for batch in loader:
        batches += 1
        if batches > expected:
            break
        images, *targets = _parts(batch, device)
        scale = state.scaler.get_scale()
        value = step(images, *targets, where=f"batch {batches} of epoch {epoch}")
        if state.scaler.get_scale() >= scale:  # it is lowered when the step was left out
            state.scheduler.step()  # once a batch, after the optimizer
        count += len(images)
        total += value * len(images)
        bar.update()
    if batches != expected:
        gave = f"{batches}" if batches < expected else "more"
        raise ValueError(
            f"train_loader must give as many batches as its length says, {expected}, or the schedule of the learning "
            f"rate is wrong, but in epoch {epoch} it gave {gave}. A loader that is made anew in every epoch helps, or "
            f"a list of its batches."
        )
    return total / count


def _forward(model: nn.Module, images: torch.Tensor, precision: str) -> torch.Tensor:
    if precision == "float32":
        return model(images)
    with torch.autocast(images.device.type, dtype=PRECISIONS[precision]):
        logits = model(images)
    return logits.float()


def _extended(history: History, train_loss: float, scores: Scores, seen: list[torch.Tensor]) -> History:
    # A new one, so that Ctrl-C never leaves a history with one list longer than another.
    return History(
        train_loss=[*history.train_loss, train_loss],
        val_loss=[*history.val_loss, scores.loss],
        val_iou=[*history.val_iou, scores.iou],
        watched=[*history.watched, *seen],
    )


def _probabilities(model: nn.Module, images: torch.Tensor, precision: str) -> torch.Tensor:
    """Return what the model makes of images: (B, num_classes, H, W) on the CPU."""
    device = next((p.device for p in model.parameters()), images.device)
    with mode(model, training=False), torch.no_grad():
        logits = _forward(model, images.to(device), precision)
    return (logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(dim=1)).cpu()


def _since_best(history: History) -> int:
    """Count the epochs since the one with the highest validation IoU, the first of equals."""
    return history.epochs - 1 - history.val_iou.index(max(history.val_iou)) if history.epochs else 0


def _save(
    path: str | Path, state: _State, recipe: dict[str, Any], loaders: tuple, history: History, best: dict | None
) -> None:
    content = {name: part.state_dict() for name, part in state._asdict().items()}
    content |= {"architecture": architecture(state.model), "recipe": recipe, "history": vars(history), "best": best}
    write_checkpoint(path, content | {"format": FORMAT, "random": random_states(loaders)})


def _restore(path: str | Path, state: _State, recipe: dict[str, Any], loaders: tuple) -> tuple[History, dict | None]:
    """Bring everything to where the checkpoint has it, and return the history and the best weights so far."""
    content = read_checkpoint(path)
    check_same(path, content, state.model, recipe)
    set_random_states(content["random"], loaders)
    for name, part in state._asdict().items():
        part.load_state_dict(content[name])
    return History(**content["history"]), content["best"]


def _watched(images: Any) -> str:
    """Name the images to watch by their content, so that a resumed training watches the same ones."""
    if not isinstance(images, torch.Tensor) or images.ndim != 4 or len(images) == 0 or images.dtype not in FLOATS:
        came = f"{images.dtype} of shape {tuple(images.shape)}" if isinstance(images, torch.Tensor) else repr(images)
        raise ValueError(
            f"watch must be images, floating point of shape (B, in_channels, H, W), but got {came}."
            f"{' For one image, pass image[None].' if getattr(images, 'ndim', 0) == 3 else ''}"
        )
    tensor("watch", images)
    if not images.isfinite().all():
        raise ValueError("watch must hold finite numbers, but some are NaN or infinite.")
    return _fingerprint(images, "images")


def _fingerprint(values: torch.Tensor, what: str) -> str:
    content = values.detach().double().cpu().contiguous().numpy().tobytes()
    return f"{what} of shape {tuple(values.shape)}, sha256 {hashlib.sha256(content).hexdigest()[:12]}"


def _name(thing: Any) -> str:
    """Name an optimizer, a loss or what they are made of, with all settings: ``FocalLoss(gamma=2.0, alpha=None)``."""
    if thing is None or isinstance(thing, (bool, int, float, str)):
        return repr(thing) if isinstance(thing, str) else str(thing)
    if isinstance(thing, (list, tuple)):
        return f"({', '.join(map(_name, thing))})"
    if isinstance(thing, Mapping):
        return f"({', '.join(f'{key}={_name(value)}' for key, value in thing.items())})"
    if isinstance(thing, torch.Tensor):
        return _fingerprint(thing, "numbers")
    if isinstance(thing, partial):
        return _called(_name(thing.func), thing.keywords, thing.args)
    if isinstance(thing, Optimizer):
        return _called(type(thing).__name__, {k: v for k, v in thing.defaults.items() if k != "lr"})
    if isinstance(thing, nn.Module):
        buffers = {name: value for name, value in thing.named_buffers(recurse=False)}
        return _called(type(thing).__name__, _settings(thing) | buffers | dict(thing.named_children()))
    if hasattr(thing, "__code__"):  # a function
        return _called(thing.__qualname__, {} if thing.__qualname__.isidentifier() else _compiled(thing))
    if hasattr(thing, "__func__"):  # a method
        return f"{_name(thing.__self__)}.{thing.__name__}"
    return _called(getattr(thing, "__qualname__", type(thing).__name__), _settings(thing))


def _called(name: str, settings: Mapping[str, Any], arguments: Sequence = ()) -> str:
    parts = [*map(_name, arguments), *(f"{key}={_name(value)}" for key, value in settings.items())]
    return f"{name}({', '.join(parts)})"


def _settings(thing: object) -> dict[str, Any]:
    """Return the public attributes that an object was given."""
    own = vars(thing) if hasattr(thing, "__dict__") and not isinstance(thing, type) else {}
    return {key: value for key, value in own.items() if key[0] != "_" and key != "training" and not callable(value)}


def _compiled(function: Any) -> dict[str, Any]:
    """Return what tells one lambda from another: a digest of its code, and the values that it has from outside."""
    code, inside = function.__code__, [function.__code__]
    for part in inside:  # grows while functions within the function are found
        inside += [one for one in part.co_consts if hasattr(one, "co_code")]
    said = [(part.co_code, part.co_names, [c for c in part.co_consts if not hasattr(c, "co_code")]) for part in inside]
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    closed = {name: cell.cell_contents for name, cell in cells}
    closed = {name: value for name, value in closed.items() if not isinstance(value, (list, dict, set))}  # they change
    return {"code": hashlib.sha256(repr(said).encode()).hexdigest()[:12], **closed}


def _bar(steps: int, done: int, progress: bool) -> tqdm:
    # Passing disable=False would overrule TQDM_DISABLE, so it is passed only to hide the bar.
    return tqdm(total=steps, initial=done, unit="batch", **({} if progress else {"disable": True}))


def _length(name: str, loader: Any) -> int:
    _iterated(name, loader)
    try:
        length = len(loader)
    except TypeError as error:
        raise ValueError(
            f"{name} must know its number of batches, but {type(loader).__name__} has no length. "
            f"Pass a DataLoader of a data set with a length, or a list of batches."
        ) from error
    if length == 0:
        raise ValueError(
            f"{name} must give at least one batch, but it is empty. The data set holds no sample, "
            f"or fewer than a batch while drop_last=True leaves out what does not fill one."
        )
    return length


def _iterated(name: str, loader: Any) -> Iterable:
    """Return what gives batches; refuse what does not, or what would give a picture or its letters one by one."""
    if isinstance(loader, (torch.Tensor, str, bytes, Mapping)) or not hasattr(type(loader), "__iter__"):
        hint = " Pass DataLoader(data, batch_size=...)." if isinstance(loader, Dataset) else ""
        raise ValueError(
            f"{name} must give batches of images and masks, as a DataLoader or a list of pairs does, but got "
            f"{type(loader).__name__}.{hint}"
        )
    return loader


def _parts(batch: Any, device: torch.device | None) -> list[torch.Tensor]:
    """Return a batch's images and masks, and the weights where there are some, on the device."""
    tensors = isinstance(batch, (tuple, list)) and all(isinstance(part, torch.Tensor) for part in batch)
    if not tensors or len(batch) not in (2, 3):
        came = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
        raise ValueError(f"a batch must be a pair of tensors (images, masks), but the loader gave {came}.")
    images, masks, *weights = batch
    for name, part in zip(("images", "masks", "weights"), batch, strict=False):
        tensor(name, part)
    if images.ndim == 0 or masks.ndim == 0 or len(images) != len(masks) or len(images) == 0:
        counts = [len(part) if part.ndim else "no axis of" for part in (images, masks)]
        raise ValueError(f"a batch must have one mask an image, but got {counts[0]} images and {counts[1]} masks.")
    if weights and weights[0].shape[-2:] != masks.shape[-2:]:
        raise ValueError(
            f"the weights of a batch must have the masks' height and width {tuple(masks.shape[-2:])}, "
            f"but have {tuple(weights[0].shape[-2:])}."
        )
    return [part if device is None else part.to(device) for part in batch]


def _checked_loss(loss: Any) -> Loss:
    """Return the loss, or that which is meant if none is given."""
    if loss is None:
        return CombinedLoss()
    if not callable(loss) or isinstance(loss, type):
        came = f"the class {loss.__name__}. Build it: {loss.__name__}()" if isinstance(loss, type) else repr(loss)
        raise ValueError(f"loss must be what computes a loss from logits and masks, such as dice_loss, but got {came}.")
    return loss


def _ignored(loss: Any) -> int | None:
    """Return which pixels the loss leaves out: so the metric leaves out the same."""
    settings = loss.keywords if isinstance(loss, partial) else {}
    return index("ignore_index", settings.get("ignore_index", getattr(loss, "ignore_index", None)))


def _check_takes(loss: Loss, targets: Sequence[torch.Tensor]) -> None:
    """Refuse a loss that does not take as many parts as the batches have."""
    function = loss.forward if isinstance(loss, nn.Module) else loss
    if not _takes(function, None, *targets):
        what = "masks and weights" if len(targets) == 2 else "masks alone"
        cure = "a loss that takes weights, such as weighted_cross_entropy" if len(targets) == 2 else "another loss"
        raise ValueError(
            f"loss must take what the batches hold, logits, {what}, but "
            f"{getattr(loss, '__name__', type(loss).__name__)} does not. Pass {cure}."
        )


def _takes(function: Callable, *arguments: Any) -> bool:
    """Whether a function can be called with these arguments, as far as it says."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C: it says itself what it wants
        return True
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def _with_pixels(masks: torch.Tensor, ignore_index: int | None) -> int:
    """Return how many images of a batch have a pixel that counts."""
    counted_ones = counted(masks, ignore_index)
    return len(masks) if counted_ones is None else int(counted_ones.flatten(1).any(1).sum())


def _number(value: torch.Tensor, where: str) -> float:
    """Return the loss of a batch as a number of Python: the only one that a step reads back, or a GPU would wait."""
    if not isinstance(value, torch.Tensor) or value.ndim != 0:
        came = f"the shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
        raise ValueError(f"loss must return one number a batch, but returned {came}.")
    result = value.item()
    if not math.isfinite(result):
        raise FloatingPointError(
            f"the loss is {result} in {where}. Look for NaN or infinity in the images of that batch; "
            f"if there is none, lower the learning rate."
        )
    return result


def _check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision that is unknown, or that the device does not have."""
    if option("precision", precision, PRECISIONS) == "float32":
        return
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"precision {precision!r} is for the CPU and for GPUs of CUDA, but the device is '{device}'.")
    if precision == "bfloat16" and device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0):
        raise ValueError(f"precision 'bfloat16' needs a newer GPU than '{device}'. Pass precision='float16'.")
