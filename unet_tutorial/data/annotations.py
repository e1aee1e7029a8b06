"""Outlines that people drew, as the tools they drew with write them, turned into masks.

- napari: a Shapes layer, as CSV
- Labelme: a JSON file beside the image
- QuPath: GeoJSON, also packed as ZIP
- Fiji: a ROI, or a ZIP of several
- CVAT: XML ("CVAT for images"), or JSON ("COCO 1.0"), also in the ZIP in which it comes

The Labels layer of napari is a TIFF, and so a mask: `unet_tutorial.data.reading.read_mask` reads it.

`own_pictures` reads all of them, beside the images or in the folder of the masks (a CSV there alone, because beside the
images it may be any table). Coordinates count from the upper left corner of the
upper left pixel, whose centre is then (0.5, 0.5); in napari, this centre is (0, 0).

Two things would give wrong masks without a word, and are refused: outlines of several planes of a stack in one file,
and, of QuPath, objects of several kinds, where one may be the region in which the others were found. Of a cell of
QuPath, the outline of the cell counts, not that of its nucleus.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import roifile
from PIL import Image
from skimage.draw import polygon2mask

from .reading import is_litter

FLAT = ("point", "points", "line", "linestrip", "path")  # what napari and Labelme draw without an area


@dataclass
class Outline:
    """One marked object.

    Parameters
    ----------
    label : str
        Its class, as the tool names it; empty if it has none.
    parts : list of list of numpy.ndarray
        Its parts, each of one or more rings (N, 2), x to the right and y down. A pixel belongs to a part if it lies in
        an odd number of its rings: a ring in a ring is a hole, and one in a hole is an island.
    bitmaps : list of (numpy.ndarray, (int, int))
        Where a brush was used: (h, w) bool, with the row and the column of its first pixel.

    Examples
    --------
    >>> Outline("cell", bitmaps=[(np.ones((1, 2), dtype=bool), (0, 1))]).inside((2, 3)).astype(int)
    array([[0, 1, 1],
           [0, 0, 0]])
    """

    label: str
    parts: list[list[np.ndarray]] = field(default_factory=list)
    bitmaps: list[tuple[np.ndarray, tuple[int, int]]] = field(default_factory=list)

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
        for rings in self.parts:
            mask |= np.logical_xor.reduce([polygon2mask(size, ring[:, ::-1] - 0.5) for ring in rings])
        for bitmap, (top, left) in self.bitmaps:  # it may reach over the picture's border
            rows, columns = (
                slice(max(first, 0), max(first + length, 0))
                for first, length in zip((top, left), bitmap.shape, strict=True)
            )
            seen = mask[rows, columns]
            row, column = rows.start - top, columns.start - left
            seen |= bitmap[row : row + seen.shape[0], column : column + seen.shape[1]]
        return mask


class _RefusedError(ValueError):
    """What a reader refuses, with a cure of its own."""


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
        If it is no such file, or holds something without an area, or of several planes. The message names the file.

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
    content = path.read_bytes()
    try:
        return _reader(path.name)(content)
    except Exception as error:  # whatever a reader stumbles over, the file is to be named
        reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        cure = "" if isinstance(error, _RefusedError) else ". Export it once more, as polygons."
        raise ValueError(
            f"'{path}' must hold outlines as napari, Labelme, QuPath, Fiji or CVAT write them, but cannot be read: "
            f"{reason}{cure}"
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
    >>> label_map([Outline("", [[square]]), Outline("", [[square + 2]])], (3, 4))
    array([[1, 1, 0, 0],
           [1, 1, 0, 0],
           [0, 0, 2, 2]])
    """
    numbers = list(range(1, len(outlines) + 1)) if numbers is None else list(numbers)
    areas = [int(outline.inside(size).sum()) for outline in outlines]  # drawn twice: all at once would fill the memory
    labels = np.zeros(size, dtype=np.int64)
    order = np.zeros(size, dtype=np.int64)  # which outline is on top
    for place in sorted(range(len(outlines)), key=lambda i: -areas[i]):
        inside = outlines[place].inside(size)
        labels[inside], order[inside] = numbers[place], place + 1
    lost = sorted(set(range(1, len(outlines) + 1)) - set(np.unique(order).tolist()))
    if lost:
        raise ValueError(
            f"every outline must hold a pixel of its own in a picture of {size[0]} × {size[1]}, but these of "
            f"{len(outlines)} hold none: {', '.join(map(str, lost[:6]))}. They lie outside, are smaller than a "
            f"pixel, or are hidden: delete them, or take the image on which they were drawn."
        )
    return labels


def _reader(name: str) -> Callable[[bytes], dict[str, list[Outline]]]:
    """Return what reads the content of a file of this name."""
    readers = {".csv": _napari, ".roi": _fiji, ".zip": _packed, ".xml": _cvat, ".geojson": _qupath, ".json": _any_json}
    reader = readers.get(Path(name).suffix.lower())
    if reader is None:
        raise _RefusedError(f"its ending must be one of {', '.join(readers)}. Unpack it, or export it as one of these.")
    return reader


def _packed(content: bytes) -> dict[str, list[Outline]]:
    """Read a ZIP: the regions of Fiji's ROI Manager, or the one file that QuPath or CVAT packed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not is_litter(Path(name))]
        regions = [name for name in names if name.lower().endswith(".roi")]
        if regions:
            return _regions([archive.read(name) for name in regions])
        inner = [name for name in names if name.lower().endswith((".xml", ".json", ".geojson"))]
        if len(inner) != 1:
            raise _RefusedError(
                f"it must hold regions (.roi), or one file of outlines (.xml, .json, .geojson), but holds {len(inner)} "
                f"of these. Unpack it, and take the file of the outlines alone."
            )
        return _reader(inner[0])(archive.read(inner[0]))


def _napari(content: bytes) -> dict[str, list[Outline]]:
    """Read a Shapes layer of napari, saved as CSV: one row a vertex, with its shape, planes, row and column."""
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    if not rows:
        raise _RefusedError("it has no rows. Save a Shapes layer that holds shapes.")
    if "axis-0" in rows[0] and "shape-type" not in rows[0]:
        raise _RefusedError("it is of a Points layer, and points have no area. Save a Shapes layer.")
    axes = sorted((name for name in rows[0] if (name or "").startswith("axis-")), key=lambda name: int(name[5:]))
    shapes: dict[str, list[dict]] = {}
    for row in rows:
        shapes.setdefault(row["index"], []).append(row)
    planes = {tuple(round(float(row[axis])) for axis in axes[:-2]) for row in rows}
    if len(planes) > 1:
        raise _RefusedError(
            f"its shapes lie in {len(planes)} planes ({', '.join(axes[:-2])}). Keep those of one plane in the "
            f"layer, and save it once more."
        )
    outlines = []
    for vertices in shapes.values():
        kind = vertices[0]["shape-type"]
        points = np.array([(float(row[axes[-1]]), float(row[axes[-2]])) for row in vertices]) + 0.5  # (N, 2): x, y
        if kind == "ellipse":  # its four corners
            points = _ellipse(points.mean(axis=0), (points[1] - points[0]) / 2, (points[2] - points[1]) / 2)
        outlines.append(_polygon("", points, kind))
    return {"": outlines}


def _labelme(content: bytes) -> dict[str, list[Outline]]:
    """Read a file of Labelme: polygons, rectangles, circles and masks; those with one group number are one object."""
    found = []
    for shape in json.loads(content)["shapes"]:
        points, kind = np.array(shape["points"], dtype=float).reshape(-1, 2), shape.get("shape_type") or "polygon"
        if kind == "rectangle":
            points = _box(*points[0], *points[1])
        elif kind == "circle":  # its centre, and a point on it
            radius = float(np.hypot(*(points[1] - points[0])))
            points = _ellipse(points[0], np.array([radius, 0]), np.array([0, radius]))
        if kind == "mask":
            bitmap = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape["mask"])))) > 0
            outline = Outline(shape["label"], bitmaps=[(bitmap, (round(points[0, 1]), round(points[0, 0])))])
        else:
            outline = _polygon(shape["label"], points, kind)
        found.append((shape.get("group_id"), outline))
    return {"": _grouped(found)}


def _qupath(content: bytes) -> dict[str, list[Outline]]:
    """Read QuPath's GeoJSON: a collection of features, a list of them or a single one, of polygons with their holes."""
    data = json.loads(content)
    features = data if isinstance(data, list) else data.get("features", [data])
    known = [feature.get("properties") or {} for feature in features]
    kinds = {of.get("objectType") or of.get("object_type") or "none" for of in known}  # the latter in QuPath 0.3
    if len(kinds) > 1:
        raise _RefusedError(
            f"it holds objects of several kinds ({', '.join(sorted(kinds))}). Select those of one kind in QuPath "
            f"(Objects > Select), and export the selected objects."
        )
    outlines, planes = [], set()
    for feature, properties in zip(features, known, strict=True):
        shape = feature["geometry"] or {}
        kind = shape.get("type") or "feature without a geometry"
        if kind not in ("Polygon", "MultiPolygon"):
            raise _RefusedError(f"a {kind} has no area. Delete it, and export the others.")
        plane = shape.get("plane") or {}  # written if it is not the first one
        planes.add((plane.get("z", 0), plane.get("t", 0)))
        polygons = [shape["coordinates"]] if kind == "Polygon" else shape["coordinates"]
        parts = [[_ring(ring, kind) for ring in polygon] for polygon in polygons]
        outlines.append(Outline(_qupath_class(properties.get("classification")), parts))
    if len(planes) > 1:
        raise _RefusedError(
            f"its objects lie in {len(planes)} planes (z, t). Select those of one plane in QuPath, and export the "
            f"selected objects."
        )
    return {"": outlines}


def _qupath_class(found: Any) -> str:
    """Return the class as QuPath shows it, such as "Tumor: Positive"; before version 0.4 it was one with a parent."""
    if not isinstance(found, dict):
        return found or ""
    names = list(found.get("names") or [])
    while found and not found.get("names"):
        names.insert(0, found.get("name") or "")
        found = found.get("parentClass")
    return ": ".join(names)


def _fiji(content: bytes) -> dict[str, list[Outline]]:
    """Read a region of interest of ImageJ or Fiji."""
    return _regions([content])


def _regions(contents: Sequence[bytes]) -> dict[str, list[Outline]]:
    regions = [roifile.ImagejRoi.frombytes(content) for content in contents]
    planes = {
        (region.z_position, region.t_position)
        if region.c_position or region.z_position or region.t_position
        else (region.position, 0)
        for region in regions
    } - {(0, 0)}  # of none: of all
    if len(planes) > 1:
        raise _RefusedError(
            f"its regions lie in {len(planes)} planes of a stack. Save those of each plane as a file of their own; if "
            f"they are of one picture, take More > Remove Positions in the ROI Manager, and save them once more."
        )
    return {"": [_region(region) for region in regions]}


def _region(region: roifile.ImagejRoi) -> Outline:
    """Return the outline of a region of Fiji. Its class is its group, which the file knows by its number alone."""
    kind, subtype = region.roitype, region.subtype
    shown = (subtype if subtype in (roifile.ROI_SUBTYPE.TEXT, roifile.ROI_SUBTYPE.IMAGE) else kind).name.lower()
    if shown in ("text", "image", "line", "freeline", "polyline", "angle", "point", "noroi", "unknown"):
        raise _RefusedError(f"the region '{region.name}' is a {shown} and has no area. Delete it, and save the others.")
    left, top, right, bottom = map(float, (region.left, region.top, region.right, region.bottom))
    if region.subpixelrect:
        left, top, right, bottom = region.xd, region.yd, region.xd + region.widthd, region.yd + region.heightd
    if kind == roifile.ROI_TYPE.OVAL:
        half = np.array([right - left, bottom - top]) / 2
        rings = [_ellipse(np.array([left, top]) + half, half * [1, 0], half * [0, 1])]
    elif kind == roifile.ROI_TYPE.RECT and not region.composite and not region.rounded_rect_arc_size:
        rings = [_box(left, top, right, bottom)]
    else:
        rings = _rings_of(region)
    return Outline(f"group {region.group}" if region.group else "", [rings])


def _rings_of(region: roifile.ImagejRoi) -> list[np.ndarray]:
    """Return the corners of a region, or of its parts and holes; refuse one whose edges are curves."""
    rounded = region.roitype == roifile.ROI_TYPE.RECT and region.rounded_rect_arc_size
    curved = bool(rounded or region.options & roifile.ROI_OPTIONS.SPLINE_FIT)
    try:
        found = [] if curved else region.coordinates(multi=True)
    except NotImplementedError:  # roifile's word for a curve in a path
        curved = True
    if curved:
        raise _RefusedError(
            f"the region '{region.name}' has curved edges, and the file holds only what they are computed from. In "
            f"Fiji, Edit > Selection > Create Mask and then Create Selection make a plain region of it."
        )
    rings = [np.asarray(ring, dtype=float) for ring in found if len(ring) > 2]
    if not rings:
        raise _RefusedError(f"the region '{region.name}' has no area. Delete it, and save the others.")
    return rings


def _cvat(content: bytes) -> dict[str, list[Outline]]:
    """Read "CVAT for images", version 1.1: polygons, boxes, ellipses and masks; those with one group are one object."""
    found: dict[str, list[Outline]] = {}
    for image in ElementTree.fromstring(content).findall("image"):
        name = image.attrib["name"]
        if name in found:
            raise _RefusedError(f"it names '{name}' twice, as a project of several tasks does. Export each task alone.")
        shapes = [shape for shape in image if shape.tag != "tag"]  # a tag says something of the whole image
        found[name] = _grouped([(shape.get("group_id"), _cvat_shape(shape, name)) for shape in shapes])
    if not found:
        raise _RefusedError('it names no image. In CVAT, export as "CVAT for images", not as "CVAT for video".')
    return found


def _cvat_shape(shape: ElementTree.Element, name: str) -> Outline:
    get, label = shape.attrib, shape.attrib.get("label", "")
    if shape.tag == "mask":
        size = int(get["height"]), int(get["width"])
        bitmap = _runs([int(run) for run in get["rle"].split(",")]).reshape(size)
        return Outline(label, bitmaps=[(bitmap, (int(get["top"]), int(get["left"])))])
    if shape.tag == "box":
        points = _box(*(float(get[name]) for name in ("xtl", "ytl", "xbr", "ybr")))
    elif shape.tag == "ellipse":
        centre = np.array([float(get["cx"]), float(get["cy"])])
        points = _ellipse(centre, np.array([float(get["rx"]), 0]), np.array([0, float(get["ry"])]))
    elif shape.tag == "polygon":
        points = np.array([pair.split(",") for pair in get["points"].split(";")], dtype=float)
    else:
        raise _RefusedError(f"'{name}' has a {shape.tag}, which is no outline. Delete it, or draw a polygon or a mask.")
    turn, centre = np.radians(float(get.get("rotation", 0))), points.mean(axis=0)  # clockwise, as y goes down
    turned = (points - centre) @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    return _polygon(label, centre + turned, shape.tag)


def _coco(content: bytes) -> dict[str, list[Outline]]:
    """Read a COCO file: polygons, or runs of pixels, of many images."""
    data = json.loads(content)
    names = {category["id"]: category["name"] for category in data["categories"]}
    files = {image["id"]: image["file_name"] for image in data["images"]}
    found: dict[str, list[Outline]] = {name: [] for name in files.values()}
    for one in data["annotations"]:
        label, shape = names[one["category_id"]], one.get("segmentation")
        if not shape:
            raise ValueError(f"annotation {one['id']} is a box without an outline")
        if isinstance(shape, dict):
            if not isinstance(shape["counts"], list):
                raise ValueError(f"the runs of annotation {one['id']} are compressed")
            height, width = shape["size"]
            bitmap = _runs(shape["counts"]).reshape(width, height).T  # column by column
            outline = Outline(label, bitmaps=[(bitmap, (0, 0))])
        else:
            outline = Outline(label, [[np.array(points, dtype=float).reshape(-1, 2)] for points in shape])
        found[files[one["image_id"]]].append(outline)
    return found


def _any_json(content: bytes) -> dict[str, list[Outline]]:
    data = json.loads(content)
    if isinstance(data, dict) and "shapes" in data:
        return _labelme(content)
    if isinstance(data, dict) and "annotations" in data and "images" in data:
        return _coco(content)
    return _qupath(content)


def _grouped(shapes: Sequence[tuple[object, Outline]]) -> list[Outline]:
    """Join what has one label and one number of a group, which may be None, to one object."""
    found: dict[tuple, Outline] = {}
    for number, (group, outline) in enumerate(shapes):
        one = found.setdefault((number,) if group is None else (outline.label, group), outline)
        if one is not outline:
            one.parts += outline.parts
            one.bitmaps += outline.bitmaps
    return list(found.values())


def _polygon(label: str, points: np.ndarray, kind: str) -> Outline:
    return Outline(label, [[_ring(points, kind)]])


def _ring(points: Any, kind: str) -> np.ndarray:
    if kind.lower() in FLAT or len(points) < 3:
        raise _RefusedError(f"a {kind} of {len(points)} points has no area. Delete it, or draw its area instead.")
    return np.asarray(points, dtype=float)


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=float)


def _ellipse(centre: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return a polygon of 120 corners around a centre, from the two half axes."""
    turn = np.linspace(0, 2 * np.pi, 120, endpoint=False)[:, None]
    return centre + np.cos(turn) * one + np.sin(turn) * other  # (120, 2)


def _runs(runs: Sequence[int]) -> np.ndarray:
    """Return the pixels of runs, of which the first is of background: bool (pixels,)."""
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs)
