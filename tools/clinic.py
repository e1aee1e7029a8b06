"""The clinic: a healthy notebook, and eight that are ill in one place each, made from it by the change of one text.

``book/teach/clinic.md`` is the healthy one; ``clinic.yml`` beside it has the patients and what the key says of each.
"""

from __future__ import annotations

from typing import Any

import jupytext
import nbformat
import yaml

import notebooks
import teaching
from setup_cell import repository_url, setup_cell

FOLDER = teaching.ROOT / teaching.FOLDER
HEALTHY = {"title": "A healthy network", "complaint": "Nothing. It came for a check."}


def patients() -> list[dict[str, Any]]:
    """Return the patients in their order."""
    return yaml.safe_load((FOLDER / "clinic.yml").read_text(encoding="utf-8"))["patients"]


def notebook(patient: dict[str, Any] | None = None) -> nbformat.NotebookNode:
    """Return the notebook of a patient, or the healthy one; nothing in it says what is wrong.

    Raises
    ------
    ValueError
        If the text that a patient changes does not stand in the healthy notebook exactly once.
    """
    said = patient or HEALTHY
    text = (FOLDER / "clinic.md").read_text(encoding="utf-8")
    text = text.replace("{title}", said["title"]).replace("{complaint}", said["complaint"])
    if patient:
        if text.count(patient["find"]) != 1:
            count = text.count(patient["find"])
            raise ValueError(f"{patient['title']}: {patient['find']!r} stands {count} times in clinic.md, not once.")
        text = text.replace(patient["find"], patient["replace"])
    made = jupytext.reads(text, fmt="md:myst")
    made.cells.insert(1, nbformat.v4.new_code_cell(setup_cell(repository_url(teaching.ROOT))))
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"
    made.metadata = nbformat.from_dict(notebooks.METADATA)
    made.nbformat, made.nbformat_minor = 4, 5
    return made


def key() -> str:
    """Return the key as Markdown: what each has, what students try first, what to ask back, and the cure."""
    lines = ["One patient takes about ten minutes in class. Rule: say what you expect before you run `diagnose`.", ""]
    for patient in patients():
        lines += [f"## {patient['title']}", "", f"*Its owner says:* {patient['complaint']}", ""]
        lines += [f"**{patient['illness']}**", ""]
        seen = f"the check *{patient['check']}* of `diagnose`"
        seen += f", and PyTorch itself: `{patient['message']}`" if "message" in patient else ""
        lines += [f"- *Named by* {seen}.", f"- *What students try first:* {patient['first']}"]
        lines += [f"- *Ask back:* {patient['ask']}", f"- *Cure:* {patient['cure']}"]
        lines += [
            "",
            "```python",
            f"# ill\n{patient['replace'].strip()}",
            f"# well\n{patient['find'].strip()}",
            "```",
            "",
        ]
    return "\n".join(lines)
