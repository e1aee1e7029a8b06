"""Measure the network in the page: a training step beside PyTorch's, and the answer to a stroke. See bench.py."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import torch

from bench_explorers import percentile_95
from unet_tutorial.losses import CombinedLoss
from unet_tutorial.sizing import multiply_adds
from unet_tutorial.unet import UNet

PAGE = Path(__file__).resolve().parents[1] / "_build" / "html" / "book" / "draw.html"
LIVE = {
    "channels": [[4, 8], [4, 8, 16], [8, 16, 32]],
    "batch": 8,
    "side": 64,
    "steps": 20,
    "strokes": 40,
    "goals": {"step_ms": 130, "gmac_per_second": 1.2, "stroke_ms": 150},
}
STEPS = """([engine, channels, batch, side, steps]) => {
  const names = "{ UNet, AdamW, map, generator, trainStep }";
  const { UNet, AdamW, map, generator, trainStep } = new Function(`${engine}; return ${names}`)();
  const model = new UNet({ channels }), optimizer = new AdamW(model.parameters()), random = generator(1);
  const images = map(batch, 1, side, side), masks = map(batch, 1, side, side);
  images.data.forEach((_, q) => { images.data[q] = random(); masks.data[q] = random() > 0.7 ? 1 : 0; });
  const took = [];
  for (let step = 0; step < steps + 5; step++) {
    const start = performance.now();
    trainStep(model, optimizer, "combined", images, masks, 0.01);
    if (step >= 5) took.push(performance.now() - start); // the first ones are compiled
  }
  return took;
}"""
STROKE = """async (figure) => {
  const scene = figure.querySelector(".scene"), box = scene.getBoundingClientRect();
  const event = (kind, clientX, clientY) =>
    scene.dispatchEvent(new PointerEvent(kind, { pointerId: 1, button: 0, bubbles: true, clientX, clientY }));
  scene.setPointerCapture = () => {};
  const [x, y] = [box.left + box.width * Math.random(), box.top + box.height * Math.random()];
  const start = performance.now();
  event("pointerdown", x, y);
  event("pointerup", x, y);
  const { port1, port2 } = new MessageChannel(); // comes back at once, where a timer waits for milliseconds
  while (figure.unet.numbers().isWaiting) {
    await new Promise((go) => { port1.onmessage = go; port2.postMessage(0); });
  }
  return performance.now() - start;
}"""


def live(_seeds: list[int], settings: dict = LIVE, page: Path = PAGE) -> dict:
    """Measure in Chromium and in PyTorch, one after the other, and return the part of the record."""
    if not page.is_file():
        raise SystemExit(f"{page.name} is not built: run `make book` first")
    from browser import open_browser  # here: to show the tables of a record takes no browser

    with open_browser() as browser:
        return measured(browser, page.as_uri(), settings)


def measured(browser, address: str, settings: dict) -> dict:
    """Return the milliseconds of every step and of every stroke."""
    from unet_tutorial.live.base import ENGINE

    window = browser.new_page(viewport={"width": 1280, "height": 900})
    window.set_default_timeout(0)
    window.goto(address)
    figure = window.locator("figure[data-explorer=Draw]")
    figure.scroll_into_view_if_needed()
    figure.locator(".controls").wait_for()
    size, networks = (settings["batch"], settings["side"], settings["steps"]), []
    for channels in settings["channels"]:
        ours, theirs = window.evaluate(STEPS, [ENGINE, channels, *size]), pytorch(channels, *size)
        networks.append({"channels": channels, "page_ms": rounded(ours), "pytorch_ms": rounded(theirs)})
    strokes = [figure.evaluate(STROKE) for _ in range(settings["strokes"])]
    window.close()
    return {"settings": settings, "networks": networks, "strokes_ms": rounded(strokes)}


def rounded(times: list[float]) -> list[float]:
    return [round(ms, 1) for ms in times]


def pytorch(channels: list[int], batch: int, side: int, steps: int) -> list[float]:
    """Return the milliseconds of training steps in PyTorch."""
    model, loss = UNet(1, 1, channels=channels), CombinedLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    images, masks = torch.rand(batch, 1, side, side), (torch.rand(batch, 1, side, side) > 0.7).float()
    took = []
    for step in range(steps + 5):
        start = time.perf_counter()
        value = loss(model(images), masks)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if step >= 5:
            took.append(1000 * (time.perf_counter() - start))
    return took


def speed(one: dict, settings: dict) -> float:
    """Return the billions of multiply-adds a second of a step in the page: forward once, and backward twice as many."""
    side = settings["side"]
    forward = sum(multiply_adds(side, side, 1, 1, one["channels"]).values()) * settings["batch"]
    return 3 * forward / statistics.median(one["page_ms"]) / 1e6


def live_tables(part: dict) -> list[dict]:
    rows = []
    for one in part["networks"]:
        page, pytorch = (statistics.median(one[key]) for key in ("page_ms", "pytorch_ms"))
        ratio, rate = f"{page / pytorch:.1f}", f"{speed(one, part['settings']):.1f}"
        rows.append([str(tuple(one["channels"])), f"{page:.0f}", f"{pytorch:.0f}", ratio, rate])
    header = ["channels", "in the page, ms", "PyTorch, one thread, ms", "ratio", "billion multiply-adds a second"]
    batch, side = part["settings"]["batch"], part["settings"]["side"]
    steps = {"caption": f"A training step with {batch} images of {side}×{side} pixels", "header": header, "rows": rows}
    strokes = part["strokes_ms"]
    answer = {
        "caption": "From a stroke on the sheet of 128×128 pixels to the new mask",
        "header": ["median, ms", "95 % within, ms"],
        "rows": [[f"{statistics.median(strokes):.0f}", f"{percentile_95(strokes):.0f}"]],
    }
    return [steps, answer]


def live_goals(part: dict) -> list[str]:
    goals = part["settings"]["goals"]
    middle = next(one for one in part["networks"] if one["channels"] == [4, 8, 16])
    step, slowest = statistics.median(middle["page_ms"]), min(speed(one, part["settings"]) for one in part["networks"])
    stroke = percentile_95(part["strokes_ms"])
    met = {True: "Met", False: "Missed"}
    return [
        f"{met[step <= goals['step_ms']]}: a step of (4, 8, 16) within {goals['step_ms']} ms.",
        f"{met[slowest >= goals['gmac_per_second']]}: the whole step of each network with at least "
        f"{goals['gmac_per_second']} billion multiply-adds a second.",
        f"{met[stroke <= goals['stroke_ms']]}: 95 % of the strokes answered within {goals['stroke_ms']} ms.",
    ]
