"""Take the README's picture of the built book: ``python tools/screenshot.py`` after ``make book``.

The picture shows the landing page of ``_build/html`` and is written to ``book/_static/book.png``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from browser import open_browser

ROOT = Path(__file__).resolve().parents[1]
START, PICTURE = ROOT / "_build" / "html" / "book" / "index.html", ROOT / "book" / "_static" / "book.png"
SIZE = {"width": 1280, "height": 1040}  # pixels; enough for the whole map of the network
LARGEST = 300_000  # bytes; git keeps every version of it for ever


def main() -> int:
    """Take the picture, or say why not."""
    if not START.is_file():
        print(f"{START.relative_to(ROOT)} is missing: run `make book` first", file=sys.stderr)
        return 1
    with open_browser() as browser:
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(START.as_uri())
        picture = page.screenshot()
    if len(picture) > LARGEST:
        print(f"the picture has {len(picture)} bytes, more than {LARGEST}; it was not written", file=sys.stderr)
        return 1
    PICTURE.write_bytes(picture)
    print(f"{PICTURE.relative_to(ROOT)}: {len(picture)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
