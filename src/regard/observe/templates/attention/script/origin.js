// The panel with the computation of the selected weight; for words, it lists the weights between their pieces.

async function showOrigin() {
  const { view, sentence: number, map, head, units, query, key } = state;
  if (query === null || key === null) {
    const title = make("h2", { textContent: "Computation of a weight" });
    return fillOrigin(title, note("Select a line, a cell of the map, or a token on each side."));
  }
  if (units === "words") return fillOrigin(closeButton(), originTitle(query, key), ...piecesOf(query, key));
  let parts;
  try {
    const vectors = await vectorsOfSentence();
    const still = { view, sentence: number, map, head, units, query, key };
    if (Object.entries(still).some(([name, value]) => state[name] !== value)) return; // the selection has changed
    parts = vectors
      ? explain(headVectors(vectors, map, head), query, key)
      : [note("The vectors of this sentence are not in this page, to limit its size.")];
  } catch (error) {
    parts = [note(error.message)];
  }
  fillOrigin(closeButton(), originTitle(query, key), ...parts);
}

// The focus stays within the panel; when the panel closes, it returns to the view.
function fillOrigin(...parts) {
  const panel = $("origin");
  const hadFocus = panel.contains(document.activeElement);
  panel.replaceChildren(...parts);
  const close = $("close");
  const next = close ? (panel.querySelector("[aria-current] button") ?? close) : viewFocus();
  if (hadFocus) next.focus({ preventScroll: true });
  if (close) keepInSight();
}

const viewFocus = () =>
  ({ lines: () => $("queries").querySelector("[tabindex='0']"), map: () => $("map"), picture: () => $("patches") })[
    shapeOf()
  ]();

function closeButton() {
  const button = make("button", { type: "button", id: "close", textContent: "Close" });
  button.onclick = () => go({ query: null, key: null });
  return button;
}

// Scroll such that the panel does not cover the selected tokens.
function keepInSight() {
  const { query, key } = state;
  const picked = { lines: [$("queries").children[query], $("keys").children[key]], map: [$("frame")], picture: [$("patches")] }[
    shapeOf()
  ].filter(Boolean);
  if (!picked.length) return;
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
  return make("h2", {}, `Computation of the weight ${weight}: `, asking, " → ", read);
}

// The weights between the pieces of two words; each can be selected.
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
    "The weight between words is the sum over the pieces of the key and the mean over the pieces of the query. " +
    "Select a weight to see its computation.";
  return [note(words), make("div", { className: "scroll" }, table)];
}
