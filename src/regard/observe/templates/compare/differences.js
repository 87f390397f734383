// The configurations of the selected runs: every key whose value is not the same in all of them.

const MOST_COMPARED = 8;

function drawDifferences() {
  const compared = shownRuns().slice(0, MOST_COMPARED);
  const keys = data.differing.filter((key) => new Set(compared.map(({ run }) => JSON.stringify(run.config[key]))).size > 1);
  const columns = [
    { title: "key", value: (key) => key },
    ...compared.map(({ run }) => ({
      title: run.name, value: (key) => sortableConfig(run.config[key]), wide: true,
      cell: (key) => key in run.config ? configText(run.config[key]) : make("span", { className: "soft", textContent: "(missing)" }),
    })),
  ];
  delete sortings.differences;
  const some = shown.size > MOST_COMPARED ? `The first ${MOST_COMPARED} selected runs` : "The selected runs";
  $("about-differences").textContent = compared.length < 2 ? "Select at least two runs in the table." : keys.length === 0
    ? `${some} have the same configuration.` : `${some} differ in ${keys.length} keys of config.yaml (including paths).`;
  $("differences").hidden = compared.length < 2 || keys.length === 0;
  if (!$("differences").hidden) drawTable("differences", "Differences", columns, keys, { column: null, descending: false });
}
