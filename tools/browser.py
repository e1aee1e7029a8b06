"""Find a Chromium for the tests of the built pages, or install one.

    python tools/browser.py install    make sure that there is one, and print where
    python tools/browser.py find       print where it is

A browser of the system is taken first, then the one that Playwright keeps for itself.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import sync_playwright

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
START_SECONDS, PLAYWRIGHT_SECONDS, SYSTEM_SECONDS = 60, 300, 600


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
            subprocess.run(command, check=True, capture_output=True, timeout=START_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
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


def run(command: list[str], seconds: float) -> bool:
    """Print and run a command, end it and its children when the time is over, and return whether it succeeded."""
    print("$", " ".join(command), flush=True)
    process = subprocess.Popen(command, start_new_session=True)
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        print(f"gave up after {seconds} s", flush=True)
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
            process.wait()


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
    downloaded = run([*playwright, "install", "chromium"], PLAYWRIGHT_SECONDS)
    root = privileges()
    if shutil.which("apt-get") and root is not None:
        if downloaded:  # it may lack libraries of the system
            run([*root, *playwright, "install-deps", "chromium"], SYSTEM_SECONDS)
        else:
            run([*root, "apt-get", "update"], SYSTEM_SECONDS)
            run([*root, "apt-get", "install", "--yes", "--no-install-recommends", "chromium"], SYSTEM_SECONDS)
    return find()


@contextmanager
def launch(path: str):
    """Yield the headless browser at `path`, a `playwright.sync_api.Browser`, and close it at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def open_browser():
    """Return a context manager that yields the browser that `find` finds."""
    return launch(find())


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
