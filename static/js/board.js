// Mitigations: cards are dragged to another column, or moved by their select; a trigger is asked of contingencies.

import { toast } from "./app.js";

const board = () => document.querySelector("[data-board]");

// --- moving a card: the form of the card is sent, whoever asked for it

async function move(form, state) {
  const card = form.closest(".mcard").id;
  const data = new FormData(form);
  data.set("state", state);
  try {
    // A redirect is the server's yes; where it leads does not matter here.
    const answer = await fetch(form.action, { method: "POST", body: data, redirect: "manual" });
    if (answer.type !== "opaqueredirect" && !answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      toast(page.querySelector("main p:not(.error-code)")?.textContent ?? `${answer.status}`, "error");
    }
  } catch {
    toast(document.body.dataset.offline, "error");
    return;
  }
  await window.htmx.ajax("GET", location.href, { target: "#mitigation-page", swap: "outerHTML" });
  document.querySelector(`#${card} select`)?.focus();
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches(".mcard-state")) return;
  event.preventDefault();
  move(event.target, event.target.elements.state.value);
});

let dragged = null;
const columnOf = (element) => (dragged ? element?.closest?.(".column[data-state]") : null);

document.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.(".mcard[draggable=true]") ?? null;
  if (dragged) event.dataTransfer.effectAllowed = "move";
});
document.addEventListener("dragover", (event) => {
  const column = columnOf(event.target);
  if (!column) return;
  event.preventDefault();
  mark(column);
});
document.addEventListener("drop", (event) => {
  const column = columnOf(event.target);
  if (!column) return;
  event.preventDefault();
  if (!column.contains(dragged)) move(dragged.querySelector("form"), column.dataset.state);
});
document.addEventListener("dragend", () => {
  dragged = null;
  mark(null);
});

function mark(column) {
  for (const old of board()?.querySelectorAll(".is-aim") ?? []) old.classList.remove("is-aim");
  column?.classList.add("is-aim");
}
