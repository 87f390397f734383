// Attention: queries ask, keys answer, values pass (Vaswani et al. 2017, section 3.2).

// Keys and values of positions: in each row, the keys of all groups and then their values. A row has a number, its
// slot. Prefixes are lists of slots, so that the beams of a search share the rows of what they have in common.
class KeyValueCache {
  constructor(width) {
    this.width = width; // of the keys, and of the values
    this.rows = new Float32Array(0);
  }

  // Room for a number of slots.
  reserve(slots) {
    const needed = slots * 2 * this.width;
    if (needed <= this.rows.length) return;
    const larger = new Float32Array(Math.max(needed, 2 * this.rows.length));
    larger.set(this.rows);
    this.rows = larger;
  }

  write(slot, row) {
    this.rows.set(row, slot * 2 * this.width);
  }
}

// softmax(Q K^T / sqrt(d)) V of one query at `offset` of `query`, whose result is at the same place of `out`. It attends
// to the first `count` of `slots`. `map`: where the weights of the query with the number `number` are recorded, or null.
function attend({ heads, groups, headDim }, query, offset, rows, slots, count, out, map, number) {
  const width = groups * headDim;
  const share = heads / groups;
  const factor = 1 / Math.sqrt(headDim);
  const scores = new Float64Array(count);
  for (let head = 0; head < heads; head++) {
    const asks = offset + head * headDim;
    const group = Math.floor(head / share) * headDim;
    let most = -Infinity;
    for (let key = 0; key < count; key++) {
      const answers = slots[key] * 2 * width + group;
      let score = 0;
      for (let i = 0; i < headDim; i++) score += query[asks + i] * rows[answers + i];
      scores[key] = score * factor;
      if (scores[key] > most) most = scores[key];
    }
    let total = 0;
    for (let key = 0; key < count; key++) total += scores[key] = Math.exp(scores[key] - most);
    for (let key = 0; key < count; key++) {
      const weight = scores[key] / total;
      const passes = slots[key] * 2 * width + width + group;
      for (let i = 0; i < headDim; i++) out[asks + i] += weight * rows[passes + i];
      if (map) map.weights[(head * map.queries + number) * map.keys + key] = weight;
    }
  }
}

// An empty map for `attend`, and the record of it with its vectors afterwards.
function emptyMap({ heads }, queries, keys) {
  return { weights: new Float32Array(heads * queries * keys), heads, queries, keys };
}

function recordAttention(record, sizes, map, query, rows, slots) {
  const width = sizes.groups * sizes.headDim;
  const key = new Float32Array(map.keys * width);
  const value = new Float32Array(map.keys * width);
  for (let i = 0; i < map.keys; i++) {
    const at = slots[i] * 2 * width;
    key.set(rows.subarray(at, at + width), i * width);
    value.set(rows.subarray(at + width, at + 2 * width), i * width);
  }
  record.attention(map, { query, key, value, headDim: sizes.headDim });
}

// The projections of multi-head attention.
class MultiHeadAttention {
  constructor(weights, prefix, { heads, groups }) {
    this.query = weights.linear(`${prefix}.query`);
    this.keyValue = weights.linear(`${prefix}.key_value`);
    this.output = weights.linear(`${prefix}.output`);
    this.sizes = { heads, groups, headDim: this.query.rows / heads };
    this.width = groups * this.sizes.headDim;
  }
}

// Self-attention as a mixer, see layers.js. Queries and keys are rotated by position if there is a base of angles.
class SelfAttention extends MultiHeadAttention {
  constructor(weights, prefix, options) {
    super(weights, `${prefix}.attention`, options);
    this.causal = options.causal;
    this.base = options.rotary_base;
  }

  initialState() {
    return new KeyValueCache(this.width);
  }

  reorder(cache) {
    return cache;
  }

  extend(x, step, cache, record) {
    const { heads, groups, headDim } = this.sizes;
    const query = multiply(this.query, x);
    const keyValue = multiply(this.keyValue, x);
    const dim = this.query.rows;
    cache.reserve(step.size);
    step.each((row, position, slot, index) => {
      if (this.base !== null) {
        rotate(query, index * dim, heads, headDim, this.base, position);
        rotate(keyValue, index * 2 * this.width, groups, headDim, this.base, position);
      }
      cache.write(slot, keyValue.subarray(index * 2 * this.width, (index + 1) * 2 * this.width));
    });
    const out = new Float32Array(query.length);
    const end = step.past + step.count;
    const map = record && emptyMap(this.sizes, step.count, end);
    step.each((row, position, slot, index) => {
      const count = this.causal ? position + 1 : end;
      attend(this.sizes, query, index * dim, cache.rows, step.slots[row], count, out, map, index);
    });
    if (record) recordAttention(record, this.sizes, map, query, cache.rows, step.slots[0]);
    return multiply(this.output, out);
  }
}

// Attention to the encoded source.
class CrossAttention extends MultiHeadAttention {
  // Keys and values of the source, projected once.
  memory(encoded) {
    const rows = multiply(this.keyValue, encoded);
    const length = rows.length / (2 * this.width);
    return { rows, length, slots: Int32Array.from({ length }, (_, i) => i) };
  }

  extend(x, memory, record) {
    const query = multiply(this.query, x);
    const out = new Float32Array(query.length);
    const queries = query.length / this.query.rows;
    const map = record && emptyMap(this.sizes, queries, memory.length);
    for (let i = 0; i < queries; i++)
      attend(this.sizes, query, i * this.query.rows, memory.rows, memory.slots, memory.length, out, map, i);
    if (record) recordAttention(record, this.sizes, map, query, memory.rows, memory.slots);
    return multiply(this.output, out);
  }
}
