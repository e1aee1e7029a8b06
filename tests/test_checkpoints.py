"""Checkpoints: whole at every moment, refused when they do not fit, and continued bit by bit the same."""

import os
import pickle
import random
import re
import signal
import subprocess
import sys
import textwrap
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from unet_tutorial.checkpoints import random_states, read_checkpoint, set_random_states, write_checkpoint
from unet_tutorial.losses import CombinedLoss, FocalLoss, bce_loss
from unet_tutorial.pretrained import load_model
from unet_tutorial.training import History, fit
from unet_tutorial.unet import UNet
from unet_tutorial.variants import MODELS

EPOCHS = 3


class Squares(Dataset):
    """Squares, if wanted with random noise from all three sources, drawn anew every time."""

    def __init__(self, noise: bool = True):
        self.noise = noise

    def __len__(self) -> int:
        return 8

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        mask = torch.zeros(1, 16, 16)
        mask[:, i : i + 6, 4:12] = 1
        noise = torch.rand(1, 16, 16) + random.random() + np.random.rand() if self.noise else torch.zeros(1, 16, 16)
        return (mask + noise) / 4, mask


def squares(seed: int | None, *, noise: bool = True, **options) -> DataLoader:
    """A loader that shuffles, with a generator of its own when a seed is given."""
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return DataLoader(Squares(noise), batch_size=3, shuffle=True, generator=generator, **options)


def seeded(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def unet(**options) -> UNet:
    return UNet(1, channels=(2, 4), **options)


def with_dropout() -> nn.Module:
    return nn.Sequential(nn.Dropout(0.3), unet())


def train(model: nn.Module, seed: int | None = None, loader_options: dict | None = None, **options) -> History:
    loaders = (squares(seed, **loader_options or {}) for _ in range(2))
    return fit(model, *loaders, **{"epochs": EPOCHS, "device": "cpu", "progress": False} | options)


def stop_at(model: nn.Module, call: int) -> nn.Module:
    """Press Ctrl-C in a certain call of the model."""
    calls = []

    def hook(*_) -> None:
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt

    model.register_forward_pre_hook(hook)
    return model


def assert_same(model: nn.Module, other: nn.Module) -> None:
    assert model.state_dict().keys() == other.state_dict().keys()
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


# It goes on as if nothing had happened -------------------------------------------------------------------------------

LOADERS = {
    "plain": (None, {}),
    "generator": (5, {}),
    "workers": (None, {"num_workers": 2}),
    "generator and workers": (5, {"num_workers": 2}),
    "kept workers": (None, {"num_workers": 2, "persistent_workers": True}),
}


@pytest.mark.parametrize("loader", LOADERS)
def test_a_resumed_training_ends_with_the_same_bits(tmp_path, loader):
    """Stopped in every epoch in turn, and resumed from other weights and other random numbers."""
    generator, loader_options = LOADERS[loader]
    if loader == "kept workers":  # they draw their own noise, which goes on from wherever they are: none of it then
        loader_options = loader_options | {"noise": False}
    seeded(1)
    reference = with_dropout()
    expected = train(reference, generator, loader_options)
    for whole in range(EPOCHS):
        path = tmp_path / f"{whole}.pt"
        seeded(1)
        model = stop_at(with_dropout(), whole * 6 + 2)  # three batches to train and three to evaluate an epoch
        with pytest.warns(UserWarning, match=f"training was interrupted after {whole} of {EPOCHS} epochs"):
            history = train(model, generator, loader_options, checkpoint=path)
        assert history.epochs == whole
        seeded(99)
        model = with_dropout()
        assert train(model, generator and 77, loader_options, checkpoint=path, resume=True) == expected
        assert_same(model, reference)


RECIPES = {
    "sgd": {"optimizer": partial(torch.optim.SGD, momentum=0.9), "schedule": "constant"},
    "clipped": {"clip_norm": 0.1, "channels_last": True},
    "bfloat16": {"precision": "bfloat16"},
    "float16": {"precision": "float16"},
    "patient": {"patience": 5, "schedule": "constant", "learning_rate": 0.3},
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_can_be_resumed(tmp_path, recipe):
    options = RECIPES[recipe]
    seeded(1)
    reference = unet()
    expected = train(reference, **options)
    seeded(1)
    with pytest.warns(UserWarning, match="interrupted after 2 of 3 epochs"):
        train(stop_at(unet(), 15), checkpoint=tmp_path / "a.pt", **options)
    model = unet()
    assert train(model, checkpoint=tmp_path / "a.pt", resume=True, **options) == expected
    assert_same(model, reference)


def test_what_was_watched_before_is_still_there(tmp_path):
    images = torch.rand(2, 1, 16, 16)
    seeded(1)
    expected = train(unet(), watch=images)
    seeded(1)
    with pytest.warns(UserWarning, match="interrupted after 2 of 3 epochs"):
        train(stop_at(unet(), 17), checkpoint=tmp_path / "a.pt", watch=images)
    history = train(unet(), checkpoint=tmp_path / "a.pt", resume=True, watch=images)
    assert len(history.watched) == EPOCHS
    assert all(torch.equal(a, b) for a, b in zip(history.watched, expected.watched, strict=True))
    with pytest.raises(ValueError, match="watch was 'images of .*' and is 'images of .*' now"):
        train(unet(), checkpoint=tmp_path / "a.pt", resume=True, watch=images + 1)


def test_a_finished_training_is_not_trained_again(tmp_path):
    seeded(1)
    reference, model = unet(), unet()
    expected = train(reference, checkpoint=tmp_path / "a.pt")
    assert train(model, checkpoint=tmp_path / "a.pt", resume=True) == expected
    assert_same(model, reference)


KILLED_CODE = -9 if hasattr(os, "fork") else 15  # of a process that psutil kills; the second on Windows
KILLED = """
import psutil
from tests_checkpoints import seeded, train, unet
seeded(1)
model, calls = unet(), []

def kill(*_):
    calls.append(1)
    if len(calls) == 9:
        psutil.Process().kill()

model.register_forward_pre_hook(kill)
train(model, checkpoint="state.pt")
"""


def python(code: str, folder: Path) -> subprocess.Popen:
    """Start code in a new process in which this file can be imported as ``tests_checkpoints``."""
    begin = f"""
        import importlib.util, sys
        spec = importlib.util.spec_from_file_location("tests_checkpoints", {str(Path(__file__))!r})
        sys.modules["tests_checkpoints"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(begin) + code], cwd=folder, env=environment, **pipes)


def test_a_killed_training_is_resumed_in_another_process(tmp_path):
    with python(KILLED, tmp_path) as process:
        _, said = process.communicate()
    assert process.returncode == KILLED_CODE, said
    seeded(1)
    reference = unet()
    expected = train(reference)
    model = unet()
    assert len(read_checkpoint(tmp_path / "state.pt")["history"]["val_iou"]) == 1
    assert train(model, checkpoint=tmp_path / "state.pt", resume=True) == expected
    assert_same(model, reference)


def test_workers_do_not_change_the_weights():
    models = []
    for workers in (0, 1, 2):
        seeded(1)
        models.append(unet())
        train(models[-1], loader_options={"num_workers": workers, "noise": False})
    assert_same(models[0], models[1])
    assert_same(models[0], models[2])


def test_the_random_numbers_come_back():
    def draw(loader: DataLoader) -> list:
        return [torch.rand(2).tolist(), np.random.rand(), np.random.randn(), random.random(), list(loader.sampler)]

    loader, other = squares(3), squares(4)
    draw(loader)
    states = random_states([loader])
    drawn = draw(loader)
    set_random_states(states, [other])
    assert draw(other) == drawn
    with pytest.raises(ValueError, match="as many generators of their own as .* 1, but have 0. Build them in the same"):
        set_random_states(states, [squares(None)])
    set_random_states(random_states([[1, 2]]), [[1, 2]])  # a list has no generator


def test_generators_are_found_wherever_a_loader_has_them():
    own = [torch.Generator() for _ in range(3)]
    sampler = torch.utils.data.RandomSampler(Squares(), generator=own[0])
    batches = torch.utils.data.BatchSampler(torch.utils.data.RandomSampler(Squares(), generator=own[1]), 2, False)
    data = Squares()
    data.generator = own[2]
    loaders = [DataLoader(Squares(), sampler=sampler), DataLoader(Squares(), batch_sampler=batches), DataLoader(data)]
    assert len(random_states([*loaders, *loaders])["loaders"]) == 3


# The file is whole at every moment -----------------------------------------------------------------------------------

POINTS = {
    "half written": "torch.save = lambda content, file: (file.write(b'half'), file.flush(), die())",
    "before it is on the disk": "os.fsync = lambda file: die()",
    "before it gets the name": "os.replace = lambda old, new: die()",
}
DIES = """
import os, psutil, torch
from unet_tutorial.checkpoints import write_checkpoint
die = psutil.Process().kill
{point}
write_checkpoint("state.pt", {{"number": 2}})
"""


@pytest.mark.parametrize("point", POINTS)
def test_a_process_that_dies_while_writing_leaves_the_old_file(tmp_path, point):
    write_checkpoint(tmp_path / "state.pt", {"number": 1})
    before = (tmp_path / "state.pt").read_bytes()
    with python(DIES.format(point=POINTS[point]), tmp_path) as process:
        _, said = process.communicate()
    assert process.returncode == KILLED_CODE, said
    assert (tmp_path / "state.pt").read_bytes() == before
    (left,) = {file.name for file in tmp_path.iterdir()} - {"state.pt"}
    assert left.startswith(".state.pt.") and left.endswith(".tmp")
    write_checkpoint(tmp_path / "state.pt", {"number": 3})  # what was left is in nobody's way
    assert torch.load(tmp_path / "state.pt", weights_only=True) == {"number": 3}


KILLER = """
import os, random, subprocess, sys, time, torch
from unet_tutorial.checkpoints import write_checkpoint

def write_for_ever(start):
    number = start
    while True:
        number += 1
        write_checkpoint("state.pt", {"values": torch.full((200_000,), number)})
        os.write(1, b".")

if len(sys.argv) > 1:  # as the child of the one below, where no process can be forked
    write_for_ever(int(sys.argv[1]))

def forked(start):
    hear, say = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(say, 1)
        write_for_ever(start)
    os.close(say)
    return child, hear, lambda: (os.kill(child, 9), os.waitpid(child, 0), os.close(hear))

def started(start):
    child = subprocess.Popen([sys.executable, "-c", sys.orig_argv[-1], str(start)], stdout=subprocess.PIPE)
    return child, child.stdout.fileno(), lambda: (child.kill(), child.wait(), child.stdout.close())

random.seed(0)
seen = [0]
write_checkpoint("state.pt", {"values": torch.zeros(200_000)})
for _ in range(ROUNDS):
    child, hear, end = WAY(seen[-1])
    for _ in range(random.randrange(LEAST, 3)):  # some die in their first writing, on a busy machine too
        os.read(hear, 1)
    time.sleep(random.uniform(0, 0.02))
    end()
    values = torch.load("state.pt", weights_only=True)["values"]
    assert (values == values[0]).all()
    seen.append(int(values[0]))
assert seen == sorted(seen), seen
print(len(set(seen)))
"""
WAYS = {"forked": (40, 0)} if hasattr(os, "fork") else {}  # how often, and how many writings the children end at least
WAYS["started"] = (3, 1)  # what every system has, and slower


@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_is_killed_at_any_time_leaves_a_whole_file(tmp_path, way):
    rounds, least = WAYS[way]
    code = KILLER.replace("ROUNDS", str(rounds)).replace("LEAST", str(least)).replace("WAY", way)
    with python(code, tmp_path) as process:
        distinct, said = process.communicate()
    assert process.returncode == 0, said
    assert int(distinct) > rounds / 4  # the children did write


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "state.pt"
    write_checkpoint(path, {"number": 1})
    with pytest.raises((pickle.PicklingError, AttributeError)):
        write_checkpoint(path, {"number": lambda: 1})
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]
    assert torch.load(path, weights_only=True) == {"number": 1}


@pytest.mark.parametrize("path", [".", "no/such/folder/state.pt"])
def test_a_path_that_cannot_be_is_refused_before_training(tmp_path, path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = unet()
    before = model.head.weight.clone()
    with pytest.raises(ValueError, match="checkpoint must be a file in a folder that is there, but got '.*'"):
        train(model, checkpoint=path)
    assert torch.equal(model.head.weight, before)


def test_what_could_not_be_read_again_is_known_before_training(tmp_path):
    model = unet()
    model.config["block"] = Path("double")  # it can be written, but a reader of plain values does not take it
    with pytest.raises(ValueError, match="cannot be read: it is not a file that fit wrote"):
        train(model, checkpoint=tmp_path / "a.pt")


# It says what is wrong with a file -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "state.pt"
    seeded(1)
    train(unet(), checkpoint=path)
    return path


def refused(path: Path, message: str) -> None:
    """Reading, loading and resuming refuse the file, and the model stays as it was."""
    for read in (read_checkpoint, load_model):
        with pytest.raises(ValueError, match=message):
            read(path)
    model = unet()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        train(model, checkpoint=path, resume=True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_file_that_is_not_there_is_refused(tmp_path):
    refused(tmp_path / "state.pt", "is not there. To begin a training, leave resume out")
    assert not list(tmp_path.iterdir())


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "state.pt").touch()
    refused(tmp_path / "state.pt", "state.pt' is empty")


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_refused(saved, tmp_path, share):
    content = saved.read_bytes()
    (tmp_path / "state.pt").write_bytes(content[: int(share * len(content))])
    refused(tmp_path / "state.pt", "is damaged, cut off, or no file of torch.save")


def test_a_wrong_byte_in_the_content_is_found(saved, tmp_path):
    """In the middle of every part of the file in turn."""
    content = saved.read_bytes()
    with zipfile.ZipFile(saved) as file:
        parts = [(i.header_offset, i.compress_size, len(i.filename)) for i in file.infolist() if i.compress_size > 8]
    assert len(parts) > 10
    for offset, size, name in parts:
        extra = int.from_bytes(content[offset + 28 : offset + 30], "little")
        place = offset + 30 + name + extra + size // 2
        broken = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        (tmp_path / "state.pt").write_bytes(broken)
        with pytest.raises(ValueError, match="state.pt' is damaged: the check sum of its part '.*' is wrong"):
            read_checkpoint(tmp_path / "state.pt")
    refused(tmp_path / "state.pt", "is damaged: the check sum")


class Harm:
    def __reduce__(self):
        return (os.mkdir, ("harm",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"weight": torch.zeros(3)}, "is not a file that fit wrote. It seems to hold weights alone"),
        ({"epoch": 3}, "is not a file that fit wrote.$"),
        ({}, "is not a file that fit wrote.$"),
        ([1, 2], "is not a file that fit wrote.$"),
        ({"format": "unet_tutorial checkpoint 1"}, "is not a file that fit wrote.$"),
        (nn.Conv2d(1, 1, 1), "cannot be read: it is not a file that fit wrote"),
        (Harm(), "cannot be read: it is not a file that fit wrote"),
    ],
)
def test_a_file_of_torch_that_is_something_else_is_refused(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    torch.save(content, "state.pt")
    refused(Path("state.pt"), message)
    assert not Path("harm").exists()


def whole_model(model: nn.Module) -> object:
    return model


FOREIGN = {  # how other programs keep a network's weights
    "weights": lambda model: model.state_dict(),
    "weights of a DataParallel": lambda model: nn.DataParallel(model).state_dict(),
    "weights of a compiled model": lambda model: torch.compile(model, backend="eager").state_dict(),
    "weights under a name": lambda model: {"epoch": 3, "state_dict": model.state_dict()},
    "Lightning's": lambda model: {
        "epoch": 3,
        "state_dict": {f"_orig_mod.{k}": v for k, v in model.state_dict().items()},
    },
    "weights and the values of the masks": lambda model: model.state_dict() | {"mask_values": [0, 255]},
    "a whole model": whole_model,
}


@pytest.mark.parametrize("old", [False, True], ids=["today's torch", "torch before 1.6"])
@pytest.mark.parametrize("name", FOREIGN)
def test_what_the_message_says_brings_foreign_weights_into_a_model(tmp_path, name, old):
    kept = unet()
    torch.save(FOREIGN[name](kept), tmp_path / "foreign.pt", _use_new_zipfile_serialization=not old)
    with pytest.raises(ValueError, match="is not a file that fit wrote") as refused:
        load_model(tmp_path / "foreign.pt")
    names = {"torch": torch, "model": unet()}
    code = re.search(r"(model(?:\.load_state_dict\(| = torch\.load).*)\.$", str(refused.value))
    exec(code[1], names)  # the text of our own message
    assert_same(names["model"], kept)


def test_a_model_that_cannot_be_built_comes_out_of_its_checkpoint_as_the_message_says(tmp_path):
    kept = with_dropout()
    train(kept, checkpoint=tmp_path / "a.pt", epochs=1)
    with pytest.raises(ValueError, match="class Sequential, and only UNet") as refused:
        load_model(tmp_path / "a.pt")
    model = with_dropout()
    code = re.search(r"(model\.load_state_dict\(.*)\.$", str(refused.value))
    exec(code[1], {"read_checkpoint": read_checkpoint, "model": model})
    assert_same(model, kept)


def test_what_a_killed_process_left_is_deleted_and_what_a_living_one_writes_is_not(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    (tmp_path / f".a.pt.{gone.pid}.tmp").write_bytes(b"half")
    living = tmp_path / f".a.pt.{os.getppid()}.tmp"
    living.write_bytes(b"half")
    (tmp_path / f".b.pt.{gone.pid}.tmp").write_bytes(b"of another checkpoint")
    write_checkpoint(tmp_path / "a.pt", {"number": 1})
    assert {file.name for file in tmp_path.iterdir()} == {"a.pt", living.name, f".b.pt.{gone.pid}.tmp"}


def test_a_full_disk_is_named_with_the_file(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write_checkpoint(tmp_path / "a.pt", {"number": 1})
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="checkpoint '.*a.pt' could not be written: No space left"):
        write_checkpoint(tmp_path / "a.pt", {"number": 2})
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]


def test_ctrl_c_while_a_checkpoint_is_written_waits_until_it_is(tmp_path, monkeypatch):
    save = torch.save

    def slow(content: object, file: object) -> None:
        signal.raise_signal(signal.SIGINT)
        save(content, file)

    monkeypatch.setattr(torch, "save", slow)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(tmp_path / "a.pt", {"number": 1})
    assert torch.load(tmp_path / "a.pt", weights_only=True) == {"number": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.parametrize("content", [b"hello", pickle.dumps({"epoch": 1}), b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "state.pt").write_bytes(content)
    refused(tmp_path / "state.pt", "is damaged, cut off, or no file of torch.save")


def test_an_archive_of_another_kind_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "state.pt", "w") as file:
        file.writestr("letter.txt", "hello")
    refused(tmp_path / "state.pt", "cannot be read: it is not a file that fit wrote")


class Tiny(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1), nn.Conv2d(channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (unet(), MODELS["ResidualUNet"](1, channels=(2, 4)), "another model: UNet with .*, but the model is ResidualU"),
        (unet(), UNet(1, channels=(2, 6)), r"another model: .*\(2, 4\).*, but the model is UNet with .*\(2, 6\)"),
        (Tiny(2), Tiny(3), "another model: 3 weights differ in name, shape or dtype, among them 'layers.0.bias'"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(tmp_path, first, second, message):
    train(first, checkpoint=tmp_path / "state.pt")
    before = [value.clone() for value in second.state_dict().values()]
    with pytest.raises(ValueError, match=message):
        train(second, checkpoint=tmp_path / "state.pt", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(before, second.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 4}, "epochs was 3 and is 4 now. Resume with the options with which it began"),
        ({"learning_rate": 0.02}, "learning_rate was 0.01 and is 0.02 now"),
        ({"schedule": "constant"}, "schedule was 'one-cycle' and is 'constant' now"),
        ({"optimizer": torch.optim.SGD}, r"optimizer was 'AdamW\(.*\)' and is 'SGD\(.*\)' now"),
        ({"optimizer": partial(torch.optim.AdamW, weight_decay=0.5)}, "weight_decay=0.01.* now"),
        ({"loss": bce_loss}, r"loss was 'CombinedLoss\(.*\)' and is 'bce_loss\(\)' now"),
        ({"loss": CombinedLoss(0.25, 0.75)}, "loss was .*bce_weight=0.5.* and is .*bce_weight=0.25.* now"),
        ({"loss": FocalLoss()}, "loss was .* and is 'FocalLoss"),
        ({"clip_norm": 1.0}, "clip_norm was None and is 1.0 now"),
        ({"precision": "bfloat16"}, "precision was 'float32' and is 'bfloat16' now"),
        ({"channels_last": True}, "channels_last was False and is True now"),
        ({"patience": 2}, "patience was None and is 2 now"),
        ({"watch": torch.zeros(1, 1, 8, 8)}, r"watch was None and is 'images of shape \(1, 1, 8, 8\), sha256"),
        ({"loader_options": {"drop_last": True}}, "batches was 3 and is 2 now"),
        ({"epochs": 5, "clip_norm": 2}, "epochs was 3 and is 5 now; clip_norm was None and is 2.0 now"),
    ],
)
def test_a_checkpoint_of_another_recipe_is_refused(saved, options, message):
    with pytest.raises(ValueError, match=f"is of another recipe: .*{message}"):
        train(unet(), checkpoint=saved, resume=True, **options)


def test_loaders_with_other_generators_are_refused(saved):
    with pytest.raises(ValueError, match="as many generators of their own as when the checkpoint was written, 0, but"):
        train(unet(), 5, checkpoint=saved, resume=True)


def test_resume_needs_a_file():
    with pytest.raises(ValueError, match="resume=True needs checkpoint, the file from which to go on, but got None"):
        train(unet(), resume=True)


# A model comes out of it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_built_from_its_checkpoint(tmp_path, name):
    model = MODELS[name](1, channels=(2, 4), norm="group")
    train(model, checkpoint=tmp_path / "state.pt", epochs=1)
    again = load_model(tmp_path / "state.pt")
    assert type(again) is type(model) and again.config == model.config and not again.training
    assert_same(again, model)


def test_a_class_of_your_own_is_not_built(tmp_path):
    model = Tiny(2)
    train(model, checkpoint=tmp_path / "state.pt")
    with pytest.raises(ValueError, match="a model of the class Tiny, and only UNet, .* can be built .*Build it yours"):
        load_model(tmp_path / "state.pt")
    again = Tiny(2)
    again.load_state_dict(read_checkpoint(tmp_path / "state.pt")["model"])
    assert_same(again, model)
