"""One range of values for pictures of every kind: the same scene gives the same picture, whatever its numbers were."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

LOW, HIGH = 1, 99.8  # the percentiles of a picture that become 0 and 1
CONTRAST = 4  # the least ratio between them, where 0 means that there was no light
# Where 0 does not mean that, the darkest is called a twelfth of the span above it. In the fields of BBBC039 that show
# nuclei it is 0.03 to 0.21 of it. Of a fifth, an eighth and a twelfth, the last let the shipped weights find most in
# five stretched validation fields (AP 0.651, 0.704 and 0.748; 0.770 as the microscope gave them).
OFFSET = 1 / 12
ZERO = 1 / 50  # a smallest value below this share of the span is no black level of a camera: something was taken away
EMPTY, NOISE = 20, 50  # spans, in standard deviations of the noise: below EMPTY nothing is there; the least that is 1
LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float64)  # no plane and no ramp survives it


def normalize(image: np.ndarray, *, colour: bool = False) -> np.ndarray:
    """Bring a picture of any number of bits to values from 0 to 1, by the percentiles of its logarithm.

    Light varies from field to field by factors, and a factor is a shift of the logarithm. Some fields also hold
    dust ten times as bright as the nuclei: without the logarithm it would leave them almost no range. A
    field with nothing in it holds only noise, which would be stretched to the full range; so what is called 1 is at
    least four times as bright as what is called 0.

    All this needs a 0 that means "no light". Where the numbers show that theirs does not (a background was taken away,
    the range was stretched, an offset was added), the picture's own darkest and brightest percentile take its place.

    Parameters
    ----------
    image : numpy.ndarray
        Finite numbers, (H, W); or (H, W, C), of which every channel is brought to its range alone.
    colour : bool, default False
        The channels are one picture in colour: they share one range, without a logarithm, so that no hue changes.

    Returns
    -------
    numpy.ndarray
        float32 of the same shape. What lies below the 1st percentile is 0, what lies above the 99.8th is 1.

    Raises
    ------
    ValueError
        If the image is not finite numbers of shape (H, W) or (H, W, C).

    Notes
    -----
    The unit does not matter: 8 bits, and floating point up to 1 or up to 255, are multiplied to 16 bits first. The
    offset does not either, but what it was cannot be found again, so the curve between 0 and 1 is then always the
    same. Noise is measured by Immerkær's method (1996, doi:10.1006/cviu.1996.0060) with a median in
    the place of the mean: 1 is at least 50 standard deviations above 0. In a picture that was smoothed or compressed
    there is no noise to be measured, and what is left in an empty one is stretched.

    Examples
    --------
    >>> picture = np.array([[100, 200], [400, 800]], dtype=np.uint16)
    >>> normalize(picture).round(2)
    array([[0.  , 0.33],
           [0.66, 1.  ]], dtype=float32)
    >>> np.array_equal(normalize(picture), normalize(picture / 65535))
    True
    """
    if isinstance(image, np.ma.MaskedArray):
        raise ValueError("image must be a plain array, but is a masked one. Fill it, as in image.filled(0).")
    if not isinstance(image, np.ndarray) or image.dtype.kind not in "uif" or image.ndim not in (2, 3) or not image.size:
        came = f"{image.dtype} of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"image must be numbers of shape (H, W), one channel, or (H, W, C), but got {came}.")
    if not np.isfinite(image).all():
        raise ValueError("image must hold finite numbers, but some are infinite or NaN.")
    counts = image.astype(np.float64) * _unit(image)
    if colour:
        bottom, top = np.percentile(counts, [LOW, HIGH])
        return np.clip((counts - bottom) / max(top - bottom, abs(top) / CONTRAST, 1e-9), 0, 1).astype(np.float32)
    if image.ndim == 2:
        return _one_channel(counts)
    return np.stack([_one_channel(counts[..., channel]) for channel in range(image.shape[2])], axis=-1)


def is_colour(image: np.ndarray) -> bool:
    """Tell whether a picture as it was read is in colour: it has three channels of 8 bits.

    Three channels of more bits are three measurements in a microscope's files, each with a range of its own.

    Parameters
    ----------
    image : numpy.ndarray
        (H, W) or (H, W, C).

    Returns
    -------
    bool

    Examples
    --------
    >>> is_colour(np.zeros((4, 4, 3), dtype=np.uint8)), is_colour(np.zeros((4, 4, 3), dtype=np.uint16))
    (True, False)
    """
    return isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8


def normalize_picture(image: np.ndarray) -> np.ndarray:
    """As `normalize`, and whether the channels are colours is seen; a picture whose colours are all grey is a grey one.

    Parameters
    ----------
    image : numpy.ndarray
        As for `normalize`.

    Returns
    -------
    numpy.ndarray
        float32 (H, W), or (H, W, C).

    Raises
    ------
    ValueError
        As `normalize`.

    Examples
    --------
    >>> grey = np.array([[10, 20], [40, 80]], dtype=np.uint8)
    >>> np.array_equal(normalize_picture(np.stack([grey] * 3, axis=-1)), normalize(grey))
    True
    """
    if not is_colour(image):
        return normalize(image)
    return normalize(image[..., 0]) if (image == image[..., :1]).all() else normalize(image, colour=True)


def _unit(image: np.ndarray) -> int:
    """Return by what the numbers are multiplied, so that full light is that of 16 bits."""
    if image.dtype.kind == "f" and image.max() <= 1:
        return 65_535
    return 257 if image.dtype == np.uint8 or (image.dtype.kind == "f" and image.max() <= 255) else 1


def _one_channel(counts: np.ndarray) -> np.ndarray:
    bottom, top = np.percentile(counts, [LOW, HIGH])
    span = top - bottom
    noise = np.median(np.abs(ndimage.convolve(counts, LAPLACIAN))) / 6 / 0.6745  # 6: the kernel's norm; median to sigma
    if counts.min() >= ZERO * span and (span >= 4 * bottom or span <= EMPTY * noise):
        scaled = np.log1p(counts.astype(np.float32))
        bottom, top = np.percentile(scaled, [LOW, HIGH])
        return np.clip((scaled - bottom) / max(top - bottom, np.log(CONTRAST)), 0, 1).astype(np.float32)
    part = np.clip((counts - bottom) / (max(span, NOISE * noise) or 1), 0, 1)
    return (np.log1p(part / OFFSET) / np.log1p(1 / OFFSET)).astype(np.float32)
