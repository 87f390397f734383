// Data, selection and colours of runs, and formatting of texts and numbers.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const DRAWN_AT_FIRST = 12;
const shown = new Set([...data.runs.keys()].slice(0, DRAWN_AT_FIRST));  // indices of the plotted runs
const shownRuns = () => data.runs.map((run, index) => ({ run, index })).filter(({ index }) => shown.has(index));

// Ten hues that are distinguishable on light and dark backgrounds; later runs are dashed, dotted, dash-dotted.
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

const numeric = (value) => typeof value === "number";
const shorten = (text, most) => [...text].length > most ? [...text].slice(0, most - 1).join("") + "\u2026" : text;
const nameOf = ({ name }) => [...name].length > 30 ? "\u2026" + [...name].slice(-29).join("") : name;  // names differ at their ends
const visible = (token) => token.replace(/\u2581/g, "\u2423").replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, "\ufffd");

function format(value) {  // five digits for measurements; integers are unchanged
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

function configText(value) {  // undefined: the run does not have the key
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

// Plotly interprets some HTML in labels: escape it.
const label = (text) => visible(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
