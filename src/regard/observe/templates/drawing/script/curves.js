// The mean weight of each word over the steps, of the chosen layer and head.

const BOX = { left: 44, right: 400, top: 12, bottom: 190 };
const LABEL_HEIGHT = 13;

function showCurves({ word }) {
  const svg = $("curves");
  const { words, times, steps } = drawing();
  const curves = words.map((_, index) => steps.map((_, step) => meanOf(weights({ step }).column(index))));
  const drawn = words.map((_, index) => index).filter((index) => index === word || !isMark(words[index]));
  const most = Math.max(...drawn.flatMap((index) => curves[index]), 1e-9);
  const x = (time) => BOX.left + (BOX.right - BOX.left) * time;
  const y = (weight) => BOX.bottom - ((BOX.bottom - BOX.top) * weight) / most;
  svg.replaceChildren();
  draw(svg, "path", { class: "axis", d: `M${BOX.left} ${BOX.top}V${BOX.bottom}H${BOX.right}` });
  for (const weight of [0, most]) {
    draw(svg, "text", { x: BOX.left - 6, y: y(weight) + 4, "text-anchor": "end" }, weight.toFixed(2));
  }
  draw(svg, "text", { x: BOX.left, y: BOX.bottom + 18 }, "time 0: noise");
  draw(svg, "text", { x: BOX.right, y: BOX.bottom + 18, "text-anchor": "end" }, "time 1: image");
  if (state.step !== MEAN) {
    draw(svg, "path", { class: "now", d: `M${x(times[state.step])} ${BOX.top}V${BOX.bottom}` });
  }
  const labels = [];
  for (const index of [...drawn].sort((a, b) => (b === word) - (a === word) || curves[b].at(-1) - curves[a].at(-1))) {
    const points = curves[index].map((weight, step) => [x(times[step]), y(weight)]);
    const on = index === word ? "on" : "";
    const title = `${wordName(index)}: ${curves[index].map((weight) => weight.toFixed(2)).join(", ")}`;
    const line = draw(svg, "path", { class: on, d: `M${points.map((point) => point.join(" ")).join("L")}`, "data-index": index });
    draw(line, "title", {}, title);
    if (points.length === 1) draw(svg, "circle", { class: on, cx: points[0][0], cy: points[0][1], r: 3 });
    const [right, height] = points.at(-1);
    if (labels.some((other) => Math.abs(other - height) < LABEL_HEIGHT)) continue;
    labels.push(height);
    draw(svg, "text", { class: on, x: right + 6, y: height + 4 }, shorten(wordName(index), 16));
  }
  svg.setAttribute("aria-label", `Mean weight of ${drawn.length} words over ${steps.length} steps`);
}
