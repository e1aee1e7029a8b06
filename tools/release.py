"""Make a release: name a version, then check the tree and write everything that is handed out.

    python tools/release.py name 0.2.0     write the version and today's date where they belong; look, and commit
    python tools/release.py                what `make release` does: check, and fill dist/release

``dist/release`` then holds the wheel and the source of the package, the book that works without a network, the editions
for a class, the teaching kit, CITATION.cff, CHANGELOG.md, and SHA256SUMS, which `sha256sum -c SHA256SUMS` compares.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION, CITATION, CHANGES = "unet_tutorial/__init__.py", "CITATION.cff", "CHANGELOG.md"
UNRELEASED = "## Unreleased\n"
MADE = ("kit.zip", "student.zip", "instructor.zip")  # by the commands below, in dist


def read(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8")


def found(pattern: str, text: str, name: str, otherwise: str = "") -> str:
    """Return what a pattern finds in a file, or what is to be said where it finds nothing."""
    match = re.search(pattern, text, re.M)
    if match is None and not otherwise:
        raise ValueError(f"{name} has no line like {pattern!r}.")
    return match[1] if match else otherwise


def name_version(root: Path, version: str, date: str) -> None:
    """Write a version and its date into the package, the citation and the list of changes.

    Raises
    ------
    ValueError
        If the version is none, is not newer, or the list of changes has nothing new.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"a version is three numbers, such as 0.2.0, but got {version!r}.")
    texts = {name: read(root, name) for name in (VERSION, CITATION, CHANGES)}
    old = found(r'^__version__ = "(.*)"$', texts[VERSION], VERSION)
    if tuple(map(int, version.split("."))) < tuple(map(int, old.split("."))):
        raise ValueError(f"the version must be {old} or newer, but got {version}.")
    news = texts[CHANGES].partition(UNRELEASED)[2].partition("\n## ")[0]
    if not news.strip():
        raise ValueError(f"{CHANGES} has nothing under {UNRELEASED.strip()!r}: say first what is new.")
    texts[VERSION] = texts[VERSION].replace(f'__version__ = "{old}"', f'__version__ = "{version}"')
    lines = re.sub(r"^date-released: .*\n", "", texts[CITATION], flags=re.M)
    texts[CITATION] = re.sub(r"^version: .*$", f"version: {version}\ndate-released: {date}", lines, flags=re.M)
    texts[CHANGES] = texts[CHANGES].replace(UNRELEASED, f"{UNRELEASED}\n## {version} ({date})\n", 1)
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")


def named(root: Path) -> str:
    """Return the version that the package, the citation and the list of changes agree on.

    Raises
    ------
    ValueError
        If they do not.
    """
    version = found(r'^__version__ = "(.*)"$', read(root, VERSION), VERSION)
    newest = found(r"^## (\d\S* \(.*\))$", read(root, CHANGES), CHANGES, "none")
    cited = found(r"^version: (.*)$", read(root, CITATION), CITATION, "none")
    date = found(r"^date-released: (.*)$", read(root, CITATION), CITATION, "no date")
    if not (version == cited and newest == f"{version} ({date})"):
        raise ValueError(
            f"the package is version {version}, {CITATION} says {cited} of {date}, and the newest in {CHANGES} is "
            f"{newest}: `python tools/release.py name VERSION` writes all three."
        )
    return version


def check(root: Path) -> str:
    """Return the version, if the tree is one that can be released.

    Raises
    ------
    ValueError
        If it is not: the message says why.
    """
    changed = subprocess.check_output(["git", "status", "--porcelain"], cwd=root, encoding="utf-8")
    if changed.strip():
        raise ValueError(f"a release is made of what is committed, and this is not:\n{changed.rstrip()}")
    return named(root)


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS of all files of a folder, in the form of sha256sum."""
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8", newline="\n")


def package(root: Path, folder: Path) -> None:
    """Write the wheel and the source of the package, by the setuptools that is pinned."""
    command = [sys.executable, "-m", "uv", "build", "--no-build-isolation", "--quiet", "--out-dir", str(folder)]
    subprocess.run([*command, "--python", sys.executable, str(root)], check=True)
    (folder / ".gitignore").unlink(missing_ok=True)  # uv's; everything here is to be handed out


def collect(root: Path, version: str) -> Path:
    """Put everything that is handed out into dist/release, and return it."""
    folder = root / "dist" / "release"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    package(root, folder)
    shutil.make_archive(str(folder / f"book-{version}"), "zip", root / "_build", "html")
    for name in MADE:
        shutil.copyfile(root / "dist" / name, folder / f"{Path(name).stem}-{version}.zip")
    for name in (CITATION, CHANGES):
        shutil.copyfile(root / name, folder / name)
    write_sums(folder)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("name").add_argument("version")
    arguments = parser.parse_args()
    try:
        if arguments.command == "name":
            name_version(ROOT, arguments.version, datetime.date.today().isoformat())
            return 0
        version = check(ROOT)
    except ValueError as error:
        print(f"No release: {error}", file=sys.stderr)
        return 1
    if code := subprocess.run(["make", "book", "editions", "kit"], cwd=ROOT).returncode:  # it has said why
        return code
    folder = collect(ROOT, version)
    print(read(folder, "SHA256SUMS") + f"Version {version} is in {folder.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
