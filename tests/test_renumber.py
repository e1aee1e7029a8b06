"""Chapters get the number of their place in the table of contents, wherever they are named."""

import subprocess

import pytest

import renumber

STEMS = {"01_a": "01_a", "02_b": "02_b", "02_new": "03_new", "03_c": "04_c"}


@pytest.mark.parametrize(
    "old, new",
    [
        ("[chapter 3](03_c.ipynb)", "[chapter 4](04_c.ipynb)"),
        ("[chapter 2](../notebooks/02_new.ipynb)", "[chapter 3](../notebooks/03_new.ipynb)"),
        ("[chapter 2](02_b.ipynb) and chapter 3", "[chapter 2](02_b.ipynb) and chapter 4"),
        ("Chapters 1 to 3; chapters 2, 3 and 1", "Chapters 1 to 4; chapters 2, 4 and 1"),
        ("2 and 3 of chapter 3, or chapter 12", "2 and 3 of chapter 4, or chapter 12"),
        ("chapter 3 and 3 coins", "chapter 4 and 3 coins"),
        ("notebooks/03_c.ipynb, '03_c', 103_c, 03_cat", "notebooks/04_c.ipynb, '04_c', 103_c, 03_cat"),
    ],
)
def test_every_mention_follows(old, new):
    assert renumber.renumbered(old, STEMS) == new


def test_files_titles_and_the_landing_page_follow(tmp_path):
    files = {
        "_toc.yml": "root: book/index\nchapters:\n- file: notebooks/00_a\n- file: notebooks/00_new\n"
        "- file: notebooks/01_b\n- file: notebooks/02_c\n",
        "book/index.md": "| 1 | [B](../notebooks/01_b.ipynb) | As chapter 2. |\n",
        "book/chapters/00_a.md": "# 0 A\n",
        "book/chapters/00_new.md": "# 7 New\n\nAfter [chapter 0](00_a.ipynb).\n",
        "book/chapters/01_b.md": "# 1 B\n",
        "book/chapters/02_c.md": "# 2 C\n\n1 comes first.\n",
        "notebooks/01_b.ipynb": '"chapter 2"',
        "tests/test_b.py": "# chapter 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    changed = renumber.renumber(tmp_path)
    assert {"_toc.yml", "book/index.md", "tests/test_b.py"} <= set(changed)
    chapters = {path.name: path.read_text() for path in (tmp_path / "book" / "chapters").iterdir()}
    assert chapters == {
        "00_a.md": "# 0 A\n",
        "01_new.md": "# 1 New\n\nAfter [chapter 0](00_a.ipynb).\n",
        "02_b.md": "# 2 B\n",
        "03_c.md": "# 3 C\n\n1 comes first.\n",
    }
    assert [path.name for path in (tmp_path / "notebooks").iterdir()] == ["02_b.ipynb"]
    assert (tmp_path / "book" / "index.md").read_text() == "| 2 | [B](../notebooks/02_b.ipynb) | As chapter 3. |\n"
    assert (tmp_path / "tests" / "test_b.py").read_text() == "# chapter 2\n"
    assert renumber.renumber(tmp_path) == []
