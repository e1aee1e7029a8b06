"""A fork is online without an edit: the address comes from outside, and all that names it follows."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

import address
import notebooks
from setup_cell import setup_cell

ROOT = Path(__file__).resolve().parents[1]
FORK = os.environ.get("BOOK_ADDRESS", "https://github.com/somebody-else/their-copy")  # any fork's, from a variable
OWNER, NAME = FORK.removeprefix("https://github.com/").split("/")
SITE = f"https://{OWNER}.github.io/{NAME}/"
FILES = ("_config.yml", "README.md", "CITATION.cff")


@pytest.fixture
def copy(tmp_path):
    """What names the address, in a folder of its own."""
    for name in FILES:
        shutil.copyfile(ROOT / name, tmp_path / name)
    for name in ("notebooks", "book/chapters", "book/_ext", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "my_unet.py"))
    return tmp_path


def contents(folder):
    """Return every file that can change, by its name."""
    files = [*(folder / name for name in FILES), *sorted((folder / "notebooks").glob("*.ipynb"))]
    return {path.name: path.read_text(encoding="utf-8") for path in files}


def test_all_that_names_the_address_follows_and_goes_back(copy):
    before = contents(copy)
    tool = [sys.executable, str(copy / "tools" / "address.py")]
    subprocess.run([*tool, FORK, "--branch", "published", "--site", SITE], cwd=copy, check=True)
    after = contents(copy)
    assert yaml.safe_load(after["_config.yml"])["repository"] == {"url": FORK, "branch": "published"}
    colab = f"https://colab.research.google.com/github/{OWNER}/{NAME}/blob/published/notebooks/01_segmentation.ipynb"
    assert FORK in after["README.md"] and colab in after["README.md"] and "not decided" not in after["README.md"]
    cited = yaml.safe_load(after["CITATION.cff"])
    assert (cited["repository-code"], cited["url"]) == (FORK, SITE)
    assert len(notebooks.names_in(copy / "notebooks", "*.ipynb")) == len(before) - len(FILES) > 0
    for name in notebooks.names_in(copy / "notebooks", "*.ipynb"):
        old, new = (nbformat.reads(one[f"{name}.ipynb"], as_version=4) for one in (before, after))
        assert new.cells[1].source == setup_cell(FORK) and f"git+{FORK}" in new.cells[1].source
        assert old.cells[:1] + old.cells[2:] == new.cells[:1] + new.cells[2:] and old.metadata == new.metadata
        assert new.cells[1].id == notebooks.generate(copy, name).cells[1].id
    address.fill_in(copy, "")
    assert contents(copy) == {**before, "README.md": contents(copy)["README.md"]}
    assert contents(copy)["README.md"].split() == before["README.md"].split()  # its lines may break elsewhere


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (["github.com/a/b"], "repository url must be empty or https://"),
        ([FORK + "/"], "without a final slash"),
        ([FORK, "a b"], "the branch must be the name of one"),
        ([FORK, "main", "somewhere"], "the address of the pages must be"),
    ],
)
def test_a_wrong_address_changes_nothing(copy, how, said):
    before = contents(copy)
    with pytest.raises(ValueError, match=said):
        address.fill_in(copy, *how)
    assert contents(copy) == before


def test_a_file_without_a_place_for_the_address_is_told(copy):
    (copy / "README.md").write_text("Another text.\n", encoding="utf-8")
    before = contents(copy)
    with pytest.raises(ValueError, match="README.md must have one place like .* for the address, but has 0"):
        address.fill_in(copy, FORK)
    assert contents(copy) == before and json.loads(before["01_segmentation.ipynb"])
