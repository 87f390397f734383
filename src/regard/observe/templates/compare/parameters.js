// Parallel coordinates, with an axis per parameter and one for the metric; importance of parameters.
// Plotly's parcoords is not used: it needs WebGL and code generation, which the content security policy forbids.

const MOST_AXES = 12;
const MOST_LINES = 300;

function axisOf(title, values) {  // values: of all runs; place() returns a position from 0 to 1, or null for a missing value
  const there = values.filter((value) => value !== undefined && value !== null && value !== "NaN");
  if (there.length && there.every(numeric)) {
    const [low, high] = [Math.min(...there), Math.max(...there)];
    const log = low > 0 && high / low >= (there.every(Number.isInteger) ? 50 : 8);
    const scale = log ? Math.log : (value) => value;
    const width = scale(high) - scale(low) || 1;
    const place = (value) => numeric(value) ? (scale(value) - scale(low)) / width : null;
    const few = [...new Set(there)];
    const middle = log ? Math.sqrt(low * high) : (low + high) / 2;
    const marks = few.length <= 5 ? few : [low, Number(middle.toPrecision(2)), high];
    return { title, place, marks: marks.map((value) => [place(value), format(value)]), log };
  }
  const names = [...new Set(values.map(configText))].sort();
  const place = (value) => names.length > 1 ? names.indexOf(configText(value)) / (names.length - 1) : 0.5;
  const every = Math.ceil(names.length / 12);
  const marks = names.filter((_, at) => at % every === 0).map((name) => [names.length > 1 ? names.indexOf(name) / (names.length - 1) : 0.5, name || "(none)"]);
  return { title, place, marks, log: false };
}

function mix(from, to, share) {
  const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const ends = channels(to);
  return `rgb(${channels(from).map((value, i) => Math.round(value + share * (ends[i] - value))).join(",")})`;
}

function drawParallel() {
  const shares = data.importance.shares;
  const byImportance = [...data.parameters].sort((a, b) => (shares[b] ?? 0) - (shares[a] ?? 0));
  const chosen = data.parameters.length > MOST_AXES ? byImportance.slice(0, MOST_AXES) : data.parameters;
  const drawn = data.runs.slice(0, MOST_LINES);
  const scored = drawn.filter(({ score }) => score !== null);
  const reason = data.runs.length < 2 ? "At least two runs are needed." : data.parameters.length === 0
    ? "No parameter differs between the runs." : "";
  $("parallel").hidden = $("parameters-tools").hidden = reason !== "";
  $("about-parallel").textContent = reason || `One line per run${drawn.length < data.runs.length ? ` (the best ${MOST_LINES} of ${data.runs.length})` : ""}, through its parameter values${data.parameters.length > MOST_AXES ? ` (the ${MOST_AXES} most important of ${data.parameters.length})` : ""}. `
    + `Orange: best ${scoreTitle}; grey: worst; dotted: no value.`;
  if (reason) return;
  const axes = [
    ...chosen.map((key) => ({ key, ...axisOf(key, data.runs.map(({ config }) => config[key])) })),
    { key: null, ...axisOf(scoreTitle, data.runs.map(({ score }) => score)) },
  ];
  const valueOf = (run, { key }) => key === null ? run.score : run.config[key];
  const traces = drawn.map((run, rank) => ({ run, rank })).reverse().map(({ run, rank }) => ({  // best run on top
    x: axes.map((_, at) => at), y: axes.map((axis) => axis.place(valueOf(run, axis))), mode: "lines+markers",
    line: {
      width: rank === 0 ? 3 : 1.4, dash: run.score === null ? "dot" : "solid",
      color: run.score === null ? colour("soft") : mix(colour("mark"), darkTheme.matches ? "#3d4a58" : "#c3ccd6", rank / Math.max(1, scored.length - 1)),
    },
    marker: { size: 5 }, name: label(nameOf(run)), hoverinfo: "text+name",
    text: axes.map((axis) => label(`${axis.title} = ${shorten(axis.key === null ? format(run.score) : configText(valueOf(run, axis)), 60)}`)),
  }));
  const annotations = axes.flatMap(({ title, marks, log }, at) => [
    { x: at, y: 1.04, yanchor: "bottom", xanchor: at === 0 ? "left" : at === axes.length - 1 ? "right" : "center", xshift: at === 0 ? -16 : at === axes.length - 1 ? 16 : 0, text: label(shorten(title.split(".").slice(-2).join("."), 24)) + (log ? " (log)" : ""), showarrow: false, textangle: axes.length > 6 ? -18 : 0, font: { size: 12, color: colour("ink") } },
    ...marks.map(([y, text]) => ({ x: at, y, xanchor: "left", xshift: 5, text: label(shorten(text, 16)), showarrow: false, font: { size: 11, color: colour("soft") }, bgcolor: colour("card"), opacity: 0.85 })),
  ]);
  const lines = axes.map((_, at) => ({ type: "line", x0: at, x1: at, y0: 0, y1: 1, line: { color: colour("soft"), width: 1 }, layer: "below" }));
  $("parallel").style.minWidth = `${axes.length * 145}px`;
  plot("parallel", traces, {
    height: 380, showlegend: false, annotations, shapes: lines, dragmode: false, margin: { l: 20, r: 20, t: axes.length > 6 ? 64 : 30, b: 16 },
    xaxis: { visible: false, range: [-0.12, axes.length - 0.8], fixedrange: true }, yaxis: { visible: false, range: [-0.06, 1.06], fixedrange: true },
  }, `Parallel coordinates of ${drawn.length} runs through ${chosen.join(", ")} and ${scoreTitle}. The numbers are in the table of runs.`);
}

function drawImportance() {
  const { shares, method, left_out: leftOut } = data.importance;
  const entries = Object.entries(shares).sort(([, a], [, b]) => b - a).slice(0, 20);
  $("importance-title").hidden = data.runs.length < 2;
  $("about-importance").hidden = data.runs.length < 2;
  $("importance").hidden = $("importance-tools").hidden = entries.length === 0;
  $("about-importance").textContent = entries.length ? `${method}${leftOut ? ` Others are left out: ${leftOut}.` : ""}` : `Not computed: ${leftOut}.`;
  if (!entries.length) return;
  plot("importance", [{
    type: "bar", orientation: "h", x: entries.map(([, share]) => share), y: entries.map((_, at) => at), marker: { color: colour("mark") },
    text: entries.map(([, share]) => share.toFixed(2)), textposition: "outside", cliponaxis: false, hoverinfo: "skip",
  }], {
    height: 56 + 30 * entries.length, showlegend: false, dragmode: false, bargap: 0.35, margin: { l: 20, r: 40, t: 4, b: 30 },
    xaxis: { range: [0, 1], fixedrange: true },
    yaxis: { tickvals: entries.map((_, at) => at), ticktext: entries.map(([key]) => label(shorten(key, 40)) + " "), autorange: "reversed", fixedrange: true },
  }, `Importance: ${entries.map(([key, share]) => `${key} ${share.toFixed(2)}`).join(", ")}.`);
}
