"""Measure the network in the page: a training step beside PyTorch's, and the answer to a stroke. See bench.py."""

from __future__ import annotations

import time
from pathlib import Path

import torch

import recipes
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
    from browser import open_browser  # here: it needs the packages of the tests

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
    size, networks = (settings["batch"], settings["side"]), []
    for channels in settings["channels"]:
        ours = window.evaluate(STEPS, [ENGINE, channels, *size, settings["steps"]])
        networks.append(
            {"channels": channels, "page_ms": rounded(ours), "pytorch_ms": rounded([pytorch(channels, *size)])}
        )
    strokes = [figure.evaluate(STROKE) for _ in range(settings["strokes"])]
    window.close()
    return {"settings": settings, "networks": networks, "strokes_ms": rounded(strokes)}


def rounded(times: list[float]) -> list[float]:
    return [round(ms, 1) for ms in times]


def pytorch(channels: list[int], batch: int, side: int) -> float:
    """Return the milliseconds of a training step in PyTorch, on the clock on the wall, as in the page."""
    images, masks = torch.rand(batch, 1, side, side), (torch.rand(batch, 1, side, side) > 0.7).float()
    work = recipes.step(UNet(1, 1, channels=channels), images, masks, recipe={"learning_rate": 0.01})
    work()  # the first one warms up
    return 1000 * recipes.seconds(work, clock=time.perf_counter)
