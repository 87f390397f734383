// Predictions of each decoder layer: a table of all tokens, and the candidates for one token.

function showOverview() {
  const { target, lens } = sentence();
  const buttons = target.map((token) => make("button", { type: "button", className: "token" }, spelt(token)));
  const rows = buttons.map((button, token) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, button),
      ...lens.layers.map((_, layer) => {
        const share = lens.probabilities[layer][token];
        const cell = make("td", { textContent: share === null ? "\u2013" : Math.round(100 * share) });
        shade(cell, share);
        cell.dataset.probability = share;
        return cell;
      }),
    ),
  );
  rows.forEach((row, token) => {
    row.onclick = () => go({ token });
  });
  $("overview").replaceChildren(
    make("caption", { className: "soft small", textContent: "Probability of the token in the text, in percent" }),
    tableHead("token", ...lens.layers.map(shortLayer)),
    make("tbody", {}, ...rows),
  );
  tokenButtons(buttons, showLadder);
  rows.forEach((row, token) => {
    row.onpointerenter = buttons[token].onpointerenter;
    row.onpointerleave = buttons[token].onpointerleave;
  });
  for (const button of buttons) button.onpointerenter = button.onpointerleave = button.onclick = null; // the rows have these handlers
}

const shortLayer = (layer) => layer.replace(/^layer /, "");

function showLadder() {
  const token = focusedToken();
  const { target, lens } = sentence();
  markToken([...$("overview").querySelectorAll("button")]);
  $("ladder-of").replaceChildren("Predictions for ", named(target[token]), `, token ${token + 1}`);
  const candidate = (layer) => (piece, i) => {
    const share = lens.candidateProbabilities[layer][token][i];
    const cell = make("td", {}, spelt(piece), make("span", { className: "percent", textContent: percent(share ?? 0) }));
    shade(cell, share ?? 0);
    cell.classList.toggle("written", piece === target[token]);
    cell.dataset.probability = share;
    return cell;
  };
  const rows = lens.layers.map((layer, number) => {
    const rank = make(
      "td",
      { className: "rank" },
      make("b", { textContent: ordinal(lens.ranks[number][token]) }),
      make("span", { className: "percent", textContent: percent(lens.probabilities[number][token] ?? 0) }),
    );
    return make(
      "tr",
      {},
      make("th", { scope: "row", textContent: layer }),
      ...lens.candidates[number][token].map(candidate(number)),
      rank,
    );
  });
  const { length } = lens.candidates[0][token];
  $("ladder").replaceChildren(
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        make("th", { scope: "col", textContent: "after" }),
        make("th", { scope: "colgroup", colSpan: length, textContent: "most likely tokens" }),
        make("th", { scope: "col", textContent: "token in the text" }),
      ),
    ),
    make("tbody", {}, ...rows),
  );
}
