"""What the tests of pages share: the book, a server for it, a browser, a way to visit a page, and a reader's hand.

No test has a limit in time, because on a busy machine everything takes longer. What waits for ever is told.
"""

import base64
import gzip
import itertools
import json
import os
import re
import threading
from contextlib import contextmanager, suppress
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Error, sync_playwright
from selenium.webdriver import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

import watch
from browser import CHROMIUM, NEVER, find, open_webkit, start
from unet_tutorial import widgets
from webkit import LACKING, is_here

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
READER = (Path(__file__).parent / "reader.js").read_text(encoding="utf-8")
READ = """const [figure, table, done] = arguments;
  (READER)(figure, table).then((reader) => { figure.reader = reader; done(); }, (error) => done(String(error)));
""".replace("READER", READER.strip().removesuffix(";"))
SECONDS, LOOKS = 5.0, 12  # a minute
LEAST, LEAST_OF_FREE = 0.05, 0.3  # of one core; of what one core could have had
GONE = threading.Event()  # the browser was ended; Playwright knows it only after its next call


# Waiting for ever -----------------------------------------------------------------------------------------------------


@contextmanager
def no_endless_wait(seconds=SECONDS, looks=LOOKS):
    """Fail, and end the browser, if it and all that belongs to the test hardly compute for `looks` looks in a row.

    A page that is waited for looks again and again whether something has come, which takes a few percent of a core, on
    a long page 15 %. A test that is only slow uses what it can get: it is left alone where the machine is busy.
    """
    over, ended = threading.Event(), threading.Event()
    looker = threading.Thread(target=end_what_waits, args=(over, ended, seconds, looks), daemon=True)
    looker.start()
    try:
        yield
    finally:
        over.set()
        looker.join()  # Playwright says that the browser is gone while the looker is still ending it
        if ended.is_set():
            minute = f"{looks * seconds:.0f} s in which almost nothing was computed"
            pytest.fail(f"waits for something that does not come; the browser was ended after {minute}")


def end_what_waits(over, ended, seconds, looks):
    """Look every few seconds at what this process and its children compute, until a test is over or waits for ever.

    First the browser is ended. A test that then still waits, so not for the browser, loses all that it started.
    """
    before, rested, idle = None, 0.0, 0
    while not over.wait(seconds):
        now, rest = watch.work(os.getpid()), psutil.cpu_times().idle
        if before is not None:
            used = sum(done - before.get(process, (0,))[0] for process, (done, _) in now.items())
            could = min(seconds, used + rest - rested)
            idle = idle + 1 if used < max(LEAST * seconds, LEAST_OF_FREE * could) else 0
        before, rested = now, rest
        if idle >= looks:
            started = psutil.Process().children(recursive=True)
            # Playwright's own process stays: it says to the test that the browser is gone, and starts the next one.
            playwright = [one for one in started if is_playwright(one)]
            browser = [one for parent in playwright for one in parent.children(recursive=True)]
            watch.end(one for one in started if one not in playwright and (ended.is_set() or one in browser))
            ended.set()
            GONE.set()
            idle = 0


def is_playwright(process):
    """Return whether a process is the one through which Playwright talks with browsers."""
    with suppress(psutil.Error):
        return Path(process.exe()).name.startswith("node") and process.ppid() == os.getpid()
    return False


@pytest.fixture
def endless_wait():
    """`no_endless_wait`, for its own tests."""
    return no_endless_wait


@pytest.hookimpl(wrapper=True)
def watched():
    """Watch over every part of a test: its fixtures, itself, and what tidies up."""
    with no_endless_wait():
        return (yield)


pytest_runtest_setup = pytest_runtest_call = pytest_runtest_teardown = watched


# The book and the browser ---------------------------------------------------------------------------------------------


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line for each request."""

    def log_message(self, *args):
        """Say nothing."""


@contextmanager
def serve(folder):
    """Serve a folder on a free port of this computer, and yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
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


class Browsers:
    """One browser of each kind for all tests, and another one when it is gone."""

    def __init__(self, playwright):
        self.playwright, self.paths, self.now = playwright, {}, {}

    def path(self, kind):
        """Return where a browser is; without one, the test fails and says what to do."""
        if kind not in self.paths:
            self.paths[kind] = find(self.playwright, kind)
        return self.paths[kind]

    def one(self, kind=CHROMIUM, theme="light"):
        """Return the browser of a kind that runs now; Firefox has one for each theme."""
        if GONE.is_set():
            self.now.clear()  # all that ran were ended
            GONE.clear()
        now = self.now.get((kind, theme))
        if now is None or not now.is_connected():
            self.now[kind, theme] = start(self.playwright, self.path(kind), kind, theme)
        return self.now[kind, theme]


@pytest.fixture(scope="session")
def browsers():
    """What opens browsers."""
    with sync_playwright() as playwright:
        browsers = Browsers(playwright)
        yield browsers
        for browser in browsers.now.values():
            with suppress(Error):  # it was ended because a test waited for ever
                browser.close()


@pytest.fixture
def browser(browsers):
    """A browser."""
    return browsers.one()


def new_window(browser, address, width=1280, height=800, theme="light", javascript=True):
    """Return a context for pages below an address, and the list of what goes wrong in it.

    What is not below the address is refused and written down.
    """
    size = {"width": width, "height": height}
    context = browser.new_context(viewport=size, color_scheme=theme, java_script_enabled=javascript)
    context.set_default_timeout(0)
    troubles = []

    def refuse(route):
        troubles.append(f"request to the outside: {route.request.url}")
        route.abort()

    context.route(re.compile(f"^(?!{re.escape(address)}|data:|blob:)"), refuse)
    return context, troubles


@pytest.fixture
def window():
    """The function that opens windows, for tests that use one of their own."""
    return new_window


@pytest.fixture
def visit(browser):
    """Return a function that opens a page below an address and gives (page, what went wrong while it was open).

    To what went wrong belong the errors of the console.
    """
    contexts = []

    def open_page(address, path, **how):
        context, troubles = new_window(browser, address, **how)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda line: line.type == "error" and troubles.append(f"console: {line.text}"))
        page.on("pageerror", lambda error: troubles.append(f"page error: {error}"))
        page.goto(f"{address}/{path}")
        return page, troubles

    yield open_page
    for context in contexts:
        with suppress(Error):  # its browser was ended because the test waited for ever
            context.close()


# Explorers ------------------------------------------------------------------------------------------------------------


@cache
def states(explorer):
    """Return what Python computes for every setting of an explorer, by the places of its controls."""
    table = json.loads(gzip.decompress(base64.b64decode(explorer.packed())))
    places = itertools.product(*(range(len(control.values)) for control in explorer.controls().values()))
    return dict(zip(places, table["states"], strict=True))


def table(explorer):
    """Return Python's own table for the reader in the page; the tables that came with the page are not looked at."""
    numbers = {",".join(map(str, places)): i for i, places in enumerate(states(explorer))}
    return [explorer.packed(), numbers]


class Live:
    """One explorer on an open page: reads what it shows, and moves its controls as a reader does."""

    def __init__(self, figure, explorer):
        self.figure, self.explorer = figure, explorer
        self.controls = explorer.controls()
        figure.locator(".controls").wait_for()
        self.boxes = figure.locator(".control")
        assert self.boxes.count() == len(self.controls)
        self.reader = figure.evaluate_handle(READER, table(explorer))

    def shows(self, drawings=None):
        """Return places, words, numbers and panels as they are seen, and where a drawing is not the wanted one."""
        return self.reader.evaluate("(reader, drawings) => reader.shows(drawings)", drawings)

    def answer(self, i, place):
        """Set control number i without a hand, and return what is shown when the very next frame is drawn."""
        return self.reader.evaluate("(reader, move) => reader.answer(move)", [i, place])

    def setting(self):
        """Return the value that each control shows."""
        places = self.reader.evaluate("(reader) => reader.places()")
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

    def check(self, shown=None):
        """Compare everything shown with what Python computes for the places of the controls."""
        shown = shown or self.shows()
        expected = states(self.explorer)[tuple(shown["places"])]
        assert (shown["words"], shown["numbers"]) == (expected["words"], expected["numbers"])
        assert shown["panels"] == [
            {"title": panel["title"], "pick": panel["pick"], "differs": None} for panel in expected["panels"]
        ]
        return shown


@pytest.fixture
def live():
    """Return a function that gives every explorer of an open page, as `Live`."""

    def find(page):
        figures = page.locator("figure.unet-explorer:not(.unet-live)").all()
        return [Live(figure, getattr(widgets, figure.get_attribute("data-explorer"))) for figure in figures]

    return find


@pytest.fixture
def live_one():
    """Return a function that gives one explorer, wherever it is shown: (its place on the page, its class)."""
    return Live


@pytest.fixture
def search_hits(visit, addresses):
    """Return a function that searches the book for a word: what it finds, the page, and what went wrong."""

    def search(way, word):
        page, troubles = visit(addresses[way], f"search.html?q={word}")
        page.wait_for_function("document.querySelector('.search-summary')?.innerText.includes('matching')")
        return (
            page.locator("#search-results li a").evaluate_all("links => links.map(link => link.href)"),
            page,
            troubles,
        )

    return search


class InWebKit(Live):
    """The same in WebKit, where Selenium is the reader's hand."""

    def __init__(self, driver, explorer):
        self.driver, self.explorer, self.controls = driver, explorer, explorer.controls()
        self.figure = driver.find_element("css selector", f"figure[data-explorer={explorer.__name__}]")
        self.boxes = self.figure.find_elements("css selector", ".control")
        assert len(self.boxes) == len(self.controls)
        assert driver.execute_async_script(READ, self.figure, table(explorer)) is None

    def shows(self, drawings=None):
        """Return what is seen, as `Live.shows` does."""
        return self.driver.execute_script("return arguments[0].reader.shows(arguments[1])", self.figure, drawings)

    def move(self, i, place):
        """Move control number i to a place of its list: a slider by its keys, all others by clicks."""
        # Of what sticks to the edge of the window, as the controls do, the driver believes that it is seen already.
        self.driver.execute_script("arguments[0].scrollIntoView({ block: 'center' })", self.boxes[i])
        fields = self.boxes[i].find_elements("css selector", "input, select")
        look = list(self.controls.values())[i].look
        if look == "slider":
            for _ in range(abs(way := place - self.shows()["places"][i])):
                fields[0].send_keys(Keys.ARROW_RIGHT if way > 0 else Keys.ARROW_LEFT)
        elif look == "list":
            Select(fields[0]).select_by_index(place)
        elif look == "buttons":
            fields[place].click()
        elif fields[0].is_selected() != bool(place):
            fields[0].click()


@pytest.fixture(scope="session")
def webkit():
    """WebKit; not every system has it, and there `-m "not webkit"` leaves out what needs it."""
    if not is_here():
        pytest.fail(f"WebKit {LACKING} Elsewhere `-m 'not webkit'` leaves these tests out.")
    with open_webkit() as driver:
        yield driver


@pytest.fixture
def live_in_webkit(webkit):
    """Return a function that gives one explorer of a page, and opens that page in WebKit if it is not open yet."""

    def find(address, explorer):
        if webkit.current_url != address:
            webkit.get(address)
        controls = f"figure[data-explorer={explorer.__name__}] .controls"
        WebDriverWait(webkit, NEVER).until(lambda driver: driver.find_elements("css selector", controls))
        return InWebKit(webkit, explorer)

    return find
