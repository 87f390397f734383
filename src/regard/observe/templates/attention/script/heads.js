// Selection of the kind of attention and the head.

function showKinds() {
  const kinds = Object.keys(data.kinds).filter((kind) => mapsOf(kind).length > 0);
  const here = kindOf(state.map);
  refill(
    $("kinds"),
    kinds.map((kind) => {
      const button = make("button", { type: "button", textContent: data.kinds[kind].title });
      button.onclick = () => {
        if (kind !== kindOf(state.map)) go({ map: mapsOf(kind).at(-1), query: null, key: null });
      };
      return button;
    }),
  );
  choose($("kinds"), $("kinds").children[kinds.indexOf(here)]);
  const { query, key } = data.kinds[here];
  $("lead").textContent =
    `Query: ${query}. Keys: ${key}. A weight is the share of the attention of a query that goes ` +
    "to a key. The weights of a query sum to 1.";
  const { source, prefix, target } = sentence().words;
  const { length } = [...sentence().source, ...sentence().prefix, ...sentence().target];
  $("units").hidden = source.length + prefix.length + target.length === length; // every word is one piece
}

function showHeads() {
  const names = mapsOf(kindOf(state.map));
  const most = Math.max(...names.map(headsOf));
  $("view").classList.toggle("many", most > 8); // if the heads do not fit beside the map, they are above it
  const width = Math.min(104, Math.max(36, Math.floor(($("heads").parentNode.clientWidth - 64) / most) - 5));
  $("heads").style.gridTemplateColumns = `auto repeat(${most}, ${width}px)`;
  $("heads").replaceChildren(make("span", { className: "corner soft small", textContent: "head" }));
  for (let head = 0; head < most; head++) {
    $("heads").append(make("span", { className: "number soft small", textContent: head }));
  }
  for (const name of names) {
    $("heads").append(make("span", { className: "layer soft small", textContent: `layer ${layerOf(name)}` }));
    for (let head = 0; head < most; head++) {
      if (head >= headsOf(name)) {
        $("heads").append(make("span"));
        continue;
      }
      const nats = entropyOf(name, head);
      const canvas = paint(make("canvas"), name, head);
      if (canvas.width <= width) canvas.className = "pixels";
      const entropy = nats === null ? "\u2013" : nats.toFixed(2);
      const button = make(
        "button",
        { type: "button", ariaLabel: `layer ${layerOf(name)}, head ${head}, entropy ${entropy} nats` },
        canvas,
        entropy,
      );
      Object.assign(button.dataset, { map: name, head });
      button.onclick = () => go({ map: name, head });
      $("heads").append(button);
    }
  }
  const { keys } = tokensOf(state.map);
  $("about").textContent =
    "Rows are layers, columns are heads. Numbers are the mean entropy of a head in nats: " +
    `0 if all weight is on one key, ${Math.log(keys.length).toFixed(2)} if all ${keys.length} keys have equal weights.`;
}

function showChosenHead() {
  choose(
    $("heads"),
    [...$("heads").querySelectorAll("button")].find(
      ({ dataset }) => dataset.map === state.map && Number(dataset.head) === state.head,
    ),
  );
  const nats = entropyOf(state.map, state.head);
  $("name").textContent =
    `${data.kinds[kindOf(state.map)].title}, layer ${layerOf(state.map)}, head ${state.head}` +
    (nats === null ? "" : `, entropy ${nats.toFixed(2)} nats`);
}

$("heads").onkeydown = (event) => {
  const step = ARROWS[event.key];
  if (!step) return;
  event.preventDefault();
  const names = mapsOf(kindOf(state.map));
  const map = names[names.indexOf(state.map) + step[0]] ?? state.map;
  go({ map, head: clamp(state.head + step[1], headsOf(map)) });
  $("heads").querySelector("[aria-pressed=true]").focus();
};
