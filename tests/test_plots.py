"""Pictures: shapes and colours are those of the arrays, and every display carries its description."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from unet_tutorial import plots
from unet_tutorial.training import History


def test_show_emits_a_picture_with_its_description(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.get_ipython", lambda: "a shell")
    monkeypatch.setattr("IPython.display.display", lambda data, metadata, raw: shown.append((data, metadata, raw)))
    plots.show(plots.images([np.eye(4)]), alt="A white diagonal.")
    ((data, metadata, raw),) = shown
    assert raw and data["text/plain"] == metadata["image/png"]["alt"] == "A white diagonal."
    assert data["image/png"].startswith("iVBORw0KGgo")  # base64 of a PNG's first bytes


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_show_wants_a_description(alt):
    with pytest.raises(ValueError, match="alt must describe in words"):
        plots.show(plots.images([np.eye(4)]), alt=alt)


def test_show_wants_a_figure():
    with pytest.raises(ValueError, match="must be a matplotlib Figure, but got ndarray"):
        plots.show(np.eye(4), alt="a picture")


@pytest.mark.parametrize(
    "shape, drawn", [((5, 4), (5, 4)), ((1, 5, 4), (5, 4)), ((3, 5, 4), (5, 4, 3)), ((5, 4, 3), (5, 4, 3))]
)
def test_images_draws_every_pixel_as_it_is(shape, drawn):
    values = torch.rand(shape, requires_grad=True)
    figure = plots.images([values, values], ["left", "right"], columns=1, colorbar=True)
    axes = [a for a in figure.axes if a.images and a.get_title()]
    assert [a.get_title() for a in axes] == ["left", "right"]
    array = np.asarray(axes[0].images[0].get_array())
    assert array.shape == drawn
    np.testing.assert_allclose(array.ravel(), plots.to_picture(values).ravel())
    assert axes[0].images[0].get_interpolation() == "nearest"


@pytest.mark.parametrize("dtype, kept", [(torch.uint8, "uint8"), (torch.bool, "bool"), (torch.bfloat16, "float32")])
def test_tensors_keep_their_values_and_whole_numbers_their_type(dtype, kept):
    picture = plots.to_picture(torch.ones(3, 4, 5, dtype=dtype))
    assert picture.dtype == kept and (picture == 1).all()


def test_a_mask_that_is_true_everywhere_is_white():
    (axes,) = plots.images([torch.ones(4, 4, dtype=torch.bool)]).axes
    assert axes.images[0].get_clim() == (0, 1)


def test_overlay_colours_the_mask_and_nothing_else():
    image, mask = np.full((2, 2), 0.5), np.array([[1, 0], [0, 0]])
    result = plots.overlay(image, mask)
    np.testing.assert_allclose(result[0, 0], 0.55 * 0.5 + 0.45 * np.array(to_rgb(plots.ORANGE)), rtol=1e-6)
    np.testing.assert_allclose(result[0, 1], 0.5)


def test_error_map_has_one_colour_for_every_case():
    result = plots.error_map(torch.tensor([[[1, 1], [0, 0]]]), torch.tensor([[[1, 0], [1, 0]]]))
    found, false, missed, background = result.reshape(4, 3)
    np.testing.assert_allclose(found, 1)
    np.testing.assert_allclose(background, 0)
    np.testing.assert_allclose(false, to_rgb(plots.ORANGE), atol=1e-6)
    np.testing.assert_allclose(missed, to_rgb(plots.SKY), atol=1e-6)


def test_curves_are_drawn_with_names_and_positions():
    figure = plots.curves({"a": [1.0, 2.0], "b": [3.0, 4.0]}, x=[10, 20], xlabel="step", ylabel="loss")
    (axes,) = figure.axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[1.0, 2.0], [3.0, 4.0]]
    assert list(axes.lines[0].get_xdata()) == [10, 20]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "loss")
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 2


def test_more_curves_than_colours_can_still_be_told_apart():
    (axes,) = plots.curves({str(i): [0.0, float(i)] for i in range(9)}, xlabel="epoch").axes
    assert len(plots.COLORS) < 9 == len({(line.get_color(), line.get_linestyle()) for line in axes.lines})


@pytest.mark.parametrize("end", [2.0, np.float32(2), np.array(2.0), torch.tensor(2.0)])
def test_the_ends_of_the_range_may_come_from_an_array(end):
    (drawn,) = plots.images([np.eye(4)], vmin=-end, vmax=end).axes[0].images
    assert drawn.get_clim() == (-2, 2)


def test_curves_that_are_counted_have_whole_numbers_below():
    figure = plots.curves({"IoU": [0.2, 0.3, 0.7, 0.75, 0.8]}, xlabel="epoch")
    figure.draw_without_rendering()
    assert all(tick == int(tick) for tick in figure.axes[0].get_xticks())


def test_a_history_is_drawn_with_its_values():
    record = History(train_loss=[0.5, 0.3, 0.2], val_loss=[0.45, 0.3, 0.25], val_iou=[0.6, 0.8, 0.85])
    figure = plots.history(record)
    left, right = figure.axes
    assert [list(line.get_ydata()) for line in left.lines] == [record.train_loss, record.val_loss]
    assert [list(line.get_ydata()) for line in right.lines] == [record.val_iou]
    assert all(list(line.get_xdata()) == [1, 2, 3] for line in [*left.lines, *right.lines])
    assert [axes.get_xlabel() for axes in figure.axes] == ["epoch", "epoch"]
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["training", "validation"]
    assert right.get_ylim() == (0, 1)
    figure.draw_without_rendering()
    assert all(tick == int(tick) for axes in figure.axes for tick in axes.get_xticks())


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: plots.images([]), "at least one picture"),
        (lambda: plots.images([np.eye(3)], ["a", "b"]), "as many as the pictures, 1, but got 2"),
        (lambda: plots.images([np.zeros((2, 1, 8, 8))]), "Take one image of the batch"),
        (lambda: plots.images([np.zeros((7, 8, 8))]), r"but got \(7, 8, 8\)"),
        (lambda: plots.overlay(np.eye(3), np.eye(4)), r"same height and width, but got \(3, 3\) and \(4, 4\)"),
        (lambda: plots.error_map(np.eye(3), np.eye(4)), "same height and width"),
        (lambda: plots.curves({}, xlabel="x"), "at least one line"),
        (lambda: plots.curves({"a": [1, 2]}, x=[1], xlabel="x"), "must be as long as x, 1, but has 2"),
        (lambda: plots.history([0.5, 0.3]), "record must be a History as fit returns it, but got list"),
        (lambda: plots.history(History()), "record must hold at least one epoch"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
