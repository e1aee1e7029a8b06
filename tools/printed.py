"""Pages on paper: Chromium prints a page of HTML as PDF, slides too."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser


def to_pdf(browser: Browser, page: Path, *, slides: bool = False) -> Path:
    """Print a page as PDF beside itself, and return the file; of a deck of slides every slide is a sheet.

    Waits until the page has nothing more to load, however long that takes.
    """
    made = page.with_suffix(".pdf")
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(0)
    try:
        tab = context.new_page()
        tab.goto(page.as_uri() + ("?print-pdf" if slides else ""), wait_until="load")
        tab.evaluate("document.fonts.ready")
        if slides:
            tab.wait_for_selector("body[data-fits]", state="attached")
        tab.pdf(path=made, prefer_css_page_size=True, print_background=True)
    finally:
        context.close()
    return made
