// Navigation: validate the requested view, draw what has changed, and store the view in the address.

const CHOICES = { view: VIEWS, shape: ["lines", "map", "picture"], units: ["pieces", "words"], axis: AXES };

function go(request, all = false) {
  if (!data.sentences.length) return; // in a page that computes them: not yet
  const before = { ...state };
  Object.assign(state, request);
  for (const [name, choices] of Object.entries(CHOICES)) if (!choices.includes(state[name])) state[name] = choices[0];
  if (!within(state.sentence, data.sentences.length)) state.sentence = 0;
  if (HAS_MAPS) checkMap(before, request);
  if (!WITH_KERNELS.includes(state.kernel)) state.kernel = DEFAULTS.kernel;
  if (!data.mixers[state.kernel]?.kernels.channels.includes(state.channel)) state.channel = null;
  if (!data.temperatures.includes(state.temperature)) state.temperature = 1;
  if (!within(state.token, sentence().target.length)) state.token = null;
  pointed = pointedToken = pointedKernel = null;

  const changed = (...parts) => all || parts.some((part) => before[part] !== state[part]);
  if (changed("sentence")) showSentences();
  if (changed("view")) showView();
  SHOW[state.view]((...parts) => changed("view", "sentence", ...parts), kindOf(before.map) !== kindOf(state.map));
  writeAddress();
}

// Validate the selected map, head and tokens.
function checkMap(before, request) {
  if (!Object.hasOwn(sentence().maps, state.map)) {
    state.map = Object.keys(data.kinds)
      .reverse()
      .flatMap((kind) => mapsOf(kind).slice(-1))[0];
  }
  if (!within(state.head, headsOf(state.map))) state.head = 0;
  if (request.units && request.units !== before.units && request.query === undefined)
    [state.query, state.key] = translated(before.units);
  const { queries, keys } = tokensOf(state.map);
  if (!within(state.query, queries.length)) state.query = null;
  if (!within(state.key, keys.length)) state.key = null;
}

// The element and the function of each display.
const PANELS = { lines: "lines", map: "grid", picture: "picture" };
const SHAPES = { lines: showLines, map: showMap, picture: showPicture };

// Draw a view; `changed` returns whether any of the given parts has changed.
const SHOW = {
  attention(changed, kindChanged) {
    document.querySelector("[data-shape=picture]").hidden = !hasPicture();
    choose($("shapes"), document.querySelector(`[data-shape=${shapeOf()}]`));
    choose($("units"), document.querySelector(`[data-units=${state.units}]`));
    if (changed("units") || kindChanged) {
      showKinds();
      showHeads();
    }
    for (const [shape, id] of Object.entries(PANELS)) $(id).hidden = shapeOf() !== shape;
    if (changed("map", "head", "units", "shape")) {
      showChosenHead();
      SHAPES[shapeOf()]();
    }
    showFocused();
    if (changed("map", "head", "units", "query", "key")) showOrigin();
  },
  kernels(changed) {
    choose($("axes"), document.querySelector(`[data-axis=${state.axis}]`));
    if (changed("kernel", "axis")) {
      showStack();
      showKernels();
    }
    showFocusedKernel();
  },
  likelihood(changed) {
    if (changed()) showText();
    showChances();
  },
  layers(changed) {
    if (changed()) showOverview();
    showLadder();
  },
};

function showView() {
  for (const button of $("views").children) {
    button.hidden = !VIEWS.includes(button.dataset.view);
    $(button.dataset.view).hidden = button.dataset.view !== state.view;
  }
  choose($("views"), $(`tab-${state.view}`), "aria-selected");
}

// The selected tokens in the other units: the word of a piece, the first piece of a word.
function translated(units) {
  const sides = sidesOf(state.map);
  return [
    [sides.queries, state.query],
    [sides.keys, state.key],
  ].map(([side, index]) => {
    if (index === null) return null;
    const words = sentence().words[side];
    return units === "words" ? words[index][0] : words.findIndex(([from, to]) => index >= from && index < to);
  });
}

const DEFAULTS = {
  view: VIEWS[0],
  shape: state.shape,
  units: "pieces",
  temperature: 1,
  query: null,
  key: null,
  token: null,
  kernel: state.kernel,
  axis: state.axis,
  channel: null,
  ...(HAS_MAPS ? {} : { map: "", head: 0 }),
};
const NUMBERS = ["sentence", "head", "query", "key", "token", "temperature", "channel"];

function writeAddress() {
  const parameters = ["view", "sentence", "map", "head", "shape", "units", "query", "key", "token", "temperature"];
  parameters.push("kernel", "axis", "channel");
  const parts = parameters
    .filter((name) => !(name in DEFAULTS) || state[name] !== DEFAULTS[name])
    .map((name) => `${name}=${state[name]}`);
  history.replaceState(null, "", `#${parts.join("&")}`);
}

function readAddress(all = false) {
  const request = { ...DEFAULTS, sentence: 0, map: "", head: 0 };
  for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
    if (name in request) request[name] = NUMBERS.includes(name) ? Number(text) : text;
  }
  go(request, all);
}

for (const button of $("views").children) button.onclick = () => go({ view: button.dataset.view });
for (const button of $("shapes").children) button.onclick = () => go({ shape: button.dataset.shape });
for (const button of $("units").children) button.onclick = () => go({ units: button.dataset.units });
for (const button of $("axes").children) button.onclick = () => go({ axis: button.dataset.axis });
for (const group of ["views", "shapes", "units", "kinds", "axes"]) moveAlong($(group), true);
moveAlong($("text"), false);
moveAlong($("overview"), false);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") go({ query: null, key: null, token: null, channel: null });
});
addEventListener("hashchange", () => readAddress());
darkTheme.addEventListener("change", () => {
  showScale();
  go({}, true);
});
let drawnWidth = innerWidth;
addEventListener("resize", () => {
  // a phone also reports a new height whenever its address bar hides
  if (innerWidth !== drawnWidth) go({}, true);
  drawnWidth = innerWidth;
});
showScale();
