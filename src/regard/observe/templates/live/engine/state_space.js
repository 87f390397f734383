// Mixers that are linear in the length: a state per channel instead of a cache of positions, see layers.js.

// A state-space model with a diagonal matrix (Gu et al. 2022, S4D-Lin; regard.model.state_space.diagonal). The state s
// follows an input u as exp(dt A) s + u, and the output is 2 Re(C (exp(dt A) - 1) / A s) + D u. Signals have any number
// of values for each channel: those of the first copy of all channels, then those of the second, ...
class DiagonalModel {
  constructor(weights, prefix) {
    const floats = (name) => weights.floats(`${prefix}.${name}`);
    const [step, decay, frequency, readout] = ["log_step", "log_decay", "frequency", "readout"].map(floats);
    this.skip = floats("skip");
    this.channels = step.length;
    this.states = decay.length / this.channels;
    const size = this.channels * this.states;
    this.directions = readout.length / (2 * size);
    this.powerReal = new Float64Array(size);
    this.powerImaginary = new Float64Array(size);
    this.readoutReal = new Float64Array(this.directions * size);
    this.readoutImaginary = new Float64Array(this.directions * size);
    for (let i = 0; i < size; i++) {
      const dt = Math.exp(step[Math.floor(i / this.states)]);
      const real = -Math.exp(decay[i]);
      const imaginary = frequency[i];
      const size2 = real * real + imaginary * imaginary;
      const length = Math.exp(dt * real);
      const [a, b] = [length * Math.cos(dt * imaginary), length * Math.sin(dt * imaginary)];
      [this.powerReal[i], this.powerImaginary[i]] = [a, b];
      // (exp(dt A) - 1) / A
      const heldReal = ((a - 1) * real + b * imaginary) / size2;
      const heldImaginary = (b * real - (a - 1) * imaginary) / size2;
      for (let direction = 0; direction < this.directions; direction++) {
        const at = direction * size + i;
        const [c, d] = [readout[2 * at], readout[2 * at + 1]];
        this.readoutReal[at] = 2 * (c * heldReal - d * heldImaginary);
        this.readoutImaginary[at] = 2 * (c * heldImaginary + d * heldReal);
      }
    }
  }

  // Real and imaginary parts for a number of copies of the channels.
  initialState(copies) {
    const size = copies * this.channels * this.states;
    return { real: new Float64Array(size), imaginary: new Float64Array(size) };
  }

  // Adds an input to the state, in place.
  feed(state, signal) {
    const { real, imaginary } = state;
    const { powerReal, powerImaginary, states } = this;
    const size = powerReal.length;
    for (let i = 0; i < signal.length; i++) {
      const input = signal[i];
      const from = (i * states) % size;
      for (let n = 0; n < states; n++) {
        const at = i * states + n;
        const before = real[at];
        real[at] = before * powerReal[from + n] - imaginary[at] * powerImaginary[from + n] + input;
        imaginary[at] = before * powerImaginary[from + n] + imaginary[at] * powerReal[from + n];
      }
    }
  }

  // Adds the output of a direction to `out`.
  read(state, direction, out) {
    const { real, imaginary } = state;
    const { readoutReal, readoutImaginary, states } = this;
    const size = this.powerReal.length;
    for (let i = 0; i < out.length; i++) {
      const from = direction * size + ((i * states) % size);
      let sum = 0;
      for (let n = 0; n < states; n++) {
        const at = i * states + n;
        sum += readoutReal[from + n] * real[at] - readoutImaginary[from + n] * imaginary[at];
      }
      out[i] += sum;
    }
  }

  // The outputs for the inputs of consecutive positions. With two directions, later inputs count as well.
  extend(signals, state) {
    const outputs = signals.map((signal) => signal.map((value, i) => value * this.skip[i % this.channels]));
    signals.forEach((signal, position) => {
      this.feed(state, signal);
      this.read(state, 0, outputs[position]);
    });
    if (this.directions === 1) return outputs;
    const backward = this.initialState(signals[0].length / this.channels);
    for (let position = signals.length - 1; position >= 0; position--) {
      this.read(backward, 1, outputs[position]);
      this.feed(backward, signals[position]);
    }
    return outputs;
  }
}

const copyOfState = ({ real, imaginary }) => ({ real: real.slice(), imaginary: imaginary.slice() });

// The vectors of one row of a batch, one array per position.
function positionsOf(x, step, row) {
  const dim = x.length / (step.rows * step.count);
  const begin = row * step.count;
  return Array.from({ length: step.count }, (_, i) => x.subarray((begin + i) * dim, (begin + i + 1) * dim));
}

function joined(vectors) {
  const all = new Float32Array(vectors.length * vectors[0].length);
  vectors.forEach((vector, i) => all.set(vector, i * vector.length));
  return all;
}

// A diagonal model per channel, GELU, and a gated linear unit (Gu et al. 2022, S4D).
class S4D {
  constructor(weights, prefix) {
    this.memory = new DiagonalModel(weights, `${prefix}.memory`);
    this.output = weights.linear(`${prefix}.output`);
  }

  initialState(rows) {
    return Array.from({ length: rows }, () => this.memory.initialState(1));
  }

  reorder(state, rows) {
    return rows.map((row) => copyOfState(state[row]));
  }

  extend(x, step, state) {
    const remembered = state.flatMap((each, row) => this.memory.extend(positionsOf(x, step, row), each));
    const twice = multiply(this.output, gelu(joined(remembered)));
    return gated(twice, this.output.rows / 2, (value, gate) => value / (1 + Math.exp(-gate)));
  }
}

// Q * diagonal(shift(K) * V), then a linear layer (Fu et al. 2023, algorithm 1).
class H3 {
  constructor(weights, prefix, { head_dim: headDim, causal }) {
    this.headDim = headDim;
    this.queryKeyValue = weights.linear(`${prefix}.query_key_value`);
    this.memory = new DiagonalModel(weights, `${prefix}.memory`);
    this.output = weights.linear(`${prefix}.output`);
    this.dim = this.output.columns;
    this.taps = weights.floats(`${prefix}.shift.taps`);
    const size = this.taps.length / this.dim;
    this.past = causal ? size - 1 : (size - 1) / 2;
  }

  initialState(rows) {
    return Array.from({ length: rows }, () => ({
      keys: Array.from({ length: this.past }, () => new Float32Array(this.dim)),
      memory: this.memory.initialState(this.headDim ** 2),
    }));
  }

  reorder(state, rows) {
    return rows.map((row) => ({ keys: state[row].keys.slice(), memory: copyOfState(state[row].memory) }));
  }

  extend(x, step, state) {
    const all = multiply(this.queryKeyValue, x);
    const read = state.flatMap((each, row) => {
      const positions = positionsOf(all, step, row);
      const [queries, keys, values] = [0, 1, 2].map((part) =>
        positions.map((vector) => vector.subarray(part * this.dim, (part + 1) * this.dim)),
      );
      const shifted = this.shift(keys, each);
      const products = shifted.map((key, position) => this.product(key, values[position]));
      const stored = this.memory.extend(products, each.memory);
      return stored.map((outputs, position) => this.readOut(queries[position], outputs));
    });
    return multiply(this.output, joined(read));
  }

  // A learned sum of the last keys, and of as many later ones if not causal.
  shift(keys, state) {
    const size = this.taps.length / this.dim;
    const later = Array.from({ length: size - 1 - this.past }, () => new Float32Array(this.dim));
    const inputs = [...state.keys, ...keys, ...later];
    if (this.past > 0 && later.length === 0) state.keys = inputs.slice(-this.past).map((key) => key.slice());
    return keys.map((_, position) => {
      const sum = new Float32Array(this.dim);
      for (let channel = 0; channel < this.dim; channel++)
        for (let tap = 0; tap < size; tap++)
          sum[channel] += this.taps[channel * size + tap] * inputs[position + tap][channel];
      return sum;
    });
  }

  // The outer product of the key and value of each head.
  product(key, value) {
    const { headDim, dim } = this;
    const heads = dim / headDim;
    const out = new Float32Array(headDim * dim);
    for (let i = 0; i < headDim; i++)
      for (let j = 0; j < headDim; j++)
        for (let head = 0; head < heads; head++)
          out[(i * headDim + j) * heads + head] = key[head * headDim + i] * value[head * headDim + j];
    return out;
  }

  readOut(query, stored) {
    const { headDim, dim } = this;
    const heads = dim / headDim;
    const out = new Float32Array(dim);
    for (let i = 0; i < headDim; i++)
      for (let j = 0; j < headDim; j++)
        for (let head = 0; head < heads; head++)
          out[head * headDim + j] += query[head * headDim + i] * stored[(i * headDim + j) * heads + head];
    return out;
  }
}
