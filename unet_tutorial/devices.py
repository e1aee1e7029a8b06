"""Where to compute."""

from __future__ import annotations

import torch


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
        If the name is none of torch's, or names a GPU, or another device, that is not there.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        if not isinstance(device, (str, torch.device)):  # torch takes the number of a GPU, too
            raise TypeError
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"device must be a name such as 'cpu' or 'cuda', but got {device!r}.") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {str(chosen)!r} is not there: torch finds {torch.cuda.device_count()} GPUs. "
            f"Leave device out, or pass device='cpu'."
        )
    if chosen.type not in ("cpu", "cuda", "meta"):
        try:
            torch.empty(0, device=chosen)
        except (RuntimeError, AssertionError, NotImplementedError, ModuleNotFoundError) as error:
            raise ValueError(
                f"device {str(chosen)!r} is not there: this PyTorch cannot compute on it. "
                f"Leave device out, or pass device='cpu'."
            ) from error
    return chosen
