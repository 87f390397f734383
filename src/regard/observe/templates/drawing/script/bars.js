// The words that a patch or a word reads, as bars, and what is pointed at in words.

function showBars({ word, patch }) {
  const { row, column } = weights();
  const query = state.kind === "between" ? word : patch;
  const values = query === null ? drawing().words.map((_, index) => meanOf(column(index))) : [...row(query)];
  const subject = state.kind === "between" ? () => wordName(query) : () => `The patch in ${patchName(query)}`;
  $("bars-of").textContent =
    query !== null
      ? `${subject()} reads`
      : `All ${state.kind === "between" ? "words" : "patches"} read, in the mean`;
  const most = Math.max(...values, 1e-9);
  $("bars").replaceChildren(
    ...values.map((value, index) => {
      const bar = make("i");
      bar.style.width = `${(100 * value) / most}%`;
      const number = make("b", { textContent: short(value) });
      const item = make("li", {}, make("bdi", { textContent: wordName(index), title: wordName(index) }), bar, number);
      item.dataset.weight = value.toFixed(4);
      item.classList.toggle("on", index === word && state.kind === "cross");
      return item;
    }),
  );
}

const strongest = (values) => values.indexOf(Math.max(...values));
const number = (weight) => make("b", { textContent: short(weight) });

function inWords({ word, patch }) {
  const all = weights();
  if (state.kind === "patches") {
    if (patch === null) return ["Point at a patch to see the patches that it reads."];
    const values = all.row(patch);
    const most = strongest(values);
    return [`The patch in ${patchName(patch)} reads most the patch in ${patchName(most)}: `, number(values[most])];
  }
  if (word === null && patch === null) return ["Point at a word, or at a patch of the image."];
  if (patch === null) {
    const values = all.column(word);
    const most = strongest(values);
    return [named(wordName(word)), ` is read most by the patch in ${patchName(most)}: `, number(values[most])];
  }
  if (word !== null) return [`The patch in ${patchName(patch)} reads `, named(wordName(word)), ": ", number(all.at(patch, word))];
  const values = all.row(patch);
  const most = strongest(values);
  return [`The patch in ${patchName(patch)} reads most `, named(wordName(most)), ": ", number(values[most])];
}
