// The layers whose mixer is not attention, with their kernels in small.

const KERNEL_STEPS = 127; // steps from 0 to the largest absolute value of a channel

// The kernels of a layer: bytes "channels directions extremes ranges" (one extreme, if each range is one distance), and the
// place of the start of a distance on the axis, from 0 to 1. 1 is added to distances, which start at 0, for their logarithm.
function kernelsOf(name) {
  const kernels = data.mixers[name].kernels;
  kernels.bytes ??= Uint8Array.from(atob(kernels.steps), (char) => char.charCodeAt(0));
  const { bytes, channels, memory, starts } = kernels;
  const [directions, ranges] = [memory.length, starts.length - 1];
  const extremes = bytes.length / (channels.length * directions * ranges);
  const place = state.axis === "linear" ? (index) => index : (index) => Math.log2(1 + index);
  const along = (index) => place(index) / place(starts.at(-1));
  return { ...kernels, directions, extremes, ranges, along };
}

// The smallest and the largest values of a channel by range, as shares of its largest absolute value.
function kernelShares({ bytes, directions, extremes, ranges }, row, direction) {
  const first = (row * directions + direction) * extremes;
  return [first, first + extremes - 1].map((start) =>
    Array.from(bytes.subarray(start * ranges, (start + 1) * ranges), (step) => (step - KERNEL_STEPS) / KERNEL_STEPS),
  );
}

const rangeAt = ({ starts, ranges, along }, x) => {
  const index = starts.findIndex((start) => along(start) > x);
  return index < 0 ? ranges - 1 : Math.max(0, index - 1);
};

// Paint the absolute values of all channels, one row of pixels per channel.
function paintKernels(canvas, kernels, direction, columns) {
  const { channels } = kernels;
  [canvas.width, canvas.height] = [columns, channels.length];
  const image = new ImageData(columns, channels.length);
  const [target, { pixels }] = [new Uint32Array(image.data.buffer), scale()];
  const ranges = Array.from({ length: columns }, (_, column) => rangeAt(kernels, (column + 0.5) / columns));
  channels.forEach((_, row) => {
    const [low, high] = kernelShares(kernels, row, direction);
    ranges.forEach((range, column) => {
      target[row * columns + column] = pixels[stepOf(Math.max(Math.abs(low[range]), Math.abs(high[range])))];
    });
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

const placeOf = (name) => `${name.split(".")[0]} layer ${layerOf(name)}`;

function showStack() {
  const layers = Object.entries(data.mixers).map(([name, { description, kernels }]) => {
    const place = make("b", { textContent: placeOf(name) });
    const says = [place, `: ${description}, no attention weights`];
    if (!kernels) return make("li", { className: "soft" }, ...says, " or kernels");
    const button = make("button", { type: "button" }, make("span", {}, ...says));
    button.dataset.kernel = name;
    const thumbnails = kernels.memory.map((_, direction) => paintKernels(make("canvas"), kernelsOf(name), direction, 64));
    button.append(make("span", { className: "thumbnails" }, ...thumbnails));
    button.onclick = () => go({ kernel: name, channel: null });
    return make("li", {}, button);
  });
  refill($("stack"), layers);
  choose($("stack"), $("stack").querySelector(`[data-kernel="${state.kernel}"]`));
}

moveAlong($("stack"), true);
