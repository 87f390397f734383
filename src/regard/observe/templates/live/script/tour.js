// A guided tour: each stop explains an element of the page and marks it.

let stop = 0;

function showStop(number) {
  stop = number;
  const { title, text, show, find } = STOPS[number];
  show();
  const button = (id, label, act) => {
    const node = make("button", { type: "button", id, className: "quiet", textContent: label });
    node.onclick = act;
    return node;
  };
  const back = button("tour-back", "Back", () => showStop(stop - 1));
  const isLast = number === STOPS.length - 1;
  const next = button("tour-next", isLast ? "Finish" : "Next", () => (isLast ? closeTour() : showStop(stop + 1)));
  back.disabled = number === 0;
  $("tour").replaceChildren(
    make("p", { className: "soft small", textContent: `Guided tour, ${number + 1} of ${STOPS.length}` }),
    make("h2", { id: "tour-title", textContent: title }),
    make("p", { textContent: text }),
    make("div", { className: "actions" }, back, next, button("tour-close", "Close", closeTour)),
  );
  $("tour").hidden = false;
  next.focus({ preventScroll: true });
  requestAnimationFrame(() => mark(find()));
}

function mark(element) {
  for (const marked of document.querySelectorAll(".toured")) marked.classList.remove("toured");
  if (!element) return;
  element.classList.add("toured");
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
}

function closeTour() {
  $("tour").hidden = true;
  mark(null);
  $("take-tour").focus({ preventScroll: true });
}

$("take-tour").onclick = () => showStop(0);
$("tour").addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    event.stopPropagation();
    closeTour();
  }
  if (event.key === "ArrowRight" && stop < STOPS.length - 1) showStop(stop + 1);
  if (event.key === "ArrowLeft" && stop > 0) showStop(stop - 1);
});
