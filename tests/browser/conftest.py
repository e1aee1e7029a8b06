"""What the tests of pages share: the book, a server for it, one browser, a way to visit a page, and a reader's hand."""

import re
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from browser import open_browser
from unet_tutorial import widgets
from unet_tutorial.widgets.base import as_json, filled

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
SHOWN = (Path(__file__).parent / "shown.js").read_text(encoding="utf-8")


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line for each request."""

    def log_message(self, *args):
        """Say nothing."""


@contextmanager
def serve(folder):
    """Serve a folder on a free port of this computer, and yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def html():
    """The folder of the built book."""
    if not (HTML / "index.html").is_file():
        pytest.fail(f"the book is not built: {HTML} has no index.html; run `make book` first")
    return HTML


@pytest.fixture(scope="session")
def addresses(html):
    """The two addresses of the book, over http and as files."""
    with serve(html) as address:
        yield {"http": address, "file": html.as_uri()}


@pytest.fixture(scope="session")
def browser():
    """One browser for all tests."""
    with open_browser() as opened:
        yield opened


@pytest.fixture
def visit(browser):
    """Return a function that opens a page below an address and gives (page, what went wrong while it was open).

    What is not below the address is refused and written down, and so are the errors of the console.
    """
    contexts = []

    def open_page(address, path, width=1280, theme="light"):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
        contexts.append(context)
        troubles = []

        def refuse(route):
            troubles.append(f"request to the outside: {route.request.url}")
            route.abort()

        context.route(re.compile(f"^(?!{re.escape(address)}|data:|blob:)"), refuse)
        page = context.new_page()
        page.on("console", lambda line: line.type == "error" and troubles.append(f"console: {line.text}"))
        page.on("pageerror", lambda error: troubles.append(f"page error: {error}"))
        page.goto(f"{address}/{path}")
        return page, troubles

    yield open_page
    for context in contexts:
        context.close()


@cache
def states(explorer):
    """Return what Python computes for every setting of an explorer."""
    return {tuple(setting.values()): as_json(explorer.state(**setting)) for setting in explorer.settings()}


@cache
def assets(explorer):
    """Return the pictures and parts of an explorer's drawings, as Python makes them."""
    return explorer.assets()


class Live:
    """One explorer on an open page: reads what it shows, and moves its controls as a reader does."""

    def __init__(self, figure, explorer):
        self.figure, self.explorer = figure, explorer
        self.controls = explorer.controls()
        figure.locator(".controls").wait_for()
        self.boxes = figure.locator(".control")
        assert self.boxes.count() == len(self.controls)

    def shows(self, drawings=None):
        """Return words, numbers and panels, as the reader finds them, and where these are other than given drawings."""
        return self.figure.evaluate(SHOWN, drawings)

    def setting(self):
        """Return the value that each control shows."""
        places = self.boxes.evaluate_all(
            """(boxes) => boxes.map((box) => {
              const one = box.querySelector("select, input[type=range], input[type=checkbox]");
              if (!one) return [...box.querySelectorAll("input")].findIndex((input) => input.checked);
              return one.type === "checkbox" ? Number(one.checked) : Number(one.value);
            })"""
        )
        return tuple(control.values[place] for control, place in zip(self.controls.values(), places, strict=True))

    def move(self, i, place):
        """Move control number i to a place of its list."""
        box, control = self.boxes.nth(i), list(self.controls.values())[i]
        if control.look == "buttons":
            box.locator("input").nth(place).check()
        elif control.look == "list":
            box.locator("select").select_option(index=place)
        elif control.look == "switch":
            box.locator("input").set_checked(bool(place))
        else:
            box.locator("input").fill(str(place))

    def check(self):
        """Compare everything shown with what Python computes for the values that the controls show."""
        expected = states(self.explorer)[self.setting()]
        shown = self.shows([filled(panel["svg"], assets(self.explorer)) for panel in expected["panels"]])
        assert (shown["words"], shown["numbers"]) == (expected["words"], expected["numbers"])
        assert shown["panels"] == [
            {"title": panel["title"], "pick": list(panel["pick"]), "differs": None} for panel in expected["panels"]
        ]
        return shown


@pytest.fixture
def live():
    """Return a function that gives every explorer of an open page, as `Live`."""

    def find(page):
        figures = page.locator("figure.unet-explorer").all()
        return [Live(figure, getattr(widgets, figure.get_attribute("data-explorer"))) for figure in figures]

    return find


@pytest.fixture
def live_one():
    """Return a function that gives one explorer, wherever it is shown: (its place on the page, its class)."""
    return Live
