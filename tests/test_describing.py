"""The first look at one's own data: the numbers are right, and what was spoiled on purpose is named."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from unet_tutorial import plots
from unet_tutorial.data.describing import describe
from unet_tutorial.data.pictures import Pictures

RNG = np.random.default_rng(0)


def scene(size=(40, 50)):
    mask = np.zeros(size, dtype=np.int64)
    mask[5:15, 5:15], mask[20:30, 25:45] = 1, 2
    return (RNG.normal(200, 5, size) + 900 * (mask > 0)).astype(np.uint16), mask


def folder():
    scenes = [scene() for _ in range(8)]
    images, masks = [one for one, _ in scenes], [mask for _, mask in scenes]
    images[1] = np.full((40, 50), 300, dtype=np.uint16)
    images[2] = 2000 - images[2]
    masks[3] = np.zeros((40, 50), dtype=np.int64)
    masks[4] = masks[4].copy()
    masks[4][0, 0] = 3
    masks[5] = np.ones((40, 50), dtype=np.int64)
    images[6] = images[0]
    images[7] = np.where(masks[7] > 0, 65535, images[7]).astype(np.uint16)
    return Pictures([f"p{i}" for i in range(9)], [*images, scene((60, 30))[0]], [*masks, None])


def test_the_table_holds_what_was_read():
    rows = dict(describe(folder()).rows)
    assert rows["pictures"] == "9, of which 8 have a mask"
    assert rows["height × width"] == "40 × 50 (8), 60 × 30 (1)"
    assert rows["objects a picture"] == "median 2, from 0 to 3" and rows["empty masks"] == "1"
    assert rows["pixels of an object"] == "median 150, from 1 to 2,000"
    assert rows["numbers"].startswith("uint16, ") and rows["numbers"].endswith("65,535")


@pytest.mark.parametrize(
    "name, why",
    [
        ("p1", "every pixel is 300"),
        ("p2", "what is marked is darker than the rest, unlike in most pictures"),
        ("p3", "its mask is empty: is nothing there, or was it not marked?"),
        ("p4", "1 of 3 objects have fewer than 5 pixels"),
        ("p5", "its mask marks 100%: are object and background exchanged?"),
        ("p7", "15% of its pixels have the largest value of uint16: overexposed, or a white ground"),
        ("p0", "is the same picture as p6"),
    ],
)
def test_what_was_spoiled_on_purpose_is_named(name, why):
    assert (name, why) in describe(folder()).suspicious


def test_good_pictures_are_not_suspected():
    scenes = [scene() for _ in range(6)]
    for _, mask in scenes:
        mask[:] = np.roll(mask, tuple(RNG.integers(0, 40, 2)), axis=(0, 1))
    images = [(RNG.normal(200, 5, mask.shape) + 900 * (mask > 0)).astype(np.uint16) for _, mask in scenes]
    assert describe(Pictures(list("abcdef"), images, [mask for _, mask in scenes])).suspicious == []


def test_the_description_is_text_and_a_table_with_heads():
    said = describe(folder())
    assert "To be looked at:" in str(said) and "p3: its mask is empty" in str(said)
    assert said._repr_html_().count('<th scope="col">') == 4 and "<caption>" in said._repr_html_()
    with pytest.raises(ValueError, match="pictures must be Pictures, as own_pictures reads them, but got list"):
        describe([])


def test_the_shares_of_classes_are_told():
    image, mask = scene()
    rows = dict(describe(Pictures(["a"], [image], [mask], task="classes")).rows)
    assert rows["masks"] == "classes: 0 85.0%, 1 5.0%, 2 10.0%"


def test_the_contact_sheet_outlines_what_is_marked_and_says_it_in_words():
    pictures = folder()
    figure = plots.contact_sheet(pictures, most=5)
    assert [axes.get_title() for axes in figure.axes] == ["p0", "p2", "p4", "p6", "p8\n(no mask)"]
    drawn = figure.axes[0].images[0].get_array()
    outlined = (np.abs(drawn - to_rgb(plots.ORANGE)) < 1e-6).all(axis=-1)
    assert outlined.sum() == 4 * 9 + 2 * (19 + 9), "the outermost pixels of the two"
    text = plots.contact_sheet_text(pictures, most=5)
    assert text.startswith("5 of 9 pictures") and "p0: 2 objects; p2: 2 objects" in text and "p8: no mask" in text


def test_large_pictures_and_channels_are_drawn_too():
    image = RNG.integers(0, 4000, (900, 700, 2)).astype(np.uint16)
    figure = plots.contact_sheet(Pictures(["a_long_name_$of_a_picture"], [image], [np.ones((900, 700), int)]))
    assert max(figure.axes[0].images[0].get_array().shape) <= 200
    figure.canvas.draw()  # a $ is no mathematics
