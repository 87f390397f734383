// Where one weight comes from: query times key, the score among its rivals, and the value that it lets through.

async function showOrigin() {
  const { view, sentence: number, map, head, units, query, key } = state;
  if (query === null || key === null) return fillOrigin(make("h2", { textContent: "Where a weight comes from" }),
    make("p", { className: "soft", textContent: "Pick a line, a cell of the map, or a token on each side." }));
  if (units === "words") return fillOrigin(closeButton(), ...piecesOf(query, key));
  let parts;
  try {
    const packed = await vectorsOf(number);
    const still = { view, sentence: number, map, head, units, query, key };
    if (Object.entries(still).some(([name, value]) => state[name] !== value)) return;  // meanwhile something else was picked
    parts = packed ? explain(headVectors(packed, map, head), query, key)
      : [make("p", { className: "soft", textContent: "The vectors of this sentence were left out of this page, to keep it small." })];
  } catch (error) {
    parts = [make("p", { className: "soft", textContent: error.message })];
  }
  fillOrigin(closeButton(), originTitle(query, key), ...parts);
}

// A focus within stays within; when the panel closes it goes back to the view.
function fillOrigin(...parts) {
  const panel = $("origin");
  const within = panel.contains(document.activeElement);
  panel.replaceChildren(...parts);
  const open = Boolean($("close"));
  if (within) (open ? panel.querySelector("[aria-current] button") ?? $("close") : viewFocus()).focus({ preventScroll: true });
  if (open) keepInSight();
}

const viewFocus = () => state.shape === "lines" ? $("queries").querySelector("[tabindex='0']") : $("map");

function closeButton() {
  const button = make("button", { type: "button", id: "close", textContent: "Close" });
  button.onclick = () => go({ query: null, key: null });
  return button;
}

// The panel stands over the end of a long view: what was picked shall not be under it.
function keepInSight() {
  const picked = state.shape === "lines" ? [$("queries").children[state.query], $("keys").children[state.key]] : [$("frame")];
  const boxes = picked.map((node) => node.getBoundingClientRect());
  const covered = Math.max(...boxes.map(({ bottom }) => bottom)) + 14 - $("origin").getBoundingClientRect().top;
  const room = Math.min(...boxes.map(({ top }) => top)) - 14;
  if (covered <= 0 || room <= 0) return;
  scrollBy({ top: Math.min(covered, room), behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function originTitle(query, key) {
  const { queries, keys, at } = shownWeights();
  return make("h2", {}, "Where the weight ", make("b", { textContent: at(query, key).toFixed(2) }), " of ", named(queries[query]), " \u2192 ", named(keys[key]), " comes from");
}

function step(title, words, ...parts) {
  return make("section", { className: "step" }, make("h3", { textContent: title }), make("p", { className: "soft small" }, ...words), ...parts);
}

function explain(vectors, query, key) {
  const { queries, keys, row, at } = shownWeights();
  if (row(query).every((weight) => weight === 0)) {
    return [make("p", { className: "soft", textContent: "Every token is hidden from this one: it reads nothing." })];
  }
  if (data.blocks[blockOf(state.map)].causal && key > query) {
    return [make("p", { className: "soft", textContent: "This token stands after the one that asks and is hidden from it: its weight is 0, without a score." })];
  }
  const found = derive(vectors, query, key);
  const [score, weight] = [found.scores[key], found.weights[key]];
  const { dim } = vectors;
  const group = vectors.shared ? `, which heads of group ${vectors.group} share` : "";

  const matching = step("1. The query meets the key",
    [`Each token that asks has a query, each that is read a key${group}: ${dim} numbers each. Where both have the same sign, the score grows. Multiplied, divided by \u221a${dim} and added up they give `,
      make("b", { id: "score", textContent: signed(score) }), "."],
    ...bars([
      { name: "query", label: ["query of ", named(queries[query])], numbers: found.asked, scale: "query" },
      { name: "key", label: ["key of ", named(keys[key])], numbers: found.offered, scale: "key" },
      { name: "product", label: [`query \u00d7 key \u00f7 \u221a${dim}`], numbers: found.products, scale: "product" },
    ], (channel) => `${signed(found.asked[channel])} \u00d7 ${signed(found.offered[channel])} \u00f7 \u221a${dim} = ${signed(found.products[channel])}`));

  const hidden = keys.length - found.scores.length;
  const division = Number.isFinite(found.sum) ? `e^${signed(score)} \u00f7 ${found.sum.toPrecision(4)} = ` : "";
  const rivals = step("2. The score among its rivals",
    [`Every token that is read has such a score. e to the power of the score, divided by the sum of all these powers, is the weight (softmax): ${division}`,
      make("b", { id: "weight", textContent: weight.toFixed(4) }), `. The map keeps ${at(query, key).toFixed(4)}, rounded to 1/255.`
        + (hidden ? ` The ${hidden === 1 ? "token" : `${hidden} tokens`} after this one ${hidden === 1 ? "is" : "are"} hidden, with no score.` : "")],
    make("div", { className: "scroll rivals", tabIndex: 0, role: "region", ariaLabel: "Scores of all tokens" }, rivalTable(found, query, key)));

  const passing = step("3. What it lets through",
    ["Each token that is read also has a value. This weight lets that share of it through to the token that asks; what comes from all tokens is added up."],
    ...bars([
      { name: "value", label: ["value of ", named(keys[key])], numbers: found.value, scale: "value" },
      { name: "passed", label: [`${weight.toFixed(4)} \u00d7 value`], numbers: found.passed, scale: "value" },
    ], (channel) => `${weight.toFixed(4)} \u00d7 ${signed(found.value[channel])} = ${signed(found.passed[channel], 4)}`));

  return [make("div", { className: "steps" }, matching, rivals, passing), allNumbers(found)];
}

function tableHead(...names) {
  return make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col", textContent: name }))));
}

function rivalTable({ scores, weights }, query, key) {
  const { keys } = tokensOf(state.map);
  const order = scores.map((_, place) => place).sort((a, b) => scores[b] - scores[a]);
  return make("table", { id: "rivals" }, tableHead("token", "score", "weight", ""), make("tbody", {}, ...order.map((place) => {
    const button = make("button", { type: "button", className: "token" }, spelt(keys[place]));
    button.onclick = () => go({ query, key: place });
    const bar = make("span", { className: "share" });
    bar.style.width = `${100 * weights[place]}%`;
    const row = make("tr", {}, make("td", {}, button), make("td", { textContent: signed(scores[place]) }),
      make("td", { textContent: weights[place].toFixed(4) }), make("td", { className: "shares" }, bar));
    if (place === key) row.ariaCurrent = "true";
    row.dataset.key = place;
    return row;
  })));
}

function allNumbers({ asked, offered, products, value, passed }) {
  const columns = [asked, offered, products, value, passed];
  const rows = asked.map((_, channel) => make("tr", {}, make("th", { scope: "row", textContent: channel }),
    ...columns.map((numbers) => make("td", { textContent: signed(numbers[channel], 4) }))));
  return make("details", {}, make("summary", { textContent: `All ${asked.length} channels in numbers` }),
    make("div", { className: "scroll" }, make("table", { id: "numbers" },
      tableHead("channel", "query", "key", "product \u00f7 \u221ad", "value", "weight \u00d7 value"), make("tbody", {}, ...rows))));
}

// A word's weight comes from those of its pieces; each of them can be looked into.
function piecesOf(query, key) {
  const sides = sidesOf(state.map);
  const [asking, read] = [rangesOf(sides.queries)[query], rangesOf(sides.keys)[key]];
  const places = ([from, to]) => Array.from({ length: to - from }, (_, i) => from + i);
  const width = sentence()[sides.keys].length;
  const steps = stepsOf(state.map, state.head);
  const cell = (q, k) => {
    const button = make("button", { type: "button", className: "token", textContent: (steps[q * width + k] / 255).toFixed(4) });
    button.onclick = () => go({ units: "pieces", query: q, key: k });
    return make("td", {}, button);
  };
  const head = make("tr", {}, make("td"), ...places(read).map((k) => make("th", { scope: "col" }, spelt(sentence()[sides.keys][k]))));
  const rows = places(asking).map((q) => make("tr", {}, make("th", { scope: "row" }, spelt(sentence()[sides.queries][q])), ...places(read).map((k) => cell(q, k))));
  return [originTitle(query, key),
    make("p", { className: "soft small", textContent: "The weight of a word is the sum over the pieces that are read, and the mean over the pieces that ask. "
      + "Pick one of these to see where it comes from." }),
    make("div", { className: "scroll" }, make("table", { id: "pieces" }, head, ...rows))];
}
