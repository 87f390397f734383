// Query, key and value vectors. In the page: float16, all low bytes before all high bytes, deflated, in base64.

const unpacked = new WeakMap(); // by sentence

// The vectors of the selected sentence, { name: { query, key, value } } as floats by head, position and channel; null if
// the page does not have them. Throws if the browser cannot decompress them.
function vectorsOfSentence() {
  if (!unpacked.has(sentence())) unpacked.set(sentence(), unpack(state.sentence));
  return unpacked.get(sentence());
}

async function unpack(number) {
  const text = $(`vectors-${number}`)?.textContent;
  if (!text) return null;
  if (!("DecompressionStream" in window)) {
    throw new Error("This browser has no DecompressionStream, which is needed for the vectors; use a newer browser.");
  }
  const packed = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const tokens = data.sentences[number];
  const vectors = {};
  let start = 0;
  const next = (size) => Float32Array.from({ length: size }, () => half(bytes, start++));
  for (const [name, { heads, groups, dim }] of Object.entries(tokens.vectors)) {
    const { queries, keys } = sidesOf(name);
    const [asking, read] = [heads * tokens[queries].length * dim, groups * tokens[keys].length * dim];
    vectors[name] = { query: next(asking), key: next(read), value: next(read) };
  }
  return vectors;
}

function half(bytes, index) {
  // IEEE 754 binary16
  const [low, high] = [bytes[index], bytes[bytes.length / 2 + index]];
  const exponent = (high >> 2) & 31;
  const fraction = (high & 3) * 256 + low;
  const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : (2 ** -14 * fraction) / 1024;
  return high & 128 ? -size : size;
}

// The query, key and value vectors of a head by position; heads may share keys and values (Ainslie et al. 2023).
function headVectors(vectors, name, head) {
  const { heads, groups, dim } = sentence().vectors[name];
  const { queries, keys } = sidesOf(name);
  const [rows, columns] = [sentence()[queries].length, sentence()[keys].length];
  const group = Math.floor(head / (heads / groups));
  const read = (side, place) => Array.from(vectors[name][side].subarray(place * dim, (place + 1) * dim));
  return {
    dim,
    group,
    shared: groups < heads,
    query: (place) => read("query", head * rows + place),
    key: (place) => read("key", group * columns + place),
    value: (place) => read("value", group * columns + place),
  };
}

// The computation of the weight of `key` for `query`: softmax of q·k / √d over the keys that are not masked
// (Vaswani et al. 2017, equation 1).
function derive(vectors, query, key) {
  const seen = data.kinds[kindOf(state.map)].causal ? query + 1 : tokensOf(state.map).keys.length;
  const root = Math.sqrt(vectors.dim);
  const queryVector = vectors.query(query);
  const dot = (keyVector) => queryVector.reduce((sum, number, channel) => sum + number * keyVector[channel], 0);
  const scores = Array.from({ length: seen }, (_, place) => dot(vectors.key(place)) / root);
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most)); // subtracting the maximum avoids overflow
  const sum = powers.reduce((a, b) => a + b, 0);
  const [keyVector, value] = [vectors.key(key), vectors.value(key)];
  const weight = powers[key] / sum;
  return {
    queryVector,
    keyVector,
    scores,
    weights: powers.map((power) => power / sum),
    value,
    sum: sum * Math.exp(most),
    products: queryVector.map((number, channel) => (number * keyVector[channel]) / root),
    passed: value.map((number) => weight * number),
  };
}
