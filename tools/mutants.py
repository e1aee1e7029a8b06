"""Change the package's code in one small place at a time, and see whether a test notices.

    python tools/mutants.py                      a sample of every module of the core
    python tools/mutants.py losses metrics       of these modules alone
    python tools/mutants.py losses --sample 100  more of it; a module has some hundred places

What no test notices is listed: either nothing holds that line, or the change makes no difference. It all happens in a
copy of the repository. A place takes some seconds.
"""

from __future__ import annotations

import argparse
import ast
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import data_sets
import kernels
from check_sources import tracked
from steps import touched_tests

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "unet_tutorial"
APART = ("widgets", "live")  # they draw; the core is the rest
SAMPLE = 10  # places a module
# Without conftest.py, which is for notebooks, and without other packages' additions, each of which takes its time.
PYTEST = ["-m", "pytest", "-q", "-x", "--noconftest", "-p", "no:cacheprovider", "-m", data_sets.tests_without()]
PATIENCE = 20  # times as long as without a change, and then it runs without end
SWAPS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}


def changed(node: ast.AST) -> bool:
    """Change a node, and return whether it is of a kind that can be."""
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in SWAPS:
        node.op = SWAPS[type(node.op)]()
    elif isinstance(node, ast.Compare):
        node.ops[0] = SWAPS[type(node.ops[0])]()
    elif isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        node.value = not node.value if isinstance(node.value, bool) else node.value + 1
    else:
        return False
    return True


def places(source: str) -> list[int]:
    """Return which nodes of a module can be changed, by their number in `ast.walk`."""
    return [number for number, node in enumerate(list(ast.walk(ast.parse(source)))) if changed(node)]


def mutant(source: str, place: int) -> tuple[int, str, str]:
    """Return the line of a place, what becomes of it in words, and the whole changed module."""
    tree = ast.parse(source)
    node = list(ast.walk(tree))[place]
    before = ast.unparse(node)
    changed(node)
    words = (text.splitlines()[0] for text in (before, ast.unparse(node)))
    return node.lineno, "  ->  ".join(words), ast.unparse(tree)


def notices(root: Path, tests: list[str], seconds: float | None = None) -> bool:
    """Return whether one of some tests fails, or does not end."""
    # Bytecode knows the second in which its source was changed, and this is changed faster.
    env = kernels.environment() | {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    try:
        return subprocess.run(
            [sys.executable, *PYTEST, *tests], cwd=root, env=env, capture_output=True, timeout=seconds
        ).returncode not in (0, 5)  # 5: there was no test
    except subprocess.TimeoutExpired:
        return True


def survivors(root: Path, name: str, sample: int, seed: int) -> tuple[list[str], int]:
    """Return what no test noticed in a module of a repository, one line each, and how many places were tried."""
    path = root / name
    source = path.read_text(encoding="utf-8")
    found = places(source)
    found = random.Random(f"{seed} {name}").sample(found, min(sample, len(found)))
    left = sorted(mutant(source, place) for place in found)
    everything = touched_tests(root, {name})
    near = [test for test in everything if test in (f"tests/test_{path.stem}.py", name)]
    try:
        for tests in filter(None, (near, everything)):  # all of them only for what those of the module do not notice
            if left:
                path.write_text(source, encoding="utf-8")
                left = unnoticed(root, path, left, tests)
    finally:
        path.write_text(source, encoding="utf-8")
    return [f"{name}:{line}: {words}" for line, words, _ in left], len(found)


def unnoticed(root: Path, path: Path, changes: list[tuple[int, str, str]], tests: list[str]) -> list:
    """Return those changes of a file that some tests do not notice; the file stays changed."""
    start = time.perf_counter()
    if notices(root, tests):
        raise RuntimeError(f"these tests fail without any change; see to that first: {' '.join(tests)}")
    patience = PATIENCE * (time.perf_counter() - start)
    left = []
    for change in changes:
        path.write_text(change[2], encoding="utf-8")
        if not notices(root, tests, patience):
            left.append(change)
    return left


def core(root: Path) -> list[str]:
    """Return the modules of the core."""
    files = (path.relative_to(root / PACKAGE) for path in (root / PACKAGE).rglob("*.py"))
    return sorted(f"{PACKAGE}/{file.as_posix()}" for file in files if file.parts[0] not in (*APART, "__init__.py"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="its name, such as losses or masks")
    parser.add_argument("--sample", type=int, default=SAMPLE, help=f"places a module (default {SAMPLE})")
    parser.add_argument("--seed", type=int, default=0, help="another number takes other places (default 0)")
    asked = parser.parse_args()
    known = {Path(name).stem: name for name in core(ROOT) if Path(name).stem != "__init__"}
    unknown = [name for name in asked.modules if name not in known]
    if unknown:
        parser.error(f"no module {', '.join(unknown)} in the core; there are: {', '.join(known)}")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "copy"
        for path in tracked(ROOT):
            copy = root / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        subprocess.run(["git", "init", "--quiet", root], check=True)  # some tests ask git for the files
        tried = noticed = 0
        for name in asked.modules or known:
            left, number = survivors(root, known[name], asked.sample, asked.seed)
            tried, noticed = tried + number, noticed + number - len(left)
            print(f"{known[name]}: {number - len(left)} of {number} noticed", *left, sep="\n    ", flush=True)
    print(f"{noticed} of {tried} changes were noticed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
