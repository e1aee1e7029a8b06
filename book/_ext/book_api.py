"""The page ``book/api``, made from the docstrings of the package, and the links to it from the chapters.

Its text has two marks: one gives way to a table of the chapters and what they import, the other to a section for each
public module. In the first cell of a chapter each name of the package leads to where that page describes it.
"""

import pydoc
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import nbformat
from sphinx.util import logging

PAGE = "book/api"
PACKAGE = "unet_tutorial"
SECTION = """\
## `{name}`

```{{eval-rst}}
.. automodule:: {name}
   :members:
   :ignore-module-all:
```
"""
# A line of highlighted code: `from`, a module of the package, `import`, and names.
NAMES = r'((?s: <span class="p">\(</span>.*?<span class="p">\)</span>)|.*)'
IMPORT = re.compile(rf'<span class="kn">from</span>.*?<span class="nn">({PACKAGE}[\w.]*)</span>.*?import</span>{NAMES}')
NAME = re.compile(r'(?<!as</span> )<span class="n">(\w+)</span>')
logger = logging.getLogger(__name__)


def public_modules():
    """Return the names of the package's modules, without those that have an underscore, and those with answers."""
    folder = Path(find_spec(PACKAGE).origin).parent
    files = (path.relative_to(folder.parent).with_suffix("") for path in folder.rglob("*.py"))  # without loading them
    names = (".".join(path.parts).removesuffix(".__init__") for path in files)
    answers = {f"{PACKAGE}.exercises.{path.stem[3:]}" for path in Path(__file__).parents[1].glob("chapters/*.md")}
    return sorted(name for name in names if "._" not in name and name not in answers | {PACKAGE})


def imports(app):
    """Return for each chapter the lines that import from the package."""
    lines = re.compile(rf"\b(?:from|import) {PACKAGE}\b.*")
    return {path.stem: lines.findall(path.read_text(encoding="utf-8")) for path in notebook_files(app)}


def notebook_files(app):
    """Return the notebooks of the book."""
    documents = sorted(document for document in app.env.found_docs if document.startswith("notebooks/"))
    return [Path(app.srcdir, f"{document}.ipynb") for document in documents]


def outdated(app, env, added, changed, removed):
    """Return the page if the chapters import something else than when it was read."""
    was, env.book_api_imports = getattr(env, "book_api_imports", None), imports(app)
    return [PAGE] if PAGE in env.found_docs and was not in (None, env.book_api_imports) else []


def moved(app, env):
    """Return the chapters if other names are described than before: their links may lead elsewhere now."""
    now = {name: place.node_id for name, place in env.get_domain("py").objects.items()}
    was, env.book_api_places = getattr(env, "book_api_places", now), now
    return [f"notebooks/{path.stem}" for path in notebook_files(app)] if was != now else []


def chapters(app):
    """Return a table of the chapters and the modules from which they import."""
    sys.path.insert(0, str(Path(app.srcdir, "tools")))
    from dependencies import code_of, imported  # here, because only this page needs them

    rows = ["| Chapter | Modules |", "| --- | --- |"]
    for path in notebook_files(app):
        modules = sorted(imported(code_of(nbformat.read(path, as_version=4))))
        links = ", ".join(f"{{py:mod}}`{name.partition('.')[2]} <{name}>`" for name in modules)
        rows.append(f"| [](../notebooks/{path.name}) | {links} |")
    return "\n".join(rows)


def fill(app, document, source):
    """Put the table and the sections in the place of the marks."""
    if document == PAGE:
        sections = "\n".join(SECTION.format(name=name) for name in public_modules())
        source[0] = source[0].replace("<!-- chapters -->", chapters(app)).replace("<!-- modules -->", sections)


def place_of(env, name):
    """Return where a name is described that a chapter imports, also through a package or module that passes it on."""
    objects = env.get_domain("py").objects
    package, _, last = name.rpartition(".")
    homes = [name, *(other for other in objects if other.startswith(f"{package}.") and other.endswith(f".{last}"))]
    if not homes[1:] and name not in objects:
        homes.append(f"{getattr(pydoc.locate(name), '__module__', None)}.{last}")
    return next((objects[home] for home in homes if home in objects), None)


def linked(app, pagename, match):
    """Return a line of highlighted code that imports from the package, with a link on each name that it imports."""
    module = match[1]

    def link(name):
        place = place_of(app.env, f"{module}.{name[1]}")
        if place is None:
            logger.warning("%s.%s is not described on %s", module, name[1], PAGE, location=pagename)
            return name[0]
        address = f"{app.builder.get_relative_uri(pagename, place.docname)}#{place.node_id}"
        return f'<a class="reference internal" href="{address}">{name[0]}</a>'

    return match[0][: match.start(2) - match.start()] + NAME.sub(link, match[2])


def link_imports(app, pagename, templatename, context, doctree):
    """Let each name that a chapter imports from the package lead to its description."""
    if pagename.startswith("notebooks/") and PAGE in app.env.found_docs:
        context["body"] = IMPORT.sub(lambda match: linked(app, pagename, match), context["body"])


def setup(app):
    """Register the steps."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("source-read", fill)
    app.connect("env-get-outdated", outdated)
    app.connect("env-updated", moved)
    app.connect("html-page-context", link_imports)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
