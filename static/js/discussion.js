// Comments: what was typed outlives the page, Ctrl+Enter sends, @ offers the team's members.

// --- drafts: kept in this browser, for this person, until the server has the comment

const DRAFTS = "riskreg-draft ";
const SAVED_BY_SERVER = "comment-saved";
let sent = "";

const keyOf = (form) => DRAFTS + form.dataset.draft;
const textOf = (form) => form.querySelector("textarea");

function restore(root) {
  const forms = root.matches?.("[data-draft]") ? [root] : root.querySelectorAll("[data-draft]");
  for (const form of forms) {
    const draft = localStorage.getItem(keyOf(form));
    const text = textOf(form);
    if (draft !== null) text.value = draft;
    text.setSelectionRange(text.value.length, text.value.length);
  }
}

function dropDraftsOfOthers() {
  const mine = document.querySelector("[data-draft]")?.dataset.draft.split(" ")[0];
  if (!mine) return;
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(DRAFTS) && !key.startsWith(`${DRAFTS}${mine} `)) localStorage.removeItem(key);
  }
}

dropDraftsOfOthers();
restore(document);

document.addEventListener("input", (event) => {
  const form = event.target.closest("[data-draft]");
  if (!form || event.target !== textOf(form)) return;
  if (event.target.value.trim()) localStorage.setItem(keyOf(form), event.target.value);
  else localStorage.removeItem(keyOf(form));
});
document.addEventListener("htmx:beforeRequest", (event) => {
  const form = event.detail.elt.closest("[data-draft]");
  if (form && event.detail.elt === form) sent = keyOf(form);
});
document.addEventListener("click", (event) => {
  const form = event.target.closest("[data-drop-draft]")?.closest("[data-draft]");
  if (form) localStorage.removeItem(keyOf(form));
}, true);
document.addEventListener(SAVED_BY_SERVER, () => {
  localStorage.removeItem(sent);
  for (const form of document.querySelectorAll("[data-draft]")) if (keyOf(form) === sent) textOf(form).value = "";
});
document.addEventListener("htmx:afterSwap", (event) => restore(event.target));

// --- a comment of an older page: its address leads there

const wanted = /^#comment-(\d+)$/.exec(location.hash);
const talk = document.querySelector("#discussion .comment-form, #discussion .comments");
if (wanted && talk && !document.getElementById(location.hash.slice(1)) && !location.search.includes("page=")) {
  location.replace(`${location.pathname.replace(/comments\/$/, "")}comments/${wanted[1]}/`);
}

// --- keyboard

document.addEventListener("keydown", (event) => {
  const area = event.target.closest?.("[data-draft] textarea");
  if (!area || event.isComposing) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    close(area);
    area.form.requestSubmit(area.form.querySelector("[type=submit]:not([name])"));
  } else if (listOf(area)) choose(event, area);
});

// --- mentions

const MENTION = /(?:^|[^A-Za-z0-9/@])@([^\s@]{0,40}(?: [^\s@]{1,40}){0,3})$/u;
let asked = 0;
let running;

const placeOf = (area) => area.closest("[data-suggest]");
const listOf = (area) => placeOf(area)?.querySelector(".comment-options");
const optionsOf = (area) => [...(listOf(area)?.children ?? [])];

document.addEventListener("input", (event) => {
  const area = event.target.closest?.("[data-suggest] textarea");
  if (!area || event.isComposing) return;
  const typed = MENTION.exec(area.value.slice(0, area.selectionStart));
  running?.abort();
  clearTimeout(asked);
  if (!typed) return close(area);
  asked = setTimeout(() => suggest(area, typed[1]), 120);
});
document.addEventListener("compositionend", (event) => {
  if (event.target.closest?.("[data-suggest]")) event.target.dispatchEvent(new Event("input", { bubbles: true }));
});

async function suggest(area, typed) {
  const place = placeOf(area);
  running = new AbortController();
  let answer;
  try {
    answer = await fetch(`${place.dataset.suggest}?q=${encodeURIComponent(typed)}`, { signal: running.signal, redirect: "error" });
  } catch {
    return;
  }
  const html = answer.ok ? await answer.text() : "";
  close(area);
  if (!html.includes("<li") || document.activeElement !== area) return;
  const list = document.createElement("ul");
  list.id = "comment-options";
  list.className = "comment-options";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", place.dataset.found);
  list.innerHTML = html; // written by our own server, names escaped
  list.style.top = `${area.offsetTop + area.offsetHeight + 2}px`;
  place.append(list);
  area.setAttribute("aria-controls", list.id);
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the text keeps the focus
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) insert(area, option);
  });
  select(area, 0);
}

function select(area, index) {
  const options = optionsOf(area);
  const chosen = options.at(index % options.length);
  for (const option of options) option.setAttribute("aria-selected", String(option === chosen));
  area.setAttribute("aria-activedescendant", chosen.id);
}

function choose(event, area) {
  const options = optionsOf(area);
  const now = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown") select(area, now + 1);
  else if (event.key === "ArrowUp") select(area, now - 1);
  else if (event.key === "Enter" || event.key === "Tab") insert(area, options[now]);
  else if (event.key === "Escape") close(area);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function insert(area, option) {
  const end = area.selectionStart;
  const typed = MENTION.exec(area.value.slice(0, end));
  close(area);
  if (!typed) return;
  area.setRangeText(option.dataset.insert, end - typed[1].length - 1, end, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

function close(area) {
  clearTimeout(asked);
  listOf(area)?.remove();
  area.removeAttribute("aria-activedescendant");
  area.removeAttribute("aria-controls");
}

document.addEventListener("focusout", (event) => {
  const area = event.target.closest?.("[data-suggest] textarea");
  if (area) close(area);
});
