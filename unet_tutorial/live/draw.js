// Draw cells and what only looks like them; the network in the page says at every stroke what it finds.

const CONTRAST = 0.24, UNDO = 20; // how far a cell stands out, as in the training pictures; strokes that can be undone
const DEFAULTS = { brush: 18, noise: 0.04, size: 128, inverted: false, stage: "none" }; // of the small one, which has fewer controls
const NOTHING = 0, CELL = 1, OTHER = 2, WIPED = 3; // what was drawn at a pixel

async function render({ model, el, link }) {
  const { title, controls, field, small } = model.get("_plan");
  const missing = noUnpacking();
  if (missing) return void el.append(element("p", { class: "trouble" }, missing));
  const { weights, config, pictures } = await unpack(model.get("_table"));
  const id = `unet-live-${Math.random().toString(36).slice(2)}`;
  const value = (name) => model.get(name) ?? DEFAULTS[name];

  const words = element("p", { class: "words", id: `${id}-words`, "aria-live": "polite" });
  const trouble = element("p", { class: "trouble", role: "status" });
  const advice = element("p", { class: "advice", role: "status" });
  const numbers = element("dl", { class: "numbers" });
  const hint = element("p", { class: "hint" }, "Draw with the mouse, a finger or a pen. With the keyboard: arrow keys move the brush (with Shift further), Space draws.");
  const scene = element("canvas", {
    class: "scene", tabindex: 0, role: "application", "data-lm-suppress-shortcuts": "true", "aria-describedby": `${id}-words`,
    "aria-label": "The picture to draw on: arrow keys move the brush, Space draws",
  });
  const canvas = (label) => element("canvas", { role: "img", "aria-label": label, "aria-describedby": `${id}-words` });
  const probability = canvas("The network's probability of a cell, at every pixel");
  const answer = canvas("The picture with the outline of what the network finds, and of the truth");
  const rival = canvas("The picture with the outline of what lies above Otsu's threshold");
  const maps = canvas("The feature maps of the chosen stage");
  const panel = (name, ...inside) => element("div", { class: "panel" }, element("p", { class: "panel-title" }, name), ...inside);
  const mapsPanel = panel("Feature maps", maps);
  const panels = element("div", { class: "panels" }, panel("Draw here", scene, hint), panel("Network: orange, truth: blue", answer),
    ...(small ? [] : [panel("Probability", probability), panel("A blur and Otsu's threshold: orange", rival), mapsPanel]));
  const parts = controls.map((control, i) => makeControl(control, `${id}-${i}`, (place) => {
    model.set(control.name, control.values[place]);
    model.save_changes();
  }));
  const button = (text, press) => {
    const made = element("button", { type: "button" }, text);
    made.addEventListener("click", press);
    return made;
  };
  const file = element("input", { type: "file", accept: "image/*", id: `${id}-file`, class: "file" });
  const own = small ? [] : [element("label", { for: `${id}-file` }, "A picture of your own (it stays on this device): "), file];
  const buttons = element("div", { class: "buttons" }, button("Undo", undo), button("Start again", clear), ...own);
  const board = element("div", { class: "controls" }, ...parts.map((part) => part.element));
  const results = element("div", { class: "results" }, words, numbers, advice);
  if (link) results.append(linkButton(link));
  const view = element("div", { class: "view", role: "group", "aria-label": title });
  view.append(element("p", { class: "title" }, title), panels, buttons, trouble, board, results);
  el.classList.add("unet-explorer", "unet-live");
  el.replaceChildren(...[...el.children].filter((child) => /STYLE|SCRIPT/.test(child.tagName)), view);

  // The ground, and what is drawn on it.
  let W, H, ground, light, truth, drawn, past, isOwn = false, ownPicture = null, noise, grain;
  let image, logits = null, otsuMask = null, cursor = null;

  function fields() {
    const random = generator(1), bell = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    noise = Float32Array.from({ length: W * H }, bell);
    const smooth = blurred(Float32Array.from({ length: W * H }, bell), W, H, 1.5);
    const most = smooth.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    grain = smooth.map((number) => (1.6 * number) / most);
  }

  function setGround() {
    const name = value("ground");
    isOwn = ownPicture !== null;
    if (isOwn) {
      ({ W, H } = ownPicture);
      ground = prepared(ownPicture, value("inverted"));
    } else if (name === "empty") {
      W = H = pictures.side;
    } else {
      W = H = pictures.side;
      ground = fromHex(pictures[name].image, pictures.digits);
    }
    fields();
    if (!isOwn && name === "empty") ground = grain.map((number) => 0.38 + 0.05 * number);
    light = !isOwn && name === "empty" ? new Float32Array(W * H).fill(0.38) : blurred(ground, W, H, 12);
    truth = !isOwn && name !== "empty" ? Uint8Array.from(fromHex(pictures[name].mask, 1)) : isOwn ? null : new Uint8Array(W * H);
    drawn = new Uint8Array(W * H);
    past = [];
    cursor = cursor && [Math.min(cursor[0], W - 1), Math.min(cursor[1], H - 1)];
    refresh();
  }

  const onEmpty = () => !isOwn && value("ground") === "empty";

  // What the camera would see: the ground, what is drawn, softened as a lens does, uneven light, and noise.
  function compose() {
    const painted = new Float32Array(W * H), cover = new Float32Array(W * H);
    for (let q = 0; q < W * H; q++) {
      if (drawn[q] === NOTHING) continue;
      cover[q] = 1;
      if (drawn[q] === CELL) painted[q] = light[q] + 0.98 * CONTRAST + 0.09 * grain[q];
      else if (drawn[q] === OTHER) painted[q] = light[q] + 1.2 * CONTRAST;
      else painted[q] = onEmpty() ? ground[q] : light[q] + 0.05 * grain[q];
    }
    const soft = blurred(painted, W, H, 0.85), share = blurred(cover, W, H, 0.85);
    const amount = value("noise"), more = onEmpty() ? amount : Math.sqrt(Math.max(0, amount ** 2 - 0.04 ** 2));
    return ground.map((number, q) => {
      const slope = value("light") * (0.5 * ((q % W) / W - 0.5) + 0.87 * (Math.floor(q / W) / H - 0.5));
      const hiss = (share[q] * amount + (1 - share[q]) * more) * noise[q];
      return Math.min(1, Math.max(0, number * (1 - share[q]) + soft[q] + slope + hiss));
    });
  }

  // What is really a cell: what was drawn as one, and what the picture's own mask says, where nothing was wiped out.
  const isCell = (q) => drawn[q] === CELL || (drawn[q] !== WIPED && drawn[q] !== CELL && truth !== null && truth[q] === 1);

  // Ask the network, one question at a time; what changes meanwhile is asked next.
  let asked = 0, isWaiting = false, isStale = false;
  const engine = startEngine((message) => {
    if (message.kind === "failed") trouble.textContent = `The network cannot answer. ${message.words}`;
    if (message.kind !== "predicted") return;
    isWaiting = false;
    logits = message.logits;
    showAnswer(message);
    if (isStale) ask();
  });
  engine.tell({ kind: "load", config, weights: unpackWeights(weights) });

  function ask() {
    if (isWaiting) return void (isStale = true);
    [isWaiting, isStale] = [true, false];
    const open = config.channels.slice(1).map((_, i) => (small ? true : value(`skip_${i + 1}`)));
    const [part, i] = small || value("stage") === "none" ? [] : value("stage").split(" ");
    const stage = part && { part, i: part === "decoder" ? config.channels.length - 1 - i : i - 1 };
    engine.tell({ kind: "predict", number: (asked += 1), image, H, W, open, stage });
  }

  function refresh() {
    image = compose();
    const soft = blurred(image, W, H, 1), cut = otsu(soft); // against noise, as everybody would
    otsuMask = Uint8Array.from(soft, (number) => (number > cut ? 1 : 0));
    showScene();
    ask();
  }

  function showScene() {
    paint(scene, W, H, (q) => grey(image[q]));
    if (cursor && document.activeElement === scene) {
      const pen = scene.getContext("2d");
      pen.strokeStyle = "#ffffff";
      pen.strokeRect(cursor[0] - 2.5, cursor[1] - 2.5, 6, 6);
      pen.strokeStyle = "#000000";
      pen.strokeRect(cursor[0] - 1.5, cursor[1] - 1.5, 4, 4);
    }
  }

  function outlined(target, mask, real) {
    paint(target, W, H, (q) => {
      if (isEdge(mask, q, W, H)) return [255, 145, 30];
      return real && isEdge(real, q, W, H) ? [60, 160, 255] : grey(image[q]);
    });
  }

  let spoken;
  function showAnswer({ maps: seen, took }) {
    const threshold = value("threshold"), cut = Math.log(threshold / (1 - threshold));
    const found = Uint8Array.from(logits, (number) => (number > cut ? 1 : 0));
    const real = truth === null ? null : Uint8Array.from({ length: W * H }, (_, q) => (isCell(q) ? 1 : 0));
    outlined(answer, found, real);
    outlined(rival, otsuMask, null);
    paint(probability, W, H, (q) => grey(sigmoidOf(logits[q])));
    mapsPanel.hidden = !seen;
    if (seen) paintMaps(maps, seen);
    const score = (mask) => (real === null ? "no truth known" : overlap(mask, real).toFixed(2));
    const count = found.reduce((a, b) => a + b, 0);
    const rows = { "IoU, network": score(found), "IoU, Otsu": score(otsuMask), "pixels found": count.toLocaleString("en"), "answer took": `${Math.round(took)} ms` };
    numbers.replaceChildren(...Object.entries(rows).map(([name, text]) => element("div", {}, element("dt", {}, name), element("dd", {}, text))));
    clearTimeout(spoken); // a screen reader hears of a stroke when it is over
    spoken = setTimeout(() => {
      words.textContent = real === null || !real.includes(1)
        ? `${real ? "There is no cell in this picture. " : ""}The network calls ${rows["pixels found"]} of ${(W * H).toLocaleString("en")} pixels cell.`
        : `The network reaches an IoU of ${rows["IoU, network"]}, Otsu's threshold ${rows["IoU, Otsu"]}.`;
      advice.textContent = adviceFor(count);
    }, 300);
  }

  // What the picture itself shows of a reason for failure.
  function adviceFor(count) {
    if (!isOwn) return "";
    const wide = widestArea(otsuMask, W, H);
    if (wide > field) return `The largest bright area is ${wide} pixels wide, and one answer sees ${field}. Choose a smaller size.`;
    const bright = otsuMask.reduce((a, b) => a + b, 0) / (W * H);
    if (bright > 0.5) return "More than half of the picture is bright. If your objects are dark, switch on Inverted.";
    if (count < 0.002 * W * H) return "Almost nothing is found. It has learned bright cells of about 20 pixels: try another size, or Inverted.";
    return "It has learned drawn cells, and never saw a picture like yours. Look before you believe it.";
  }

  // Drawing.
  function stamp(x, y) {
    const tool = value("tool"), radius = value("brush") / 2;
    const put = (px, py, what) => {
      const [column, row] = [Math.round(px), Math.round(py)];
      if (column >= 0 && row >= 0 && column < W && row < H) drawn[row * W + column] = what;
    };
    const disc = (cx, cy, r, what, inner = -1) => {
      for (let row = Math.floor(cy - r); row <= cy + r; row++)
        for (let column = Math.floor(cx - r); column <= cx + r; column++) {
          const distance = Math.hypot(column - cx, row - cy);
          if (distance <= r && distance > inner) put(column, row, what);
        }
    };
    if (tool === "cell") disc(x, y, radius, CELL);
    else if (tool === "rubber") disc(x, y, radius, WIPED);
    else if (tool === "ring") disc(x, y, radius, OTHER, radius - Math.max(1.5, 0.3 * radius));
    else if (tool === "fibre") disc(x, y, 0.8, OTHER);
    else for (let i = 0; i < 5; i++) disc(x + 4 * radius * (Math.random() - 0.5), y + 4 * radius * (Math.random() - 0.5), 1.1, OTHER);
  }

  function stroke(from, to) {
    const single = ["ring", "dust"].includes(value("tool")) && from;
    const steps = from && !single ? Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]))) : 1;
    if (single && Math.hypot(to[0] - from[0], to[1] - from[1]) < value("brush")) return from;
    for (let i = 1; i <= steps; i++)
      stamp(from && !single ? from[0] + ((to[0] - from[0]) * i) / steps : to[0], from && !single ? from[1] + ((to[1] - from[1]) * i) / steps : to[1]);
    refresh();
    return to;
  }

  function remember() {
    past.push(drawn.slice());
    if (past.length > UNDO) past.shift();
  }

  function undo() {
    if (past.length === 0) return;
    drawn = past.pop();
    refresh();
  }

  function clear() {
    remember();
    drawn = new Uint8Array(W * H);
    refresh();
  }

  let last = null;
  const placeOf = (event) => {
    const box = scene.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * W - 0.5, ((event.clientY - box.top) / box.height) * H - 0.5];
  };
  scene.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    scene.setPointerCapture(event.pointerId);
    remember();
    cursor = null;
    last = stroke(null, placeOf(event));
  });
  scene.addEventListener("pointermove", (event) => {
    if (last) last = stroke(last, placeOf(event));
  });
  for (const name of ["pointerup", "pointercancel"]) scene.addEventListener(name, () => (last = null));
  scene.addEventListener("focus", () => {
    cursor ??= [Math.floor(W / 2), Math.floor(H / 2)];
    if (scene.matches(":focus-visible")) showScene();
  });
  scene.addEventListener("blur", showScene);
  scene.addEventListener("keydown", (event) => {
    const far = event.shiftKey ? 8 : 2;
    const move = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] }[event.key];
    cursor ??= [Math.floor(W / 2), Math.floor(H / 2)];
    if (move) {
      cursor = [Math.min(W - 1, Math.max(0, cursor[0] + move[0])), Math.min(H - 1, Math.max(0, cursor[1] + move[1]))];
      showScene();
    } else if (event.key === " ") {
      remember();
      stroke(null, cursor);
    } else return;
    event.preventDefault();
  });

  file.addEventListener("change", async () => {
    try {
      ownPicture = file.files[0] ? await readPicture(file.files[0], value("size")) : null;
      trouble.textContent = ownPicture?.said ?? "";
      setGround();
    } catch (error) {
      trouble.textContent = error.message; // and what was there stays
    }
  });

  const follow = {
    threshold: () => logits && showAnswer({ maps: null, took: 0 }),
    inverted: () => isOwn && setGround(),
    size: async () => {
      if (!file.files[0]) return;
      ownPicture = await readPicture(file.files[0], value("size"));
      setGround();
    },
    ground: () => {
      ownPicture = null;
      file.value = "";
      setGround();
    },
    tool: () => {},
    brush: () => {},
  };
  const listeners = controls.map((control, i) => {
    const show = () => {
      parts[i].show(control.values.indexOf(value(control.name)));
      (follow[control.name] ?? refresh)();
    };
    model.on(`change:${control.name}`, show);
    parts[i].show(control.values.indexOf(value(control.name)));
    return () => model.off(`change:${control.name}`, show);
  });
  setGround();
  el.unet = { numbers: () => ({ W, H, image, logits, isWaiting, drawn }) }; // for whoever wants to compare
  return () => {
    listeners.forEach((off) => off());
    engine.stop();
  };
}

const sigmoidOf = (z) => 1 / (1 + Math.exp(-z));

// Lays the maps of a stage side by side, each from its darkest to its brightest number.
function paintMaps(canvas, { C, H, W, data }) {
  const columns = Math.ceil(Math.sqrt(C)), rows = Math.ceil(C / columns);
  const spans = Array.from({ length: C }, (_, c) => {
    const own = data.subarray(c * H * W, (c + 1) * H * W);
    const low = own.reduce((a, b) => Math.min(a, b));
    return [low, own.reduce((a, b) => Math.max(a, b)) - low || 1];
  });
  paint(canvas, columns * W, rows * H, (q) => {
    const x = q % (columns * W), y = Math.floor(q / (columns * W)), c = Math.floor(y / H) * columns + Math.floor(x / W);
    return c < C ? grey((data[(c * H + (y % H)) * W + (x % W)] - spans[c][0]) / spans[c][1]) : [128, 128, 128];
  });
}

// The widest connected area of a mask, in pixels.
function widestArea(mask, W, H) {
  const seen = new Uint8Array(W * H);
  let widest = 0;
  for (let start = 0; start < W * H; start++) {
    if (!mask[start] || seen[start]) continue;
    let [left, right, top, bottom] = [W, 0, H, 0];
    const waiting = [start];
    seen[start] = 1;
    while (waiting.length) {
      const q = waiting.pop(), x = q % W, y = (q - x) / W;
      [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
      for (const [p, inside] of [[q - 1, x > 0], [q + 1, x < W - 1], [q - W, y > 0], [q + W, y < H - 1]])
        if (inside && mask[p] && !seen[p]) {
          seen[p] = 1;
          waiting.push(p);
        }
    }
    widest = Math.max(widest, Math.min(right - left, bottom - top) + 1);
  }
  return widest;
}

// Reads a picture from the device as grey values from 0 to 1, its longer side brought to `size` pixels.
async function readPicture(file, size) {
  if (file.size > 60e6) throw new Error(`${file.name} has ${Math.round(file.size / 1e6)} MB, more than 60. Save it smaller.`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is no picture that this browser can read. PNG, JPEG and WebP are.`);
  }
  const scale = size / Math.max(bitmap.width, bitmap.height);
  const [W, H] = [bitmap.width, bitmap.height].map((side) => Math.max(8, Math.round(side * scale)));
  const canvas = Object.assign(document.createElement("canvas"), { width: W, height: H });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, W, H);
  const pixels = pen.getImageData(0, 0, W, H).data, values = new Float32Array(W * H);
  let isTransparent = false;
  for (let q = 0; q < W * H; q++) {
    const [red, green, blue, alpha] = pixels.subarray(4 * q, 4 * q + 4);
    values[q] = ((0.2125 * red + 0.7154 * green + 0.0721 * blue) / 255) * (alpha / 255); // as scikit-image weighs colours
    isTransparent ||= alpha < 255;
  }
  const head = new Uint8Array(await file.slice(0, 26).arrayBuffer());
  const isDeep = head[1] === 0x50 && head[2] === 0x4e && head[3] === 0x47 && head[24] === 16;
  const said = [isDeep && "Of 16 bits a pixel the browser keeps 8.", isTransparent && "What is transparent counts as black."];
  return { W, H, values, said: said.filter(Boolean).join(" ") };
}

// Brings grey values to 0 to 1 as `normalize` of the package does: by the percentiles of their logarithm, and, where the
// numbers show that their 0 is not "no light", by the percentiles of the values themselves.
function prepared({ values, W, H }, isInverted) {
  const counts = Float64Array.from(values, (number) => 257 * Math.round(255 * number)); // in units of 16 bits
  const levels = greyLevels(counts, W, H);
  return isInverted ? levels.map((level) => 1 - level) : levels;
}

function greyLevels(counts, W, H) {
  const [bottom, top] = [percentile(counts, 0.01), percentile(counts, 0.998)], span = top - bottom;
  const noise = percentile(laplacian(counts, W, H), 0.5) / 6 / 0.6745;
  const least = counts.reduce((one, other) => Math.min(one, other));
  const level = (number) => Math.min(1, Math.max(0, number));
  if (least >= span / 50 && (span >= 4 * bottom || span <= 20 * noise)) {
    const scaled = Float32Array.from(counts, Math.log1p), dark = percentile(scaled, 0.01);
    const range = Math.max(percentile(scaled, 0.998) - dark, Math.log(4));
    return scaled.map((number) => level((number - dark) / range));
  }
  const range = Math.max(span, 50 * noise) || 1;
  return Float32Array.from(counts, (number) => Math.log1p(12 * level((number - bottom) / range)) / Math.log(13));
}

function percentile(values, share) {
  const sorted = values.slice().sort(), at = share * (sorted.length - 1), below = Math.floor(at);
  return sorted[below] + (at - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]);
}

// The size of what no plane and no ramp can explain, at every pixel; the picture goes on as in a mirror at its edges.
function laplacian(counts, W, H) {
  const near = (side, length) => Math.min(length - 1, Math.max(0, side));
  return counts.map((_, q) => {
    const x = q % W, y = (q - x) / W;
    let sum = 0;
    for (const [dy, row] of [[-1, [1, -2, 1]], [0, [-2, 4, -2]], [1, [1, -2, 1]]])
      for (const dx of [-1, 0, 1]) sum += row[dx + 1] * counts[near(y + dy, H) * W + near(x + dx, W)];
    return Math.abs(sum);
  });
}

// Numbers from 0 to 1 from a seed, as the engine's.
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export default { initialize, render };
