"""The plans for a class: data in ``book/teach/plans``, joined with the chapters, and compared with their minutes.

A step of a plan names sections of chapters, exercises, questions of a quiz, worksheets and pictures for votes. What a
teacher asks and what students say comes from the notes for teachers in the chapters; a step adds what they do not say.
When a section gets another title, every plan that names it says so: plan, chapter and section.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import yaml

import notebook_rules
import notebooks
from unet_tutorial import exercises, quiz

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "book/teach"
PLANS = ("50_minutes", "90_minutes", "half_day", "two_days", "ten_lessons")
# The rule, which the page "Teach with this book" states in words; book/_ext/book_teach.py puts the numbers there.
CLASS = 1.5  # a class needs so many times the minutes of a reader
ARRIVING = 5  # minutes at the beginning of every session
SLACK = 20  # of so many minutes, one is kept free
VOTE = 2  # minutes for a question or a picture on which the class votes
TICKET = 1.5  # minutes for a question of the exit ticket
WITHOUT_BREAK = 100  # minutes at most
BREAK = 3  # minutes at least
SECTION = re.compile(r"^## (.+)$", re.M)
MINUTES = re.compile(r"\*\*(\d+) minutes")
HEAD = re.compile(r"\*\*\d+ minutes[.,]? *(.*?)\*\*")  # of a note, with what follows: "**15 minutes, in pairs.**"
READING = re.compile(r"Reading takes about (\d+) minutes")
EXERCISE = re.compile(r"\((\d+) minutes\)")
KEYS = {
    "step": {"minutes", "kind", "title", "sections", "exercises", "votes", "ticket", "sheet", "ballot", "clinic"}
    | {"show", "ask", "say", "short", "slides"},
    "session": {"name", "minutes", "steps", "before"},
    "plan": {"title", "minutes", "aim", "needs", "sessions"},
}
KINDS = ("teach", "arrive", "break", "slack", "work")


@dataclass(frozen=True)
class Section:
    """A section of a chapter: its cells, as its text has them, and the minutes that it takes in a class."""

    chapter: str
    title: str
    cells: list[nbformat.NotebookNode]
    minutes: float

    @property
    def notes(self) -> list[str]:
        """What the section says to teachers."""
        return [cell.source for cell in self.cells if notebook_rules.TEACHER in notebook_rules.tags(cell)]


@cache
def chapter(name: str, root: Path = ROOT) -> dict[str, Section]:
    """Return the sections of a chapter by their titles."""
    cells = notebooks.generate(root, name, teacher=True).cells
    grouped: dict[str, list[nbformat.NotebookNode]] = {}
    now: list[str] = []
    for cell in cells:
        if cell.cell_type == "markdown":
            titles = SECTION.findall(cell.source)
            before = SECTION.split(cell.source)[0].strip() if titles else ""
            now = [*(now if before else []), *titles] if titles else now[-1:]
        for title in now:
            grouped.setdefault(title, []).append(cell)
        now = now[-1:]
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    reading = READING.search(text)
    if reading is None:
        raise ValueError(f"chapter {name} does not say “Reading takes about … minutes”, from which plans are made.")
    words = {title: _words(title, group) for title, group in grouped.items()}
    per_word = int(reading[1]) / sum(words.values())
    return {
        title: Section(name, title, group, _section_minutes(group, words[title] * per_word))
        for title, group in grouped.items()
    }


def _words(title: str, cells: list[nbformat.NotebookNode]) -> int:
    """Count the words of a section that a reader reads: no code, no notes for teachers, no text of another section."""
    count = 0
    for cell in cells:
        if cell.cell_type == "markdown" and notebook_rules.TEACHER not in notebook_rules.tags(cell):
            parts = SECTION.split(cell.source)
            places = [place for place in range(1, len(parts), 2) if parts[place] == title]
            text = " ".join(parts[place + 1] for place in places) if places else parts[0]
            count += len(text.split())
    return count


def _section_minutes(cells: list[nbformat.NotebookNode], reading: float) -> float:
    """Return the minutes that the notes for teachers name, or the reader's minutes for a class."""
    notes = [cell.source for cell in cells if notebook_rules.TEACHER in notebook_rules.tags(cell)]
    named = [int(found[1]) for found in map(MINUTES.match, notes) if found]
    return float(sum(named)) if named else CLASS * reading


def section(reference: str) -> Section:
    """Return the section that ``"chapter: title"`` names.

    Raises
    ------
    ValueError
        If there is no such chapter or section; the message says which there are.
    """
    name, _, title = reference.partition(": ")
    known = notebooks.names_in(ROOT / "book" / "chapters", "*.md")
    if name not in known:
        raise ValueError(f"no chapter {name!r}; there are {', '.join(known)}.")
    sections = chapter(name)
    if title not in sections:
        near = difflib.get_close_matches(title, sections, n=1, cutoff=0.3)
        hint = f" Is it “{near[0]}” now?" if near else ""
        raise ValueError(f"chapter {name} has no section “{title}”.{hint}")
    return sections[title]


@cache
def exercise_cells(root: Path = ROOT) -> dict[str, tuple[str, nbformat.NotebookNode]]:
    """Return for each exercise its chapter and the cell with its text."""
    found: dict[str, tuple[str, nbformat.NotebookNode]] = {}
    for name in notebooks.names_in(root / "book" / "chapters", "*.md"):
        text = None
        for cell in notebooks.generate(root, name).cells:
            if cell.cell_type == "markdown":
                text = cell
                continue
            for one in re.findall(r'^check\("([\w.]+)"', cell.source, re.M):
                if text is not None:
                    found.setdefault(one, (name, text))
    return found


def exercise_minutes(name: str) -> float:
    """Return what an exercise takes in a class."""
    return CLASS * _stated(name)


def _stated(name: str) -> int:
    exercises.find(name)  # says what is meant where there is none
    if name not in exercise_cells():
        raise ValueError(f"no chapter asks for the exercise {name!r}.")
    minutes = EXERCISE.findall(exercise_cells()[name][1].source)
    if not minutes:
        raise ValueError(f"the text of the exercise {name!r} names no minutes.")
    return int(minutes[-1])


def question(reference: str) -> dict[str, Any]:
    """Return a question of a quiz: ``"chapter 3"`` is the third of that chapter, ``"chapter.name"`` a guess."""
    name, _, number = reference.partition(" ")
    if number:
        questions = quiz.load(name)
        if not 1 <= int(number) <= len(questions):
            raise ValueError(f"the quiz {name!r} has {len(questions)} questions, and no number {number}.")
        return questions[int(number) - 1]
    stem, _, one = reference.partition(".")
    if one not in quiz.guesses(stem):
        raise ValueError(f"the chapter {stem!r} has no guess {one!r}; there are {', '.join(quiz.guesses(stem))}.")
    return quiz.guesses(stem)[one]


def needed(step: dict[str, Any]) -> float:
    """Return the minutes that a step takes at least, by the rule."""
    kind = step.get("kind", "teach")
    if kind == "arrive":
        return ARRIVING
    if kind == "break":
        return BREAK
    for one in [*step.get("votes", []), *step.get("ticket", [])]:
        question(one)  # says what is meant where there is none
    minutes = sum(section(one).minutes for one in step.get("sections", []))
    minutes += sum(exercise_minutes(one) for one in step.get("exercises", []))
    minutes += VOTE * (len(step.get("votes", [])) + ("ballot" in step))
    minutes += TICKET * len(step.get("ticket", []))
    if "sheet" in step:
        minutes += sheets()[step["sheet"]]["minutes"]
    if "clinic" in step:
        minutes += clinic_minutes() * int(step["clinic"])
    return minutes


@cache
def sheets() -> dict[str, dict[str, Any]]:
    """Return what is said about each worksheet: its title, minutes and words."""
    return yaml.safe_load((ROOT / FOLDER / "worksheets.yml").read_text(encoding="utf-8"))


def clinic_minutes() -> int:
    """Return the minutes that a patient of the clinic takes, with the talk about it."""
    return int(yaml.safe_load((ROOT / FOLDER / "clinic.yml").read_text(encoding="utf-8"))["minutes"])


@cache
def common() -> dict[str, Any]:
    """Return what all plans share: what to do when something fails."""
    return yaml.safe_load((ROOT / FOLDER / "plans" / "common.yml").read_text(encoding="utf-8"))


@cache
def load(name: str) -> dict[str, Any]:
    """Return a plan.

    Raises
    ------
    ValueError
        If there is none of this name, or it says something that nobody reads.
    """
    if name not in PLANS:
        raise ValueError(f"no plan {name!r}; there are {', '.join(PLANS)}.")
    plan = yaml.safe_load((ROOT / FOLDER / "plans" / f"{name}.yml").read_text(encoding="utf-8"))
    parts = [("plan", plan)] + [("session", one) for one in plan["sessions"]]
    parts += [("step", step) for one in plan["sessions"] for step in one["steps"]]
    for what, part in parts:
        unknown = set(part) - KEYS[what]
        if unknown:
            raise ValueError(f"plan {name}: a {what} says {', '.join(sorted(unknown))}, which nobody reads.")
    return plan


def title(step: dict[str, Any]) -> str:
    """Return what a step is called."""
    named = {"arrive": "Arriving", "break": "Break", "slack": "Kept free"}
    sections = " · ".join(section(one).title for one in step.get("sections", []))
    return step.get("title") or named.get(step.get("kind", "teach")) or sections or "A step without a title"


def notes(step: dict[str, Any]) -> list[str]:
    """Return the notes for teachers of a step's sections."""
    return [note for one in step.get("sections", []) for note in section(one).notes]


def told(step: dict[str, Any]) -> list[str]:
    """Return the notes for teachers of a step's sections without their minutes: the step has its own."""
    parts = [HEAD.sub(r"\1", note, count=1).strip() for note in notes(step)]
    return [part[0].upper() + part[1:] for part in parts if part]


def sheets_in(name: str) -> list[str]:
    """Return the worksheets that a plan hands out, in its order."""
    steps = [step for session in load(name)["sessions"] for step in session["steps"]]
    named = [one.get("sheet") for step in steps for one in (step, *step.get("slides", []))]
    return list(dict.fromkeys(filter(None, named)))


def problems(name: str) -> list[str]:
    """Return what is wrong with a plan, a sentence each that names the plan, the session and the step."""
    plan, found = load(name), []
    for session in plan["sessions"]:
        found += [f"plan {name}, {session['name']}: {problem}" for problem in _session_problems(session)]
    total = sum(session["minutes"] for session in plan["sessions"])
    if total != plan["minutes"]:
        found.append(f"plan {name}: its sessions have {total} minutes, and it says {plan['minutes']}.")
    return found


def _session_problems(session: dict[str, Any]) -> list[str]:
    steps, found = session["steps"], []
    total, free, since_break = 0, 0, 0
    for number, step in enumerate(steps, 1):
        kind = step.get("kind", "teach")
        try:
            at_least, name, asks = needed(step), title(step), _asks(step)
        except ValueError as problem:
            found.append(f"step {number}: {problem}")
            continue
        if kind not in KINDS:
            found.append(f"step {number}, {name}: kind must be one of {', '.join(KINDS)}, and is {kind!r}.")
        if step["minutes"] < at_least - 1e-9:
            needs = f"{math.ceil(at_least * 10) / 10:g}"
            found.append(f"step {number}, {name}: has {step['minutes']} minutes, and by the rule needs {needs}.")
        if kind in ("teach", "work") and not asks:
            found.append(f"step {number}, {name}: nothing is asked in it, and its sections have no note for teachers.")
        letters = [asked["right"] for asked in map(question, step.get("ticket", []))]
        if len(letters) > 2 and len(set(letters)) == 1:
            found.append(f"step {number}, {name}: the right option is always the same letter.")
        total += step["minutes"]
        free += step["minutes"] if kind == "slack" else 0
        since_break = 0 if kind == "break" else since_break + step["minutes"]
        if since_break > WITHOUT_BREAK:
            found.append(f"step {number}, {name}: {since_break} minutes without a break.")
    if total != session["minutes"]:
        found.append(f"its steps have {total} minutes, and it says {session['minutes']}.")
    if steps[0].get("kind") != "arrive":
        found.append("it does not begin with arriving.")
    if free < session["minutes"] / SLACK:
        found.append(f"{free} minutes are kept free, and by the rule {session['minutes'] / SLACK:g} are needed.")
    if not any("short" in step for step in steps):
        found.append("no step says what to leave out when time is short.")
    return found


def _asks(step: dict[str, Any]) -> bool:
    return bool("ask" in step or notes(step) or step.get("votes") or step.get("ticket"))


def clock(minutes: int) -> str:
    """Return a time of the lesson.

    >>> clock(75)
    '1:15'
    """
    return f"{minutes // 60}:{minutes % 60:02}"


def markdown(name: str, level: str = "##") -> str:
    """Return a plan as text: the same for the page, for paper and for the kit; `level` stands before a session."""
    plan = load(name)
    lines = [f"**{plan['minutes']} minutes.** {plan['aim']}", "", f"*You need:* {plan['needs']}", ""]
    for session in plan["sessions"]:
        if len(plan["sessions"]) > 1:
            heading = f"{session['name']} ({session['minutes']} minutes)"
            lines += [f"**{heading}**" if level == "**" else f"{level} {heading}", ""]
        if "before" in session:
            lines += [f"*Before:* {session['before']}", ""]
        lines += [_table(session["steps"]), ""]
    return "\n".join(lines)


def rule() -> str:
    """Return the rule by which minutes are counted, in words."""
    return (
        f"A section with a note for teachers takes at least the minutes that the note names. One without takes its "
        f"share of the chapter's minutes of reading, by its words, times {CLASS:g}, because a class needs longer than "
        f"a reader. An exercise takes its minutes times {CLASS:g}; a vote takes {VOTE} minutes, a question of the exit "
        f"ticket {TICKET:g}; a worksheet and a patient of the clinic take what stands on them. Every session begins "
        f"with at least {ARRIVING} minutes for arriving, keeps at least one minute in {SLACK} free, and after at most "
        f"{WITHOUT_BREAK} minutes there is a break of at least {BREAK}."
    )


def trouble() -> str:
    """Return what to do when something fails, as Markdown."""
    return "\n".join(f"- **{what}.** {cure.strip()}" for what, cure in common()["trouble"].items())


def rubric() -> str:
    """Return how to grade, as Markdown."""
    return (ROOT / FOLDER / "rubric.md").read_text(encoding="utf-8")


def _table(steps: list[dict[str, Any]]) -> str:
    rows, now = ["| From | Minutes | What | Ask, and what comes back |", "| --- | --- | --- | --- |"], 0
    for step in steps:
        cells = [clock(now), str(step["minutes"]), _what(step), _talk(step)]
        rows.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
        now += step["minutes"]
    return "\n".join(rows)


def _what(step: dict[str, Any]) -> str:
    parts = [f"**{title(step)}**"]
    if step.get("show"):
        parts.append(step["show"].strip())
    sources = [f"{int(section(one).chapter[:2])}, *{section(one).title}*" for one in step.get("sections", [])]
    if sources:
        parts.append(f"Chapter {'; chapter '.join(sources)}.")
    if step.get("exercises"):
        parts.append("Exercises: " + ", ".join(f"`{one}`" for one in step["exercises"]) + ".")
    if "sheet" in step:
        parts.append(f"Worksheet *{sheets()[step['sheet']]['title']}*.")
    return "<br>".join(parts)


def _talk(step: dict[str, Any]) -> str:
    parts = told(step)
    if "ask" in step:
        parts.insert(0, f"*Ask:* {step['ask'].strip()}")
    parts += [f"*They say:* “{say}” {back}" for say, back in step.get("say", {}).items()]
    if "short" in step:
        parts.append(f"*When time is short:* {step['short'].strip()}")
    return "<br>".join(parts)
