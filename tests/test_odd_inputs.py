"""One table of odd inputs against everything public that takes pictures, masks, labels, models, loaders or numbers.

Each input is refused by a check of ours, with a ValueError, or it is taken and gives what the same values give in their
usual form. What is neither is an error from deep inside, which says nothing to whoever made the mistake, or, worse, a
wrong result without a word. ``python tests/test_odd_inputs.py`` counts, module by module.

A new public function needs an entry in `ENTRIES`: its name, how it is called, and for each argument its kind and a
value in its usual form; or a line in `TAKES_NONE_OF_THEM`, with the reason. The kinds, and the odd forms of each, stand
in `KINDS`.
"""

import ast
import collections
import functools
import importlib
import inspect
import itertools
import math
import pkgutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.figure
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import unet_tutorial
from unet_tutorial import (
    augment,
    blocks,
    checkpoints,
    diagnosis,
    diagram,
    diffusion,
    exercises,
    inference,
    instances,
    losses,
    metrics,
    plots,
    pretrained,
    quiz,
    records,
    sizing,
    training,
    unet,
    variants,
    widgets,
)
from unet_tutorial import votes as voting
from unet_tutorial.data import (
    bbbc039,
    camvid,
    drawn_streets,
    masks,
    meaning,
    normalizing,
    pictures,
    shrinking,
    synthetic,
    vnc,
)
from unet_tutorial.devices import choose_device
from unet_tutorial.exercises import pieces
from unet_tutorial.live import base as live_base
from unet_tutorial.live import packing
from unet_tutorial.widgets.kit import pictures as kit_pictures

PACKAGE = Path(unet_tutorial.__file__).parent
FOLDER = Path(tempfile.mkdtemp())

# The odd forms --------------------------------------------------------------------------------------------------------


class Odd(NamedTuple):
    """A form of a value: how it is made, and whether it says the same as the usual form, roughly, or not at all."""

    name: str
    make: Callable[[Any], Any]
    means: str  # "same", "roughly", "other"


def same(**forms: Callable[[Any], Any]) -> list[Odd]:
    return [Odd(name.replace("_", " "), make, "same") for name, make in forms.items()]


def roughly(**forms: Callable[[Any], Any]) -> list[Odd]:
    return [Odd(name.replace("_", " "), make, "roughly") for name, make in forms.items()]


def other(**forms: Callable[[Any], Any]) -> list[Odd]:
    return [Odd(name.replace("_", " "), make, "other") for name, make in forms.items()]


def with_one(value: float) -> Callable[[Any], Any]:
    """Return what puts a value into the midst of a tensor or an array."""

    def make(given: Any) -> Any:
        given = given.clone() if isinstance(given, torch.Tensor) else given.copy()
        given.reshape(-1)[given.reshape(-1).shape[0] // 2] = value
        return given

    return make


def array(given: Any) -> np.ndarray:
    return given.numpy() if isinstance(given, torch.Tensor) else given


def tensor(given: Any) -> torch.Tensor:
    return given if isinstance(given, torch.Tensor) else torch.from_numpy(given)


def like(given: Any, made: np.ndarray) -> Any:
    return torch.from_numpy(np.ascontiguousarray(made)) if isinstance(given, torch.Tensor) else made


def read_only(given: Any) -> np.ndarray:
    made = array(given).copy()
    made.flags.writeable = False
    return made


def turned(given: Any) -> np.ndarray:
    """The same values, with negative strides."""
    return array(given)[..., ::-1].copy()[..., ::-1]


def swapped(given: Any) -> np.ndarray:
    return array(given).astype(array(given).dtype.newbyteorder())


def spread(given: Any) -> torch.Tensor:
    """The same values, not one after the other in memory."""
    return tensor(given).transpose(-1, -2).contiguous().transpose(-1, -2)


def in_a_larger_one(given: Any) -> torch.Tensor:
    larger = torch.zeros(*tensor(given).shape[:-1], tensor(given).shape[-1] + 3, dtype=tensor(given).dtype)
    larger[..., 1:-2] = tensor(given)
    return larger[..., 1:-2]


def quantized(given: Any) -> torch.Tensor:
    return torch.quantize_per_tensor(tensor(given).float(), 0.1, 0, torch.quint8)


class Sub(torch.Tensor):
    """A kind of tensor that somebody else has made."""


NO_NUMBERS = other(
    none=lambda v: None,
    a_text=lambda v: "cells.png",
    bytes=lambda v: b"\x00\x01",
    a_number=lambda v: 0.5,
    a_dict=lambda v: {"image": v},
    a_function=lambda v: len,
    an_object=lambda v: object(),
    a_numpy_number=lambda v: np.float32(1),
    objects=lambda v: np.array([[None, 1], [2, "x"]], dtype=object),
    texts=lambda v: np.array([["a", "b"]]),
    no_numbers_at_all=lambda v: np.array([]),
    an_empty_list=lambda v: [],
    ragged_lists=lambda v: [[1, 2], [3]],
)
FORMS = [
    *same(
        array=array,
        read_only=read_only,
        negative_strides=turned,
        big_endian=swapped,
        fortran_order=lambda v: np.asfortranarray(array(v)),
        tensor=tensor,
        spread=spread,
        in_a_larger_one=in_a_larger_one,
        lists=lambda v: v.tolist(),
        subclass=lambda v: tensor(v).as_subclass(Sub),
    ),
    *other(
        masked_array=lambda v: np.ma.MaskedArray(array(v), mask=np.arange(array(v).size).reshape(array(v).shape) % 2),
        empty=lambda v: v[:0],
        without_a_column=lambda v: v[..., :0],
        meta=lambda v: tensor(v).to("meta"),
        of_one_number=lambda v: v.reshape(-1)[0],
        complex=lambda v: tensor(v) * (1 + 1j),
        three_axes_more=lambda v: v[None, None, None],
    ),
]
SPARSE = same(sparse=lambda v: tensor(v).to_sparse())
BROKEN = other(nan=with_one(math.nan), infinity=with_one(math.inf), minus_infinity=with_one(-math.inf))
FLOATS = [
    *NO_NUMBERS,
    *FORMS,
    *SPARSE,
    *BROKEN,
    *same(with_gradient=lambda v: tensor(v).clone().requires_grad_(), a_parameter=lambda v: nn.Parameter(tensor(v))),
    *roughly(
        float64=lambda v: like(v, array(v).astype(np.float64)),
        float16=lambda v: like(v, array(v).astype(np.float16)),
        bfloat16=lambda v: tensor(v).bfloat16(),
        quantized=quantized,
    ),
    *other(
        float8=lambda v: tensor(v).to(torch.float8_e4m3fn),
        bool=lambda v: like(v, array(v) > 0.5),
        **{
            dtype: lambda v, dtype=dtype: like(v, (100 * array(v)).astype(dtype))
            for dtype in ("int8", "uint8", "int16", "uint16", "int32", "int64")
        },
    ),
]
WHOLE_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
LABELS = [
    *NO_NUMBERS,
    *FORMS,
    *SPARSE,
    *same(
        **{dtype: lambda v, dtype=dtype: like(v, array(v).astype(dtype)) for dtype in WHOLE_TYPES},
        float32=lambda v: like(v, array(v).astype(np.float32)),
        float64=lambda v: like(v, array(v).astype(np.float64)),
        float16=lambda v: like(v, array(v).astype(np.float16)),
        bfloat16=lambda v: tensor(v).bfloat16(),
        quantized_numbers=lambda v: tensor(v).float(),
    ),
    *other(
        minus_one=with_one(-1),
        bool=lambda v: like(v, array(v) > 0),
        half=lambda v: like(v, array(v) + 0.5),
        nan=lambda v: with_one(math.nan)(like(v, array(v).astype(np.float32))),
        infinity=lambda v: with_one(math.inf)(like(v, array(v).astype(np.float64))),
        an_axis_more=lambda v: v[None],
        an_axis_less=lambda v: v[0],
        another_height=lambda v: v[:-1],
    ),
]
# Any numbering of the objects is the same labelling.
NUMBERED = [
    *LABELS,
    *same(
        other_numbers=lambda v: v * 7,
        shuffled=lambda v: like(v, np.array([0, 3, 1, 2])[array(v)]),
        huge_numbers=lambda v: like(v, np.where(array(v) > 0, array(v) + 2**40, 0)),
        as_huge_as_can_be=lambda v: like(v, np.where(array(v) > 0, 2**63 - 1 - array(v), 0)),
        above_int64=lambda v: np.where(array(v) > 0, np.uint64(2**64 - 1) - array(v).astype(np.uint64), np.uint64(0)),
    ),
]
MASKS = [
    *NO_NUMBERS,
    *FORMS,
    *SPARSE,
    *same(
        **{
            dtype: lambda v, dtype=dtype: like(v, array(v).astype(dtype))
            for dtype in (*WHOLE_TYPES, "float32", "float64", "float16")
        },
        bfloat16=lambda v: tensor(v).bfloat16(),
    ),
    *other(
        v255=with_one(255),
        two=with_one(7),
        minus_one=with_one(-1),
        minus_100=with_one(-100),
        times_255=lambda v: v * 255,
        half=lambda v: with_one(0.5)(like(v, array(v).astype(np.float32))),
        nan=lambda v: with_one(math.nan)(like(v, array(v).astype(np.float32))),
        infinity=lambda v: with_one(math.inf)(like(v, array(v).astype(np.float32))),
        an_axis_more=lambda v: v[None],
        an_axis_less=lambda v: v[0],
        another_size=lambda v: v[..., :-1],
        another_number=lambda v: like(v, np.concatenate([array(v), array(v)])),
        three_channels=lambda v: like(v, np.stack([array(v)] * 3, 1)),
    ),
]
BINARY = [*MASKS, *same(bool=lambda v: like(v, array(v) > 0.5))]
BATCH = [
    *FLOATS,
    *other(
        an_axis_less=lambda v: v[0],
        an_axis_more=lambda v: v[None],
        channels_last_axis=lambda v: like(v, np.moveaxis(array(v), 1, -1)),
        four_channels_more=lambda v: like(v, np.concatenate([array(v)] * 5, 1)),
    ),
    *same(channels_last_in_memory=lambda v: tensor(v).contiguous(memory_format=torch.channels_last)),
]
NO_MODEL = other(
    none=lambda v: None,
    a_text=lambda v: "UNet",
    the_class=lambda v: type(v),
    its_weights=lambda v: v.state_dict(),
    a_number=lambda v: 3,
    a_function=lambda v: lambda x: x,
    a_list=lambda v: [v],
    lazy=lambda v: nn.Sequential(nn.LazyConv2d(1, 1)),
)
MODELS = [
    *NO_MODEL,
    *same(
        data_parallel=lambda v: nn.DataParallel(v),
        compiled=lambda v: torch.compile(v, backend="eager"),
        both=lambda v: nn.DataParallel(torch.compile(v, backend="eager")),
        in_train_mode=lambda v: v.train(),
        in_channels_last=lambda v: v.to(memory_format=torch.channels_last),
    ),
    *other(on_meta=lambda v: v.to("meta"), float64=lambda v: v.double(), bfloat16=lambda v: v.bfloat16()),
]


class Wrapped:
    """A loader of somebody else."""

    def __init__(self, loader: Any, length: int | None = None):
        self.loader, self.length = loader, length

    def __iter__(self) -> Iterator:
        return iter(self.loader)

    def __len__(self) -> int:
        return len(self.loader) if self.length is None else self.length


def data_of(batches: list) -> TensorDataset:
    return TensorDataset(*(torch.cat(parts) for parts in zip(*batches, strict=True)))


def changed(place: int, change: Callable[[Any], Any]) -> Callable[[list], list]:
    """Return what changes one part of every batch."""
    return lambda v: [tuple(change(part) if i == place else part for i, part in enumerate(batch)) for batch in v]


LOADERS = [
    *same(
        tuple=tuple,
        lists_in_it=lambda v: [list(batch) for batch in v],
        loader=lambda v: DataLoader(data_of(v), batch_size=2),
        with_generator=lambda v: DataLoader(data_of(v), batch_size=2, generator=torch.Generator()),
        wrapped=Wrapped,
        wrapped_twice=lambda v: Wrapped(Wrapped(v)),
        wrapped_loader=lambda v: Wrapped(DataLoader(data_of(v), batch_size=2)),
        augmented_by_nothing=lambda v: augment.Augmented(v, augment.Augmentation(flip=False, light=0)),
        images_with_gradient=changed(0, lambda part: part.clone().requires_grad_()),
        images_spread=changed(0, spread),
    ),
    *other(
        none=lambda v: None,
        a_text=lambda v: "train",
        a_number=lambda v: 3,
        a_tensor=lambda v: v[0][0],
        a_dict=lambda v: {"train": v},
        a_data_set=data_of,
        no_length=iter,
        a_generator=lambda v: (batch for batch in v),
        empty=lambda v: [],
        says_one_more=lambda v: Wrapped(v, len(v) + 1),
        says_one_less=lambda v: Wrapped(v, len(v) - 1),
        images_alone=lambda v: [batch[0] for batch in v],
        one_part=lambda v: [(batch[0],) for batch in v],
        four_parts=lambda v: [(*batch, batch[1], batch[1]) for batch in v],
        dicts=lambda v: [dict(zip(("image", "mask"), batch, strict=False)) for batch in v],
        names=lambda v: [("a.png", "b.png")],
        arrays=lambda v: [tuple(part.numpy() for part in batch) for batch in v],
        empty_batches=lambda v: [tuple(part[:0] for part in batch) for batch in v],
        images_float64=changed(0, lambda part: part.double()),
        images_uint8=changed(0, lambda part: (255 * part).byte()),
        images_nan=changed(0, with_one(math.nan)),
        images_without_channels=changed(0, lambda part: part[:, 0]),
        images_channels_last=changed(0, lambda part: part.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)),
        images_sparse=changed(0, lambda part: part.to_sparse()),
        images_meta=changed(0, lambda part: part.to("meta")),
        images_of_another_number=changed(0, lambda part: part[:1]),
        masks_255=changed(1, lambda part: 255 * part),
        masks_with_255=changed(1, with_one(255)),
        masks_nan=changed(1, lambda part: with_one(math.nan)(part.float())),
        masks_infinite=changed(1, lambda part: with_one(math.inf)(part.float())),
        masks_uint8=changed(1, lambda part: part.byte()),
        masks_bool=changed(1, lambda part: part.bool()),
        masks_short_of_an_axis=changed(1, lambda part: part[:, 0]),
        masks_of_another_size=changed(1, lambda part: part[..., :-1]),
        masks_of_another_number=changed(1, lambda part: part[:1]),
        masks_of_no_number=changed(1, lambda part: None),
    ),
]
WHOLE = [
    *same(
        numpy_int64=np.int64,
        numpy_int32=np.int32,
        numpy_uint8=np.uint8,
        numpy_int8=np.int8,
        numpy_uint64=np.uint64,
        float=float,
        numpy_float64=np.float64,
        fraction=Fraction,
        tensor=torch.tensor,
        array_of_none=np.array,
    ),
    *other(
        zero=lambda v: 0,
        minus_one=lambda v: -1,
        true=lambda v: True,
        numpy_true=lambda v: np.True_,
        half=lambda v: 2.5,
        nan=lambda v: math.nan,
        infinity=lambda v: math.inf,
        minus_infinity=lambda v: -math.inf,
        text=str,
        bytes=lambda v: b"3",
        list=lambda v: [v],
        array=lambda v: np.array([v]),
        complex=complex,
        none=lambda v: None,
        minus_two_to_63=lambda v: -(2**63),
        an_object=lambda v: object(),
        an_empty_list=lambda v: [],
    ),
]
NUMBER = [
    *same(
        numpy_float32=np.float32,
        numpy_float64=np.float64,
        numpy_float16=np.float16,
        fraction=Fraction,
        tensor=lambda v: torch.tensor(v, dtype=torch.float64),
        array_of_none=np.array,
    ),
    *other(
        minus_one=lambda v: -1,
        true=lambda v: True,
        numpy_true=lambda v: np.True_,
        nan=lambda v: math.nan,
        numpy_nan=lambda v: np.float32("nan"),
        infinity=lambda v: math.inf,
        minus_infinity=lambda v: -math.inf,
        too_small=lambda v: 1e-50,
        too_large=lambda v: 1e300,
        beyond_float=lambda v: 10**400,
        text=str,
        list=lambda v: [v],
        array=lambda v: np.array([v]),
        complex=complex,
        none=lambda v: None,
        an_object=lambda v: object(),
    ),
]
PROBABILITY = [*NUMBER, *other(zero=lambda v: 0, one=lambda v: 1, fifty=lambda v: 50)]
OPTION = [
    *same(numpy_text=np.str_),
    *other(
        unknown=lambda v: "nonsense",
        empty=lambda v: "",
        in_capitals=lambda v: v.upper() + "X",
        bytes=lambda v: v.encode(),
        list=lambda v: [v],
        none=lambda v: None,
        number=lambda v: 3,
        true=lambda v: True,
        array=lambda v: np.array([v, v]),
        an_object=lambda v: object(),
    ),
]
WHOLES = [
    *same(
        list=list,
        array=np.array,
        int32=lambda v: np.array(v, np.int32),
        uint8=lambda v: np.array(v, np.uint8),
        tensor=torch.tensor,
        numpy_numbers=lambda v: [np.int16(one) for one in v],
        big_endian=lambda v: np.array(v, ">i4"),
        read_only=lambda v: np.broadcast_to(np.array(v), (len(v),)),
        float=lambda v: [float(one) for one in v],
    ),
    *other(
        none=lambda v: None,
        a_number=lambda v: 4,
        text=lambda v: "4, 8",
        bytes=lambda v: b"ab",
        a_set=lambda v: {16, 4, 8},
        a_dict=lambda v: dict.fromkeys(v, 1),
        a_generator=lambda v: (one for one in v),
        without_end=lambda v: itertools.count(4),
        empty=lambda v: (),
        nested=lambda v: [list(v)],
        with_zero=lambda v: (*v[:-1], 0),
        with_minus_one=lambda v: (*v[:-1], -1),
        with_half=lambda v: (*v[:-1], 2.5),
        with_nan=lambda v: (*v[:-1], math.nan),
        with_true=lambda v: (*v[:-1], True),
        with_text=lambda v: (*v[:-1], "8"),
        with_none=lambda v: (*v[:-1], None),
        an_array_of_floats=lambda v: np.array(v) + 0.5,
        an_array_of_two_axes=lambda v: np.array([v]),
    ),
]
PATH = [
    *same(path=lambda v: Path(v)),
    *other(
        none=lambda v: None,
        number=lambda v: 3,
        empty=lambda v: "",
        with_zero=lambda v: "a\0b.pt",
        bytes=lambda v: str(v).encode(),
        list=lambda v: [v],
        nowhere=lambda v: "no/such/folder/file.pt",
        folder=lambda v: str(FOLDER),
        an_object=lambda v: object(),
    ),
]
DEVICE = [
    *same(device=torch.device, none=lambda v: None),
    *other(
        gpu=lambda v: "gpu",
        one_that_is_not_there=lambda v: f"cuda:{torch.cuda.device_count()}",
        another=lambda v: "xpu",
        of_a_vendor=lambda v: "hpu",
        empty=lambda v: "",
        number=lambda v: 0,
        true=lambda v: True,
        bytes=lambda v: b"cpu",
        list=lambda v: ["cpu"],
        an_object=lambda v: object(),
    ),
]
TEXT = other(
    none=lambda v: None,
    number=lambda v: 3,
    empty=lambda v: "",
    unknown=lambda v: "no such name",
    bytes=lambda v: v.encode(),
    list=lambda v: [v],
    path=lambda v: "../" + v,
    an_object=lambda v: object(),
)
LOSS = other(
    a_text=lambda v: "dice",
    a_number=lambda v: 0.5,
    the_class=lambda v: losses.DiceLoss,
    list=lambda v: [v],
    of_no_number=lambda v: lambda logits, masks: logits,
    of_one_argument=lambda v: lambda logits: logits.mean(),
    that_wants_weights=lambda v: losses.weighted_cross_entropy,
    that_returns_a_float=lambda v: lambda logits, masks: 0.5,
    that_returns_nothing=lambda v: lambda logits, masks: None,
)
OPTIMIZER = other(
    none=lambda v: None,
    a_text=lambda v: "adam",
    built=lambda v: torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1),
    a_number=lambda v: 0.1,
    that_builds_nothing=lambda v: lambda parameters, lr: None,
)
TITLES = [
    *same(tuple=tuple),
    *other(
        a_text=lambda v: "a picture",
        a_number=lambda v: 3,
        a_set=set,
        a_dict=lambda v: {"a": 1},
        too_many=lambda v: v * 2,
    ),
]
KINDS = {
    "batch": BATCH,
    "floats": FLOATS,
    "labels": LABELS,
    "numbered": NUMBERED,
    "masks": MASKS,
    "binary": BINARY,
    "model": MODELS,
    "loader": LOADERS,
    "whole": WHOLE,
    "number": NUMBER,
    "probability": PROBABILITY,
    "option": OPTION,
    "wholes": WHOLES,
    "path": PATH,
    "device": DEVICE,
    "text": TEXT,
    "loss": LOSS,
    "optimizer": OPTIMIZER,
    "titles": TITLES,
}

# The usual forms ------------------------------------------------------------------------------------------------------

RANDOM = torch.Generator().manual_seed(0)
IMAGES = torch.rand(2, 1, 16, 16, generator=RANDOM)
LOGITS1 = torch.randn(2, 1, 16, 16, generator=RANDOM)
LOGITS3 = torch.randn(2, 3, 16, 16, generator=RANDOM)
MASKS1 = (IMAGES > 0.5).float()
MASKS3 = torch.randint(0, 3, (2, 16, 16), generator=RANDOM)
WEIGHTS = torch.rand(2, 16, 16, generator=RANDOM) + 0.5
OBJECTS = np.zeros((16, 16), dtype=np.int64)
OBJECTS[2:8, 2:8], OBJECTS[2:8, 8:14], OBJECTS[10:15, 3:9] = 1, 2, 3
SECTION = np.where(OBJECTS == 1, 0, np.where(OBJECTS == 2, 191, 255))
BY_ITSELF = "as the call makes it"  # of an argument whose usual value is made anew in every call
PICTURE = np.random.default_rng(0).random((16, 16))
BATCHES = [(IMAGES, MASKS1), (IMAGES.flip(0), MASKS1.flip(0))]
CONFIG = {"in_channels": 1, "num_classes": 1, "channels": (4, 8)}


@functools.cache
def weights_of(name: str, num_classes: int = 1, **options: Any) -> dict:
    torch.manual_seed(0)
    return variants.MODELS[name](1, num_classes, channels=(4, 8), **options).state_dict()


def network(name: str = "UNet", num_classes: int = 1) -> nn.Module:
    model = variants.MODELS[name](1, num_classes, channels=(4, 8))
    model.load_state_dict(weights_of(name, num_classes))
    return model.eval()


@functools.cache
def checkpoint() -> Path:
    path = FOLDER / "kept.pt"
    training.fit(network(), BATCHES, BATCHES, epochs=1, checkpoint=path, device="cpu", progress=False)
    return path


# The table ------------------------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """How one function is called: with which arguments of which kinds, and what of the result is looked at."""

    name: str  # module and name, and behind a space, where one name has several entries, what is special
    call: Callable[..., Any]
    arguments: dict[str, tuple[str, Any]]
    may: dict[tuple[str, str], Callable[[Any], bool] | None] = {}  # other results that are right
    raises: tuple[type[Exception], ...] = (ValueError,)


def built(module: Callable[..., nn.Module], *inputs: torch.Tensor) -> Callable[..., Any]:
    """Return what builds a module with the given options, the same weights every time, and runs it."""

    def call(**options: Any) -> Any:
        torch.manual_seed(0)
        made = module(**options).eval()
        with torch.no_grad():
            return made(*inputs)

    return call


def runs(make: Callable[[], nn.Module]) -> Callable[..., Any]:
    """Return what runs a module that is built."""

    def call(**inputs: Any) -> Any:
        torch.manual_seed(0)
        return make().eval()(**inputs)

    return call


CHANNEL = ("whole", 4)
NORM, PADDING, UPSAMPLE, SKIP, BLOCK = (("option", name) for name in ("batch", "same", "transpose", "concat", "double"))
F4, F8 = torch.rand(2, 4, 12, 12, generator=RANDOM), torch.rand(2, 8, 6, 6, generator=RANDOM)
ANY = lambda result: True  # noqa: E731
CONFUSED = torch.tensor([[8, 2, 1], [0, 6, 2], [1, 1, 3]])
MORE_CONFUSED = {("matrix", name): ANY for name in ("v255", "two", "times 255", "another size")}  # larger counts
PAIR = {"in_channels": CHANNEL, "out_channels": CHANNEL, "norm": NORM, "padding": PADDING}
LOSS1 = {"logits": ("batch", LOGITS1), "masks": ("binary", MASKS1)}
LOSS3 = {"logits": ("batch", LOGITS3), "masks": ("masks", MASKS3)}
SMOOTH, PRICE = {"smooth": ("number", 0.5)}, {"alpha": ("number", 0.25), "beta": ("number", 0.5)}
IGNORED = {"ignore_index": ("whole", 7)}
MAY_IGNORE = {("ignore_index", name): ANY for name in ("zero", "minus one", "none", "minus two to 63")}
SURE = {("logits", "infinity"): ANY, ("logits", "minus infinity"): ANY}  # no doubt at all is a logit, too
MORE = {("logits", "four channels more"): ANY}  # more classes than the masks show
MAY_HAVE_7 = {("masks", "two"): ANY}  # which do not count there
NO_SKIP = {"norm": NORM, "upsample": UPSAMPLE}
NETWORK = {"in_channels": ("whole", 1), "num_classes": ("whole", 2), "channels": ("wholes", (4, 8)), "norm": NORM}
SIZES = {"height": ("whole", 16), "width": ("whole", 24)}
ARITHMETIC = {"in_channels": ("whole", 3), "num_classes": ("whole", 2), "channels": ("wholes", (4, 8))}
PLAIN = {"epochs": 1, "device": "cpu", "progress": False}


def loss_entries(name: str, options: dict, module: str | None = None) -> list[Entry]:
    function, made = getattr(losses, name), module and getattr(losses, module)
    entries = [
        Entry(
            f"losses.{name}",
            function,
            LOSS1 | options | IGNORED,
            MAY_IGNORE | MAY_HAVE_7 | SURE | {("alpha", "none"): ANY},
        ),
        Entry(f"losses.{name} of several classes", function, LOSS3 | IGNORED, MAY_IGNORE | MAY_HAVE_7 | SURE | MORE),
    ]
    if made:
        entries.append(
            Entry(
                f"losses.{module}",
                lambda **o: made(**o)(LOGITS1, MASKS1),
                options | IGNORED,
                MAY_IGNORE | {("alpha", "none"): ANY},
            )
        )
        entries.append(Entry(f"losses.{module} called", lambda **v: made()(**v), LOSS1, SURE))
        entries.append(Entry(f"losses.{module} of several classes", lambda **v: made()(**v), LOSS3, SURE | MORE))
    return entries


def trained(**options: Any) -> Any:
    torch.manual_seed(0)
    model = options.pop("model") if "model" in options else network()
    history = training.fit(model, **{"train_loader": BATCHES, "val_loader": BATCHES} | PLAIN | options)
    return history.train_loss + history.val_loss + history.val_iou


def tried(**options: Any) -> Any:
    torch.manual_seed(0)
    given = {"build": network, "train_loader": BATCHES, "val_loader": BATCHES, "learning_rates": (0.25, 0.5)}
    found = training.try_learning_rates(**given | PLAIN | options)
    return [history.train_loss for history in found.values()]


def stepped(**options: Any) -> Any:
    model = options.pop("model") if "model" in options else network()
    trained = model if isinstance(model, nn.Module) and not isinstance(model, nn.Sequential) else network()
    given = {"optimizer": torch.optim.SGD(trained.parameters(), lr=0.1), "images": IMAGES} | options
    targets = given.pop("masks", MASKS1)
    arguments = (given.pop("optimizer"), given.pop("images"), targets)
    return training.train_step(model, *arguments, loss=given.pop("loss", losses.dice_loss), **given)


def evaluated(**options: Any) -> Any:
    return tuple(training.evaluate(**{"model": network(), "loader": BATCHES} | options))


def diagnosed(**options: Any) -> Any:
    return list(diagnosis.diagnose(**{"model": network(), "images": IMAGES, "masks": MASKS1} | options))


def predicted(**options: Any) -> Any:
    return inference.predict(**{"model": network(), "images": IMAGES, "progress": False} | options)


def augmented(loader: Any) -> Any:
    return list(augment.Augmented(loader, augment.Augmentation(flip=False, light=0)))


def written(**options: Any) -> Any:
    checkpoints.write_checkpoint(**{"path": FOLDER / "new.pt", "content": {"a": 1}} | options)


def drawn(figure: matplotlib.figure.Figure) -> Any:
    """Return what a figure shows: its pictures and its lines."""
    shown = [np.asarray(image.get_array(), dtype=float) for axes in figure.axes for image in axes.get_images()]
    return shown + [np.asarray(line.get_xydata(), dtype=float) for axes in figure.axes for line in axes.get_lines()]


def sample(dataset: Any) -> Any:
    return [*dataset[0], len(dataset)]


def set_to(explorer: Any, values: dict[str, Any]) -> list:
    """Set controls as the explorer itself does, without the table of all its states, which takes seconds."""
    return [explorer.controls()[name].validate(None, value) for name, value in values.items()]


def of_whole_numbers(argument: str) -> dict[tuple[str, str], Any]:
    """A picture may be of whole numbers; what comes out is then not that of 0 to 1."""
    return {(argument, odd): ANY for odd in ("bool", "int8", "uint8", "int16", "uint16", "int32", "int64")}


def drawn_all_the_same(argument: str) -> dict[tuple[str, str], Any]:
    """What is drawn may be of any numbers, also of those that have no place on the scale."""
    odds = ("nan", "infinity", "minus infinity", "masked array", "float8")
    return of_whole_numbers(argument) | {(argument, odd): ANY for odd in odds}


LEVELS, SCHEDULE = torch.tensor([3, 20]), diffusion.noise_schedule(25)
# One number a level: what has fewer or other ones, and still falls from 1, is another schedule.
ODD_SCHEDULES: dict[tuple[str, str], Any] = {}
ODD_LEVELS: dict[tuple[str, str], Any] = {}


def step_network() -> nn.Module:
    torch.manual_seed(0)
    return diffusion.StepUNet(1, channels=(4, 8)).eval()


def noise_lost(**options: Any) -> Any:
    given = {"model": step_network(), "pictures": IMAGES, "alpha_bar": SCHEDULE} | options
    return diffusion.noise_loss(**given, generator=torch.Generator().manual_seed(0))


def noise_learned(**options: Any) -> Any:
    given = {"model": step_network(), "pictures": IMAGES, "alpha_bar": SCHEDULE, "updates": 2, "batch_size": 2}
    torch.manual_seed(0)
    return diffusion.fit_noise(**given | options, progress=False)


def noise_sampled(sampler: Callable[..., Any], **options: Any) -> Any:
    given = {"model": step_network(), "start": IMAGES, "alpha_bar": SCHEDULE, "steps": 3} | options
    made = sampler(**given)
    return made if isinstance(made, torch.Tensor) else [stop.noisy for stop in made]


MAPS = sizing.feature_maps(16, 16, channels=(4, 8))
FINDS = {  # diagnose looks for what is wrong, and says so: it need not refuse
    (argument, odd.name): lambda result: len(result) > 0
    for argument, odds in (("images", BATCH), ("masks", BINARY))
    for odd in odds
    if odd.means == "other"
}
ENTRIES: list[Entry] = [
    # augment
    Entry(
        "augment.Augmentation",
        lambda **o: augment.Augmentation(**o)(IMAGES, MASKS3, WEIGHTS),
        {"light": ("number", 0.25), "elastic": ("number", 0.5)},
    ),
    Entry(
        "augment.Augmentation called",
        lambda **v: augment.Augmentation()(*v.values()),
        {"images": ("batch", IMAGES), "masks": ("labels", MASKS3), "weights": ("floats", WEIGHTS)},
        {
            ("images", "four channels more"): ANY,
            ("masks", "minus one"): ANY,
            ("weights", "infinity"): ANY,
            ("masks", "bool"): ANY,
        },
    ),
    Entry(  # it changes what lies in the images, and what masks mean is not its business
        "augment.Augmented",
        augmented,
        {"loader": ("loader", BATCHES)},
        {
            ("loader", odd): ANY
            for odd in (
                "empty",
                "says one more",
                "says one less",
                "images float64",
                "masks 255",
                "masks with 255",
                "masks uint8",
                "masks bool",
                "masks short of an axis",
            )
        },
    ),
    Entry(
        "augment.Augmented device",
        lambda device: list(augment.Augmented(BATCHES, augment.Augmentation(light=0), device)),
        {"device": ("device", "cpu")},
    ),
    Entry(
        "augment.bend",
        augment.bend,
        {
            "images": ("batch", IMAGES),
            "masks": ("binary", MASKS1),
            "weights": ("floats", WEIGHTS[:, None]),
            "pixels": ("number", 2.0),
        },
        {("images", "four channels more"): ANY}
        | {("masks", odd): ANY for odd in ("v255", "two", "minus one", "minus 100", "times 255", "half")},
    ),
    # blocks
    Entry("blocks.normalization", lambda **o: repr(blocks.normalization(**o)), {"norm": NORM, "channels": CHANNEL}),
    *(
        entry
        for name in ("DoubleConv", "ResidualConvBlock", "SeparableConvBlock")
        for entry in (
            Entry(f"blocks.{name}", built(getattr(blocks, name), F4), PAIR),
            Entry(f"blocks.{name} called", runs(lambda name=name: getattr(blocks, name)(4, 8)), {"x": ("batch", F4)}),
        )
    ),
    Entry(
        "blocks.AttentionGate",
        built(blocks.AttentionGate, F8, F4),
        {"gate_channels": ("whole", 8), "skip_channels": CHANNEL, "inter_channels": ("whole", 2)},
    ),
    Entry(
        "blocks.AttentionGate called",
        runs(lambda: blocks.AttentionGate(8, 4, 2)),
        {"gate": ("batch", F8), "skip": ("batch", F4)},
        {("gate", "infinity"): ANY, ("gate", "minus infinity"): ANY},  # no doubt at all
    ),
]
ENTRIES += [
    # checkpoints
    Entry(
        "checkpoints.write_checkpoint",
        written,
        {"path": ("path", str(FOLDER / "new.pt"))},
        raises=(ValueError,),
    ),
    Entry(
        "checkpoints.read_checkpoint", lambda path: checkpoints.read_checkpoint(path)["model"], {"path": ("path", "")}
    ),
    Entry(
        "checkpoints.architecture",
        checkpoints.architecture,
        {"model": ("model", network)},
        {
            ("model", "on meta"): ANY,
            ("model", "float64"): ANY,
            ("model", "bfloat16"): ANY,
        },
    ),
    Entry(
        "checkpoints.check_same",
        lambda model: checkpoints.check_same("a.pt", checkpoints.read_checkpoint(checkpoint()), model, {}),
        {"model": ("model", network)},
        {("model", "on meta"): ANY},
    ),
    # data
    Entry(
        "data.masks.check_mask",
        masks.check_mask,
        {"mask": ("binary", MASKS1), "num_classes": ("whole", 1)},
        {
            ("mask", "another size"): ANY,
            ("mask", "another number"): ANY,
            ("mask", "an axis less"): ANY,
        },
    ),
    Entry(
        "data.masks.check_mask of several classes",
        lambda mask: masks.check_mask(mask, 3),
        {"mask": ("masks", MASKS3)},
        {
            ("mask", "another size"): ANY,
            ("mask", "another number"): ANY,
            ("mask", "an axis less"): ANY,
        },
    ),
    Entry(
        "data.masks.check_mask beside its image",
        lambda **v: masks.check_mask(num_classes=1, **v),
        {"mask": ("binary", MASKS1), "image": ("batch", IMAGES)},
        {
            ("image", "none"): ANY,
            **{
                ("image", odd): ANY
                for odd in (
                    "nan",
                    "infinity",
                    "minus infinity",
                    "float8",
                    "bool",
                    "four channels more",
                    "int8",
                    "uint8",
                    "int16",
                    "uint16",
                    "int32",
                    "int64",
                )
            },
        },
    ),
    Entry(
        "data.masks.check_pair",
        masks.check_pair,
        {"image": ("batch", IMAGES), "mask": ("binary", MASKS1)},
        {("image", "four channels more"): ANY, ("image", "float8"): ANY},
    ),
    Entry(
        "data.masks.from_gray",
        masks.from_gray,
        {"array": ("binary", MASKS1[0] * 1)},
        {
            ("array", "times 255"): lambda r: torch.equal(r, MASKS1[0]),
            ("array", "an axis less"): lambda r: torch.equal(r, MASKS1[0]),
            ("array", "another size"): lambda r: torch.equal(r, MASKS1[0, :, :, :-1]),
        },
    ),
    Entry(
        "data.masks.from_gray threshold",
        lambda threshold: masks.from_gray(PICTURE, threshold),
        {"threshold": ("number", 0.5)},
        {("threshold", name): ANY for name in ("minus one", "too small", "too large")},
    ),
    Entry(
        "data.masks.from_colors",
        lambda rgb: masks.from_colors(rgb, {(0, 0, 0): 0, (1, 1, 1): 1}),
        {"rgb": ("binary", np.stack([MASKS1[0, 0].numpy().astype(np.uint8)] * 3, -1))},
        {("rgb", "another number"): ANY},
    ),
    Entry(
        "data.masks.resize_mask",
        masks.resize_mask,
        {"mask": ("binary", MASKS1), "size": ("wholes", (8, 8))},
        {
            ("mask", "another number"): ANY,
            ("mask", "another size"): ANY,
            ("mask", "an axis less"): ANY,
            **{("mask", odd.name): ANY for odd in BINARY if odd.name in ("int64", "two")},
        },
    ),
    Entry(
        "data.pictures.InstanceDataset",
        lambda image, labels: (
            sample(pictures.InstanceDataset(["a"], [image], [labels]))
            + [pictures.InstanceDataset(["a"], [image], [labels]).instances(0)]
        ),
        {"image": ("floats", 100 + 900 * PICTURE), "labels": ("labels", OBJECTS)},
        {("image", odd.name): ANY for odd in FLOATS if odd.name in WHOLE_TYPES} | {("labels", "bool"): ANY},
    ),
    *(
        Entry(
            f"data.normalizing.{function.__name__}",
            function,
            {"image": ("floats", 100 + 900 * PICTURE)},
            {("image", odd.name): ANY for odd in FLOATS if odd.name in WHOLE_TYPES},
        )
        for function in (normalizing.normalize, normalizing.normalize_picture)
    ),
    Entry(
        "data.meaning.whole_numbers",
        lambda mask: meaning.whole_numbers(mask, "mask"),
        {"mask": ("labels", OBJECTS)},
        {("mask", "another height"): ANY, ("mask", "bool"): ANY},
    ),
    Entry("votes.middles", voting.middles, {"instances": ("labels", OBJECTS)}, {("instances", "another height"): ANY}),
    Entry(
        "votes.from_votes",
        voting.from_votes,
        {
            "logits": ("floats", 4 * LOGITS3[0]),
            "radius": ("number", 4.0),
            "foreground": ("probability", 0.5),
            "votes": ("number", 1.0),
            "smallest": ("number", 2.0),
        },
        # in 8 bits a vote lands elsewhere, and which object a pixel belongs to may change
        {("foreground", "too small"): ANY, ("logits", "bfloat16"): ANY, ("logits", "float16"): ANY},
    ),
    Entry(
        "data.pictures.Crops",
        lambda **o: sample(pictures.Crops([(IMAGES[0], MASKS3[0], WEIGHTS[0])], **o)),
        {"size": ("whole", 8), "samples": ("whole", 3), "seed": ("whole", 3)},
        {("seed", "zero"): ANY},
    ),
    Entry(
        "data.pictures.own_pictures",
        lambda folder: len(pictures.own_pictures(folder)),
        {"folder": ("path", str(FOLDER))},
    ),
    Entry(
        "data.bbbc039.decode_instances",
        bbbc039.decode_instances,
        {"mask": ("labels", OBJECTS)},
        {("mask", "another height"): ANY, ("mask", "minus one"): ANY},
    ),
    Entry(
        "data.bbbc039.NucleiDataset",
        lambda split: bbbc039.NucleiDataset(split, folder=FOLDER),
        {"split": ("option", "train")},
    ),
    Entry(
        "data.vnc.decode_classes",
        vnc.decode_classes,
        {"mask": ("labels", SECTION)},
        {("mask", "another height"): ANY},
    ),
    Entry(
        "data.vnc.SectionsDataset",
        lambda **o: vnc.SectionsDataset(**o, folder=FOLDER),
        {"split": ("option", "train"), "target": ("option", "cells")},
    ),
    Entry(
        "data.camvid.StreetDataset",
        lambda split: camvid.StreetDataset(split, folder=FOLDER),
        {"split": ("option", "train")},
    ),
    Entry(
        "data.bbbc039.NucleiDataset folder",
        lambda folder: bbbc039.NucleiDataset("train", folder=folder),
        {"folder": ("path", str(FOLDER))},
        {("folder", "none"): ANY},  # None finds them where they are known to lie, or fetches them
        raises=(ValueError, ConnectionError),
    ),
    *(
        Entry(
            f"data.synthetic.{name}",
            lambda name=name, **o: sample(getattr(synthetic, name)(**o)),
            {
                "num_samples": ("whole", 3),
                "image_size": ("whole", 32),
                "seed": ("whole", 3),
                "split": ("option", "val"),
            },
            {("seed", "zero"): ANY},
        )
        for name in ("SyntheticCircleDataset", "SyntheticCellsDataset")
    ),
    Entry(
        "data.synthetic.small_cells",
        lambda **o: synthetic.small_cells(**o),
        {"number": ("whole", 3), "split": ("option", "train"), "seed": ("whole", 1)},
        {("seed", "zero"): ANY},
    ),
    Entry(
        "data.synthetic.draw_cells",
        lambda size: synthetic.draw_cells(np.random.default_rng(0), size),
        {"size": ("wholes", (40, 32))},
    ),
    Entry(
        "data.drawn_streets.draw_street",
        lambda size: drawn_streets.draw_street(np.random.default_rng(0), size),
        {"size": ("wholes", (40, 32))},
    ),
    Entry(
        "data.shrinking.shrink",
        lambda factor: shrinking.shrink(pictures.nuclei_pieces(), factor).images,
        {"factor": ("whole", 3)},
    ),
    # devices, diagnosis
    Entry("devices.choose_device", lambda device: str(choose_device(device)), {"device": ("device", "cpu")}),
    Entry(
        "diagnosis.diagnose",
        diagnosed,
        {
            "model": ("model", network),
            "images": ("batch", IMAGES),
            "masks": ("binary", MASKS1),
            "ignore_index": ("whole", 7),
        },
        FINDS
        | MAY_IGNORE
        | MAY_HAVE_7
        | {("model", odd): lambda r: len(r) > 0 for odd in ("on meta", "float64", "bfloat16")}
        | {("masks", odd.name): ANY for odd in BINARY if odd.means != "other"}
        | {("images", odd.name): lambda r: True for odd in BATCH if odd.means != "other"},
    ),
    # diagram
    Entry(
        "diagram.draw", lambda per_pixel: diagram.draw(MAPS, "a U", per_pixel=per_pixel), {"per_pixel": ("number", 0.5)}
    ),
    # diffusion
    Entry("diffusion.noise_schedule", diffusion.noise_schedule, {"steps": ("whole", 200)}),
    *(
        Entry(
            f"diffusion.{name}",
            getattr(diffusion, name),
            {
                first: ("batch", IMAGES),
                "noise": ("batch", LOGITS1),
                "steps": ("labels", LEVELS),
                "alpha_bar": ("floats", SCHEDULE),
            },
            ODD_SCHEDULES | ODD_LEVELS,
        )
        for name, first in (("add_noise", "pictures"), ("remove_noise", "noisy"))
    ),
    Entry(
        "diffusion.step_embedding",
        diffusion.step_embedding,
        {"steps": ("labels", LEVELS), "size": ("whole", 4)},
        ODD_LEVELS | {("steps", "another height"): ANY},
    ),
    Entry(
        "diffusion.StepUNet",
        lambda **o: built(lambda **o: diffusion.StepUNet(**o), IMAGES, LEVELS)(**o),
        {"in_channels": ("whole", 1), "channels": ("wholes", (4, 8)), "norm": NORM, "embedding": ("whole", 8)},
    ),
    Entry(
        "diffusion.StepUNet called",
        lambda **v: runs(lambda: diffusion.StepUNet(1, channels=(4, 8)))(**{"x": IMAGES, "steps": LEVELS} | v),
        {"x": ("batch", IMAGES), "steps": ("labels", LEVELS)},
        ODD_LEVELS | {("x", odd): ANY for odd in ("nan", "infinity", "minus infinity")},
    ),
    Entry(
        "diffusion.noise_loss",
        noise_lost,
        {"model": ("model", step_network), "pictures": ("batch", IMAGES), "alpha_bar": ("floats", SCHEDULE)},
        ODD_SCHEDULES | {("model", "in train mode"): ANY},
    ),
    Entry(
        "diffusion.fit_noise",
        noise_learned,
        {
            "model": ("model", step_network),
            "pictures": ("batch", IMAGES),
            "alpha_bar": ("floats", SCHEDULE),
            "updates": ("whole", 2),
            "batch_size": ("whole", 2),
            "learning_rate": ("number", 0.25),
        },
        ODD_SCHEDULES | {("model", "a list"): None},
        raises=(ValueError, FloatingPointError),
    ),
    Entry(
        "diffusion.step_back",
        lambda **v: diffusion.step_back(
            **{"noisy": IMAGES, "noise": LOGITS1, "step": 20, "to": 3, "alpha_bar": SCHEDULE} | v
        ),
        {
            "noisy": ("batch", IMAGES),
            "noise": ("batch", LOGITS1),
            "step": ("whole", 20),
            "to": ("whole", 3),
            "alpha_bar": ("floats", SCHEDULE),
            "eta": ("number", 0.0),
        },
        ODD_SCHEDULES | {("to", "zero"): ANY},
    ),
    *(
        Entry(
            f"diffusion.{name}",
            functools.partial(noise_sampled, getattr(diffusion, name)),
            {
                "model": ("model", step_network),
                "start": ("batch", IMAGES),
                "alpha_bar": ("floats", SCHEDULE),
                "steps": ("whole", 3),
                "eta": ("number", 0.0),
            },
            ODD_SCHEDULES | {("steps", "none"): ANY},
        )
        for name in ("walk", "sample")
    ),
    Entry(
        "diffusion.gaussian_denoiser",
        lambda **v: diffusion.gaussian_denoiser(**{"mean": 0.5, "std": 0.25, "alpha_bar": SCHEDULE} | v)(
            IMAGES, LEVELS
        ),
        {"mean": ("number", 0.5), "std": ("number", 0.25), "alpha_bar": ("floats", SCHEDULE)},
        ODD_SCHEDULES | {("mean", "minus one"): ANY},
    ),
    # exercises: no answer raises
    Entry(
        "exercises.check",
        lambda answer: exercises.check("double_conv.shape", answer),
        {"answer": ("floats", PICTURE)},
        {("answer", odd.name): ANY for odd in FLOATS},
    ),
    Entry(
        "exercises.check number",
        lambda answer: exercises.check("double_conv.count", answer),
        {"answer": ("number", 221696.0)},
        {("answer", odd.name): ANY for odd in NUMBER},
    ),
    Entry("exercises.find", lambda name: str(exercises.find(name)), {"name": ("text", "double_conv.shape")}),
    Entry("exercises.reveal", exercises.reveal, {"name": ("text", "double_conv.shape")}),
    Entry("exercises.pieces.piece", pieces.piece, {"name": ("option", "UNet")}),
    Entry(
        "exercises.pieces.copy_weights",
        lambda source: pieces.copy_weights(source, network(), IMAGES),
        {"source": ("model", network)},
        {("model", "bfloat16"): ANY},
    ),
    # inference
    Entry(
        "inference.predict",
        predicted,
        {
            "model": ("model", network),
            "images": ("batch", IMAGES),
            "batch_size": ("whole", 1),
            "device": ("device", "cpu"),
        },
    ),
    Entry(
        "inference.predict in tiles",
        lambda **o: predicted(**{"tile": 8, "overlap": 2} | o),
        {"tile": ("whole", 8), "overlap": ("whole", 2)},
        {("overlap", "zero"): ANY},
    ),
    # instances
    Entry(
        "instances.class_map",
        instances.class_map,
        {"instances": ("numbered", OBJECTS), "border": ("whole", 2)},
        {("border", "zero"): ANY, ("instances", "another height"): ANY},
    ),
    Entry(
        "instances.weight_map",
        instances.weight_map,
        {"instances": ("numbered", OBJECTS), "w0": ("number", 8.0), "sigma": ("number", 4.0)},
        {("instances", "another height"): ANY, ("sigma", "none"): None},
    ),
    Entry(
        "instances.with_targets dataset",
        lambda dataset: instances.with_targets(dataset),
        {"dataset": ("loader", BATCHES)},
    ),
    Entry(
        "instances.with_targets options",
        lambda **o: instances.with_targets(synthetic.SyntheticCellsDataset(1, 32), **o),
        {"border": ("whole", 2), "w0": ("number", 8.0)},
        {("border", "zero"): ANY},
    ),
    Entry(
        "instances.from_logits",
        instances.from_logits,
        {
            "logits": ("floats", 4 * LOGITS3[0]),
            "foreground": ("probability", 0.5),
            "seed": ("probability", 0.5),
            "smallest_seed": ("whole", 2),
            "smallest": ("whole", 2),
        },
        {("logits", "minus infinity"): ANY, ("foreground", "too small"): ANY, ("seed", "too small"): ANY},
    ),
    Entry(
        "instances.otsu",
        instances.otsu,
        {"image": ("floats", PICTURE), "smallest": ("whole", 2)},
        of_whole_numbers("image"),
    ),
    Entry(
        "instances.otsu_watershed",
        instances.otsu_watershed,
        {"image": ("floats", PICTURE), "smooth": ("number", 2.0), "apart": ("whole", 3), "smallest": ("whole", 2)},
        {
            **of_whole_numbers("image"),
        },
    ),
    # live
    Entry(
        "live.packing.to_hex",
        packing.to_hex,
        {"values": ("floats", IMAGES[0, 0]), "digits": ("whole", 2)},
        {("values", odd): ANY for odd in ("of one number", "three axes more", "float16", "bfloat16")},
    ),
    Entry(
        "live.packing.as_seen",
        packing.as_seen,
        {"values": ("floats", IMAGES[0, 0]), "digits": ("whole", 2)},
        {("values", odd): ANY for odd in ("of one number", "three axes more", "float16", "bfloat16")},
    ),
    Entry(
        "live.packing.pack_weights",
        lambda model: len(packing.pack_weights(model)),
        {"model": ("model", network)},
        {("model", "float64"): ANY, ("model", "bfloat16"): ANY},
    ),
    Entry(
        "live.packing.in_one_byte",
        lambda model: list(packing.in_one_byte(model).values()),
        {"model": ("model", network)},
        {("model", "float64"): ANY, ("model", "bfloat16"): ANY},
    ),
    Entry("live.base.read", live_base.read, {"name": ("text", "engine.js")}),
    Entry("live.base.script", live_base.script, {"name": ("text", "draw.js")}),
    # losses
    *loss_entries("bce_loss", {}),
    *loss_entries("dice_loss", SMOOTH, "DiceLoss"),
    *loss_entries("focal_loss", {"gamma": ("number", 2.0), "alpha": ("number", 0.25)}, "FocalLoss"),
    *loss_entries("tversky_loss", PRICE | SMOOTH, "TverskyLoss"),
    Entry(
        "losses.CombinedLoss",
        lambda **o: losses.CombinedLoss(**o)(LOGITS1, MASKS1),
        {"bce_weight": ("number", 0.25), "dice_weight": ("number", 0.5)} | SMOOTH | IGNORED,
        MAY_IGNORE,
    ),
    Entry("losses.CombinedLoss called", lambda **v: losses.CombinedLoss()(**v), LOSS1, SURE),
    Entry("losses.CombinedLoss of several classes", lambda **v: losses.CombinedLoss()(**v), LOSS3, SURE | MORE),
    Entry(
        "losses.weighted_cross_entropy",
        losses.weighted_cross_entropy,
        LOSS3 | {"weights": ("floats", WEIGHTS)} | IGNORED,
        MAY_IGNORE | MAY_HAVE_7 | SURE | MORE,
    ),
    # metrics
    Entry(
        "metrics.predicted_masks",
        metrics.predicted_masks,
        {"logits": ("batch", LOGITS1), "threshold": ("probability", 0.5)},
        {("threshold", "too small"): ANY, ("logits", "channels last axis"): ANY} | SURE | MORE,
    ),
    Entry(
        "metrics.predicted_masks of several classes",
        metrics.predicted_masks,
        {"logits": ("batch", LOGITS3)},
        {("logits", "channels last axis"): ANY} | SURE | MORE,
    ),
    *(
        entry
        for name in ("iou", "dice")
        for entry in (
            Entry(
                f"metrics.{name}",
                getattr(metrics, name),
                {"pred": ("binary", MASKS1), "truth": ("binary", 1 - MASKS1), "num_classes": ("whole", 1)} | IGNORED,
                MAY_IGNORE | {("truth", "two"): ANY},
            ),
            Entry(
                f"metrics.{name} of several classes",
                lambda name=name, **v: getattr(metrics, name)(num_classes=3, **v),
                {"pred": ("masks", MASKS3), "truth": ("masks", MASKS3.flip(0))},
            ),
        )
    ),
    Entry(
        "metrics.confusion_matrix",
        metrics.confusion_matrix,
        {"pred": ("masks", MASKS3), "truth": ("masks", MASKS3.flip(0)), "num_classes": ("whole", 3)} | IGNORED,
        MAY_IGNORE | {("truth", "two"): ANY},
    ),
    Entry("metrics.class_scores", metrics.class_scores, {"matrix": ("masks", CONFUSED)}, MORE_CONFUSED),
    Entry(
        "metrics.IoUMetric",
        lambda **o: metrics.IoUMetric(**o)(LOGITS1, MASKS1),
        {"threshold": ("probability", 0.5), "reduction": ("option", "pooled")} | IGNORED,
        MAY_IGNORE | {("threshold", "too small"): ANY},
    ),
    Entry("metrics.IoUMetric called", lambda **v: metrics.IoUMetric()(**v), LOSS1, SURE),
    Entry("metrics.IoUMetric of several classes", lambda **v: metrics.IoUMetric()(**v), LOSS3, SURE | MORE),
    Entry(
        "metrics.boundary_error", metrics.boundary_error, {"pred": ("binary", MASKS1), "truth": ("binary", 1 - MASKS1)}
    ),
    Entry(
        "metrics.average_precision",
        metrics.average_precision,
        {
            "pred": ("numbered", OBJECTS),
            "true": ("numbered", np.roll(OBJECTS, 1, 0)),
            "thresholds": ("wholes", (0.5, 0.75)),
        },
        {("thresholds", "with half"): None},
    ),
    Entry(
        "metrics.scores", metrics.scores, {"pred": ("numbered", OBJECTS), "true": ("numbered", np.roll(OBJECTS, 1, 0))}
    ),
    Entry(
        "metrics.mean_scores",
        lambda pred, true: metrics.mean_scores([pred], [true]),
        {"pred": ("numbered", OBJECTS), "true": ("numbered", np.roll(OBJECTS, 1, 0))},
    ),
    Entry(
        "metrics.mean_scores lists",
        lambda preds: metrics.mean_scores(preds, [OBJECTS]),
        {"preds": ("loader", [OBJECTS])},
    ),
    # plots
    Entry(
        "plots.images",
        lambda picture: drawn(plots.images([picture])),
        {"picture": ("floats", PICTURE)},
        drawn_all_the_same("picture"),
    ),
    Entry(
        "plots.images list",
        lambda pictures: drawn(plots.images(pictures)),
        {"pictures": ("floats", PICTURE[None])},
        drawn_all_the_same("pictures"),
    ),
    Entry(
        "plots.images options",
        lambda **o: drawn(plots.images([PICTURE], **o)),
        {
            "columns": ("whole", 1),
            "size": ("number", 2.0),
            "vmin": ("number", 0.5),
            "vmax": ("number", 0.5),
            "cmap": ("option", "gray"),
        },
        {
            (name, odd): ANY
            for name in ("columns", "vmin", "vmax")
            for odd in ("none", "minus one", "infinity", "minus infinity", "too small", "too large")
            if (name, odd) not in {("columns", "minus one"), ("columns", "infinity"), ("columns", "minus infinity")}
        },
    ),
    Entry(
        "plots.images titles",
        lambda titles: drawn(plots.images([PICTURE], titles)),
        {"titles": ("titles", ["one"])},
    ),
    Entry(
        "plots.to_picture",
        plots.to_picture,
        {"picture": ("floats", PICTURE)},
        drawn_all_the_same("picture"),
    ),
    Entry(
        "plots.overlay",
        plots.overlay,
        {"image": ("floats", PICTURE), "mask": ("labels", OBJECTS)},
        {
            ("image", "bool"): ANY,
            ("image", "float8"): ANY,
            ("mask", "minus one"): ANY,
            ("mask", "bool"): ANY,
            ("mask", "an axis more"): ANY,
        },
    ),
    Entry(
        "plots.error_map",
        plots.error_map,
        {"prediction": ("labels", OBJECTS), "truth": ("labels", OBJECTS.T)},
        {(name, odd): ANY for name in ("prediction", "truth") for odd in ("minus one", "bool", "an axis more")},
    ),
    Entry(
        "plots.curves",
        lambda values: drawn(plots.curves({"loss": values}, xlabel="epoch")),
        {"values": ("floats", PICTURE[0])},
        {
            ("values", odd.name): ANY
            for odd in FLOATS
            if odd.name
            in (
                "nan",
                "infinity",
                "minus infinity",
                "bool",
                "float8",
                "empty",
                "without a column",
                "no numbers at all",
                "an empty list",
                "masked array",
                "int8",
                "uint8",
                "int16",
                "uint16",
                "int32",
                "int64",
            )
        },
    ),
    Entry(
        "plots.curves lines", lambda lines: drawn(plots.curves(lines, xlabel="epoch")), {"lines": ("text", BY_ITSELF)}
    ),
    Entry(
        "plots.curves x",
        lambda x: drawn(plots.curves({"loss": [1, 2]}, x=x, xlabel="epoch")),
        {"x": ("wholes", (0, 1))},
        {
            ("x", odd): ANY
            for odd in (
                "none",
                "with zero",
                "with minus one",
                "with half",
                "with nan",
                "with true",
                "an array of floats",
            )
        },
    ),
    Entry("plots.history", lambda record: drawn(plots.history(record)), {"record": ("text", BY_ITSELF)}),
    Entry(
        "plots.show",
        lambda **v: plots.show(**{"figure": plots.images([PICTURE]), "alt": "A picture."} | v),
        {"figure": ("text", BY_ITSELF), "alt": ("text", "A picture.")},
        {("alt", "unknown"): ANY, ("alt", "path"): ANY},
    ),
    Entry(
        "plots.bundle",
        lambda **v: len(plots.bundle(**{"figure": plots.images([PICTURE]), "alt": "A picture."} | v)),
        {"figure": ("text", BY_ITSELF), "alt": ("text", "A picture.")},
        {("alt", "unknown"): ANY, ("alt", "path"): ANY},
    ),
    # names of files that come with the package
    Entry("pretrained.pretrained_record", pretrained.pretrained_record, {"name": ("text", "cells")}),
    Entry(
        "pretrained.load_pretrained", lambda name: pretrained.load_pretrained(name).config, {"name": ("text", "cells")}
    ),
    Entry("pretrained.load_model", lambda path: pretrained.load_model(path).config, {"path": ("path", "")}),
    Entry("quiz.load", quiz.load, {"name": ("text", "double_conv")}),
    Entry("quiz.guesses", quiz.guesses, {"name": ("text", "double_conv")}),
    Entry("quiz.Quiz", lambda name: repr(quiz.Quiz(name)), {"name": ("text", "double_conv")}),
    Entry("quiz.Guess", lambda name: repr(quiz.Guess(name)), {"name": ("text", "double_conv.padding")}),
    Entry("records.load", lambda name: len(records.load(name)), {"name": ("text", records.available()[0])}),
    # sizing
    Entry("sizing.feature_maps", sizing.feature_maps, SIZES | ARITHMETIC | {"padding": PADDING}),
    Entry("sizing.parameters", sizing.parameters, ARITHMETIC | {"norm": NORM, "upsample": UPSAMPLE, "skip": SKIP}),
    Entry(
        "sizing.double_conv_parameters",
        sizing.double_conv_parameters,
        {"in_channels": ("whole", 64), "out_channels": ("whole", 100), "norm": NORM},
    ),
    Entry(
        "sizing.multiply_adds",
        sizing.multiply_adds,
        {"height": ("whole", 96), "width": ("whole", 104)}
        | ARITHMETIC
        | {"upsample": UPSAMPLE, "skip": SKIP, "padding": PADDING},
    ),
    Entry(
        "sizing.memory",
        sizing.memory,
        {"batch": ("whole", 100), "height": ("whole", 96), "width": ("whole", 104)} | ARITHMETIC | {"padding": PADDING},
    ),
    Entry(
        "sizing.receptive_field",
        sizing.receptive_field,
        {"part": ("option", "bottleneck"), "depth": ("whole", 4), "position": ("whole", 100), "upsample": UPSAMPLE},
        {("position", "zero"): ANY},
    ),
    # training
    Entry(
        "training.evaluate",
        evaluated,
        {
            "model": ("model", network),
            "loader": ("loader", BATCHES),
            "loss": ("loss", losses.dice_loss),
            "device": ("device", "cpu"),
            "threshold": ("probability", 0.5),
            "precision": ("option", "float32"),
        },
        {
            ("threshold", "too small"): ANY,
            ("loader", "a generator"): ANY,
            ("loader", "no length"): ANY,
            ("loader", "says one more"): ANY,
            ("loader", "says one less"): ANY,
        },
        raises=(ValueError, FloatingPointError),
    ),
    Entry(
        "training.train_step",
        stepped,
        {
            "model": ("model", network),
            "images": ("batch", IMAGES),
            "masks": ("binary", MASKS1),
            "loss": ("loss", losses.dice_loss),
            "optimizer": ("text", BY_ITSELF),
            "clip_norm": ("number", 0.5),
            "precision": ("option", "float32"),
        },
        {("clip_norm", "none"): ANY, ("model", "in train mode"): ANY},
        raises=(ValueError, FloatingPointError),
    ),
    Entry(
        "training.fit",
        trained,
        {
            "model": ("model", network),
            "train_loader": ("loader", BATCHES),
            "val_loader": ("loader", BATCHES),
            "epochs": ("whole", 1),
            "learning_rate": ("number", 0.25),
            "schedule": ("option", "constant"),
            "optimizer": ("optimizer", torch.optim.AdamW),
            "loss": ("loss", losses.dice_loss),
            "clip_norm": ("number", 0.5),
            "precision": ("option", "float32"),
            "patience": ("whole", 1),
            "watch": ("batch", IMAGES),
            "device": ("device", "cpu"),
        },
        {
            ("clip_norm", "none"): ANY,
            ("patience", "none"): ANY,
            ("watch", "none"): ANY,
            ("loss", "none"): ANY,
            ("val_loader", "says one more"): ANY,
            ("val_loader", "says one less"): ANY,
        },
        raises=(ValueError, FloatingPointError),
    ),
    Entry(
        "training.fit checkpoint",
        lambda checkpoint: trained(checkpoint=checkpoint),
        {"checkpoint": ("path", str(FOLDER / "fit.pt"))},
        {("checkpoint", "none"): ANY},
    ),
    Entry(
        "training.try_learning_rates",
        tried,
        {
            "build": ("loss", network),
            "train_loader": ("loader", BATCHES),
            "val_loader": ("loader", BATCHES),
            "learning_rates": ("wholes", (0.25, 0.5)),
        },
        {
            ("val_loader", "says one more"): ANY,
            ("val_loader", "says one less"): ANY,
            ("learning_rates", "an array of floats"): ANY,
            ("learning_rates", "with half"): ANY,
        },
        raises=(ValueError, FloatingPointError),
    ),
    # networks
    Entry(
        "unet.Encoder",
        built(unet.Encoder, IMAGES),
        {"in_channels": ("whole", 1), "channels": ("wholes", (4, 8)), "block": BLOCK, "norm": NORM, "padding": PADDING},
    ),
    Entry("unet.Encoder called", runs(lambda: unet.Encoder(1, (4, 8))), {"x": ("batch", IMAGES)}),
    Entry(
        "unet.DecoderBlock",
        built(unet.DecoderBlock, F8, F4),
        {
            "in_channels": ("whole", 8),
            "out_channels": CHANNEL,
            "block": BLOCK,
            "norm": NORM,
            "upsample": UPSAMPLE,
            "skip": SKIP,
            "skip_channels": CHANNEL,
            "padding": PADDING,
        },
        {("skip_channels", "none"): ANY},
    ),
    *(
        Entry(
            f"unet.DecoderBlock {skip}",
            runs(lambda skip=skip: unet.DecoderBlock(8, 4, skip=skip)),
            {"x": ("batch", F8), "skip": ("batch", F4)},
        )
        for skip in ("concat", "add")
    ),
    Entry(
        "unet.Decoder",
        built(unet.Decoder, F8, [F4]),
        {
            "channels": ("wholes", (4, 8)),
            "block": BLOCK,
            "norm": NORM,
            "upsample": UPSAMPLE,
            "skip": SKIP,
            "padding": PADDING,
        },
    ),
    Entry(
        "unet.Decoder called",
        lambda x, skip: runs(lambda: unet.Decoder((4, 8)))(x=x, skips=[skip]),
        {"x": ("batch", F8), "skip": ("batch", F4)},
    ),
    Entry(
        "unet.EncoderDecoder",
        lambda encoder: unet.EncoderDecoder(CONFIG, encoder, nn.Conv2d(4, 8, 1), unet.Decoder((4, 8))).config,
        {"encoder": ("model", lambda: unet.Encoder(1, (4,)))},
        {("encoder", odd): ANY for odd in ("on meta", "float64", "bfloat16")},
    ),
    Entry(
        "unet.EncoderDecoder config",
        lambda config: unet.EncoderDecoder(config, unet.Encoder(1, (4,)), nn.Conv2d(4, 8, 1), unet.Decoder((4, 8))),
        {"config": ("text", BY_ITSELF)},
    ),
    Entry("unet.common_config", unet.common_config, ARITHMETIC),
    Entry(
        "unet.contracting_path",
        lambda **o: repr(unet.contracting_path(**{"config": CONFIG} | o)),
        {"block": BLOCK, "norm": NORM, "padding": PADDING},
    ),
    Entry(
        "unet.contracting_path config",
        lambda config: repr(unet.contracting_path(config, "double", "batch")),
        {"config": ("text", BY_ITSELF)},
    ),
    Entry(
        "unet.UNet",
        built(unet.UNet, IMAGES),
        NETWORK | {"block": BLOCK, "upsample": UPSAMPLE, "skip": SKIP, "padding": PADDING},
    ),
    Entry(
        "unet.center_crop",
        unet.center_crop,
        {"x": ("batch", IMAGES), "size": ("wholes", (8, 8))},
        {
            ("x", odd.name): ANY
            for odd in BATCH
            if odd.means == "other"
            and odd.name
            not in {one.name for one in NO_NUMBERS}
            | {"without a column", "of one number", "masked array", "array", "channels last axis"}
        },
    ),
    Entry(
        "unet.check_images",
        unet.check_images,
        {"x": ("batch", IMAGES), "in_channels": ("whole", 1), "depth": ("whole", 2), "padding": PADDING},
        {("depth", "zero"): ANY, **{("x", odd): ANY for odd in ("nan", "infinity", "minus infinity", "meta")}},
    ),
    Entry(
        "unet.check_count",
        unet.check_count,
        {"skips": ("titles", [F4]), "stages": ("whole", 1)},
    ),
    *(
        Entry(
            f"unet.{name} called" if name == "UNet" else f"variants.{name} called",
            lambda x, name=name: network(name)(x),
            {"x": ("batch", IMAGES)},
        )
        for name in variants.MODELS
    ),
    Entry(
        "variants.AttentionDecoder",
        built(variants.AttentionDecoder, F8, [F4]),
        {"channels": ("wholes", (4, 8))} | NO_SKIP,
    ),
    Entry(
        "variants.NestedDecoder", built(variants.NestedDecoder, F8, [F4]), {"channels": ("wholes", (4, 8))} | NO_SKIP
    ),
    Entry(
        "variants.AttentionDecoder called",
        lambda x, skip: runs(lambda: variants.AttentionDecoder((4, 8)))(x=x, skips=[skip]),
        {"x": ("batch", F8), "skip": ("batch", F4)},
    ),
    Entry(
        "variants.NestedDecoder called",
        lambda x, skip: runs(lambda: variants.NestedDecoder((4, 8)))(x=x, skips=[skip]),
        {"x": ("batch", F8), "skip": ("batch", F4)},
    ),
    Entry(
        "variants.AttentionUNet",
        built(variants.AttentionUNet, IMAGES),
        NETWORK | {"block": BLOCK, "upsample": UPSAMPLE},
    ),
    Entry(
        "variants.AttentionUNet maps", lambda x: network("AttentionUNet").attention_maps(x), {"x": ("batch", IMAGES)}
    ),
    Entry(
        "variants.ResidualUNet", built(variants.ResidualUNet, IMAGES), NETWORK | {"upsample": UPSAMPLE, "skip": SKIP}
    ),
    Entry(
        "variants.UNetPlusPlus", built(variants.UNetPlusPlus, IMAGES), NETWORK | {"block": BLOCK, "upsample": UPSAMPLE}
    ),
    Entry(
        "variants.EfficientUNet", built(variants.EfficientUNet, IMAGES), NETWORK | {"upsample": UPSAMPLE, "skip": SKIP}
    ),
    Entry(
        "variants.build",
        lambda **o: variants.build(**{"name": "UNet", "config": CONFIG} | o).config,
        {"name": ("option", "UNet")},
    ),
    Entry("variants.build config", lambda config: variants.build("UNet", config), {"config": ("text", BY_ITSELF)}),
    # widgets
    Entry(
        "widgets.kit.pictures.encode",
        kit_pictures.encode,
        {"picture": ("floats", PICTURE), "quality": ("whole", 50)},
        {
            ("quality", "none"): ANY,
            **{
                ("picture", odd): ANY
                for odd in ("bool", "uint8", "float8", "float16", "bfloat16", "float64", "quantized")
            },
        },
    ),
    *(
        Entry(
            f"widgets.{explorer.__module__.rpartition('.')[2]}.{explorer.__name__}",
            lambda explorer=explorer, **o: set_to(explorer, o),
            {
                name: ("whole", control.default_value)
                if isinstance(control.default_value, int) and not isinstance(control.default_value, bool)
                else ("number", control.default_value)
                if isinstance(control.default_value, float)
                else ("option", control.default_value)
                for name, control in explorer.controls().items()
                if not isinstance(control.default_value, bool)
            },
            {
                (name, odd): ANY
                for name, control in explorer.controls().items()
                for odd, value in (("zero", 0), ("minus one", -1))
                if value in control.values
            },
        )
        for explorer in widgets.EXPLORERS
    ),
]
FILES = "files and names of files, see the tests of its module"
FETCHING = "descriptions and files of published data sets, see tests/test_fetching.py"
CHECKED = "arrays that whole_numbers has read and checked"
PICTURES = "pictures that were checked when they were read"
WITH_TESTS_OF_THEIR_OWN = {
    "data.annotations": ("Outline label_map read_outlines", FILES),
    "data.reading": ("is_litter picture_files plain_name read_image read_mask read_pages", FILES),
    "data.layouts": ("Entry find_entries", FILES),
    "data.pictures": ("Pictures pictures_from_files", FILES),
    "data.meaning": (
        "Counts as_classes as_number as_objects connected_parts counts kind_of looks_interpolated",
        CHECKED,
    ),
    "data.describing": ("Description describe", PICTURES),
    "data.splitting": ("alike groups_of split", PICTURES),
    "data.targets": ("labelled object_size target", PICTURES),
    "data.fetching": ("Published cache_folder fetch find locate registry", FETCHING),
    "plan": ("Plan Reason plan prepare told", PICTURES),
    "export": ("to_onnx", "a file of a model, see tests/test_export.py"),
    "segmenter": ("Report Segmenter open_segmenter segment_folder", FILES),
    "planned": ("Planned build carry_out load_planned predict_picture save_planned", PICTURES),
    "plots": ("contact_sheet contact_sheet_text", PICTURES),
}
TAKES_NONE_OF_THEM = {
    **{f"{module}.{name}": why for module, (names, why) in WITH_TESTS_OF_THEIR_OWN.items() for name in names.split()},
    "data.normalizing.is_colour": "what is no picture in colour is none",
    "data.pictures.nuclei_pieces": "no argument",
    "diagnosis.Finding": "two texts that diagnose writes",
    "diagnosis.Diagnosis": "what diagnose has found",
    "diffusion.denoiser_record": "no argument",
    "diffusion.load_denoiser": "no argument",
    "diffusion.Stop": "where walk stands",
    "diagram.UNetDiagram": "what sizing.feature_maps returns",
    "diagram.joins": "what sizing.feature_maps returns",
    "diagram.shape": "one of what sizing.feature_maps returns",
    "exercises.names": "no argument",
    "exercises.pieces.Piece": "an exercise that an author writes, see tests/test_exercises.py",
    "exercises.pieces.load": "a name that piece has checked",
    "exercises.pieces.keep": "a class, see tests/test_exercises.py",
    "live.base.Live": "an explorer's foundation",
    "live.draw.SmallDraw": "controls, as in the explorers",
    "live.draw.Draw": "controls, as in the explorers",
    "live.train.Train": "controls, as in the explorers",
    "blocks.check_joined": "called by every block that joins, see there",
    "checkpoints.random_states": "loaders, of which only generators are read, see tests/test_checkpoints.py",
    "checkpoints.set_random_states": "what random_states returned",
    "pretrained.available": "no argument",
    "quiz.titles": "no argument",
    "records.available": "no argument",
    "sizing.FeatureMap": "a row that feature_maps writes",
    "sizing.Memory": "a row that memory writes",
    "training.Scores": "two numbers that evaluate has measured",
    "training.History": "lists that fit writes",
    "widgets.kit.base.Panel": "a drawing that an author makes, see tests/test_widgets.py",
    "widgets.kit.base.State": "what an author writes, see tests/test_widgets.py",
    "widgets.kit.base.Explorer": "what an author writes, see tests/test_widgets.py",
    "widgets.kit.base.asset": "texts that an author writes",
    "widgets.kit.controls.Control": "what an author writes, see tests/test_widgets.py",
    "widgets.kit.controls.Slider": "what an author writes, see tests/test_widgets.py",
    "widgets.kit.controls.Choice": "what an author writes, see tests/test_widgets.py",
    "widgets.kit.controls.Switch": "what an author writes, see tests/test_widgets.py",
}
# What still comes from deep inside, with the reason. At most one in fifty.
FROM_DEEP_INSIDE: dict[tuple[str, str, str], str] = {}  # none at present

# Folders are read in tests of their own; here none holds pictures, so that the usual value is refused, too.
REFUSED_AS_USUAL = ("own_pictures", "NucleiDataset", "SectionsDataset", "StreetDataset", "with_targets dataset")

# The judge ------------------------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    entry: str
    argument: str
    odd: str
    verdict: str  # "refused", "right", "deep", "silent"
    said: str


@functools.cache
def raising(path: str) -> frozenset[int]:
    """Return the lines of a file that belong to a ``raise``."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    spans = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
    ]
    return frozenset(line for span in spans for line in span)


def is_ours(error: BaseException) -> bool:
    """Whether a statement ``raise`` of the package has raised it."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    if step is None:
        return False
    path = step.tb_frame.f_code.co_filename
    return path.startswith(str(PACKAGE)) and step.tb_lineno in raising(path)


def read(x: Any) -> Any:
    if not isinstance(x, torch.Tensor):
        return x
    return (x.dequantize() if x.is_quantized else x).detach().double()


def alike(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two results are the same, up to a tolerance and to the dtype."""
    if isinstance(a, (torch.Tensor, np.ndarray)) and isinstance(b, (torch.Tensor, np.ndarray)):
        a, b = (np.asarray(read(x), dtype=np.float64) for x in (a, b))
        return a.shape == b.shape and bool(
            np.isclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True).mean() > 1 - tolerance
        )
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(alike(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key], tolerance) for key in a)
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return type(a) is type(b) and (math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) or (a != a and b != b))
    return type(a) is type(b) and (a == b or isinstance(a, nn.Module))


def has_no_numbers(result: Any) -> bool:
    """Whether NaN or infinity is somewhere in a result: what was put in is still to be seen."""
    if isinstance(result, (torch.Tensor, np.ndarray)):
        values = (
            result.detach() if isinstance(result, torch.Tensor) else torch.from_numpy(np.asarray(result, dtype=float))
        )
        return not bool(values.isfinite().all())
    if isinstance(result, dict):
        return any(map(has_no_numbers, result.values()))
    if isinstance(result, (list, tuple)):
        return any(map(has_no_numbers, result))
    return isinstance(result, float) and not math.isfinite(result)


def usual(entry: Entry) -> dict[str, Any]:
    """Return the arguments in their usual form, each fresh."""
    fresh = {}
    for name, (kind, value) in entry.arguments.items():
        if isinstance(value, str) and value == BY_ITSELF:
            continue
        made = value() if kind == "model" else value
        made = str(checkpoint()) if kind == "path" and value == "" else made
        copied = (
            made.clone() if isinstance(made, torch.Tensor) else made.copy() if isinstance(made, np.ndarray) else made
        )
        fresh[name] = copied
    return fresh


def called(entry: Entry, arguments: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    np.random.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return entry.call(**arguments)


def judged(entry: Entry) -> Iterator[Outcome]:
    """Try every odd form of every argument, the others being as usual."""
    plain = None
    if usual(entry) and not any(name in entry.name for name in REFUSED_AS_USUAL):
        plain = called(entry, usual(entry))
    for argument, (kind, _) in entry.arguments.items():
        for odd in KINDS[kind]:
            arguments = usual(entry)
            try:
                given = odd.make(arguments.get(argument, BY_ITSELF))
            except Exception:  # this form does not exist for this value, such as a sparse text
                continue
            arguments[argument] = given
            verdict, said = "right", ""
            try:
                result = called(entry, arguments)
            except Exception as error:
                verdict = "refused" if isinstance(error, entry.raises) and is_ours(error) else "deep"
                said = f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
            else:
                allowed = entry.may.get((argument, odd.name))
                if allowed is not None:
                    right = allowed(result)
                elif odd.means == "other":
                    right = odd.name in ("nan", "infinity", "minus infinity") and has_no_numbers(result)
                else:
                    right = alike(result, plain, 1e-4 if odd.means == "same" else 0.06)
                verdict, said = ("right", "") if right else ("silent", f"{str(result)[:120]!r}")
            yield Outcome(entry.name, argument, odd.name, verdict, said)


def public_names() -> set[str]:
    """Return every public function and class of the package, by its module."""
    found = set()
    for info in pkgutil.walk_packages([str(PACKAGE)], "unet_tutorial."):
        home = info.name.removeprefix("unet_tutorial.")
        if any(part.startswith("_") for part in info.name.split(".")):
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            made_here = getattr(value, "__module__", None) == info.name
            if not name.startswith("_") and made_here and (inspect.isfunction(value) or inspect.isclass(value)):
                found.add(f"{home}.{name}")
    return found


# The tests ------------------------------------------------------------------------------------------------------------


def test_everything_public_is_in_the_table():
    listed = {entry.name.partition(" ")[0] for entry in ENTRIES} | set(TAKES_NONE_OF_THEM)
    assert not public_names() - listed, "give these an entry in ENTRIES, or a reason in TAKES_NONE_OF_THEM"
    assert not listed - public_names(), "these are not there any more"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_odd_inputs_are_refused_by_us_or_taken_and_right(entry):
    bad = [
        outcome
        for outcome in judged(entry)
        if outcome.verdict == "silent" or (outcome.verdict == "deep" and outcome[:3] not in FROM_DEEP_INSIDE)
    ]
    assert not bad, "\n".join(f"{o.argument}, {o.odd}: {o.verdict}. {o.said}" for o in bad)


def test_what_comes_from_deep_inside_is_rare():
    cases = sum(len(KINDS[kind]) for entry in ENTRIES for kind, _ in entry.arguments.values())
    assert len(FROM_DEEP_INSIDE) < 0.02 * cases


def main() -> None:
    """Count, module by module."""
    only = sys.argv[1:]
    counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for entry in ENTRIES:
        if only and not any(entry.name.startswith(name) for name in only):
            continue
        for outcome in judged(entry):
            counts[entry.name.partition(".")[0]][outcome.verdict] += 1
            if outcome.verdict in ("deep", "silent"):
                print(*outcome[:4], outcome.said, sep=" | ", flush=True)
    kinds = ("refused", "right", "deep", "silent")
    print(f"{'module':12}", *(f"{kind:>8}" for kind in ("inputs", *kinds)))
    for module, count in [*counts.items(), ("all", sum(counts.values(), collections.Counter()))]:
        print(f"{module:12}", *(f"{number:8}" for number in (sum(count.values()), *(count[kind] for kind in kinds))))


if __name__ == "__main__":
    main()
