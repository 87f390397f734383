// The table of means over seeds.

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
