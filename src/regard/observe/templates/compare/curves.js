// Learning curves. Positions on the axes of tokens and time are interpolated between the logged values.

const AXES = { step: "step", tokens: "target tokens", seconds: "training time, without validation" };

// The tokens or seconds at a step: linear interpolation from 0, and extrapolation after the last known value.
function between({ x, y }, step) {
  const later = x.findIndex((known) => known >= step);
  const after = later < 0 ? x.length - 1 : later;
  const [from, low] = after === 0 ? [0, 0] : [x[after - 1], y[after - 1]];
  return low + (y[after] - low) * (step - from) / Math.max(1, x[after] - from);
}

function placed(run, steps, axis) {
  if (axis === "step") return steps;
  const known = run.spent[`train/${axis}`];
  return known ? steps.map((step) => between(known, step)) : null;
}

// Exponential moving average with bias correction (Kingma and Ba 2015, section 3); gaps are preserved.
function smooth(values, weight) {
  let [mean, whole] = [0, 0];
  return values.map((value) => {
    if (!numeric(value)) return null;
    mean = weight * mean + (1 - weight) * value;
    whole = weight * whole + (1 - weight);
    return mean / whole;
  });
}

function drawCurves() {
  const [metric, axis, weight] = [$("metric").value, $("axis").value, Number($("smoothing").value)];
  $("smoothed").value = weight ? weight.toFixed(2) : "none";
  const drawn = shownRuns().filter(({ run }) => run.curves[metric]);
  const without = drawn.filter(({ run }) => !placed(run, [], axis));
  const traces = [];
  let longest = 0;
  for (const { run, index } of drawn) {
    const { x: steps, y } = run.curves[metric];
    const x = placed(run, steps, axis);
    if (!x) continue;
    longest = Math.max(longest, ...x.filter(numeric));
    const raw = y.map((value) => numeric(value) ? value : null);
    const values = weight ? smooth(raw, weight) : raw;
    const line = { color: hueOf(index), dash: dashOf(index), width: 1.8 };
    if (weight && drawn.length <= DRAWN_AT_FIRST) {
      traces.push({ x, y: raw, mode: "lines", line: { ...line, width: 1 }, opacity: 0.25, hoverinfo: "skip", showlegend: false });
    }
    traces.push({
      x, y: values, name: label(nameOf(run)), mode: values.length < 30 ? "lines+markers" : "lines", line,
      marker: { size: 5, color: line.color }, hoverinfo: "x+y+name",
    });
  }
  const [unit, seconds] = longest > 7200 ? ["hours", 3600] : longest > 300 ? ["minutes", 60] : ["seconds", 1];
  if (axis === "seconds") for (const trace of traces) trace.x = trace.x.map((x) => x === null ? null : x / seconds);
  const best = drawn.map(({ run }) => run).filter(({ score }) => score !== null)[0];
  const named = axis === "seconds" ? `${AXES[axis]}, in ${unit}` : AXES[axis];
  plot("curves", traces, {
    height: 430, showlegend: drawn.length <= DRAWN_AT_FIRST, legend: { orientation: "h", y: -0.2, font: { size: 12 } },
    xaxis: { title: { text: named } }, yaxis: { title: { text: label(metric) }, type: $("logarithmic").checked ? "log" : "linear" },
  }, `Learning curves of ${metric} by ${named}: ${traces.length} lines of ${drawn.length} runs`
    + (best && metric === data.metric ? `; the best is ${best.name} with ${format(best.score)}.` : "."));
  const notes = [];
  if (shown.size === 0) notes.push("No run is selected in the table.");
  else if (drawn.length < shown.size) notes.push(`${shown.size - drawn.length} of the selected runs do not have ${metric}.`);
  if (without.length) notes.push(`${without.length} runs are not plotted: their metrics.csv has no train/${axis} (older version).`);
  if (data.thinned) notes.push(`Curves are reduced to at most ${data.thinned} points: first, last, and minimum and maximum of intervals. metrics.csv has all points.`);
  if (data.curvesLeftOut) notes.push(`${data.curvesLeftOut} curves of attention are left out to limit the size of the page; compare fewer runs to see them.`);
  notes.push("Drag to zoom, double-click to reset.");
  $("about-curves").textContent = notes.join(" ");
}
