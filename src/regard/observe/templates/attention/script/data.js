// The data of the page: tokens and weights of a map, in sub-words or words.

const data = JSON.parse($("data").textContent);

// What there is to see: all sentences are of the same model.
const HAS_MAPS = data.hasMaps;
const WITH_KERNELS = Object.keys(data.mixers).filter((name) => data.mixers[name].kernels);
const VIEWS = [...(HAS_MAPS ? ["attention"] : []), ...(WITH_KERNELS.length ? ["kernels"] : []), "likelihood", "layers"];

const isExact = ({ starts }) => starts.length === starts.at(-1) + 1; // each range is one distance
const AXES = ["linear", "logarithmic"];
if (WITH_KERNELS.some((name) => !isExact(data.mixers[name].kernels))) AXES.reverse();

// The view, which is stored in the address. query, key: selected tokens; token: selected token of the target; kernel:
// layer whose kernels are shown; axis: of their distances; channel: selected channel.
const state = {
  view: VIEWS[0],
  sentence: 0,
  map: "",
  head: 0,
  shape: data.hasImages ? "picture" : "lines",
  units: "pieces",
  query: null,
  key: null,
  token: null,
  temperature: 1,
  kernel: WITH_KERNELS[0] ?? "",
  axis: AXES[0],
  channel: null,
};

// How the selected head is displayed: the picture, if its keys are the patches of an image, or else lines.
const hasPicture = () => Boolean(sentence().image) && sidesOf(state.map).keys === "source";
const shapeOf = () => (state.shape === "picture" && !hasPicture() ? "lines" : state.shape);

const sentence = () => data.sentences[state.sentence];
const kindOf = (name) => name.replace(/\.\d+\./, ".");
const layerOf = (name) => Number(name.split(".")[1]);
const mapsOf = (kind) =>
  Object.keys(sentence().maps)
    .filter((name) => kindOf(name) === kind)
    .sort((a, b) => layerOf(a) - layerOf(b));
const headsOf = (name) => sentence().maps[name].entropy.length;
const entropyOf = (name, head) => sentence().maps[name][state.units === "words" ? "wordEntropy" : "entropy"][head];

function sidesOf(name) {
  if (kindOf(name) === "encoder.self") return { queries: "source", keys: "source" };
  return { queries: "target", keys: kindOf(name) === "decoder.cross" ? "source" : "prefix" };
}

// The ranges of pieces that are displayed as one token: words or single pieces.
const rangesOf = (side) =>
  state.units === "words" ? sentence().words[side] : sentence()[side].map((_, place) => [place, place + 1]);

// Format the pieces of a word: without leading white space, with bytes decoded.
function inOne(text) {
  const bytes = (run) =>
    new TextDecoder().decode(Uint8Array.from(run.match(/[0-9A-F]{2}/g), (hex) => parseInt(hex, 16)));
  return text.replace(/(<0x[0-9A-F]{2}>)+/g, bytes).replace(/^[\u2581\u21b5]+(?=.)/s, "");
}

function tokensOf(name) {
  const { queries, keys } = sidesOf(name);
  const label =
    (side) =>
    ([from, to]) => {
      const text = sentence()[side].slice(from, to).join("");
      return state.units === "words" ? inOne(text) : text;
    };
  return { queries: rangesOf(queries).map(label(queries)), keys: rangesOf(keys).map(label(keys)) };
}

function stepsOf(name, head) {
  // the weights of a head in sub-words as bytes (weight * 255), row by row
  const map = sentence().maps[name];
  map.bytes ??= Uint8Array.from(atob(map.steps), (char) => char.charCodeAt(0));
  const size = map.bytes.length / headsOf(name);
  return map.bytes.subarray(head * size, (head + 1) * size);
}

const cachedWeights = new WeakMap(); // by sentence

// The weights of a head, row by row, in the selected units. For words: the sum over the pieces of the key and the mean
// over the pieces of the query (Clark et al. 2019, section 4.1).
function weightsOf(name, head) {
  if (!cachedWeights.has(sentence())) cachedWeights.set(sentence(), new Map());
  const cache = cachedWeights.get(sentence());
  const cacheKey = `${name} ${head} ${state.units}`;
  if (cache.has(cacheKey)) return cache.get(cacheKey);
  const sides = sidesOf(name);
  const [rows, columns] = [rangesOf(sides.queries), rangesOf(sides.keys)];
  const steps = stepsOf(name, head);
  const width = sentence()[sides.keys].length;
  const weights = new Float32Array(rows.length * columns.length);
  rows.forEach(([top, bottom], row) =>
    columns.forEach(([left, right], column) => {
      let sum = 0;
      for (let q = top; q < bottom; q++) for (let k = left; k < right; k++) sum += steps[q * width + k];
      weights[row * columns.length + column] = Math.min(1, sum / 255 / (bottom - top));
    }),
  );
  cache.set(cacheKey, weights);
  return weights;
}

// The weights of the selected head, by row, column or cell.
function shownWeights() {
  const { queries, keys } = tokensOf(state.map);
  const weights = weightsOf(state.map, state.head);
  return {
    queries,
    keys,
    row: (query) => Array.from(weights.subarray(query * keys.length, (query + 1) * keys.length)),
    column: (key) => queries.map((_, query) => weights[query * keys.length + key]),
    at: (query, key) => weights[query * keys.length + key],
  };
}
