"""Find a Chromium for the tests of the built pages, or install one.

    python tools/browser.py install    make sure that there is one, and print where
    python tools/browser.py find       print where it is

A browser of the system is taken first, then the one that Playwright keeps for itself.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright._impl._driver import compute_driver_executable
from playwright.sync_api import Browser, Playwright, sync_playwright

import watch

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "microsoft-edge", "msedge", "chrome")
MACOS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
WINDOWS = (r"Google\Chrome\Application\chrome.exe", r"Microsoft\Edge\Application\msedge.exe")
FLAGS = (
    "--no-sandbox",  # a container's root may not have one; we open only our own pages
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HELP = (
    "No Chromium was found, and none could be installed. Install Chromium, Google Chrome or Microsoft Edge in the "
    "usual way of your system, or run `python -m playwright install --with-deps chromium`, and start again."
)


def node() -> Path:
    """Return the Node.js that comes with Playwright: tests run the page's scripts in it."""
    return Path(compute_driver_executable()[0])


def candidates() -> Iterator[str]:
    """Yield every place where a browser may lie, the preferred first."""
    yield from filter(None, map(shutil.which, COMMANDS))
    if sys.platform == "darwin":
        yield from MACOS
    if sys.platform == "win32":
        folders = [os.environ.get(name) for name in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")]
        yield from (str(Path(folder, path)) for folder in folders if folder for path in WINDOWS)
    yield playwright_path()


def playwright_path() -> str:
    """Return where Playwright keeps its own Chromium, whether or not it is there."""
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def starts(path: str) -> bool:
    """Return whether the browser at `path` runs; some distributions ship only a script that says it is elsewhere."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [path, *FLAGS, "--headless", f"--user-data-dir={profile}", "--dump-dom", "about:blank"]
        try:
            watch.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE).check_returncode()
        except (OSError, subprocess.SubprocessError, watch.HangsError) as error:
            print(f"{path} does not start: {error}", file=sys.stderr)
            return False
    return True


def find() -> str:
    """Return the path of a Chromium that runs.

    Raises
    ------
    FileNotFoundError
        If there is none; the message says what to do.
    """
    for place in candidates():
        if Path(place).is_file() and starts(place):
            return place
    raise FileNotFoundError(HELP)


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


def install() -> str:
    """Return the path of a Chromium; install one if there is none.

    Raises
    ------
    FileNotFoundError
        If none could be installed; the message says what to do.
    """
    with suppress(FileNotFoundError):
        return find()
    playwright = [sys.executable, "-m", "playwright"]
    downloaded = run([*playwright, "install", "chromium"])
    root = privileges()
    if shutil.which("apt-get") and root is not None:
        if downloaded:  # it may lack libraries of the system
            run([*root, *playwright, "install-deps", "chromium"])
        else:
            run([*root, "apt-get", "update"])
            run([*root, "apt-get", "install", "--yes", "--no-install-recommends", "chromium"])
    return find()


def start(playwright: Playwright, path: str) -> Browser:
    """Start the browser at `path` headless, however long it takes."""
    return playwright.chromium.launch(executable_path=path, args=list(FLAGS), timeout=0)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Yield the browser that `find` finds, and close it at the end."""
    path = find()  # before: Playwright runs only once at a time
    with sync_playwright() as playwright:
        browser = start(playwright, path)
        try:
            yield browser
        finally:
            browser.close()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("install", "find"))
    command = {"install": install, "find": find}[parser.parse_args().command]
    try:
        print(command())
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
