"""Checkpoints: a training in one file, whole at every moment, from which it continues bit by bit the same."""

from __future__ import annotations

import os
import random
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

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


def write_checkpoint(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint in such a way that the file is the old one or the new one, and never half of one.

    The content goes to a temporary file in the same folder, is pushed down to the disk, and is then put in
    the place of the old file by one operation of the file system. A process that is killed on the way
    leaves the old file as it was, and perhaps the temporary one, ``.NAME.PROCESS.tmp``, which can be deleted.

    Parameters
    ----------
    path : str or pathlib.Path
        The file. Its folder must be there.
    content : mapping
        Tensors, numbers, texts, and lists, tuples and dicts of them.

    Raises
    ------
    ValueError
        If the path is that of a folder, or the folder of the file is not there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_checkpoint(Path(folder) / "state.pt", {"epoch": 1})
    ...     [file.name for file in Path(folder).iterdir()]
    ['state.pt']
    """
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"checkpoint must be a file in a folder that is there, but got '{path}'.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            torch.save(dict(content), file)
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
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"checkpoint '{path}' is not there. To begin a training, leave resume out.")
    if path.stat().st_size == 0:
        raise ValueError(f"checkpoint '{path}' is empty.")
    try:
        with zipfile.ZipFile(path) as file:  # what torch.save writes; every part has a check sum
            damaged = file.testzip()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise ValueError(f"checkpoint '{path}' is damaged, cut off, or no file of torch.save ({error}).") from error
    if damaged is not None:
        raise ValueError(f"checkpoint '{path}' is damaged: the check sum of its part '{damaged}' is wrong.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whole, so not written by fit: the reasons to refuse it are many
        raise ValueError(f"checkpoint '{path}' cannot be read: it is not a file that fit wrote.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or set(content) != PARTS:
        hint = " It seems to hold weights alone." if _is_state_dict(content) else ""
        raise ValueError(f"checkpoint '{path}' is not a file that fit wrote.{hint}")
    return content


def _is_state_dict(content: object) -> bool:
    return isinstance(content, dict) and bool(content) and all(isinstance(v, torch.Tensor) for v in content.values())


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
        model keeps none.

    Examples
    --------
    >>> architecture(nn.Identity())
    {'name': 'Identity', 'config': None}
    """
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
        If class, config, or names and shapes of the weights differ, or an option of the recipe.

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
    shapes = [{name: tuple(v.shape) for name, v in w.items()} for w in (content["model"], model.state_dict())]
    if shapes[0] != shapes[1]:
        differ = sorted({name for name, _ in shapes[0].items() ^ shapes[1].items()})
        raise ValueError(
            f"checkpoint '{path}' is of another model: {len(differ)} weights differ in name or shape, "
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
        Their generators are found if they are the ``generator`` of the loader, its sampler, its batch sampler
        or its data set. Other iterables have none.

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
    """List the loaders' own random number generators, each once."""
    found: list[torch.Generator] = []
    for loader in loaders:
        batches = getattr(loader, "batch_sampler", None)
        samplers = (batches, getattr(loader, "sampler", None), getattr(batches, "sampler", None))
        for part in (loader, *samplers, getattr(loader, "dataset", None)):
            generator = getattr(part, "generator", None)
            if isinstance(generator, torch.Generator) and all(generator is not other for other in found):
                found.append(generator)
    return found
