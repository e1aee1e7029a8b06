"""Chapter 1: one picture with touching cells, and what each kind of segmentation says about it and about one pixel."""

from __future__ import annotations

import functools

import numpy as np
from matplotlib.colors import to_rgb
from skimage import measure

from .. import plots
from ..data import SyntheticCellsDataset
from . import svg
from .base import Explorer, Panel, State
from .controls import Choice, Slider
from .pictures import encode

SAMPLE, STEP, SIZE = 17, 8, 320  # the picture of chapter 1; pixels between two places; units of the drawing
KINDS = ("image", "semantic", "instance", "panoptic")
PLACES = tuple(range(STEP // 2, 128, STEP))
STUFF = "khaki"


@functools.cache
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Return the picture and who is who in it.

    Returns
    -------
    image : numpy.ndarray
        (128, 128) float32 between 0 and 1.
    labels : numpy.ndarray
        (128, 128) int64, 0 background, 1 to n the cells.

    Examples
    --------
    >>> scene()[1].max()
    np.int64(8)
    """
    cells = SyntheticCellsDataset(num_samples=24, split="test")
    return cells[SAMPLE][0][0].numpy(), cells.instances(SAMPLE).numpy()


class SegmentationKinds(Explorer):
    """One picture of cells, some of them touching, as image and as semantic, instance and panoptic segmentation.

    Parameters
    ----------
    kind : {"image", "semantic", "instance", "panoptic"}
        Which answer lies over the picture.
    row, column : int
        The pixel that is asked, every eighth one.

    Examples
    --------
    >>> SegmentationKinds(kind="instance", row=68, column=68).shown.numbers["this pixel"]
    'object 7'
    """

    name = "segmentation-kinds"
    title = "One picture, and what each kind of segmentation says about it"
    kind = Choice("Show", KINDS)
    row = Slider("Row of the pixel", PLACES, default=PLACES[8])
    column = Slider("Column of the pixel", PLACES, default=PLACES[8])

    @classmethod
    def assets(cls):
        """Return the picture alone, and under the three answers."""
        image, labels = scene()
        inside = (labels > 0)[..., None]
        gray = np.repeat(image[..., None], 3, axis=2)
        colors = np.array([to_rgb(color) for color in plots.COLORS])
        own = 0.45 * gray + 0.55 * colors[(labels - 1) % len(colors)]
        stuff = 0.45 * gray + 0.55 * np.array(to_rgb(STUFF))
        answers = {
            "image": gray,
            "semantic": plots.overlay(image, labels),
            "instance": np.where(inside, own, gray),
            "panoptic": np.where(inside, own, stuff),
        }
        return {name: encode(picture) for name, picture in answers.items()}

    @classmethod
    def state(cls, kind, row, column):
        """Return the answer for the whole picture, and what it says about one pixel."""
        labels = scene()[1]
        number = int(labels[row, column])
        inside, count, areas = (
            ("cell" if number else "background"),
            int(labels.max()),
            int(measure.label(labels > 0).max()),
        )
        says = {
            "image": ("a grey value", f"{scene()[0][row, column]:.2f}"),
            "semantic": (
                f"2 classes. The {count} cells form {areas} areas, and touching cells cannot be told apart",
                inside,
            ),
            "instance": (f"{count} objects, and nothing about the rest", f"object {number}" if number else "nothing"),
            "panoptic": (f"2 classes and {count} objects", f"{inside} {number or ''}".strip()),
        }
        whole, pixel = says[kind]
        kinds = {"image": 0, "semantic": 2, "instance": count, "panoptic": count + 1}
        subject = (
            "The image holds a grey value for every pixel" if kind == "image" else f"The {kind} answer knows {whole}"
        )
        words = f"{subject}. About the pixel in row {row} and column {column} it says: {pixel}."
        numbers = {"this pixel": pixel, "answers that a pixel can get": kinds[kind] or "any grey value"}
        return State(words, numbers, (Panel("", draw(kind, row, column), ("column", "row", 0, 0, SIZE, SIZE)),))


def draw(kind: str, row: int, column: int) -> str:
    """Draw one answer, with the numbers of the cells where it has them, and a ring around one pixel.

    Parameters
    ----------
    kind : str
        The answer.
    row, column : int
        The pixel.

    Returns
    -------
    str
        The drawing.

    Examples
    --------
    >>> draw("instance", 4, 4).count("<text")
    8
    """
    scale = SIZE / 128
    parts = [svg.image(kind, 0, 0, SIZE, SIZE)]
    if kind in ("instance", "panoptic"):
        for region in measure.regionprops(scene()[1]):
            y, x = region.centroid
            parts.append(svg.text(x * scale, y * scale + 4, str(region.label), "middle on-picture"))
    x, y = (column + 0.5) * scale, (row + 0.5) * scale
    parts += [svg.circle(x, y, 7, "black stroke"), svg.circle(x, y, 5, "white stroke")]
    return svg.drawing(SIZE, SIZE, f"The picture: {kind}", *parts)
