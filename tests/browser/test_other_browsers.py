"""What readers open who have no Chromium: every built page in Firefox, and the explorers in WebKit, Safari's engine.

The other files test in Chromium alone what does not depend on the browser; here is what a page does in each.
"""

from pathlib import Path

import pytest
import yaml

from browser import FIREFOX
from unet_tutorial import exercises, quiz, widgets

ROOT = Path(__file__).resolve().parents[2]
LOOK = (Path(__file__).parent / "look.js").read_text(encoding="utf-8")
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"], *(entry["file"] for part in TOC["parts"] for entry in part["chapters"])]
CATALOGUE = "book/explorers"  # the page that shows all explorers
CHAPTER = "03_double_conv"
NAMES = [explorer.__name__ for explorer in widgets.EXPLORERS]


# Firefox --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def theme():
    """What the reader prefers."""
    return "light"


@pytest.fixture
def browser(browsers, theme):
    """A Firefox, in the place of Chromium."""
    return browsers.one(FIREFOX, theme)


def test_it_is_firefox(visit, addresses):
    page, _ = visit(addresses["http"], f"{TOC['root']}.html")
    assert "Firefox/" in page.evaluate("navigator.userAgent")


@pytest.mark.parametrize("name", PAGES)
def test_page_on_a_desk(visit, addresses, name, live):
    page, troubles = visit(addresses["http"], f"{name}.html")
    live(page)  # and no wait until the network rests: of a stock Firefox Playwright never learns that now and then
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.evaluate(LOOK) + troubles == []


def test_every_explorer_shows_for_every_place_of_its_controls_what_python_computes(visit, addresses, live):
    page, troubles = visit(addresses["file"], f"{CATALOGUE}.html")
    explorers = live(page)
    assert sorted(one.explorer.__name__ for one in explorers) == sorted(NAMES)
    for one in explorers:
        all_the_way(one)
    assert troubles == []


def all_the_way(one):
    """Move every control of an explorer to every place of its list, and back to where it was."""
    for i, control in enumerate(one.controls.values()):
        here = one.check()["places"][i]
        for place in [*range(len(control.values)), here]:
            one.move(i, place)
            assert one.check()["places"][i] == place


def test_an_explorer_is_moved_by_the_keyboard_and_by_pointing(visit, addresses, live):
    page, troubles = visit(addresses["http"], f"{CATALOGUE}.html")
    one = next(one for one in live(page) if one.explorer is widgets.SegmentationKinds)
    one.boxes.nth(1).locator("input").focus()
    before = one.setting()
    page.keyboard.press("ArrowRight")
    assert one.setting() != before
    one.check()
    before = one.setting()
    one.figure.locator(".drawing").first.click(position={"x": 40, "y": 40})
    assert one.setting() != before and troubles == []
    one.check()


def test_a_guess_unfolds_what_comes_out_and_is_kept(visit, addresses):
    page, troubles = visit(addresses["http"], f"notebooks/{CHAPTER}.html")
    box = page.locator("section.unet-guess").first
    guess = quiz.guesses(CHAPTER[3:])[box.get_attribute("data-guess").partition(".")[2]]
    below = box.locator("xpath=ancestor::div[contains(@class, 'cell')][last()]/following-sibling::div[1]")
    assert not below.locator("div.cell_output").first.is_visible()
    box.locator("input").nth(guess["right"]).check()
    assert box.locator("[role=status]").inner_text() == "That is what comes out. Look below."
    assert below.locator("div.cell_output").first.is_visible()
    page.reload()
    assert box.locator("input").nth(guess["right"]).is_checked() and box.locator("input").first.is_disabled()
    assert troubles == []


def typed(numbers):
    """Return numbers as a reader types them."""
    return ", ".join(f"{number:.12g}" for number in numbers)


def test_an_exercise_is_answered(visit, addresses):
    page, troubles = visit(addresses["file"], f"notebooks/{CHAPTER}.html")
    exercise = exercises.find("double_conv.count")
    form = page.locator('[data-exercise="double_conv.count"] form')
    said = form.locator("[role=status]")
    (wrong, reply), *_ = exercise.known()
    form.locator("input[type=text]").fill(typed(wrong[0]))
    form.get_by_role("button", name="Check").click()
    assert said.inner_text().startswith("Not yet.") and reply in said.inner_text()
    form.locator("input[type=text]").fill(typed(exercise.right()))
    form.locator("input[type=text]").press("Enter")
    assert said.inner_text() == "Right." and troubles == []


def test_a_network_learns_in_the_page(visit, addresses):
    steps = 40
    page, troubles = visit(addresses["http"], f"book/train.html#train:data=discs,steps={steps},batch=1,seed=0")
    figure = page.locator("figure[data-explorer=Train]")
    figure.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function("(f) => f.unet.finished().length === 1", arg=figure.element_handle(), polling=200)
    losses = figure.evaluate("(f) => f.unet.now().losses")
    assert len(losses) == steps and sum(losses[-10:]) < 0.9 * sum(losses[:10])
    assert troubles == []


@pytest.mark.parametrize("way", ["http", "file"])
def test_search_finds_the_bottleneck(search_hits, way):
    hits, _, troubles = search_hits(way, "bottleneck")
    assert any("05_bottleneck.html" in hit for hit in hits) and any("glossary.html" in hit for hit in hits)
    assert troubles == []


def test_what_waits_for_ever_is_told_and_the_next_test_gets_a_firefox(
    browser, browsers, visit, addresses, endless_wait
):
    page, _ = visit(addresses["http"], f"notebooks/{CHAPTER}.html")
    with pytest.raises(pytest.fail.Exception, match="waits for something that does not come"):
        with endless_wait(seconds=1, looks=3):
            page.locator("#never").wait_for()
    page = browsers.one(FIREFOX).new_page()
    assert browsers.one(FIREFOX) is not browser and not browser.is_connected()
    page.set_content("<p id='here'>Here.</p>")
    assert page.locator("#here").inner_text() == "Here."
    page.close()


@pytest.mark.parametrize("theme", ["dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page_on_a_phone_in_the_dark_from_a_file(visit, addresses, name, theme, live):
    page, troubles = visit(addresses["file"], f"{name}.html", width=360, theme=theme)
    live(page)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(LOOK) + troubles == []


# WebKit ---------------------------------------------------------------------------------------------------------------


@pytest.mark.webkit
@pytest.mark.parametrize("explorer", widgets.EXPLORERS, ids=lambda explorer: explorer.__name__)
def test_an_explorer_shows_in_webkit_what_python_computes(live_in_webkit, addresses, explorer):
    all_the_way(live_in_webkit(f"{addresses['http']}/{CATALOGUE}.html", explorer))
