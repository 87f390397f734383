// Positions: vectors that are added to token embeddings, or rotations of queries and keys.

// Sines and cosines of geometrically growing wavelengths (Vaswani et al. 2017, section 3.5), rounded as in PyTorch.
function sinusoids(length, dim) {
  const waves = Math.ceil(dim / 2);
  const table = new Float32Array(length * dim);
  const step = Math.fround(-Math.log(10000) / dim);
  for (let wave = 0; wave < waves; wave++) {
    const rate = Math.fround(Math.exp(Math.fround(2 * wave * step)));
    for (let position = 0; position < length; position++) {
      const angle = Math.fround(position * rate);
      table[position * dim + wave] = Math.sin(angle);
      if (waves + wave < dim) table[position * dim + waves + wave] = Math.cos(angle);
    }
  }
  return table;
}

// The vectors to add to embeddings, one per position; null for none.
function positionTable(weights, prefix, kind, length, dim) {
  if (kind === "none") return null;
  if (kind === "sinusoidal") return sinusoids(length, dim);
  const learned = weights.floats(`${prefix}.table`);
  return learned.map((value) => value * Math.sqrt(dim)); // scaled like token embeddings
}

// Rotates the heads of a vector, in place: pairs of neighbouring channels (Su et al. 2021, section 3.2.2).
function rotate(x, offset, heads, headDim, base, position) {
  for (let pair = 0; pair < headDim; pair += 2) {
    const angle = Math.fround(position * Math.fround(base ** (-pair / headDim)));
    const cosine = Math.cos(angle);
    const sine = Math.sin(angle);
    for (let head = 0; head < heads; head++) {
      const at = offset + head * headDim + pair;
      const real = x[at];
      const imaginary = x[at + 1];
      x[at] = real * cosine - imaginary * sine;
      x[at + 1] = imaginary * cosine + real * sine;
    }
  }
}
