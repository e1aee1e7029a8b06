"""Make requirements.txt and requirements-test.txt from pyproject.toml: every package pinned, with its hashes.

    python tools/freeze.py

uv chooses one version of each package for every Python and system of the book, and writes down where a package is not
wanted or another version is needed. A version that is pinned already stays as long as it fits; to have a newer one
chosen, delete its lines first. Then install, and run the tests, before committing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from install import PIN

ROOT = Path(__file__).resolve().parents[1]
HEADER = """\
# {what}, pinned, for Python 3.11.0 and later on Linux, macOS and Windows. Made by
# `python tools/freeze.py` from pyproject.toml; edit that, and run it again.
"""
# The pins of a file go into it, with what they are.
FILES = {
    "requirements.txt": "What the book needs",
    "requirements-test.txt": "What the tests need beside requirements.txt",
}


def compiled(groups: list[str], preferred: str) -> list[str]:
    """Return the pins of what groups of pyproject.toml need; a version that ``preferred`` names stays if it fits."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "requirements.txt"
        made.write_text(preferred, encoding="utf-8")  # what stands in the file that it writes, uv prefers
        command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--output-file", str(made)]
        command += [f"--group={group}" for group in groups]
        command += ["--universal", "--python-version=3.11", "--generate-hashes", "--no-annotate", "--no-header"]
        subprocess.run([*command, "--quiet"], cwd=ROOT, check=True)
        return PIN.findall(made.read_text(encoding="utf-8"))


def main() -> None:
    targets = [ROOT / name for name in FILES]
    whole = compiled(["book", "test"], "".join(path.read_text(encoding="utf-8") for path in targets if path.is_file()))
    book = compiled(["book"], "".join(whole))
    rest = [block for block in whole if block not in book]
    for path, pins in zip(targets, (book, rest), strict=True):
        path.write_text(HEADER.format(what=FILES[path.name]) + "".join(pins), encoding="utf-8")


if __name__ == "__main__":
    main()
