// What every page needs: menus, shortcuts, toasts, focus after a refused form.

const $ = (selector, root = document) => root.querySelector(selector);

// --- menus: <details> work alone; here they close when something else is wanted

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}
document.addEventListener("click", (event) => {
  closeMenus(event.target.closest("details.menu"));
  const opener = event.target.closest("[data-show]");
  if (opener) {
    event.preventDefault();
    closeMenus();
    document.getElementById(opener.dataset.show)?.showModal();
  }
});

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-filter-menu]")) return;
  const wanted = event.target.value.trim().toLowerCase();
  for (const link of event.target.closest(".menu-panel").querySelectorAll("a")) {
    link.hidden = wanted !== "" && !link.textContent.toLowerCase().includes(wanted);
  }
});

// --- keyboard

let goPending = false;
const typing = (element) => element.matches("input, textarea, select, [contenteditable]") || element.closest("dialog[open]");

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = event.target.closest?.("details.menu[open]");
    closeMenus();
    menu?.querySelector("summary").focus();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (goPending) {
    goPending = false;
    const link = $(`[data-go="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); link.click(); }
    return;
  }
  if (event.key === "g") { goPending = true; setTimeout(() => { goPending = false; }, 1200); }
  else if (event.key === "/") { event.preventDefault(); ($("#list-search") || $("#top-search"))?.focus(); }
  else if (event.key === "?") { event.preventDefault(); $("#shortcuts")?.showModal(); }
  else {
    const target = $(`[data-shortcut="${CSS.escape(event.key)}"]`);
    if (target) { event.preventDefault(); target.click(); }
  }
});

// --- toasts

export function toast(text, level = "info") {
  const line = document.createElement("p");
  line.className = `toast-line toast-${level}`;
  line.textContent = text;
  $("#toasts").append(line);
  expire(line);
}
function expire(line) {
  if (!line.classList.contains("toast-error")) setTimeout(() => line.remove(), 6000);
  line.addEventListener("click", () => line.remove());
}
document.querySelectorAll(".toast-line").forEach(expire);
document.addEventListener("toasts", (event) => {
  for (const { text, level } of event.detail.value ?? []) toast(text, level);
});

// --- htmx

document.addEventListener("htmx:responseError", (event) => {
  const { responseText, status } = event.detail.xhr;
  const plain = event.detail.xhr.getResponseHeader("Content-Type")?.startsWith("text/plain");
  toast(plain ? responseText : `${status}`, "error");
});
document.addEventListener("htmx:sendError", () => {
  toast(document.body.dataset.offline, "error");
});
document.addEventListener("htmx:afterSettle", (event) => focusError(event.target));

function focusError(root) {
  const place = $("[data-autofocus]", root) ?? $("[aria-invalid=true]", root);
  place?.focus();
}
focusError(document);

// --- dialogs that a fragment brings open at once

document.addEventListener("htmx:afterSwap", (event) => {
  for (const dialog of event.target.querySelectorAll("dialog[data-open]")) {
    if (!dialog.open) dialog.showModal();
  }
});

// --- forms that send themselves when something is chosen

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});
