// Navigation: validate the requested view, show it, and store it in the address.

const numbered = (text) => (/^\d+$/.test(text) ? Number(text) : text);

let pointed = null; // { word, patch } under the pointer or with keyboard focus, either of which may be null
const focused = () => pointed ?? { word: state.word, patch: state.patch };

// The step whose images are shown, also if the maps are the mean over the steps.
let lastStep = null;
const slider = () => (state.step === MEAN ? (lastStep ?? drawing().steps.length >> 1) : state.step);

function point(at) {
  if (at?.word === pointed?.word && at?.patch === pointed?.patch) return;
  pointed = at;
  showFocused();
}

function showFocused() {
  const at = focused();
  lightWords(at);
  if (state.kind !== "between") lightPicture(at);
  lightHeads(at);
  if (state.kind !== "patches") showBars(at);
  if (state.kind === "cross") showCurves(at);
  $("readout").replaceChildren(...(state.kind === "between" ? [] : inWords(at)));
}

function go(request, all = false) {
  if (!data.drawings.length) return; // in a page that computes them: not yet
  const before = { ...state };
  Object.assign(state, request);
  const changed = (...parts) => all || parts.some((part) => before[part] !== state[part]);
  if (!within(state.drawing, data.drawings.length)) state.drawing = 0;
  if (!kindsOf().includes(state.kind)) state.kind = kindsOf()[0];
  if (!within(state.layer, layersOf().length)) state.layer = MEAN;
  if (!within(state.head, headsOf())) state.head = MEAN;
  if (!within(state.step, drawing().steps.length)) state.step = MEAN;
  if (!within(state.word, wordCount())) state.word = null;
  if (!within(state.patch, patchCount())) state.patch = null;
  if (state.step !== MEAN) lastStep = state.step;
  if (!within(lastStep, drawing().steps.length)) lastStep = null;
  pointed = null;
  if (changed("drawing", "kind")) {
    showDrawings();
    showKinds();
    showWords();
    showPicture();
    showHeads();
  }
  showTime();
  showStages();
  showFocused();
  writeAddress();
}

function showDrawings() {
  const { drawings } = data;
  refill(
    $("drawings"),
    drawings.map(({ prompt, image }, index) => {
      const note = make("small", { className: "soft", textContent: data.notes[index] ?? "" });
      const parts = [make("img", { src: image, alt: "", className: "pixels" }), make("span", { textContent: prompt, dir: "auto" }), note];
      const button = make("button", { type: "button", ariaPressed: index === state.drawing }, ...parts);
      button.onclick = () => visit({ drawing: index });
      return make("li", {}, button);
    }),
  );
  $("drawings").hidden = drawings.length === 1;
}

// Show another drawing or kind, with a word or a patch selected.
function visit(request) {
  go({ ...request, layer: MEAN, head: MEAN, word: null, patch: null });
  if (state.kind === "patches") go({ patch: middle() });
  else go({ word: state.kind === "cross" ? mostLocal() : 0 });
}

const middle = () => {
  const [rows, columns] = drawing().grid;
  return (rows >> 1) * columns + (columns >> 1);
};

function showKinds() {
  const kinds = kindsOf();
  refill(
    $("kinds"),
    kinds.map((kind) => {
      const button = make("button", { type: "button", textContent: KINDS[kind].title });
      button.onclick = () => visit({ kind });
      return button;
    }),
  );
  choose($("kinds"), $("kinds").children[kinds.indexOf(state.kind)]);
  $("lead").textContent = KINDS[state.kind].lead;
  $("prompt").hidden = state.kind === "patches";
  $("time").hidden = $("when").hidden = state.kind !== "cross";
  $("one").hidden = state.kind === "between";
  $("stages").hidden = state.kind !== "cross";
  $("details").hidden = state.kind === "patches";
}

function showTime() {
  $("step").max = drawing().steps.length - 1;
  $("step").value = slider();
  $("all-steps").ariaPressed = state.step === MEAN;
  $("time").classList.toggle("all", state.step === MEAN);
}

$("step").oninput = () => go({ step: Number($("step").value) });
$("all-steps").onclick = () => go({ step: state.step === MEAN ? slider() : MEAN });

function writeAddress() {
  const parts = Object.keys(DEFAULTS)
    .filter((name) => state[name] !== DEFAULTS[name])
    .map((name) => `${name}=${state[name]}`);
  history.replaceState(null, "", `#${parts.join("&")}`);
}

function readAddress() {
  if (!data.drawings.length) return;
  const request = { ...DEFAULTS };
  const given = new URLSearchParams(location.hash.slice(1));
  for (const [name, text] of given) if (Object.hasOwn(DEFAULTS, name)) request[name] = numbered(text);
  go(request, true);
  if (state.kind === "cross" && state.word === null && state.patch === null) go({ word: mostLocal() });
}

// Arrow keys move along the words.
$("words").onkeydown = (event) => {
  const step = ARROWS[event.key];
  const index = Number(event.target.dataset?.index ?? NaN);
  if (!step || Number.isNaN(index)) return;
  event.preventDefault();
  $("words").children[clamp(index + step[0] + step[1], wordCount())].firstChild.focus();
};
moveAlong($("kinds"), true);
moveAlong($("drawings"), false);

addEventListener("keydown", ({ key }) => {
  if (key === "Escape") go({ word: null, patch: null });
});
addEventListener("hashchange", readAddress);
darkTheme.addEventListener("change", () => go({}));
