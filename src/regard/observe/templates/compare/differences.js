// The configurations of the ticked runs, side by side: every key that is not the same in all of them.

const MOST_COMPARED = 8;

function drawDifferences() {
  const compared = shownRuns().slice(0, MOST_COMPARED);
  const keys = data.differing.filter((key) => new Set(compared.map(({ run }) => JSON.stringify(run.config[key]))).size > 1);
  const columns = [
    { title: "key", value: (key) => key },
    ...compared.map(({ run }) => ({
      title: run.name, value: (key) => sortableConfig(run.config[key]), wide: true,
      cell: (key) => key in run.config ? configText(run.config[key]) : make("span", { className: "soft", textContent: "(not there)" }),
    })),
  ];
  delete sortings.differences;
  const some = shown.size > MOST_COMPARED ? `The first ${MOST_COMPARED} of the ticked runs` : "The ticked runs";
  $("about-differences").textContent = compared.length < 2 ? "Tick two runs or more in the table." : keys.length === 0
    ? `${some} have the same configuration.` : `${some}: the ${keys.length} keys of config.yaml in which they differ, places included.`;
  $("differences").hidden = compared.length < 2 || keys.length === 0;
  if (!$("differences").hidden) drawTable("differences", "Differences", columns, keys, { column: null, descending: false });
}
