// The words of the prompt. Each has a small picture of the patches that read it; words that read words have colours.

function showWords() {
  const plain = state.kind === "between";
  $("words").classList.toggle("plain", plain);
  refill(
    $("words"),
    drawing().words.map((word, index) => {
      const label = make("bdi", { className: "label", textContent: wordName(index), title: wordName(index) });
      const button = make("button", { type: "button" }, ...(plain ? [] : [thumb()]), label, make("small"));
      const here = { word: index, patch: null };
      button.dataset.index = index;
      button.onclick = () => go({ word: index === state.word ? null : index });
      button.onpointerenter = () => point(here);
      button.onpointerleave = () => point(null);
      button.onfocus = () => {
        if (button.matches(":focus-visible")) point(here);
      };
      button.onblur = () => point(null);
      return make("li", {}, button);
    }),
  );
  $("words-about").textContent = plain
    ? "The colour and the number are the weight that the chosen word gives to each word."
    : "Bright patches read the word most, relative to the patch with the largest weight. The number is the mean weight of " +
      "the word over all patches.";
}

function lightWords({ word }) {
  const plain = state.kind === "between";
  const { row, column } = weights();
  const read = plain && word !== null ? row(word) : null;
  for (const [index, { firstChild: button }] of [...$("words").children].entries()) {
    const value = plain ? read?.[index] : meanOf(column(index));
    if (plain) shade(button, read ? value : null);
    else paintVeil(button.querySelector("canvas"), column(index));
    button.querySelector("small").textContent = value === undefined ? "" : short(value);
    button.classList.toggle("on", index === word);
    button.ariaPressed = index === state.word;
    button.tabIndex = index === (state.word ?? 0) ? 0 : -1;
    button.dataset.weight = value === undefined ? "" : value.toFixed(4);
  }
}

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
