"""The slides of the teaching kit: a question before its answer, pictures from the runs, nothing from the network."""

import base64
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

import ballots
import slides
import teaching

ROOT = Path(__file__).resolve().parents[1]
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="  # one pixel

PRINTED = "What the cell has printed."


@pytest.fixture(autouse=True)
def short_outputs(monkeypatch):
    """Take a line for what a cell prints, and a pixel for each figure: the order of the slides is the same."""

    @cache
    def outputs(chapter, root=ROOT):
        return {cell.id: given(cell.source) for cell in slides.plain(chapter)}

    def given(source):
        shown = [nbformat.v4.new_output("stream", text=PRINTED)] if "print(" in source else []
        explorer = slides.EXPLORER.search(source)
        if "plots.show(" in source:
            shown.append(nbformat.v4.new_output("display_data", {"image/png": PICTURE, "text/plain": "A figure."}))
        if "diagram.UNetDiagram(" in source:
            shown.append(nbformat.v4.new_output("display_data", {"text/html": "<svg></svg>"}))
        if explorer:
            page = f'<figure class="unet-explorer" data-explorer="{explorer[1]}"></figure>'
            shown.append(nbformat.v4.new_output("display_data", {"text/html": page}))
        return shown

    ballot = ballots.Ballot("Which?", [ballots.Page(PICTURE, "A and B.")], ["**A** it is."])
    monkeypatch.setattr(slides, "outputs", outputs)
    monkeypatch.setattr(ballots, "made", lambda name: ballot)


@pytest.mark.parametrize("plan", teaching.PLANS)
def test_every_step_that_teaches_has_slides_and_the_speaker_the_clock(plan):
    decks = slides.decks(plan)
    sessions = teaching.load(plan)["sessions"]
    assert len(decks) == len(sessions)
    for deck, session in zip(decks.values(), sessions, strict=True):
        notes = "\n".join(slide.notes for slide in deck)
        now = 0
        for step in session["steps"]:
            if step.get("kind") not in ("slack", "arrive"):
                assert f"**{teaching.clock(now)} to " in notes, teaching.title(step)
            for note in teaching.told(step):
                assert note in notes
            now += step["minutes"]


def test_the_answer_comes_on_the_slide_after_the_question():
    question, answer, *out = slides.of_question("segmentation.areas")
    asked = teaching.question("segmentation.areas")
    right = asked["options"][asked["right"]]["say"]
    assert "class=right" not in question.content and asked["ask"][:20] in question.content
    assert re.search(rf"<li class=right>{re.escape(slides.html(right, inline=True))}</li>", answer.content)
    assert any(PRINTED in slide.content for slide in out)
    first, second = slides.of_exercise("double_conv.count")
    assert "221,696" not in first.content and "221,696" in second.content
    vote, key = slides.of_ballot("skips")
    assert "it is" not in vote.content and "it is" in key.content


def test_where_a_plan_chooses_the_slides_nothing_is_asked_before_it_is_shown_and_the_speaker_asks():
    step = next(step for step in teaching.load("90_minutes")["sessions"][0]["steps"] if "ask" in step)
    first, *_ = slides.of_step(step)
    assert "<img" in first.content and step["ask"] not in first.content
    assert f"Ask: {step['ask']}" in slides._spoken(step, 0)
    chosen = {key: value for key, value in step.items() if key != "slides"}
    assert slides.html(step["ask"]) in next(slides.of_step(chosen)).content


def test_a_guess_may_have_beside_it_what_it_asks_about():
    step = {"sections": ["01_segmentation: Where every threshold fails"]}
    alone, *_ = slides.of_choice(step, {"guess": "segmentation.squares"})
    question, answer, out = slides.of_choice(
        step, {"guess": "segmentation.squares", "beside": 1, "title": "The squares"}
    )
    assert "<img" not in alone.content
    for slide in (question, answer):
        assert "<div class='beside'><img" in slide.content and "<ol" in slide.content
    assert "class=right" not in question.content and out.title == "The squares"


@pytest.mark.parametrize(("width", "height", "kind"), [(804, 297, "picture wide"), (408, 408, "picture")])
def test_a_wide_picture_is_known_by_its_size(width, height, kind):
    head = base64.b64decode(PICTURE)[:16] + width.to_bytes(4, "big") + height.to_bytes(4, "big")
    assert f'class="{kind}"' in slides.picture(base64.b64encode(head).decode(), "A picture.")


def test_the_map_with_its_numbers_comes_after_the_empty_one():
    decks = [deck for plan in teaching.PLANS for deck in slides.decks(plan).values()]
    with_map = [deck for deck in decks if any('class="map"' in slide.content for slide in deck)]
    assert len(with_map) >= len(teaching.PLANS) - 1, "the two days have it in one of four decks, and so on"
    for deck in with_map:
        shown = next(i for i, slide in enumerate(deck) if 'class="map"' in slide.content)
        (empty,) = [i for i, slide in enumerate(deck) if slide.title == teaching.sheets()["empty_u"]["title"]]
        assert empty < shown and "256 × 256" not in re.search("<svg.*</svg>", deck[empty].content, re.S)[0]


def test_what_is_printed_stays_a_table_and_a_reason_with_its_rule(monkeypatch):
    def pieces(text):
        cell = nbformat.v4.new_code_cell()
        printed = {cell.id: [nbformat.v4.new_output("stream", text=text)]}
        monkeypatch.setattr(slides, "outputs", lambda chapter: printed)
        return slides.texts("a chapter", cell)

    assert pieces("        IoU\nimage   0.5\n") == ["<pre class=big>        IoU\nimage   0.5</pre>"]
    rules = "".join(f"rule {number}\n    its reason\n" for number in range(20))
    for piece in pieces("title\n" + rules):
        assert piece.count("rule") == piece.count("reason") <= slides.MOST / 2
    (table,) = pieces(f"{'x' * slides.FITS}\n")
    (prose,) = pieces(f"{'x' * (slides.FITS + 1)}\n")
    assert table.startswith("<pre class=long>") and prose.startswith("<pre>")


def test_a_worksheet_on_a_slide_has_its_task_and_says_where_its_key_is():
    for name, sheet in teaching.sheets().items():
        slide = slides.of_sheet(name)
        assert slide.title == sheet["title"] and f"{sheet['minutes']} minutes" in slide.content
        assert f"worksheets/{name}_key.html" in slide.notes
        assert ("<svg" in slide.content) == (name == "empty_u"), "the map to fill in, and nothing that needs paper"


def test_the_exit_ticket_is_asked_and_not_answered():
    reference = "segmentation 1"
    asked = teaching.question(reference)
    slide = slides.of_ticket(1, reference)
    assert "class=right" not in slide.content and asked["options"][asked["right"]]["reply"] in slide.notes


def test_a_section_shows_its_question_its_figures_and_its_explorer():
    shown = list(slides.of_section(teaching.section("02_unet_at_a_glance: Change the map")))
    assert any('data-explorer="Architecture"' in slide.content for slide in shown)
    shown = list(slides.of_section(teaching.section("01_segmentation: Where every threshold fails")))
    titles = [slide.title for slide in shown]
    assert titles[0] == "Your guess" and sum("<img" in slide.content for slide in shown) >= 3
    assert not any("assert" in slide.content for slide in shown)


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        (
            "figure",
            99,
            "02_unet_at_a_glance, section “Seeing far” shows 2 of the kind 'figure', and no number 99",
        ),
        ("explorer", "Nothing", "section “Seeing far” has no explorer 'Nothing'"),
        ("film", 1, "a slide shows one of figure, text, explorer, guess, sheet and words, but got 'film'"),
    ],
)
def test_what_a_section_does_not_show_is_said_with_chapter_and_section(kind, value, says):
    with pytest.raises(ValueError, match=says):
        slides.found(teaching.section("02_unet_at_a_glance: Seeing far"), kind, value)
    with pytest.raises(ValueError, match="no chapter asks for the guess 'segmentation.nothing'"):
        slides.answers("segmentation.nothing")


def test_a_deck_is_a_page_of_local_files(tmp_path):
    slides.write_reveal(tmp_path)
    (path,) = slides.write(tmp_path, "50_minutes")
    text = path.read_text(encoding="utf-8")
    assert text.count("<section") == 2 * len(slides.decks("50_minutes")["50_minutes"])  # reveal.js nests them
    assert 'class="notes"' in text and "hl-ipython" not in text, "notes, and no code"
    for address in re.findall(r"""<(?:script|link|img)[^>]*(?:src|href)=["']([^"']+)""", text):
        assert address.startswith("data:") or (tmp_path / address).is_file(), address
    assert "MIT" in (tmp_path / "reveal" / "LICENSE").read_text() or "Permission is hereby granted" in (
        tmp_path / "reveal" / "LICENSE"
    ).read_text(encoding="utf-8")


def test_without_a_kept_run_it_is_said_which_command_makes_one(tmp_path, monkeypatch):
    monkeypatch.undo()
    slides.outputs.cache_clear()
    monkeypatch.setattr(slides.runs, "find", lambda root, notebook: None)
    with pytest.raises(RuntimeError, match="no run of 02_unet_at_a_glance is kept: `make notebooks book`"):
        slides.outputs("02_unet_at_a_glance", ROOT)
