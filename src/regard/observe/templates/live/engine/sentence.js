// What the attention page shows of a sentence, from one pass over a source and a target: the values of
// regard.observe.draw.packing.pack_sentence.

const LIKELIHOOD_CANDIDATES = 10;
const LENS_CANDIDATES = 5;

// The mean entropy of the rows of each head, in nats; rows of zeros are ignored. null for a head without other rows.
function entropies({ weights, heads, queries, keys }) {
  return Array.from({ length: heads }, (_, head) => {
    let sum = 0;
    let rows = 0;
    for (let query = 0; query < queries; query++) {
      const row = weights.subarray((head * queries + query) * keys, (head * queries + query + 1) * keys);
      if (row.every((weight) => weight === 0)) continue;
      rows += 1;
      for (const weight of row) if (weight > 0) sum -= weight * Math.log(weight);
    }
    return rows ? Math.max(0, sum / rows) : null;
  });
}

// A map between words: sums over the pieces of a key, means over the pieces of a query (Clark et al. 2019).
function mergeWords({ weights, heads, queries, keys }, queryWords, keyWords) {
  const merged = new Float32Array(heads * queryWords.length * keyWords.length);
  for (let head = 0; head < heads; head++)
    queryWords.forEach(([top, bottom], row) =>
      keyWords.forEach(([left, right], column) => {
        let sum = 0;
        for (let q = top; q < bottom; q++)
          for (let k = left; k < right; k++) sum += weights[(head * queries + q) * keys + k];
        merged[(head * queryWords.length + row) * keyWords.length + column] = sum / (bottom - top);
      }),
    );
  return { weights: merged, heads, queries: queryWords.length, keys: keyWords.length };
}

// Vectors by position and channel, in the order of heads, positions and channels of a head.
function headsFirst(x, headDim, heads) {
  const positions = x.length / (heads * headDim);
  const y = new Float32Array(x.length);
  for (let head = 0; head < heads; head++)
    for (let place = 0; place < positions; place++) {
      const from = (place * heads + head) * headDim;
      y.set(x.subarray(from, from + headDim), (head * positions + place) * headDim);
    }
  return y;
}

// The logits of each position; <pad> and <s> are never generated.
function positionLogits(logits, positions) {
  const size = logits.length / positions;
  return Array.from({ length: positions }, (_, place) => {
    const row = logits.slice(place * size, (place + 1) * size);
    row[PAD] = row[BOS] = -Infinity;
    return row;
  });
}

function likelihoodOf(rows, ids, tokenizer, temperatures) {
  const best = rows.map((row) => largestOf(row, Math.min(LIKELIHOOD_CANDIDATES, row.length - 2)));
  const logSum = (row, temperature) => {
    const most = row.reduce((a, b) => Math.max(a, b), -Infinity) / temperature;
    return most + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit / temperature - most), 0));
  };
  return {
    logits: rows.map((row, place) => row[ids[place]]),
    candidates: best.map((tokens) => tokenizer.shown(tokens)),
    candidateLogits: best.map((tokens, place) => tokens.map((token) => rows[place][token])),
    logSums: rows.map((row) => temperatures.map((temperature) => logSum(row, temperature))),
  };
}

// The output layer applied to the state after each layer of the decoder (logit lens).
function lensOf(model, states, ids, tokenizer) {
  const names = Object.keys(states).filter((name) => name.startsWith("decoder."));
  const shares = names.map((name) =>
    positionLogits(model.embedding.logits(model.stack.norm(states[name])), ids.length).map((row) =>
      logSoftmax(row).map(Math.exp),
    ),
  );
  const best = shares.map((rows) => rows.map((row) => largestOf(row, Math.min(LENS_CANDIDATES, row.length - 2))));
  const own = shares.map((rows) => rows.map((row, place) => row[ids[place]]));
  return {
    layers: names.map((name) => (name === "decoder.embedding" ? "embedding" : name.replace("decoder.", "layer "))),
    candidates: best.map((rows) => rows.map((tokens) => tokenizer.shown(tokens))),
    candidateProbabilities: best.map((rows, layer) =>
      rows.map((tokens, place) => tokens.map((token) => shares[layer][place][token])),
    ),
    probabilities: own,
    ranks: shares.map((rows, layer) =>
      rows.map((row, place) => row.reduce((rank, share) => rank + (share > own[layer][place] ? 1 : 0), 0)),
    ),
  };
}

// given: the source as { input, pieces, grid, image, text }: what the encoder reads, null without one; its tokens, or
// labels of its patches; the rows and columns of patches and the address of an image, or null
// targetIds: without the end
function sentenceOf({ model, target, temperatures }, given, targetIds, targetText) {
  const record = new Recorder();
  const ids = [...targetIds, EOS];
  const logits = positionLogits(model.forward([BOS, ...targetIds], given.input, record), ids.length);
  const sides = {
    source: given.pieces,
    prefix: target.shown([BOS, ...targetIds]),
    target: target.shown(ids),
  };
  const words = Object.fromEntries(Object.entries(sides).map(([side, pieces]) => [side, wordRanges(pieces)]));
  if (given.grid) words.source = given.pieces.map((_, place) => [place, place + 1]);
  const maps = {};
  const vectors = {};
  const floats = {};
  for (const [name, map] of Object.entries(record.maps)) {
    const [queries, keys] = name.startsWith("encoder.")
      ? ["source", "source"]
      : ["target", name.endsWith(".cross") ? "source" : "prefix"];
    maps[name] = {
      entropy: entropies(map),
      wordEntropy: entropies(mergeWords(map, words[queries], words[keys])),
      bytes: Uint8Array.from(map.weights, (weight) => Math.round(255 * weight)),
    };
    const { query, key, value, headDim } = record.vectors[name];
    const groups = key.length / (map.keys * headDim);
    vectors[name] = { heads: map.heads, groups, dim: headDim };
    floats[name] = {
      query: headsFirst(query, headDim, map.heads),
      key: headsFirst(key, headDim, groups),
      value: headsFirst(value, headDim, groups),
    };
  }
  return {
    sentence: {
      sourceText: given.text,
      targetText,
      ...sides,
      words,
      grid: given.grid,
      image: given.image,
      maps,
      vectors,
      likelihood: likelihoodOf(logits, ids, target, temperatures),
      lens: lensOf(model, record.states, ids, target),
    },
    floats,
  };
}
