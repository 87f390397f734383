// Normalisation of a text before it is split into pieces: SentencePiece's normalizer.cc.

// The compiled map of replacements: a double-array trie (Darts) of byte strings, and the replacements.
class CharacterMap {
  constructor(compiled) {
    const view = new DataView(compiled.buffer, compiled.byteOffset, compiled.byteLength);
    const size = view.getUint32(0, true);
    this.units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.replacements = compiled.subarray(4 + size);
  }

  // The longest rule at a position: [its length, its replacement]; null without a rule.
  find(bytes, start) {
    let found = null;
    let node = CharacterMap.offset(this.units[0]);
    for (let at = start; at < bytes.length; at++) {
      node ^= bytes[at];
      const unit = this.units[node];
      if ((unit & 0x800000ff) >>> 0 !== bytes[at]) break;
      node ^= CharacterMap.offset(unit);
      if ((unit >>> 8) & 1) found = [at + 1 - start, this.units[node] & 0x7fffffff];
    }
    if (found === null) return null;
    const [length, from] = found;
    return [length, this.replacements.subarray(from, this.replacements.indexOf(0, from))];
  }

  static offset(unit) {
    return (unit >>> 10) << ((unit & 0x200) >>> 6);
  }
}

class Normalizer {
  // settings: of the SentencePiece model; kept: Prefixes of pieces that are not normalised
  constructor(settings, kept) {
    this.settings = settings;
    this.kept = kept;
    this.map = settings.character_map ? new CharacterMap(bytesOfBase64(settings.character_map)) : null;
    this.space = settings.escape_whitespaces ? UTF8_SPACE : [0x20];
  }

  // The normalised bytes of the bytes of a text.
  normalize(bytes) {
    const { add_dummy_prefix: dummyPrefix, remove_extra_whitespaces: removeSpaces } = this.settings;
    const isSpace = ([first], length) => length === 1 && first === 0x20;
    const out = [];
    let at = 0;
    while (removeSpaces && at < bytes.length) {
      const [length, replacement] = this.replaced(bytes, at);
      if (!isSpace(replacement, replacement.length)) break;
      at += length;
    }
    if (at === bytes.length) return out;
    if (dummyPrefix) out.push(...this.space);
    let afterSpace = removeSpaces;
    while (at < bytes.length) {
      const [length, replacement] = this.replaced(bytes, at);
      at += length;
      let from = 0;
      while (afterSpace && from < replacement.length && replacement[from] === 0x20) from++;
      for (let i = from; i < replacement.length; i++) {
        if (replacement[i] === 0x20) out.push(...this.space);
        else out.push(replacement[i]);
      }
      if (from < replacement.length) afterSpace = replacement[replacement.length - 1] === 0x20;
      afterSpace &&= removeSpaces;
    }
    const endsWithSpace = () => this.space.every((byte, i) => out[out.length - this.space.length + i] === byte);
    while (removeSpaces && out.length >= this.space.length && endsWithSpace()) out.length -= this.space.length;
    return out;
  }

  // The rule at a position: [number of bytes, what replaces them]
  replaced(bytes, at) {
    const kept = this.kept.longest(bytes, at);
    if (kept) return [kept, bytes.subarray(at, at + kept)];
    const rule = this.map && this.map.find(bytes, at);
    if (rule) return rule;
    const length = characterLength(bytes, at);
    return [length, bytes.subarray(at, at + length)];
  }
}
