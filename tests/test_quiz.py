"""The quizzes: one right option, nothing in their form that tells which, and no answer in the page's source."""

import html
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

import unet_tutorial
from unet_tutorial.quiz import Guess, Quiz, guesses, load, titles

ROOT = Path(unet_tutorial.__file__).parents[1]
CHAPTERS = sorted((ROOT / "book" / "chapters").glob("*.md"))


def test_each_chapter_has_its_quiz_and_shows_it_once():
    assert {path.stem[3:] for path in CHAPTERS} == set(titles())
    for path in CHAPTERS:
        assert path.read_text(encoding="utf-8").count(f'Quiz("{path.stem[3:]}")') == 1


@pytest.mark.parametrize("name", titles())
def test_a_quiz_can_be_answered_by_understanding_alone(name):
    raw = yaml.safe_load((Path(unet_tutorial.__file__).parent / "quiz" / f"{name}.yml").read_text(encoding="utf-8"))
    raw, questions = raw["questions"], load(name)
    assert 6 <= len(questions) <= 10
    assert all(sum("right" in option for option in question["options"]) == 1 for question in raw)
    assert all(set(option) in ({"right", "reply"}, {"wrong", "reply"}) for q in raw for option in q["options"])
    places = Counter(question["right"] for question in questions)
    assert max(places.values()) <= len(questions) / 2, "the right option stands too often at one place"
    longest = 0
    for question in questions:
        lengths = [len(option["say"]) for option in question["options"]]
        assert 2 <= len(lengths) <= 4 and max(lengths) <= 2 * min(lengths), (question["ask"], lengths)
        longest += lengths[question["right"]] == max(lengths)
        says = [option["say"] for option in question["options"]]
        assert len(set(says)) == len(says)
        assert all(len(option["reply"]) >= 4 and option["reply"].endswith((".", "?")) for option in question["options"])
    assert longest <= len(questions) / 2, "the right option is too often the longest"


@pytest.mark.parametrize("name", titles())
def test_the_page_holds_the_questions_and_not_the_replies(name):
    page, text = Quiz(name)._repr_html_(), repr(Quiz(name))
    body = re.sub(r"<(style|script).*?</\1>", "", page, flags=re.S)
    assert body.count('<input type="radio"') == sum(len(question["options"]) for question in load(name))
    assert body.count("<fieldset>") == body.count("<legend>") == body.count("</fieldset>") == len(load(name))
    for question in load(name):
        for option in question["options"]:
            plain = html.escape(option["reply"], quote=False)
            assert plain not in page and option["reply"] not in text
    assert "http" not in page


def test_a_quiz_marks_code_and_emphasis_and_nothing_else():
    page = Quiz("double_conv")._repr_html_()
    assert "<code>DoubleConv(3, 64)</code>" in page and "`" not in re.sub(r"<script.*", "", page, flags=re.S)


def test_a_quiz_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="name must be one of bottleneck, debugging, .*, but got 'doubleconv'"):
        Quiz("doubleconv")


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_each_guess_is_asked_for_once_before_a_cell_whose_output_is_folded(path):
    text, known = path.read_text(encoding="utf-8"), guesses(path.stem[3:])
    assert sorted(re.findall(r'^Guess\("([\w.]+)"\)$', text, re.M)) == sorted(f"{path.stem[3:]}.{one}" for one in known)
    for one in known:
        behind = text.split(f'Guess("{path.stem[3:]}.{one}")', 1)[1]
        cells = re.match(r"\n```\n\n((?:```\{code-cell\}(?s:.*?)\n```\n\n)+)", behind)
        assert cells and "decide" in cells[1], "what comes out right below must be folded"


@pytest.mark.parametrize("name", titles())
def test_guesses_have_no_pattern_and_the_page_does_not_show_the_right_one(name):
    for one, guess in guesses(name).items():
        says = [option["say"] for option in guess["options"]]
        assert 2 <= len(says) <= 4 and len(set(says)) == len(says)
        body = re.sub(r"<(style|script).*?</\1>", "", Guess(f"{name}.{one}")._repr_html_(), flags=re.S)
        assert body.count('type="radio"') == len(says)
    places = Counter(guess["right"] for chapter in titles() for guess in guesses(chapter).values())
    assert max(places.values()) <= 0.5 * sum(places.values())


def test_a_guess_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="name must be double_conv.{one of corner, padding, weights}, but got"):
        Guess("double_conv.paddign")
