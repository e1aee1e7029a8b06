"""The checks of the exercises: every kind of answer, right, wrong and missing, and the line that is printed."""

import numpy as np
import pytest
import torch

from unet_tutorial.exercises import check, check_function


def line(capsys) -> str:
    out = capsys.readouterr().out
    assert out.count("\n") == 1, "one line, whatever the answer"
    return out.strip()


@pytest.mark.parametrize("expected", [3, 2.5, "b", True, (1, 2), np.zeros(3), torch.zeros(2, 2)])
def test_a_missing_answer_does_not_give_the_right_one_away(capsys, expected):
    check(None, expected, hint="a hint")
    assert line(capsys) == "Not answered yet: replace None by your answer."


@pytest.mark.parametrize(
    "answer, expected, said",
    [
        (38848, 38_848, "Right: 38,848."),
        (38848.0, 38_848, "Right: 38,848."),
        (np.int64(7), 7, "Right: 7."),
        (torch.tensor(7), 7, "Right: 7."),
        (7, torch.tensor(7), "Right: 7."),
        (0.25, 0.25, "Right: 0.25."),
        (True, True, "Right: True."),
        (np.True_, True, "Right: True."),
        (" Concatenate ", "concatenate", "Right: ' Concatenate '."),
        ([1, 64, 128, 128], torch.Size([1, 64, 128, 128]), "Right: (1, 64, 128, 128)."),
        ((31_037_633, "b"), (31_037_633, "B"), "Right: (31037633, 'b')."),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), "Right: a float64 array of shape (2,)."),
        (torch.ones(2, 3, requires_grad=True), torch.ones(2, 3), "Right: a float32 tensor of shape (2, 3)."),
        (5, lambda: 2 + 3, "Right: 5."),
    ],
)
def test_right_answers(capsys, answer, expected, said):
    check(answer, expected, hint="not shown with a right answer")
    assert line(capsys) == said


@pytest.mark.parametrize(
    "answer, expected, said",
    [
        (36_928, 38_848, "you have 36,928, but 38,848 was expected"),
        (2, 2.5, "you have 2, but 2.5 was expected"),
        (float("nan"), 2.5, "you have nan, but 2.5 was expected"),
        ("38848", 38_848, "you have '38848', but 38,848 was expected"),
        (1, True, "you have 1, but True was expected"),
        (True, 1, "you have True, but 1 was expected"),
        ("a", "b", "you have 'a', but 'b' was expected"),
        (3, "b", "you have 3, but 'b' was expected"),
        ((1, 2), (1, 2, 3), "you have (1, 2), but (1, 2, 3) was expected"),
        (3, (1, 2), "you have 3, but (1, 2) was expected"),
        (torch.zeros(3), 5, "you have a float32 tensor of shape (3,), but 5 was expected"),
        (5, torch.zeros(3), "you have 5, but a float32 tensor of shape (3,) was expected"),
        (
            torch.zeros(3, 2),
            torch.zeros(2, 3),
            "you have a float32 tensor of shape (3, 2), but a float32 tensor of shape (2, 3) was expected",
        ),
        (
            torch.zeros(2, dtype=torch.int64),
            torch.zeros(2),
            "you have an int64 tensor of shape (2,), but a float32 tensor of shape (2,) was expected",
        ),
        (
            np.zeros(2, dtype=np.float32),
            torch.zeros(2),
            "you have a float32 array of shape (2,), but a float32 tensor of shape (2,) was expected",
        ),
        (
            torch.tensor([[0.0, 1.0], [2.0, 5.0]]),
            torch.tensor([[0.0, 1.0], [2.0, 3.0]]),
            "you have a float32 tensor of shape (2, 2), "
            "but values differ in 1 of 4 places: 5 at [1, 1], where 3 was expected",
        ),
        (
            np.array([True, False]),
            np.array([True, True]),
            "you have a bool array of shape (2,), "
            "but values differ in 1 of 2 places: False at [1], where True was expected",
        ),
        (object, 3, "you have <class 'object'>, but 3 was expected"),
        ("x" * 200, 3, f"you have '{'x' * 78}…, but 3 was expected"),
    ],
)
def test_wrong_answers_say_what_came_and_what_was_expected(capsys, answer, expected, said):
    check(answer, expected)
    assert line(capsys) == f"Not yet: {said}."


def test_a_wrong_answer_shows_the_hint(capsys):
    check(1, 2, hint="Count both convolutions.")
    assert line(capsys) == "Not yet: you have 1, but 2 was expected. Hint: Count both convolutions."


@pytest.mark.parametrize("answer, right", [(45.6, True), (45.7, True), (45.5, False)])
def test_the_tolerance_is_an_absolute_difference(capsys, answer, right):
    check(answer, 45.65, tolerance=0.1)
    assert line(capsys).startswith("Right" if right else "Not yet")


def test_the_tolerance_holds_inside_a_list_and_a_tensor_but_not_for_whole_numbers(capsys):
    check([0.52, 3], [0.5, 3], tolerance=0.1)
    assert line(capsys).startswith("Right")
    check(torch.tensor([0.52]), torch.tensor([0.5]), tolerance=0.1)
    assert line(capsys).startswith("Right")
    check([0.5, 4], [0.5, 3], tolerance=2)
    assert line(capsys).startswith("Not yet")
    check(torch.tensor([4]), torch.tensor([3]), tolerance=2)
    assert line(capsys).startswith("Not yet")


@pytest.mark.parametrize("expected", [None, {1: 2}, object()])
def test_an_exercise_that_expects_the_impossible_is_refused(expected):
    with pytest.raises(ValueError, match="expected must be a number, a string"):
        check(1, expected)


def double(x):
    return 2 * x


@pytest.mark.parametrize(
    "function, said",
    [
        (double, "Right: your function agrees with ours in 2 of 2 cases."),
        (None, "Not answered yet: replace None by your answer."),
        (lambda x: None, "Not answered yet: your function returns None."),
        (7, "Not yet: you have 7, but a function was expected. Hint: h"),
        (lambda x: x + 3, "Not yet: for (4) your function returns 7, but 8 was expected. Hint: h"),
        (lambda x: [][x], "Not yet: for (3) your function raises IndexError: list index out of range. Hint: h"),
        (lambda: 1, "Not yet: for (3) your function raises TypeError: "),
    ],
)
def test_functions(capsys, function, said):
    check_function(function, double, [(3,), (4,)], hint="h")
    assert line(capsys).startswith(said)


def test_a_function_that_changes_its_input_does_not_change_the_case(capsys):
    x = torch.ones(2)
    check_function(lambda t: t.mul_(2), double, [(x,), (x,)])
    assert line(capsys) == "Right: your function agrees with ours in 2 of 2 cases."
    assert x.tolist() == [1, 1]


def test_a_function_of_tensors_names_the_shapes(capsys):
    check_function(lambda x: x[:, :1], double, [(torch.ones(1, 2),)])
    assert line(capsys) == (
        "Not yet: for (a float32 tensor of shape (1, 2)) your function returns a float32 tensor of shape (1, 1), "
        "but a float32 tensor of shape (1, 2) was expected."
    )


def test_without_cases_nothing_would_be_checked():
    with pytest.raises(ValueError, match="cases must hold at least one"):
        check_function(double, double, [])
