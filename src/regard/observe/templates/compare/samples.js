// Outputs and attention maps of the runs for the same sentence.

const sampleOf = (run, sentence) => run.samples.find(({ source }) => source.trim() === sentence);
const mapOf = (run, sentence) => run.maps.find((map) => map.sentence === sentence);

function sentences() {  // sentences with maps first, then in the order of the runs
  const withMaps = data.runs.flatMap(({ maps }) => maps.map(({ sentence }) => sentence));
  return [...new Set([...withMaps, ...data.runs.flatMap(({ samples }) => samples.map(({ source }) => source.trim()))])];
}

function weightsOf(map, head) {  // one head, or the mean over heads; row by row, from 0 to 1
  map.bytes ??= Uint8Array.from(atob(map.steps), (c) => c.charCodeAt(0));
  const size = map.queries.length * map.keys.length;
  const heads = head === "mean" ? [...Array(map.heads).keys()] : [Math.min(Number(head), map.heads - 1)];
  return Float32Array.from({ length: size }, (_, at) => heads.reduce((sum, each) => sum + map.bytes[each * size + at], 0) / 255 / heads.length);
}

function attentionMap(map, head) {
  const [rows, columns, weights] = [map.queries.length, map.keys.length, weightsOf(map, head)];
  const canvas = make("canvas", { width: columns, height: rows, tabIndex: 0 });
  const cell = Math.max(3, Math.min(18, Math.floor(230 / Math.max(rows, columns))));
  canvas.style.width = `${columns * cell}px`;
  canvas.style.aspectRatio = `${columns} / ${rows}`;
  canvas.setAttribute("role", "img");
  canvas.ariaLabel = `${map.name}, ${rows} queries (rows) by ${columns} keys (columns); arrow keys move between cells`;
  const image = new ImageData(columns, rows);
  const [pixels, target] = [scale().pixels, new Uint32Array(image.data.buffer)];
  weights.forEach((weight, at) => { target[at] = pixels[stepOf(weight)]; });
  canvas.getContext("2d").putImageData(image, 0, 0);
  const readout = make("output", { className: "soft" });
  let at = null;
  const read = (row, column) => {
    at = [Math.max(0, Math.min(rows - 1, row)), Math.max(0, Math.min(columns - 1, column))];
    const [query, key] = [map.queries[at[0]], map.keys[at[1]]];
    readout.replaceChildren(make("bdi", { textContent: visible(query) }), " \u2192 ", make("bdi", { textContent: visible(key) }), `: ${weights[at[0] * columns + at[1]].toFixed(2)}`);
  };
  canvas.onpointermove = ({ offsetX, offsetY }) => read(Math.floor(offsetY / canvas.clientHeight * rows), Math.floor(offsetX / canvas.clientWidth * columns));
  canvas.onpointerleave = () => readout.replaceChildren();
  canvas.onkeydown = (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    if (at) read(at[0] + step[0], at[1] + step[1]); else read(0, 0);
  };
  return [canvas, readout];
}

function drawSamples() {
  const sentence = sentences()[Number($("sentence").value)];
  const drawn = shownRuns().filter(({ run }) => sentence !== undefined && (sampleOf(run, sentence) || mapOf(run, sentence)));
  const references = [...new Set(drawn.map(({ run }) => sampleOf(run, sentence)?.reference).filter(Boolean))];
  $("given").replaceChildren(...(sentence === undefined ? [] : [make("dl", {},
    make("dt", { textContent: "input" }), make("dd", { textContent: sentence, dir: "auto" }),
    ...references.flatMap((text) => [make("dt", { textContent: "reference" }), make("dd", { textContent: text, dir: "auto" })]))]));
  $("samples").replaceChildren(...drawn.map(({ run, index }) => {
    const [sample, map] = [sampleOf(run, sentence), mapOf(run, sentence)];
    const card = make("article", { className: "sample" }, make("h3", { title: run.name }, swatch(index), make("bdi", { textContent: nameOf(run) })));
    if (sample?.image) {
      card.append(make("img", { src: sample.image, alt: `drawn for: ${sentence}` }), make("span", { className: "soft small", textContent: `step ${format(sample.step)}` }));
    } else if (sample) {
      const same = sample.output === sample.reference;
      card.append(make("p", { textContent: sample.output || "(empty)", dir: "auto", className: sample.output ? "" : "soft" }),
        make("span", { className: "soft small", textContent: `step ${format(sample.step)}${same ? ", equal to the reference" : ""}` }));
    }
    if (map) card.append(...attentionMap(map, $("head").value), make("span", { className: "soft small", textContent: `${map.name}, step ${format(run.mapsStep)}` }));
    return card;
  }));
  const notes = [];
  if (sentence === undefined) notes.push("No run has samples or attention maps yet.");
  else if (drawn.length < shown.size) notes.push(`${shown.size - drawn.length} of the selected runs do not have this sentence.`);
  if (drawn.some(({ run }) => mapOf(run, sentence))) notes.push("Maps: rows are queries, columns are keys. Point at a cell, or use the arrow keys.");
  if (data.mapsLeftOut) notes.push(`The maps of ${data.mapsLeftOut} runs are left out to limit the size of the page; see attention/index.html of each run.`);
  if (data.samplesLeftOut) notes.push(`The samples of ${data.samplesLeftOut} runs are left out to limit the size of the page; see samples.jsonl or samples/ of each run.`);
  $("about-samples").textContent = notes.join(" ");
}

function fillSamples() {
  const all = sentences();
  const mapped = (sentence) => data.runs.some((run) => mapOf(run, sentence));
  $("sentence").replaceChildren(...all.map((sentence, at) => make("option", { value: at, textContent: `${shorten(visible(sentence), 70)}${mapped(sentence) ? " (with attention)" : ""}` })));
  const heads = Math.max(0, ...data.runs.flatMap(({ maps }) => maps.map((map) => map.heads)));
  $("head-label").hidden = heads === 0;
  $("sentence").parentNode.hidden = all.length === 0;
  $("head").replaceChildren(make("option", { value: "mean", textContent: "mean over heads" }),
    ...Array.from({ length: heads }, (_, head) => make("option", { value: head, textContent: `head ${head}` })));
}
