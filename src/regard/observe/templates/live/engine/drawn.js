// The attention of a drawing for the views: the values of regard.observe.draw.drawing.packing.pack_drawing.

const relative = (weight, top) => Math.round((255 * weight) / Math.max(top, 1e-12));

// Maps of a kind by layer, from records: [{ name: map }].
const byLayer = (maps, kind) =>
  Object.keys(maps)
    .filter((name) => name.startsWith(kind[0]) && name.endsWith(kind[1]))
    .sort((a, b) => Number(a.split(".")[1]) - Number(b.split(".")[1]));

// Patches attend to words: the mean over the steps, then each step; weights relative to the largest of a head and word.
function packCross(maps, words) {
  const [{ heads, queries, keys }] = maps;
  const size = heads * queries * words.length;
  const all = new Float32Array((1 + maps.length) * size);
  const tops = Array.from({ length: heads }, () => words.map(() => 0));
  maps.forEach(({ weights }, step) => {
    for (let row = 0; row < heads * queries; row++)
      words.forEach(([from, to], word) => {
        let sum = 0;
        for (let key = from; key < to; key++) sum += weights[row * keys + key];
        all[(1 + step) * size + row * words.length + word] = sum;
        all[row * words.length + word] += sum / maps.length;
      });
  });
  const place = (i) => [Math.floor(i / words.length / queries) % heads, i % words.length];
  all.forEach((weight, i) => {
    const [head, word] = place(i);
    tops[head][word] = Math.max(tops[head][word], weight);
  });
  const bytes = Uint8Array.from(all, (weight, i) => {
    const [head, word] = place(i);
    return relative(weight, tops[head][word]);
  });
  return { tops, bytes };
}

// A map between positions of one kind: weights relative to the largest of a head and query.
function packSelf({ weights, heads, queries, keys }) {
  const tops = Array.from({ length: heads }, (_, head) =>
    Array.from({ length: queries }, (_, query) => {
      const row = (head * queries + query) * keys;
      return weights.subarray(row, row + keys).reduce((a, b) => Math.max(a, b), 0);
    }),
  );
  const top = (i) => tops[Math.floor(i / keys / queries)][Math.floor(i / keys) % queries];
  return { tops, bytes: Uint8Array.from(weights, (weight, i) => relative(weight, top(i))) };
}

function meanMap(maps) {
  const weights = new Float32Array(maps[0].weights.length);
  for (const map of maps) map.weights.forEach((weight, i) => (weights[i] += weight / maps.length));
  return { ...maps[0], weights };
}

// records: a Recorder for each step; ofPrompt: the Recorder of the encoder
function attentionOf(records, ofPrompt, pieces) {
  const words = wordRanges(pieces);
  const [first] = records;
  const overSteps = (name) => records.map(({ maps }) => maps[name]);
  return {
    words: words.map(([from, to]) => pieces.slice(from, to).join("")),
    cross: byLayer(first.maps, ["decoder.", ".cross"]).map((name) => packCross(overSteps(name), words)),
    patches: byLayer(first.maps, ["decoder.", ".self"]).map((name) => packSelf(meanMap(overSteps(name)))),
    between: byLayer(ofPrompt.maps, ["encoder.", ".self"]).map((name) =>
      packSelf(mergeWords(ofPrompt.maps[name], words, words)),
    ),
  };
}
