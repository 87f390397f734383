// What the page was given, and what follows from it: the tokens of a map, in sub-words or words, and their weights.

const data = JSON.parse($("data").textContent);

// The view, which the address remembers. query and key: the tokens that were picked. token: of the target, for guesses.
const state = {
  view: "attention",
  sentence: 0,
  map: "",
  head: 0,
  shape: "lines",
  units: "pieces",
  query: null,
  key: null,
  token: null,
  temperature: 1,
};

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

// The ranges of pieces that stand as one token: a word, or a piece alone.
const rangesOf = (side) =>
  state.units === "words" ? sentence().words[side] : sentence()[side].map((_, place) => [place, place + 1]);

// A word from its pieces: without the white space before it, and bytes as the characters that they are.
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
  // one head in sub-words as bytes, row by row: weight times 255
  const map = sentence().maps[name];
  map.bytes ??= Uint8Array.from(atob(map.steps), (char) => char.charCodeAt(0));
  const size = map.bytes.length / headsOf(name);
  return map.bytes.subarray(head * size, (head + 1) * size);
}

const known = new Map();

// One head's weights, row by row, in the units chosen. Of words: the sum over the pieces of the word that is read,
// the mean over the pieces of the word that asks (Clark et al. 2019, section 4.1).
function weightsOf(name, head) {
  const called = `${state.sentence} ${name} ${head} ${state.units}`;
  if (known.has(called)) return known.get(called);
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
  known.set(called, weights);
  return weights;
}

// The weights of the head that is shown, as a table.
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
