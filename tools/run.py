"""Build the book, show it, test everything: what the Makefile's names stand for, also where there is no make.

python tools/run.py book     run the chapters and build _build/html
python tools/run.py serve    show the built book in a browser on this computer; build it first if it is not current
python tools/run.py test     check sources, package, notebooks, book and pages; go on after a failure, and sum up
python tools/run.py clean    remove everything that was built, but not .venv
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
INDEX = BUILD / "html" / "index.html"
BUILT = ("_build", "build", "dist", "unet_tutorial.egg-info", ".pytest_cache", ".ruff_cache")
JUPYTER_BOOK = ["-c", "from jupyter_book.cli.main import main; main()"]  # it cannot be run with -m
PYTEST = ["-m", "pytest", "-q"]
# In parallel, but the cells of one notebook in order and in one kernel.
NBVAL = ["--nbval", "--nbval-current-env", "-n", "2", "--dist", "loadscope"]
NBVAL += ["--nbval-sanitize-with", str(ROOT / "tools" / "nbval.cfg")]

# The steps of a test, the quick ones first. Each is a plain command of this Python.
STEPS = {
    "style": ["-m", "ruff", "check", "."],
    "format": ["-m", "ruff", "format", "--check", "."],
    "sources": ["tools/check_sources.py"],
    "notebooks against their text": ["tools/notebooks.py", "check"],
    "package and tools": [*PYTEST, "-n", "2", "--ignore=tests/browser"],
    "notebooks run again": [*PYTEST, *NBVAL, "notebooks"],
    "book": ["tools/run.py", "book"],
    "browser": ["tools/browser.py", "install"],
    "pages": [*PYTEST, "tests/browser"],
}
# What these steps leave out where the real pictures of chapter 14 are not on this computer.
WITHOUT_NUCLEI = {
    "package and tools": ["-m", "not real_nuclei"],
    "notebooks run again": ["--ignore=notebooks/14_nuclei.ipynb"],
}


def run(command: list[str], **env: str) -> bool:
    """Run a command of this Python in the book's folder; return whether it succeeded."""
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=os.environ | env).returncode == 0


def book() -> int:
    """Run the chapters and build the pages from nothing, with every warning an error."""
    start = time.perf_counter()
    shutil.rmtree(BUILD, ignore_errors=True)
    if not run([*JUPYTER_BOOK, "build", ".", "-n", "-W", "--keep-going"]):
        print("The book was not built.", file=sys.stderr)
        return 1
    print(f"\nThe book is built ({time.perf_counter() - start:.0f} s). Open it: {INDEX.as_uri()}", flush=True)
    return 0


def is_current() -> bool:
    """Return whether the built book is newer than everything it is made from."""
    if not INDEX.is_file():
        return False
    folders = ("book", "notebooks", "unet_tutorial")
    files = [ROOT / "_config.yml", ROOT / "_toc.yml", *(f for folder in folders for f in (ROOT / folder).rglob("*.*"))]
    sources = [f for f in files if f.is_file() and "__pycache__" not in f.parts and ".ipynb_checkpoints" not in f.parts]
    return max(f.stat().st_mtime for f in sources) < INDEX.stat().st_mtime


def serve() -> int:
    """Serve the pages on this computer alone, until Ctrl-C."""
    if not is_current() and book():
        return 1
    handler = partial(SimpleHTTPRequestHandler, directory=str(INDEX.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:  # 0: a port that is free
        address = f"http://127.0.0.1:{server.server_port}/"
        print(f"The book is at {address} (Ctrl-C ends it).", flush=True)
        webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


def has_nuclei() -> bool:
    """Return whether the data set of chapter 14 is on this computer."""
    from unet_tutorial.data.nuclei import find_nuclei  # here, because the other commands do without torch

    return find_nuclei() is not None


def test() -> int:
    """Take every step, whatever happened before, and say at the end which failed and what each took."""
    results = {}
    left_out = {} if has_nuclei() else WITHOUT_NUCLEI
    for name, command in STEPS.items():
        command = [*command, *left_out.get(name, [])]
        print(f"\n== {name}: python {' '.join(command)}", flush=True)
        start = time.perf_counter()
        # One thread for each of two processes: faster than two for each, and numbers that differ show up.
        succeeded = run(command, OMP_NUM_THREADS="1") if "-n" in command else run(command)
        results[name] = succeeded, time.perf_counter() - start
    print()
    for name, (succeeded, seconds) in results.items():
        print(f"{name:<30}{seconds:>6.0f} s   {'passed' if succeeded else 'FAILED'}")
    if left_out:
        print(
            "Left out: the comparison of chapter 14, and the tests of its data and weights. The data set BBBC039 is not"
        )
        print("on this computer. Set UNET_TUTORIAL_DATA to its folder (book/how_to_use.md), and they run.")
    print(f"{'all':<30}{sum(seconds for _, seconds in results.values()):>6.0f} s", flush=True)
    return 0 if all(succeeded for succeeded, _ in results.values()) else 1


def clean() -> int:
    """Remove what the other commands made."""
    for name in BUILT:
        shutil.rmtree(ROOT / name, ignore_errors=True)
    return 0


def main() -> int:
    commands = {"book": book, "serve": serve, "test": test, "clean": clean}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=commands)
    return commands[parser.parse_args().command]()


if __name__ == "__main__":
    sys.exit(main())
