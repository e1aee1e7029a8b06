"""Every explorer in a real JupyterLab: a moved control sets the trait in Python, and a set trait moves the picture."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
import torch

from unet_tutorial import _palette, diagram, sizing, widgets

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {
    "ServerApp.open_browser": False,
    "ServerApp.allow_root": True,  # a container has no other user
    "ServerApp.ip": "127.0.0.1",
    "IdentityProvider.token": "",  # on this computer alone, and for the time of a test
    "LabApp.expose_app_in_browser": True,  # so that a test can ask whether the kernel is ready
    "LabApp.news_url": None,
    "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
}
READY = """() => {
  const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
  return context?.isReady && context.session?.kernel?.status === "idle";
}"""
RUN = "([prompt, before]) => prompt.innerText !== before && /\\d/.test(prompt.innerText)"  # [3]: in the place of [*]:

NAMES_ABOVE_NUMBERS = """(figure) => [...figure.querySelectorAll(".numbers > div")].every((row) => {
  const [name, number] = [...row.children].map((part) => part.getBoundingClientRect());
  return number.top >= name.bottom - 1;
})"""

CHANGE_THEME = "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
HAS_STROKE = """([box, color]) => {
  const wanted = color.match(/[0-9a-f]{2}/g).map((part) => parseInt(part, 16)).join(", ");
  return getComputedStyle(box).stroke === `rgb(${wanted})`;
}"""


def free_port():
    """Return a port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a running JupyterLab that knows only this environment, and the folder that it shows."""
    home, folder, port = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("notebooks"), free_port()
    settings = {"ServerApp.port": port, "ServerApp.root_dir": str(folder), **OPTIONS}
    nested = {}
    for key, value in settings.items():
        section, _, name = key.partition(".")
        nested.setdefault(section, {})[name] = value
    (home / "jupyter_config.json").write_text(json.dumps(nested))
    tracker = home / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    tracker.parent.mkdir(parents=True)
    tracker.write_text('{"windowingMode": "none"}')  # cells outside the window exist as well
    environment = os.environ | {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PYTHONPATH": str(ROOT),
    }
    address = f"http://127.0.0.1:{port}"
    with (home / "log").open("w") as log:
        command = [sys.executable, "-m", "jupyterlab", f"--config={home / 'jupyter_config.json'}"]
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(f"{address}/api/status", server, home / "log")
            yield address, folder
        finally:
            server.terminate()
            server.wait()


def wait_for(address, server, log):
    """Wait until a server answers."""
    while True:
        try:
            with urllib.request.urlopen(address) as answer:
                assert answer.status == 200
                return
        except OSError:
            if server.poll() is not None:
                pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.5)


def notebook():
    """Return a notebook with three cells for each explorer: show it, print its values, and set all its controls.

    One more shows the map of a network, and two train one in the page and take it over.
    """
    cells = [
        cell
        for explorer in widgets.EXPLORERS
        for cell in (
            f"from unet_tutorial import widgets\nexplorer = widgets.{explorer.__name__}()\nexplorer",
            "print('values:', *explorer.values.values(), sep='|')",
            "for name, value in explorer.settings()[-1].items():\n    setattr(explorer, name, value)\nprint('set')",
        )
    ]
    cells.append("from unet_tutorial import diagram, sizing\ndiagram.UNetDiagram(sizing.feature_maps(64, 64))")
    cells += [
        "from unet_tutorial import live\ntrain = live.Train(steps=40, batch=1, depth=1)\ntrain",
        "import torch\nfrom unet_tutorial.live.train import pictures\nimages, _ = pictures('discs', 'val')\n"
        "with torch.no_grad():\n    logits = train.model()(images[:4])\nprint('logits:', *logits.flatten().tolist())",
    ]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=kernel)


# One server, one kernel and one page for all: in one process, wherever tests run side by side.
pytestmark = pytest.mark.xdist_group("lab")


@pytest.fixture(scope="module")
def opened():
    """The open notebook and what it asked of the outside, for each browser in which it was opened."""
    opened = {}
    yield opened
    for browser, (page, _) in opened.items():
        if browser.is_connected():
            page.context.close()


@pytest.fixture
def page(lab, browser, window, opened):
    """The open notebook: one kernel and one page for all explorers, because both take long to start."""
    if browser not in opened:
        address, folder = lab
        nbformat.write(notebook(), folder / "explorers.ipynb")
        context, outside = window(browser, address, height=1000)
        page = context.new_page()
        page.goto(f"{address}/doc/tree/explorers.ipynb")
        page.locator(".jp-Notebook .jp-CodeCell").nth(3 * len(widgets.EXPLORERS) + 2).wait_for()
        page.wait_for_function(READY, polling=100)  # before, a key that runs a cell is lost
        opened[browser] = page, outside
    page, outside = opened[browser]
    yield page
    assert outside == []


def run(page, number, wanted):
    """Run a cell of the open notebook, wait for an output that matches, and return it."""
    cell = page.locator(".jp-CodeCell").nth(number)
    prompt = cell.locator(".jp-InputArea-prompt").first
    before = prompt.inner_text()
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    page.wait_for_function(RUN, arg=[prompt.element_handle(), before], polling=100)
    output = cell.locator(wanted).first
    output.wait_for()
    return output


def told(page, number, one):
    """Ask Python for the values of the controls, and return them, at the latest when they are those of the picture.

    While the kernel is busy, the page keeps what it has to tell, and a cell that is run in this moment comes first.
    """
    for _ in range(10):
        said = run(page, number, ".jp-OutputArea-output:has-text('values:')").inner_text().strip()
        if said == "|".join(["values:", *map(str, one.setting())]):
            break
    return said.split("|")[1:]


@pytest.mark.parametrize("explorer", widgets.EXPLORERS, ids=lambda explorer: explorer.__name__)
def test_picture_and_python_follow_each_other(page, live_one, explorer):
    first = 3 * widgets.EXPLORERS.index(explorer)
    one = live_one(run(page, first, ".unet-explorer"), explorer)
    one.check()
    assert one.figure.evaluate(NAMES_ABOVE_NUMBERS)
    assert one.figure.locator(".link").count() == 0  # the address of JupyterLab is not ours
    for i, control in enumerate(one.controls.values()):  # from the picture to Python
        one.move(i, len(control.values) - 1 if one.setting()[i] != control.values[-1] else 0)
    one.check()
    assert told(page, first + 1, one) == [str(value) for value in one.setting()]

    for i in range(len(one.controls)):
        one.move(i, 0)
    assert told(page, first + 1, one) == [str(value) for value in one.setting()]
    run(page, first + 2, ".jp-OutputArea-output:has-text('set')")  # from Python to the picture
    last = [len(control.values) - 1 for control in one.controls.values()]
    arrived = "([reader, places]) => reader.places().join() === places.join()"
    page.wait_for_function(arrived, arg=[one.reader, last], polling=100)
    one.check()


def test_the_map_of_a_network_follows_the_theme(page):
    drawing = run(page, 3 * len(widgets.EXPLORERS), "svg.unet-drawing")
    assert drawing.get_attribute("aria-label") == diagram.UNetDiagram(sizing.feature_maps(64, 64)).alt
    inks = set()
    for theme, palette in (("Dark", _palette.DARK), ("Light", _palette.LIGHT)):
        page.evaluate(CHANGE_THEME, f"JupyterLab {theme}")
        box = drawing.locator("rect").first
        page.wait_for_function(HAS_STROKE, arg=[box.element_handle(), palette["blue"]], polling=100)
        inks.add(drawing.locator("text").first.evaluate("(text) => getComputedStyle(text).fill"))
    assert len(inks) == 2


def test_a_network_that_is_trained_in_the_picture_comes_to_python(page):
    first = 3 * len(widgets.EXPLORERS) + 1
    figure = run(page, first, ".unet-live")
    figure.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function("(f) => f.unet?.finished().length === 1", arg=figure.element_handle(), polling=100)
    page.wait_for_function(READY, polling=100)
    shown = torch.tensor(figure.evaluate("(f) => [...f.unet.now().shown]"))
    said = run(page, first + 1, ".jp-OutputArea-output:has-text('logits:')").inner_text()
    torch.testing.assert_close(torch.tensor([float(word) for word in said.split()[1:]]), shown, atol=1e-3, rtol=1e-3)


MARKS = """() => {
  const radios = [...document.querySelectorAll(".unet-explorer input[type=radio]")];
  const groups = [...Map.groupBy(radios, (radio) => radio.name).values()];
  const ids = [...document.querySelectorAll(".unet-explorer [id]")].map((one) => one.id);
  return [groups.map((group) => group.filter((radio) => radio.checked).length), ids.length - new Set(ids).size];
}"""


def test_several_explorers_in_one_notebook_leave_one_another_alone(page, live_one):
    """Jupyter loads the script of each of them anew, so none may think that it is the only one."""
    shown = {}
    for explorer in (widgets.FeatureMaps, widgets.SkipSwitchboard):
        number = 3 * widgets.EXPLORERS.index(explorer)
        shown[explorer] = live_one(run(page, number, ".unet-explorer"), explorer)
    before = shown[widgets.SkipSwitchboard].setting()
    for i in range(len(shown[widgets.FeatureMaps].controls)):
        shown[widgets.FeatureMaps].move(i, 1)
    assert shown[widgets.SkipSwitchboard].setting() == before
    marks, doubled = page.evaluate(MARKS)
    assert len(marks) >= 4 and set(marks) == {1} and doubled == 0


def test_a_notebook_that_is_opened_again_shows_living_pictures(lab, visit, live_one):
    address, folder = lab
    one_cell = notebook()
    one_cell.cells = one_cell.cells[:1]
    nbformat.write(one_cell, folder / "again.ipynb")
    page, _ = visit(address, "doc/tree/again.ipynb")
    page.locator(".jp-Notebook .jp-CodeCell").wait_for()
    page.wait_for_function(READY, polling=100)
    run(page, 0, ".unet-explorer .controls")
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    (output,) = nbformat.read(folder / "again.ipynb", as_version=4).cells[0].outputs
    assert set(output["data"]) == {"text/html", "text/plain"}
    page.reload()  # as on the next day: the kernel that starts has run nothing
    figure = page.locator(".unet-explorer").first
    figure.locator(".controls").wait_for()
    one = live_one(figure, widgets.EXPLORERS[0])
    one.move(0, 1)
    one.check()
    assert "Error displaying widget" not in page.locator(".jp-Notebook").inner_text()
