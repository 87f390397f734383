// Plotly plots in the colours of the theme, and saving of files.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function layoutOf(more) {
  const axis = { gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("line"), automargin: true };
  const { xaxis = {}, yaxis = {}, ...rest } = more;
  return {
    paper_bgcolor: colour("card"), plot_bgcolor: colour("card"), hovermode: "closest",
    font: { family: colour("type"), size: 13, color: colour("ink") },
    margin: { l: 56, r: 12, t: 12, b: 44 }, dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    hoverlabel: { namelength: -1, bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink") } },
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...rest,
  };
}

function plot(id, traces, layout, description) {
  $(id).ariaLabel = description;
  return Plotly.react($(id), traces, layoutOf(layout), { displayModeBar: false, responsive: true, showLink: false });
}

function save(name, address) {
  make("a", { download: name, href: address }).click();
}

async function savePlot(id, kind) {
  const { clientWidth: width, clientHeight: height } = $(id);
  save(`${id}.${kind}`, await Plotly.toImage($(id), { format: kind, width, height, scale: kind === "png" ? 2 : 1 }));
}

function saveText(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  save(name, address);
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
