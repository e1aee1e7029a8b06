"""python -m unet_tutorial check: whether this machine is ready for a class, in words that can be read out."""

from __future__ import annotations

import argparse
import importlib
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

HELP = "say whether this machine is ready for a class"
DESCRIPTION = """\
Say whether this machine is ready for a class: a line for each thing that is needed, and at the end one to read out.
It takes a few seconds, needs no network, and changes nothing.
"""
EPILOG = """\
example:
  python -m unet_tutorial check

exit status: 0 if the machine is ready, 1 if something is missing.
"""
NEEDED = (3, 11)  # Python
MEMORY = 2.8  # GB, which the largest chapter takes
SPACE = 0.5  # GB, for notebooks, figures and a data set
NOTEBOOK = ("jupyterlab", "notebook", "google.colab")  # one of these shows notebooks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EPILOG


def run(arguments: argparse.Namespace) -> int:
    problems = []
    for name, look in CHECKS.items():
        try:
            print(f"  yes  {name}: {look()}")
        except (ValueError, ImportError, OSError, RuntimeError) as problem:
            problems.append(name)
            print(f"  NO   {name}: {problem}")
    print(words(problems))
    return 1 if problems else 0


def words(problems: list[str]) -> str:
    """Return the line to read out."""
    if not problems:
        return f"READY. Read out: “ready, Python {platform.python_version()}, PyTorch {version('torch')}”."
    number = "one thing" if len(problems) == 1 else f"{len(problems)} things"
    return f"NOT READY. Read out: “not ready, {number}: {', '.join(problems)}”."


def _python() -> str:
    if sys.version_info < NEEDED:
        wanted = ".".join(map(str, NEEDED))
        raise ValueError(f"this is {platform.python_version()}, and {wanted} is needed. Install it, and start again.")
    return platform.python_version()


def _libraries() -> str:
    for name in ("numpy", "torch", "scipy", "skimage", "matplotlib", "PIL", "yaml"):
        try:
            importlib.import_module(name)
        except ImportError as problem:
            raise ImportError(f"{problem}. Run `make book`, or `pip install .` in the book's folder.") from problem
    return f"PyTorch {version('torch')}, numpy {version('numpy')}"


def _training() -> str:
    import torch

    from ..devices import choose_device
    from ..losses import bce_loss
    from ..unet import UNet

    device = choose_device()
    with torch.random.fork_rng(devices=[]):
        model = UNet(in_channels=1, channels=(4, 8)).to(device)
        images, masks = torch.rand(2, 1, 16, 16, device=device), torch.ones(2, 1, 16, 16, device=device)
        loss = bce_loss(model(images), masks)
        loss.backward()
    if not loss.isfinite():
        raise RuntimeError("a step of training gave no finite loss. Reinstall PyTorch.")
    return f"a step on {device}"


def _jupyter() -> str:
    if find_spec("ipykernel") is None:
        raise ImportError("there is no kernel. Run `pip install ipykernel`.")
    for name in NOTEBOOK:
        try:
            if find_spec(name) is not None:
                return f"{name} {version(name.replace('.', '-'))}"
        except (ModuleNotFoundError, PackageNotFoundError):
            continue
    raise ImportError("there is no Jupyter in this Python. Run `pip install jupyterlab`, or use Colab or an editor.")


def _pictures() -> str:
    names = ("ipywidgets", "anywidget")
    for name in names:
        importlib.import_module(name)
    return ", ".join(f"{name} {version(name)}" for name in names)


def _memory() -> str:
    import psutil

    free = psutil.virtual_memory().available / 1e9
    if free < MEMORY:
        raise ValueError(f"{free:.1f} GB are free, and the largest chapter takes {MEMORY:g}. Close other programs.")
    return f"{free:.1f} GB free"


def _folder() -> str:
    here = Path.cwd()
    with tempfile.NamedTemporaryFile(dir=here):  # raises where nothing can be written
        pass
    free = shutil.disk_usage(here).free / 1e9
    if free < SPACE:
        raise ValueError(f"{free:.1f} GB of the disk are free, and {SPACE:g} are needed. Make room.")
    return f"can be written, {free:.0f} GB free"


CHECKS: dict[str, Callable[[], str]] = {
    "Python": _python,
    "libraries": _libraries,
    "training": _training,
    "Jupyter": _jupyter,
    "pictures with controls": _pictures,
    "memory": _memory,
    "folder": _folder,
}
