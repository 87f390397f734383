// Resizing of images as in Pillow: a square from the centre, with a bicubic filter that is as wide as the reduction, in
// fixed point. The result is the same, byte by byte.

const FIXED_BITS = 22;

// Keys 1981, with a = -0.5.
function bicubic(x) {
  const d = Math.abs(x);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * -0.5 : 0;
}

// For each of `size` pixels of the result: the first pixel of the input and the weights of it and the next ones.
function filters(length, from, to, size) {
  const step = (to - from) / size;
  const wide = Math.max(1, step);
  return Array.from({ length: size }, (_, place) => {
    const centre = from + (place + 0.5) * step;
    const first = Math.max(0, Math.trunc(centre - 2 * wide + 0.5));
    const end = Math.min(length, Math.trunc(centre + 2 * wide + 0.5));
    const shares = Array.from({ length: end - first }, (_, i) => bicubic((i + first - centre + 0.5) / wide));
    const total = shares.reduce((a, b) => a + b, 0);
    const weights = shares.map((share) => {
      const fixed = (share / total) * 2 ** FIXED_BITS;
      return Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    });
    return { first, weights };
  });
}

// Resizes in one direction. `along`: bytes between pixels in this direction; `across`: bytes between the `lines`.
function resample(bytes, found, lines, along, across, out, outAlong, outAcross) {
  found.forEach(({ first, weights }, place) => {
    for (let line = 0; line < lines; line++)
      for (let channel = 0; channel < 3; channel++) {
        let sum = 2 ** (FIXED_BITS - 1);
        weights.forEach((weight, i) => (sum += weight * bytes[(first + i) * along + line * across + channel]));
        out[place * outAlong + line * outAcross + channel] = Math.min(255, Math.max(0, Math.floor(sum / 2 ** FIXED_BITS)));
      }
  });
}

// bytes: RGBA by row and column; returns RGB of `size` by `size` pixels
function squareOf({ data: bytes, width, height }, size) {
  const side = Math.min(width, height);
  const [left, top] = [(width - side) / 2, (height - side) / 2];
  const narrow = new Uint8Array(size * height * 3);
  resample(bytes, filters(width, left, left + side, size), height, 4, 4 * width, narrow, 3, 3 * size);
  const square = new Uint8Array(size * size * 3);
  resample(narrow, filters(height, top, top + side, size), size, 3 * size, 3, square, 3 * size, 3);
  return square;
}
