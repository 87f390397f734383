// Segmentation of a normalised text: a function from bytes to [id, first byte, end] of each piece, for each kind of
// SentencePiece model. The id of unknown text is null.

// Characters, and the pieces of the user as a whole.
function characters(bytes, userDefined) {
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const whole = userDefined.longest(bytes, at);
    const end = Math.min(bytes.length, at + (whole || announcedLength(bytes[at])));
    found.push({ start: at, end, frozen: whole > 0 });
    at = end;
  }
  return found;
}

function segmentCharacters(vocabulary, bytes) {
  return characters(bytes, vocabulary.userDefined).map(({ start, end }) => [
    vocabulary.find(bytes, start, end),
    start,
    end,
  ]);
}

// Byte-pair encoding (Sennrich et al. 2016): merge the best pair until no pair is a piece.
function segmentPairs(vocabulary, bytes) {
  const symbols = characters(bytes, vocabulary.userDefined);
  symbols.forEach((symbol, i) => Object.assign(symbol, { before: i - 1, after: i + 1 }));
  const open = new PairQueue();
  const mergedFrom = new Map(); // pieces that are only steps to longer ones -> their two parts
  const offer = (left, right) => {
    if (left < 0 || right >= symbols.length || symbols[left].frozen || symbols[right].frozen) return;
    const { start } = symbols[left];
    const { end } = symbols[right];
    const id = vocabulary.mergeable(bytes, start, end);
    if (id === undefined) return;
    open.push({ left, right, score: vocabulary.scores[id], size: end - start });
    if (vocabulary.isUnused(id)) mergedFrom.set(id, symbols[left].end - start);
  };
  for (let right = 1; right < symbols.length; right++) offer(right - 1, right);
  for (let top = open.pop(); top; top = open.pop()) {
    const left = symbols[top.left];
    const right = symbols[top.right];
    // A symbol that was merged since is now empty or longer.
    if (left.start === left.end || right.start === right.end || right.end - left.start !== top.size) continue;
    left.end = right.end;
    left.after = right.after;
    if (left.after < symbols.length) symbols[left.after].before = top.left;
    right.start = right.end;
    offer(left.before, top.left);
    offer(top.left, left.after);
  }
  const found = [];
  const add = (start, end) => {
    const id = vocabulary.find(bytes, start, end);
    if (id !== null && vocabulary.isUnused(id) && mergedFrom.has(id)) {
      const middle = start + mergedFrom.get(id);
      add(start, middle);
      add(middle, end);
    } else {
      found.push([id, start, end]);
    }
  };
  for (let at = 0; at < symbols.length; at = symbols[at].after) add(symbols[at].start, symbols[at].end);
  return found;
}

// A binary heap of pairs: the highest score first, then the leftmost.
class PairQueue {
  constructor() {
    this.pairs = [];
  }

  static precedes(a, b) {
    return a.score > b.score || (a.score === b.score && a.left < b.left);
  }

  push(pair) {
    const { pairs } = this;
    let at = pairs.push(pair) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!PairQueue.precedes(pair, pairs[parent])) break;
      pairs[at] = pairs[parent];
      at = parent;
    }
    pairs[at] = pair;
  }

  pop() {
    const { pairs } = this;
    const top = pairs[0];
    const last = pairs.pop();
    if (pairs.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= pairs.length) break;
      if (child + 1 < pairs.length && PairQueue.precedes(pairs[child + 1], pairs[child])) child++;
      if (!PairQueue.precedes(pairs[child], last)) break;
      pairs[at] = pairs[child];
      at = child;
    }
    pairs[at] = last;
    return top;
  }
}

const UNKNOWN_PENALTY = 10;

// The most likely segmentation under a unigram model (Kudo 2018), by the algorithm of Viterbi. Sums are rounded to
// float32 where SentencePiece rounds them: of segmentations with nearly equal scores, the same one is chosen.
function segmentMostLikely(vocabulary, bytes) {
  const bestScore = new Float32Array(bytes.length + 1);
  const begin = new Int32Array(bytes.length + 1).fill(-1);
  const chosen = new Array(bytes.length + 1).fill(null);
  const unknownScore = Math.fround(vocabulary.lowestScore - UNKNOWN_PENALTY);
  const offer = (start, end, id, score) => {
    if (begin[end] !== -1 && score <= bestScore[end]) return;
    bestScore[end] = score;
    begin[end] = start;
    chosen[end] = id;
  };
  for (let start = 0; start < bytes.length; ) {
    const here = bestScore[start];
    const end = Math.min(bytes.length, start + announcedLength(bytes[start]));
    let isKnown = false;
    vocabulary.members.visit(bytes, start, (id, stop) => {
      if (vocabulary.isUnused(id)) return;
      const own = vocabulary.isUserDefined(id)
        ? Math.fround((stop - start) * vocabulary.highestScore) - 0.1
        : vocabulary.scores[id];
      offer(start, stop, id, own + here);
      isKnown ||= stop === end;
    });
    if (!isKnown) offer(start, end, null, Math.fround(unknownScore + here));
    start = end;
  }
  const found = [];
  for (let end = bytes.length; end > 0; end = begin[end]) found.push([chosen[end], begin[end], end]);
  return found.reverse();
}

const SEGMENTATIONS = { bpe: segmentPairs, unigram: segmentMostLikely, char: segmentCharacters };
