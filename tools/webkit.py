"""WebKit, Safari's engine, by which the explorers are tested where the system has a driver for it.

Apart from tools/browser.py, because `make book` loads this, too, and has no Playwright.
"""

from __future__ import annotations

import shutil

PROGRAMS = ("WebKitWebDriver", "Xvfb")  # the driver of WebKitGTK, and a screen that nobody sees
PACKAGES = ("webkit2gtk-driver", "xvfb")  # Debian's packages that bring them
LACKING = (
    "cannot be driven: only Linux has a driver for it that the tests know. On Debian and Ubuntu, "
    f"`sudo apt install {' '.join(PACKAGES)}` brings it."
)


def is_here() -> bool:
    """Return whether WebKit can be driven on this computer."""
    return all(map(shutil.which, PROGRAMS))
