// What every picture with controls is made of: elements, controls, the link to a setting, the table from Python.

// Jupyter loads this text once for each kind of picture, so what a page has once is kept where all of them find it:
// how many pictures there are, for ids, and those of them that a kernel knows (see host.js).
const onThisPage = (globalThis.unetTutorial ??= { count: 0, kernels: new Map(), meetings: new EventTarget() });

// A kernel's model of a picture is there, before any view of it: the picture with its name may follow it.
function initialize({ model }) {
  const name = model.get("_id");
  onThisPage.kernels.set(name, model);
  onThisPage.meetings.dispatchEvent(new Event(name));
  return () => onThisPage.kernels.get(name) === model && onThisPage.kernels.delete(name);
}

const noUnpacking = () => typeof DecompressionStream === "undefined"
  && "This browser cannot unpack what comes with the page (it has no DecompressionStream). Browsers of 2023 and later can.";

async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Each kind of control is a native element. `show` moves it to a place of its list of values.
function makeControl({ label, look, values, words }, id, choose) {
  const quiet = { "data-lm-suppress-shortcuts": "true" }; // otherwise Jupyter takes the arrow keys
  if (look === "buttons") {
    const inputs = values.map(() => element("input", { type: "radio", name: id, ...quiet }));
    inputs.forEach((input, place) => input.addEventListener("input", () => choose(place)));
    const labels = inputs.map((input, place) => element("label", {}, input, ` ${words[place]}`));
    const made = element("fieldset", { class: "control" }, element("legend", {}, label), ...labels);
    return { element: made, show: (place) => (inputs[place].checked = true) };
  }
  const name = element("label", { for: id }, label);
  if (look === "list") {
    const options = words.map((word, place) => element("option", { value: place }, word));
    const select = element("select", { id, ...quiet }, ...options);
    select.addEventListener("input", () => choose(select.selectedIndex));
    return { element: element("div", { class: "control" }, name, select), show: (place) => (select.selectedIndex = place) };
  }
  if (look === "switch") {
    const input = element("input", { id, type: "checkbox", ...quiet });
    input.addEventListener("input", () => choose(Number(input.checked)));
    return { element: element("div", { class: "control switch" }, input, name), show: (place) => (input.checked = place === 1) };
  }
  const input = element("input", { id, type: "range", min: 0, max: values.length - 1, step: 1, ...quiet });
  const value = element("span", { class: "value", "aria-hidden": "true" }); // it is spoken as the slider's value
  input.addEventListener("input", () => choose(Number(input.value)));
  const show = (place) => {
    input.value = place;
    input.setAttribute("aria-valuetext", words[place]);
    value.textContent = words[place];
  };
  return { element: element("div", { class: "control" }, name, value, input), show };
}

// An address that no other device can open: a file, or this computer itself.
const ONLY_HERE =
  "Not copied: this page lies on this computer alone, and a link to it opens nowhere else. To show it to a room, start " +
  "`make serve ROOM=1` and use the address that it gives.";

function isOnlyHere(address) {
  const { protocol, hostname } = new URL(address);
  return protocol === "file:" || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

function linkButton(link) {
  const button = element("button", { type: "button" }, "Copy a link to this setting");
  const said = element("span", { role: "status" });
  button.addEventListener("click", async () => {
    const address = link();
    if (isOnlyHere(address)) {
      said.textContent = ONLY_HERE;
      return;
    }
    try {
      await navigator.clipboard.writeText(address);
      said.textContent = "Copied.";
    } catch {
      said.textContent = `The browser does not let us copy. The link is ${address}`;
    }
  });
  return element("p", { class: "link" }, button, " ", said);
}
