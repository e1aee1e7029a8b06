"""Write a page with one explorer on it, to look at it without building the book.

    python tools/explorer_page.py SegmentationKinds kind=panoptic > page.html

The page has the book's style, except what the theme adds. It is light or dark as the browser is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from unet_tutorial import widgets

STYLE = Path(__file__).resolve().parents[1] / "book" / "_static" / "unet.css"
PAGE = """\
<!doctype html><html lang="en" data-content_root="./"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<script>
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
</script>
<style>{style}
body {{ background: var(--pst-color-background); color: var(--pst-color-text-base); margin: 1rem auto; max-width: 44rem;
  padding: 0 0.5rem; font: 1.06rem/1.65 var(--pst-font-family-base) }}</style>
<main class="bd-article"><h1>{title}</h1>{html}</main></html>
"""


def page(explorers: list[widgets.Explorer], title: str) -> str:
    """Return a page that shows some explorers below one another."""
    style = STYLE.read_text(encoding="utf-8")
    return PAGE.format(title=title, style=style, html="".join(explorer.html() for explorer in explorers))


def parse(explorer: type[widgets.Explorer], settings: list[str]) -> dict:
    """Turn ``control=value`` from the command line into values of the controls."""
    values = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        control = explorer.controls().get(name)
        known = {str(one): one for one in control.values} if control else {}
        values[name] = known.get(value, value)  # what is unknown, the explorer itself refuses
    return values


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("explorer", choices=[explorer.__name__ for explorer in widgets.EXPLORERS])
    parser.add_argument("settings", nargs="*", metavar="control=value")
    arguments = parser.parse_args()
    explorer = getattr(widgets, arguments.explorer)
    try:
        shown = explorer(**parse(explorer, arguments.settings))
    except ValueError as error:
        parser.error(str(error))
    print(page([shown], explorer.title))
    return 0


if __name__ == "__main__":
    sys.exit(main())
