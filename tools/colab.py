"""Prove the book against what Google Colab has: its Python and its versions of everything that the book uses.

    python tools/colab.py update            take Colab's own list of today into tools/colab.txt
    python tools/colab.py update FOLDER     the same from a clone of github.com/googlecolab/backend-info
    python tools/colab.py run               install what the list says, then run the first cell and three chapters
    python tools/colab.py run 05_bottleneck      and other chapters

``run`` makes an environment of its own and removes it at the end: some GB. Of torch it takes the small build where that
can be had, as Colab's machines without a graphics card do, and else the one of the default registry.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tools" / "colab.txt"
SOURCE = "googlecolab/backend-info"
RAW = f"https://raw.githubusercontent.com/{SOURCE}"
NEWEST = f"https://api.github.com/repos/{SOURCE}/commits/main"
CHAPTERS = ("03_double_conv", "08_unet", "09_training")
KERNEL = ("ipykernel", "nbclient", "nbconvert")  # what runs a notebook there
HEADER = """\
# What Google Colab has: Python {python}, from {source}, commit {commit} of {date}.
# Made by `python tools/colab.py update`. A build that has no place in a registry stands here by its version.
"""


def pins(freeze: str) -> list[str]:
    """Return the pins of ``pip freeze``; of what was installed from a file or an address, the version in its name."""
    found = {}
    for line in freeze.splitlines():
        if match := re.fullmatch(r"([\w.-]+)==([\w.!]+)(?:\+[\w.]+)?", line.strip()):
            found[match[1]] = match[2]
        elif match := re.match(r"([\w.-]+) @ \S*/[\w.]+-(\d[\w.]*)(?:%2B|\+|-)", line):
            found[match[1]] = match[2]
    return [f"{name}=={version}" for name, version in sorted(found.items(), key=lambda one: one[0].lower())]


def written(freeze: str, system: str, commit: str, date: str) -> str:
    """Return the content of the list, from the files of Colab's repository.

    Raises
    ------
    ValueError
        If they do not name a Python, or hardly a package.
    """
    python, lines = re.search(r"^Python (\d+\.\d+\.\d+)", system, re.M), pins(freeze)
    if python is None or len(lines) < 100 or not any(line.startswith("torch==") for line in lines):
        raise ValueError(f"Colab's list has changed its form: {len(lines)} packages, Python {python and python[1]}.")
    header = HEADER.format(python=python[1], source=f"github.com/{SOURCE}", commit=commit[:12], date=date[:10])
    return header + "\n".join(lines) + "\n"


def from_clone(folder: Path) -> str:
    """Return the content of the list from a clone of Colab's repository."""

    def git(*words: str) -> str:
        return subprocess.check_output(["git", "-C", str(folder), *words], encoding="utf-8")

    commit, date = git("log", "-1", "--format=%H %cs").split()
    return written(git("show", "HEAD:pip-freeze.txt"), git("show", "HEAD:os-info.txt"), commit, date)


def from_network() -> str:
    """Return the content of the list from Colab's repository as it is now."""

    def read(address: str) -> str:
        with urllib.request.urlopen(address) as answer:
            return answer.read().decode()

    head = json.loads(read(NEWEST))
    commit, date = head["sha"], head["commit"]["committer"]["date"]
    return written(read(f"{RAW}/{commit}/pip-freeze.txt"), read(f"{RAW}/{commit}/os-info.txt"), commit, date)


def python_version(text: str) -> str:
    """Return the Python of the list, such as "3.13"."""
    return re.search(r"Python (\d+\.\d+)", text)[1]


def install(folder: Path, text: str) -> str:
    """Make an environment with Colab's versions, without the book's package, and return its Python."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--seed", "--python", python_version(text), str(folder)], check=True)
    python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    there = {line.partition("==")[0].lower().replace("_", "-") for line in text.splitlines() if "==" in line}
    names = [re.match(r"[\w.-]+", one)[0] for one in project["dependencies"]]
    # What Colab has not, such as kornia, the first cell brings: that is a part of the proof.
    wanted = [name for name in names if name.lower().replace("_", "-") in there]
    # CUDA's libraries stand in the list for other programs; a build of torch for CUDA brings its own.
    limits = folder / "constraints.txt"
    lines = [line for line in text.splitlines() if not re.match(r"nvidia-|cuda-|triton\b", line)]
    limits.write_text("\n".join(lines), encoding="utf-8")
    command = [*uv, "pip", "install", "--python", python, "--constraint", str(limits), *wanted, *KERNEL]
    if subprocess.run([*command, "--torch-backend=cpu"]).returncode:
        print("The small build of torch could not be had from its own source: the default one comes.", flush=True)
        subprocess.run(command, check=True)
    return python


def run(chapters: list[str]) -> int:
    """Install what Colab has, put the wheel beside the chapters, and run them as Colab does: first cell first."""
    text = LIST.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = install(folder / "env", text)
        subprocess.run([python, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT)], check=True)
        before = subprocess.check_output([python, "-m", "pip", "freeze"], encoding="utf-8").splitlines()
        for chapter in chapters:
            shutil.copy(ROOT / "notebooks" / f"{chapter}.ipynb", folder)
            print(f"{chapter} …", flush=True)
            command = [python, "-m", "nbconvert", "--to", "notebook", "--execute"]
            command += ["--ExecutePreprocessor.timeout=-1", "--ExecutePreprocessor.startup_timeout=86400"]
            env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"MPLBACKEND": "agg"}
            subprocess.run([*command, f"{chapter}.ipynb", "--output", "done"], cwd=folder, env=env, check=True)
        after = subprocess.check_output([python, "-m", "pip", "freeze"], encoding="utf-8").splitlines()
        version = subprocess.check_output([python, "--version"], encoding="utf-8").strip()
    changed = sorted(set(before) - set(after))
    added = sorted(line.split()[0] for line in set(after) - set(before))
    print(f"{len(chapters)} chapters ran with {version}. The list: {text.splitlines()[0].removeprefix('# ')}")
    print(f"The first cell added {', '.join(added)}, and changed {', '.join(changed) or 'nothing'}.")
    return 1 if changed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("update").add_argument("clone", nargs="?", type=Path)
    commands.add_parser("run").add_argument("chapters", nargs="*", default=list(CHAPTERS))
    arguments = parser.parse_args()
    if arguments.command == "run":
        return run(arguments.chapters)
    LIST.write_text(from_clone(arguments.clone) if arguments.clone else from_network(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
