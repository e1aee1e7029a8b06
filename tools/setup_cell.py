"""The first code cell of every notebook: it chooses one thread, and installs the package where it is missing.

The setting is ``repository: url:`` in ``_config.yml``. While it is empty, no address appears in the notebooks.

This is the one place that chooses the number of threads. The threads of one training wait for one another at every
operation, and where another program has a core, all wait for it. On two busy cores two threads made a small network
many times slower than one; on two idle cores they saved a fifth of the time (`make bench`, shown in book/benchmark.md).
One thread also fixes the order of additions, and so the last digits that nbval compares. Whoever has cores to spare
sets OMP_NUM_THREADS before the notebook starts.
"""

from __future__ import annotations

from pathlib import Path

import yaml

THREADS = {"OMP_NUM_THREADS": "1"}

_TEMPLATE = """\
# One thread: more gain little with small networks, and wait for one another.
# And the book's package, where it is not installed, for example in Colab.
import importlib, importlib.util, os, pathlib, subprocess, sys
{threads}
if importlib.util.find_spec("unet_tutorial") is None:
    wheels = sorted(pathlib.Path().glob("unet_tutorial-*.whl"))
{fallback}
    pip = [sys.executable, "-m", "pip", "install", "--quiet", source]
    subprocess.run(pip, check=True)
    importlib.invalidate_caches()
"""

_WITHOUT_ADDRESS = """\
    if not wheels:
        raise RuntimeError(
            "The package unet_tutorial is not installed: put the file "
            "unet_tutorial-….whl beside this notebook, or install the book's "
            "folder with `pip install .`, and run this cell again.")
    source = str(wheels[-1])"""

_WITH_ADDRESS = """\
    source = str(wheels[-1]) if wheels else (
        "git+{url}")"""


def setup_cell(url: str) -> str:
    """Return the cell's code, for the public address ``url`` of the repository ("" while there is none)."""
    fallback = _WITH_ADDRESS.format(url=url) if url else _WITHOUT_ADDRESS
    threads = "\n".join(f'os.environ.setdefault("{name}", "{number}")' for name, number in THREADS.items())
    return _TEMPLATE.format(threads=threads, fallback=fallback).rstrip()


def repository_url(root: Path) -> str:
    """Return the public address of the repository from ``_config.yml``, or "" where none is set."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8")) or {}
    return (config.get("repository") or {}).get("url") or ""
