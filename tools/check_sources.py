"""Check the files of the repository: sizes, machine paths, unfinished marks, links, and the package's public names.

    python tools/check_sources.py

It looks at everything that git tracks or would track, and at nothing outside.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

from notebook_rules import MACHINE_PATH

ROOT = Path(__file__).resolve().parents[1]
MAX_BYTES = 1_000_000
MAX_SCRIPT_BYTES, MAX_SCRIPT_LINE = 60_000, 1_000  # what people write by hand stays below
# Written in two parts, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|(?i:lorem " r"ipsum|coming " r"soon)")
SKIPPED = re.compile(r"pytest\.(skip|importorskip)\(|mark\.(skip|skipif)\b|\bassert " r"True\b")
# A busy machine is slow, and nothing may fail for that; what was measured is printed, and bounds are in the benchmark.
TIMED = re.compile(r"\bassert\b.*\b(perf_counter|process_time|monotonic|seconds|elapsed|took|faster|slower)\b[^=]*[<>]")
CODE = re.compile(r"^(`{3,}|~{3,}).*?^\1\s*$|`[^`\n]+`", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)>\s]+)|<(?:a|img)\b[^>]*\b(?:href|src)=\"([^\"]+)\"")


def tracked(root: Path) -> list[Path]:
    """Return the files that git tracks, and the new ones that it does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout.decode()
    return sorted({root / name for name in out.split("\0") if name and (root / name).is_file()})


def file_problems(root: Path, path: Path) -> Iterator[str]:
    """Yield what is wrong with one file of the repository at ``root``."""
    name, content = path.relative_to(root).as_posix(), path.read_bytes()
    if len(content) > MAX_BYTES:
        yield f"{name}: has {len(content) / 1e6:.1f} MB, which every clone carries; make it smaller than 1 MB."
    if path.suffix in (".js", ".css"):
        longest = max(map(len, content.split(b"\n")))
        if ".min." in path.name or len(content) > MAX_SCRIPT_BYTES or longest > MAX_SCRIPT_LINE:
            yield f"{name}: looks minified or third-party; fetch such files when the book is built."
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.split("\n"), 1):
        if MACHINE_PATH.search(line) or str(root) in line:
            yield f"{name}:{number}: holds a path of this machine; make it relative."
        if UNFINISHED.search(line):
            yield f"{name}:{number}: holds an unfinished mark ({UNFINISHED.search(line).group()}); finish it."
        if name.startswith(("tests/", "book/chapters/")) and TIMED.search(line):
            yield f"{name}:{number}: asserts something about a time; print it, or measure it in the benchmark."
        if name.startswith("tests/") and SKIPPED.search(line):
            yield f"{name}:{number}: skips a test, or cannot fail; what is missing must fail."


def link_problems(root: Path, path: Path) -> Iterator[str]:
    """Yield the relative links of a Markdown file that lead to no file. Nothing outside is asked."""
    name = path.relative_to(root).as_posix()
    # A chapter's links count from where its notebook lies, and may name chapters that are built from text.
    folder = root / "notebooks" if name.startswith("book/chapters/") else path.parent
    for match in LINK.finditer(CODE.sub("", path.read_text(encoding="utf-8"))):
        target = unquote(match[1] or match[2]).partition("#")[0]
        if target and not re.match(r"[a-z][a-z+.-]*:|//", target) and not (folder / target).exists():
            yield f"{name}: links to {target}, which does not exist."


def modules(package: ModuleType) -> Iterator[ModuleType]:
    """Yield the package and everything in it whose name is public."""
    yield package
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not any(part.startswith("_") for part in module.name.split(".")):
            yield importlib.import_module(module.name)


def public_names(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Yield the functions and classes that a module itself makes public."""
    for name, thing in vars(module).items():
        is_own = getattr(thing, "__module__", None) == module.__name__
        if is_own and not name.startswith("_") and (inspect.isfunction(thing) or inspect.isclass(thing)):
            yield name, thing


def names_in(path: Path) -> set[str]:
    """Return the names in a Python file, also those that it lists as texts, or in the code of a Markdown file."""
    if path.suffix == ".md":
        return set(re.findall(r"\w+", "\n".join(match[0] for match in CODE.finditer(path.read_text(encoding="utf-8")))))
    with tokenize.open(path) as file:
        tokens = list(tokenize.generate_tokens(file.readline))
    return {token.string.strip("\"'") for token in tokens if token.type in (tokenize.NAME, tokenize.STRING)}


def private_problems(module: ModuleType, names: dict[Path, set[str]]) -> Iterator[str]:
    """Yield the public names of a module that no other file names together with the module.

    Parts of the package, tests, chapters and the list of what the package offers make a name public; what a public
    function returns is public with it.
    """
    others = (found for path, found in names.items() if path != Path(module.__file__))
    used = set().union(*(found for found in others if module.__name__.split(".")[-1] in found))
    public = dict(public_names(module))
    returned = " ".join(str(inspect.signature(thing).return_annotation) for thing in public.values())
    for name in public:
        if name not in used and not re.search(rf"\b{name}\b", returned):
            yield f"{module.__name__}.{name}: only its own file uses it; give it an underscore and a short docstring."


def docstring_problems(module: ModuleType) -> Iterator[str]:
    """Yield the public functions and classes of a module whose docstring is no numpydoc, or has no example."""
    if not inspect.getdoc(module):
        yield f"{module.__name__}: has no docstring."
    for name, thing in public_names(module):
        where, text = f"{module.__name__}.{name}", thing.__doc__ or ""
        if not re.search(r"^ *Examples\n *-{8}\n(?s:.*?)>>> ", text, re.M):
            yield f"{where}: its docstring has no section Examples with an example that runs."
        for parameter in inspect.signature(thing).parameters:
            if not re.search(rf"^ *([\w*]+, )*\**{parameter}(, [\w*]+)*( :|$)", text, re.M):
                yield f"{where}: its docstring does not describe the parameter {parameter}."


def main() -> int:
    files = tracked(ROOT)
    problems = [problem for path in files for problem in file_problems(ROOT, path)]
    problems += [problem for path in files if path.suffix == ".md" for problem in link_problems(ROOT, path)]
    public = list(modules(importlib.import_module("unet_tutorial")))
    problems += [problem for module in public for problem in docstring_problems(module)]
    names = {path: names_in(path) for path in files if path.suffix in (".py", ".pyi", ".md")}
    problems += [problem for module in public for problem in private_problems(module, names)]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(files)} files and {len(public)} modules looked at, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
