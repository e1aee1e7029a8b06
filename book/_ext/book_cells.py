"""What the book adds to the outputs of notebook cells.

``plots.show(fig, alt=...)`` of the package stores a figure together with its alternative text, as the plain-text
twin of the picture. MyST-NB 1.4 knows only an alternative text that is written into the cell's metadata, so a
picture would come out with its file name instead. Here every picture takes the text of its twin, and its size, so
that the page does not jump while it loads. A picture without a text is a warning, which fails our build.

Explorers (`unet_tutorial.widgets`) come as HTML that needs no kernel. The state that Jupyter's widgets would need to
be shown without one is dropped: nothing in the page reads it, and it would repeat all that the HTML holds. Before, a
progress bar takes from it how it ended, which the page shows: the output itself holds only how the bar began.

Of an error that a chapter makes on purpose, the page shows the message. The calls that led to it go: they are long,
and name folders of the computer on which the book was built.
"""

import html
import json
import re
from pathlib import Path

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.util import logging
from sphinx.util.images import get_image_size

VIEW = "application/vnd.jupyter.widget-view+json"
BAR = 10  # characters of a whole bar, as tqdm draws it in a terminal
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


def widget_line(state, widget):
    """Return what a row of widgets says, as one line of text: its words, and its bars as tqdm draws them elsewhere."""
    line = ""
    for child in state.get(widget, {}).get("children", []):
        part = state[child.removeprefix("IPY_MODEL_")]
        if part["_model_name"] == "FloatProgressModel":
            line += f"|{'█' * round(BAR * part['value'] / part['max']):<{BAR}}|"
        else:
            line += html.unescape(str(part.get("value", ""))).replace("\u2007", " ")  # a space as wide as a digit
    return line


def is_hidden(state, widget):
    """Return whether a widget took itself away, as a progress bar with ``leave=False`` does at its end."""
    layout = state.get(widget, {}).get("layout", "").removeprefix("IPY_MODEL_")
    return state.get(layout, {}).get("visibility") == "hidden"


def finish_progress_bars(doctree, models):
    """Show each progress bar as it ended, and none that took itself away."""
    state = {name: model["state"] for name, model in models.items()}
    for bundle in list(doctree.findall(is_output)):
        forms = {form["mime_type"]: form for form in bundle.children}
        if VIEW not in forms or "text/html" in forms:
            continue
        widget = re.search(r'"model_id": "(\w+)"', forms[VIEW].astext())[1]
        if is_hidden(state, widget):
            bundle.parent.remove(bundle)
        elif line := widget_line(state, widget):
            (block,) = forms["text/plain"].findall(nodes.literal_block)
            block.rawsource, block.children = line, [nodes.Text(line)]
            bundle.remove(forms[VIEW])
        else:
            logger.warning("a widget of which nothing can be seen without Python: give it an HTML", location=bundle)


def use_up_widget_state(app, doctree):
    """Take from the widgets' state what the page that was just read shows of it, and drop it."""
    if app.env.docname in NbMetadataCollector.get_doc_data(app.env):
        files = NbMetadataCollector.get_js_files(app.env, app.env.docname)
        _, script = files.pop("ipywidgets_state", (None, {"body": '{"state": {}}'}))
        finish_progress_bars(doctree, json.loads(script["body"])["state"])


FOLDS = {  # where the code of a cell is folded and its output too, MyST-NB names both in the same words
    "Show source": "Show the code of the figure",
    "Hide source": "Hide the code of the figure",
    "Show output": "Show what comes out",
    "Hide output": "Hide what comes out",
}


def finish_html(app, pagename, templatename, context, doctree):
    """Write picture sizes as attributes, which CSS may scale, call folds by their visible text, keep lists whole."""
    body = context.get("body", "")
    body = re.sub(r'style="width: (\d+)px; height: (\d+)px;"', r'width="\1" height="\2"', body)
    body = body.replace('<summary aria-label="Toggle hidden content">', "<summary>")
    body = re.sub(r'(<figure class="unet-explorer[^>]*) data-model="\w+"', r"\1", body)  # there is no kernel
    for name, words in FOLDS.items():
        body = body.replace(f'admonition-title">{name}</p>', f'admonition-title">{words}</p>')
    # docutils 0.21 gives the papers of a list a role that ends the list for a screen reader
    context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app):
    """Register the steps."""
    app.connect("doctree-read", describe_pictures)
    app.connect("doctree-read", shorten_tracebacks)
    app.connect("doctree-read", use_up_widget_state)
    app.connect("html-page-context", finish_html)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
