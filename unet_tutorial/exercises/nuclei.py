"""Chapter 15: a merge, how exact 0.95 is, the weight of a gap, objects without a watershed."""

import numpy as np
from scipy import ndimage

from .. import instances, metrics
from ._code import Code
from ._values import Numbers


def _field_score():
    true = np.repeat(np.arange(1, 41), 10)[None]  # (1, 400): forty nuclei of ten pixels
    pred = np.where(true == 40, 39, true)  # the last two are one object
    return float(metrics.average_precision(pred, true, thresholds=(0.5,)))


one_merge = Numbers(
    _field_score,
    [
        (38 / 40, "Two nuclei are missed. But the merged object is there, too, and is no nucleus."),
        (38 / 39, "The merged object is counted. So are two nuclei that nobody found."),
        (39 / 41, "The merged object covers each of its two with an IoU of exactly one half, which is not above it."),
        (38 / 42, "The merged object is one false alarm, not two."),
    ],
    (
        "Is the IoU of the merged object with one of its nuclei above 0.5?",
        "TP = 38. How many objects are false, and how many nuclei are missed?",
    ),
    tolerance=0.001,
)

_RADIUS = 14  # pixels, near that of a nucleus with the median area


def _shrunk():
    """Search for it: the IoU of two discs with one centre is the ratio of their areas."""
    steps = np.linspace(0, 2, 20_001)
    return float(steps[(_RADIUS - steps) ** 2 / _RADIUS**2 >= 0.95].max())


how_exact = Numbers(
    _shrunk,
    [
        (0.05 * _RADIUS, "That makes the *radius* 5 % smaller. The area then shrinks by nearly 10 %."),
        (_RADIUS * 0.95**0.5, "That is the radius of the prediction. By how much is it smaller?"),
        (_RADIUS * (1 - 0.95**2), "The square root, not the square: the area goes with the square of the radius."),
        (0.025 * _RADIUS / 2, "Half of it: the radius shrinks by this much on every side, and t is counted on one."),
    ],
    ("The IoU is the ratio of the two areas.", "(14 - t)² / 14² = 0.95."),
    tolerance=0.02,
)


def _weight(pixels):
    row = np.array([[1] * 3 + [0] * pixels + [2] * 3])
    return float(instances.weight_map(row)[0, 3 + pixels // 2])


gap_weight = Code(
    _weight,
    lambda: [(1,), (3,), (7,), (15,)],
    [
        (
            lambda p: float(10 * np.exp(-((p + 1) ** 2) / 50)),
            "The 1 is missing, which every pixel of the background counts.",
        ),
        (
            lambda p: float(1 + 10 * np.exp(-(p**2) / 50)),
            "In a gap of one pixel d1 = d2 = 1, so their sum is 2: half the gap and half a pixel, twice.",
        ),
        (
            lambda p: float(1 + 10 * np.exp(-(((p + 1) / 2) ** 2) / 50)),
            "Both distances are added before they are squared: (d1 + d2)².",
        ),
        (lambda p: float(1 + 10 * np.exp(-((p + 1) ** 2) / 25)), "Below the fraction stands 2σ², which is 50."),
        (lambda p: float(1 + 10 * np.exp(-(p + 1) / 50)), "The sum of the distances is squared."),
    ],
    (
        "How far is the middle of the gap from the nearest pixel of either object?",
        "d1 = d2 = (pixels + 1) / 2, and the weight is 1 + 10 · exp(-(d1 + d2)² / (2 · 5²)).",
    ),
    tolerance=1e-4,
)


def _nearest(seeds, inside):
    rows, columns = np.nonzero(seeds)
    y, x = np.mgrid[: seeds.shape[0], : seeds.shape[1]]
    nearest = np.hypot(y[..., None] - rows, x[..., None] - columns).argmin(2)
    return np.where(inside, seeds[rows[nearest], columns[nearest]], 0)


def _by_distance(mask):
    return lambda seeds, inside: seeds[
        tuple(ndimage.distance_transform_edt(mask(seeds), return_distances=False, return_indices=True))
    ]


def _fields():
    seeds = np.zeros((7, 12), dtype=int)
    seeds[3, 2], seeds[2, 10] = 1, 2  # no pixel is equally far from both
    return [(seeds, np.ones((7, 12), bool)), (seeds, np.arange(84).reshape(7, 12) % 5 > 0)]


nearest_seed = Code(
    _nearest,
    _fields,
    [
        (_by_distance(lambda seeds: seeds == 0), "Outside of the foreground there should be 0."),
        (lambda seeds, inside: np.where(inside, seeds, 0), "The seeds have not grown."),
        (
            lambda seeds, inside: np.where(inside, _by_distance(lambda s: s != 0)(seeds, inside), 0),
            "The distance is measured to the nearest pixel that is *zero*, so ask it about seeds == 0.",
        ),
        (
            lambda seeds, inside: inside.astype(int),
            "Every pixel of the foreground has the same number. It should have that of its seed.",
        ),
    ],
    (
        "For every pixel, where is the nearest seed?",
        "Ask distance_transform_edt about seeds == 0, and look up the seeds at the indices that it returns.",
    ),
)
