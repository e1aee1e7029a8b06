"""The steps of `make test` and `make check`: each a command with a line on the screen and a log of its own.

A step that fails does not hide the next ones. No step is ended because it takes long; one that does nothing at all any
more is (`tools/watch.py`). What a step says goes into a file, and its end onto the screen if it fails.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nbformat

import data_sets
import kernels
import watch
import webkit
from console import Board, duration, last_lines
from runs import workers

PYTEST = ["-m", "pytest", "-q", "--durations=20", "--durations-min=1"]
# The notebooks under nbval, against the runs that the build of the book keeps: nothing is run twice.
NBVAL = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(Path(__file__).with_name("nbval.cfg"))]

# The steps of a test, the quick ones first. Each is a plain command of this Python.
# What is quick stands in .pre-commit-config.yaml, too.
QUICK = {
    "style": ["-m", "ruff", "check", "."],
    "format": ["-m", "ruff", "format", "--check", "."],
    "types": ["-m", "mypy"],
    "sources": ["tools/check_sources.py"],
    "notebooks against text": ["tools/notebooks.py", "check"],
}
STEPS = QUICK | {
    "package and tools": [*PYTEST, "-n", str(workers()), "--ignore=tests/browser"],
    "book": ["tools/run.py", "book"],
    "notebooks compared": [*PYTEST, *NBVAL, "--kept-runs=.", "notebooks"],
    "browser": ["tools/browser.py", "install"],
    "pages": [*PYTEST, "-n", str(workers()), "--dist=loadscope", "tests/browser"],
}
DOWNLOADS = {"browser"}  # waits for the network, which is no work: it is not watched
SLOW = re.compile(r"^([\d.]+)s (?:call|setup|teardown) +(\S.*)$", re.M)
COUNTS = re.compile(r"(\d+) (passed|failed|errors?)\b")
PERCENT = re.compile(r"\[ *(\d+)%\]")


class Step(NamedTuple):
    """How a step ended."""

    name: str
    succeeded: bool
    seconds: float
    log: Path


def run_step(root: Path, name: str, command: list[str], board: Board) -> Step:
    """Run one step, show how far it is, and give it a line on the board."""
    log = root / "_build" / "log" / f"{name.replace(' ', '_')}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    board.show(name, f"  {name:<24}")
    whole = {"cwd": root, "env": kernels.environment(), "stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    with (
        log.open("wb") as file,
        subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, **whole) as process,
    ):
        guard = None if name in DOWNLOADS else watch.Guard(process.pid)
        try:
            file.write(f"$ python {' '.join(command)}\n".encode())
            for line in process.stdout:
                file.write(line)
                file.flush()
                board.show(name, f"  {name:<24}{how_far(line)}  {time.perf_counter() - start:4.0f} s")
            succeeded = process.wait() == 0
            if guard is not None and guard.hangs:
                file.write(f"{watch.verdict()}\n".encode())
        finally:
            watch.end_tree(process.pid)
            if guard is not None:
                guard.stop()
    step = Step(name, succeeded, time.perf_counter() - start, log)
    board.done(line_of(step), name)
    if not succeeded:
        board.done(f"{last_lines(log, 40)}\nAll that was said is in {log.relative_to(root)}.")
    return step


def how_far(line: bytes) -> str:
    """Return the share of the tests that pytest has run, from one of its lines, or the line."""
    text = line.decode(errors="replace").strip()
    percent = PERCENT.search(text)
    return f"{percent[1]} %" if percent else text[:60]


def line_of(step: Step) -> str:
    """Return the line that stays."""
    counts = ", ".join(f"{count} {what}" for what, count in counts_of(step).items())
    return (
        f"  {step.name:<24}{duration(step.seconds):>16}  {'passed' if step.succeeded else 'FAILED'}  {counts}".rstrip()
    )


def counts_of(step: Step) -> dict[str, int]:
    """Return how many tests passed and failed in a step of pytest."""
    lines = step.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    found = COUNTS.findall(lines[-1]) if lines else []
    return {what: int(count) for count, what in found}


def left_out(root: Path, missing: list[data_sets.DataSet]) -> dict[str, list[str]]:
    """Return what steps leave out where some data sets are not on this computer: the tests and chapters of these."""
    if not missing:
        return {}
    import dependencies  # here, because it takes a while

    paths = sorted((root / "notebooks").glob("*.ipynb"))
    users = [path for path in paths if set(dependencies.data_of(nbformat.read(path, 4))) & set(missing)]
    return {
        "package and tools": ["-m", data_sets.tests_without(missing)],
        "notebooks compared": [f"--ignore={path.relative_to(root).as_posix()}" for path in users],
    }


def test(root: Path, steps: dict[str, list[str]] = STEPS) -> int:
    """Take every step, whatever happened before, and say at the end which failed and what took longest."""
    board, missing, notes = Board(), data_sets.missing(), []
    less = left_out(root, missing)
    if missing:
        titles = ", ".join(one.published().title for one in missing)
        notes += [
            f"Left out: what needs {titles}, in chapters and tests. They are not on this computer.",
            "Set UNET_TUTORIAL_DATA to a folder that has them (book/how_to_use.md), and it runs.",
        ]
    print(f"{len(steps)} steps; what each says is in _build/log.", flush=True)
    done = []
    for name, command in steps.items():
        if name == "pages" and not webkit.is_here():  # only now: the step before may have installed it
            less[name] = ["-m", "not webkit"]
            notes.append("Left out: the explorers in WebKit, for which this computer has no driver (CONTRIBUTING.md).")
        done.append(run_step(root, name, [*command, *less.get(name, [])], board))
    return report(done, notes)


def report(done: list[Step], notes: Sequence[str] = ()) -> int:
    """Print the slowest tests, what was left out, and the sums; return 0 if nothing failed."""
    slow = [(float(took), test) for step in done for took, test in SLOW.findall(text_of(step))]
    if slow:
        print("\nThe slowest tests:")
        for took, test in sorted(slow, reverse=True)[:20]:
            print(f"{took:>8.1f} s  {test}")
    if notes:
        print("", *notes, sep="\n")
    failed = [step.name for step in done if not step.succeeded]
    counts = [counts_of(step) for step in done]
    passed = sum(count.get("passed", 0) for count in counts)
    wrong = sum(value for count in counts for what, value in count.items() if what != "passed")
    print(f"\n{duration(sum(step.seconds for step in done))} in all. ", end="")
    print(f"FAILED: {', '.join(failed)}." if failed else "All steps passed.")
    print(f"{passed} passed, {wrong} failed", flush=True)
    return 1 if failed else 0


def text_of(step: Step) -> str:
    return step.log.read_text(encoding="utf-8", errors="replace")


def check(root: Path) -> int:
    """Take the quick steps, and run the tests of what has been changed since the last commit."""
    board = Board()
    steps = dict(QUICK)
    tests = touched_tests(root, changed_files(root))
    if tests:
        steps["tests of what changed"] = [*PYTEST, "-n", str(workers()), "-m", data_sets.tests_without(), *tests]
    else:
        print("Nothing has changed since the last commit that the package's tests look at.", flush=True)
    return report([run_step(root, name, command, board) for name, command in steps.items()])


def changed_files(root: Path) -> set[str]:
    """Return what is other than in the last commit, or new."""
    git = ["git", "-C", str(root), "-c", "core.quotepath=off"]
    commands = (["diff", "--name-only", "HEAD"], ["ls-files", "--others", "--exclude-standard"])
    return {name for command in commands for name in subprocess.check_output([*git, *command], text=True).splitlines()}


def users(root: Path, private: str) -> set[str]:
    """Return the modules of the package that import a private one."""
    imports = re.compile(rf"^\s*from \S+ import .*\b{private}\b|^\s*from \S*\.{private} import", re.M)
    files = (root / "unet_tutorial").rglob("*.py")
    return {path.stem for path in files if imports.search(path.read_text(encoding="utf-8"))}


def touched_tests(root: Path, changed: set[str]) -> list[str]:
    """Return the tests that import a changed module or are changed themselves, and the changed modules' examples."""
    stems = {Path(name).stem for name in changed if name.startswith(("unet_tutorial/", "tools/", "book/_ext/"))}
    for private in [stem for stem in stems if stem.startswith("_") and stem != "__init__"]:
        stems |= users(root, private)  # no test imports it: what uses it is tested
    names = re.compile(rf"\b({'|'.join(map(re.escape, stems - {'__init__'})) or '(?!)'})\b")
    tests = []
    for path in sorted((root / "tests").glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        imports = "\n".join(line for line in text.splitlines() if "import" in line)
        if path.relative_to(root).as_posix() in changed or names.search(imports) or path.stem[5:] in stems:
            tests.append(path.relative_to(root).as_posix())
    modules = [name for name in changed if name.startswith("unet_tutorial/") and name.endswith(".py")]
    return tests + sorted(name for name in modules if (root / name).is_file())
