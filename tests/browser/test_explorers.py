"""Every explorer on every built page, moved as a reader moves it, and compared with what Python computes.

A new explorer is covered without new code: the pages say which explorers they hold, the package says what each shows.
"""

import json
import random
import re
from pathlib import Path

import nbconvert
import nbformat
import pytest
import yaml

from explorer_page import page as page_of
from unet_tutorial import widgets

ROOT = Path(__file__).resolve().parents[2]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"], *(entry["file"] for part in TOC["parts"] for entry in part["chapters"])]
CATALOGUE = "book/explorers"  # the page that shows them all
MOST_BYTES = 400_000  # that explorers add to a page
FIGURE = re.compile(r'<figure class="unet-explorer" data-explorer="(\w+)".*?</figure>', re.S)
every_explorer = pytest.mark.parametrize("explorer", widgets.EXPLORERS, ids=lambda explorer: explorer.__name__)


def explorers_in(html, name):
    """Return the explorers on a built page, by the names of their classes."""
    return FIGURE.findall((html / f"{name}.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pages(html):
    """The built pages that hold explorers, with the names of these."""
    return {name: found for name in PAGES if (found := explorers_in(html, name))}


@pytest.fixture
def one_page(tmp_path, visit):
    """Return a function that opens a small page with some explorers."""

    def show(*explorers, fragment="", **how):
        (tmp_path / "page.html").write_text(page_of(explorers, "Explorers"), encoding="utf-8")
        return visit(tmp_path.as_uri(), f"page.html{fragment}", **how)

    return show


def test_every_explorer_stands_in_a_chapter_and_in_the_catalogue(pages):
    names = {explorer.__name__ for explorer in widgets.EXPLORERS}
    assert set(pages[CATALOGUE]) == names
    assert {name for page, found in pages.items() if page.startswith("notebooks/") for name in found} == names


@pytest.mark.parametrize("way", ["http", "file"])
@pytest.mark.parametrize("name", PAGES)
def test_every_control_moves_the_picture_and_its_numbers(visit, addresses, html, name, way, live):
    # slow on the page that shows all explorers: about a thousand moves, each compared whole
    page, troubles = visit(addresses[way], f"{name}.html")
    explorers = live(page)
    assert [one.explorer.__name__ for one in explorers] == explorers_in(html, name)
    for one in explorers:
        seen_at_first = picture(one)
        for i in range(len(one.controls)):
            move_all_the_way(one, i, seen_at_first)
    assert troubles == []


def move_all_the_way(one, i, seen_at_first):
    """Move a control to every place of its list, and back to where it was; it must change what is said and seen."""
    control = list(one.controls.values())[i]
    here = one.check()["places"][i]
    said, seen = set(), {seen_at_first}
    for place in [*range(len(control.values)), here]:
        one.move(i, place)
        shown = one.check()
        assert shown["places"][i] == place
        said.add(json.dumps([shown["words"], shown["numbers"]]))
        if len(seen) < 2 and place != here:
            seen.add(picture(one))
    assert len(said) > 1, f"{control.name} changes neither words nor numbers at the setting of this page"
    assert len(seen) > 1, f"{control.name} does not change the picture at the setting of this page"


def picture(one):
    """Return what a reader sees of the drawings, to the pixel, but not the titles above them."""
    return b"".join(drawing.screenshot() for drawing in one.figure.locator(".drawing").all())


@every_explorer
def test_any_setting_can_be_reached(one_page, explorer, live):
    page, troubles = one_page(explorer())
    (one,) = live(page)
    chosen = random.Random(0)
    for _ in range(40):
        i = chosen.randrange(len(one.controls))
        one.move(i, chosen.randrange(len(list(one.controls.values())[i].values)))
        shown = one.check()
    state = explorer.state(**dict(zip(one.controls, one.setting(), strict=True)))
    drawings = [panel.filled(explorer.assets()) for panel in state.panels]
    assert one.shows(drawings) == shown, "a drawing is not the one that a page without JavaScript holds"
    assert troubles == []


@every_explorer
def test_the_keyboard_moves_every_control_and_the_focus_is_seen(one_page, explorer, live):
    page, _ = one_page(explorer())
    (one,) = live(page)
    for i, control in enumerate(one.controls.values()):
        field = one.boxes.nth(i).locator("select, input:checked, input:not([type=radio])").first
        field.focus()
        before = one.setting()[i]
        last = control.find(before) == len(control.values) - 1
        page.keyboard.press("Space" if control.look == "switch" else "ArrowUp" if last else "ArrowDown")
        if one.setting()[i] == before:  # a slider goes the other way round
            page.keyboard.press("ArrowLeft" if last else "ArrowRight")
        assert one.setting()[i] != before
        one.check()
        focus = (
            "(e) => e.closest('figure').contains(document.activeElement) && getComputedStyle(document.activeElement)"
        )
        assert float(field.evaluate(f"(e) => ({focus})(e).outlineWidth").removesuffix("px")) >= 2
    sliders = one.figure.locator("input[type=range]")
    spoken = sliders.evaluate_all(
        "(all) => all.map((one) => [one.labels[0]?.textContent, one.getAttribute('aria-valuetext')])"
    )
    expected = [
        [control.label, control.says(value)]
        for control, value in zip(one.controls.values(), one.setting(), strict=True)
        if control.look == "slider"
    ]
    assert spoken == expected
    assert (
        one.figure.locator(
            "input:not([data-lm-suppress-shortcuts=true]), select:not([data-lm-suppress-shortcuts=true])"
        ).count()
        == 0
    )
    assert one.figure.locator("[aria-live=polite]").inner_text() == one.shows()["words"]


@every_explorer
def test_pointing_at_a_drawing_sets_its_controls(one_page, explorer, live):
    page, _ = one_page(explorer())
    (one,) = live(page)
    names = list(one.controls)
    drawings = one.figure.locator(".drawing")
    for i in range(drawings.count()):
        pick = one.shows()["panels"][i]["pick"]
        if not pick:
            continue
        across, down, x, y, width, height = pick
        for u, v in [(0.02, 0.03), (0.97, 0.55)]:
            place = drawings.nth(i).evaluate(
                """(drawing, [x, y]) => {
                  const p = new DOMPoint(x, y).matrixTransform(drawing.firstChild.getScreenCTM());
                  const box = drawing.getBoundingClientRect();
                  return { x: p.x - box.x, y: p.y - box.y };
                }""",
                [x + u * width, y + v * height],
            )
            drawings.nth(i).click(position=place)
            for name, part in ((across, u), (down, v)):
                if name:
                    values = one.controls[name].values
                    assert one.setting()[names.index(name)] == values[int(part * len(values))]
            one.check()


@every_explorer
def test_a_link_leads_to_the_setting(one_page, window, browser, explorer, live):
    setting = explorer.settings()[-1]
    address = "https://book.example/page.html"  # a page that others can open, too
    context, troubles = window(browser, "https://book.example")
    shown = page_of([explorer(**setting)], "Explorers")
    context.route(f"{address}*", lambda route: route.fulfill(body=shown, content_type="text/html; charset=utf-8"))
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(address)
    page.get_by_role("button", name="Copy a link").click()
    page.get_by_text("Copied.", exact=True).wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    context.close()
    assert link.startswith(address) and f"#{explorer.name}:" in link and troubles == []
    page, troubles = one_page(explorer(), fragment=link.removeprefix(address))
    (one,) = live(page)
    one.figure.locator(".link").wait_for()
    assert one.setting() == tuple(setting.values()) and troubles == []
    one.check()


@pytest.mark.parametrize("way", ["file", "http"])
def test_a_link_that_opens_nowhere_else_is_not_copied_and_it_is_said_what_to_do(visit, addresses, way):
    page, troubles = visit(addresses[way], f"{PAGES[0]}.html")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('as before')")
    page.get_by_role("button", name="Copy a link").first.click()
    page.get_by_text("Not copied: this page lies on this computer alone").first.wait_for()
    assert "make serve ROOM=1" in page.locator(".link").first.inner_text()
    assert page.evaluate("navigator.clipboard.readText()") == "as before" and troubles == []


def test_the_address_follows_the_controls_and_a_wrong_link_is_told(one_page, live):
    page, troubles = one_page(widgets.SegmentationKinds(), fragment="#segmentation-kinds:kind=panoptic,row=5,depth=9")
    (one,) = live(page)
    assert one.setting()[0] == "panoptic" and one.setting()[1] == 68
    assert "asks for row=5, depth=9, which does not exist here" in one.figure.locator(".link").inner_text()
    one.move(0, 1)
    page.wait_for_url("**#segmentation-kinds:kind=semantic,row=68,column=68")
    page.evaluate("location.hash = '#segmentation-kinds:kind=instance'")
    page.wait_for_function("document.querySelector('.words').textContent.includes('instance')")
    assert troubles == []


def test_the_same_explorer_twice_on_a_page_lives_twice(one_page, live):
    page, troubles = one_page(widgets.SegmentationKinds(), widgets.SegmentationKinds())
    first, second = live(page)
    first.move(0, 2)
    assert first.setting()[0] == "instance" and second.setting()[0] == "image"
    first.check(), second.check()
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids)) and troubles == []


def test_a_saved_page_lives_again(one_page, visit, tmp_path, live):
    page, _ = one_page(widgets.SegmentationKinds())
    live(page)[0].move(0, 3)
    (tmp_path / "saved.html").write_text(page.content(), encoding="utf-8")
    page, troubles = visit(tmp_path.as_uri(), "saved.html")
    (one,) = live(page)
    one.move(0, 2)
    assert one.setting()[0] == "instance" and troubles == []
    one.check()


@pytest.mark.parametrize("name", PAGES)
def test_without_javascript_a_still_stands_there(visit, addresses, pages, name):
    page, _ = visit(addresses["file"], f"{name}.html", javascript=False)
    figures = page.locator("figure.unet-explorer:not(.unet-live)")
    assert figures.count() == len(pages.get(name, []))
    for figure in figures.all():
        assert figure.locator(".words").is_visible() and figure.locator("svg[role=img]").first.is_visible()
        assert figure.locator("input, select, button").count() == 0


SCREENS = {"phone": (360, 700), "larger phone": (390, 844), "laptop": (1366, 768)}
SEEN = """(figure) => {
  figure.scrollIntoView({ behavior: "instant" });
  const [drawing, board] = [".panel svg", ".controls"].map((name) => figure.querySelector(name))
    .map((part) => part.getBoundingClientRect());
  return [drawing.top, Math.min(drawing.bottom, board.top), board.bottom];
}"""


@pytest.mark.parametrize("screen", SCREENS)
def test_controls_and_drawing_are_seen_together(visit, addresses, live, screen):
    """On the page that readers open, with all boxes that its theme puts around a picture."""
    width, height = SCREENS[screen]
    page, troubles = visit(addresses["http"], f"{CATALOGUE}.html", width=width, height=height)
    explorers = live(page)
    assert len(explorers) == len(widgets.EXPLORERS)
    for one in explorers:
        top, seen_to, bottom = one.figure.evaluate(SEEN)
        places = f"{one.explorer.__name__}: its drawing is seen from {top} to {seen_to}, its controls end at {bottom}"
        assert 0 <= top and bottom <= height and seen_to - top >= 170, places
    assert page.evaluate("document.documentElement.scrollWidth") == width and troubles == []


@pytest.mark.parametrize("way", ["http", "file"])
def test_a_browser_that_cannot_unpack_says_so_and_shows_a_still_picture(browser, window, addresses, way):
    context, troubles = window(browser, addresses[way])
    context.add_init_script("delete globalThis.DecompressionStream")
    page = context.new_page()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(f"{addresses[way]}/{CATALOGUE}.html")
    figures = page.locator("figure.unet-explorer:not(.unet-live)")
    for figure in figures.all():
        figure.get_by_text("This browser cannot unpack what comes with the page").wait_for()
        assert figure.locator("svg[role=img]").first.is_visible() and figure.locator("input, select").count() == 0
    assert figures.count() == len(widgets.EXPLORERS) and troubles == []
    context.close()


def test_a_notebook_that_is_exported_has_living_pictures(tmp_path, browser, live):
    """As *File > Export as HTML* makes it, which asks outside for what its formulas need, and here gets nothing."""
    data, _ = widgets.Threshold()._repr_mimebundle_()
    output = nbformat.v4.new_output("execute_result", data, execution_count=1)
    cell = nbformat.v4.new_code_cell("widgets.Threshold()", outputs=[output])
    html, _ = nbconvert.HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    (tmp_path / "exported.html").write_text(html, encoding="utf-8")
    context = browser.new_context(offline=True)
    context.set_default_timeout(0)
    page = context.new_page()
    page.goto((tmp_path / "exported.html").as_uri(), wait_until="domcontentloaded")
    (one,) = live(page)
    one.move(0, 0)
    one.check()
    context.close()


@every_explorer
def test_print_shows_the_state_and_no_controls(one_page, explorer, live):
    page, _ = one_page(explorer(), width=360)
    (one,) = live(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.emulate_media(media="print")
    assert not one.figure.locator(".controls").is_visible() and not one.figure.locator(".link").is_visible()
    assert one.figure.locator(".words").is_visible() and one.figure.locator("svg").first.is_visible()


@every_explorer
def test_the_very_next_frame_shows_the_answer(one_page, explorer, live):
    """In frames, not in milliseconds: these depend on what else runs here, and are measured by `make bench`."""
    page, _ = one_page(explorer())
    (one,) = live(page)
    for i, control in enumerate(one.controls.values()):
        for place in (0, len(control.values) - 1):
            shown = one.check(one.answer(i, place))
            assert shown["places"][i] == place


def test_explorers_add_little_to_a_page_and_nothing_to_others(html, pages):
    for name in PAGES:
        text = (html / f"{name}.html").read_text(encoding="utf-8")
        added = sum(len(figure[0].encode()) for figure in FIGURE.finditer(text))
        # the catalogue shows them all, and each of them may be half a page
        assert added <= (MOST_BYTES / 2 * len(pages[name]) if name == CATALOGUE else MOST_BYTES), (
            f"{name}: {added:,} bytes"
        )
        assert name in pages or 'class="unet-explorer"' not in text
        assert "widget-state" not in text and "widget-view" not in text
