// Recording of what a model does, at the request of the caller, under the names of regard.model.recorder.

// maps: { name: { weights, heads, queries, keys } }, weights by head, query and key
// vectors: { name: { query, key, value, headDim } } after rotation, by position and channel
// states: { name: output of a layer }, by position and channel
class Recorder {
  constructor(parent = null, path = "") {
    this.path = path;
    this.maps = parent ? parent.maps : {};
    this.vectors = parent ? parent.vectors : {};
    this.states = parent ? parent.states : {};
  }

  // The same recorder with a name appended to the present one.
  under(name) {
    return new Recorder(this, this.path ? `${this.path}.${name}` : String(name));
  }

  attention(map, vectors) {
    this.maps[this.path] = map;
    this.vectors[this.path] = vectors;
  }

  state(x) {
    this.states[this.path] = x.slice();
  }
}
