"""Outlines as the tools write them: each format, made as its tool makes it, gives the objects that were drawn."""

import base64
import io
import json

import numpy as np
import pytest
import roifile
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
CLOSED = [[*points, points[0]] for points in (SQUARE, OTHER, HOLE)]  # GeoJSON ends where it began


def feature(rings, name, kind="Polygon"):
    return {
        "type": "Feature",
        "id": "8a3c1a6e-0000-4000-8000-000000000000",
        "geometry": {"type": kind, "coordinates": rings},
        "properties": {"objectType": "annotation", "classification": {"name": name, "color": [200, 0, 0]}},
    }


def labelme(path, shapes):
    keys = {"group_id": None, "description": "", "flags": {}, "mask": None}
    content = {"version": "5.5.0", "flags": {}, "shapes": [{**keys, **shape} for shape in shapes], "imagePath": "a.tif"}
    path.write_text(json.dumps({**content, "imageData": None, "imageHeight": 20, "imageWidth": 30}))


def brushed(mask):
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def write_labelme(path):
    square = {"label": "cell", "points": [[2, 3], [8, 9]], "shape_type": "rectangle"}
    labelme(path / "a.json", [square, {"label": "nerve", "points": OTHER, "shape_type": "polygon"}])


def write_labelme_mask(path):
    square = {"label": "cell", "points": [[2, 3], [7, 8]], "shape_type": "mask"}
    square["mask"] = brushed(np.ones((6, 6), dtype=bool))
    labelme(path / "a.json", [square, {"label": "nerve", "points": OTHER, "shape_type": "polygon"}])


def write_qupath(path):
    rings = [feature([CLOSED[0]], "cell"), feature([[CLOSED[1], CLOSED[2]]], "nerve", "MultiPolygon")]
    (path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": rings}))


def write_fiji(path):
    for number, points in enumerate((SQUARE, OTHER)):
        region = roifile.ImagejRoi.frompoints(np.array(points), name=f"000{number}")
        region.tofile(path / "a.zip")


def write_fiji_rectangle(path):
    region = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, left=2, top=3, right=8, bottom=9, name="r")
    region.tofile(path / "a.roi")


def write_napari(path):
    rows = ["index,shape-type,vertex-index,axis-0,axis-1"]
    for index, (points, kind) in enumerate(((SQUARE, "rectangle"), (OTHER, "polygon"))):
        rows += [f"{index},{kind},{vertex},{y - 0.5},{x - 0.5}" for vertex, (x, y) in enumerate(points)]
    (path / "a.csv").write_text("\n".join(rows))


def write_cvat(path):
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in OTHER)
    (path / "annotations.xml").write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><name>x</name></task></meta>
<image id="0" name="a.tif" width="30" height="20">
<box label="cell" source="manual" occluded="0" xtl="2.00" ytl="3.00" xbr="8.00" ybr="9.00" z_order="0"></box>
<polygon label="nerve" source="manual" occluded="0" points="{points}" z_order="0"></polygon>
</image><image id="1" name="other.tif" width="30" height="20"></image></annotations>"""
    )


def write_cvat_mask(path):
    write_cvat(path)
    text = (path / "annotations.xml").read_text()
    box = text[text.index("<box") : text.index("</box>") + 6]
    mask = (
        '<mask label="cell" source="manual" occluded="0" rle="0,36" left="2" top="3" width="6" height="6" z_order="0">'
    )
    (path / "annotations.xml").write_text(text.replace(box, f"{mask}</mask>"))


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
    "Fiji": (write_fiji, TRUTH),
    "Fiji, one rectangle": (write_fiji_rectangle, np.where(TRUTH == 1, 1, 0)),
    "napari": (write_napari, TRUTH),
    "CVAT": (write_cvat, TRUTH),
    "CVAT, a mask": (write_cvat_mask, TRUTH),
    "CVAT, COCO": (write_coco, TRUTH),
}


@pytest.mark.parametrize("place", ["masks", "images"])
@pytest.mark.parametrize("tool", TOOLS)
def test_what_a_tool_writes_becomes_the_mask_that_was_drawn(tmp_path, tool, place):
    write, truth = TOOLS[tool]
    if place == "images" and tool.startswith("napari"):
        return  # a table beside the images may be any table
    folder = tmp_path / place if place == "masks" else tmp_path
    images = tmp_path / "images" if place == "masks" else tmp_path
    for path in (folder, images):
        path.mkdir(exist_ok=True)
    tifffile.imwrite(images / "a.tif", np.arange(600, dtype=np.uint16).reshape(SIZE))
    write(folder)
    pictures = own_pictures(tmp_path)
    assert pictures.labelled == [0] and np.array_equal(pictures.instances(0), truth)


def test_outlines_lie_beside_images_in_a_folder_of_their_own_and_other_files_do_not_matter(tmp_path):
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", np.arange(600, dtype=np.uint16).reshape(SIZE))
    write_labelme(tmp_path / "images")
    for name in ("notes.json", "results.csv", "code.zip", "a.csv"):
        (tmp_path / "images" / name).write_text("[]")
    assert np.array_equal(own_pictures(tmp_path).instances(0), TRUTH)


def test_labels_become_classes_with_their_names(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", np.arange(600, dtype=np.uint16).reshape(SIZE))
    write_labelme(tmp_path / "masks")
    pictures = own_pictures(tmp_path, task="classes")
    assert pictures.class_names == ["background", "cell", "nerve"] and pictures.num_classes == 3
    assert np.array_equal(pictures.mask(0), TRUTH)


def test_outlines_that_are_one_group_are_one_object(tmp_path):
    shapes = [{"label": "cell", "points": points, "shape_type": "polygon", "group_id": 4} for points in (SQUARE, OTHER)]
    labelme(tmp_path / "a.json", shapes)
    (outline,) = read_outlines(tmp_path / "a.json")[""]
    assert np.array_equal(outline.inside(SIZE), TRUTH > 0)


def test_circles_and_ellipses_have_their_area(tmp_path):
    labelme(tmp_path / "a.json", [{"label": "", "points": [[15, 10], [15, 16]], "shape_type": "circle"}])
    rows = ["index,shape-type,vertex-index,axis-0,axis-1"]
    rows += [f"0,ellipse,{i},{y},{x}" for i, (y, x) in enumerate([(4, 5), (4, 21), (14, 21), (14, 5)])]
    (tmp_path / "b.csv").write_text("\n".join(rows))
    for name, area in (("a.json", np.pi * 36), ("b.csv", np.pi * 5 * 8)):
        (outline,) = read_outlines(tmp_path / name)[""]
        assert outline.inside(SIZE).sum() == pytest.approx(area, rel=0.04)


def test_the_smaller_of_two_that_overlap_is_on_top():
    whole = Outline("", [np.array([[0, 0], [30, 0], [30, 20], [0, 20]])])
    assert np.array_equal(label_map([Outline("", [np.array(SQUARE)]), whole], SIZE), np.where(TRUTH == 1, 1, 2))
    with pytest.raises(ValueError, match="these of 2 hold none: 2. They lie outside, are smaller than a pixel, or are"):
        label_map([whole, Outline("", [np.array(SQUARE) + 100])], SIZE)


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("a.json", "{", "cannot be read: .* Export it once more, as polygons"),
        (
            "a.json",
            json.dumps({"shapes": [{"label": "x", "points": [[1, 1]], "shape_type": "point"}]}),
            "a point of 1 poi",
        ),
        ("a.geojson", json.dumps(feature([[1, 1], [2, 2]], "x", "LineString")), "a LineString has no area"),
        ("a.geojson", json.dumps({"type": "Feature"}), "there is no 'geometry'"),
        ("a.csv", "a,b\n1,2\n", "there is no 'index'"),
        ("a.xml", "<annotations></annotations>", "it names no image; export it as .CVAT for images"),
        ("a.roi", "Iout", "cannot be read"),
        ("a.txt", "", "its ending must be one of"),
    ],
)
def test_files_that_hold_no_outlines_are_named(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
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
