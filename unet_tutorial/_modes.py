"""Models as they are handed in: out of their wrappings, and in train or eval mode for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

# What other programs put around a model, as its attribute and as the first part of the names of its weights.
WRAPPINGS = {
    "module": ("DataParallel", "DistributedDataParallel"),
    "_orig_mod": ("OptimizedModule",),  # torch.compile(model)
}


@contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a model into train or eval mode, and every part of it back afterwards, whatever happens."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was


def checked(model: Any, name: str = "model") -> nn.Module:
    """Return a model, or refuse what is none, or is not whole yet."""
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise ValueError(
            f"{name} must be a model, but got the class {model.__name__}. Build it: {model.__name__}(...)."
        )
    if not isinstance(model, nn.Module):
        weights = isinstance(model, Mapping) and model and all(isinstance(w, torch.Tensor) for w in model.values())
        came = "a dict of weights" if weights else type(model).__name__
        cure = " Build the model, and load them with model.load_state_dict(...)." if weights else ""
        raise ValueError(f"{name} must be a torch.nn.Module, but got {came}.{cure}")
    waiting = [key for key, value in [*model.named_parameters(), *model.named_buffers()] if is_lazy(value)]
    if waiting:
        raise ValueError(
            f"{name} must have all its weights, but {waiting[0]} of a lazy layer waits for the first batch. "
            f"Run one first: {name}(images)."
        )
    return model


def computing(model: Any) -> nn.Module:
    """Return a model, or refuse what is none, or has no numbers in its weights."""
    if any(value.device.type == "meta" for value in checked(model).state_dict().values()):
        raise ValueError("model must have weights, but is on the device 'meta', where tensors have shapes alone.")
    return model


def is_lazy(value: Any) -> bool:
    """Whether a parameter or a buffer of a lazy layer does not know its shape yet."""
    return isinstance(value, (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer))


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model itself, without what `torch.compile` or ``nn.DataParallel`` have put around it."""
    for attribute, kinds in WRAPPINGS.items():
        if type(model).__name__ in kinds:
            return unwrapped(getattr(model, attribute))
    return model


def without_prefixes(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return weights by the names that they have in the model itself, where all of them come out of a wrapping."""
    for prefix in (f"{attribute}." for attribute in WRAPPINGS):
        if weights and all(name.startswith(prefix) for name in weights):
            return without_prefixes({name.removeprefix(prefix): value for name, value in weights.items()})
    return dict(weights)
