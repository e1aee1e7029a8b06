"""Chapter 16: numbers in eight bits, a change of scale, class maps told from objects, a curve continued."""

import numpy as np
from scipy import ndimage

from ._code import Code
from ._values import Numbers


def _alone():
    """Number 300 objects, keep the last eight bits, and count the numbers that one object has for itself."""
    kept = np.arange(1, 301).astype(np.uint8)
    values, objects = np.unique(kept[kept > 0], return_counts=True)
    return int((objects == 1).sum()) if values.size else 0


run_over = Numbers(
    _alone,
    [
        (255, "So many different numbers are left. But some of them are now shared by two objects."),
        (256, "With 0 there are 256 values, and 0 is the background."),
        (300, "Eight bits hold no number above 255."),
        (299, "One object has become background, that is right. What became of numbers 257 to 300?"),
        (254, "Number 256 becomes 0. And 257? It does not stay alone, and neither does number 1."),
        (212, "Nearly. Object 256 has become 0, so it is no object at all."),
        (44, "These are the numbers that two objects share. The question is for those that one has alone."),
        (45, "Object 256 is background now. Which numbers have two owners, and which have one?"),
    ],
    (
        "What is left of 257 in eight bits? Of 256? Of 300?",
        "Object 257 gets number 1, which object 1 has already; and so on up to 300, which gets 44.",
    ),
)

fit_scale = Numbers(
    lambda: (600 / 3750) ** 0.5,
    [
        (600 / 3750, "That is the ratio of the areas. If you multiply the sides by s, what happens to an area?"),
        (2.5, "By this factor your nuclei are larger. The pictures must become smaller."),
        (6.25, "That is the ratio of the areas, upside down."),
        ((600 / 3750) ** 0.25, "One square root too many."),
        (600 / 3750 / 2, "An area grows with the square of the side, not with twice the side."),
        (0.5, "Think of a square of 3,750 pixels: how long is its side? And of one of 600?"),
    ],
    (
        "How does the area of a square change if you halve its side?",
        "The factor for the sides is the square root of the factor for the areas.",
    ),
    tolerance=0.005,
)


def _is_class_map(mask):
    numbers = np.unique(mask[mask > 0])
    apart = sum(ndimage.label(mask == number)[1] > 1 for number in numbers)
    return bool(numbers.size) and bool(2 * apart >= numbers.size)


def _masks():
    classes = np.kron([[1, 0, 1, 0], [0, 2, 0, 2]], np.ones((3, 3), dtype=int))
    objects = np.kron([[1, 0, 2, 0], [0, 3, 0, 4]], np.ones((3, 3), dtype=int))
    one_apart = np.kron([[1, 0, 1, 0], [0, 2, 0, 3]], np.ones((3, 3), dtype=int))  # a nucleus in two pieces
    half = np.kron([[5, 0, 5, 0], [0, 9, 0, 0]], np.ones((3, 3), dtype=int))
    in_a_row = np.kron([[1, 0, 1, 0, 2], [0, 0, 0, 0, 0]], np.ones((3, 3), dtype=int))
    touching = np.kron([[1, 2, 0, 1]], np.ones((3, 3), dtype=int))
    return [(mask,) for mask in (classes, objects, one_apart, half, in_a_row, touching, np.zeros((4, 4), dtype=int))]


def _all_of_them(mask):
    numbers = np.unique(mask[mask > 0])
    return bool(numbers.size) and all(ndimage.label(mask == number)[1] > 1 for number in numbers)


def _any_of_them(mask):
    return any(ndimage.label(mask == number)[1] > 1 for number in np.unique(mask[mask > 0]))


def _together(mask):
    return bool(ndimage.label(mask > 0)[1] > len(np.unique(mask[mask > 0])))


def _with_background(mask):
    numbers = np.unique(mask)
    return bool(2 * sum(ndimage.label(mask == number)[1] > 1 for number in numbers) >= len(numbers))


class_map = Code(
    _is_class_map,
    _masks,
    [
        (_any_of_them, "One object in two pieces is enough for yours, and people do draw such objects. At least half."),
        (_all_of_them, "Yours asks it of every number. A class of which there is but one part escapes it."),
        (_together, "You label everything that is not background at once. Look at each number alone."),
        (_with_background, "Background is no object: leave out the number 0."),
    ],
    (
        "For one number: ndimage.label(mask == number)[1] says in how many parts it lies.",
        "Count the numbers above 0 with more than one part, and compare twice this with how many numbers there are.",
    ),
)


def _next():
    scores = (0.30, 0.40, 0.47)
    gain = scores[2] - scores[1]
    return scores[2] + 0.7 * gain


next_point = Numbers(
    _next,
    [
        (0.54, "That is the last gain once more. It has shrunk from step to step."),
        (0.57, "That is the first gain once more. It has shrunk from step to step."),
        (0.94, "Twice the pictures do not double a score."),
        (0.49, "0.7 of the *first* gain went into the second. Take 0.7 of the second."),
        (0.47 * 1.7, "Multiply the gain by 0.7, and not the score."),
        (0.47, "The curve still rises: by less than before, and not by nothing."),
    ],
    (
        "How much did each doubling gain?",
        "The next gain is 0.7 times the last one, 0.07.",
    ),
    tolerance=0.004,
)
