// An image model: it draws a prompt from noise, step by step.

const KEPT_DRAWINGS = 8;

const size = description.model.decoder.image_size;
let begun = null; // the drawing in progress

const begin = () => run();
const describeDeviation = (deviation) => {
  const steps = 255 * description.model.pixel_deviation * deviation;
  return `In this browser, the prediction for one of them differs from PyTorch by at most ${steps.toPrecision(2)}.`;
};
const hasInput = () => $("input").value.trim() !== "";

// An image on a canvas, from bytes of RGB; its address.
function show(canvas, bytes) {
  [canvas.width, canvas.height] = [size, size];
  const shown = new ImageData(size, size);
  for (let i = 0; i < size * size; i++) shown.data.set([...bytes.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  canvas.getContext("2d").putImageData(shown, 0, 0);
  return canvas.toDataURL();
}

function run() {
  if (!isReady || !hasInput() || !$("request").reportValidity()) return;
  const settings = {
    seed: Number($("seed").value),
    steps: Number($("draw-steps").value),
    guidance: Number($("draw-guidance").value),
    solver: $("draw-solver").value,
  };
  const { steps: count, seed } = settings;
  begun = { prompt: $("input").value, seed, count, steps: [], times: [], noisy: [], predicted: [] };
  setBusy(true);
  ask({ kind: "draw", text: begun.prompt, ...settings }, { step: takeStep, drawn: takeDrawing });
}

function takeStep({ number, time, noisy, predicted }) {
  begun.steps.push(number);
  begun.times.push(time);
  begun.noisy.push(show($("now"), noisy));
  begun.predicted.push(show($("expected"), predicted));
  $("done").value = number / begun.count;
  $("progress").textContent = `Step ${number + 1} of ${begun.count}, time ${time.toFixed(2)}`;
}

function takeDrawing({ drawing, image, wasCut, seconds }) {
  setBusy(false);
  data.drawings = [{ ...begun, ...drawing, image: show($("now"), image) }, ...data.drawings].slice(0, KEPT_DRAWINGS);
  data.notes = data.drawings.map(({ seed }) => `seed ${seed}`);
  $("done").value = 1;
  $("progress").textContent = `${begun.count} steps in ${seconds.toFixed(1)} s.` +
    (wasCut ? ` Only the first ${description.model.max_length - 1} tokens of the prompt were read.` : "");
  $("traced").hidden = false;
  $("take-tour").disabled = false;
  go({ drawing: 0, step: MEAN, word: null, patch: null }, true);
  visit({});
}

$("halt").onclick = () => {
  ask({ kind: "stop" }, {});
  setBusy(false);
  $("progress").textContent = `Stopped after step ${begun.steps.length} of ${begun.count}.`;
};
$("another").onclick = () => {
  $("seed").value = Math.floor(Math.random() * 2 ** 32);
  run();
};
$("input").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  run();
});
$("input").value ||= JSON.parse($("example").textContent);
