// Rows of bars, one bar per channel of a head; negative values point down. Pointing at a channel shows its numbers.

const BARS_HIGH = 46;

// rows: [{ name, label, numbers, scale }], where rows with the same `scale` share it; describe(channel) returns a text.
function bars(rows, describe) {
  const dim = rows[0].numbers.length;
  const readout = make("output", { className: "channel" });
  const box = make("div", { className: "bars", tabIndex: 0 });
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", `${dim} channels; arrow keys move`);
  const largest = (scale) =>
    Math.max(...rows.filter((row) => row.scale === scale).flatMap(({ numbers }) => numbers.map(Math.abs)), 1e-9);
  for (const { name, label, numbers, scale } of rows) {
    const svg = draw(box, "svg", {
      class: "strip",
      "data-name": name,
      viewBox: `0 0 ${dim} 2`,
      preserveAspectRatio: "none",
      height: BARS_HIGH,
      "aria-hidden": true,
    });
    const most = largest(scale);
    draw(svg, "rect", { class: "cursor", x: 0, y: 0, width: 1, height: 2, visibility: "hidden" });
    draw(svg, "path", { class: "zero", d: `M0 1H${dim}` });
    numbers.forEach((number, channel) => {
      const high = Math.abs(number) / most;
      draw(svg, "rect", {
        class: number < 0 ? "bar minus" : "bar",
        x: channel + 0.1,
        y: number < 0 ? 1 : 1 - high,
        width: 0.8,
        height: high,
        "data-value": number,
      });
    });
    svg.before(make("span", { className: "bar-label" }, ...label));
    svg.after(make("span", { className: "bar-most soft small", textContent: `\u00b1${most.toPrecision(2)}` }));
  }
  let at = null;
  const show = (channel) => {
    at = channel;
    readout.textContent =
      channel === null ? "Point at a channel to see its numbers." : `channel ${channel}: ${describe(channel)}`;
    for (const cursor of box.querySelectorAll(".cursor")) {
      cursor.setAttribute("x", channel ?? 0);
      cursor.setAttribute("visibility", channel === null ? "hidden" : "visible");
    }
  };
  box.onpointermove = (event) => {
    const strip = box.querySelector("svg").getBoundingClientRect();
    const channel = Math.floor((dim * (event.clientX - strip.left)) / strip.width);
    show(within(channel, dim) ? channel : null);
  };
  box.onpointerleave = () => show(null);
  box.onfocus = () => {
    if (box.matches(":focus-visible")) show(0);
  };
  box.onblur = () => show(null);
  box.onkeydown = (event) => {
    if (!ARROWS[event.key]) return;
    event.preventDefault();
    show(clamp((at ?? 0) + ARROWS[event.key][1] + ARROWS[event.key][0], dim));
  };
  show(null);
  return [box, readout];
}
