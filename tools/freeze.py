"""Make requirements.txt from requirements.in: every package pinned, for every Python and system of the book.

    python tools/freeze.py

uv chooses the versions, and writes down where a package is not wanted or another version is needed. A version that is
pinned already stays as long as it fits; to have a newer one chosen, delete its line in requirements.txt first. Then
install, and run the tests, before committing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Which CUDA packages torch needs is its own business: it pins them, and not on every machine.
LEFT_OUT = re.compile(r"(triton|nvidia|cuda)\b.*")

HEADER = """\
# Every package of the book and its tests, pinned, for Python 3.11.0 and later on Linux, macOS and Windows. Made by
# `python tools/freeze.py` from requirements.in; edit that, and run it again. torch stands here without its build and
# without the libraries of CUDA: tools/install.py chooses the build, and torch itself says which libraries it needs.
"""


def kept(lines: Iterable[str]) -> list[str]:
    """Return the pins that belong into requirements.txt, sorted by name."""
    return sorted(line.strip() for line in lines if "==" in line and line[0] != "#" and not LEFT_OUT.match(line))


def main() -> None:
    target = ROOT / "requirements.txt"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "requirements.txt"
        shutil.copy(target, made)  # what stands in the file that it writes, uv prefers
        command = [sys.executable, "-m", "uv", "pip", "compile", "requirements.in", "--output-file", str(made)]
        command += ["--universal", "--python-version", "3.11", "--no-annotate", "--no-header", "--quiet"]
        subprocess.run(command, cwd=ROOT, check=True)
        pins = kept(made.read_text(encoding="utf-8").splitlines())
    target.write_text(HEADER + "\n".join(pins) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
