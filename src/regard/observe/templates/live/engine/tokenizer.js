// Text to token ids and back, with the ids of SentencePiece (Kudo and Richardson 2018).

const PAD = 0;
const BOS = 1;
const EOS = 2;
const UNK = 3;
const SPACE = "\u2581";
const UNKNOWN_SHOWN = " \u2047 ";
const NORMAL_TYPE = "1";
const UNKNOWN_TYPE = "2";
const CONTROL_TYPE = "3";
const USER_TYPE = "4";
const UNUSED_TYPE = "5";
const BYTE_TYPE = "6";

// The pieces of a model: a type, a character of `types`, and a score for each.
class Vocabulary {
  constructor({ pieces, types, scores }) {
    this.pieces = pieces;
    this.types = types;
    this.scores = Float32Array.from(scores);
    this.members = new Prefixes(); // pieces that a text can have
    this.userDefined = new Prefixes();
    this.byName = new Map(pieces.map((piece, id) => [piece, id]));
    this.byByte = new Int32Array(256).fill(UNK);
    pieces.forEach((piece, id) => {
      const type = types[id];
      if (type === BYTE_TYPE) this.byByte[parseInt(piece.slice(3, 5), 16)] = id;
      if (!(NORMAL_TYPE + USER_TYPE + UNUSED_TYPE).includes(type)) return;
      this.members.add(bytesOf(piece), id);
      if (type === USER_TYPE) this.userDefined.add(bytesOf(piece), id);
    });
    const normal = this.scores.filter((_, id) => types[id] === NORMAL_TYPE);
    this.lowestScore = normal.reduce((a, b) => Math.min(a, b), Infinity);
    this.highestScore = normal.reduce((a, b) => Math.max(a, b), -Infinity);
  }

  isUnused(id) {
    return this.types[id] === UNUSED_TYPE;
  }

  isUserDefined(id) {
    return this.types[id] === USER_TYPE;
  }

  // The id of a part of the bytes; null if it is not a piece.
  find(bytes, start, end) {
    const id = this.byName.get(textOf(bytes.slice(start, end)));
    return id === undefined || this.types[id] === UNKNOWN_TYPE ? null : id;
  }

  // The id of a part of the bytes that pairs may merge to; undefined if it is not one.
  mergeable(bytes, start, end) {
    const id = this.find(bytes, start, end);
    return id === null || this.types[id] === CONTROL_TYPE || this.types[id] === BYTE_TYPE ? undefined : id;
  }

  isByte(id) {
    return this.types[id] === BYTE_TYPE;
  }
}

class Tokenizer {
  constructor(description) {
    this.description = description;
    this.vocabulary = new Vocabulary(description);
    this.normalizer = new Normalizer(description, this.vocabulary.userDefined);
    this.segment = SEGMENTATIONS[description.kind];
  }

  // The ids of a text, without special tokens.
  encode(text) {
    const given = withoutSurrogates(text);
    const standIn = this.standIn(given);
    if (standIn === null) return this.segmented(given);
    return this.withSpaceSigns(this.segmented(given.replaceAll(SPACE, standIn)), standIn);
  }

  segmented(text) {
    const { byByte } = this.vocabulary;
    const bytes = this.normalizer.normalize(bytesOf(text));
    const ids = [];
    let afterUnknown = false;
    for (const [id, start, end] of this.segment(this.vocabulary, bytes)) {
      if (id !== null) ids.push(id);
      else if (this.description.byte_fallback) for (let at = start; at < end; at++) ids.push(byByte[bytes[at]]);
      else if (!afterUnknown) ids.push(UNK); // one token for a run of unknown characters
      afterUnknown = id === null;
    }
    return ids;
  }

  // A character that replaces ▁, which would be decoded as a space, before the text is encoded: the last private one
  // of Unicode that neither text nor vocabulary has. null if there is no ▁ or no bytes (regard.data.tokenizer.space_sign)
  standIn(text) {
    if (!text.includes(SPACE) || this.vocabulary.byByte[UTF8_SPACE[0]] === UNK) return null;
    for (let code = 0x10fffd; code > 0x10feff; code--) {
      const character = String.fromCodePoint(code);
      if (!text.includes(character) && !this.vocabulary.byName.has(character)) return character;
    }
    return null;
  }

  withSpaceSigns(ids, standIn) {
    const idsOf = (character) => [...bytesOf(character)].map((byte) => this.vocabulary.byByte[byte]);
    const [hidden, revealed] = [idsOf(standIn), idsOf(SPACE)];
    const out = [];
    for (let at = 0; at < ids.length; ) {
      const isHidden = hidden.every((id, i) => ids[at + i] === id);
      out.push(...(isHidden ? revealed : [ids[at]]));
      at += isHidden ? hidden.length : 1;
    }
    return out;
  }

  // The text of ids, without pad, bos and eos.
  decode(ids) {
    const { vocabulary, description } = this;
    const strips = description.add_dummy_prefix || description.remove_extra_whitespaces;
    let text = "";
    let bytes = [];
    let isBegin = true;
    let stripped = false;
    const flush = () => {
      text += lenientTextOf(bytes);
      bytes = [];
    };
    for (const id of ids) {
      if (id === PAD || id === BOS || id === EOS) continue;
      if (vocabulary.isByte(id)) {
        bytes.push(parseInt(vocabulary.pieces[id].slice(3, 5), 16));
        continue;
      }
      flush();
      if (stripped || text) isBegin = false;
      stripped = false;
      if (vocabulary.types[id] === CONTROL_TYPE) continue;
      if (vocabulary.types[id] === UNKNOWN_TYPE) {
        text += UNKNOWN_SHOWN;
        continue;
      }
      let piece = vocabulary.pieces[id];
      if (isBegin && strips && piece.startsWith(SPACE)) {
        piece = piece.slice(1);
        stripped = !description.remove_extra_whitespaces;
      }
      text += piece.replaceAll(SPACE, " ");
    }
    flush();
    return text;
  }

  // A readable piece for each id: ▁ is a space, ↵ a newline.
  shown(ids) {
    const isHidden = /(?! )[\p{C}\p{Z}]/gu;
    const code = (character) => character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    return Array.from(ids, (id) =>
      this.vocabulary.pieces[id].replaceAll("\n", "\u21b5").replace(isHidden, (character) => `<U+${code(character)}>`),
    );
  }
}
