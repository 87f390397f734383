// Selection of a sentence.

function showSentences() {
  const columns = data.sentences.some(({ sourceText }) => sourceText !== "");
  $("columns").hidden = !columns;
  refill(
    $("sentences"),
    data.sentences.map(({ sourceText, targetText, image }, index) => {
      const texts = (columns ? [sourceText, targetText] : [targetText]).map((text) =>
        make("span", { textContent: text, dir: "auto" }),
      );
      if (image) texts[0].prepend(make("img", { src: image, alt: "", className: "thumbnail" }));
      const note = data.notes[index];
      if (note) texts.at(-1).append(" ", make("small", { className: "soft", textContent: note }));
      if (data.sentences.length === 1) return make("li", {}, make("div", {}, ...texts));
      const button = make("button", { type: "button", ariaPressed: index === state.sentence }, ...texts);
      button.onclick = () => go({ sentence: index, query: null, key: null, token: null });
      return make("li", {}, button);
    }),
  );
}
