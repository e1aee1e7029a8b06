// Press a button and a U-Net learns, in the page: loss and IoU as they come, and what it makes of four pictures.

const SHOWN = 4; // validation pictures beside the curves

async function render({ model, el, link }) {
  const { title, controls, tasks, costs } = model.get("_plan");
  const missing = noUnpacking();
  if (missing) return void el.append(element("p", { class: "trouble" }, missing));
  const packed = await unpack(model.get("_table"));
  const sets = {}; // unpacked when they are asked for
  const setOf = (name) => (sets[name] ??= unpackSet(packed[name]));
  const id = `unet-live-${Math.random().toString(36).slice(2)}`;
  const value = (name) => model.get(name);

  const words = element("p", { class: "words", id: `${id}-words`, "aria-live": "polite" });
  const trouble = element("p", { class: "trouble", role: "status" });
  const numbers = element("dl", { class: "numbers" });
  const lossChart = element("div", { class: "drawing chart" });
  const iouChart = element("div", { class: "drawing chart" });
  const canvases = Array.from({ length: 2 * SHOWN }, (_, i) =>
    element("canvas", { role: "img", "aria-label": i < SHOWN ? `Validation picture ${i + 1}` : `What is right and wrong in picture ${i - SHOWN + 1}` }));
  const panel = (name, inside) => element("div", { class: "panel" }, element("p", { class: "panel-title" }, name), inside);
  const panels = element("div", { class: "panels" }, panel("Loss of each batch", lossChart), panel("IoU on pictures it does not learn from", iouChart),
    panel("Four of these pictures", element("div", { class: "pictures" }, ...canvases.slice(0, SHOWN))),
    panel("White is right, blue missed, orange false", element("div", { class: "pictures" }, ...canvases.slice(SHOWN))));
  const button = (text, press, kind = "") => {
    const made = element("button", { type: "button", class: kind }, text);
    made.addEventListener("click", press);
    return made;
  };
  const go = button("Train", () => (state === "going" ? pause() : start()), "main-button");
  const one = button("One step", () => oneStep());
  const again = button("Start again", () => begin());
  const buttons = element("div", { class: "buttons" }, go, one, again);
  const parts = controls.map((control, i) => makeControl(control, `${id}-${i}`, (place) => {
    model.set(control.name, control.values[place]);
    model.save_changes();
  }));
  const board = element("div", { class: "controls" }, ...parts.map((part) => part.element));
  const items = tasks.map((task) => element("li", {}, task.words, " ", element("span", { class: "done" })));
  const list = element("details", { class: "tasks" }, element("summary", {}, "Six tasks"), element("ol", {}, ...items));
  const results = element("div", { class: "results" }, words, numbers);
  if (link) results.append(linkButton(link));
  const view = element("div", { class: "view", role: "group", "aria-label": title });
  view.append(element("p", { class: "title" }, title), panels, buttons, trouble, board, results, list);
  el.classList.add("unet-explorer", "unet-live");
  el.replaceChildren(...[...el.children].filter((child) => /STYLE|SCRIPT/.test(child.tagName)), view);

  let state = "new"; // then "going", "paused", "done"
  let now = null, before = null; // two runs: {settings, losses, checks, norm, perSecond, weights}
  const finished = []; // what the tasks look at

  const engine = startEngine((message) => {
    ({ begun, learned, checked, finished: ended, failed, weights: arrived })[message.kind]?.(message);
    draw();
  });

  function settings() {
    const widths = Array.from({ length: value("depth") + 1 }, (_, i) => value("base_channels") * 2 ** i);
    const config = { in_channels: 1, num_classes: 1, channels: widths, norm: "batch", skip: value("skip"), upsample: value("upsample") };
    const names = ["data", "depth", "base_channels", "skip", "upsample", "loss", "rate", "schedule", "batch", "steps", "seed", "accident"];
    return { ...Object.fromEntries(names.map((name) => [name, value(name)])), config, every: 10, shown: SHOWN };
  }

  // A new network with the settings of now; what the one before had reached stays in the charts for comparison.
  function begin() {
    if (now && now.losses.length) before = now;
    now = { settings: settings(), losses: [], checks: [], shown: null, norm: 0, perSecond: 0, weights: 0, took: [] };
    state = "new";
    trouble.textContent = "";
    engine.tell({ kind: "begin", settings: now.settings, data: setOf(value("data")) });
  }

  function start() {
    if (state === "done") begin();
    state = "going";
    engine.tell({ kind: "go" });
    draw();
  }

  function pause() {
    state = "paused";
    engine.tell({ kind: "pause" });
    engine.tell({ kind: "weights" });
    draw();
  }

  function oneStep() {
    if (state === "done") begin();
    state = "paused";
    engine.tell({ kind: "one" });
  }

  function begun({ weights }) {
    now.weights = weights;
  }

  function learned({ loss, norm, took }) {
    now.losses.push(loss);
    now.norm = norm;
    now.took.push(took);
    if (now.took.length > 20) now.took.shift();
    now.perSecond = (1000 * now.took.length) / now.took.reduce((a, b) => a + b, 0);
    if (!Number.isFinite(loss)) {
      pause();
      trouble.textContent = `The loss is ${loss} after ${now.losses.length} steps: the steps were too large. Lower the learning rate, and start again.`;
    }
  }

  function checked({ step, iou, shown }) {
    now.checks.push([step, iou]);
    now.shown = shown;
    if (step === now.settings.steps) end();
  }

  function end() {
    state = "done";
    finished.push({ ...now.settings, weights: now.weights, iou: now.checks.at(-1)[1] });
    engine.tell({ kind: "weights" });
    tasks.forEach((task, i) => {
      if (!SOLVED[task.name](finished)) return;
      items[i].classList.add("solved");
      items[i].querySelector(".done").textContent = "✓ done";
    });
  }

  const ended = () => {};

  function failed(message) {
    state = "paused";
    trouble.textContent = `It cannot train. ${message.words}`;
  }

  // In Jupyter Python gets the weights, as plain lists.
  function arrived({ config, weights }) {
    const plain = Object.fromEntries(Object.entries(weights).map(([name, { data, shape }]) => [name, { shape, values: [...data] }]));
    model.set("_weights", { config, weights: plain });
    model.save_changes();
  }

  let isDrawing = false;
  function draw() {
    if (isDrawing) return;
    isDrawing = true;
    requestAnimationFrame(() => {
      isDrawing = false;
      show();
    });
  }

  let said = "";
  function show() {
    go.textContent = state === "going" ? "Pause" : state === "paused" ? "Go on" : state === "done" ? "Train again" : "Train";
    one.disabled = state === "going";
    const { baseline } = packed[now.settings.data];
    lossChart.innerHTML = chart([[now.losses, "c1"], ...(before ? [[before.losses, "c1 before"]] : [])].map(([losses, kind]) =>
      [losses.map((loss, i) => [i + 1, loss]), kind]), now.settings.steps, null, "the loss against the steps");
    iouChart.innerHTML = chart([[now.checks, "c0"], ...(before ? [[before.checks, "c0 before"]] : [])], now.settings.steps, value("baseline") ? baseline : null, "the IoU against the steps", 1);
    if (now.shown) paintShown();
    const key = `${now.settings.depth},${now.settings.base_channels},${now.settings.skip},${now.settings.upsample}`;
    const iou = now.checks.at(-1)?.[1];
    const rows = {
      weights: now.weights.toLocaleString("en"),
      "multiply-adds": costs[key],
      step: `${now.losses.length} of ${now.settings.steps}`,
      loss: now.losses.length ? now.losses.at(-1).toPrecision(3) : "none yet",
      IoU: iou === undefined ? "none yet" : iou.toFixed(3),
      "gradient's length": now.losses.length ? now.norm.toPrecision(2) : "none yet",
      "steps a second": now.losses.length ? now.perSecond.toFixed(1) : "none yet",
      ...(before ? { "IoU before": before.checks.at(-1)[1].toFixed(3) } : {}),
    };
    numbers.replaceChildren(...Object.entries(rows).map(([name, text]) => element("div", {}, element("dt", {}, name), element("dd", {}, text))));
    const sentence = { new: "Press Train: a network of random numbers begins to learn.", going: "It learns.",
      paused: `It waits at step ${now.losses.length}, with an IoU of ${iou?.toFixed(2)}.`,
      done: `After ${now.losses.length} steps the IoU is ${iou?.toFixed(2)}; a blur and Otsu's threshold reach ${baseline.toFixed(2)}.` }[state];
    if (sentence !== said) words.textContent = said = sentence;
    if (isChanged()) trouble.textContent = "The settings have changed. Start again, and a network is trained with them.";
    else if (trouble.textContent.startsWith("The settings")) trouble.textContent = "";
  }

  const isChanged = () => now.losses.length > 0 && JSON.stringify(settings()) !== JSON.stringify(now.settings);

  function paintShown() {
    const { side, images, masks } = setOf(now.settings.data).val, size = side * side;
    for (let n = 0; n < SHOWN; n++) {
      const [at, right, wrong] = [n * size, canvases[n], canvases[SHOWN + n]];
      paint(right, side, side, (q) => grey(images[at + q]));
      paint(wrong, side, side, (q) => {
        const found = now.shown[at + q] > 0, real = masks[at + q] > 0;
        return found && real ? [255, 255, 255] : found ? [230, 130, 0] : real ? [30, 120, 220] : [0, 0, 0];
      });
    }
  }

  const listeners = controls.map((control, i) => {
    const follow = () => {
      parts[i].show(control.values.indexOf(value(control.name)));
      if (now.losses.length === 0 && control.name !== "baseline") begin();
      draw();
    };
    model.on(`change:${control.name}`, follow);
    parts[i].show(control.values.indexOf(value(control.name)));
    return () => model.off(`change:${control.name}`, follow);
  });

  // A page that nobody sees does not train; it goes on when it is seen again.
  let waits = false;
  const look = () => {
    if (document.hidden && state === "going") {
      waits = true;
      engine.tell({ kind: "pause" });
    } else if (!document.hidden && waits) {
      waits = false;
      if (state === "going") engine.tell({ kind: "go" });
    }
  };
  document.addEventListener("visibilitychange", look);
  begin();
  show();
  el.unet = { now: () => now, finished: () => finished }; // for whoever wants to compare
  return () => {
    listeners.forEach((off) => off());
    document.removeEventListener("visibilitychange", look);
    engine.stop();
  };
}

// The tasks, by their names: each looks at the finished trainings, and says whether it is solved.
const alike = (a, b, but) => Object.keys(a).every((key) => [...but, "config", "weights", "iou"].includes(key) || a[key] === b[key]);
const pairs = (runs, fits) => runs.some((a) => runs.some((b) => fits(a, b)));
const SOLVED = {
  first: (runs) => runs.some((run) => run.data === "discs" && run.iou >= 0.9),
  small: (runs) => runs.some((run) => run.data === "cells" && run.weights <= 2000 && run.iou >= 0.7),
  rate: (runs) => pairs(runs, (a, b) => alike(a, b, ["rate"]) && a.iou >= 0.8 && b.iou < 0.5 && b.rate > a.rate && b.rate <= 4 * a.rate),
  depth: (runs) => pairs(runs, (a, b) => a.data === "cells" && alike(a, b, ["depth"]) && b.depth === a.depth + 1 && b.iou - a.iou < 0.02),
  skips: (runs) => pairs(runs, (a, b) => alike(a, b, ["skip"]) && a.skip === "concat" && b.skip === "none" && a.iou - b.iou >= 0.05),
  accident: (runs) => pairs(runs, (a, b) => alike(a, b, ["accident"]) && a.accident === "none" && b.accident !== "none" && a.iou - b.iou >= 0.2),
};

function unpackSet({ side, digits, train, val }) {
  const part = ({ images, masks }) => ({ side, images: fromHex(images, digits), masks: fromHex(masks, 1).map((level) => (level > 0 ? 1 : 0)) });
  return { train: part(train), val: part(val) };
}

// A drawing of curves, each a list of [step, value] and its classes, over `steps` steps; `mark` is a level to beat.
function chart(curves, steps, mark, label, top = null) {
  const [width, height, left, bottom] = [320, 150, 34, 18];
  const values = curves.flatMap(([points]) => points.map(([, y]) => y)).filter(Number.isFinite);
  const most = top ?? Math.max(0.1, ...values);
  const x = (step) => left + ((width - left - 4) * step) / steps;
  const y = (level) => 4 + (height - bottom - 4) * (1 - Math.min(level, most) / most);
  const line = (points) => points.filter(([, level]) => Number.isFinite(level)).map(([step, level]) => `${x(step).toFixed(1)},${y(level).toFixed(1)}`).join(" ");
  const lines = curves.map(([points, kind]) => `<polyline class="line ${kind}" points="${line(points)}"/>`).join("");
  const level = mark === null ? "" : `<line class="level" x1="${left}" x2="${width - 4}" y1="${y(mark)}" y2="${y(mark)}"/><text class="small end" x="${width - 6}" y="${y(mark) - 4}">threshold</text>`;
  return `<svg class="unet-drawing" role="img" aria-label="${label}" viewBox="0 0 ${width} ${height}" style="--width: ${width}">`
    + `<polyline class="axis" points="${left},4 ${left},${height - bottom} ${width - 4},${height - bottom}"/>`
    + `<text class="small end" x="${left - 4}" y="12">${most.toPrecision(2)}</text><text class="small end" x="${left - 4}" y="${height - bottom}">0</text>`
    + `<text class="small end" x="${width - 4}" y="${height - 4}">${steps} steps</text>${level}${lines}</svg>`;
}

export default { initialize, render };
