"""A chapter whose data set cannot be had says so, and goes on with pictures that a program draws."""

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


@pytest.mark.parametrize("chapter, loads", [("17_paper", "sections = {"), ("18_streets", "fetch(STREETS)")])
def test_the_other_chapters_go_on_too(monkeypatch, capsys, chapter, loads):
    def fetch(data):
        raise ConnectionError("no network")

    monkeypatch.setattr(fetching, "fetch", fetch)
    cells = [c.source for c in notebooks.generate(notebooks.ROOT, chapter).cells if c.cell_type == "code"]
    names = {}
    for source in cells[: next(i for i, source in enumerate(cells) if loads in source) + 1]:
        exec(source, names)  # noqa: S102 - as the notebook runs it
    if "temporary" in names:
        names["temporary"].cleanup()
    said = capsys.readouterr().out
    assert "no network" in said and said.count("drawn by a program") == 1 and names["source"] == "drawn by a program"
