"""Augmentation: more pictures out of few. Image, mask and weights change together, on the device of the batch.

The library is kornia (Riba et al. 2020, doi:10.1109/WACV45572.2020.9093363), which works on batches of tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F

from ._checks import number

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Augmentation:
    """Change a batch at random, every picture in another way.

    Parameters
    ----------
    flip : bool, default True
        Mirror left and right, and up and down, each with probability 1/2, and turn by 0, 90, 180 or 270 degrees: the
        eight ways to lay a picture on a table. No pixel is mixed with another.
    light : float, default 0.25
        Multiply the values by a number between 1 - light and 1 + light, and add one between -light/5 and light/5.
        Masks and weights stay. Results are clipped to 0 and 1.
    elastic : float, default 0.0
        Bend the picture: a grid of 3x3 points is moved by normally distributed steps of so many pixels, and the
        pixels between follow smoothly. The paper's value is 10. Images and weights are interpolated, a mask
        takes the nearest pixel. 0 bends nothing.

    Raises
    ------
    ValueError
        If an argument is out of range; at the call, if the batch is not images (B, C, H, W), masks (B, H, W) and
        weights (B, H, W), or is to be turned and is not square.

    References
    ----------
    Ronneberger, Fischer and Brox 2015, arXiv:1505.04597, section 3.1.

    Examples
    --------
    >>> images, masks, weights = torch.rand(2, 1, 32, 32), torch.zeros(2, 32, 32).long(), torch.ones(2, 32, 32)
    >>> images, masks, weights = Augmentation(elastic=10)(images, masks, weights)
    >>> images.shape, masks.dtype, round(weights.min().item(), 4)
    (torch.Size([2, 1, 32, 32]), torch.int64, 1.0)
    """

    def __init__(self, *, flip: bool = True, light: float = 0.25, elastic: float = 0.0):
        import kornia.augmentation as K

        self.flip, self.light, self.elastic = bool(flip), number("light", light), number("elastic", elastic)
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

    def __call__(self, images: torch.Tensor, masks: torch.Tensor, weights: torch.Tensor) -> Batch:
        shape = (len(images), *images.shape[2:])
        if images.ndim != 4 or masks.shape != shape or weights.shape != shape:
            raise ValueError(
                f"a batch must be images (B, C, H, W), masks (B, H, W) and weights (B, H, W), but got "
                f"{tuple(images.shape)}, {tuple(masks.shape)} and {tuple(weights.shape)}."
            )
        if self.flip and shape[1] != shape[2]:
            raise ValueError(
                f"pictures that are turned must be square, but got {shape[1]}x{shape[2]}. Pass flip=False."
            )
        # kornia wants a channel axis and floating point; the few classes are exact in float32
        images, masks, weights = self._steps(images, masks[:, None].float(), weights[:, None])
        if self.elastic:
            images, masks, weights = bend(images, masks, weights, pixels=self.elastic)
        return images, masks[:, 0].round().long(), weights[:, 0]

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

    B, _, H, W = images.shape
    moves = pixels * torch.randn(B, 2, 3, 3, device=images.device)
    moves = F.interpolate(moves, size=(H, W), mode="bicubic", align_corners=True)  # (B, 2, H, W), in pixels
    columns = torch.arange(W, device=images.device) + moves[:, 0]  # (B, H, W): where each pixel is taken from
    rows = torch.arange(H, device=images.device)[:, None] + moves[:, 1]
    how: dict[str, Any] = {"padding_mode": "reflection", "align_corners": True}
    images, weights = (remap(part, columns, rows, mode="bilinear", **how) for part in (images, weights))
    return images, remap(masks, columns, rows, mode="nearest", **how), weights


class Augmented:
    """A loader whose batches are changed at random, anew in every epoch, on the device.

    Parameters
    ----------
    loader : sized iterable of (images, masks, weights)
        Such as a `torch.utils.data.DataLoader`.
    augmentation : callable
        Takes the three parts of a batch and returns three, such as `Augmentation`.
    device : str or torch.device, default "cpu"
        Where to compute.

    Examples
    --------
    >>> batch = torch.rand(2, 1, 32, 32), torch.zeros(2, 32, 32).long(), torch.ones(2, 32, 32)
    >>> loader = Augmented([batch], Augmentation())
    >>> len(loader), [part.shape for part in next(iter(loader))] == [part.shape for part in batch]
    (1, True)
    """

    def __init__(self, loader: Any, augmentation: Callable[..., Batch], device: str | torch.device = "cpu"):
        self.loader, self.augmentation, self.device = loader, augmentation, device

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.loader:
            yield self.augmentation(*(part.to(self.device) for part in batch))
