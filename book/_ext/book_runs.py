"""The pages show the runs of the chapters that ``tools/runs.py`` keeps, and say so where a chapter could not be run."""

import json
from pathlib import Path

import nbformat
from docutils import nodes


def build_folder(app):
    """Return the folder `_build` of the book."""
    return Path(app.srcdir, "_build")


def failures(app):
    """Return the chapters that could not be run, and why: document name -> (cell, sentence)."""
    path = build_folder(app) / "failures.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {f"notebooks/{name}": why for name, why in kept.items()}


def use_kept_runs(app, config):
    """Show MyST-NB where the runs are, and forbid it to run those chapters that have failed."""
    config.nb_execution_cache_path = str(build_folder(app) / ".jupyter_cache")
    config.nb_execution_excludepatterns = [f"{document}.ipynb" for document in failures(app)]


def made(app, document):
    """Return when the run of a chapter was made that its page is to show; "" where there is none."""
    from jupyter_cache import get_cache  # here, because a book without chapters does without it

    text = Path(app.srcdir, f"{document}.ipynb").read_text(encoding="utf-8")
    cache = get_cache(app.config.nb_execution_cache_path)
    try:
        return cache.match_cache_notebook(nbformat.reads(as_run(text), as_version=4)).created.isoformat()
    except KeyError:
        return ""


def as_run(text):
    """Return a notebook's text without the outputs that it keeps out of the reader's sight: the runs are without."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        cell["metadata"].pop("seen_later", None)
    return json.dumps(notebook)


def read_as_run(app, document, source):
    """Let MyST-NB find the kept run: it compares the metadata of the cells as well."""
    if document.startswith("notebooks/"):
        source[0] = as_run(source[0])


def outdated(app, env, added, changed, removed):
    """Return the chapters whose page shows another run than the kept one, though their notebook is the same."""
    shown = getattr(env, "book_runs", {})
    now = {document: made(app, document) for document in env.found_docs if document.startswith("notebooks/")}
    env.book_runs = now
    return [document for document in now if document in shown and shown[document] != now[document]]


def say_what_failed(app, doctree):
    """Put a note on top of a chapter that could not be run to its end."""
    why = failures(app).get(app.env.docname)
    if why is None:
        return
    cell, reason = why
    note = nodes.warning("", classes=["not-run"])
    note += nodes.paragraph("", "This chapter could not be run when the book was built, so its pictures are missing.")
    note += nodes.paragraph("", f"The run ended in {cell}. {reason}")
    next(iter(doctree.findall(nodes.title))).parent.insert(1, note)


def setup(app):
    """Register the steps."""
    app.connect("config-inited", use_kept_runs)
    app.connect("source-read", read_as_run)
    app.connect("env-get-outdated", outdated)
    app.connect("doctree-read", say_what_failed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
