"""The measurement of how soon explorers answer: it moves every one, and says which are too slow."""

import pytest

import bench_explorers as bench
import bench_tables
from explorer_page import page
from unet_tutorial import widgets


def test_every_explorer_of_a_page_is_moved_and_timed(browser, tmp_path):
    shown = (widgets.SegmentationKinds(), widgets.Threshold())
    (tmp_path / "page.html").write_text(page(shown, "Two"), encoding="utf-8")
    settings = {"moves": 3, "rounds": 2, "goal": 33}
    part = {"settings": settings, "explorers": bench.measured(browser, (tmp_path / "page.html").as_uri(), settings)}
    assert [one["name"] for one in part["explorers"]] == [type(one).__name__ for one in shown]
    for one in part["explorers"]:
        assert [len(times) for times in one["ms"]] == [3, 3] and min(map(min, one["ms"])) > 0
    (table,) = bench_tables.explorers_tables(part)
    assert [row[0] for row in table["rows"]] == [one["name"] for one in part["explorers"]]


def test_a_book_that_is_not_built_is_told(tmp_path):
    with pytest.raises(SystemExit, match="explorers.html is not built: run `make book` first"):
        bench.explorers([], page=tmp_path / "explorers.html")


def test_the_best_round_counts_and_who_is_slower_is_named():
    quick = {"name": "Quick", "ms": [[90.0] * 20, [10.0] * 19 + [99.0]]}
    slow = {"name": "Slow", "ms": [[20.0] * 18 + [40.0] * 2]}
    part = {"settings": bench.EXPLORERS, "explorers": [quick, slow]}
    assert bench_tables.explorers_tables(part)[0]["rows"] == [["Quick", "10.0", "90.0"], ["Slow", "40.0", "40.0"]]
    (said,) = bench_tables.explorers_goals(part)
    assert said == "Missed: every explorer paints 95 % of the moves within 33 ms in its best round; but not Slow."
    assert bench_tables.explorers_goals({**part, "explorers": [quick]})[0].startswith("Met: ")
