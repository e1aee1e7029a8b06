"""A fork is online without an edit: the address comes from outside, and all that names it follows."""

import json
import os
import shlex
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


def test_pages_of_a_domain_without_a_certificate_are_cited(copy):
    address.fill_in(copy, FORK, site="http://book.example.org/")
    assert yaml.safe_load(contents(copy)["CITATION.cff"])["url"] == "http://book.example.org/"


def git(folder, *words):
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    return subprocess.check_output(["git", *who, *words], cwd=folder, encoding="utf-8")


def commit(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All")


def test_the_branch_for_colab_has_the_address_and_no_workflow(copy, tmp_path_factory):
    """As pages.yml writes it, twice: GitHub refuses a branch that brings another workflow than it had."""
    place = tmp_path_factory.mktemp("online")
    online = place / "repository"
    git(place, "init", "--quiet", "--bare", "--initial-branch=main", str(online))
    shutil.copytree(ROOT / ".github", copy / ".github")
    git(copy, "init", "--quiet", "--initial-branch=main")
    workflow = copy / ".github" / "workflows" / "pages.yml"
    (step,) = [
        step["run"]
        for step in yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]["build"]["steps"]
        if "git push" in step.get("run", "")
    ]
    for number in range(2):
        commit(copy)
        git(copy, "push", "--quiet", str(online), "main")
        run = place / f"run_{number}"
        git(place, "clone", "--quiet", "--depth=1", online.as_uri(), str(run))
        address.fill_in(run, FORK, "published", SITE)
        for line in step.splitlines():
            subprocess.run(shlex.split(line), cwd=run, check=True)
        names = git(online, "ls-tree", "-r", "--name-only", "published").splitlines()
        assert "notebooks/08_unet.ipynb" in names and not [name for name in names if name.startswith(".github/")]
        assert f"git+{FORK}" in git(online, "show", "published:notebooks/08_unet.ipynb")
        assert git(online, "rev-list", "--count", "published").strip() == "1"
        # The second time with a changed workflow, and with an address that is there already.
        workflow.write_text(workflow.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
        address.fill_in(copy, FORK, "published", SITE)


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
