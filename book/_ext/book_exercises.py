"""The exercises of a chapter, answered in the page: in the place of a cell with a check stands a field with a button.

What the field needs (the right answer, the typical wrong ones, the hints) comes from `unet_tutorial.exercises`, and
judges as the notebook does. An exercise that asks for code is written in the notebook; the page says so in a line.
"""

import html
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

CHECK = re.compile(r'^check\("([\w.]+)"', re.M)
WITHOUT_SCRIPTS = "The field for an answer needs JavaScript. In the notebook, the check answers."


def field(name, exercise, edition):
    """Return the place in the page where an exercise is answered; ``field.js`` fills it."""
    from unet_tutorial._seal import sealed

    table = exercise.table()
    if edition == "student":
        del table["revealed"]  # then there is no button for it
    attributes = f'data-exercise="{html.escape(name)}" data-sealed="{sealed(name, table)}"'
    return nodes.raw("", f'<div class="exercise" {attributes}><p>{WITHOUT_SCRIPTS}</p></div>', format="html")


def where_to_write(document):
    """Return the line under an exercise that asks for code."""
    link = addnodes.pending_xref(
        "", nodes.inline("", "on your computer or in Colab"), refdomain="std", reftype="doc", refdoc=document,
        reftarget="/book/how_to_use", refexplicit=True, refwarn=True,
    )  # fmt: skip
    words = [nodes.Text("Write it in the notebook, "), link, nodes.Text(". The check answers there.")]
    return nodes.container("", nodes.paragraph("", "", *words), classes=["exercise", "in-the-notebook"])


def put_fields(app, doctree):
    """Put a field, or a line, in the place of every cell of a chapter that checks an answer of the reader."""
    if not app.env.docname.startswith("notebooks/"):
        return
    found = False
    for cell in list(doctree.findall(nodes.container)):
        if cell.get("nb_element") != "cell_code" or "tag_solution" in cell["classes"]:
            continue
        name = CHECK.search(cell.children[0].astext())
        if name is None:
            continue
        from unet_tutorial import exercises  # here, because it loads PyTorch, and most pages do without

        exercise, found = exercises.find(name[1]), True
        if hasattr(exercise, "table"):
            cell.replace_self(field(name[1], exercise, app.config.edition))
        else:
            cell.children[1:] = [where_to_write(app.env.docname)]
    if found:
        folder = Path(exercises.__file__).parent
        for path in [*folder.glob("*.*"), *folder.parent.glob("_seal.*")]:
            app.env.note_dependency(str(path))
        doctree["has_exercises"] = True


def add_script(app, pagename, templatename, context, doctree):
    """Give the script to the pages with exercises, and to no other."""
    if doctree is not None and doctree.get("has_exercises"):
        from unet_tutorial import _seal, exercises

        folder = Path(exercises.__file__).parent
        parts = [_seal.UNSEAL, *((folder / name).read_text(encoding="utf-8") for name in ("answers.js", "field.js"))]
        app.add_js_file(None, body="\n".join(parts), type="module")


def setup(app):
    """Register the steps, and the setting that says for whom the book is built (``tools/editions.py``)."""
    app.add_config_value("edition", "reader", "env", str)
    app.connect("doctree-read", put_fields)
    app.connect("html-page-context", add_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
