"""The gate for the notebooks: what nbval and what ``tools/notebooks.py check`` must refuse, and what passes."""

import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import nbformat
import pytest

import kernels
import notebooks
import runs
from console import Board
from steps import NBVAL

ENVIRONMENT = kernels.environment() | {"PYTHONPATH": str(notebooks.ROOT / "tools")}

CHAPTER = """\
---
kernelspec:
  name: python3
  display_name: Python 3
---

# A chapter

We start with a question.

```{code-cell} ipython3
import time
from unet_tutorial import plots
```

```{code-cell} ipython3
side = 2 + 2
print(f"{side} pixels")
side
```

```{code-cell} ipython3
:tags: [figure]
figure = plots.curves({"loss": [3.0, 2.0, 1.0]}, xlabel="epoch")
plots.show(figure, alt="The loss falls.")
```

```{code-cell} ipython3
:tags: [varies]
now = time.perf_counter()
print(now)
assert now > 0
```

```{code-cell} ipython3
:tags: [raises-exception]
raise ValueError("side must be 8")
```

Decide, then look.

```{code-cell} ipython3
:tags: [solution]
print("Right.")
```
"""
IMPORTS, NUMBER, FIGURE, VARIES, ERROR, SOLUTION = range(1, 7)  # places among the code cells; 0 is the setup cell


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A little book with one chapter, and its notebook as ``build`` makes it."""
    root = tmp_path_factory.mktemp("book")
    (root / "book" / "chapters").mkdir(parents=True)
    (root / "notebooks").mkdir()
    (root / "_config.yml").write_text("repository:\n  url: ''\n")
    (root / "_toc.yml").write_text("root: book/index\nparts:\n- chapters:\n  - file: notebooks/01_good\n")
    (root / "book" / "chapters" / "01_good.md").write_text(CHAPTER)
    assert notebooks.build(root, ["01_good"]) == []
    return root


@pytest.fixture
def book(built, tmp_path):
    return shutil.copytree(built, tmp_path / "book")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def display(kind, value):
    return {"output_type": "display_data", "metadata": {}, "data": {kind: value}}


# ---- nbval: each change below, and no other, must make exactly the named cell fail.


def stored_number(cells):
    cells[NUMBER].outputs[1].data["text/plain"] = "5"


def stored_print(cells):
    cells[NUMBER].outputs[0].text = "5 pixels\n"


def stored_alt_text(cells):
    cells[FIGURE].outputs[0].data["text/plain"] = "The loss rises."


def figure_not_shown(cells):
    cells[FIGURE].source = "pass"


def second_figure(cells):
    cells[FIGURE].source += '\nplots.show(plots.curves({"loss": [1.0, 2.0]}, xlabel="epoch"), alt="Another.")'


def exception(cells):
    cells[NUMBER].source += "\n1 / 0"


def bound_not_met(cells):
    cells[VARIES].source = cells[VARIES].source.replace("> 0", "< 0")


def new_warning(cells):
    cells[NUMBER].source = 'import sys\nprint("beware", file=sys.stderr)\n' + cells[NUMBER].source


def error_gone(cells):
    cells[ERROR].source = "pass"


def another_error(cells):
    cells[ERROR].source = 'raise ValueError("side must be 16")'


BROKEN = {
    stored_number: NUMBER,
    stored_print: NUMBER,
    stored_alt_text: FIGURE,
    figure_not_shown: FIGURE,
    second_figure: FIGURE,
    exception: NUMBER,
    bound_not_met: VARIES,
    new_warning: NUMBER,
    error_gone: ERROR,
    another_error: ERROR,
}


@pytest.fixture(scope="module")
def failed_cells(built, tmp_path_factory):
    """Run nbval once, as ``make test`` does, over the good notebook and all broken ones: name -> cells that failed."""
    # slow: eleven notebooks, each with a kernel of its own
    folder = tmp_path_factory.mktemp("nbval")
    good = notebooks.notebook_path(built, "01_good")
    shutil.copy(good, folder / "good.ipynb")
    shutil.copy(notebooks.ROOT / "conftest.py", folder)
    for change in BROKEN:
        notebook = nbformat.read(good, as_version=4)
        change(code_cells(notebook))
        nbformat.write(notebook, folder / f"{change.__name__}.ipynb")
    command = [sys.executable, "-m", "pytest", *NBVAL, "-n2", "--dist=loadscope", "--junitxml=report.xml", "."]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT)
    assert run.returncode == 1, run.stdout + run.stderr
    failed = {path.stem: [] for path in folder.glob("*.ipynb")}
    cases = list(ET.parse(folder / "report.xml").iter("testcase"))
    assert len(cases) == len(failed) * 7, "every code cell of every notebook is a test"
    for case in cases:
        if len(case):
            failed[case.get("classname").removesuffix(".ipynb")].append(int(case.get("name").removeprefix("Cell ")))
    return failed


def test_nbval_passes_the_good_notebook_though_its_picture_is_not_stored(failed_cells):
    assert failed_cells["good"] == []


@pytest.mark.parametrize("change, cell", BROKEN.items(), ids=[change.__name__ for change in BROKEN])
def test_nbval_refuses(failed_cells, change, cell):
    assert failed_cells[change.__name__] == [cell]


# ---- kept runs: what the build of the book keeps, nbval compares without running anything again.

KEPT = [change for change in BROKEN if change in (stored_number, stored_print, stored_alt_text)]


def test_nbval_compares_the_kept_run_and_runs_nothing_again(book):
    good = notebooks.notebook_path(book, "01_good")
    for change in [*KEPT, bound_not_met]:
        notebook = nbformat.read(good, as_version=4)
        change(code_cells(notebook))
        nbformat.write(notebook, good.with_name(f"{change.__name__}.ipynb"))
    shutil.copy(notebooks.ROOT / "conftest.py", book)
    command = [sys.executable, "-m", "pytest", *NBVAL, "--kept-runs=.", "-rfE", "notebooks"]
    run = subprocess.run(command, cwd=book, capture_output=True, text=True, env=ENVIRONMENT)
    found = re.findall(r"^(FAILED|ERROR) .*?(\w+)\.ipynb::Cell (\d)", run.stdout, re.M)
    failed = {(name, int(cell)) for kind, name, cell in found if kind == "FAILED"}
    assert failed == {(change.__name__, BROKEN[change]) for change in KEPT}, run.stdout
    assert {name for kind, name, _ in found if kind == "ERROR"} == {"bound_not_met"}
    assert "no run of bound_not_met.ipynb is kept that fits it" in run.stdout


# ---- build


def test_a_build_passes_the_check_and_repeats_itself(book, capsys):
    assert notebooks.check(book) == []
    table = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert table == {"notebooks": "1", "code cells": "7", "cells compared": "6", "cells that vary": "1"}
    path = notebooks.notebook_path(book, "01_good")
    before = path.read_bytes()
    path.unlink()
    assert notebooks.build(book, ["01_good"]) == []
    assert path.read_bytes() == before


def test_a_build_stores_text_and_nothing_of_the_machine(book):
    notebook = nbformat.read(notebooks.notebook_path(book, "01_good"), as_version=4)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, 8))
    assert cells[FIGURE].outputs == [display("text/plain", "The loss falls.")]
    assert cells[VARIES].outputs == []
    assert cells[VARIES].metadata.tags == ["varies", "nbval-ignore-output"]
    assert cells[ERROR].outputs[0].traceback == ["ValueError: side must be 8"]
    assert cells[SOLUTION].source.startswith("# @title Solution\n")
    assert "hide-cell" in cells[SOLUTION].metadata.tags
    assert cells[SOLUTION].metadata.jupyter.source_hidden and cells[SOLUTION].metadata.cellView == "form"
    assert cells[FIGURE].source.startswith("# @title Code of the figure\n")
    assert "hide-input" in cells[FIGURE].metadata.tags and cells[FIGURE].metadata.jupyter.source_hidden
    assert notebook.metadata == notebooks.METADATA
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def test_a_failing_cell_is_shown_and_the_notebook_stays_as_it_was(book):
    source, path = notebooks.source_path(book, "01_good"), notebooks.notebook_path(book, "01_good")
    before = path.read_bytes()
    source.write_text(CHAPTER.replace("side = 2 + 2", "side = 2 + missing_name"))
    (problem,) = notebooks.build(book, ["01_good"])
    assert "side = 2 + missing_name" in problem and "NameError" in problem
    assert path.read_bytes() == before


def test_a_chapter_starts_with_text(book):
    notebooks.source_path(book, "01_good").write_text("```{code-cell}\n1\n```\n")
    with pytest.raises(ValueError, match="01_good: a chapter must start with text"):
        notebooks.generate(book, "01_good")


def test_the_command_ends_with_an_error_for_an_unknown_chapter():
    command = [sys.executable, str(notebooks.ROOT / "tools" / "notebooks.py"), "build", "99_missing"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2 and "no chapter 99_missing in book/chapters" in run.stderr


# ---- explorers: git carries a sentence and numbers, and nbval compares them.

EXPLORER = """\
---
kernelspec: {name: python3, display_name: Python 3}
---

# A chapter

```{code-cell} ipython3
from unet_tutorial import widgets

widgets.Convolution(kernel="sum")
```
"""


def test_of_an_explorer_git_carries_words_and_numbers_and_nbval_compares_them(book):
    # slow: five kernels, each of which imports the explorers
    notebooks.source_path(book, "01_good").write_text(EXPLORER)
    assert notebooks.build(book, ["01_good"]) == []
    path = notebooks.notebook_path(book, "01_good")
    assert path.stat().st_size < 4_000
    good = nbformat.read(path, as_version=4)
    data = code_cells(good)[1].outputs[0].data
    assert set(data) == {"text/html", "text/plain"}
    assert data["text/html"].startswith("<p>With the kernel centred on row 3") and "sum: 71" in data["text/plain"]
    changes = {
        "other_words": ("text/html", data["text/html"].replace("71", "72")),
        "other_number": ("text/plain", data["text/plain"].replace("sum: 71", "sum: 72")),
    }
    for name, (kind, text) in changes.items():
        data[kind], kept = text, data[kind]
        nbformat.write(good, path.with_name(f"{name}.ipynb"))
        data[kind] = kept
    del code_cells(good)[1].outputs[0]
    nbformat.write(good, path.with_name("not_stored.ipynb"))
    shutil.copy(notebooks.ROOT / "conftest.py", book)
    command = [sys.executable, "-m", "pytest", *NBVAL, "-rf", "notebooks"]
    run = subprocess.run(command, cwd=book, capture_output=True, text=True, env=ENVIRONMENT)
    failed = set(re.findall(r"^FAILED .*?(\w+)\.ipynb::Cell 1\b", run.stdout, re.M))
    assert failed == {"other_words", "other_number", "not_stored"}, run.stdout


# ---- check: one bad notebook for each rule. A change gets the cells of the good notebook.


def code(place, **changes):
    def change(notebook):
        code_cells(notebook)[place].update(nbformat.from_dict(changes))

    return change


def output(place, value):
    return code(place, outputs=[value])


def text(source):
    def change(notebook):
        notebook.cells[0].source += "\n\n" + source

    return change


def stream(words, name="stdout"):
    return {"output_type": "stream", "name": name, "text": words}


HOME = "/".join(["", "home", "someone", "file.png"])
ERROR_OUTPUT = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
IMAGE_IN_HTML = '<img alt="a" src="data:image/png;base64,iV">'
TIMES = {"execution": {"iopub.execute_input": "2020-01-01"}}

RULES = {
    "changed source": (code(NUMBER, source="side = 5"), "cell 4: differs from its text. Edit book/chapters/01_good.md"),
    "changed tags": (code(NUMBER, metadata={"tags": ["hide-input"]}), "cell 4: differs from its text"),
    "changed text": (text("More."), "cell 1: differs from its text"),
    "cell id": (code(NUMBER, id="other"), "cell 4: differs from its text"),
    "cell missing": (lambda nb: nb.cells.pop(), "has 8 cells, but its text makes 9"),
    "metadata": (lambda nb: nb.metadata.language_info.update(version="3.11.7"), "its metadata differ"),
    "image": (output(FIGURE, display("image/png", "iV")), "stores an image; show figures with plots.show"),
    "svg image": (output(FIGURE, display("image/svg+xml", "<svg/>")), "stores an image"),
    "image inside html": (output(FIGURE, display("text/html", IMAGE_IN_HTML)), "stores an image"),
    "figure without alt": (output(FIGURE, display("text/plain", "<Figure size 640x480>")), "without alternative text"),
    "widget": (output(FIGURE, display("application/vnd.jupyter.widget-view+json", {})), "stores widget state"),
    "widget state": (lambda nb: nb.metadata.update(widgets={}), "stores widget state"),
    "timestamp": (code(NUMBER, metadata=TIMES), "stores times of execution"),
    "path in output": (output(NUMBER, stream(f"saved to {HOME}")), "holds a path of this machine"),
    "path in code": (code(NUMBER, source=f"open('{HOME}')"), "holds a path of this machine"),
    "path in text": (text(f"See `{HOME}`."), "holds a path of this machine"),
    "path on windows": (output(NUMBER, stream("\\".join(["C:", "Users", "x"]))), "holds a path of this machine"),
    "order": (code(NUMBER, execution_count=7), "has execution count 7, but is code cell 3"),
    "not run": (code(NUMBER, execution_count=None), "has execution count None, but is code cell 3"),
    "error": (output(NUMBER, ERROR_OUTPUT), "stores an error; mend the code"),
    "no error": (code(ERROR, outputs=[]), "is tagged raises-exception, but raised nothing"),
    "decides nothing": (code(VARIES, metadata={"tags": ["decide"]}, outputs=[]), "nothing comes out of it"),
    "stderr": (output(NUMBER, stream("beware", "stderr")), "writes to stderr"),
    "address": (output(NUMBER, stream("<object at 0x7f3a5c0d1e20>")), "shows the memory address 0x7f3a5c0d1e20"),
    "varies without assert": (code(VARIES, source="print(1)  # assert"), "is tagged varies, so it must assert"),
    "hidden from nbval": (code(NUMBER, metadata={"tags": ["nbval-ignore-output"]}), "hides its output from nbval"),
    "not run by nbval": (code(NUMBER, metadata={"tags": ["nbval-skip"]}), "is not fully run by nbval"),
    "marked by a comment": (code(NUMBER, source="# NBVAL_IGNORE_OUTPUT\n1"), "is not fully run by nbval"),
    "long cell": (code(NUMBER, source="\n".join(["x = 1"] * 16)), "has 16 lines of code, more than 15"),
    "wide line": (
        code(NUMBER, source="side = 4\nsquare = side * side" + " " * 30 + "# as many pixels as the picture has in it"),
        "has 91 characters in line 2, more than 84; give a part of it a name",
    ),
    "figure beside code": (
        code(NUMBER, source='side = 4\nplots.show(figure, alt="A side.")'),
        "draws beside other code; give the drawing a cell of its own, tagged figure",
    ),
    "long solution": (code(SOLUTION, source="# @title Solution\n" + "x = 1\n" * 25), "has 26 lines of code, more"),
    "directive": (text("```{note}\nBeware.\n```"), "has a MyST directive"),
    "tilde directive": (text("~~~{note}\nBeware.\n~~~"), "has a MyST directive"),
    "colon fence": (text(":::note\nBeware.\n:::"), "has a MyST colon fence"),
    "role": (text("See {doc}`this`."), "has a MyST role"),
    "target": (text("(here)=\n## Part"), "has a MyST target"),
    "footnote": (text("A claim.[^1]"), "has a MyST footnote"),
    "image in text": (text("![](unet.png)"), "has an image without alternative text"),
    "image tag in text": (text('<img src="unet.png">'), "has an image without alternative text"),
}


@pytest.mark.parametrize("change, said", RULES.values(), ids=list(RULES))
def test_the_check_refuses(book, change, said):
    path = notebooks.notebook_path(book, "01_good")
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    path.write_text(json.dumps(notebook))
    found = [problem for problem in notebooks.check(book) if said in problem]
    assert found and all(problem.startswith("01_good") for problem in found)


@pytest.mark.parametrize(
    "source",
    [
        "$$f_{i}(x) = \\text{loss}$$ and `{}` and a set `{1}`",
        "```python\nx = {1: 2}\n```",
        '![the network](unet.png) <img src="a.png" alt="the network">',
        "https://example.org/home/page",
        "<details><summary>More</summary>Text.</details>",
    ],
)
def test_plain_markdown_is_not_taken_for_anything_else(book, source):
    notebooks.source_path(book, "01_good").write_text(CHAPTER.replace("We start with a question.", source))
    path = notebooks.notebook_path(book, "01_good")
    notebook, fresh = nbformat.read(path, as_version=4), notebooks.generate(book, "01_good")
    notebook.cells[0] = fresh.cells[0]
    nbformat.write(notebook, path)
    assert notebooks.check(book) == []


def test_the_check_knows_what_belongs_together(book):
    folder = book / "notebooks"
    shutil.copy(folder / "01_good.ipynb", folder / "02_orphan.ipynb")
    (book / "book" / "chapters" / "03_unbuilt.md").write_text(CHAPTER)
    toc = "root: book/index\nchapters:\n- file: notebooks/01_good\n- file: notebooks/09_gone\n"
    (book / "_toc.yml").write_text(toc)
    assert notebooks.check(book) == [
        "03_unbuilt: has no notebook; run `python tools/notebooks.py build 03_unbuilt`.",
        "02_orphan: has no text book/chapters/02_orphan.md; write it, or delete the notebook.",
        "02_orphan: _toc.yml does not list it; add `- file: notebooks/02_orphan`.",
        "_toc.yml lists notebooks/09_gone, which does not exist.",
    ]


def test_the_chapter_on_nuclei_runs_to_its_end_without_the_data_set(tmp_path, monkeypatch):
    """As on a computer that has neither the data nor a network: the folder that is named holds nothing."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("UNET_TUTORIAL_DATA", str(tmp_path / "empty"))
    monkeypatch.setattr(runs, "keep", lambda *_: None)  # a run is kept under the data that were found
    made = {"15_nuclei": notebooks.generate(notebooks.ROOT, "15_nuclei")}
    assert runs.run_all(tmp_path, made, Board()) == {}
    said = "".join(out.get("text", "") for cell in made["15_nuclei"].cells for out in cell.get("outputs", []))
    assert "so what follows is drawn by a program" in said
