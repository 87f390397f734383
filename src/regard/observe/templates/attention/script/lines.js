// One head as lines: queries on the left, keys on the right, and a line for each weight.

const LEAST_AT_REST = 0.1; // minimum weight without a focused token; the largest weight of each token is always drawn
const LEAST = 0.005; // minimum weight of a line

let rowHeight = 26;

function showLines() {
  const { queries, keys, row } = shownWeights();
  const most = Math.max(queries.length, keys.length);
  rowHeight = Math.min(27, Math.max(17, Math.floor(820 / most)));
  $("lines").style.setProperty("--row", `${rowHeight}px`);
  $("lines").classList.toggle("dense", rowHeight < 21);
  const kind = data.kinds[kindOf(state.map)];
  $("query-side").textContent = kind.query;
  $("key-side").textContent = kind.key;
  fillTokens($("queries"), queries, "query");
  fillTokens($("keys"), keys, "key");
  const height = most * rowHeight;
  $("links").setAttribute("viewBox", `0 0 100 ${height}`);
  $("links").style.height = `${height}px`;
  const rest = queries.flatMap((_, query) => {
    const weights = row(query);
    const least = Math.max(LEAST, Math.min(LEAST_AT_REST, Math.max(...weights)));
    return weights.map((weight, key) => ({ query, key, weight })).filter(({ weight }) => weight >= least);
  });
  $("links").replaceChildren();
  drawLinks(draw($("links"), "g", { id: "at-rest" }), rest);
  draw($("links"), "g", { id: "lit" });
}

function fillTokens(list, tokens, side) {
  list.dir = direction(tokens);
  list.replaceChildren(
    ...tokens.map((token, index) => {
      const button = make("button", { type: "button", className: "token" }, spelt(token));
      const line = make("li", {}, button, make("span", { className: "weight" }));
      const here = side === "query" ? { query: index, key: null } : { query: null, key: index };
      button.dataset.index = index;
      button.onclick = () => pick(here);
      button.onpointerenter = () => point(here);
      button.onpointerleave = () => point(null);
      button.onfocus = () => {
        if (button.matches(":focus-visible")) point(here);
      };
      button.onblur = () => point(null);
      return line;
    }),
  );
}

// Draw the lines, strongest on top, each with a wide invisible line for the pointer.
function drawLinks(group, links) {
  const middle = (index) => (index + 0.5) * rowHeight;
  for (const { query, key, weight } of links.sort((a, b) => a.weight - b.weight)) {
    const d = `M0 ${middle(query)}C50 ${middle(query)} 50 ${middle(key)} 100 ${middle(key)}`;
    const numbers = { d, "data-query": query, "data-key": key };
    draw(group, "path", {
      ...numbers,
      class: "link",
      "data-weight": weight.toFixed(4),
      "stroke-width": (0.8 + 3.6 * weight).toFixed(2),
      "stroke-opacity": (0.12 + 0.88 * weight).toFixed(3),
    });
    draw(group, "path", { ...numbers, class: "hit" });
  }
}

// Draw the lines of the focused query or, without one, of the focused key; show the weights beside the other side.
function lightLines({ query, key }) {
  const { row, column } = shownWeights();
  const fromQuery = query !== null;
  const weights = fromQuery ? row(query) : key !== null ? column(key) : null;
  const lit = (weights ?? [])
    .map((weight, other) => ({ query: fromQuery ? query : other, key: fromQuery ? other : key, weight }))
    .filter(({ weight }) => weight >= LEAST);
  $("at-rest").setAttribute("visibility", weights ? "hidden" : "visible");
  $("lit").replaceChildren();
  drawLinks($("lit"), lit);
  for (const link of $("lit").querySelectorAll(".link")) {
    link.classList.toggle("on", fromQuery && key !== null && Number(link.dataset.key) === key);
  }
  showBeside($("keys"), fromQuery ? weights : null, key, state.key);
  showBeside($("queries"), fromQuery ? null : weights, query, state.query);
}

function showBeside(list, weights, marked, picked) {
  [...list.children].forEach((line, index) => {
    const [button, number] = line.children;
    shade(button, weights ? weights[index] : null);
    if (weights) line.dataset.weight = weights[index].toFixed(4);
    else delete line.dataset.weight;
    number.textContent = weights && weights[index] >= LEAST ? weights[index].toFixed(2) : "";
    button.classList.toggle("on", index === marked);
    button.ariaPressed = index === picked;
    button.tabIndex = index === (picked ?? 0) ? 0 : -1;
  });
}

$("links").onpointermove = ({ target }) => point(linkAt(target));
$("links").onpointerleave = () => point(null);
$("links").onclick = ({ target }) => {
  if (linkAt(target)) pick(linkAt(target));
};
const linkAt = ({ dataset }) =>
  "query" in dataset ? { query: Number(dataset.query), key: Number(dataset.key) } : null;

// Arrow keys: up and down within a side; across, to the token with the largest weight.
for (const [here, there, side] of [
  ["queries", "keys", "row"],
  ["keys", "queries", "column"],
]) {
  $(here).onkeydown = (event) => {
    const step = ARROWS[event.key];
    const index = Number(event.target.dataset?.index ?? NaN);
    if (!step || Number.isNaN(index)) return;
    event.preventDefault();
    const across = step[1] === (here === "queries" ? 1 : -1);
    if (step[1] && !across) return;
    const weights = across ? shownWeights()[side](index) : [];
    const next = across ? weights.indexOf(Math.max(...weights)) : clamp(index + step[0], $(here).children.length);
    $(across ? there : here).children[next].firstChild.focus();
  };
}
