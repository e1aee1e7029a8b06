"""Give every chapter the number of its place in `_toc.yml`, in file names, titles, links, words and records.

    python tools/renumber.py

To put a chapter between others, write `book/chapters/NN_name.md`, where NN is the number of the chapter before it, list
it in `_toc.yml` at its place, and run this; then run `make notebooks`. What it changes are files that git knows
or would take in. A number that stands alone, as in the plan of a course, is to be changed by hand.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

from notebook_rules import toc_files

ROOT = Path(__file__).resolve().parents[1]
TEXTS = {".md", ".py", ".js", ".css", ".yml", ".toml", ".json", ".cfg", ".cff", ""}
# "chapter 3", "Chapters 1 to 13", "chapters 4, 7 and 13": the words, and the numbers after them.
WORDS = re.compile(r"\b[Cc]hapters? \d+(?:(?:-|, | to | and | or )\d+\b(?! [a-z]+s\b))*")


def new_stems(root: Path) -> dict[str, str]:
    """Return for every chapter of `_toc.yml`, in its order, the name of its file as it should be."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    stems = [Path(file).stem for file in toc_files(toc) if file.startswith("notebooks/")]
    return {stem: f"{number:02}_{stem[3:]}" for number, stem in enumerate(stems)}


def renumbered(text: str, stems: dict[str, str]) -> str:
    """Return a text with every mention of a chapter as it should be."""
    numbers: dict[int, int] = {}
    for old, new in stems.items():  # of two chapters with one number the first is the one that was there before
        numbers.setdefault(int(old[:2]), int(new[:2]))
    changed = "|".join(re.escape(old) for old, new in stems.items() if old != new)

    def in_words(match: re.Match) -> str:
        return re.sub(r"\d+", lambda number: str(numbers.get(int(number[0]), number[0])), match[0])

    # A link says number and file at once, and the file decides, because a new chapter shares its old number.
    text = re.sub(
        rf"\[([Cc]hapter) \d+\]\(([^)]*?)({changed})\.ipynb",
        lambda m: f"[{m[1]} \0{int(stems[m[3]][:2])}]({m[2]}{m[3]}.ipynb",
        text,
    )
    text = WORDS.sub(in_words, text).replace("\0", "")
    return re.sub(rf"(?<!\d)({changed})\b", lambda match: stems[match[0]], text)


def with_its_number(text: str, new: str) -> str:
    """Return the text of a chapter with its own number in the title."""
    return re.sub(r"^# \d+ ", f"# {int(new[:2])} ", text, count=1, flags=re.M)


def renumber(root: Path) -> list[str]:
    """Change all files of the book, and return which."""
    stems = new_stems(root)
    if all(old == new for old, new in stems.items()):
        return []
    listed = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = [name for name in subprocess.check_output(listed, text=True).split("\0") if name]
    changed = []
    for name in names:
        path = root / name
        if path.suffix not in TEXTS or not path.is_file() or name == "tools/renumber.py":
            continue
        old = path.read_text(encoding="utf-8")
        text = renumbered(old, stems)
        if name == f"book/chapters/{path.stem}.md":
            text = with_its_number(text, stems[path.stem])
        if name == "book/index.md":
            text = re.sub(
                r"^\| \d+ (\| \[.+?\]\(\.\./notebooks/(\d\d)_)", lambda m: f"| {int(m[2])} {m[1]}", text, flags=re.M
            )
        if text != old:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    _rename(root, stems)
    return changed


def _rename(root: Path, stems: dict[str, str]) -> None:
    """Rename the chapters; all leave their place first, because one may take another's."""
    for folder, suffix in (("book/chapters", ".md"), ("notebooks", ".ipynb")):
        moves = [(root / folder / f"{old}{suffix}", new) for old, new in stems.items() if old != new]
        waiting = [(path.rename(path.with_suffix(".moved")), new) for path, new in moves if path.is_file()]
        for path, new in waiting:
            path.rename(path.with_name(f"{new}{suffix}"))


def main() -> int:
    changed = renumber(ROOT)
    print("\n".join(changed) if changed else "Every chapter has the number of its place.")
    if changed:
        print(f"{len(changed)} files changed. Look at `git diff`, and run `make notebooks`.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
