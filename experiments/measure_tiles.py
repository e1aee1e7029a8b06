"""Measure what the prediction of large images costs, whole and in tiles, and keep the result for chapter 14.

    python experiments/measure_tiles.py              measure every size, print the table, keep the record
    python experiments/measure_tiles.py SIDE HOW     measure one size in this process; HOW is whole or tiles

The network is the trained one of the package. An image lies in a file, and so do its logits. Every measurement has a
process of its own, or else one would find the memory of another. Memory is what the process holds beyond that, at its
highest, above what it held before (`RssAnon` in Linux's /proc). One thread. About five minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch

import provenance
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.inference import predict
from unet_tutorial.pretrained import load_pretrained

NAME, COMMAND = "big_images", "python experiments/measure_tiles.py"
SIDES = (1024, 2048, 4096, 8192)
LARGEST_WHOLE = 2048  # sides above this are measured in tiles alone: whole, they would need several gigabytes
TILE, OVERLAP = 512, 128  # the overlap that covers the receptive field, as predict would choose it
FIELDS, FIELD = 64, 128  # so many pictures of so many pixels a side are laid side by side, again and again


def lay_sheet(path: Path, side: int) -> np.memmap:
    """Write an image (1, 1, side, side) of test pictures in their order, row by row, again and again."""
    dataset = SyntheticCellsDataset(FIELDS, image_size=FIELD, split="test")
    fields = np.stack([dataset[i][0][0].numpy() for i in range(FIELDS)])  # (FIELDS, FIELD, FIELD)
    sheet = np.memmap(path, np.float32, "w+", shape=(1, 1, side, side))
    number = side // FIELD
    for row in range(number):
        chosen = fields[(np.arange(number) + row * number) % FIELDS]  # (number, FIELD, FIELD)
        sheet[0, 0, row * FIELD : (row + 1) * FIELD] = chosen.transpose(1, 0, 2).reshape(FIELD, side)
    return sheet


def held_memory() -> int:
    """Return the bytes that this process holds now, without those that stand for a file."""
    status = Path("/proc/self/status")
    if not status.is_file():
        raise SystemExit("Memory is read from /proc/self/status, which only Linux has. Run this on Linux.")
    return 1024 * int(re.search(r"^RssAnon:\s+(\d+) kB$", status.read_text(encoding="utf-8"), re.M)[1])


class Peak:
    """Inside ``with Peak() as peak`` a thread looks often how much the process holds, and keeps the highest."""

    def __enter__(self) -> Peak:
        self.before = self.highest = held_memory()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.done.set()
        self.thread.join()

    def _look(self) -> None:
        while not self.done.wait(0.003):
            self.highest = max(self.highest, held_memory())


def measure(side: int, how: str) -> dict:
    """Predict one image; return its tiles, the seconds, the MiB, and the share of pixels that are cells."""
    torch.set_num_threads(1)
    model = load_pretrained("cells")
    tiling = {} if how == "whole" else {"tile": TILE, "overlap": OVERLAP}
    predict(model, torch.zeros(1, 1, 64, 64), progress=False)  # the first call loads more of torch
    with tempfile.TemporaryDirectory() as folder:
        sheet = lay_sheet(Path(folder) / "image", side)
        logits = np.memmap(Path(folder) / "logits", np.float32, "w+", shape=sheet.shape)
        tiles = []
        model.register_forward_hook(lambda *_: tiles.append(None))
        with Peak() as peak:
            start = time.perf_counter()
            predict(model, sheet, out=logits, progress=False, **tiling)
            seconds = time.perf_counter() - start
        share = float(np.mean(logits > 0))
    return {
        "side": side,
        "how": how,
        "tiles": len(tiles),
        "seconds": round(seconds, 1),
        "mib": round((peak.highest - peak.before) / 2**20),
        "cells": round(share, 5),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", nargs="?", type=int, choices=SIDES)
    parser.add_argument("how", nargs="?", choices=("whole", "tiles"))
    arguments = parser.parse_args()
    if arguments.side is not None:
        if arguments.how is None:
            parser.error("say whole or tiles too, for example: 1024 tiles")
        print(json.dumps(measure(arguments.side, arguments.how)))
        return 0
    rows = []
    for side in SIDES:
        for how in ("whole", "tiles") if side <= LARGEST_WHOLE else ("tiles",):
            command = [sys.executable, __file__, str(side), how]
            rows.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
            print("{side}² {how}: {tiles} tiles, {seconds} s, {mib} MiB, {cells:.1%} cells".format(**rows[-1]))
    torch.set_num_threads(1)  # as in every measurement, for the record
    content = {"tile": TILE, "overlap": OVERLAP, "fields": FIELDS, "rows": rows}
    provenance.write_record(NAME, content, command=COMMAND, seeds=[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
