"""Chapter 15 where the data set cannot be had: it says so, and goes on with pictures that a program draws."""

import pytest

import notebooks
from unet_tutorial.data import fetching

CELLS = [c.source for c in notebooks.generate(notebooks.ROOT, "15_nuclei").cells if c.cell_type == "code"]
LOADING = next(i for i, source in enumerate(CELLS) if "fetch(NUCLEI)" in source)


@pytest.mark.parametrize("error", [ConnectionError("no network"), PermissionError("no place"), ValueError("altered")])
def test_the_chapter_goes_on_without_its_data(monkeypatch, capsys, error):
    def fetch(data):
        raise error

    monkeypatch.setattr(fetching, "fetch", fetch)
    names = {}
    for source in CELLS[: LOADING + 2]:  # with the cell that counts what is in the data
        exec(source, names)  # noqa: S102 - as the notebook runs it
    try:
        said = capsys.readouterr().out
        assert str(error) in said and "drawn by a program" in said and not names["real"]
        assert [len(names[split]) for split in ("train", "val", "test")] == [6, 6, 6]
        assert names["train"].images[0].shape == (520, 696) and names["train"].instances(0).max() > 1
    finally:
        names["temporary"].cleanup()
