"""Build the pages from the kept runs of the chapters, beside the last whole book, and put them in its place at the end.

So a build that fails or is stopped leaves the last whole book as it was. Sphinx reads again only what has changed.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from console import Board, duration
from dependencies import libraries

WARNING = re.compile(r"\b(?:WARNING|ERROR|CRITICAL): ")
PROGRESS = re.compile(r"(reading sources|writing output)\.\.\. *\[ *(\d+)%\]")
TITLE = re.compile(r"^# .+", re.M)


def html(root: Path) -> Path:
    """Return the folder of the last whole book."""
    return root / "_build" / "html"


def work(root: Path) -> Path:
    """Return the folder in which Jupyter Book works: its `_build/html`, and what Sphinx remembers."""
    return root / "_build" / "pages"


def log_file(root: Path) -> Path:
    return root / "_build" / "log" / "pages.txt"


def stamp(root: Path) -> Path:
    """Return the file that says from what the last whole book was built."""
    return root / "_build" / "built.json"


def sources(root: Path) -> Iterator[Path]:
    """Yield the files from which a book is built, beside the libraries."""
    yield from (root / "_config.yml", root / "_toc.yml", root / "_build" / "failures.json")
    for folder in ("book", "notebooks", "unet_tutorial"):
        for path in sorted((root / folder).rglob("*.*")):
            hidden = {"__pycache__", ".ipynb_checkpoints"} & set(path.parts)
            if path.is_file() and not hidden and "chapters" not in path.parts:
                yield path


def digest(paths: Iterator[Path], *texts: str) -> str:
    """Return a text that changes with the content of files."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(str(path).encode() + (path.read_bytes() if path.is_file() else b""))
    for text in texts:
        whole.update(text.encode())
    return whole.hexdigest()


def content(root: Path) -> str:
    """Return a text that changes when something changes of which a book is made."""
    return digest(sources(root), libraries())


def frame(root: Path) -> str:
    """Return a text that changes when every page is to be built again.

    These are the settings, the extensions, the list of titles, and which modules the page about the package has.
    """
    titles = [str(path) for path in sorted((root / "unet_tutorial").rglob("*.py"))]
    for path in sorted([*(root / "book").glob("*.md"), *(root / "notebooks").glob("*.ipynb")]):
        text = path.read_text(encoding="utf-8")
        source = "".join(json.loads(text)["cells"][0]["source"]) if path.suffix == ".ipynb" else text
        titles += TITLE.findall(source)[:1]
    settings = (root / "_config.yml", root / "_toc.yml", *sorted((root / "book" / "_ext").glob("*.py")))
    return digest(iter(settings), *titles, libraries())


def is_current(root: Path) -> bool:
    """Return whether the last whole book shows what is there now."""
    return remembered(root).get("content") == content(root) and (html(root) / "index.html").is_file()


def remembered(root: Path) -> dict:
    """Return from what the last whole book was built, and in how many seconds."""
    return json.loads(stamp(root).read_text(encoding="utf-8")) if stamp(root).is_file() else {}


def build(root: Path, board: Board) -> bool:
    """Build the pages with every warning an error, and return whether they are there; the board gets one line."""
    start, now = time.perf_counter(), {"content": content(root), "frame": frame(root)}
    sphinx = work(root) / "complete"  # is there while what Sphinx remembers belongs to a build that came to its end
    fresh = not sphinx.is_file() or sphinx.read_text(encoding="utf-8") != now["frame"]
    sphinx.unlink(missing_ok=True)
    if fresh:
        shutil.rmtree(work(root), ignore_errors=True)
    if not _run_jupyter_book(root, board):
        board.done(f"  {'pages':<24}  FAILED", "pages")
        return False
    sphinx.write_text(now["frame"], encoding="utf-8")
    _publish(root)
    seconds = time.perf_counter() - start
    stamp(root).write_text(json.dumps({**now, "seconds": round(seconds, 1)}), encoding="utf-8")
    board.done(f"  {'pages':<24}{duration(seconds):>8}", "pages")
    return True


def _run_jupyter_book(root: Path, board: Board) -> bool:
    """Run Jupyter Book, show how far it is, and write the rest of what it says into the log."""
    log_file(root).parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]  # it cannot be run with -m
    command += ["build", ".", "--path-output", str(work(root)), "-n", "-W", "--keep-going"]
    board.show("pages", f"  {'pages':<24}")
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with log_file(root).open("wb") as log, subprocess.Popen(command, cwd=root, **both) as process:
        try:
            for line in process.stdout:
                log.write(line)
                progress = PROGRESS.search(line.decode(errors="replace"))
                if progress:
                    board.show("pages", f"  {'pages':<24}{progress[1]}, {progress[2]} %")
            return process.wait() == 0
        finally:
            process.kill()


def warnings(root: Path) -> list[str]:
    """Return the warnings of the last build."""
    lines = log_file(root).read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.removeprefix(f"{root}/") for line in lines if WARNING.search(line)]


def _publish(root: Path) -> None:
    """Put the new pages in the place of the last whole book, at once."""
    old, new = root / "_build" / "html.old", root / "_build" / "html.new"
    for folder in (old, new):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(work(root) / "_build" / "html", new)
    if html(root).exists():
        html(root).rename(old)
    new.rename(html(root))
    shutil.rmtree(old, ignore_errors=True)
