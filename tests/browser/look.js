// Looks at the page as a reader would, and returns what is wrong with it, one line each.
async () => {
  const found = [];
  const article = document.querySelector("article") ?? document.body;
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  await window.MathJax?.startup?.promise;

  for (const image of document.images) {
    image.loading = "eager"; // pictures further down load only when they are scrolled to
    await image.decode().catch(() => found.push(`image does not load: ${image.src}`));
    if (!image.alt.trim()) found.push(`image without alternative text: ${image.src}`);
  }
  for (const drawing of article.querySelectorAll("svg[role=img]:not([aria-hidden=true], mjx-container *)")) {
    const title = document.getElementById(drawing.getAttribute("aria-labelledby"))?.textContent;
    if (!drawing.getAttribute("aria-label") && !title) found.push("drawing without a label");
  }

  for (const formula of article.querySelectorAll(".math")) {
    if (!formula.querySelector("mjx-container")) found.push(`formula not drawn: ${formula.textContent}`);
  }
  for (const error of article.querySelectorAll("[data-mml-node=merror]")) {
    found.push(`formula with an error: ${error.textContent}`);
  }

  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  const texts = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  const contrasts = new Map();
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim();
    const parent = texts.currentNode.parentElement;
    if (!text || !shown(parent) || parent.closest("script, style, svg, mjx-container")) continue;
    if (/\\[([]|\$\$/.test(text) && !parent.closest("pre, code")) found.push(`raw formula: ${text}`);
    const ratio = contrast(parent);
    const wanted = parseFloat(getComputedStyle(parent).fontSize) >= 24 ? 3 : 4.5; // WCAG 2.2, level AA
    const key = `${parent.tagName}.${parent.className}`;
    if (ratio < wanted && !contrasts.has(key)) contrasts.set(key, `contrast ${ratio.toFixed(2)}: ${key} "${text}"`);
  }
  found.push(...contrasts.values());

  const levels = [...article.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(shown).map((h) => +h.tagName[1]);
  if (levels.filter((level) => level === 1).length !== 1 || levels[0] !== 1) found.push(`headings: not one h1 first`);
  levels.forEach((level, i) => {
    if (i && level > levels[i - 1] + 1) found.push(`headings: h${level} follows h${levels[i - 1]}`);
  });

  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) found.push(`page scrolls sideways: ${scrollWidth} > ${clientWidth}`);
  return found;

  // The contrast between an element's text and the ground that it stands on.
  function contrast(element) {
    const layers = [];
    for (let node = element; node; node = node.parentElement) {
      layers.push(channels(getComputedStyle(node).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    const ground = layers.reduceRight(over, [255, 255, 255, 1]);
    const [light, dark] = [luminance(over(ground, channels(getComputedStyle(element).color))), luminance(ground)];
    return (Math.max(light, dark) + 0.05) / (Math.min(light, dark) + 0.05);
  }

  function channels(color) {
    const numbers = color.match(/[\d.]+/g).map(Number);
    return [...numbers.slice(0, 3), numbers[3] ?? 1];
  }

  function over(ground, layer) {
    return [0, 1, 2].map((i) => layer[i] * layer[3] + ground[i] * (1 - layer[3])).concat(1);
  }

  function luminance(color) {
    const [r, g, b] = color.slice(0, 3).map((c) => {
      c /= 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
}
