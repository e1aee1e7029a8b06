"""The comparison behind chapter 12: the command, and the record that the package keeps of it."""

import json
import re

import pytest
import torch

import compare_variants
import provenance
from unet_tutorial import records
from unet_tutorial.variants import MODELS

TINY = {
    **compare_variants.SETTINGS,
    "image_size": 32,
    "images": {"train": 8, "val": 2, "test": 2},
    "channels": [2, 4],
    "epochs": 1,
    "seeds": [0, 1],
    "learning_rates": [0.003],
    "side_seeds": [1],
}


@pytest.fixture
def results(monkeypatch, tmp_path):
    """Two small networks, an empty folder for the record, and a commit without changes."""
    monkeypatch.setattr(provenance, "RESULTS", tmp_path)
    monkeypatch.setattr(provenance, "commit", lambda: "0123456789ab")
    monkeypatch.setattr(compare_variants, "MODELS", {name: MODELS[name] for name in ("UNet", "AttentionUNet")})
    monkeypatch.setattr(compare_variants, "CONTROLS", {})
    monkeypatch.setattr(compare_variants, "TIMED_ROUNDS", 2)
    threads = torch.get_num_threads()
    yield tmp_path / "variants.json"
    torch.set_num_threads(threads)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def trained(capsys) -> int:
    return capsys.readouterr().out.count("seed ")


def test_it_goes_on_where_it_was_stopped(results, monkeypatch, capsys):
    clock = iter(range(100))
    with monkeypatch.context() as patch:
        patch.setattr(compare_variants.time, "monotonic", lambda: 60 * next(clock))  # every look is a minute
        assert not compare_variants.compare(TINY, minutes=2)
    assert trained(capsys) == 2
    first = read(results)["networks"]["UNet"]["runs"]
    assert compare_variants.compare(TINY, minutes=9)
    assert trained(capsys) == 5
    record = read(results)
    assert record["networks"]["UNet"]["runs"][0] == first[0]
    seeds = {name: [run["seed"] for run in network["runs"]] for name, network in record["networks"].items()}
    assert seeds == {
        "UNet": [0, 1],
        "AttentionUNet": [0, 1],
        "UNet, learning rate 0.003": [1],
        "AttentionUNet, learning rate 0.003": [1],
        "AttentionUNet, other order": [1],
    }
    assert compare_variants.compare(TINY, minutes=9)
    assert trained(capsys) == 0 and read(results)["networks"] == record["networks"]


def test_a_record_of_other_conditions_is_not_continued(results, monkeypatch, capsys):
    assert compare_variants.compare(TINY, minutes=9)
    capsys.readouterr()
    monkeypatch.setattr(provenance, "processor", lambda: "another")
    assert compare_variants.compare({**TINY, "batch_size": 2}, minutes=9)
    out = capsys.readouterr().out
    assert "of other conditions (processor, batch_size)" in out and out.count("seed ") == 7
    assert read(results)["settings"]["batch_size"] == 2 != TINY["batch_size"]


def test_only_what_was_added_or_changed_is_trained_and_says_its_commit(results, monkeypatch, capsys):
    assert compare_variants.compare(TINY, minutes=9)
    capsys.readouterr()
    monkeypatch.setattr(provenance, "commit", lambda: "ba9876543210")
    monkeypatch.setattr(compare_variants, "CONTROLS", {"UNet, longer": {"epochs": 2}})
    assert compare_variants.compare({**TINY, "learning_rates": [0.03]}, minutes=9)
    assert trained(capsys) == 2 + 2  # the control, and the other rate
    commits = {name: {run["commit"] for run in n["runs"]} for name, n in read(results)["networks"].items()}
    assert commits["UNet"] == {"0123456789ab"} and commits["UNet, longer"] == {"ba9876543210"}
    assert "UNet, learning rate 0.003" not in commits
    assert compare_variants.compare({**TINY, "learning_rates": [0.03], "channels": [2, 6]}, minutes=9)
    assert trained(capsys) == 9


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(results):
    data = compare_variants.load_data(TINY)
    network = compare_variants.networks(TINY)["AttentionUNet"]
    torch.set_num_threads(1)
    one, again, other = (compare_variants.train(network, seed, data, TINY) for seed in (3, 3, 4))
    for run in (one, again, other):
        del run["seconds"], run["seed"]
    assert one == again != other


def test_the_side_questions_change_one_thing_each():
    rows = compare_variants.networks(compare_variants.SETTINGS)
    for name, usual, key, value in [
        ("UNet, learning rate 0.003", "UNet", "learning_rate", 0.003),
        ("UNetPlusPlus, learning rate 0.03", "UNetPlusPlus", "learning_rate", 0.03),
        ("AttentionUNet, other order", "AttentionUNet", "channels_last", False),
    ]:
        assert rows[usual][key] != value
        assert rows[name] == {**rows[usual], "seeds": compare_variants.SETTINGS["side_seeds"], key: value}


@pytest.mark.parametrize("variant", ["UNetPlusPlus", "EfficientUNet"])
def test_the_controls_have_the_size_that_they_say(variant):
    rows = compare_variants.networks(compare_variants.SETTINGS)
    for what, key in (("parameters", "parameters"), ("work", "multiply_adds")):
        names = f"UNet, {what} of {variant}", variant
        control, original = (compare_variants.size(rows[name], compare_variants.SETTINGS)[key] for name in names)
        assert control == pytest.approx(original, rel=0.02)


def test_the_longer_training_works_as_much_as_unet_plus_plus():
    rows = compare_variants.networks(compare_variants.SETTINGS)
    plain, longer, nested = (rows[name] for name in ("UNet", "UNet, longer", "UNetPlusPlus"))
    work = [compare_variants.size(n, compare_variants.SETTINGS)["multiply_adds"] for n in (plain, nested)]
    assert longer["epochs"] * work[0] == pytest.approx(nested["epochs"] * work[1], rel=0.05)


# The record that the package keeps -----------------------------------------------------------------------------------


def test_the_kept_record_is_of_these_settings_and_complete():
    record, rows = records.load("variants"), compare_variants.networks(compare_variants.SETTINGS)
    assert record["settings"] == compare_variants.SETTINGS
    assert list(record["networks"]) == list(rows)
    for name, row in rows.items():
        network = record["networks"][name]
        assert {key: network[key] for key in row} == row
        assert sorted(run["seed"] for run in network["runs"]) == row["seeds"]
        for run in network["runs"]:
            assert len(run["train_loss"]) == len(run["val_iou"]) == row["epochs"]
            assert 0 < run["iou"] < 1 and 0 < run["boundary_error"]
            assert re.fullmatch("[0-9a-f]{12}", run["commit"]), "made by code that is in the history"
    timed = record["step_time"]
    assert timed["UNet"] == {"median": 1, "lower_quartile": 1, "upper_quartile": 1}
    assert all(0 < t["lower_quartile"] <= t["median"] <= t["upper_quartile"] for t in timed.values())


def test_the_kept_sizes_are_those_of_the_package():
    record = records.load("variants")
    for name, network in record["networks"].items():
        counted = compare_variants.size(network, record["settings"])
        assert counted == {key: network[key] for key in counted}, name


def test_the_table_has_a_line_for_every_network():
    lines = compare_variants.table(records.load("variants")).splitlines()
    assert len(lines) == 1 + len(compare_variants.networks(compare_variants.SETTINGS))
    assert lines[1].split()[:4] == ["UNet", "121,033", "36,110,336", "1.00"]
