"""On what a chapter's outputs depend: nothing that it uses is missed, and what it does not use does not count."""

import re
import subprocess
import sys

import nbformat
import pytest

import data_sets
import dependencies
import notebooks
from dependencies import PACKAGE, ROOT

CHAPTERS = notebooks.names_in(ROOT / "book" / "chapters", "*.md")
# What is read by its name must be named where it is asked for, or a changed record would not be seen.
BY_NAME = re.compile(r"\b(?:records\.load|load_pretrained|pretrained_record|_kept\.read)\((?P<argument>[^,)]*)")
LOADED = f"import sys; print(*sorted(name for name in sys.modules if name.split('.')[0] == '{PACKAGE}'))"


def code_of(name):
    return dependencies.code_of(notebooks.generate(ROOT, name))


def notebook(*sources, **metadata):
    cells = [nbformat.v4.new_code_cell(source, metadata=metadata) for source in sources]
    return nbformat.v4.new_notebook(cells=cells, metadata=notebooks.METADATA)


@pytest.mark.parametrize("name", ["02_unet_at_a_glance", "13_debugging", "15_nuclei"])
def test_every_module_that_python_loads_is_found(name):
    code = code_of(name)
    imports = re.findall(rf"^(?:import|from) {PACKAGE}\b.*", code, re.M)
    done = subprocess.run([sys.executable, "-c", "\n".join([*imports, LOADED])], capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert len(loaded) > 5 and loaded <= dependencies.modules(code)


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_file_that_a_chapter_needs_is_there(name):
    files = dependencies.files(code_of(name))
    assert len(files) == len(set(files)) and all(path.is_file() for path in files)
    assert f"{PACKAGE}/__init__.py" in {path.relative_to(ROOT).as_posix() for path in files}


def test_a_chapter_does_not_depend_on_what_it_does_not_import():
    bottleneck = dependencies.modules(code_of("05_bottleneck"))
    assert f"{PACKAGE}.unet" in bottleneck and f"{PACKAGE}.blocks" in bottleneck
    assert not {f"{PACKAGE}.diagnosis", f"{PACKAGE}.augment", f"{PACKAGE}.data.bbbc039"} & bottleneck
    assert f"{PACKAGE}.data.bbbc039" in dependencies.modules(code_of("15_nuclei"))


def test_names_from_the_package_itself_may_come_from_anywhere():
    everything = set(dependencies.graph().modules)
    for code in ("from unet_tutorial import UNet", "import unet_tutorial", "from unet_tutorial import plots, fit"):
        assert dependencies.modules(code) == everything
    assert dependencies.modules("from unet_tutorial import sizing") < everything
    assert dependencies.modules("%matplotlib inline\nimport torch") == set()


def test_every_file_of_the_package_that_is_no_python_is_known():
    folders = {
        path.parent.relative_to(ROOT / PACKAGE).as_posix()
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    assert folders == set(dependencies.READ_BY)


def test_the_exercises_and_the_quiz_of_a_chapter_count_for_it_and_for_no_other():
    found = {path.relative_to(ROOT / PACKAGE).as_posix() for path in dependencies.files(code_of("03_double_conv"))}
    assert {"exercises/double_conv.py", "quiz/double_conv.yml", "exercises/pieces.py", "quiz/quiz.js"} <= found
    assert not {"exercises/encoder.py", "quiz/encoder.yml", "exercises/field.js"} & found


def test_a_record_counts_for_the_chapters_that_name_it():
    def records(name):
        return {path.name for path in dependencies.files(code_of(name)) if path.parent.name == "results"}

    assert "variants.json" in records("12_variants") and "bench.json" not in records("12_variants")
    assert "bench.json" in records("10_longer_and_faster")


def test_what_is_read_by_name_is_named():
    texts = {name: code_of(name) for name in CHAPTERS}
    texts |= {path.name: path.read_text(encoding="utf-8") for path in (ROOT / PACKAGE / "widgets").glob("*.py")}
    found = [(name, match["argument"]) for name, text in texts.items() for match in BY_NAME.finditer(text)]
    assert len(found) > 10
    assert [one for one in found if not re.fullmatch(r"[\"'][\w.]+[\"']", one[1])] == []


def test_the_key_changes_with_the_code_its_tags_the_package_and_the_libraries(monkeypatch, tmp_path):
    plain = notebook("from unet_tutorial import sizing", "1 + 1")
    key = dependencies.key(plain)
    assert dependencies.key(notebook("from unet_tutorial import sizing", "1 + 1")) == key
    text = nbformat.v4.new_markdown_cell("A word.")
    assert dependencies.key(nbformat.v4.new_notebook(cells=[text, *plain.cells])) == key
    keys = {
        key,
        dependencies.key(notebook("from unet_tutorial import sizing", "1 + 2")),
        dependencies.key(notebook("from unet_tutorial import sizing", "1 + 1", tags=["varies"])),
        dependencies.key(notebook("from unet_tutorial import plots", "1 + 1")),
    }
    monkeypatch.setattr(dependencies, "libraries", lambda: "torch==1")
    keys.add(dependencies.key(plain))
    changed = ROOT / PACKAGE / "sizing.py"
    read = type(changed).read_bytes
    monkeypatch.setattr(type(changed), "read_bytes", lambda path: read(path) + b"# new" * (path == changed))
    keys.add(dependencies.key(plain))
    assert len(keys) == 6
    other = notebook("from unet_tutorial.losses import bce_loss")
    with_change = dependencies.key(other)
    monkeypatch.setattr(type(changed), "read_bytes", read)
    assert dependencies.key(other) == with_change


def test_the_data_set_counts_where_it_is_used(monkeypatch):
    user, other = notebook("from unet_tutorial.data import bbbc039"), notebook("1")
    assert [one.module for one in dependencies.data_of(user)] == [f"{PACKAGE}.data.bbbc039"]
    assert dependencies.data_of(other) == []
    keys = set()
    for place in ("", "somewhere"):
        monkeypatch.setattr(data_sets, "place", lambda one, place=place: place)
        keys.add((dependencies.key(user), dependencies.key(other)))
    assert len({key for key, _ in keys}) == 2 and len({key for _, key in keys}) == 1


def test_the_libraries_are_the_same_whatever_a_process_has_loaded():
    """setuptools, once imported, puts packages of its own onto sys.path; a key must not see them."""
    program = "import sys; sys.path.insert(0, 'tools'); {}; import dependencies; print(dependencies.libraries())"
    said = [
        subprocess.run([sys.executable, "-c", program.format(first)], cwd=ROOT, capture_output=True, text=True).stdout
        for first in ("pass", "import setuptools")
    ]
    assert said[0] == said[1] and "torch==" in said[0]


def test_what_only_the_tests_need_is_no_library_of_a_chapter():
    names = {line.partition("==")[0] for line in dependencies.libraries().splitlines()[1:]}
    assert {"torch", "numpy", "myst-nb"} < names and not names & {"pytest", "nbval", "playwright", "unet-tutorial"}
