"""The comparison of first weights and dropout: it trains and is kept, and the kept record is of these contestants."""

import json

import pytest
import torch
from torch import nn

import compare_starts
import provenance
from unet_tutorial import records
from unet_tutorial.unet import UNet


def test_the_papers_start_keeps_the_size_of_what_passes_through():
    torch.manual_seed(0)
    model = UNet(1, channels=(8, 16, 32, 64), norm="none").eval()
    compare_starts.start_as_the_paper(model)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 1000:
            inputs = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]
            assert layer.weight.std().item() == pytest.approx((2 / inputs) ** 0.5, rel=0.1)
            assert not layer.bias.any()
    x = torch.randn(4, 1, 64, 64)
    with torch.no_grad():
        pooled, _ = model.encoder(x)
        assert 0.3 < model.bottleneck(pooled).square().mean().sqrt().item() < 4


def test_dropout_is_on_in_training_alone():
    torch.manual_seed(0)
    model = UNet(1, channels=(4, 8), norm="none")
    pooled = torch.rand(1, 4, 8, 8)
    plain = model.eval().bottleneck(pooled)
    compare_starts.drop_at_the_end_of_the_way_down(model, 0.5)
    torch.testing.assert_close(model.eval().bottleneck(pooled), plain)
    dropped = model.train().bottleneck(pooled)
    kept = dropped != 0
    assert 0.2 < (~kept & (plain != 0)).sum() / (plain != 0).sum() < 0.8
    torch.testing.assert_close(dropped[kept], 2 * plain[kept])


def test_a_small_comparison_can_be_read(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "RESULTS", tmp_path)
    monkeypatch.setattr(compare_starts, "DONE", tmp_path / "build" / "starts.jsonl")
    monkeypatch.setattr(compare_starts, "BASE", compare_starts.BASE | {"channels": [4, 8], "epochs": 1})
    threads = torch.get_num_threads()
    try:
        assert compare_starts.main(range(1), (0.01,), {"train": 8, "val": 2, "test": 2}) == 0
    finally:
        torch.set_num_threads(threads)
    record = json.loads((tmp_path / "starts.json").read_text(encoding="utf-8"))
    assert len(record["runs"]) == 3 and all(0 <= run["test_iou"] <= 1 for run in record["runs"])


def test_an_interrupted_comparison_goes_on_with_what_is_left(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "RESULTS", tmp_path)
    monkeypatch.setattr(compare_starts, "DONE", tmp_path / "build" / "starts.jsonl")
    asked = []

    def run(contestant, rate, seed, data):
        asked.append((contestant["norm"], seed))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return {"val_iou": 0.5, "test_iou": len(asked) / 100}

    monkeypatch.setattr(compare_starts, "run", run)
    small = (range(1), (0.01,), {"train": 1, "val": 1, "test": 1})
    threads = torch.get_num_threads()
    try:
        with pytest.raises(KeyboardInterrupt):
            compare_starts.main(*small)
        assert compare_starts.main(*small) == 0
    finally:
        torch.set_num_threads(threads)
    runs = json.loads((tmp_path / "starts.json").read_text(encoding="utf-8"))["runs"]
    assert len(asked) == 4 and [run["test_iou"] for run in runs] == [0.01, 0.03, 0.04]
    assert not compare_starts.DONE.exists()


def test_the_kept_comparison_is_of_these_contestants_and_complete():
    record = records.load("starts")
    settings = record["settings"]
    assert settings["base"] == compare_starts.BASE and settings["pictures"] == compare_starts.PICTURES
    runs = iter(record["runs"])
    for contestant in compare_starts.CONTESTANTS:
        mine = [next(runs) for _ in range(len(compare_starts.RATES) + len(compare_starts.SEEDS) - 1)]
        assert all(contestant.items() <= run.items() for run in mine)
        tried, later = mine[: len(compare_starts.RATES)], mine[len(compare_starts.RATES) :]
        assert [run["learning_rate"] for run in tried] == list(compare_starts.RATES)
        assert {run["seed"] for run in tried} == {compare_starts.SEEDS[0]}
        best = max(tried, key=lambda run: run["val_iou"])["learning_rate"]
        assert {run["learning_rate"] for run in later} == {best}
        assert [run["seed"] for run in later] == list(compare_starts.SEEDS[1:])
    assert next(runs, None) is None


def test_what_the_chapter_says_of_the_three_rows():
    rows = []
    for contestant in compare_starts.CONTESTANTS:
        mine = [run for run in records.load("starts")["runs"] if contestant.items() <= run.items()]
        chosen = mine[-1]["learning_rate"]
        rows.append([run["test_iou"] for run in mine if run["learning_rate"] == chosen])
    means = [sum(row) / len(row) for row in rows]
    assert all(len(row) == len(compare_starts.SEEDS) for row in rows)
    assert max(means) - min(means) < min(max(row) - min(row) for row in rows), "closer than the seeds of any row"
