"""A recipe that reads the data: it looks at the training pictures alone, decides, and says why.

Every rule is a function that returns what it decides together with one line of reason. `unet_tutorial.planned` carries
the plan out. The idea is that of nnU-Net (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z): what has to be chosen
anew for a data set follows from a few of its properties, and everything else stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ._checks import number
from ._planes import HIGH, LOW, is_bright_ground, spread, with_channels
from .data.targets import labelled, object_size, target
from .sizing import receptive_field

DIAMETER = 20.0  #: To how many pixels the typical object is brought.
LOOKED_AT = 200  # pictures, evenly taken from all: enough for a median
REGION_CROP = 256  # pixels, where there are no objects whose size could say it


class Reason(NamedTuple):
    """One rule of a plan: what was decided, how, and why.

    Attributes
    ----------
    rule, value, why : str
        One line each.

    Examples
    --------
    >>> Reason("crop", "128 pixels", "about six objects side by side").value
    '128 pixels'
    """

    rule: str
    value: str
    why: str


@dataclass(frozen=True)
class Plan:
    """What `plan` has decided. ``print(recipe)`` shows every rule with its reason.

    To try another value, ``dataclasses.replace(recipe, jitter=0.0)`` makes a plan with it.

    Parameters
    ----------
    task : {"objects", "one class", "classes"}
        What is to be found.
    num_classes : int
        Classes together with the background; 1 for objects and for one class.
    in_channels : int
        Channels of a picture.
    polarity : {"bright", "dark", "mixed"}
        What the objects are, against the ground. Pictures are turned so that they are bright.
    zoom : float
        By how much pictures are enlarged or, below 1, made smaller.
    own_zoom : bool
        Whether every picture is brought to a scale of its own instead; ``zoom`` is then where the search begins.
    zooms : (float, float)
        The lowest and the highest scale, those of the training pictures: the search does not leave them.
    jitter : float
        By how many octaves the scale of a training crop varies, up or down.
    crop, batch_size : int
        Side of a training crop in pixels, after scaling, and crops in a step.
    depth : int
        Poolings of the network.
    class_weights : tuple of float
        What a pixel of the background, of class 1, and so on counts in the loss.
    way : {"votes", "border"}
        How objects are told apart: by votes for their middles (`unet_tutorial.votes`), or by a class for the border
        between them and a watershed (`unet_tutorial.instances`).
    minutes : float
        The budget.
    reasons : tuple of Reason
        The rules.

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> plan(nuclei_pieces(), minutes=1).task
    'objects'
    """

    task: str
    num_classes: int
    in_channels: int
    polarity: str
    zoom: float
    own_zoom: bool
    zooms: tuple[float, float]
    jitter: float
    crop: int
    batch_size: int
    depth: int
    class_weights: tuple[float, ...]
    way: str
    minutes: float
    reasons: tuple[Reason, ...]

    def __str__(self) -> str:
        return told(self.reasons)


def told(reasons: Sequence[Reason]) -> str:
    """Write rules one below the other, with their reasons.

    Parameters
    ----------
    reasons : sequence of Reason
        Such as the ``reasons`` of a `Plan`.

    Returns
    -------
    str

    Examples
    --------
    >>> print(told([Reason("crop", "128 pixels", "about six objects side by side")]))
    crop: 128 pixels
        about six objects side by side
    """
    return "\n".join(f"{rule}: {value}\n    {why}" for rule, value, why in reasons)


def plan(pictures: Any, *, minutes: float = 10.0) -> Plan:
    """Look at the training pictures, and decide how to train on them.

    Parameters
    ----------
    pictures : data set
        With a length, raw ``pictures.images`` ((H, W) or (H, W, C) each) and ``pictures.instances(i)``, an instance
        map: such as `unet_tutorial.data.pictures.InstanceDataset`. Where it has a ``task`` that is not "objects",
        the masks ``pictures[i][1]`` are read instead, and its ``num_classes`` and ``ignore_index``.
    minutes : float, default 10
        The time for the training, on the machine on which it will run.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        If no picture marks anything, the pictures differ in channels and are not grey and RGB, or ``minutes`` is not
        positive.

    Notes
    -----
    Each rule is a function of this file. What they measure is measured on the pictures; the numbers in them (twenty
    pixels an object, six objects a crop, a factor of two between pictures) are reasoned. What a rule is worth was asked
    by leaving it out, on a mixed collection, for 80 seconds of a processor and three seeds (record ``plan_parts``, by
    ``python experiments/plan_pictures.py parts``). The average precision is 0.65 with all of them, 0.55 with a border
    class in place of votes, 0.53 with one scale for all pictures, 0.60 without a varied scale, and 0.63 if no picture
    is turned. Grey in place of colour is no worse there (0.66): those colours were painted by us, from brightness. The
    rule stays for pictures in which colour alone tells things apart, and this has not been measured. On BBBC039 (record
    ``plan_bbbc039``) the plan reaches 0.770 to 0.774, and the recipe of chapter 15 in the same time 0.743 to 0.770.

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> recipe = plan(nuclei_pieces(), minutes=1)
    >>> recipe.in_channels, recipe.polarity, recipe.reasons[0].rule
    (1, 'bright', 'task')
    """
    number("minutes", minutes, above_zero=True)
    task = getattr(pictures, "task", "objects")
    classes = int(pictures.num_classes) if task == "classes" else 1
    marked = labelled(pictures)
    step = max(1, len(marked) // LOOKED_AT)
    pairs = [(pictures.images[i], target(pictures, i)) for i in marked[::step]]
    pairs = [(image, labels) for image, labels in pairs if (labels > 0).any()]
    if not pairs:
        raise ValueError("pictures must mark something, but there is no picture, or nothing is marked in any.")
    in_channels, channels = _channels([image for image, _ in pairs])
    looks = [_look(image, labels, in_channels, max(2, classes)) for image, labels in pairs]
    polarity, why_polarity = _polarity(looks)
    sizes = [look.size for look in looks]
    zoom, own_zoom, jitter, scale = _scale(sizes, task)
    zooms = (DIAMETER / max(sizes), DIAMETER / min(sizes)) if own_zoom else (zoom, zoom)
    large = DIAMETER if own_zoom else zoom * float(np.percentile(sizes, 95))
    depth, why_depth = _depth(large * 2**jitter)
    crop, batch_size, why_crop = _crop(max(max(look.shape) for look in looks) * zoom * 2**jitter, depth, task)
    weights, why_weights = _weights(np.sum([look.counts for look in looks], axis=0), task)
    varied = ["flips and quarter turns", f"scale by 2^±{jitter:g}", "brightness, contrast, gamma, noise"]
    varied += ["every channel a little"] * (in_channels > 1) + ["some negatives"] * (polarity == "mixed")
    reasons = (
        Reason("task", task, "so the masks say"),
        channels,
        why_polarity,
        Reason("values", f"percentiles {LOW:g} to {HIGH:g} become 0 to 1", "pictures in any unit then look the same"),
        scale,
        why_crop,
        why_depth,
        why_weights,
        Reason("augmentation", "; ".join(varied), "what may differ between pictures is varied in training"),
        Reason("budget", f"{minutes:g} minutes", "the width follows from the speed of this machine, the steps too"),
    )
    shape = (zoom, own_zoom, zooms, jitter, crop, batch_size, depth)
    return Plan(task, classes, in_channels, polarity, *shape, weights, "votes", float(minutes), reasons)


def prepare(image: np.ndarray, recipe: Plan) -> np.ndarray:
    """Bring a raw picture to what the network takes: values from 0 to 1, objects bright, ``in_channels`` channels.

    In every channel the 1st percentile becomes 0 and the 99.8th becomes 1. A range below 12 times the noise of the
    picture is widened to that: a field with nothing in it holds only noise, and is to stay even.

    `unet_tutorial.data.normalizing.normalize` is another one, with a logarithm that suits the light of one microscope
    and with which the shipped weights were trained; a plan meets dark objects, colour and grey in one collection, and
    its pictures have to become alike, which that function does not try.

    Parameters
    ----------
    image : numpy.ndarray
        (H, W) or (H, W, C) finite numbers, as they were read. Grey is repeated where the network takes colour, colour
        becomes its mean where it takes grey, and transparency is dropped.
    recipe : Plan
        Which channels and polarity.

    Returns
    -------
    numpy.ndarray
        float32 (in_channels, H, W).

    Raises
    ------
    ValueError
        If the image has another shape, other channels, or is not of finite numbers.

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> pieces = nuclei_pieces()
    >>> prepare(pieces.images[0], plan(pieces)).shape
    (1, 128, 128)
    """
    planes = spread(with_channels(image, recipe.in_channels))
    if recipe.polarity == "dark" or (recipe.polarity == "mixed" and is_bright_ground(planes)):
        return 1 - planes
    return planes


class _Look(NamedTuple):
    """What the rules know of one picture."""

    shape: tuple[int, int]
    size: float  # of the typical object, in pixels
    counts: np.ndarray  # pixels of every class
    darker: bool | None  # the objects against the ground; None where there is no ground
    bright_ground: bool


def _look(image: np.ndarray, labels: np.ndarray, in_channels: int, classes: int) -> _Look:
    planes = spread(with_channels(image, in_channels))
    inside, ground, grey = labels > 0, labels == 0, planes.mean(axis=0)
    counts = np.bincount(np.minimum(labels[inside | ground], classes - 1), minlength=classes)
    darker = bool(grey[inside].mean() < grey[ground].mean()) if ground.any() else None
    return _Look(labels.shape, object_size(labels), counts, darker, is_bright_ground(planes))


def _channels(images: Sequence[np.ndarray]) -> tuple[int, Reason]:
    """Colour stays where a picture has it: which channel shows the objects best is for the network to learn."""
    counts = {1 if image.ndim == 2 else image.shape[2] for image in images}
    if len(counts) > 1 and max(counts) > 4:
        raise ValueError(f"pictures must have one number of channels, or be grey and RGB, but have {sorted(counts)}.")
    if max(counts) > 4:
        return max(counts), Reason("channels", str(max(counts)), "every picture has so many")
    coloured = sum(image.ndim == 3 and image.shape[2] > 2 and _differ(image[..., :3]) for image in images)
    if not coloured:
        return 1, Reason("channels", "1, grey", "in no picture do the channels differ")
    return 3, Reason("channels", "3, RGB", f"{coloured} of {len(images)} pictures are coloured; grey is repeated")


def _differ(image: np.ndarray) -> bool:
    return bool((image != image[..., :1]).any())


def _polarity(looks: Sequence[_Look]) -> tuple[str, Reason]:
    """Where all objects are bright, or all are dark, that is known. Else every picture is judged by its ground.

    The ground covers more than half of most pictures, so the median shows whether it is bright.
    """
    known = [look for look in looks if look.darker is not None]
    share = float(np.mean([look.darker for look in known])) if known else 0.0
    if share in (0.0, 1.0):
        polarity = "dark" if share else "bright"
        return polarity, Reason("polarity", f"objects are {polarity}", "against the ground, in every picture")
    right = np.mean([look.darker == look.bright_ground for look in known])
    why = f"objects are dark in {share:.0%} of the pictures; whether the median is bright tells it in {right:.0%}"
    return "mixed", Reason("polarity", "each picture by its ground", why)


def _scale(sizes: Sequence[float], task: str) -> tuple[float, bool, float, Reason]:
    """Bring the typical object to DIAMETER pixels; every picture by its own size, where sizes differ by more than 2."""
    if task != "objects":
        return 1.0, False, 0.3, Reason("scale", "as it is", "regions have no typical size")
    low, median, high = np.percentile(sizes, [10, 50, 90])
    zoom, said = float(DIAMETER / median), f"the median object measures {median:.0f} pixels"
    if high > 2 * low:
        why = f"{said}, and from {low:.0f} to {high:.0f} between pictures"
        return zoom, True, 1.0, Reason("scale", f"each picture to {DIAMETER:g} pixels an object", why)
    if 0.6 < zoom < 1.6:
        return 1.0, False, 0.3, Reason("scale", "as it is", f"{said}, near {DIAMETER:g}, and pictures differ little")
    return zoom, False, 0.3, Reason("scale", f"times {zoom:.2g}", f"{said}, and pictures differ little")


def _depth(large: float) -> tuple[int, Reason]:
    """Pool until a pixel sees twice as far as a large object reaches, so that it sees all of it from its edge."""
    for depth in (2, 3, 4):
        first, last = receptive_field("logits", depth)
        if last - first + 1 >= 2 * large:
            break
    why = f"a pixel sees {last - first + 1} around it, and large objects measure {large:.0f} at this scale"
    return depth, Reason("depth", f"{depth} poolings", why)


def _crop(largest_side: float, depth: int, task: str) -> tuple[int, int, Reason]:
    """Take about six objects side by side: small crops of many pictures in a step, and not large ones of few."""
    step, wanted = 2**depth, 6 * DIAMETER if task == "objects" else REGION_CROP
    crop = int(np.ceil(min(wanted, largest_side) / step)) * step
    batch_size = min(16, max(2, round(8 * 128**2 / crop**2)))
    why = "about six objects side by side" if task == "objects" else "or the largest picture, if that is smaller"
    return crop, batch_size, Reason("crop", f"{crop} pixels, {batch_size} crops a step", why)


def _weights(counts: np.ndarray, task: str) -> tuple[tuple[float, ...], Reason]:
    """Let a rare class count more, by the root of how rare it is; where nothing is rare, all count the same."""
    shares = counts / counts.sum()
    said = f"of the pixels, {', '.join(f'{share:.1%}' for share in shares)} are of each class"
    if task == "objects" or shares.min() >= 0.1:
        return (1.0,) * len(shares), Reason("weights", "every pixel counts the same", said)
    weights = 1 / np.sqrt(np.maximum(shares, 1e-4))
    weights = weights / (weights * shares).sum()  # on average 1
    return tuple(weights.round(2).tolist()), Reason("weights", "rare classes count more", said)
