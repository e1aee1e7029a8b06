// Shows an explorer: its controls, and the state that their values choose from Python's table. It computes nothing.
// In Jupyter `model` is the widget's; in a page without a kernel host.js brings one, and a `link` to copy.

async function render({ model, el, link }) {
  const { title, controls } = model.get("_plan");
  const missing = noUnpacking();
  if (missing) return void el.append(element("p", { class: "trouble", role: "status" }, missing));
  const { states, assets } = await unpack(model.get("_table"));
  const id = `unet-explorer-${(onThisPage.count += 1)}`;
  const pictures = Object.values(assets).filter((asset) => asset.startsWith("data:"));
  const preloaded = pictures.map((address) => Object.assign(new Image(), { src: address }));

  const words = element("p", { class: "words", id: `${id}-words`, "aria-live": "polite" });
  const numbers = element("dl", { class: "numbers" });
  const panels = element("div", { class: "panels" });
  const parts = controls.map((control, i) => makeControl(control, `${id}-${i}`, (place) => choose({ [i]: place })));
  const board = element("div", { class: "controls" }, ...parts.map((part) => part.element));
  const results = element("div", { class: "results" }, words, numbers);
  if (link) results.append(linkButton(link));
  const view = element("div", { class: "view", role: "group", "aria-label": title });
  view.append(element("p", { class: "title" }, title), panels, board, results);
  el.classList.add("unet-explorer");
  el.replaceChildren(...[...el.children].filter((child) => /STYLE|SCRIPT/.test(child.tagName)), view);

  const places = () => controls.map((control) => control.values.indexOf(model.get(control.name)));
  const show = () => {
    const now = places();
    const index = now.reduce((sum, place, i) => sum * controls[i].values.length + place, 0);
    parts.forEach((part, i) => part.show(now[i]));
    showState(states[index], { words, numbers, panels }, assets, pick);
  };
  controls.forEach(({ name }) => model.on(`change:${name}`, show));
  show();
  return () => {
    controls.forEach(({ name }) => model.off(`change:${name}`, show));
    preloaded.length = 0;
  };

  // Sets some controls, by their number, to the value at a place of their lists.
  function choose(wanted) {
    for (const [i, place] of Object.entries(wanted)) model.set(controls[i].name, controls[i].values[place]);
    model.save_changes();
  }

  // Sets the controls that a drawing can be pointed at, from a place in it given by two numbers from 0 to 1.
  function pick([across, down], names) {
    const wanted = {};
    for (const [name, part] of [[names[0], across], [names[1], down]]) {
      const i = controls.findIndex((control) => control.name === name);
      if (i >= 0) wanted[i] = Math.min(Math.floor(part * controls[i].values.length), controls[i].values.length - 1);
    }
    choose(wanted);
  }
}

function showState(state, { words, numbers, panels }, assets, pick) {
  if (words.textContent !== state.words) words.textContent = state.words; // spoken once, and only if it is new
  const rows = state.numbers.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  numbers.replaceChildren(...rows);
  while (panels.children.length > state.panels.length) panels.lastChild.remove();
  state.panels.forEach((panel, i) => {
    if (!panels.children[i]) panels.append(makePanel(words.id, pick));
    const [title, drawing] = panels.children[i].children;
    title.textContent = panel.title;
    drawing.pick = panel.pick;
    drawing.classList.toggle("pick", panel.pick.length > 0);
    if (drawing.source !== panel.svg) draw(drawing, panel.svg, assets, words.id);
  });
}

function makePanel(description, pick) {
  const drawing = element("div", { class: "drawing" });
  const point = (event) => {
    if (!drawing.pick.length || !(event.buttons & 1)) return;
    const [first, second, x, y, width, height] = drawing.pick;
    const svg = drawing.firstChild;
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const [across, down] = [(place.x - x) / width, (place.y - y) / height];
    if (across >= 0 && across < 1 && down >= 0 && down < 1) pick([across, down], [first, second]);
  };
  drawing.addEventListener("pointerdown", point);
  drawing.addEventListener("pointermove", point);
  return element("div", { class: "panel" }, element("p", { class: "panel-title" }), drawing);
}

// Replaces a drawing. An image that stays the same stays the same element, so that it does not blink.
function draw(drawing, source, assets, description) {
  const kept = new Map([...drawing.querySelectorAll("image")].map((image) => [image.dataset.asset, image]));
  drawing.source = source;
  drawing.innerHTML = source;
  drawing.firstChild.setAttribute("aria-describedby", description);
  for (const part of drawing.querySelectorAll("g[data-asset]")) part.innerHTML = assets[part.dataset.asset];
  for (const image of drawing.querySelectorAll("image")) {
    const name = image.dataset.asset;
    const old = kept.get(name);
    kept.delete(name);
    if (old) {
      for (const key of ["x", "y", "width", "height"]) old.setAttribute(key, image.getAttribute(key));
      image.replaceWith(old);
    } else {
      image.setAttribute("href", assets[name]);
    }
  }
}

export default { initialize, render };
