"""A release is a clean tree with one version everywhere, and files whose sums can be compared."""

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import address
import release

ROOT = Path(__file__).resolve().parents[1]
FILES = (release.VERSION, release.CITATION, release.CHANGES)


@pytest.fixture
def tree(tmp_path):
    """What carries the version, committed in a repository of its own."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(folder, *words):
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True)


def commit(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All")


def test_a_version_gets_its_name_everywhere_and_can_be_released(tree):
    release.name_version(tree, "7.8.9", "2031-02-03")
    cited = yaml.safe_load(release.read(tree, release.CITATION))
    assert cited["version"] == "7.8.9" and str(cited["date-released"]) == "2031-02-03"
    assert '__version__ = "7.8.9"' in release.read(tree, release.VERSION)
    assert "## Unreleased\n\n## 7.8.9 (2031-02-03)\n\n### Added" in release.read(tree, release.CHANGES)
    with pytest.raises(ValueError, match="made of what is committed, and this is not"):
        release.check(tree)
    commit(tree)
    assert release.check(tree) == "7.8.9"
    with pytest.raises(ValueError, match="nothing under '## Unreleased'"):
        release.name_version(tree, "8.0.0", "2031-02-04")


@pytest.mark.parametrize(
    ("version", "said"), [("1.0", "three numbers"), ("v1.0.0", "three numbers"), ("0.0.1", "or newer, but got 0.0.1")]
)
def test_a_version_that_is_none_changes_nothing(tree, version, said):
    with pytest.raises(ValueError, match=said):
        release.name_version(tree, version, "2031-02-03")
    assert all(release.read(tree, name) == release.read(ROOT, name) for name in FILES)


def test_files_that_disagree_are_no_release(tree):
    release.name_version(tree, "7.8.9", "2031-02-03")
    changes = release.read(tree, release.CHANGES)
    (tree / release.CHANGES).write_text(changes.replace("7.8.9", "7.8.8"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"is version 7.8.9, .* the newest in CHANGELOG.md is 7.8.8"):
        release.named(tree)


def test_before_the_first_release_it_says_how_to_name_one(tree):
    lines = release.read(tree, release.CITATION).splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("date-"))
    (tree / release.CITATION).write_text(text, encoding="utf-8")
    (tree / release.CHANGES).write_text(f"# What has changed\n\n{release.UNRELEASED}\n- All.\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"of no date, .* is none: `python tools/release.py name VERSION` writes"):
        release.named(tree)
    release.name_version(tree, "7.8.9", "2031-02-03")
    assert release.named(tree) == "7.8.9"


def test_the_list_of_changes_begins_with_what_is_not_released_yet():
    headings = re.findall(r"^## (.*)$", release.read(ROOT, release.CHANGES), re.M)
    assert headings[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", heading) for heading in headings[1:])


def test_the_citation_has_the_form_of_one(tree):
    """Before it has a date, with one, and with an address."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.citation-file-format"]
    texts = [release.read(tree, release.CITATION)]
    release.name_version(tree, "7.8.9", "2031-02-03")
    texts += [release.read(tree, release.CITATION)]
    texts += [address.citation(texts[-1], "https://github.com/somebody/a-copy", "https://somebody.github.io/a-copy/")]
    assert len(set(texts)) == len(texts)
    for text in texts:
        (tree / release.CITATION).write_text(text, encoding="utf-8")
        done = subprocess.run([*command, str(tree / release.CITATION)], capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stdout


def test_everything_is_collected_with_its_sums(tmp_path):
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "unet_tutorial", tmp_path / "unet_tutorial", ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", release.CITATION, release.CHANGES):
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "_build" / "html").mkdir(parents=True)
    (tmp_path / "_build" / "html" / "index.html").write_text("The book.")
    (tmp_path / "dist").mkdir()
    for name in release.MADE:
        (tmp_path / "dist" / name).write_bytes(name.encode())
    folder = release.collect(tmp_path, "7.8.9")
    lines = release.read(folder, "SHA256SUMS").splitlines()
    names = {path.name for path in folder.iterdir()} - {"SHA256SUMS"}
    assert {line.split("  ")[1] for line in lines} == names and len(names) == 8
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    files = [path for path in (tmp_path / "unet_tutorial").rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path).as_posix() for path in files} <= set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(source) as archive:
        assert any(name.endswith("unet_tutorial/unet.py") for name in archive.getnames())
    assert zipfile.ZipFile(folder / "book-7.8.9.zip").namelist()[-1] == "html/index.html"
    assert (folder / "student-7.8.9.zip").read_bytes() == b"student.zip"


def test_an_unclean_tree_ends_with_a_sentence(tree):
    (tree / "tools").mkdir()
    shutil.copyfile(ROOT / "tools" / "release.py", tree / "tools" / "release.py")
    done = subprocess.run([sys.executable, "tools/release.py"], cwd=tree, capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and done.stderr.startswith("No release: a release is made of what is committed")
