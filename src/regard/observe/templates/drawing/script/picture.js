// The finished image under a veil: the more weight a patch has, the brighter it is. In small pictures, too.

const opacity = (weight, most) => LIGHTEST * (1 - weight / most);

function thumb() {
  return make(
    "span",
    { className: "thumb" },
    make("img", { src: drawing().image, alt: "", className: "pixels" }),
    make("canvas", { className: "pixels" }),
  );
}

// One pixel per patch.
function paintVeil(canvas, values) {
  const [rows, columns] = drawing().grid;
  [canvas.width, canvas.height] = [columns, rows];
  const image = new ImageData(columns, rows);
  const colour = getComputedStyle(document.documentElement).getPropertyValue("--veil").trim();
  const channels = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const most = Math.max(...values, 1e-9);
  values.forEach((value, index) => image.data.set([...channels, 255 * opacity(value, most)], 4 * index));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function showPicture() {
  showPatches($("patches"), drawing().image, drawing().grid);
}

// The patches that read a word, or those that a patch reads.
function patchWeights({ word, patch }, view = {}) {
  if (state.kind === "cross") return word === null ? null : weights(view).column(word);
  return patch === null ? null : weights(view).row(patch);
}

function lightPicture(at) {
  const values = patchWeights(at);
  const most = values ? Math.max(...values, 1e-9) : 1;
  for (const veil of $("veils").children) {
    const weight = values?.[Number(veil.dataset.index)];
    veil.style.opacity = values ? opacity(weight, most) : 0;
    if (values) veil.dataset.weight = weight.toFixed(4);
    else delete veil.dataset.weight;
  }
  $("patch").setAttribute("visibility", at.patch === null ? "hidden" : "visible");
  if (at.patch === null) return;
  const [, columns] = drawing().grid;
  $("patch").setAttribute("x", at.patch % columns);
  $("patch").setAttribute("y", Math.floor(at.patch / columns));
}

function showStages() {
  const { noisy, predicted, steps, times, count } = drawing();
  const index = slider();
  $("noisy").src = noisy[index];
  $("predicted").src = predicted[index];
  const text = `step ${steps[index] + 1} of ${count}, time ${times[index].toFixed(2)}`;
  for (const stage of document.querySelectorAll(".stage")) stage.textContent = text;
  $("at").textContent = text;
  $("step").ariaValueText = text;
}

function patchAt({ clientX, clientY }) {
  const box = $("patches").getBoundingClientRect();
  const [rows, columns] = drawing().grid;
  const [column, row] = [
    Math.floor(((clientX - box.left) / box.width) * columns),
    Math.floor(((clientY - box.top) / box.height) * rows),
  ];
  return within(row, rows) && within(column, columns) ? row * columns + column : null;
}

const pickPatch = (patch) => go({ patch: patch === state.patch ? null : patch });
const pointAtPatch = (patch) => point({ word: state.word, patch });

$("patches").onpointermove = (event) => {
  const index = patchAt(event);
  if (index === null) point(null);
  else pointAtPatch(index);
};
$("patches").onpointerleave = () => point(null);
$("patches").onclick = (event) => {
  const index = patchAt(event);
  if (index !== null) pickPatch(index);
};
$("patches").onfocus = () => {
  if ($("patches").matches(":focus-visible")) pointAtPatch(state.patch ?? 0);
};
$("patches").onblur = () => point(null);
$("patches").onkeydown = (event) => {
  const step = ARROWS[event.key];
  const [rows, columns] = drawing().grid;
  const at = focused().patch ?? 0;
  if (!step && event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  if (!step) return pickPatch(at);
  const [row, column] = [Math.floor(at / columns), at % columns];
  pointAtPatch(clamp(row + step[0], rows) * columns + clamp(column + step[1], columns));
};
