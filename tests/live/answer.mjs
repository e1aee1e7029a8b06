// Answers one question about the engine: JSON in, JSON out. See tests/test_live_engine.py.
import { readFileSync } from "node:fs";

const E = await import(process.argv[2]);
const ask = JSON.parse(readFileSync(0, "utf8"));
const floats = (numbers) => Float32Array.from(numbers);
const toMap = ({ shape, values }) => E.map(...shape, floats(values));
const plain = ({ B, C, H, W, data }) => ({ shape: [B, C, H, W], values: [...data] });
const load = (model, weights) => model.load(Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, floats(values)])));
const state = (model, key) => Object.fromEntries([...model.state()].map(([name, value]) => [name, [...value[key]]]));

const answers = {
  // A layer alone: its output, and the gradients of input and weights for a given gradient of the output.
  layer({ layer, weights, x, dy }) {
    const made = new E[layer.kind](...layer.arguments, E.generator(0));
    for (const [name, values] of Object.entries(weights)) ({ ...made.parameters, ...made.buffers })[name].data.set(values);
    const y = made.forward(toMap(x), true);
    const dx = made.backward(toMap({ shape: [y.B, y.C, y.H, y.W], values: dy }));
    const gradients = Object.fromEntries(Object.entries(made.parameters ?? {}).map(([name, { gradient }]) => [name, [...gradient]]));
    return { y: plain(y), dx: plain(dx), gradients };
  },

  // A whole network: logits in both modes, and the loss and its gradients.
  network({ config, weights, images, masks, loss, open }) {
    const model = new E.UNet(config);
    load(model, weights);
    const evaluated = model.forward(toMap(images), { open });
    if (!loss) return { evaluated: plain(evaluated) };
    const trained = model.forward(toMap(images), { training: true });
    const { value, gradient } = E.LOSSES[loss](trained, toMap(masks));
    model.backward(gradient);
    return { evaluated: plain(evaluated), trained: plain(trained), loss: value, gradients: state(model, "gradient") };
  },

  // One step from each of many states of a training.
  steps({ config, states }) {
    return states.map(({ weights, means, squares, step, rate, images, masks, loss }) => {
      const model = new E.UNet(config);
      load(model, weights);
      const optimizer = new E.AdamW(model.parameters());
      optimizer.steps = step;
      means.forEach((values, i) => optimizer.means[i].set(values));
      squares.forEach((values, i) => optimizer.squares[i].set(values));
      const value = E.trainStep(model, optimizer, loss, toMap(images), toMap(masks), rate);
      return { loss: value, weights: state(model, "data") };
    });
  },

  // A whole training from given weights.
  training({ config, weights, batches, rates, loss }) {
    const model = new E.UNet(config);
    load(model, weights);
    const optimizer = new E.AdamW(model.parameters());
    return batches.map(({ images, masks }, i) => E.trainStep(model, optimizer, loss, toMap(images), toMap(masks), rates[i]));
  },

  rates: ({ steps, highest }) => Array.from({ length: steps }, (_, step) => E.oneCycle(step, steps, highest)),
  random: ({ seed, count }) => { const next = E.generator(seed); return Array.from({ length: count }, () => next()); },
  begin: ({ config, seed }) => state(new E.UNet(config, seed), "data"),
  refuse({ config, shape, weights }) {
    try {
      const model = new E.UNet(config);
      if (weights) load(model, weights);
      model.forward(E.map(...shape));
      return "";
    } catch (error) {
      return `${error.name}: ${error.message}`;
    }
  },
};

console.log(JSON.stringify(answers[ask.what](ask)));
