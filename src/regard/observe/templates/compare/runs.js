// The table of runs.

const better = data.mode === "min" ? "smallest" : "largest";
const scoreTitle = `${better} ${data.metric}`;
const finalNames = data.metrics.filter((name) => !["train/tokens", "train/seconds"].includes(name));
const tested = finalNames.some((name) => name.startsWith("test/"));
const usual = (name) => name.startsWith(tested ? "test/" : "validation/") && name !== data.metric;

const sortableConfig = (value) => value === undefined || value === null ? "" : numeric(value) ? value : configText(value);

function configCell(value) {  // long numbers and texts are shortened; the tooltip has the full value
  const text = configText(value);
  const short = numeric(value) && text.length > 9 ? String(Number(value.toPrecision(4))) : shorten(text, 120);
  return short === text ? text : make("span", { textContent: short, title: text });
}

const configColumn = (key, place) => ({
  title: key, value: ({ run }) => sortableConfig(run.config[key]), cell: ({ run }) => configCell(run.config[key]),
  ...(data.runs.every(({ config }) => config[key] === undefined || numeric(config[key])) ? { number: true } : { wide: true }),
  hidden: place >= 10,
});

const runColumns = [
  { title: "run", value: ({ run }) => run.name, cell: runCell, always: true },
  { title: "status", value: ({ run }) => run.state, cell: ({ run }) => make("span", { className: `state ${run.state}`, textContent: run.state, title: run.why }) },
  { title: scoreTitle, value: ({ run }) => run.score, number: true },
  { title: "at step", value: ({ run }) => run.bestStep, number: true },
  ...data.columns.map(configColumn),
  ...finalNames.map((name) => ({ title: `final ${name}`, value: ({ run }) => run.final[name], number: true, hidden: !usual(name) })),
  { title: "step", value: ({ run }) => run.step, number: true },
  { title: "wall time", value: ({ run }) => run.seconds, cell: ({ run }) => duration(run.seconds), number: true },
  { title: "tokens/s", value: ({ run }) => run.speed, cell: ({ run }) => numeric(run.speed) ? format(Math.round(run.speed)) : "", number: true },
  { title: "parameters", value: ({ run }) => run.parameters, number: true },
];

function runCell({ run, index }) {
  const box = make("input", { type: "checkbox", checked: shown.has(index), ariaLabel: `plot ${run.name}` });
  box.dataset.run = index;
  box.onchange = () => { if (box.checked) shown.add(index); else shown.delete(index); drawShown(); };
  return [box, swatch(index), make("bdi", { textContent: nameOf(run), title: run.path })];
}

function drawRuns() {
  const rows = data.runs.map((run, index) => ({ run, index }));
  drawTable("runs", `Runs by ${scoreTitle}`, runColumns, rows, { column: scoreTitle, descending: data.mode === "max" });
}

function drawColumnChoices() {
  $("columns").replaceChildren(...runColumns.filter(({ always }) => !always).map((column) => {
    const box = make("input", { type: "checkbox", checked: !column.hidden });
    box.onchange = () => { column.hidden = !box.checked; drawRuns(); };
    return make("label", {}, box, ` ${column.title}`);
  }));
}

function drawNotes() {
  const states = [...new Set(data.runs.map(({ state }) => state))]
    .map((state) => `${data.runs.filter((run) => run.state === state).length} ${state}`);
  const hidden = data.columns.length > 10 ? ` The first 10 of ${data.columns.length} differing keys are shown; select others under Columns.` : "";
  $("about-runs").textContent = `${states.join(", ")}. The table has the configuration keys that differ between runs.${hidden} `
    + "Final values are the latest ones. Selected runs are plotted below.";
  $("notes").replaceChildren(...data.runs.flatMap((run) => [...(run.why ? [`${run.state}: ${run.why}`] : []), ...run.notes]
    .map((note) => make("li", {}, make("bdi", { textContent: run.name }), `: ${note}`))));
}
