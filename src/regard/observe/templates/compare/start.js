// Draw the plots and attach the event handlers of the controls.

function drawShown() {
  drawCurves();
  drawSamples();
  drawDifferences();
}

function drawPlots() {
  drawShown();
  drawParallel();
  drawImportance();
}

$("metric").replaceChildren(...data.curves.map((name) => make("option", { value: name, textContent: name, selected: name === data.metric })));
for (const id of ["metric", "axis", "logarithmic"]) $(id).onchange = drawCurves;
$("smoothing").oninput = drawCurves;
for (const id of ["sentence", "head"]) $(id).onchange = drawSamples;
for (const button of document.querySelectorAll("[data-plot]")) {
  button.ariaLabel = `Save the plot as ${button.textContent}`;
  button.onclick = () => savePlot(button.dataset.plot, button.dataset.format);
}
$("csv").onclick = () => saveText("runs.csv", data.csv, "text/csv");
for (const button of document.querySelectorAll("[data-draw]")) {
  button.onclick = () => {
    shown.clear();
    const count = { best: DRAWN_AT_FIRST, all: data.runs.length, none: 0 }[button.dataset.draw];
    for (let index = 0; index < Math.min(count, data.runs.length); index++) shown.add(index);
    for (const box of document.querySelectorAll("[data-run]")) box.checked = shown.has(Number(box.dataset.run));
    drawShown();
  };
}
darkTheme.addEventListener("change", drawPlots);

fillSamples();
drawPlots();
