"""The tool that finds or installs a browser: what it tries, in which order, and what it says when nothing helps."""

import subprocess
import sys
from functools import partial

import pytest

import browser as tool


@pytest.fixture
def bare_machine(monkeypatch):
    """A machine with apt-get and the rights of root, but no browser; returns the list of commands that were run."""
    commands = []
    monkeypatch.setattr(tool, "candidates", lambda: iter(["/nowhere/chromium"]))
    monkeypatch.setattr(tool, "privileges", lambda: [])
    monkeypatch.setattr(tool.shutil, "which", lambda name: f"/usr/bin/{name}")
    return commands


def test_find_prints_a_browser_that_runs():
    command = [sys.executable, tool.__file__, "find"]  # its own process: Playwright runs only once in each
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0 and tool.starts(done.stdout.strip())


def test_without_a_browser_the_message_says_what_to_do(bare_machine):
    with pytest.raises(FileNotFoundError, match="Install Chromium, Google Chrome or Microsoft Edge"):
        tool.find()


def test_what_only_looks_like_a_browser_is_passed_over(tmp_path, bare_machine, monkeypatch, capsys):
    script = tmp_path / "chromium"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-called\necho It is elsewhere; exit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(tool, "candidates", lambda: [str(script)])
    with pytest.raises(FileNotFoundError):
        tool.find()
    assert f"{script} does not start" in capsys.readouterr().err and (tmp_path / "was-called").exists()


@pytest.mark.parametrize(
    ("downloaded", "expected"),
    [(True, ["install chromium", "install-deps chromium"]), (False, ["install chromium", "update", "chromium"])],
)
def test_playwright_comes_first_and_the_distribution_helps(bare_machine, monkeypatch, downloaded, expected):
    def run(command):
        bare_machine.append(" ".join(command))
        return downloaded

    monkeypatch.setattr(tool, "run", run)
    with pytest.raises(FileNotFoundError):
        tool.install()
    assert len(bare_machine) == len(expected)
    assert all(command.endswith(end) for command, end in zip(bare_machine, expected, strict=True))


def test_a_command_that_fails_is_told():
    assert tool.run([sys.executable, "-c", "pass"])
    assert not tool.run([sys.executable, "-c", "raise SystemExit(3)"])


def test_a_browser_that_hangs_is_passed_over(tmp_path, monkeypatch, capsys):
    script = tmp_path / "chromium"
    script.write_text("#!/bin/sh\nexec sleep 3600\n")
    script.chmod(0o755)
    monkeypatch.setattr(tool.watch, "run", partial(tool.watch.run, seconds=0.5, looks=3))
    assert not tool.starts(str(script))
    assert f"{script} does not start" in capsys.readouterr().err
