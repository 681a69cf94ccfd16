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

// --- what was typed outlives an expired sign-in: this tab keeps it until a page or an event shows that it is saved.
// A dialog's form comes back as a page of its own, so a form is known by where it is sent.

const KEPT = "riskreg-typed";
const keptForm = () => [...document.querySelectorAll("[data-once], [data-keep]")].find((form) => form.action === kept.action);
const bar = document.querySelector("[data-restore-bar]");
const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
const forget = () => sessionStorage.removeItem(KEPT);

if (!kept || !keptForm()) forget();
else if (bar && !document.querySelector("main [role=alert]")) bar.hidden = false;

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (!form?.matches("[data-once], [data-keep]")) return;
  const fields = [...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken");
  sessionStorage.setItem(KEPT, JSON.stringify({ action: form.action, fields }));
});

bar?.addEventListener("click", (event) => {
  if (event.target.closest("[data-restore]")) putBack(keptForm(), kept.fields);
  else if (event.target.closest("[data-forget]")) forget();
  else return;
  bar.hidden = true;
});
for (const saved of ["risk-assessed", "risk-changed"]) document.addEventListener(saved, forget);

function putBack(form, fields) {
  for (const add of form.querySelectorAll("[data-add]")) {
    const wanted = Number(fields.find(([name]) => name === `${add.dataset.add}-TOTAL_FORMS`)?.[1] ?? 0);
    while (Number(document.getElementById(`id_${add.dataset.add}-TOTAL_FORMS`).value) < wanted) add.click();
  }
  const values = new Map(fields);
  for (const element of form.elements) {
    if (!element.name || element.name === "csrfmiddlewaretoken" || element.type === "submit") continue;
    if (element.type === "radio") element.checked = values.get(element.name) === element.value;
    else if (element.type === "checkbox") element.checked = values.has(element.name);
    else if (values.has(element.name)) element.value = values.get(element.name);
    if (element.checked && element.type === "radio") element.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

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
