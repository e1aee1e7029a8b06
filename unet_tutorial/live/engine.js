// A U-Net that runs and learns in plain JavaScript: the layers, forward and backward, of chapters 3 to 11.
//
// A map is {data, B, C, H, W}: a Float32Array in the order batch, channel, row, column. A layer's `forward` keeps what
// `backward` needs; `backward` takes the gradient of the output, adds to the gradients of the weights, and returns the
// gradient of the input. Names and numbers are those of PyTorch, so weights go both ways.

export const map = (B, C, H, W, data = new Float32Array(B * C * H * W)) => ({ data, B, C, H, W });
const like = ({ B, C, H, W }) => map(B, C, H, W);

// Where the planes of channel c begin and end in a batch.
const planes = ({ B, C, H, W }, c) => Array.from({ length: B }, (_, b) => [(b * C + c) * H * W, (b * C + c + 1) * H * W]);

// Random numbers ---

// Numbers from 0 to 1 from a seed, always the same ones (mulberry32).
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// Parameters ---

const parameter = (shape, value = 0) => {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value);
  return { data, shape, gradient: new Float32Array(data.length) };
};

// PyTorch's own start for convolutions: evenly spread within 1 / √(numbers that each output adds up).
function fill(parameters, fanIn, random) {
  const bound = 1 / Math.sqrt(fanIn);
  for (const { data } of parameters) for (let i = 0; i < data.length; i++) data[i] = (2 * random() - 1) * bound;
}

// Convolution ---

// Returns the map in a frame of zeros one pixel wide, (B, C, H + 2, W + 2).
function framed({ data, B, C, H, W }) {
  const width = W + 2;
  const out = map(B, C, H + 2, width, new Float32Array(B * C * (H + 2) * width + width)); // and a row to read past the end
  for (let plane = 0; plane < B * C; plane++)
    for (let y = 0; y < H; y++) {
      const from = (plane * H + y) * W;
      out.data.set(data.subarray(from, from + W), (plane * (H + 2) + y + 1) * width + 1);
    }
  return out;
}

// Calls `what` for every pair of an output channel o and an input channel c, with the numbers of their planes.
function eachPair(B, O, C, what) {
  for (let b = 0; b < B; b++) for (let o = 0; o < O; o++) for (let c = 0; c < C; c++) what(o, c, b * O + o, b * C + c);
}

// Adds the 3×3 convolution of one framed plane to one plane of the output, two rows at a time: the four input rows that
// they see are read once, and each number serves up to six products. This loop is where nearly all the time goes.
function addConvolution(x, from, w, k, out, to, H, W, spare) {
  const [k0, k1, k2, k3, k4, k5, k6, k7, k8] = w.subarray(k, k + 9);
  const P = W + 2;
  for (let y = 0; y < H; y += 2) {
    let p = from + y * P;
    let q = to + y * W;
    let r = y + 1 < H ? q + W : spare; // an odd last row has no partner, and its twin goes to where nobody looks
    let [a, b, c, d] = [x[p], x[p + P], x[p + 2 * P], x[p + 3 * P]];
    let [e, f, g, h] = [x[p + 1], x[p + P + 1], x[p + 2 * P + 1], x[p + 3 * P + 1]];
    for (let end = q + W; q < end; p++, q++, r++) {
      const i = x[p + 2], j = x[p + P + 2], l = x[p + 2 * P + 2], m = x[p + 3 * P + 2];
      out[q] += k0 * a + k1 * e + k2 * i + k3 * b + k4 * f + k5 * j + k6 * c + k7 * g + k8 * l;
      out[r] += k0 * b + k1 * f + k2 * j + k3 * c + k4 * g + k5 * l + k6 * d + k7 * h + k8 * m;
      a = e; b = f; c = g; d = h; e = i; f = j; g = l; h = m;
    }
  }
}

// The 3×3 convolution of a framed map with weights (O, C, 3, 3): (B, C, H + 2, W + 2) -> (B, O, H, W).
function convolve(x, weights, O) {
  const { B, C } = x, H = x.H - 2, W = x.W - 2, count = B * O * H * W;
  const data = new Float32Array(count + W);
  eachPair(B, O, C, (o, c, out, plane) =>
    addConvolution(x.data, plane * x.H * x.W, weights, (o * C + c) * 9, data, out * H * W, H, W, count));
  return map(B, O, H, W, data.subarray(0, count));
}

// Adds what one plane of the output's gradient g says about the nine weights of one kernel.
function addWeightGradient(x, from, g, to, gradient, k, H, W) {
  const P = W + 2;
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0, s8 = 0;
  for (let y = 0; y < H; y++) {
    let p = from + y * P, q = to + y * W;
    let a = x[p], b = x[p + P], c = x[p + 2 * P], d = x[p + 1], e = x[p + P + 1], f = x[p + 2 * P + 1];
    for (const end = q + W; q < end; p++, q++) {
      const i = x[p + 2], j = x[p + P + 2], l = x[p + 2 * P + 2], v = g[q];
      s0 += v * a; s1 += v * d; s2 += v * i;
      s3 += v * b; s4 += v * e; s5 += v * j;
      s6 += v * c; s7 += v * f; s8 += v * l;
      a = d; b = e; c = f; d = i; e = j; f = l;
    }
  }
  [s0, s1, s2, s3, s4, s5, s6, s7, s8].forEach((sum, n) => (gradient[k + n] += sum));
}

function addBias(out, { data }) {
  for (let c = 0; c < out.C; c++)
    for (const [from, end] of planes(out, c)) for (let q = from; q < end; q++) out.data[q] += data[c];
}

function addBiasGradient(dy, { gradient }) {
  for (let c = 0; c < dy.C; c++) {
    let sum = 0;
    for (const [from, end] of planes(dy, c)) for (let q = from; q < end; q++) sum += dy.data[q];
    gradient[c] += sum;
  }
}

// A 3×3 convolution with a frame of zeros: (B, C, H, W) -> (B, O, H, W).
export class Conv3 {
  constructor(C, O, bias, random) {
    this.weight = parameter([O, C, 3, 3]);
    this.parameters = { weight: this.weight };
    if (bias) this.parameters.bias = parameter([O]);
    fill(Object.values(this.parameters), 9 * C, random);
  }

  forward(x) {
    this.x = framed(x);
    const y = convolve(this.x, this.weight.data, this.weight.shape[0]);
    if (this.parameters.bias) addBias(y, this.parameters.bias);
    return y;
  }

  backward(dy, wanted = true) {
    const { x, weight: { data, gradient, shape: [O, C] } } = this;
    eachPair(x.B, O, C, (o, c, out, plane) =>
      addWeightGradient(x.data, plane * x.H * x.W, dy.data, out * dy.H * dy.W, gradient, (o * C + c) * 9, dy.H, dy.W));
    if (this.parameters.bias) addBiasGradient(dy, this.parameters.bias);
    if (!wanted) return null;
    // Backwards it is a convolution too: channels change places, and every kernel is turned by 180 degrees.
    const turned = new Float32Array(data.length); // (C, O, 3, 3)
    for (let o = 0; o < O; o++)
      for (let c = 0; c < C; c++) for (let n = 0; n < 9; n++) turned[(c * O + o) * 9 + 8 - n] = data[(o * C + c) * 9 + n];
    return convolve(framed(dy), turned, C);
  }
}

// A 1×1 convolution: every pixel's channels are mixed, (B, C, H, W) -> (B, O, H, W).
export class Conv1 {
  constructor(C, O, random) {
    this.weight = parameter([O, C, 1, 1]);
    this.bias = parameter([O]);
    this.parameters = { weight: this.weight, bias: this.bias };
    fill([this.weight, this.bias], C, random);
  }

  forward(x) {
    this.x = x;
    const y = map(x.B, this.weight.shape[0], x.H, x.W), size = x.H * x.W;
    eachPair(x.B, y.C, x.C, (o, c, out, plane) => {
      const value = this.weight.data[o * x.C + c], p = plane * size, q = out * size;
      for (let n = 0; n < size; n++) y.data[q + n] += value * x.data[p + n];
    });
    addBias(y, this.bias);
    return y;
  }

  backward(dy) {
    const { x, weight } = this, dx = like(x), size = x.H * x.W;
    eachPair(x.B, dy.C, x.C, (o, c, out, plane) => {
      const w = o * x.C + c, value = weight.data[w], p = plane * size, q = out * size;
      let sum = 0;
      for (let n = 0; n < size; n++) {
        const g = dy.data[q + n];
        sum += g * x.data[p + n];
        dx.data[p + n] += value * g;
      }
      weight.gradient[w] += sum;
    });
    addBiasGradient(dy, this.bias);
    return dx;
  }
}

// A transposed 2×2 convolution with stride 2: each pixel paints a square, (B, C, H, W) -> (B, O, 2H, 2W).
export class UpConv {
  constructor(C, O, random) {
    this.weight = parameter([C, O, 2, 2]);
    this.bias = parameter([O]);
    this.parameters = { weight: this.weight, bias: this.bias };
    fill([this.weight, this.bias], 4 * O, random); // as PyTorch counts it for a transposed convolution
  }

  forward(x) {
    this.x = x;
    const y = map(x.B, this.weight.shape[1], 2 * x.H, 2 * x.W), w = this.weight.data;
    eachPair(x.B, y.C, x.C, (o, c, out, plane) => {
      const k = (c * y.C + o) * 4, k0 = w[k], k1 = w[k + 1], k2 = w[k + 2], k3 = w[k + 3];
      for (let row = 0, p = plane * x.H * x.W, q = out * y.H * y.W; row < x.H; row++, q += 2 * y.W)
        for (let t = q, end = q + y.W; t < end; t += 2, p++) {
          const v = x.data[p];
          y.data[t] += k0 * v;
          y.data[t + 1] += k1 * v;
          y.data[t + y.W] += k2 * v;
          y.data[t + y.W + 1] += k3 * v;
        }
    });
    addBias(y, this.bias);
    return y;
  }

  backward(dy) {
    const { x, weight: { data: w, gradient } } = this, dx = like(x);
    eachPair(x.B, dy.C, x.C, (o, c, out, plane) => {
      const k = (c * dy.C + o) * 4, k0 = w[k], k1 = w[k + 1], k2 = w[k + 2], k3 = w[k + 3];
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      for (let row = 0, p = plane * x.H * x.W, q = out * dy.H * dy.W; row < x.H; row++, q += 2 * dy.W)
        for (let t = q, end = q + dy.W; t < end; t += 2, p++) {
          const v = x.data[p], a = dy.data[t], b = dy.data[t + 1], c = dy.data[t + dy.W], d = dy.data[t + dy.W + 1];
          s0 += v * a; s1 += v * b; s2 += v * c; s3 += v * d;
          dx.data[p] += k0 * a + k1 * b + k2 * c + k3 * d;
        }
      [s0, s1, s2, s3].forEach((sum, n) => (gradient[k + n] += sum));
    });
    addBiasGradient(dy, this.bias);
    return dx;
  }
}

// Normalisation, relu, pooling, enlarging ---

// Batch normalisation: in training with the statistics of the batch, otherwise with those that were collected.
export class BatchNorm {
  constructor(C) {
    this.parameters = { weight: parameter([C], 1), bias: parameter([C]) };
    this.buffers = { running_mean: parameter([C]), running_var: parameter([C], 1) };
  }

  forward(x, training) {
    const { weight, bias } = this.parameters, { running_mean: mean, running_var: variance } = this.buffers;
    const count = x.B * x.H * x.W, y = like(x);
    Object.assign(this, { training, normal: like(x), scale: new Float64Array(x.C) });
    for (let c = 0; c < x.C; c++) {
      let m = mean.data[c], v = variance.data[c];
      if (training) {
        [m, v] = moments(x, c);
        mean.data[c] += 0.1 * (m - mean.data[c]);
        variance.data[c] += 0.1 * ((v * count) / (count - 1) - variance.data[c]);
      }
      const scale = (this.scale[c] = 1 / Math.sqrt(v + 1e-5)), gamma = weight.data[c], beta = bias.data[c];
      for (const [from, end] of planes(x, c))
        for (let q = from; q < end; q++) y.data[q] = gamma * (this.normal.data[q] = (x.data[q] - m) * scale) + beta;
    }
    return y;
  }

  backward(dy) {
    const { weight, bias } = this.parameters, { normal, training } = this;
    const count = dy.B * dy.H * dy.W, dx = like(dy);
    for (let c = 0; c < dy.C; c++) {
      let sum = 0, product = 0;
      for (const [from, end] of planes(dy, c))
        for (let q = from; q < end; q++) {
          sum += dy.data[q];
          product += dy.data[q] * normal.data[q];
        }
      weight.gradient[c] += product;
      bias.gradient[c] += sum;
      // The mean and the spread of the batch depend on every pixel, so what they do to the gradient is taken out.
      const factor = weight.data[c] * this.scale[c], shift = training ? sum / count : 0, tilt = training ? product / count : 0;
      for (const [from, end] of planes(dy, c))
        for (let q = from; q < end; q++) dx.data[q] = factor * (dy.data[q] - shift - normal.data[q] * tilt);
    }
    return dx;
  }
}

// Returns the mean and the variance of a channel over the batch.
function moments(x, c) {
  const count = x.B * x.H * x.W;
  let sum = 0, squares = 0;
  for (const [from, end] of planes(x, c)) for (let q = from; q < end; q++) sum += x.data[q];
  const mean = sum / count;
  for (const [from, end] of planes(x, c)) for (let q = from; q < end; q++) squares += (x.data[q] - mean) ** 2;
  return [mean, squares / count];
}

export class ReLU {
  forward(x) {
    this.y = like(x);
    for (let q = 0; q < x.data.length; q++) this.y.data[q] = x.data[q] > 0 ? x.data[q] : 0;
    return this.y;
  }

  backward(dy) {
    const dx = like(dy);
    for (let q = 0; q < dy.data.length; q++) dx.data[q] = this.y.data[q] > 0 ? dy.data[q] : 0;
    return dx;
  }
}

// The largest of each 2×2 window; an odd last row or column is left out. (B, C, H, W) -> (B, C, ⌊H/2⌋, ⌊W/2⌋).
export class MaxPool {
  forward(x) {
    const y = map(x.B, x.C, x.H >> 1, x.W >> 1);
    Object.assign(this, { x, places: new Int32Array(y.data.length) });
    for (let n = 0, q = 0; n < x.B * x.C; n++)
      for (let row = 0; row < y.H; row++)
        for (let column = 0; column < y.W; column++, q++) {
          const p = (n * x.H + 2 * row) * x.W + 2 * column;
          let best = p; // of equal values the first, as in PyTorch
          if (x.data[p + 1] > x.data[best]) best = p + 1;
          if (x.data[p + x.W] > x.data[best]) best = p + x.W;
          if (x.data[p + x.W + 1] > x.data[best]) best = p + x.W + 1;
          this.places[q] = best;
          y.data[q] = x.data[best];
        }
    return y;
  }

  backward(dy) {
    const dx = like(this.x);
    for (let q = 0; q < dy.data.length; q++) dx.data[this.places[q]] += dy.data[q];
    return dx;
  }
}

// Twice the side, by repeating ("nearest") or by weighted means ("bilinear").
export class Enlarge {
  constructor(smooth) {
    this.smooth = smooth;
  }

  // For every new place along an axis of n: the old places that it is made of, and their shares.
  places(n) {
    return Array.from({ length: 2 * n }, (_, i) => {
      if (!this.smooth) return [[i >> 1, 1]];
      const at = Math.max(0, (i + 0.5) / 2 - 0.5), first = Math.floor(at);
      return [[first, 1 - (at - first)], [Math.min(first + 1, n - 1), at - first]];
    });
  }

  forward(x) {
    this.x = x;
    const y = map(x.B, x.C, 2 * x.H, 2 * x.W);
    this.each((q, p, share) => (y.data[q] += share * x.data[p]));
    return y;
  }

  backward(dy) {
    const dx = like(this.x);
    this.each((q, p, share) => (dx.data[p] += share * dy.data[q]));
    return dx;
  }

  each(what) {
    const { B, C, H, W } = this.x, rows = this.places(H), columns = this.places(W);
    for (let n = 0, q = 0; n < B * C; n++)
      for (const row of rows)
        for (const column of columns) {
          for (const [y, down] of row) for (const [x, across] of column) what(q, (n * H + y) * W + x, down * across);
          q++;
        }
  }
}

// The network ---

// Layers one after the other; their numbers in the list are their names, as in nn.Sequential.
class Sequence {
  constructor(...layers) {
    this.layers = layers;
  }

  forward(x, training) {
    return this.layers.reduce((value, layer) => layer.forward(value, training), x);
  }

  // The image needs no gradient, so the first layer of all may leave it out.
  backward(dy, wanted = true) {
    return this.layers.reduceRight((value, layer, i) => layer.backward(value, i > 0 || wanted), dy);
  }
}

function doubleConv(C, O, norm, random) {
  const layers = [C, O].flatMap((inputs) => {
    const conv = new Conv3(inputs, O, norm === "none", random);
    return [conv, norm === "none" ? new Sequence() : new BatchNorm(O), new ReLU()];
  });
  return new Sequence(...layers);
}

// Puts two maps on top of one another: (B, C, H, W) and (B, D, H, W) -> (B, C + D, H, W).
function concatenate(a, b) {
  const out = map(a.B, a.C + b.C, a.H, a.W), plane = a.H * a.W;
  for (let n = 0; n < a.B; n++) {
    out.data.set(a.data.subarray(n * a.C * plane, (n + 1) * a.C * plane), n * out.C * plane);
    out.data.set(b.data.subarray(n * b.C * plane, (n + 1) * b.C * plane), (n * out.C + a.C) * plane);
  }
  return out;
}

// Returns `count` channels of a map from `first` on.
function channels({ data, B, C, H, W }, first, count) {
  const out = map(B, count, H, W), plane = H * W;
  for (let n = 0; n < B; n++) out.data.set(data.subarray((n * C + first) * plane, (n * C + first + count) * plane), n * count * plane);
  return out;
}

// Returns a map with rows and columns of zeros added at the end, or taken away there.
function resized(x, H, W) {
  if (x.H === H && x.W === W) return x;
  const out = map(x.B, x.C, H, W), width = Math.min(W, x.W);
  for (let n = 0; n < x.B * x.C; n++)
    for (let y = 0; y < Math.min(H, x.H); y++) {
      const from = (n * x.H + y) * x.W;
      out.data.set(x.data.subarray(from, from + width), (n * H + y) * W);
    }
  return out;
}

function sum(a, b) {
  const out = like(a);
  for (let q = 0; q < a.data.length; q++) out.data[q] = a.data[q] + b.data[q];
  return out;
}

// One step up: enlarge by 2, join the skip connection, and a block. See DecoderBlock of the package.
class DecoderBlock {
  constructor(C, O, { skip, upsample, norm }, random) {
    this.skip = skip;
    this.up = upsample === "transpose" ? new UpConv(C, O, random) : new Sequence(new Enlarge(upsample === "bilinear"), new Conv1(C, O, random));
    this.block = doubleConv(skip === "concat" ? 2 * O : O, O, norm, random);
  }

  forward(x, skip, training) {
    const up = this.up.forward(x, training);
    this.size = [up.H, up.W];
    const whole = resized(up, skip.H, skip.W); // one row or column is missing where the side was odd
    if (this.skip === "none") return this.block.forward(whole, training);
    return this.block.forward(this.skip === "add" ? sum(skip, whole) : concatenate(skip, whole), training);
  }

  // Returns the gradients of what came from below and of the skip connection (null without one).
  backward(dy) {
    const joined = this.block.backward(dy), O = dy.C;
    const [skip, whole] = { none: [null, joined], add: [joined, joined], concat: [] }[this.skip];
    const below = this.skip === "concat" ? channels(joined, O, O) : whole;
    return [this.up.backward(resized(below, ...this.size)), this.skip === "concat" ? channels(joined, 0, O) : skip];
  }
}

// The whole network. `config` is that of the package's UNet; what is not given is as there, but for the channels.
export class UNet {
  constructor(config = {}, seed = 0) {
    this.config = { in_channels: 1, num_classes: 1, channels: [4, 8, 16], norm: "batch", upsample: "transpose", skip: "concat", ...config };
    const { in_channels, num_classes, channels: widths, norm } = this.config, random = generator(seed);
    const depth = widths.length - 1;
    this.depth = depth;
    this.stages = widths.slice(0, depth).map((O, i) => doubleConv(i ? widths[i - 1] : in_channels, O, norm, random));
    this.pools = this.stages.map(() => new MaxPool());
    this.bottleneck = doubleConv(widths[depth - 1], widths[depth], norm, random);
    this.blocks = this.stages.map((_, i) => new DecoderBlock(widths[depth - i], widths[depth - i - 1], this.config, random));
    this.head = new Conv1(widths[0], num_classes, random);
  }

  // Images (B, in_channels, H, W) -> logits (B, num_classes, H, W). `open[i]` false puts zeros in the place of what skip
  // connection i delivers, the finest being 0. The maps that it made on the way are in `seen`.
  forward(x, { training = false, open = [] } = {}) {
    const least = 2 ** this.depth;
    if (x.C !== this.config.in_channels || x.H < least || x.W < least)
      throw new RangeError(`images must have ${this.config.in_channels} channels and sides of at least ${least}, but have ${x.C}, ${x.H}×${x.W}.`);
    const skips = [], decoder = [];
    this.stages.forEach((stage, i) => {
      const skip = stage.forward(x, training);
      skips.push(skip);
      x = this.pools[i].forward(skip);
    });
    const bottleneck = (x = this.bottleneck.forward(x, training));
    this.blocks.forEach((block, i) => {
      const from = this.depth - 1 - i;
      x = block.forward(x, open[from] === false ? like(skips[from]) : skips[from], training);
      decoder.push(x);
    });
    this.seen = { encoder: skips, bottleneck, decoder };
    return this.head.forward(x);
  }

  // Takes the gradient of the logits, and adds to the gradients of all weights.
  backward(dy) {
    let dx = this.head.backward(dy);
    const skips = [];
    for (const block of [...this.blocks].reverse()) {
      const [below, skip] = block.backward(dx);
      skips.push(skip); // the finest first
      dx = below;
    }
    dx = this.bottleneck.backward(dx);
    for (let i = this.depth - 1; i >= 0; i--) {
      dx = this.pools[i].backward(dx);
      dx = this.stages[i].backward(skips[i] ? sum(dx, skips[i]) : dx, i > 0);
    }
  }

  // All parameters and collected statistics by the names of PyTorch's state dict.
  state() {
    const found = new Map();
    const walk = (layer, name) => {
      if (layer instanceof Sequence) layer.layers.forEach((inner, i) => walk(inner, `${name}.${i}`));
      else for (const [key, value] of Object.entries({ ...layer.parameters, ...layer.buffers })) found.set(`${name}.${key}`, value);
    };
    this.stages.forEach((stage, i) => walk(stage, `encoder.stages.${i}.layers`));
    walk(this.bottleneck, "bottleneck.layers");
    this.blocks.forEach((block, i) => {
      walk(block.up, `decoder.blocks.${i}.up`);
      walk(block.block, `decoder.blocks.${i}.block.layers`);
    });
    walk(this.head, "head");
    return found;
  }

  // Those of them that training changes.
  parameters() {
    return [...this.state()].filter(([name]) => !name.includes("running_")).map(([, value]) => value);
  }

  // Takes weights by name: {name: Float32Array}.
  load(weights) {
    for (const [name, { data }] of this.state()) {
      if (weights[name]?.length !== data.length) throw new RangeError(`weights must hold ${data.length} numbers as ${name}.`);
      data.set(weights[name]);
    }
  }
}

// Losses ---

export const sigmoid = (z) => 1 / (1 + Math.exp(-z));

// Each loss takes logits and masks of 0 and 1, (B, 1, H, W), and returns its value and the gradient of the logits.

// Binary cross entropy, the mean over all pixels.
export function bce(logits, masks) {
  const gradient = like(logits), count = logits.data.length;
  let value = 0;
  for (let q = 0; q < count; q++) {
    const z = logits.data[q], t = masks.data[q];
    value += Math.max(z, 0) - z * t + Math.log1p(Math.exp(-Math.abs(z))); // exact however large z is
    gradient.data[q] = (sigmoid(z) - t) / count;
  }
  return { value: value / count, gradient };
}

// Soft Dice: 1 - (2 · overlap + smooth) / (predicted + true + smooth), the mean over the images.
export function dice(logits, masks, smooth = 1e-6) {
  const gradient = like(logits), plane = logits.H * logits.W;
  let value = 0;
  for (let b = 0; b < logits.B; b++) {
    let overlap = 0, areas = 0;
    for (let q = b * plane; q < (b + 1) * plane; q++) {
      const p = sigmoid(logits.data[q]);
      overlap += p * masks.data[q];
      areas += p + masks.data[q];
    }
    const top = 2 * overlap + smooth, bottom = areas + smooth;
    value += (1 - top / bottom) / logits.B;
    for (let q = b * plane; q < (b + 1) * plane; q++) {
      const p = sigmoid(logits.data[q]);
      gradient.data[q] = ((top / bottom - 2 * masks.data[q]) / bottom) * p * (1 - p) / logits.B;
    }
  }
  return { value, gradient };
}

// Half of each.
export function combined(logits, masks) {
  const [a, b] = [bce(logits, masks), dice(logits, masks)];
  for (let q = 0; q < a.gradient.data.length; q++) a.gradient.data[q] = 0.5 * (a.gradient.data[q] + b.gradient.data[q]);
  return { value: 0.5 * (a.value + b.value), gradient: a.gradient };
}

export const LOSSES = { bce, dice, combined };

// Learning ---

// Adam with decoupled weight decay (Loshchilov and Hutter 2019), with PyTorch's settings.
export class AdamW {
  constructor(parameters, { decay = 0.01 } = {}) {
    this.parameters = parameters;
    this.decay = decay;
    this.steps = 0;
    this.means = parameters.map(({ data }) => new Float32Array(data.length));
    this.squares = parameters.map(({ data }) => new Float32Array(data.length));
  }

  zeroGrad() {
    for (const { gradient } of this.parameters) gradient.fill(0);
  }

  step(rate) {
    this.steps += 1;
    const first = 1 - 0.9 ** this.steps, second = Math.sqrt(1 - 0.999 ** this.steps);
    this.parameters.forEach(({ data, gradient }, n) => {
      const mean = this.means[n], square = this.squares[n];
      for (let i = 0; i < data.length; i++) {
        mean[i] += 0.1 * (gradient[i] - mean[i]);
        square[i] = 0.999 * square[i] + 0.001 * gradient[i] * gradient[i];
        data[i] = data[i] * (1 - rate * this.decay) - ((rate / first) * mean[i]) / (Math.sqrt(square[i]) / second + 1e-8);
      }
    });
  }
}

// One cycle (Smith and Topin 2019): up along a cosine in the first 30 % of the steps, then down to nearly nothing.
export function oneCycle(step, steps, highest) {
  const bend = (from, to, share) => to + ((from - to) / 2) * (1 + Math.cos(Math.PI * share));
  const top = 0.3 * steps - 1;
  if (step <= top) return bend(highest / 25, highest, step / top);
  return bend(highest, highest / 25e4, (step - top) / (steps - 1 - top));
}

// One step of training; returns the loss before it.
export function trainStep(model, optimizer, loss, images, masks, rate, { forget = false } = {}) {
  if (!forget) optimizer.zeroGrad(); // the accident of chapter 13 leaves this out
  const { value, gradient } = LOSSES[loss](model.forward(images, { training: true }), masks);
  model.backward(gradient);
  optimizer.step(rate);
  return value;
}
