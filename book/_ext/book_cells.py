"""What the book adds to the outputs of notebook cells.

``plots.show(fig, alt=...)`` of the package stores a figure together with its alternative text, as the plain-text
twin of the picture. MyST-NB 1.4 knows only an alternative text that is written into the cell's metadata, so a
picture would come out with its file name instead. Here every picture takes the text of its twin, and its size, so
that the page does not jump while it loads. A picture without a text is a warning, which fails our build.

Explorers (`unet_tutorial.widgets`) come as HTML that needs no kernel. The state that Jupyter's widgets would need to
be shown without one is dropped: nothing in the book reads it, and it would repeat all that the HTML holds.

Of an error that a chapter makes on purpose, the page shows the message. The calls that led to it go: they are long,
and name folders of the computer on which the book was built.
"""

import re
from pathlib import Path

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.util import logging
from sphinx.util.images import get_image_size

logger = logging.getLogger(__name__)

MESSAGE = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Warning|Interrupt)\b", re.M)


def is_output(node):
    """Return whether `node` is the container in which MyST-NB collects the forms of one output."""
    return isinstance(node, nodes.container) and node.get("nb_element") == "mime_bundle"


def alternative_text(bundle):
    """Return the plain text that stands beside a picture in one cell output, or "" if it is only an object's repr."""
    for twin in bundle.children:
        if twin.get("mime_type") == "text/plain":
            text = " ".join(twin.astext().split())
            return "" if text.startswith("<") else text
    return ""


def describe_pictures(app, doctree):
    """Give each picture of a cell output its alternative text and, for pixel pictures, its size."""
    for bundle in doctree.findall(is_output):
        for image in bundle.findall(nodes.image):
            image["alt"] = image.get("alt") or alternative_text(bundle)
            if not image["alt"]:
                logger.warning('a figure without alternative text: use plots.show(fig, alt="...")', location=image)
            size = get_image_size(str(Path(app.srcdir, image["uri"].lstrip("/"))))
            if size and "width" not in image:
                image["width"], image["height"] = f"{size[0]}px", f"{size[1]}px"
            image["loading"] = "lazy"


def shorten_tracebacks(app, doctree):
    """Leave of each traceback its message, which begins with the name of the exception."""
    for block in doctree.findall(nodes.literal_block):
        if "traceback" in block.get("classes", []):
            text = block.astext()
            message = text[[match.start() for match in MESSAGE.finditer(text)][-1] :]
            block.rawsource = f"Traceback (most recent call last):\n  …\n{message}"
            block["language"] = "pytb"
            block.children = [nodes.Text(block.rawsource)]


def drop_widget_state(app, doctree):
    """Take the state of Jupyter's widgets off the page that was just read."""
    if app.env.docname in NbMetadataCollector.get_doc_data(app.env):
        NbMetadataCollector.get_js_files(app.env, app.env.docname).pop("ipywidgets_state", None)


def finish_html(app, pagename, templatename, context, doctree):
    """Write picture sizes as attributes, which CSS may scale, call folds by their visible text, keep lists whole."""
    body = context.get("body", "")
    body = re.sub(r'style="width: (\d+)px; height: (\d+)px;"', r'width="\1" height="\2"', body)
    body = body.replace('<summary aria-label="Toggle hidden content">', "<summary>")
    # docutils 0.21 gives the papers of a list a role that ends the list for a screen reader
    context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app):
    """Register the steps."""
    app.connect("doctree-read", describe_pictures)
    app.connect("doctree-read", shorten_tracebacks)
    app.connect("doctree-read", drop_widget_state)
    app.connect("html-page-context", finish_html)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
