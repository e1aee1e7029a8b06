"""The steps of `make test`: all are taken, their ends are shown, what hangs is ended, what is slow is not."""

import io

import pytest
import yaml

import steps
import watch
from console import Board

FAILS = ["-c", "print('the reason'); raise SystemExit(3)"]
PASSES = ["-c", "import os; print('threads', os.environ['OMP_NUM_THREADS']); print('3 passed in 0.1s')"]
HANGS = ["-c", "import threading; threading.Event().wait()"]
WORKS = ["-c", "import time\nend = time.process_time() + 1.5\nwhile time.process_time() < end: pass"]


@pytest.fixture
def everything_is_there(monkeypatch):
    monkeypatch.setattr(steps, "has_nuclei", lambda: True)


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
    monkeypatch.setattr(watch, "SECONDS", 0.1)
    monkeypatch.setattr(watch, "LOOKS", 10)
    monkeypatch.setattr(watch, "LEAST", 0.02)
    board = Board(io.StringIO())
    hung = steps.run_step(tmp_path, "one that hangs", HANGS, board)
    assert not hung.succeeded and watch.verdict() in steps.text_of(hung) and watch.verdict() in board.out.getvalue()
    slow = steps.run_step(tmp_path, "one that works", WORKS, board)
    assert slow.succeeded and watch.verdict() not in steps.text_of(slow)


def test_the_slowest_tests_are_listed(tmp_path, capsys):
    log = tmp_path / "log.txt"
    times = [f"{number}.50s call     tests/test_a.py::test_{number}" for number in range(30)]
    log.write_text("\n".join([*times, "0.02s setup    tests/test_b.py::test", "30 passed, 1 failed in 9s"]))
    assert steps.report([steps.Step("package", False, 9.0, log)], False) == 1
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


@pytest.mark.parametrize("there", [True, False])
def test_without_the_real_pictures_only_what_needs_them_is_left_out_and_this_is_said(
    monkeypatch, tmp_path, capsys, there
):
    show = ["-c", "import sys; print(sys.argv[1:])"]
    monkeypatch.setattr(steps, "has_nuclei", lambda: there)
    assert steps.test(tmp_path, dict.fromkeys(steps.STEPS, show)) == 0
    logs = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "_build" / "log").iterdir())
    for words in ("['-m', 'not real_nuclei']", "['--ignore=notebooks/15_nuclei.ipynb']"):
        assert (words in logs) != there
    assert ("Left out: the comparison" in capsys.readouterr().out) != there


def test_what_is_left_out_without_the_real_pictures_exists():
    assert set(steps.WITHOUT_NUCLEI) <= set(steps.STEPS)
    (ignored,) = steps.WITHOUT_NUCLEI["notebooks compared"]
    assert (steps.Path(steps.__file__).parents[1] / ignored.removeprefix("--ignore=")).is_file()


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
