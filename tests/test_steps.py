"""The steps of `make test`: all are taken, their ends are shown, what hangs is ended, what is slow is not."""

import io

import pytest
import yaml

import data_sets
import steps
import watch
from console import Board

FAILS = ["-c", "print('the reason'); raise SystemExit(3)"]
PASSES = ["-c", "import os; print('threads', os.environ['OMP_NUM_THREADS']); print('3 passed in 0.1s')"]
HANGS = ["-c", "import threading; threading.Event().wait()"]
WORKS = ["-c", "import time\nend = time.process_time() + 1.5\nwhile time.process_time() < end: pass"]


@pytest.fixture
def everything_is_there(monkeypatch):
    monkeypatch.setattr(data_sets, "place", lambda one: "somewhere")


@pytest.mark.usefixtures("everything_is_there")
def test_a_failed_step_does_not_stop_the_others_and_fails_the_test(tmp_path, capsys):
    assert steps.test(tmp_path, {"bad": FAILS, "good": PASSES}) == 1
    out = capsys.readouterr().out
    assert "the reason" in out and "All that was said is in _build/log/bad.txt." in out
    bad, good = (line.split() for line in out.splitlines() if line.startswith(("  bad", "  good")))
    assert bad[-1] == "FAILED" and good[-3:] == ["passed", "3", "passed"]
    assert out.splitlines()[-1] == "3 passed, 0 failed" and "FAILED: bad." in out
    assert "threads 1" in (tmp_path / "_build" / "log" / "good.txt").read_text(encoding="utf-8")
    assert steps.test(tmp_path, {"good": PASSES}) == 0
    assert "All steps passed." in capsys.readouterr().out


def test_what_hangs_is_ended_and_told_and_what_is_slow_goes_on(monkeypatch, tmp_path):
    monkeypatch.setattr(watch, "SECONDS", 0.2)
    monkeypatch.setattr(watch, "LOOKS", 15)
    monkeypatch.setattr(
        watch, "LEAST", 0.005
    )  # less than the clock of a process can tell: on a busy machine it gets little
    board = Board(io.StringIO())
    hung = steps.run_step(tmp_path, "one that hangs", HANGS, board)
    assert not hung.succeeded and watch.verdict() in steps.text_of(hung) and watch.verdict() in board.out.getvalue()
    slow = steps.run_step(tmp_path, "one that works", WORKS, board)
    assert slow.succeeded and watch.verdict() not in steps.text_of(slow)


def test_the_slowest_tests_are_listed(tmp_path, capsys):
    log = tmp_path / "log.txt"
    times = [f"{number}.50s call     tests/test_a.py::test_{number}" for number in range(30)]
    log.write_text("\n".join([*times, "0.02s setup    tests/test_b.py::test", "30 passed, 1 failed in 9s"]))
    assert steps.report([steps.Step("package", False, 9.0, log)]) == 1
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[-1] for line in lines if "::" in line]
    assert listed == [f"tests/test_a.py::test_{number}" for number in range(29, 9, -1)]
    assert lines[-1] == "30 passed, 1 failed"


def test_every_step_of_the_test_exists():
    root = steps.Path(steps.__file__).parents[1]
    scripts = [command[0] for command in steps.STEPS.values() if command[0] != "-m"]
    assert scripts and all((root / script).is_file() for script in scripts)
    paths = [command[-1] for command in steps.STEPS.values() if "pytest" in command]
    assert paths == ["--ignore=tests/browser", "notebooks", "tests/browser"]
    assert set(steps.QUICK) < set(steps.STEPS)


def test_the_quick_steps_run_before_a_commit_too():
    text = (steps.Path(steps.__file__).parents[1] / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    (local,) = yaml.safe_load(text)["repos"]
    assert local["repo"] == "local"  # nothing is fetched
    commands = {hook["name"]: hook["entry"] for hook in local["hooks"]}
    assert commands == {name: " ".join([".venv/bin/python", *command]) for name, command in steps.QUICK.items()}
    assert all(hook["always_run"] and not hook["pass_filenames"] for hook in local["hooks"])


@pytest.mark.parametrize("gone", [(), ("real_nuclei",), ("real_nuclei", "real_streets")])
def test_without_real_pictures_only_what_needs_them_is_left_out_and_this_is_said(monkeypatch, tmp_path, capsys, gone):
    show = ["-c", "import sys; print(sys.argv[1:])"]
    (tmp_path / "notebooks").symlink_to(steps.Path(steps.__file__).parents[1] / "notebooks")
    monkeypatch.setattr(data_sets, "place", lambda one: "" if one.marker in gone else "somewhere")
    monkeypatch.setattr(steps.webkit, "is_here", lambda: True)  # else its tests are left out, too
    assert steps.test(tmp_path, dict.fromkeys(steps.STEPS, show)) == 0
    logs = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "_build" / "log").iterdir())
    assert logs.count("'-m', '") == bool(gone)
    assert f"['-m', '{' and '.join(f'not {marker}' for marker in gone)}']" in logs or not gone
    assert ("'--ignore=notebooks/15_nuclei.ipynb'" in logs) == ("real_nuclei" in gone)
    assert "01_segmentation" not in logs
    said = capsys.readouterr().out
    assert ("Left out: what needs the nuclei (BBBC039)" in said) == bool(gone)
    assert ("the street scenes (CamVid)" in said) == ("real_streets" in gone)


@pytest.mark.usefixtures("everything_is_there")
@pytest.mark.parametrize("there", [True, False])
def test_without_a_driver_of_webkit_its_tests_are_left_out_and_this_is_said(monkeypatch, tmp_path, capsys, there):
    show = ["-c", "import sys; print(sys.argv[1:])"]
    monkeypatch.setattr(steps.webkit, "is_here", lambda: there)
    assert steps.test(tmp_path, {"browser": show, "pages": show}) == 0
    assert ("not webkit" in (tmp_path / "_build/log/pages.txt").read_text(encoding="utf-8")) != there
    assert "not webkit" not in (tmp_path / "_build/log/browser.txt").read_text(encoding="utf-8")
    assert ("Left out: the explorers in WebKit" in capsys.readouterr().out) != there


def test_what_is_left_out_belongs_to_steps_that_exist():
    root = steps.Path(steps.__file__).parents[1]
    assert set(steps.left_out(root, list(data_sets.ALL))) <= set(steps.STEPS) and steps.left_out(root, []) == {}


def test_every_data_set_has_a_marker_that_pytest_knows_and_a_description(pytestconfig):
    known = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
    assert {one.marker for one in data_sets.ALL} <= known
    assert all(one.published().files for one in data_sets.ALL)


def test_the_tests_of_what_changed():
    root = steps.Path(steps.__file__).parents[1]
    losses = steps.touched_tests(root, {"unet_tutorial/losses.py"})
    assert "tests/test_losses.py" in losses and "unet_tutorial/losses.py" in losses
    assert "tests/test_setup_cell.py" not in losses
    private = steps.touched_tests(root, {"unet_tutorial/_contract.py"})
    assert {"tests/test_losses.py", "tests/test_masks.py"} <= set(private), "no test imports it, but what uses it"
    assert "tests/test_steps.py" in steps.touched_tests(root, {"tools/steps.py"})
    assert steps.touched_tests(root, {"tests/test_masks.py"}) == ["tests/test_masks.py"]
    assert steps.touched_tests(root, {"README.md"}) == []


def test_how_far_a_step_is():
    assert steps.how_far(b"....... [ 42%]\n") == "42 %" and steps.how_far(b"looking\n") == "looking"
