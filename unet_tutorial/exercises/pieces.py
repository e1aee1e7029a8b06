"""Exercises in which the reader writes a piece of the network, and what becomes of the pieces."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import linecache
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .._checks import option
from .._modes import checked
from ._calls import call, difference
from ._values import Reply, show

FILE = "my_unet.py"
# The order in which the pieces are built on each other, and where ours are.
PIECES = {
    "DoubleConv": "unet_tutorial.blocks",
    "Encoder": "unet_tutorial.unet",
    "DecoderBlock": "unet_tutorial.unet",
    "UNet": "unet_tutorial.unet",
    "AttentionGate": "unet_tutorial.blocks",
    "ResidualConvBlock": "unet_tutorial.blocks",
}
_HEAD = '''"""The pieces of U-Net that I have written. A piece that is not written yet is the package's."""

import torch
import torch.nn.functional as F
from torch import nn
'''


@dataclass(frozen=True)
class Piece:
    """An exercise that asks for a class of a module.

    Parameters
    ----------
    ours : callable
        Our class.
    arguments : tuple
        With what it is made for the check.
    inputs : callable
        Returns the inputs of every call, a tuple each, batches of at least two. The first is the plain case.
    typical : tuple of (callable, str)
        Classes with a fault that people make, and the reply to whoever makes it.
    hints : (str, str)
        What helps on at the first wrong answer, and from the second on.

    Examples
    --------
    >>> exercise = Piece(nn.Conv2d, (1, 2, 3), lambda: [(torch.zeros(2, 1, 5, 5),)], (), ("", ""))
    >>> exercise.judge(lambda a, b, side: nn.Conv2d(a, b, side)).state
    'right'
    """

    ours: Callable[..., nn.Module]
    arguments: tuple
    inputs: Callable[[], list[tuple]]
    typical: Sequence[tuple[Callable[..., nn.Module], str]]
    hints: tuple[str, str]

    def judge(self, answer: Any) -> Reply:
        """Say how a class stands, whatever it is and does."""
        if not callable(answer):
            return Reply("unreadable", show(answer), "A class is asked for: give its name, without brackets.")
        made = call(answer, *self.arguments)
        if made.missing or made.failed:
            return _stopped(made, f"{_name(answer)}({', '.join(map(show, self.arguments))})")
        mine = made.value
        if not isinstance(mine, nn.Module):
            return Reply("unreadable", show(mine), "A module is asked for: a class that inherits from nn.Module.")
        for inputs in self.inputs():
            ran = call(lambda *given: mine(*given), *inputs)
            if ran.missing or ran.failed:
                shapes = ", ".join(str(tuple(tensor.shape)) for tensor in _tensors(inputs))
                stopped = _stopped(ran, f"with inputs of the shape {shapes}, your forward")
                return stopped if ran.missing else self._known(mine) or stopped
        return self._compared(mine)

    def _compared(self, mine: nn.Module) -> Reply:
        if not list(mine.parameters()):
            words = "Are its layers in a plain Python list? PyTorch looks into nn.ModuleList and nn.Sequential."
            return Reply("known", "PyTorch finds no parameters in your piece, so training would change nothing", words)
        inputs = self.inputs()
        problem = _unlike(mine, self.ours(*self.arguments), inputs)
        if problem is not None:
            return self._known(mine) or Reply("unknown", problem)
        mine.zero_grad()
        mine.train()
        torch.stack([tensor.sum() for tensor in _tensors(mine(*_fresh(inputs[0])))]).sum().backward()
        silent = [name for name, weight in mine.named_parameters() if weight.grad is None]
        if silent:
            words = f"No gradient reaches {silent[0]}. Is a part cut off, by detach, no_grad or a plain Python list?"
            return Reply("known", "the values are right, but it would not train", words)
        return Reply("right", "with the same weights it gives the same as ours, in training and after eval()")

    def _known(self, mine: nn.Module) -> Reply | None:
        for wrong, reply in self.typical:
            if _unlike(mine, wrong(*self.arguments), self.inputs()) is None:
                return Reply("known", "your piece runs, but it is not the same as ours", reply)
        return None

    def revealed(self) -> str:
        """Say where ours stands."""
        return f"Ours: {self.ours.__name__}, in {self.ours.__module__.replace('.', '/')}.py."


def copy_weights(source: nn.Module, target: nn.Module, *inputs: torch.Tensor) -> None:
    """Copy the weights from one network into another one that is built alike, whatever its parts are called.

    The layers are matched in the order in which they are called.

    Parameters
    ----------
    source, target : torch.nn.Module
        The two networks.
    *inputs : torch.Tensor
        What both can be called with, to see which layers come first.

    Raises
    ------
    ValueError
        If the layers that hold weights differ in number or shape.

    Examples
    --------
    >>> one, other = nn.Sequential(nn.Conv2d(1, 2, 3)), nn.Conv2d(1, 2, 3)
    >>> copy_weights(one, other, torch.zeros(1, 1, 5, 5))
    >>> torch.equal(one[0].weight, other.weight)
    True
    """
    checked(source, "source"), checked(target, "target")
    theirs, ours = _called(source, inputs), _called(target, inputs)
    if len(theirs) != len(ours):
        raise ValueError(f"both must call as many layers with weights, but got {len(theirs)} and {len(ours)}.")
    for number, (a, b) in enumerate(zip(theirs, ours, strict=True), 1):
        shapes = [{key: tuple(value.shape) for key, value in layer.state_dict().items()} for layer in (a, b)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"layer {number} must hold {shapes[0]}, as {type(a).__name__} does, but holds {shapes[1]}."
            )
        b.load_state_dict(a.state_dict())


def piece(name: str) -> Any:
    """Return a piece of the network: the one that you wrote and kept, or else the package's.

    Parameters
    ----------
    name : {"DoubleConv", "Encoder", "DecoderBlock", "UNet", "AttentionGate", "ResidualConvBlock"}
        The piece.

    Returns
    -------
    type
        The class ``My...`` of the file ``my_unet.py`` in the folder of the notebook, or the package's class.

    Raises
    ------
    ValueError
        If there is no such piece, or the file is no Python.

    Examples
    --------
    >>> piece("DoubleConv").__name__
    DoubleConv: the package's. None is kept in my_unet.py.
    'DoubleConv'
    """
    option("name", name, PIECES)
    if name in _kept():
        print(f"{name}: yours, from {FILE}.")
        return load(name)
    print(f"{name}: the package's. None is kept in {FILE}.")
    return getattr(importlib.import_module(PIECES[name]), name)


def load(name: str) -> Any:
    """Return a piece that is kept, from the reader's file as it is now.

    Parameters
    ----------
    name : str
        One of `PIECES`.

    Returns
    -------
    type

    Raises
    ------
    Exception
        Whatever the file raises when it is run.

    Examples
    --------
    >>> load("DoubleConv")
    Traceback (most recent call last):
        ...
    FileNotFoundError: [Errno 2] No such file or directory: '...my_unet.py'
    """
    spec = importlib.util.spec_from_file_location("my_unet", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, f"My{name}")


def keep(name: str, written: Any) -> None:
    """Write the source of a piece into the reader's file, in the place of what was kept of it before.

    Whatever else the reader has written there stays.

    Parameters
    ----------
    name : str
        One of `PIECES`.
    written : type
        The class, written in a cell of a notebook or in a file.

    Raises
    ------
    ValueError
        If its source cannot be found, it is not a class of the name ``My...``, or the file is no Python.

    Examples
    --------
    >>> keep("DoubleConv", 3)
    Traceback (most recent call last):
        ...
    ValueError: to be kept, it must be a class called MyDoubleConv, but got 3.
    """
    if not inspect.isclass(written) or written.__name__ != f"My{name}":
        raise ValueError(f"to be kept, it must be a class called My{name}, but got {show(written)}.")
    ours = {one: f"from {module} import {one} as My{one}" for one, module in PIECES.items()}
    path, source = Path(FILE), _source(written).split("\n")
    lines = (path.read_text(encoding="utf-8") if path.is_file() else _HEAD + "\n".join(ours.values())).split("\n")
    before = _kept().get(name)
    if before is not None:
        lines[before.lineno - 1 : before.end_lineno] = source  # whatever else stands in the file stays
    else:
        lines = [*"\n".join(line for line in lines if line != ours[name]).rstrip().split("\n"), "", "", *source, ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _kept() -> dict[str, ast.ClassDef]:
    """Return the classes that the reader's file holds, by the names of the pieces."""
    if not Path(FILE).is_file():
        return {}
    try:
        tree = ast.parse(Path(FILE).read_text(encoding="utf-8"))
    except SyntaxError as error:
        cure = "Mend it, or give the file another name and begin a new one."
        raise ValueError(f"{FILE} must be Python, but has in line {error.lineno}: {error.msg}. {cure}") from error
    classes = {node.name.removeprefix("My"): node for node in tree.body if isinstance(node, ast.ClassDef)}
    return {name: classes[name] for name in PIECES if name in classes}


def _source(written: type) -> str:
    """Return the source of a class. In a notebook, only its methods know in which cell they were written."""
    file = next((value.__code__.co_filename for value in vars(written).values() if inspect.isfunction(value)), "")
    text = "".join(linecache.getlines(file))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and node.name == written.__name__:
            return ast.get_source_segment(text, node) or ""
    raise ValueError(f"the source of {written.__name__} cannot be found. Run the cell again in which it is written.")


def _unlike(mine: nn.Module, theirs: nn.Module, calls: list[tuple]) -> str | None:
    """Copy the weights of one module into the other, compare what they give, and return what tells them apart."""
    try:
        copy_weights(mine, theirs, *_fresh(calls[0]))
    except Exception as error:  # the reader's module may do anything
        return _sizes(mine, theirs) or " ".join(str(error).split())[:200]
    for training in (True, False):
        mine.train(training), theirs.train(training)
        for inputs in calls:
            with torch.no_grad():
                try:
                    found, expected = mine(*_fresh(inputs)), theirs(*_fresh(inputs))
                except Exception as error:  # a fault of the reader's module, or one that we built in
                    return f"raises {type(error).__name__}"
            problem = _first_difference(found, expected)
            if problem:
                return f"with the same weights, {'in training' if training else 'after eval()'}, it gives {problem}"
    return None


def _first_difference(found: Any, expected: Any) -> str | None:
    if isinstance(expected, torch.Tensor):
        return difference(found, expected, 1e-4)
    if not isinstance(found, (list, tuple)) or len(found) != len(expected):
        return f"{show(found)}, but {show(expected)} was expected"
    return next(filter(None, map(_first_difference, found, expected)), None)


def _sizes(mine: nn.Module, theirs: nn.Module) -> str | None:
    ours, count = (sum(p.numel() for p in module.parameters()) for module in (theirs, mine))
    if count == ours:
        return None
    return f"your piece has {abs(count - ours):,} parameters {'more' if count > ours else 'fewer'} than ours"


def _called(module: nn.Module, inputs: Sequence[torch.Tensor]) -> list[nn.Module]:
    """Return the layers that hold weights or statistics, in the order in which they are called."""
    order: list[nn.Module] = []
    layers = [layer for layer in module.modules() if not list(layer.children()) and layer.state_dict()]
    hooks = [layer.register_forward_pre_hook(lambda layer, given: order.append(layer)) for layer in layers]
    before = {key: value.clone() for key, value in module.state_dict().items()}
    try:
        with torch.no_grad():
            module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
        module.load_state_dict(before)  # batch normalisation counts every call
    return list(dict.fromkeys(order))


def _fresh(inputs: Sequence[Any]) -> list[Any]:
    return [[t.clone() for t in value] if isinstance(value, list) else value.clone() for value in inputs]


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    return [tensor for part in value for tensor in _tensors(part)]


def _stopped(outcome: Any, what: str) -> Reply:
    if outcome.missing:
        return Reply("missing", f"{what} gives nothing yet")
    return Reply("unknown", f"{what} {outcome.failed}")


def _name(written: Any) -> str:
    return getattr(written, "__name__", show(written))
