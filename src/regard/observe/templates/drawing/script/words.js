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
      return make("li", {}, pointer(button, here));
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
