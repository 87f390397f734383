// Products of a matrix with vectors: where nearly all of the time is spent.

// x W^T + b for each row of x. `matrix` is from `Weights.linear`: float32, or int8 with a scale for each row.
function multiply(matrix, x) {
  const { rows: outputs, columns: inputs, values, scales, bias } = matrix;
  const y = new Float32Array((x.length / inputs) * outputs);
  for (let from = 0, to = 0; from < x.length; from += inputs, to += outputs) {
    multiplyRow(values, inputs, outputs, x, from, y, to);
    if (scales) for (let i = 0; i < outputs; i++) y[to + i] *= scales[i];
    if (bias) for (let i = 0; i < outputs; i++) y[to + i] += bias[i];
  }
  return y;
}

// Four rows of the matrix at a time: each number of x is read once for four products, whose sums do not wait for each
// other. Sums are in float64, which V8 computes in. One page has one format of weights, so that V8 compiles this for
// its type of array.
function multiplyRow(values, inputs, outputs, x, from, y, to) {
  let output = 0;
  for (; output + 3 < outputs; output += 4) {
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
  for (; output < outputs; output++) {
    let sum = 0;
    for (let i = 0; i < inputs; i++) sum += x[from + i] * values[output * inputs + i];
    y[to + output] = sum;
  }
}
