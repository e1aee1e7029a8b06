// Returns what an explorer shows: words, numbers, and for each panel its title, where it can be pointed at, and the first
// place at which its drawing is another one than expected (null: nowhere). Drawings are given as the page without
// JavaScript holds them, complete with every picture and part; the whole tree of each is compared.
(figure, expected) => {
  return {
    words: figure.querySelector(".words").textContent,
    numbers: [...figure.querySelectorAll(".numbers > div")].map((row) => [...row.children].map((c) => c.textContent)),
    panels: [...figure.querySelectorAll(".panel")].map((panel, i) => ({
      title: panel.firstChild.textContent,
      pick: panel.lastChild.pick,
      differs: expected && difference(bare(panel.lastChild), parsed(expected[i])),
    })),
  };

  // The drawing without what explorer.js needs for itself and a page without JavaScript does not have.
  function bare(drawing) {
    const copy = drawing.cloneNode(true);
    copy.firstElementChild.removeAttribute("aria-describedby");
    for (const node of copy.querySelectorAll("[data-asset]")) node.removeAttribute("data-asset");
    return copy;
  }

  function parsed(source) {
    const drawing = document.createElement("template");
    drawing.innerHTML = `<div class="drawing">${source ?? "no such panel"}</div>`;
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
