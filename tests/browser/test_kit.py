"""The slides of the teaching kit in a browser: they fit a screen of 1280×720, can be read from afar, and are alive.

They are made from the runs that the build of the book keeps, as `make kit` makes them.
"""

import base64

import pytest

import ballots
import slides
import teaching

SMALLEST = 24  # pixels of 720: a thirtieth of the height, which the last row can read
SMALLEST_DRAWN = 20  # of what is written in the map, and beside the controls of an explorer
OVERFLOWS = """
([smallest, drawn]) => {
  const found = [];
  for (let number = 0; number < Reveal.getTotalSlides(); number++) {
    Reveal.slide(number, 0);
    const slide = Reveal.getCurrentSlide(), frame = slide.getBoundingClientRect();
    const name = `${number + 1}, ${slide.querySelector("h1, h2")?.textContent ?? ""}`;
    for (const part of slide.querySelectorAll(":scope *")) {
      if (part.closest("aside, script, style")) continue;
      const box = part.getBoundingClientRect();
      if (!box.width || !box.height) continue;
      const isWide = box.right > frame.right + 1 || box.left < frame.left - 1;
      if (isWide || box.bottom > frame.bottom + 1 || box.top < frame.top - 1)
        found.push(`${name}: <${part.tagName}> leaves the slide`);
      const isText = [...part.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
      if (!isText || part.closest(".drawing") && !part.closest(".diagram")) continue; // grids write what has room
      const scale = part.closest("svg") ? Math.abs(part.getScreenCTM().a) : part.currentCSSZoom;
      const size = parseFloat(getComputedStyle(part).fontSize) * scale;
      if (size < (part.closest("figure, svg") ? drawn : smallest) - 0.01)
        found.push(`${name}: “${part.textContent.trim().slice(0, 30)}” is too small, ${size} pixels`);
    }
  }
  return found;
}
"""
OFF_THE_SHEET = """
() => [...document.querySelectorAll(".pdf-page")].flatMap((sheet, number) => {
  const frame = sheet.getBoundingClientRect();
  return [...sheet.querySelectorAll("section *")].filter((part) => {
    const box = part.getBoundingClientRect();
    if (part.closest("aside, script, style") || !box.width || !box.height) return false;
    const isHigh = box.top < frame.top || box.bottom > frame.bottom + 1;
    return isHigh || box.left < frame.left + 20 || box.right > frame.right;
  }).map((part) => `${number + 1}: <${part.tagName}>`);
})
"""


@pytest.fixture(scope="module")
def decks(html, tmp_path_factory):
    """The decks of all plans, as files; for the votes any picture, since their training is tested elsewhere."""
    folder = tmp_path_factory.mktemp("slides")
    png = base64.b64encode((html / "_static" / "book.png").read_bytes()).decode()
    ballot = ballots.Ballot("Which?", [ballots.Page(png, "A and B.")], ["**A** it is."] * 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ballots, "made", lambda name: ballot)
        slides.write_reveal(folder)
        return {path.stem: path for plan in teaching.PLANS for path in slides.write(folder, plan)}


def opened(visit, path, how=""):
    """Open a deck at the size of a projector; return its page, and what went wrong in it."""
    page, troubles = visit(path.parent.as_uri(), path.name + how, width=1280, height=720)
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    return page, troubles


NAMES = [
    name
    for plan in teaching.PLANS
    for name in (
        [plan]
        if len(teaching.load(plan)["sessions"]) == 1
        else [f"{plan}_{number:02}" for number in range(1, len(teaching.load(plan)["sessions"]) + 1)]
    )
]


@pytest.mark.parametrize("name", NAMES)
def test_every_slide_fits_and_can_be_read_from_the_last_row(decks, visit, name):
    page, troubles = opened(visit, decks[name])
    assert page.evaluate(OVERFLOWS, [SMALLEST, SMALLEST_DRAWN]) == []
    assert troubles == []


@pytest.mark.parametrize("name", ["90_minutes", "two_days_04"])
def test_as_pdf_every_slide_is_on_its_sheet_and_keeps_off_its_edge(decks, visit, name):
    page, troubles = opened(visit, decks[name], "?print-pdf")
    page.wait_for_selector("body[data-fits]", state="attached")
    assert page.locator(".pdf-page").count() == page.evaluate("Reveal.getTotalSlides()")
    assert page.evaluate(OFF_THE_SHEET) == []
    assert troubles == []


def test_an_explorer_on_a_slide_is_alive(decks, visit):
    page, troubles = opened(visit, decks["90_minutes"])
    figure = page.locator("figure.unet-explorer[data-explorer=Architecture]")
    number = figure.evaluate("figure => Reveal.getSlides().findIndex((slide) => slide.contains(figure))")
    page.evaluate(f"Reveal.slide({number}, 0)")
    before = figure.locator(".words").inner_text()
    figure.locator("input[type=range]").first.press("ArrowLeft")
    assert figure.locator(".words").inner_text() != before
    assert page.evaluate("Reveal.getIndices().h") == number, "the key moved the control, and not the slides"
    assert troubles == []
