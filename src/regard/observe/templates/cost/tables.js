// The tables of configurations, of their parameters and of all lengths.

const PREFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "\u00b5"]];

// Three digits with a prefix: 1.23 M, 45.6 ms.
function short(value, unit = "") {
  if (!numeric(value)) return "";
  const [size, prefix] = PREFIXES.find(([least]) => value >= least) ?? [1, ""];
  return `${Number((value / size).toPrecision(3))} ${prefix}${unit}`.trim();
}

const dollars = (value) => !numeric(value) ? "" : `$${value >= 0.1 ? value.toFixed(2) : Number(value.toPrecision(2))}`;
const power = (value) => numeric(value) ? value.toFixed(2).replace("-0.00", "0.00") : "";

const quantity = (title, value, shown) => ({ title, value, cell: (row) => shown(value(row)), number: true });
const nameColumn = { title: "configuration", value: ({ run }) => run.name, cell: ({ run, index }) => [swatch(index), make("bdi", { textContent: nameOf(run), title: run.name })] };
const named = (names, shown) => names.map(([title, key]) => quantity(title, ({ at }) => at[key], shown));

// Columns of the costs at one length; a row has them as ``at``.
const costColumns = [
  ...named([["length", "length"], ["sequences", "sequences"]], format),
  ...named([["FLOPs/token, forward", "forward"], ["FLOPs/token, training", "training"]], short),
  ...named([["step", "step"], ["generated token", "token"]], (value) => short(value, "s")),
  ...named([["tokens/s", "speed"]], short),
  ...named([["weights", "weights"], ["gradients", "gradients"], ["optimizer", "optimizer"], ["activations", "activations"],
    ["peak memory", "peak"], ["generation state", "cache"]], (value) => short(value, "B")),
  ...named([["$/million tokens", "million"], ["$/run", "run"]], dollars),
].filter((column) => data.runs.some((run) => run.lengths.some((at) => numeric(column.value({ at })))));

function drawTables() {
  const rows = data.runs.map((run, index) => ({ run, index, at: run.own }));
  drawTable("configurations", "Configurations", [
    nameColumn,
    quantity("parameters", ({ run }) => run.total, short),
    ...costColumns,
    { title: "fits", value: ({ run }) => run.fits === null ? "" : run.fits ? "yes" : "no" },
    quantity("available", ({ run }) => run.available, (value) => short(value, "B")),
    quantity("quadratic from", ({ run }) => run.quadraticFrom ?? Infinity, (value) => Number.isFinite(value) ? format(Math.round(value)) : "never"),
    quantity("training ~ length^", ({ run }) => run.exponents.training, power),
    quantity("generation ~ length^", ({ run }) => run.exponents.generation, power),
  ], rows, {});
  const parts = [...new Set(data.runs.flatMap(({ parameters }) => Object.keys(parameters)))];
  drawTable("parameters", "Parameters by part", [
    nameColumn,
    quantity("all", ({ run }) => run.total, format),
    ...parts.map((part) => quantity(part, ({ run }) => run.parameters[part], format)),
  ], rows, {});
  drawTable("lengths", "Costs by length", [nameColumn, ...costColumns],
    data.runs.flatMap((run, index) => run.lengths.map((at) => ({ run, index, at }))), {});
  $("notes").replaceChildren(...data.runs.flatMap(({ name, notes }) => notes.map(
    (note) => make("li", {}, make("bdi", { textContent: name }), `: ${note}`))));
}
