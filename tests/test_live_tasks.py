"""The six tasks of the training page: each can be solved with the controls of the page, and is not solved by nothing.

The trainings run in Node, with the very code and data of the page.
"""

import base64
import gzip
import json
import subprocess
from pathlib import Path

import pytest

from browser import node
from unet_tutorial import live
from unet_tutorial.live import base
from unet_tutorial.live.train import TASKS

CELLS = {"data": "cells", "batch": 4, "steps": 160}
SOLUTIONS = {
    "first": [{}],
    "small": [{"data": "cells", "depth": 1, "batch": 8, "steps": 160}],
    "rate": [{"rate": 3.0}, {"rate": 10.0}],
    "depth": [CELLS | {"depth": 2}, CELLS | {"depth": 3}],
    "skips": [CELLS, CELLS | {"skip": "none"}],
    "accident": [{}, {"accident": "wrong pairs"}],
}


def train(settings):
    """Train with each of some settings, which are those of the controls; return the trainings and the solved tasks."""
    script = base.read("kit.js") + base.read("train.js").replace("export default { initialize, render };", "")
    asked = {
        "engine": base.ENGINE,
        "script": script,
        "data": json.loads(gzip.decompress(base64.b64decode(live.Train.packed()))),
        "runs": [live.Train(**values).values for values in settings],
    }
    command = [str(node()), str(Path(__file__).parent / "live" / "train.mjs")]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer["finished"], {name for name, solved in answer["solved"].items() if solved}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_can_be_solved(task):
    # slow: whole trainings, as a reader does them
    finished, solved = train(SOLUTIONS[task])
    assert task in solved, finished
    assert solved <= {task, "first"}, "no task is solved by another one's solution but the first"


def test_nothing_is_solved_before_the_first_training():
    assert train([])[1] == set()


def test_the_same_seed_gives_the_same_network_and_another_seed_another():
    short = {"steps": 40, "batch": 1}
    (first, again, other), _ = train([short, short, short | {"seed": 1}])
    assert first == again and first["last"] != other["last"]
