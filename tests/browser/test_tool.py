"""The tool that finds or installs browsers: what it tries, in which order, and what it says when nothing helps."""

import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

import browser as tool

KINDS = pytest.mark.parametrize("kind", tool.KINDS.values(), ids=tool.KINDS)


@pytest.fixture
def bare_machine(monkeypatch):
    """A machine with apt-get and the rights of root, but no browser; returns the list of commands that were run."""
    commands = []
    monkeypatch.setattr(tool, "candidates", lambda playwright, kind: iter(["/nowhere/browser"]))
    monkeypatch.setattr(tool, "privileges", lambda: [])
    monkeypatch.setattr(tool.shutil, "which", lambda name: f"/usr/bin/{name}")
    return commands


def test_find_prints_browsers_that_the_tests_can_drive():
    command = [sys.executable, tool.__file__, "find"]  # its own process: Playwright runs only once in each
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    places = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert done.returncode == 0 and list(places) == [*tool.KINDS, "webkit"]
    assert all(Path(places[name]).is_file() for name in tool.KINDS)
    assert places["webkit"] == tool.where_webkit()


@pytest.mark.parametrize("missing", tool.KINDS)
def test_one_that_is_missing_is_an_error_and_the_others_are_found_all_the_same(monkeypatch, capsys, missing):
    def find(playwright, kind):
        if kind.name == missing:
            raise FileNotFoundError(kind.cure())
        return "/usr/bin/there"

    monkeypatch.setattr(tool, "find", find)
    monkeypatch.setattr(tool, "sync_playwright", nullcontext)
    monkeypatch.setattr(sys, "argv", ["browser.py", "find"])
    assert tool.main() == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"No {missing.title()} was found") and said.out.count("/usr/bin/there") == 1


@KINDS
def test_without_a_browser_the_message_says_what_to_do(bare_machine, kind):
    with pytest.raises(FileNotFoundError, match=f"Install {kind.titles} .* --with-deps {kind.name}`"):
        tool.find(None, kind)


@KINDS
def test_what_only_looks_like_a_browser_is_passed_over(tmp_path, bare_machine, monkeypatch, capsys, kind):
    script = tmp_path / "browser"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-called\necho It is elsewhere; exit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(tool, "candidates", lambda playwright, kind: [str(script)])
    with pytest.raises(FileNotFoundError):
        tool.find(None, kind)
    assert f"{script} does not start" in capsys.readouterr().err and (tmp_path / "was-called").exists()


@KINDS
@pytest.mark.parametrize("downloaded", [True, False])
def test_playwright_comes_first_and_the_distribution_helps(bare_machine, monkeypatch, kind, downloaded):
    def run(command):
        bare_machine.append(" ".join(command))
        return downloaded

    expected = [f"install {kind.name}", *([f"install-deps {kind.name}"] if downloaded else ["update", kind.package])]
    monkeypatch.setattr(tool, "run", run)
    with pytest.raises(FileNotFoundError):
        tool.install(None, kind)
    assert len(bare_machine) == len(expected)
    assert all(command.endswith(end) for command, end in zip(bare_machine, expected, strict=True))


def test_webkit_is_installed_where_it_is_missing_and_where_it_cannot_be_that_is_told(bare_machine, monkeypatch):
    monkeypatch.setattr(tool, "run", lambda command: bare_machine.append(" ".join(command)))
    tool.install_webkit()
    assert bare_machine == [] and tool.where_webkit() == "/usr/bin/WebKitWebDriver"
    monkeypatch.setattr(tool.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    tool.install_webkit()
    assert bare_machine[-1].endswith("--no-install-recommends webkit2gtk-driver xvfb")
    assert tool.where_webkit().startswith("cannot be driven")


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
