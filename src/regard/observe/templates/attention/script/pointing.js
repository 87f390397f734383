// What is looked at: what the pointer or the focus is on, or else what was picked; drawn in the view and said in words.

let pointed = null; // { query, key }, either of which may be null

const looked = () => pointed ?? { query: state.query, key: state.key };

function point(at) {
  if (at?.query === pointed?.query && at?.key === pointed?.key) return;
  pointed = at;
  showLooked();
}

// Picking a token shows its lines, and picking one on the other side too, where that weight comes from; again lets go.
function pick({ query, key }) {
  if (query !== null && key !== null) return go({ query, key });
  if (query !== null) return go({ query: query === state.query ? null : query });
  return go({ key: key === state.key ? null : key });
}

// Pointing at a token shows all its lines; a line or cell, its query's, with that one marked.
function showLooked() {
  const at = looked();
  if (state.shape === "lines") lightLines(at);
  else lightMap(at);
  $("readout").replaceChildren(...inWords(at));
  const cell =
    state.shape === "map" &&
    pointed &&
    pointed.query !== null &&
    pointed.key !== null &&
    !$("map").matches(":focus-visible");
  $("tip").hidden = !cell;
  if (cell) $("tip").replaceChildren(...inWords(at));
}

function inWords({ query, key }) {
  const { queries, keys, row, column, at } = shownWeights();
  const number = (weight) => make("b", { textContent: weight.toFixed(2) });
  if (query !== null && key !== null) {
    const more = pointed
      ? []
      : [make("span", { className: "soft", textContent: "  where it comes from is shown below" })];
    return [named(queries[query]), " \u2192 ", named(keys[key]), ": ", number(at(query, key)), ...more];
  }
  if (query === null && key === null) {
    return [
      make("span", { className: "soft", textContent: "Point at a token to see what it reads, or who reads it." }),
    ];
  }
  const [token, others, weights, says] =
    query !== null ? [queries[query], keys, row(query), " reads "] : [keys[key], queries, column(key), " is read by "];
  const order = weights
    .map((_, i) => i)
    .filter((i) => weights[i] >= 0.01)
    .sort((a, b) => weights[b] - weights[a])
    .slice(0, 5);
  if (order.length > 0)
    return [named(token), says, ...order.flatMap((i, n) => [n ? "  " : "", named(others[i]), " ", number(weights[i])])];
  if (query === null) return [named(token), " is read by nobody"];
  return [
    named(token),
    weights.some((weight) => weight > 0) ? " spreads over all tokens" : " reads nothing: every token is hidden from it",
  ];
}
