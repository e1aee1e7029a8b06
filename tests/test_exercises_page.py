"""What the page says to an answer is what the notebook says: the two grammars and the two judges, side by side."""

import json
import subprocess
from pathlib import Path

import pytest

import unet_tutorial
from browser import node
from unet_tutorial._seal import sealed
from unet_tutorial.exercises import find, names
from unet_tutorial.exercises._reading import readings

PACKAGE = Path(unet_tutorial.__file__).parent
SCRIPTS = [str(PACKAGE / "_seal.js"), str(PACKAGE / "exercises" / "answers.js")]
IN_PAGE = [name for name in names() if hasattr(find(name), "table")]
TYPED = [
    "", " ", "x", "..", "1,2,3,", "0x10", "nan", "Infinity", "1/0", "one", "1e999", "--5", "5-", "٣", "e5", "1e", "%",
    "7", "7.", ".5", "-3", "+4", "\u22125.5", "0,14", "14 %", "14.3%", "1/7", "1 / 7", "221,696", "221 696", "221_696",
    "221'696", "221,69", "1,000,000", "1,000 000", "12 pixels", "16 GiB", "12.5 GiB", "1e-3", "3 4", "(3, 4)", "[3;4]",
    "4 x 32 x 50 x 70", "4×32×50×70", "[[-1, 6], [9, 7]]", "(128, 12, 20)", "'12'", '"12"', "{3, 6, 9}", "9 6 3",
]  # fmt: skip


def page(cases):
    """Ask the scripts of the page, in Node."""
    command = [str(node()), str(Path(__file__).parent / "live" / "judge.mjs")]
    asked = json.dumps({"scripts": SCRIPTS, "cases": cases})
    done = subprocess.run(command, input=asked, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_both_read_the_same_numbers():
    cases = [(text, count) for text in TYPED for count in (1, 2, 3, 4)]
    found = page([{"answer": text, "count": count} for text, count in cases])
    for (text, count), theirs in zip(cases, found, strict=True):
        ours = readings(text, count)
        assert len(theirs) == len(ours), text
        for one, other in zip(theirs, ours, strict=True):  # JSON knows no infinity
            assert [float("inf") if number is None else number for number in one] == pytest.approx(list(other)), text


def typed_answers(name):
    exercise = find(name)
    if not hasattr(exercise, "right"):  # words
        options = exercise.options
        return [[], *([one] for one in options), *[list(wrong) for wrong, _ in exercise.typical], list(exercise.answer)]
    lists = [exercise.right(), *(one for wrong, _ in exercise.known() for one in wrong)]
    return TYPED + [", ".join(f"{number:.12g}" for number in numbers) for numbers in lists]


@pytest.mark.parametrize("name", IN_PAGE)
def test_both_judge_alike(name):
    exercise = find(name)
    answers = typed_answers(name)
    table = sealed(name, exercise.table())
    replies = page([{"name": name, "sealed": table, "answer": answer} for answer in answers])
    states = set()
    for answer, theirs in zip(answers, replies, strict=True):
        ours = exercise.judge(answer)
        states.add(ours.state)
        assert theirs["state"] == ours.state, answer
        if ours.state in ("known", "unreadable") and answer:
            assert theirs["words"] == ours.words or isinstance(answer, list)
    assert {"right", "known", "unreadable"} <= states


@pytest.mark.parametrize("name", IN_PAGE)
def test_the_page_does_not_show_the_answer_in_its_source(name):
    table = find(name).table()
    text = sealed(name, table)
    assert not any(reply[:12] in text for _, reply in table["known"]) and table["hints"][0][:12] not in text
    assert table["revealed"][:10] not in text


def test_what_is_sealed_depends_on_the_name():
    assert sealed("a", [1, 2, 3]) != sealed("b", [1, 2, 3])
