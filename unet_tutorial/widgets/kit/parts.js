// What every picture with controls is made of: elements, controls, the link to a setting, the table from Python.

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

function linkButton(link) {
  const button = element("button", { type: "button" }, "Copy a link to this setting");
  const said = element("span", { role: "status" });
  button.addEventListener("click", async () => {
    const address = link();
    try {
      await navigator.clipboard.writeText(address);
      said.textContent = "Copied.";
    } catch {
      said.textContent = `The browser does not let us copy. The link is ${address}`;
    }
  });
  return element("p", { class: "link" }, button, " ", said);
}
