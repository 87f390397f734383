// The kernel of one channel: its curve below the map, its memory length, and its value at a distance, in words.

const CURVE_TOP = 30; // below the map, with the numbers of the axis in between
const CURVE_HIGH = 130;

function showFocusedKernel() {
  const { channels, svgs, high } = drawnKernels;
  const at = focusedKernel();
  svgs.forEach((svg, direction) => {
    svg.querySelector(".frame").setAttribute("y", (at.row * high) / channels.length - 1);
    drawCurve(svg.querySelector(".curve"), at.row, direction, at.direction === direction ? at.range : null);
  });
  $("kernel-readout").replaceChildren(...kernelInWords(at));
}

// The area between the smallest and the largest value of each range; a line where a range is one distance.
function drawCurve(group, row, direction, range) {
  const { along, memory, memoryShare, scales, starts, width } = drawnKernels;
  const y = (share) => ((CURVE_HIGH * (1 - share)) / 2).toFixed(1);
  const x = (place) => (width * (along(starts[place]) + along(starts[place + 1]))) / 2;
  const [low, high] = kernelShares(drawnKernels, row, direction);
  const points = (shares) => shares.map((share, place) => `${x(place).toFixed(1)} ${y(share)}`);
  group.replaceChildren();
  const end = width * along(memory[direction][row] - direction + 1);
  draw(group, "path", { class: "zero", d: `M0 ${CURVE_HIGH / 2}H${width}` });
  draw(group, "path", { class: "memory", d: `M${end.toFixed(1)} 0V${CURVE_HIGH}` });
  draw(group, "path", { class: "band", d: `M${[...points(high), ...points(low).reverse()].join("L")}Z` });
  for (const share of [1, 0, -1]) {
    const text = share ? signed(share * scales[row], decimals(scales[row])) : "0";
    const place = { x: -6, y: y(share), "text-anchor": "end", "dominant-baseline": "central" };
    draw(group, "text", { class: "number", ...place }, text);
  }
  const left = end > width - 40;
  const label = { x: end + (left ? -4 : 4), y: 8, "text-anchor": left ? "end" : "start" };
  draw(group, "text", { class: "number", ...label }, `${100 * memoryShare} %`);
  if (range !== null) draw(group, "path", { class: "at", d: `M${x(range).toFixed(1)} 0V${CURVE_HIGH}` });
}

// Decimals for three significant digits of the largest value of a channel.
const decimals = (largest) => (largest > 0 ? Math.min(8, Math.max(0, 2 - Math.floor(Math.log10(largest)))) : 0);

function kernelInWords({ row, direction, range }) {
  const { channels, memory, scales, starts } = drawnKernels;
  const number = (text) => make("b", { textContent: text });
  const lengths = memory.flatMap((distances, each) => [
    each ? " and " : "",
    number(distances[row]),
    memory.length > 1 ? ` for ${DIRECTIONS[each]}` : "",
  ]);
  const most = starts.at(-1) - 2 + memory.length;
  const says = [number(`channel ${channels[row]}`), ": memory length ", ...lengths, `, of at most ${most}. `];
  if (range === null) return [...says, make("span", { className: "soft", textContent: "Point at the map to see values." })];
  const [first, last] = distancesOf(drawnKernels, direction, range);
  const values = kernelShares(drawnKernels, row, direction).map((shares) => shares[range] * scales[row]);
  const texts = [...new Set(values.map((value) => signed(value, decimals(scales[row]))))];
  const where = first === last ? `distance ${first}` : `distances ${first} to ${last}`;
  return [...says, `Value at ${where}${memory.length > 1 ? ` (${DIRECTIONS[direction]})` : ""}: `, number(texts.join(" to "))];
}
