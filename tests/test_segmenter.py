"""A model in use: opened by name or from a file, on pictures of every kind, and from the command line."""

import csv
import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import torch
from skimage import io
from skimage.measure import regionprops

from unet_tutorial import segmenter
from unet_tutorial.__main__ import COMMANDS, main
from unet_tutorial.data.pictures import Pictures, normalize, nuclei_pieces
from unet_tutorial.data.synthetic import SyntheticCellsDataset
from unet_tutorial.inference import predict
from unet_tutorial.instances import from_logits
from unet_tutorial.plan import plan
from unet_tutorial.planned import USUAL, Planned, build, predict_picture, save_planned
from unet_tutorial.pretrained import load_pretrained
from unet_tutorial.segmenter import Segmenter, open_segmenter, segment_folder
from unet_tutorial.training import fit
from unet_tutorial.unet import UNet

PIECES = nuclei_pieces()


def checkpoint(path, num_classes=1, in_channels=1):
    """Write a checkpoint of a tiny network."""
    torch.manual_seed(0)
    masks = torch.zeros(2, 1, 8, 8) if num_classes == 1 else torch.zeros(2, 8, 8).long()
    data = [(torch.rand(2, in_channels, 8, 8), masks)]
    model = UNet(in_channels, num_classes=num_classes, channels=(2, 4))
    fit(model, data, data, epochs=1, checkpoint=path, progress=False, device="cpu")
    return path


@pytest.fixture
def thresholder():
    """What finds the parts above 100, and refuses a picture of 13 rows."""

    def segment(image):
        if len(image) == 13:
            raise ValueError("13 brings bad luck")
        grey = image if image.ndim == 2 else image.max(axis=2)
        return segmenter.ndimage.label(grey > 100)[0].astype(np.int64)

    return Segmenter(torch.nn.Identity(), segment, "objects", {})


def save(path, image):
    path.parent.mkdir(exist_ok=True)
    io.imsave(path, image, check_contrast=False)


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# One picture ---------------------------------------------------------------------------------------------------------


def test_the_shipped_nuclei_are_found_as_by_hand():
    image = torch.from_numpy(normalize(PIECES.images[0]))[None, None]  # (1, 1, 128, 128)
    by_hand = from_logits(predict(load_pretrained("nuclei"), image, progress=False)[0])
    found = open_segmenter("nuclei")
    assert found.task == "objects" and np.array_equal(found.segment(PIECES.images[0]), by_hand)
    assert by_hand.max() > 3


def test_the_shipped_cells_take_their_pictures_by_range():
    image = SyntheticCellsDataset(1)[0][0]  # (1, 128, 128)
    eight = (255 * image[0]).round().byte().numpy()
    exact = predict(load_pretrained("cells"), torch.from_numpy(eight / np.float32(255))[None, None])[0, 0] > 0
    found = open_segmenter("cells").segment(eight)
    assert np.array_equal(found > 0, exact) and found.max() > 1


@pytest.mark.parametrize("shape", [(1, 1), (5, 200), (33, 47)])
def test_any_size_comes_back_as_it_went_in(shape):
    labels = open_segmenter("nuclei").segment(np.full(shape, 7, np.uint16))
    assert labels.shape == shape and labels.dtype == np.int64


def test_a_large_picture_is_computed_in_tiles_and_gives_the_same(monkeypatch):
    image = np.tile(PIECES.images[1], (3, 4))  # (384, 512)
    whole = open_segmenter("nuclei").segment(image)
    sizes = []
    monkeypatch.setattr(segmenter, "LARGE", 256)
    monkeypatch.setattr(segmenter, "predict", lambda *a, **k: sizes.append(k["tile"]) or predict(*a, **k))
    tiled = open_segmenter("nuclei").segment(image)
    assert sizes == [512] and np.mean(whole > 0) > 0.05  # no tile is smaller than the overlaps ask for
    assert np.mean((whole > 0) != (tiled > 0)) < 1e-3


def test_grey_and_colour_find_their_way_to_either_network(tmp_path):
    grey = PIECES.images[0]
    one = open_segmenter("nuclei")
    assert np.array_equal(one.segment(np.stack([grey] * 3, axis=-1)), one.segment(grey))
    colour = open_segmenter(checkpoint(tmp_path / "rgb.pt", in_channels=3))
    assert colour.segment(grey).shape == colour.segment(np.stack([grey] * 3, axis=-1)).shape == grey.shape
    with pytest.raises(ValueError, match="takes 1 channels, but the picture has 2"):
        one.segment(np.zeros((8, 8, 2), np.uint8))


@pytest.mark.parametrize("kind", ["grey", "colours", "grey colours", "three channels of 16 bits"])
def test_a_network_gets_its_pictures_as_those_of_its_training_were(kind):
    grey = (PIECES.images[0] >> 4).clip(0, 255).astype(np.uint8)
    colours = np.stack([grey, grey // 2, 255 - grey], axis=-1)
    image = {
        "grey": grey,
        "colours": colours,
        "grey colours": np.stack([grey] * 3, axis=-1),
        "three channels of 16 bits": colours.astype(np.uint16) * 200,
    }[kind]
    beside = [image if kind.startswith("three") else colours, image]  # a folder in which there are colours
    learned = Pictures(["beside", "it"], beside, [None, None]).image(1)
    assert np.array_equal(segmenter._planes(image, 3, "percentiles"), learned.numpy())


@pytest.mark.parametrize("image", [np.full((9, 9), 2.0), np.full((9, 9), -1)])
def test_by_range_nothing_is_guessed(image):
    with pytest.raises(ValueError, match="taken by its range must hold whole numbers .* but it is"):
        open_segmenter("cells").segment(image)


def test_weights_that_are_broken_are_named(tmp_path):
    found = open_segmenter(checkpoint(tmp_path / "a.pt"))
    torch.nn.init.constant_(found.network.head.weight, float("nan"))
    with pytest.raises(ValueError, match="NaN or infinity: its weights are broken"):
        found.segment(PIECES.images[0])


@pytest.mark.parametrize(
    ("channels", "options", "task"),
    [(1, {}, "objects"), (3, {"output": "border"}, "objects"), (4, {"output": "classes"}, "classes")],
)
def test_a_checkpoint_is_used_as_it_is_said(tmp_path, channels, options, task):
    found = open_segmenter(checkpoint(tmp_path / "a.pt", channels), normalization="range", **options)
    labels = found.segment(np.zeros((10, 11), np.uint8))
    assert found.task == task and labels.shape == (10, 11) and "divided" in found.notes["normalization"]


@pytest.mark.parametrize("task", ["objects", "one class", "classes"])
def test_the_file_of_a_plan_says_itself_what_it_is(tmp_path, task):
    pictures = nuclei_pieces()
    recipe = dataclasses.replace(plan(pictures, minutes=1), task=task, num_classes=1 if task != "classes" else 3)
    model = build(recipe, 4).eval()
    trained = Planned(model, recipe, USUAL)
    save_planned(trained, tmp_path / "plan.pt")
    found = open_segmenter(tmp_path / "plan.pt")
    expected = predict_picture(trained, pictures.images[1]).numpy()
    labels = found.segment(pictures.images[1])
    assert np.array_equal(labels > 0, expected > 0) and found.task == ("classes" if task == "classes" else "objects")
    assert task == "one class" or np.array_equal(labels, expected)
    assert "scale" in found.notes and found.network.config == model.config
    with pytest.raises(ValueError, match="plan.pt' says itself .* leave out output"):
        open_segmenter(tmp_path / "plan.pt", output="mask")


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("nuclai", {}, "there is no file 'nuclai'. Did you mean 'nuclei'?"),
        ("nuclei", {"output": "mask"}, "'nuclei' says itself what is done .* leave out output"),
        ("mine.pt", {"output": "border"}, "output='border' does not fit a network with 1 channels"),
        ("mine.pt", {"output": "masks"}, "output must be one of .* Did you mean 'mask'?"),
        ("mine.pt", {"normalization": "percent"}, "normalization must be one of 'percentiles', 'range'"),
        ("three.pt", {}, r"gives 3 channels, and a checkpoint does not say .* output='border' .* output='classes'"),
        ("text.pt", {}, "checkpoint .*text.pt' is damaged, cut off, or no file of torch.save"),
    ],
)
def test_what_cannot_be_opened_is_refused(tmp_path, monkeypatch, model, options, said):
    monkeypatch.chdir(tmp_path)
    checkpoint(tmp_path / "mine.pt")
    checkpoint(tmp_path / "three.pt", 3)
    (tmp_path / "text.pt").write_text("not a model")
    with pytest.raises(ValueError, match=said):
        open_segmenter(model, **options)


# A folder ------------------------------------------------------------------------------------------------------------


def test_masks_and_measurements_are_those_of_the_objects(tmp_path, thresholder):
    image = np.zeros((30, 40), np.uint16)
    image[2:5, 3:9], image[10:20, 30:40] = 1000, 500
    save(tmp_path / "in" / "a.tif", image)
    save(tmp_path / "in" / "b.png", np.zeros((6, 5), np.uint8))
    report = segment_folder(thresholder, tmp_path / "in", progress=False)
    assert report.done == {"a": 2, "b": 0} and not report.left_out and report.out == tmp_path / "in_objects"
    mask = io.imread(report.out / "a.png")
    assert mask.dtype == np.uint16 and np.array_equal(mask, thresholder.segment(image))
    table = rows(report.out / "objects.csv")
    for row, region in zip(table, regionprops(mask.astype(int), image), strict=True):
        assert (row["picture"], int(row["label"]), float(row["area"])) == ("a", region.label, region.area)
        assert float(row["intensity_mean"]) == region.intensity_mean
        assert [float(row[f"bbox-{side}"]) for side in range(4)] == list(region.bbox)
    assert [(row["picture"], row["objects"], row["left out because"]) for row in rows(report.out / "pictures.csv")] == [
        ("a", "2", ""),
        ("b", "0", ""),
    ]


def test_what_cannot_be_used_is_named_and_the_rest_is_done(tmp_path, thresholder):
    folder = tmp_path / "in"
    save(folder / "a.png", np.full((6, 6), 200, np.uint8))
    save(folder / "a.tif", np.full((6, 6), 200, np.uint8))  # would be a.png once more
    save(folder / "c.png", np.zeros((13, 6), np.uint8))
    save(folder / "d.png", np.arange(108, dtype=np.uint8).reshape(6, 6, 3))
    save(folder / "e.png", np.full((6, 6, 3), 200, np.uint8))  # grey that was saved as RGB
    (folder / "f.png").write_bytes(b"nothing")
    (folder / "._a.png").write_bytes(b"litter")
    (folder / "notes.txt").write_text("hello")
    report = segment_folder(thresholder, folder, tmp_path / "out", progress=False)
    assert list(report.done) == ["a", "e"]
    assert list(report.left_out) == ["a.tif", "c.png", "d.png", "f.png"]
    words = str(report)
    for said in (
        "2 pictures segmented",
        "4 files left out",
        "would be overwritten",
        "13 brings bad luck",
        "3 channels",
    ):
        assert said in words
    assert {row["picture"] for row in rows(tmp_path / "out" / "pictures.csv")} == {"a", "e", *report.left_out}


def test_every_page_of_a_stack_is_a_picture(tmp_path, thresholder):
    pages = np.zeros((3, 8, 9), np.uint16)
    pages[1, 2:4, 2:4] = 300
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "s.tif", pages, photometric="minisblack")
    report = segment_folder(thresholder, tmp_path / "in", progress=False)
    assert report.done == {"s_000": 0, "s_001": 1, "s_002": 0}
    assert io.imread(report.out / "s_001.png").sum() == 4


def test_classes_are_measured_part_by_part(tmp_path):
    labels = np.array([[1, 1, 0, 2], [0, 0, 0, 2], [1, 0, 0, 2]])
    of_classes = Segmenter(torch.nn.Identity(), lambda image: labels, "classes", {})
    save(tmp_path / "in" / "a.png", np.full(labels.shape, 50, np.uint8))
    report = segment_folder(of_classes, tmp_path / "in", progress=False)
    table = rows(report.out / "objects.csv")
    assert [(r["label"], r["class"], r["area"]) for r in table] == [
        ("1", "1", "2.0"),
        ("2", "2", "3.0"),
        ("3", "1", "1.0"),
    ]
    assert np.array_equal(io.imread(report.out / "a.png"), labels)


def test_more_objects_than_sixteen_bits_hold(tmp_path):
    labels = np.arange(66_000).reshape(250, 264)
    segmenter._write_labels(tmp_path / "a.png", labels)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    assert np.array_equal(io.imread(tmp_path / "a.tif"), labels)


def test_nothing_is_overwritten_unless_that_is_said(tmp_path, thresholder):
    save(tmp_path / "in" / "a.png", np.full((6, 6), 200, np.uint8))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_bytes(b"mine")
    (tmp_path / "out" / "other.txt").write_bytes(b"mine")
    with pytest.raises(ValueError, match="out' holds files already. Name another folder, or say"):
        segment_folder(thresholder, tmp_path / "in", tmp_path / "out", progress=False)
    assert (tmp_path / "out" / "a.png").read_bytes() == b"mine"
    segment_folder(thresholder, tmp_path / "in", tmp_path / "out", overwrite=True, progress=False)
    assert io.imread(tmp_path / "out" / "a.png").all() and (tmp_path / "out" / "other.txt").read_bytes() == b"mine"


def test_folders_that_make_no_sense_are_refused(tmp_path, thresholder):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("hello")
    with pytest.raises(ValueError, match="there is none in .*in'. The 1 file in it have other endings"):
        segment_folder(thresholder, tmp_path / "in")
    with pytest.raises(ValueError, match="there is no .*nowhere"):
        segment_folder(thresholder, tmp_path / "nowhere")
    save(tmp_path / "in" / "a.png", np.zeros((6, 6), np.uint8))
    with pytest.raises(ValueError, match="must not go among the pictures"):
        segment_folder(thresholder, tmp_path / "in", tmp_path / "in", overwrite=True)


def test_what_is_done_is_kept_when_the_rest_is_interrupted(tmp_path):
    def segment(image):
        if image.max() > 9:
            raise KeyboardInterrupt
        return np.ones(image.shape, np.int64)

    save(tmp_path / "in" / "a.png", np.zeros((6, 6), np.uint8))
    save(tmp_path / "in" / "b.png", np.full((6, 6), 10, np.uint8))
    with pytest.raises(KeyboardInterrupt):
        segment_folder(Segmenter(torch.nn.Identity(), segment, "objects", {}), tmp_path / "in", progress=False)
    out = tmp_path / "in_objects"
    assert io.imread(out / "a.png").all() and len(rows(out / "objects.csv")) == len(rows(out / "pictures.csv")) == 1


# The command line ----------------------------------------------------------------------------------------------------


def test_predict_from_the_command_line_and_its_exit_status(tmp_path):
    """In a process of its own, as it is typed."""
    for i in range(2):
        save(tmp_path / "new" / f"{i}.tif", PIECES.images[i])
    words = [sys.executable, "-m", "unet_tutorial", "predict", "nuclei", "new"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "2 pictures segmented" in done.stdout, done.stderr
    assert "'new_objects'" in done.stdout and "percentiles" in done.stdout
    assert len(rows(tmp_path / "new_objects" / "objects.csv")) > 5


def test_exit_status_says_how_it_went(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "new" / "a.png", np.zeros((16, 16), np.uint8))
    assert main(["predict", "cells", "new"]) == 0
    assert main(["predict", "cells", "new"]) == 2 and "holds files already" in capsys.readouterr().err
    (tmp_path / "new" / "b.png").write_bytes(b"no picture")
    assert main(["predict", "cells", "new", "--overwrite"]) == 1 and "b.png" in capsys.readouterr().out
    assert main(["predict", "cell", "new"]) == 2 and "Did you mean 'cells'?" in capsys.readouterr().err

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(COMMANDS["predict"], "run", stop)
    assert main(["predict", "cells", "new"]) == 130 and "interrupted" in capsys.readouterr().err


def test_export_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    checkpoint(tmp_path / "mine.pt")
    assert main(["export", "mine.pt", "mine.onnx", "--normalization", "range"]) == 0
    assert (tmp_path / "mine.onnx").is_file() and "divided by the largest" in capsys.readouterr().out
    assert main(["export", "mine.pt", "mine.onnx"]) == 2 and "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_exit_status_and_needs_no_torch(name):
    words = [sys.executable, "-X", "importtime", "-m", "unet_tutorial", name, "--help"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0 and "exit status" in done.stdout and "example" in done.stdout
    assert " torch" not in done.stderr, "the help is there at once"


def test_without_a_command_the_list_is_shown(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2 and "COMMAND" in capsys.readouterr().err
