"""The map of the U-Net: every feature map with its shape, to scale, as one SVG wherever it is shown."""

import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import torch

import notebooks
from unet_tutorial import diagram, sizing
from unet_tutorial.sizing import FeatureMap
from unet_tutorial.unet import UNet

SVG = "{http://www.w3.org/2000/svg}"
SIZES = [(256, 192, 1), (64, 48, 3), (250, 250, 4), (128, 128, 6)]


def maps_of(height, width, depth, **options):
    return sizing.feature_maps(height, width, channels=[8 * 2**i for i in range(depth + 1)], **options)


def arrows(drawing, kind):
    return [path for path in drawing.iter(f"{SVG}path") if path.get("class") == kind]


@pytest.mark.parametrize("size", SIZES)
def test_every_feature_map_is_named_with_its_shape_and_joined(size):
    maps, depth = maps_of(*size), size[2]
    drawing = ElementTree.fromstring(diagram.UNetDiagram(maps).svg)
    written = [text.text for text in drawing.iter(f"{SVG}text")]
    places = [i for i, words in enumerate(written) if words in {m.part for m in maps}]
    named = {written[i]: written[i + 1] for i in places}
    assert named == {m.part: f"{m.channels} × {m.height} × {m.width}" for m in maps}
    assert len(places) == len(maps) == len(list(drawing.iter(f"{SVG}rect"))) + 2
    for kind in ("c1 stroke", "c2 stroke", "c0 stroke dashed"):  # one of each explains the arrows
        assert len(arrows(drawing, kind)) == depth + 1
    assert len(arrows(drawing, "ink stroke")) == 2


@pytest.mark.parametrize("size", SIZES)
def test_boxes_are_to_scale_and_nothing_leaves_the_drawing(size):
    maps = maps_of(*size)
    drawing = ElementTree.fromstring(diagram.draw(maps, "A U", per_pixel=0.5))
    boxes = list(drawing.iter("rect"))
    assert sorted(float(box.get("height")) for box in boxes) == pytest.approx(
        sorted(max(1, m.height / 2) for m in maps[1:-1]), abs=0.06
    )
    assert sorted(float(box.get("width")) for box in boxes) == pytest.approx(
        sorted(m.channels**0.5 for m in maps[1:-1]), abs=0.06
    )
    _, _, width, height = map(float, drawing.get("viewBox").split())
    for text in drawing.iter("text"):  # a character is less than 7 units wide
        half = 0 if text.get("class") == "start" else 3.5 * len(text.text)
        assert half <= float(text.get("x")) + 5 and float(text.get("x")) + half <= width + 5
        assert 0 < float(text.get("y")) < height


@pytest.mark.parametrize("size", SIZES)
def test_a_skip_connection_begins_and_ends_beside_its_boxes(size):
    drawing = ElementTree.fromstring(diagram.draw(maps_of(*size), "A U", per_pixel=0.5))
    boxes = [(float(box.get("x")), float(box.get("width")), float(box.get("y"))) for box in drawing.iter("rect")]
    levels = [sorted(box for box in boxes if box[2] == y) for y in sorted({y for _, _, y in boxes})]
    lines = [path.get("d") for path in drawing.iter("path") if path.get("class") == "c0 stroke dashed"]
    for ((x, width, _), (other, _, _)), line in zip(levels[:-1], lines, strict=False):
        start, _, end, _ = map(float, re.findall(r"[\d.]+", line))
        assert x + width < start < end < other


def test_sizes_that_do_not_meet_are_told():
    odd = diagram.draw(maps_of(250, 190, 3), "Odd sides", per_pixel=0.2)
    assert "124 × 94 + zeros = 125 × 95" in odd and odd.count("c1 wash") == 2
    paper = diagram.draw(sizing.feature_maps(572, 572, padding="none"), "The paper's", per_pixel=0.2)
    cuts = re.findall(r"(\d+) cut to (\d+)", paper)
    assert cuts == [("568", "392"), ("280", "200"), ("136", "104"), ("64", "56")]
    even = diagram.draw(maps_of(64, 64, 3), "Even sides", per_pixel=1)
    assert "zeros" not in even and "cut" not in even and "c1 wash" not in even


def test_the_layers_are_those_of_the_paper_and_of_the_real_network():
    shown = diagram.UNetDiagram(sizing.feature_maps(572, 572, 1, 2, padding="none"), layers=True)
    texts = [text.text for text in ElementTree.fromstring(shown.svg).iter(f"{SVG}text")]
    said = {texts[texts.index(words) - 2]: words for words in texts if words.count("→") == 2}
    assert said["encoder 1"] == "1 → 64 → 64" and said["bottleneck"] == "512 → 1024 → 1024"
    assert said["decoder 4"] == "512 + 512 → 512 → 512" and len(said) == 9
    assert all(f"{part}: {words}" in shown.alt for part, words in said.items())
    with torch.device("meta"):
        model = UNet(1, 2, padding="none")
    blocks = [*model.encoder.stages, model.bottleneck, *(block.block for block in model.decoder.blocks)]
    parts = [f"encoder {i}" for i in (1, 2, 3, 4)] + ["bottleneck"] + [f"decoder {i}" for i in (4, 3, 2, 1)]
    for block, words in zip(blocks, map(said.get, parts), strict=True):
        real = [layer for layer in block.modules() if isinstance(layer, torch.nn.Conv2d)]
        read, *made = words.split(" → ")
        assert real[0].in_channels == sum(map(int, read.split(" + ")))
        assert [layer.out_channels for layer in real] == [int(number) for number in made]
    width, height = (float(number) for number in ElementTree.fromstring(shown.svg).get("viewBox").split()[2:])
    for text in ElementTree.fromstring(shown.svg).iter(f"{SVG}text"):
        wide = 3 if "small" in text.get("class") else 3.5  # half a character
        half = 0 if text.get("class") == "start" else wide * len(text.text)
        assert -5 <= float(text.get("x")) - half and float(text.get("x")) + half <= width + 5
        assert 0 < float(text.get("y")) < height


def test_the_way_down_ends_where_it_stops():
    down = [FeatureMap("image", 3, 20, 20), FeatureMap("encoder 1", 8, 16, 16), FeatureMap("encoder 2", 16, 5, 5)]
    drawing = ElementTree.fromstring(diagram.draw(down, "The way down", per_pixel=1))
    assert [text.text for text in drawing.iter("text")][-2:] == ["5 is odd", "stop"]
    assert len(list(drawing.iter("rect"))) == 2


def test_a_notebook_gets_the_drawing_and_its_words():
    shown = diagram.UNetDiagram(maps_of(64, 48, 2))
    drawing = ElementTree.fromstring(shown._repr_html_())
    assert repr(shown) == shown.alt == drawing.get("aria-label") and drawing.get("role") == "img"
    assert "8 × 64 × 48 to 16 × 32 × 24, to the bottleneck of 32 × 16 × 12" in shown.alt
    assert notebooks.cut(f"{shown._repr_html_()}\n") == f"<p>{shown.alt}</p>\n"  # what git carries of it
    assert "1 encoder stage," in diagram.UNetDiagram(maps_of(8, 8, 1)).alt


def test_the_drawing_brings_its_style_and_needs_nothing_else():
    svg = diagram.UNetDiagram(maps_of(64, 64, 2)).svg
    style = re.search(r"<style>(.*?)</style>", svg, re.S)[1]
    used = {name for names in re.findall(r'class="([^"]+)"', svg) for name in names.split()} - {"start"}
    assert used <= set(re.findall(r"\.([\w-]+)", style))
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]
    assert "href" not in svg and " id=" not in svg
    assert "prefers" not in style  # the page says whether it is dark, and not the computer


@pytest.mark.parametrize("wrong", [[], [1, 2], sizing.feature_maps(64, 64)[1:], sizing.feature_maps(64, 64)[:-1]])
def test_another_list_is_refused(wrong):
    with pytest.raises(ValueError, match="maps must be a list as sizing.feature_maps returns it, but got the parts"):
        diagram.UNetDiagram(wrong)


def test_the_map_of_a_whole_network_reaches_to_the_logits():
    with pytest.raises(ValueError, match="maps must reach from the image to the logits"):
        diagram.UNetDiagram(sizing.feature_maps(64, 64)[:3])


def test_drawing_loads_neither_torch_nor_matplotlib():
    code = "import sys; from unet_tutorial import diagram, sizing; diagram.UNetDiagram(sizing.feature_maps(64, 64))\n"
    code += "print({'torch', 'matplotlib', 'numpy', 'ipywidgets'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "set()"
