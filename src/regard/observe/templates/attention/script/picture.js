// One head over an image: words beside the picture, whose patches are the keys. In the encoder, patches are queries too.

const patchQueries = () => sidesOf(state.map).queries === "source";
const patchPlace = (index) => {
  const [, columns] = sentence().grid;
  return { x: index % columns, y: Math.floor(index / columns) };
};

function showPicture() {
  const { queries } = shownWeights();
  const kind = data.kinds[kindOf(state.map)];
  $("word-side").textContent = patchQueries() ? "" : kind.query;
  $("words").parentNode.hidden = patchQueries();
  $("words").dir = direction(queries);
  $("words").replaceChildren(...(patchQueries() ? [] : queries.map(wordButton)));
  showPatches($("patches"), sentence().image, sentence().grid);
}

function wordButton(token, index) {
  const button = make("button", { type: "button", className: "token" }, spelt(token));
  const here = { query: index, key: null };
  button.dataset.index = index;
  button.onclick = () => pick(here);
  return make("li", {}, pointer(button, here));
}

// A focused query dims the patches that it reads less; a focused patch colours the words that read it.
function lightPicture({ query, key }) {
  const { row, column } = shownWeights();
  const weights = query !== null ? row(query) : null;
  const most = weights ? Math.max(...weights, 1e-9) : 1;
  for (const veil of $("veils").children) {
    const weight = weights?.[Number(veil.dataset.index)];
    veil.style.opacity = weights ? LIGHTEST * (1 - weight / most) : 0;
    if (weights) veil.dataset.weight = weight.toFixed(4);
    else delete veil.dataset.weight;
  }
  const readers = query === null && key !== null ? column(key) : null;
  [...$("words").children].forEach(({ firstChild: button }, index) => {
    shade(button, readers ? readers[index] : null);
    if (readers) button.dataset.weight = readers[index].toFixed(4);
    else delete button.dataset.weight;
    button.classList.toggle("on", index === query);
    button.ariaPressed = index === state.query;
    button.tabIndex = index === (state.query ?? 0) ? 0 : -1;
  });
  const framed = key ?? (patchQueries() ? query : null);
  $("patch").setAttribute("visibility", framed === null ? "hidden" : "visible");
  if (framed === null) return;
  const { x, y } = patchPlace(framed);
  for (const [name, value] of Object.entries({ x, y, width: 1, height: 1 })) $("patch").setAttribute(name, value);
}

// What a patch stands for: a query in the encoder; else a key, of the selected word if there is one.
const atPatch = (index) => (patchQueries() ? { query: index, key: null } : { query: state.query, key: index });

function patchAt({ clientX, clientY }) {
  const box = $("patches").getBoundingClientRect();
  const [rows, columns] = sentence().grid;
  const [column, row] = [
    Math.floor(((clientX - box.left) / box.width) * columns),
    Math.floor(((clientY - box.top) / box.height) * rows),
  ];
  return within(row, rows) && within(column, columns) ? row * columns + column : null;
}

$("patches").onpointermove = (event) => {
  const index = patchAt(event);
  point(index === null ? null : atPatch(index));
};
$("patches").onpointerleave = () => point(null);
$("patches").onclick = (event) => {
  const index = patchAt(event);
  if (index !== null) pick(atPatch(index));
};
$("patches").onfocus = () => {
  if ($("patches").matches(":focus-visible")) point(atPatch(0));
};
$("patches").onblur = () => point(null);
$("patches").onkeydown = (event) => {
  const step = ARROWS[event.key];
  const [rows, columns] = sentence().grid;
  const at = (patchQueries() ? pointed?.query : pointed?.key) ?? 0;
  if (!step && event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  if (!step) return pick(atPatch(at));
  const [row, column] = [Math.floor(at / columns), at % columns];
  point(atPatch(clamp(row + step[0], rows) * columns + clamp(column + step[1], columns)));
};

// Arrow keys move along the words.
$("words").onkeydown = (event) => {
  const step = ARROWS[event.key];
  const index = Number(event.target.dataset?.index ?? NaN);
  if (!step || Number.isNaN(index)) return;
  event.preventDefault();
  const next = clamp(index + step[0] + step[1], $("words").children.length);
  $("words").children[next].firstChild.focus();
};
