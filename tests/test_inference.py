"""Prediction on any size: padded as numpy pads, tiled as if it were whole, in bounded memory, and with clear errors."""

import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from weakref import finalize

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.inference import predict
from unet_tutorial.metrics import predicted_masks
from unet_tutorial.pretrained import load_pretrained
from unet_tutorial.unet import UNet
from unet_tutorial.variants import MODELS


def random_model(name: str = "UNet", **options) -> UNet:
    """A network with random weights, whose batch normalization has seen noise, so that no signal fades on its way."""
    torch.manual_seed(0)
    model = MODELS[name](**{"in_channels": 1, "channels": (4, 6, 8)} | options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # keep what the last batch showed
    model(torch.rand(4, model.config["in_channels"], 64, 64))
    return model


def noise(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(1).random(shape).astype(dtype)


def quiet(model: nn.Module, images, **options):
    return predict(model, images, progress=False, **options)


class Constants(nn.Module):
    """Answers every call with one number: the first with 1, the second with 2, or always with the same."""

    def __init__(self, depth: int, always: float | None = None):
        super().__init__()
        self.depth, self.always, self.calls = depth, always, 0
        self.config = {"in_channels": 1, "num_classes": 1}
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return torch.full_like(x, self.calls if self.always is None else self.always)


# Without tiles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_an_image_that_fits_is_given_to_the_model_as_it_is(batch_size):
    model, images = random_model(num_classes=3), torch.from_numpy(noise(5, 1, 20, 32))
    expected = model.eval()(images)
    logits = quiet(model, images, batch_size=batch_size)
    torch.testing.assert_close(logits, expected.detach(), atol=1e-5, rtol=0)
    assert logits.shape == (5, 3, 20, 32) and not logits.requires_grad
    assert predicted_masks(logits).shape == (5, 20, 32)


@pytest.mark.parametrize("side", [(1, 1), (1, 9), (3, 2), (5, 64), (37, 41), (4, 7)])
def test_other_sizes_are_continued_by_their_mirror_image(side):
    model, images = random_model(in_channels=2), noise(2, 2, *side)
    missing = [(0, -n % 4) for n in side]
    padded = torch.from_numpy(np.pad(images, [(0, 0), (0, 0), *missing], mode="reflect"))
    expected = model.eval()(padded)[..., : side[0], : side[1]].detach()
    logits = quiet(model, images)
    assert logits.shape == (2, 1, *side)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


def test_arrays_tensors_and_views_are_the_same_to_it():
    model, array = random_model(), noise(1, 1, 40, 40)
    expected = quiet(model, array)
    read_only = array.view()
    read_only.flags.writeable = False
    flipped = np.ascontiguousarray(array[..., ::-1])[..., ::-1]  # a view with a negative stride
    for same in (torch.from_numpy(array), torch.from_numpy(array).requires_grad_(), read_only, flipped):
        assert torch.equal(quiet(model, same), expected)


def test_the_modes_come_back_and_nothing_is_learned():
    model = random_model()
    model.train()
    model.encoder.eval()
    modes = [module.training for module in model.modules()]
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    quiet(model, noise(2, 1, 64, 64), tile=48, overlap=16)
    with pytest.raises(ValueError, match="finite"):
        quiet(model, np.full((1, 1, 8, 8), np.nan, np.float32))
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def test_the_device_is_where_it_computes_and_the_result_is_on_the_cpu(device):
    model, images = random_model(), noise(1, 1, 70, 70)
    expected = quiet(model, images)
    logits = quiet(model, torch.from_numpy(images).to(device), tile=48, overlap=16, device=device)
    assert logits.device.type == "cpu" and next(model.parameters()).device.type == device
    torch.testing.assert_close(quiet(model, images), expected, atol=1e-3, rtol=0)  # and the model has stayed there


# With tiles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [(384, 384), (301, 515)])
def test_tiles_make_no_difference_to_a_trained_network(side):
    """It has seen cells only at 128 pixels; we lay a sheet of them and cut it to size."""
    data = SyntheticCellsDataset(20, split="test")
    rows = [torch.cat([data[5 * i + j][0] for j in range(5)], dim=-1) for i in range(4)]
    sheet = torch.cat(rows, dim=-2)[None, :, : side[0], : side[1]]  # (1, 1, *side)
    model = load_pretrained("cells")
    whole = quiet(model, sheet)
    assert 0.1 < predicted_masks(whole).mean() < 0.9
    tiled = quiet(model, sheet, tile=256)
    assert (tiled - whole).abs().max() < 1e-4  # everywhere, also where tiles meet
    rough = quiet(model, sheet, tile=256, overlap=0)
    assert (rough - whole).abs().max() > 0.1  # tiles that know nothing of each other do make a difference


VARIANTS = [(name, {}) for name in MODELS] + [("UNet", {"upsample": u}) for u in ("bilinear", "nearest")]


@pytest.mark.parametrize("name, options", VARIANTS)
def test_the_default_overlap_covers_the_receptive_field_of_every_network(name, options):
    """In float64 rounding is far below what a single pixel of the receptive field contributes."""
    model = random_model(name, channels=(4, 4, 4), **options).double()
    images = noise(1, 1, 171, 230, dtype=np.float64)
    whole = quiet(model, images)
    assert (quiet(model, images, tile=128) - whole).abs().max() < 1e-12 * whole.abs().max()
    # The default is 56. With 40, each tile gives 8 pixels less to its margin, and the same comparison sees it.
    assert (quiet(model, images, tile=128, overlap=40) - whole).abs().max() > 1e-9 * whole.abs().max()


@pytest.mark.parametrize("depth, overlap", [(3, 128), (4, 272)])
def test_the_default_overlap_is_what_the_docstring_says(depth, overlap):
    with pytest.raises(ValueError, match=f"overlap={overlap}, the default at this depth"):
        quiet(Constants(depth), noise(1, 1, 16, 16), tile=2 * overlap - 2**depth)
    assert f"{overlap} for a depth of {depth}" in predict.__doc__
    quiet(Constants(depth), noise(1, 1, 16, 16), tile=2 * overlap)  # is enough


def test_group_normalization_makes_tiles_approximate():
    """It takes the mean of what it sees, of the tile and not of the image: the docstring says so."""
    model, images = random_model(norm="group").double(), noise(1, 1, 171, 230, dtype=np.float64)
    images[..., :100] *= 0.5  # or else all tiles would have nearly the same mean
    assert (quiet(model, images, tile=128) - quiet(model, images)).abs().max() > 1e-3


def test_far_from_the_tiles_sides_any_overlap_is_exact():
    model, images = random_model().double(), noise(1, 1, 256, 96, dtype=np.float64)
    whole, tiled = quiet(model, images), quiet(model, images, tile=128, overlap=8)
    wrong = (tiled - whole).abs()[0, 0].amax(dim=1) > 1e-12  # of every row
    # Tiles end at 128 and 248, and begin at 120 and 240; a logit sees at most 26 pixels beyond itself.
    touched = torch.zeros(256, dtype=torch.bool)
    for first, last in ((120, 128), (240, 248)):
        touched[first - 26 : last + 26] = True
    assert wrong.any() and not (wrong & ~touched).any()


@pytest.mark.parametrize("tile, overlap", [(8, 0), (8, 4), (24, 8), (24, 12), (64, 32), (40, 0), (400, 8)])
@pytest.mark.parametrize("side", [(1, 3), (8, 8), (33, 79), (64, 200)])
def test_weights_add_up_to_one(side, tile, overlap):
    logits = quiet(Constants(2, always=5.0), noise(2, 1, *side), tile=tile, overlap=overlap)
    torch.testing.assert_close(logits, torch.full((2, 1, *side), 5.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("overlap, most", [(0, 1.0), (4, 0.4), (16, 0.4), (64, 0.14)])
def test_neighbouring_tiles_fade_into_each_other(overlap, most):
    model = Constants(2)
    step = quiet(model, noise(1, 1, 8, 300), tile=256, overlap=overlap).diff(dim=-1)  # between two pixels of a row
    assert model.calls == 2
    assert step.sum(-1).max() == pytest.approx(1)  # from the first tile's 1 to the second's 2
    assert 0 <= step.min() and step.max() <= most


def test_the_tiles_start_where_the_pooling_of_the_whole_image_does():
    shapes = Counter()
    model = random_model()
    model.register_forward_hook(lambda _, inputs, __: shapes.update([tuple(inputs[0].shape)]))
    quiet(model, noise(3, 1, 30, 101), tile=40, overlap=8, batch_size=2)
    # Rows 0-32, of which 2 mirrored; columns 0-40, 32-72 and 64-104, of which 3 mirrored.
    assert shapes == {(2, 1, 32, 40): 3, (1, 1, 32, 40): 3}
    shapes.clear()
    quiet(model, noise(1, 1, 4, 77), tile=40, overlap=8)
    assert shapes == {(1, 1, 4, 40): 2, (1, 1, 4, 16): 1}  # the last tile is as short as the rest of the image


# Files and memory -----------------------------------------------------------------------------------------------------


class Live(TorchDispatchMode):
    """Counts the bytes of all tensors that operations make, while they live, and keeps the highest count."""

    def __init__(self):
        super().__init__()
        self.users, self.bytes, self.peak = Counter(), 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor) and not any(tensor is arg for arg in args):
                self.add(tensor, args)
        return result

    def add(self, tensor: torch.Tensor, args: tuple) -> None:
        """Views share a storage, whose bytes count once, until the last of them is gone. Files count nothing."""
        storage = tensor.untyped_storage()
        key = (storage.data_ptr(), storage.nbytes())
        is_view = any(isinstance(a, torch.Tensor) and a.untyped_storage().data_ptr() == key[0] for a in args)
        if is_view and key not in self.users:
            return  # of memory that no operation made
        self.bytes += 0 if key in self.users else storage.nbytes()
        self.users[key] += 1
        self.peak = max(self.peak, self.bytes)
        finalize(tensor, self.drop, key)

    def drop(self, key: tuple[int, int]) -> None:
        self.users[key] -= 1
        if not self.users[key]:
            del self.users[key]
            self.bytes -= key[1]


def peak_memory(side: int, folder, **options) -> tuple[int, int]:
    """Predict an image that lies in a file; return the highest bytes held by torch, and by numpy and Python."""
    model = UNet(1, channels=(1, 2)).eval()
    images = np.memmap(folder / f"image{side}", np.float32, "w+", shape=(1, 1, side, side))
    images[..., side // 2 :, :] = 1
    with Live():  # the first use of a dispatch mode loads more of torch
        quiet(model, noise(1, 1, 8, 8))
    tracemalloc.start()
    try:
        with Live() as live:
            quiet(model, images, tile=512, **options)
        return live.peak, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_is_bounded_by_the_tile_and_not_by_the_image(tmp_path):
    """From 1024² to 8192² pixels. experiments/measure_tiles.py measures the same with the trained network."""

    def logits(side: int) -> np.memmap:
        return np.memmap(tmp_path / f"logits{side}", np.float32, "w+", shape=(1, 1, side, side))

    out = logits(8192)
    torch_small, python_small = peak_memory(1024, tmp_path, out=logits(1024))
    torch_large, python_large = peak_memory(8192, tmp_path, out=out)
    assert torch_large == torch_small
    # numpy copies a tile at a time; beside it lies the list of the tiles, some hundred bytes each.
    assert python_large < python_small + 300 * 1000 < 4 * 1024**2
    assert out.any(axis=(0, 1)).all()  # every pixel was written: no logit of this network is exactly 0
    without, _ = peak_memory(1024, tmp_path)  # where no file is given to write to, the logits themselves are held
    assert without == torch_small + 4 * 1024**2
    for file in tmp_path.iterdir():  # half a gigabyte, which pytest would keep until three runs later
        file.unlink()


def test_a_file_gives_what_an_array_gives(tmp_path):
    model, images = random_model(num_classes=2), noise(2, 1, 90, 131)
    images.tofile(tmp_path / "images")
    on_disk = np.memmap(tmp_path / "images", np.float32, "r", shape=images.shape)
    out = np.memmap(tmp_path / "logits", np.float32, "w+", shape=(2, 2, 90, 131))
    out[...] = np.nan  # what it held must not matter
    result = quiet(model, on_disk, tile=48, overlap=16, out=out)
    assert result is out
    out.flush()
    written = np.fromfile(tmp_path / "logits", np.float32).reshape(out.shape)
    assert torch.equal(torch.from_numpy(written), quiet(model, images, tile=48, overlap=16))


# Progress -------------------------------------------------------------------------------------------------------------


def test_a_bar_is_shown_where_there_is_more_than_one_step(capsys):
    model = random_model()
    predict(model, noise(1, 1, 40, 72), tile=40, overlap=8)
    assert "2/2" in (shown := capsys.readouterr().err) and "tile" in shown
    predict(model, noise(2, 1, 8, 8), batch_size=1)
    assert "2/2" in (shown := capsys.readouterr().err) and "batch" in shown
    predict(model, noise(2, 1, 8, 8))
    predict(model, noise(1, 1, 40, 72), tile=40, overlap=8, progress=False)
    assert capsys.readouterr().err == ""


def test_bars_can_be_hidden_from_outside():
    code = (
        "import torch; from unet_tutorial import UNet, predict\n"
        "predict(UNet(1, channels=(4, 8)), torch.zeros(2, 1, 8, 8), batch_size=1)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"TQDM_DISABLE": "1"}
    )
    assert (run.returncode, run.stderr) == (0, "")


# Bad input ------------------------------------------------------------------------------------------------------------

IMAGE = noise(1, 1, 16, 16)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"tile": 0}, "tile must be a whole number of at least 1, but got 0"),
        ({"tile": 50}, r"tile must be a multiple of 2\*\*depth = 2\*\*2 = 4, but got 50. The nearest are 48 and 52"),
        ({"tile": 2, "overlap": 0}, r"tile must be a multiple of 2\*\*depth = .* The nearest is 4"),
        ({"tile": 48, "overlap": -4}, "overlap must be a whole number of at least 0, but got -4"),
        ({"tile": 48, "overlap": 4.0}, "overlap must be a whole number of at least 0, but got 4.0"),
        ({"tile": 48, "overlap": True}, "overlap must be a whole number of at least 0, but got True"),
        ({"tile": 48, "overlap": 6}, "overlap must be a multiple .* but got 6. The nearest are 4 and 8"),
        ({"tile": 48, "overlap": 28}, "at least twice the overlap, but got tile=48 and overlap=28. Use tile=56"),
        ({"tile": 64}, "tile=64 and overlap=56, the default at this depth, .* Use tile=112 or more, or a smaller"),
        ({"overlap": 4}, "overlap needs tiles, but got overlap=4 and no tile"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, but got 0"),
        ({"device": "gpu"}, "device must be a name such as 'cpu' or 'cuda', but got 'gpu'"),
        ({"out": np.zeros((1, 1, 16, 17), np.float32)}, r"out must be .* shape \(1, 1, 16, 16\), .* \(1, 1, 16, 17\)"),
        ({"out": np.zeros((1, 1, 16, 16))}, "out must be a numpy array, float32 of shape .* but got float64 of shape"),
        ({"out": torch.zeros(1, 1, 16, 16)}, "out must be a numpy array, .* but got Tensor"),
        ({"out": np.broadcast_to(IMAGE[0], (1, 1, 16, 16))}, "out must be writable, but it is read-only"),
        ({"out": IMAGE}, "out must not share memory with images"),
    ],
)
def test_a_wrong_argument_is_named(options, said):
    before = IMAGE.copy()
    with pytest.raises(ValueError, match=said):
        quiet(random_model(), IMAGE, **options)
    assert np.array_equal(IMAGE, before)


@pytest.mark.parametrize(
    "images, said",
    [
        ([[1.0]], "images must be a torch tensor or a numpy array, but got list"),
        (IMAGE[0], r"shape \(B, 1, H, W\) .* but got \(1, 16, 16\). Add the missing axis: images\[None\]"),
        (noise(1, 3, 16, 16), r"shape \(B, 1, H, W\) .* but got \(1, 3, 16, 16\).$"),
        (noise(0, 1, 16, 16), "with at least one image and one pixel"),
        (noise(1, 1, 0, 16), "with at least one image and one pixel"),
        (IMAGE.astype(np.uint8), "images must be float32 like the model's weights, but got uint8. Convert them"),
        (torch.from_numpy(IMAGE).double(), "images must be float32 like the model's weights, but got float64"),
    ],
)
def test_wrong_images_are_refused(images, said):
    with pytest.raises(ValueError, match=said):
        quiet(random_model(), images)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_found_in_its_tile(value):
    images = noise(1, 1, 70, 70)
    images[0, 0, 60, 10] = value
    with pytest.raises(ValueError, match="NaN or infinity within the rows 32 to 69 and the columns 0 to 39. Replace"):
        quiet(random_model(), images, tile=40, overlap=8)


def test_a_foreign_model_is_refused():
    with pytest.raises(ValueError, match="model must be a UNet or one of its variants, .* but got Conv2d"):
        quiet(nn.Conv2d(1, 1, 3), IMAGE)
    with pytest.raises(ValueError, match="model must keep the size of an image, but was built with padding='none'"):
        quiet(UNet(1, channels=(4, 8), padding="none"), IMAGE)
