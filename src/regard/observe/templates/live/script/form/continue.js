// A language model: it shows the next token of the text as it is typed, and continues the text on request.

const CUT = `Only the last ${description.model.max_length} tokens of the text were read.`;
const CHOSEN_FROM = "The most likely tokens at this position, with the probabilities that they are sampled with.";

const optional = (id) => ($(id).value === "" ? null : Number($(id).value));
const sampling = () => ({
  temperature: Number($("sampling-temperature").value),
  topK: optional("top-k"),
  topP: optional("top-p"),
});
const request = () => ({
  kind: "continue",
  text: $("input").value,
  limit: Number($("limit").value),
  seed: Number($("seed").value),
  ...sampling(),
});

// What the views show after an answer: the whole text.
const toTrace = ({ text }) => ({ kind: "trace", output: $("input").value + text });

const hasInput = () => true; // without a text, it begins a document

function inputChanged() {
  $("sampling-temperature-is").textContent = Number($("sampling-temperature").value).toFixed(2);
  if (!$("request").checkValidity()) return;
  rest();
  ask({ kind: "next", text: $("input").value, ...sampling() }, {
    next({ candidates }) {
      showCandidateLines("Next token", "The most likely next tokens, with the probabilities that they are sampled with.", candidates);
      if ($("input").value) trace({ text: "" });
    },
  });
}

$("input").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
});
$("another").onclick = () => {
  $("seed").value = Math.floor(Math.random() * 2 ** 32);
  run();
};
$("input").value ||= JSON.parse($("example").textContent);
