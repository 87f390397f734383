// The form, and the start of the page.

let isReady = false;

function setBusy(isBusy) {
  $("halt").disabled = !isBusy;
  document.body.classList.toggle("busy", isBusy);
}

$("request").onsubmit = (event) => {
  event.preventDefault();
  run();
};
ask(
  { kind: "load", description, weights: $("weights").textContent },
  {
    ready({ seconds, deviation }) {
      isReady = true;
      for (const button of document.querySelectorAll("#request .actions :not(#halt)")) button.disabled = false;
      $("progress").textContent = `Loaded in ${seconds.toFixed(1)} s.`;
      $("deviation-here").textContent = describeDeviation(deviation);
      begin();
    },
  },
);
