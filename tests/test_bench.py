"""The benchmark: it measures what it says, with tiny settings, and the record it keeps is what the book shows."""

import importlib.util
import json
import re
from functools import partialmethod
from types import SimpleNamespace

import nbformat
import pytest
import torch
from docutils.parsers.rst import DirectiveError
from torch import nn

import bench
import bench_chapters
import bench_models
import bench_tables
import bench_threads
import bench_training
import notebooks
import provenance
import recipes
from unet_tutorial import _kept, records
from unet_tutorial.data.synthetic import SyntheticCircleDataset
from unet_tutorial.metrics import iou
from unet_tutorial.training import evaluate
from unet_tutorial.unet import UNet

TINY_RECIPE = {**bench_training.DISCS["recipes"]["ours"], "channels": [2, 4], "images": 8, "batch_size": 4}


@pytest.fixture
def results(monkeypatch, tmp_path):
    """An empty folder for the record, and a commit that stays the same."""
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(provenance, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(_kept, "files", lambda package: tmp_path)
    monkeypatch.setattr(provenance, "commit", lambda: "0123456789ab")
    monkeypatch.setattr(bench_training, "HELD_OUT", 4)
    return tmp_path / "results" / "bench.json"


# Training -------------------------------------------------------------------------------------------------------------


def test_the_usual_recipe_is_the_one_that_it_is_said_to_be():
    usual = bench_training.DISCS["recipes"]["usual"]
    assert bench_training.parameters(usual) == 1_926_433
    assert type(bench_training.network(usual).bottleneck).__name__ == "DoubleConv"


def test_a_watched_loader_looks_after_every_few_steps_and_its_clock_stands_still_meanwhile(monkeypatch):
    looks, clock = [], [0.0]

    def look():
        looks.append(watched.steps)
        clock[0] += 100
        return 0.1, 7.0

    monkeypatch.setattr(bench_training.time, "process_time", lambda: clock[0])
    watched = bench_training.Watched([None] * 7, look, every=3)
    assert len(watched) == 7
    for _ in watched:
        clock[0] += 1
    assert looks == [3, 6]
    steps, seconds, *scores = zip(*watched.curve, strict=True)
    assert steps == (3, 6) and scores == [(0.1, 0.1), (7.0, 7.0)]
    assert seconds == (3, 6), "one a step, and none of those in which it looked"


def test_a_watched_loader_ends_the_training_at_the_target():
    watched = bench_training.Watched([None] * 7, lambda: (watched.steps / 4,), every=2, target=1.0)
    with pytest.raises(bench_training.Reached):
        list(watched)
    assert watched.steps == 4


def test_every_epoch_has_other_images_and_another_call_the_same():
    recipe = {**TINY_RECIPE, "crop": None}

    def drawn():
        torch.manual_seed(0)
        loader = bench_training.NewEveryEpoch(SyntheticCircleDataset, 3, recipe)
        assert len(loader) == 2
        return [torch.cat([images for images, _ in loader]) for _ in range(2)]  # (8, 1, 128, 128) each

    (first, second), again = drawn(), drawn()
    assert first.shape == (8, 1, 128, 128)
    assert not torch.equal(first, second)
    assert torch.equal(first, again[0]) and torch.equal(second, again[1])


def test_a_crop_is_a_piece_of_an_image_with_the_same_piece_of_its_mask():
    rows = torch.arange(40.0)[:, None].expand(40, 50)[None]  # (1, 40, 50)
    crops = recipes.RandomCrops([(rows, rows + 0.5)] * 20, side=32)
    assert len(crops) == 20
    pieces = [crops[i] for i in range(20)]
    assert all(image.shape == mask.shape == (1, 32, 32) and torch.equal(mask, image + 0.5) for image, mask in pieces)
    tops = {int(image[0, 0, 0]) for image, _ in pieces}
    assert tops <= set(range(9)) and len(tops) > 1
    whole, _ = recipes.RandomCrops([(rows[..., :40], rows[..., :40])], side=40)[0]
    assert torch.equal(whole, rows[..., :40])


def test_what_the_checks_see_is_what_evaluate_sees():
    torch.manual_seed(0)
    model = UNet(1, channels=(2, 4)).train()
    images, masks = bench_training.held_out(SyntheticCircleDataset, seed=1)
    assert images.shape == (bench_training.HELD_OUT, 1, 128, 128)
    truth = evaluate(model, [(images, masks)]).iou
    for target in (None, truth - 1e-4):
        (score,) = bench_training.look(model, images, masks, (iou,), target)
        assert score == pytest.approx(truth, abs=1e-6)
    assert model.training


def test_a_look_ends_when_the_target_is_out_of_reach():
    seen = []

    class Blind(nn.Module):
        def forward(self, images):
            seen.append(len(images))
            return torch.full_like(images, -1.0)  # no disc anywhere

    images, masks = bench_training.held_out(SyntheticCircleDataset, seed=1)
    (most,) = bench_training.look(Blind(), images, masks, (iou,), target=0.99)
    assert seen == [4] and most == 1 - 4 / len(images), "four images without any overlap are enough to know"


def test_discs_compares_two_recipes_seed_by_seed_and_keeps_other_seeds(results, monkeypatch, capsys):
    settings = {
        "target": 0.0,  # the first check is enough
        "check_every": 1,
        "goal": 25,
        "repeats": {"usual": 1, "ours": 3},
        "recipes": {"usual": TINY_RECIPE, "ours": {**TINY_RECIPE, "crop": 32}},
    }
    tiny = bench.Part(lambda seeds: bench_training.discs(seeds, settings), seeds=(0,))
    monkeypatch.setitem(bench.PARTS, "discs", tiny)
    bench.measure("discs", [0])
    part = bench.measure("discs", [4])
    assert json.loads(results.read_text(encoding="utf-8"))["discs"] == part
    assert [run["seed"] for run in part["runs"]] == part["provenance"]["seeds"] == [0, 4]
    assert part["parameters"]["usual"] == part["parameters"]["ours"] == bench_training.parameters(TINY_RECIPE)
    for run in part["runs"]:
        assert run["times_faster"] == pytest.approx(run["usual"]["seconds"] / run["ours"]["seconds"], abs=0.01)
    monkeypatch.setattr(provenance, "commit", lambda: "another")
    part = bench.measure("discs", [1])
    assert [run["seed"] for run in part["runs"]] == [1], "runs of another commit are no company"
    bench.report("discs", part)
    out = capsys.readouterr().out
    assert "seed 4: usual" in out and "times faster" in out and "at least 25 times faster" in out


def disc_part(*ratios):
    """Return a part whose runs have these ratios; None for one that did not arrive."""
    runs = [
        {
            "seed": seed,
            "times_faster": ratio,
            "usual": {"reached": True, "steps": 60, "seconds": 90.0},
            "ours": {"reached": ratio is not None, "steps": 70, "seconds": 90.0 / (ratio or 9)},
        }
        for seed, ratio in enumerate(ratios)
    ]
    sizes = {"usual": 1_926_433, "ours": 121_393}
    return {"settings": bench_training.DISCS, "parameters": sizes, "runs": runs}


def test_a_goal_is_met_or_missed_by_the_median_and_a_run_that_failed_counts_as_slow():
    (sentence,) = bench_tables.discs_goals(disc_part(20.0, 30.0, 40.0))
    assert sentence.startswith("Met") and "30.0, from 20.0 to 40.0; 2 of 3 seeds reach 25" in sentence
    (sentence,) = bench_tables.discs_goals(disc_part(None, None, 40.0))
    assert sentence.startswith("Missed") and "1 of 3 seeds reach 25, and 1 reach the IoU" in sentence
    recipes, table = bench_tables.discs_tables(disc_part(20.0, None))
    assert ["channels", "32, 64, 128, 256", "8, 16, 32, 64"] in recipes["rows"]
    assert ["channels last", "no", "yes"] in recipes["rows"]
    assert table["rows"][0] == ["0", "60", "90.00", "70", "4.50", "20.0"]
    assert table["rows"][1] == ["1", "60", "90.00", "not in 70", "10.00", "-"]


def test_cells_gives_iou_and_boundary_error_against_seconds(monkeypatch):
    monkeypatch.setattr(bench_training, "HELD_OUT", 4)
    recipe = {**bench_training.CELLS["recipe"], "images": 8}
    networks = [{"channels": [2, 4], "block": "double"}, {"channels": [4, 8], "block": "residual"}]
    settings = {**bench_training.CELLS, "check_every": 1, "networks": networks, "recipe": recipe}
    part = bench_training.cells([5], settings)
    assert [len(curve) for curve in part["runs"][0]["curves"]] == [2, 2]
    assert part["parameters"] == [bench_training.parameters(network) for network in networks]
    (table,) = bench_tables.cells_tables(part)
    assert [row[2] for row in table["rows"]] == ["1", "2", "1", "2"]
    steps, seconds, score, error = part["runs"][0]["curves"][0][0]
    assert steps == 1 and seconds
    assert 0 <= score <= 1 and error >= 0


# Networks ------------------------------------------------------------------------------------------------------------


def test_the_networks_are_of_one_size():
    channels = [4, 8, 16, 32, 64]
    images = torch.rand(1, 1, 32, 32)
    ours, monai = (bench_models.build(name, channels) for name in ("ours", "MONAI"))
    assert ours(images).shape == monai(images).shape == images.shape
    sizes = [sum(p.numel() for p in model.parameters()) for model in (ours, monai)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # where the compiler hands back to Python
def test_models_takes_every_way_that_a_gpu_would_take(monkeypatch):
    """On the CPU, in short precision and compiled in place, but for the compiler of C++."""
    torch.compiler.reset()
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend="eager"))
    gpu = bench_models.MODELS["devices"]["cuda"]
    gpu = {**gpu, "channels": [[2, 2, 2, 2, 2]], "batch": [2, 1, 32, 32]}
    part = bench_models.models([], {"rounds": 2, "devices": {"cpu": gpu}})
    (result,) = part["devices"]["cpu"]
    names = ["MONAI", "ours", "MONAI, channels_last, bfloat16, compile", "ours, channels_last, bfloat16, compile"]
    for what in ("forward", "step"):
        assert list(result[what]) == names
        assert result[what]["MONAI"]["ratio"] == [1, 1, 1]
        assert all(low <= middle <= high for middle, low, high in (r["ratio"] for r in result[what].values()))
    (table,) = bench_tables.models_tables(part)
    assert [row[0] for row in table["rows"]] == names
    assert "GPU: not measured" in bench_tables.models_goals(part)[-1]


def test_a_training_step_of_the_benchmark_trains_and_a_forward_pass_does_not():
    model = bench_models.build("ours", [2, 4])
    before = [p.clone() for p in model.parameters()]
    works = bench_models.works(model, bench_models.PLAIN, [2, 1, 32, 32], "cpu")
    works["forward"]()
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))
    works["step"]()
    assert not any(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True) if p.grad.any())


def model_part(plain, last):
    """Return a part of one device whose forward passes and steps have these ratios to MONAI's."""
    cpu = bench_models.MODELS["devices"]["cpu"]
    names = [bench_models.label(*contestant) for contestant in cpu["contestants"]]
    ratios = dict(zip(names, (1.0, plain, 0.9, last), strict=True))
    compared = {name: {"ms": 10 * ratio, "ratio": [ratio, ratio, ratio]} for name, ratio in ratios.items()}
    result = {"channels": [1, 2], "parameters": {"ours": 5, "MONAI": 6}, "forward": compared, "step": compared}
    return {"settings": {"devices": {"cpu": cpu}}, "devices": {"cpu": [result]}}


def test_the_goals_of_the_networks_are_judged_by_the_ratios():
    never, far, _ = bench_tables.models_goals(model_part(plain=0.97, last=0.7))
    assert never.startswith("CPU, met") and far.startswith("CPU, met")
    never, far, _ = bench_tables.models_goals(model_part(plain=1.02, last=0.85))
    assert never.startswith("CPU, missed") and "but not forward at [1, 2], training step at [1, 2]" in never
    assert far.startswith("CPU, missed")


def test_pieces_are_shares_of_a_training_step():
    part = bench_models.pieces([], {"rounds": 1, "batch": 2, "channels": [2, 4]})
    (table,) = bench_tables.pieces_tables(part)
    assert table["rows"][0][0] == "training step" and table["rows"][0][2].startswith("100.00")
    assert len(table["rows"]) == 4


# Chapters ------------------------------------------------------------------------------------------------------------

CHAPTER = """---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# 3 Waiting

```{code-cell} ipython3
import time
```

```{code-cell} ipython3
time.sleep(0.4)
```
"""


def test_chapters_are_timed_and_their_slowest_cells_named(tmp_path):
    (tmp_path / "book" / "chapters").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "book" / "chapters" / "03_waiting.md").write_text(CHAPTER, encoding="utf-8")
    (tmp_path / "_config.yml").write_text('repository:\n  url: ""\n', encoding="utf-8")
    part = bench_chapters.chapters([], {**bench_chapters.CHAPTERS, "slowest": 1}, tmp_path)
    (chapter,) = part["chapters"]
    assert (chapter["name"], chapter["number"], chapter["title"]) == ("03_waiting", 3, "3 Waiting")
    (cell,) = chapter["slowest"]
    assert cell["source"] == "time.sleep(0.4)" and cell["seconds"] and part["work_seconds"]
    assert list((tmp_path / "notebooks").iterdir()) == [], "measuring writes no notebook"
    (table,) = bench_tables.chapters_tables(part)
    assert table["rows"][0][0] == "3 Waiting" and table["rows"][-1][:2] == ["all", f"{chapter['seconds']:.1f}"]


def test_the_goals_of_the_chapters():
    chapters = [{"number": n, "title": f"{n} A", "seconds": s} for n, s in ((1, 20), (2, 61), (15, 200))]
    minute, whole = bench_tables.chapters_goals({"settings": bench_chapters.CHAPTERS, "chapters": chapters})
    assert minute.startswith("Missed: each chapter but 15 within") and minute.endswith("but not 2 A.")
    assert whole.startswith("Met") and "these 2 chapters" in whole and "81 s" in whole


def test_an_executed_notebook_carries_no_times():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")], metadata=notebooks.METADATA)
    notebook.cells[0].metadata.execution = {"iopub.status.busy": "2026-01-01T00:00:00Z"}
    notebooks.clean(notebook)
    assert "execution" not in notebook.cells[0].metadata


def test_threads_are_measured_idle_and_busy():
    settings = {"rounds": 1, "steps": 1, "networks": [{"channels": [2, 4], "batch": [1, 1, 8, 8]}]}
    part = bench_threads.threads([], settings)
    (network,) = part["networks"]
    assert network["ms"].keys() == {"idle", "busy"} and network["ms"]["idle"].keys() == network["ms"]["busy"].keys()
    (table,) = bench_tables.threads_tables(part)
    assert table["rows"][0][:3] == ["2, 4", "1×1×8×8", "1"]


def test_commands_are_compared_with_those_of_a_commit_before():
    then = [{"what": "`make book`", "seconds": 300.2, "succeeded": True}]
    now = [{"what": "`make book`", "seconds": 150.4, "succeeded": True}, {**then[0], "what": "b", "succeeded": False}]
    part = {"settings": {"before": "abc", "cores": 2}, "then": then, "now": now}
    (table,) = bench_tables.commands_tables(part)
    assert table["rows"] == [["`make book`", "300", "150"], ["b", "-", "300, failed"]]


# The command and the record ----------------------------------------------------------------------------------------


def test_an_unknown_part_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench.py", "disc"])
    with pytest.raises(SystemExit):
        bench.main()
    assert (
        "no part disc; there are: discs, models, cells, chapters, pieces, threads, explorers, live, commands"
        in capsys.readouterr().err
    )


def test_a_part_alone_leaves_the_others_in_the_record_and_the_threads_as_they_are(results, monkeypatch, capsys):
    threads = []

    def measure(seeds):
        threads.append(torch.get_num_threads())
        return bench_models.pieces(seeds, {"rounds": 1, "batch": 1, "channels": [2, 4]})

    monkeypatch.setitem(bench.PARTS, "pieces", bench.Part(measure))
    results.write_text(json.dumps({"cells": {"is": "kept"}, "of another time": 1, "provenance": {}}))
    monkeypatch.setattr("sys.argv", ["bench.py", "pieces"])
    before = torch.get_num_threads()
    bench.main()
    assert threads == [1] and torch.get_num_threads() == before
    record = json.loads(results.read_text(encoding="utf-8"))
    assert list(record) == ["cells", "pieces", "provenance"] and record["cells"] == {"is": "kept"}
    assert record["pieces"]["provenance"]["threads"] == 1
    assert bench_tables.tables("pieces", record["pieces"])[0]["caption"] in capsys.readouterr().out


@pytest.fixture
def extension():
    """The book's extension that shows the record."""
    spec = importlib.util.spec_from_file_location("book_benchmark", bench.ROOT / "book" / "_ext" / "book_benchmark.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_book_shows_tables_goals_and_how_they_were_made(results, extension):
    part = {**disc_part(20.0, 30.0), "provenance": provenance.provenance("python tools/bench.py discs", [0, 1])}
    results.write_text(json.dumps({"discs": part, "provenance": {}}))

    def shown(name):
        machine = SimpleNamespace(reporter=None)
        env = SimpleNamespace(note_dependency=depends.append)
        state = SimpleNamespace(document=SimpleNamespace(settings=SimpleNamespace(env=env)))
        return extension.Benchmark("benchmark", [name], {}, [], 1, 0, "", state, machine).run()

    depends = []

    recipes, arrivals, goals, made = shown("discs")
    assert [len(node) for node in arrivals[1].findall(extension.nodes.row)] == [6, 6, 6, 6]
    (cell,) = extension.row(['1.6 s: `import torch`; 0.2 s: `x = {"a": 1}`'])
    assert [code.astext() for code in cell.findall(extension.nodes.literal)] == ["import torch", 'x = {"a": 1}']
    assert arrivals.astext().split()[:5] == ["Discs:", "time", "to", "a", "validation"]
    assert goals.astext() == bench_tables.discs_goals(part)[0]
    assert "python tools/bench.py discs at commit 0123456789ab" in made.astext() and "seeds 0, 1." in made.astext()
    for wrong in ("disc", "provenance"):
        with pytest.raises(DirectiveError) as refused:
            shown(wrong)
        assert f"no part '{wrong}'; there are: discs." in refused.value.msg
    assert set(depends) == {str(extension.RECORD), bench_tables.__file__}


def test_every_part_of_the_kept_record_is_on_the_page_and_holds_no_words():
    record = records.load("bench")
    page = (bench.ROOT / "book" / "benchmark.md").read_text(encoding="utf-8")
    on_the_page = re.findall(r"^```{benchmark} (\w+)$", page, re.M)
    assert set(on_the_page) == set(record) - {"provenance"} == set(bench.PARTS)
    for name in on_the_page:
        part = record[name]
        assert not {"tables", "goals"} & set(part), "they are made from the numbers when the page is built"
        assert bench_tables.tables(name, part) and isinstance(bench_tables.goals(name, part), list)
        assert part["provenance"]["command"].endswith(f"/bench.py {name}")
