// Queries, keys and values: float16, of all numbers first the low bytes, then the high ones, deflated, in base64.

const unpacked = new Map();

// The bytes of the sentence's vectors and where each map's begin, or null if the page has none.
// Throws if the browser cannot inflate.
function vectorsOf(number) {
  if (!unpacked.has(number)) unpacked.set(number, unpack(number));
  return unpacked.get(number);
}

async function unpack(number) {
  const text = $(`vectors-${number}`)?.textContent;
  if (!text) return null;
  if (!("DecompressionStream" in window)) {
    throw new Error("This browser cannot unpack the vectors (it has no DecompressionStream); a newer one can.");
  }
  const packed = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const tokens = data.sentences[number];
  const starts = {};
  let start = 0;
  for (const [name, { heads, groups, dim }] of Object.entries(tokens.vectors)) {
    const { queries, keys } = sidesOf(name);
    const [asking, read] = [heads * tokens[queries].length * dim, groups * tokens[keys].length * dim];
    starts[name] = { query: start, key: start + asking, value: start + asking + read };
    start += asking + 2 * read;
  }
  return { bytes, starts };
}

function half(bytes, index) {
  // IEEE 754 binary16
  const [low, high] = [bytes[index], bytes[bytes.length / 2 + index]];
  const exponent = (high >> 2) & 31;
  const fraction = (high & 3) * 256 + low;
  const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : (2 ** -14 * fraction) / 1024;
  return high & 128 ? -size : size;
}

// Of one head: its query at a place, and all its keys and values; several heads may share theirs (Ainslie et al. 2023).
function headVectors({ bytes, starts }, name, head) {
  const { heads, groups, dim } = sentence().vectors[name];
  const { queries, keys } = sidesOf(name);
  const [rows, columns] = [sentence()[queries].length, sentence()[keys].length];
  const group = Math.floor(head / (heads / groups));
  const read = (start) => Array.from({ length: dim }, (_, channel) => half(bytes, start + channel));
  return {
    dim,
    group,
    shared: groups < heads,
    query: (place) => read(starts[name].query + (head * rows + place) * dim),
    key: (place) => read(starts[name].key + (group * columns + place) * dim),
    value: (place) => read(starts[name].value + (group * columns + place) * dim),
  };
}

// Where the weight of `key` for `query` comes from: softmax over the keys that the query sees of q·k / √d
// (Vaswani et al. 2017, equation 1).
function derive(vectors, query, key) {
  const seen = data.kinds[kindOf(state.map)].causal ? query + 1 : tokensOf(state.map).keys.length;
  const root = Math.sqrt(vectors.dim);
  const asked = vectors.query(query);
  const dot = (offered) => asked.reduce((sum, number, channel) => sum + number * offered[channel], 0);
  const scores = Array.from({ length: seen }, (_, place) => dot(vectors.key(place)) / root);
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most)); // most: no power is too large
  const sum = powers.reduce((a, b) => a + b, 0);
  const [offered, value] = [vectors.key(key), vectors.value(key)];
  const weight = powers[key] / sum;
  return {
    asked,
    offered,
    scores,
    weights: powers.map((power) => power / sum),
    value,
    sum: sum * Math.exp(most),
    products: asked.map((number, channel) => (number * offered[channel]) / root),
    passed: value.map((number) => weight * number),
  };
}
