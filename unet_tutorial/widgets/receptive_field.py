"""Chapter 5: what one unit of a trained network can see of a picture, and what it looks at."""

from __future__ import annotations

import functools

import torch

from ..data import SyntheticCellsDataset
from ..pretrained import load_pretrained
from ..sizing import receptive_field
from . import svg
from .base import Explorer, Panel, State
from .controls import Choice, Slider
from .pictures import encode

SAMPLE, SIDE, SIZE = 3, 128, 320  # the picture; its pixels in a row; units of a drawing
PLACES = (18, 41, 64, 87, 110)  # in pixels of the picture; a different place between two bottleneck units each time
PARTS = ("encoder 1", "encoder 2", "encoder 3", "bottleneck", "logits")
PIXEL = SIZE / SIDE  # units of the drawing
PICK = ("column", "row", 0, 0, SIZE, SIZE)


@functools.cache
def activity() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Run the trained network once.

    Returns
    -------
    image : torch.Tensor
        (1, 1, 128, 128), with gradient.
    maps : dict of str to torch.Tensor
        What each part puts out, (1, C, h, w).

    Examples
    --------
    >>> [tuple(values.shape[1:]) for values in activity()[1].values()][-2:]
    [(64, 16, 16), (1, 128, 128)]
    """
    image = SyntheticCellsDataset(num_samples=20, split="test")[SAMPLE][0][None].requires_grad_()
    model = load_pretrained("cells")
    pooled, skips = model.encoder(image)
    deepest = model.bottleneck(pooled)
    return image, dict(zip(PARTS, [*skips, deepest, model.head(model.decoder(deepest, skips))], strict=True))


@functools.cache
def gradient(part: str, row: int, column: int) -> torch.Tensor:
    """Measure how much one unit changes with each pixel of the picture.

    Parameters
    ----------
    part : str
        Where the unit is, one of ``PARTS``.
    row, column : int
        The pixel of the picture at which it stands.

    Returns
    -------
    torch.Tensor
        (128, 128), absolute values.

    Examples
    --------
    >>> int((gradient("encoder 1", 40, 40) > 0).sum())  # two 3×3 convolutions see 5×5 pixels
    25
    """
    image, maps = activity()
    scale = SIDE // maps[part].shape[-1]  # pixels of the picture for a unit
    unit = maps[part][0, :, row // scale, column // scale].sum()  # all channels of the unit
    return torch.autograd.grad(unit, image, retain_graph=True)[0][0, 0].abs()


def field(part: str, place: int) -> tuple[int, int]:
    """Return the first and the last row (or column) that a unit can see, also beyond the picture.

    Parameters
    ----------
    part : str
        Where the unit is.
    place : int
        The row (or column) of the picture at which it stands.

    Returns
    -------
    (int, int)

    Examples
    --------
    >>> field("encoder 1", 40), field("bottleneck", 64)
    ((38, 42), (34, 101))
    """
    image, maps = activity()
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
        found = {"picture": encode(activity()[0][0].detach().clamp(0, 1), quality=75)}
        for setting in cls.settings():
            rows, columns = (inside(field(setting["part"], setting[axis])) for axis in ("row", "column"))
            seen = gradient(**setting)[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1]
            found[asset(**setting)] = encode((seen / seen.max()) ** 0.25, quality=40)
        return found

    @classmethod
    def state(cls, part, row, column):
        """Return the window that a unit can see, and how its gradient is spread there."""
        rows, columns = field(part, row), field(part, column)
        height, width = (last - first + 1 for first, last in (rows, columns))
        (top, bottom), (left, right) = inside(rows), inside(columns)
        share = (bottom - top + 1) * (right - left + 1) / (height * width)
        central = share_of_central_half(gradient(part, row, column), rows, columns)
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
        window = box(rows, columns, "c1 stroke thick")
        half = box(*map(central_half, (rows, columns)), "c5 stroke dashed")
        place = dot(row, column)
        picture = [svg.image("picture", 0, 0, SIZE, SIZE), window, *place]
        crop = svg.image(
            asset(part, row, column), *(PIXEL * n for n in (left, top, right - left + 1, bottom - top + 1))
        )
        look = [svg.rect(0, 0, SIZE, SIZE, "black fill"), crop, window, half]
        panels = (
            Panel("What it can see", svg.drawing(SIZE, SIZE, "The picture, with the field", *picture), PICK),
            Panel("What it looks at", svg.drawing(SIZE, SIZE, "The gradient, with the field", *look), PICK),
        )
        return State(words, numbers, panels)


def inside(span: tuple[int, int]) -> tuple[int, int]:
    """Return the part of a span that lies in the picture.

    Parameters
    ----------
    span : (int, int)
        First and last row, or column.

    Returns
    -------
    (int, int)

    Examples
    --------
    >>> inside((-9, 20))
    (0, 20)
    """
    return max(span[0], 0), min(span[1], SIDE - 1)


def central_half(span: tuple[int, int]) -> tuple[int, int]:
    """Return the middle of a span, half as long.

    Parameters
    ----------
    span : (int, int)
        First and last row, or column.

    Returns
    -------
    (int, int)

    Examples
    --------
    >>> central_half((0, 7))
    (2, 5)
    """
    quarter = (span[1] - span[0] + 1) // 4
    return span[0] + quarter, span[1] - quarter


def share_of_central_half(values: torch.Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> float:
    """Return which share of the gradient lies in the square of half the field's side in its middle.

    Parameters
    ----------
    values : torch.Tensor
        (128, 128), what `gradient` returns.
    rows, columns : (int, int)
        The field.

    Returns
    -------
    float

    Examples
    --------
    >>> round(share_of_central_half(torch.ones(128, 128), (0, 127), (0, 127)), 2)
    0.25
    """
    (top, bottom), (left, right) = (inside(central_half(span)) for span in (rows, columns))
    return float(values[top : bottom + 1, left : right + 1].sum() / values.sum())


def box(rows: tuple[int, int], columns: tuple[int, int], kind: str) -> str:
    """Draw the frame of a field, cut off where the picture ends.

    Parameters
    ----------
    rows, columns : (int, int)
        The field.
    kind : str
        The classes of the frame.

    Returns
    -------
    str

    Examples
    --------
    >>> box((0, 127), (-9, 3), "c1 stroke")
    '<rect x="0" y="0" width="10" height="320" class="c1 stroke"/>'
    """
    (top, bottom), (left, right) = inside(rows), inside(columns)
    return svg.rect(*(PIXEL * n for n in (left, top, right - left + 1, bottom - top + 1)), kind)


def dot(row: int, column: int) -> list[str]:
    """Draw a ring around a pixel, seen on light and on dark ground.

    Parameters
    ----------
    row, column : int
        The pixel.

    Returns
    -------
    list of str

    Examples
    --------
    >>> len(dot(64, 64))
    2
    """
    x, y = PIXEL * (column + 0.5), PIXEL * (row + 0.5)
    return [svg.circle(x, y, 7, "black stroke"), svg.circle(x, y, 5, "white stroke")]


def asset(part: str, row: int, column: int) -> str:
    """Return the name of a gradient's picture.

    Parameters
    ----------
    part : str
        Where the unit is.
    row, column : int
        The pixel at which it stands.

    Returns
    -------
    str

    Examples
    --------
    >>> asset("encoder 1", 18, 64)
    'encoder-1-18-64'
    """
    return f"{part.replace(' ', '-')}-{row}-{column}"
