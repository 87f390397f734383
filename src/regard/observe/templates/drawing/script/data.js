// The data of the page, the view, and the weights of a layer, a head and a step.

const data = JSON.parse($("data").textContent);

const KINDS = {
  cross: {
    title: "Patches read words",
    lead:
      "The model draws an image from noise, in steps. In every layer, each patch of the image reads the words of the " +
      "prompt: cross-attention gives each word a weight, and the weights of a patch sum to 1. Point at a word to see the " +
      "patches that read it, and at a patch to see the words that it reads. The pass with the prompt is shown, the " +
      "conditional half of the guided pass.",
  },
  patches: {
    title: "Patches read patches",
    lead:
      "Self-attention of the image: each patch reads all patches, and its weights sum to 1. Point at a patch to see the " +
      "patches that it reads, in the mean over all steps. The pass with the prompt is shown, the conditional half of the " +
      "guided pass.",
  },
  between: {
    title: "Words read words",
    lead:
      "Self-attention of the encoder of the prompt: each word reads all words, and its weights sum to 1. It is the same " +
      "in every step. Point at a word to see the words that it reads.",
  },
};

const MEAN = "mean";
const DEFAULTS = { drawing: 0, kind: "cross", layer: MEAN, head: MEAN, step: MEAN, word: null, patch: null };

// The view, which is stored in the address. layer, head, step: a number, or MEAN; word, patch: the selected ones.
const state = { ...DEFAULTS };

const drawing = () => data.drawings[state.drawing];
const kindsOf = () => Object.keys(KINDS).filter((kind) => drawing()[kind].length > 0);
const layersOf = () => drawing()[state.kind];
const headsOf = () => Math.max(...layersOf().map(({ tops }) => tops.length));
const patchCount = () => drawing().grid[0] * drawing().grid[1];
const wordCount = () => drawing().words.length;
const isMark = (word) => /^<.*>$/.test(word);
const wordName = (index) => visible(drawing().words[index]).replace(/^\u2423+(?=.)/, "");
const patchName = (index) => {
  const [, columns] = drawing().grid;
  return `row ${Math.floor(index / columns) + 1}, column ${(index % columns) + 1}`;
};

const cachedWeights = new WeakMap(); // by drawing

// The weights of a layer, a head and a step, each a number or MEAN, row by row: a row has the weights of one query.
function weightsOf(layer, head, step) {
  if (!cachedWeights.has(drawing())) cachedWeights.set(drawing(), new Map());
  const cache = cachedWeights.get(drawing());
  const cacheKey = [state.kind, layer, head, step].join(" ");
  if (cache.has(cacheKey)) return cache.get(cacheKey);
  const isCross = state.kind === "cross";
  const keys = state.kind === "patches" ? patchCount() : wordCount();
  const queries = state.kind === "between" ? wordCount() : patchCount();
  const weights = new Float32Array(queries * keys);
  const at = isCross && step !== MEAN ? 1 + step : 0; // the mean is before the steps
  let count = 0;
  for (const map of layer === MEAN ? layersOf() : [layersOf()[layer]]) {
    map.bytes ??= Uint8Array.from(atob(map.shares), (char) => char.charCodeAt(0));
    for (const number of head === MEAN ? map.tops.keys() : [head]) {
      const offset = (at * map.tops.length + number) * weights.length;
      const tops = map.tops[number];
      for (let i = 0; i < weights.length; i++) {
        weights[i] += (map.bytes[offset + i] / 255) * tops[isCross ? i % keys : Math.floor(i / keys)];
      }
      count++;
    }
  }
  for (let i = 0; i < weights.length; i++) weights[i] /= count;
  cache.set(cacheKey, weights);
  return weights;
}

// The weights of the view, or of another layer, head or step, by query, key or pair.
function weights({ layer = state.layer, head = state.head, step = state.step } = {}) {
  const all = weightsOf(layer, head, step);
  const width = state.kind === "patches" ? patchCount() : wordCount();
  const row = (query) => all.subarray(query * width, (query + 1) * width);
  const column = (key) => Float32Array.from({ length: all.length / width }, (_, query) => all[query * width + key]);
  return { row, column, at: (query, key) => all[query * width + key] };
}

const short = (weight) => (weight > 0 && weight < 0.005 ? "< 0.01" : weight.toFixed(2));
const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// The word whose weights differ most between the patches: the first that is shown.
function mostLocal() {
  const { column } = weights({ layer: MEAN, head: MEAN, step: MEAN });
  const contrast = drawing().words.map((word, index) => {
    const values = column(index);
    return isMark(word) ? 0 : Math.max(...values) / Math.max(meanOf(values), 1e-9);
  });
  return contrast.indexOf(Math.max(...contrast));
}
