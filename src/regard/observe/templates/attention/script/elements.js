// Create elements, format tokens and numbers. Texts are always set as textContent.

const $ = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function draw(parent, tag, attributes, text = "") {
  const node = document.createElementNS(document.querySelector("svg").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  parent.append(node);
  return node;
}

const visible = (token) => token.replace(/\u2581/g, "\u2423").replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, "\ufffd");
const shorten = (text, most) => ([...text].length > most ? [...text].slice(0, most - 1).join("") + "\u2026" : text);
const rightToLeft = (text) => /^\P{L}*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u.test(text);
const direction = (tokens) => (rightToLeft(tokens.filter((token) => !/^<.*>$/.test(token)).join("")) ? "rtl" : "ltr");
const note = (text) => make("p", { className: "soft", textContent: text });
const named = (token) => make("bdi", { className: "named", textContent: visible(token) });

// A token in a list, with a faint sign for the space before it.
function spelt(token) {
  const shown = visible(token);
  const faint = shown.startsWith("\u2423") ? [make("i", { textContent: "\u2423" }), shown.slice(1)] : [shown];
  return make("bdi", { className: "spelt", title: shown }, ...faint);
}

const signed = (number, digits = 3) => (number < 0 ? "\u2212" : "") + Math.abs(number).toFixed(digits);

function percent(share) {
  const hundredths = 100 * share;
  if (hundredths >= 99.95) return hundredths >= 99.995 ? "100 %" : `${hundredths.toFixed(2)} %`;
  if (hundredths >= 1) return `${hundredths.toFixed(1)} %`;
  return hundredths >= 0.0001 ? `${Number(hundredths.toPrecision(2))} %` : "< 0.0001 %";
}

// Replace the children; the focus stays on the button with the same index.
function refill(parent, children) {
  const at = [...parent.querySelectorAll("button")].indexOf(document.activeElement);
  parent.replaceChildren(...children);
  if (at >= 0) parent.querySelectorAll("button")[at]?.focus();
}

// Mark one of several buttons as chosen with the attribute `how`; the tab key reaches only this one.
function choose(group, chosen, how = "aria-pressed") {
  for (const button of group.querySelectorAll("button")) {
    button.setAttribute(how, button === chosen);
    button.tabIndex = button === chosen ? 0 : -1;
  }
}

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const within = (value, size) => Number.isInteger(value) && value >= 0 && value < size;
const clamp = (value, size) => Math.min(size - 1, Math.max(0, value));

// Arrow keys move the focus in a row of buttons; with `pick` they also click.
function moveAlong(group, pick) {
  group.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    const buttons = [...group.querySelectorAll("button")].filter((button) => !button.disabled && !button.hidden);
    const at = buttons.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    const along = getComputedStyle(group).direction === "rtl" ? -step[1] : step[1];
    const next = buttons[clamp(at + step[0] + along, buttons.length)];
    next.focus();
    if (pick) next.click();
  });
}
