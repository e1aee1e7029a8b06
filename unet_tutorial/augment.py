"""Augmentation: more pictures out of few. Image, mask and weights change together, on the device of the batch.

The library is kornia (Riba et al. 2020, doi:10.1109/WACV45572.2020.9093363), which works on batches of tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F

from ._checks import number
from ._contract import FLOATS, tensor
from .devices import choose_device

Batch = tuple[torch.Tensor, ...]  # images, masks, and perhaps weights


class Augmentation:
    """Change a batch at random, every picture in another way.

    Parameters
    ----------
    flip : bool, default True
        Mirror left and right, and up and down, each with probability 1/2, and turn by 0, 90, 180 or 270 degrees: the
        eight ways to lay a picture on a table. No pixel is mixed with another.
    light : float, default 0.25
        Multiply the values by a number between 1 - light and 1 + light, and add one between -light/5 and light/5.
        Masks and weights stay. The images must lie between 0 and 1, and results are clipped to that.
    elastic : float, default 0.0
        Bend the picture: a grid of 3x3 points is moved by normally distributed steps of so many pixels, and the
        pixels between follow smoothly. The paper's value is 10. Images and weights are interpolated, a mask
        takes the nearest pixel. 0 bends nothing.

    Raises
    ------
    ValueError
        If an argument is out of range; at the call, if the batch is not images (B, C, H, W), masks (B, H, W) or
        (B, 1, H, W) and perhaps weights of the shape of the masks, is to be turned and is not square, or its light is
        to be changed and it does not lie between 0 and 1.

    References
    ----------
    Ronneberger, Fischer and Brox 2015, arXiv:1505.04597, section 3.1.

    Examples
    --------
    >>> images, masks, weights = torch.rand(2, 1, 32, 32), torch.zeros(2, 32, 32).long(), torch.ones(2, 32, 32)
    >>> images, masks, weights = Augmentation(elastic=10)(images, masks, weights)
    >>> images.shape, masks.dtype, round(weights.min().item(), 4)
    (torch.Size([2, 1, 32, 32]), torch.int64, 1.0)
    >>> images, masks = Augmentation()(images, torch.ones(2, 1, 32, 32))  # one class, without weights
    >>> masks.shape, masks.dtype
    (torch.Size([2, 1, 32, 32]), torch.float32)
    """

    def __init__(self, *, flip: bool = True, light: float = 0.25, elastic: float = 0.0):
        import kornia.augmentation as K

        self.flip, self.light, self.elastic = bool(flip), number("light", light), number("elastic", elastic)
        flip, light = self.flip, self.light
        if self.light >= 1:
            raise ValueError(f"light must be below 1, but got {light!r}: some pictures would become black.")
        steps = []
        if flip:
            steps += [K.RandomHorizontalFlip(), K.RandomVerticalFlip(), K.RandomRotation90((0, 3), p=1.0)]
        if light:
            steps += [K.RandomContrast((1 - light, 1 + light), p=1.0)]
            steps += [K.RandomBrightness((1 - light / 5, 1 + light / 5), p=1.0)]
        keys = ["input", "mask", "mask"]
        self._steps = K.AugmentationSequential(*steps, data_keys=keys) if steps else lambda *parts: parts

    def __call__(self, images: torch.Tensor, masks: torch.Tensor, *weights: torch.Tensor) -> Batch:
        _check_batch(images, masks, *weights)
        if masks.is_floating_point() and not (masks == masks.round()).all():
            raise ValueError("masks must hold whole numbers, one a class, but hold others.")
        if self.flip and images.shape[2] != images.shape[3]:
            raise ValueError(
                f"pictures that are turned must be square, but got {images.shape[2]}x{images.shape[3]}. "
                f"Pass flip=False."
            )
        if self.light and not (images.min() >= 0 and images.max() <= 1):  # NaN is neither
            raise ValueError(
                f"images must lie between 0 and 1 where their light is changed, because the results are clipped to "
                f"that, but span {images.min():g} to {images.max():g}. Scale them to 0 to 1, and normalise their mean "
                f"and spread afterwards; or pass light=0."
            )
        flat = masks.ndim == 3
        parts = [masks[:, None] if flat else masks, *(w[:, None] if w.ndim == 3 else w for w in weights)]
        # kornia wants a channel axis and floating point; the few classes are exact in float32
        ones = torch.ones_like(parts[0], dtype=images.dtype)
        images, labels, counts = self._steps(images, parts[0].to(images.dtype), (parts[1] if weights else ones))
        if self.elastic:
            images, labels, counts = bend(images, labels, counts, pixels=self.elastic)
        labels = (labels[:, 0] if flat else labels).round().to(masks.dtype)
        return (images, labels, *((counts[:, 0] if w.ndim == 3 else counts).to(w.dtype) for w in weights))

    def __repr__(self) -> str:
        return f"Augmentation(flip={self.flip}, light={self.light}, elastic={self.elastic})"


def bend(images: torch.Tensor, masks: torch.Tensor, weights: torch.Tensor, *, pixels: float = 10.0) -> Batch:
    """Deform a batch elastically, as in the paper of the U-Net.

    Parameters
    ----------
    images, masks, weights : torch.Tensor
        (B, C, H, W) each, floating point. Masks take the nearest pixel, the others are interpolated.
    pixels : float, default 10.0
        Standard deviation of the steps by which the 3x3 points of a grid are moved.

    Returns
    -------
    tuple of torch.Tensor
        The three, in their shapes. What comes from beyond the side is mirrored.

    Raises
    ------
    ValueError
        If the three are not of one size, or ``pixels`` is no number of at least 0.

    References
    ----------
    Ronneberger, Fischer and Brox 2015, arXiv:1505.04597, section 3.1. Simard, Steinkraus and Platt 2003,
    doi:10.1109/ICDAR.2003.1227801.

    Examples
    --------
    >>> grid = torch.eye(64)[None, None]
    >>> [part.shape == grid.shape for part in bend(grid, grid, grid)]
    [True, True, True]
    """
    from kornia.geometry.transform import remap

    _check_batch(images, masks, weights)
    for name, part in (("masks", masks), ("weights", weights)):
        if part.ndim != 4 or part.dtype != images.dtype:
            raise ValueError(
                f"{name} must be (B, 1, H, W) with the images' dtype {images.dtype}, but got {part.dtype} of shape "
                f"{tuple(part.shape)}."
            )
    pixels = number("pixels", pixels)
    B, _, H, W = images.shape
    moves = pixels * torch.randn(B, 2, 3, 3, device=images.device)
    moves = F.interpolate(moves, size=(H, W), mode="bicubic", align_corners=True)  # (B, 2, H, W), in pixels
    columns = torch.arange(W, device=images.device) + moves[:, 0]  # (B, H, W): where each pixel is taken from
    rows = torch.arange(H, device=images.device)[:, None] + moves[:, 1]
    how: dict[str, Any] = {"padding_mode": "reflection", "align_corners": True}
    images, weights = (remap(part, columns, rows, mode="bilinear", **how) for part in (images, weights))
    return images, remap(masks, columns, rows, mode="nearest", **how), weights


def _check_batch(images: torch.Tensor, masks: torch.Tensor, *weights: torch.Tensor) -> None:
    for name, part in zip(("images", "masks", "weights"), (images, masks, *weights), strict=False):
        tensor(name, part)
    axes = [tuple(part.shape[:1] + part.shape[-2:]) for part in (images, masks, *weights)]
    right = images.ndim == 4 and len(set(axes)) == 1 and 0 not in images.shape and len(weights) < 2
    for part in (masks, *weights):
        right = right and part.ndim == masks.ndim and (part.ndim == 3 or (part.ndim == 4 and part.shape[1] == 1))
    if not right:
        shapes = [str(tuple(part.shape)) for part in (images, masks, *weights)]
        raise ValueError(
            f"a batch must be images (B, C, H, W), masks (B, H, W) or (B, 1, H, W), and perhaps weights like the "
            f"masks, but got {', '.join(shapes[:-1])} and {shapes[-1]}."
        )
    for name, part in zip(("images", "masks", "weights"), (images, masks, *weights), strict=False):
        if name != "masks" and part.dtype not in FLOATS:
            cure = "" if part.is_complex() else f" Convert them with {name}.float()."
            raise ValueError(f"{name} must be floating point, but got {part.dtype}.{cure}")
        if part.is_complex() or not part.isfinite().all():
            raise ValueError(f"{name} must be finite numbers, but some are NaN, infinite or complex.")


class Augmented:
    """A loader whose batches are changed at random, anew in every epoch, on the device.

    Parameters
    ----------
    loader : sized iterable of (images, masks) or (images, masks, weights)
        Such as a `torch.utils.data.DataLoader`.
    augmentation : callable
        Takes the parts of a batch and returns as many, such as `Augmentation`.
    device : str or torch.device, default "cpu"
        Where to compute.

    Raises
    ------
    ValueError
        If the loader gives no batches or has no length, ``augmentation`` cannot be called, or the device is not there;
        while it is gone through, if a batch is not two or three tensors.

    Examples
    --------
    >>> batch = torch.rand(2, 1, 32, 32), torch.zeros(2, 32, 32).long(), torch.ones(2, 32, 32)
    >>> loader = Augmented([batch], Augmentation())
    >>> len(loader), [part.shape for part in next(iter(loader))] == [part.shape for part in batch]
    (1, True)
    """

    def __init__(self, loader: Any, augmentation: Callable[..., Batch], device: str | torch.device = "cpu"):
        if isinstance(loader, (torch.Tensor, str, dict)) or not (
            hasattr(loader, "__iter__") and hasattr(loader, "__len__")
        ):
            raise ValueError(
                f"loader must give batches and know how many, as a DataLoader does, but got {type(loader).__name__}."
            )
        if not callable(augmentation) or isinstance(augmentation, type):
            raise ValueError(f"augmentation must be one that is built, as Augmentation(), but got {augmentation!r}.")
        self.loader, self.augmentation, self.device = loader, augmentation, choose_device(device)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.loader:
            parts = isinstance(batch, (tuple, list)) and all(isinstance(part, torch.Tensor) for part in batch)
            if not parts or len(batch) not in (2, 3):
                came = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
                raise ValueError(
                    f"a batch must be tensors, images and masks and perhaps weights, but the loader gave {came}."
                )
            for name, part in zip(("images", "masks", "weights"), batch, strict=False):
                tensor(name, part)
            yield self.augmentation(*(part.to(self.device) for part in batch))
