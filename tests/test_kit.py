"""The plans of the teaching kit: their minutes add up, and what they name is there."""

import re
from pathlib import Path

import pytest
import yaml

import clinic
import kit
import notebooks
import teaching
import worksheets

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", teaching.PLANS)
def test_a_plan_fits_the_chapters_and_its_own_minutes(name):
    assert teaching.problems(name) == []


def test_the_plans_are_those_that_the_page_shows():
    page = (ROOT / "book" / "teach.md").read_text(encoding="utf-8")
    assert re.findall(r"\{teaching-plan\} (\w+)", page) == list(teaching.PLANS)
    minutes = {name: teaching.load(name)["minutes"] for name in teaching.PLANS}
    assert minutes["50_minutes"] == 50 and minutes["90_minutes"] == 90 and minutes["ten_lessons"] == 900
    assert len(teaching.load("ten_lessons")["sessions"]) == 10 and len(teaching.load("two_days")["sessions"]) == 4
    files = {path.stem for path in (ROOT / teaching.FOLDER / "plans").glob("*.yml")}
    assert files == {*teaching.PLANS, "common"}


def changed(monkeypatch, name, change):
    """Let a plan be another one than its file says."""
    plan = yaml.safe_load((ROOT / teaching.FOLDER / "plans" / f"{name}.yml").read_text(encoding="utf-8"))
    change(plan["sessions"][0]["steps"])
    monkeypatch.setattr(teaching, "load", lambda one: plan)
    return teaching.problems(name)


def test_a_section_with_another_title_is_named_with_plan_session_and_step(monkeypatch):
    def rename(steps):
        steps[1]["sections"] = ["01_segmentation: One picture, four questions"]

    (problem,) = [one for one in changed(monkeypatch, "50_minutes", rename) if "section" in one]
    assert problem == (
        "plan 50_minutes, The U in 50 minutes: step 2: chapter 01_segmentation has no section "
        "“One picture, four questions”. Is it “One picture, three questions” now?"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda steps: steps[1].update(minutes=3), "has 3 minutes, and by the rule needs"),
        (lambda steps: steps[0].update(minutes=2), "Arriving: has 2 minutes, and by the rule needs 5"),
        (lambda steps: steps[-1].update(minutes=1), "1 minutes are kept free, and by the rule 2.5 are needed"),
        (lambda steps: steps.pop(0), "does not begin with arriving"),
        (lambda steps: steps[1].update(minutes=200), "minutes without a break"),
        (lambda steps: steps[1].update(sections=["16_nothing: At all"]), "no chapter '16_nothing'"),
        (lambda steps: steps[1].update(votes=["segmentation.nothing"]), "has no guess 'nothing'"),
        (lambda steps: steps[1].update(ticket=["segmentation 99"]), "and no number 99"),
        (lambda steps: steps[1].update(exercises=["segmentation.nothing"]), "must be that of an exercise"),
        (lambda steps: [step.pop("short", None) for step in steps], "no step says what to leave out"),
        (lambda steps: steps.append({"minutes": 1, "title": "Silence"}), "nothing is asked in it"),
        (lambda steps: steps[-2].update(ticket=["segmentation 1"] * 3), "always the same letter"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said(monkeypatch, change, says):
    found = changed(monkeypatch, "50_minutes", change)
    assert any(says in problem for problem in found), found


def test_minutes_come_from_notes_or_from_reading_and_exercises_take_half_as_much_again():
    noted = teaching.section("02_unet_at_a_glance: Seeing far")
    (note,) = noted.notes
    assert noted.minutes == int(re.match(r"\*\*(\d+) minutes", note)[1])
    chapter = teaching.chapter("02_unet_at_a_glance")
    read = [one.minutes for one in chapter.values() if not one.notes]
    assert 0 < min(read) and sum(read) < 1.5 * 60
    assert teaching.exercise_minutes("double_conv.count") == 1.5 * 5


def test_a_plan_says_what_is_asked_said_and_left_out_and_when():
    text = teaching.markdown("90_minutes")
    assert "| 0:00 | 5 | **Arriving**" in text and "*When time is short:*" in text and "*They say:*" in text
    note = teaching.section("02_unet_at_a_glance: Seeing far").notes[0]
    assert note.partition("minutes.** ")[2][:40] in text, "the chapter's note stands in the plan"
    assert len(teaching.common()["trouble"]) >= 5 and "network" in teaching.trouble()
    for number in (teaching.ARRIVING, teaching.SLACK, teaching.VOTE, teaching.BREAK, teaching.WITHOUT_BREAK):
        assert re.search(rf"\b{number}\b", teaching.rule())


@pytest.mark.parametrize("name", teaching.PLANS)
def test_what_is_bold_in_a_plan_begins_and_ends_in_its_cell(name):
    """A note's minutes are left out, with the words beside them or without: "**15 minutes, in pairs.**"."""
    cells = [cell for line in teaching.markdown(name).splitlines() for cell in line.split("|")]
    assert len(cells) > 20 and not [cell for cell in cells if cell.count("**") % 2]
    assert not [cell for cell in cells if "minutes, in" in cell]


def test_the_ten_lessons_teach_from_every_chapter_and_both_long_plans_end_with_pictures_of_ones_own():
    def chapters(name):
        steps = [step for session in teaching.load(name)["sessions"] for step in session["steps"]]
        return {one.partition(":")[0] for step in steps for one in step.get("sections", [])}

    assert chapters("ten_lessons") == set(notebooks.names_in(ROOT / "book" / "chapters", "*.md"))
    assert "16_own_pictures" in chapters("two_days")


@pytest.mark.parametrize("name", teaching.PLANS)
def test_the_worksheets_that_a_plan_names_are_those_that_it_uses(name):
    text = (ROOT / teaching.FOLDER / "plans" / f"{name}.yml").read_text(encoding="utf-8")
    text = " ".join(text.split())
    printed = [one for one, sheet in teaching.sheets().items() if f"*{sheet['title']}*" in text]
    assert printed == teaching.sheets_in(name)


def test_what_a_plan_needs_is_linked_where_a_teacher_begins(tmp_path):
    for part in ("plans", "slides"):
        (tmp_path / part).mkdir()
    (tmp_path / "slides" / "90_minutes.html").touch()
    links = "\n".join(kit.links_of(tmp_path, "90_minutes"))
    for name in ("empty_u", "counting", "exit_ticket_90_minutes"):
        assert f"(worksheets/{name}.html)" in links and f"(worksheets/{name}_key.html)" in links
    assert "(plans/90_minutes.html)" in links and "(slides/90_minutes.html)" in links and "curves" not in links


def test_an_unknown_plan_and_a_word_that_nobody_reads_are_refused(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="no plan '91_minutes'"):
        teaching.load("91_minutes")
    folder = tmp_path / teaching.FOLDER / "plans"
    folder.mkdir(parents=True)
    text = "title: a\nminutes: 1\naim: b\nneeds: c\nsessions: [{name: d, minutes: 1, steps: [{minuts: 1}]}]"
    (folder / "50_minutes.yml").write_text(text)
    monkeypatch.setattr(teaching, "ROOT", tmp_path)
    teaching.load.cache_clear()
    with pytest.raises(ValueError, match="a step says minuts, which nobody reads"):
        teaching.load("50_minutes")


def test_the_parts_without_figures_are_written(tmp_path):
    kit.write_plans(tmp_path / "plans")
    kit.write_worksheets(tmp_path / "worksheets")
    kit.write_clinic(tmp_path / "clinic")
    kit.write_grading(tmp_path / "grading")
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert {f"plans/{plan}.html" for plan in teaching.PLANS} <= names
    for sheet in [*worksheets.MAKERS, "exit_ticket_90_minutes"]:
        assert {f"worksheets/{sheet}.html", f"worksheets/{sheet}_key.html"} <= names
    assert sum(name.startswith("clinic/notebooks/patient_") for name in names) == len(clinic.patients())
    assert "221,696" in (tmp_path / "grading" / "answers.html").read_text(encoding="utf-8")
    for path in tmp_path.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"""(src|href)=["']https?:""", text), f"{path.name} asks for the network"
