// One head as a map: rows are queries, columns are keys.

const place = {}; // position of the map in its SVG, in pixels: left, top, cell

function showMap() {
  const { queries, keys } = shownWeights();
  const ruler = make("canvas").getContext("2d");
  ruler.font = `700 12px ${getComputedStyle(document.body).fontFamily}`;
  const labels = (tokens) => tokens.map((token) => shorten(visible(token), 16));
  const widths = (texts) => texts.map((text) => ruler.measureText(text).width);
  const [rows, columns] = [labels(queries), labels(keys)];
  const keyWidths = widths(columns);
  const left = Math.max(...widths(rows)) + 10;
  const room = $("grid").clientWidth - left - 4;
  const slanted = room / keys.length >= 19;
  const lean = slanted ? Math.SQRT1_2 : 0;
  const cell = Math.min(40, Math.max(11, Math.floor((room - lean * keyWidths.at(-1)) / keys.length)));
  const top = Math.max(...keyWidths) * (slanted ? lean : 1) + 14;
  Object.assign(place, { left, top, cell });
  const size = Math.min(12, cell - 1);
  const [width, height] = [cell * keys.length, cell * queries.length];
  const right = Math.max(4, ...keyWidths.map((text, i) => text * lean + 12 - cell * (keys.length - i - 0.5)));

  const svg = $("map");
  svg.replaceChildren();
  svg.setAttribute("width", left + width + right);
  svg.setAttribute("height", top + height + 2);
  svg.setAttribute(
    "aria-label",
    `${queries.length} queries by ${keys.length} keys; arrow keys move, Enter selects`,
  );
  const href = paint(make("canvas"), state.map, state.head).toDataURL();
  draw(svg, "image", { href, x: left, y: top, width, height, preserveAspectRatio: "none", class: "pixels" });
  let seams = "";
  for (let q = 1; q < queries.length; q++) seams += `M${left} ${top + q * cell}h${width}`;
  for (let k = 1; k < keys.length; k++) seams += `M${left + k * cell} ${top}v${height}`;
  draw(svg, "path", { d: seams, class: "seams", "stroke-width": cell > 20 ? 1.5 : 0.75 });
  rows.forEach((text, q) => {
    draw(
      svg,
      "text",
      {
        class: "query",
        x: left - 6,
        y: top + (q + 0.5) * cell,
        "font-size": size,
        "text-anchor": "end",
        "dominant-baseline": "central",
      },
      text,
    ).onclick = () => pick({ query: q, key: null });
  });
  columns.forEach((text, k) => {
    const [x, y] = [left + (k + 0.5) * cell, top - 6];
    draw(
      svg,
      "text",
      {
        class: "key",
        x,
        y,
        "font-size": size,
        "dominant-baseline": "central",
        transform: `rotate(${slanted ? -45 : -90} ${x} ${y})`,
      },
      text,
    ).onclick = () => pick({ query: null, key: k });
  });
  for (const id of ["before", "after"]) draw(svg, "rect", { id, class: "veil", visibility: "hidden" });
  draw(svg, "rect", { id: "frame", class: "frame", rx: 2, visibility: "hidden" });
}

// Frame the focused row, column or cell; for a row or column, dim the rest.
function lightMap({ query, key }) {
  const { queries, keys, row } = shownWeights();
  const { left, top, cell } = place;
  const set = (id, attributes) =>
    Object.entries(attributes).forEach(([name, value]) => $(id).setAttribute(name, value));
  const [width, height] = [cell * keys.length, cell * queries.length];
  const [x, wide] = key === null ? [left, width] : [left + key * cell, cell];
  const [y, high] = query === null ? [top, height] : [top + query * cell, cell];
  const idle = query === null && key === null;
  set("frame", { x, y, width: wide, height: high, visibility: idle ? "hidden" : "visible" });
  const one = (query === null) !== (key === null);
  const veil = { visibility: one ? "visible" : "hidden" };
  if (key === null) {
    set("before", { x: left, y: top, width, height: y - top, ...veil });
    set("after", { x: left, y: y + high, width, height: top + height - y - high, ...veil });
  } else {
    set("before", { x: left, y: top, width: x - left, height, ...veil });
    set("after", { x: x + wide, y: top, width: left + width - x - wide, height, ...veil });
  }
  const weights = query !== null && key === null ? row(query) : [];
  const most = Math.max(...weights, 0);
  $("map")
    .querySelectorAll(".query")
    .forEach((node, q) => node.classList.toggle("on", q === query));
  $("map")
    .querySelectorAll(".key")
    .forEach((node, k) => node.classList.toggle("on", k === key || (weights[k] >= 0.1 && weights[k] >= most / 4)));
}

function cellAt({ clientX, clientY }) {
  const box = $("map").getBoundingClientRect();
  const { queries, keys } = tokensOf(state.map);
  const query = Math.floor((clientY - box.top - place.top) / place.cell);
  const key = Math.floor((clientX - box.left - place.left) / place.cell);
  const [inRows, inColumns] = [within(query, queries.length), within(key, keys.length)];
  if (inRows && inColumns) return { query, key };
  if (inRows && key < 0) return { query, key: null };
  return inColumns && query < 0 ? { query: null, key } : null;
}

$("map").onpointermove = (event) => {
  point(cellAt(event));
  const tip = $("tip").getBoundingClientRect();
  $("tip").style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.width - 8))}px`;
  $("tip").style.top =
    `${event.clientY + 18 + tip.height > innerHeight ? event.clientY - tip.height - 10 : event.clientY + 18}px`;
};
$("map").onpointerleave = () => point(null);
$("map").onclick = (event) => {
  const cell = cellAt(event);
  if (cell && cell.query !== null && cell.key !== null) pick(cell);
};
$("map").onfocus = () => {
  if ($("map").matches(":focus-visible")) point({ query: state.query ?? 0, key: state.key ?? 0 });
};
$("map").onblur = () => point(null);
$("map").onkeydown = (event) => {
  const { queries, keys } = tokensOf(state.map);
  const { query, key } = pointed ?? { query: state.query, key: state.key };
  const step = ARROWS[event.key];
  if (!step && event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  if (!step) return pick({ query: query ?? 0, key: key ?? 0 });
  point({ query: clamp((query ?? 0) + step[0], queries.length), key: clamp((key ?? 0) + step[1], keys.length) });
};
