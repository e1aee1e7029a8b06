"""What the page "Teach with this book" shows of the teaching kit: the plans, the rule of the minutes, the rubric.

``{teaching-plan} NAME`` gives a plan, ``{teaching-rule}`` the rule by which its minutes are counted,
``{teaching-trouble}`` what to do when something fails, and ``{teaching-rubric}`` how to grade.
"""

import sys
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))
import teaching


class FromMarkdown(SphinxDirective):
    """A part of the page that comes as Markdown from elsewhere."""

    def text(self):
        """Return the Markdown."""
        raise NotImplementedError

    def run(self):
        """Parse it where it stands."""
        root = Path(self.env.srcdir)
        folder = root / teaching.FOLDER
        for path in [*folder.rglob("*.yml"), folder / "rubric.md", *(root / "book" / "chapters").glob("*.md")]:
            self.env.note_dependency(str(path))
        return self.parse_text_to_nodes(self.text(), allow_section_headings=False)


class Plan(FromMarkdown):
    """``{teaching-plan} 90_minutes``."""

    required_arguments = 1

    def text(self):
        """Return the plan, its sessions as rubrics: the page's own headings stay those of its plans."""
        name = self.arguments[0]
        if getattr(self.config, "edition", "reader") == "student":
            return "This plan is in the edition for teachers."  # it says what students say, and what is right
        problems = teaching.problems(name)
        if problems:
            raise self.error("\n".join(problems))
        return teaching.markdown(name, level="**")

    def run(self):
        """Return the plan in a box that can be scrolled."""
        return [nodes.container("", *super().run(), classes=["teaching-plan"])]


class Rule(FromMarkdown):
    """``{teaching-rule}``."""

    def text(self):
        """Return the rule."""
        return teaching.rule()


class Trouble(FromMarkdown):
    """``{teaching-trouble}``."""

    def text(self):
        """Return what to do when something fails."""
        return teaching.trouble()


class Rubric(FromMarkdown):
    """``{teaching-rubric}``."""

    def text(self):
        """Return the rubric."""
        return teaching.rubric()


def setup(app):
    """Register the directives."""
    for name, directive in {"plan": Plan, "rule": Rule, "trouble": Trouble, "rubric": Rubric}.items():
        app.add_directive(f"teaching-{name}", directive)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
