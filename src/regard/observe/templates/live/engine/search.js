// Decoding of an output given a source: greedy search and beam search, as in regard.inference.decoding. Each function
// is a generator that yields after each token, so that a page can show it and can stop, and returns a hypothesis:
// its tokens without special ones, and its log-probability (natural, the end included).

function logSoftmax(logits) {
  const most = logits[largest(logits)];
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += Math.exp(logits[i] - most);
  const log = most + Math.log(total);
  const logs = new Float64Array(logits.length);
  for (let i = 0; i < logits.length; i++) logs[i] = logits[i] - log;
  return logs;
}

function largest(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

// The places of the `count` largest values, largest first; of equal values, the first.
function largestOf(values, count) {
  const found = [];
  for (let i = 0; i < values.length; i++) {
    if (found.length === count && !(values[i] > values[found[count - 1]])) continue;
    let at = found.length === count ? count - 1 : found.length;
    for (; at > 0 && values[found[at - 1]] < values[i]; at--) found[at] = found[at - 1];
    found[at] = i;
  }
  return found;
}

// Yields the tokens so far, and the logits that the last of them was chosen by.
function* greedySearch(model, encoded, limit) {
  const state = model.start(encoded);
  const tokens = [];
  let logProbability = 0;
  for (let token = BOS; tokens.length < limit; ) {
    const [logits] = model.extendLast([token], state);
    token = largest(logits);
    logProbability += logSoftmax(logits)[token];
    if (token === EOS) break;
    tokens.push(token);
    yield { tokens: [...tokens], logits };
  }
  return { tokens, logProbability };
}

// Wu et al. 2016, equation 14.
const lengthPenalty = (length, alpha) => ((5 + length) / 6) ** alpha;

// Keeps `beamSize` open prefixes (Wu et al. 2016, section 7); see regard.inference.decoding.beam_search for when it
// stops. Yields the tokens of the best open prefix.
function* beamSearch(model, encoded, limit, beamSize, alpha) {
  let state = model.start(encoded, beamSize);
  // All prefixes are the same at first: only one of them is extended.
  let prefixes = Array.from({ length: beamSize }, (_, row) => ({ tokens: [], score: row ? -Infinity : 0 }));
  let best = { tokens: [], logProbability: -Infinity };
  let bestScore = -Infinity;
  let finished = 0;
  const finish = ({ tokens, score }, length) => {
    finished += 1;
    const normalised = score / lengthPenalty(length, alpha);
    if (normalised > bestScore) [bestScore, best] = [normalised, { tokens, logProbability: score }];
  };
  for (let length = 1; length <= limit; length++) {
    const rows = model.extendLast(
      prefixes.map(({ tokens }) => (tokens.length ? tokens[tokens.length - 1] : BOS)),
      state,
    );
    const extended = rows.flatMap((logits, row) => {
      if (prefixes[row].score === -Infinity) return [];
      const logs = logSoftmax(logits);
      return largestOf(logs, 2 * beamSize).map((token) => ({ row, token, score: prefixes[row].score + logs[token] }));
    });
    // At most one extension of each prefix ends, so that enough of these do not.
    const top = extended.sort((a, b) => b.score - a.score).slice(0, 2 * beamSize);
    for (const { row, token, score } of top.slice(0, beamSize))
      if (token === EOS) finish({ tokens: prefixes[row].tokens, score }, length);
    const open = top.filter(({ token }) => token !== EOS).slice(0, beamSize);
    prefixes = open.map(({ row, token, score }) => ({ tokens: [...prefixes[row].tokens, token], score }));
    // Log-probabilities only decrease, and the length penalty is largest at the limit.
    const hopeless = prefixes[0].score / lengthPenalty(limit, alpha) <= bestScore;
    const behind = prefixes[0].score / lengthPenalty(length, alpha) <= bestScore;
    if (hopeless || (behind && finished >= beamSize)) break;
    if (length === limit) prefixes.forEach((prefix) => finish(prefix, length));
    else yield { tokens: prefixes[0].tokens };
    state = state.reorder(open.map(({ row }) => row));
  }
  return best;
}

// The most likely output, with a beam of 1 by greedy search.
function search(model, encoded, limit, beamSize, alpha) {
  return beamSize === 1 ? greedySearch(model, encoded, limit) : beamSearch(model, encoded, limit, beamSize, alpha);
}
