// The kernels of one layer: for each direction a map of channels by distance and the curve of one channel, on one axis.

const [KERNEL_LEFT, KERNEL_RIGHT] = [58, 14]; // room for the numbers beside the curve, and below the end of the axis
const DIRECTIONS = ["earlier positions", "later positions"];
const TICKS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000];
const TICK_WIDE = 34;

let drawnKernels = null; // the kernels of the layer, and the size of their drawing
let pointedKernel = null; // { row, direction, range }

// The row of the selected channel; without one, that of the longest memory.
const selectedRow = () => Math.max(0, drawnKernels.channels.indexOf(state.channel));
const focusedKernel = () => pointedKernel ?? { row: selectedRow(), direction: 0, range: null };

// The distances at which the axis has a number.
function ticks({ starts, width }) {
  if (state.axis === "logarithmic") return [0, ...TICKS];
  const step = TICKS.find((tick) => (tick * width) / starts.at(-1) >= TICK_WIDE) ?? TICKS.at(-1);
  return Array.from({ length: Math.ceil(starts.at(-1) / step) + 1 }, (_, number) => number * step);
}

// The distances of a range: [first, last].
const distancesOf = ({ starts }, direction, range) => [starts[range] + direction, starts[range + 1] - 1 + direction];

function showKernels() {
  const kernels = kernelsOf(state.kernel);
  const { channels, count, directions, memoryShare } = kernels;
  const { description } = data.mixers[state.kernel];
  $("kernel-name").textContent = `${placeOf(state.kernel)}: ${description}`;
  const shown = channels.length < count ? `${channels.length} of ${count} channels, evenly spaced` : `${count} channels`;
  $("kernel-about").textContent =
    `Rows are ${shown} by memory, longest first; columns are distances. The colour is the absolute value, relative to the ` +
    `largest one of the channel. The line marks the memory length: ${100 * memoryShare} % of the absolute sum of the kernel ` +
    `lies within this distance.`;
  $("directions").replaceChildren();
  $("directions").classList.toggle("two", directions > 1);
  const high = Math.min(360, channels.length * Math.min(12, Math.max(1, Math.floor(360 / channels.length))));
  const panels = DIRECTIONS.slice(0, directions).map((title) => {
    const panel = make("figure", {}, make("figcaption", { className: "soft small", textContent: `Distance to ${title}` }));
    panel.style.minHeight = `${high + CURVE_TOP + CURVE_HIGH + 8}px`; // the width depends on whether the page scrolls
    $("directions").append(panel);
    return panel;
  });
  const width = panels[0].clientWidth - KERNEL_LEFT - KERNEL_RIGHT;
  drawnKernels = { ...kernels, width, high, svgs: [] };
  panels.forEach((panel, direction) => drawnKernels.svgs.push(kernelPanel(panel, direction)));
}

function kernelPanel(panel, direction) {
  const { along, channels, width, high, memory, ranges, starts } = drawnKernels;
  const svg = draw(panel, "svg", {
    class: "kernel-map",
    width: width + KERNEL_LEFT + KERNEL_RIGHT,
    height: high + CURVE_TOP + CURVE_HIGH + 8,
    tabindex: 0,
    role: "application",
    "aria-roledescription": "map of kernels",
    "aria-label": `${channels.length} channels by ${ranges} distances to ${DIRECTIONS[direction]}; arrow keys move, Enter selects`,
  });
  const place = draw(svg, "g", { transform: `translate(${KERNEL_LEFT} 2)` });
  const href = paintKernels(make("canvas"), drawnKernels, direction, Math.max(1, Math.round(width))).toDataURL();
  draw(place, "image", { href, width, height: high, preserveAspectRatio: "none", class: "pixels" });
  const row = high / channels.length;
  const ends = memory[direction].map((distance) => (width * along(distance - direction + 1)).toFixed(1));
  draw(place, "path", { class: "memory", d: `M${ends[0]} 0${ends.map((x) => `H${x}v${row}`).join("")}` });
  let last = -Infinity;
  for (const tick of ticks(drawnKernels)) {
    const index = tick - direction;
    const x = (width * (along(index) + along(index + 1))) / 2;
    if (index < 0 || index >= starts.at(-1) || x - last < TICK_WIDE - 1) continue;
    last = x;
    draw(place, "path", { class: "tick", d: `M${x} ${high}v4` });
    draw(place, "text", { class: "number", x, y: high + 16, "text-anchor": "middle" }, tick);
  }
  draw(place, "rect", { class: "frame", x: -1, width: width + 2, height: row + 2, rx: 1 });
  draw(place, "g", { class: "curve", transform: `translate(0 ${high + CURVE_TOP})` });
  listenToKernels(svg, direction);
  return svg;
}

function listenToKernels(svg, direction) {
  const cellAt = ({ clientX, clientY }) => {
    const box = svg.getBoundingClientRect();
    const { channels, width, high } = drawnKernels;
    const x = (clientX - box.left - KERNEL_LEFT) / width;
    const row = Math.floor(((clientY - box.top - 2) / high) * channels.length);
    if (x < 0 || x >= 1 || row < 0) return null;
    return { row: row < channels.length ? row : selectedRow(), direction, range: rangeAt(drawnKernels, x) };
  };
  const pickChannel = (row) => {
    const channel = drawnKernels.channels[row];
    go({ channel: channel === state.channel ? null : channel });
  };
  svg.onpointermove = (event) => pointKernel(cellAt(event));
  svg.onpointerleave = () => pointKernel(null);
  svg.onclick = (event) => {
    if (cellAt(event)) pickChannel(cellAt(event).row);
  };
  svg.onfocus = () => {
    if (svg.matches(":focus-visible")) pointKernel({ row: selectedRow(), direction, range: 0 });
  };
  svg.onblur = () => pointKernel(null);
  svg.onkeydown = (event) => {
    const step = ARROWS[event.key];
    if (!step && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    const { row, range } = focusedKernel();
    if (!step) return pickChannel(row);
    const { channels, ranges } = drawnKernels;
    pointKernel({ row: clamp(row + step[0], channels.length), direction, range: clamp((range ?? 0) + step[1], ranges) });
  };
}

function pointKernel(cell) {
  pointedKernel = cell;
  showFocusedKernel();
}
