"""Outlines that people drew, as the tools they drew with write them, turned into masks.

- napari: a Shapes layer, as CSV
- Labelme: a JSON file beside the image
- QuPath: GeoJSON
- Fiji: a ROI, or a ZIP of several
- CVAT: XML ("CVAT for images"), or JSON ("COCO 1.0")

The Labels layer of napari is a TIFF, and so a mask: `unet_tutorial.data.reading.read_mask` reads it.

`own_pictures` reads all of them, beside the images or in the folder of the masks (a CSV there alone, because beside the
images it may be any table). Coordinates count from the upper left corner of the upper left pixel, whose centre is then
(0.5, 0.5); in napari, this centre is (0, 0).
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import roifile
from PIL import Image
from skimage.draw import polygon2mask

FLAT = ("point", "points", "line", "linestrip", "polyline", "path", "linestring", "multipoint", "multilinestring")


@dataclass
class Outline:
    """One marked object.

    Parameters
    ----------
    label : str
        Its class, as the tool names it; empty if it has none.
    parts, holes : list of numpy.ndarray
        Polygons (N, 2), x to the right and y down: what belongs to it, and what is cut out.
    bitmap : numpy.ndarray, optional
        (h, w) bool, where a brush was used.
    corner : (int, int), default (0, 0)
        Row and column of the bitmap's first pixel.

    Examples
    --------
    >>> Outline("cell", bitmap=np.ones((1, 2), dtype=bool), corner=(0, 1)).inside((2, 3)).astype(int)
    array([[0, 1, 1],
           [0, 0, 0]])
    """

    label: str
    parts: list[np.ndarray] = field(default_factory=list)
    holes: list[np.ndarray] = field(default_factory=list)
    bitmap: np.ndarray | None = None
    corner: tuple[int, int] = (0, 0)

    def inside(self, size: tuple[int, int]) -> np.ndarray:
        """Return the pixels whose centres it holds.

        Parameters
        ----------
        size : (int, int)
            Height and width of the image.

        Returns
        -------
        numpy.ndarray
            bool (height, width).
        """
        mask = np.zeros(size, dtype=bool)
        for polygons, value in ((self.parts, True), (self.holes, False)):
            for polygon in polygons:
                mask[polygon2mask(size, polygon[:, ::-1] - 0.5)] = value
        if self.bitmap is not None:
            (top, left), (height, width) = self.corner, self.bitmap.shape
            rows, columns = slice(max(top, 0), top + height), slice(max(left, 0), left + width)
            seen = mask[rows, columns]  # what lies in the picture
            first = (rows.start - top, columns.start - left)
            seen |= self.bitmap[first[0] : first[0] + seen.shape[0], first[1] : first[1] + seen.shape[1]]
        return mask


def read_outlines(path: str | Path) -> dict[str, list[Outline]]:
    """Read a file of outlines, whichever tool wrote it.

    Parameters
    ----------
    path : str or pathlib.Path
        Of one of the kinds that this module lists.

    Returns
    -------
    dict of str to list of Outline
        The outlines of every image by the name of its file. The name is empty if the file does not say it: then they
        are those of the image that is called as the file is.

    Raises
    ------
    ValueError
        If it is no such file, or holds something without an area. The message names the file.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> rows = [f"0,polygon,{i},{y},{x}" for i, (y, x) in enumerate([(1, 1), (1, 3), (3, 3), (3, 1)])]
    >>> _ = path.write_text("\\n".join(["index,shape-type,vertex-index,axis-0,axis-1", *rows]))
    >>> label_map(read_outlines(path)[""], (4, 5))
    array([[0, 0, 0, 0, 0],
           [0, 1, 1, 1, 0],
           [0, 1, 1, 1, 0],
           [0, 1, 1, 1, 0]])
    """
    path = Path(path)
    readers = {".csv": _napari, ".roi": _fiji, ".zip": _fiji, ".xml": _cvat, ".geojson": _qupath, ".json": _any_json}
    try:
        if path.suffix.lower() not in readers:
            raise ValueError(f"its ending must be one of {', '.join(readers)}")
        return readers[path.suffix.lower()](path)
    except OSError:
        raise
    except Exception as error:  # whatever a reader stumbles over, the file is to be named
        reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f"'{path}' must hold outlines as napari, Labelme, QuPath, Fiji or CVAT write them, but cannot be read: "
            f"{reason}. Export it once more, as polygons."
        ) from error


def label_map(outlines: Sequence[Outline], size: tuple[int, int], numbers: Sequence[int] | None = None) -> np.ndarray:
    """Turn outlines into a map of numbers. Where two overlap, the smaller one is on top.

    Parameters
    ----------
    outlines : sequence of Outline
        What was marked.
    size : (int, int)
        Height and width of the image.
    numbers : sequence of int, optional
        The number of every outline: 1, 2, 3 and so on if not given.

    Returns
    -------
    numpy.ndarray
        int64 (height, width).

    Raises
    ------
    ValueError
        If an outline holds no pixel of the image, or is hidden by others.

    Examples
    --------
    >>> square = np.array([[0, 0], [2, 0], [2, 2], [0, 2]])
    >>> label_map([Outline("", [square]), Outline("", [square + 2])], (3, 4))
    array([[1, 1, 0, 0],
           [1, 1, 0, 0],
           [0, 0, 2, 2]])
    """
    numbers = list(range(1, len(outlines) + 1)) if numbers is None else list(numbers)
    inside = [outline.inside(size) for outline in outlines]
    labels = np.zeros(size, dtype=np.int64)
    order = np.zeros(size, dtype=np.int64)  # which outline is on top
    for place in sorted(range(len(outlines)), key=lambda i: -int(inside[i].sum())):
        labels[inside[place]], order[inside[place]] = numbers[place], place + 1
    lost = sorted(set(range(1, len(outlines) + 1)) - set(np.unique(order).tolist()))
    if lost:
        raise ValueError(
            f"every outline must hold a pixel of its own in a picture of {size[0]} × {size[1]}, but these of "
            f"{len(outlines)} hold none: {', '.join(map(str, lost[:6]))}. They lie outside, are smaller than a "
            f"pixel, or are hidden: delete them, or take the image on which they were drawn."
        )
    return labels


def _napari(path: Path) -> dict[str, list[Outline]]:
    """Read a Shapes layer of napari, saved as CSV: one row a vertex, with its shape, row and column."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or "axis-2" in rows[0]:
        raise ValueError("it must have rows, and two axes; save the shapes of one plane")
    shapes: dict[str, list[dict]] = {}
    for row in rows:
        shapes.setdefault(row["index"], []).append(row)
    outlines = []
    for vertices in shapes.values():
        kind = vertices[0]["shape-type"]
        points = np.array([(float(row["axis-1"]), float(row["axis-0"])) for row in vertices]) + 0.5  # (N, 2): x, y
        if kind == "ellipse":  # its four corners
            points = _ellipse(points.mean(axis=0), (points[1] - points[0]) / 2, (points[2] - points[1]) / 2)
        outlines.append(_polygon("", points, kind))
    return {"": outlines}


def _labelme(path: Path) -> dict[str, list[Outline]]:
    """Read a file of Labelme: polygons, rectangles, circles and masks; those with one group number are one object."""
    content = json.loads(path.read_text(encoding="utf-8"))
    found: dict[object, Outline] = {}
    for number, shape in enumerate(content["shapes"]):
        points, kind = np.array(shape["points"], dtype=float).reshape(-1, 2), shape.get("shape_type") or "polygon"
        if kind == "rectangle":
            points = _box(*points[0], *points[1])
        elif kind == "circle":  # its centre, and a point on it
            radius = float(np.hypot(*(points[1] - points[0])))
            points = _ellipse(points[0], np.array([radius, 0]), np.array([0, radius]))
        if kind == "mask":
            bitmap = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape["mask"])))) > 0
            outline = Outline(shape["label"], bitmap=bitmap, corner=(round(points[0, 1]), round(points[0, 0])))
        else:
            outline = _polygon(shape["label"], points, kind)
        group = shape.get("group_id")
        one = found.setdefault(("alone", number) if group is None else (shape["label"], group), outline)
        if one is not outline:
            one.parts += outline.parts
    return {"": list(found.values())}


def _qupath(path: Path) -> dict[str, list[Outline]]:
    """Read QuPath's GeoJSON: a collection of features, or a list of them, with polygons that may have holes."""
    content = json.loads(path.read_text(encoding="utf-8"))
    features = content if isinstance(content, list) else content.get("features", [content])
    outlines = []
    for feature in features:
        shape = feature["geometry"]
        properties = feature.get("properties") or {}
        label = (properties.get("classification") or {}).get("name", "")
        polygons = {"Polygon": [shape["coordinates"]], "MultiPolygon": shape["coordinates"]}.get(shape["type"])
        if polygons is None:
            raise ValueError(f"a {shape['type']} has no area")
        outline = Outline(label)
        for outer, *holes in polygons:
            outline.parts.append(np.array(outer, dtype=float))
            outline.holes += [np.array(hole, dtype=float) for hole in holes]
        outlines.append(outline)
    return {"": outlines}


def _fiji(path: Path) -> dict[str, list[Outline]]:
    """Read a region of interest of ImageJ or Fiji, or the ZIP file of its ROI Manager."""
    regions = roifile.roiread(path)
    outlines = []
    for region in regions if isinstance(regions, list) else [regions]:
        kind = region.roitype.name.lower()
        if kind in ("line", "freeline", "polyline", "angle", "point", "noroi", "unknown"):
            raise ValueError(f"the region '{region.name}' is a {kind} and has no area")
        parts = [np.asarray(points, dtype=float) for points in region.coordinates(multi=True)]
        outer: list[np.ndarray] = []
        holes: list[np.ndarray] = []
        for polygon in sorted(parts, key=lambda points: -_area(points)):  # what lies in another one is its hole
            inside = sum(_holds(other, polygon[0]) for other in outer)
            (holes if inside % 2 else outer).append(polygon)
        outlines.append(Outline("", outer, holes))
    return {"": outlines}


def _cvat(path: Path) -> dict[str, list[Outline]]:
    """Read "CVAT for images", version 1.1: polygons, boxes, ellipses and masks of many images."""
    root = ElementTree.parse(path).getroot()
    found = {}
    for image in root.iter("image"):
        outlines = []
        for shape in image:
            get, label = shape.attrib, shape.attrib.get("label", "")
            if shape.tag == "tag":  # says something of the whole image
                continue
            if shape.tag == "box":
                points = _box(*(float(get[name]) for name in ("xtl", "ytl", "xbr", "ybr")))
            elif shape.tag == "ellipse":
                centre = np.array([float(get["cx"]), float(get["cy"])])
                turn = np.radians(float(get.get("rotation", 0)))
                axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
                points = _ellipse(centre, float(get["rx"]) * axes[0], float(get["ry"]) * axes[1])
            elif shape.tag == "mask":
                size = int(get["height"]), int(get["width"])
                runs = [int(run) for run in get["rle"].split(",")]
                outlines.append(
                    Outline(label, bitmap=_runs(runs).reshape(size), corner=(int(get["top"]), int(get["left"])))
                )
                continue
            else:
                points = np.array([pair.split(",") for pair in get.get("points", "").split(";")], dtype=float)
            outlines.append(_polygon(label, points, shape.tag))
        found[image.attrib["name"]] = outlines
    if not found:
        raise ValueError('it names no image; export it as "CVAT for images"')
    return found


def _coco(path: Path) -> dict[str, list[Outline]]:
    """Read a COCO file: polygons, or runs of pixels, of many images."""
    content = json.loads(path.read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in content["categories"]}
    files = {image["id"]: image["file_name"] for image in content["images"]}
    found: dict[str, list[Outline]] = {name: [] for name in files.values()}
    for one in content["annotations"]:
        label, shape = names[one["category_id"]], one.get("segmentation")
        if not shape:
            raise ValueError(f"annotation {one['id']} is a box without an outline")
        if isinstance(shape, dict):
            if not isinstance(shape["counts"], list):
                raise ValueError(f"the runs of annotation {one['id']} are compressed")
            height, width = shape["size"]
            outline = Outline(label, bitmap=_runs(shape["counts"]).reshape(width, height).T)  # column by column
        else:
            outline = Outline(label, [np.array(points, dtype=float).reshape(-1, 2) for points in shape])
        found[files[one["image_id"]]].append(outline)
    return found


def _any_json(path: Path) -> dict[str, list[Outline]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(content, dict) and "shapes" in content:
        return _labelme(path)
    if isinstance(content, dict) and "annotations" in content and "images" in content:
        return _coco(path)
    return _qupath(path)


def _polygon(label: str, points: np.ndarray, kind: str) -> Outline:
    if kind.lower() in FLAT or len(points) < 3:
        raise ValueError(f"a {kind} of {len(points)} points has no area")
    return Outline(label, [points])


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=float)


def _ellipse(centre: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return a polygon of 120 corners around a centre, from the two half axes."""
    turn = np.linspace(0, 2 * np.pi, 120, endpoint=False)[:, None]
    return centre + np.cos(turn) * one + np.sin(turn) * other  # (120, 2)


def _runs(runs: Sequence[int]) -> np.ndarray:
    """Return the pixels of runs, of which the first is of background: bool (pixels,)."""
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs)


def _area(points: np.ndarray) -> float:
    x, y = points.T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


def _holds(polygon: np.ndarray, point: np.ndarray) -> bool:
    """Tell whether a point lies in a polygon: a ray to the right crosses its edge an odd number of times."""
    (x0, y0), (x1, y1) = polygon.T, np.roll(polygon, -1, axis=0).T
    crosses = (y0 > point[1]) != (y1 > point[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x0 + (point[1] - y0) * (x1 - x0) / (y1 - y0)
    return bool((crosses & (at > point[0])).sum() % 2)
