// The colour scale of weights and probabilities, 0 to 1, for the light or dark theme.

const darkTheme = matchMedia("(prefers-color-scheme: dark)");
const scales = {};

function scale() {
  // 256 colours, as RGB triples and as the pixels of a canvas
  const theme = darkTheme.matches ? "dark" : "light";
  if (scales[theme]) return scales[theme];
  const stops = data.palette[theme];
  const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const triples = Array.from({ length: 256 }, (_, step) => {
    const after = Math.max(
      1,
      stops.findIndex(([at]) => at >= step / 255),
    );
    const [[from, low], [to, high]] = [stops[after - 1], stops[after]];
    const share = (step / 255 - from) / (to - from);
    const ends = channels(high);
    return channels(low).map((value, i) => Math.round(value + share * (ends[i] - value)));
  });
  const bytes = Uint8ClampedArray.from(triples.flatMap((triple) => [...triple, 255]));
  return (scales[theme] = { triples, pixels: new Uint32Array(bytes.buffer) });
}

const stepOf = (weight) => Math.round(255 * Math.min(1, Math.max(0, weight)));
