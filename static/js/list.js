// The list of risks: ticking rows, changing a value in its cell, keeping the filters in step with the address.
// Everything here also works without it, by links and forms.

const $ = (selector, root = document) => root.querySelector(selector);
const list = () => document.getElementById("risk-list");

// --- ticks: the whole page, and a range with shift

let lastTicked = null;
const ticks = () => [...list().querySelectorAll("tbody input[name=risk]")];

function showSelection() {
  const bar = document.getElementById("bulk");
  if (!bar) return;
  const all = ticks();
  const count = all.filter((box) => box.checked).length;
  $("#bulk-count").textContent = count;
  bar.classList.toggle("has-selection", count > 0);
  const page = $("[data-select-page]", list());
  page.checked = count > 0 && count === all.length;
  page.indeterminate = count > 0 && count < all.length;
  for (const box of all) box.closest("tr").classList.toggle("row-ticked", box.checked);
}

document.addEventListener("click", (event) => {
  const box = event.target.closest("input[name=risk][type=checkbox]");
  if (!box) return;
  const all = ticks();
  if (event.shiftKey && all.includes(lastTicked)) {
    const [from, to] = [all.indexOf(lastTicked), all.indexOf(box)].sort((a, b) => a - b);
    for (const between of all.slice(from, to + 1)) between.checked = box.checked;
  }
  lastTicked = box;
  showSelection();
});
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-select-page]")) return;
  for (const box of ticks()) box.checked = event.target.checked;
  showSelection();
});
document.addEventListener("reset", () => setTimeout(showSelection));

// --- one value in its cell

const shown = new WeakMap(); // cell → what it held before its form came

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close-dialog]")) event.target.closest("dialog").close();
  if (event.target.closest("[data-close-popup]")) return closePopup(event.target.closest("td"));
  if (!event.target.closest("[data-popup]")) closeAll();
  const link = event.target.closest("#risk-list a.edit");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const cell = link.closest("td");
  const [code, , field] = new URL(link.href).pathname.split("/").slice(-4);
  cell.id = `${code}-${field}`;
  shown.set(cell, cell.innerHTML);
  window.htmx.ajax("get", link.href, { source: link, target: cell, swap: "innerHTML" });
});

function closePopup(cell) {
  if (!shown.has(cell)) return;
  cell.innerHTML = shown.get(cell);
  shown.delete(cell);
  $("a.edit", cell)?.focus();
}
function closeAll() {
  for (const popup of document.querySelectorAll("#risk-list [data-popup]")) closePopup(popup.closest("td"));
}
document.addEventListener("keydown", (event) => {
  const popup = event.target.closest?.("[data-popup]");
  if (event.key === "Escape" && popup) closePopup(popup.closest("td"));
});

function placePopup(popup) {
  const cell = popup.closest("td").getBoundingClientRect();
  const { width, height } = popup.getBoundingClientRect();
  const below = cell.bottom + height + 8 < window.innerHeight || cell.top < height + 8;
  popup.style.left = `${Math.max(8, Math.min(cell.left, window.innerWidth - width - 8))}px`;
  popup.style.top = `${Math.max(8, below ? Math.min(cell.bottom + 4, window.innerHeight - height - 8) : cell.top - height - 4)}px`;
}
for (const what of ["scroll", "resize"]) {
  window.addEventListener(what, () => document.querySelectorAll("[data-popup]").forEach(placePopup), { capture: true, passive: true });
}

// --- after something was swapped

document.addEventListener("htmx:afterSettle", (event) => {
  const target = event.detail.target;
  if (target.matches?.("td")) {
    const popup = $("[data-popup]", target);
    if (popup) {
      placePopup(popup);
      if (!popup.querySelector("[data-autofocus], [aria-invalid=true]")) $("select, input:not([type=hidden])", popup)?.focus();
    } else {
      shown.delete(target);
      $("a.edit", target)?.focus();
    }
  }
  showSelection();
});
document.addEventListener("list-changed", () => $("#risk-bulk dialog")?.close());

// The filters stand outside what is swapped, so that focus and open menus stay; here they follow the address.
document.addEventListener("htmx:pushedIntoHistory", followAddress);
document.addEventListener("htmx:replacedInHistory", followAddress);

function followAddress() {
  const query = new URLSearchParams(location.search);
  for (const field of document.querySelectorAll("#list-filters :is([type=checkbox], [type=radio], [type=search])")) {
    if (field.type !== "search") field.checked = query.getAll(field.name).includes(field.value) || (field.value === "" && !query.get(field.name));
    else if (field !== document.activeElement) field.value = query.get(field.name) ?? "";
  }
}
showSelection();
