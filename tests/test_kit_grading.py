"""Grading a class, and the check of a machine: what holds is found in a fresh kernel, what runs away is stopped."""

import argparse
import csv

import nbformat
import pytest

from unet_tutorial.__main__ import COMMANDS, main
from unet_tutorial._commands import check, grade

RIGHT = "check('tensors.axes', (8, 3, 100, 150))"
BOTH = [
    "from unet_tutorial.exercises import check",
    RIGHT,
    "check('tensors.one_step', 1)",
    "1 / 0",
    "answer = None\ncheck('unet_at_a_glance.bottom', answer)",
    "print('Right: 5.')",
]
LONG = 1e6  # seconds


def notebook(path, *cells, **tags):
    path.parent.mkdir(parents=True, exist_ok=True)
    made = [nbformat.v4.new_code_cell(cell) for cell in cells]
    for place, tag in tags.items():
        made[int(place[1:])].metadata["tags"] = [tag]
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    return path


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_class_gets_a_table_of_what_holds(tmp_path, capsys):
    source = notebook(tmp_path / "ada" / "00.ipynb", *BOTH)
    before = source.read_bytes()
    notebook(tmp_path / "ben" / "00.ipynb", BOTH[0], "check('tensors.axes', None)", RIGHT, c2="solution")
    (tmp_path / "cy").mkdir()
    (tmp_path / "cy" / "00.ipynb").write_text("no notebook")
    arguments = argparse.Namespace(folder=tmp_path, out=None, minutes=LONG, memory=100.0)
    assert grade.run(arguments) == 1
    ada, ben, cy = rows(tmp_path / "grades.csv")
    assert ada["tensors.axes"] == "right" and ada["tensors.one_step"] == "wrong"
    assert ada["unet_at_a_glance.bottom"] == "empty", "what follows an error still counts"
    assert ada["right"] == "1" and ada["asked"] == "3" and "with 1 error, the first ZeroDivisionError" in ada["ended"]
    assert ben["tensors.axes"] == "empty", "the solution that comes with the book is nobody's answer"
    assert ben["ended"] == "ran to its end" and ben["tensors.one_step"] == ""
    assert cy["ended"].startswith("is no notebook")
    assert source.read_bytes() == before and "ada/00.ipynb: 1 of 3 hold" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "seconds", "memory", "why"),
    [
        ("while True: pass", 1, 1e12, "minutes"),
        ("rows = []\nwhile True: rows.append(bytearray(b'1') * 10_000_000)", LONG, 6e8, "GB of memory"),
    ],
    ids=["time", "memory"],
)
def test_what_runs_away_is_stopped_and_what_was_not_reached_is_said(tmp_path, code, seconds, memory, why):
    notebook(tmp_path / "eve.ipynb", code, RIGHT)
    (result,) = grade.grade(tmp_path, seconds=seconds, memory=memory)
    assert result.student == "eve" and result.states == {"tensors.axes": "not reached"}
    assert result.ended.startswith("stopped: it took more than") and why in result.ended


def test_what_one_student_keeps_is_there_for_the_next_chapter_and_for_nobody_else(tmp_path):
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "mine.py").write_text("number = 8")
    for student in ("ada", "ben"):
        shape = "(mine.number, 3, 100, 150)"
        notebook(tmp_path / student / "0.ipynb", BOTH[0], "import mine", f"check('tensors.axes', {shape})")
    ada, ben = grade.grade(tmp_path, seconds=LONG, memory=1e12)
    assert ada.states == {"tensors.axes": "right"} and ben.states == {"tensors.axes": "not reached"}
    assert "ModuleNotFoundError" in ben.ended


def test_a_folder_without_notebooks_and_limits_that_are_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no notebook"):
        list(grade.grade(tmp_path, seconds=1, memory=1))
    with pytest.raises(ValueError, match="must be a folder"):
        list(grade.grade(tmp_path / "none", seconds=1, memory=1))
    with pytest.raises(ValueError, match="must be above 0"):
        grade.run(argparse.Namespace(folder=tmp_path, out=None, minutes=0.0, memory=1.0))


def test_without_jupyter_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(grade, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"grading needs jupyter_client, nbclient.*pip install \.\[teach\]"):
        grade.run(argparse.Namespace(folder=tmp_path, out=None, minutes=1.0, memory=1.0))


def test_both_are_commands_of_the_package(capsys):
    assert COMMANDS["check"] is check and COMMANDS["grade"] is grade
    with pytest.raises(SystemExit):
        main(["grade", "--help"])
    assert "container without network" in " ".join(capsys.readouterr().out.split())


def test_this_machine_is_looked_at_in_words(capsys):
    code = check.run(argparse.Namespace())
    said = capsys.readouterr().out
    assert all(f"  {name}: " in said for name in check.CHECKS)
    assert code == int("NOT READY" in said) and "Read out: “" in said


def test_what_is_missing_is_named_with_a_cure(monkeypatch, capsys):
    def broken():
        raise ValueError("2.0 GB are free. Close other programs.")

    monkeypatch.setattr(check, "CHECKS", {"Python": lambda: "3.12", "memory": broken})
    assert check.run(argparse.Namespace()) == 1
    said = capsys.readouterr().out
    assert "  NO   memory: 2.0 GB are free. Close other programs.\n" in said
    assert said.endswith("NOT READY. Read out: “not ready, one thing: memory”.\n")
    assert check.words([]).startswith("READY. Read out: “ready, Python 3.")
