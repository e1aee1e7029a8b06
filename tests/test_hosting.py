"""What hosts the book: workflows, container and the list of Colab's packages, checked as far as no network is needed.

The workflows' own run checks them with actionlint, too. What no test here can know is whether an action that is named
exists, and what a hosted machine really does.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import colab
from install import KEPT, OLDEST

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
BIN = Path(sys.executable).parent
PROGRAMS = {"make", "git", "python", "pipx", "py", "sed"}  # what a hosted machine has, after actions/setup-python
# GitHub took Node.js 20 away in September 2026: of each action, the first version that does without.
FIRST = {"checkout": 5, "setup-python": 6, "upload-artifact": 6}
FIRST |= {"configure-pages": 6, "upload-pages-artifact": 5, "deploy-pages": 5}
FREEZE = "# a comment\n" + "".join(f"package-{i}==1.{i}\n" for i in range(120))
FREEZE += "torch @ https://example.org/whl/cpu/torch-2.11.0%2Bcpu-cp313-cp313-manylinux_2_28_x86_64.whl\n"
FREEZE += "tool @ git+https://example.org/tool@b134e9945\nown @ file:///dist/own_part-1.0.0-py3-none-any.whl\n"


def steps():
    """Return every step of every job of every workflow: (workflow, job, what it has of defaults, step)."""
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items():
            for step in job["steps"]:
                yield path.name, name, job, step


SCRIPTS = [(f"{file} {name}", step["run"]) for file, name, job, step in steps() if "run" in step]


def test_the_workflows_have_the_form_of_workflows():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, *map(str, WORKFLOWS)], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout
    assert {path.name for path in WORKFLOWS} == {"test.yml", "pages.yml", "weekly.yml"}


def test_every_action_has_a_version_and_every_job_an_end_and_few_rights():
    for file, name, job, step in steps():
        assert "uses" not in step or re.fullmatch(r"actions/[\w-]+@v\d+\.\d+\.\d+", step["uses"]), (file, name)
        assert job["timeout-minutes"] <= 180 and not job["runs-on"].endswith("latest")
    for path in WORKFLOWS:
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}


def test_every_action_runs_on_a_node_that_hosted_machines_have():
    used = {step["uses"] for _, _, _, step in steps() if "uses" in step}
    versions = [re.fullmatch(r"actions/([\w-]+)@v(\d+)\..*", one).groups() for one in used]
    assert len({name for name, _ in versions}) == len(used), used  # no action in two versions
    assert all(int(version) >= FIRST[name] for name, version in versions), used


def test_windows_runs_the_python_that_a_job_names():
    """`py -3` takes the newest on the machine, whatever actions/setup-python has installed; but the variable counts."""
    jobs = [(job, step["run"]) for _, _, job, step in steps() if "run" in step]
    using = [job for job, script in jobs if re.search(r"^py -3 ", script, re.M)]
    assert using and all(job["env"]["PY_PYTHON3"] == "${{ matrix.python }}" for job in using)


@pytest.mark.parametrize(("place", "script"), SCRIPTS)
def test_what_a_step_calls_is_there(place, script):
    """The programs, the project's own files, the targets of make, and the options of its tools."""
    windows = "windows" in place
    if not windows:
        done = subprocess.run(
            [str(BIN / "shellcheck"), "--shell=bash", "-"], input=script, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
    for line in script.strip().splitlines():
        words = shlex.split(line.replace("\\", "/"))
        program = words[0].removeprefix("$")
        assert program in PROGRAMS or re.fullmatch(r"\.venv/(bin|Scripts)/(python|jupyter-book)", program), line
        targets = re.findall(r"^([\w -]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
        if program == "make":
            assert set(words[1:]) <= {name for names in targets for name in names.split()}, line
        for script_file in (word for word in words if word.startswith("tools/")):
            text = (ROOT / script_file).read_text(encoding="utf-8")
            assert all(f'"{word}"' in text for word in words if word.startswith("--")), line


def test_what_a_step_replaces_in_a_file_is_there_once():
    lines = [line for _, script in SCRIPTS for line in script.splitlines() if line.startswith("sed ")]
    assert lines
    for line in lines:
        _, pattern, name = re.fullmatch(r"sed -i 's([/|])(.*)\1.*\1' (\S+)", line).groups()
        assert len(re.findall(pattern, (ROOT / name).read_text(encoding="utf-8"), re.M)) == 1, line


def test_readme_and_tests_run_the_same_commands():
    run = [step["run"] for file, name, job, step in steps() if file == "test.yml" and "run" in step]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for heading, shell in (("## Two commands", "bash"), ("## Windows, without make", "powershell")):
        block = re.search(rf"{heading}.*?```{shell}\n(.*?)```", readme, re.S)[1]
        for line in block.strip().splitlines():
            assert line.partition("#")[0].strip() in run


def test_oldest_and_newest_python_are_those_of_the_project():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))["jobs"]
    for name in ("make", "windows"):
        first, last = jobs[name]["strategy"]["matrix"]["python"]
        assert first == ".".join(map(str, OLDEST)) and tuple(map(int, last.split("."))) > OLDEST


def test_the_pages_get_the_address_of_the_repository_in_which_they_are_built():
    text = (ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8")
    assert "ADDRESS: ${{ github.server_url }}/${{ github.repository }}" in text
    (script,) = [step["run"] for _, _, _, step in steps() if "ADDRESS" in step.get("env", {})]
    assert shlex.split(script)[2:4] == ["$ADDRESS", "--branch"] and "https://github.com" not in text


# The container -----------------------------------------------------------------------------------------------------


def instructions():
    """Return the instructions of the Dockerfile, as pairs of a word and the rest."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_the_dockerfile_is_in_order():
    done = subprocess.run([str(BIN / "hadolint"), str(ROOT / "Dockerfile")], capture_output=True, encoding="utf-8")
    assert done.returncode == 0 and done.stdout == ""


def test_the_container_runs_without_rights_and_gets_no_more_than_it_needs(tmp_path):
    words = [word for word, _ in instructions()]
    assert dict(instructions())["USER"] == "1000:1000" and words.index("USER") < words.index("COPY")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    copied = [name for word, rest in instructions() if word == "COPY" for name in rest.split()[1:-1]]
    assert ignored[0] == "*" and {f"!{name}" for name in copied} == {one for one in ignored if one.startswith("!")}
    for name in copied:  # what the installation reads must be there
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile)(ROOT / name, tmp_path / name)
    command = [sys.executable, "tools/install.py", "--help"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    needed = {"requirements.txt", "requirements-test.txt", "pyproject.toml"}
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert needed | {project["readme"]} <= set(copied)


def test_the_container_does_not_carry_what_pip_has_downloaded():
    settings = shlex.split(dict(instructions())["ENV"])
    assert "PIP_NO_CACHE_DIR=1" in settings and "NO_CACHE_DIR" in KEPT.split()  # tools/install.py hands it on


def test_the_container_starts_the_jupyter_that_is_installed():
    (command,) = [json.loads(rest) for word, rest in instructions() if word == "CMD"]
    assert command[0] == ".venv/bin/jupyter"
    known = subprocess.run(
        [sys.executable, "-m", "jupyterlab", "--help-all"],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"JUPYTER_PLATFORM_DIRS": "1"},
    ).stdout
    for option in command[2:]:
        assert option.partition("=")[0] in known


def test_the_development_container_installs_with_the_project_s_own_command():
    settings = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert shlex.split(settings["onCreateCommand"]) == ["python3", "tools/install.py", "--tests"]
    assert settings["remoteUser"] != "root"


# Colab -------------------------------------------------------------------------------------------------------------


def test_colabs_list_has_a_date_a_python_and_what_the_book_needs():
    text = colab.LIST.read_text(encoding="utf-8")
    assert re.search(r"Python 3\.\d+\.\d+, from \S+, commit [0-9a-f]{12} of \d{4}-\d\d-\d\d\.$", text, re.M)
    assert tuple(map(int, colab.python_version(text).split("."))) >= OLDEST
    names = {line.partition("==")[0].lower() for line in text.splitlines() if "==" in line}
    assert {"torch", "numpy", "ipywidgets", "anywidget", "matplotlib", "ipykernel"} <= names
    assert all((ROOT / "notebooks" / f"{name}.ipynb").is_file() for name in colab.CHAPTERS)


def test_a_list_is_read_with_what_came_from_an_address():
    pins = colab.pins(FREEZE)
    assert "torch==2.11.0" in pins and "own==1.0.0" in pins and "package-7==1.7" in pins
    assert not any(pin.startswith("tool") for pin in pins)  # a commit is no version


def test_the_list_comes_from_a_clone(tmp_path):
    (tmp_path / "pip-freeze.txt").write_text(FREEZE, encoding="utf-8")
    (tmp_path / "os-info.txt").write_text("Some Linux\nPython 3.13.15\n", encoding="utf-8")
    git = ["git", "-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "All"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    text = colab.from_clone(tmp_path)
    assert colab.python_version(text) == "3.13" and "torch==2.11.0\n" in text


@pytest.mark.parametrize(("freeze", "system"), [("", "Python 3.13.1"), (FREEZE, "Some Linux"), (FREEZE[:2000], "")])
def test_a_list_of_another_form_is_refused(freeze, system):
    with pytest.raises(ValueError, match="Colab's list has changed its form"):
        colab.written(freeze, system, "0" * 40, "2031-02-03")
