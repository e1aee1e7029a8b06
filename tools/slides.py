"""Slides for the plans: every picture, number and explorer from the kept run of its chapter, a question before it.

A deck is a notebook that nbconvert turns into reveal.js slides. What reveal.js needs lies beside the decks, so they
work from a memory stick. The speaker's notes are the chapters' notes for teachers, and what the plan adds.
"""

from __future__ import annotations

import base64
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from nbconvert.exporters import SlidesExporter
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from traitlets.config import Config

import ballots
import notebook_rules
import notebooks
import runs
import teaching
import worksheets
from unet_tutorial import exercises

ROOT = teaching.ROOT
REVEAL = ("dist/reset.css", "dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js", "LICENSE")
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
GUESS = re.compile(r'^Guess\("([\w.]+)"\)', re.M)
EXPLORER = re.compile(r"^(?:\w+ = )?widgets\.([A-Z]\w+)\(", re.M)
SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z*])")
NOT_SHOWN = {"check", "solution"}
FEW, SHORT = 8, 52  # lines and characters of a text that is shown larger
MOST, LONGEST = 16, 74  # lines of a slide, and characters of a line
FITS = 81  # characters of a line whose letters are a little smaller
WIDE = 1.7  # a picture so many times as wide as high has no room beside it


class Slide(NamedTuple):
    """One slide: its title, its content as HTML, and what the speaker reads beside it."""

    title: str
    content: str
    notes: str = ""


@cache
def outputs(chapter: str, root: Path = ROOT) -> dict[str, list[nbformat.NotebookNode]]:
    """Return what the cells of a chapter gave when it was run, by their ids.

    Raises
    ------
    RuntimeError
        If no run of it is kept.
    """
    executed = runs.find(root, notebooks.generate(root, chapter))
    if executed is None:
        raise RuntimeError(f"no run of {chapter} is kept: `make notebooks book` makes one.")
    return {cell.id: cell.outputs for cell in executed.cells if cell.cell_type == "code"}


@cache
def plain(chapter: str) -> list[nbformat.NotebookNode]:
    """Return the cells of a chapter as readers have them."""
    return notebooks.generate(ROOT, chapter).cells


# The decks ------------------------------------------------------------------------------------------------------------


def decks(plan: str) -> dict[str, list[Slide]]:
    """Return the slides of a plan, a deck for each of its sessions, by the names of their files."""
    sessions = teaching.load(plan)["sessions"]
    names = [plan] if len(sessions) == 1 else [f"{plan}_{number:02}" for number in range(1, len(sessions) + 1)]
    return {name: list(of_session(plan, session)) for name, session in zip(names, sessions, strict=True)}


def of_session(plan: str, session: dict[str, Any]) -> Iterator[Slide]:
    """Yield the slides of one session."""
    whole, now = teaching.load(plan), 0
    for number, step in enumerate(session["steps"]):
        made = list(of_step(step))
        if not made and step.get("kind") not in ("arrive", "slack"):
            made = [Slide(teaching.title(step), "")]  # what is done at the board or in a notebook has a slide, too
        if number == 0:
            made = [Slide("", f"<h1>{escape(session['name'])}</h1><p class='big'>{escape(whole['title'])}</p>"), *made]
        for place, slide in enumerate(made):
            spoken = _spoken(step, now) if place == 0 else ""
            yield slide._replace(notes="\n\n".join(filter(None, [spoken, slide.notes])))
        now += step["minutes"]


def of_step(step: dict[str, Any]) -> Iterator[Slide]:
    """Yield the slides of one step: those that the plan chooses, or else what its sections show."""
    kind = step.get("kind", "teach")
    if kind in ("break", "slack"):
        if kind == "break":
            yield Slide(teaching.title(step), f"<p class='big'>{step['minutes']} minutes</p>")
        return
    if kind == "arrive":
        return  # the first slide stands there
    if step.get("ask") and "slides" not in step:  # a plan that chooses its slides says where the question stands
        yield Slide(teaching.title(step), f"<p class='big'>{html(step['ask'])}</p>")
    if "ballot" in step:
        yield from of_ballot(step["ballot"])
    if "slides" in step:
        for chosen in step["slides"]:
            yield from of_choice(step, chosen)
    else:
        for reference in step.get("sections", []):
            yield from of_section(teaching.section(reference))
    for reference in step.get("votes", []):
        yield from of_question(reference)
    if "sheet" in step:
        yield of_sheet(step["sheet"])
    for name in step.get("exercises", []):
        yield from of_exercise(name)
    for number, reference in enumerate(step.get("ticket", []), 1):
        yield of_ticket(number, reference)


def of_choice(step: dict[str, Any], chosen: dict[str, Any]) -> Iterator[Slide]:
    """Yield the slides of one entry under ``slides``: ``kind: number or name``, with a ``title`` of its own.

    ``figure`` and ``text`` count what the step's first section shows, from 1; ``guess``, ``explorer`` and ``sheet``
    have names; ``words`` are the plan's own. A guess may have the figure ``beside`` it that it asks about.
    """
    chosen = dict(chosen)
    heading, number = chosen.pop("title", None), chosen.pop("beside", None)
    section = teaching.section(chosen.pop("section")) if "section" in chosen else None
    ((kind, value),) = chosen.items()
    if kind == "guess":
        asked_about = found(teaching.section(step["sections"][0]), "figure", number) if number else ""
        yield from of_question(value, asked_about, heading or "What comes out")
        return
    if kind == "sheet":
        yield of_sheet(value)
        return
    if kind == "words":
        yield Slide(heading or teaching.title(step), f"<div class='big'>{html(value)}</div>")
        return
    section = section or teaching.section(step["sections"][0])
    heading = section.title if heading is None else heading
    yield Slide(heading, found(section, kind, value))


def found(section: teaching.Section, kind: str, value: Any) -> str:
    """Return as HTML what a section shows: its n-th figure or text, or an explorer by its name.

    Raises
    ------
    ValueError
        If it shows no such thing; the message names the chapter and the section.
    """
    where = f"chapter {section.chapter}, section “{section.title}”"
    if kind == "explorer":
        for cell in section.cells:
            match = EXPLORER.search(cell.source) if cell.cell_type == "code" else None
            if match and match[1] == value:
                return pictures(section.chapter, cell)[-1]
        raise ValueError(f"{where} has no explorer {value!r}.")
    makers = {"figure": pictures, "text": texts}
    if kind not in makers:
        known = ", ".join([*makers, "explorer", "guess", "sheet"])
        raise ValueError(f"a slide shows one of {known} and words, but got {kind!r}.")
    shown = [
        one
        for cell in section.cells
        if cell.cell_type == "code" and not GUESS.match(cell.source) and not NOT_SHOWN & set(notebook_rules.tags(cell))
        for one in makers[kind](section.chapter, cell)
    ]
    if not 1 <= value <= len(shown):
        raise ValueError(f"{where} shows {len(shown)} of the kind {kind!r}, and no number {value}.")
    return shown[value - 1]


def of_section(section: teaching.Section) -> Iterator[Slide]:
    """Yield what a section shows, in its order: a question first, what answers it on the next slide."""
    asked, guess = "", ""
    for cell in section.cells:
        tags = set(notebook_rules.tags(cell))
        if cell.cell_type == "markdown":
            if notebook_rules.TEACHER not in tags:
                asked, guess = question_in(cell.source), ""
            continue
        named = GUESS.search(cell.source)
        if named:
            guess = named[1]
            yield Slide("Your guess", options(teaching.question(guess)))
            continue
        if NOT_SHOWN & tags:
            continue
        shown = pictures(section.chapter, cell)
        if notebook_rules.DECIDE in tags:
            if asked and not guess:
                yield Slide(section.title, f"<p class='big'>{html(asked)}</p>")
            asked, guess = "", guess or "asked"
            for one in [*shown, *texts(section.chapter, cell)]:
                yield Slide(section.title, one)
        else:
            for one in shown:
                yield Slide(section.title, one)


def of_question(reference: str, asked_about: str = "", heading: str = "What comes out") -> Iterator[Slide]:
    """Yield a question with its options, and on the next slide the right one, with the reply or what came out."""
    asked = teaching.question(reference)
    yield Slide("Vote", beside(asked_about, options(asked)))
    right = asked["options"][asked["right"]]
    content = options(asked, right=asked["right"])
    if right["reply"]:
        content += f"<p>{html(right['reply'])}</p>"
    yield Slide("Vote", beside(asked_about, content))
    if "." in reference:
        for one in answers(reference):
            yield Slide(heading, one)


def of_sheet(name: str) -> Slide:
    """Return what is to be done on a worksheet, with its drawing where it is a map to fill in."""
    sheet, drawing = teaching.sheets()[name], worksheets.MAKERS[name](False)
    content = f"<p class='big'>On your worksheet: {sheet['minutes']} minutes.</p>{html(sheet['task'])}"
    is_map = drawing.startswith("<div class='map'>")
    return Slide(sheet["title"], beside(drawing if is_map else "", content), f"The key: worksheets/{name}_key.html.")


def of_ballot(name: str) -> Iterator[Slide]:
    """Yield untitled pictures, and on the next slide their key."""
    ballot = ballots.made(name)
    for page in ballot.pages:
        yield Slide(ballot.question, picture(page.png, page.alt))
    yield Slide(ballot.question, "".join(f"<p class='big'>{html(line)}</p>" for line in ballot.key))


def of_exercise(name: str) -> Iterator[Slide]:
    """Yield the text of an exercise, and on the next slide its answer, where that is a number or a word."""
    _, cell = teaching.exercise_cells()[name]
    paragraphs = [part for part in cell.source.split("\n\n") if part.startswith("**")]
    yield Slide("Exercise", html(paragraphs[-1]))
    exercise = exercises.find(name)
    if type(exercise).__name__ in ("Numbers", "Words"):
        yield Slide("Exercise", f"<p class='big right'>{html(exercise.revealed())}</p>")


def of_ticket(number: int, reference: str) -> Slide:
    """Return a question of the exit ticket, with no answer but in the notes."""
    asked = teaching.question(reference)
    right = asked["options"][asked["right"]]
    letter = "ABCD"[asked["right"]]
    return Slide(f"Exit ticket, {number}", options(asked), f"Right: {letter}. {right['say']} {right['reply']}")


def answers(guess: str) -> list[str]:
    """Return what comes out behind a guess."""
    for chapter in notebooks.names_in(ROOT / "book" / "chapters", "*.md"):
        if chapter[3:] != guess.partition(".")[0]:
            continue
        shown, is_behind = [], False
        for cell in plain(chapter):
            if is_behind and cell.cell_type == "markdown":
                return shown
            if is_behind and notebook_rules.DECIDE in notebook_rules.tags(cell):
                shown += [*pictures(chapter, cell), *texts(chapter, cell)]
            is_behind = is_behind or cell.source.startswith(f'Guess("{guess}")')
    raise ValueError(f"no chapter asks for the guess {guess!r}.")


# What stands on a slide -----------------------------------------------------------------------------------------------


def options(asked: dict[str, Any], right: int | None = None) -> str:
    """Return a question with its options, of which one may be marked as right."""
    items = "".join(
        f"<li{' class=right' if place == right else ''}>{html(option['say'], inline=True)}</li>"
        for place, option in enumerate(asked["options"])
    )
    return f"<p class='big'>{html(asked['ask'], inline=True)}</p><ol type='A'>{items}</ol>"


def pictures(chapter: str, cell: nbformat.NotebookNode) -> list[str]:
    """Return the figures, maps and explorers that a cell gave, as HTML."""
    made = []
    for output in outputs(chapter)[cell.id]:
        data = output.get("data", {})
        page = data.get("text/html", "").lstrip()
        if "image/png" in data:
            made.append(picture(data["image/png"], " ".join(str(data.get("text/plain", "")).split())))
        elif page.startswith("<svg"):
            made.append(page.replace("<svg", '<svg class="map"', 1))
        elif "<figure class=" in page:
            made.append(page)
    return made


def picture(png: str, alt: str) -> str:
    """Return a picture, PNG in base64, as HTML."""
    head = base64.b64decode(png[:32])  # width and height stand in its bytes 16 to 23
    is_wide = int.from_bytes(head[16:20]) > WIDE * int.from_bytes(head[20:24])
    kind = "picture wide" if is_wide else "picture"
    return f'<img class="{kind}" src="data:image/png;base64,{png}" alt="{escape(alt)}">'


def beside(shown: str, content: str) -> str:
    """Return what is asked about, with the question beside it; below it where the picture is wide."""
    return f"<div class='beside'>{shown}<div>{content}</div></div>" if shown else content


def texts(chapter: str, cell: nbformat.NotebookNode) -> list[str]:
    """Return what a cell printed, as HTML, in pieces that fit on a slide; what is short is large."""
    said = "".join(output.text for output in outputs(chapter)[cell.id] if output.output_type == "stream")
    said = said.strip("\n").rstrip()  # the spaces before the head of a table are a part of it
    pieces: list[list[str]] = [[]]
    for line in said.split("\n") if said else []:
        if sum(map(_rows, [*pieces[-1], line])) > MOST:
            belongs = line.startswith(" ") and len(pieces[-1]) > 1  # to the line before it
            pieces.append([pieces[-1].pop()] if belongs else [])
        pieces[-1].append(line)
    return [f"<pre{_size(piece)}>{escape(chr(10).join(piece))}</pre>" for piece in pieces if piece]


def _rows(line: str) -> int:
    """Return how many rows of a slide a line takes."""
    return max(1, -(-len(line) // LONGEST))


def _size(lines: list[str]) -> str:
    longest = max(map(len, lines))
    if longest <= SHORT and len(lines) <= FEW:
        return " class=big"
    return " class=long" if LONGEST < longest <= FITS else ""


def question_in(text: str) -> str:
    """Return the questions of the last paragraph of a text.

    >>> question_in("Here are coins.\\n\\nThere are 24. Will Otsu find them? Decide, then run.")
    'Will Otsu find them?'
    """
    last = text.strip().split("\n\n")[-1]
    return " ".join(sentence for sentence in SENTENCE.split(" ".join(last.split())) if sentence.endswith("?"))


def html(text: str, *, inline: bool = False) -> str:
    """Return Markdown as HTML, with the words of its links and no links: a slide leads nowhere."""
    made = markdown2html_mistune(LINK.sub(r"\1", text.strip())).strip()
    single = inline or made.count("<p>") == 1 and made.startswith("<p>") and made.endswith("</p>")
    return re.sub(r"^<p>|</p>$", "", made) if single else made


def _spoken(step: dict[str, Any], now: int) -> str:
    """Return what the speaker reads at the first slide of a step."""
    head = f"**{teaching.clock(now)} to {teaching.clock(now + step['minutes'])}, {teaching.title(step)}**"
    parts = [head, step.get("show", ""), f"Ask: {step['ask']}" if "ask" in step else "", *teaching.told(step)]
    parts += [f"They say: “{say}” {back}" for say, back in step.get("say", {}).items()]
    parts += [f"When time is short: {step['short']}"] if "short" in step else []
    return "\n\n".join(part.strip() for part in parts if part)


# Files ----------------------------------------------------------------------------------------------------------------


def notebook(title: str, slides: Iterable[Slide]) -> nbformat.NotebookNode:
    """Return a deck as a notebook, a cell for the content of each slide and one for its notes."""
    cells = []
    for slide in slides:
        heading = f"<h2>{html(slide.title, inline=True)}</h2>" if slide.title else ""
        shown = nbformat.v4.new_code_cell("", metadata={"slideshow": {"slide_type": "slide"}})
        data = {"text/html": heading + slide.content}
        shown.outputs = [nbformat.v4.new_output("display_data", data)]
        cells.append(shown)
        if slide.notes:
            cells.append(nbformat.v4.new_markdown_cell(slide.notes, metadata={"slideshow": {"slide_type": "notes"}}))
    is_mathematical = any("$" in slide.content + slide.notes for slide in slides)
    metadata = {"title": title, "mathematics": "reveal/mathjax.js" if is_mathematical else ""}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def page(title: str, slides: list[Slide]) -> str:
    """Return a deck as a page of reveal.js."""
    config = Config({"HTMLExporter": {"exclude_input": True, "exclude_input_prompt": True}})
    exporter = SlidesExporter(
        config=config, template_name="slides", extra_template_basedirs=[str(ROOT / teaching.FOLDER)]
    )
    return exporter.from_notebook_node(notebook(title, slides))[0]


def write_reveal(folder: Path) -> None:
    """Put beside the decks what they need: reveal.js as sphinx-revealjs carries it, MathJax, and our style."""
    spec = find_spec("sphinx_revealjs")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("sphinx-revealjs is not installed: run `python3 tools/install.py --tests`.")
    source = Path(spec.submodule_search_locations[0], "_static", "revealjs")
    (folder / "reveal").mkdir(parents=True, exist_ok=True)
    for name in REVEAL:
        shutil.copyfile(source / name, folder / "reveal" / Path(name).name)
    sys.path.append(str(ROOT / "book" / "_ext"))
    from book_offline import mathjax_file  # what the pages take

    shutil.copyfile(mathjax_file(), folder / "reveal" / "mathjax.js")
    shutil.copyfile(ROOT / teaching.FOLDER / "slides.css", folder / "slides.css")


def write(folder: Path, plan: str) -> list[Path]:
    """Write the decks of a plan into a folder, and return their files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, slides in decks(plan).items():
        path = folder / f"{name}.html"
        path.write_text(page(teaching.load(plan)["title"], slides), encoding="utf-8")
        paths.append(path)
    return paths
