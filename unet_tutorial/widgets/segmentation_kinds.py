"""Chapter 1: one picture with touching cells, and what each kind of segmentation says about it and about one pixel."""

from __future__ import annotations

import functools

import numpy as np
from matplotlib.colors import to_rgb
from skimage import measure

from .. import _svg as svg
from .. import plots
from ..data import SyntheticCellsDataset
from .kit import Choice, Explorer, Panel, Slider, State, encode

SAMPLE, STEP, SIZE = 17, 8, 320  # the picture of chapter 1; pixels between two places; units of the drawing
KINDS = ("image", "semantic", "instance", "panoptic")
PLACES = tuple(range(STEP // 2, 128, STEP))
STUFF = "khaki"


@functools.cache
def _scene() -> tuple[np.ndarray, np.ndarray]:
    """Return the picture and who is who in it."""
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
        image, labels = _scene()
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
        labels = _scene()[1]
        number = int(labels[row, column])
        inside = "cell" if number else "background"
        count, areas = int(labels.max()), int(measure.label(labels > 0).max())
        says = {
            "image": ("a grey value", f"{_scene()[0][row, column]:.2f}"),
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
        return State(words, numbers, (Panel("", _draw(kind, row, column), ("column", "row", 0, 0, SIZE, SIZE)),))


def _draw(kind: str, row: int, column: int) -> str:
    """Draw one answer, with the numbers of the cells where it has them, and a ring around one pixel."""
    scale = SIZE / 128
    parts = []
    if kind in ("instance", "panoptic"):
        for region in measure.regionprops(_scene()[1]):
            y, x = region.centroid
            parts.append(svg.text(x * scale, y * scale + 4, str(region.label), "middle on-picture"))
    parts.append(svg.ring((column + 0.5) * scale, (row + 0.5) * scale))
    return svg.picture(kind, SIZE, f"The picture: {kind}", *parts)
