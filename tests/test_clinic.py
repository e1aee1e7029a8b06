"""The index of messages in chapter 13: PyTorch of today says what a reader will look for there."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

CHAPTER = Path(__file__).resolve().parents[1] / "book" / "chapters" / "13_debugging.md"
ROWS = re.findall(r"^\| (`.+`) \| <a href", CHAPTER.read_text(encoding="utf-8"), re.M)
MESSAGES = [message for row in ROWS for message in re.findall(r"`(.+?)`", row)]
# Only a graphics card says these, or an older PyTorch that the package allows.
ELSEWHERE = {
    "Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor)",
    "device-side assert triggered",
    "out of memory",
    "expected scalar type Long but found Float",
}
IMAGES, LOGITS = torch.rand(2, 1, 8, 8), torch.randn(2, 3, 8, 8)
MASKS = torch.zeros(2, 1, 8, 8)
CONV = nn.Conv2d(1, 4, kernel_size=3)
# A class that only the program itself knows, and a worker that begins empty, as on Windows and macOS.
WORKERS = """
import torch
from torch.utils.data import DataLoader, Dataset

class Mine(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return torch.zeros(1)

next(iter(DataLoader(Mine(), num_workers=1, multiprocessing_context="spawn")))
"""


def in_a_new_python():
    done = subprocess.run([sys.executable, "-c", WORKERS], capture_output=True, text=True)
    raise RuntimeError(done.stderr)


ACCIDENTS = {
    "to have 3 channels, but got 1 channels instead": lambda: nn.Conv2d(3, 4, kernel_size=3)(IMAGES),
    "Input type (double) and bias type (float) should be the same": lambda: CONV(IMAGES.double()),
    "expected scalar type Double but found Float": lambda: nn.Conv2d(1, 4, 3, bias=False)(IMAGES.double()),
    "Input type (unsigned char) and bias type (float)": lambda: CONV((255 * IMAGES).byte()),
    "Sizes of tensors must match except in dimension 1": lambda: torch.cat([IMAGES, IMAGES[..., 1:]], dim=1),
    "Output size is too small": lambda: F.max_pool2d(IMAGES[..., :1], 2),
    "Expected more than 1 value per channel when training": lambda: nn.BatchNorm2d(1)(IMAGES[:1, :, :1, :1]),
    "expected 4D input (got 3D input)": lambda: nn.BatchNorm2d(4)(CONV(IMAGES[0])),
    "result type Float can't be cast to the desired output type Long": lambda: F.binary_cross_entropy_with_logits(
        IMAGES, MASKS.long()
    ),
    "with two bool tensors is not supported": lambda: F.binary_cross_entropy_with_logits(IMAGES, MASKS > 0),
    "Found dtype Bool but expected Float": lambda: nn.BCELoss()(IMAGES.clone().requires_grad_(), MASKS > 0),
    "stack expects each tensor to be equal size": lambda: next(iter(DataLoader([IMAGES[0], IMAGES[0, :, 1:]], 2))),
    "Can't get attribute … on <module '__main__'": in_a_new_python,
    "exited unexpectedly": in_a_new_python,
    "Can't pickle": lambda: pickle.dumps(lambda: 0),
    "Target size (…) must be the same as input size (…)": lambda: F.binary_cross_entropy_with_logits(IMAGES, MASKS[0]),
    "only batches of spatial targets supported": lambda: F.cross_entropy(LOGITS, MASKS.long()),
    "Target 3 is out of bounds": lambda: F.cross_entropy(LOGITS, MASKS[:, 0].long() + 3),
    "expected target dtype to be Long": lambda: F.cross_entropy(LOGITS, MASKS[:, 0]),
    "can't allocate memory": lambda: torch.empty(10**15),
    "all elements of input should be between 0 and 1": lambda: F.binary_cross_entropy(LOGITS[:, :1], MASKS),
}


def test_every_message_of_the_index_is_provoked_or_belongs_elsewhere():
    assert len(MESSAGES) == len(set(MESSAGES)) and set(MESSAGES) == set(ACCIDENTS) | ELSEWHERE
    assert not set(ACCIDENTS) & ELSEWHERE


@pytest.mark.parametrize("message", ACCIDENTS)
def test_pytorch_says_so(message):
    with pytest.raises((RuntimeError, ValueError, IndexError, AttributeError, pickle.PicklingError)) as refused:
        ACCIDENTS[message]()
    assert re.search(".+".join(map(re.escape, message.split("…"))), str(refused.value)), str(refused.value)
