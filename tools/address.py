"""Fill in the public address of the repository, wherever the book names it: so a fork is online without an edit.

    python tools/address.py https://github.com/OWNER/NAME
    python tools/address.py https://github.com/OWNER/NAME --branch published --site https://OWNER.github.io/NAME/

It writes ``repository`` in ``_config.yml``, from which the pages take their buttons and links, the first cell of every
notebook, one sentence of README.md, and the lines ``repository-code`` and ``url`` of CITATION.cff. Nothing is run.
``.github/workflows/pages.yml`` calls it with the address of the repository in which it runs; whoever keeps one address
for good calls it once, and commits what it wrote. Called again, with another address or with "", it changes all back.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import nbformat
import yaml

import notebooks

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "book" / "_ext"))
from book_repository import readme_lines, theme_options  # noqa: E402


def replaced(pattern: str, new: str, text: str, name: str) -> str:
    """Return a text in which the one place that matches has become ``new``."""
    places = re.findall(pattern, text, flags=re.M)
    if len(places) != 1:
        raise ValueError(f"{name} must have one place like {pattern!r} for the address, but has {len(places)}.")
    return re.sub(pattern, lambda _: new, text, flags=re.M)


def settings(text: str, url: str, branch: str) -> str:
    """Return ``_config.yml`` with an address and a branch."""
    text = replaced(r"^  url: .*$", f'  url: "{url}"', text, "_config.yml")
    return replaced(r"^  branch: .*$", f"  branch: {branch}", text, "_config.yml")


def readme(text: str, before: tuple[str, str], after: tuple[str, str]) -> str:
    """Return README.md, whose sentence about one address and branch has become that about another."""
    words = r"\s+".join(map(re.escape, readme_lines(*before).split()))
    return replaced(words, readme_lines(*after), text, "README.md")


def citation(text: str, url: str, site: str) -> str:
    """Return CITATION.cff with the address of the repository and that of the pages, or without them."""
    text = re.sub(r"^(?:repository-code|url): .*\n", "", text, flags=re.M)
    lines = [f"{key}: {value}\n" for key, value in (("repository-code", url), ("url", site)) if value]
    return replaced(
        r"^license: .*\n", re.search(r"^license: .*\n", text, re.M)[0] + "".join(lines), text, "CITATION.cff"
    )


def first_cell(root: Path, name: str) -> None:
    """Put the address that ``_config.yml`` has into the first code cell of a notebook; all else stays as it is."""
    path = notebooks.notebook_path(root, name)
    notebook, made = nbformat.read(path, as_version=4), notebooks.generate(root, name)
    notebook.cells[1].source, notebook.cells[1].id = made.cells[1].source, made.cells[1].id
    nbformat.write(notebook, path)


def fill_in(root: Path, url: str, branch: str = "main", site: str = "") -> None:
    """Write an address into all files that name it.

    Raises
    ------
    ValueError
        If an address is no address, or a file has no place for it.
    """
    theme_options(url, branch)
    if not re.fullmatch(r"[\w./-]+", branch):
        raise ValueError(f"the branch must be the name of one, such as main, but got {branch!r}.")
    if site and not site.startswith(("https://", "http://")):  # a domain of one's own can be without a certificate
        raise ValueError(f"the address of the pages must be empty, https://... or http://..., but got {site!r}.")
    paths = {name: root / name for name in ("_config.yml", "README.md", "CITATION.cff")}
    texts = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
    before = yaml.safe_load(texts["_config.yml"])["repository"]
    new = {
        "_config.yml": settings(texts["_config.yml"], url, branch),
        "README.md": readme(texts["README.md"], (before["url"], before["branch"]), (url, branch)),
        "CITATION.cff": citation(texts["CITATION.cff"], url, site),
    }
    for name, text in new.items():  # all of them, or none
        paths[name].write_text(text, encoding="utf-8")
    for name in notebooks.names_in(root / "notebooks", "*.ipynb"):
        first_cell(root, name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help='https://..., without a final slash; "" for none')
    parser.add_argument("--branch", default="main", help="the branch whose notebooks Colab opens")
    parser.add_argument("--site", default="", help="where the pages are")
    arguments = parser.parse_args()
    try:
        fill_in(ROOT, arguments.url, arguments.branch, arguments.site)
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
