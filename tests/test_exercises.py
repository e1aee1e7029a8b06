"""The exercises: every one of them with right, typical, wrong and absurd answers, and the one line that is printed."""

import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from unet_tutorial import exercises
from unet_tutorial.blocks import DoubleConv
from unet_tutorial.exercises import _calls, check, find, names, pieces, reveal
from unet_tutorial.exercises._reading import readings
from unet_tutorial.exercises._values import show
from unet_tutorial.exercises.pieces import copy_weights, piece

NAMES = names()


def of_kind(*kinds: str) -> list[str]:
    return [name for name in NAMES if type(find(name)).__name__ in kinds]


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Nobody has tried anything yet, and what is kept is kept somewhere else."""
    monkeypatch.setattr(exercises, "_tries", type(exercises._tries)())
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def says(capsys):
    """Return a function that checks an answer, and returns the one line that this prints."""

    def line(name, answer, **how):
        capsys.readouterr()
        check(name, answer, **how)
        out = capsys.readouterr().out
        assert out.count("\n") == 1 and out.endswith("\n"), f"one line, whatever the answer: {out!r}"
        assert len(out) < 700
        return out.strip()

    return line


def solution(name):
    """Return an answer that is right."""
    exercise = find(name)
    kind = type(exercise).__name__
    if kind == "Numbers":
        right = exercise.right()
        return right if len(right) > 1 else right[0]
    if kind == "Words":
        return exercise.answer
    return exercise.solution() if kind == "Task" else exercise.ours


@pytest.mark.parametrize("name", NAMES)
def test_the_right_answer_is_right_and_a_missing_one_gives_nothing_away(says, name):
    assert says(name, None) == "Not answered yet: replace None by your answer."
    assert says(name, solution(name)).startswith("Right: ")


def typical(name):
    """Return the typical wrong answers of an exercise with their replies."""
    exercise = find(name)
    kind = type(exercise).__name__
    if kind == "Numbers":
        return [(one if len(one) > 1 else one[0], reply) for wrong, reply in exercise.known() for one in wrong]
    return [] if kind == "Task" else list(exercise.typical)


@pytest.mark.parametrize("name", of_kind("Numbers", "Words", "Code", "Piece"))
def test_every_typical_wrong_answer_gets_its_own_reply(says, name):
    wrong = typical(name)
    options = getattr(find(name), "options", ())
    assert len({reply for _, reply in wrong}) >= (1 if len(options) == 2 else 2)
    for answer, reply in wrong:
        said = says(name, answer)
        assert said.startswith("Not yet: ") and reply in said


@pytest.mark.parametrize("name", of_kind("Numbers"))
def test_no_reply_and_no_first_hint_holds_the_value(name):
    exercise = find(name)
    values = {text for text in (show(solution(name)), f"{solution(name)}") if len(text) > 1}
    for text in [*(reply for _, reply in exercise.known()), exercise.hints[0]]:
        assert not [v for v in values if re.search(rf"(?<![\d.,]){re.escape(v)}(?![\d.,]*\d)", text)], text


@pytest.mark.parametrize("name", NAMES)
def test_a_second_wrong_answer_gets_a_stronger_hint_and_the_way_to_ours(says, capsys, name):
    exercise = find(name)
    first, second = says(name, WRONG[type(exercise).__name__]), says(name, WRONG[type(exercise).__name__])
    assert first.startswith("Not yet: ") and f'reveal("{name}")' not in first
    assert second.startswith("Not yet: ") and second.endswith(f'For ours: reveal("{name}")')
    assert exercise.hints[0] != exercise.hints[1] and all(len(hint) > 5 for hint in exercise.hints)
    reveal(name)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    ours = re.fullmatch(r"Ours: (\w+), in (unet_tutorial/\S+\.py)\.\n", out)
    if ours:  # what is written in code: the place exists
        source = (Path(exercises.__file__).parents[2] / ours[2]).read_text(encoding="utf-8")
        assert re.search(rf"(def|class) {ours[1]}\b", source) or ours[1] == "<lambda>"
    else:
        assert out.startswith("The answer: ")


class Evil:
    """An object that does what it should not."""

    def __repr__(self):
        raise RuntimeError("no")

    def __eq__(self, other):
        raise RuntimeError("no")

    __hash__ = None
    __len__ = __iter__ = __float__ = __repr__


loop = []
loop.append(loop)
WRONG = {"Numbers": -987_654_321, "Words": "neither", "Code": len, "Task": "something", "Piece": nn.Identity}
ABSURD = [
    True, False, "", "abc", "None", "12 or 13", "1e999", "0x10", "٣", "1/0", "--5", "," * 50, "9" * 5000,
    float("nan"), float("inf"), -0.0, 10**400, 3 + 4j, Decimal("NaN"), Fraction(1, 3), b"12",
    (), [], {}, set(), {1: 2}, [[]], [[1], [2, 3]], [None], loop, (1,) * 100, [True, 1], ["a"], range(0), range(10**9),
    np.zeros(0), np.array("x"), np.array([None]), np.zeros((2, 2), dtype=complex), np.ones(3, dtype=bool),
    torch.zeros(0), torch.zeros(2, 3, 4), torch.tensor(float("nan")), torch.ones(2, dtype=torch.bool),
    torch.ones(2, 2, requires_grad=True), torch.full((1,), 77, dtype=torch.bfloat16), object(), object, Evil(), Evil,
    len, lambda: None, lambda *a: None, lambda *a: a, lambda *a: Evil(), lambda *a: 1 / 0, lambda *a: exit(),
    (i for i in range(3)), nn.Linear(2, 2), nn.Module, type, NotImplemented, ..., "nowhere\nelse", Path("x"),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_absurd_answer_raises_or_passes(says, name):
    for answer in ABSURD:
        said = says(name, answer)
        assert said.startswith(("Not yet: ", "Not answered yet: ")), f"{answer!r}: {said}"


def forms(numbers):
    """Yield forms in which somebody may type numbers."""
    whole = all(number == int(number) for number in numbers)
    yield from (list(numbers), tuple(numbers), np.array(numbers), torch.tensor(numbers, dtype=torch.float64))
    yield ", ".join(f"{number!r}" for number in numbers)
    yield f"[{'  '.join(f'{number!r}' for number in numbers)}]"
    yield [Decimal(repr(number)) for number in numbers]
    if whole:
        yield tuple(int(number) for number in numbers)
        yield [np.int64(number) for number in numbers]
        yield torch.tensor([int(number) for number in numbers], dtype=torch.int32)
        yield "×".join(f"{int(number)}" for number in numbers)
    if len(numbers) == 1:
        (number,) = numbers
        yield from (
            number,
            np.float64(number),
            torch.tensor(number, dtype=torch.float64),
            Fraction(number),
            f" {number} ",
        )
        if whole:
            text = f"{int(number):,}"
            yield from (text, text.replace(",", " "), text.replace(",", "_"), int(number), f"{int(number)} pixels")
            if "," in text and ",0" not in text.replace(",000", ""):
                yield tuple(int(part) for part in text.split(","))  # 221,696 as Python reads it


@pytest.mark.parametrize("name", of_kind("Numbers"))
def test_the_right_numbers_are_right_in_every_form(says, name):
    for answer in forms(find(name).right()):
        assert says(name, answer).startswith("Right: "), repr(answer)


@pytest.mark.parametrize(
    "text, count, numbers",
    [
        ("221,696", 1, (221696,)),
        ("0,14", 1, (0.14,)),
        ("14 %", 1, (0.14,)),
        ("1/7", 1, (1 / 7,)),
        ("-5.5", 1, (-5.5,)),
        ("\u22125.5", 1, (-5.5,)),
        ("(4, 32, 50, 70)", 4, (4, 32, 50, 70)),
        ("4 x 32 x 50 x 70", 4, (4, 32, 50, 70)),
        ("4×32×50×70", 4, (4, 32, 50, 70)),
        ("[[-1, 6], [9, 7]]", 4, (-1, 6, 9, 7)),
        ("12 pixels", 1, (12,)),
        ("1e-3", 1, (0.001,)),
        ("3.", 1, (3,)),
    ],
)
def test_what_people_type_is_read(text, count, numbers):
    assert pytest.approx(numbers) in readings(text, count)


@pytest.mark.parametrize("text", ["", "x", "..", "1,2,3,", "0x10", "nan", "inf", "1/0", "one"])
def test_what_is_no_number_is_not_read(text):
    assert all(len(found) != 1 for found in readings(text, 1))


@pytest.mark.parametrize(
    "name, answer, said",
    [  # wrong answers that once passed, or forms that once crashed
        ("segmentation.rescue_otsu", 0.5, "Not yet: 0.5. A mask is asked for"),
        ("segmentation.rescue_otsu", 1, "Not yet: 1. A mask is asked for"),
        ("segmentation.rescue_otsu", "blur", "Not yet: 'blur'. A mask is asked for"),
        ("segmentation.rescue_otsu", torch.ones(3, 3), "Not yet: a float32 tensor of shape (3, 3). The mask must have"),
        ("segmentation.rescue_otsu", torch.full((1, 128, 128), 255), "Not yet: values from 255 to 255. A mask holds 0"),
        ("segmentation.rescue_otsu", torch.ones(1, 128, 128), "Not yet: IoU 0.0"),
        ("unet_at_a_glance.budget", 71, "Not yet: 71. It fits, but it is none of the steps"),
        ("unet_at_a_glance.budget", "64", "Not yet: 64. The paper's 64 fit"),
        ("decoder.balance", [[1, 1, 1]] * 3, "Not yet: the pixels inside go from 1 to 4. All nine weights are equal"),
        ("decoder.balance", [[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]], "Right: every pixel inside is 1"),
        ("decoder.balance", torch.ones(1, 1, 3, 3), "Not yet: the pixels inside go from 1 to 4."),
        ("decoder.even_sizes", {9, 6, 3}, "Right: "),
        ("decoder.even_sizes", [9, 3, 6], "Right: "),
        ("losses_and_metrics.best_constant", -1.386, "Not yet: -1.386. That is log(p)."),
        ("segmentation.iou", 14.3, "Not yet: 14.3. As a percentage, yes."),
        ("skip_connections.bottleneck", "The skip connection", "Right: "),
    ],
)
def test_answers_that_were_found_wanting(says, name, answer, said):
    assert says(name, answer).startswith(said)


def forever(*arguments):
    while True:
        pass


def printing(image):
    print("look\n" * 3)
    return F.max_pool2d(image[None, None], 2)[0, 0]


def spoiling(image):
    pooled = F.max_pool2d(image[None, None], 2)[0, 0]
    image.zero_()
    return pooled


@pytest.mark.parametrize(
    "name, function, said",
    [
        ("encoder.max_pool", forever, "has not come to an end after 3,000,000 lines"),
        ("encoder.max_pool", spoiling, "changes what it is given"),
        ("encoder.max_pool", lambda image: image[0], "returns a float32 tensor of shape (4,), but a float32"),
        ("encoder.max_pool", lambda image: F.max_pool2d(image[None, None], 2)[0, 0].double().numpy(), "Right"),
        ("encoder.max_pool", lambda image: F.max_pool2d(image[None, None], 2)[0, 0].tolist(), "Right"),
        ("double_conv.convolve", lambda i, k: F.conv2d(i[None, None], k[None, None])[0, 0], "conv2d does the work"),
        ("double_conv.convolve", lambda i: i, "raises TypeError"),
        ("losses_and_metrics.dice_of_the_full", lambda z, m: 0.0, "Not yet"),
        (
            "losses_and_metrics.dice_of_the_full",
            lambda z, m: find("losses_and_metrics.dice_of_the_full").ours(z, m).detach(),
            "No gradient can go back from it where a mask holds something",
        ),
        (
            "losses_and_metrics.dice_of_the_full",
            lambda z, m: find("losses_and_metrics.dice_of_the_full").ours(z, m) if m.any() else 0,
            "No gradient can go back from it where all masks are empty",
        ),
        ("debugging.mend", lambda x, m: (torch.rand(8, 1, 64, 64), torch.ones(8, 1, 64, 64)), "differs in"),
        ("training.split", lambda p, held: [set(part) for part in find("training.split").ours(p, held)], "Right"),
        ("training.split", lambda p, held: [np.array(x) for x in find("training.split").ours(p, held)], "Right"),
    ],
)
def test_functions_that_do_what_they_should_not(says, name, function, said):
    assert said in says(name, function)


def test_a_function_may_print_and_the_verdict_is_the_last_line(capsys):
    check("encoder.max_pool", printing)
    assert capsys.readouterr().out.splitlines()[-1].startswith("Right: your function agrees with ours in 3 of 3")


def test_hooks_that_are_left_in_a_network_are_noticed(says):
    def careless(model, images):
        areas = []
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(lambda m, i, output: areas.append(output[0, 0].numel()))
        model(images)
        return min(areas)

    assert "hooks are still in the network" in says("debugging.smallest", careless)


def test_the_names_of_all_exercises_are_asked_for_by_one_chapter_each():
    chapters = {path.name[3:-3] for path in (Path(exercises.__file__).parents[2] / "book" / "chapters").glob("*.md")}
    assert {name.partition(".")[0] for name in NAMES} == chapters


@pytest.mark.parametrize("name", ["double_conv.cuont", "double_conv", "", "os.path", "_values.show", 3])
def test_an_exercise_that_does_not_exist_is_refused(name):
    with pytest.raises(ValueError, match="name must be that of an exercise, but got"):
        check(name, 1)


def test_a_check_leaves_the_random_numbers_alone(says):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    for name in ("double_conv.write", "encoder.write", "decoder.write", "unet.predict", "unet.write"):
        says(name, solution(name))
    assert torch.equal(torch.rand(3), expected)


# The pieces that the reader writes -----------------------------------------------------------------------------------


class MyDoubleConv(nn.Module):
    """Other names, in another order than ours."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(out_channels), nn.BatchNorm2d(out_channels)])

    def forward(self, x):
        x = self.norms[0](self.first(x)).relu()
        return self.norms[1](self.second(x)).relu()


class Unfinished(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()

    def forward(self, x):
        raise NotImplementedError("your code")


class InAList(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layers = [DoubleConv(in_channels, out_channels)]

    def forward(self, x):
        return self.layers[0](x)


class CutOff(MyDoubleConv):
    def forward(self, x):
        return self.norms[1](self.second(self.norms[0](self.first(x)).relu().detach())).relu()


class Shared(MyDoubleConv):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.norms[1] = self.norms[0]


@pytest.mark.parametrize(
    "written, said",
    [
        (MyDoubleConv, "Right: with the same weights it gives the same as ours"),
        (Unfinished, "Not answered yet: with inputs of the shape (2, 3, 12, 12), your forward gives nothing yet."),
        (InAList, "Not yet: PyTorch finds no parameters in your piece"),
        (CutOff, "Not yet: the values are right, but it would not train. No gradient reaches first.weight."),
        (Shared, "Not yet: your piece has 16 parameters fewer than ours. Hint: "),
        (MyDoubleConv(3, 8), "Not yet: "),
        (lambda a, b: "text", "Not yet: 'text'. A module is asked for"),
        (lambda a: DoubleConv(a, 8), "Not yet: "),
        (lambda a, b: nn.Linear(a, b), "Not yet: with inputs of the shape (2, 3, 12, 12), your forward raises Runtime"),
    ],
)
def test_a_piece_that_is_written_by_hand(says, written, said):
    assert says("double_conv.write", written).startswith(said)


def test_a_right_piece_is_kept_and_comes_back(says, capsys):
    assert piece("DoubleConv") is DoubleConv
    assert "the package's" in capsys.readouterr().out
    assert says("double_conv.write", MyDoubleConv, keep=True).endswith("Kept in my_unet.py.")
    mine = piece("DoubleConv")
    assert capsys.readouterr().out == "DoubleConv: yours, from my_unet.py.\n"
    assert mine.__doc__ == MyDoubleConv.__doc__ and mine(3, 8)(torch.zeros(2, 3, 8, 8)).shape == (2, 8, 8, 8)
    text = Path("my_unet.py").read_text()
    assert "from unet_tutorial.unet import Encoder as MyEncoder" in text and "import DoubleConv as" not in text
    says("double_conv.write", MyDoubleConv, keep=True)
    assert Path("my_unet.py").read_text() == text, "kept again, it is there once"


def test_what_else_the_reader_has_written_into_the_file_stays(says):
    says("double_conv.write", MyDoubleConv, keep=True)
    path = Path("my_unet.py")
    own = '\n\ndef helper():\n    return "mine"\n'
    path.write_text(path.read_text().replace("\n\nclass My", f"{own}\n\nclass My") + own.replace("helper", "other"))
    says("double_conv.write", MyDoubleConv, keep=True)
    text = path.read_text()
    assert "def helper" in text and "def other" in text and text.count("class MyDoubleConv") == 1


def test_a_piece_that_uses_what_stands_outside_of_it_is_told_so(says):
    source = Path("half_cell.py")
    source.write_text(
        "def half(a, b):\n"
        "    return nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()\n"
        "class MyDoubleConv(nn.Module):\n"
        "    def __init__(self, a, b):\n"
        "        super().__init__()\n"
        "        self.layers = nn.Sequential(*half(a, b), *half(b, b))\n"
        "    def forward(self, x):\n"
        "        return self.layers(x)\n"
    )
    scope = {"nn": nn}
    exec(compile(source.read_text(), str(source), "exec"), scope)
    said = says("double_conv.write", scope["MyDoubleConv"], keep=True)
    assert said.startswith("Right: ") and "raises NameError: name 'half' is not defined" in said
    assert said.endswith("Does the class use what stands outside of it?")


def test_a_file_that_is_no_python_any_more_is_named_and_left_alone(says):
    Path("my_unet.py").write_text("class MyDoubleConv(:\n")
    said = says("double_conv.write", MyDoubleConv, keep=True)
    assert "It was not kept: my_unet.py must be Python, but has in line 1: invalid syntax." in said
    assert Path("my_unet.py").read_text() == "class MyDoubleConv(:\n"
    with pytest.raises(ValueError, match="my_unet.py must be Python, .* give the file another name"):
        piece("Encoder")


def test_a_wrong_piece_is_not_kept(says):
    says("double_conv.write", nn.Identity, keep=True)
    assert not Path("my_unet.py").exists()
    assert "It was not kept: to be kept, it must be a class called MyDoubleConv" in says(
        "double_conv.write", DoubleConv, keep=True
    )


def test_the_file_that_is_kept_is_the_readers_and_works_alone(says):
    """Two pieces: the second uses the first, under the name that it has in the file."""
    scope = {"nn": nn, "F": F, "MyDoubleConv": MyDoubleConv}
    source = Path("cell.py")
    source.write_text(
        "class MyEncoder(nn.Module):\n"
        "    def __init__(self, in_channels, channels):\n"
        "        super().__init__()\n"
        "        before = [in_channels, *channels[:-1]]\n"
        "        self.stages = nn.ModuleList(MyDoubleConv(a, b) for a, b in zip(before, channels))\n"
        "    def forward(self, x):\n"
        "        skips = []\n"
        "        for stage in self.stages:\n"
        "            skips.append(stage(x))\n"
        "            x = F.max_pool2d(skips[-1], 2)\n"
        "        return x, skips\n"
    )
    exec(compile(source.read_text(), str(source), "exec"), scope)
    assert says("encoder.write", scope["MyEncoder"], keep=True).endswith("Kept in my_unet.py.")
    says("double_conv.write", MyDoubleConv, keep=True)
    assert type(piece("Encoder")(3, (4, 8)).stages[0]).__doc__ == MyDoubleConv.__doc__


def test_weights_are_copied_in_the_order_of_the_calls():
    one, other = DoubleConv(1, 4), MyDoubleConv(1, 4)
    x = torch.rand(2, 1, 6, 6)
    one(x)  # statistics, too
    copy_weights(one, other, x)
    torch.testing.assert_close(one.eval()(x), other.eval()(x))
    with pytest.raises(ValueError, match="as many layers with weights, but got 4 and 1"):
        copy_weights(one, nn.Conv2d(1, 4, 3), x)
    with pytest.raises(ValueError, match=r"layer 1 must hold {'weight': \(4, 1, 3, 3\)}, as Conv2d does, but holds"):
        copy_weights(one, DoubleConv(1, 5), x)


def test_a_loop_is_stopped_by_the_number_of_lines_and_not_by_a_clock(monkeypatch):
    monkeypatch.setattr(_calls, "MOST_LINES", 1000)
    assert "after 1,000 lines" in _calls.call(forever).failed
    assert _calls.call(lambda: sum(range(100))).value == 4950


def test_pieces_are_those_of_the_package():
    for name, module in pieces.PIECES.items():
        assert hasattr(__import__(module, fromlist=[name]), name)


# The chapters --------------------------------------------------------------------------------------------------------


CHAPTERS = sorted((Path(exercises.__file__).parents[2] / "book" / "chapters").glob("*.md"))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_asks_for_each_of_its_exercises_and_solves_it(path):
    text = path.read_text(encoding="utf-8")
    asked = re.findall(r'^check\("([\w.]+)"', text, re.M)
    mine = [name for name in NAMES if name.startswith(f"{path.stem[3:]}.")]
    assert sorted(asked) == sorted(2 * mine), "each once in the reader's cell, and once in the solution"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_minutes_of_the_exercises_are_those_that_the_chapter_names(path):
    text = path.read_text(encoding="utf-8")
    minutes = sum(int(number) for number in re.findall(r"\((\d+) minutes\)", text))
    named = int(re.search(r"exercises about (\d+)", text)[1])
    assert abs(minutes - named) <= 2
