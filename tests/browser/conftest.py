"""What the tests of the built pages share: the book, a server for it, one browser, and a way to visit a page."""

import re
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from browser import open_browser

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"


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
