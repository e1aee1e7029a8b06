"""What is wrong with a model and its data? `diagnose` looks at both, and names each problem with its cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from html import escape
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import _contract
from ._modes import checked, mode, unwrapped
from .checkpoints import random_states, set_random_states
from .data.masks import _check_image, check_mask
from .unet import center_crop, check_images

# Where a check draws the line. What lies between healthy and spoiled data was measured, see tests/test_diagnosis.py.
LARGEST_VALUE = 50.0  # images with mean 0 and standard deviation 1 stay far below; 8-bit images do not
SMALLEST_SPAN = 0.02  # an image that was divided by 255 twice spans 0.004
COMMONEST_CLASS = 0.99  # share of the pixels
SURE = 0.75  # an untrained network says about 1 / num_classes everywhere
DEAD_LAYERS = 0.15  # share of the layers; a narrow attention gate may start with all its ReLUs at 0
FEWEST_BATCHES = 100  # until then, running averages lag behind the weights
LOST_IOU = 0.25  # what eval mode may lose against train mode
FEWEST_VALUES = 16  # that batch normalization averages over
BETTER_FIT = 0.2  # by how much a wrong mask's correlation with the image must exceed that of its own mask
SMALLEST_PICTURE = 16  # pixels; in less, too many ways to lay a mask fit by chance
LAST_STEPS = {  # what autograd calls the last computation, and what to say of it
    "Sigmoid": "ends with a sigmoid, and losses that take logits apply another",
    "Softmax": "ends with a softmax, and losses that take logits apply another",
    "Relu": "ends with a ReLU, so that no logit can be negative and no probability of one class below one half",
    "Tanh": "ends with tanh, so that every probability of one class lies between 0.27 and 0.73",
}
# Steps that move values without changing them; the last step that counts is before them.
MOVES = (
    "Squeeze",
    "Unsqueeze",
    "View",
    "Reshape",
    "UnsafeView",
    "Permute",
    "Transpose",
    "Slice",
    "Select",
    "Clone",
    "ToCopy",
)


class Finding(NamedTuple):
    """One problem: which check found it, and what it is and how to mend it.

    Attributes
    ----------
    check : str
        Name of the check, such as ``"masks"``.
    message : str
        What is wrong, and the cure.

    Examples
    --------
    >>> print(Finding("masks", "mask must hold 0 and 1, but holds 0 and 255."))
    masks: mask must hold 0 and 1, but holds 0 and 255.
    """

    check: str
    message: str

    def __str__(self) -> str:
        return f"{self.check}: {self.message}"


class Diagnosis(list):
    """The findings, as a list that can be read: one line for each, and what was and what was not checked.

    Parameters
    ----------
    findings : sequence of Finding
        What was found.
    checked : sequence of str
        Names of the checks that were made.
    unchecked : dict of str to str
        Checks that could not be made, each with the reason.

    Examples
    --------
    >>> Diagnosis([], checked=["images", "masks"], unchecked={"pairs": "there is one image only"})
    Nothing found.
    Checked: images, masks.
    Not checked: pairs (there is one image only).
    """

    def __init__(self, findings: Sequence[Finding], checked: Sequence[str], unchecked: dict[str, str]):
        super().__init__(findings)
        self.checked = list(checked)
        self.unchecked = dict(unchecked)

    def __repr__(self) -> str:
        findings = [f"- {finding}" for finding in self] or ["Nothing found."]
        return "\n".join([*findings, *self._summary()])

    def _repr_html_(self) -> str:
        """Return the same for a notebook, where long lines wrap; what was checked is folded."""
        findings = "".join(f"<li><strong>{finding.check}</strong>: {escape(finding.message)}</li>" for finding in self)
        head = f"<ul>{findings}</ul>" if self else "<p>Nothing found.</p>"
        summary = "".join(f"<p>{escape(line)}</p>" for line in self._summary())
        return f"{head}<details><summary>What was checked</summary>{summary}</details>"

    def _summary(self) -> list[str]:
        reasons: dict[str, list[str]] = {}
        for name, why in self.unchecked.items():
            reasons.setdefault(why, []).append(name)
        lines = [f"Checked: {', '.join(self.checked)}."]
        if reasons:
            parts = [f"{', '.join(names)} ({why})" for why, names in reasons.items()]
            lines.append(f"Not checked: {'; '.join(parts)}.")
        return lines


def diagnose(
    model: nn.Module, images: torch.Tensor, masks: torch.Tensor, *, ignore_index: int | None = None
) -> Diagnosis:
    """Look for the usual accidents in a model and one batch, and name each with its cure.

    The model is run on the batch, in the mode in which it is and in the other one, and one gradient is computed.
    Nothing of that remains: weights, gradients, running averages, modes and random numbers are as before. Like
    `unet_tutorial.training.fit`, this moves the batch to the model's device.

    The checks:

    - *weights*: no NaN or infinity.
    - *images*: the shape, channels and dtype that the model takes, sides that are large enough, no NaN.
    - *range*: not 0 to 255, and not almost the same value everywhere.
    - *forward pass*: the model runs on the batch. If not, it is tried at sides that are multiples of a power of two.
    - *output*: one finite number for every class and pixel.
    - *last layer*: logits, and not probabilities.
    - *masks*: what `unet_tutorial.data.masks.check_mask` asks for.
    - *balance*: no empty mask, and no class with almost all the pixels.
    - *pairs*: the outlines of a mask lie on edges of its own image. Found are masks of another image of the same batch,
      and mirrored or turned ones; a mask whose image is not in the batch cannot be found.
    - *gradients*: they reach every part.
    - *batch norm*: in train mode, enough values to average over.
    - *mode*: a trained model is in eval mode, and its running averages fit these images.
    - *prediction*: not the same class everywhere, with confidence, where the masks show more than one.

    Parameters
    ----------
    model : torch.nn.Module
        Any model that takes images (B, C, H, W) and returns logits (B, num_classes, H, W), this package's or another,
        also in ``nn.DataParallel`` or compiled.
    images, masks : torch.Tensor
        A batch as it would be given to the model and to the loss. With four images or more the checks see most.
    ignore_index : int, optional
        The value of masks' pixels that do not count, such as 255, as the loss has it.

    Returns
    -------
    Diagnosis
        A list of `Finding`, empty if nothing was found.

    Raises
    ------
    ValueError
        If ``model`` is no model, or a lazy layer of it waits for its first batch. What is wrong with the images or the
        masks is a finding.

    Examples
    --------
    >>> from unet_tutorial.data.synthetic import SyntheticCircleDataset
    >>> from unet_tutorial.unet import UNet
    >>> images, masks = map(torch.stack, zip(*SyntheticCircleDataset(num_samples=4, image_size=64)))
    >>> model = UNet(in_channels=1, channels=(4, 8, 16))
    >>> len(diagnose(model, images, masks))
    0
    >>> for finding in diagnose(model, images, 255 * masks):
    ...     print(finding)
    masks: mask must hold 0 and 1, but holds 0 and 255. Convert it with (mask / 255).float().
    """
    model = unwrapped(checked(model))
    ignored = _contract.index("ignore_index", ignore_index)
    states = random_states([])
    try:
        with torch.inference_mode(False), torch.enable_grad():  # the caller may have switched gradients off
            return _examine(_Case(model, images, masks, ignored))
    finally:
        set_random_states(states, [])


def _examine(case: _Case) -> Diagnosis:
    findings: list[Finding] = []
    checked: list[str] = []
    unchecked: dict[str, str] = {}
    for name, (check, needs) in _CHECKS.items():
        try:
            for need in needs:
                if any(finding.check == need for finding in findings):
                    raise _NotCheckedError(f"first mend {need}")
                if need in unchecked:
                    raise _NotCheckedError(unchecked[need])
            findings += [Finding(name, message) for message in check(case)]
            checked.append(name)
        except _NotCheckedError as why:
            unchecked[name] = str(why)
    return Diagnosis(findings, checked, unchecked)


class _NotCheckedError(Exception):
    """A check does not apply; the text says why."""


@dataclass
class _Case:
    """What is examined, and what the checks have learned so far."""

    model: nn.Module
    images: Any
    masks: Any
    ignore_index: int | None = None
    logits: Any = None  # a tensor (B, num_classes, H, W), in the mode in which the model is
    parameters: dict[str, torch.Tensor] = field(default_factory=dict)  # stand for the model's, and share their memory
    averaged: dict[str, int] = field(default_factory=dict)  # values a channel, by the name of the batch normalization

    @property
    def view(self) -> torch.Tensor:
        """The images, or the middle of them for which a network without padding answers."""
        return self.images if self.logits is None else center_crop(self.images, self.logits.shape[-2:])

    @property
    def counted(self) -> torch.Tensor:
        """Where a pixel counts, (B, H, W), once it is known that the masks are some."""
        found = _contract.counted(self.masks, self.ignore_index)
        found = torch.ones_like(self.masks, dtype=torch.bool) if found is None else found
        return found[:, 0] if found.ndim == 4 else found

    @property
    def labels(self) -> torch.Tensor:
        """The class of every pixel, int64 (B, H, W); background where a pixel does not count."""
        labels = self.masks[:, 0] if self.masks.ndim == 4 else self.masks
        return labels.masked_fill(~self.counted, 0).long()

    @property
    def num_classes(self) -> int:
        if self.logits is not None:
            return self.logits.shape[1]
        if "num_classes" in _config(self.model):
            return self.model.config["num_classes"]
        raise _NotCheckedError("the number of classes is not known without an output")

    @property
    def trained(self) -> bool:
        """Whether a batch normalization has counted enough batches. Without one, nobody can tell."""
        return any(int(m.num_batches_tracked) >= FEWEST_BATCHES for m in _batch_norms(self.model).values())


def _batch_norms(model: nn.Module) -> dict[str, nn.Module]:
    """Return the layers that keep running averages, by name."""
    known = (nn.modules.batchnorm._BatchNorm,)
    found = {name: m for name, m in model.named_modules() if isinstance(m, known)}
    return {name: m for name, m in found.items() if m.track_running_stats and m.num_batches_tracked is not None}


def _run(case: _Case, images: torch.Tensor, training: bool | None = None) -> Any:
    """Return what the model makes of the images, and leave no trace in it.

    Copies stand in for the buffers, so that running averages are not changed. Others stand in for the parameters,
    with the same memory, so that gradients do not arrive at the model's own.
    """
    case.parameters = {name: p.detach().requires_grad_(p.requires_grad) for name, p in case.model.named_parameters()}
    buffers = {name: buffer.clone() for name, buffer in case.model.named_buffers()}
    with nullcontext() if training is None else mode(case.model, training=training):
        return torch.func.functional_call(case.model, case.parameters | buffers, (images,))


def _device(case: _Case) -> torch.device:
    return next((p.device for p in case.model.parameters()), torch.device("cpu"))


# The checks. Each takes the case and yields a message for every problem. ---------------------------------------------


def _weights(case: _Case) -> Iterator[str]:
    named = [*case.model.named_parameters(), *case.model.named_buffers()]
    if any(t.device.type == "meta" for _, t in named):
        yield "the model is on the device 'meta', where tensors have shapes alone. Build it on the CPU or a GPU."
        return
    broken = [name for name, t in named if t.is_floating_point() and not t.isfinite().all()]
    if broken:
        yield (
            f"{_some(broken)} of the model {'hold' if len(broken) > 1 else 'holds'} NaN or infinity. Training has "
            f"diverged: go back to an earlier checkpoint, look for NaN in the images, and lower the learning rate."
        )


def _images(case: _Case) -> Iterator[str]:
    images, config = case.images, _config(case.model)
    channels = _in_channels(case.model)
    if isinstance(images, torch.Tensor) and images.ndim == 4 and not config:
        channels = images.shape[1]  # a foreign model may prepare the channels itself
    if isinstance(images, torch.Tensor):
        message = _message(_contract.dense, "images", images)
        if message:
            yield message
            return
    try:
        check_images(images, channels, _depth(case.model) if config else 0, config.get("padding", "same"))
    except ValueError as problem:
        yield str(problem)
        return
    if not images.isfinite().all():
        yield _message(_check_image, images)
    weight = next((p for p in case.model.parameters() if p.is_floating_point()), images)
    if images.numel() and images.dtype != weight.dtype:
        ours, theirs = (str(t.dtype).removeprefix("torch.") for t in (images, weight))
        yield f"images are {ours}, but the model's weights are {theirs}. Convert them with images.to(torch.{theirs})."


def _range(case: _Case) -> Iterator[str]:
    low, high = (v.item() for v in case.images.aminmax())
    counts = high > 1 and torch.equal(case.images, case.images.round())
    if max(-low, high) > LARGEST_VALUE or counts:
        yield _message(_check_image, case.images)
    elif high - low < SMALLEST_SPAN:
        yield (
            f"images hardly vary: they span {low:.3g} to {high:.3g}. Were they divided by 255 twice? "
            f"Scale them to 0 to 1 once."
        )


def _forward_pass(case: _Case) -> Iterator[str]:
    images = case.images.to(_device(case))
    hooks = [
        module.register_forward_pre_hook(
            lambda m, inputs, name=name: case.averaged.update({name: inputs[0].numel() // inputs[0].shape[1]})
        )
        for name, module in _batch_norms(case.model).items()
        if module.training
    ]
    try:
        case.logits = _run(case, images)
    except Exception as error:  # whatever a model raises is what we were asked to explain
        yield _explain(case, images, error)
    finally:
        for hook in hooks:
            hook.remove()


def _explain(case: _Case, images: torch.Tensor, error: Exception) -> str:
    """Say why the model does not run, as far as trying can find it out."""
    raised = f"the model raises {type(error).__name__}: {str(error).strip().partition(chr(10))[0].removesuffix('.')}."
    if _out_of_memory(error):
        return f"{raised} Use a smaller batch, smaller images, or fewer channels in the first stages."
    channels = _in_channels(case.model)
    if channels is not None and images.shape[1] != channels:
        return f"{raised} Its first convolution takes {channels} channels, and the images have {images.shape[1]}."
    height, width = images.shape[2:]
    step = 2 ** _depth(case.model)
    missing = (-width % step, -height % step)
    if any(missing):
        padded = F.pad(images, (0, missing[0], 0, missing[1]))  # zeros at the right and at the bottom
        if _runs(case, padded):
            return (
                f"{raised} On images of {height}x{width} it fails, on {padded.shape[2]}x{padded.shape[3]} it runs. "
                f"Pad the images to sides that its poolings can halve, and cut the output back."
            )
    return raised


def _runs(case: _Case, images: torch.Tensor) -> bool:
    try:
        _run(case, images)
    except Exception:  # any: the question is only whether there is one
        return False
    return True


def _out_of_memory(error: Exception) -> bool:
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, torch.cuda.OutOfMemoryError) or any(word in str(error).lower() for word in words)


def _output(case: _Case) -> Iterator[str]:
    logits, case.logits = case.logits, None  # until it is known that they are some
    B, _, H, W = case.images.shape
    if not isinstance(logits, torch.Tensor):
        what = f"a dict with {', '.join(map(repr, logits))}" if isinstance(logits, dict) else type(logits).__name__
        yield f"the model must return one tensor of logits, but returns {what}. Take the part that holds the logits."
    elif logits.ndim != 4 or logits.shape[0] != B or not _same_view(case, logits):
        hint = "Pad its convolutions, or cut the masks to the middle with center_crop."
        if logits.ndim == 3:
            hint = "Do not squeeze the axis of the classes away."
        yield f"the model must return logits ({B}, num_classes, {H}, {W}), but returns {tuple(logits.shape)}. {hint}"
    elif not logits.isfinite().all():
        wrong = int((~logits.isfinite()).sum())
        yield (
            f"{wrong} of {logits.numel()} logits are NaN or infinity, though weights and images are finite. Look for a "
            f"division by zero, a logarithm of 0, or an overflow in short precision."
        )
    else:
        case.logits = logits


def _same_view(case: _Case, logits: torch.Tensor) -> bool:
    """Whether there is a logit for every pixel, or for every pixel of masks that were cut like the logits."""
    image, output = case.images.shape[-2:], logits.shape[-2:]
    if image == output:
        return True
    mask = tuple(case.masks.shape[-2:]) if isinstance(case.masks, (torch.Tensor, np.ndarray)) else ()
    return mask == output and all(i > o and (i - o) % 2 == 0 for i, o in zip(image, output, strict=True))


def _last_layer(case: _Case) -> Iterator[str]:
    node = case.logits.grad_fn
    while node is not None and node.name().startswith(MOVES):
        node = node.next_functions[0][0]
    for name, what in LAST_STEPS.items():
        if node is not None and node.name().startswith(f"{name}Backward"):
            yield f"the model {what}. Return the logits, and apply the sigmoid or softmax only to show probabilities."


def _masks(case: _Case) -> Iterator[str]:
    if not isinstance(case.masks, torch.Tensor):
        message = _message(_contract.tensor, "masks", case.masks)
        yield message
        return
    message = _message(_contract.dense, "masks", case.masks)
    if message:
        yield message
        return
    images = case.images if case.logits is None else case.view
    batch = isinstance(images, (torch.Tensor, np.ndarray)) and images.ndim == 4  # otherwise there is no size to compare
    ignored = _contract.counted(case.masks, case.ignore_index)
    right = case.masks.dtype in (torch.float32, torch.int64)
    masks = case.masks.masked_fill(~ignored, 0) if ignored is not None and right else case.masks
    message = _message(check_mask, masks, case.num_classes, images if batch else None)
    if not message and ignored is not None and not ignored.any():
        message = f"no pixel counts: all of the masks are {case.ignore_index}, which is ignore_index."
    if message:
        yield message


def _balance(case: _Case) -> Iterator[str]:
    masks, counted = case.labels.flatten(1), case.counted.flatten(1)  # (B, H * W)
    empty = int((masks == 0).all(dim=1).sum())
    if empty:
        yield (
            f"{empty} of {len(masks)} masks hold nothing but background. If the images show objects, mend the "
            f"masks; if not, give the Dice loss a larger smooth, or per_image=False."
        )
    share = (masks[counted].bincount() / counted.sum()).max().item()
    if empty < len(masks) and share > COMMONEST_CLASS:
        yield (
            f"{100 * share:.2f} % of the pixels belong to one class, so that always answering it looks good. "
            f"Judge by IoU, train with a Dice term in the loss, or cut the images smaller around the objects."
        )


def _pairs(case: _Case) -> Iterator[str]:
    if min(case.view.shape[-2:]) < SMALLEST_PICTURE:
        raise _NotCheckedError(f"needs images of {SMALLEST_PICTURE} pixels or more a side")
    edges = _unit(_edges(case.view.detach().float().cpu()))  # (B, H * W)
    labels = case.labels.cpu()  # (B, H, W)
    own = (edges * _unit(_outlines(labels))).sum(1)  # (B,): a correlation
    fits = edges @ _unit(_outlines(labels)).T  # (B, B): of image i with mask j
    swapped = (fits.max(dim=1).values > own + BETTER_FIT).nonzero().flatten().tolist()
    if len(swapped) > len(own) // 4:
        first, other = swapped[0], int(fits[swapped[0]].argmax())
        yield (
            f"{len(swapped)} of {len(own)} images fit the mask of another image better than their own; image {first} "
            f"fits mask {other}. Pair images and masks by name: sort both lists, and shuffle them together."
        )
    for what, turned in _turned(labels).items():
        better = int(((edges * _unit(_outlines(turned))).sum(1) > own + BETTER_FIT).sum())
        if better > len(own) // 4:
            yield (
                f"{better} of {len(own)} masks fit their image better {what}. "
                f"Do to the mask what is done to the image, with the same random numbers."
            )
            return


def _turned(labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the masks (B, H, W) in every other way in which they can lie on their images."""
    ways = {
        "mirrored left to right": labels.flip(-1),
        "mirrored top to bottom": labels.flip(-2),
        "turned by half a turn": labels.flip(-1, -2),
    }
    if labels.shape[-1] == labels.shape[-2]:
        ways["with rows and columns exchanged"] = labels.transpose(-1, -2)
        ways["turned by a quarter"] = torch.rot90(labels, 1, (-2, -1))
        ways["turned by three quarters"] = torch.rot90(labels, 3, (-2, -1))
    return ways


def _edges(images: torch.Tensor) -> torch.Tensor:
    """Return how steep the images (B, C, H, W) are at every pixel, (B, H, W), after a light blur against noise."""
    gray = F.pad(images.mean(1, keepdim=True), (3, 3, 3, 3), mode="replicate")  # (B, 1, H + 6, W + 6)
    gray = F.avg_pool2d(F.avg_pool2d(gray, 3, stride=1), 3, stride=1)[:, 0]  # (B, H + 2, W + 2)
    across, down = gray[:, 1:-1, 2:] - gray[:, 1:-1, :-2], gray[:, 2:, 1:-1] - gray[:, :-2, 1:-1]
    return torch.hypot(across, down)


def _outlines(labels: torch.Tensor) -> torch.Tensor:
    """Return 1 where a pixel's neighbour has another label, on both sides, and 0 elsewhere; (B, H, W)."""
    outlines = torch.zeros(labels.shape)
    across, down = labels[:, :, 1:] != labels[:, :, :-1], labels[:, 1:] != labels[:, :-1]
    for part, differs in (
        (outlines[:, :, 1:], across),
        (outlines[:, :, :-1], across),
        (outlines[:, 1:], down),
        (outlines[:, :-1], down),
    ):
        part[differs] = 1
    return outlines


def _unit(maps: torch.Tensor) -> torch.Tensor:
    """Return maps (B, H, W) as vectors of mean 0 and length 1, so that a product of two is their correlation."""
    flat = maps.flatten(1) - maps.mean((1, 2))[:, None]
    return flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-9)


def _gradients(case: _Case) -> Iterator[str]:
    trainable = {name: p for name, p in case.parameters.items() if p.requires_grad}
    if not trainable:
        raise _NotCheckedError("no parameter asks for a gradient")
    gradients: Sequence[torch.Tensor | None] = [None] * len(trainable)
    if case.logits.requires_grad:
        # A random direction, because the sum of normalized values, or of a softmax, has no gradient at all.
        direction = torch.randn(case.logits.shape, generator=torch.Generator().manual_seed(0)).to(case.logits)
        value = (case.logits * direction).sum()
        gradients = torch.autograd.grad(value, list(trainable.values()), allow_unused=True)
    reached: dict[str, str] = {}
    for name, gradient in zip(trainable, gradients, strict=True):
        # A layer counts as a whole: a bias before batch normalization has no gradient of its own, and needs none.
        layer = name.rpartition(".")[0] or name
        state = "cut off" if gradient is None else "alive" if gradient.any() else "zero"
        reached[layer] = min(state, reached.get(layer, state))  # in the alphabet, alive comes before the others
    dead = [layer for layer, state in reached.items() if state == "cut off"]
    if list(reached.values()).count("zero") > DEAD_LAYERS * len(reached):
        dead = [layer for layer, state in reached.items() if state != "alive"]
    if dead:
        where = f"{_some(dead)} ({len(dead)} of {len(reached)} layers)" if len(dead) < len(reached) else "any layer"
        yield (
            f"no gradient reaches {where}. Look for detach(), no_grad(), .data or numpy on the way, "
            f"for a layer that forward() does not use, or for ReLUs that are always 0."
        )


def _batch_norm(case: _Case) -> Iterator[str]:
    if not case.averaged:
        raise _NotCheckedError("there is none in train mode")
    name = min(case.averaged, key=lambda name: case.averaged[name])
    if case.averaged[name] < FEWEST_VALUES:
        yield (
            f"batch normalization in {name} averages over {case.averaged[name]} values only. Use more images in a "
            f"batch, larger images, or a normalization that does not depend on the batch, such as norm='group'."
        )


def _modes(case: _Case) -> Iterator[str]:
    if not case.trained:
        raise _NotCheckedError(f"needs a batch norm that has seen {FEWEST_BATCHES} batches")
    if len(case.images) < 2:
        raise _NotCheckedError("needs two images")
    images = case.images.to(_device(case))
    with torch.no_grad():
        train, evaluated = (_classes(_run(case, images, training)) for training in (True, False))
    truth, counted = case.labels.to(train.device), case.counted.to(train.device)
    lost = (_mean_iou(train[counted], truth[counted]) - _mean_iou(evaluated[counted], truth[counted])).item()
    changed = (train != evaluated).float().mean().item()
    if lost > LOST_IOU:
        yield (
            f"in eval mode the prediction is worse by {lost:.2f} IoU than in train mode: the running averages do not "
            f"fit these images. Train longer or with larger batches, and scale the images as in training."
        )
    elif case.model.training:
        yield (
            f"the model is trained and in train mode: eval mode gives another answer at {100 * changed:.1f} % of the "
            f"pixels, and every prediction changes the running averages. Call model.eval() before you predict, and "
            f"model.train() before you go on training."
        )


def _prediction(case: _Case) -> Iterator[str]:
    span = case.logits.amax((0, 2, 3)) - case.logits.amin((0, 2, 3))  # (num_classes,)
    if len(case.images) > 1 and not span.any():
        yield (
            "the model answers the same at every pixel of every image, as if it did not see them. Look for weights "
            "or ReLUs that are all 0, and for a softmax over a single channel."
        )
        return
    with torch.no_grad():
        logits = _run(case, case.images.to(_device(case)), training=False)  # (B, num_classes, H, W)
    two = logits.shape[1] == 1
    p = torch.cat([-logits / 2, logits / 2], 1).softmax(1) if two else logits.softmax(1)  # (B, 2 or more, H, W)
    least, common = p.amin((0, 2, 3)).max(0)  # the class that is likely everywhere, if there is one
    labels = case.labels[case.counted]
    if least > SURE and labels.unique().numel() > 1:
        share = (labels != common.item()).float().mean().item()
        yield (
            f"the prediction is class {common.item()}{' (all background)' if common == 0 else ''} at every pixel, with "
            f"a probability of at least {least.item():.2f}, though {100 * share:.1f} % of the mask is something else. "
            f"Train longer, add a Dice term to the loss, and see that the model learns one batch by heart."
        )


# name: (the check, the checks that must have found nothing before)
_CHECKS: dict[str, tuple[Callable[[_Case], Iterator[str]], tuple[str, ...]]] = {
    "weights": (_weights, ()),
    "images": (_images, ()),
    "range": (_range, ("images",)),
    "forward pass": (_forward_pass, ("images",)),
    "output": (_output, ("weights", "forward pass")),
    "last layer": (_last_layer, ("output",)),
    "masks": (_masks, ()),
    "balance": (_balance, ("masks",)),
    "pairs": (_pairs, ("images", "masks")),
    "gradients": (_gradients, ("output",)),
    "batch norm": (_batch_norm, ("forward pass",)),
    "mode": (_modes, ("output", "masks")),
    "prediction": (_prediction, ("output", "masks")),
}


def _message(check: Callable, *arguments: object) -> str:
    """Return what a check that raises has to say, or nothing."""
    try:
        check(*arguments)
    except ValueError as problem:
        return str(problem)
    return ""


def _config(model: nn.Module) -> dict[str, Any]:
    """Return the arguments of a model of this package, and an empty dict for any other."""
    config = getattr(model, "config", None)
    return config if isinstance(config, dict) and {"in_channels", "num_classes"} <= set(config) else {}


def _depth(model: nn.Module) -> int:
    """Return how often the model pools, or 5 for one that does not say: more is rare."""
    depth = getattr(model, "depth", None)
    return depth if isinstance(depth, int) else 5


def _in_channels(model: nn.Module) -> Any:
    """Return the channels that the model takes: from its config, or else those of its first convolution."""
    first = next((m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    return _config(model).get("in_channels", first)


def _classes(logits: torch.Tensor) -> torch.Tensor:
    """Return the class of every pixel, (B, H, W)."""
    return (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(1)


def _mean_iou(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return the IoU over the whole batch, mean over the classes of the truth but the background."""
    classes = [c for c in truth.unique().tolist() if c != 0] or [0]
    both = [((predicted == c) & (truth == c)).sum() / ((predicted == c) | (truth == c)).sum() for c in classes]
    return torch.stack(both).mean()


def _some(names: Sequence[str]) -> str:
    """Name up to three, and say how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
