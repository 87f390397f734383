// UTF-8, as SentencePiece reads it.

const UTF8_SPACE = [0xe2, 0x96, 0x81]; // of ▁, which stands for a space in pieces
const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // keeps U+FEFF

const bytesOf = (text) => utf8Encoder.encode(text);
const textOf = (bytes) => utf8Decoder.decode(Uint8Array.from(bytes));

// Lone surrogates, which UTF-8 cannot encode, become ?, as in Python.
const withoutSurrogates = (text) => text.replace(/\p{Surrogate}/gu, "?");

// Number of bytes that the first byte of a character announces.
function announcedLength(first) {
  if (first < 0xc0) return 1;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

// Number of bytes of the character at a position; 0 if it is malformed.
function characterLength(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return 1;
  const length = announcedLength(first);
  if (length === 1 || at + length > bytes.length) return 0;
  let code = first & (0xff >> (length + 1));
  for (let i = 1; i < length; i++) {
    if ((bytes[at + i] & 0xc0) !== 0x80) return 0;
    code = (code << 6) | (bytes[at + i] & 0x3f);
  }
  const shortest = [0, 0, 0x80, 0x800, 0x10000][length];
  return code < shortest || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : length;
}

// The text of bytes. Each malformed byte becomes one replacement character, unlike in TextDecoder.
function lenientTextOf(bytes) {
  let text = "";
  let start = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at);
    if (length) {
      at += length;
    } else {
      text += textOf(bytes.slice(start, at)) + "\ufffd";
      start = ++at;
    }
  }
  return text + textOf(bytes.slice(start));
}

function bytesOfBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
