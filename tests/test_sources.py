"""The check of the sources: one bad file for each rule, and the repository as it is."""

import subprocess
import sys
import types

import pytest

from check_sources import (
    ROOT,
    docstring_problems,
    file_problems,
    link_problems,
    names_in,
    private_problems,
    tracked,
)

HOME = "/".join(["", "home", "someone"])
UNFINISHED = "TO" + "DO"
SKIP = "@pytest.mark." + "skip"


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("big.bin", b"\xff" * 1_000_001, "big.bin: has 1.0 MB"),
        ("lib.min.js", b"x", "lib.min.js: looks minified or third-party"),
        ("one_line.js", b"x" * 1_001, "one_line.js: looks minified"),
        ("long.css", b"a{}\n" * 20_000, "long.css: looks minified"),
        ("code.py", f"x = 1\nopen('{HOME}/data')\n".encode(), "code.py:2: holds a path of this machine"),
        ("note.md", f"{UNFINISHED}: write this\n".encode(), "note.md:1: holds an unfinished mark"),
        ("note.md", b"More is coming " + b"soon.", "note.md:1: holds an unfinished mark"),
        ("tests/test_x.py", f"{SKIP}\ndef test_x(): ...\n".encode(), "tests/test_x.py:1: skips a test"),
        ("tests/test_x.py", b"    assert " + b"True\n", "tests/test_x.py:1: skips a test, or cannot fail"),
        ("tests/test_x.py", b"ass" + b"ert seconds[1] < 20\n", "tests/test_x.py:1: asserts something about a time"),
        ("book/chapters/1.md", b"ass" + b"ert 1 < faster < 3\n", "book/chapters/1.md:1: asserts something"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, content, said):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    (problem,) = file_problems(tmp_path, path)
    assert problem.startswith(said)


def test_the_folder_of_the_repository_itself_is_a_machine_path(tmp_path):
    path = tmp_path / "code.py"
    path.write_text(f"folder = '{tmp_path}'")
    assert any("holds a path of this machine" in problem for problem in file_problems(tmp_path, path))


@pytest.mark.parametrize(
    "name, content",
    [("a.bin", b"\xff\xfe"), ("a.py", b"# todo list, /usr/bin/env, method"), ("a.js", b"const x = 1;\n" * 100)],
)
def test_a_good_file_passes(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert list(file_problems(tmp_path, tmp_path / name)) == []


def test_links_between_files(tmp_path):
    for folder in ("book/chapters", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "notebooks" / "02_b.ipynb").touch()
    chapter = tmp_path / "book" / "chapters" / "01_a.md"
    chapter.write_text(
        "[right](02_b.ipynb) [a place](02_b.ipynb#here) [outside](https://example.org) [here](#top)\n"
        '`[code](no.md)`\n```text\n[code](no.md)\n```\n[wrong](03_c.ipynb) <a href="gone.md">x</a> ![alt](none.png)\n'
    )
    assert list(link_problems(tmp_path, chapter)) == [
        f"book/chapters/01_a.md: links to {target}, which does not exist."
        for target in ("03_c.ipynb", "gone.md", "none.png")
    ]
    page = tmp_path / "book" / "index.md"
    page.write_text("[chapter](../notebooks/02_b.ipynb) [chapter](02_b.ipynb)")
    assert list(link_problems(tmp_path, page)) == ["book/index.md: links to 02_b.ipynb, which does not exist."]


def module_with(code):
    module = types.ModuleType("lesson", "A module.")
    exec(code, vars(module))
    return module


GOOD = '''
def crop(x, *, side=2):
    """Crop.

    Parameters
    ----------
    x, other : list
        What.
    side : int
        How much.

    Examples
    --------
    >>> 1 + 1
    2
    """

def _private(y): ...
'''


def test_docstrings():
    assert list(docstring_problems(module_with(GOOD))) == []
    assert list(docstring_problems(module_with(GOOD.replace("side : int", "size : int")))) == [
        "lesson.crop: its docstring does not describe the parameter side."
    ]
    assert list(docstring_problems(module_with(GOOD.replace(">>> 1 + 1", "1 + 1")))) == [
        "lesson.crop: its docstring has no section Examples with an example that runs."
    ]
    assert len(list(docstring_problems(module_with("def crop(x): ...\nclass Crop: ...")))) == 3


def test_a_name_that_only_its_own_file_uses_is_private(tmp_path):
    module = module_with("def crop(): ...\ndef turn(): ...\nclass Frame: ...\ndef _own(): ...\nclass Area: ...")
    module.crop.__annotations__["return"] = "Area"
    module.__file__ = str(tmp_path / "lesson.py")
    texts = {
        "lesson.py": "crop, turn, Frame",
        "other.py": "from lesson import crop  # Frame\n",
        "stranger.py": "turn(Frame)\n",  # of something else: it does not name the module
        "list.py": "NAMES = {'lesson': ['Frame']}\n",
        "page.md": "Take a turn at the lesson.\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    names = {tmp_path / name: names_in(tmp_path / name) for name in texts}
    said = "lesson.turn: only its own file uses it; give it an underscore and a short docstring."
    assert list(private_problems(module, names)) == [said]
    (tmp_path / "page.md").write_text("```python\nlesson.turn()\n```\n")
    names[tmp_path / "page.md"] = names_in(tmp_path / "page.md")
    assert list(private_problems(module, names)) == []


def test_git_is_asked_for_tracked_and_for_new_files(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    for name in ("new.py", "ignored.py", ".gitignore"):
        (tmp_path / name).write_text("ignored.py\n")
    assert tracked(tmp_path) == [tmp_path / ".gitignore", tmp_path / "new.py"]


def test_the_command_fails_when_it_finds_something():
    code = "import sys, check_sources as c; c.link_problems = lambda *_: ['a problem']; sys.exit(c.main())"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tools", capture_output=True, text=True)
    assert run.returncode == 1 and "a problem" in run.stderr
