"""python -m unet_tutorial grade: which exercises hold in the notebooks of a class."""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

HELP = "run the notebooks of a class, and write down which exercises hold"
DESCRIPTION = """\
Run every notebook below FOLDER in a fresh kernel, and write a table of the exercises that hold.

A folder for each student, or all notebooks in one folder: both are taken. The notebooks stay as they are. Cells of
solutions that came with the book are left out. A cell that fails does not end the notebook; one that exceeds the
time or the memory does, and what was answered before counts.
"""
EPILOG = """\
the table:
  a row for each notebook: who, how it ended, how many exercises hold, and a column for each exercise with
  right, wrong, empty (not answered) or not reached

what a notebook can do:
  It runs with your rights: it can read and delete your files, and use your network. The limits stop an accident, not an
  attack, and whoever wants to can make the table say anything. Run the notebooks of people you do not know in a
  container without network and with nothing of yours in it, such as
    docker run --rm --network none -v "$PWD/class:/class" IMAGE python -m unet_tutorial grade /class
  where IMAGE has this package installed.

example:
  python -m unet_tutorial grade class

exit status:
  0  every notebook was run to its end
  1  some were not, and the table says why
  2  nothing was done
"""
MIME = "application/vnd.unet-tutorial.exercise+json"
CHECKED = re.compile(r"^\s*check\(\s*[\"']([\w.]+)[\"']", re.M)
NEEDED = ("jupyter_client", "nbclient", "nbformat", "psutil")
LOOK = 0.2  # seconds between two looks at a kernel
# The first cell of every notebook: `check` as before, and beside what it says, the exercise and its state.
RECORDER = f"""\
def _recorded():
    import contextlib, io
    from IPython.display import display
    from unet_tutorial import exercises

    original = exercises.check

    def check(name, answer, *, keep=False):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            original(name, answer, keep=keep)
        print(said.getvalue(), end="")
        display({{"{MIME}": {{"name": name, "said": said.getvalue()}}}}, raw=True)

    exercises.check = check


_recorded()
del _recorded
"""
STATES = {"Right:": "right", "Not yet:": "wrong", "Not answered yet:": "empty"}


class Result(NamedTuple):
    """What came of one notebook: whose it is, how it ended, and the state of every exercise in it."""

    student: str
    notebook: str
    ended: str
    states: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="holds the notebooks, or a folder for each student")
    parser.add_argument("--out", type=Path, help="the table; FOLDER/grades.csv if not given")
    parser.add_argument("--minutes", type=float, default=20.0, help="for one notebook at most (20)")
    parser.add_argument("--memory", type=float, default=4.0, help="GB for one notebook at most (4)")


def run(arguments: argparse.Namespace) -> int:
    if arguments.minutes <= 0 or arguments.memory <= 0:
        raise ValueError(f"minutes and memory must be above 0, but got {arguments.minutes:g} and {arguments.memory:g}.")
    out = arguments.out or arguments.folder / "grades.csv"
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"grading needs {', '.join(missing)}. Run `pip install .[teach]` in the book's folder."
        )
    results = []
    for result in grade(arguments.folder, seconds=60 * arguments.minutes, memory=arguments.memory * 1e9):
        right = sum(state == "right" for state in result.states.values())
        name = f"{result.student}/{result.notebook}"
        print(f"{name}: {right} of {len(result.states)} hold; {result.ended}.", flush=True)
        results.append(result)
        write(results, out)  # after each, so that nothing is lost when somebody stops it
    print(f"The table is {out}.")
    return int(any(result.ended != "ran to its end" for result in results))


def grade(folder: Path, *, seconds: float, memory: float) -> Iterator[Result]:
    """Yield what came of every notebook below a folder, with a limit in seconds and bytes for each."""
    if not folder.is_dir():
        raise ValueError(f"FOLDER must be a folder with notebooks, but {folder} is none.")
    paths = sorted(path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    if not paths:
        raise ValueError(f"no notebook (*.ipynb) lies in {folder} or below it.")
    with tempfile.TemporaryDirectory(prefix="grade-", ignore_cleanup_errors=True) as work:
        for path in paths:
            inside = path.relative_to(folder)
            student = inside.parts[0] if len(inside.parts) > 1 else path.stem
            place = Path(work, student)
            if (
                not place.is_dir()
            ):  # what a student keeps in my_unet.py is there for the next chapter, and for nobody else
                if len(inside.parts) > 1:
                    shutil.copytree(folder / student, place, ignore=shutil.ignore_patterns("*.ipynb"))
                place.mkdir(exist_ok=True)
            yield _graded(path, student, place, seconds, memory)


def _graded(path: Path, student: str, place: Path, seconds: float, memory: float) -> Result:
    """Run one notebook, and return what came of it."""
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
    except (ValueError, KeyError, AttributeError, nbformat.reader.NotJSONError) as problem:
        return Result(student, path.name, f"is no notebook: {str(problem).partition(chr(10))[0]}", {})
    notebook.cells = [cell for cell in notebook.cells if "solution" not in cell.metadata.get("tags", [])]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    states = {name: "not reached" for cell in code for name in CHECKED.findall(cell.source)}
    for cell in code:
        cell.outputs, cell.execution_count = [], None
    notebook.cells.insert(0, nbformat.v4.new_code_cell(RECORDER))
    ended = asyncio.run(_run(notebook, place, seconds, memory))
    outputs = [output for cell in code for output in cell.outputs]
    for output in outputs:
        found = output.get("data", {}).get(MIME)
        if isinstance(found, dict) and found.get("name") in states:
            said = str(found.get("said", ""))
            states[found["name"]] = next((state for start, state in STATES.items() if said.startswith(start)), "wrong")
    errors = [f"{output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]
    if errors and ended == "ran to its end":
        ended = f"ran to its end, with {len(errors)} error{'s' * (len(errors) > 1)}, the first {_short(errors[0])}"
    return Result(student, path.name, ended, states)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"


async def _run(notebook: Any, place: Path, seconds: float, memory: float) -> str:
    """Run a notebook in a fresh kernel of this Python, and return how it ended."""
    import psutil
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    over, why = threading.Event(), []

    def watch(process_id: int) -> None:
        """End the kernel when it takes too long or too much."""
        started = time.monotonic()
        while not over.wait(LOOK):
            try:
                kernel = psutil.Process(process_id)
                all_of_it = [kernel, *kernel.children(recursive=True)]
                used = sum(process.memory_info().rss for process in all_of_it)
            except psutil.Error:
                return  # it has ended by itself, and nbclient says so
            if used > memory:
                why.append(f"stopped: it took more than {memory / 1e9:g} GB of memory")
            elif time.monotonic() - started > seconds:
                why.append(f"stopped: it took more than {seconds / 60:g} minutes")
            if why:
                for process in all_of_it:
                    process.kill()
                return

    def started(**_: object) -> None:
        threading.Thread(target=watch, args=(vars(manager.provisioner)["pid"],), daemon=True).start()

    client = NotebookClient(
        notebook,
        km=manager,
        timeout=None,
        allow_errors=True,
        resources={"metadata": {"path": str(place)}},
        on_notebook_start=started,
    )
    try:
        await client.async_execute(cleanup_kc=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    except (DeadKernelError, RuntimeError):
        return why[0] if why else "stopped: its Python ended without a word"
    finally:
        over.set()
    return why[0] if why else "ran to its end"


def write(results: list[Result], out: Path) -> None:
    """Write the table."""
    names = list(dict.fromkeys(name for result in results for name in result.states))
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["student", "notebook", "ended", "right", "asked", *names])
        for result in results:
            right = sum(state == "right" for state in result.states.values())
            states = [result.states.get(name, "") for name in names]
            rows.writerow([result.student, result.notebook, result.ended, right, len(result.states), *states])
