// Learning curves. A point's place on the axis of tokens or time lies between those of the rows that say how many.

const AXES = { step: "step", tokens: "target tokens", seconds: "training time, validations left out" };

// What had been spent at a step, linear from the start and between the rows that tell; after the last, as before it.
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

// An exponential mean that begins without a bias towards zero (Kingma and Ba 2015, section 3); gaps stay gaps.
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
  if (shown.size === 0) notes.push("No run is ticked in the table.");
  else if (drawn.length < shown.size) notes.push(`${shown.size - drawn.length} of the ticked runs have not measured ${metric}.`);
  if (without.length) notes.push(`${without.length} runs do not say how many ${axis === "tokens" ? "tokens" : "seconds"} a step took (metrics.csv of older code has no train/${axis}): not drawn.`);
  if (data.thinned) notes.push(`Curves are thinned out to at most ${data.thinned} points; the first and last, and the smallest and largest of each stretch are kept. metrics.csv has every row.`);
  if (data.curvesLeftOut) notes.push(`${data.curvesLeftOut} curves of attention are left out, for size; compare fewer runs to see them.`);
  notes.push("Drag to zoom, double-click for the whole.");
  $("about-curves").textContent = notes.join(" ");
}
