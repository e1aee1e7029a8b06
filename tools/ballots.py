"""Pictures for votes, without titles, and their keys: which network had no skip connections, which is the threshold.

Both are computed: the first trains the two networks of chapter 7 again, for less than half a minute on one core.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from skimage import filters
from torch.utils.data import DataLoader, TensorDataset

from unet_tutorial import plots
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.metrics import iou, predicted_masks
from unet_tutorial.pretrained import load_pretrained
from unet_tutorial.training import fit
from unet_tutorial.unet import UNet

CHANNELS, EPOCHS, SEED = (8, 16, 32, 64), 4, 0  # as in chapter 7
BALLOTS = ("skips", "threshold")
PICTURE = 17  # the one with which chapter 1 begins


class Page(NamedTuple):
    """A picture with letters, as PNG in base64, and what is to be seen on it."""

    png: str
    alt: str


class Ballot(NamedTuple):
    """A question, its pages, and the key, line by line."""

    question: str
    pages: list[Page]
    key: list[str]


@cache
def made(name: str) -> Ballot:
    """Return a ballot.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if name not in BALLOTS:
        raise ValueError(f"no pictures for a vote are called {name!r}; there are {', '.join(BALLOTS)}.")
    return _skips() if name == "skips" else _threshold()


def _page(pictures: list, letters: str, alt: str) -> Page:
    figure = plots.images(pictures, ["picture", *letters], size=2.1)  # drawn small: the letters grow with it on a slide
    data, _ = plots.bundle(figure, alt)
    return Page(data["image/png"], alt)


def _skips() -> Ballot:
    """Train with and without skip connections, and lay the two predictions side by side, in an order that changes."""
    train, val, test = (_tensors(split, number) for split, number in (("train", 192), ("val", 16), ("test", 64)))
    predictions = {kind: _trained(kind, train, val)(test[0]) for kind in ("concat", "none")}
    wrong = {kind: (masks != test[1]).flatten(1).sum(1) for kind, masks in predictions.items()}
    pages, key = [], []
    for number, place in enumerate((0, 1, 2), 1):
        order = ("concat", "none") if number == 2 else ("none", "concat")  # so that no letter is right every time
        pages.append(
            _page(
                [test[0][place], *(predictions[kind][place] for kind in order)],
                "AB",
                "A noisy picture with cells, and two predictions, A and B.",
            )
        )
        letter = "AB"[order.index("none")]
        counts = ", ".join(f"{'AB'[i]} {int(wrong[kind][place])}" for i, kind in enumerate(order))
        key.append(f"Picture {number}: **{letter}** has no skip connections. Wrong pixels: {counts}.")
    means = {kind: float(values.float().mean()) for kind, values in wrong.items()}
    key.append(
        f"Over all {len(test[0])} test pictures: {means['concat']:.0f} wrong pixels with, {means['none']:.0f} without."
    )
    return Ballot("Which of the two networks has no skip connections?", pages, key)


def _tensors(split: str, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    dataset = SyntheticCellsDataset(number, image_size=64, split=split)
    images, masks = zip(*(dataset[i] for i in range(number)), strict=True)
    return torch.stack(images), torch.stack(masks)  # both (number, 1, 64, 64)


def _trained(kind: str, train: tuple, val: tuple):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more gain little here, and beside other programs they wait for one another
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            model = UNet(1, channels=CHANNELS, skip=kind)
            order = torch.Generator().manual_seed(SEED)
            loader = DataLoader(TensorDataset(*train), batch_size=8, shuffle=True, generator=order)
            fit(model, loader, [val], epochs=EPOCHS, progress=False)
    finally:
        torch.set_num_threads(threads)
    model.eval()

    def predict(images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return predicted_masks(model(images))

    return predict


def _threshold() -> Ballot:
    """Lay side by side what a threshold makes of a picture, what a network makes of it, and the truth."""
    cells = SyntheticCellsDataset(num_samples=24, split="test")
    image, truth = cells[PICTURE]
    picture = image[0].numpy()  # (128, 128)
    flat = filters.gaussian(picture, 1) - filters.gaussian(picture, 20)  # the light taken away, as in chapter 1
    by_threshold = torch.from_numpy(flat > filters.threshold_otsu(flat)).float()[None]
    with torch.no_grad():
        by_network = predicted_masks(load_pretrained("cells")(image[None]))[0]
    page = _page([image, by_network, truth, by_threshold], "ABC", "A picture of cells, and three masks, A, B and C.")
    scores = [f"{float(iou(mask[None], truth[None])):.2f}" for mask in (by_network, by_threshold)]
    key = [
        f"**C** is the threshold, with the light taken away first: IoU {scores[1]}.",
        f"**A** is a small U-Net: IoU {scores[0]}.",
        "**B** is the truth.",
        "A threshold cannot leave out what is as bright as a cell: look at the ring and the threads.",
    ]
    return Ballot("One is a threshold, one is a network, one is the truth. Which is the threshold?", [page], key)
