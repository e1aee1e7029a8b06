"""The links between the built pages, and what the pages have in common. Read from the files, no browser."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"], *(entry["file"] for part in TOC["parts"] for entry in part["chapters"])]
EXTRA = {"index", "genindex", "search", "_modules/index"}
pytestmark = pytest.mark.xdist_group("links")  # every page is parsed once, in one process


@pytest.fixture(scope="module")
def soups(html):
    """Every built page, parsed, by its path."""
    return {
        path: BeautifulSoup(path.read_bytes(), "html.parser")
        for path in sorted(html.rglob("*.html"))
        if "_static" not in path.parts
    }


def broken_links(soups):
    """Return the links of some pages that lead nowhere: no such file, or no such place in it."""
    places = {path: {tag["id"] for tag in soup.find_all(id=True)} for path, soup in soups.items()}
    broken = []
    for path, soup in soups.items():
        for link in soup.find_all("a", href=True):
            parts = urlsplit(link["href"])
            if parts.scheme or parts.netloc or link["href"] == "#":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or (anchor and target in places and anchor not in places[target]):
                broken.append((path.name, link["href"]))
    return broken


def test_only_the_pages_of_the_contents_are_built(html, soups):
    """And the source of each public module, to which the page book/api leads."""
    names = {path.relative_to(html).with_suffix("").as_posix() for path in soups}
    sources = {name for name in names if name.startswith("_modules/")} - {"_modules/index"}
    assert names - sources == {*PAGES, *EXTRA}
    assert "_modules/unet_tutorial/unet" in sources
    modules = [ROOT / name.removeprefix("_modules/") for name in sources]
    assert not [path for path in modules if not (path.with_suffix(".py").is_file() or (path / "__init__.py").is_file())]


def test_no_page_holds_a_path_of_the_computer_that_built_it(soups):
    assert [path.name for path in soups if str(ROOT) in path.read_text(encoding="utf-8")] == []


def test_links_lead_somewhere(soups):
    assert sum(len(soup.find_all("a", href=True)) for soup in soups.values()) > 100
    assert broken_links(soups) == []


def test_a_broken_link_is_found(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<p id='here'></p>")
    links = "<a href='page.html#here'></a><a href='page.html#there'></a><a href='gone.html'></a>"
    soup = BeautifulSoup("<p id='here'></p>" + links, "html.parser")
    assert [href for _, href in broken_links({path: soup})] == ["page.html#there", "gone.html"]


def test_every_page_lists_all_chapters_in_order(html, soups):
    for name in PAGES:
        path = html / f"{name}.html"
        navigation = soups[path].select_one(".bd-sidebar-primary .bd-toc-item")
        links = [
            (path.parent / link["href"]).resolve() if link["href"] != "#" else path
            for link in navigation.select("a.internal")
        ]
        assert [link.relative_to(html.resolve()).with_suffix("").as_posix() for link in links] == PAGES[1:]


def test_buttons_lead_out_only_to_the_address_of_the_repository(soups):
    url = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    for path, soup in soups.items():
        outside = [
            a["href"]
            for a in soup.select(".bd-header-article a, .bd-sidebar-primary a, footer a")
            if urlsplit(a.get("href", "")).netloc
        ]
        owner = url.removeprefix("https://github.com/")
        assert [href for href in outside if not url or (url not in href and f"/github/{owner}/" not in href)] == [], (
            path
        )
