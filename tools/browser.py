"""Find the browsers for the tests of the built pages, or install them.

    python tools/browser.py install    make sure that all are there, and print where
    python tools/browser.py find       print where they are

A browser of the system is taken first, then the one that Playwright keeps for itself. Chromium and Firefox must be
there. WebKit is Safari's engine; it is taken where the system has a driver for it, and that is told.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from playwright._impl._driver import compute_driver_executable
from playwright.sync_api import Browser, Playwright, sync_playwright

import watch
import webkit

if TYPE_CHECKING:
    from selenium.webdriver import WebKitGTK


class Kind(NamedTuple):
    """A kind of browser: its name, where a system has it, and what to say where it is nowhere."""

    name: str  # Playwright's
    commands: tuple[str, ...]
    macos: tuple[str, ...]
    windows: tuple[str, ...]
    package: str  # Debian's
    titles: str

    def cure(self) -> str:
        """Return what to do where there is none."""
        return (
            f"No {self.name.title()} was found that the tests can drive, and none could be installed. Install "
            f"{self.titles} in the usual way of your system, or run "
            f"`python -m playwright install --with-deps {self.name}`, and start again."
        )


CHROMIUM = Kind(
    "chromium",
    ("chromium", "chromium-browser", "google-chrome", "microsoft-edge", "msedge", "chrome"),
    (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ),
    (r"Google\Chrome\Application\chrome.exe", r"Microsoft\Edge\Application\msedge.exe"),
    "chromium",
    "Chromium, Google Chrome or Microsoft Edge",
)
FIREFOX = Kind(
    "firefox",
    ("firefox", "firefox-esr"),
    ("/Applications/Firefox.app/Contents/MacOS/firefox",),
    (r"Mozilla Firefox\firefox.exe",),
    "firefox-esr",
    "Firefox",
)
KINDS = {kind.name: kind for kind in (CHROMIUM, FIREFOX)}
FLAGS = (
    "--no-sandbox",  # a container's root may not have one; we open only our own pages
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# What a page in Firefox is told that its reader prefers. A stock Firefox reads it when it starts, and never again.
PREFERS = "layout.css.prefers-color-scheme.content-override"
THEMES = ("dark", "light")  # by their numbers there
NEVER = 10**6  # seconds


def node() -> Path:
    """Return the Node.js that comes with Playwright: tests run the page's scripts in it."""
    return Path(compute_driver_executable()[0])


def candidates(playwright: Playwright, kind: Kind) -> Iterator[str]:
    """Yield every place where a browser of a kind may lie, the preferred first."""
    yield from filter(None, map(shutil.which, kind.commands))
    if sys.platform == "darwin":
        yield from kind.macos
    if sys.platform == "win32":
        folders = [os.environ.get(name) for name in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")]
        yield from (str(Path(folder, path)) for folder in folders if folder for path in kind.windows)
    yield getattr(playwright, kind.name).executable_path  # whether or not it is there


def starts(path: str, kind: Kind = CHROMIUM) -> bool:
    """Return whether the tests can drive the browser at `path`.

    Some distributions ship only a script that says it is elsewhere, some lock it in so that no test reaches it.
    """
    command = [sys.executable, __file__, "try", kind.name, path]  # in its own process, so that it can be ended
    done = None
    try:
        done = watch.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace")
        done.check_returncode()
    except (OSError, subprocess.SubprocessError, watch.HangsError) as error:
        print(f"{path} does not start: {done.stdout.strip()[-1000:] if done else error}", file=sys.stderr)
        return False
    return True


def find(playwright: Playwright, kind: Kind = CHROMIUM) -> str:
    """Return the path of a browser that the tests can drive.

    Raises
    ------
    FileNotFoundError
        If there is none; the message says what to do.
    """
    for place in candidates(playwright, kind):
        if Path(place).is_file() and starts(place, kind):
            return place
    raise FileNotFoundError(kind.cure())


def privileges() -> list[str] | None:
    """Return what to put before a command that needs the rights of root, or None if we may not have them."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def run(command: list[str]) -> bool:
    """Print and run a command, and return whether it succeeded; a source that is silent it gives up by itself."""
    print("$", " ".join(command), flush=True)
    return subprocess.run(command).returncode == 0


def install(playwright: Playwright, kind: Kind = CHROMIUM) -> str:
    """Return the path of a browser; install one if there is none.

    Raises
    ------
    FileNotFoundError
        If none could be installed; the message says what to do.
    """
    with suppress(FileNotFoundError):
        return find(playwright, kind)
    command = [sys.executable, "-m", "playwright"]
    if not run([*command, "install", kind.name]):
        install_packages(kind.package)
    elif (root := privileges()) is not None and shutil.which("apt-get"):  # it may lack libraries of the system
        run([*root, *command, "install-deps", kind.name])
    return find(playwright, kind)


def install_packages(*names: str) -> None:
    """Install Debian's packages, where the system has such, and where we may."""
    root = privileges()
    if shutil.which("apt-get") and root is not None:
        run([*root, "apt-get", "update"])
        run([*root, "apt-get", "install", "--yes", "--no-install-recommends", *names])


def start(playwright: Playwright, path: str, kind: Kind = CHROMIUM, theme: str = "light") -> Browser:
    """Start the browser at `path` headless, however long it takes.

    To Chromium each window says whether its reader prefers light or dark; Firefox is told `theme` here.
    """
    if kind is CHROMIUM:
        return playwright.chromium.launch(executable_path=path, args=list(FLAGS), timeout=0)
    own = path == playwright.firefox.executable_path
    channel = None if own else "moz-firefox"  # with a stock Firefox, Playwright talks over WebDriver BiDi
    prefers = {PREFERS: THEMES.index(theme)}
    return playwright.firefox.launch(executable_path=path, channel=channel, firefox_user_prefs=prefers, timeout=0)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Yield the Chromium that `find` finds, and close it at the end."""
    with sync_playwright() as playwright:
        browser = start(playwright, find(playwright))
        try:
            yield browser
        finally:
            browser.close()


def opens(playwright: Playwright, path: str, kind: Kind) -> None:
    """Open a page in the browser at `path`, as the tests do."""
    browser = start(playwright, path, kind)
    browser.new_page().goto("about:blank")
    browser.close()


# WebKit ---------------------------------------------------------------------------------------------------------------
# Playwright drives no WebKit but its own, which not every computer can fetch: so Selenium drives the one of the system.


def where_webkit() -> str:
    """Return where WebKit's driver is, or that there is none."""
    return str(shutil.which(webkit.PROGRAMS[0])) if webkit.is_here() else webkit.LACKING


def install_webkit() -> None:
    """Install WebKit's driver where it is missing and Debian's packages can be had."""
    if not webkit.is_here():
        install_packages(*webkit.PACKAGES)


@contextmanager
def open_webkit() -> Iterator[WebKitGTK]:
    """Yield WebKit's browser, and close it at the end."""
    from selenium.webdriver import WebKitGTK  # here, because nobody else needs it
    from selenium.webdriver.webkitgtk.service import Service

    with subprocess.Popen([webkit.PROGRAMS[1], "-displayfd", "1"], stdout=subprocess.PIPE, encoding="utf-8") as screen:
        try:
            display = f":{screen.stdout.readline().strip()}"  # it says its number as soon as it is there
            service = Service(env=os.environ | {"DISPLAY": display})
            with warnings.catch_warnings():  # it calls a part of its own in a way that this part advises against
                warnings.filterwarnings("ignore", "setting remote_server_addr", DeprecationWarning)
                browser = WebKitGTK(service=service)
            with browser as driver:
                driver.set_script_timeout(NEVER)
                driver.set_page_load_timeout(NEVER)
                yield driver
        finally:
            screen.terminate()


# The command line -----------------------------------------------------------------------------------------------------


def every(way: Callable[[Playwright, Kind], str]) -> bool:
    """Find or install every kind of browser, print where it is or why it is not, and return whether all are there."""
    complete = True
    with sync_playwright() as playwright:
        for kind in KINDS.values():
            try:
                print(f"{kind.name} {way(playwright, kind)}", flush=True)
            except FileNotFoundError as error:
                print(error, file=sys.stderr)
                complete = False
    return complete


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("install", "find", "try"))
    parser.add_argument("browser", nargs="*", help="with try: chromium or firefox, and its path")
    arguments = parser.parse_args()
    if arguments.command == "try":
        name, path = arguments.browser
        with sync_playwright() as playwright:
            opens(playwright, path, KINDS[name])
        return 0
    complete = every({"install": install, "find": find}[arguments.command])
    if arguments.command == "install":
        install_webkit()
    print(f"webkit {where_webkit()}")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
