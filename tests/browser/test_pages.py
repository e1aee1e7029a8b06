"""Every page of the built book in a real browser that refuses what is not ours, over http and from a file."""

from pathlib import Path

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe

ROOT = Path(__file__).resolve().parents[2]
LOOK = (Path(__file__).parent / "look.js").read_text(encoding="utf-8")
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"], *(entry["file"] for part in TOC["parts"] for entry in part["chapters"])]
PAGES.append("_modules/unet_tutorial/unet")  # and of the pages of source, one
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]


def problems(page, troubles):
    """Return everything that is wrong with an open page."""
    return page.evaluate(LOOK) + troubles


def serious(page):
    """Return the serious faults that axe finds: what keeps a person with a disability from reading the page.

    It does not load style sheets once more, which it looks for in the wrong folder, and their errors would count.
    """
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
    return [
        (fault["id"], node["target"], node["html"][:120])
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_page_on_a_desk(visit, addresses, name, live):
    page, troubles = visit(addresses["http"], f"{name}.html")
    page.wait_for_load_state("networkidle")  # a script may ask for something later
    live(page)
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert serious(page) == []
    if name in CHAPTERS:
        open_a_solution(page)
    assert problems(page, troubles) == []  # last: it opens everything that is folded


def open_a_solution(page):
    """Open a fold by a click, and close it by a key."""
    all_folds = page.locator("div.cell > details.hide")
    names = [text.strip() for text in all_folds.locator("> summary").all_inner_texts()]
    assert names.count("Show the solution") >= 2
    assert set(names) <= {"Show the solution", "Show the code of the figure", "Show what comes out"}
    folds = all_folds.filter(has_text="Show the solution")
    summary, code = folds.first.locator("summary"), folds.first.locator("div.highlight").first
    assert not code.is_visible()
    summary.click()
    assert summary.inner_text().strip() == "Hide the solution" and code.is_visible()
    summary.press("Enter")
    assert not code.is_visible()


def test_what_begins_to_scroll_can_be_reached_with_the_tab_key(visit, addresses):
    page, _ = visit(addresses["file"], f"{CHAPTERS[0]}.html", width=1280)
    at_rest(page)
    code = page.locator("article pre").first
    assert code.evaluate("pre => pre.scrollWidth <= pre.clientWidth && pre.tabIndex === -1")
    code.evaluate("pre => (pre.style.width = '60px')")
    at_rest(page)
    assert code.evaluate("pre => pre.scrollWidth > pre.clientWidth && pre.tabIndex === 0")


def at_rest(page):
    """Wait until nothing slides any more, and the page was laid out and drawn as it is now."""
    page.evaluate(
        """async () => {
            const frame = () => new Promise((done) => requestAnimationFrame(done));
            await frame();
            await Promise.allSettled(document.getAnimations().map((animation) => animation.finished));
            await frame();
            await frame();
        }"""
    )


@pytest.mark.parametrize("name", PAGES)
def test_page_on_a_phone_in_the_dark_from_a_file(visit, addresses, name, live):
    page, troubles = visit(addresses["file"], f"{name}.html", width=360, theme="dark")
    live(page)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert problems(page, troubles) == []
    page.set_viewport_size({"width": 1280, "height": 800})  # the same page on a desk
    at_rest(page)
    assert serious(page) == []


@pytest.mark.parametrize("way", ["http", "file"])
def test_search_finds_the_bottleneck(search_hits, way):
    hits, page, troubles = search_hits(way, "bottleneck")
    assert any("05_bottleneck.html" in hit for hit in hits) and any("glossary.html" in hit for hit in hits)
    page.wait_for_load_state("networkidle")
    assert troubles == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_search_page_can_be_read(visit, addresses, theme):
    page, troubles = visit(addresses["file"], "search.html?q=bottleneck", theme=theme)
    page.wait_for_function("document.querySelector('.search-summary')?.innerText.includes('matching')")
    at_rest(page)
    assert problems(page, troubles) == []


def test_first_page_leads_to_the_book(visit, addresses):
    page, troubles = visit(addresses["file"], "index.html")
    page.wait_for_url(f"**/{TOC['root']}.html")
    page.locator("article h1").wait_for()  # the address changes before its page is there
    assert troubles == []


def test_switch_between_light_and_dark(visit, addresses):
    page, troubles = visit(addresses["http"], f"{PAGES[0]}.html")
    grounds = {}
    for _ in range(3):
        page.locator(".theme-switch-button").locator("visible=true").first.click()
        theme = page.evaluate("document.documentElement.dataset.theme")
        grounds[theme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert set(grounds) == {"light", "dark"} and grounds["light"] != grounds["dark"] and troubles == []


def test_keyboard_focus_can_be_seen(visit, addresses):
    page, _ = visit(addresses["http"], f"{PAGES[0]}.html")
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName"))
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    assert {"A", "BUTTON"} <= seen


GOOD = '<article><h1>Title</h1><p>Text.</p><img alt="A dot." src="dot.svg"></article>'
BROKEN = {
    "request to the outside": '<script src="https://example.org/x.js"></script>',
    "request to the outside: https://example.org/y.js": '<script type="module">import "https://example.org/y.js"</script>',
    "console: ours": "<script>console.error('ours')</script>",
    "page error": "<script>undefinedFunction()</script>",
    "image without alternative text": '<img src="dot.svg">',
    "image does not load": '<img alt="A dot." src="missing.svg">',
    "drawing without a label": '<article><svg role="img"></svg></article>',
    "formula not drawn": '<p class="math">a</p>',
    "raw formula": r"<p>\(a^2\)</p>",
    "contrast 1.": '<p style="color: #ddd">pale</p>',
    "headings: h3 follows h1": "<h3>Deep</h3>",
    "page scrolls sideways": '<div style="width: 2000px">wide</div>',
}


@pytest.fixture
def small_page(tmp_path, visit):
    """Return a function that writes a small page around some HTML and returns what is wrong with it."""

    def check(extra):
        style = "<meta charset='utf-8'><link rel='icon' href='data:,'><body style='background: #fff'>"
        body = GOOD.replace("</article>", f"{extra}</article>")
        (tmp_path / "dot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
        (tmp_path / "page.html").write_text(f"<!doctype html>{style}{body}", encoding="utf-8")
        return problems(*visit(tmp_path.as_uri(), "page.html", width=360))

    return check


def test_a_good_page_has_no_problems(small_page):
    assert small_page("") == []


@pytest.mark.parametrize("problem", BROKEN)
def test_each_check_can_fail(small_page, problem):
    assert problem in "\n".join(small_page(BROKEN[problem]))
