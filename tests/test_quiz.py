"""The quizzes: one right option, nothing in their form that tells which, and no answer in the page's source."""

import html
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

import unet_tutorial
from unet_tutorial.quiz import Quiz, load, titles

ROOT = Path(unet_tutorial.__file__).parents[1]
CHAPTERS = sorted((ROOT / "book" / "chapters").glob("*.md"))


def test_each_chapter_has_its_quiz_and_shows_it_once():
    assert {path.stem[3:] for path in CHAPTERS} == set(titles())
    for path in CHAPTERS:
        assert path.read_text(encoding="utf-8").count(f'Quiz("{path.stem[3:]}")') == 1


@pytest.mark.parametrize("name", titles())
def test_a_quiz_can_be_answered_by_understanding_alone(name):
    raw = yaml.safe_load((Path(unet_tutorial.__file__).parent / "quiz" / f"{name}.yml").read_text(encoding="utf-8"))
    questions = load(name)
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
