// Layers of an encoder or decoder: a mixer, cross-attention and a feed-forward network.
//
// A mixer has the methods initialState(rows), reorder(state, rows), which returns the state of other rows, and
// extend(x, step, state, record), which mixes the next positions and updates the state. Only attention is recorded:
// the kernels of the others do not depend on the input.

// Which positions are read together: `count` of each of `rows`, after `past`.
// slots: for each row, the slots of all its positions in the caches, the new ones included; size: slots in use
class Step {
  constructor(rows, count, past, slots, size) {
    Object.assign(this, { rows, count, past, slots, size });
  }

  static whole(length) {
    return new Step(1, length, 0, [Int32Array.from({ length }, (_, i) => i)], length);
  }

  // Calls visit(row, position, slot, number) for each new position.
  each(visit) {
    for (let row = 0; row < this.rows; row++)
      for (let i = 0; i < this.count; i++)
        visit(row, this.past + i, this.slots[row][this.past + i], row * this.count + i);
  }
}

// Abramowitz and Stegun 1964, 7.1.26: the error is at most 1.5e-7.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const value = 1 - series * Math.exp(-x * x);
  return x < 0 ? -value : value;
}

// Activations change their argument in place.
function relu(x) {
  for (let i = 0; i < x.length; i++) if (x[i] < 0) x[i] = 0;
  return x;
}

function gelu(x) {
  for (let i = 0; i < x.length; i++) x[i] *= 0.5 * (1 + erf(x[i] * Math.SQRT1_2));
  return x;
}

// The approximation with tanh (Hendrycks and Gimpel 2016, section 2).
function geluTanh(x) {
  for (let i = 0; i < x.length; i++) {
    const value = x[i];
    x[i] = 0.5 * value * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3)));
  }
  return x;
}

const swish = (value) => value / (1 + Math.exp(-value));

function swishes(x) {
  for (let i = 0; i < x.length; i++) x[i] = swish(x[i]);
  return x;
}

// Combines the first half of the channels with the second half.
function gated(x, half, combine) {
  const y = new Float32Array(x.length / 2);
  for (let row = 0; row * half < y.length; row++)
    for (let i = 0; i < half; i++) y[row * half + i] = combine(x[2 * row * half + i], x[(2 * row + 1) * half + i]);
  return y;
}

function twoLayers(activation) {
  return (weights, prefix) => {
    const first = weights.linear(`${prefix}.0`);
    const second = weights.linear(`${prefix}.2`);
    return (x) => multiply(second, activation(multiply(first, x)));
  };
}

// (Swish(x W) * x V) W2 (Shazeer 2020, equation 6).
function swiglu(weights, prefix) {
  const first = weights.linear(`${prefix}.gate_value`);
  const second = weights.linear(`${prefix}.output`);
  return (x) => multiply(second, gated(multiply(first, x), first.rows / 2, (gate, value) => swish(gate) * value));
}

const FEED_FORWARDS = {
  relu: twoLayers(relu),
  gelu: twoLayers(gelu),
  gelu_tanh: twoLayers(geluTanh),
  swish: twoLayers(swishes),
  swiglu,
};
const MIXERS = { attention: SelfAttention, h3: H3, s4d: S4D };

function add(x, y) {
  const sum = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) sum[i] = x[i] + y[i];
  return sum;
}

// The connection around a sublayer: a function from x, the sublayer and the condition to the next x. Only ada_ln_zero has
// a condition, one vector for all positions, and a matrix for its gate.
const RESIDUALS = {
  pre_norm: (norm) => (x, sublayer) => add(x, sublayer(norm(x))),
  post_norm: (norm) => (x, sublayer) => norm(add(x, sublayer(x))),
  ada_ln_zero: (norm, gate) => (x, sublayer, condition) => {
    const shares = multiply(gate, condition);
    return add(x, sublayer(norm(x, condition)).map((value, i) => value * shares[i % shares.length]));
  },
};

class Layer {
  constructor(weights, prefix, description) {
    const { mixer, cross, feed_forward: feedForward, norm, residual } = description;
    const path = (name) =>
      RESIDUALS[residual](
        makeNorm(weights, `${prefix}.${name}.norm`, norm),
        residual === "ada_ln_zero" && weights.linear(`${prefix}.${name}.gate`),
      );
    this.mixer = new MIXERS[mixer.kind](weights, `${prefix}.mixer`, mixer);
    this.mixerPath = path("mixer_path");
    this.cross = cross && new CrossAttention(weights, `${prefix}.cross`, cross);
    this.crossPath = cross && path("cross_path");
    this.feedForward = FEED_FORWARDS[feedForward](weights, `${prefix}.feed_forward`);
    this.feedForwardPath = path("feed_forward_path");
  }

  extend(x, step, state, memory, record, condition) {
    const mix = (y) => this.mixer.extend(y, step, state, record && record.under("self"));
    const look = (y) => this.cross.extend(y, memory, record && record.under("cross"));
    x = this.mixerPath(x, mix, condition);
    if (this.cross) x = this.crossPath(x, look, condition);
    return this.feedForwardPath(x, this.feedForward, condition);
  }
}

// Layers, one after the other, and the final norm.
class Stack {
  constructor(weights, prefix, { layers, norm }) {
    this.layers = layers.map((layer, number) => new Layer(weights, `${prefix}.layers.${number}`, layer));
    this.norm = makeNorm(weights, `${prefix}.norm`, norm);
  }

  initialStates(rows) {
    return this.layers.map((layer) => layer.mixer.initialState(rows));
  }

  // Keys and values of the encoded source for each layer.
  memory(encoded) {
    return this.layers.map((layer) => layer.cross && layer.cross.memory(encoded));
  }

  extend(x, step, states, memory, record, condition = null) {
    this.layers.forEach((layer, number) => {
      const below = record && record.under(number);
      x = layer.extend(x, step, states[number], memory && memory[number], below, condition);
      if (below) below.state(x);
    });
    return this.norm(x, condition);
  }
}
