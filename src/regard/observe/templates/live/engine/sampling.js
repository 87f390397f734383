// Continuation of a text by sampling, as in regard.inference.decoding.Sampling and regard.inference.continuation.

const FIXED_POINT = 2 ** 52;

// The probabilities that tokens are sampled with. temperature: logits are divided by it, 0 selects the most likely
// token; topK and topP: only the most likely tokens, of a number or of a total probability; null for all
function samplingProbabilities(logits, { temperature, topK, topP }) {
  const best = largest(logits);
  const shares = new Float64Array(logits.length);
  if (temperature === 0) {
    shares[best] = 1;
    return shares;
  }
  for (let token = 0; token < shares.length; token++)
    shares[token] = Math.exp((logits[token] - logits[best]) / temperature);
  const normalise = () => {
    const total = shares.reduce((a, b) => a + b, 0);
    for (let i = 0; i < shares.length; i++) shares[i] /= total;
  };
  normalise();
  if (topK === null && topP === null) return shares;
  const order = Array.from(shares.keys()).sort((a, b) => shares[b] - shares[a]); // stable
  if (topK !== null) {
    for (const token of order.slice(topK)) shares[token] = 0;
    normalise();
  }
  if (topP !== null) {
    let before = 0;
    for (const token of order) {
      const units = Math.round(shares[token] * FIXED_POINT);
      if (before >= topP * FIXED_POINT) shares[token] = 0;
      before += units;
    }
    normalise();
  }
  return shares;
}

// A token, chosen by a number from [0, 1). Sums of integers are exact.
function drawToken(logits, sampling, uniform) {
  if (sampling.temperature === 0) return largest(logits);
  const units = samplingProbabilities(logits, sampling).map((share) => Math.round(share * FIXED_POINT));
  const drawn = Math.floor(uniform * units.reduce((a, b) => a + b, 0));
  let sum = 0;
  for (let token = 0; token < units.length; token++) {
    sum += units[token];
    if (sum > drawn) return token;
  }
  return units.length - 1;
}

// Continues a prompt of at least one token and at most the context. Yields the tokens so far, without the prompt, and
// the logits that the last of them was sampled by, until the end or `limit` tokens; returns the tokens. If the context
// is full, its last half is read again as a new beginning.
function* continueText(model, prompt, sampling, limit, seed) {
  const random = new RandomGenerator([seed, 0, 0]);
  const text = [...prompt];
  let state = model.start(null);
  let [logits] = model.extendLast(text, state);
  while (text.length - prompt.length < limit) {
    logits[PAD] = logits[BOS] = -Infinity; // never targets
    const token = drawToken(logits, sampling, random.uniform());
    if (token === EOS) break;
    text.push(token);
    yield { tokens: text.slice(prompt.length), logits };
    if (text.length - prompt.length === limit) break;
    if (state.length === model.maxLength) {
      state = model.start(null);
      [logits] = model.extendLast(text.slice(-Math.max(1, Math.floor(model.maxLength / 2))), state);
    } else {
      [logits] = model.extendLast([token], state);
    }
  }
  return { tokens: text.slice(prompt.length) };
}
