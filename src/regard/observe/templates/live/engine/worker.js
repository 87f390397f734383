// Messages between the page and the worker. Each request has an `id`, which its answers repeat. A new request ends the
// one before. A failure is answered with { kind: "error", id, message }.
//
// load       { description, weights }, from regard.exchange.page.live -> ready { seconds, deviation }: the largest
//            difference between results here and in PyTorch, for an example in the description
// translate  { text, beamSize, alpha } -> token..., done
// describe   { pixels, beamSize, alpha }: an image of the size of the encoder, bytes by row, column and channel -> token...,
//            done
// continue   { text, temperature, topK, topP, limit, seed } -> token..., done
// next       { text, temperature, topK, topP } -> next { candidates }: of the token after the text
// trace      { text, output, tokens }: a source, its translation, and the tokens of the translation if they are known;
//            of a language model, only `output`; of an image, also its `pixels` and its address, `image` -> traced {
//            sentence, floats }, see sentence.js
// draw       { text, seed, steps, guidance, solver } -> step { number, time, noisy, predicted }..., drawn { drawing, image,
//            wasCut, seconds }: images as bytes of RGB, and the attention of drawn.js
// stop       {}
//
// token      { text, tokens, pieces, candidates }: the output so far, and what its last token was chosen from: the most
//            likely tokens and the token itself, with their probabilities; null in a beam search
// done       { text, tokens, pieces, wasCut, firstSeconds, seconds }: of a source or prompt that was too long, a part was
//            used

const SHOWN_CANDIDATES = 10;
const PLAIN_SAMPLING = { temperature: 1, topK: null, topP: null };

let live = null;
let latest = null;

// Lets the worker receive messages.
const channel = new MessageChannel();
function pause() {
  return new Promise((resolve) => {
    channel.port1.onmessage = resolve;
    channel.port2.postMessage(null);
  });
}

// The most likely tokens; with the `chosen` one at the end, if it is another.
function candidatesOf(logits, sampling, chosen = null) {
  const shown = logits.slice();
  shown[PAD] = shown[BOS] = -Infinity;
  const shares = samplingProbabilities(shown, sampling);
  const likely = largestOf(shares, SHOWN_CANDIDATES).filter((token) => shares[token] > 0);
  return (chosen === null || likely.includes(chosen) ? likely : [...likely, chosen]).map(
    (token) => ({ token, piece: live.target.shown([token])[0], probability: shares[token] }),
  );
}

// Runs a search to its end, and posts what it yields. makeSteps: starts it; textOf: from the tokens of the output
async function post(id, makeSteps, sampling, textOf, wasCut) {
  const begin = performance.now();
  const seconds = () => (performance.now() - begin) / 1000;
  let firstSeconds = null;
  const steps = makeSteps();
  for (;;) {
    const { done, value } = steps.next();
    const { tokens, logits = null } = value;
    firstSeconds ??= seconds();
    const found = { id, text: textOf(tokens), tokens, pieces: live.target.shown(tokens) };
    if (done) {
      postMessage({ kind: "done", ...found, wasCut, firstSeconds, seconds: seconds() });
      return;
    }
    postMessage({ kind: "token", ...found, candidates: logits && candidatesOf(logits, sampling, tokens.at(-1)) });
    await pause();
    if (latest !== id) return;
  }
}

// The tokens of a source with its end, and whether they were cut to the limit of the model.
function readSource(text) {
  const ids = live.source.encode(text);
  const most = live.model.maxLength - 1;
  return { ids: [...ids.slice(0, most), EOS], wasCut: ids.length > most };
}

// The source of a message for the views.
function givenSource({ text = "", pixels, image }) {
  const { encoder } = live.model;
  if (!encoder) return { input: null, pieces: [], grid: null, image: null, text };
  if (!pixels) {
    const { ids } = readSource(text);
    return { input: ids, pieces: live.source.shown(ids), grid: null, image: null, text };
  }
  const { grid } = encoder.description;
  const pieces = Array.from({ length: grid[0] * grid[1] }, (_, place) =>
    `${Math.floor(place / grid[1]) + 1},${(place % grid[1]) + 1}`,
  );
  return { input: pixels, pieces, grid, image, text };
}

// The tokens of a prompt: the end of one that is longer than the context.
function readPrompt(text) {
  const ids = live.target.encode(text);
  const begin = live.begins ? [BOS] : [];
  const most = live.model.maxLength - begin.length;
  const kept = [...begin, ...ids.slice(-most)];
  return { ids: kept.length ? kept : [BOS], wasCut: ids.length > most };
}

const MODELS = { transformer: Transformer, denoiser: Denoiser };

const REQUESTS = {
  load({ id, description, weights }) {
    const begin = performance.now();
    const { kind, model, tensors, source, target, begins, temperatures, reference } = description;
    const tokenizer = new Tokenizer(target);
    live = {
      model: new MODELS[kind](model, new Weights(tensors, bytesOfBase64(weights).buffer)),
      source: source ? new Tokenizer(source) : tokenizer,
      target: tokenizer,
      begins,
      temperatures,
    };
    // This also lets the browser compile most functions before the first request.
    const deviation = deviationFrom(live.model, kind, reference);
    postMessage({ kind: "ready", id, seconds: (performance.now() - begin) / 1000, deviation });
  },

  translate({ id, text, beamSize, alpha }) {
    const { ids, wasCut } = readSource(text);
    const limit = Math.min(2 * ids.length + 10, live.model.maxLength - 1);
    const makeSteps = () => search(live.model, live.model.encode(ids), limit, beamSize, alpha);
    return post(id, makeSteps, PLAIN_SAMPLING, (tokens) => live.target.decode(tokens), wasCut);
  },

  describe({ id, pixels, beamSize, alpha }) {
    const makeSteps = () => search(live.model, live.model.encode(pixels), live.model.maxLength - 1, beamSize, alpha);
    return post(id, makeSteps, PLAIN_SAMPLING, (tokens) => live.target.decode(tokens), false);
  },

  continue({ id, text, limit, seed, ...sampling }) {
    const { ids, wasCut } = readPrompt(text);
    const before = live.target.decode(ids).length;
    const textOf = (tokens) => live.target.decode([...ids, ...tokens]).slice(before);
    return post(id, () => continueText(live.model, ids, sampling, limit, seed), sampling, textOf, wasCut);
  },

  next({ id, text, ...sampling }) {
    const [logits] = live.model.extendLast(readPrompt(text).ids, live.model.start(null));
    postMessage({ kind: "next", id, candidates: candidatesOf(logits, sampling) });
  },

  async draw({ id, text, seed, ...settings }) {
    const begin = performance.now();
    const { model } = live;
    const { ids, wasCut } = readSource(text);
    const ofPrompt = new Recorder();
    const records = [];
    const steps = drawImage(model, model.read(ids, ofPrompt), model.noise(seed), settings, () => {
      records.push(new Recorder());
      return records.at(-1);
    });
    for (;;) {
      const { done, value } = steps.next();
      if (done) {
        const drawing = { ...attentionOf(records, ofPrompt, live.target.shown(ids)), grid: model.grid };
        const seconds = (performance.now() - begin) / 1000;
        postMessage({ kind: "drawn", id, drawing, image: model.image(value), wasCut, seconds });
        return;
      }
      const [noisy, predicted] = [model.image(value.noisy), model.image(value.predicted)];
      postMessage({ kind: "step", id, number: value.number, time: value.time, noisy, predicted });
      await pause();
      if (latest !== id) return;
    }
  },

  trace({ id, output, tokens, ...source }) {
    const targetIds = (tokens ?? live.target.encode(output)).slice(0, live.model.maxLength - 1);
    postMessage({ kind: "traced", id, ...sentenceOf(live, givenSource(source), targetIds, output) });
  },

  stop() {},
};

onmessage = async ({ data }) => {
  latest = data.id;
  try {
    await REQUESTS[data.kind](data);
  } catch (error) {
    postMessage({ kind: "error", id: data.id, message: String(error) });
  }
};
