// The computation of a weight in three steps: query times key, softmax over all scores, weight times value.

function explain(vectors, query, key) {
  const { queries, keys, row, at } = shownWeights();
  if (row(query).every((weight) => weight === 0)) {
    return [note("All keys are masked for this query: all its weights are 0.")];
  }
  if (data.kinds[kindOf(state.map)].causal && key > query) {
    return [note("This key is after the query and masked: its weight is 0, without a score.")];
  }
  const found = derive(vectors, query, key);
  const steps = make(
    "div",
    { className: "steps" },
    matching(found, vectors, queries[query], keys[key]),
    competing(found, query, key, at(query, key)),
    passing(found, key, keys[key]),
  );
  return [steps, allNumbers(found)];
}

function explained(title, words, ...parts) {
  const [heading, text] = [make("h3", { textContent: title }), make("p", { className: "soft small" }, ...words)];
  return make("section", { className: "step" }, heading, text, ...parts);
}

function matching({ queryVector, keyVector, products }, { dim, shared, group }, asking, read) {
  const sharing = shared ? `, shared by the heads of group ${group}` : "";
  const words =
    `The query token has a query vector, the key token a key vector${sharing}, of ${dim} numbers each. The score is ` +
    `their dot product divided by √${dim}; channels with equal signs increase it: `;
  const score = products.reduce((sum, product) => sum + product, 0);
  const rows = [
    { name: "query", label: ["query of ", named(asking)], numbers: queryVector, scale: "query" },
    { name: "key", label: ["key of ", named(read)], numbers: keyVector, scale: "key" },
    { name: "product", label: [`query × key ÷ √${dim}`], numbers: products, scale: "product" },
  ];
  const say = (i) => `${signed(queryVector[i])} × ${signed(keyVector[i])} ÷ √${dim} = ${signed(products[i])}`;
  const sum = make("b", { id: "score", textContent: signed(score) });
  return explained("1. Score: query times key", [words, sum, "."], ...bars(rows, say));
}

function competing({ scores, weights, sum }, query, key, kept) {
  const { keys } = tokensOf(state.map);
  const hidden = keys.length - scores.length;
  const division = Number.isFinite(sum) ? `e^${signed(scores[key])} ÷ ${sum.toPrecision(4)} = ` : "";
  const words =
    "Each key has a score. The weight is the softmax of the scores: e to the power of the score, divided by the sum " +
    `over all keys: ${division}`;
  const after = `Masked, without a score: keys after the query (${hidden}).`;
  const rounding = `. The map has ${kept.toFixed(4)}, rounded to 1/255. ${hidden ? after : ""}`;
  const weight = make("b", { id: "weight", textContent: weights[key].toFixed(4) });
  const table = rivalTable({ scores, weights }, query, key);
  const box = make("div", { className: "scroll rivals", tabIndex: 0, role: "region", ariaLabel: "All scores" }, table);
  return explained("2. Weight: softmax over all scores", [words, weight, rounding], box);
}

function passing({ value, passed, weights }, key, read) {
  const weight = weights[key].toFixed(4);
  const words =
    "Each key token also has a value vector. The output of the head for the query is the sum of all values, each " +
    "multiplied by its weight.";
  const rows = [
    { name: "value", label: ["value of ", named(read)], numbers: value, scale: "value" },
    { name: "passed", label: [`${weight} × value`], numbers: passed, scale: "value" },
  ];
  const say = (i) => `${weight} × ${signed(value[i])} = ${signed(passed[i], 4)}`;
  return explained("3. Output: weight times value", [words], ...bars(rows, say));
}

function tableHead(...names) {
  return make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col", textContent: name }))));
}

function rivalTable({ scores, weights }, query, key) {
  const { keys } = tokensOf(state.map);
  const order = scores.map((_, place) => place).sort((a, b) => scores[b] - scores[a]);
  const rows = order.map((place) => {
    const button = make("button", { type: "button", className: "token" }, spelt(keys[place]));
    button.onclick = () => go({ query, key: place });
    const bar = make("span", { className: "share" });
    bar.style.width = `${100 * weights[place]}%`;
    const row = make(
      "tr",
      {},
      make("td", {}, button),
      make("td", { textContent: signed(scores[place]) }),
      make("td", { textContent: weights[place].toFixed(4) }),
      make("td", { className: "shares" }, bar),
    );
    if (place === key) row.ariaCurrent = "true";
    row.dataset.key = place;
    return row;
  });
  return make("table", { id: "rivals" }, tableHead("token", "score", "weight", ""), make("tbody", {}, ...rows));
}

function allNumbers({ queryVector, keyVector, products, value, passed }) {
  const columns = [queryVector, keyVector, products, value, passed];
  const rows = queryVector.map((_, channel) => {
    const cells = columns.map((numbers) => make("td", { textContent: signed(numbers[channel], 4) }));
    return make("tr", {}, make("th", { scope: "row", textContent: channel }), ...cells);
  });
  const head = tableHead("channel", "query", "key", "product ÷ √d", "value", "weight × value");
  const table = make("table", { id: "numbers" }, head, make("tbody", {}, ...rows));
  const summary = make("summary", { textContent: `All ${queryVector.length} channels in numbers` });
  return make("details", {}, summary, make("div", { className: "scroll" }, table));
}
