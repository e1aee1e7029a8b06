"""The page of the libraries' functions explains every name that the chapters use, and nothing else, once."""

import re
from pathlib import Path

import pytest

import library_names

ROOT = Path(library_names.__file__).resolve().parents[1]
PAGE = ROOT / "book" / "functions.md"


def listed() -> list[str]:
    blocks = re.findall(r"```\{library-names\}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    return [line.partition(": ")[0] for block in blocks for line in block.splitlines()]


def test_the_page_explains_what_the_chapters_use_and_nothing_else():
    names, used = listed(), set(library_names.first_uses(ROOT / "book" / "chapters"))
    assert len(names) == len(set(names)), "a name stands on the page twice"
    assert not used - set(names), "book/functions.md must explain these"
    assert not set(names) - used, "no chapter uses these any more: take them out of book/functions.md"


@pytest.mark.parametrize(
    "code, names",
    [
        ("import torch\ntorch.testing.assert_close(torch.ones(2), x)", {"torch.testing.assert_close", "torch.ones"}),
        ("import torch.nn.functional as F\nF.conv2d(x, w).mean()", {"F.conv2d", ".mean"}),
        ("from skimage import filters as f\nf.gaussian(x)", {"filters.gaussian"}),
        ("from skimage.segmentation import watershed\nwatershed(x)", {"segmentation.watershed"}),
        ("import math\nmath.exp(1)\n'a'.join(b)\naxes.scatter(1, 2)\n[].append(1)", set()),
    ],
)
def test_names_are_found_by_what_they_stand_for(code, names):
    assert set(library_names.names_in(code)) == names
