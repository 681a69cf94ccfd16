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
  const form = radio.form;
  if (form.matches("[data-asks-reason]")) form.elements.reason.required = changesLevel(form, radio);
}

function changesLevel(form, radio) {
  const before = [...form.elements[radio.name]].find((each) => each.defaultChecked);
  return before !== undefined && before.dataset.level !== radio.dataset.level;
}
