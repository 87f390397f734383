// Tokens of the target to choose from, for the views of what the model would have written there.

let pointedToken = null;

const lookedToken = () => pointedToken ?? state.token ?? 0;

// A button for each token, of which one is looked at; `show` draws what belongs to it.
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
    button.classList.toggle("on", index === lookedToken());
  });
}

function ordinal(rank) {
  // 0 is the likeliest
  const number = rank + 1;
  const ending = number % 100 > 10 && number % 100 < 14 ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th");
  return `${number}${ending}`;
}
