// Outside of a kernel's own views: a model that holds the values, and the link to a setting, #name:control=value,…
// In Jupyter the picture is this piece of page too, so that a notebook that is opened again or exported has it. There
// it follows the kernel's model of the same name, for as long as there is one.

function makeModel(values) {
  const listeners = new Map();
  const of = (event) => listeners.get(event) ?? listeners.set(event, new Set()).get(event);
  const changed = new Set();
  return {
    get: (key) => values[key],
    set(key, value) {
      if (values[key] === value) return;
      values[key] = value;
      changed.add(key);
      of(`change:${key}`).forEach((listener) => listener());
    },
    on: (event, listener) => of(event).add(listener),
    off: (event, listener) => of(event).delete(listener),
    save_changes() {
      const names = [...changed];
      changed.clear();
      of("saved").forEach((listener) => listener(names));
    },
  };
}

// The settings in the page's address, by the names of the explorers.
function settingsInAddress() {
  const pairs = location.hash.slice(1).split("&").filter((part) => part.includes(":"));
  return new Map(pairs.map((part) => [part.split(":")[0], part.slice(part.indexOf(":") + 1)]));
}

// Takes over what the address says of this explorer; returns what is wrong with it, or "".
function takeSetting(setting, controls, model) {
  const problems = [];
  for (const pair of setting.split(",")) {
    const [name, value] = pair.split("=").map(decodeURIComponent);
    const control = controls.find((one) => one.name === name);
    const place = control ? control.values.findIndex((one) => String(one) === value) : -1;
    if (place < 0) problems.push(pair);
    else model.set(name, control.values[place]);
  }
  return problems.length ? `The link asks for ${problems.join(", ")}, which does not exist here.` : "";
}

function addressOf(name, controls, model) {
  const pairs = controls.map((control) => `${control.name}=${encodeURIComponent(model.get(control.name))}`);
  const settings = settingsInAddress().set(name, pairs.join(","));
  return `#${[...settings].map(([key, value]) => `${key}:${value}`).join("&")}`;
}

// Lets the picture and the kernel's model of it follow each other. The kernel may have moved on meanwhile: it is right.
function follow(model, controls, kernel) {
  for (const { name } of controls) {
    model.set(name, kernel.get(name));
    kernel.on(`change:${name}`, () => model.set(name, kernel.get(name)));
  }
  model.on("saved", (names) => {
    if (![...onThisPage.kernels.values()].includes(kernel)) return; // it has ended
    for (const name of names) kernel.set(name, model.get(name));
    kernel.save_changes();
  });
}

async function mount(figure) {
  figure.live = true; // no attribute, which would stay in a page that is saved and opened again
  const data = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  const { values, table, ...plan } = data;
  const { name, controls } = plan;
  const model = makeModel({ ...values, _plan: plan, _table: table });
  const isPage = "content_root" in document.documentElement.dataset; // in Jupyter the address is not ours
  const write = () => history.replaceState(null, "", addressOf(name, controls, model));
  const link = () => new URL(addressOf(name, controls, model), location.href).href;
  await render({ model, el: figure, link: isPage ? link : null });
  const known = figure.dataset.model;
  if (known) {
    const meet = () => follow(model, controls, onThisPage.kernels.get(known));
    if (onThisPage.kernels.has(known)) meet();
    onThisPage.meetings.addEventListener(known, meet); // also when the page is loaded again and the kernel lives on
  }
  if (!isPage) return;

  const note = figure.querySelector(".link [role=status]");
  if (!note) return; // it stands still: see noUnpacking
  const obey = () => {
    const setting = settingsInAddress().get(name);
    if (setting === undefined) return;
    note.textContent = takeSetting(setting, controls, model);
    figure.scrollIntoView();
  };
  obey();
  addEventListener("hashchange", obey);
  let waiting; // browsers refuse to change the address very often
  model.on("saved", () => {
    clearTimeout(waiting);
    waiting = setTimeout(write, 250);
  });
}

// MINE, a text, is put in front by Python: which pictures of a page this script can show.
[...document.querySelectorAll(MINE)].filter((figure) => !figure.live).forEach(mount);
