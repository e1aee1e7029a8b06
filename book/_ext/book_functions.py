"""``{library-names}``: names of libraries, each with what it does and the chapter in which it comes first.

Each line of its content is ``name: what it does``. The chapters are looked up (`tools/library_names.py`).
"""

import sys
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.util.docutils import SphinxDirective


def chapter_link(chapter, document):
    """Return a link to a chapter, by its number."""
    number = str(int(chapter.split("_")[0]))
    options = {"refdomain": "std", "reftype": "doc", "reftarget": f"/notebooks/{chapter}", "refexplicit": True}
    return pending_xref("", nodes.inline(number, number), refdoc=document, refwarn=True, **options)


class LibraryNames(SphinxDirective):
    """A table of names, what they do, and where they come first."""

    has_content = True

    def run(self):
        root = Path(self.env.srcdir)
        sys.path.insert(0, str(root / "tools"))
        import library_names  # here, because it loads PyTorch, and most pages do without

        chapters = root / "book" / "chapters"
        for path in chapters.glob("*.md"):
            self.env.note_dependency(str(path))
        first = library_names.first_uses(chapters)
        group = nodes.tgroup("", cols=3)
        group += [nodes.colspec("", colwidth=width) for width in (30, 60, 10)]
        group += nodes.thead("", self.row(*(nodes.Text(text) for text in ("name", "what it does", "chapter"))))
        body = nodes.tbody()
        for line in self.content:
            name, _, words = line.partition(": ")
            if name not in first:
                raise self.error(f"no chapter uses {name!r}: take it out of {self.env.docname}.md.")
            body += self.row(nodes.literal(name, name), nodes.Text(words), chapter_link(first[name], self.env.docname))
        group += body
        return [nodes.table("", group, classes=["library-names"])]

    @staticmethod
    def row(*cells):
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def setup(app):
    """Add the directive."""
    app.add_directive("library-names", LibraryNames)
    return {"parallel_read_safe": True}
