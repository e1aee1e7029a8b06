"""Drawn streets: what chapter 18 takes where the street scenes of CamVid are not on the computer."""

from __future__ import annotations

import numpy as np

from .camvid import CLASSES, VOID
from .synthetic import _image_size

_NUMBER = {name: number for number, name in enumerate(CLASSES)}
_SIGNS = np.array([[200, 40, 40], [40, 60, 190], [220, 190, 40]])  # red, blue, yellow


def draw_street(rng: np.random.Generator, size: tuple[int, int] = (90, 120)) -> tuple[np.ndarray, np.ndarray]:
    """Draw a street in colour, and the class of every pixel: the classes of `unet_tutorial.data.camvid`.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the random numbers come from.
    size : (int, int), default (90, 120)
        Height and width in pixels, at least 32 each.

    Returns
    -------
    image : numpy.ndarray
        uint8 (H, W, 3).
    classes : numpy.ndarray
        int64 (H, W): 0 to 10, and 11 where a pixel does not count.

    Raises
    ------
    ValueError
        If the size is not two whole numbers of at least 32.

    Examples
    --------
    >>> image, classes = draw_street(np.random.default_rng(0))
    >>> image.shape, image.dtype, classes.shape, int(classes.max())
    ((90, 120, 3), dtype('uint8'), (90, 120), 11)
    """
    height, width = _image_size(size)
    street = _Street(rng, height, width)
    for draw in (_behind, _ground, _cars, _people, _poles):
        draw(street)
    street.classes[street.y >= height - max(2, height // 30)] = VOID  # the car in which the camera sits
    image = street.image * rng.uniform(0.75, 1.15) + rng.normal(0, 4, street.image.shape)
    return image.clip(0, 255).astype(np.uint8), street.classes


class _Street:
    """A street that is being drawn. The order of the drawing decides which random number is whose."""

    def __init__(self, rng: np.random.Generator, height: int, width: int):
        self.rng, self.height, self.width = rng, height, width
        self.y, self.x = np.mgrid[:height, :width]
        self.image = np.empty((height, width, 3))
        self.classes = np.empty((height, width), dtype=np.int64)
        self.horizon, self.vanishing = rng.uniform(0.4, 0.5) * height, rng.uniform(0.35, 0.65) * width

    def paint(self, name: str, where: np.ndarray, colour: np.ndarray, grain: float = 6) -> None:
        """Give pixels a class, and a colour with some grain."""
        self.image[where] = colour + self.rng.normal(0, grain, (int(where.sum()), 1))
        self.classes[where] = _NUMBER[name]

    def box(self, bottom: float, middle: float, tall: float, wide: float) -> np.ndarray:
        """Return which pixels lie in a box that stands on a row: (H, W) of bool."""
        return (self.y <= bottom) & (self.y > bottom - tall) & (np.abs(self.x - middle) <= wide / 2)

    def place(self, aside: float) -> tuple[float, float, float]:
        """Return a row, a column and a size: what is nearer stands lower and is larger."""
        near = self.rng.uniform(0.08, 0.7)
        row = self.horizon + near * (self.height - self.horizon)
        return row, self.vanishing + aside * self.width * (0.03 + 0.55 * near), self.height * near


def _behind(street: _Street) -> None:
    """Draw the sky, houses that are lower towards the vanishing point, trees, and perhaps a fence."""
    rng, height, width, y, x = street.rng, street.height, street.width, street.y, street.x
    horizon = street.horizon
    street.paint("sky", y >= 0, np.array([190, 205, 220]) + rng.uniform(-20, 20), grain=2)
    left = 0.0
    while left < width:
        wide = rng.uniform(0.1, 0.3) * width
        far = 1 - abs(left + wide / 2 - street.vanishing) / width
        top = horizon * rng.uniform(0.1, 0.5) + 0.3 * horizon * far
        front = (x >= left) & (x < left + wide) & (y > top) & (y <= horizon)
        street.paint("building", front, rng.uniform(70, 150, 3))
        street.image[front & (x % 6 < 2) & (y % 7 < 3)] *= 0.6  # windows
        left += wide
    for _ in range(rng.integers(1, 5)):
        row, column, radius = horizon * rng.uniform(0.4, 0.9), rng.uniform(0, width), height * rng.uniform(0.08, 0.2)
        waves = 1 + 0.2 * np.sin(5 * np.arctan2(y - row, x - column))
        crown = (np.hypot(y - row, x - column) < radius * waves) & (y <= horizon)
        street.paint("tree", crown, np.array([50, rng.uniform(70, 100), 45]), grain=16)
    if rng.random() < 0.5:
        start = rng.uniform(0, 0.7) * width
        band = (y > horizon - 0.06 * height) & (y <= horizon) & (x > start) & (x < start + 0.3 * width)
        street.paint("fence", band, np.array([110, 95, 80]) - 40 * (x[band] % 3 == 0)[:, None])


def _ground(street: _Street) -> None:
    """Draw the pavement, the road on it, and the line in the middle of the road."""
    rng, y, aside = street.rng, street.y, np.abs(street.x - street.vanishing)
    street.paint("pavement", y > street.horizon, rng.uniform(120, 150) + np.array([6, 0, -4]))
    depth = (y - street.horizon) / (street.height - street.horizon)  # 0 at the horizon, 1 in front
    road = (depth > 0) & (aside < street.width * (0.02 + 0.55 * depth))
    street.paint("road", road, rng.uniform(75, 105) + np.array([0, 0, 6]))
    street.image[road & (aside < 0.01 * street.width + depth) & (y % 9 < 4)] = 215


def _cars(street: _Street) -> None:
    rng = street.rng
    for _ in range(rng.integers(0, 4)):
        bottom, middle, tall = street.place(rng.uniform(-0.8, 0.8))
        body = street.box(bottom, middle, 0.5 * tall + 3, 0.8 * tall + 4)
        street.paint("car", body, rng.uniform(20, 220, 3))
        street.image[street.box(bottom - 0.25 * tall - 1, middle, 0.15 * tall + 1, 0.6 * tall + 3)] = 40  # a window


def _people(street: _Street) -> None:
    rng = street.rng
    for name, share in (("pedestrian", 0.7), ("cyclist", 0.3)):
        for _ in range(rng.binomial(2, share)):
            bottom, middle, tall = street.place(rng.choice([-1, 1]) * rng.uniform(0.9, 1.4))
            wide = (0.2 if name == "pedestrian" else 0.4) * tall + 1
            street.paint(name, street.box(bottom, middle, 0.6 * tall + 4, wide), rng.uniform(20, 160, 3))
            face = street.box(bottom - 0.5 * tall - 2, middle, 0.12 * tall + 1, wide / 2)
            street.image[face] = 170, 130, 110


def _poles(street: _Street) -> None:
    """Draw poles at the side of the road, some with a sign."""
    rng, height = street.rng, street.height
    for _ in range(rng.integers(1, 4)):
        bottom, middle, tall = street.place(rng.choice([-1, 1]) * rng.uniform(1.0, 1.3))
        pole = street.box(bottom, middle, tall + 0.25 * height, 1 + 0.06 * tall)
        street.paint("pole", pole, np.array([90, 90, 90]))
        if rng.random() < 0.6:
            sign = street.box(bottom - tall - 0.15 * height, middle, 0.1 * height, 0.08 * height)
            street.paint("sign", sign, _SIGNS[rng.integers(3)])
