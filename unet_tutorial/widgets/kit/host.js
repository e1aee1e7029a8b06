// Where there is no kernel: a model that holds the values, and the link to a setting, #name:control=value,…

function makeModel(values) {
  const listeners = new Map();
  const of = (event) => listeners.get(event) ?? listeners.set(event, new Set()).get(event);
  return {
    get: (key) => values[key],
    set(key, value) {
      if (values[key] === value) return;
      values[key] = value;
      of(`change:${key}`).forEach((listener) => listener());
    },
    on: (event, listener) => of(event).add(listener),
    off: (event, listener) => of(event).delete(listener),
    save_changes: () => of("saved").forEach((listener) => listener()),
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
  if (!isPage) return;

  const note = figure.querySelector(".link [role=status]");
  const follow = () => {
    const setting = settingsInAddress().get(name);
    if (setting === undefined) return;
    note.textContent = takeSetting(setting, controls, model);
    figure.scrollIntoView();
  };
  follow();
  addEventListener("hashchange", follow);
  let waiting; // browsers refuse to change the address very often
  model.on("saved", () => {
    clearTimeout(waiting);
    waiting = setTimeout(write, 250);
  });
}

[...document.querySelectorAll("figure.unet-explorer")].filter((figure) => !figure.live).forEach(mount);
