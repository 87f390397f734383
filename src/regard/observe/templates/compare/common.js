const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const DRAWN_AT_FIRST = 12;
const shown = new Set([...data.runs.keys()].slice(0, DRAWN_AT_FIRST));  // the runs that are drawn, by their number
const shownRuns = () => data.runs.map((run, index) => ({ run, index })).filter(({ index }) => shown.has(index));

// Ten hues that can be told apart on light and on dark; runs after the tenth are dashed, then dotted.
const HUES = ["#3b7dd8", "#d9661f", "#2f9e5f", "#b0479a", "#96761c", "#1f9aa6", "#d1495b", "#6b63d6", "#7f8f1a", "#a5633a"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const hueOf = (index) => HUES[index % HUES.length];
const dashOf = (index) => DASHES[Math.floor(index / HUES.length) % DASHES.length];

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

const swatch = (index) => {
  const style = { solid: "solid", dash: "dashed", dot: "dotted", dashdot: "double" }[dashOf(index)];
  const node = make("span", { className: "swatch", ariaHidden: "true" });
  node.style.borderTopColor = hueOf(index);
  node.style.borderTopStyle = style;
  return node;
};

// ---- words and numbers ----------------------------------------------------------------------------------

const numeric = (value) => typeof value === "number";
const shorten = (text, most) => [...text].length > most ? [...text].slice(0, most - 1).join("") + "\u2026" : text;
const nameOf = ({ name }) => [...name].length > 30 ? "\u2026" + [...name].slice(-29).join("") : name;  // ends differ, beginnings do not
const visible = (token) => token.replace(/\u2581/g, "\u2423").replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, "\ufffd");

function format(value) {  // five digits of a measurement; whole numbers as they are
  if (!numeric(value)) return value ?? "";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-4 ? value.toExponential(3) : String(Number(value.toPrecision(5)));
}

function duration(seconds) {
  if (!numeric(seconds)) return "";
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const rest = `${two(seconds % 3600 / 60)}:${two(seconds % 60)}`;
  return seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${rest}` : rest.replace(/^0/, "");
}

function configText(value) {  // undefined: a key that the run does not have
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

// Plotly reads some HTML in its labels: text that looks like it is to be shown as it is.
const label = (text) => visible(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

// ---- plots ----------------------------------------------------------------------------------------------

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
