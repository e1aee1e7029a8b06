"""Build the book, show it, test everything: what the Makefile's names stand for, also where there is no make.

python tools/run.py book     run the chapters that have changed, and build the pages into _build/html
python tools/run.py serve    show the built book in a browser on this computer; build it first if it is not current
python tools/run.py serve --room    and to the room: an address and a QR code for all devices in the same network
python tools/run.py check    in a minute or two: style, sources, and the tests of what you have changed
python tools/run.py test     check sources, package, notebooks, book and pages; go on after a failure, and sum up
python tools/run.py clean    remove everything that was built, but not .venv
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036  this file must say so where it is older
    sys.exit("Run this with the Python of the book: `make`, or .venv/bin/python after `python3 tools/install.py`.")

import argparse
import errno
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from only_one import only_one

ROOT = Path(__file__).resolve().parents[1]
BUILT = ("_build", "build", "dist", "unet_tutorial.egg-info", ".pytest_cache", ".ruff_cache", ".mypy_cache")
STOPPED = 130  # the exit code of a command that Ctrl-C has ended


def book() -> int:
    """Run the chapters that have changed, and build the pages."""
    from book_build import build_book  # here, so that the other commands start without it

    with only_one(ROOT, "make book"):
        return build_book(ROOT)


def serve(*, to_room: bool = False) -> int:
    """Serve the pages until Ctrl-C, on this computer alone or to the room; build them first if they are not current."""
    import webbrowser

    import pages

    whole = pages.html(ROOT)
    if not pages.is_current(ROOT) and book():
        if not (whole / "index.html").is_file():
            return 1
        print("This is the last book that could be built whole, not the newest.", flush=True)
    if to_room:
        return serve_room(whole)
    handler = partial(SimpleHTTPRequestHandler, directory=str(whole))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:  # 0: a port that is free
        address = f"http://127.0.0.1:{server.server_port}/"
        print(f"The book is at {address} (Ctrl-C ends it).", flush=True)
        webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


def serve_room(whole: Path) -> int:
    """Serve the pages to every device in the same network, with the address and its QR code on the screen."""
    import webbrowser

    import room

    with room.server(whole) as server:
        host = room.own_address()
        address = f"http://{host}:{server.server_port}/"
        print(room.in_terminal(address))
        print(f"Everybody in this network can read the book at {address} (Ctrl-C ends it). Nothing else is served.")
        if not room.is_reachable(host):
            print(
                "This computer is in no network, so that only you can. Let it join one, or make a hotspot of a phone."
            )
        else:
            print("If a device does not reach it, the network keeps its guests apart: make a hotspot of a phone.")
        webbrowser.open(f"http://{host}:{server.server_port}{room.SIGN}")
        sys.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


def check() -> int:
    """Check what can be checked in a minute or two."""
    import pytest  # noqa: F401  it came with the rest that the steps need, or they would all fail

    import steps

    return steps.check(ROOT)


def test() -> int:
    """Check everything."""
    import pytest  # noqa: F401  as above

    import steps

    with only_one(ROOT, "make test"):
        return steps.test(ROOT)


def clean() -> int:
    """Remove what the other commands made."""
    with only_one(ROOT, "make clean"):
        for name in BUILT:
            shutil.rmtree(ROOT / name, ignore_errors=True)
    return 0


def main() -> int:
    commands = {"book": book, "serve": serve, "check": check, "test": test, "clean": clean}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=commands)
    parser.add_argument("--room", action="store_true", help="with serve: to every device in the same network")
    arguments = parser.parse_args()
    if arguments.room and arguments.command != "serve":
        parser.error("--room belongs to serve")
    try:
        return serve(to_room=True) if arguments.room else commands[arguments.command]()
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again; it goes on from there.", file=sys.stderr)
        return STOPPED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print("The disk is full. Make room, and run the same command again.", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"{error}. Install what this needs first: python3 tools/install.py --tests", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
