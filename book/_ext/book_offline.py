"""Everything that a page needs comes with the book, over http and from a file alike.

The one thing that Sphinx would fetch from outside is MathJax. The package ``sphinx-mathjax-offline`` carries it, but
as a Sphinx extension it copies 24 MB into the book. One of its files is enough: MathJax with all of TeX, which draws
formulas as SVG and so needs no fonts. Only the pages that have mathematics load it.

Thebe, which would fetch scripts from outside to run code in the page, is unplugged.
"""

from importlib.util import find_spec
from pathlib import Path

MATHJAX = "tex-svg-full.js"

# A page opened from a file may not read other files, so the search shows its hits there without their first words.
SEARCH_FROM_FILE = 'if (location.protocol === "file:") { DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false; }'


def mathjax_file():
    """Return the path of the installed MathJax file.

    Raises
    ------
    FileNotFoundError
        If ``sphinx-mathjax-offline`` is not installed or does not hold the file.
    """
    spec = find_spec("sphinx-mathjax-offline")
    places = spec.submodule_search_locations if spec else []
    for place in places:
        path = Path(place, "static", "mathjax", MATHJAX)
        if path.is_file():
            return path
    raise FileNotFoundError(f"{MATHJAX} of sphinx-mathjax-offline not found: run pip install -r requirements.txt")


def use_local_files(app, config):
    """Point Sphinx to the local MathJax."""
    config.html_static_path = [*config.html_static_path, str(mathjax_file())]
    config.mathjax_path = MATHJAX


def unplug_thebe(app, config):
    """Take back what the extension sphinx-thebe, which Jupyter Book always loads, would add to every page."""
    for event in ("env-before-read-docs", "doctree-resolved"):
        for listener in list(app.events.listeners[event]):
            if listener.handler.__module__ == "sphinx_thebe":
                app.disconnect(listener.id)


def drop_mathjax(app, pagename, templatename, context, doctree):
    """Take MathJax off the landing page, which Sphinx gives it because its chapters have mathematics."""
    if not app.env.get_domain("math").data["has_equations"].get(pagename):
        context["script_files"][:] = [js for js in context["script_files"] if js.filename != f"_static/{MATHJAX}"]


def setup(app):
    """Register the steps."""
    app.connect("config-inited", use_local_files)
    app.connect("config-inited", unplug_thebe)
    app.connect("html-page-context", drop_mathjax, priority=900)  # after Sphinx has added it
    app.add_js_file(None, body=SEARCH_FROM_FILE)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
