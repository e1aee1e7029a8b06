"""Pictures for explorers: an array becomes a short text that a page can show as an image."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from ..._checks import whole_number
from ...plots import to_picture


def encode(picture, quality: int | None = None) -> str:
    """Turn an array into an image that is part of the page (a ``data:`` address).

    Parameters
    ----------
    picture : array or torch.Tensor
        Of the shape (H, W), (1, H, W), (H, W, 3) or (3, H, W), with values from 0 to 1, or of type bool or uint8.
    quality : int, optional
        From 1 to 100 makes it smaller and inexact, which noisy pictures need. Every pixel is kept if not given.

    Returns
    -------
    str
        The address of a WebP image of the same height and width.

    Raises
    ------
    ValueError
        If the shape is another one, or a value lies outside.

    Examples
    --------
    >>> encode(np.eye(8))[:23]
    'data:image/webp;base64,'
    """
    array = to_picture(picture)
    if isinstance(array, np.ma.MaskedArray):
        raise ValueError("a picture must be a plain array, but is a masked one. Fill it, as in picture.filled(0).")
    if quality is not None and whole_number("quality", quality) > 100:
        raise ValueError(f"quality must be a whole number from 1 to 100, but got {quality}.")
    if array.dtype != np.uint8:
        if not (array.min() >= 0 and array.max() <= 1):  # NaN too
            raise ValueError(
                f"the values of a picture must lie between 0 and 1, but got {array.min():g} to {array.max():g}. "
                "Bring them into this range first: what a picture shows must be decided by the one who draws it."
            )
        array = np.round(array * 255.0).astype(np.uint8)
    buffer = io.BytesIO()
    how = {"lossless": True} if quality is None else {"quality": int(quality)}
    Image.fromarray(array).save(buffer, format="webp", method=6, **how)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
