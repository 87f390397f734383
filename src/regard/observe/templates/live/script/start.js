// From the form to the output to the views; and the start of the page.

const PAUSE_MS = 200; // after which a change of the input is read

let isReady = false;
let waiting = null;

function setBusy(isBusy) {
  $("halt").disabled = !isBusy;
  document.body.classList.toggle("busy", isBusy);
}

// Forget the output.
function rest() {
  ask({ kind: "stop" }, {});
  setBusy(false);
  clearOutput();
  $("progress").textContent = "";
}

function run() {
  clearTimeout(waiting);
  if (!isReady || !hasInput() || !$("request").reportValidity()) return;
  clearOutput();
  setBusy(true);
  $("progress").textContent = "…";
  ask(request(), {
    token: takeToken,
    done(answer) {
      setBusy(false);
      takeEnd(answer);
      trace(answer);
    },
  });
}

const trace = (answer) => ask(toTrace(answer), { traced: showTraced });

$("request").onsubmit = (event) => {
  event.preventDefault();
  run();
};
$("request").oninput = () => {
  clearTimeout(waiting);
  if (isReady) waiting = setTimeout(inputChanged, PAUSE_MS);
};
$("halt").onclick = () => {
  ask({ kind: "stop" }, {});
  setBusy(false);
  if (!written) return;
  drawOutput();
  $("progress").textContent = `Stopped after ${inTokens(written.tokens.length)}.`;
  trace(written);
};

ask(
  { kind: "load", description, weights: $("weights").textContent },
  {
    ready({ seconds, deviation }) {
      isReady = true;
      for (const button of document.querySelectorAll("#request .actions :not(#halt)")) button.disabled = false;
      $("progress").textContent = `Loaded in ${inSeconds(seconds)}.`;
      $("deviation-here").textContent =
        `In this browser, the logits of one of them differ from PyTorch by at most ${deviation.toPrecision(2)}.`;
      inputChanged();
    },
  },
);
