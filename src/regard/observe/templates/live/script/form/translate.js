// A translator: it translates whenever the sentence or an option changes.

const CUT = `Only the first ${description.model.max_length - 1} tokens of the sentence were read.`;
const CHOSEN_FROM = "The most likely tokens at this position, given the sentence and the output before.";

const request = () => ({
  kind: "translate",
  text: $("input").value,
  beamSize: Number($("beam-size").value),
  alpha: Number($("length-penalty").value),
});

// What the views show after an answer.
const toTrace = ({ text, tokens }) => ({ kind: "trace", text: $("input").value, output: text, tokens });

const hasInput = () => $("input").value.trim() !== "";

function inputChanged() {
  if (hasInput()) run();
  else rest();
}

$("input").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  run();
});
$("input").value ||= JSON.parse($("example").textContent);
