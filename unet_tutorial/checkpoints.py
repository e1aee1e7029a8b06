"""Checkpoints: a training in one file, whole at every moment, from which it continues bit by bit the same."""

from __future__ import annotations

import glob
import os
import random
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data.dataloader import _BaseDataLoaderIter

from . import _saved
from ._checks import file_path
from ._modes import WRAPPINGS, checked, unwrapped, without_prefixes

FORMAT = "unet_tutorial checkpoint 1"
PARTS = {
    "format",
    "architecture",
    "recipe",
    "history",
    "model",
    "best",
    "optimizer",
    "scheduler",
    "scaler",
    "random",
}
# The number with which files of torch begin that were written before version 1.6, as pickle writes it.
DEEPEST, MOST_PARTS = 6, 20  # how far generators are looked for in a loader, and in lists of how many parts


def write_checkpoint(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint in such a way that the file is the old one or the new one, and never half of one.

    The content goes to a temporary file in the same folder, is pushed down to the disk, and is then put in
    the place of the old file by one operation of the file system. A process that is killed on the way
    leaves the old file as it was, and perhaps the temporary one, ``.NAME.PROCESS.tmp``, which the next writing
    deletes. Ctrl-C while it is written waits until it is.

    Parameters
    ----------
    path : str or pathlib.Path
        The file. Its folder must be there.
    content : mapping
        Tensors, numbers, texts, and lists, tuples and dicts of them.

    Raises
    ------
    ValueError
        If the path is that of a folder, or the folder of the file is not there, or ``content`` is no mapping.
    OSError
        If the file cannot be written, as on a full disk. The old one is left as it was.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_checkpoint(Path(folder) / "state.pt", {"epoch": 1})
    ...     [file.name for file in Path(folder).iterdir()]
    ['state.pt']
    """
    path = file_path("checkpoint", path)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"checkpoint must be a file in a folder that is there, but got '{path}'.")
    if not isinstance(content, Mapping):
        raise ValueError(f"content must be a dict, but got {type(content).__name__}.")
    try:
        with _uninterrupted():  # in the midst of it, torch.save would make another error of Ctrl-C
            _write(path, dict(content))
    except OSError as error:
        said = error.strerror or error
        raise OSError(error.errno, f"the checkpoint '{path}' could not be written: {said}") from error


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait until the end. It reaches the main thread alone."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    pressed: list[tuple] = []
    signal.signal(signal.SIGINT, lambda *call: pressed.append(call))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            before(*pressed[0])


def _write(path: Path, content: dict[str, Any]) -> None:
    _delete_left_over(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())  # on the disk, before it gets the name
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":  # the new name on the disk too; Windows opens no folders
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _delete_left_over(path: Path) -> None:
    """Delete the temporary files of processes that were killed while they wrote this checkpoint."""
    for file in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        process = file.name.removeprefix(f".{path.name}.").removesuffix(".tmp")
        if process.isdigit() and not _is_alive(int(process)):
            file.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if os.name != "posix":  # there a signal would end it; an open file cannot be deleted, but a left one is harmless
        return True
    try:
        os.kill(process, 0)  # asks only
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint that `unet_tutorial.training.fit` has written.

    Only tensors and plain values are read (``weights_only=True``): no code of the file is run.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.

    Returns
    -------
    dict
        ``architecture`` (name of the model's class, and its ``config`` if it has one), ``recipe``, ``history``,
        ``model`` (weights after the last epoch), ``best`` (weights of the best epoch, or None), ``optimizer``,
        ``scheduler``, ``scaler``, ``random`` (states of the random numbers) and ``format``. Tensors are on the CPU.

    Raises
    ------
    ValueError
        If the file is not there, is empty, damaged or cut off, or is something else than such a checkpoint.

    Examples
    --------
    >>> read_checkpoint("nowhere.pt")
    Traceback (most recent call last):
    ...
    ValueError: checkpoint 'nowhere.pt' is not there. ...
    """
    path = file_path("checkpoint", path)
    if not path.is_file():
        raise ValueError(f"checkpoint '{path}' is not there. To begin a training, leave resume out.")
    content = _saved.read("checkpoint", path, "fit")
    if not isinstance(content, dict) or content.get("format") != FORMAT or set(content) != PARTS:
        raise ValueError(f"checkpoint '{path}' is not a file that fit wrote.{_foreign(path, content)}")
    return content


def _foreign(path: Path, content: object) -> str:
    """Say how the weights in a file of another program come into a model."""
    inside, where = content, ""
    for key in ("state_dict", "model_state_dict", "model", "net"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            inside, where = content[key], f"[{key!r}]"
            break
    if not isinstance(inside, Mapping):
        return ""
    weights = {name: value for name, value in inside.items() if isinstance(value, torch.Tensor)}
    if not weights:
        return ""
    load = f"torch.load({str(path)!r}, map_location='cpu', weights_only=True){where}"
    if len(weights) < len(inside):  # such as the values of the masks, beside the weights
        load = f"{{name: w for name, w in {load}.items() if isinstance(w, torch.Tensor)}}"
    for prefix in (f"{attribute}." for attribute in WRAPPINGS):
        if all(name.startswith(prefix) for name in weights):
            load = f"{{name.removeprefix({prefix!r}): w for name, w in {load}.items()}}"
    return (
        f" It seems to hold weights alone. Build the model whose weights they are, and load them: "
        f"model.load_state_dict({load})."
    )


def architecture(model: nn.Module) -> dict[str, Any]:
    """Describe a model so that it can be built again: the name of its class, and its ``config`` if it has one.

    Parameters
    ----------
    model : torch.nn.Module
        The model.

    Returns
    -------
    dict
        ``name`` and ``config``, as `unet_tutorial.variants.build` takes them; ``config`` is None where the
        model keeps none. They are those of the model itself, whatever `torch.compile` or ``nn.DataParallel`` have
        put around it.

    Raises
    ------
    ValueError
        If it is no model.

    Examples
    --------
    >>> architecture(nn.Identity())
    {'name': 'Identity', 'config': None}
    """
    model = unwrapped(checked(model))
    config = getattr(model, "config", None)
    return {"name": type(model).__name__, "config": dict(config) if isinstance(config, Mapping) else None}


def check_same(path: str | Path, content: Mapping[str, Any], model: nn.Module, recipe: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of another model, or of another recipe.

    Parameters
    ----------
    path : str or pathlib.Path
        The file, for the message.
    content : mapping
        What `read_checkpoint` returned.
    model : torch.nn.Module
        The model that is to go on.
    recipe : mapping
        The options with which it is to go on, by their names.

    Raises
    ------
    ValueError
        If class, config, or names, shapes and dtypes of the weights differ, or an option of the recipe.

    Examples
    --------
    >>> content = {"architecture": {"name": "Identity", "config": None}, "model": {}, "recipe": {"epochs": 4}}
    >>> check_same("state.pt", content, nn.Identity(), {"epochs": 5})
    Traceback (most recent call last):
    ...
    ValueError: checkpoint 'state.pt' is of another recipe: epochs was 4 and is 5 now. ...
    """
    there, here = content["architecture"], architecture(model)
    if there != here:
        raise ValueError(
            f"checkpoint '{path}' is of another model: {there['name']} with {there['config']}, "
            f"but the model is {here['name']} with {here['config']}."
        )
    both = (without_prefixes(content["model"]), unwrapped(model).state_dict())
    shapes = [{name: (tuple(v.shape), v.dtype) for name, v in weights.items()} for weights in both]
    if shapes[0] != shapes[1]:
        differ = sorted({name for name, _ in shapes[0].items() ^ shapes[1].items()})
        raise ValueError(
            f"checkpoint '{path}' is of another model: {len(differ)} weights differ in name, shape or dtype, "
            f"among them {differ[0]!r}."
        )
    changed = [
        f"{name} was {content['recipe'].get(name)!r} and is {value!r} now"
        for name, value in recipe.items()
        if content["recipe"].get(name) != value
    ]
    if changed:
        raise ValueError(
            f"checkpoint '{path}' is of another recipe: {'; '.join(changed)}. "
            f"Resume with the options with which it began, or leave resume out to begin anew."
        )


def random_states(loaders: Iterable) -> dict[str, Any]:
    """Take down where all random numbers are: those of torch, numpy and Python, and of the loaders' generators.

    Parameters
    ----------
    loaders : iterable of torch.utils.data.DataLoader
        Their generators are found wherever the loader keeps them: its own, those of its sampler, its batch sampler and
        its data set, and those of a loader within it, as in `unet_tutorial.augment.Augmented`.

    Returns
    -------
    dict
        For `set_random_states`; tensors and plain values.

    Examples
    --------
    >>> states = random_states([])
    >>> before = torch.rand(3)
    >>> set_random_states(states, [])
    >>> torch.equal(before, torch.rand(3))
    True
    """
    state: Any = np.random.get_state()  # with legacy=True, the default, a tuple
    _, keys, *place = state
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [keys.tolist(), *place],
        "python": random.getstate(),
        "loaders": [generator.get_state() for generator in _generators(loaders)],
    }


def set_random_states(states: Mapping[str, Any], loaders: Iterable) -> None:
    """Put all random numbers back to where `random_states` found them.

    GPUs that are not there any more are left out.

    Parameters
    ----------
    states : mapping
        What `random_states` returned.
    loaders : iterable of torch.utils.data.DataLoader
        The same loaders, or others built in the same way.

    Raises
    ------
    ValueError
        If the loaders have more or fewer generators of their own.

    Examples
    --------
    >>> set_random_states(random_states([]), [])
    """
    generators = _generators(loaders)
    if len(generators) != len(states["loaders"]):
        raise ValueError(
            f"the loaders must have as many generators of their own as when the checkpoint was written, "
            f"{len(states['loaders'])}, but have {len(generators)}. Build them in the same way."
        )
    torch.set_rng_state(states["torch"])
    for i, state in enumerate(states["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, i)
    np.random.set_state(("MT19937", *states["numpy"]))
    random.setstate(states["python"])
    for generator, state in zip(generators, states["loaders"], strict=True):
        generator.set_state(state)


def _generators(loaders: Iterable) -> list[torch.Generator]:
    """List the loaders' own random number generators, each once, in the order in which they are found."""
    found: list[torch.Generator] = []
    seen: set[int] = set()
    for loader in loaders:
        _find_generators(loader, found, seen)
    return found


def _find_generators(part: Any, found: list[torch.Generator], seen: set[int], depth: int = 0) -> None:
    """Look into a loader, and into what it is made of: sampler, data set, or the loader that it is put around."""
    if id(part) in seen or depth > DEEPEST:
        return
    seen.add(id(part))
    if isinstance(part, torch.Generator):
        found.append(part)
    elif isinstance(part, (list, tuple)) and len(part) <= MOST_PARTS:  # a longer one holds samples
        for one in part:
            _find_generators(one, found, seen, depth + 1)
    elif hasattr(part, "__dict__") and not isinstance(part, (type, torch.Tensor, nn.Module, _BaseDataLoaderIter)):
        for one in vars(part).values():
            _find_generators(one, found, seen, depth + 1)
