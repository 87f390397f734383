// All layers and heads, and their means: a small picture of each, or a matrix of words. One is chosen.

const nameOf = (number) => (number === MEAN ? MEAN : String(number));

function showHeads() {
  const [heads, layers] = [
    [MEAN, ...Array(headsOf()).keys()],
    [MEAN, ...layersOf().keys()],
  ];
  $("view").classList.toggle("many", heads.length > 9); // if the heads do not fit beside the image, they are above it
  const width = Math.min(76, Math.max(34, Math.floor(($("heads").parentNode.clientWidth - 84) / heads.length) - 5));
  $("heads").style.gridTemplateColumns = `auto repeat(${heads.length}, ${width}px)`;
  const note = (text, name) => make("span", { className: `${name} soft small`, textContent: text });
  const cell = (layer, head) => {
    const inside = state.kind === "between" ? make("canvas", { className: "pixels" }) : thumb();
    const button = make("button", { type: "button", ariaLabel: `layer ${nameOf(layer)}, head ${nameOf(head)}` }, inside);
    Object.assign(button.dataset, { layer, head });
    button.onclick = () => go({ layer, head });
    return button;
  };
  refill($("heads"), [
    note("head", "corner"),
    ...heads.map((head) => note(nameOf(head), "number")),
    ...layers.flatMap((layer) => [
      note(`layer ${nameOf(layer)}`, "layer"),
      ...heads.map((head) => (head === MEAN || layer === MEAN || head < layersOf()[layer].tops.length ? cell(layer, head) : make("span"))),
    ]),
  ]);
  $("about").textContent =
    state.kind === "between"
      ? "Rows are the words that read, columns the words that are read. Choose one to see its weights."
      : `Each picture shows the patches that ${state.kind === "cross" ? "read the chosen word" : "the chosen patch reads"}. ` +
        "Choose a layer and a head, or their mean.";
}

function lightHeads(at) {
  for (const button of $("heads").querySelectorAll("button")) {
    const { layer, head } = button.dataset;
    const view = { layer: numbered(layer), head: numbered(head) };
    const canvas = button.querySelector("canvas");
    if (state.kind === "between") paintMatrix(canvas, weightsOf(view.layer, view.head, MEAN));
    else paintVeil(canvas, patchWeights(at, view) ?? new Float32Array(patchCount()).fill(1));
  }
  choose($("heads"), headButton(state.layer, state.head));
  const chosen = (noun, number) => (number === MEAN ? `mean over ${noun}s` : `${noun} ${number}`);
  $("name").textContent = `${chosen("layer", state.layer)}, ${chosen("head", state.head)}`.replace(/^./, (first) =>
    first.toUpperCase(),
  );
}

const headButton = (layer, head) =>
  [...$("heads").querySelectorAll("button")].find(
    ({ dataset }) => dataset.layer === String(layer) && dataset.head === String(head),
  );

function paintMatrix(canvas, values) {
  const size = wordCount();
  [canvas.width, canvas.height] = [size, size];
  const image = new ImageData(size, size);
  const [target, { pixels }] = [new Uint32Array(image.data.buffer), scale()];
  values.forEach((value, index) => {
    target[index] = pixels[stepOf(value)];
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

$("heads").onkeydown = (event) => {
  const step = ARROWS[event.key];
  if (!step) return;
  event.preventDefault();
  const along = (value, by, size) => {
    const next = clamp((value === MEAN ? 0 : value + 1) + by, size + 1);
    return next === 0 ? MEAN : next - 1;
  };
  const layer = along(state.layer, step[0], layersOf().length);
  go({ layer, head: along(state.head, step[1], headsOf()) });
  headButton(state.layer, state.head).focus();
};
