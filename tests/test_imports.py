"""Who may import whom in the package. Imports run one way, and heavy libraries stay where they are needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import unet_tutorial

PACKAGE = Path(unet_tutorial.__file__).parent
# Every module, with the siblings that it may import; those of FREE are free for all. `widgets` and `live` may know any.
FREE = {"_checks", "_contract", "_kept", "_modes", "_palette", "_saved", "_seal"}
ALLOWED = {
    "__init__": set(),
    "__main__": {"_commands"},
    "_answers": {"_crops", "data", "inference", "instances", "metrics", "plan", "unet", "votes"},
    "_checks": set(),
    "_commands": {"devices", "export", "losses", "segmenter", "unet"},
    "_contract": set(),
    "_crops": {"data", "instances", "plan", "votes"},
    "_kept": set(),
    "_modes": set(),
    "_saved": set(),
    "_palette": set(),
    "_planes": set(),
    "_seal": set(),
    "_svg": set(),
    "augment": {"devices"},
    "blocks": set(),
    "checkpoints": set(),
    "data": set(),
    "devices": set(),
    "diagram": {"_svg", "sizing"},
    "exercises": {"blocks", "data", "diffusion", "instances", "losses", "metrics", "sizing", "unet", "variants"},
    "diffusion": {"unet"},
    "export": set(),
    "losses": set(),
    "metrics": set(),
    "plots": set(),
    "quiz": set(),
    "records": set(),
    "segmenter": {"data", "inference", "instances", "planned", "pretrained"},
    "sizing": set(),
    "unet": {"blocks"},
    "variants": {"blocks", "unet"},
    "pretrained": {"checkpoints", "variants"},
    "training": {
        "checkpoints",
        "devices",
        "losses",
        "metrics",
        "plots",
    },  # plots when a history draws itself, and not before
    "diagnosis": {"checkpoints", "data", "unet"},
    "inference": {"devices", "sizing"},
    "instances": set(),
    "votes": set(),
    "plan": {"_planes", "data", "sizing"},
    "planned": {"_answers", "_crops", "checkpoints", "data", "devices", "losses", "plan", "training", "unet"},
}
ALLOWED["widgets"] = set(ALLOWED)
ALLOWED["live"] = set(ALLOWED)
# Heavy libraries, with the only modules that may import them (at the top or inside a function).
ONLY_IN = {
    "matplotlib": {"plots", "widgets"},
    "ipywidgets": {"widgets"},
    "anywidget": {"widgets"},
    "kornia": {"augment"},
    "torch": set(ALLOWED)
    - {
        "__init__",
        "_checks",
        "_kept",
        "_palette",
        "_planes",
        "_seal",
        "_svg",
        "diagram",
        "plan",
        "plots",
        "quiz",
        "records",
        "sizing",
    },
}
TRADES = [path for place in ("tools", "experiments") for path in sorted((PACKAGE.parent / place).glob("*.py"))]
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path, package: Path = PACKAGE) -> str:
    """Return the part of the package that a file belongs to: ``data`` for ``data/masks.py``."""
    return path.relative_to(package).parts[0].removesuffix(".py")


def imports(path: Path, package: Path = PACKAGE) -> set[str]:
    """Return what a file imports: outside packages as ``torch``, siblings as ``.unet``."""
    found = set()
    inside = path.relative_to(package).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [PACKAGE.name, *inside][: len(inside) + 2 - node.level] if node.level else []
            base += node.module.split(".") if node.module else []
            # `from . import plots` names the sibling after the word import
            names = [[*base, alias.name] if base == [PACKAGE.name] else base for alias in node.names]
        else:
            continue
        found |= {f".{name[1]}" if name[0] == PACKAGE.name and name[1:] else name[0] for name in names}
    return found - {f".{module_of(path, package)}"}


def violations(path: Path, package: Path = PACKAGE) -> list[str]:
    module, found = module_of(path, package), imports(path, package)
    siblings = {name[1:] for name in found if name.startswith(".")} & set(ALLOWED)
    wrong = siblings - ALLOWED[module] - FREE
    return sorted(wrong | {name for name, homes in ONLY_IN.items() if name in found and module not in homes})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_only_what_it_may(path):
    assert module_of(path) in ALLOWED, "a new module: say in ALLOWED which siblings it may import"
    assert violations(path) == []


def test_nothing_knows_the_widgets():
    assert not [
        path.name for path in FILES if ".widgets" in imports(path) and module_of(path) not in ("widgets", "live")
    ]
    assert not [path.name for path in FILES if ".live" in imports(path)]


@pytest.mark.parametrize(
    "where, code, wrong",
    [
        ("sizing.py", "import torch.nn as nn", ["torch"]),
        ("sizing.py", "def f():\n    from torch import nn", ["torch"]),
        ("losses.py", "from matplotlib.figure import Figure", ["matplotlib"]),
        ("losses.py", "from .unet import UNet", ["unet"]),
        ("losses.py", "from . import unet", ["unet"]),
        ("losses.py", "import unet_tutorial.unet", ["unet"]),
        ("losses.py", "from unet_tutorial.plots import show", ["plots"]),
        ("data/masks.py", "from ..unet import UNet", ["unet"]),
        ("data/masks.py", "from .. import unet", ["unet"]),
        ("unet.py", "from .variants import build", ["variants"]),
        ("data/masks.py", "from .synthetic import x\nfrom .._checks import option\nimport torch", []),
        ("variants.py", "from .unet import UNet\nfrom .blocks import DoubleConv\nimport torch", []),
    ],
)
def test_a_wrong_import_is_found(tmp_path, where, code, wrong):
    path = tmp_path / where
    path.parent.mkdir(exist_ok=True)
    path.write_text(code)
    assert violations(path, tmp_path) == wrong


def test_nothing_but_the_plots_loads_matplotlib():
    modules = [f"unet_tutorial.{name}" for name in ALLOWED if name not in ("__init__", "live", "plots", "widgets")]
    code = f"import sys, {', '.join(modules)}; print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.split() == ["True", "False"]


def private(code: str) -> list[str]:
    """Return the names with an underscore that a program takes out of the package."""
    tree, modules, found = ast.parse(code), set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE.name):
            names = [*node.module.split("."), *(alias.name for alias in node.names)]
            modules |= {alias.asname or alias.name for alias in node.names}
            found += [name for name in names if name.startswith("_")]
    for node in ast.walk(tree):
        of_ours = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
        if of_ours and node.attr.startswith("_") and not node.attr.startswith("__"):
            found.append(node.attr)
    return found


@pytest.mark.parametrize("path", TRADES, ids=lambda path: path.name)
def test_tools_and_experiments_use_public_names_alone(path):
    assert private(path.read_text(encoding="utf-8")) == []


def test_a_private_name_is_found():
    assert private("from unet_tutorial import training\ntraining._forward(1)") == ["_forward"]
    assert private("from unet_tutorial._checks import option\nfrom unet_tutorial.losses import _areas") == [
        "_checks",
        "_areas",
    ]
