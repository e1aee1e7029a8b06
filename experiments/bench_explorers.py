"""Measure how soon the explorers of the built book answer, in a browser. See bench.py."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "_build" / "html" / "book" / "explorers.html"  # it shows them all
PAINTED = (HERE / "painted.js").read_text(encoding="utf-8")
# The goal is two frames of a screen that shows 60 in a second.
EXPLORERS = {"moves": 60, "rounds": 5, "goal": 33}


def explorers(_seeds: list[int], settings: dict = EXPLORERS, page: Path = PAGE) -> dict:
    """Move the controls of every explorer of a page, and return the part of the record: milliseconds until painted."""
    if not page.is_file():
        raise SystemExit(f"{page.name} is not built: run `make book` first")
    from browser import open_browser  # here: to show the tables of a record takes no browser

    with open_browser() as browser:
        return {"settings": settings, "explorers": measured(browser, page.as_uri(), settings)}


def measured(browser, address: str, settings: dict) -> list[dict]:
    """Return the milliseconds of every move of every explorer on a page."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(0)
    page.goto(address)
    results = []
    for figure in page.locator("figure.unet-explorer").all():
        figure.locator(".controls").wait_for()
        figure.scroll_into_view_if_needed()
        rounds = [figure.evaluate(PAINTED, settings["moves"]) for _ in range(settings["rounds"])]
        results.append({"name": figure.get_attribute("data-explorer"), "ms": rounded(rounds)})
    page.close()
    return results


def rounded(rounds: list[list[float]]) -> list[list[float]]:
    return [[round(ms, 1) for ms in one] for one in rounds]
