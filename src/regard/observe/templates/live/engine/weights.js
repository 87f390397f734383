// The weights of a model, by their names in its checkpoint, from one block of bytes.

// description: { name: { shape, format, offset } }; int8 has one float32 scale per row, before the rows.
class Weights {
  constructor(tensors, buffer) {
    this.tensors = tensors;
    this.buffer = buffer;
  }

  has(name) {
    return name in this.tensors;
  }

  shape(name) {
    return this.tensors[name].shape;
  }

  // The numbers of a tensor, as float32, row by row.
  floats(name) {
    const { shape, format, offset } = this.tensors[name];
    const size = shape.reduce((a, b) => a * b, 1);
    if (format === "float32") return new Float32Array(this.buffer, offset, size);
    if (format === "float16") return floatsOfHalves(new Uint16Array(this.buffer, offset, size));
    const { scales, values } = this.bytes(name);
    const columns = size / scales.length;
    const floats = new Float32Array(size);
    for (let i = 0; i < size; i++) floats[i] = values[i] * scales[Math.floor(i / columns)];
    return floats;
  }

  // The numbers of a tensor if it is there, else null.
  maybe(name) {
    return this.has(name) ? this.floats(name) : null;
  }

  // The matrix of a linear layer with its bias, as `multiply` reads it.
  linear(prefix) {
    return { ...this.matrix(`${prefix}.weight`), bias: this.maybe(`${prefix}.bias`) };
  }

  // A matrix: values row by row, float32, or int8 with scales.
  matrix(name) {
    const { shape, format } = this.tensors[name];
    const rows = shape[0];
    const columns = shape.slice(1).reduce((a, b) => a * b, 1);
    if (format === "int8") return { rows, columns, ...this.bytes(name), bias: null };
    return { rows, columns, values: this.floats(name), scales: null, bias: null };
  }

  bytes(name) {
    const { shape, offset } = this.tensors[name];
    const size = shape.reduce((a, b) => a * b, 1);
    const scales = new Float32Array(this.buffer, offset, shape[0]);
    return { scales, values: new Int8Array(this.buffer, offset + 4 * shape[0], size) };
  }
}

// float16 to float32 (IEEE 754).
function floatsOfHalves(halves) {
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else if (exponent === 31) table[bits] = fraction ? NaN : sign * Infinity;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  const floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) floats[i] = table[halves[i]];
  return floats;
}

// A row of a matrix, times a factor.
function matrixRow(matrix, row, factor) {
  const scale = (matrix.scales ? matrix.scales[row] : 1) * factor;
  const vector = new Float32Array(matrix.columns);
  for (let i = 0; i < vector.length; i++) vector[i] = matrix.values[row * vector.length + i] * scale;
  return vector;
}
