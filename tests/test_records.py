"""Kept results: they come back as they were written, and say how they were made."""

import json
import subprocess

import pytest
import torch

import provenance
from unet_tutorial import _kept, records


@pytest.fixture
def results(monkeypatch, tmp_path):
    """Read and write results in an empty folder."""
    monkeypatch.setattr(provenance, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(_kept, "files", lambda package: tmp_path)
    return tmp_path / "results"


def test_a_record_comes_back_with_how_it_was_made(results):
    path = provenance.write_record("speed", {"Größe": [1.5, None]}, command="python tools/speed.py", seeds=range(2))
    assert path == results / "speed.json" and records.available() == ["speed"]
    record = records.load("speed")
    assert record["Größe"] == [1.5, None]
    made = record["provenance"]
    assert made["command"] == "python tools/speed.py" and made["seeds"] == [0, 1]
    assert made["versions"]["torch"] == torch.__version__ and made["threads"] == torch.get_num_threads()
    assert made["processor"] and "gpu" in made


@pytest.mark.parametrize("content, message", [({"provenance": 1}, "must not hold"), ({"iou": float("nan")}, "JSON")])
def test_what_cannot_be_kept_is_refused(results, content, message):
    with pytest.raises(ValueError, match=message):
        provenance.write_record("speed", content, command="python tools/speed.py", seeds=[0])
    assert not (results / "speed.json").exists()


@pytest.mark.parametrize(
    "settings, code, goes_on",
    [
        ({"steps": (1, 2)}, "0123456789ab", True),
        ({"steps": (1, 3)}, "0123456789ab", False),
        ({"steps": (1, 2), "more": 1}, "0123456789ab", False),
        ({"steps": (1, 2)}, "ba9876543210", False),
        ({"steps": (1, 2)}, "0123456789ab+", False),
        ({"steps": (1, 2)}, "unknown", False),
    ],
)
def test_a_command_goes_on_only_with_its_own_settings_and_its_own_code(results, monkeypatch, settings, code, goes_on):
    empty = {"runs": []}
    made_with = code if code.endswith("+") or code == "unknown" else "0123456789ab"
    monkeypatch.setattr(provenance, "commit", lambda: made_with)
    assert provenance.begun("speed", settings, empty) == {**settings, **empty}
    provenance.write_record("speed", {"steps": (1, 2), "runs": [7]}, command="", seeds=[0])
    monkeypatch.setattr(provenance, "commit", lambda: code)
    assert provenance.begun("speed", settings, empty)["runs"] == ([7] if goes_on else [])


def test_an_unknown_name_is_answered_by_the_known_ones(results):
    provenance.write_record("speed", {}, command="python tools/speed.py", seeds=[])
    with pytest.raises(ValueError, match="'speed'.* but got 'sped'. Did you mean 'speed'?"):
        records.load("sped")


def test_the_commit_says_whether_the_code_was_changed(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.commit() == "unknown"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    code, result = tmp_path / "experiments" / "code.py", tmp_path / "unet_tutorial" / "results" / "speed.json"
    for path in (code, result):
        path.parent.mkdir(parents=True)
    code.write_text("1")
    result.write_text("{}")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    result.write_text('{"other": 1}')
    clean = provenance.commit()
    assert len(clean) == 12
    code.write_text("2")
    assert provenance.commit() == clean + "+"


def test_every_kept_result_says_how_it_was_made():
    names = records.available()
    assert names
    for name in names:
        text = json.dumps(records.load(name))
        assert '"command"' in text and '"commit"' in text and '"processor"' in text, name
