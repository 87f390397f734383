// A table whose columns sort it: {title, value, cell, number, wide, hidden}; value(row) is sorted by, cell(row) is shown.

const sortings = {};  // of each table: the column and the direction it is sorted by

function drawTable(id, caption, columns, rows, first) {
  const sorting = sortings[id] ??= { column: first.column, descending: first.descending };
  const visibleColumns = columns.filter(({ hidden }) => !hidden);
  const body = make("tbody");
  const heads = visibleColumns.map((column) => {
    const parts = (column.title.length < 12 ? [column.title] : column.title.split(/(?<=[./_])/)).flatMap((part) => [part, make("wbr")]);
    const button = make("button", { type: "button" }, ...parts);
    const head = make("th", { scope: "col", className: column.number ? "number" : "" }, button);
    button.onclick = () => {
      sorting.descending = sorting.column === column.title && !sorting.descending;
      sorting.column = column.title;
      arrange();
    };
    return head;
  });
  const lines = new Map(rows.map((row) => [row, make("tr", {}, ...visibleColumns.map((column, place) => {
    const tag = place === 0 ? "th" : "td";
    const cell = make(tag, { className: [column.number && "number", column.wide && "wide"].filter(Boolean).join(" ") });
    if (place === 0) cell.scope = "row";
    cell.append(...[column.cell ? column.cell(row) : format(column.value(row))].flat());
    return cell;
  }))]));

  function arrange() {
    const column = visibleColumns.find(({ title }) => title === sorting.column);
    heads.forEach((head, place) => {
      const here = visibleColumns[place] === column;
      head.ariaSort = here ? (sorting.descending ? "descending" : "ascending") : "none";
    });
    const sorted = column ? [...rows].sort((a, b) => compareValues(column.value(a), column.value(b), sorting.descending)) : rows;
    body.replaceChildren(...sorted.map((row) => lines.get(row)));
  }
  arrange();
  $(id).replaceChildren(make("caption", { textContent: caption }), make("thead", {}, make("tr", {}, ...heads)), body);
}

const byName = new Intl.Collator("en", { numeric: true }).compare;

// Numbers before words, and what is not there (or is no number) at the end, whatever the direction.
function compareValues(a, b, descending) {
  const rank = (value) => numeric(value) ? 0 : typeof value === "string" && value !== "" && value !== "NaN" ? 1 : 2;
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  const order = rank(a) === 0 ? a - b : rank(a) === 1 ? byName(a, b) : 0;
  return descending ? -order : order;
}

// ---- the runs -------------------------------------------------------------------------------------------

const better = data.mode === "min" ? "smallest" : "largest";
const scoreTitle = `${better} ${data.metric}`;
const finalNames = data.metrics.filter((name) => !["train/tokens", "train/seconds"].includes(name));
const tested = finalNames.some((name) => name.startsWith("test/"));
const usual = (name) => name.startsWith(tested ? "test/" : "validation/") && name !== data.metric;

const sortableConfig = (value) => value === undefined || value === null ? "" : numeric(value) ? value : configText(value);

function configCell(value) {  // a number that a search drew is cut to four digits, a long text too; pointing at it shows all
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
  const box = make("input", { type: "checkbox", checked: shown.has(index), ariaLabel: `draw ${run.name}` });
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
  const hidden = data.columns.length > 10 ? ` The first 10 of ${data.columns.length} keys that differ are columns; Columns has the others.` : "";
  $("about-runs").textContent = `${states.join(", ")}. Columns between are the keys of the configuration that differ.${hidden} `
    + "Final values are the latest that were measured. Ticked runs are drawn below.";
  $("notes").replaceChildren(...data.runs.flatMap((run) => [...(run.why ? [`${run.state}: ${run.why}`] : []), ...run.notes]
    .map((note) => make("li", {}, make("bdi", { textContent: run.name }), `: ${note}`))));
}

// ---- over seeds -----------------------------------------------------------------------------------------

function aggregateText(aggregate) {
  if (!aggregate) return "";
  const [mean, deviation] = aggregate;
  return deviation === null ? format(mean) : `${format(mean)} \u00b1 ${Number(deviation.toPrecision(2))}`;
}

function drawGroups() {
  $("seeds").hidden = data.groups.every(({ runs }) => runs.length < 2);
  if ($("seeds").hidden) return;
  const first = ({ runs }) => data.runs[runs[0]];
  const keys = data.columns.filter((key) => key !== "seed");
  const columns = [
    { title: "runs finished", value: ({ finished }) => finished, cell: ({ finished, runs }) => `${finished} of ${runs.length}` },
    { title: "seeds", value: ({ runs }) => runs.length, cell: ({ runs }) => runs.map((index) => configText(data.runs[index].config.seed)).sort(byName).join(", "), wide: true },
    ...keys.map((key) => ({ title: key, value: (group) => sortableConfig(first(group).config[key]), cell: (group) => configCell(first(group).config[key]), wide: true })),
    { title: scoreTitle, value: ({ score }) => score?.[0], cell: ({ score }) => aggregateText(score), number: true },
    ...finalNames.filter(usual).map((name) => ({
      title: `final ${name}`, value: ({ aggregates }) => aggregates[name]?.[0], cell: ({ aggregates }) => aggregateText(aggregates[name]), number: true,
    })),
  ];
  drawTable("groups", "Means over seeds", columns, data.groups, { column: scoreTitle, descending: data.mode === "max" });
}

// Before Plotly is read, which takes longer than all else.
drawRuns();
drawColumnChoices();
drawNotes();
drawGroups();
