"""How weights and pictures travel into a page: as digits, which gzip makes small and every browser reads alike."""

from __future__ import annotations

import torch
from torch import nn

from .._checks import whole_number
from .._contract import FLOATS, dense, tensor
from .._modes import checked

LEVELS = 127  # of a weight in one byte, on each side of zero


def to_hex(values: torch.Tensor, digits: int = 1) -> str:
    """Write numbers from 0 to 1 as hexadecimal digits.

    Parameters
    ----------
    values : torch.Tensor
        Any shape, from 0 to 1.
    digits : int, default 1
        Of each number: 1 gives 16 levels, 2 gives 256.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If a number lies outside.

    Examples
    --------
    >>> to_hex(torch.tensor([0.0, 0.5, 1.0])), to_hex(torch.tensor([0.5]), digits=2)
    ('08f', '80')
    """
    _check_shares(values)
    digits = whole_number("digits", digits)
    highest = 16**digits - 1
    return "".join(f"{level:0{digits}x}" for level in (values.float() * highest).round().int().flatten().tolist())


def as_seen(values: torch.Tensor, digits: int = 1) -> torch.Tensor:
    """Return numbers as the page gets them from `to_hex`.

    Parameters
    ----------
    values : torch.Tensor
        Any shape, from 0 to 1.
    digits : int, default 1
        As in `to_hex`.

    Returns
    -------
    torch.Tensor
        float32, the same shape.

    Examples
    --------
    >>> as_seen(torch.tensor([0.5]))
    tensor([0.5333])
    """
    _check_shares(values)
    highest = 16 ** whole_number("digits", digits) - 1
    return (values.float() * highest).round() / highest


def pack_weights(model: nn.Module) -> dict[str, dict]:
    """Write a network's weights so that a page can hold them.

    Each weight of a convolution becomes a whole number from -127 to 127, two digits, with one scale for each of its
    first axis, which is the output channel of a convolution. Biases and the numbers of normalizations are few, and stay
    as they are.

    Parameters
    ----------
    model : torch.nn.Module
        The network.

    Returns
    -------
    dict of str to dict
        By the names of the state dict: ``values`` and ``scales``, or ``numbers``.

    Examples
    --------
    >>> packed = pack_weights(nn.Conv2d(1, 2, 1))
    >>> sorted(packed), len(packed["weight"]["values"]), len(packed["bias"]["numbers"])
    (['bias', 'weight'], 4, 2)
    """
    packed = {}
    for name, values in checked(model).state_dict().items():
        dense(name, values)
        if values.ndim == 4:
            whole, scales = _rounded(values)
            digits = "".join(f"{level + 128:02x}" for level in whole.int().flatten().tolist())
            packed[name] = {"values": digits, "scales": [float(f"{scale:.9g}") for scale in scales.flatten().tolist()]}
        elif values.is_floating_point():
            packed[name] = {"numbers": [float(f"{value:.9g}") for value in values.tolist()]}
    return packed


def in_one_byte(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return a network's state dict as the page has it, with the weights of convolutions in one byte each.

    Parameters
    ----------
    model : torch.nn.Module
        The network.

    Returns
    -------
    dict of str to torch.Tensor
        For `load_state_dict`.

    Examples
    --------
    >>> conv = nn.Conv2d(1, 1, 3)
    >>> bool((in_one_byte(conv)["weight"] - conv.weight).abs().max() <= conv.weight.abs().max() / 250)
    True
    """
    state = {}
    for name, values in checked(model).state_dict().items():
        dense(name, values)
        whole, scales = _rounded(values) if values.ndim == 4 else (values, 1)
        state[name] = whole * scales
    return state


def _check_shares(values: torch.Tensor) -> None:
    tensor("values", values)
    if values.dtype not in FLOATS or not values.numel() or not (values.min() >= 0 and values.max() <= 1):
        came = f"{values.min():g} to {values.max():g}" if values.dtype in FLOATS and values.numel() else values.dtype
        raise ValueError(f"values must be floating point between 0 and 1, but got {came}.")


def _rounded(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return whole numbers from -127 to 127 and the scales (n, 1, 1, 1) that bring them back."""
    scales = values.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12) / LEVELS
    return (values / scales).round(), scales
