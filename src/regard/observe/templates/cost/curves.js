// Curves over the length of the sequences, with logarithmic axes.

const CURVES = [
  { id: "sequence", unit: "s", exponent: "training" },
  { id: "token", unit: "s", exponent: "generation" },
  { id: "perSequence", unit: "B", exponent: "activations" },
  { id: "cache", unit: "B" },
  { id: "peak", unit: "B", limit: true },
  { id: "training", unit: "" },
];

// Ticks at 1, 2 and 5 of each power of ten, or only at the powers over a long range; the ends of a range without two of them.
function ticks(values, unit) {
  const exponents = values.filter((value) => value > 0).map(Math.log10);
  if (!exponents.length) return {};
  const [low, high] = [Math.floor(Math.min(...exponents)), Math.ceil(Math.max(...exponents))];
  const steps = high - low > 2 ? [1] : [1, 2, 5];
  const round = Array.from({ length: high - low + 1 }, (_, at) => steps.map((step) => step * 10 ** (low + at))).flat();
  const ends = [Math.min, Math.max].map((end) => 10 ** end(...exponents));
  const tickvals = round.filter((value) => value >= ends[0] && value <= ends[1]).length > 1 ? round : [...new Set(ends)];
  return { tickvals, ticktext: tickvals.map((value) => short(value, unit)) };
}

function drawCurve({ id, unit, exponent, limit }) {
  const drawn = shownRuns().map(({ run, index }) => ({ run, index, points: run.lengths.filter((at) => numeric(at[id]) && at[id] > 0) }))
    .filter(({ points }) => points.length);
  const traces = drawn.map(({ run, index, points }) => {
    const growth = exponent ? power(run.exponents[exponent]) : "";
    return {
      x: points.map((at) => at.length), y: points.map((at) => at[id]), mode: "lines+markers",
      name: label(nameOf(run)) + (growth && `, ${growth}`),
      text: points.map((at) => short(at[id], unit)), hovertemplate: "%{x:,} tokens: %{text}",
      line: { color: hueOf(index), dash: dashOf(index), width: 1.8 }, marker: { size: 5, color: hueOf(index) },
    };
  });
  // The available memory is drawn if a step needs a considerable share of it; the curves would be flat below it.
  const near = ({ run, points }) => numeric(run.available) && points.some((at) => at[id] > run.available / 50);
  const available = limit ? [...new Set(drawn.filter(near).map(({ run }) => run.available))] : [];
  const lengths = [...new Set(drawn.flatMap(({ points }) => points.map((at) => at.length)))];
  const values = [...traces.flatMap(({ y }) => y), ...available];
  plot(id, traces, {
    height: 320, showlegend: drawn.length <= DRAWN_AT_FIRST,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 } },
    xaxis: { type: "log", title: { text: "tokens" }, tickvals: lengths, ticktext: lengths.map((length) => length.toLocaleString("en")) },
    yaxis: { type: "log", ...ticks(values, unit) },
    shapes: available.map((y) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: { color: colour("mark"), dash: "dash", width: 1 } })),
    annotations: available.map((y) => ({ xref: "paper", x: 0, y: Math.log10(y), text: "available", showarrow: false, xanchor: "left", yanchor: "bottom", font: { color: colour("mark"), size: 12 } })),
  }, `${drawn.length} curves over the length: `
    + drawn.map(({ run, points }) => `${nameOf(run)} from ${short(points[0][id], unit)} to ${short(points.at(-1)[id], unit)}`).join("; "));
}

const drawCurves = () => CURVES.forEach(drawCurve);

$("legend").replaceChildren(...data.runs.map((run, index) => {
  const box = make("input", { type: "checkbox", checked: shown.has(index) });
  box.onchange = () => { if (box.checked) shown.add(index); else shown.delete(index); drawCurves(); };
  return make("label", {}, box, swatch(index), make("bdi", { textContent: nameOf(run), title: run.name }));
}));
for (const button of document.querySelectorAll("[data-plot]")) {
  button.ariaLabel = `Save the plot as ${button.textContent}`;
  button.onclick = () => savePlot(button.dataset.plot, button.dataset.format);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCurves);
drawCurves();
