"""One range for every scale: the same scene gives the same picture, and what was left as it was stays as it was."""

import numpy as np
import pytest

from unet_tutorial.data.normalizing import normalize
from unet_tutorial.data.pictures import nuclei_pieces


def as_before(image):
    """The rule by which the shipped weights were trained."""
    scaled = np.log1p(image.astype(np.float32))
    bottom, top = np.percentile(scaled, [1, 99.8])
    return np.clip((scaled - bottom) / max(top - bottom, np.log(4)), 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def scenes():
    return nuclei_pieces().images


def test_pictures_of_the_microscope_are_as_the_weights_know_them(scenes):
    for image in scenes:
        np.testing.assert_array_equal(normalize(image), as_before(image))


SAME = {
    "float": lambda x: x.astype(np.float64),
    "float32": lambda x: x.astype(np.float32),
    "img_as_float": lambda x: (x / 65535).astype(np.float32),
    "32 bits": lambda x: x.astype(np.uint32),
    "signed": lambda x: x.astype(np.int16),
}


@pytest.mark.parametrize("form", SAME)
def test_the_unit_does_not_matter(scenes, form):
    for image in scenes:
        np.testing.assert_allclose(normalize(SAME[form](image)), normalize(image), atol=1e-5)


def test_eight_bits_are_the_upper_ones_of_sixteen():
    image = np.random.default_rng(0).integers(20, 256, (40, 50)).astype(np.uint8)
    for other in (image.astype(np.uint16) * 257, image / 255, image.astype(np.float32)):
        np.testing.assert_allclose(normalize(other), normalize(image), atol=1e-5)


OFFSETS = {
    "stretched": lambda x: (x - x.min()) / np.ptp(x),
    "stretched to 16 bits": lambda x: np.round(65535 * (x - x.min()) / np.ptp(x)).astype(np.uint16),
    "stretched to 8 bits": lambda x: np.round(255 * (x - x.min()) / np.ptp(x)).astype(np.uint8),
    "+32768": lambda x: (x + 32768).astype(np.uint16),
    "signed": lambda x: x - 1000.0,
    "mean 0, deviation 1": lambda x: (x - x.mean()) / x.std(),
}


@pytest.mark.parametrize("form", OFFSETS)
def test_the_offset_hardly_matters(scenes, form):
    for image in scenes:
        found = normalize(OFFSETS[form](image.astype(np.float64)))
        reference = normalize(OFFSETS["stretched"](image.astype(np.float64)))
        np.testing.assert_allclose(found, reference, atol=0.02)  # 8 bits have but 256 steps
        assert np.abs(found - normalize(image)).mean() < 0.08
        assert np.corrcoef(found.ravel(), normalize(image).ravel())[0, 1] > 0.97


@pytest.mark.parametrize("form", [*SAME, *OFFSETS])
def test_noise_alone_is_never_stretched_to_the_full_range(form):
    image = np.random.default_rng(0).normal(200, 6, (128, 128)).round()
    if form in SAME:
        assert normalize(SAME[form](image.astype(np.uint16))).max() < 0.2
    else:
        found = normalize(OFFSETS[form](image))
        assert found.max() < 0.5 and np.median(found) < 0.4


def test_a_background_that_was_taken_away_leaves_no_noise(scenes):
    for image in scenes:
        ground = np.median(image)
        found = normalize(np.clip(image - ground, 0, None))
        assert found[image <= ground].max() == 0 and np.percentile(found[image < 1.05 * ground], 99) < 0.15


def test_even_pictures_are_dark_in_every_unit():
    for image in (np.zeros((9, 9)), np.full((9, 9), 7, np.uint8), np.full((9, 9), 0.5), np.full((9, 9), -3.0)):
        assert normalize(image).max() == 0


def test_channels_are_taken_alone_and_colours_together():
    rng = np.random.default_rng(0)
    ground = rng.uniform(100, 1000, (30, 30))
    channels = np.stack([ground, ground[::-1] * 7], axis=-1)
    found = normalize(channels)
    for channel in range(2):
        np.testing.assert_array_equal(found[..., channel], normalize(channels[..., channel]))
    picture = rng.uniform(40, 250, (30, 30, 3))
    colours = normalize(picture, colour=True)
    inner = ((colours > 0) & (colours < 1)).all(axis=-1)
    assert (colours[inner].argsort(axis=-1) == picture[inner].argsort(axis=-1)).all(), "no hue changes its order"
    white = np.full((30, 30, 3), 240.0) + rng.normal(0, 1, (30, 30, 3))
    assert np.ptp(normalize(white, colour=True)) < 0.2, "an empty slide stays even"
