// A set of byte strings with values, searched for the ones that a text begins with.

class Prefixes {
  constructor() {
    this.size = 1;
    this.next = new Map(); // node * 256 + byte -> node
    this.values = new Map(); // node -> value
  }

  add(bytes, value) {
    let node = 0;
    for (const byte of bytes) {
      const step = node * 256 + byte;
      if (!this.next.has(step)) this.next.set(step, this.size++);
      node = this.next.get(step);
    }
    this.values.set(node, value);
  }

  // Calls visit(value, end) for each member at a position of the text, shortest first.
  visit(bytes, start, visit) {
    let node = 0;
    for (let at = start; at < bytes.length; at++) {
      node = this.next.get(node * 256 + bytes[at]);
      if (node === undefined) return;
      const value = this.values.get(node);
      if (value !== undefined) visit(value, at + 1);
    }
  }

  // Number of bytes of the longest member at a position of the text, 0 for none.
  longest(bytes, start) {
    let length = 0;
    this.visit(bytes, start, (value, end) => (length = end - start));
    return length;
  }
}
