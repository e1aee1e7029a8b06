"""The package's front door: cheap to import, complete, and helpful about typing errors."""

import ast
import importlib
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import unet_tutorial

ROOT = Path(__file__).resolve().parents[1]
STUB = [
    node
    for node in ast.parse(Path(unet_tutorial.__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body
    if isinstance(node, ast.ImportFrom)
]


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_the_package_loads_no_other():
    code = "import sys; before = set(sys.modules); import unet_tutorial; print(*sorted(set(sys.modules) - before))"
    assert "unet_tutorial" in run(code).split()
    assert not {"torch", "numpy", "scipy", "matplotlib", "tqdm"} & set(run(code).split())


def test_sizing_and_exercises_need_no_torch():
    code = "import sys, unet_tutorial.sizing, unet_tutorial.exercises; print('torch' in sys.modules)"
    assert run(code).strip() == "False"


@pytest.mark.parametrize("name", unet_tutorial.__all__)
def test_every_public_name_is_what_its_module_holds(name):
    home = {alias.name: node.module for node in STUB for alias in node.names}[name]
    where = importlib.import_module(f"unet_tutorial.{home or name}")
    assert getattr(unet_tutorial, name) is (getattr(where, name) if home else where)
    assert name in dir(unet_tutorial)


def test_every_public_module_is_listed():
    modules = {module.name for module in pkgutil.iter_modules(unet_tutorial.__path__) if module.name[0] != "_"}
    assert modules == {alias.name for node in STUB if not node.module for alias in node.names}


def test_a_type_checker_knows_what_a_top_level_name_is(tmp_path):
    path = tmp_path / "use.py"
    path.write_text("import unet_tutorial as u\nreveal_type(u.DiceLoss())\nu.UNet('three')\nu.Unet\n")
    done = subprocess.run([sys.executable, "-m", "mypy", path], capture_output=True, text=True, cwd=ROOT)
    assert 'Revealed type is "unet_tutorial.losses.DiceLoss"' in done.stdout
    assert 'Argument 1 to "UNet" has incompatible type "str"; expected "int"' in done.stdout
    assert 'Module has no attribute "Unet"' in done.stdout


def test_a_typing_error_names_the_nearest():
    with pytest.raises(AttributeError, match="no attribute 'UNett'. Did you mean 'UNet'?"):
        unet_tutorial.UNett  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'qqqqqqqq'.$"):
        unet_tutorial.qqqqqqqq  # noqa: B018


def test_the_version_stands_in_one_place():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in pyproject["project"]
    assert pyproject["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "unet_tutorial.__version__"}
