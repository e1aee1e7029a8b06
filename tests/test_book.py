"""The book's configuration, its local extensions and its reference pages, without a browser."""

import importlib.util
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from jupyter_book.config import validate_yaml
from pybtex.database import parse_file

import check_sources
import unet_tutorial
import watch
from unet_tutorial.diagram import UNetDiagram
from unet_tutorial.sizing import feature_maps, parameters

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "book" / "chapters").glob("*.md"))
EXAMPLE = "https://github.com/example/unet-tutorial"
PAPER = re.compile(r"doi(?:\.org/|:\s*)(10\.[^\s)\]>,;]*[^\s)\]>,;.])|arxiv(?:\.org/abs/|:\s*)(\d{4}\.\d{4,5})", re.I)


def settings():
    """Return what _config.yml says."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def toc_files():
    """Return the pages that _toc.yml lists, in order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(entry["file"] for part in toc["parts"] for entry in part["chapters"])]


def extension(name):
    """Import one of the book's local Sphinx extensions."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build_book(folder, options=(), url="", cells=(), text="Plain.", more=()):
    """Build a book of three pages, and some more of ours, with our configuration; return the finished process."""
    config = settings()
    config["repository"]["url"] = url
    config["sphinx"]["config"]["bibtex_bibfiles"] = []
    config["sphinx"]["local_extensions"] = {name: "book/_ext" for name in config["sphinx"]["local_extensions"]}
    for name in ("_ext", "_static"):
        shutil.copytree(ROOT / "book" / name, folder / "book" / name)
    (folder / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n"
        + "".join(f"- file: {file}\n" for file in ("book/page", "notebooks/chapter", *more))
    )
    (folder / "book" / "index.md").write_text("# Start\n\n```{unet-map}\n```\n")
    (folder / "book" / "page.md").write_text(f"# Page\n\n{{{{ colab }}}}\n\n{text}\n")
    for file in more:
        shutil.copy(ROOT / f"{file}.md", folder / f"{file}.md")
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Chapter"), *cells], metadata=kernel)
    (folder / "notebooks").mkdir()
    nbformat.write(notebook, folder / "notebooks" / "chapter.ipynb")
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        ".",
        "-n",
        "-W",
        *options,
    ]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tools"), str(ROOT / "experiments")])
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8", "errors": "replace"}
    return watch.run(command, cwd=folder, env=environment, **pipes)


def page(folder, name):
    """Return the HTML of a page of a built book."""
    return (folder / "_build" / "html" / f"{name}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def offline_book(tmp_path_factory):
    """A book without a public address: one page with mathematics, a chapter with a figure and a solution."""
    folder = tmp_path_factory.mktemp("offline")
    figure = nbformat.v4.new_code_cell(
        "from unet_tutorial import plots\n"
        "plots.show(plots.curves({'loss': [3, 2, 1]}, xlabel='epoch'), alt='The loss \"falls\" from 3 to 1.')"
    )
    solution = nbformat.v4.new_code_cell("1 + 1", metadata={"tags": ["hide-cell"]})
    error = nbformat.v4.new_code_cell(
        "def halve(side):\n    raise ValueError(f'{side} is odd.\\nTake an even side.')\n\n\nhalve(3)",
        metadata={"tags": ["raises-exception"]},
    )
    network = nbformat.v4.new_code_cell(
        "from unet_tutorial import diagram, sizing\ndiagram.UNetDiagram(sizing.feature_maps(64, 64))"
    )
    bars = nbformat.v4.new_code_cell(
        "from tqdm.auto import tqdm\n"
        "for epoch in tqdm(range(2), desc='whole & done', unit='epoch'):\n"
        "    for _ in tqdm(range(3), desc='not to be seen', leave=False):\n        pass\n"
        "stopped = tqdm(total=4, desc='stopped', unit='batch')\nstopped.update(2)\nstopped.close()"
    )
    imports = nbformat.v4.new_code_cell(
        "from unet_tutorial import plots\nfrom unet_tutorial.data import SyntheticCellsDataset as Cells\n"
        "from unet_tutorial.unet import (\n    CHANNELS,\n    UNet,\n)"
    )
    cells = [imports, figure, solution, error, network, bars]
    done = build_book(folder, cells=cells, text="We have $a^2$.", more=["book/api"])
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def public_book(tmp_path_factory):
    """The same book with a public address on GitHub."""
    folder = tmp_path_factory.mktemp("public")
    done = build_book(folder, url=EXAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_configuration_is_valid_and_its_files_exist():
    config = settings()
    validate_yaml(config, raise_on_errors=True)
    sphinx = config["sphinx"]["config"]
    named = [config["logo"], config["html"]["favicon"], *sphinx["html_static_path"], *sphinx["bibtex_bibfiles"]]
    named += [f"book/_static/{name}" for name in sphinx["html_css_files"]]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_page_of_the_contents_exists():
    found = {file for file in toc_files() for end in ("md", "ipynb") if (ROOT / f"{file}.{end}").is_file()}
    assert [file for file in toc_files() if file not in found] == []


def test_chapters_are_in_order_and_called_by_their_number():
    names = [file.removeprefix("notebooks/") for file in toc_files() if file.startswith("notebooks/")]
    assert names == [chapter.stem for chapter in CHAPTERS]
    numbers = list(range(len(names)))
    assert [int(name[:2]) for name in names] == numbers
    titles = [re.search(r"^# (\d+) \S", chapter.read_text(encoding="utf-8"), re.M) for chapter in CHAPTERS]
    assert [title and int(title[1]) for title in titles] == numbers


def test_landing_page_lists_every_chapter_by_its_title():
    landing = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d+) \| \[(.+?)\]\(\.\./notebooks/(\w+)\.ipynb\)", landing, re.M)
    titles = [re.search(r"^# (\d+) (.+)$", chapter.read_text(encoding="utf-8"), re.M) for chapter in CHAPTERS]
    assert listed == [(title[1], title[2], chapter.stem) for title, chapter in zip(titles, CHAPTERS, strict=True)]


def test_glossary_is_in_order_and_points_to_chapters():
    body = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8").split("```{glossary}\n")[1].removesuffix("```\n")
    entries = body.strip().split("\n\n")
    terms = [entry.splitlines()[0] for entry in entries]
    assert terms == sorted(set(terms), key=str.casefold)
    stems = {chapter.stem for chapter in CHAPTERS}
    for entry in entries:
        number, stem = re.search(r"\(\[chapter (\d+)\]\(\.\./notebooks/(\w+)\.ipynb\)\)\.$", entry).groups()
        assert stem in stems and int(stem[:2]) == int(number), entry


def test_references_hold_every_paper_that_a_chapter_names():
    entries = parse_file(str(ROOT / "book" / "references.bib")).entries.values()
    known = {entry.fields[key].lower() for entry in entries for key in ("doi", "eprint") if key in entry.fields}
    assert all({"doi", "eprint"} & set(entry.fields) for entry in entries)
    named = {
        (chapter.stem, next(filter(None, match)).lower())
        for chapter in CHAPTERS
        for match in PAPER.findall(chapter.read_text(encoding="utf-8"))
    }
    assert {chapter for chapter, _ in named} == {chapter.stem for chapter in CHAPTERS}
    assert sorted((chapter, paper) for chapter, paper in named if paper not in known) == []


def test_figures_keep_their_alternative_text_and_their_size(offline_book):
    html = page(offline_book, "notebooks/chapter")
    (image,) = re.findall(r"<img[^>]*/_images/[^>]*>", html.replace("\n", " "))
    assert 'alt="The loss &quot;falls&quot; from 3 to 1."' in image
    assert re.search(r'width="\d{3}" height="\d{3}"', image) and 'loading="lazy"' in image and "style=" not in image


def test_the_map_of_the_network_is_a_drawing_in_the_page_with_its_words(offline_book):
    for name, side in (("book/index", 256), ("notebooks/chapter", 64)):
        (drawing,) = BeautifulSoup(page(offline_book, name), "html.parser").select("article svg.unet-drawing")
        shown = UNetDiagram(feature_maps(side, side))
        assert drawing["aria-label"] == shown.alt and drawing["role"] == "img"
        drawn = BeautifulSoup(shown.svg, "html.parser")
        assert [text.text for text in drawing.select("text")] == [text.text for text in drawn.select("text")]
    (caption,) = BeautifulSoup(page(offline_book, "book/index"), "html.parser").select("figure.unet-map figcaption")
    assert f"{sum(parameters().values()):,} parameters" in caption.text


def test_what_a_page_cannot_show_to_everybody_fails_the_build(tmp_path):
    figure = nbformat.v4.new_code_cell("%matplotlib inline\nimport matplotlib.pyplot as plt\n_ = plt.plot([1, 2])")
    widget = nbformat.v4.new_code_cell("import ipywidgets\nipywidgets.IntSlider()")
    done = build_book(tmp_path, ["--keep-going"], cells=[figure, widget])
    assert done.returncode != 0
    for said in ("a figure without alternative text", "a widget of which nothing can be seen without Python"):
        assert f"WARNING: {said}" in done.stderr  # with -W each warning is enough


def test_every_public_name_of_the_package_is_described_once(offline_book):
    """Each with what its docstring says, and with a link to its source."""
    soup = BeautifulSoup(page(offline_book, "book/api"), "html.parser")
    places = [tag["id"] for tag in soup.find_all(id=True) if tag["id"].startswith("unet_tutorial.")]
    names = [
        f"{module.__name__}.{name}"
        for module in check_sources.modules(unet_tutorial)
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(thing) or inspect.isfunction(thing))
        and thing.__module__ == module.__name__
    ]
    assert len(names) > 80 and [name for name in names if places.count(name) != 1] == []
    entry = soup.find(id="unet_tutorial.blocks.DoubleConv").parent
    assert "Two 3x3 convolutions" in entry.text and "in_channels, out_channels" in entry.text
    source = entry.find("a", string=re.compile("source"))["href"].partition("#")[0]
    code = (offline_book / "_build" / "html" / "book" / source).read_text(encoding="utf-8")
    assert "class DoubleConv(nn.Module):" in BeautifulSoup(code, "html.parser").text


def test_from_a_chapter_to_the_code(offline_book):
    """By the table of all chapters, and by each name that a chapter imports."""
    api = BeautifulSoup(page(offline_book, "book/api"), "html.parser")
    (row,) = api.select("table tbody tr")
    assert [link.text for link in row.select("a")] == ["Chapter", "data", "diagram", "plots", "sizing", "unet"]
    cell = BeautifulSoup(page(offline_book, "notebooks/chapter"), "html.parser").select_one("div.cell_input")
    assert [(link.text, link["href"]) for link in cell.select("a")] == [
        ("plots", "../book/api.html#module-unet_tutorial.plots"),
        ("SyntheticCellsDataset", "../book/api.html#unet_tutorial.data.synthetic.SyntheticCellsDataset"),
        ("CHANNELS", "../book/api.html#unet_tutorial.unet.CHANNELS"),
        ("UNet", "../book/api.html#unet_tutorial.unet.UNet"),
    ]
    assert all(api.find(id=link["href"].partition("#")[2]) for link in cell.select("a"))


@pytest.mark.parametrize("name", ["unet_tutorial.data.normalizing.normalize", "unet_tutorial.data.pictures.normalize"])
def test_a_name_leads_to_its_home_also_from_a_module_that_passes_it_on(name):
    objects = {"unet_tutorial.data.normalizing.normalize": "the place"}
    env = SimpleNamespace(get_domain=lambda _: SimpleNamespace(objects=objects))
    assert extension("book_api").place_of(env, name) == "the place"
    assert extension("book_api").place_of(env, "unet_tutorial.data.pictures.nothing") is None


def test_the_page_of_the_package_is_made_again_when_a_chapter_imports_something_else(tmp_path):
    api = extension("book_api")
    (tmp_path / "notebooks").mkdir()
    chapter = tmp_path / "notebooks" / "chapter.ipynb"
    places = {"unet_tutorial.unet.UNet": SimpleNamespace(node_id="there")}
    env = SimpleNamespace(found_docs={api.PAGE, "notebooks/chapter"})
    env.get_domain = lambda name: SimpleNamespace(objects=places)
    app = SimpleNamespace(env=env, srcdir=tmp_path)
    found = []
    for text in ("from unet_tutorial import plots", "from unet_tutorial import plots\n1", "import unet_tutorial"):
        chapter.write_text(text)
        found.append(api.outdated(app, env, set(), set(), set()))
    assert found == [[], [], [api.PAGE]]
    assert api.moved(app, env) == [] == api.moved(app, env)
    places["unet_tutorial.unet.Encoder"] = SimpleNamespace(node_id="new")
    assert api.moved(app, env) == ["notebooks/chapter"] and api.moved(app, env) == []


def test_a_name_that_is_nowhere_described_fails_the_build(monkeypatch):
    api, said = extension("book_api"), []
    monkeypatch.setattr(api.logger, "warning", lambda *words, **place: said.append(words[0] % words[1:]))
    env = SimpleNamespace(found_docs={api.PAGE}, get_domain=lambda name: SimpleNamespace(objects={}))
    line = '<span class="kn">from</span> <span class="nn">unet_tutorial.unet</span> <span class="kn">import</span> '
    context = {"body": line + '<span class="n">UNet</span>'}
    api.link_imports(SimpleNamespace(env=env), "notebooks/chapter", "", context, None)
    assert said == ["unet_tutorial.unet.UNet is not described on book/api"] and "href" not in context["body"]


def test_an_error_shows_its_message_and_not_the_folders_of_this_computer(offline_book):
    html = page(offline_book, "notebooks/chapter")
    text = re.sub(r"<[^>]+>", "", html[html.index("traceback") :])
    assert "Traceback (most recent call last):\n  …\nValueError: 3 is odd.\nTake an even side." in text
    assert "ipykernel" not in html and "Cell In" not in html


def test_a_progress_bar_stands_there_as_it_ended(offline_book):
    html = page(offline_book, "notebooks/chapter")
    lines = BeautifulSoup(html, "html.parser").select("div.cell_output")[-1].select("pre")
    assert [re.sub(r" \[.*\]$", "", line.text.strip()) for line in lines] == [
        "whole & done: 100%|██████████| 2/2",
        "stopped:  50%|█████     | 2/4",
    ]
    assert "epoch/s]" in lines[0].text and "not to be seen" not in "".join(line.text for line in lines)
    assert "widget-view" not in html and "widget-state" not in html


def test_a_chapter_that_could_not_be_run_says_so_on_its_page_and_is_not_run_again(tmp_path):
    why = {"chapter": ["code cell 1 (1 / 0)", "It ended with ZeroDivisionError: division by zero"]}
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build" / "failures.json").write_text(json.dumps(why), encoding="utf-8")
    kept = [nbformat.v4.new_output("stream", text="what it gave when it ran")]
    done = build_book(tmp_path, cells=[nbformat.v4.new_code_cell("1 / 0", outputs=kept, execution_count=1)])
    assert done.returncode == 0, done.stdout + done.stderr
    said = BeautifulSoup(page(tmp_path, "notebooks/chapter"), "html.parser").select_one(".not-run").get_text()
    for words in ("could not be run when the book was built", *why["chapter"]):
        assert words in said
    assert "what it gave when it ran" in page(tmp_path, "notebooks/chapter")
    assert "not-run" not in page(tmp_path, "book/page")


def test_fold_is_called_by_its_visible_text(offline_book):
    html = page(offline_book, "notebooks/chapter")
    assert "<summary>" in html and "Toggle hidden content" not in html


def test_mathematics_is_local_and_only_where_it_is_needed(offline_book):
    mathjax = extension("book_offline").MATHJAX
    assert (offline_book / "_build" / "html" / "_static" / mathjax).stat().st_size > 1_000_000
    assert mathjax in page(offline_book, "book/page")
    assert mathjax not in page(offline_book, "book/index") + page(offline_book, "notebooks/chapter")


def test_pages_load_nothing_from_outside(offline_book):
    for name in ("book/index", "book/page", "notebooks/chapter", "search"):
        html = page(offline_book, name)
        assert re.findall(r"<(?:link|script|img|iframe)[^>]*(?:src|href)=\"(?:https?:)?//[^\"]*", html) == []
        assert "thebe@" not in html


def test_without_an_address_there_is_no_button_to_it(offline_book):
    html = page(offline_book, "notebooks/chapter") + page(offline_book, "book/page")
    assert "While the public address" in html
    for word in ("launch-buttons", "colab.research", "issues/new", "source-repository", "Source repository"):
        assert word not in html


def test_with_an_address_buttons_lead_to_it(public_book):
    chapter, text = page(public_book, "notebooks/chapter"), page(public_book, "book/page")
    colab = "https://colab.research.google.com/github/example/unet-tutorial/blob/main/notebooks/chapter.ipynb"
    assert f'href="{colab}"' in chapter
    assert f'href="{EXAMPLE}"' in chapter and f'href="{EXAMPLE}/issues/new' in chapter
    assert "The rocket at the top" in text and "colab.research" not in text


def test_an_address_elsewhere_gives_a_link_but_no_colab():
    options = extension("book_repository").theme_options("https://example.org/code/unet-tutorial")
    assert [link["url"] for link in options["icon_links"]] == ["https://example.org/code/unet-tutorial"]
    assert options["launch_buttons"] == {} and options["repository_url"] == ""


@pytest.mark.parametrize("url", ["http://example.org/x", "github.com/example/x", EXAMPLE + "/"])
def test_a_wrong_address_is_refused(url):
    with pytest.raises(ValueError, match="repository url must be empty or https://.* got"):
        extension("book_repository").theme_options(url)


def test_readme_says_what_the_setting_says():
    repository = settings()["repository"]
    expected = extension("book_repository").readme_lines(repository["url"], repository["branch"])
    assert expected in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


def test_readme_of_a_public_repository_links_to_colab():
    lines = extension("book_repository").readme_lines(EXAMPLE)
    assert EXAMPLE in lines and f"{EXAMPLE.removeprefix('https://')}" in lines
    assert "(https://colab.research.google.com/github/example/unet-tutorial/blob/main/notebooks/01_" in lines


def test_licences_and_citation():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == unet_tutorial.__version__ and citation["title"] == settings()["title"]
    assert "MIT License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Attribution 4.0 International" in (ROOT / "LICENSE-TEXT").read_text(encoding="utf-8")
