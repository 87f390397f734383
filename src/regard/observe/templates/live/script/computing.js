// The worker that runs the model. A new request ends the one before; only the answers to the last one are used.

const worker = new Worker(URL.createObjectURL(new Blob([$("worker").textContent], { type: "text/javascript" })));
const description = JSON.parse($("description").textContent);

let lastRequest = 0;
let handlers = {}; // functions of an answer to the last request, by the kind of the answer

function ask(request, answers) {
  lastRequest += 1;
  handlers = answers;
  worker.postMessage({ ...request, id: lastRequest });
}

worker.onmessage = ({ data: answer }) => {
  if (answer.id !== lastRequest) return;
  if (answer.kind === "error") showFailure(answer.message);
  else handlers[answer.kind](answer);
};
worker.onerror = ({ message }) => showFailure(message);

function showFailure(message) {
  setBusy(false);
  $("progress").textContent = `The model cannot run: ${message}`;
}
