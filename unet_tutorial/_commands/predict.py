"""python -m unet_tutorial predict: a folder of pictures to masks and a table of the objects."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "find the objects in all pictures of a folder"
DESCRIPTION = """\
Find the objects in all pictures of a folder, and measure them.

For a picture a.tif, OUT will hold a.png, a mask of 16 bits: 0 is background, every other number one object (or one
class). objects.csv has a row for every object: place, area and shape in pixels, intensities in the units of the file.
pictures.csv has a row for every picture. Pictures of any size and number of bits are taken; large ones are computed in
tiles. Files that cannot be read, or do not fit the network, are left out and named at the end.
"""
EPILOG = """\
exit status:
  0    every picture was segmented
  1    some files were left out; the rest was segmented
  2    nothing was done: wrong arguments, no model, no picture, or OUT holds files
  130  interrupted; what was done until then is kept

examples:
  python -m unet_tutorial predict nuclei pictures
  python -m unet_tutorial predict model.pt pictures --out found --overwrite
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("model", metavar="MODEL", help="'nuclei', 'cells', or a file of a plan or of fit")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="holds the pictures; no masks are needed")
    parser.add_argument("--out", type=Path, help="where to write; FOLDER_objects beside FOLDER if not given")
    parser.add_argument("--overwrite", action="store_true", help="replace files of the same names in OUT")
    parser.add_argument("--device", help="such as cuda; the processor if not given")
    add_meaning(parser)


def add_meaning(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what a checkpoint of ``fit`` does not say itself."""
    group = parser.add_argument_group("for checkpoints of fit, which do not say it themselves")
    group.add_argument("--normalization", metavar="HOW", help="percentiles (the default) or range")
    group.add_argument("--output", metavar="WHAT", help="what the network's channels are: mask, border or classes")


def run(arguments: argparse.Namespace) -> int:
    from ..segmenter import open_segmenter, segment_folder

    segmenter = open_segmenter(
        arguments.model,
        normalization=arguments.normalization,
        output=arguments.output,
        device=arguments.device,
    )
    for name, text in segmenter.notes.items():
        print(f"{name}: {text}", flush=True)
    report = segment_folder(segmenter, arguments.folder, arguments.out, overwrite=arguments.overwrite)
    print(report)
    return 1 if report.left_out else 0
