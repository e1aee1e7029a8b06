"""What is kept about large images: the sheet is laid as chapter 14 lays it, the peak is seen, the record holds."""

import mmap
import time

import numpy as np
import pytest
import torch

import measure_tiles
from unet_tutorial import records
from unet_tutorial.data.synthetic import SyntheticCellsDataset

ROWS = records.load(measure_tiles.NAME)["rows"]


@pytest.fixture(autouse=True)
def threads():
    """Measuring sets one thread; the other tests shall have theirs back."""
    number = torch.get_num_threads()
    yield
    torch.set_num_threads(number)


def test_the_sheet_holds_the_pictures_in_their_order(tmp_path):
    sheet = measure_tiles.lay_sheet(tmp_path / "sheet", 9 * 128)
    assert sheet.shape == (1, 1, 1152, 1152)
    dataset = SyntheticCellsDataset(measure_tiles.FIELDS, split="test")
    for row, column in ((0, 0), (0, 8), (1, 0), (7, 1), (8, 8)):  # the last two are the pictures 0 and 16 again
        place = sheet[0, 0, 128 * row : 128 * (row + 1), 128 * column : 128 * (column + 1)]
        assert np.array_equal(place, dataset[(9 * row + column) % 64][0][0].numpy())


def test_the_peak_sees_what_was_held_and_given_back():
    with measure_tiles.Peak() as peak:
        with mmap.mmap(-1, 64 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:  # new pages, no used ones
            for _ in range(64):
                held.write(bytes([1]) * 2**20)
            for _ in range(1000):  # on a busy machine the thread may have to wait for its turn
                if peak.highest - peak.before > 60 * 2**20:
                    break
                time.sleep(0.01)
        assert measure_tiles.held_memory() - peak.before < 20 * 2**20
    assert 60 * 2**20 < peak.highest - peak.before < 80 * 2**20


@pytest.mark.parametrize("how, tiles", [("whole", 1), ("tiles", 4)])
def test_both_ways_find_the_same_cells(how, tiles):
    result = measure_tiles.measure(640, how)
    assert (result["side"], result["how"], result["tiles"]) == (640, how, tiles)
    assert result["cells"] == pytest.approx(measure_tiles.measure(640, "whole")["cells"], abs=2e-5)


def test_the_record_is_complete_and_says_what_the_chapter_says():
    cost = {(row["side"], row["how"]): row["mib"] for row in ROWS}
    sides = measure_tiles.SIDES
    assert set(cost) == {(side, "tiles") for side in sides} | {(side, "whole") for side in (1024, 2048)}
    assert 3.5 < cost[2048, "whole"] / cost[1024, "whole"] < 4.5
    tiled = [cost[side, "tiles"] for side in sides]
    assert max(tiled) < 1.5 * min(tiled) and max(tiled) < cost[1024, "whole"]


def test_half_a_wish_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["measure_tiles.py", "1024"])
    with pytest.raises(SystemExit):
        measure_tiles.main()
    assert "say whole or tiles too" in capsys.readouterr().err
