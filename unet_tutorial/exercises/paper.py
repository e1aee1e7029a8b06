"""Chapter 17: a tile with its margin, a large answer, a momentum of 0.99, the Rand error by hand."""

from functools import partial

import numpy as np

from .. import sizing
from ._code import Code
from ._values import Numbers


def _fits(side):
    try:
        return sizing.feature_maps(side, side, 1, 2, padding="none")[-1].height >= 1000
    except ValueError:
        return False


large = Numbers(
    lambda: next(side for side in range(1000, 1400) if _fits(side)),
    [
        (1184, "1,000 + 184 pixels. But does every pooling meet an even side?"),
        (1000, "Without padding the answer is smaller than the input."),
        (1180, "The answer would have 996 pixels of a side, four too few."),
        (1012, "So large is the answer. How large is the input?"),
        (1200, "It does not come out even. Go on in steps of 16 from one that fits, such as 572."),
        (1192, "From one side that fits to the next it is 16. Begin at 572."),
    ],
    ("How much smaller than the input is an answer, always?", "Sides that fit are 572 and every 16 more."),
)


def _last_step():
    step = 0.0
    for _ in range(5_000):
        step = 0.99 * step + 0.001
    return step


momentum = Numbers(
    _last_step,
    [
        (0.001, "That is the first step. Each later one adds 0.99 of the step before."),
        (0.00199, "That is the second step. Go on: where does it end?"),
        (0.00099, "0.99 multiplies the last step, and not the gradient."),
        (0.01, "Ten times the learning rate is where a momentum of 0.9 ends."),
        (0.00001, "Divide by 1 - 0.99, do not multiply."),
        (0.099, "Nearly: in the end the step stays as it is, s = 0.99 s + 0.001."),
    ],
    ("If the step no longer changes, then s = 0.99 s + 0.001.", "Solve it for s: 0.01 s = 0.001."),
    tolerance=0.000005,
)


def _tile(image, top, left, side, margin, mode="reflect"):
    padded = np.pad(image, margin, mode=mode)
    return padded[top : top + side + 2 * margin, left : left + side + 2 * margin]


def _images():
    image = np.arange(7 * 9).reshape(7, 9)
    return [(image, 2, 3, 2, 1), (image, 0, 0, 3, 2), (image, 4, 6, 3, 3), (image, 0, 5, 4, 2)]


overlap_tile = Code(
    _tile,
    _images,
    [
        (partial(_tile, mode="symmetric"), "The last row of pixels is there twice. np.pad has two kinds of mirror."),
        (partial(_tile, mode="constant"), "Beyond the image there are zeros. It should go on as in a mirror."),
        (partial(_tile, mode="edge"), "Beyond the image the last pixel is repeated. It should go on as in a mirror."),
        (
            lambda image, top, left, side, margin: image[top : top + side, left : left + side],
            "That is the square itself. The network must see a margin more on every side.",
        ),
        (
            lambda image, top, left, side, margin: np.pad(
                image[top : top + side, left : left + side], margin, mode="reflect"
            ),
            "You mirror at the sides of the tile. Inside of the image its real neighbours are there.",
        ),
    ],
    (
        "np.pad(image, margin, mode=...) continues the whole image. Which mode does not repeat the last row?",
        "In the padded image the square with its margin begins at (top, left), since all has moved by the margin.",
    ),
)


def _table(true, found, count=lambda true: true > 0):
    inside = count(true)
    table = np.zeros((int(true.max()) + 1, int(found.max()) + 1))
    np.add.at(table, (true[inside], found[inside]), 1)
    return table


def _scores(table):
    both = (table**2).sum()
    return both / (table.sum(0) ** 2).sum(), both / (table.sum(1) ** 2).sum()


def _error(table):
    precision, recall = _scores(table)
    return float(1 - 2 * precision * recall / (precision + recall))


def _adapted_rand(true, found):
    return _error(_table(true, found))


def _parts():
    true = np.array([[1, 1, 1, 0, 2, 2], [1, 1, 1, 0, 2, 2], [0, 0, 0, 0, 0, 0], [3, 3, 3, 3, 3, 3]])
    merged = np.where(true == 2, 1, true)
    cut = np.where((true == 3) & (np.arange(6) > 3), 4, true)
    shifted = np.roll(true, 1, axis=1)
    return [(true, true), (true, merged), (true, cut), (true, shifted)]


adapted_rand = Code(
    _adapted_rand,
    _parts,
    [
        (
            lambda true, found: 1 - _error(_table(true, found)),
            "That is how much is right. The error is 1 minus it.",
        ),
        (
            lambda true, found: _error(_table(true, found, lambda t: t >= 0)),
            "Pixels where true is 0 are membrane, and do not count.",
        ),
        (
            lambda true, found: float(1 - _scores(_table(true, found))[0]),
            "That is about merged parts alone. Cut ones count as well.",
        ),
        (
            lambda true, found: float(1 - _scores(_table(true, found))[1]),
            "That is about cut parts alone. Merged ones count as well.",
        ),
        (
            lambda true, found: float(1 - np.mean(_scores(_table(true, found)))),
            "You take the plain mean of P and R. The formula has 2PR / (P + R).",
        ),
        (
            lambda true, found: float((true != found)[true > 0].mean()),
            "That compares numbers. A part may have another number in the prediction and be right all the same.",
        ),
    ],
    (
        "How many pixels have number i in true and number j in found? That is one entry of the table.",
        "np.add.at(table, (true[inside], found[inside]), 1), where inside = true > 0.",
    ),
)
