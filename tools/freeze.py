"""Make requirements.txt: install requirements.in into a fresh environment and write down what came.

    python tools/freeze.py

Run it with the oldest Python that the book supports, then run the tests in the new environment before committing.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Which CUDA packages torch needs is its own business: it pins them, and not on every machine.
LEFT_OUT = re.compile(r"pip|triton.*|nvidia-.*|cuda-.*")
# What the packages that need these say about them.
MARKERS = {"pexpect": "sys_platform != 'win32'", "ptyprocess": "sys_platform != 'win32'"}

HEADER = """\
# Every package of the book and its tests, pinned. Made by `python tools/freeze.py` from requirements.in with
# Python {python} on {system}; edit requirements.in and run it again. torch comes without a build: a plain install
# takes the one for the machine's default, README.md names the one for the CPU alone.
"""


def installed(python: str) -> list[tuple[str, str]]:
    """Return name and version of what is installed for ``python``, without the build of a version ("+cpu")."""
    out = subprocess.run(
        [python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"], check=True, capture_output=True
    ).stdout
    return [(package["name"], package["version"].partition("+")[0]) for package in json.loads(out)]


def lines(packages: list[tuple[str, str]]) -> list[str]:
    """Return one requirement for every package that is not left out, sorted by name."""
    kept = sorted((p for p in packages if not LEFT_OUT.fullmatch(p[0].lower())), key=lambda p: p[0].lower())
    return [f"{name}=={version}" + (f" ; {MARKERS[name]}" if name in MARKERS else "") for name, version in kept]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        builder = venv.EnvBuilder(with_pip=True)
        builder.create(folder)
        python = builder.ensure_directories(folder).env_exe
        subprocess.run([python, "-m", "pip", "install", "-r", str(ROOT / "requirements.in")], check=True)
        subprocess.run([python, "-m", "pip", "check"], check=True)
        packages = installed(python)
    header = HEADER.format(python=".".join(map(str, sys.version_info[:2])), system=platform.system())
    (ROOT / "requirements.txt").write_text(header + "\n".join(lines(packages)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
