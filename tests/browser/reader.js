// Reads an explorer as a reader finds it, and compares its drawings with those that Python makes. Python's packed table of
// all states comes with it, and the number of the state that belongs to the places of the controls.
async (figure, [packed, numbers]) => {
  const { states, assets } = await unpacked();
  return { places, shows, answer };

  // The place in its list of values at which each control stands.
  function places() {
    return [...figure.querySelectorAll(".control")].map((box) => {
      const one = box.querySelector("select, input[type=range], input[type=checkbox]");
      if (!one) return [...box.querySelectorAll("input")].findIndex((input) => input.checked);
      return one.type === "checkbox" ? Number(one.checked) : Number(one.value);
    });
  }

  // Places, words, numbers, and for each panel its title, where it can be pointed at, and the first place at which its
  // drawing is another one than Python's, or than given ones (null: nowhere); the whole tree is compared.
  function shows(drawings) {
    const now = places();
    const wanted = drawings ?? states[numbers[now.join()]].panels.map((panel) => panel.svg);
    return {
      places: now,
      words: figure.querySelector(".words").textContent,
      numbers: [...figure.querySelectorAll(".numbers > div")].map((row) => [...row.children].map((c) => c.textContent)),
      panels: [...figure.querySelectorAll(".panel")].map((panel, i) => ({
        title: panel.firstChild.textContent,
        pick: panel.lastChild.pick,
        differs: difference(bare(panel.lastChild), parsed(wanted[i])),
      })),
    };
  }

  // Sets a control without a hand, and returns what is shown when the very next frame is drawn.
  function answer([i, place]) {
    const box = figure.querySelectorAll(".control")[i];
    const fields = box.querySelectorAll("input, select");
    const field = fields[fields.length > 1 ? place : 0];
    if (field.type === "radio") field.checked = true;
    else if (field.type === "checkbox") field.checked = Boolean(place);
    else field.value = String(place);
    return new Promise((done) => {
      requestAnimationFrame(() => done(shows()));
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }

  async function unpacked() {
    const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  // The drawing without what explorer.js needs for itself and a page without JavaScript does not have.
  function bare(drawing) {
    const copy = drawing.cloneNode(true);
    copy.firstElementChild.removeAttribute("aria-describedby");
    for (const node of copy.querySelectorAll("[data-asset]")) node.removeAttribute("data-asset");
    return copy;
  }

  // Python's drawing as a page without JavaScript holds it, complete with every picture and part.
  function parsed(source = "no such panel") {
    const drawing = document.createElement("template");
    const pictures = source.replace(/<image data-asset="([\w-]+)"/g, (_, name) => `<image href="${assets[name]}"`);
    const filled = pictures.replace(/<g data-asset="([\w-]+)">/g, (_, name) => `<g>${assets[name]}`);
    drawing.innerHTML = `<div class="drawing">${filled}</div>`;
    return drawing.content.firstChild;
  }

  // Goes down to the first children that differ; the frame itself may have more classes.
  function difference(drawn, wanted) {
    const [ours, theirs] = [drawn.childNodes, wanted.childNodes];
    for (let i = 0; i < Math.max(ours.length, theirs.length); i += 1) {
      if (ours[i]?.isEqualNode(theirs[i])) continue;
      const alike = ours[i]?.cloneNode(false).isEqualNode(theirs[i]?.cloneNode(false) ?? null);
      return alike ? difference(ours[i], theirs[i]) : `${text(ours[i])} instead of ${text(theirs[i])}`;
    }
    return null;
  }

  function text(node) {
    const all = node?.outerHTML ?? node?.textContent ?? "nothing";
    return all.length < 200 ? all : `${all.slice(0, 100)} … ${all.slice(-100)}`;
  }
};
