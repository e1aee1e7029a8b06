"""Every message of the package that names a cure: it is carried out on the very input, and what comes of it is true.

`CURES` holds, for each module, what is wrong, the call that refuses it, the words of the message that name the cure,
the cure, and what must be true of its result. Where the words are code, the text of the message itself is run.

A test reads the source of the package and asks for every sentence of every message behind the first, which says what
was expected and what came: it is tried here, or by the test that `ELSEWHERE` names, or it stands in `UNTRIED` with the
reason, or it says nothing that can be done and stands in `STATEMENTS`. The folder ``data`` has tests of its own that do
the same (test_masks, test_meaning, test_reading, test_folders, test_void).
"""

import ast
import copy
import inspect
import linecache
import re
import tomllib
import traceback
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import unet_tutorial
from unet_tutorial import _checks, plots, training
from unet_tutorial._commands import check, grade
from unet_tutorial.augment import Augmentation
from unet_tutorial.blocks import DoubleConv
from unet_tutorial.checkpoints import random_states, read_checkpoint, set_random_states
from unet_tutorial.data.masks import check_mask, from_colors, from_gray, resize_mask
from unet_tutorial.data.synthetic import SyntheticCellsDataset, SyntheticCircleDataset
from unet_tutorial.devices import choose_device
from unet_tutorial.diagnosis import FEWEST_BATCHES, diagnose
from unet_tutorial.diffusion import StepUNet, add_noise, fit_noise, noise_schedule
from unet_tutorial.exercises import find, pieces
from unet_tutorial.export import NEEDS, to_onnx
from unet_tutorial.inference import predict
from unet_tutorial.instances import otsu
from unet_tutorial.losses import CombinedLoss, DiceLoss, bce_loss, dice_loss, focal_loss, weighted_cross_entropy
from unet_tutorial.metrics import average_precision, iou, predicted_masks
from unet_tutorial.planned import load_planned
from unet_tutorial.pretrained import load_model
from unet_tutorial.segmenter import Segmenter, open_segmenter, segment_folder
from unet_tutorial.training import evaluate, fit, train_step
from unet_tutorial.unet import UNet, center_crop
from unet_tutorial.widgets.kit.base import _written
from unet_tutorial.widgets.kit.pictures import encode

PACKAGE = Path(unet_tutorial.__file__).parent
RNG = np.random.default_rng(0)


class Row(NamedTuple):
    """A message, and the cure that it names."""

    given: Callable[[], Any]  # what is wrong
    call: Callable[[Any], Any]  # refuses it
    says: str  # what names the cure; where a group of it is code, that is run
    cure: str | Callable[..., Any]  # the name of what was given in that code, and the call is made again; or what to do
    right: Callable[..., bool]  # (what came of it, what was given)


def same(found: Any, expected: Any, atol: float = 0.0) -> bool:
    """Whether two tensors or arrays have one shape and the same values."""
    found, expected = (np.asarray(torch.as_tensor(part).detach()) for part in (found, expected))
    return found.shape == expected.shape and np.allclose(found, expected, rtol=0, atol=atol)


# What rows have in common ---------------------------------------------------------------------------------------------

IMAGES = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
MASKS = (IMAGES > 0.5).float()  # (2, 1, 16, 16)
CLASSES = (3 * IMAGES[:, 0]).long()  # (2, 16, 16), 0 to 2
LOGITS = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))
SCORES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))
WEIGHTS = torch.where(IMAGES > 0.8, -1.0, 1.0)
PALETTE = {(0, 0, 0): 0, (255, 0, 0): 1, (0, 0, 255): 2}
COLOURS = np.array(list(PALETTE), dtype=np.uint8)[CLASSES[0].numpy()]  # (16, 16, 3)
OBJECTS = SyntheticCellsDataset(1, image_size=64).instances(0)  # int64 (64, 64)
BATCH = [(IMAGES, MASKS)]
NAMES = {"np": np, "numpy": np, "torch": torch, "from_gray": from_gray, "predicted_masks": predicted_masks}


def network(*arguments: Any, channels: tuple = (4, 8), **options: Any) -> UNet:
    """Return a network that is the same at every call, in eval mode."""
    torch.manual_seed(0)
    return UNet(*(arguments or (1,)), channels=channels, **options).eval()


def checked_mask(num_classes: int = 1) -> Callable:
    """Return what checks a mask and returns it."""
    return lambda mask: (check_mask(mask, num_classes), mask)[1]


def in_loss(masks: Any) -> torch.Tensor:
    return bce_loss(LOGITS, masks)


def in_loss_of_classes(masks: Any) -> torch.Tensor:
    return bce_loss(SCORES, masks)


def is_loss(masks: torch.Tensor = MASKS, logits: torch.Tensor = LOGITS) -> Callable:
    return lambda result, _: bool(torch.isclose(result, bce_loss(logits, masks)))


def is_mask(mask: Any) -> Callable:
    return lambda result, _: same(result, mask)


def is_answer(images: torch.Tensor, atol: float = 1e-5) -> Callable:
    """Return what compares logits with those of the network for such images."""
    return lambda result, _: same(result, network()(images), atol)


def quietly(function: Callable) -> Any:
    """Call something of torch that warns of its own future."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function()


def trained(**options: Any) -> Any:
    """Train a tiny network for an epoch, and return it with its history."""
    model = options.pop("model", None) or network()
    data = options.pop("data", BATCH)
    history = fit(model, data, options.pop("val", BATCH), **{"epochs": 1, "progress": False, "device": "cpu"} | options)
    return SimpleNamespace(model=model, history=history)


def is_trained(result: Any, _: Any) -> bool:
    return result.history.epochs == 1 and np.isfinite(result.history.train_loss).all()


def kept(path: str = "state.pt", **options: Any) -> Path:
    """Write a checkpoint into the folder in which the test is."""
    trained(checkpoint=path, **options)
    return Path(path)


def healthy(case: tuple) -> tuple:
    """Raise what `diagnose` finds in a model and a batch; return them if it finds nothing."""
    found = diagnose(*case)
    if found:
        raise ValueError("\n".join(map(str, found)))
    return case


def discs(number: int = 8, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    images, masks = zip(*SyntheticCircleDataset(number, image_size=size), strict=True)
    return torch.stack(images), torch.stack(masks)


def ready(model: Any = None, images: Any = None, masks: Any = None) -> Callable[[], tuple]:
    """Return what makes a healthy case with one part exchanged: the part, or a function of the right one."""

    def make() -> tuple:
        parts = [network(channels=(4, 8, 16)).train(), *discs()]
        for place, change in enumerate((model, images, masks)):
            parts[place] = change(parts[place]) if callable(change) else parts[place]
        return tuple(parts)

    return make


class Around(nn.Module):
    """A network whose answer is changed."""

    def __init__(self, inner: nn.Module, change: Callable):
        super().__init__()
        self.inner, self.change = inner, change

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.change(self.inner(x))


class Plain(nn.Module):
    """What people write in an afternoon: it neither pads nor checks."""

    def __init__(self, channels: int = 4):
        super().__init__()
        self.down = nn.Conv2d(1, channels, 3, padding=1)
        self.up, self.head = nn.ConvTranspose2d(channels, channels, 2, stride=2), nn.Conv2d(2 * channels, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = torch.relu(self.down(x))
        return self.head(torch.cat([skip, self.up(F.max_pool2d(skip, 2))], dim=1))


class Hungry(Plain):
    """It has memory for four channels of four images of 64x64."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.numel() * self.down.out_channels > 4 * 4 * 64 * 64:
            raise RuntimeError("CUDA out of memory.")
        return super().forward(x)


def changed(change: Callable) -> Callable:
    return lambda model: Around(model, change)


def without_change(case: tuple) -> tuple:
    """Return the case with the network's own answer."""
    return healthy((case[0].inner, *case[1:]))


def found_nothing(result: tuple, given: tuple) -> bool:
    """`healthy` has raised nothing, for a model that answers for the same pictures."""
    return len(result) == 3 and len(result[1]) > 0


def learned(model: nn.Module, data: tuple, epochs: int, **options: Any) -> nn.Module:
    loader = DataLoader(TensorDataset(*data), batch_size=4)
    fit(model, loader, loader, epochs=epochs, progress=False, device="cpu", **options)
    return model.eval()


def flat_averages(model: nn.Module) -> nn.Module:
    """Train a network, and set its running averages to those of other images."""
    learned(model, discs(), FEWEST_BATCHES // 2)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean += 5
    return model


def all_black(model: nn.Module) -> nn.Module:
    nn.init.constant_(model.head.bias, -3.0)
    return model


def set_to(value: float, part: Callable) -> Callable:
    """Return what sets the numbers of a part of a model."""

    def change(model: nn.Module) -> nn.Module:
        nn.init.constant_(part(model), value)
        return model

    return change


def thresholder(image: np.ndarray) -> np.ndarray:
    grey = image if image.ndim == 2 else image.max(axis=2)
    return ndimage.label(grey > 100)[0].astype(np.int64)


DOTS = np.kron(np.eye(4, dtype=np.uint8), np.full((5, 5), 200, dtype=np.uint8))  # (20, 20), four squares


def folder(**pictures: np.ndarray) -> Path:
    """Write pictures, ``name_ending=array``, and return their folder."""
    path = Path("in")
    path.mkdir(exist_ok=True)
    for name, image in pictures.items():
        Image.fromarray(image).save(path / name.replace("_", "."))
    return path


def segmented(path: Path, **options: Any) -> dict[str, int]:
    """Segment a folder, and return how many objects each picture has; raise why one was left out."""
    report = segment_folder(Segmenter(nn.Identity(), thresholder, "objects", {}), path, progress=False, **options)
    if report.left_out:
        raise ValueError(next(iter(report.left_out.values())))
    return report.done


def occupied() -> Path:
    folder(a_png=DOTS)
    Path("in_objects").mkdir()
    Path("in_objects/old.txt").write_text("mine")
    return Path("in")


def renamed(path: Path) -> dict[str, int]:
    (path / "a.png").rename(path / "b.png")
    return segmented(path, overwrite=True)


def apart(path: Path) -> dict[str, int]:
    """Put the colour pictures of a folder into one of their own."""
    Path("colour").mkdir()
    (path / "b.png").rename("colour/b.png")
    return segmented(path, overwrite=True) | segmented(Path("colour"))


def opened(path: Path, **options: Any) -> Any:
    return open_segmenter(path, **options)


def mine(source: str) -> type:
    """Return the class of a cell as Jupyter knows it, or one whose cell is forgotten if ``source`` is commented out."""
    scope: dict[str, Any] = {}
    linecache.cache["<cell>"] = (len(source), None, source.splitlines(keepends=True), "<cell>")
    exec(compile(source, "<cell>", "exec"), scope)
    return scope["MyDoubleConv"]


CELL = "class MyDoubleConv:\n    def forward(self, x):\n        return x\n"


def forgotten() -> type:
    written = mine(CELL)
    linecache.cache["<cell>"] = (1, None, ["x = 1\n"], "<cell>")  # another cell has taken its place
    return written


class Once:
    """A loader that is empty when it is gone through again."""

    def __init__(self, batches: list):
        self.batches, self.iterator = batches, iter(batches)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator:
        return self.iterator


class Stopping:
    """A loader at which somebody presses Ctrl-C in the second epoch."""

    times = 0

    def __len__(self) -> int:
        return len(BATCH)

    def __iter__(self) -> Iterator:
        self.times += 1
        if self.times == 2:
            raise KeyboardInterrupt
        return iter(BATCH)


def whole_model(name: str) -> Path:
    torch.save(network(), name)
    return Path(name)


def planned_file() -> Path:
    """Write a checkpoint of fit, for what reads files of plans."""
    return kept("state.pt")


def lazy() -> nn.Module:
    return quietly(lambda: nn.Sequential(nn.LazyConv2d(1, 1)))


def built_new(given: Any, match: re.Match) -> Any:
    """Build what the words name, and use it where the class stood."""
    assert match[1].startswith(given.__name__)
    return evaluate(given(1, channels=(4, 8)), BATCH)


def steps(model: nn.Module, rate: float, **options: Any) -> list[float]:
    """Train a model for three steps, and return the losses."""
    optimizer = torch.optim.SGD(model.train().parameters(), lr=rate)
    return [train_step(model, optimizer, *BATCH[0], **{"loss": bce_loss} | options) for _ in range(3)]


def nearest(images: torch.Tensor, match: re.Match) -> tuple[int, ...]:
    """Run the network at the sides that the message names, and return them; between them none may fit."""
    model = network(channels=(2, 4, 8), padding="none")
    below, above = map(int, match.groups())
    for side in (below, above):
        assert min(model(images[..., :1, :1].expand(1, 1, side, side)).shape[-2:]) >= 1
    for side in range(below + 1, above):
        with pytest.raises(ValueError, match="without padding"):
            _checks.unpadded_sides(side, side, 2)
    return below, above


def interpolated(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return an original (H, W), and what it became when it was made smaller with interpolation."""
    small = F.interpolate(mask[None, None].double(), size=(11, 11), mode="bilinear", antialias=True)[0, 0]
    return mask, small


def nearest_pixels(mask: torch.Tensor) -> torch.Tensor:
    return F.interpolate(mask[None, None].double(), size=(11, 11), mode="nearest-exact")[0, 0]


def with_weights(weights: Any) -> UNet:
    """Do what the messages say: build the model, and load the weights."""
    model = network()
    model.load_state_dict({name: 0 * value for name, value in model.state_dict().items()})
    model.load_state_dict(weights)
    return model


def wide(skip: torch.Tensor) -> torch.Tensor:
    return skip.repeat(1, 2, 1, 1)


def loader() -> DataLoader:
    return DataLoader(TensorDataset(torch.arange(9)), shuffle=True, generator=torch.Generator().manual_seed(3))


def drawn_again(states: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Set the states into a loader that is built in the same way and has gone on, and return what both draw."""
    used = loader()
    list(used)
    set_random_states(states, [used])
    first, again = (torch.cat([part for (part,) in one]) for one in (loader(), used))
    return first, again


def steps_of(model: nn.Module, images: torch.Tensor = IMAGES, rate: float = 0.1) -> nn.Module:
    """Train a model for two steps by hand, which does not look at what comes of it."""
    optimizer = torch.optim.SGD(model.train().parameters(), lr=rate)
    for _ in range(2):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(images), MASKS).backward()
        optimizer.step()
    return model


def diverged_by(**options: Any) -> tuple:
    return steps_of(network(), **options), *discs()


class Padding(nn.Module):
    """Pads images to even sides, and cuts the output back."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[-2:]
        return self.inner(F.pad(x, (0, width % 2, 0, height % 2)))[..., :height, :width]


def valid(padding: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=padding), nn.ReLU(), nn.Conv2d(4, 1, 1))


def with_part(model: nn.Module) -> nn.Module:
    model.extra = nn.Conv2d(1, 1, 1)
    return model


def last_bias(model: nn.Module) -> torch.Tensor:
    """Return the bias before the last ReLU."""
    return model.decoder.blocks[-1].block.layers[3].bias


def dead() -> nn.Module:
    return set_to(-1e3, last_bias)(network(channels=(4, 8, 16), norm="none")).train()


def cut_out(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return so many pictures of 8x8, each with a bit of a disc."""
    images, masks = discs(number)
    places = [(mask[0] > 0).nonzero()[0].clamp(4, 56) for mask in masks]
    return tuple(
        torch.stack([one[:, y - 4 : y + 4, x - 4 : x + 4] for one, (y, x) in zip(part, places, strict=True)])
        for part in (images, masks)
    )


def few_values(number: int) -> tuple:
    return network(channels=(4, 8, 16)).train(), *cut_out(number)


def larger(case: tuple) -> tuple:
    return healthy((case[0], *(part[:2] for part in discs())))


BROKEN = "class MyDoubleConv(:\n"


def broken_file() -> type:
    """Spoil the reader's file, and return a class that is to be kept in it."""
    Path(pieces.FILE).write_text(BROKEN)
    return mine(CELL)


def kept_in_file(written: type) -> str:
    pieces.keep("DoubleConv", written)
    return Path(pieces.FILE).read_text()


def memmap(way: str) -> np.memmap:
    return np.memmap("out.bin", np.float32, way, shape=(2, 1, 16, 16))


def read_only() -> np.memmap:
    memmap("w+").flush()
    return memmap("r")


def with_bad_pixels(images: torch.Tensor) -> torch.Tensor:
    images = images.clone()
    images[..., 0], images[..., 1] = np.nan, np.inf
    return images


def with_good_pixels(images: torch.Tensor) -> torch.Tensor:
    images = images.clone()
    images[..., 0], images[..., 1] = 0, 1
    return images


def own_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 1, 3, padding=1))


def run_for_model(code: str) -> nn.Module:
    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1))
    eval(code, {"model": model, "read_checkpoint": read_checkpoint})
    return model


def worse_later() -> Path:
    """Write a checkpoint whose last epoch is not its best."""
    judge = iter([0.9, 0.1, 0.1])
    with mock.patch.object(training, "evaluate", lambda *_, **__: training.Scores(0.5, next(judge))):
        return kept("it's.pt", model=own_model(), patience=2, epochs=3, learning_rate=0.1)


def steep(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """A root of what may come down to 0, where the root has a value, and no slope."""
    return logits.sigmoid().mean().sqrt()


def steep_steps(rate: float) -> list[float]:
    model = nn.Conv2d(1, 1, 1)
    for parameter in model.parameters():
        nn.init.ones_(parameter)
    return steps(model, rate, loss=steep, clip_norm=1.0)


def bce_without_more(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    return bce_loss(logits, masks)


class Own(torch.optim.SGD):
    """An optimizer that is none of torch's."""


def on_an_old_gpu(precision: str) -> None:
    with mock.patch.object(torch.cuda, "get_device_capability", return_value=(7, 5)):
        training._check_precision(precision, torch.device("cuda"))


WEIGHTED = [(IMAGES, MASKS, MASKS + 1)]
RARE = {part: lambda whole: F.pad(whole[:4], (0, 300, 0, 300)) for part in ("images", "masks")}  # most is background


# The table ------------------------------------------------------------------------------------------------------------


def noise_learned(rate: float) -> list[float]:
    torch.manual_seed(0)
    model = StepUNet(1, channels=(4, 8))
    return fit_noise(model, IMAGES, noise_schedule(25), updates=9, learning_rate=rate, progress=False)


CURES: dict[str, dict[str, Row]] = {
    "__init__": {
        "a name that is there in another spelling": Row(
            lambda: "Unet",
            lambda name: getattr(unet_tutorial, name),
            r"Did you mean ('UNet')\?",
            "name",
            lambda result, _: result is UNet,
        ),
    },
    "_checks": {
        "an option in another spelling": Row(
            lambda: "bacth",
            lambda norm: network(1, norm=norm),
            r"Did you mean ('batch')\?",
            "norm",
            lambda result, _: result.config["norm"] == "batch",
        ),
        "too small, a larger image": Row(
            lambda: IMAGES[..., :1, :],
            network(),
            "Use a larger image",
            lambda images: network()(images.expand(-1, -1, 2, -1)),
            lambda result, _: result.shape == (2, 1, 2, 16),
        ),
        "too small, fewer stages": Row(
            lambda: IMAGES[..., :2, :],
            network(channels=(4, 8, 16)),
            r"or a network with fewer stages \(a shorter channels\)",
            lambda images: network(channels=(4, 8))(images),
            lambda result, given: result.shape == given.shape,
        ),
        "no size of a network without padding": Row(
            lambda: torch.rand(1, 1, 70, 70),
            network(channels=(2, 4, 8), padding="none"),
            r"The nearest that fits is (\d+) or (\d+)",
            nearest,
            lambda result, _: result[0] < 70 < result[1],
        ),
        "the skip connection of another stage": Row(
            lambda: network(channels=(4, 8, 16)).encoder(IMAGES),
            lambda given: network(channels=(4, 8, 16)).decoder.blocks[0](wide(given[0]), wide(given[1][0])),
            "Take the skip connection of the stage one step above the features",
            lambda given: network(channels=(4, 8, 16)).decoder.blocks[0](wide(given[0]), given[1][1]),
            lambda result, given: result.shape == given[1][1].shape,
        ),
    },
    "_contract": {
        "an array for a loss": Row(
            MASKS.numpy, in_loss, r"Convert it with (torch\.from_numpy\(masks\))\.$", "masks", is_loss()
        ),
        "an array that is turned around": Row(
            lambda: MASKS.numpy()[::-1],
            in_loss,
            r"Convert it with (torch\.from_numpy\(masks\.astype\('float32'\)\))\.$",
            "masks",
            is_loss(MASKS.flip(0)),
        ),
        "an array in another order of bytes": Row(
            lambda: CLASSES.numpy().astype(">i8"),
            in_loss_of_classes,
            r"Convert it with (torch\.from_numpy\(masks\.astype\('int64'\)\))\.$",
            "masks",
            is_loss(CLASSES, SCORES),
        ),
        "a list of tensors": Row(
            lambda: list(MASKS), in_loss, r"Convert it with (torch\.stack\(masks\))\.$", "masks", is_loss()
        ),
        "a masked array for a loss": Row(
            lambda: np.ma.MaskedArray(MASKS.numpy(), mask=MASKS.numpy() > 0),
            in_loss,
            r"Say what stands for the masked pixels, as in (masks\.filled\(0\))",
            lambda masks, match: in_loss(torch.from_numpy(eval(match[1], {"masks": masks}))),
            is_loss(0 * MASKS),
        ),
        "a masked array": Row(
            lambda: np.ma.MaskedArray(MASKS.numpy(), mask=MASKS.numpy() > 0),
            checked_mask(),
            r"Say what stands for the masked pixels, as in (mask\.filled\(0\))",
            "mask",
            is_mask(0 * MASKS),
        ),
        "nested": Row(
            lambda: quietly(lambda: torch.nested.nested_tensor([IMAGES[0], IMAGES[1, :, :12]])),
            network(),
            r"Make all of one size, and use torch\.stack",
            lambda images: network()(torch.stack([image[:, :12] for image in images.unbind()])),
            is_answer(IMAGES[:, :, :12]),
        ),
        "quantized": Row(
            lambda: quietly(lambda: torch.quantize_per_tensor(IMAGES, 1 / 255, 0, torch.quint8)),
            network(),
            r"Convert it with (images\.dequantize\(\))",
            "images",
            is_answer(IMAGES, atol=0.02),
        ),
        "sparse": Row(
            IMAGES.to_sparse, network(), r"Convert it with (images\.to_dense\(\))", "images", is_answer(IMAGES)
        ),
        "logits without their axes": Row(
            lambda: network()(IMAGES)[:, 0],
            lambda logits: bce_loss(logits, MASKS),
            "Pass what the model returns for a batch",
            lambda _: bce_loss(network()(IMAGES), MASKS),
            lambda result, _: torch.isclose(result, F.binary_cross_entropy_with_logits(network()(IMAGES), MASKS)),
        ),
        "float64 for a model": Row(
            IMAGES.double, network(), r"Convert it with (images\.to\(torch\.float32\))", "images", is_answer(IMAGES)
        ),
        "weights below 0": Row(
            lambda: WEIGHTS,
            lambda weights: weighted_cross_entropy(LOGITS, MASKS, weights),
            "Leave a pixel out with the weight 0",
            lambda weights: weighted_cross_entropy(LOGITS, MASKS, weights.clamp(min=0)),
            lambda result, given: torch.isclose(
                result, F.binary_cross_entropy_with_logits(LOGITS[given > 0], MASKS[given > 0])
            ),
        ),
        "lists": Row(
            CLASSES.tolist, checked_mask(3), r"Convert it with (numpy\.asarray\(mask\))", "mask", is_mask(CLASSES)
        ),
        "a picture of Pillow": Row(
            lambda: Image.fromarray(MASKS[0, 0].numpy() * 255).convert("L"),
            lambda mask: checked_mask()(mask) if isinstance(mask, Image.Image) else from_gray(mask),
            r"Convert it with (numpy\.asarray\(mask\))",
            "mask",
            is_mask(MASKS[0]),
        ),
        "a label map with an axis more": Row(
            lambda: OBJECTS[None],
            lambda pred: average_precision(pred, OBJECTS),
            r"Take the only one with (pred\[0\])",
            "pred",
            lambda result, _: bool((result == 1).all()),
        ),
        "a mask for a label map": Row(
            lambda: (OBJECTS > 0).numpy(),
            lambda pred: average_precision(pred, ndimage.label(OBJECTS > 0)[0]),
            r"Number the objects with scipy\.ndimage\.label",
            lambda pred: average_precision(ndimage.label(pred)[0], ndimage.label(OBJECTS > 0)[0]),
            lambda result, _: bool((result == 1).all()),
        ),
        "a label map in floating point": Row(
            OBJECTS.float,
            lambda pred: average_precision(pred, OBJECTS),
            r"Convert it with (pred\.long\(\))",
            "pred",
            lambda result, _: bool((result == 1).all()),
        ),
        "three colours": Row(
            lambda: COLOURS,
            checked_mask(3),
            r"Convert it with from_colors\(mask, palette\), which takes \(H, W, 3\)",
            lambda mask: checked_mask(3)(from_colors(mask, PALETTE)),
            is_mask(CLASSES[0]),
        ),
        "three colours, channels first": Row(
            lambda: COLOURS.transpose(2, 0, 1),
            checked_mask(),
            r"Convert it with from_colors\(mask, palette\), which takes \(H, W, 3\)",
            lambda mask: checked_mask(3)(from_colors(mask.transpose(1, 2, 0), PALETTE)),
            is_mask(CLASSES[0]),
        ),
        "colours and how opaque they are": Row(
            lambda: np.dstack([COLOURS, np.full_like(COLOURS[..., 0], 255)]),
            checked_mask(3),
            r"Take the colours with (mask\[\.\.\., :3\]), and convert them with from_colors",
            lambda mask, match: checked_mask(3)(from_colors(eval(match[1], {"mask": mask}), PALETTE)),
            is_mask(CLASSES[0]),
        ),
        "0 and 255": Row(
            lambda: (255 * MASKS[0]).byte(),
            checked_mask(),
            r"Convert it with (from_gray\(mask\))",
            "mask",
            is_mask(MASKS[0]),
        ),
        "0 and 255, a batch": Row(
            lambda: (255 * MASKS).byte(), in_loss, r"Convert it with (\(masks / 255\)\.float\(\))", "masks", is_loss()
        ),
        "many numbers": Row(
            lambda: np.where(MASKS[0] > 0, 200.5, 30.0),
            checked_mask(),
            r"Convert it with from_gray\(mask, threshold=\.\.\.\), with a threshold for the dots",
            lambda mask: checked_mask()(from_gray(mask, threshold=100)),
            is_mask(MASKS[0]),
        ),
        "many numbers, a batch": Row(
            lambda: torch.where(MASKS > 0, 200.5, 30.0),
            in_loss,
            r"Convert it with \(masks > \.\.\.\)\.float\(\), with a threshold for the dots",
            lambda masks: in_loss((masks > 100).float()),
            is_loss(),
        ),
        "another type": Row(MASKS.bool, in_loss, r"Convert it with (masks\.float\(\))", "masks", is_loss()),
        "another type for classes": Row(
            CLASSES.int, in_loss_of_classes, r"Convert it with (masks\.long\(\))", "masks", is_loss(CLASSES, SCORES)
        ),
        "resized with interpolation": Row(
            lambda: interpolated(MASKS[0, 0]),
            lambda pair: checked_mask()(pair[1][None]),
            r"Was it resized with interpolation\? Resize the original with resize_mask",
            lambda pair: checked_mask()(resize_mask(pair[0][None], (11, 11))),
            lambda result, given: same(result[0], nearest_pixels(given[0])),
        ),
        "classes, resized with interpolation": Row(
            lambda: interpolated(CLASSES[0]),
            lambda pair: checked_mask(3)(pair[1]),
            r"Was it resized with interpolation\? Resize the original with resize_mask",
            lambda pair: checked_mask(3)(resize_mask(pair[0], (11, 11))),
            lambda result, given: same(result, nearest_pixels(given[0])),
        ),
        "labels of objects": Row(
            lambda: OBJECTS[None].float(),
            checked_mask(),
            r"Are these labels of objects or classes\? (\(mask > 0\)\.float\(\)) is the object",
            "mask",
            is_mask(OBJECTS[None] > 0),
        ),
        "several classes for a mask of one": Row(
            lambda: CLASSES[:, None].float(),
            in_loss,
            "several classes need num_classes > 1",
            lambda masks: bce_loss(network(1, 3)(IMAGES), masks[:, 0].long()),
            lambda result, _: bool(torch.isclose(result, F.cross_entropy(network(1, 3)(IMAGES), CLASSES))),
        ),
        "logits for a mask": Row(
            lambda: LOGITS,
            in_loss,
            r"Logits become a mask with (predicted_masks\(masks\))",
            "masks",
            is_loss((LOGITS > 0).float()),
        ),
        "numbers with gaps": Row(
            lambda: torch.tensor([0, 128, 255])[CLASSES],
            in_loss_of_classes,
            "Give every class an index",
            lambda masks: in_loss_of_classes(torch.searchsorted(masks.unique(), masks)),
            is_loss(CLASSES, SCORES),
        ),
        "a class too many": Row(
            lambda: CLASSES + 1,
            in_loss_of_classes,
            "or count them again",
            lambda masks: bce_loss(network(1, int(masks.max()) + 1)(IMAGES), masks),
            lambda result, given: bool(torch.isclose(result, F.cross_entropy(network(1, 4)(IMAGES), given))),
        ),
        "pixels that do not count": Row(
            lambda: torch.where(IMAGES[:, 0] > 0.9, 255, CLASSES),
            in_loss_of_classes,
            r"If it marks pixels that do not count, say (ignore_index=255)",
            lambda masks, match: eval(
                f"bce_loss(scores, masks, {match[1]})", {"bce_loss": bce_loss, "scores": SCORES, "masks": masks}
            ),
            lambda result, given: bool(torch.isclose(result, F.cross_entropy(SCORES, given, ignore_index=255))),
        ),
        "pixels that do not count, in fit": Row(
            lambda: [(IMAGES, torch.where(IMAGES[:, 0] > 0.9, 255, CLASSES))],
            lambda data: trained(model=network(1, 3), data=data, val=data),
            "in fit, the loss says it",
            lambda data: trained(model=network(1, 3), data=data, val=data, loss=CombinedLoss(ignore_index=255)),
            is_trained,
        ),
        "a channel axis at the end": Row(
            lambda: CLASSES[..., None],
            in_loss_of_classes,
            r"Drop the channel axis with (masks\[\.\.\., 0\])",
            "masks",
            is_loss(CLASSES, SCORES),
        ),
        "a mask with its channel last": Row(
            lambda: MASKS.movedim(1, -1),
            in_loss,
            r"The channels stand last\. Move them before .*, of a tensor (masks\.movedim\(-1, -3\))",
            "masks",
            is_loss(),
        ),
        "an array with its channel last": Row(
            lambda: MASKS[0].movedim(0, -1).numpy(),
            checked_mask(),
            r"Move them before height and width with (np\.moveaxis\(mask, -1, -3\))",
            "mask",
            is_mask(MASKS[0]),
        ),
        "no channel axis, one mask": Row(
            lambda: MASKS[0, 0], checked_mask(), r"Add the channel axis with (mask\[None\])", "mask", is_mask(MASKS[0])
        ),
        "no channel axis, a batch of one": Row(
            lambda: MASKS[0, 0],
            lambda masks: bce_loss(LOGITS[:1], masks),
            r"and in a batch of one image (masks\[None, None\])",
            "masks",
            is_loss(MASKS[:1], LOGITS[:1]),
        ),
        "no channel axis, a batch": Row(
            lambda: MASKS[:, 0], in_loss, r"Add the channel axis with (masks\[:, None\])", "masks", is_loss()
        ),
        "no batch axis": Row(
            lambda: MASKS[0],
            lambda masks: bce_loss(LOGITS[:1], masks),
            r"or, if it is one image \(1, H, W\), (masks\[None\])",
            "masks",
            is_loss(MASKS[:1], LOGITS[:1]),
        ),
        "classes with a channel axis": Row(
            lambda: CLASSES[:, None],
            in_loss_of_classes,
            r"Drop the channel axis with (masks\[:, 0\])",
            "masks",
            is_loss(CLASSES, SCORES),
        ),
        "logits for class indices": Row(
            lambda: 2 * SCORES,
            in_loss_of_classes,
            r"Logits become class indices with (predicted_masks\(masks\))",
            "masks",
            is_loss(SCORES.argmax(1), SCORES),
        ),
        "one channel a class": Row(
            lambda: F.one_hot(CLASSES, 3).movedim(-1, 1),
            in_loss_of_classes,
            r"one channel a class with (masks\.argmax\(1\))",
            "masks",
            is_loss(CLASSES, SCORES),
        ),
        "a grey mask in colour": Row(
            lambda: MASKS.repeat(1, 3, 1, 1),
            in_loss,
            r"Its channels are equal\. Take one with (masks\[:, :1\])",
            "masks",
            is_loss(),
        ),
        "classes in colour": Row(
            lambda: CLASSES[:, None].repeat(1, 3, 1, 1),
            lambda masks: bce_loss(torch.cat([SCORES, SCORES[:, :1]], 1), masks),
            r"Take one with (masks\[:, 0\])",
            "masks",
            is_loss(CLASSES, torch.cat([SCORES, SCORES[:, :1]], 1)),
        ),
    },
    "_modes": {
        "a class": Row(
            lambda: UNet,
            lambda model: evaluate(model, BATCH),
            r"Build it: (UNet\(\.\.\.\))",
            built_new,
            lambda result, _: np.isfinite(result.loss),
        ),
        "a dict of weights": Row(
            lambda: network().state_dict(),
            lambda model: evaluate(model, BATCH),
            r"Build the model, and load them with model\.load_state_dict\(\.\.\.\)",
            lambda weights: evaluate(with_weights(weights), BATCH),
            lambda result, _: result == evaluate(network(), BATCH),
        ),
        "a lazy layer": Row(
            lazy,
            lambda model: evaluate(model, BATCH),
            r"Run one first: (model\(images\))",
            lambda model, match: (eval(match[1], {"model": model, "images": IMAGES}), evaluate(model, BATCH))[1],
            lambda result, _: np.isfinite(result.loss),
        ),
    },
    "_saved": {
        "a whole model, in a file with an apostrophe": Row(
            lambda: whole_model("it's.pt"),
            load_model,
            r"If it holds a whole model, .* runs its code: model = (torch\.load\(.*, weights_only=False\))",
            lambda path, match: eval(match[1], {"torch": torch}),
            lambda result, _: same(result(IMAGES), network()(IMAGES)),
        ),
    },
    "augment": {
        "not square": Row(
            lambda: (IMAGES[..., :8], MASKS[..., :8]),
            lambda batch: Augmentation()(*batch),
            r"Pass (flip=False)",
            lambda batch, match: eval(f"Augmentation({match[1]})", {"Augmentation": Augmentation})(*batch),
            lambda result, given: same(result[1], given[1]) and result[0].shape == given[0].shape,
        ),
        "normalised before": Row(
            lambda: (3 * IMAGES - 1, MASKS),
            lambda batch: Augmentation(flip=False)(*batch),
            "Scale them to 0 to 1, and normalise their mean and spread afterwards",
            lambda batch: Augmentation(flip=False)((batch[0] + 1) / 3, batch[1]),
            lambda result, _: 0 <= result[0].min() and result[0].max() <= 1 and same(result[1], MASKS),
        ),
        "normalised before, and to stay so": Row(
            lambda: (3 * IMAGES - 1, MASKS),
            lambda batch: Augmentation(flip=False)(*batch),
            r"or pass (light=0)",
            lambda batch, match: eval(f"A(flip=False, {match[1]})", {"A": Augmentation})(*batch),
            lambda result, given: same(result[0], given[0]) and same(result[1], MASKS),
        ),
        "bool": Row(
            lambda: IMAGES > 0.5,
            lambda images: Augmentation(flip=False, light=0)(images, MASKS),
            r"Convert them with (images\.float\(\))",
            "images",
            lambda result, given: same(result[0], given) and result[0].dtype == torch.float32,
        ),
    },
    "blocks": {
        "one value a channel, larger maps": Row(
            lambda: torch.rand(1, 1, 1, 1),
            DoubleConv(1, 4),
            "Use larger maps",
            lambda x: DoubleConv(1, 4)(x.expand(-1, -1, 2, 2)),
            lambda result, _: bool(result.isfinite().all() and result.any()),
        ),
        "one value a channel, more images": Row(
            lambda: torch.rand(1, 1, 1, 1),
            DoubleConv(1, 4),
            "more images in a batch",
            lambda x: DoubleConv(1, 4)(torch.cat([x, 1 - x])),
            lambda result, _: bool(result.isfinite().all() and result.any()),
        ),
        "one value a channel, another normalization": Row(
            lambda: torch.rand(1, 1, 1, 1),
            DoubleConv(1, 4),
            r"or (norm='group')",
            lambda x, match: [eval(f"D(1, {n}, {match[1]})", {"D": DoubleConv})(x) for n in (2, 3, 4, 16, 64)],
            lambda result, _: all(one.isfinite().all() and one.any() for one in result),
        ),
        "one value a channel, to predict": Row(
            lambda: torch.rand(1, 1, 1, 1),
            DoubleConv(1, 4),
            r"to predict, call eval\(\) first",
            lambda x: DoubleConv(1, 4).eval()(x),
            lambda result, _: result.shape == (1, 4, 1, 1),
        ),
    },
    "checkpoints": {
        "other loaders": Row(
            lambda: random_states([loader()]),
            lambda states: set_random_states(states, []),
            "Build them in the same way",
            lambda states: drawn_again(states),
            lambda result, given: same(result[0], result[1]),
        ),
        "another recipe": Row(
            kept,
            lambda path: trained(checkpoint=path, resume=True, epochs=2),
            "Resume with the options with which it began",
            lambda path: trained(checkpoint=path, resume=True, epochs=1),
            lambda result, given: result.history.train_loss == read_checkpoint(given)["history"]["train_loss"],
        ),
        "another recipe, anew": Row(
            kept,
            lambda path: trained(checkpoint=path, resume=True, epochs=2),
            "or leave resume out to begin anew",
            lambda path: trained(checkpoint=path, epochs=2),
            lambda result, given: result.history.epochs == 2 and len(read_checkpoint(given)["history"]["val_iou"]) == 2,
        ),
        "nothing to go on from": Row(
            lambda: Path("nowhere.pt"),
            lambda path: trained(checkpoint=path, resume=True),
            "To begin a training, leave resume out",
            lambda path: trained(checkpoint=path),
            is_trained,
        ),
        "weights of another program": Row(
            lambda: (torch.save(network().state_dict() | {"epoch": 3}, "it's.pt"), Path("it's.pt"))[1],
            load_model,
            r"It seems to hold weights alone\. Build the model whose weights they are, and load them: "
            r"model\.load_state_dict\((.*)\)\.",
            lambda path, match: with_weights(eval(match[1], {"torch": torch})),
            lambda result, _: same(result(IMAGES), network()(IMAGES)),
        ),
    },
    "devices": {
        "a GPU that is not there": Row(
            lambda: "cuda:99",
            choose_device,
            r"Leave device out, or pass (device='cpu')",
            lambda device, match: [choose_device(), eval(f"choose({match[1]})", {"choose": choose_device})],
            lambda result, _: [torch.rand(1, device=one).item() < 1 for one in result] == [True, True],
        ),
        "another device that is not there": Row(
            lambda: "xla",
            choose_device,
            r"Leave device out, or pass (device='cpu')",
            lambda device, match: eval(f"choose({match[1]})", {"choose": choose_device}),
            lambda result, _: result.type == "cpu",
        ),
    },
    "diagnosis": {
        "no numbers": Row(
            ready(lambda model: copy.deepcopy(model).to("meta")),
            healthy,
            "Build it on the CPU or a GPU",
            lambda case: healthy((network(channels=case[0].config["channels"]), *case[1:])),
            found_nothing,
        ),
        "diverged": Row(
            lambda: (kept("good.pt"), (set_to(np.nan, lambda model: model.head.weight)(network()), *discs()))[1],
            healthy,
            "Training has diverged: go back to an earlier checkpoint",
            lambda case: healthy((load_model("good.pt"), *case[1:])),
            found_nothing,
        ),
        "diverged from images": Row(
            lambda: diverged_by(images=IMAGES / 0),
            healthy,
            "look for NaN in the images",
            lambda case: healthy((steps_of(network(), images=IMAGES.nan_to_num(0, 1, 0)), *case[1:])),
            found_nothing,
        ),
        "diverged from the rate": Row(
            lambda: diverged_by(rate=1e30),
            healthy,
            "and lower the learning rate",
            lambda case: healthy((steps_of(network(), rate=1e-3), *case[1:])),
            found_nothing,
        ),
        "float64": Row(
            ready(images=lambda images: images.double()),
            healthy,
            r"Convert them with (images\.to\(torch\.float32\))",
            lambda case, match: healthy((case[0], eval(match[1], {"torch": torch, "images": case[1]}), case[2])),
            lambda result, given: same(result[1], given[1], 1e-6),
        ),
        "divided by 255 twice": Row(
            ready(images=lambda images: images / 255),
            healthy,
            r"Were they divided by 255 twice\? Scale them to 0 to 1 once",
            lambda case: healthy((case[0], 255 * case[1], case[2])),
            found_nothing,
        ),
        "no memory, a smaller batch": Row(
            ready(lambda _: Hungry()),
            healthy,
            "Use a smaller batch",
            lambda case: [healthy((case[0], *(part[i : i + 4] for part in case[1:]))) for i in (0, 4)],
            lambda result, given: sum(len(part[1]) for part in result) == len(given[1]),
        ),
        "no memory, smaller images": Row(
            ready(lambda _: Hungry()),
            healthy,
            "smaller images",
            lambda case: healthy((case[0], *(part[..., ::2, ::2] for part in case[1:]))),
            lambda result, given: len(result[1]) == len(given[1]),
        ),
        "no memory, fewer channels": Row(
            ready(lambda _: Hungry()),
            healthy,
            "or fewer channels in the first stages",
            lambda case: healthy((Hungry(channels=2), *case[1:])),
            lambda result, given: same(result[1], given[1]),
        ),
        "sides that pooling cannot halve": Row(
            ready(lambda _: Plain(), lambda images: images[..., :63], lambda masks: masks[..., :63]),
            healthy,
            "Pad the images to sides that its poolings can halve, and cut the output back",
            lambda case: healthy((Padding(case[0]), *case[1:])),
            lambda result, given: result[0](given[1]).shape == given[2].shape,
        ),
        "a dict of answers": Row(
            ready(changed(lambda logits: {"out": logits})),
            healthy,
            "Take the part that holds the logits",
            lambda case: healthy((Around(case[0], lambda answer: answer["out"]), *case[1:])),
            found_nothing,
        ),
        "convolutions without a frame, padded": Row(
            ready(lambda _: valid(padding=0)),
            healthy,
            "Pad its convolutions",
            lambda case: healthy((valid(padding=1), *case[1:])),
            lambda result, given: result[0](given[1]).shape == given[2].shape,
        ),
        "convolutions without a frame, and masks cut": Row(
            ready(lambda _: valid(padding=0)),
            healthy,
            "or cut the masks to the middle with center_crop",
            lambda case: healthy((*case[:2], center_crop(case[2], (62, 62)))),
            lambda result, given: same(result[2], given[2][..., 1:-1, 1:-1]),
        ),
        "squeezed": Row(
            ready(changed(lambda logits: logits[:, 0])),
            healthy,
            "Do not squeeze the axis of the classes away",
            without_change,
            found_nothing,
        ),
        "a division by zero": Row(
            ready(changed(lambda logits: logits / 0)),
            healthy,
            "Look for a division by zero",
            without_change,
            found_nothing,
        ),
        "a logarithm of 0": Row(
            ready(changed(lambda logits: (logits * 0).log())),
            healthy,
            "a logarithm of 0",
            without_change,
            found_nothing,
        ),
        "an overflow": Row(
            ready(changed(lambda logits: (logits * 1e8).half().float())),
            healthy,
            "or an overflow in short precision",
            without_change,
            found_nothing,
        ),
        "probabilities": Row(
            ready(changed(torch.sigmoid)),
            healthy,
            "Return the logits, and apply the sigmoid or softmax only to show probabilities",
            without_change,
            lambda result, given: same(result[0].eval()(given[1]).sigmoid(), given[0].eval()(given[1]), 1e-6),
        ),
        "empty masks by mistake": Row(
            ready(masks=lambda masks: masks * (torch.arange(8) > 2)[:, None, None, None]),
            healthy,
            "If the images show objects, mend the masks",
            lambda case: healthy((*case[:2], discs()[1])),
            found_nothing,
        ),
        "empty masks that are right": Row(
            ready(masks=lambda masks: 0 * masks),
            healthy,
            "if not, give the Dice loss a larger smooth",
            lambda case: [dice_loss(case[0](case[1]) - 9, case[2], smooth=smooth) for smooth in (1e-6, 100.0)],
            lambda result, _: result[0] > 0.9 and result[1] < 0.2,  # an answer that is almost right costs little
        ),
        "empty masks that are right, with others": Row(
            ready(masks=lambda masks: masks * (torch.arange(8) > 2)[:, None, None, None]),
            healthy,
            r"or (per_image=False)",
            lambda case, match: [
                eval(
                    f"dice_loss(answer, masks, {way})",
                    {"dice_loss": dice_loss, "answer": 18 * case[2] - 9, "masks": case[2]},
                )
                for way in ("per_image=True", match[1])
            ],
            lambda result, _: result[0] > 0.3 and result[1] < 0.05,
        ),
        "one class, cut smaller": Row(
            ready(**RARE),
            healthy,
            "or cut the images smaller around the objects",
            lambda case: healthy((case[0], *(part[..., :64, :64] for part in case[1:]))),
            found_nothing,
        ),
        "one class, another judge": Row(
            ready(**RARE),
            healthy,
            "Judge by IoU",
            lambda case: (iou(torch.zeros_like(case[2]), case[2]), (case[2] == 0).float().mean()),
            lambda result, _: result[0].max() == 0 and result[1] > 0.99,  # of always the same answer
        ),
        "one class, another loss": Row(
            ready(**RARE),
            healthy,
            "train with a Dice term in the loss",
            lambda case: [loss(torch.full_like(case[2], -9.0), case[2]) for loss in (bce_loss, CombinedLoss())],
            lambda result, _: bool(result[1] > 10 * result[0]),  # of always the same answer
        ),
        "pairs of other names": Row(
            ready(masks=lambda masks: masks.roll(1, 0)),
            healthy,
            "Pair images and masks by name: sort both lists",
            lambda case: healthy((*case[:2], case[2].roll(-1, 0))),
            lambda result, _: same(result[2], discs()[1]),
        ),
        "shuffled apart": Row(
            ready(images=lambda images: images[[3, 1, 0, 2, 7, 5, 4, 6]]),
            healthy,
            "and shuffle them together",
            lambda case: healthy((*case[:2], case[2][[3, 1, 0, 2, 7, 5, 4, 6]])),
            found_nothing,
        ),
        "mirrored alone": Row(
            ready(images=lambda images: images.flip(-1)),
            healthy,
            "Do to the mask what is done to the image, with the same random numbers",
            lambda case: healthy((*case[:2], case[2].flip(-1))),
            found_nothing,
        ),
        "cut off": Row(
            ready(changed(torch.detach)),
            healthy,
            r"Look for detach\(\), no_grad\(\), \.data or numpy on the way",
            without_change,
            found_nothing,
        ),
        "a layer that is not used": Row(
            ready(with_part),
            healthy,
            r"for a layer that forward\(\) does not use",
            lambda case: (delattr(case[0], "extra"), healthy(case))[1],
            found_nothing,
        ),
        "dead": Row(
            ready(lambda _: dead()),
            healthy,
            "or for ReLUs that are always 0",
            lambda case: healthy((set_to(0.0, last_bias)(case[0]), *case[1:])),
            found_nothing,
        ),
        "a blind model": Row(
            ready(lambda _: dead()),
            healthy,
            "Look for weights or ReLUs that are all 0",
            lambda case: healthy((set_to(0.0, last_bias)(case[0]), *case[1:])),
            found_nothing,
        ),
        "a softmax over one channel": Row(
            ready(changed(lambda logits: 3 * logits.softmax(1))),
            healthy,
            "and for a softmax over a single channel",
            without_change,
            found_nothing,
        ),
        "few values, more images": Row(
            lambda: few_values(2),
            healthy,
            "Use more images in a batch",
            lambda case: healthy((case[0], *cut_out(16))),
            found_nothing,
        ),
        "few values, larger images": Row(
            lambda: few_values(2),
            healthy,
            "larger images",
            larger,
            found_nothing,
        ),
        "few values, another normalization": Row(
            lambda: few_values(2),
            healthy,
            r"or a normalization that does not depend on the batch, such as (norm='group')",
            lambda case, match: healthy(
                (eval(f"UNet(1, channels=(4, 8, 16), {match[1]})", {"UNet": UNet}).train(), *case[1:])
            ),
            found_nothing,
        ),
        "averages of other images, trained longer": Row(
            ready(flat_averages),
            healthy,
            "Train longer or with larger batches",
            lambda case: healthy((learned(case[0], case[1:], 30), *case[1:])),
            found_nothing,
        ),
        "averages of other images, scaled as in training": Row(
            ready(lambda model: learned(model, (0.1 * discs()[0], discs()[1]), 50, learning_rate=0.01)),
            healthy,
            "and scale the images as in training",
            lambda case: healthy((case[0], 0.1 * case[1], case[2])),
            found_nothing,
        ),
        "in train mode": Row(
            ready(lambda model: learned(model, discs(), FEWEST_BATCHES // 2).train()),
            healthy,
            r"Call (model\.eval\(\)) before you predict",
            lambda case, match: (eval(match[1], {"model": case[0]}), healthy(case))[1],
            found_nothing,
        ),
        "all black": Row(
            ready(all_black),
            healthy,
            "Train longer, add a Dice term to the loss, and see that the model learns one batch by heart",
            lambda case: healthy((learned(case[0], case[1:], 40, loss=CombinedLoss(), learning_rate=0.01), *case[1:])),
            lambda result, given: iou(predicted_masks(result[0](given[1])), given[2]).min() > 0.5,
        ),
    },
    "diffusion": {
        "one step for all": Row(
            lambda: torch.tensor(20),
            lambda steps: add_noise(IMAGES, 0 * IMAGES, steps, noise_schedule(200)),
            r"For the same step everywhere: (torch\.full\(\(len\(pictures\),\), step\))",
            lambda step, match: add_noise(
                IMAGES,
                0 * IMAGES,
                eval(match[1], {"torch": torch, "pictures": IMAGES, "step": int(step)}),
                noise_schedule(200),
            ),
            lambda result, _: same(result, noise_schedule(200)[20].sqrt() * IMAGES, atol=1e-6),
        ),
        "no schedule": Row(
            lambda: torch.linspace(0, 1, 201),
            lambda schedule: add_noise(IMAGES, 0 * IMAGES, torch.zeros(len(IMAGES)).long(), schedule),
            r"Make it with (noise_schedule\(200\))",
            lambda _, match: add_noise(
                IMAGES,
                0 * IMAGES,
                torch.zeros(len(IMAGES)).long(),
                eval(match[1], {"noise_schedule": noise_schedule}),
            ),
            lambda result, _: same(result, IMAGES),
        ),
        "a loss that runs away": Row(
            lambda: 1e30,
            noise_learned,
            "Lower the learning rate",
            lambda rate: noise_learned(0.01),
            lambda result, _: bool(np.isfinite(result).all()),
        ),
    },
    "exercises/__init__": {
        "an exercise in another spelling": Row(
            lambda: "double_conv.cuont",
            find,
            r"Did you mean ('double_conv\.count')\?",
            "name",
            lambda result, _: result is find("double_conv.count"),
        ),
    },
    "exercises/pieces": {
        "a cell that is forgotten": Row(
            forgotten,
            lambda written: pieces.keep("DoubleConv", written),
            "Run the cell again in which it is written",
            lambda _: kept_in_file(mine(CELL)),
            lambda result, _: result.count(CELL.rstrip()) == 1,
        ),
        "a file that is no Python, mended": Row(
            broken_file,
            lambda written: pieces.keep("DoubleConv", written),
            "Mend it",
            lambda written: (Path(pieces.FILE).write_text("x = 1\n"), kept_in_file(written))[1],
            lambda result, _: CELL.rstrip() in result and result.startswith("x = 1\n"),
        ),
        "a file that is no Python, begun anew": Row(
            broken_file,
            lambda written: pieces.keep("DoubleConv", written),
            "or give the file another name and begin a new one",
            lambda written: (Path(pieces.FILE).rename("old.py"), kept_in_file(written))[1],
            lambda result, _: CELL.rstrip() in result and Path("old.py").read_text() == BROKEN,
        ),
    },
    "export": {
        "no folder": Row(
            lambda: Path("one/two/unet.onnx"),
            lambda path: to_onnx(network(), path),
            r"Make it first: mkdir -p '(.*)'",
            lambda path, match: (Path(match[1]).mkdir(parents=True), to_onnx(network(), path))[1],
            lambda result, given: given.is_file() and result["model"] == "UNet",
        ),
        "a file that is there": Row(
            lambda: (Path("a.onnx").write_text("old"), Path("a.onnx"))[1],
            lambda path: to_onnx(network(), path),
            r"Take another name, or say (overwrite=True)",
            lambda path, match: [
                to_onnx(network(), path.with_stem("b")),
                eval(f"to_onnx(model, path, {match[1]})", {"to_onnx": to_onnx, "model": network(), "path": path}),
            ],
            lambda result, given: Path("b.onnx").read_bytes() == given.read_bytes() and len(result) == 2,
        ),
        "a folder of this name": Row(
            lambda: (Path("a.onnx").mkdir(), Path("a.onnx"))[1],
            lambda path: to_onnx(network(), path, overwrite=True),
            r"is a folder\. Take another name\.$",
            lambda path: to_onnx(network(), path.with_stem("b")),
            lambda result, _: Path("b.onnx").is_file(),
        ),
        "float64": Row(
            lambda: network().double(),
            lambda model: to_onnx(model, "a.onnx"),
            r"Convert it: (model\.float\(\))",
            "model",
            lambda result, given: Path("a.onnx").is_file() and next(given.parameters()).dtype == torch.float32,
        ),
    },
    "inference": {
        "no tile": Row(
            lambda: IMAGES,
            lambda images: predict(network(), images, overlap=4, progress=False),
            "Pass tile too",
            lambda images: predict(network(), images, overlap=4, tile=8, progress=False),
            is_answer(IMAGES, atol=2e-1),
        ),
        "a tile between multiples": Row(
            lambda: 65,
            lambda tile: predict(network(), IMAGES, tile=tile, overlap=24, progress=False),
            r"The nearest are (\d+) and (\d+)",
            lambda tile, match: torch.stack(
                [predict(network(), IMAGES, tile=int(one), overlap=24, progress=False) for one in match.groups()]
            ),
            lambda result, _: all(same(one, network()(IMAGES), 1e-5) for one in result),
        ),
        "a tile below the smallest": Row(
            lambda: 1,
            lambda tile: predict(network(), IMAGES, tile=tile, overlap=0, progress=False),
            r"The nearest is (\d+)\.$",
            "tile",
            lambda result, _: result.shape == IMAGES.shape,
        ),
        "a small overlap between multiples": Row(
            lambda: 1,
            lambda overlap: predict(network(), IMAGES, tile=16, overlap=overlap, progress=False),
            r"The nearest are (\d+) and (\d+)",
            lambda overlap, match: [
                predict(network(), IMAGES, tile=16, overlap=int(one), progress=False) for one in match.groups()
            ],
            lambda result, _: all(same(one, network()(IMAGES), 1e-5) for one in result),
        ),
        "a tile too small for the overlap": Row(
            lambda: 8,
            lambda tile: predict(network(), IMAGES, tile=tile, overlap=12, progress=False),
            r"Use tile=(\d+) or more",
            "tile",
            is_answer(IMAGES),
        ),
        "an overlap too large for the tile": Row(
            lambda: 12,
            lambda overlap: predict(network(), IMAGES, tile=8, overlap=overlap, progress=False),
            "or a smaller overlap",
            lambda overlap: predict(network(), IMAGES, tile=8, overlap=4, progress=False),
            lambda result, _: result.shape == IMAGES.shape,
        ),
        "NaN in an array": Row(
            lambda: with_bad_pixels(IMAGES).numpy(),
            lambda images: predict(network(), images, progress=False),
            r"Replace it, for example with (numpy\.nan_to_num\(images, nan=0, posinf=1, neginf=0\))",
            "images",
            is_answer(with_good_pixels(IMAGES)),
        ),
        "NaN in a tensor": Row(
            lambda: with_bad_pixels(IMAGES),
            lambda images: predict(network(), images, progress=False),
            r"Replace it, for example with (images\.nan_to_num\(0, 1, 0\))",
            "images",
            is_answer(with_good_pixels(IMAGES)),
        ),
        "no padding, called itself": Row(
            lambda: network(padding="none"),
            lambda model: predict(model, torch.rand(1, 1, 28, 28), progress=False),
            "Call the model itself",
            lambda model: model(torch.rand(1, 1, 28, 28)),
            lambda result, _: result.shape == (1, 1, 12, 12),
        ),
        "no padding, built with it": Row(
            lambda: network(padding="none"),
            lambda model: predict(model, IMAGES, progress=False),
            r"or build one with (padding='same')",
            lambda model, match: predict(eval(f"network({match[1]})", {"network": network}), IMAGES, progress=False),
            is_answer(IMAGES),
        ),
        "masked": Row(
            lambda: np.ma.MaskedArray(IMAGES.numpy(), mask=IMAGES.numpy() > 0.9),
            lambda images: predict(network(), images, progress=False),
            r"Fill it, as in (images\.filled\(0\))",
            "images",
            is_answer(IMAGES.where(IMAGES <= 0.9, 0)),
        ),
        "one image": Row(
            lambda: IMAGES[0],
            lambda images: predict(network(), images, progress=False),
            r"Add the missing axis: (images\[None\]) for one image",
            "images",
            is_answer(IMAGES[:1]),
        ),
        "grey images without a channel": Row(
            lambda: IMAGES[:, 0],
            lambda images: predict(network(), images, progress=False),
            r"Add the axis of the channel with (images\[:, None\])",
            "images",
            is_answer(IMAGES),
        ),
        "channels last": Row(
            lambda: IMAGES.movedim(1, -1),
            lambda images: predict(network(), images, progress=False),
            r"Are the channels last\? Bring them forward with (images\.permute\(0, 3, 1, 2\))",
            "images",
            is_answer(IMAGES),
        ),
        "channels last in an array": Row(
            lambda: IMAGES.movedim(1, -1).numpy(),
            lambda images: predict(network(), images, progress=False),
            r"Bring them forward with (images\.transpose\(0, 3, 1, 2\))",
            "images",
            is_answer(IMAGES),
        ),
        "8 bits": Row(
            lambda: (255 * IMAGES).byte(),
            lambda images: predict(network(), images, progress=False),
            "Convert them, and bring them into the range on which the model was trained, such as 0 to 1",
            lambda images: predict(network(), images.float() / 255, progress=False),
            is_answer(IMAGES, atol=0.02),
        ),
        "a result that is turned around": Row(
            lambda: np.zeros((2, 1, 16, 16), np.float32)[::-1],
            lambda out: predict(network(), IMAGES, out=out, progress=False),
            "Pass a plain one, and turn it around afterwards",
            lambda out: predict(network(), IMAGES, out=np.ascontiguousarray(out), progress=False)[::-1],
            lambda result, _: same(result[::-1].copy(), network()(IMAGES), 1e-5),
        ),
        "an array to read": Row(
            lambda: np.broadcast_to(np.float32(0), (2, 1, 16, 16)),
            lambda out: predict(network(), IMAGES, out=out, progress=False),
            r"Pass (out\.copy\(\))",
            "out",
            is_answer(IMAGES),
        ),
        "a memmap to read": Row(
            read_only,
            lambda out: predict(network(), IMAGES, out=out, progress=False),
            r"Open a memmap with mode='(w\+)' or mode='(r\+)'",
            lambda out, match: [predict(network(), IMAGES, out=memmap(one), progress=False) for one in match.groups()],
            lambda result, _: all(same(np.array(one), network()(IMAGES), 1e-5) for one in result),
        ),
    },
    "instances": {
        "a tensor with a gradient": Row(
            lambda: OBJECTS.gt(0).bfloat16().requires_grad_(),
            otsu,
            r"Convert it with (image\.float\(\)\.numpy\(force=True\))",
            "image",
            lambda result, _: same(result > 0, ndimage.label(OBJECTS > 0)[0] > 0),
        ),
    },
    "losses": {
        "alpha for several classes": Row(
            lambda: 0.25,
            lambda alpha: focal_loss(SCORES, CLASSES, alpha=alpha),
            "Leave it out",
            lambda _: focal_loss(SCORES, CLASSES, gamma=0),
            is_loss(CLASSES, SCORES),
        ),
    },
    "planned": {
        "a checkpoint for a plan": Row(
            planned_file,
            load_planned,
            "One that fit wrote is read by load_model",
            load_model,
            lambda result, given: same(result.head.weight, read_checkpoint(given)["model"]["head.weight"]),
        ),
    },
    "plots": {
        "masked": Row(
            lambda: np.ma.MaskedArray(IMAGES[0, 0].numpy(), mask=MASKS[0, 0].numpy() > 0),
            lambda image: plots.overlay(image, np.zeros((16, 16))),
            r"Fill it, as in (image\.filled\(0\))",
            "image",
            lambda result, given: same(result[..., 0], given.filled(0)),
        ),
        "probabilities": Row(
            lambda: IMAGES[0, 0],
            lambda mask: plots.overlay(np.zeros((16, 16)), mask),
            r"Probabilities become one by a threshold, such as (mask > 0\.5)",
            "mask",
            lambda result, _: same(result.any(axis=2), MASKS[0, 0] > 0),
        ),
        "a batch": Row(
            lambda: IMAGES,
            plots.to_picture,
            r"Take one image of the batch, for example (batch\[0\])",
            "batch",
            lambda result, given: same(result, given[0, 0]),
        ),
        "0 to 255": Row(
            lambda: 255 * IMAGES[0, 0],
            lambda image: plots.overlay(image, np.zeros((16, 16))),
            "Divide 8-bit values by 255",
            lambda image: plots.overlay(image / 255, np.zeros((16, 16))),
            lambda result, _: same(result[..., 0], IMAGES[0, 0], 1e-6),
        ),
        "a range of its own": Row(
            lambda: 4000 * IMAGES[0, 0] - 7,
            lambda image: plots.overlay(image, np.zeros((16, 16))),
            "or bring the picture's own range to 0 to 1",
            lambda image: plots.overlay((image - image.min()) / (image.max() - image.min()), np.zeros((16, 16))),
            lambda result, _: result.min() == 0 and result.max() == 1,
        ),
    },
    "pretrained": {
        "a model of one's own, the best of its epochs": Row(
            worse_later,
            load_model,
            r"Build it yourself, and load the weights into it: (model\.load_state_dict\(.*\))\.$",
            lambda path, match: run_for_model(match[1]),
            lambda result, given: same(result[0].weight, read_checkpoint(given)["best"]["0.weight"]),
        ),
        "a model of one's own": Row(
            lambda: kept("state.pt", model=own_model()),
            load_model,
            r"load the weights into it: (model\.load_state_dict\(.*\))\.$",
            lambda path, match: run_for_model(match[1]),
            lambda result, given: same(result[0].weight, read_checkpoint(given)["model"]["0.weight"]),
        ),
    },
    "segmenter": {
        "a network in another spelling": Row(
            lambda: "nuclie",
            open_segmenter,
            r"Did you mean ('nuclei')\?",
            "name",
            lambda result, _: result.task == "objects",
        ),
        "what a shipped network says itself": Row(
            lambda: {"output": "mask", "normalization": "range"},
            lambda options: open_segmenter("cells", **options),
            "leave out normalization and output",
            lambda _: open_segmenter("cells"),
            lambda result, _: result.task == "objects",
        ),
        "three channels, borders": Row(
            lambda: kept("three.pt", model=network(1, 3), data=[(IMAGES, CLASSES)], val=[(IMAGES, CLASSES)]),
            opened,
            r"Say (output='border') if it learned background, interior and border",
            lambda path, match: eval(f"opened(path, {match[1]})", {"opened": opened, "path": path}),
            lambda result, _: result.task == "objects" and result.segment(DOTS).shape == DOTS.shape,
        ),
        "three channels, classes": Row(
            lambda: kept("three.pt", model=network(1, 3), data=[(IMAGES, CLASSES)], val=[(IMAGES, CLASSES)]),
            opened,
            r"or (output='classes')",
            lambda path, match: eval(f"opened(path, {match[1]})", {"opened": opened, "path": path}),
            lambda result, _: result.task == "classes" and result.segment(DOTS).max() <= 2,
        ),
        "a folder that is not empty, another": Row(
            occupied,
            segmented,
            "Name another folder",
            lambda path: segmented(path, out=Path("other")),
            lambda result, _: result == {"a": 4} and Path("in_objects/old.txt").read_text() == "mine",
        ),
        "a folder that is not empty, replaced": Row(
            occupied,
            segmented,
            "or say that they may be replaced",
            lambda path: segmented(path, overwrite=True),
            lambda result, _: result == {"a": 4} and Path("in_objects/a.png").is_file(),
        ),
        "two of one name": Row(
            lambda: folder(a_png=DOTS, a_tif=DOTS[:5]),
            segmented,
            "Rename one",
            renamed,
            lambda result, _: result == {"a": 1, "b": 4},
        ),
        "grey and colour": Row(
            lambda: folder(a_png=DOTS, b_png=np.dstack([DOTS, DOTS, 0 * DOTS])),
            segmented,
            "Put them into folders of their own",
            apart,
            lambda result, _: result == {"a": 4, "b": 4},
        ),
    },
    "training": {
        "infinity in the images": Row(
            lambda: with_bad_pixels(IMAGES),
            lambda images: trained(data=[(images, MASKS)]),
            "Look for NaN or infinity in the images of that batch",
            lambda images: trained(data=[(images.nan_to_num(0, 1, 0), MASKS)]),
            is_trained,
        ),
        "a loss that runs away": Row(
            lambda: 1e30,
            lambda rate: steps(network(), rate),
            "if there is none, lower the learning rate",
            lambda rate: steps(network(), 1e-3),
            lambda result, _: bool(np.isfinite(result).all()) and result[-1] < result[0],
        ),
        "a gradient that runs away": Row(
            lambda: 1e6,
            steep_steps,
            r"the gradient's length is .* Lower the learning rate",
            lambda rate: steep_steps(1e-2),
            lambda result, _: bool(np.isfinite(result).all()) and result[-1] < result[0],
        ),
        "a loss without weights": Row(
            lambda: bce_without_more,
            lambda loss: trained(data=WEIGHTED, val=WEIGHTED, loss=loss),
            "Pass a loss that takes weights, such as weighted_cross_entropy",
            lambda _: trained(data=WEIGHTED, val=WEIGHTED, loss=weighted_cross_entropy),
            is_trained,
        ),
        "a loss that wants weights": Row(
            lambda: weighted_cross_entropy,
            lambda loss: trained(loss=loss),
            "Pass another loss",
            lambda _: trained(loss=bce_loss),
            is_trained,
        ),
        "the class of a loss": Row(
            lambda: DiceLoss,
            lambda loss: trained(loss=loss),
            r"Build it: (DiceLoss\(\))\.$",
            lambda loss, match: trained(loss=eval(match[1], {"DiceLoss": loss})),
            is_trained,
        ),
        "a data set": Row(
            lambda: TensorDataset(IMAGES, MASKS),
            lambda data: trained(data=data),
            r"Pass (DataLoader\(data, batch_size=)\.\.\.\)",
            lambda data, match: trained(data=eval(f"{match[1]}2)", {"DataLoader": DataLoader, "data": data})),
            is_trained,
        ),
        "a generator, in a loader": Row(
            lambda: (pair for pair in BATCH),
            lambda data: trained(data=data),
            "Pass a DataLoader of a data set with a length",
            lambda data: trained(data=DataLoader(TensorDataset(*next(data)), batch_size=2)),
            is_trained,
        ),
        "a generator, in a list": Row(
            lambda: (pair for pair in BATCH),
            lambda data: trained(data=data),
            "or a list of batches",
            lambda data: trained(data=list(data)),
            is_trained,
        ),
        "one image to watch": Row(
            lambda: IMAGES[0],
            lambda image: trained(watch=image),
            r"For one image, pass (image\[None\])",
            "image",
            lambda result, given: result.history.watched[0].shape == (1, *given.shape),
        ),
        "a loader that ends": Row(
            lambda: Once(BATCH),
            lambda data: trained(data=data, epochs=2),
            "A loader that is made anew in every epoch helps",
            lambda data: trained(data=DataLoader(TensorDataset(*data.batches[0]), batch_size=2), epochs=2),
            lambda result, _: result.history.epochs == 2,
        ),
        "a loader that ends, in a list": Row(
            lambda: Once(BATCH),
            lambda data: trained(data=data, epochs=2),
            "or a list of its batches",
            lambda data: trained(data=list(Once(data.batches)), epochs=2),
            lambda result, _: result.history.epochs == 2,
        ),
        "a built optimizer": Row(
            lambda: torch.optim.SGD(network().parameters(), lr=0.01),
            lambda optimizer: trained(optimizer=optimizer),
            r"Pass the class, such as (torch\.optim\.SGD), and learning_rate beside it",
            lambda optimizer, match: trained(optimizer=eval(match[1]), learning_rate=0.01),
            is_trained,
        ),
        "a built optimizer of one's own": Row(
            lambda: Own(network().parameters(), lr=0.01),
            lambda optimizer: trained(optimizer=optimizer),
            r"Pass the class, such as (Own), and learning_rate beside it",
            lambda optimizer, match: trained(optimizer=eval(match[1], {"Own": Own}), learning_rate=0.01),
            is_trained,
        ),
        "Ctrl-C": Row(
            Stopping,
            lambda data: trained(data=data, epochs=3, checkpoint="state.pt"),
            r"Go on with (resume=True)",
            lambda data, match: eval(
                f"trained(data=data, epochs=3, checkpoint='state.pt', {match[1]})", {"trained": trained, "data": BATCH}
            ),
            lambda result, _: result.history.train_loss == trained(epochs=3).history.train_loss,
        ),
        "a GPU without bfloat16": Row(
            lambda: "bfloat16",
            on_an_old_gpu,
            r"Pass precision=('float16')",
            "precision",
            lambda result, _: result is None,
        ),
    },
    "unet": {
        "an array": Row(
            IMAGES.numpy,
            network(),
            r"Convert them, for example (torch\.as_tensor\(images\))\.$",
            "images",
            is_answer(IMAGES),
        ),
        "an array that is turned around": Row(
            lambda: IMAGES.numpy()[..., ::-1],
            network(),
            r"Convert them, for example (torch\.as_tensor\(images\.astype\('float32'\)\))\.$",
            "images",
            is_answer(IMAGES.flip(-1)),
        ),
        "a list of images": Row(
            lambda: list(IMAGES),
            network(),
            r"Convert them, for example (torch\.stack\(images\))\.$",
            "images",
            is_answer(IMAGES),
        ),
        "one image": Row(
            lambda: IMAGES[0],
            network(),
            r"Add the missing axis with (image\.unsqueeze\(0\))",
            "image",
            is_answer(IMAGES[:1]),
        ),
        "grey images without a channel": Row(
            lambda: IMAGES[:, 0],
            network(),
            r"Add the axis of the channel with (images\.unsqueeze\(1\))",
            "images",
            is_answer(IMAGES),
        ),
        "channels last": Row(
            lambda: IMAGES.movedim(1, -1),
            network(),
            r"Bring the channels forward with (images\.permute\(0, 3, 1, 2\))",
            "images",
            is_answer(IMAGES),
        ),
        "other channels, another model": Row(
            lambda: IMAGES.repeat(1, 3, 1, 1),
            network(),
            r"Build the model with (in_channels=3)",
            lambda images, match: eval(f"UNet({match[1]})", {"UNet": UNet}).eval()(images),
            lambda result, given: result.shape == (2, 1, 16, 16),
        ),
        "other channels, converted": Row(
            lambda: IMAGES.repeat(1, 3, 1, 1),
            network(),
            "or convert the images",
            lambda images: network()(images.mean(1, keepdim=True)),
            is_answer(IMAGES),
        ),
        "8 bits": Row(
            lambda: (255 * IMAGES).round().byte(),
            network(),
            r"Convert them, for example (images\.float\(\) / 255)\.$",
            "images",
            is_answer(IMAGES, atol=0.02),
        ),
        "16 bits": Row(
            lambda: (65535 * IMAGES).round().to(torch.uint16),
            network(),
            r"Convert them, for example (images\.float\(\) / 65535)\.$",
            "images",
            is_answer(IMAGES, atol=1e-3),
        ),
        "True and False": Row(
            lambda: IMAGES > 0.5,
            network(),
            r"Convert them with (images\.float\(\))\.$",
            "images",
            is_answer(MASKS),
        ),
        "12 bits in whole numbers": Row(
            lambda: (4095 * IMAGES).round().long(),
            network(),
            r"Convert them with images\.float\(\), and divide by the largest number that a pixel can have, such as 255",
            lambda images: network()(images.float() / 4095),
            is_answer(IMAGES, atol=1e-2),
        ),
        "float8": Row(
            lambda: IMAGES.to(torch.float8_e4m3fn),
            network(),
            r"Convert them with (images\.float\(\))",
            "images",
            is_answer(IMAGES.to(torch.float8_e4m3fn).float()),
        ),
        "an encoder's image, larger": Row(
            lambda: IMAGES[..., :1, :],
            network().encoder,
            "Use a larger image",
            lambda images: network().encoder(images.expand(-1, -1, 2, -1))[0],
            lambda result, _: result.shape == (2, 4, 1, 8),
        ),
        "an encoder of fewer stages": Row(
            lambda: IMAGES[..., :2, :],
            network(channels=(4, 8, 16)).encoder,
            "or fewer stages",
            lambda images: network().encoder(images)[0],
            lambda result, _: result.shape == (2, 4, 1, 8),
        ),
        "one value a channel, a larger image": Row(
            lambda: IMAGES[:1, :, :2, :2],
            network().train(),
            "Use larger images",
            lambda images: network().train()(images.repeat(1, 1, 2, 2)),
            lambda result, _: bool(result.isfinite().all()),
        ),
        "one value a channel, more images": Row(
            lambda: IMAGES[:1, :, :2, :2],
            network().train(),
            "more images in a batch",
            lambda images: network().train()(torch.cat([images, 1 - images])),
            lambda result, _: bool(result.isfinite().all()),
        ),
        "one value a channel, another normalization": Row(
            lambda: IMAGES[:1, :, :2, :2],
            network().train(),
            r"or (norm='group')",
            lambda images, match: eval(f"network({match[1]})", {"network": network}).train()(images),
            lambda result, _: bool(result.isfinite().all()),
        ),
        "one value a channel, to predict": Row(
            lambda: IMAGES[:1, :, :2, :2],
            network().train(),
            r"to predict, call (model\.eval\(\)) first",
            lambda images, match: eval(match[1], {"model": network().train()})(images),
            is_answer(IMAGES[:1, :, :2, :2]),
        ),
    },
    "widgets/kit/base": {
        "a number with digits": Row(
            lambda: 0.12345,
            _written,
            "format it first",
            lambda value: _written(f"{value:.2f}"),
            lambda result, _: result == "0.12",
        ),
    },
    "widgets/kit/pictures": {
        "masked": Row(
            lambda: np.ma.MaskedArray(IMAGES[0, 0].numpy(), mask=MASKS[0, 0].numpy() > 0),
            encode,
            r"Fill it, as in (picture\.filled\(0\))",
            "picture",
            lambda result, given: result == encode(given.filled(0)),
        ),
        "0 to 255 in floating point": Row(
            lambda: 255 * IMAGES[0, 0],
            encode,
            "Bring them into this range first",
            lambda picture: encode(picture / 255),
            lambda result, _: result == encode(IMAGES[0, 0]),
        ),
    },
}

if torch.cuda.is_available():
    CURES["_contract"] |= {
        "a batch on another device": Row(
            IMAGES.cuda, network(), r"Move it with (images\.to\('cpu'\))", "images", is_answer(IMAGES)
        ),
        "masks on another device": Row(MASKS.cuda, in_loss, r"Move them with (masks\.to\('cpu'\))", "masks", is_loss()),
    }

ROWS = [(module, name) for module, rows in CURES.items() for name in rows]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Every test has a folder of its own: files that rows write lie there."""
    monkeypatch.chdir(tmp_path)


SAID: dict[tuple[str, str], str] = {}  # what rows have provoked in this run


def refusal(row: Row, given: Any) -> Exception:
    """Return what the call raises."""
    try:
        row.call(given)
    except Exception as error:  # of whatever kind: the words are looked at
        return error
    raise AssertionError("nothing was refused")


@pytest.mark.parametrize("module, name", ROWS, ids=map(": ".join, ROWS))
def test_the_cure_that_a_message_names_is_true(module, name):
    row = CURES[module][name]
    given = row.given()
    error = refusal(row, given)
    SAID[module, name] = str(error)
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    files = [file.with_suffix("") for file in files if PACKAGE in file.parents]
    assert not files or PACKAGE / module in files, "another module says so"  # none: it was said in a report
    match = re.search(row.says, str(error), re.DOTALL)
    assert match, f"it says: {error}"
    if isinstance(row.cure, str):
        result = row.call(eval(match[1], NAMES | {row.cure: given}))  # the text of our own message
    else:
        result = row.cure(*(given, match)[: len(inspect.signature(row.cure).parameters)])
    assert row.right(result, given), result


# Is every cure tried? -------------------------------------------------------------------------------------------------

# Sentences that say what is so, and nothing that could be done.
STATEMENTS = {
    "_checks": ["At depth {} that is not so for the {} {}.", "The numbers of float32 lie between {} and {}."],
    "_commands/check": ["PyTorch {}, numpy {}"],
    "_commands/grade": [
        "FOLDER must be a folder with notebooks, but {} is none.",
        "{} of {} hold;",
        "The table is {}.",
    ],
    "_contract": ["three colours and how opaque they are.", "or None, but got {}."],
    "_saved": [
        "the check sum of its part '{}' is wrong.",
        "it is not a file that {} wrote.",
        "or no file of torch.save ({}).",
    ],
    "augment": ["some pictures would become black."],
    "checkpoints": [
        "{} with {}, but the model is {} with {}.",
        "{} weights differ in name, shape or dtype, among them {}.",
        "w for name, w in {}.items() if isinstance(w, torch.Tensor)}",  # code, which a row runs
        "w for name, w in {}.items()}",
    ],
    "devices": ["torch finds {} GPUs.", "this PyTorch cannot compute on it."],
    "diagnosis": [
        "the running averages do not fit these images.",
        "eval mode gives another answer at {} % of the pixels, and every prediction changes the running averages.",
        "image {} fits mask {}.",
        "all of the masks are {}, which is ignore_index.",
        "they span {} to {}.",
    ],
    "diagram": [  # what stands for the picture
        "Map of a U-Net.",
        "An image of {} goes down through {} encoder {}, from {} to {}, to the bottleneck of {}, and up again through "
        "{} decoder {} to logits of {}.",
        "A skip connection joins each encoder stage with the decoder stage beside it.",
        "Channels from layer to layer:",
    ],
    "inference": ["the tiles overlap, and are read after others are done."],
    "instances": ["Has the training diverged?"],
    "losses": ["nothing would be left to learn from."],
    "metrics": ["Below 0.5, an object may have several partners."],
    "plan": [
        "grey is repeated",
        "whether the median is bright tells it in {}",
        "or be grey and RGB, but have {}.",
        "or nothing is marked in any.",
    ],
    "segmenter": [
        "The {} in it have other endings.",
        "its weights are broken.",
        "or floating point from 0 to 1, but it is {} from {} to {}.",
        "or one of {}, but there is no file '{}'.{}",
    ],
    "training": [
        "The data set holds no sample,",
        "or fewer than a batch while drop_last=True leaves out what does not fill one.",
        "or the schedule of the learning rate is wrong, but in epoch {} it gave {}.",
        "either no parameter at all,",
        "or all are frozen (requires_grad=False).",
        "UNet(1), but got {}.",
    ],
    "unet": [
        "after {} poolings one value a channel is left, and a mean needs more.",
        "or equal, but got {}.",
    ],
    "widgets/kit/pictures": ["what a picture shows must be decided by the one who draws it."],
}

# Cures that another test carries out.
ELSEWHERE = {
    "_commands/check": {
        "Run `pip install ipykernel`.": "test_cures.py::test_what_is_to_be_installed_is_what_is_missing",
        "Run `pip install jupyterlab`,": "test_cures.py::test_what_is_to_be_installed_is_what_is_missing",
        "or `pip install .` in the book's folder.": "test_cures.py::test_what_is_to_be_installed_is_what_is_missing",
    },
    "_commands/grade": {
        "Run `pip install .[teach]` in the book's folder.": "test_cures.py::"
        "test_what_is_to_be_installed_is_what_is_missing",
    },
    "export": {
        "Install them:": "test_cures.py::test_what_is_to_be_installed_is_what_is_missing",
        "pip install {}": "test_cures.py::test_what_is_to_be_installed_is_what_is_missing",
    },
}

# Cures that no test can carry out, and why.
SECOND_DEVICE = {} if torch.cuda.is_available() else {"Move it with {}.to('{}').", "Move them with masks.to('{}')."}
UNTRIED = {
    "_commands/check": {
        "Install it, and start again.": "it is about the Python in which this test would run",
        "Run `make book`,": "it makes the environment in which this test runs",
        "or use Colab or an editor.": "they are other programs",
        "Reinstall PyTorch.": "a PyTorch that cannot compute is not at hand",
        "Close other programs.": "a test ends no programs of others",
        "Make room.": "a test deletes no files of others",
    },
    "_contract": dict.fromkeys(SECOND_DEVICE, "with a processor alone there is one place for a tensor"),
}


def joined(node: ast.AST) -> str:
    """Return a text as it stands in the source, with {} for each value in it."""
    if isinstance(node, ast.Constant):
        return node.value
    return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts in a piece of source, and those within the values of texts; not those of functions within it."""
    if isinstance(node, ast.FunctionDef):
        return
    parts: Any = ast.iter_child_nodes(node)
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield joined(node)
        parts = [part.value for part in getattr(node, "values", ()) if isinstance(part, ast.FormattedValue)]
    for part in parts:
        yield from texts(part)


def own_nodes(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Yield what stands in a function, without functions within it."""
    todo = list(ast.iter_child_nodes(function))
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.FunctionDef):
            todo += ast.iter_child_nodes(node)


def says_something(node: ast.AST, module: str) -> bool:
    """Whether a piece of source gives out a message: it raises, it warns, or it is a finding of `diagnose`."""
    warns = isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn"
    return warns or isinstance(node, ast.Raise) or (module == "diagnosis" and isinstance(node, ast.Yield))


def speaking(tree: ast.Module, module: str) -> list[ast.FunctionDef]:
    """Return the functions that give out messages, and those of the module from which they have parts of them."""
    functions: dict[str, list[ast.FunctionDef]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            functions.setdefault(node.name, []).append(node)
    every = [one for same_name in functions.values() for one in same_name]
    todo, found = [one for one in every if any(says_something(node, module) for node in own_nodes(one))], []
    while todo:
        function = todo.pop()
        if function not in found:
            found.append(function)
            makers = [n for n in own_nodes(function) if isinstance(n, (ast.Raise, ast.Return, ast.Yield, ast.Assign))]
            calls = [call for maker in makers for call in ast.walk(maker) if isinstance(call, ast.Call)]
            todo += [one for call in calls for one in functions.get(ast.unparse(call.func), [])]
    return found


def sentences(text: str) -> list[str]:
    """Return the parts of a message behind the first: sentences, what stands behind a colon, and what ", or" begins."""
    end = r"(?:(?<=[.?:;])|(?<=[.?:;]\{\}))"  # a value behind a full stop is a hint, which is a sentence itself
    parts = re.split(rf"{end} +(?=[A-Za-z{{])|(?<=,) +(?=or )", text.lstrip())
    return [part for i, part in enumerate(parts) if (i or part[:1].isupper()) and " " in part]


def said_in(source: str, module: str) -> list[str]:
    """Return what must be tried, or listed, of the messages in the source of a module."""
    tree, found = ast.parse(source), []
    for function in speaking(tree, module):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        found += [part for statement in body for text in texts(statement) for part in sentences(text)]
    return list(dict.fromkeys(found))


MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix()
    for path in PACKAGE.rglob("*.py")
    if "data" not in path.relative_to(PACKAGE).parts
)


def untried(module: str, spoken: list[str], new_folder: Callable[[], Any]) -> list[str]:
    """Return what a module says that could be done, and that no row of the table does."""
    messages = []
    for name, row in CURES.get(module, {}).items():
        new_folder()
        message = SAID.get((module, name)) or str(refusal(row, row.given()))
        match = re.search(row.says, message, re.DOTALL)
        messages.append((message, match.span() if match else (0, 0)))

    def is_tried(part: str) -> bool:
        words = re.compile(re.escape(part).replace(r"\{\}", ".*?"), re.DOTALL)
        return any(
            found.start() < end and start < found.end()
            for message, (start, end) in messages
            for found in words.finditer(message)
        )

    return [part for part in spoken if not is_tried(part)]


@pytest.mark.parametrize("module", MODULES)
def test_every_cure_of_a_module_is_tried_or_it_is_said_why_not(module, tmp_path_factory, monkeypatch):
    spoken = said_in((PACKAGE / f"{module}.py").read_text(encoding="utf-8"), module)
    listed = [list(kind.get(module, ())) for kind in (STATEMENTS, ELSEWHERE, UNTRIED)]
    known = [part for parts in listed for part in parts]
    assert len(set(known)) == len(known), "listed twice"
    assert set(known) <= set(spoken), "no message says so any more"
    left = [part for part in spoken if part not in known]
    missing = untried(module, left, lambda: monkeypatch.chdir(tmp_path_factory.mktemp("row")))
    assert missing == [], "no row of CURES carries this out"
    for part, where in ELSEWHERE.get(module, {}).items():
        file, _, name = where.partition("::")
        tree = ast.parse(Path(__file__).with_name(file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, part


def test_a_cure_that_nobody_tried_is_found():
    source = (
        "def hint(x):\n    return f' Stand on your {x}.'\n"
        "def check(x):\n    cure = hint(x)\n"
        "    raise ValueError(f'x must be 1, but got {x}.{cure} Pass 1, or take another y.')\n"
    )
    spoken = said_in(source, "losses")
    assert sorted(spoken) == ["Pass 1,", "Stand on your {}.", "or take another y."]
    assert untried("losses", [*spoken, "Leave it out."], lambda: None) == spoken  # a row does the last


def test_what_is_to_be_installed_is_what_is_missing():
    """What messages say to install holds what they ask for; a test installs nothing."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras, installed = project["optional-dependencies"], packages_distributions()

    def brings(requirements: list[str], module: str) -> bool:
        wanted = {re.split(r"[<>=!;\[ ]", one)[0].lower().replace("_", "-") for one in requirements}
        return bool(wanted & {name.lower().replace("_", "-") for name in installed[module]})

    source = ast.parse(inspect.getsource(check._libraries))
    loop = next(node for node in ast.walk(source) if isinstance(node, ast.For))
    assert all(brings(project["dependencies"], name) for name in ast.literal_eval(loop.iter))
    assert all(brings(extras["teach"], name) for name in grade.NEEDED)
    assert all(brings(list(NEEDS), name) and brings(extras["onnx"], name) for name in NEEDS)
    assert brings(["ipykernel"], "ipykernel")
    assert "jupyterlab" in check.NOTEBOOK and brings(["jupyterlab"], "jupyterlab")
