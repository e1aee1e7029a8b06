"""The first code cell of every notebook: it installs the package where it is missing, and does nothing elsewhere.

The only setting is ``repository: url:`` in ``_config.yml``. While it is empty, no address appears in the notebooks.
"""

from __future__ import annotations

from pathlib import Path

import yaml

_TEMPLATE = """\
# Sets up a notebook that runs without the book's package, for example in Colab. Elsewhere it does nothing.
import importlib, importlib.util, pathlib, subprocess, sys

if importlib.util.find_spec("unet_tutorial") is None:
    wheels = sorted(pathlib.Path().glob("unet_tutorial-*.whl"))
{fallback}
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)
    importlib.invalidate_caches()
"""

_WITHOUT_ADDRESS = """\
    if not wheels:
        raise RuntimeError(
            "The package unet_tutorial is not installed: put the file unet_tutorial-….whl beside this notebook, "
            "or install the book's folder with `pip install .`, and run this cell again.")
    source = str(wheels[-1])"""

_WITH_ADDRESS = """\
    source = str(wheels[-1]) if wheels else "git+{url}\""""


def setup_cell(url: str) -> str:
    """Return the cell's code, for the public address ``url`` of the repository ("" while there is none)."""
    fallback = _WITH_ADDRESS.format(url=url) if url else _WITHOUT_ADDRESS
    return _TEMPLATE.format(fallback=fallback).rstrip()


def repository_url(root: Path) -> str:
    """Return the public address of the repository from ``_config.yml``, or "" where none is set."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8")) or {}
    return (config.get("repository") or {}).get("url") or ""
