"""The first code cell of every notebook, really run where the package is missing, with and without a wheel."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import lazy_loader
import nbformat
import pytest

import notebooks
from notebook_rules import MAX_WIDTH
from setup_cell import repository_url, setup_cell

PACKAGE = notebooks.ROOT / "unet_tutorial"
ADDRESS = "https://example.org/somebody/unet-tutorial"


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of an environment in which nothing but pip is installed, and what the package needs to be found."""
    folder = tmp_path_factory.mktemp("bare")
    builder = venv.EnvBuilder(with_pip=True)
    builder.create(folder)
    python = builder.ensure_directories(folder).env_exe
    where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip()
    shutil.copytree(Path(lazy_loader.__file__).parent, Path(packages) / "lazy_loader")
    return python


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the package, built from a copy, so that the build leaves nothing in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(notebooks.ROOT / name, folder)
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(folder)], check=True)
    (path,) = folder.glob("*.whl")
    return path


def run_cell(python, folder, after=""):
    # The package's dependencies are not under test, and nothing may come from outside.
    env = os.environ | {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PYTHONPATH": ""}
    code = f"{setup_cell('')}\n{after}"
    return subprocess.run([python, "-c", code], cwd=folder, env=env, capture_output=True, text=True)


def test_it_says_what_to_do_where_there_is_nothing_to_install_from(python, tmp_path):
    run = run_cell(python, tmp_path)
    assert run.returncode == 1
    said = run.stderr.strip().splitlines()[-1]
    assert said.startswith("RuntimeError: The package unet_tutorial is not installed: put the file unet_tutorial-….whl")


def test_it_installs_the_wheel_beside_the_notebook(python, wheel, tmp_path):
    (tmp_path / wheel.name).write_bytes(wheel.read_bytes())
    run = run_cell(python, tmp_path, "import unet_tutorial; print(unet_tutorial.__file__)")
    assert run.returncode == 0, run.stderr
    assert "site-packages" in run.stdout
    # Where the package is there, the cell does nothing, and needs no wheel.
    (tmp_path / wheel.name).unlink()
    again = run_cell(python, tmp_path)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_the_wheel_holds_every_file_of_the_package(wheel):
    files = {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {file for file in files if "__pycache__" not in file} == {f for f in inside if ".dist-info/" not in f}


@pytest.mark.parametrize("beside", [[], ["unet_tutorial-0.1.0-py3-none-any.whl"]])
def test_with_an_address_it_installs_from_there_unless_a_wheel_lies_beside_it(monkeypatch, tmp_path, beside):
    for name in beside:
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    commands = []
    monkeypatch.setattr("subprocess.run", lambda command, check: commands.append(command))
    exec(setup_cell(ADDRESS), {})
    (source,) = beside or [f"git+{ADDRESS}"]
    assert commands == [[sys.executable, "-m", "pip", "install", "--quiet", source]]


def test_the_address_is_the_one_setting(tmp_path):
    (tmp_path / "_config.yml").write_text("repository:\n  url: ''\n")
    assert repository_url(tmp_path) == ""
    (tmp_path / "_config.yml").write_text(f"repository:\n  url: {ADDRESS}\n")
    assert repository_url(tmp_path) == ADDRESS
    (tmp_path / "_config.yml").write_text("title: a book\n")
    assert repository_url(tmp_path) == ""


def test_without_an_address_the_cell_names_none():
    assert "://" not in setup_cell("") and "git" not in setup_cell("")


@pytest.mark.parametrize("url", ["", ADDRESS])
def test_it_is_short(url):
    assert len(setup_cell(url).splitlines()) <= 15
    assert max(map(len, setup_cell(url).splitlines())) <= MAX_WIDTH


def test_it_is_the_first_code_cell_of_every_notebook_right_after_the_title():
    expected = setup_cell(repository_url(notebooks.ROOT))
    paths = sorted((notebooks.ROOT / "notebooks").glob("*.ipynb"))
    assert paths
    for path in paths:
        first, second = nbformat.read(path, as_version=4).cells[:2]
        assert first.cell_type == "markdown" and first.source.startswith("# ")
        assert (second.cell_type, second.source, second.metadata) == ("code", expected, {"tags": ["remove-cell"]})
