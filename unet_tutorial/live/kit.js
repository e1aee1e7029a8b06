// What the live pictures share: the engine in a worker, unpacking, pictures on canvases, Otsu's threshold.
// ENGINE, a text, is put in front of this file by Python.

// Starts the engine beside the page; where that cannot be, in the page itself. `hear` gets its messages.
function startEngine(hear) {
  try {
    const address = URL.createObjectURL(new Blob([ENGINE], { type: "text/javascript" }));
    const worker = new Worker(address);
    URL.revokeObjectURL(address);
    worker.onmessage = ({ data }) => hear(data);
    worker.onerror = (event) => hear({ kind: "failed", words: event.message || "The engine could not be started." });
    return { tell: (message) => worker.postMessage(message), stop: () => worker.terminate(), beside: true };
  } catch {
    const handle = new Function("send", `${ENGINE}\nreturn runner(send);`)((message) => setTimeout(hear, 0, message));
    return { tell: (message) => setTimeout(handle, 0, message), stop: () => handle({ kind: "pause" }), beside: false };
  }
}

// Numbers that Python wrote as hexadecimal digits, `digits` for each, from 0 to 1.
function fromHex(text, digits) {
  const highest = 16 ** digits - 1, out = new Float32Array(text.length / digits);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(text.slice(i * digits, (i + 1) * digits), 16) / highest;
  return out;
}

// Weights that Python packed: whole numbers from -127 to 127 with one scale for each output channel, or plain numbers.
function unpackWeights(packed) {
  const weights = {};
  for (const [name, { values, scales, numbers }] of Object.entries(packed)) {
    if (numbers) {
      weights[name] = Float32Array.from(numbers);
      continue;
    }
    const size = values.length / 2 / scales.length;
    weights[name] = Float32Array.from({ length: values.length / 2 }, (_, i) =>
      (parseInt(values.slice(2 * i, 2 * i + 2), 16) - 128) * scales[Math.floor(i / size)]);
  }
  return weights;
}

// Paints numbers onto a canvas of their size; `colour` gives [red, green, blue] from 0 to 255 for a number and its place.
function paint(canvas, W, H, colour) {
  if (canvas.width !== W || canvas.height !== H) [canvas.width, canvas.height] = [W, H];
  const picture = new ImageData(W, H);
  for (let q = 0; q < W * H; q++) {
    const [red, green, blue] = colour(q);
    picture.data.set([red, green, blue, 255], 4 * q);
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

const grey = (value) => {
  const level = Math.round(255 * Math.min(1, Math.max(0, value)));
  return [level, level, level];
};

// Whether the pixel at q belongs to a mask and has a neighbour that does not.
function isEdge(mask, q, W, H) {
  if (!mask[q]) return false;
  const x = q % W, y = (q - x) / W;
  return x === 0 || y === 0 || x === W - 1 || y === H - 1 || !mask[q - 1] || !mask[q + 1] || !mask[q - W] || !mask[q + W];
}

// The value at which the two groups above and below differ most, each counted by its size (Otsu 1979), of 256 steps.
function otsu(image) {
  const counts = new Float64Array(256);
  for (const value of image) counts[Math.min(255, Math.max(0, Math.round(255 * value)))] += 1;
  let below = 0, sumBelow = 0, best = -1, threshold = 0;
  const total = image.length, sumAll = counts.reduce((sum, count, level) => sum + level * count, 0);
  for (let level = 0; level < 255; level++) {
    below += counts[level];
    sumBelow += level * counts[level];
    if (below === 0 || below === total) continue;
    const between = below * (total - below) * (sumBelow / below - (sumAll - sumBelow) / (total - below)) ** 2;
    if (between > best) [best, threshold] = [between, level];
  }
  return threshold / 255;
}

// Softens a map by a bell of the given width, first along the rows, then along the columns; the edge goes on beyond it.
function blurred(values, W, H, sigma) {
  const reach = Math.ceil(3 * sigma), bell = [];
  for (let i = -reach; i <= reach; i++) bell.push(Math.exp(-((i / sigma) ** 2) / 2));
  const sum = bell.reduce((a, b) => a + b, 0);
  const along = (source, count, step, lines, jump) => {
    const out = new Float32Array(source.length);
    for (let line = 0; line < lines; line++)
      for (let at = 0; at < count; at++) {
        let value = 0;
        for (let i = -reach; i <= reach; i++) {
          const place = Math.min(count - 1, Math.max(0, at + i));
          value += bell[i + reach] * source[line * jump + place * step];
        }
        out[line * jump + at * step] = value / sum;
      }
    return out;
  };
  return along(along(values, W, 1, H, W), H, W, W, 1);
}

// The IoU of two masks.
function overlap(mask, truth) {
  let both = 0, either = 0;
  for (let q = 0; q < mask.length; q++) {
    both += mask[q] && truth[q] ? 1 : 0;
    either += mask[q] || truth[q] ? 1 : 0;
  }
  return either ? both / either : 1;
}
