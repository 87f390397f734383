// The focused tokens: under the pointer or with keyboard focus, or else selected. Highlighted and described in words.

let pointed = null; // { query, key }, either of which may be null

const focused = () => pointed ?? { query: state.query, key: state.key };

function point(at) {
  if (at?.query === pointed?.query && at?.key === pointed?.key) return;
  pointed = at;
  showFocused();
}

// Select a token, or with one on the other side, a weight; selecting a token again clears it.
function pick({ query, key }) {
  if (query !== null && key !== null) return go({ query, key });
  if (query !== null) return go({ query: query === state.query ? null : query });
  return go({ key: key === state.key ? null : key });
}

// A focused token shows all its lines; a line or cell shows those of its query and marks itself.
function showFocused() {
  const at = focused();
  LIGHT[shapeOf()](at);
  $("readout").replaceChildren(...inWords(at));
  const cell =
    shapeOf() === "map" &&
    pointed &&
    pointed.query !== null &&
    pointed.key !== null &&
    !$("map").matches(":focus-visible");
  $("tip").hidden = !cell;
  if (cell) $("tip").replaceChildren(...inWords(at));
}

const LIGHT = { lines: lightLines, map: lightMap, picture: lightPicture };

function inWords({ query, key }) {
  const { queries, keys, row, column, at } = shownWeights();
  const number = (weight) => make("b", { textContent: weight.toFixed(2) });
  if (query !== null && key !== null) {
    const more = pointed
      ? []
      : [make("span", { className: "soft", textContent: "  the computation is shown below" })];
    return [named(queries[query]), " \u2192 ", named(keys[key]), ": ", number(at(query, key)), ...more];
  }
  if (query === null && key === null) {
    return [
      make("span", { className: "soft", textContent: "Point at a token to see its weights." }),
    ];
  }
  const [token, others, weights, says] =
    query !== null ? [queries[query], keys, row(query), " attends to "] : [keys[key], queries, column(key), " is attended to by "];
  const order = weights
    .map((_, i) => i)
    .filter((i) => weights[i] >= 0.01)
    .sort((a, b) => weights[b] - weights[a])
    .slice(0, 5);
  if (order.length > 0)
    return [named(token), says, ...order.flatMap((i, n) => [n ? "  " : "", named(others[i]), " ", number(weights[i])])];
  if (query === null) return [named(token), " gets only weights below 0.01"];
  return [
    named(token),
    weights.some((weight) => weight > 0) ? " has only weights below 0.01" : " has no weights: all keys are masked",
  ];
}
