"""The editions for a class: no answer in the student's, notes in the instructor's, both from the real text."""

import ast
import importlib
import re
from pathlib import Path

import nbformat
import pytest

import editions
import notebook_rules
import notebooks
import runs
from console import Board
from unet_tutorial import exercises
from unet_tutorial._seal import sealed

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = notebooks.names_in(ROOT / "book" / "chapters", "*.md")
QUICK = ["00_tensors", "03_double_conv", "04_encoder", "06_decoder", "08_unet"]


def stored(name):
    """Return a chapter as git has it, with the outputs that it keeps out of sight."""
    return notebook_rules.bring_back(nbformat.read(notebooks.notebook_path(ROOT, name), as_version=4))


def edition(name, which):
    return editions.for_jupyter(editions.transformed(name, which, stored(name), ROOT), which)


def lines_of(notebook, *tags):
    """Return the longer lines of code of the cells that have, or of all others that have not, one of the tags."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    chosen = [cell for cell in cells if set(tags) & set(notebook_rules.tags(cell))]
    others = [cell for cell in cells if cell not in chosen]
    part = lambda group: {line.strip() for cell in group for line in cell.source.split("\n")}  # noqa: E731
    return {line for line in part(chosen) - part(others) if len(line) > 12}


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_students_notebook_has_no_answer(name):
    notebook, whole = edition(name, "student"), stored(name)
    text = nbformat.writes(notebook)
    assert not any({"solution", "check"} & set(notebook_rules.tags(cell)) for cell in notebook.cells)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert not lines_of(whole, "solution") & {line.strip() for line in code.split("\n")}
    printed = "".join(out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", []))
    assert '"seen_later"' not in text and "Right: " not in printed
    for cell in notebook.cells:
        if "decide" in notebook_rules.tags(cell):
            assert cell.outputs == []
    for one in exercises.names():
        if one.startswith(f"{name[3:]}."):
            assert f'check("{one}"' in code and exercises.find(one).revealed() not in text
    assert not any("teacher" in notebook_rules.tags(cell) for cell in notebook.cells)


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_cell_of_the_students_notebook_needs_one_that_is_not_there(name):
    """What only a solution defines is used by solutions alone."""
    defined = set(dir(__builtins__)) | {"__name__", "get_ipython", "display"}
    missing = set()
    for cell in edition(name, "student").cells:
        if cell.cell_type != "code":
            continue
        source = re.sub(r"^[%!].*$", "", cell.source, flags=re.M)
        tree = ast.parse(source)
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        defined |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                defined.add(node.name)
            if isinstance(node, ast.arg):
                defined.add(node.arg)
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                defined |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            if isinstance(node, ast.ExceptHandler) and node.name:
                defined.add(node.name)
        missing |= {node.id for node in names if isinstance(node.ctx, ast.Load)} - defined
    assert missing <= set(dir(__import__("builtins")))


def test_the_students_notebooks_run_with_nothing_filled_in(tmp_path):
    made = {name: edition(name, "student") for name in QUICK}
    (tmp_path / "notebooks").mkdir()
    assert runs.run_all(tmp_path, made, Board()) == {}
    for name, notebook in made.items():
        said = "".join(
            output.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
        )
        count = sum(cell.source.count("\ncheck(") for cell in notebook.cells if cell.cell_type == "code")
        assert said.count("Not answered yet: ") == count, name
        assert "Right: " not in said and "Not yet: " not in said


def test_the_students_notebooks_filled_with_the_solutions_are_right(tmp_path):
    """Each solution in the place of the cell that asks for it."""
    made = {}
    for name in QUICK:
        notebook = stored(name)
        cells, kept = notebook.cells, []
        for cell in cells:
            if "solution" in notebook_rules.tags(cell):
                kept.pop()  # the reader's cell, which comes right before
            kept.append(cell)
        notebook.cells = kept
        made[name] = notebook
    (tmp_path / "notebooks").mkdir()
    assert runs.run_all(tmp_path, made, Board()) == {}
    for name, notebook in made.items():
        for cell in notebook.cells:
            if "solution" in notebook_rules.tags(cell):
                assert "Right: " in "".join(output.get("text", "") for output in cell.outputs), (name, cell.source)


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_instructors_notebook_has_everything_and_notes_with_minutes(name):
    notebook, whole = edition(name, "instructor"), stored(name)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert code == [cell.source for cell in whole.cells if cell.cell_type == "code"]
    notes = [cell.source for cell in notebook.cells if "teacher" in notebook_rules.tags(cell)]
    assert len(notes) >= 3
    for note in notes:
        assert re.match(r"> \*\*For the teacher\.\*\* \*\*\d+ minutes", note), note[:60]
        assert "?" in note or "ask" in note.lower(), "a note says what to ask back"


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_readers_notebook_has_no_notes(name):
    text = nbformat.writes(notebooks.generate(ROOT, name))
    assert "teacher" not in text.replace("teachers", "").lower() or name == "01_segmentation"


def test_the_pieces_of_a_student_become_a_network_that_finds_cells(tmp_path):
    """Worked through as a student would, chapter by chapter, in one folder: what is right is kept, and put together."""
    (tmp_path / "notebooks").mkdir()
    for name in ("03_double_conv", "04_encoder", "06_decoder", "08_unet"):
        whole, notebook = stored(name), edition(name, "student")
        written = next(
            cell.source for cell in whole.cells if re.search(r"^check\(\"\w+\.write\", My\w+\)", cell.source, re.M)
        )
        cell = next(cell for cell in notebook.cells if "keep=True" in cell.source)
        cell.source = re.sub(r"^(check\(.*)\)$", r"\1, keep=True)", written, flags=re.M)
        assert runs.run_all(tmp_path, {name: notebook}, Board()) == {}
        assert cell.outputs[0].text.endswith("Kept in my_unet.py.\n"), cell.outputs[0].text
    said = "".join(out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", []))
    for one in ("DoubleConv", "Encoder", "DecoderBlock", "UNet"):
        assert f"{one}: yours, from my_unet.py." in said
    assert float(re.search(r"IoU (0\.\d+)", said)[1]) > 0.9
    kept = (tmp_path / "notebooks" / "my_unet.py").read_text(encoding="utf-8")
    assert "import DoubleConv" not in kept and kept.count("class My") == 4


def test_the_students_pages_have_no_button_that_tells_the_answer(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    field = importlib.import_module("book_exercises").field
    exercise = exercises.find("double_conv.count")
    for_readers = field("double_conv.count", exercise, "reader").astext()
    for_students = field("double_conv.count", exercise, "student").astext()
    assert sealed("double_conv.count", exercise.table()) in for_readers
    without = {key: value for key, value in exercise.table().items() if key != "revealed"}
    assert sealed("double_conv.count", without) in for_students != for_readers


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_pages_find_the_run_of_a_notebook_that_keeps_outputs_out_of_sight(name, monkeypatch):
    """Otherwise MyST-NB would run every chapter once more, and show that run in the place of the compared one."""
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    book_runs = importlib.import_module("book_runs")
    text = notebooks.notebook_path(ROOT, name).read_text(encoding="utf-8")
    cache = runs.opened(ROOT)
    shown = nbformat.reads(book_runs.as_run(text), as_version=4)
    ids = [cache.create_hashed_notebook(one)[1] for one in (shown, notebooks.generate(ROOT, name), stored(name))]
    assert ids[0] == ids[1] == ids[2]


@pytest.mark.parametrize("name", CHAPTERS)
def test_where_a_reader_writes_layers_the_module_is_ready_for_them(name):
    """A layer that is assigned before `super().__init__()` raises an error which no beginner can read."""
    for cell in stored(name).cells:
        if cell.cell_type != "code" or "class " not in cell.source:
            continue
        for method in ast.walk(ast.parse(re.sub(r"^[%!].*$", "", cell.source, flags=re.M))):
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                lines = [ast.unparse(line) for line in method.body]
                if "..." in lines and "super().__init__()" in lines:
                    assert lines.index("super().__init__()") < lines.index("..."), cell.source
