// From the form to the output to the views, for models that write text.

const PAUSE_MS = 200; // after which a change of the input is read

let waiting = null;

const begin = () => inputChanged();
const describeDeviation = (deviation) =>
  `In this browser, the logits of one of them differ from PyTorch by at most ${deviation.toPrecision(2)}.`;

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
