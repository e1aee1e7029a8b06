"""Training and evaluation: the loop that everybody writes, with the usual mistakes left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR
from tqdm.auto import tqdm

from ._checks import option, positive_int
from .losses import CombinedLoss
from .metrics import IoUMetric

SCHEDULES = ("one-cycle", "constant")

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

    Parameters
    ----------
    train_loss : list of float
        Mean over the training images of the loss, taken while the weights were changing.
    val_loss, val_iou : list of float
        Mean loss and mean IoU over the validation images, after the epoch.

    Examples
    --------
    >>> History(train_loss=[0.51, 0.32], val_loss=[0.45, 0.30], val_iou=[0.61, 0.78])
    History(epochs=2, train_loss=0.3200, val_loss=0.3000, val_iou=0.7800)
    """

    train_loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_iou: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """The number of epochs so far."""
        return len(self.train_loss)

    def __repr__(self) -> str:
        last = "".join(f", {name}={values[-1]:.4f}" for name, values in vars(self).items() if values)
        return f"History(epochs={self.epochs}{last})"


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """Return the device to compute on: the named one, or else a GPU if there is one, or else the CPU.

    Parameters
    ----------
    device : str or torch.device, optional
        Such as ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If the name is none of torch's, or names a GPU that is not there.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device must be a name such as 'cpu' or 'cuda', but got {device!r}.") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {str(chosen)!r} is not there: torch finds {torch.cuda.device_count()} GPUs. "
            f"Leave device out, or pass device='cpu'."
        )
    return chosen


def evaluate(
    model: nn.Module,
    loader: Iterable,
    *,
    loss: Loss | None = None,
    device: str | torch.device | None = None,
    threshold: float = 0.5,
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
        shape (B, 1, H, W); for several, int64 class indices (B, H, W).
    loss : callable, optional
        Takes (logits, masks) and returns a scalar, the mean over the batch.
        `unet_tutorial.losses.CombinedLoss` if not given.
    device : str or torch.device, optional
        Where to compute; the model is moved there. If not given, the model stays where it is.
    threshold : float, default 0.5
        For one class, the probability above which a pixel belongs to the object.

    Returns
    -------
    Scores
        Mean loss and mean IoU. Every image counts the same, also in a last, smaller batch.

    Raises
    ------
    ValueError
        If the loader gives no batch, a batch is not a pair of tensors of one length, masks do not fit
        the logits, or an argument is out of range.
    FloatingPointError
        If the loss is not finite.

    Examples
    --------
    >>> logits = torch.tensor([[[[5.0, -5.0]]], [[[5.0, 5.0]]]])  # two images; the model below passes them on
    >>> masks = torch.tensor([[[[1.0, 0.0]]], [[[1.0, 0.0]]]])
    >>> evaluate(nn.Identity(), [(logits, masks)]).iou  # 1 for the first, 1/2 for the second
    0.75
    """
    loss = CombinedLoss() if loss is None else loss
    metric = IoUMetric(threshold)
    if device is not None:
        model.to(choose_device(device))
    where = next((p.device for p in model.parameters()), torch.device("cpu"))
    count, total_loss, total_iou = 0, 0.0, 0.0
    with _mode(model, training=False), torch.no_grad():
        for number, batch in enumerate(loader, start=1):
            images, masks = _pair(batch, where)
            logits = model(images)  # (B, num_classes, H, W)
            value = _finite(loss(logits, masks), f"batch {number} of the evaluation")
            count += len(images)
            total_loss += value.item() * len(images)  # a batch's mean counts as often as it has images
            total_iou += metric(logits, masks) * len(images)
    if count == 0:
        raise ValueError("loader must give at least one batch, but it is empty.")
    return Scores(total_loss / count, total_iou / count)


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
    device: str | torch.device | None = None,
    progress: bool = True,
) -> History:
    """Train a model, and evaluate it after every epoch.

    The model is changed in place and stays on the device. For the same weights again, call
    ``torch.manual_seed`` before you build the model: the shuffling of a `torch.utils.data.DataLoader`
    follows it too. On a GPU, the last digits may still differ.

    Parameters
    ----------
    model : torch.nn.Module
        Takes images (B, in_channels, H, W) and returns logits (B, num_classes, H, W).
    train_loader, val_loader : sized iterable of (images, masks)
        Batches, such as a `torch.utils.data.DataLoader`. For one class the masks are float32 0 and 1 of
        shape (B, 1, H, W); for several, int64 class indices (B, H, W).
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
        `unet_tutorial.losses.CombinedLoss` if not given.
    device : str or torch.device, optional
        Where to compute. If not given, on a GPU if there is one, see `choose_device`.
    progress : bool, default True
        Show a progress bar. Setting the environment variable ``TQDM_DISABLE=1`` hides all of them.

    Returns
    -------
    History
        Training loss, validation loss and validation IoU of every epoch.

    Raises
    ------
    ValueError
        If an argument is out of range or unknown, a loader is empty or does not know its length, a batch is
        not a pair of tensors of one length, or masks do not fit the logits.
    FloatingPointError
        If the loss is not finite. The parameters are then those from before that step, but the running
        averages of a batch normalization have already seen the batch.

    References
    ----------
    Loshchilov and Hutter 2019, arXiv:1711.05101, for AdamW. Smith and Topin 2019, arXiv:1708.07120, for one cycle.

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
    positive_int("epochs", epochs)
    steps = epochs * _length("train_loader", train_loader)
    _length("val_loader", val_loader)
    loss = CombinedLoss() if loss is None else loss
    device = choose_device(device)
    model.to(device)
    stepper = _make_optimizer(model, optimizer, learning_rate)
    scheduler = _make_schedule(stepper, schedule, learning_rate, steps)
    history = History()
    with _mode(model, training=True), _bar(steps, progress) as bar:
        for epoch in range(1, epochs + 1):
            bar.set_description(f"epoch {epoch}/{epochs}")
            count, total = 0, 0.0
            for number, batch in enumerate(train_loader, start=1):
                images, masks = _pair(batch, device)
                value = _finite(loss(model(images), masks), f"batch {number} of epoch {epoch}")
                stepper.zero_grad()
                value.backward()
                stepper.step()
                scheduler.step()  # once a batch, after the optimizer
                count += len(images)
                total += value.item() * len(images)
                bar.update()
            scores = evaluate(model, val_loader, loss=loss)
            history.train_loss.append(total / count)
            history.val_loss.append(scores.loss)
            history.val_iou.append(scores.iou)
            bar.set_postfix(train_loss=f"{total / count:.4f}", val_iou=f"{scores.iou:.4f}")
    return history


@contextmanager
def _mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Put a model into training or eval mode, and every part of it back afterwards, whatever happens."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, mode in before:
            module.training = mode


def _bar(steps: int, progress: bool) -> tqdm:
    # Passing disable=False would overrule TQDM_DISABLE, so it is passed only to hide the bar.
    return tqdm(total=steps, unit="batch", **({} if progress else {"disable": True}))


def _length(name: str, loader: Iterable) -> int:
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


def _pair(batch: Any, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch's images and masks on the device."""
    tensors = isinstance(batch, (tuple, list)) and all(isinstance(part, torch.Tensor) for part in batch)
    if not tensors or len(batch) != 2:
        came = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
        raise ValueError(f"a batch must be a pair of tensors (images, masks), but the loader gave {came}.")
    images, masks = batch
    if len(images) != len(masks):
        raise ValueError(f"a batch must have one mask an image, but got {len(images)} images and {len(masks)} masks.")
    return images.to(device), masks.to(device)


def _finite(value: torch.Tensor, where: str) -> torch.Tensor:
    """Return the loss of a batch when it is one finite number."""
    if value.ndim != 0:
        raise ValueError(f"loss must return one number a batch, but returned the shape {tuple(value.shape)}.")
    if not math.isfinite(value.item()):
        raise FloatingPointError(
            f"the loss is {value.item()} in {where}. Look for NaN or infinity in the images of that batch; "
            f"if there is none, lower the learning rate."
        )
    return value


def _make_optimizer(model: nn.Module, optimizer: Callable[..., Optimizer], learning_rate: float) -> Optimizer:
    if isinstance(learning_rate, bool) or not isinstance(learning_rate, Real) or not 0 < learning_rate < math.inf:
        raise ValueError(f"learning_rate must be a number greater than 0, but got {learning_rate!r}.")
    if isinstance(optimizer, Optimizer):
        raise ValueError(
            f"optimizer must be what builds an optimizer, but got a built {type(optimizer).__name__}. "
            f"Pass the class, such as torch.optim.{type(optimizer).__name__}, and learning_rate beside it."
        )
    return optimizer(model.parameters(), lr=learning_rate)


def _make_schedule(optimizer: Optimizer, schedule: str, learning_rate: float, steps: int) -> LRScheduler:
    if option("schedule", schedule, SCHEDULES) == "constant":
        return ConstantLR(optimizer, factor=1.0)
    return OneCycleLR(optimizer, max_lr=learning_rate, total_steps=steps, cycle_momentum=False)
