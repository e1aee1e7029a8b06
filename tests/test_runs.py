"""Chapters are run once, side by side, however long it takes. One that fails, dies or hangs takes no other along."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest

import notebooks
import runs
import watch
from console import Board

DIES = "import os\nos._exit(1)"
HANGS = "import threading\nthreading.Event().wait()"
WORKS = "import time\nend = time.process_time() + 1.5\nwhile time.process_time() < end: pass\n'done'"


def notebook(*sources):
    cells = [nbformat.v4.new_markdown_cell("# 1 A"), *map(nbformat.v4.new_code_cell, sources)]
    return nbformat.v4.new_notebook(cells=cells, metadata=notebooks.METADATA)


@pytest.fixture
def book(tmp_path):
    (tmp_path / "notebooks").mkdir()
    return tmp_path


@pytest.fixture
def board():
    return Board(io.StringIO())


def test_a_chapter_is_run_once_and_its_outputs_are_kept(book, board):
    chapters = {"01_a": notebook("print('one')", "1 + 1"), "02_b": notebook("2 + 2")}
    assert {name: runs.find(book, chapter) for name, chapter in chapters.items()} == {"01_a": None, "02_b": None}
    assert runs.run_all(book, chapters, board) == {}
    lines = board.out.getvalue().splitlines()
    assert sorted(line.split()[0] for line in lines) == ["01_a", "02_b"] and "\x1b" not in "".join(lines)
    kept = runs.find(book, notebook("print('one')", "1 + 1"))
    assert [cell.outputs[0].get("text") for cell in kept.cells[1:]] == ["one\n", None]
    assert kept.cells[2].outputs[0].data["text/plain"] == "2"
    assert runs.find(book, notebook("print('two')", "1 + 1")) is None
    assert set(runs.seconds_before(book)) == {"01_a", "02_b"}


def test_a_changed_word_needs_no_run_and_a_changed_dependency_does(book, board, monkeypatch):
    runs.run_all(book, {"01_a": notebook("1 + 1")}, board)
    other = notebook("1 + 1")
    other.cells[0].source = "# 1 B"
    assert runs.find(book, other).cells[0].source == "# 1 B"
    monkeypatch.setattr(runs, "key", lambda notebook: "another")
    assert runs.find(book, other) is None


def test_a_run_that_was_cut_off_while_it_was_kept_is_none(book, board):
    runs.run_all(book, {"01_a": notebook("1 + 1")}, board)
    (file,) = runs.cache_folder(book).rglob("base.ipynb")
    file.write_text(file.read_text(encoding="utf-8")[:100], encoding="utf-8")
    assert runs.find(book, notebook("1 + 1")) is None
    file.unlink()
    assert runs.find(book, notebook("1 + 1")) is None
    assert runs.run_all(book, {"01_a": notebook("1 + 1")}, board) == {}
    assert runs.find(book, notebook("1 + 1")) is not None


@pytest.fixture
def impatient(monkeypatch):
    """Look every second, and call six seconds almost without work a hang: even a busy machine gives more."""
    monkeypatch.setattr(watch, "SECONDS", 1.0)
    monkeypatch.setattr(watch, "LOOKS", 6)
    monkeypatch.setattr(watch, "LEAST", 0.03)


@pytest.mark.usefixtures("impatient")
def test_a_chapter_that_fails_dies_or_hangs_takes_no_other_along_and_says_why(book, board):
    chapters = {
        "01_fails": notebook("a = 1", "raise ValueError('a must be 2, but got 1.')"),
        "02_dies": notebook(DIES),
        "03_hangs": notebook("1", "2", HANGS),
        "04_works": notebook(WORKS),
    }
    failures = runs.run_all(book, chapters, board)
    assert {name: failure.reason for name, failure in failures.items()} == {
        "01_fails": "It ended with ValueError: a must be 2, but got 1.",
        "02_dies": runs.DIED,
        "03_hangs": watch.verdict(),
    }
    assert failures["01_fails"].cell == "code cell 2 (raise ValueError('a must be 2, but got 1.'))"
    assert failures["03_hangs"].cell == "code cell 3 (import threading)"
    assert "Traceback" in runs.log_file(book, "01_fails").read_text(encoding="utf-8")
    assert [name for name, chapter in chapters.items() if runs.find(book, chapter)] == ["04_works"]
    runs.write_failures(book, failures)
    assert runs.failures_file(book).read_text(encoding="utf-8").count("code cell") == 3


def test_memory_decides_how_many_run_at_a_time(monkeypatch):
    class Memory:
        available = 0.1e9

    monkeypatch.setattr(runs.psutil, "virtual_memory", Memory)
    assert runs.workers() == 1
    Memory.available = 1e15
    assert runs.workers() >= 1


SCRIPT = """
import sys
from pathlib import Path
import test_runs, runs
from console import Board

long = test_runs.notebook(f"open({sys.argv[2]!r}, 'w')", test_runs.HANGS)
runs.run_all(Path(sys.argv[1]), {"01_quick": test_runs.notebook("1"), "02_long": long}, Board())
"""


def test_after_ctrl_c_nothing_is_left_running_and_what_was_done_is_kept(book):
    tools, tests, begun = runs.ROOT / "tools", Path(__file__).parent, book / "begun"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tools), str(tests), str(runs.ROOT)])}
    command = [sys.executable, "-c", SCRIPT, str(book), str(begun)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = process.stdout.readline()
    while not begun.exists():
        assert process.poll() is None, process.stderr.read()
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert first.split()[0] == "01_quick" and process.returncode != 0 and children
    gone, alive = psutil.wait_procs(children)
    assert not alive and runs.find(book, notebook("1")) is not None
