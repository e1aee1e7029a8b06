// Runs the engine beside the page: answers with what the network makes of a picture, and trains a network of its own.
// Messages are plain objects with a `kind`. Where there are no workers, the page calls `runner` itself.

function runner(send) {
  let model = null; // the network that predicts
  let run = null; // the training: {model, optimizer, random, settings, data, step, order}
  let going = false;

  const handlers = {
    load({ config, weights }) {
      model = new UNet(config);
      model.load(weights);
    },

    // Answers with logits and, if one is asked for, the maps of a stage.
    predict({ number, image, H, W, open, stage }) {
      const start = performance.now();
      const logits = model.forward(map(1, model.config.in_channels, H, W, image), { open });
      send({ kind: "predicted", number, logits: logits.data, maps: stage ? mapsOf(model, stage) : null, took: performance.now() - start });
    },

    // Makes a new network and says what it makes of the validation pictures before it has learned anything.
    begin({ settings, data }) {
      going = false;
      const network = new UNet(settings.config, settings.seed);
      const optimizer = new AdamW(network.parameters());
      run = { model: network, optimizer, random: generator(settings.seed + 1), settings, data, step: 0, order: [] };
      send({ kind: "begun", weights: weightsOf(network) });
      check(run, send);
    },

    go() {
      if (run && !going) {
        going = true;
        loop();
      }
    },

    pause() {
      going = false;
    },

    one() {
      going = false;
      if (run && run.step < run.settings.steps) advance();
    },

    // The weights as they are now, by the names of PyTorch.
    weights() {
      const weights = Object.fromEntries([...run.model.state()].map(([name, { data, shape }]) => [name, { data: data.slice(), shape }]));
      send({ kind: "weights", config: run.model.config, weights });
    },
  };

  function advance() {
    const start = performance.now();
    const value = learn(run);
    run.step += 1;
    send({ kind: "learned", step: run.step, loss: value, norm: gradientNorm(run.optimizer.parameters), took: performance.now() - start });
    if (run.step % run.settings.every === 0 || run.step === run.settings.steps) check(run, send);
  }

  function loop() {
    if (!going) return;
    if (run.step >= run.settings.steps) {
      going = false;
      send({ kind: "finished" });
      return;
    }
    guarded(advance);
    setTimeout(loop); // in between it hears whether it shall pause
  }

  function guarded(what) {
    try {
      what();
    } catch (error) {
      going = false;
      const memory = error instanceof RangeError && /alloc|length/i.test(error.message);
      send({ kind: "failed", words: memory ? "This device has too little memory for that." : error.message });
    }
  }

  return (message) => guarded(() => handlers[message.kind](message));
}

const weightsOf = (network) => network.parameters().reduce((sum, { data }) => sum + data.length, 0);

// The maps of a stage: {stage: "encoder" | "bottleneck" | "decoder", i}.
function mapsOf(model, { part, i }) {
  const { C, H, W, data } = part === "bottleneck" ? model.seen.bottleneck : model.seen[part][i];
  return { C, H, W, data };
}

// One step with the next batch, with the accident that was asked for; returns the loss before the step.
function learn({ model, optimizer, settings, data, step, ...run }) {
  const { batch, loss, accident, rate, schedule, steps } = settings;
  const { side, images, masks } = data.train, size = side * side, count = images.length / size;
  const x = map(batch, 1, side, side), t = map(batch, 1, side, side);
  for (let b = 0; b < batch; b++) {
    if (run.order.length === 0) run.order.push(...shuffled(count, run.random)); // every picture once, then anew
    const n = run.order.pop(), m = accident === "wrong pairs" ? Math.floor(run.random() * count) : n;
    x.data.set(images.subarray(n * size, (n + 1) * size), b * size);
    t.data.set(masks.subarray(m * size, (m + 1) * size), b * size);
  }
  if (accident === "masks 0 and 255") t.data.forEach((value, q) => (t.data[q] = 255 * value));
  const now = schedule === "one cycle" ? oneCycle(step, steps, rate) : rate;
  return trainStep(model, optimizer, loss, x, t, now, { forget: accident === "no zero_grad" });
}

// Says how good the network is on the validation pictures, and what it makes of the first ones.
function check({ model, settings, data, step }, send) {
  const { side, images, masks } = data.val, size = side * side, count = images.length / size;
  const scores = [], shown = new Float32Array(settings.shown * size);
  for (let n = 0; n < count; n += 8) {
    const B = Math.min(8, count - n);
    const part = (all) => map(B, 1, side, side, all.subarray(n * size, (n + B) * size));
    const logits = model.forward(part(images));
    scores.push(...iou(logits, part(masks)));
    if (n * size < shown.length) shown.set(logits.data.subarray(0, shown.length - n * size), n * size);
  }
  send({ kind: "checked", step, iou: scores.reduce((a, b) => a + b, 0) / count, scores, shown });
}

// The numbers from 0 to n - 1 in random order.
function shuffled(n, random) {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// The length of the whole gradient.
function gradientNorm(parameters) {
  let squares = 0;
  for (const { gradient } of parameters) for (const value of gradient) squares += value * value;
  return Math.sqrt(squares);
}

// The IoU of each image, of what lies above a threshold of probability; two empty masks are equal.
function iou(logits, masks, threshold = 0.5) {
  const size = logits.H * logits.W, cut = Math.log(threshold / (1 - threshold));
  return Array.from({ length: logits.B }, (_, b) => {
    let both = 0, either = 0;
    for (let q = b * size; q < (b + 1) * size; q++) {
      const p = logits.data[q] > cut, t = masks.data[q] > 0.5;
      both += p && t;
      either += p || t;
    }
    return either ? both / either : 1;
  });
}

// As a worker it answers whoever started it.
if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  const handle = runner((message) => self.postMessage(message));
  self.onmessage = ({ data }) => handle(data);
}
