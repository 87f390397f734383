// Words of pieces, as in regard.observe.record.words and regard.observe.draw.packing.

const MARKS = new Set(["<pad>", "<s>", "</s>"]);
const BYTE_PIECE = /^<0x([0-9A-F]{2})>$/;
const WHITE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"; // of Python
const WHITE_ONLY = new RegExp(`^[${WHITE}]+$`);
const WORD = new RegExp(`[^${WHITE}]+`, "g");

// Each piece with spaces for its white space, and with x for bytes; never an empty string.
function plainPieces(pieces) {
  const plain = [];
  for (let at = 0; at < pieces.length; ) {
    const bytes = [];
    while (at < pieces.length && BYTE_PIECE.test(pieces[at])) bytes.push(parseInt(pieces[at++].slice(3, 5), 16));
    for (let from = 0; from < bytes.length; ) {
      const length = characterLength(bytes, from) || 1;
      const isSpace = WHITE_ONLY.test(lenientTextOf(bytes.slice(from, from + length)));
      for (let i = 0; i < length; i++) plain.push(isSpace ? " " : "x");
      from += length;
    }
    if (bytes.length > 0 || at === pieces.length) continue;
    const named = pieces[at].replace(/<U\+([0-9A-F]{4,6})>/g, (_, code) => String.fromCodePoint(parseInt(code, 16)));
    plain.push(MARKS.has(pieces[at]) ? " " : named.replaceAll(SPACE, " ").replaceAll("\u21b5", "\n") || "x");
    at += 1;
  }
  return plain;
}

// The range [first, end] of pieces of each word. White space before a word belongs to it.
function groupWords(pieces) {
  const plain = plainPieces(pieces);
  const owner = plain.flatMap((text, piece) => Array.from({ length: text.length }, () => piece));
  const groups = [];
  for (const { 0: word, index } of plain.join("").matchAll(WORD)) {
    let first = owner[index];
    const floor = groups.length ? groups[groups.length - 1][1] : 0;
    while (first > floor && !MARKS.has(pieces[first - 1]) && WHITE_ONLY.test(plain[first - 1])) first -= 1;
    groups.push([first, owner[index + word.length - 1] + 1]);
  }
  return groups;
}

// All pieces in ranges, in order: words, of which those that share a piece are one, and single pieces between them.
function wordRanges(pieces) {
  const words = [];
  for (const [first, end] of groupWords(pieces)) {
    const last = words[words.length - 1];
    if (last && first < last[1]) last[1] = end;
    else words.push([first, end]);
  }
  const ranges = [];
  let at = 0;
  for (const [first, end] of [...words, [pieces.length, pieces.length]]) {
    for (; at < first; at++) ranges.push([at, at + 1]);
    if (end > first) ranges.push([first, end]);
    at = end;
  }
  return ranges;
}
