// Draw with the colour scale.

function paint(canvas, name, head) {
  // one pixel per cell
  const { queries, keys } = tokensOf(name);
  [canvas.width, canvas.height] = [keys.length, queries.length];
  const image = new ImageData(keys.length, queries.length);
  const [target, { pixels }] = [new Uint32Array(image.data.buffer), scale()];
  weightsOf(name, head).forEach((weight, i) => {
    target[i] = pixels[stepOf(weight)];
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function showScale() {
  const stops = data.palette[darkTheme.matches ? "dark" : "light"];
  for (const { children } of document.querySelectorAll(".scale")) {
    children[1].style.background = `linear-gradient(to right, ${stops.map(([at, colour]) => `${colour} ${100 * at}%`)})`;
  }
}
