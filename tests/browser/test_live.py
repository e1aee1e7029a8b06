"""The network in the page, as a person uses it: draws, and compares with PyTorch; trains, and sees it learn."""

import pytest
import torch
from PIL import Image

from unet_tutorial import live
from unet_tutorial.live.packing import in_one_byte
from unet_tutorial.live.train import TASKS, pictures
from unet_tutorial.metrics import iou
from unet_tutorial.pretrained import load_pretrained

DRAW, TRAIN = "book/draw.html", "book/train.html"
NUMBERS = """(figure) => {
  const { W, H, image, logits, isWaiting, drawn } = figure.unet.numbers();
  return { W, H, isWaiting, image: [...image], logits: [...(logits ?? [])], drawn: [...drawn] };
}"""
ANSWERED = "(figure) => figure.unet && !figure.unet.numbers().isWaiting && figure.unet.numbers().logits !== null"
LONGEST = 400_000  # bytes of a page: engine, weights and data


@pytest.fixture(scope="module")
def network():
    model = load_pretrained("cells")
    model.load_state_dict(in_one_byte(model))
    return model


def figure_of(page, name):
    figure = page.locator(f"figure[data-explorer={name}]")
    figure.scroll_into_view_if_needed()
    figure.locator(".controls").wait_for()
    return figure


def numbers(page, figure):
    """Return what the page has, after it has answered."""
    page.wait_for_function(ANSWERED, arg=figure.element_handle(), polling=100)
    return figure.evaluate(NUMBERS)


def same(found, network):
    """Return whether PyTorch says of the page's own pixels what the page says."""
    image = torch.tensor(found["image"]).reshape(1, 1, found["H"], found["W"])
    with torch.no_grad():
        expected = network(image).flatten()
    return (torch.tensor(found["logits"]) - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("kind", ["http", "file"])
def test_a_drawn_cell_is_found_and_a_ring_is_not(addresses, visit, network, kind):
    page, troubles = visit(addresses[kind], DRAW)
    figure = figure_of(page, "Draw")
    empty = numbers(page, figure)
    assert same(empty, network) and sum(value > 0 for value in empty["logits"]) < 40
    scene = figure.locator(".scene")

    def press(across, down, wiggle=6):
        scene.scroll_into_view_if_needed()
        box = scene.bounding_box()
        x, y = box["x"] + across * box["width"], box["y"] + down * box["height"]
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + wiggle, y + wiggle / 2, steps=3)
        page.mouse.up()

    press(0.3, 0.3)
    cell = numbers(page, figure)
    area = sum(value == 1 for value in cell["drawn"])
    found = [logit > 0 for logit in cell["logits"]]
    assert area > 150 and same(cell, network)
    assert sum(f and d == 1 for f, d in zip(found, cell["drawn"], strict=True)) > 0.7 * area

    figure.get_by_label("ring").check()
    press(0.75, 0.7, wiggle=0)
    ring = numbers(page, figure)
    where = [d == 2 for d in ring["drawn"]]
    assert sum(where) > 60 and same(ring, network)
    assert sum(logit > 0 and w for logit, w in zip(ring["logits"], where, strict=True)) < 0.3 * sum(where)

    figure.get_by_role("button", name="Undo").click()
    assert 2 not in numbers(page, figure)["drawn"]
    figure.get_by_role("button", name="Start again").click()
    assert set(numbers(page, figure)["drawn"]) == {0}
    assert troubles == []


def test_every_control_of_the_sheet_changes_what_is_seen(addresses, visit, network):
    page, troubles = visit(addresses["http"], DRAW)
    figure = figure_of(page, "Draw")
    figure.get_by_label("picture 1").check()
    before = numbers(page, figure)
    for i, stage in enumerate(range(1, 4)):
        figure.get_by_label(f"Skip connection {stage}").set_checked(False)
        closed = numbers(page, figure)
        assert closed["logits"] != before["logits"], i
        figure.get_by_label(f"Skip connection {stage}").set_checked(True)
        assert numbers(page, figure)["logits"] == before["logits"]
    figure.locator("select").select_option(label="encoder 2")
    panel = figure.locator(".panel", has_text="Feature maps")
    panel.locator("canvas").wait_for()
    assert panel.locator("canvas").evaluate("(c) => c.width") == 4 * 64  # 16 maps of 64×64
    for label, place in (("Uneven light", 5), ("Noise", 5), ("Brush", 0), ("Threshold", 18)):
        figure.get_by_role("slider", name=label).fill(str(place))
    after = numbers(page, figure)
    assert after["image"] != before["image"] and same(after, network)
    assert troubles == []


def test_it_is_drawn_with_the_keyboard(addresses, visit):
    page, troubles = visit(addresses["file"], DRAW)
    figure = figure_of(page, "Draw")
    numbers(page, figure)
    figure.locator(".scene").focus()
    for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowUp", "Space"):
        page.keyboard.press(key)
    drawn = numbers(page, figure)["drawn"]
    places = [divmod(q, 128) for q, what in enumerate(drawn) if what == 1]
    rows, columns = ([place[axis] for place in places] for axis in (0, 1))
    assert (min(rows) + max(rows)) / 2 == 64 - 8 and (min(columns) + max(columns)) / 2 == 64 - 4
    assert troubles == []


def test_a_picture_of_the_readers_own(addresses, visit, network, tmp_path):
    page, troubles = visit(addresses["file"], DRAW)
    figure = figure_of(page, "Draw")
    first = numbers(page, figure)
    wide = tmp_path / "wide.png"
    Image.effect_noise((300, 150), 60).save(wide)
    figure.locator("input[type=file]").set_input_files(wide)
    page.wait_for_function(
        "(f) => f.unet.numbers().W === 128 && f.unet.numbers().H === 64", arg=figure.element_handle(), polling=100
    )
    own = numbers(page, figure)
    assert same(own, network) and own["image"] != first["image"]
    figure.locator(".advice:not(:empty)").wait_for()
    other = tmp_path / "note.png"
    other.write_text("no picture")
    figure.locator("input[type=file]").set_input_files(other)
    figure.get_by_text("note.png is no picture that this browser can read").wait_for()
    assert numbers(page, figure)["image"] == own["image"]  # what was there stays
    deep = tmp_path / "deep.png"
    Image.new("I;16", (64, 64), 30_000).save(deep)
    figure.locator("input[type=file]").set_input_files(deep)
    figure.get_by_text("Of 16 bits a pixel the browser keeps 8").wait_for()
    assert troubles == []


@pytest.mark.parametrize("kind", ["http", "file"])
def test_a_network_learns_in_the_page_and_python_agrees(addresses, visit, kind):
    page, troubles = visit(addresses[kind], f"{TRAIN}#train:data=discs,steps=80,seed=0")
    figure = figure_of(page, "Train")
    figure.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function("(f) => f.unet.finished().length === 1", arg=figure.element_handle(), polling=200)
    (run,) = figure.evaluate("(f) => f.unet.finished()")
    checks = figure.evaluate("(f) => f.unet.now().checks")
    assert checks[0][1] < 0.5 and run["iou"] == checks[-1][1] >= 0.9
    losses = figure.evaluate("(f) => f.unet.now().losses")
    assert len(losses) == 80 and sum(losses[-10:]) < 0.6 * sum(losses[:10])
    shown = torch.tensor(figure.evaluate("(f) => [...f.unet.now().shown]")).reshape(4, 1, 64, 64)
    images, masks = pictures("discs", "val")
    assert iou((shown > 0).float(), masks[:4]).mean() > 0.8
    figure.get_by_text("✓ done").first.wait_for(state="attached")
    assert troubles == []


def test_it_pauses_goes_on_and_takes_one_step(addresses, visit):
    page, troubles = visit(addresses["http"], TRAIN)
    figure = figure_of(page, "Train")
    steps = "(f) => f.unet.now().losses.length"
    figure.get_by_role("button", name="One step").click()
    page.wait_for_function("(f) => f.unet.now().losses.length === 1", arg=figure.element_handle(), polling=50)
    figure.get_by_role("button", name="Go on").click()
    page.wait_for_function("(f) => f.unet.now().losses.length > 3", arg=figure.element_handle(), polling=50)
    figure.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(300)
    stood = figure.evaluate(steps)
    page.wait_for_timeout(500)
    assert figure.evaluate(steps) == stood < 80
    figure.get_by_label("Depth").fill("0")
    figure.get_by_text("The settings have changed").wait_for()
    figure.get_by_role("button", name="Start again").click()
    page.wait_for_function("(f) => f.unet.now().losses.length === 0", arg=figure.element_handle(), polling=50)
    assert troubles == []


def test_the_small_one_stands_on_the_landing_page(addresses, visit, network):
    page, troubles = visit(addresses["file"], "book/index.html")
    figure = figure_of(page, "SmallDraw")
    assert same(numbers(page, figure), network)
    assert troubles == []


@pytest.mark.parametrize("name", live.__all__)
def test_engine_weights_and_data_are_light(name):
    assert len(getattr(live, name)().html().encode()) <= LONGEST


@pytest.mark.parametrize("path, name", [(DRAW, "Draw"), (TRAIN, "Train")])
def test_without_javascript_it_stands_still_and_says_so(addresses, visit, path, name):
    page, _ = visit(addresses["file"], path, javascript=False)
    figure = page.locator(f"figure[data-explorer={name}]")
    assert "With JavaScript" in figure.inner_text() and figure.locator("svg image").count() == 1


def test_there_are_six_tasks():
    assert len(TASKS) == 6


def test_without_workers_it_works_in_the_page_itself(browser, addresses, window, network):
    context, troubles = window(browser, addresses["file"])
    context.add_init_script("delete window.Worker")
    page = context.new_page()
    page.goto(f"{addresses['file']}/{DRAW}")
    figure = figure_of(page, "Draw")
    figure.get_by_label("picture 1").check()
    assert same(numbers(page, figure), network)
    page.goto(f"{addresses['file']}/{TRAIN}#train:data=discs,steps=40,batch=1")
    figure = figure_of(page, "Train")
    figure.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function("(f) => f.unet.finished().length === 1", arg=figure.element_handle(), polling=200)
    assert troubles == []
    context.close()


@pytest.mark.parametrize("path, name", [(DRAW, "Draw"), (TRAIN, "Train")])
def test_a_browser_that_cannot_unpack_is_told_so(browser, addresses, window, path, name):
    context, troubles = window(browser, addresses["file"])
    context.add_init_script("delete window.DecompressionStream")
    page = context.new_page()
    page.goto(f"{addresses['file']}/{path}")
    page.locator(f"figure[data-explorer={name}]").get_by_text("This browser cannot unpack").wait_for()
    assert troubles == []
    context.close()


def test_a_page_that_nobody_sees_does_not_train(addresses, visit):
    page, troubles = visit(addresses["http"], TRAIN)
    figure = figure_of(page, "Train")
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    figure.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function("(f) => f.unet.now().losses.length > 2", arg=figure.element_handle(), polling=50)
    page.evaluate(hide, True)
    page.wait_for_timeout(500)
    stood = figure.evaluate("(f) => f.unet.now().losses.length")
    page.wait_for_timeout(500)
    assert figure.evaluate("(f) => f.unet.now().losses.length") == stood < 80
    page.evaluate(hide, False)
    page.wait_for_function("(f) => f.unet.finished().length === 1", arg=figure.element_handle(), polling=200)
    assert troubles == []
