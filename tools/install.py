"""Make .venv with everything that the book needs. Needs nothing but Python 3.11 or newer.

    python3 tools/install.py

It installs again only when requirements.txt or pyproject.toml has changed. A .venv that is there already is kept,
together with the build of torch in it.
"""

import hashlib
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed"


def wanted():
    """Return a text that changes when something else is to be installed, or the folder has moved."""
    files = b"".join((ROOT / name).read_bytes() for name in ("requirements.txt", "pyproject.toml"))
    return f"{hashlib.sha256(files).hexdigest()}\n{ROOT}\n"


def main():
    if sys.version_info < (3, 11):  # noqa: UP036  this file must say so where it is older
        sys.exit(
            f"The book needs Python 3.11 or newer, but {sys.executable} is Python {sys.version.split()[0]}. "
            "Install a newer one and name it, for example: make PYTHON=python3.12 book"
        )
    if STAMP.is_file() and STAMP.read_text(encoding="utf-8") == wanted():
        return
    start = time.perf_counter()
    if not PYTHON.exists():
        venv.EnvBuilder(with_pip=True).create(VENV)
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(ROOT / "requirements.txt")], check=True)
    # The package itself, from this folder; setuptools is among the requirements.
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], check=True)
    STAMP.write_text(wanted(), encoding="utf-8")
    print(f"Installed into .venv: {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"The installation failed at: {' '.join(error.cmd)}")
