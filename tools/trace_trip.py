"""Follow one picture through the package: which functions it meets, and how often the reader must change the file.

    python tools/trace_trip.py

First a training step with its evaluation, then the way from a prediction to objects, scores and a drawing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch

from unet_tutorial import plots
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.inference import predict
from unet_tutorial.instances import from_logits
from unet_tutorial.metrics import scores
from unet_tutorial.training import fit
from unet_tutorial.unet import UNet

PACKAGE = Path(plots.__file__).parent


def trace(work: Callable[[], object]) -> list[str]:
    """Return the functions of the package in the order in which they are entered, as ``file.function``."""
    met: list[str] = []

    def enter(frame, event, _):
        path = Path(frame.f_code.co_filename)
        named = not frame.f_code.co_name.startswith("<")  # no comprehension, no lambda
        if event == "call" and named and path.is_relative_to(PACKAGE):
            met.append(f"{path.stem}.{frame.f_code.co_qualname}")

    sys.setprofile(enter)
    try:
        work()
    finally:
        sys.setprofile(None)
    return met


def summary(met: list[str]) -> tuple[int, int]:
    """Return how many different functions were met, and how often the next one stands in another file."""
    files = [name.partition(".")[0] for name in met]
    return len(set(met)), sum(a != b for a, b in zip(files, files[1:], strict=False))


def trips() -> dict[str, Callable[[], object]]:
    """Return both trips, with everything that they need made ready."""
    dataset = SyntheticCellsDataset(1, image_size=64)
    image, instances = dataset[0][0], dataset.instances(0)
    batches = [(image[None], dataset[0][1][None])]  # one batch of one picture
    model = UNet(1, channels=(4, 8, 16))
    objects = UNet(1, num_classes=3, channels=(4, 8, 16))

    def train() -> None:
        fit(model, batches, batches, epochs=1, device="cpu", progress=False)

    def judge() -> None:
        logits = predict(objects, image[None], progress=False)
        found = from_logits(logits[0], smallest=1)
        scores(found, instances)
        plots.images([image, found.float()])

    return {"a training step and its evaluation": train, "from the prediction to scores and a drawing": judge}


def main() -> None:
    torch.manual_seed(0)
    for name, work in trips().items():
        met = trace(work)
        print(f"{name}: {{}} functions, {{}} changes of file".format(*summary(met)))
        for function in dict.fromkeys(met):
            print(f"  {met.count(function):3}  {function}")


if __name__ == "__main__":
    main()
