// Scoring on the matrix page: drag a code to another cell, or focus it, press m and choose with the arrow keys.

const dialog = document.getElementById("move-dialog");
const form = dialog.querySelector("form");
const part = (name) => dialog.querySelector(`[data-${name}]`);
const say = (text) => { document.getElementById("move-status").textContent = text; };
const page = () => document.getElementById("matrix-page");
const cellOf = (element) => element?.closest?.(".heat-cell[data-place]");
const chipOf = (element) => element?.closest?.(".chip[data-rank]");

// --- the dialog

function ask(chip, to) {
  const from = cellOf(chip);
  if (!to || to === from) return;
  form.action = `${chip.pathname}assess/`;
  form.elements.kind.value = new URLSearchParams(location.search).get("kind") || "residual";
  form.elements.cell.value = to.dataset.place;
  form.elements.seen_rank.value = chip.dataset.rank;
  form.elements.reason.value = "";
  form.elements.reason.required = from.dataset.level !== to.dataset.level;
  dialog.dataset.code = chip.textContent;
  part("code").textContent = chip.textContent;
  part("risk").textContent = chip.title;
  part("from").textContent = from.dataset.label;
  part("to").textContent = to.dataset.label;
  document.getElementById("move-hint").hidden = false;
  part("problem").hidden = true;
  dialog.showModal();
  form.elements.reason.focus();
}

form.elements.reason.addEventListener("invalid", (event) => {
  event.target.setCustomValidity(event.target.value ? "" : dialog.dataset.asks);
});
form.elements.reason.addEventListener("input", (event) => event.target.setCustomValidity(""));
part("cancel").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  if (dialog.returnValue !== "done") say(dialog.dataset.left);
  dialog.returnValue = "";
  document.getElementById(`chip-${dialog.dataset.code}`)?.focus();
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  try {
    // A redirect is the server's yes; where it leads does not matter here.
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" });
    if (answer.type === "opaqueredirect" || answer.ok) await done();
    else refuse(await answer.text());
  } catch {
    refuse("");
  } finally {
    button.disabled = false;
  }
});

async function done() {
  const code = dialog.dataset.code;
  dialog.close("done");
  await window.htmx.ajax("GET", location.href, { target: "#matrix-page", swap: "outerHTML" });
  document.getElementById(`chip-${code}`)?.focus();
  say(`${code}: ${dialog.dataset.done}`);
}

function refuse(html) {
  const answer = new DOMParser().parseFromString(html, "text/html");
  const places = [".invalid-feedback", ".alert li", ".alert-danger", "main h1 + p", "main p"];
  const found = places.map((place) => answer.querySelector(place)?.textContent.trim()).find(Boolean);
  part("problem").textContent = found || dialog.dataset.failed;
  part("problem").hidden = false;
  form.elements.reason.focus();
}

// --- with the mouse

let dragged = null;
document.addEventListener("dragstart", (event) => {
  dragged = chipOf(event.target);
  if (!dragged) return;
  event.dataTransfer.effectAllowed = "move";
  page().classList.add("is-moving");
});
document.addEventListener("dragover", (event) => {
  const cell = dragged && cellOf(event.target);
  if (!cell) return;
  event.preventDefault();
  mark(cell);
});
document.addEventListener("drop", (event) => {
  const cell = dragged && cellOf(event.target);
  if (!cell || cell.closest(".heat") !== dragged.closest(".heat")) return;
  event.preventDefault();
  ask(dragged, cell);
});
document.addEventListener("dragend", () => {
  dragged = null;
  rest();
});

function mark(cell) {
  for (const old of page().querySelectorAll(".is-aim")) old.classList.remove("is-aim");
  cell?.classList.add("is-aim");
}
function rest() {
  page().classList.remove("is-moving");
  mark(null);
}

// --- with the keyboard

const STEPS = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
let aiming = null; // { chip, cell } while a cell is being chosen
let last = "";

document.addEventListener("keydown", (event) => {
  const after = last;
  last = event.key;
  if (aiming) return aim(event);
  const chip = chipOf(document.activeElement);
  if (event.key !== "m" || after === "g" || !chip || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  aiming = { chip, cell: cellOf(chip) };
  page().classList.add("is-moving");
  mark(aiming.cell);
  say(`${aiming.cell.dataset.label}. ${dialog.dataset.aiming}`);
}, true);

function aim(event) {
  const { chip, cell } = aiming;
  if (event.key in STEPS) {
    const [probability, impact] = cell.dataset.place.split("-").map(Number);
    const [up, right] = STEPS[event.key];
    const next = chip.closest(".heat").querySelector(`[data-place="${probability + up}-${impact + right}"]`);
    if (next) {
      aiming.cell = next;
      mark(next);
      say(next.dataset.label);
    }
  } else if (event.key === "Enter") {
    stopAiming();
    ask(chip, cell);
  } else if (event.key === "Escape" || event.key === "Tab") {
    stopAiming();
    say(dialog.dataset.left);
    if (event.key === "Tab") return;
  } else return;
  event.preventDefault();
  event.stopPropagation();
}
function stopAiming() {
  aiming = null;
  rest();
}
document.addEventListener("pointerdown", () => { if (aiming) stopAiming(); });
