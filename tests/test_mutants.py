"""Small changes of the code, and whether a test notices them."""

import ast

import pytest

import mutants

MODULE = '''"""A module."""


def held(side):
    """Return half a side."""
    if side > 3:
        return side // 2
    return 0


def free(side):
    """Return twice a side."""
    return side * 2
'''
TEST = """\
import sys
sys.path.insert(0, ".")
from unet_tutorial.halves import held
def test_held():
    assert [held(side) for side in (3, 4, 6)] == [0, 2, 3]
"""


@pytest.fixture
def repository(tmp_path):
    """A package of one module, of which one function has a test."""
    for name, text in (("unet_tutorial/halves.py", MODULE), ("tests/test_halves.py", TEST)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = real_nuclei\n real_sections\n real_streets\n")
    return tmp_path


def test_what_no_test_notices_is_listed_and_the_module_is_as_before(repository):
    left, tried = mutants.survivors(repository, "unet_tutorial/halves.py", sample=100, seed=0)
    assert left == [
        "unet_tutorial/halves.py:13: 2  ->  3",
        "unet_tutorial/halves.py:13: side * 2  ->  side + 2",
    ]
    assert tried == len(mutants.places(MODULE)) == 8
    assert (repository / "unet_tutorial" / "halves.py").read_text() == MODULE


def test_tests_that_fail_anyway_say_nothing(repository):
    (repository / "tests" / "test_halves.py").write_text(TEST.replace("== [0", "== [1"))
    with pytest.raises(RuntimeError, match="these tests fail without any change"):
        mutants.survivors(repository, "unet_tutorial/halves.py", sample=1, seed=0)


def test_what_runs_without_end_is_noticed(repository):
    (repository / "tests" / "test_halves.py").write_text("def test_x():\n    while True:\n        pass\n")
    assert mutants.notices(repository, ["tests/test_halves.py"], seconds=2)


@pytest.mark.parametrize(
    "before, after",
    [
        ("a < b", "a <= b"),
        ("a and b", "a or b"),
        ("a + b", "a - b"),
        ("a not in b", "a in b"),
        ("x if a else b", "x if not a else b"),
        ("f(3)", "f(4)"),
        ("f(True)", "f(False)"),
    ],
)
def test_every_change_is_another_code_that_python_reads(before, after):
    made = [mutants.mutant(before, place)[2] for place in mutants.places(before)]
    assert ast.unparse(ast.parse(after)) in made and ast.unparse(ast.parse(before)) not in made


def test_texts_and_annotations_are_left_alone():
    assert mutants.places('"""A text."""\nx: int | None\ny = "z"\n') == []


def test_the_core_is_the_package_without_what_draws_in_pages():
    names = mutants.core(mutants.ROOT)
    assert {"unet_tutorial/unet.py", "unet_tutorial/data/masks.py"} < set(names)
    assert not [name for name in names if "widgets" in name or "live" in name]
