"""Make the teaching kit: everything that the page "Teach with this book" names, in one folder that needs no network.

    python tools/kit.py            write dist/kit and dist/kit.zip
    python tools/kit.py --draft    without the students' pages and without PDF, to look at slides and sheets

Pictures and numbers come from the kept runs of the chapters; `make book` is run first, if it must be.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import sys
from pathlib import Path

import nbformat
import yaml

import ballots
import clinic
import editions
import printed
import slides
import teaching
import worksheets
from book_build import build_book
from browser import open_browser
from only_one import only_one
from unet_tutorial import exercises

ROOT = teaching.ROOT
LICENCE = "Text and pictures: CC BY 4.0. Code: MIT. reveal.js, in slides/reveal: MIT; MathJax beside it: Apache 2.0."


def write_plans(folder: Path) -> None:
    """Write the plans, each as a page."""
    folder.mkdir(parents=True)
    trouble = "## When something fails\n\n" + teaching.trouble()
    for name in teaching.PLANS:
        problems = teaching.problems(name)
        if problems:
            raise ValueError("\n".join(problems))
        text = teaching.markdown(name)
        content = f"<div class='plan'>{worksheets.markdown(text)}{worksheets.markdown(trouble)}</div>"
        page = worksheets.paper(teaching.load(name)["title"], content)
        (folder / f"{name}.html").write_text(page, encoding="utf-8")


def write_worksheets(folder: Path) -> None:
    """Write the worksheets and the exit tickets, each with its key beside it."""
    folder.mkdir(parents=True)
    made = {name: worksheets.made(name) for name in worksheets.MAKERS}
    made |= {f"exit_ticket_{plan}": worksheets.ticket(plan) for plan in teaching.PLANS}
    for name, sheet in made.items():
        (folder / f"{name}.html").write_text(sheet.page, encoding="utf-8")
        (folder / f"{name}_key.html").write_text(sheet.key, encoding="utf-8")


def write_ballots(folder: Path) -> None:
    """Write the untitled pictures, and a page for each vote with its key."""
    folder.mkdir(parents=True)
    for name in ballots.BALLOTS:
        ballot = ballots.made(name)
        shown = ""
        for number, page in enumerate(ballot.pages, 1):
            file = f"{name}_{number}.png"
            (folder / file).write_bytes(base64.b64decode(page.png))
            shown += f'<p><img src="{file}" alt="{page.alt}"></p>'
        key = "".join(f"<p>{worksheets.markdown(line, inline=True)}</p>" for line in ballot.key)
        (folder / f"{name}.html").write_text(worksheets.paper(ballot.question, shown), encoding="utf-8")
        (folder / f"{name}_key.html").write_text(
            worksheets.paper(f"{ballot.question} The key", shown + key), encoding="utf-8"
        )


def write_clinic(folder: Path) -> None:
    """Write the patients, a healthy one beside them, and the key where it is not handed out with them."""
    (folder / "notebooks").mkdir(parents=True)
    for number, patient in enumerate(clinic.patients(), 1):
        nbformat.write(clinic.notebook(patient), folder / "notebooks" / f"patient_{number}.ipynb")
    nbformat.write(clinic.notebook(), folder / "healthy.ipynb")
    key = worksheets.paper("The clinic: the key", worksheets.markdown(clinic.key()))
    (folder / "key.html").write_text(key, encoding="utf-8")


def write_grading(folder: Path) -> None:
    """Write the rubric, and the answers to all exercises."""
    folder.mkdir(parents=True)
    page = worksheets.paper("Grading", worksheets.markdown(teaching.rubric()))
    (folder / "rubric.html").write_text(page, encoding="utf-8")
    (folder / "answers.html").write_text(worksheets.paper("The answers", answers()), encoding="utf-8")


def answers() -> str:
    """Return a table of the exercises: where they are, their minutes, and what is right."""
    rows = []
    for name, (chapter, _) in teaching.exercise_cells().items():
        minutes = teaching.exercise_minutes(name) / teaching.CLASS
        rows.append([chapter[:2], f"<code>{name}</code>", f"{minutes:g}", exercises.find(name).revealed()])
    return worksheets.table(["chapter", "exercise", "minutes", "answer"], rows)


def links_of(folder: Path, plan: str) -> list[str]:
    """Return what a plan needs, as lines of Markdown with links."""
    said = teaching.load(plan)
    lines = [f"## {said['title']}", "", said["aim"], "", f"- [The plan](plans/{plan}.html)"]
    decks = [f"[{path.stem}](slides/{path.name})" for path in sorted((folder / "slides").glob(f"{plan}*.html"))]
    lines.append(f"- Slides: {', '.join(decks)}. S opens a window with notes and clock, Esc shows the slides in a row.")
    sheets = [(teaching.sheets()[name]["title"], name) for name in teaching.sheets_in(plan)]
    for title, name in [*sheets, ("Exit ticket", f"exit_ticket_{plan}")]:
        lines.append(f"- [{title}](worksheets/{name}.html), [its key](worksheets/{name}_key.html)")
    return [*lines, f"- You need: {said['needs']}", ""]


def write_index(folder: Path) -> None:
    """Write the page with which a teacher begins."""
    lines = ["Choose a plan, open its slides, print what it needs. Nothing here asks for a network.", ""]
    if any((folder / "plans").glob("*.pdf")):
        lines += ["To print a page, take the file of its name beside it that ends in `.pdf`.", ""]
    for plan in teaching.PLANS:
        lines += links_of(folder, plan)
    lines += ["## Worksheets", ""]
    for name, sheet in teaching.sheets().items():
        file = f"worksheets/{name}"
        lines.append(f"- [{sheet['title']}]({file}.html), {sheet['minutes']} minutes; [its key]({file}_key.html)")
    lines += ["", "## Pictures for votes", ""]
    for name in ballots.BALLOTS:
        lines.append(f"- [{ballots.made(name).question}](pictures/{name}.html) [The key](pictures/{name}_key.html)")
    lines += ["", "## The clinic", "", "- Hand out `clinic/notebooks`. [The key](clinic/key.html) stays with you.", ""]
    lines += ["## Grading", "", "- [The rubric](grading/rubric.html), [the answers](grading/answers.html)", ""]
    if (folder / "pages").is_dir():
        lines += ["## For the students", "", "- [The book without solutions](pages/index.html): hand out `pages`.", ""]
    lines += ["## When something fails", "", teaching.trouble(), "", LICENCE]
    title = f"{yaml.safe_load((ROOT / '_config.yml').read_text(encoding='utf-8'))['title']}: for teachers"
    (folder / "index.html").write_text(worksheets.paper(title, worksheets.markdown("\n".join(lines))), encoding="utf-8")


def print_all(folder: Path) -> None:
    """Print everything that goes on paper."""
    with open_browser() as browser:
        for part in ("plans", "worksheets", "pictures", "clinic", "grading"):
            for page in sorted((folder / part).glob("*.html")):
                printed.to_pdf(browser, page)
        for deck in sorted((folder / "slides").glob("*.html")):
            printed.to_pdf(browser, deck, slides=True)


def make(root: Path, *, draft: bool = False) -> Path:
    """Write the kit below ``dist``, with its zip, and return the folder."""
    folder = root / "dist" / "kit"
    shutil.rmtree(folder, ignore_errors=True)
    write_plans(folder / "plans")
    slides.write_reveal(folder / "slides")
    for plan in teaching.PLANS:
        slides.write(folder / "slides", plan)
    write_worksheets(folder / "worksheets")
    write_ballots(folder / "pictures")
    write_clinic(folder / "clinic")
    write_grading(folder / "grading")
    if not draft:
        print_all(folder)
        shutil.copytree(editions.make("student") / "pages", folder / "pages")
    write_index(folder)
    shutil.make_archive(str(folder), "zip", folder.parent, folder.name)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draft", action="store_true", help="without the students' pages and without PDF")
    arguments = parser.parse_args()
    with only_one(ROOT, "make kit"):
        if build_book(ROOT):
            return 1
        folder = make(ROOT, draft=arguments.draft)
        print(f"{folder.relative_to(ROOT)} and {folder.name}.zip: open index.html in it.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
