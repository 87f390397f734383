// Random numbers of numpy.random.default_rng: the same seed gives the same text as `regard generate`.

const MASK = (1n << 64n) - 1n;
const MASK_128 = (1n << 128n) - 1n;
const PCG_MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

// The words of a seed, mixed (numpy.random.SeedSequence, after O'Neill 2015): `count` numbers of 64 bits.
function seedWords(seed, count) {
  const entropy = seed.flatMap((number) =>
    number < 2 ** 32 ? [number] : [number % 2 ** 32 | 0, Math.floor(number / 2 ** 32)],
  );
  let factor = 0x43b0d7e5;
  const hash = (value) => {
    value ^= factor;
    factor = Math.imul(factor, 0x931e8875);
    value = Math.imul(value, factor);
    return value ^ (value >>> 16);
  };
  const mix = (x, y) => {
    const value = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) | 0;
    return value ^ (value >>> 16);
  };
  const pool = [0, 1, 2, 3].map((i) => hash(entropy[i] || 0));
  for (let source = 0; source < 4; source++)
    for (let to = 0; to < 4; to++) if (to !== source) pool[to] = mix(pool[to], hash(pool[source]));
  for (const number of entropy.slice(4)) for (let to = 0; to < 4; to++) pool[to] = mix(pool[to], hash(number));
  factor = 0x8b51f9dd;
  const halves = Array.from({ length: 2 * count }, (_, i) => {
    let value = pool[i % 4] ^ factor;
    factor = Math.imul(factor, 0x58f38ded);
    value = Math.imul(value, factor);
    return BigInt((value ^ (value >>> 16)) >>> 0);
  });
  return Array.from({ length: count }, (_, i) => halves[2 * i] | (halves[2 * i + 1] << 32n));
}

// PCG64, XSL-RR (O'Neill 2014).
class RandomGenerator {
  // seed: a list of integers
  constructor(seed) {
    const [high, low, highStream, lowStream] = seedWords(seed, 4);
    this.increment = ((((highStream << 64n) | lowStream) << 1n) | 1n) & MASK_128;
    this.state = 0n;
    this.advance();
    this.state = (this.state + ((high << 64n) | low)) & MASK_128;
    this.advance();
  }

  advance() {
    this.state = (this.state * PCG_MULTIPLIER + this.increment) & MASK_128;
  }

  // The next 64 bits.
  bits() {
    this.advance();
    const value = (this.state >> 64n) ^ (this.state & MASK);
    const turn = this.state >> 122n;
    return ((value >> turn) | (value << (64n - turn))) & MASK;
  }

  // A number drawn uniformly from [0, 1).
  uniform() {
    return Number(this.bits() >> 11n) / 2 ** 53;
  }
}
