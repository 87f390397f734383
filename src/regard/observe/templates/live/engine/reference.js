// The example of a description, whose results in PyTorch the page compares with its own.

// What a model computes for its example, in the order of the expected numbers, by the kind of the model.
const RESULTS = {
  transformer(model, { source, prefix, vocabulary }) {
    const found = model.forward(prefix, typeof source === "string" ? bytesOfBase64(source) : source);
    const size = found.length / prefix.length;
    return prefix.flatMap((_, place) => vocabulary.map((token) => found[place * size + token]));
  },

  denoiser(model, { source, seed, time }) {
    return Array.from(model.predict(model.noise(seed), time, model.read(source)));
  },
};

// The largest difference from the expected numbers.
function deviationFrom(model, kind, reference) {
  const expected = new Float32Array(bytesOfBase64(reference.expected).buffer);
  return RESULTS[kind](model, reference).reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
}
