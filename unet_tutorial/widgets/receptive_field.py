"""Chapter 5: what one unit of a trained network can see of a picture, and what it looks at."""

from __future__ import annotations

import functools

import torch

from .. import _svg as svg
from ..data import SyntheticCellsDataset
from ..pretrained import load_pretrained
from ..sizing import receptive_field
from .kit import Choice, Explorer, Panel, Slider, State, asset, encode

SAMPLE, SIDE, SIZE = 3, 128, 320  # the picture; its pixels in a row; units of a drawing
PLACES = (18, 41, 64, 87, 110)  # in pixels of the picture; a different place between two bottleneck units each time
PARTS = ("encoder 1", "encoder 2", "encoder 3", "bottleneck", "logits")
PIXEL = SIZE / SIDE  # units of the drawing
PICK = ("column", "row", 0, 0, SIZE, SIZE)


@functools.cache
def _activity() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return the picture, (1, 1, 128, 128), with gradient, and what every part makes of it, (1, C, h, w)."""
    image = SyntheticCellsDataset(num_samples=20, split="test")[SAMPLE][0][None].requires_grad_()
    model = load_pretrained("cells")
    pooled, skips = model.encoder(image)
    deepest = model.bottleneck(pooled)
    return image, dict(zip(PARTS, [*skips, deepest, model.head(model.decoder(deepest, skips))], strict=True))


@functools.cache
def _gradient(part: str, row: int, column: int) -> torch.Tensor:
    """Return how much one unit changes with each pixel of the picture, (128, 128)."""
    image, maps = _activity()
    scale = SIDE // maps[part].shape[-1]  # pixels of the picture for a unit
    unit = maps[part][0, :, row // scale, column // scale].sum()  # all channels of the unit
    return torch.autograd.grad(unit, image, retain_graph=True)[0][0, 0].abs()


def _field(part: str, place: int) -> tuple[int, int]:
    """Return the first and the last row (or column) that a unit can see, also beyond the picture."""
    image, maps = _activity()
    depth = sum(name.startswith("encoder") for name in maps)
    return receptive_field(part, depth, place // (SIDE // maps[part].shape[-1]))


class ReceptiveField(Explorer):
    """A unit of the trained network, the window that it can see, and the gradient that says what it looks at.

    Parameters
    ----------
    part : {"encoder 1", "encoder 2", "encoder 3", "bottleneck", "logits"}
        Where the unit is.
    row, column : int
        The pixel of the picture at which it stands.

    Examples
    --------
    >>> ReceptiveField(part="bottleneck", row=64, column=64).shown.numbers["the field"]
    '68 × 68 pixels'
    """

    name = "receptive-field"
    title = "What one unit can see, and what it looks at"
    part = Choice("Where the unit is", PARTS, default="bottleneck")
    row = Slider("Row of the unit", PLACES, default=PLACES[2])
    column = Slider("Column of the unit", PLACES, default=PLACES[2])

    @classmethod
    def assets(cls):
        """Return the picture, and the fourth root of the gradient of every unit within its field."""
        found = {"picture": encode(_activity()[0][0].detach().clamp(0, 1), quality=75)}
        for setting in cls.settings():
            rows, columns = (_inside(_field(setting["part"], setting[axis])) for axis in ("row", "column"))
            seen = _gradient(**setting)[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1]
            found[asset(*setting.values())] = encode((seen / seen.max()) ** 0.25, quality=40)
        return found

    @classmethod
    def state(cls, part, row, column):
        """Return the window that a unit can see, and how its gradient is spread there."""
        rows, columns = _field(part, row), _field(part, column)
        height, width = (last - first + 1 for first, last in (rows, columns))
        (top, bottom), (left, right) = _inside(rows), _inside(columns)
        share = (bottom - top + 1) * (right - left + 1) / (height * width)
        central = _share_of_central_half(_gradient(part, row, column), rows, columns)
        in_picture = f"{share:.0%}".replace("%", " %")
        looks = f"{central:.0%}".replace("%", " %")
        words = (
            f"This unit of {part if part.startswith('encoder') else f'the {part}'} at row {row} and column {column} "
            f"of the picture can see {height} × {width} pixels, "
            f"{in_picture} of them in the picture. The inner square of half the side holds {looks} of its gradient."
        )
        numbers = {
            "the field": f"{height} × {width} pixels",
            "rows, columns": f"{rows[0]} to {rows[1]}, {columns[0]} to {columns[1]}",
            "of the field, in the picture": in_picture,
            "gradient in the inner square": looks,
        }
        window = _box(rows, columns, "c1 stroke thick")
        half = _box(_central_half(rows), _central_half(columns), "c5 stroke dashed")
        ring = svg.ring(PIXEL * (column + 0.5), PIXEL * (row + 0.5))
        picture = svg.picture("picture", SIZE, "The picture, with the field", window, ring)
        crop = svg.image(asset(part, row, column), *_units(rows, columns))
        look = [svg.rect(0, 0, SIZE, SIZE, "black fill"), crop, window, half]
        panels = (
            Panel("What it can see", picture, PICK),
            Panel("What it looks at", svg.drawing(SIZE, SIZE, "The gradient, with the field", *look), PICK),
        )
        return State(words, numbers, panels)


def _inside(span: tuple[int, int]) -> tuple[int, int]:
    """Return the part of a span that lies in the picture."""
    return max(span[0], 0), min(span[1], SIDE - 1)


def _central_half(span: tuple[int, int]) -> tuple[int, int]:
    """Return the middle of a span, half as long."""
    quarter = (span[1] - span[0] + 1) // 4
    return span[0] + quarter, span[1] - quarter


def _share_of_central_half(values: torch.Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> float:
    """Return which share of the gradient lies in the square of half the field's side in its middle."""
    (top, bottom), (left, right) = (_inside(_central_half(span)) for span in (rows, columns))
    return float(values[top : bottom + 1, left : right + 1].sum() / values.sum())


def _units(rows: tuple[int, int], columns: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return where a field lies in the drawing, cut off where the picture ends: x, y, width, height."""
    (top, bottom), (left, right) = _inside(rows), _inside(columns)
    return PIXEL * left, PIXEL * top, PIXEL * (right - left + 1), PIXEL * (bottom - top + 1)


def _box(rows: tuple[int, int], columns: tuple[int, int], kind: str) -> str:
    """Draw the frame of a field."""
    return svg.rect(*_units(rows, columns), kind)
