"""Outlines as the tools write them: each format, made as its tool makes it, gives the objects that were drawn.

What a tool writes was read in its own source; beside each writer below stands which version, and which file.
"""

import base64
import csv
import gzip
import io
import json
import struct
import zipfile
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
import tifffile
from PIL import Image

from unet_tutorial.data.annotations import Outline, label_map, read_outlines
from unet_tutorial.data.pictures import own_pictures

SIZE = (20, 30)
SQUARE = [[2, 3], [8, 3], [8, 9], [2, 9]]  # x and y of the corners: columns 2 to 7, rows 3 to 8
OTHER = [[12, 4], [20, 4], [20, 16], [12, 16]]
TRUTH = np.zeros(SIZE, dtype=np.int64)
TRUTH[3:9, 2:8], TRUTH[4:16, 12:20] = 1, 2
RING = TRUTH.copy()
RING[7:12, 14:18] = 0
HOLE = [[14, 7], [18, 7], [18, 12], [14, 12]]
ISLAND = [[15, 9], [17, 9], [17, 11], [15, 11]]
ISLE = RING.copy()
ISLE[9:11, 15:17] = 2


def labelme(path, shapes):
    """As Labelme 7.1 writes it: write_label_file in labelme/_label_file.py; 5 and 6 wrote the same."""
    keys = {"label": "", "points": [], "group_id": None, "description": "", "shape_type": "polygon", "flags": {}}
    shapes = [{**keys, "mask": None, **shape} for shape in shapes]
    for shape in shapes:
        shape["points"] = [[float(x), float(y)] for x, y in shape["points"]]
    content = {"version": "7.1.0", "flags": {}, "shapes": shapes, "imagePath": "a.tif", "imageData": None}
    content |= {"imageHeight": 20, "imageWidth": 30}
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")


def brushed(label, mask, corner, **more):
    """A mask of Labelme: a PNG of 0 and 1, between the first and the last pixel of its box (x, y)."""
    file = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8)).save(file, "PNG")
    (x, y), (height, width) = corner, mask.shape
    points = [[x, y], [x + width - 1, y + height - 1]]
    png = base64.b64encode(file.getvalue()).decode()
    return {"label": label, "points": points, "shape_type": "mask", "mask": png, **more}


def write_labelme(path):
    square = {"label": "cell", "points": [[2, 3], [8, 9]], "shape_type": "rectangle"}
    labelme(path / "a.json", [square, {"label": "nerve", "points": OTHER}])


def write_labelme_mask(path):
    other = {"label": "nerve", "points": OTHER, "shape_type": "oriented_rectangle"}  # since 6.2
    labelme(path / "a.json", [brushed("cell", np.ones((6, 6), dtype=bool), (2, 3)), other])


def qupath(*polygons, kind="annotation", names=("cell",), plane=None, **more):
    """A feature as QuPath 0.6 writes it: QuPathTypeAdapters, ROITypeAdapters and GsonTools in qupath/lib/io."""
    closed = [[[*ring, ring[0]] for ring in rings] for rings in polygons]
    geometry = {"type": "Polygon", "coordinates": closed[0]}
    if len(polygons) > 1:
        geometry = {"type": "MultiPolygon", "coordinates": closed}
    if plane is not None:
        geometry["plane"] = {"c": -1, "z": plane, "t": 0}
    properties = {"objectType": kind}
    if names:
        named = {"name": names[0]} if len(names) == 1 else {"names": list(names)}
        properties["classification"] = {**named, "color": [200, 0, 0]}
    properties |= {"isLocked": True, "measurements": {"Area µm^2": 36.0, "Max caliper": np.nan}}
    uuid = "8a3c1a6e-0000-4000-8000-000000000000"
    return {"type": "Feature", "id": uuid, "geometry": geometry, **more, "properties": properties}


def collection(*features):
    return json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":"))


def write_qupath(path):
    (path / "a.geojson").write_text(collection(qupath([SQUARE], plane=1), qupath([OTHER, HOLE], plane=1)))


def write_qupath_island(path):
    # as the option FEATURE_COLLECTION, taken away, has it: a list
    features = [qupath([SQUARE], names=()), qupath([OTHER, HOLE], [ISLAND], names=("Tumor", "Positive"))]
    (path / "a.geojson").write_text(json.dumps(features))


def write_qupath_zip(path):
    cells = [qupath([points], kind="cell", nucleusGeometry=qupath([HOLE])["geometry"]) for points in (SQUARE, OTHER)]
    with zipfile.ZipFile(path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.geojson", collection(*cells))


def fiji(kind, box, points=(), path=(), name="r", floats=None, position=(0, 0, 0, 0), **more):
    """A region as ImageJ 1.54 writes it: ij/io/RoiEncoder.java, version 229."""
    left, top, right, bottom = box
    numbers = {"options": 0, "subtype": 0, "arc": 0, "group": 0, **more}
    if floats is not None or (points and isinstance(points[0][0], float)):
        numbers["options"] |= 128  # sub-pixel resolution
    whole = [[int(x) - left for x, _ in points], [int(y) - top for _, y in points]]
    body = struct.pack(f">{2 * len(points)}h", *sum(whole, []))
    if numbers["options"] & 128 and points:
        body += struct.pack(f">{2 * len(points)}f", *[x for x, _ in points], *[y for _, y in points])
    body += struct.pack(f">{len(path)}f", *path)
    first = 64 + len(body)
    text = name.encode("utf-16-be")
    head = b"Iout" + struct.pack(">hBx4hH", 229, kind, top, left, bottom, right, len(points))
    head += struct.pack(">4f", *(floats or (0, 0, 0, 0))) + struct.pack(">hi8x", 0, len(path))
    head += struct.pack(">hhBBhii", numbers["subtype"], numbers["options"], 0, 0, numbers["arc"], position[0], first)
    second = struct.pack(">4x5i6xB33x", *position[1:], first + 64, len(name), numbers["group"])
    return head + body + second + text


def roi_set(path, regions):
    """As ij/plugin/frame/RoiManager.java saves them: an entry a region, by its name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, region in enumerate(regions):
            archive.writestr(f"{number:04}-Zelle ä.roi", region)


def rings(*polygons):
    """A path of java.awt.geom, as ij/gui/ShapeRoi.java numbers it: 0 moves to a point, 1 draws a line, 4 closes."""
    return [n for ring in polygons for i, xy in enumerate(ring) for n in (min(i, 1), *xy, *[4] * (xy is ring[-1]))]


POLYGON, RECT, OVAL, LINE, TRACED = 0, 1, 2, 3, 8  # types in ij/io/RoiDecoder.java


def write_fiji(path):
    traced = fiji(TRACED, (2, 3, 8, 9), SQUARE, name="Zelle ä", position=(0, 1, 2, 1))
    roi_set(path / "a.zip", [traced, fiji(POLYGON, (12, 4, 20, 16), OTHER, position=(0, 2, 2, 1))])  # of two channels
    with zipfile.ZipFile(path / "a.zip", "a") as archive:  # as macOS packs it once more
        archive.writestr("__MACOSX/._0000-Zelle.roi", b"\0\5\26\7")


def write_fiji_floats(path):
    square = fiji(RECT, (2, 3, 8, 9), floats=(2.25, 3.25, 5.5, 5.5), position=(2, 0, 0, 0))  # of the second slice
    other = fiji(POLYGON, (12, 4, 20, 16), [[x + 0.25, y + 0.25] for x, y in OTHER])  # of any slice
    roi_set(path / "a.zip", [square, other])


def write_fiji_parts(path):
    other = fiji(RECT, (12, 4, 20, 16), path=rings(HOLE, ISLAND, OTHER))  # in any order, each turning as it likes
    roi_set(path / "a.zip", [fiji(RECT, (2, 3, 8, 9)), other])


def write_fiji_rectangle(path):
    (path / "a.roi").write_bytes(fiji(RECT, (2, 3, 8, 9)))


def napari(path, shapes):
    """As napari 0.4 to 0.9 write it: napari_write_shapes in napari_builtins/io/_write.py."""
    axes = [f"axis-{n}" for n in range(len(shapes[0][1][0]))]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["index", "shape-type", "vertex-index", *axes])
        for index, (kind, corners) in enumerate(shapes):
            for vertex, corner in enumerate(corners):
                writer.writerow([index, kind, vertex, *map(float, corner)])


def write_napari(path, plane=()):
    shapes = [("rectangle", SQUARE), ("polygon", OTHER)]
    napari(path / "a.csv", [(kind, [[*plane, y - 0.5, x - 0.5] for x, y in points]) for kind, points in shapes])


def cvat(images):
    """As "CVAT for images 1.1" is written: dump_as_cvat_annotation in cvat/apps/dataset_manager/formats/cvat.py."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>", "  <meta>"]
    lines += ["    <task>\n      <name>x</name>\n      <mode>annotation</mode>\n    </task>", "  </meta>"]
    for number, (name, shapes) in enumerate(images):
        lines += [f'  <image id="{number}" name={quoteattr(name)} width="30" height="20">']
        for tag, values in shapes:
            values = {"label": "cell", "source": "manual", "occluded": "0", **values, "z_order": "0"}
            text = " ".join(f"{key}={quoteattr(value)}" for key, value in values.items())
            lines += [f"    <{tag} {text}>", '      <attribute name="seen">true</attribute>', f"    </{tag}>"]
        lines += ["  </image>"]
    return "\n".join([*lines, "</annotations>", ""])


BOX = ("box", {"xtl": "2.00", "ytl": "3.00", "xbr": "8.00", "ybr": "9.00"})
POINTS = ("polygon", {"label": "nerve", "points": ";".join(f"{x:.2f},{y:.2f}" for x, y in OTHER)})
RUNS = ("mask", {"rle": "0, 36", "left": "2", "top": "3", "width": "6", "height": "6"})


def write_cvat(path, name="a.tif"):
    text = cvat([(name, [BOX, POINTS, ("tag", {})]), ("other.tif", [])])
    (path / "annotations.xml").write_text(text, encoding="utf-8")


def write_cvat_zip(path):
    write_cvat(path)
    with zipfile.ZipFile(path / "task_1_annotations.zip", "w") as archive:
        archive.write(path / "annotations.xml", "annotations.xml")
    (path / "annotations.xml").unlink()


def write_cvat_mask(path):
    (path / "annotations.xml").write_text(cvat([("run 1/a.tif", [RUNS, POINTS])]), encoding="utf-8")


def write_coco(path):
    runs, value = [0], 0
    for pixel in (TRUTH == 1).T.ravel().astype(int):  # column by column
        if pixel == value:
            runs[-1] += 1
        else:
            runs, value = [*runs, 1], pixel
    marks = [{"counts": runs, "size": list(SIZE)}, [np.ravel(OTHER).tolist()]]
    content = {
        "licenses": [],
        "info": {},
        "categories": [{"id": 1, "name": "cell"}, {"id": 2, "name": "nerve"}],
        "images": [{"id": 7, "file_name": "a.tif", "height": 20, "width": 30}],
        "annotations": [
            {"id": n + 1, "image_id": 7, "category_id": n + 1, "segmentation": mark, "iscrowd": int(n == 0)}
            for n, mark in enumerate(marks)
        ],
    }
    (path / "instances_default.json").write_text(json.dumps(content))


TOOLS = {
    "Labelme": (write_labelme, TRUTH),
    "Labelme, a mask": (write_labelme_mask, TRUTH),
    "QuPath, with a hole": (write_qupath, RING),
    "QuPath, an island in a hole": (write_qupath_island, ISLE),
    "QuPath, cells, packed": (write_qupath_zip, TRUTH),
    "Fiji": (write_fiji, TRUTH),
    "Fiji, between the pixels": (write_fiji_floats, TRUTH),
    "Fiji, an island in a hole": (write_fiji_parts, ISLE),
    "Fiji, one rectangle": (write_fiji_rectangle, np.where(TRUTH == 1, 1, 0)),
    "napari": (write_napari, TRUTH),
    "napari, a plane of a stack": (lambda path: write_napari(path, plane=(7, 3)), TRUTH),
    "CVAT": (write_cvat, TRUTH),
    "CVAT, a mask": (write_cvat_mask, TRUTH),
    "CVAT, COCO": (write_coco, TRUTH),
    "CVAT, as it is downloaded": (write_cvat_zip, TRUTH),
    "CVAT, frames of a video": (lambda path: write_cvat(path, "a"), TRUTH),
}


@pytest.mark.parametrize(
    "tool, place",  # a table beside the images may be any table
    [(tool, place) for tool in TOOLS for place in ("masks", "images") if place == "masks" or "napari" not in tool],
)
def test_what_a_tool_writes_becomes_the_mask_that_was_drawn(tmp_path, tool, place):
    write, truth = TOOLS[tool]
    folder = tmp_path / place if place == "masks" else tmp_path
    images = tmp_path / "images" if place == "masks" else tmp_path
    for path in (folder, images):
        path.mkdir(exist_ok=True)
    tifffile.imwrite(images / "a.tif", np.arange(600, dtype=np.uint16).reshape(SIZE))
    write(folder)
    pictures = own_pictures(tmp_path)
    assert pictures.labelled == [0] and np.array_equal(pictures.instances(0), truth)


def write_picture(folder):
    """Write the picture that was marked into ``images/``."""
    (folder / "images").mkdir()
    tifffile.imwrite(folder / "images" / "a.tif", np.arange(600, dtype=np.uint16).reshape(SIZE))


def test_outlines_lie_beside_images_in_a_folder_of_their_own_and_other_files_do_not_matter(tmp_path):
    write_picture(tmp_path)
    write_labelme(tmp_path / "images")
    for name in ("notes.json", "results.csv", "code.zip", "a.csv"):
        (tmp_path / "images" / name).write_text("[]")
    assert np.array_equal(own_pictures(tmp_path).instances(0), TRUTH)


def test_outlines_that_are_packed_with_gzip_are_not_passed_by(tmp_path):
    write_picture(tmp_path)
    (tmp_path / "masks").mkdir()
    write_qupath(tmp_path / "masks")
    path = tmp_path / "masks" / "a.geojson"
    packed_too = path.with_name("a.geojson.gz")
    packed_too.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    with pytest.raises(ValueError, match="a.geojson.gz' must be unpacked to be read. Unpack it with gzip -d"):
        own_pictures(tmp_path)
    path.write_bytes(gzip.decompress(packed_too.read_bytes()))  # what gzip -d does
    packed_too.unlink()
    assert np.array_equal(own_pictures(tmp_path).instances(0), RING)


def test_labels_become_classes_with_their_names(tmp_path):
    write_picture(tmp_path)
    (tmp_path / "masks").mkdir()
    write_labelme(tmp_path / "masks")
    pictures = own_pictures(tmp_path, task="classes")
    assert pictures.class_names == ["background", "cell", "nerve"] and pictures.num_classes == 3
    assert np.array_equal(pictures.mask(0), TRUTH)


def test_outlines_that_are_one_group_are_one_object(tmp_path):
    square, other = ({"label": "cell", "points": points, "group_id": 4} for points in (SQUARE, OTHER))
    masks = [brushed("cell", np.ones((12, 8), dtype=bool), (12, 4), group_id=4)]
    masks += [brushed("cell", np.ones((6, 6), dtype=bool), (2, 3), group_id=4)]
    for shapes in ([square, other], [square, masks[0]], masks):
        labelme(tmp_path / "a.json", [*shapes, {**square, "label": "of another class"}])
        outline, _ = read_outlines(tmp_path / "a.json")[""]
        assert np.array_equal(outline.inside(SIZE), TRUTH > 0)
    one = {"label": "cell", "group_id": "4"}
    (tmp_path / "a.xml").write_text(cvat([("a.tif", [(tag, {**of, **one}) for tag, of in (BOX, POINTS)] + [BOX])]))
    outline, alone = read_outlines(tmp_path / "a.xml")["a.tif"]
    assert np.array_equal(outline.inside(SIZE), TRUTH > 0) and np.array_equal(alone.inside(SIZE), TRUTH == 1)


def test_circles_and_ellipses_have_their_area(tmp_path):
    labelme(tmp_path / "circle.json", [{"points": [[15, 10], [15, 16]], "shape_type": "circle"}])
    corners = [(4, 5), (4, 21), (14, 21), (14, 5)]
    napari(tmp_path / "b.csv", [("ellipse", corners)])
    (tmp_path / "oval.roi").write_bytes(fiji(OVAL, (5, 4, 21, 14)))
    (tmp_path / "oval2.roi").write_bytes(fiji(OVAL, (5, 4, 21, 14), floats=(6.5, 6.5, 8.0, 8.0)))
    areas = {"circle.json": np.pi * 36, "b.csv": np.pi * 5 * 8, "oval.roi": np.pi * 5 * 8, "oval2.roi": np.pi * 16}
    for name, area in areas.items():
        (outline,) = read_outlines(tmp_path / name)[""]
        assert outline.inside(SIZE).sum() == pytest.approx(area, rel=0.04), name


@pytest.mark.parametrize("tag", ["box", "ellipse"])
def test_what_is_turned_in_cvat_is_turned_clockwise(tmp_path, tag):
    long = {"xtl": "5.00", "ytl": "8.00", "xbr": "25.00", "ybr": "12.00", "rotation": "30.00"}
    if tag == "ellipse":
        long = {"cx": "15.00", "cy": "10.00", "rx": "10.00", "ry": "2.00", "rotation": "30.00"}
    (tmp_path / "a.xml").write_text(cvat([("a.tif", [(tag, long)])]))
    (outline,) = read_outlines(tmp_path / "a.xml")["a.tif"]
    y, x = np.nonzero(outline.inside(SIZE))
    axis = np.linalg.eigh(np.cov(x, y))[1][:, 1]  # along which it is longest
    assert np.degrees(np.arctan(axis[1] / axis[0])) == pytest.approx(30, abs=2)  # y goes down: clockwise
    assert len(x) == pytest.approx(80 if tag == "box" else np.pi * 20, rel=0.06)
    assert np.allclose([x.mean() + 0.5, y.mean() + 0.5], [15, 10], atol=0.1)


def test_rings_that_touch_in_a_corner_are_two_parts_and_no_hole(tmp_path):
    small = [[8, 9], [10, 9], [10, 11], [8, 11]]  # begins where the square has its last corner
    (tmp_path / "a.roi").write_bytes(fiji(RECT, (2, 3, 10, 11), path=rings(SQUARE, small)))
    (outline,) = read_outlines(tmp_path / "a.roi")[""]
    assert outline.inside(SIZE).sum() == 36 + 4


@pytest.mark.parametrize("corner", [(-2, -3), (17, 28), (-8, 2), (4, -9), (25, 2), (4, 40)])
def test_a_mask_may_reach_over_the_border(corner):
    whole = np.zeros((60, 80), dtype=bool)  # the picture, with 20 pixels of a margin
    whole[20 + corner[0] : 25 + corner[0], 20 + corner[1] : 25 + corner[1]] = True
    mask = Outline("", bitmaps=[(np.ones((5, 5), dtype=bool), corner)]).inside(SIZE)
    assert np.array_equal(mask, whole[20:40, 20:50])


def test_a_table_program_may_have_saved_the_shapes_of_napari_once_more(tmp_path):
    write_napari(tmp_path)
    (tmp_path / "b.csv").write_text((tmp_path / "a.csv").read_text(), encoding="utf-8-sig")
    assert np.array_equal(label_map(read_outlines(tmp_path / "b.csv")[""], SIZE), TRUTH)


@pytest.mark.parametrize(
    "found, name",
    [
        ({"name": "Tumor", "color": [200, 0, 0]}, "Tumor"),
        ({"names": ["Tumor", "Positive"], "color": [200, 0, 0]}, "Tumor: Positive"),
        (
            {"parentClass": {"name": "Tumor", "colorRGB": -1}, "name": "Positive", "colorRGB": -2},
            "Tumor: Positive",
        ),  # 0.3
        ("Tümör", "Tümör"),
        (None, ""),
    ],
)
def test_classes_of_qupath_have_the_names_that_it_shows(tmp_path, found, name):
    one = qupath([SQUARE], names=())
    one["properties"]["classification"] = found
    (tmp_path / "a.geojson").write_text(json.dumps(one, ensure_ascii=False), encoding="utf-8")  # a single one, alone
    (outline,) = read_outlines(tmp_path / "a.geojson")[""]
    assert outline.label == name and np.array_equal(outline.inside(SIZE), TRUTH == 1)


def test_groups_of_fiji_are_classes(tmp_path):
    roi_set(tmp_path / "a.zip", [fiji(RECT, (2, 3, 8, 9), group=group) for group in (0, 3)])
    assert [outline.label for outline in read_outlines(tmp_path / "a.zip")[""]] == ["", "group 3"]


@pytest.mark.parametrize("inner", ["annotations.xml", "annotations/instances_default.json"])
def test_cvat_is_read_in_the_zip_in_which_it_comes(tmp_path, inner):
    write_cvat(tmp_path)
    write_coco(tmp_path)
    with zipfile.ZipFile(tmp_path / "task.zip", "w") as archive:
        archive.write(tmp_path / inner.split("/")[-1], inner)
        archive.writestr("images/a.tif", b"a picture")
    found = read_outlines(tmp_path / "task.zip")["a.tif"]
    assert [outline.label for outline in found] == ["cell", "nerve"]
    assert np.array_equal(label_map(found, SIZE), TRUTH)


def test_the_smaller_of_two_that_overlap_is_on_top():
    whole = Outline("", [[np.array([[0, 0], [30, 0], [30, 20], [0, 20]])]])
    assert np.array_equal(label_map([Outline("", [[np.array(SQUARE)]]), whole], SIZE), np.where(TRUTH == 1, 1, 2))
    with pytest.raises(ValueError, match="these of 2 hold none: 2. They lie outside, are smaller than a pixel, or are"):
        label_map([whole, Outline("", [[np.array(SQUARE) + 100]])], SIZE)


def packed(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    return file.getvalue()


def planes(*positions):
    file = io.BytesIO()
    roi_set(file, [fiji(RECT, (2, 3, 8, 9), position=position) for position in positions])
    return file.getvalue()


HEAD = "index,shape-type,vertex-index,axis-0,axis-1,axis-2\r\n"
OLD = [{"type": "Feature", "geometry": {}, "properties": {"object_type": kind}} for kind in ("annotation", "tile")]
LINES = qupath([SQUARE]) | {"geometry": {"type": "LineString", "coordinates": [[1, 1], [2, 2]]}}
TEXT, CURVES = fiji(RECT, (2, 3, 8, 9), subtype=1), [0, 2, 3, 2, 8, 3, 8, 9, 4]  # a path with a curve of two points


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.json", "{", "cannot be read: .* Export it once more, as polygons"),
        (
            "a.json",
            {"shapes": [{"label": "x", "points": [[1, 1]], "shape_type": "point"}]},
            "a point of 1 points has no",
        ),
        ("a.json", {"shapes": [brushed("x", TRUTH > 0, (0, 0)) | {"mask": "AAAA"}]}, "cannot identify image"),
        ("a.geojson", LINES, "a LineString has no area. Delete it"),
        ("a.geojson", qupath([SQUARE]) | {"geometry": {}}, "a feature without a geometry has no area"),
        (
            "a.geojson",
            qupath([SQUARE[:2]]) | {"geometry": {"type": "Polygon", "coordinates": [[]]}},
            "of 0 points has no",
        ),
        ("a.geojson", {"type": "Feature"}, "there is no 'geometry'"),
        (
            "a.geojson",
            collection(qupath([SQUARE]), qupath([OTHER], kind="cell")),
            r"kinds \(annotation, cell\). Select",
        ),
        (
            "a.geojson",
            collection(qupath([SQUARE], plane=3), qupath([OTHER], plane=2)),
            r"in 2 planes \(z, t\). Select those of",
        ),
        ("a.geojson", collection(*OLD), r"kinds \(annotation, tile\). Select those of one kind in QuPath"),  # of 0.3
        ("a.geojson.gz", b"", "its ending must be one of .* Unpack it"),
        ("a.csv", "a,b\n1,2\n", "there is no 'index'"),
        ("a.csv", "", "it has no rows. Save a Shapes layer"),
        (
            "a.csv",
            "index,axis-0,axis-1\r\n0.0,1.5,2.5\r\n",
            "of a Points layer, and points have no area. Save a Shapes",
        ),
        ("a.csv", f"{HEAD}0,path,0,3.0,1.0,1.0\r\n", "a path of 1 points has no area"),
        ("a.csv", f"{HEAD}0,polygon,0,3.0,1.0,1.0\r\n1,polygon,0,4.0,1.0,1.0\r\n", r"2 planes \(axis-0\). Keep those"),
        ("a.xml", "<annotations></annotations>", "it names no image. In CVAT, export as .CVAT for images.*video"),
        ("a.xml", cvat([("ä.tif", [("skeleton", {})])]), "'ä.tif' has a skeleton, which is no outline. Delete it"),
        ("a.xml", cvat([("ä.tif", [("cuboid", {"xtl1": "2.00"})])]), "'ä.tif' has a cuboid, which is no outline"),
        ("a.xml", cvat([("a.tif", [BOX]), ("a.tif", [])]), "names 'a.tif' twice.* Export each task alone"),
        ("a.zip", packed("a.xml", "b.xml", "c/"), "holds 2 of these. Unpack it"),
        ("a.zip", packed("readme.txt"), "holds 0 of these. Unpack it"),
        ("a.zip", planes((1, 0, 0, 0), (2, 0, 0, 0)), "2 planes of a stack. .*More > Remove Positions"),
        ("a.zip", planes((0, 1, 1, 1), (0, 1, 1, 2)), "2 planes of a stack. .*More > Remove Positions"),
        ("a.roi", "Iout", "cannot be read"),
        ("a.roi", fiji(LINE, (2, 3, 8, 9), name="ä"), "the region 'ä' is a line and has no area. Delete it"),
        ("a.roi", TEXT, "the region 'r' is a text and has no area. Delete it"),
        ("a.roi", fiji(POLYGON, (2, 3, 8, 9), SQUARE, options=1), "curved edges.* Edit > Selection > Create Mask"),
        ("a.roi", fiji(RECT, (2, 3, 8, 9), arc=3), "curved edges.* Edit > Selection > Create Mask"),
        ("a.roi", fiji(RECT, (2, 3, 8, 9), path=CURVES), "curved edges.* Edit > Selection > Create Mask"),
        ("a.roi", fiji(RECT, (2, 3, 8, 9), path=rings(SQUARE[:1])), "the region 'r' has no area. Delete it"),
        ("a.txt", "", "its ending must be one of"),
    ],
)
def test_files_that_hold_no_outlines_are_named(tmp_path, name, content, said):
    content = json.dumps(content) if isinstance(content, dict) else content
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=f"{name}' must hold outlines as napari, .*{said}"):
        read_outlines(tmp_path / name)


def test_outlines_of_other_images_are_refused(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    tifffile.imwrite(tmp_path / "images" / "b.tif", np.arange(600, dtype=np.uint16).reshape(SIZE))
    write_coco(tmp_path / "masks")
    with pytest.raises(ValueError, match="must hold outlines of the images in the folder, but names a.tif. Rename"):
        own_pictures(tmp_path)
    (tmp_path / "masks" / "instances_default.json").unlink()
    write_labelme(tmp_path / "masks")
    with pytest.raises(ValueError, match="these 1 in .* have no image: a. Images without a mask are: b"):
        own_pictures(tmp_path)
