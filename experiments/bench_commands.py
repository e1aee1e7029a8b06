"""Measure what the commands of the README take, in an empty clone, now and as they were. See bench.py.

Every command runs to its end in a clone of its own below the folder for temporary files, with nothing beside it. The
clones share pip's cache, so the installation is that of a fast network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import provenance
from console import last_lines

BEFORE = "b24932f"  # the last commit at which every command ran every chapter
ROOT = provenance.ROOT


def make(folder: Path, *names: str) -> dict:
    """Run `make` in a clone; return the seconds, and whether it succeeded."""
    start = time.perf_counter()
    log = folder.with_name(f"{folder.name}.log")
    with log.open("ab") as words:
        code = subprocess.run(["make", *names], cwd=folder, stdout=words, stderr=words).returncode
    if code != 0:
        print(last_lines(log, 80), flush=True)  # the log goes with the clone
    return {"seconds": round(time.perf_counter() - start, 1), "succeeded": code == 0}


def edit(path: Path, old: str, new: str) -> None:
    """Replace the first `old` in a file, which must be there."""
    text = path.read_text(encoding="utf-8")
    if old not in text:
        raise ValueError(f"{path.name} must hold {old!r}, or the measurement changes nothing.")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def change_a_word(folder: Path) -> None:
    """Change a word in the text of a chapter."""
    edit(folder / "book" / "chapters" / "05_bottleneck.md", "The", "That")


def change_a_module(folder: Path) -> None:
    """Change a line of a module that few chapters import."""
    with (folder / "unet_tutorial" / "diagnosis.py").open("a", encoding="utf-8") as file:
        file.write("\n# a line more\n")


# What is measured now: the words of the table, what is done before, and what is run.
NOW: list[tuple[str, Callable[[Path], None] | None, tuple[str, ...]]] = [
    ("installation", None, ("install",)),
    ("`make book`, the first time", None, ("book",)),
    ("`make book`, with nothing changed", None, ("book",)),
    ("`make notebooks book`, after a changed word of a chapter", change_a_word, ("notebooks", "book")),
    ("`make book`, after a change in one module", change_a_module, ("book",)),
    ("`make test`, in a clone of its own, with the installation", "fresh", ("test",)),
]
# As it was, every `make book` ran every chapter, so one is enough.
THEN = [NOW[0], NOW[1], NOW[5]]


def cloned(commit: str, folder: Path) -> Path:
    """Return a clone of this repository at a commit."""
    place = Path(tempfile.mkdtemp(dir=folder))
    subprocess.run(["git", "clone", "-q", str(ROOT), str(place)], check=True)
    subprocess.run(["git", "-C", str(place), "checkout", "-q", commit], check=True)
    return place


def series(commit: str, steps: list, folder: Path) -> list[dict]:
    """Take the steps in a clone at a commit, and return what each took."""
    place, results = cloned(commit, folder), []
    for words, before, names in steps:
        if before == "fresh":
            shutil.rmtree(place)
            place = cloned(commit, folder)
        elif before is not None:
            before(place)
        result = {"what": words, **make(place, *names)}
        print(f"{commit}: {words}: {result['seconds']} s{'' if result['succeeded'] else ', FAILED'}", flush=True)
        results.append(result)
    return results


def commands(_seeds: list[int], before: str = BEFORE) -> dict:
    """Measure the commands as they were and as they are, one after the other, and return the part of the record."""
    now = provenance.commit()
    if now.endswith("+"):
        raise ValueError("commit your changes first: a clone has only what is committed.")
    with tempfile.TemporaryDirectory(prefix="commands-", ignore_cleanup_errors=True) as folder:
        then = series(before, THEN, Path(folder))
        return {
            "settings": {"before": before, "cores": os.cpu_count()},
            "then": then,
            "now": series(now, NOW, Path(folder)),
        }
