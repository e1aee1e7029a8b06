"""A network as ONNX: the same numbers at every size, and what belongs to it in its metadata."""

import json

import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from unet_tutorial import export
from unet_tutorial.export import to_onnx
from unet_tutorial.inference import predict
from unet_tutorial.pretrained import load_pretrained
from unet_tutorial.unet import UNet


def run(path, images: torch.Tensor) -> torch.Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": images.numpy()})
    return torch.from_numpy(logits)


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory):
    """The shipped network, its file, and what `to_onnx` said of it."""
    path, model = tmp_path_factory.mktemp("onnx") / "nuclei.onnx", load_pretrained("nuclei")
    model.train()
    return model, path, to_onnx(model, path, notes={"normalization": "percentiles"})


def test_any_number_of_images_of_any_size_gives_the_same(nuclei):
    model, path, _ = nuclei
    assert model.training, "the model is as it was"
    generator = torch.Generator().manual_seed(0)
    for shape in [(1, 1, 8, 8), (3, 1, 64, 40), (2, 1, 33, 19), (1, 1, 24, 24)]:
        images = torch.rand(shape, generator=generator)
        with torch.no_grad():
            expected = model.eval()(images)
        assert_close(run(path, images), expected, atol=1e-4, rtol=1e-4)
        if shape[2] % 8 == shape[3] % 8 == 0:  # where nothing is filled up, predict says the same
            assert_close(run(path, images), predict(model, images, progress=False), atol=1e-4, rtol=1e-4)


def test_the_file_says_what_it_takes_and_what_it_gives(nuclei):
    model, path, said = nuclei
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == said
    assert said["normalization"] == "percentiles" and said["smallest side"] == "8" and said["model"] == "UNet"
    assert UNet(**json.loads(said["config"])).config == model.config
    (images,), (logits,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type, images.shape[1]) == ("images", "tensor(float)", 1)
    assert (logits.name, logits.type, logits.shape[1]) == ("logits", "tensor(float)", 3)
    assert not [side for side in (0, 2, 3) if isinstance(images.shape[side], int)], "all other sides are free"
    onnx.checker.check_model(onnx.load(path))


def test_a_picture_below_the_smallest_side_is_an_error_there_as_well(nuclei):
    _, path, said = nuclei
    side = int(said["smallest side"]) - 1
    with pytest.raises(Exception, match="."):  # whatever onnxruntime raises
        run(path, torch.rand(1, 1, side, side))


def half() -> UNet:
    return UNet(1, channels=(2, 4)).half()


@pytest.mark.parametrize(
    ("model", "name", "options", "said"),
    [
        (nn.Identity(), "a.onnx", {}, "model must be a UNet or one of its variants.*got Identity"),
        (UNet(1, channels=(2, 4), padding="none"), "a.onnx", {}, "keep the size .* padding='none'"),
        (half(), "a.onnx", {}, r"float32 weights, but has float16. Convert it: model.float\(\)"),
        (UNet(1, channels=(2, 4)), "a.pt", {}, "path must end in .onnx, but got .*a.pt"),
        (UNet(1, channels=(2, 4)), "none/a.onnx", {}, "the folder of .* is not there. Make it first: mkdir"),
        (UNet(1, channels=(2, 4)), "there.onnx", {}, "there.onnx' is there already. .* overwrite=True"),
        (UNet(1, channels=(2, 4)), "a.onnx", {"notes": {"size": 3}}, "notes must map text to text, but got 'size': 3"),
        (UNet(1, channels=(2, 4)), "a.onnx", {"notes": {"config": "x"}}, "must not have the name 'config'"),
    ],
)
def test_wrong_use_is_answered_before_anything_is_computed(tmp_path, model, name, options, said):
    (tmp_path / "there.onnx").write_bytes(b"mine")
    with pytest.raises(ValueError, match=said):
        to_onnx(model, tmp_path / name, **options)
    assert (tmp_path / "there.onnx").read_bytes() == b"mine" and len(list(tmp_path.iterdir())) == 1


def test_what_is_missing_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    find = export.importlib.util.find_spec
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    with pytest.raises(ModuleNotFoundError, match="but onnxscript cannot be found. .* pip install onnx onnxscript"):
        to_onnx(UNet(1, channels=(2, 4)), tmp_path / "a.onnx")


def test_a_file_is_replaced_when_that_is_said(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"old")
    to_onnx(UNet(1, channels=(2, 4)), path, overwrite=True)
    assert run(path, torch.zeros(1, 1, 4, 6)).shape == (1, 1, 4, 6)
