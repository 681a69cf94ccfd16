// The matrix as a control: arrow keys in two dimensions, and what the chosen cell means, at once.

const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function neighbour(radio, [down, right]) {
  const rows = [...radio.closest("table").rows].map((row) => [...row.querySelectorAll("input")]);
  const row = rows.findIndex((cells) => cells.includes(radio));
  return rows[row + down]?.[rows[row].indexOf(radio) + right];
}

document.addEventListener("keydown", (event) => {
  const radio = event.target;
  if (!(event.key in KEYS) || !radio.matches?.("[data-picker] input")) return;
  event.preventDefault(); // the browser would walk through the cells in a line
  const next = neighbour(radio, KEYS[event.key]);
  if (!next) return;
  next.focus();
  if (!next.checked) next.click();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-picker] input")) answer(event.target);
});

function answer(radio) {
  const place = radio.closest("[data-picker]").querySelector(".picker-answer");
  const chosen = document.createElement("b");
  chosen.textContent = radio.getAttribute("aria-label");
  place.replaceChildren(chosen, ` ${radio.dataset.meaning}`);
  const before = radio.form.dataset.levelBefore;
  if (before !== undefined) {
    radio.form.elements.reason.required = before !== "" && before !== radio.dataset.level;
    radio.form.querySelector("label[for=id_reason]").classList.toggle("required", radio.form.elements.reason.required);
  }
}
