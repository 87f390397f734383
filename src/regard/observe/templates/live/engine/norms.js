// Normalisation of each vector. Each function returns a function from vectors, row by row, to new ones.

// Zero mean and unit variance, then a learned scale and shift (Ba et al. 2016).
function layerNorm(weights, prefix, { eps }) {
  const scale = weights.floats(`${prefix}.weight`);
  const shift = weights.floats(`${prefix}.bias`);
  const dim = scale.length;
  return (x) => {
    const y = new Float32Array(x.length);
    for (let start = 0; start < x.length; start += dim) {
      let sum = 0;
      for (let i = 0; i < dim; i++) sum += x[start + i];
      const mean = sum / dim;
      let squares = 0;
      for (let i = 0; i < dim; i++) squares += (x[start + i] - mean) ** 2;
      const factor = 1 / Math.sqrt(squares / dim + eps);
      for (let i = 0; i < dim; i++) y[start + i] = (x[start + i] - mean) * factor * scale[i] + shift[i];
    }
    return y;
  };
}

// Unit root mean square, then a learned scale (Zhang and Sennrich 2019).
function rmsNorm(weights, prefix, { eps }) {
  const scale = weights.floats(`${prefix}.weight`);
  const dim = scale.length;
  return (x) => {
    const y = new Float32Array(x.length);
    for (let start = 0; start < x.length; start += dim) {
      let squares = 0;
      for (let i = 0; i < dim; i++) squares += x[start + i] ** 2;
      const factor = 1 / Math.sqrt(squares / dim + eps);
      for (let i = 0; i < dim; i++) y[start + i] = x[start + i] * factor * scale[i];
    }
    return y;
  };
}

// A norm whose scale and shift are linear in a condition (Peebles and Xie 2023, section 3.2).
function adaptiveNorm(weights, prefix, { norm }) {
  const normalise = makeNorm(weights, `${prefix}.norm`, norm);
  const modulation = weights.linear(`${prefix}.modulation`);
  const dim = modulation.rows / 2;
  return (x, condition) => {
    const factors = multiply(modulation, condition);
    return normalise(x).map((value, i) => value * (1 + factors[i % dim]) + factors[dim + (i % dim)]);
  };
}

const NORMS = { adaptive: adaptiveNorm, layer_norm: layerNorm, rms_norm: rmsNorm };

const makeNorm = (weights, prefix, norm) => (norm ? NORMS[norm.kind](weights, prefix, norm) : (x) => x);
