// Normal random numbers of torch.randn on a CPU: the same seed gives the same noise as `regard generate`.

// The Mersenne Twister (Matsumoto and Nishimura 1998), as numbers of 32 bits.
class MersenneTwister {
  constructor(seed) {
    this.state = new Uint32Array(624);
    this.state[0] = seed % 2 ** 32;
    for (let i = 1; i < 624; i++) {
      const before = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = Math.imul(1812433253, before) + i;
    }
    this.at = 624;
  }

  next() {
    if (this.at === 624) this.twist();
    let y = this.state[this.at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  twist() {
    const { state } = this;
    for (let i = 0; i < 624; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
      state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.at = 0;
  }
}

// At least 16 numbers: Box and Muller 1958, in blocks of 16 whose halves are the two uniform numbers of each pair. The
// last block of a size that is no multiple of 16 is drawn anew.
function normalNumbers(size, seed) {
  const random = new MersenneTwister(seed);
  const uniform = () => (random.next() & 0xffffff) / 2 ** 24;
  const numbers = Float32Array.from({ length: size }, uniform);
  const transform = (start) => {
    for (let i = start; i < start + 8; i++) {
      const radius = Math.sqrt(-2 * Math.log(1 - numbers[i]));
      const angle = 2 * Math.PI * numbers[i + 8];
      numbers[i] = radius * Math.cos(angle);
      numbers[i + 8] = radius * Math.sin(angle);
    }
  };
  for (let start = 0; start + 16 <= size; start += 16) transform(start);
  if (size % 16) {
    for (let i = size - 16; i < size; i++) numbers[i] = uniform();
    transform(size - 16);
  }
  return numbers;
}
