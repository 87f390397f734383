// The panel on where a picked weight comes from: it explains a weight between pieces, and leads to those of words.

async function showOrigin() {
  const { view, sentence: number, map, head, units, query, key } = state;
  if (query === null || key === null) {
    const title = make("h2", { textContent: "Where a weight comes from" });
    return fillOrigin(title, note("Pick a line, a cell of the map, or a token on each side."));
  }
  if (units === "words") return fillOrigin(closeButton(), originTitle(query, key), ...piecesOf(query, key));
  let parts;
  try {
    const packed = await vectorsOf(number);
    const still = { view, sentence: number, map, head, units, query, key };
    if (Object.entries(still).some(([name, value]) => state[name] !== value)) return; // something else was picked
    parts = packed
      ? explain(headVectors(packed, map, head), query, key)
      : [note("The vectors of this sentence were left out of this page, to keep it small.")];
  } catch (error) {
    parts = [note(error.message)];
  }
  fillOrigin(closeButton(), originTitle(query, key), ...parts);
}

// A focus within stays within; when the panel closes it goes back to the view.
function fillOrigin(...parts) {
  const panel = $("origin");
  const focused = panel.contains(document.activeElement);
  panel.replaceChildren(...parts);
  const close = $("close");
  const next = close ? (panel.querySelector("[aria-current] button") ?? close) : viewFocus();
  if (focused) next.focus({ preventScroll: true });
  if (close) keepInSight();
}

const viewFocus = () => (state.shape === "lines" ? $("queries").querySelector("[tabindex='0']") : $("map"));

function closeButton() {
  const button = make("button", { type: "button", id: "close", textContent: "Close" });
  button.onclick = () => go({ query: null, key: null });
  return button;
}

// The panel stands over the end of a long view: what was picked shall not be under it.
function keepInSight() {
  const { shape, query, key } = state;
  const picked = shape === "lines" ? [$("queries").children[query], $("keys").children[key]] : [$("frame")];
  const boxes = picked.map((node) => node.getBoundingClientRect());
  const covered = Math.max(...boxes.map(({ bottom }) => bottom)) + 14 - $("origin").getBoundingClientRect().top;
  const room = Math.min(...boxes.map(({ top }) => top)) - 14;
  if (covered <= 0 || room <= 0) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  scrollBy({ top: Math.min(covered, room), behavior: still ? "auto" : "smooth" });
}

function originTitle(query, key) {
  const { queries, keys, at } = shownWeights();
  const [weight, asking, read] = [at(query, key).toFixed(2), named(queries[query]), named(keys[key])];
  return make("h2", {}, `Where the weight ${weight} of `, asking, " → ", read, " comes from");
}

// A word's weight comes from those of its pieces; each of them can be looked into.
function piecesOf(query, key) {
  const sides = sidesOf(state.map);
  const steps = stepsOf(state.map, state.head);
  const [asking, read] = [sentence()[sides.queries], sentence()[sides.keys]];
  const places = ([from, to]) => Array.from({ length: to - from }, (_, i) => from + i);
  const [rows, columns] = [places(rangesOf(sides.queries)[query]), places(rangesOf(sides.keys)[key])];
  const cell = (row, column) => {
    const weight = (steps[row * read.length + column] / 255).toFixed(4);
    const button = make("button", { type: "button", className: "token", textContent: weight });
    button.onclick = () => go({ units: "pieces", query: row, key: column });
    return make("td", {}, button);
  };
  const table = make(
    "table",
    { id: "pieces" },
    make("tr", {}, make("td"), ...columns.map((column) => make("th", { scope: "col" }, spelt(read[column])))),
    ...rows.map((row) =>
      make("tr", {}, make("th", { scope: "row" }, spelt(asking[row])), ...columns.map((column) => cell(row, column))),
    ),
  );
  const words =
    "The weight of a word is the sum over the pieces that are read, and the mean over the pieces that ask. " +
    "Pick one of these to see where it comes from.";
  return [note(words), make("div", { className: "scroll" }, table)];
}
