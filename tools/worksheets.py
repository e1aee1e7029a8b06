"""Worksheets and their keys, computed: an empty U, a block to count, a field of view, curves, a prediction, a ticket.

What stands on a sheet and on its key comes from `unet_tutorial.sizing`, `unet_tutorial.diagram`, the recorded trainings
and the quizzes. Words and minutes are in ``book/teach/worksheets.yml``.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from html import escape
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from nbconvert.filters.markdown_mistune import markdown2html_mistune

import teaching
from unet_tutorial import diagram, plots, records, sizing

SIDE, IN_CHANNELS, CHANNELS = 256, 3, (64, 128, 256, 512, 1024)
BLOCK = (64, 128)  # channels in and out of the block that is counted
DEPTH = 4
DOTS = 22  # of a line in the empty U: three numbers by hand
GRID = 8  # squares a side of the prediction that is judged
STYLE = (teaching.ROOT / teaching.FOLDER / "paper.css").read_text(encoding="utf-8")
LINE = '<span class="line"></span>'


class Sheet(NamedTuple):
    """A worksheet and its key, as pages of HTML."""

    page: str
    key: str


def made(name: str) -> Sheet:
    """Return a worksheet with its key.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if name not in MAKERS:
        raise ValueError(f"no worksheet is called {name!r}; there are {', '.join(MAKERS)}.")
    said = teaching.sheets()[name]
    task, key = MAKERS[name](False), MAKERS[name](True)
    head = f"<p class='who'>Name: {LINE} Date: {LINE}</p>" + markdown(said["task"])
    tail = markdown(said["after"]) + f"<p>{LINE * 3}</p>"
    return Sheet(
        paper(said["title"], head + task + tail), paper(f"{said['title']}: the key", markdown(said["task"]) + key)
    )


def ticket(plan: str) -> Sheet:
    """Return the exit ticket of a plan, session by session, with its key."""
    task, key = "", ""
    for session in teaching.load(plan)["sessions"]:
        asked = [teaching.question(one) for step in session["steps"] for one in step.get("ticket", [])]
        heading = f"<h2>{escape(session['name'])}</h2>"
        task += f"<section class='ticket'>{heading}<p class='who'>Name: {LINE}</p>"
        task += "".join(_question(number, one) for number, one in enumerate(asked, 1)) + "</section>"
        key += heading + "<ol>" + "".join(_answer(one) for one in asked) + "</ol>"
    title = f"Exit ticket: {teaching.load(plan)['title']}"
    return Sheet(paper(title, task), paper(f"{title}: the key", key))


def _question(number: int, asked: dict[str, Any]) -> str:
    options = "".join(f"<li>{markdown(option['say'], inline=True)}</li>" for option in asked["options"])
    said = markdown(asked["ask"], inline=True)
    return f"<p><strong>{number}.</strong> {said}</p><ol class='options' type='A'>{options}</ol>"


def _answer(asked: dict[str, Any]) -> str:
    right = asked["options"][asked["right"]]
    wrong = "".join(
        f"<li>{'ABCD'[place]}: {markdown(option['reply'], inline=True)}</li>"
        for place, option in enumerate(asked["options"])
        if place != asked["right"] and option["reply"]
    )
    said = f"{markdown(right['say'], inline=True)} {markdown(right['reply'], inline=True)}"
    return f"<li><strong>{'ABCD'[asked['right']]}.</strong> {said}<ul>{wrong}</ul></li>"


# The sheets: each function returns what stands between the task and the questions after it, empty or filled. ---------


def empty_u(filled: bool) -> str:
    """Return the map of the U, without its numbers, or with them."""
    maps = sizing.feature_maps(SIDE, SIDE, IN_CHANNELS, channels=CHANNELS)
    drawing = diagram.UNetDiagram(maps).svg
    if filled:
        biggest = max(maps, key=lambda one: one.channels * one.height * one.width)
        numbers = biggest.channels * biggest.height * biggest.width
        said = f"The most numbers: {biggest.part}, and {_last_like(maps, biggest)}, with {numbers:,} each. "
        said += "A pooling leaves a quarter of the numbers, the doubling makes half of them."
        return f"<div class='map'>{drawing}</div><p>{said}</p>"
    for shape in set(map(diagram.shape, maps)):
        drawing = drawing.replace(f">{shape}<", f">{'.' * DOTS}<")
    label = f"The map of a U-Net of depth {DEPTH}, with its boxes, and no numbers."
    drawing = re.sub('aria-label="[^"]*"', f'aria-label="{label}"', drawing)
    return f"<div class='map'>{drawing}</div>"


def _last_like(maps: list, biggest: Any) -> str:
    """Return the last part with as many numbers as the biggest."""
    same = [one.part for one in maps if one[1:] == biggest[1:]]
    return same[-1]


def counting(filled: bool) -> str:
    """Return the table of a block's layers, with or without their parameters."""
    first, second = BLOCK
    rows = [
        (f"3×3 convolution, {first} to {second} channels, no bias", 9 * first * second),
        (f"batch normalisation of {second} channels", 2 * second),
        ("ReLU", 0),
        (f"3×3 convolution, {second} to {second} channels, no bias", 9 * second * second),
        (f"batch normalisation of {second} channels", 2 * second),
        ("ReLU", 0),
    ]
    total = sizing.double_conv_parameters(first, second)
    if sum(count for _, count in rows) != total:
        raise ValueError(f"the lines add up to {sum(count for _, count in rows)}, and the package counts {total}.")
    body = [[what, f"{count:,}" if filled else LINE] for what, count in [*rows, ("all together", total)]]
    more = ""
    if filled:
        without = total - 4 * second
        typical = [
            (without, "the normalisations were forgotten"),
            (total + 2 * second, "biases were counted as well"),
            (9 * first * second + 2 * second, "only one of the two convolutions"),
            (first * second + second * second + 4 * second, "a kernel was taken for one number"),
        ]
        more = "<p>What students get instead:</p><ul>"
        more += "".join(f"<li>{number:,}: {why}.</li>" for number, why in typical) + "</ul>"
        more += "<p>A larger image changes nothing: the same kernels go over more places.</p>"
    return table(["layer", "parameters"], body) + more


def receptive_field(filled: bool) -> str:
    """Return the table of layers with side and jump, with or without the numbers."""
    side, jump, rows = 1, 1, []
    for stage in range(DEPTH + 1):
        name = f"encoder {stage + 1}" if stage < DEPTH else "bottleneck"
        if stage:
            side += jump
            jump *= 2
            rows.append([f"2×2 pooling to {name}", side, jump])
        for number in ("first", "second"):
            side += 2 * jump
            rows.append([f"{number} 3×3 convolution of {name}", side, jump])
        first, last = sizing.receptive_field(name, DEPTH)
        if last - first + 1 != side:
            raise ValueError(f"{name}: {side} by hand, and the package says {last - first + 1}.")
    given = 2  # rows that are filled in on the empty sheet, as a beginning
    body = [
        [what, f"{side}" if filled or i < given else LINE, f"{jump}" if filled or i < given else LINE]
        for i, (what, side, jump) in enumerate(rows)
    ]
    more = ""
    if filled:
        enough = next(what for what, side, _ in rows if side >= 30)
        more = f"<p>30 pixels: for the first time in “{enough}”. The usual error: a pooling doubles the side.</p>"
    return table(["layer", "side", "jump"], body) + more


def curves(filled: bool) -> str:
    """Return the recorded trainings as curves with letters, and the learning rate of each."""
    record = records.load("training")
    runs = {run["learning_rate"]: run for run in record["runs"]}
    rates = list(runs)
    random.Random(2).shuffle(rates)  # the same letters every time
    lines = {letter: runs[rate]["val_iou"] for letter, rate in zip("ABCD", rates, strict=True)}
    figure = plots.curves(lines, xlabel="epoch", ylabel="validation IoU")
    picture = _picture(figure, "Validation IoU over the epochs, for four trainings with letters.")
    header = ["curve", "learning rate", "how you know"]
    given = ", ".join(f"{rate:g}" for rate in sorted(rates))
    if not filled:
        body = [[letter, LINE, LINE * 2] for letter in lines]
        return (
            picture + f"<p>The learning rates: {given}.</p>" + table(["curve", "learning rate", "how you know"], body)
        )
    why = {rate: _why(runs, rate) for rate in rates}
    body = [[letter, f"{rate:g}", why[rate]] for letter, rate in zip(lines, rates, strict=True)]
    return picture + table(header, body)


def _why(runs: dict[float, Any], rate: float) -> str:
    """Say what shows the learning rate of a curve."""
    scores = {one: run["val_iou"][-1] for one, run in runs.items()}
    if rate == max(runs):
        return f"Steps far too long: it ends at {scores[rate]:.2f}, and has found nothing that lasts."
    if scores[rate] == max(scores.values()):
        still = runs[rate]["val_iou"][-1] > runs[rate]["val_iou"][-2]
        return f"It ends highest, at {scores[rate]:.2f}." + " It still rises: worth training longer." * still
    if rate == min(runs):
        return f"Steps too short: it rises evenly and slowly, to {scores[rate]:.2f}."
    return f"It learns, and ends below the best, at {scores[rate]:.2f}."


def judging(filled: bool) -> str:
    """Return a truth and a prediction on a small grid, and the numbers that belong to them."""
    truth = {(row, column) for row in range(2, 6) for column in range(2, 6)}
    marked = {(row, column) for row in range(3, 7) for column in range(3, 6)}
    both, either = len(truth & marked), len(truth | marked)
    pixels = GRID * GRID
    rows = [
        ("in both (true positives)", f"{both}"),
        ("marked, and not in the truth (false positives)", f"{len(marked - truth)}"),
        ("in the truth, and not marked (false negatives)", f"{len(truth - marked)}"),
        (
            "accuracy, the share of squares that are right",
            f"{pixels - len(truth ^ marked)} / {pixels} = {(pixels - len(truth ^ marked)) / pixels:.2f}",
        ),
        ("IoU", f"{both} / {either} = {both / either:.2f}"),
        ("Dice", f"{2 * both} / {len(truth) + len(marked)} = {2 * both / (len(truth) + len(marked)):.2f}"),
    ]
    body = [[what, value if filled else LINE] for what, value in rows]
    drawings = f"<div class='pair'>{_grid(truth, 'Truth')}{_grid(marked, 'Prediction')}</div>"
    more = ""
    if filled:
        lazy = len(truth) / pixels
        more = f"<p>All squares marked: accuracy {lazy:.2f}, IoU {lazy:.2f}. "
        more += f"No square marked: accuracy {1 - lazy:.2f}, IoU 0.</p>"
    return drawings + table(["count", "number"], body) + more


MAKERS: dict[str, Callable[[bool], str]] = {
    "empty_u": empty_u,
    "counting": counting,
    "receptive_field": receptive_field,
    "curves": curves,
    "judging": judging,
}


# Paper ----------------------------------------------------------------------------------------------------------------


def _grid(squares: set[tuple[int, int]], title: str) -> str:
    size, parts = 22, []
    for row in range(GRID):
        for column in range(GRID):
            kind = "dark" if (row, column) in squares else "light"
            parts.append(f'<rect class="{kind}" x="{column * size}" y="{row * size}" width="{size}" height="{size}"/>')
    alt = f"{title}: {len(squares)} of {GRID * GRID} squares are dark."
    view = f"-1 -1 {GRID * size + 2} {GRID * size + 2}"
    drawing = f'<svg role="img" aria-label="{alt}" viewBox="{view}">{"".join(parts)}</svg>'
    return f"<figure>{drawing}<figcaption>{title}</figcaption></figure>"


def _picture(figure: Figure, alt: str) -> str:
    data, _ = plots.bundle(figure, alt)
    return f'<p><img src="data:image/png;base64,{data["image/png"]}" alt="{escape(alt)}"></p>'


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table as HTML."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def markdown(text: str, *, inline: bool = False) -> str:
    """Return Markdown as HTML."""
    made = markdown2html_mistune(text.strip()).strip()
    made = re.sub(r'<a class="anchor-link".*?</a>', "", made)  # a sign beside each heading, which paper cannot follow
    return re.sub(r"^<p>|</p>$", "", made) if inline else made


def paper(title: str, content: str) -> str:
    """Return a page for A4 paper and for any browser, complete in itself."""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{content}</main></body></html>\n"
    )
