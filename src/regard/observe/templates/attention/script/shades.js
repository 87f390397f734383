// Weights as shades: of a word, and of the patches of an image under a veil.

const LIGHTEST = 0.85; // opacity of the veil over a patch with weight 0; the patch with the largest weight has none

function shade(node, weight) {
  // null removes the colour
  if (weight === null) {
    node.style.background = node.style.color = "";
    return;
  }
  const [red, green, blue] = scale().triples[stepOf(weight)];
  node.style.background = `rgb(${red} ${green} ${blue})`;
  node.style.color = 0.299 * red + 0.587 * green + 0.114 * blue > 130 ? "#10161d" : "#f4f8fc";
}

// The image, a veil for each patch, row by row, and a frame.
function showPatches(svg, image, [rows, columns]) {
  svg.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
  svg.setAttribute(
    "aria-label",
    `Image of ${rows} rows by ${columns} columns of patches; arrow keys move, Enter selects`,
  );
  svg.replaceChildren();
  const whole = { x: 0, y: 0, width: columns, height: rows };
  draw(svg, "image", { href: image, ...whole, preserveAspectRatio: "none", class: "pixels" });
  const veils = draw(svg, "g", { id: "veils" });
  for (let index = 0; index < rows * columns; index++) {
    const [y, x] = [Math.floor(index / columns), index % columns];
    draw(veils, "rect", { x, y, width: 1, height: 1, class: "veil", "data-index": index });
  }
  draw(svg, "rect", { id: "patch", class: "frame", width: 1, height: 1, visibility: "hidden" });
}

// A button that points at a place while it has the pointer or the focus.
function pointer(button, place) {
  button.onpointerenter = () => point(place);
  button.onpointerleave = () => point(null);
  button.onfocus = () => {
    if (button.matches(":focus-visible")) point(place);
  };
  button.onblur = () => point(null);
  return button;
}
