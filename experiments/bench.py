"""Measure what the book claims about speed, print it, and keep it for the book to show: ``make bench``.

    python experiments/bench.py [PART ...] [--seeds SEED ...]

Without a PART, all are measured, one after the other and on the CPU with one thread, in about half an hour:

discs     seconds until a network finds discs: the recipe of chapter 10 against the usual one
models    our U-Net against MONAI's, a forward pass and a training step
cells     scores on the hard cells against seconds of training
chapters  every chapter's wall time, with its slowest cells
pieces    drawing and checking, as shares of a training step
threads   a training step with one thread and with all cores, idle and beside busy processes
explorers how soon a picture with controls is painted after an input, in a browser, on the built book
live      a training step in the page against PyTorch, and how soon a stroke is answered, on the built book
commands  what `make book` and `make test` take in an empty clone, now and before (an hour; only when named)

A part that is measured alone leaves the others in the record as they are; each says how it was made. Seeds of `discs`
and `cells` may be measured in several calls, as long as code, machine and settings stay the same. Leave the machine
alone meanwhile.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))  # browser, busy, console, notebooks and runs

import bench_tables
import provenance
from bench_chapters import chapters
from bench_commands import commands
from bench_explorers import explorers
from bench_live import live
from bench_models import models, pieces
from bench_threads import threads
from bench_training import cells, discs
from unet_tutorial import records

NAME, ROOT = "bench", provenance.ROOT


class Part(NamedTuple):
    """What measures a part, and from which seeds."""

    measure: Callable[[list[int]], dict]
    seeds: tuple[int, ...] = ()


PARTS = {
    "discs": Part(discs, seeds=(1, 2, 3, 4, 5)),
    "models": Part(models),
    "cells": Part(cells, seeds=(1, 2, 3)),
    "chapters": Part(chapters),
    "pieces": Part(pieces),
    "threads": Part(threads),
    "explorers": Part(explorers),
    "live": Part(live),
    "commands": Part(commands),
}
ONLY_WHEN_NAMED = {"commands"}
# Runs of several calls belong together only if these are the same.
SAME = ("commit", "versions", "processor", "threads", "gpu")


def measure(name: str, seeds: list[int] | None = None) -> dict:
    """Measure one part, keep it in the record, and return it."""
    part, threads = PARTS[name], torch.get_num_threads()
    seeds = list(part.seeds) if seeds is None or not part.seeds else seeds
    try:
        torch.set_num_threads(1)  # several threads wait for one another, the more so where other work is going on
        made = provenance.provenance(f"python experiments/bench.py {name}", seeds)
        result = {**part.measure(seeds), "provenance": made}
        kept = kept_parts()
        result = merged(kept.get(name), result)
        content = {**kept, name: result}
        provenance.write_record(NAME, content, command="python experiments/bench.py", seeds=seeds)
    finally:
        torch.set_num_threads(threads)
    return content[name]


def kept_parts() -> dict:
    """Return what the record holds so far, without how its last part was made."""
    if NAME not in records.available():
        return {}
    return {name: part for name, part in records.load(NAME).items() if name in PARTS}


def merged(old: dict | None, new: dict) -> dict:
    """Add the runs of other seeds that were made in the same way, and forget those that were not."""
    if old is None or "runs" not in new:
        return new
    same = all(old["provenance"][key] == new["provenance"][key] for key in SAME) and old["settings"] == new["settings"]
    if not same:
        return new
    measured = {run["seed"]: run for run in [*old["runs"], *new["runs"]]}  # the newer one counts
    seeds = sorted(measured)
    return {**new, "runs": [measured[seed] for seed in seeds], "provenance": {**new["provenance"], "seeds": seeds}}


def report(name: str, part: dict) -> None:
    print(f"\n== {name} ==")
    for table in bench_tables.tables(name, part):
        print(bench_tables.text(table), end="\n\n")
    for sentence in bench_tables.goals(name, part):
        print(sentence)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"among {', '.join(PARTS)}; all if none is named")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED", help="for discs and cells")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.parts if name not in PARTS]
    if unknown:
        parser.error(f"no part {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    for name in arguments.parts or [name for name in PARTS if name not in ONLY_WHEN_NAMED]:
        report(name, measure(name, arguments.seeds))


if __name__ == "__main__":
    main()
