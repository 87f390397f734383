// Selection of target tokens, for token probabilities and predictions by layer.

let pointedToken = null;

const focusedToken = () => pointedToken ?? state.token ?? 0;

// Event handlers of token buttons; `show` draws the details of the focused token.
function tokenButtons(buttons, show) {
  buttons.forEach((button, index) => {
    const look = (token) => {
      if (token === pointedToken) return;
      pointedToken = token;
      show();
    };
    button.dataset.index = index;
    button.onclick = () => go({ token: index });
    button.onpointerenter = () => look(index);
    button.onpointerleave = () => look(null);
    button.onfocus = () => {
      if (button.matches(":focus-visible")) look(index);
    };
    button.onblur = () => look(null);
  });
}

function markToken(buttons) {
  buttons.forEach((button, index) => {
    button.ariaPressed = index === state.token;
    button.tabIndex = index === (state.token ?? 0) ? 0 : -1;
    button.classList.toggle("on", index === focusedToken());
  });
}

// A line of a list of candidates: rank, token, bar and probability.
function candidateLine(piece, share, rank, isWritten) {
  const bar = make("span", { className: "share" });
  bar.style.width = `${100 * share}%`;
  const item = make(
    "li",
    {},
    make("span", { className: "rank soft", textContent: rank }),
    spelt(piece),
    make("span", { className: "shares" }, bar),
    make("span", { className: "percent", textContent: percent(share) }),
  );
  item.dataset.probability = share;
  item.classList.toggle("written", isWritten);
  return item;
}

function ordinal(rank) {
  // 0 is the most likely
  const number = rank + 1;
  const ending = number % 100 > 10 && number % 100 < 14 ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th");
  return `${number}${ending}`;
}
