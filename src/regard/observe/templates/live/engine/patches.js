// Patches of an image as a sequence of vectors, as in regard.model.encoders.patches. Images are by row, column, channel.

const GROUP_NORM_EPS = 1e-5;

// The inputs of a convolution at each of its positions, by channel, row and column of the kernel; zeros outside.
function unfold(x, size, kernel, stride, padding) {
  const channels = x.length / (size * size);
  const positions = Math.floor((size + 2 * padding - kernel) / stride) + 1;
  const inputs = new Float32Array(positions * positions * channels * kernel * kernel);
  let at = 0;
  for (let row = 0; row < positions; row++)
    for (let column = 0; column < positions; column++)
      for (let channel = 0; channel < channels; channel++)
        for (let i = 0; i < kernel; i++)
          for (let j = 0; j < kernel; j++, at++) {
            const y = row * stride - padding + i;
            const z = column * stride - padding + j;
            if (y >= 0 && y < size && z >= 0 && z < size) inputs[at] = x[(y * size + z) * channels + channel];
          }
  return inputs;
}

// Zero mean and unit variance of the whole image, then a scale and a shift per channel (Wu and He 2018, one group).
function groupNorm(weights, prefix) {
  const scale = weights.floats(`${prefix}.weight`);
  const shift = weights.floats(`${prefix}.bias`);
  return (x) => {
    const mean = x.reduce((a, b) => a + b, 0) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    const factor = 1 / Math.sqrt(variance + GROUP_NORM_EPS);
    return x.map((value, i) => (value - mean) * factor * scale[i % scale.length] + shift[i % scale.length]);
  };
}

class PatchEncoder {
  constructor(weights, description) {
    this.description = description;
    this.stem = Array.from({ length: description.stem }, (_, step) => ({
      convolution: weights.linear(`encoder.stem.${step}.0`),
      norm: groupNorm(weights, `encoder.stem.${step}.1`),
    }));
    this.patches = weights.linear("encoder.patches");
    this.positions = weights.floats("encoder.positions");
    this.stack = new Stack(weights, "encoder", description);
  }

  // pixels: bytes of an image of the size of the encoder
  encode(pixels, record) {
    const { image_size: imageSize, grid, mean, deviation } = this.description;
    let x = Float32Array.from(pixels, (value) => (value / 255 - mean) / deviation);
    let size = imageSize;
    for (const { convolution, norm } of this.stem) {
      x = relu(norm(multiply(convolution, unfold(x, size, 3, 2, 1))));
      size /= 2;
    }
    const stride = size / grid[0];
    x = add(multiply(this.patches, unfold(x, size, stride, stride, 0)), this.positions);
    return this.stack.extend(x, Step.whole(grid[0] * grid[1]), this.stack.initialStates(1), null, record);
  }
}
