// The output as it is computed: its text, its tokens, and the candidates that a token was chosen from.

const DRAWING_MS = 80; // between two drawings

let written = null; // the last answer with a part of the output
let candidatesOf = []; // the candidates of each of its tokens; null in a beam search
let pointedChip = null;
let startedAt = 0;
let timer = 0; // after which the output is drawn; 0 if it is drawn

function clearOutput() {
  clearTimeout(timer);
  timer = 0;
  written = null;
  candidatesOf = [];
  pointedChip = null;
  startedAt = performance.now();
  $("output").textContent = "";
  $("chips").replaceChildren();
  showCandidateLines("Next token", "", []);
}

// Drawing takes time from the worker if there are few processors.
function takeToken(answer) {
  written = answer;
  candidatesOf[answer.tokens.length - 1] = answer.candidates;
  timer ||= setTimeout(drawOutput, DRAWING_MS);
}

function takeEnd(answer) {
  written = answer;
  drawOutput();
  const { tokens, seconds, firstSeconds } = answer;
  $("progress").textContent = `${inTokens(tokens.length)} in ${inSeconds(seconds)}, the first after ${inSeconds(firstSeconds)}` +
    `${tokens.length > 1 ? `, ${perSecond(tokens.length / seconds)}` : ""}.${answer.wasCut ? ` ${CUT}` : ""}`;
}

const inTokens = (count) => (count === 1 ? "1 token" : `${count} tokens`);
const inSeconds = (seconds) => (seconds < 1 ? `${Math.round(1000 * seconds)} ms` : `${seconds.toFixed(1)} s`);
const perSecond = (rate) => `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} tokens/s`;

function drawOutput() {
  clearTimeout(timer);
  timer = 0;
  const { text, tokens, pieces } = written;
  $("output").textContent = text;
  if (written.kind === "token") {
    const rate = tokens.length / ((performance.now() - startedAt) / 1000);
    $("progress").textContent = `${inTokens(tokens.length)}, ${perSecond(rate)}…`;
  }
  const kept = [...$("chips").children].findIndex((chip, place) => chip.dataset.piece !== pieces[place]);
  [...$("chips").children].slice(kept < 0 ? $("chips").children.length : kept).forEach((chip) => chip.remove());
  $("chips").append(...pieces.slice($("chips").children.length).map((piece, i) => chipOf(piece, i + $("chips").children.length)));
  $("chips").dir = direction(pieces);
  showCandidatesOf(Math.min(pointedChip ?? Infinity, pieces.length - 1));
}

function chipOf(piece, place) {
  const chip = make("button", { type: "button", className: "token", tabIndex: place ? -1 : 0 }, spelt(piece));
  const share = candidatesOf[place]?.find(({ token }) => token === written.tokens[place])?.probability;
  if (share !== undefined) {
    shade(chip, share);
    chip.ariaLabel = `${visible(piece)}, ${percent(share)}`;
    chip.dataset.probability = share;
  }
  chip.dataset.piece = piece;
  const look = (at) => {
    pointedChip = at;
    if (written) showCandidatesOf(at ?? written.pieces.length - 1);
  };
  chip.onpointerenter = chip.onfocus = () => look(place);
  chip.onpointerleave = chip.onblur = () => look(null);
  return chip;
}

function showCandidatesOf(place) {
  if (place < 0) return showCandidateLines("Next token", "The output is empty: its first token is its end.", []);
  const piece = written.pieces[place];
  const about = candidatesOf[place] ? CHOSEN_FROM : "A beam search compares whole outputs. See token probabilities below.";
  showCandidateLines(["Token ", String(place + 1), ": ", named(piece)], about, candidatesOf[place] ?? [], written.tokens[place]);
}

function showCandidateLines(title, about, candidates, chosen = null) {
  $("next-of").replaceChildren(...[title].flat());
  $("next-about").textContent = about;
  $("next").replaceChildren(
    ...candidates.map(({ token, piece, probability }, i) =>
      candidateLine(piece, probability, i < SHOWN_CANDIDATES ? i + 1 : "…", token === chosen),
    ),
  );
}

const SHOWN_CANDIDATES = 10;

moveAlong($("chips"), false);
darkTheme.addEventListener("change", () => {
  $("chips").replaceChildren(); // their colours are of the other theme
  if (written) drawOutput();
});
