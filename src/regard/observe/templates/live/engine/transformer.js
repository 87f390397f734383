// The whole model: p(next token | prefix, source), from its description and its weights.

// Embedding of tokens and their positions, and the output layer, which has the same matrix.
class Embedding {
  constructor(weights, { name, positions }, { dim, max_length: maxLength }) {
    this.tokens = weights.matrix(`${name}.tokens.weight`);
    this.table = positionTable(weights, `${name}.positions`, positions, maxLength, dim);
    this.dim = dim;
  }

  // The vectors of tokens, in the order of `step`.
  vectors(tokens, step) {
    const x = new Float32Array(tokens.length * this.dim);
    step.each((row, position, slot, index) => {
      const vector = matrixRow(this.tokens, tokens[index], Math.sqrt(this.dim));
      if (this.table) for (let i = 0; i < this.dim; i++) vector[i] += this.table[position * this.dim + i];
      x.set(vector, index * this.dim);
    });
    return x;
  }

  logits(hidden) {
    return multiply(this.tokens, hidden);
  }
}

// A stack of layers in which every position attends to the whole sentence.
class SentenceEncoder {
  constructor(weights, description, sizes) {
    this.embedding = new Embedding(weights, description.embedding, sizes);
    this.stack = new Stack(weights, "encoder", description);
  }

  encode(tokens, record) {
    const step = Step.whole(tokens.length);
    const x = this.embedding.vectors(tokens, step);
    return this.stack.extend(x, step, this.stack.initialStates(1), null, record);
  }
}

const ENCODERS = { text: SentenceEncoder, patches: PatchEncoder };

// The state of decoding: the prefixes of some rows, and what the layers keep of them.
class DecoderState {
  constructor(stack, layers, memory, slots, size) {
    Object.assign(this, { stack, layers, memory, slots, size });
  }

  get length() {
    return this.slots[0].length;
  }

  // The state in which row i continues the present row rows[i]. This state is consumed.
  reorder(rows) {
    const layers = this.layers.map((state, number) => this.stack.layers[number].mixer.reorder(state, rows));
    return new DecoderState(this.stack, layers, this.memory, rows.map((row) => this.slots[row]), this.size);
  }

  // The step in which each row reads `count` more positions, after which this state is the one to continue.
  next(count) {
    const past = this.length;
    this.slots = this.slots.map((before, row) => {
      const slots = new Int32Array(past + count);
      slots.set(before);
      for (let i = 0; i < count; i++) slots[past + i] = this.size + row * count + i;
      return slots;
    });
    this.size += this.slots.length * count;
    return new Step(this.slots.length, count, past, this.slots, this.size);
  }
}

class Transformer {
  constructor(description, weights) {
    const { encoder, decoder } = description;
    this.description = description;
    this.maxLength = description.max_length;
    this.encoder = encoder && new ENCODERS[encoder.kind](weights, encoder, description);
    this.embedding = new Embedding(weights, decoder.embedding, description);
    this.stack = new Stack(weights, "decoder", decoder);
  }

  // The vectors of a source, given its tokens or its pixels.
  encode(source, record = null) {
    return this.encoder.encode(source, record && record.under("encoder"));
  }

  // The state of empty prefixes; `encoded` is null without an encoder.
  start(encoded, rows = 1) {
    const memory = encoded && this.stack.memory(encoded);
    const slots = Array.from({ length: rows }, () => new Int32Array(0));
    return new DecoderState(this.stack, this.stack.initialStates(rows), memory, slots, 0);
  }

  // The final vectors of the next tokens, as many for each row of `state`, which is updated.
  extend(tokens, state, record = null) {
    const step = state.next(tokens.length / state.slots.length);
    const below = record && record.under("decoder");
    const x = this.embedding.vectors(tokens, step);
    if (below) below.under("embedding").state(x);
    return this.stack.extend(x, step, state.layers, state.memory, below);
  }

  // The logits of the token after the last of the next tokens, one array for each row.
  extendLast(tokens, state) {
    const hidden = this.extend(tokens, state);
    const { dim } = this.embedding;
    const rows = state.slots.length;
    const each = hidden.length / rows;
    return Array.from({ length: rows }, (_, row) =>
      this.embedding.logits(hidden.subarray((row + 1) * each - dim, (row + 1) * each)),
    );
  }

  // The logits after each token of a prefix, given the source, or null without an encoder.
  forward(prefix, source, record = null) {
    const encoded = this.encoder && this.encode(source, record);
    return this.embedding.logits(this.extend(prefix, this.start(encoded), record));
  }
}
