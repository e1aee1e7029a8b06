"""python -m unet_tutorial export: a trained network as a file of ONNX."""

from __future__ import annotations

import argparse
from pathlib import Path

from .predict import add_meaning

HELP = "write a trained network as ONNX, for programs without PyTorch"
DESCRIPTION = """\
Write a trained network as ONNX, for programs without PyTorch.

The file takes images of any number and size, float32 (B, C, H, W), and gives logits. What is done to a picture before,
and to the answer after it, is not in the file, but is said in its metadata. Needs: pip install onnx onnxscript
"""
EPILOG = """\
exit status: 0 if the file was written, 2 if not.

example:
  python -m unet_tutorial export nuclei nuclei.onnx
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("model", metavar="MODEL", help="'nuclei', 'cells', or a file of a plan or of fit")
    parser.add_argument("path", metavar="FILE.onnx", type=Path, help="what to write")
    parser.add_argument("--overwrite", action="store_true", help="FILE.onnx may be there already")
    add_meaning(parser)


def run(arguments: argparse.Namespace) -> int:
    from ..export import to_onnx
    from ..segmenter import open_segmenter

    segmenter = open_segmenter(arguments.model, normalization=arguments.normalization, output=arguments.output)
    metadata = to_onnx(segmenter.network, arguments.path, notes=segmenter.notes, overwrite=arguments.overwrite)
    print(f"'{arguments.path}' written. Its metadata:")
    for name, text in metadata.items():
        print(f"  {name}: {text}")
    return 0
