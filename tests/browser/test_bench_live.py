"""The measurement of the network in the page: it runs on the built page, and says whether the goals are met."""

import pytest

import bench_live as bench
import bench_tables


def test_the_page_is_measured_beside_pytorch(browser, addresses):
    settings = {**bench.LIVE, "channels": [[4, 8]], "batch": 1, "side": 32, "steps": 2, "strokes": 2}
    part = bench.measured(browser, f"{addresses['file']}/book/draw.html", settings)
    (one,) = part["networks"]
    assert (len(one["page_ms"]), len(one["pytorch_ms"]), len(part["strokes_ms"])) == (2, 1, 2)
    assert min(one["page_ms"] + one["pytorch_ms"] + part["strokes_ms"]) > 0
    steps, strokes = bench_tables.live_tables(part)
    assert [row[0] for row in steps["rows"]] == ["(4, 8)"] and len(strokes["rows"]) == 1


def test_a_book_that_is_not_built_is_told(tmp_path):
    with pytest.raises(SystemExit, match="draw.html is not built: run `make book` first"):
        bench.live([], page=tmp_path / "draw.html")


@pytest.mark.parametrize("page_ms, stroke_ms, said", [(100, 90, "Met Met Met"), (200, 200, "Missed Missed Missed")])
def test_goals(page_ms, stroke_ms, said):
    network = {"channels": [4, 8, 16], "page_ms": [page_ms], "pytorch_ms": [20]}
    part = {"settings": bench.LIVE, "networks": [network], "strokes_ms": [stroke_ms]}
    assert " ".join(goal.split(":")[0] for goal in bench_tables.live_goals(part)) == said
    assert bench_tables.speed(network, bench.LIVE) == pytest.approx(3 * 8 * 6.3e6 / page_ms / 1e6, rel=0.01)
