// The model that draws: the clean image, given a noisy one, its time and a prompt, as in regard.model.denoiser. Images are
// normalised, by row, column and channel.

const LONGEST_TIME = 1000;

const silu = (x) => x.map(swish);

// The time as a vector: sinusoids, then two linear layers.
class TimeEmbedding {
  constructor(weights, prefix) {
    this.input = weights.linear(`${prefix}.input`);
    this.output = weights.linear(`${prefix}.output`);
  }

  vector(time) {
    const waves = this.input.columns / 2;
    const numbers = new Float32Array(2 * waves);
    for (let wave = 0; wave < waves; wave++) {
      const angle = Math.fround(time * LONGEST_TIME * Math.fround(Math.exp(Math.fround(-Math.log(10000) / waves) * wave)));
      numbers[wave] = Math.cos(angle);
      numbers[waves + wave] = Math.sin(angle);
    }
    return multiply(this.output, silu(multiply(this.input, numbers)));
  }
}

class Denoiser {
  constructor(description, weights) {
    const { encoder, decoder } = description;
    this.description = description;
    this.maxLength = description.max_length;
    this.encoder = new SentenceEncoder(weights, encoder, description);
    this.time = new TimeEmbedding(weights, "decoder.time");
    this.patches = weights.linear("decoder.patches");
    this.positions = weights.floats("decoder.positions");
    this.stack = new Stack(weights, "decoder", decoder);
    this.pixels = weights.linear("decoder.pixels");
    this.size = decoder.image_size;
    this.grid = decoder.grid;
  }

  // What the layers read of a prompt, given its tokens.
  read(tokens, record = null) {
    return this.stack.memory(this.encoder.encode(tokens, record && record.under("encoder")));
  }

  // The predicted clean image.
  predict(noisy, time, memory, record = null) {
    const [rows, columns] = this.grid;
    const side = this.size / rows;
    const condition = silu(this.time.vector(time));
    const x = add(multiply(this.patches, unfold(noisy, this.size, side, side, 0)), this.positions);
    const step = Step.whole(rows * columns);
    const states = this.stack.initialStates(1);
    const below = record && record.under("decoder");
    const y = multiply(this.pixels, this.stack.extend(x, step, states, memory, below, condition));
    const clean = new Float32Array(noisy.length);
    for (let i = 0; i < clean.length; i++) {
      const [channel, column, row] = [i % 3, Math.floor(i / 3) % this.size, Math.floor(i / 3 / this.size)];
      const patch = Math.floor(row / side) * columns + Math.floor(column / side);
      clean[i] = y[((patch * 3 + channel) * side + (row % side)) * side + (column % side)];
    }
    return clean;
  }

  // The noise of a seed: drawn by channel, row and column.
  noise(seed) {
    const area = this.size ** 2;
    const numbers = normalNumbers(3 * area, seed);
    return Float32Array.from(numbers, (_, i) => numbers[(i % 3) * area + Math.floor(i / 3)]);
  }

  // Bytes of RGB.
  image(normalised) {
    const { pixel_mean: mean, pixel_deviation: deviation } = this.description;
    return Uint8ClampedArray.from(normalised, (value) => 255 * (value * deviation + mean)); // it rounds
  }
}
