// Products of a matrix with vectors: where nearly all of the time is spent. Sums are in float64, which V8 computes in.
// One page has one format of weights, so that V8 compiles these functions for its type of array.

// x W^T + b for each row of x. `matrix` is from `Weights.linear`: float32, or int8 with a scale for each row.
function multiply(matrix, x) {
  const { rows: outputs, columns: inputs, values, scales, bias } = matrix;
  const rows = x.length / inputs;
  const y = new Float32Array(rows * outputs);
  for (let row = 0; row + 1 < rows; row += 2) multiplyTwo(values, inputs, outputs, x, row * inputs, y, row * outputs);
  if (rows % 2) multiplyOne(values, inputs, outputs, x, (rows - 1) * inputs, y, (rows - 1) * outputs);
  for (let to = 0; to < y.length; to += outputs) {
    for (let output = outputs - (outputs % 4); output < outputs; output++)
      y[to + output] = dot(values, output * inputs, x, (to / outputs) * inputs, inputs);
    if (scales) for (let i = 0; i < outputs; i++) y[to + i] *= scales[i];
    if (bias) for (let i = 0; i < outputs; i++) y[to + i] += bias[i];
  }
  return y;
}

function dot(values, first, x, from, inputs) {
  let sum = 0;
  for (let i = 0; i < inputs; i++) sum += x[from + i] * values[first + i];
  return sum;
}

// One row of x, and four rows of the matrix at a time: each number of x is read once for four products, whose sums do
// not wait for each other. The rows of the matrix beyond a multiple of four are left out.
function multiplyOne(values, inputs, outputs, x, from, y, to) {
  for (let output = 0; output + 3 < outputs; output += 4) {
    const first = output * inputs;
    const second = first + inputs;
    const third = second + inputs;
    const fourth = third + inputs;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let i = 0; i < inputs; i++) {
      const value = x[from + i];
      a += value * values[first + i];
      b += value * values[second + i];
      c += value * values[third + i];
      d += value * values[fourth + i];
    }
    y[to + output] = a;
    y[to + output + 1] = b;
    y[to + output + 2] = c;
    y[to + output + 3] = d;
  }
}

// The same for two rows of x, in 0.6 times the time.
function multiplyTwo(values, inputs, outputs, x, from, y, to) {
  const next = from + inputs;
  for (let output = 0; output + 3 < outputs; output += 4) {
    const first = output * inputs;
    const second = first + inputs;
    const third = second + inputs;
    const fourth = third + inputs;
    let [a, b, c, d] = [0, 0, 0, 0];
    let [e, f, g, h] = [0, 0, 0, 0];
    for (let i = 0; i < inputs; i++) {
      const value = x[from + i];
      const other = x[next + i];
      const [p, q, r, s] = [values[first + i], values[second + i], values[third + i], values[fourth + i]];
      a += value * p;
      b += value * q;
      c += value * r;
      d += value * s;
      e += other * p;
      f += other * q;
      g += other * r;
      h += other * s;
    }
    const at = to + output;
    [y[at], y[at + 1], y[at + 2], y[at + 3]] = [a, b, c, d];
    const below = at + outputs;
    [y[below], y[below + 1], y[below + 2], y[below + 3]] = [e, f, g, h];
  }
}
