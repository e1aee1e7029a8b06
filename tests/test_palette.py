"""One palette for figures, drawings and pages, and every colour of it can be seen on the ground on which it stands."""

import re
from pathlib import Path

import pytest

from unet_tutorial import _palette, _svg, plots

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book" / "_static" / "unet.css"
CSS = [BOOK, *(ROOT / "unet_tutorial").rglob("*.css")]
GROUND = {"light": "#ffffff", "dark": "#14181c"}  # of the book's pages; unet.css names the second
PALETTES = {"light": _palette.LIGHT, "dark": _palette.DARK}


def luminance(color):
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(color, other):
    """Return the contrast of two colours as WCAG 2.2 defines it, from 1 to 21."""
    dark, light = sorted(map(luminance, (color, other)))
    return (light + 0.05) / (dark + 0.05)


def theme(text, name):
    """Return the colours that a theme of the book's style sets, by their variables."""
    block = re.search(rf'html\[data-theme="{name}"\] \{{(.*?)\}}', text, re.S)[1]
    return dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", block))


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21) and contrast("#777777", "#777777") == 1
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)  # the usual example of the least for text


@pytest.mark.parametrize("name", PALETTES)
def test_lines_can_be_seen_on_the_page(name):
    colors = list(PALETTES[name].values())
    lines = colors[: len(_palette.LINES)] if name == "light" else colors
    assert {color: contrast(color, GROUND[name]) for color in lines if contrast(color, GROUND[name]) < 3} == {}


def test_the_pale_colours_are_no_lines_on_white():
    assert all(contrast(color, "#ffffff") < 3 for color in _palette.COLORS[len(_palette.LINES) :])
    figure = plots.curves({str(i): [0.0, float(i)] for i in range(9)}, xlabel="epoch")
    assert {line.get_color() for line in figure.axes[0].lines} == set(_palette.LINES)


@pytest.mark.parametrize("name", PALETTES)
def test_the_book_takes_its_colours_from_the_palette_and_its_text_can_be_read(name):
    text = BOOK.read_text(encoding="utf-8")
    colors = theme(text, name)
    assert colors["--unet-red"] == PALETTES[name]["red"]
    if name == "dark":
        assert colors["--pst-color-background"] == GROUND["dark"]
    words = [key for key in colors if re.search(r"primary$|secondary$|-link|text-|inline-code", key)]
    assert len(words) >= 8
    assert {key: colors[key] for key in words if contrast(colors[key], GROUND[name]) < 4.5} == {}


@pytest.mark.parametrize("path", CSS, ids=lambda path: path.name)
def test_no_second_palette(path):
    text = path.read_text(encoding="utf-8").lower()
    known = {color for palette in PALETTES.values() for color in palette.values()}
    found = {color for color in re.findall(r"--unet-\w+: (#\w{6})", text)} & known
    assert set(re.findall(r"#[0-9a-f]{6}\b", text)) & known == found, "take the colour of _palette through a variable"
    assert "--c0:" not in text  # they come with the drawings


def test_the_style_of_drawings_holds_both_palettes():
    light, dark = re.findall(r"(?:--c\d: #[0-9a-f]{6};\s*){6}", _svg.STYLE)
    for block, palette in ((light, _palette.LIGHT), (dark, _palette.DARK)):
        assert re.findall(r"#\w{6}", block) == list(palette.values())
    assert list(_palette.LIGHT) == list(_palette.DARK) and plots.COLORS == tuple(_palette.LIGHT.values())
