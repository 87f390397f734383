// Probabilities of the target tokens and of their alternatives, at the selected temperature.

// softmax at a temperature: exp(z / T - log sum exp(z / T)); the data has the last term for each temperature.
function chance(logit, token) {
  if (logit === null) return 0;
  return Math.exp(
    logit / state.temperature - sentence().likelihood.logSums[token][data.temperatures.indexOf(state.temperature)],
  );
}

const ownChance = (token) => chance(sentence().likelihood.logits[token], token);

function showText() {
  const { target } = sentence();
  $("text").dir = direction(target);
  const buttons = target.map((token) => make("button", { type: "button", className: "token" }, spelt(token)));
  $("text").replaceChildren(
    ...buttons.flatMap((button, index) =>
      /\u21b5|<0x0A>/.test(target[index]) ? [button, make("span", { className: "break" })] : [button],
    ),
  );
  tokenButtons(buttons, showCandidates);
}

function showChances() {
  const { target } = sentence();
  $("temperature").max = data.temperatures.length - 1;
  $("temperature").value = data.temperatures.indexOf(state.temperature);
  $("temperature").setAttribute("aria-valuetext", state.temperature.toFixed(1));
  $("stop").textContent = state.temperature.toFixed(1);
  [...$("text").querySelectorAll("button")].forEach((button, token) => {
    const share = ownChance(token);
    shade(button, share);
    button.dataset.probability = share;
    button.ariaLabel = `${visible(target[token])}, ${percent(share)}`;
  });
  const nats = target.reduce((sum, _, token) => sum - Math.log(ownChance(token)), 0) / target.length;
  $("perplexity").textContent = Number.isFinite(nats)
    ? `Perplexity of the text ${Math.exp(nats) < 1e4 ? Math.exp(nats).toFixed(2) : Math.exp(nats).toExponential(1)}`
    : "";
  showCandidates();
}

function showCandidates() {
  const token = focusedToken();
  const { candidates, candidateLogits } = sentence().likelihood;
  const written = sentence().target[token];
  markToken([...$("text").querySelectorAll("button")]);
  $("candidates-of").replaceChildren("Alternatives to ", named(written), `, token ${token + 1}`);
  const rows = candidates[token].map((piece, i) =>
    candidateLine(piece, chance(candidateLogits[token][i], token), i + 1, piece === written),
  );
  if (!candidates[token].includes(written)) rows.push(candidateLine(written, ownChance(token), "\u2026", true));
  $("candidates").replaceChildren(...rows);
}

$("temperature").oninput = () => go({ temperature: data.temperatures[Number($("temperature").value)] });
