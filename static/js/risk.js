// The page of a risk and the form of a new one: dialogs that close, rows that are added, forms sent once.

// --- dialogs: Cancel closes instead of leading away; the focus returns to what opened them

let opener = "";

document.addEventListener("click", (event) => {
  const cancel = event.target.closest("dialog [data-close]");
  if (!cancel) return;
  event.preventDefault();
  cancel.closest("dialog").close();
});

document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, target } = event.detail;
  if (target?.id === "dialog" && !elt.closest("#dialog")) opener = elt.id || elt.querySelector("[id]")?.id || "";
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id === "risk-page" || (event.target.id === "dialog" && !event.target.firstElementChild)) {
    if (document.activeElement === document.body) document.getElementById(opener)?.focus();
  }
});

// --- rows of a new risk

document.addEventListener("click", (event) => {
  const name = event.target.closest("[data-add]")?.dataset.add;
  if (!name) return;
  const total = document.getElementById(`id_${name}-TOTAL_FORMS`);
  const row = document.querySelector(`template[data-row=${name}]`).content.cloneNode(true);
  for (const element of row.querySelectorAll("*")) {
    for (const { name: attribute, value } of element.attributes) {
      if (value.includes("__prefix__")) element.setAttribute(attribute, value.replace("__prefix__", total.value));
    }
  }
  total.value = Number(total.value) + 1;
  const rows = document.querySelector(`[data-rows=${name}]`);
  rows.append(row);
  rows.lastElementChild.querySelector("input:not([type=hidden], [type=checkbox])").focus();
});

// --- a form is sent once, however often its button is pressed

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-once]")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("[data-once]")) delete form.dataset.sent;
});
