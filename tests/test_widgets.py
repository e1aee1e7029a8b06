"""The explorers: every state of every one, what a page and Jupyter get of them, and that wrong values are refused."""

import base64
import functools
import gzip
import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import traitlets
from PIL import Image
from skimage.color import rgb2lab

from unet_tutorial import _palette, plots, widgets
from unet_tutorial import _svg as svg
from unet_tutorial.data import SyntheticCellsDataset
from unet_tutorial.widgets import Choice, Explorer, Panel, Slider, State, Switch, architecture, convolution
from unet_tutorial.widgets.kit import encode

MOST_BYTES = 200_000  # of one explorer; a page may hold two
WIDEST = 340  # units of a drawing with text, so that it can be read on a phone
every_explorer = pytest.mark.parametrize("explorer", widgets.EXPLORERS, ids=lambda explorer: explorer.__name__)


@functools.cache
def table(explorer):
    """Return what the page gets, unpacked."""
    return json.loads(gzip.decompress(base64.b64decode(explorer.packed())))


def states(explorer):
    """Return every setting as a tuple of values, with its state as the page gets it."""
    settings = [tuple(setting.values()) for setting in explorer.settings()]
    return dict(zip(settings, table(explorer)["states"], strict=True))


# ---- every explorer


def test_names_are_different_and_fit_into_a_link():
    names = [explorer.name for explorer in widgets.EXPLORERS]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)
    assert {explorer.__name__ for explorer in widgets.EXPLORERS} <= set(widgets.__all__)


@every_explorer
def test_the_table_holds_the_state_of_every_setting(explorer):
    settings = explorer.settings()
    assert len(settings) == np.prod([len(control.values) for control in explorer.controls().values()])
    rng = np.random.default_rng(0)  # the whole table was made by the same function; a sample shows the order
    for i in {0, len(settings) - 1, *rng.integers(len(settings), size=20).tolist()}:
        expected = json.loads(json.dumps(explorer.state(**settings[i]).as_json()))
        assert states(explorer)[tuple(settings[i].values())] == expected


@every_explorer
def test_every_state_says_in_words_and_numbers_what_it_draws(explorer):
    assets, names = set(table(explorer)["assets"]), set()
    for state in states(explorer).values():
        assert state["words"].endswith(".") and state["panels"]
        names.add(tuple(name for name, _ in state["numbers"]))
        for panel in state["panels"]:
            drawing = ElementTree.fromstring(panel["svg"])
            assert drawing.get("role") == "img" and drawing.get("aria-label").strip()
            assert {part.get("data-asset") for part in drawing.iter()} - {None} <= assets
            assert not [part for part in drawing.iter() if part.get("id") or part.get("fill") or part.get("href")]
            if list(drawing.iter("text")):
                assert float(drawing.get("viewBox").split()[2]) <= WIDEST
            assert not panel["pick"] or {*panel["pick"][:2]} - {""} <= set(explorer.controls())
    assert len(names) == 1 and 1 <= len(names.pop()) <= 6


@every_explorer
def test_every_control_changes_the_picture_and_what_is_said(explorer):
    by_setting, axes = states(explorer), [control.values for control in explorer.controls().values()]
    for i, name in enumerate(explorer.controls()):
        pictures_change = words_change = False
        for others in itertools.product(*axes[:i], *axes[i + 1 :]):
            line = [by_setting[*others[:i], value, *others[i:]] for value in axes[i]]
            pictures_change |= len({json.dumps(state["panels"]) for state in line}) > 1
            words_change |= len({json.dumps([state["words"], state["numbers"]]) for state in line}) > 1
        assert pictures_change, f"{name} never changes the picture"
        assert words_change, f"{name} never changes the words or the numbers: who cannot see learns nothing from it"


@every_explorer
def test_no_value_of_a_control_is_without_effect(explorer):
    by_setting, axes = states(explorer), [control.values for control in explorer.controls().values()]
    for i, name in enumerate(explorer.controls()):
        for first, second in itertools.pairwise(axes[i]):
            rests = itertools.product(*axes[:i], *axes[i + 1 :])
            changes = (by_setting[*r[:i], first, *r[i:]] != by_setting[*r[:i], second, *r[i:]] for r in rests)
            assert any(changes), f"{name}: {first!r} and {second!r} always show the same"


@every_explorer
def test_a_page_gets_everything_and_asks_nobody(explorer):
    html = explorer().html()
    assert len(html.encode()) < MOST_BYTES
    assert re.findall(r"(?:https?:)?//[\w.]+\.\w+", re.sub(r"^\s*//.*$", "", html, flags=re.M)) == []
    assert " id=" not in re.sub(r"<script.*?</script>", "", html, flags=re.S)
    assert re.search(r"\b0x[0-9a-f]{6,}", html) is None


@every_explorer
def test_without_javascript_the_state_stands_there_with_its_words_and_numbers(explorer):
    shown = explorer(**explorer.settings()[-1]).shown
    html = explorer(**explorer.settings()[-1]).html().partition('<script type="application/json">')[0]
    still = ElementTree.fromstring(re.sub(r"<style>.*?</style>", "", html, flags=re.S) + "</figure>")
    assert still.find(".//p[@class='words']").text == shown.words
    assert [[row[0].text, row[1].text] for row in still.findall(".//dl/div")] == shown.as_json()["numbers"]
    assert len(still.findall(".//svg")) == len(shown.panels)
    assert all(image.get("href").startswith("data:image/webp") for image in still.iter("image"))


@every_explorer
def test_jupyter_gets_the_page_and_the_words(explorer):
    """And not the widget's own form, which is an error where there is no kernel: in a notebook that is opened again."""
    shown = explorer()
    data, _ = shown._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html"}
    assert data["text/html"].replace(f' data-model="{shown._id}"', "", 1) == shown.html() == explorer().html()
    title, words, *numbers = data["text/plain"].split("\n")
    assert (title, words) == (explorer.title, shown.shown.words) and len(numbers) == len(shown.shown.numbers)
    assert shown._ipython_display_ is None  # the one that ipywidgets 7 brings would pass over our HTML


def test_no_two_explorers_have_the_same_name_in_a_page():
    assert len({one._id for one in (widgets.Threshold(), widgets.Threshold(), widgets.Losses())}) == 3


@every_explorer
def test_every_control_is_a_trait_that_refuses_what_it_does_not_list(explorer):
    shown = explorer()
    for name, control in explorer.controls().items():
        seen = []
        shown.observe(lambda change, seen=seen: seen.append(change["new"]), name)
        other = next(value for value in control.values if value != getattr(shown, name))
        setattr(shown, name, other)
        assert seen == [other] and shown.shown == explorer.state(**shown.values)
        for wrong in ("no such value", None, float("nan"), [other]):
            with pytest.raises(ValueError, match=rf"{explorer.__name__}.{name} must be one of .*, but got"):
                setattr(shown, name, wrong)
        assert getattr(shown, name) == other
        with pytest.raises(ValueError, match=f"{name} must be one of"):
            explorer(**{name: "no such value"})
    with pytest.raises(ValueError, match=f"a control of {explorer.__name__} must be one of .*got 'no_such_control'"):
        explorer(no_such_control=1)


def test_another_process_gives_the_same_pages():
    code = "import hashlib; from unet_tutorial.widgets import EXPLORERS\n"
    code += "for explorer in EXPLORERS: print(hashlib.sha256(explorer().html().encode()).hexdigest())"
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    ours = [hashlib.sha256(explorer().html().encode()).hexdigest() for explorer in widgets.EXPLORERS]
    assert run.stdout.split() == ours


# ---- colours


# Machado, Oliveira & Fernandes (2009), "A physiologically-based model for simulation of color vision deficiency",
# doi:10.1109/TVCG.2009.113, severity 1.0: what people who lack one kind of cone see, in linear RGB.
SEEN = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "all three cones": np.eye(3).tolist(),
}
APART = 10  # in CIELAB, where a distance of about 2.3 can just be noticed


def distances(colors, seen):
    """Return for each pair of named colours, given as #rrggbb, how far apart they are in CIELAB for somebody."""
    rgb = np.array([[int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for color in colors.values()])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ np.array(SEEN[seen]).T
    linear = linear.clip(0, 1)
    lab = rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
    pairs = itertools.combinations(zip(colors, lab, strict=True), 2)
    return {frozenset((a, b)): np.linalg.norm(one - other) for (a, one), (b, other) in pairs}


@functools.cache
def colors_drawn_together():
    """Return the pairs of the colours c0 to c5 that stand in the same drawing in some state of some explorer."""
    together = set()
    for explorer in widgets.EXPLORERS:
        parts = {name: frozenset(re.findall(r'class="(c\d)', part)) for name, part in table(explorer)["assets"].items()}
        for panel in itertools.chain(*(state["panels"] for state in states(explorer).values())):
            named = re.findall(r'<g data-asset="([\w-]+)"', panel["svg"])
            found = set(re.findall(r'class="(c\d)', panel["svg"])).union(*(parts[name] for name in named))
            together |= {frozenset(pair) for pair in itertools.combinations(found, 2)}
    return together


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_of_one_drawing_are_told_apart_by_any_eye(theme, seen):
    palette = (_palette.LIGHT, _palette.DARK)[theme]
    colors = {f"c{i}": color for i, color in enumerate(palette.values())}
    assert len(colors) == 6 and len(colors_drawn_together()) >= 8
    apart = distances(colors, seen)
    assert {tuple(sorted(pair)): apart[pair] for pair in colors_drawn_together() if apart[pair] < APART} == {}


@every_explorer
def test_pale_colours_are_lines_on_pictures_alone(explorer):
    """On the page, `_palette.LINES` have the contrast that a line needs; the others are areas with a number in them."""
    assets = table(explorer)["assets"]
    for panel in itertools.chain(*(state["panels"] for state in states(explorer).values())):
        parts = [panel["svg"], *(assets[name] for name in re.findall(r'<g data-asset="([\w-]+)"', panel["svg"]))]
        lines = re.findall(r'class="c(\d) (?:stroke|wash)', "".join(parts))
        assert 'class="black fill"' in panel["svg"] or all(int(line) < len(_palette.LINES) for line in lines)


@pytest.mark.parametrize("seen", SEEN)
def test_right_and_wrong_pixels_are_told_apart_by_any_eye(seen):
    colors = {"right": "#ffffff", "missed": plots.SKY, "false": plots.ORANGE, "background": "#000000"}
    assert min(distances(colors, seen).values()) >= 2 * APART


def test_a_bad_pair_of_colours_would_be_found():
    red_and_green, gray = {"c0": "#c04020", "c1": "#608000"}, {"c0": "#808080", "c1": "#828282"}
    (seen,), (confused,) = (distances(red_and_green, eye).values() for eye in ("all three cones", "deuteranopia"))
    assert seen > 7 * APART and confused < APART / 5
    assert all(min(distances(gray, eye).values()) < 1 for eye in SEEN)


# ---- the foundation


class Square(Explorer):
    """An explorer as small as can be."""

    name = "square"
    title = "A <square>"
    side = Slider("Side", (1, 2, 3), says="{} units".format)
    filled = Switch("Filled", default=True)

    @classmethod
    def state(cls, side, filled):
        """Return the square."""
        drawing = svg.drawing(9, 9, "A square", svg.rect(0, 0, side, side, "c0 fill" if filled else "c0 stroke"))
        words = f"A {'full' if filled else 'hollow'} square of side {side}."
        return State(words, {"area": 1000 * side * side}, (Panel("", drawing, ("side", "", 0, 0, 9, 9)),))


def test_controls_come_in_the_order_of_the_class_and_the_last_changes_fastest():
    assert list(Square.controls()) == ["side", "filled"]
    assert [tuple(setting.values()) for setting in Square.settings()][:3] == [(1, False), (1, True), (2, False)]
    assert Square().values == {"side": 1, "filled": True}
    assert repr(Square(side=2)) == "A <square>\nA full square of side 2.\narea: 4,000"
    assert "A &lt;square&gt;" in Square().html() and "A <square>" not in Square().html().partition("<script")[0]
    assert "</" not in re.search(r'application/json">(.*?)</script>', Square().html(), re.S)[1]


def test_a_control_gives_back_its_own_value():
    square = Square(side=np.int64(2))
    assert type(square.side) is int
    square.side = 3.0
    assert type(square.side) is int and square.side == 3
    with pytest.raises(traitlets.TraitError, match=r"Square.side must be one of 1, 2, 3, but got True"):
        square.side = True
    with pytest.raises(ValueError, match="Square.filled must be one of False, True, but got 1"):
        square.filled = 1


def test_a_control_says_what_is_wrong_with_its_list():
    with pytest.raises(ValueError, match="'Side' needs at least two values, but got \\(1,\\)"):
        Slider("Side", (1,))
    with pytest.raises(ValueError, match="default of 'Side' must be one of 1, 2, but got 3"):
        Slider("Side", (1, 2), default=3)


def test_a_slider_sends_what_it_shows_and_speaks():
    plan = Square()._plan
    assert plan["name"] == "square" and plan["controls"][0] == {
        "name": "side",
        "label": "Side",
        "look": "slider",
        "values": [1, 2, 3],
        "words": ["1 units", "2 units", "3 units"],
    }
    assert [Choice("Few", "ab").look, Choice("Many", "abcdefg").look, plan["controls"][1]["look"]] == [
        "buttons",
        "list",
        "switch",
    ]


def test_an_explorer_without_a_state_says_so():
    class Nothing(Explorer):
        side = Slider("Side", (1, 2))

    with pytest.raises(NotImplementedError, match="Nothing must have a class method state"):
        Nothing()


@pytest.mark.parametrize("value", [0.5, True, None])
def test_a_number_must_be_formatted_where_it_is_computed(value):
    with pytest.raises(ValueError, match="must be a text or a whole number, but got"):
        State("Half a cell.", {"cells": value}, ()).as_json()


def test_the_signature_names_the_controls():
    import inspect

    assert str(inspect.signature(Square)) == "(*, side=1, filled=True)"


def decode(address):
    """Return the pixels of an address that `encode` made."""
    import io

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def test_a_picture_keeps_every_pixel():
    colors = np.random.default_rng(0).random((5, 7, 3))
    assert np.array_equal(decode(encode(colors)), np.round(255 * colors))
    mask = np.eye(6, dtype=bool)
    assert np.array_equal(decode(encode(mask))[..., 0], 255 * mask)
    noise = np.random.default_rng(0).random((64, 64))
    small = encode(noise, quality=20)
    assert len(small) < len(encode(noise)) / 2 and decode(small).shape[:2] == (64, 64)


@pytest.mark.parametrize("wrong", [[[0.0, 1.5]], [[-0.1, 0.0]], [[float("nan"), 0.0]]])
def test_a_picture_outside_its_range_is_refused(wrong):
    with pytest.raises(ValueError, match="must lie between 0 and 1, but got"):
        encode(np.array(wrong))


def test_a_drawing_needs_a_label():
    with pytest.raises(ValueError, match="label must say what the drawing is"):
        svg.drawing(9, 9, " ")


# ---- each explorer's own numbers


def test_segmentation_kinds_say_what_the_data_set_knows():
    cells = SyntheticCellsDataset(num_samples=24, split="test")
    labels, image = cells.instances(17), cells[17][0][0]
    for row, column in [(4, 4), (68, 68), (76, 52), (92, 44)]:
        number = int(labels[row, column])
        says = {
            kind: widgets.SegmentationKinds(kind=kind, row=row, column=column).shown.numbers["this pixel"]
            for kind in ("image", "semantic", "instance", "panoptic")
        }
        assert says == {
            "image": f"{image[row, column]:.2f}",
            "semantic": "cell" if number else "background",
            "instance": f"object {number}" if number else "nothing",
            "panoptic": f"cell {number}" if number else "background",
        }
    assert {bool(labels[row, column]) for row, column in [(4, 4), (68, 68)]} == {False, True}


def mistakes(explorer, state):
    """Count in the picture that a state shows the white, blue and orange pixels: found, missed and false ones."""
    (shown,) = (panel for panel in state["panels"] if panel["title"] == "Blue: missed. Orange: false")
    (name,) = re.findall(r'<image data-asset="([\w-]+)"', shown["svg"])
    red, green, blue = np.moveaxis(decode(table(explorer)["assets"][name]).astype(int), 2, 0)
    white, black = red + green + blue == 3 * 255, red + green + blue == 0
    counts = [int(kind.sum()) for kind in (white, blue > green, red > green)]
    assert sum(counts) + black.sum() == red.size == 128 * 128
    return counts


@pytest.mark.parametrize("explorer", [widgets.Threshold, widgets.SkipSwitchboard], ids=lambda one: one.__name__)
def test_the_coloured_pixels_are_as_many_as_the_numbers_say(explorer):
    counted = set()
    for state in states(explorer).values():
        right, missed, false = mistakes(explorer, state)
        numbers = dict(state["numbers"])
        names = ("false negatives", "false positives") if "precision" in numbers else ("missed pixels", "false pixels")
        assert [numbers[name] for name in names] == [f"{missed:,}", f"{false:,}"]
        scores = {
            "IoU": right / (right + missed + false),
            "Dice": 2 * right / (2 * right + missed + false),
            "precision": right / max(right + false, 1),
            "recall": right / (right + missed),
        }
        for name in scores.keys() & numbers.keys():
            digits = len(numbers[name].partition(".")[2])
            assert float(numbers[name]) == pytest.approx(scores[name], abs=0.51 * 10**-digits)
        counted.add((right, missed, false))
    assert len(counted) > 50 and all(max(counts[i] for counts in counted) > 0 for i in range(3))


def hooked_sides(model, side):
    """Return the shape of what every stage of a real network makes of an image, from encoder 1 to the logits."""
    seen = []
    for part in (*model.encoder.stages, model.bottleneck, *model.decoder.blocks, model.head):
        part.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape[1:])))
    with torch.no_grad():
        model.eval()(torch.empty(1, 3, side, side, device="meta"))
    return seen


@pytest.mark.parametrize("padding", ["same", "none"])
@pytest.mark.parametrize("depth", range(1, 7))
def test_the_drawn_network_is_the_real_one(depth, padding):
    accepted = 0
    for side, base in itertools.product(architecture.SIDES, architecture.BASES):
        explorer = widgets.Architecture(depth=depth, base_channels=base, side=side, padding=padding)
        with torch.device("meta"):  # every size, without the numbers
            model = explorer.model
        words, numbers, (panel,) = explorer.shown
        assert sum(parameter.numel() for parameter in model.parameters()) == numbers["parameters"]
        lines = [text.text for text in ElementTree.fromstring(panel.svg).iter("text")]
        drawn = [line for line in lines if re.fullmatch(r"\d+ × \d+ × \d+", line)]
        try:
            shapes = hooked_sides(model, side)
        except ValueError as error:
            assert str(error) in words and numbers["bottleneck"] == numbers["multiply-adds"] == "none"
            continue
        accepted += 1
        written_shapes = [" × ".join(map(str, shape)) for shape in [(3, side, side), *shapes]]
        assert sorted(drawn) == sorted(written_shapes) and numbers["bottleneck"] == written_shapes[depth + 1]
        assert numbers["size of the answer"] in written_shapes[-1]
    assert accepted >= 4


def test_the_drawing_is_to_scale():
    drawing = ElementTree.fromstring(widgets.Architecture(depth=3, side=572, padding="none").shown.panels[0].svg)
    heights = [float(box.get("height")) for box in drawing.iter("rect")]
    sides = [568, 564 - 176, 280, 196, 136, 100, 64]  # left and right by turns, as the paper's network of depth 4
    assert heights[0] / heights[2] == pytest.approx(568 / 280, rel=0.01) and len(heights) == len(sides)
    widths = [float(box.get("width")) for box in drawing.iter("rect")]
    assert (widths[2] / widths[0]) ** 2 == pytest.approx(2, rel=0.05)


def test_an_odd_side_is_marked_where_it_is_lost():
    odd = widgets.Architecture(depth=4, side=250).shown
    assert "odd at encoder 2 (125 pixels) and encoder 4 (31 pixels)" in odd.words
    assert "124 + zeros = 125" in odd.panels[0].svg and odd.panels[0].svg.count("c1 wash") == 2
    refused = widgets.Architecture(depth=4, side=256, padding="none").shown
    assert "nearest that fits is 252 or 268" in refused.words and "57 is odd" in refused.panels[0].svg


@pytest.mark.parametrize("convolutions", [1, 2])
def test_the_sum_of_the_products_is_what_torch_computes(convolutions):
    reached = 0
    for kernel, padding, stride in itertools.product(convolution.KERNELS, (0, 1), (1, 2)):
        layer = torch.nn.Conv2d(1, 1, 3, stride, padding, bias=False).double()
        layer.weight.data[:] = torch.tensor(convolution.KERNELS[kernel])
        output = convolution.IMAGE[None, None]
        for _ in range(convolutions):
            output = layer(output)
        found = set()
        for row, column in itertools.product(range(7), repeat=2):
            setting = {"kernel": kernel, "padding": padding, "stride": stride, "row": row, "column": column}
            numbers = widgets.Convolution.state(convolutions=convolutions, **setting).numbers
            assert numbers["size of the output"] == f"{output.shape[2]} × {output.shape[3]}"
            if numbers["sum"] != "none":
                place = tuple(map(int, re.findall(r"\d+", numbers["place in the output"])))
                assert numbers["sum"] == output[0, 0][place] and place not in found
                found.add(place)
        assert len(found) == output.numel()  # every value of the output is reached from one pixel
        reached += len(found)
    assert reached > 100
