"""Run the package's tests and examples with exactly the lowest versions that pyproject.toml allows, or the newest.

    python tools/lowest.py              the lowest of each
    python tools/lowest.py --newest     the newest that there are today, whatever is pinned

It makes an environment of its own for that, and removes it at the end: some GB, and a quarter of an hour. The tests'
own tools come as they are pinned. Use the oldest Python that the book supports.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

import data_sets
from install import pin

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "unet_tutorial"
# With what the tests work, and what they compare the package with. The second come without what they need, because
# they ask for a newer torch than the package does.
TOOLS, REFERENCES = ("pytest", "pytest-xdist", "lightning-utilities"), ("monai", "torchmetrics")


def floors(dependencies: list[str]) -> list[str]:
    """Return the lowest version of every dependency, as a pin."""
    for dependency in dependencies:
        if not re.fullmatch(r"[\w.-]+>=[\w.]+", dependency):
            raise ValueError(f"{dependency}: write the lowest version as {re.match('[^<>=~!]+', dependency)[0]}>=N")
    return [dependency.replace(">=", "==") for dependency in dependencies]


def test_files() -> list[str]:
    """Return the tests that belong to a module of the package."""
    modules = [path.stem for path in PACKAGE.rglob("*.py")] + ["widgets_networks"]
    names = {f"test_{name}.py" for name in [*modules, *(path.name for path in PACKAGE.iterdir() if path.is_dir())]}
    return [f"tests/{name}" for name in sorted(names) if (ROOT / "tests" / name).is_file()]


def install(python: str, pins: list[str]) -> None:
    """Install the given versions, or the newest in the given ranges, and the tests' tools."""
    (torch,) = [one for one in pins if re.match(r"torch\b", one)]
    uv = [sys.executable, "-m", "uv", "pip", "install", "--python", python, "--torch-backend=cpu", "--no-deps", torch]
    if subprocess.run(uv).returncode:
        print("The small build of torch could not be had from its own source: pip takes the one it finds.", flush=True)
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off"]
    subprocess.run([*pip, *pins, *map(pin, TOOLS)], check=True)
    subprocess.run([*pip, "--no-deps", *map(pin, REFERENCES)], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--newest", action="store_true", help="the newest versions, to find what time has changed")
    newest = parser.parse_args().newest
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = list(project["dependencies"]) if newest else floors(project["dependencies"])
    print(f"Python {sys.version.split()[0]} with {', '.join(pins)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        builder = venv.EnvBuilder(with_pip=True)
        builder.create(folder)
        python = builder.ensure_directories(folder).env_exe
        install(python, pins)
        # Without conftest.py, which is for notebooks; and old libraries may warn of what has changed since.
        command = [
            python,
            "-m",
            "pytest",
            "-q",
            "--noconftest",
            "-n",
            "2",
            "-W",
            "ignore",
            "-m",
            data_sets.tests_without(),
        ]
        command += [*test_files(), "unet_tutorial"]
        # One thread for each of two processes, as in tools/run.py; an old torch with more threads cannot be forked.
        return subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode


if __name__ == "__main__":
    sys.exit(main())
