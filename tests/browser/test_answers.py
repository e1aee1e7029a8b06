"""Exercises and quizzes on the built pages: every field and every option tried, by hand, by key, and again later."""

from pathlib import Path

import pytest

from unet_tutorial import exercises, quiz

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = [path.stem for path in sorted((ROOT / "book" / "chapters").glob("*.md"))]
IN_PAGE = {name: [one for one in exercises.names() if one.startswith(f"{name[3:]}.")] for name in CHAPTERS}

SAID = ("Something else comes out.", "That is what comes out.")


def typed(numbers):
    """Return numbers as a reader types them."""
    return ", ".join(f"{number:.12g}" for number in numbers)


def answer(form, exercise, value):
    """Fill in an answer, and press the button."""
    if hasattr(exercise, "options"):
        for option in exercise.options:
            box = form.locator(f'input[value="{option}"]')
            if exercise.several:
                box.set_checked(option in value)
            elif option in value:
                box.check()
    else:
        form.locator("input[type=text]").fill(value)
    form.get_by_role("button", name="Check").click()
    return form.locator("[role=status]").inner_text()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_exercise_is_answered_in_the_page(visit, addresses, chapter):
    page, troubles = visit(addresses["file"], f"notebooks/{chapter}.html")
    fields = page.locator("div.exercise[data-exercise]")
    assert fields.count() >= 1
    shown = [field.get_attribute("data-exercise") for field in fields.all()]
    expected = {name for name in IN_PAGE[chapter] if hasattr(exercises.find(name), "table")}
    assert set(shown) == expected and len(shown) == len(expected)
    for name in shown:
        exercise, form = exercises.find(name), page.locator(f'[data-exercise="{name}"] form')
        words = hasattr(exercise, "options")
        right = list(exercise.answer) if words else typed(exercise.right())
        wrongs = exercise.typical if words else [(typed(w[0]), reply) for w, reply in exercise.known()]
        for wrong, reply in wrongs:
            said = answer(form, exercise, wrong)
            assert said.startswith("Not yet.") and reply in said, (name, wrong, said)
        if not words:
            assert "It cannot be read as" in answer(form, exercise, "who knows")
            assert exercise.hints[1] in answer(form, exercise, typed([-98765.0] * len(exercise.right())))
            form.get_by_role("button", name="Show the answer").click()
            assert form.locator("[role=status]").inner_text() == exercise.revealed()
        assert answer(form, exercise, right) == "Right.", name
    assert troubles == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_option_of_the_quiz_has_its_reply_and_the_first_try_counts(visit, addresses, chapter):
    page, troubles = visit(addresses["file"], f"notebooks/{chapter}.html", width=400, theme="dark")
    questions, box = quiz.load(chapter[3:]), page.locator("section.unet-quiz[data-quiz]")
    for number, question in enumerate(questions):
        field = box.locator("fieldset").nth(number)
        for place, option in enumerate(question["options"]):
            field.locator("input").nth(place).check()
            said = field.locator("[role=status]").inner_text()
            assert said.startswith("Right." if place == question["right"] else "Not quite.")
            plain = option["reply"].replace("`", "").replace("*", "")
            assert " ".join(plain.split()) in " ".join(said.split())
    first = sum(question["right"] == 0 for question in questions)
    count = f"{len(questions)} of {len(questions)} answered, {first} right at the first try."
    assert box.locator(".count").inner_text() == count
    assert troubles == []


def test_what_was_answered_is_there_when_the_page_is_opened_again(visit, addresses):
    page, troubles = visit(addresses["http"], "notebooks/03_double_conv.html")
    form, box = page.locator('[data-exercise="double_conv.count"] form'), page.locator("section.unet-quiz[data-quiz]")
    form.locator("input[type=text]").fill("221,184")
    form.locator("input[type=text]").press("Enter")
    assert "That is both convolutions." in form.locator("[role=status]").inner_text()
    first = box.locator("fieldset").nth(0)
    first.locator("input").nth(0).focus()
    page.keyboard.press("ArrowDown")  # from the first option to the second
    assert first.locator("input").nth(1).is_checked()
    page.reload()
    assert form.locator("input[type=text]").input_value() == "221,184"
    assert first.locator("input").nth(1).is_checked()
    assert box.locator(".count").inner_text().startswith("1 of 7 answered")
    box.get_by_role("button", name="Begin again").click()
    assert box.locator(".count").inner_text() == "" and not first.locator("input").nth(1).is_checked()
    page.reload()
    assert not first.locator("input").nth(1).is_checked()
    assert troubles == []


def test_an_exercise_that_asks_for_code_says_where_it_is_written(visit, addresses):
    page, _ = visit(addresses["file"], "notebooks/04_encoder.html")
    lines = page.locator("div.exercise.in-the-notebook")
    assert lines.count() == 2  # the encoder itself, and a pooling
    assert "Write it in the notebook" in lines.first.inner_text()
    lines.first.locator("a").click()
    assert page.locator("article h1").inner_text().startswith("How to use this book")


def test_without_scripts_the_page_says_what_is_missing(browser, window, addresses):
    context, _ = window(browser, addresses["file"], javascript=False)
    page = context.new_page()
    page.goto(f"{addresses['file']}/notebooks/03_double_conv.html")
    assert page.locator("div.exercise[data-exercise] p").first.inner_text().startswith("The field for an answer needs")
    context.close()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_what_would_answer_a_question_is_folded(visit, addresses, chapter):
    page, _ = visit(addresses["file"], f"notebooks/{chapter}.html")
    folded = page.locator("div.cell.tag_decide")
    assert folded.count() >= 2
    for cell in folded.all():
        output = cell.locator("div.cell_output")
        assert output.count() == 1 and not output.is_visible()
    summary = page.locator("summary", has_text="Show what comes out")  # a figure's says that it shows the figure
    first = folded.filter(has=summary).first  # of a figure whose code is folded too, it is the second one
    first.locator("summary", has_text="Show what comes out").click()
    assert first.locator("div.cell_output").is_visible()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_guess_is_committed_to_unfolds_what_comes_out_and_is_counted(visit, addresses, chapter):
    # Over http: a page from a file that is loaded again finds an older storage once or twice in a hundred times
    # (Chromium 156; by the next loading it has come). Over http that happened in none of 444.
    page, troubles = visit(addresses["http"], f"notebooks/{chapter}.html")
    known = quiz.guesses(chapter[3:])
    boxes = page.locator("section.unet-guess")
    assert boxes.count() == len(known)
    for number, box in enumerate(boxes.all()):
        guess = known[box.get_attribute("data-guess").partition(".")[2]]
        place = guess["right"] if number % 2 else (guess["right"] + 1) % len(guess["options"])
        box.locator("input").nth(place).check()
        said = box.locator("[role=status]").inner_text()
        assert said == f"{SAID[number % 2]} Look below."
        assert box.locator("input").first.is_disabled(), "the first guess counts"
        below = box.locator("xpath=ancestor::div[contains(@class, 'cell')][last()]/following-sibling::div[1]")
        assert below.locator("div.cell_output").first.is_visible() or below.locator("details").count() == 0
    count = f"Of the {len(known)} guesses in this chapter you have made {len(known)}, and {len(known) // 2} came out."
    assert page.locator("section.unet-quiz[data-quiz] .guessed").inner_text() == count
    page.reload()
    assert page.locator("section.unet-quiz[data-quiz] .guessed").inner_text() == count
    page.get_by_role("button", name="Begin again").click()
    assert page.locator("section.unet-guess[data-came]").count() == 0
    assert page.locator("section.unet-quiz[data-quiz] .guessed").inner_text() == ""
    assert troubles == []
