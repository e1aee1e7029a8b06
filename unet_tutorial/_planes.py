"""The pictures of a plan: their channels as the network takes them, each brought to values from 0 to 1."""

from __future__ import annotations

import numpy as np

LOW, HIGH = 1.0, 99.8  # the percentiles of a picture that become 0 and 1
NOISE = 12.0  # the range of a picture is at least so many times its noise; of noise alone it would be about 5


def with_channels(image: np.ndarray, in_channels: int) -> np.ndarray:
    """Return float32 (C, H, W)."""
    right = isinstance(image, np.ndarray) and image.ndim in (2, 3) and image.dtype.kind in "buif" and image.size
    if not right or not np.isfinite(image).all():
        came = f"{image.dtype} of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"image must be finite numbers of shape (H, W) or (H, W, C), but got {came}.")
    planes = np.moveaxis(image[..., None] if image.ndim == 2 else image, 2, 0).astype(np.float32)
    if len(planes) in (2, 4) and in_channels in (1, 3):
        planes = planes[:-1]  # transparency
    if len(planes) == 1:
        planes = np.repeat(planes, in_channels, axis=0)
    elif in_channels == 1:
        planes = planes.mean(axis=0, keepdims=True)
    if len(planes) != in_channels:
        raise ValueError(f"image must have {in_channels} channels, as in training, but has {len(planes)}.")
    return planes


def spread(planes: np.ndarray) -> np.ndarray:
    """Bring every channel to 0 to 1 by percentiles, with a range of at least NOISE times its noise."""
    low, high = np.percentile(planes, [LOW, HIGH], axis=(1, 2), keepdims=True)  # (C, 1, 1)
    steps = np.abs(planes[..., 1:] - planes[..., :-1])
    noise = 1.05 * np.median(steps, axis=(1, 2), keepdims=True) if steps.size else 0.0  # normal noise: its deviation
    span = np.maximum(high - low, NOISE * noise)
    span = np.maximum(span, span.max() / 4)  # a channel with nothing in it stays even, too
    return np.clip((planes - low) / np.where(span > 0, span, 1), 0, 1).astype(np.float32)


def is_bright_ground(planes: np.ndarray) -> bool:
    return bool(np.median(planes.mean(axis=0)) > 0.5)
