// Files dropped, pasted or chosen: checked before anything is sent, then sent at once or kept for their form.
// A form with data-files="send" is sent as soon as it has files; with data-files="keep" it waits for its button.

import { toast } from "./app.js";

const input = (form) => form.querySelector("input[type=file]");
const drop = (element) => element.closest?.("form[data-files]");

function problemsOf(form, files) {
  const { maxBytes, maxCount, tooLarge, tooMany } = form.dataset;
  const large = files.filter((file) => file.size > Number(maxBytes)).map((file) => tooLarge.replace("NAME", file.name));
  return files.length > Number(maxCount) ? [tooMany, ...large] : large;
}

function show(form, problems) {
  const place = form.querySelector("[data-problems]");
  place.replaceChildren(...problems.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
  input(form).setAttribute("aria-invalid", String(problems.length > 0));
}

function take(form, files) {
  const chosen = new DataTransfer();
  const all = form.dataset.files === "keep" ? [...input(form).files, ...files] : files;
  for (const file of all) chosen.items.add(file);
  input(form).files = chosen.files;
  consider(form);
}

function consider(form) {
  const files = [...input(form).files];
  const problems = problemsOf(form, files);
  show(form, problems);
  if (problems.length) input(form).value = "";
  else if (files.length && form.dataset.files === "send") form.requestSubmit();
}

document.addEventListener("change", (event) => {
  if (event.target.matches("form[data-files] input[type=file]")) consider(event.target.form);
});

// --- dropping: a file that misses its place must not replace the page

for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    const form = drop(event.target);
    mark(name === "dragover" ? form : null);
    if (name === "drop" && form) take(form, [...event.dataTransfer.files]);
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) mark(null);
});
function mark(form) {
  for (const place of document.querySelectorAll(".file-drop")) place.classList.toggle("is-over", form?.contains(place) ?? false);
}

// --- pasting: a picture goes to the form that one writes in, else to the risk

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  const form = drop(event.target) ?? document.querySelector("form[data-files=send]");
  if (!files.length || !form || event.clipboardData.types.includes("text/plain")) return;
  event.preventDefault();
  take(form, files);
});

// --- a form that comes back, as a preview or with an error, still has its files

let kept = null;

document.addEventListener("htmx:beforeSwap", (event) => {
  const form = event.detail.requestConfig.elt.closest?.("form[data-files=keep]");
  kept = form && { action: form.action, files: input(form).files };
});
document.addEventListener("htmx:afterSettle", () => {
  const form = kept && [...document.querySelectorAll("form[data-files=keep]")].find((each) => each.action === kept.action);
  if (form && kept.files.length && !input(form).files.length) input(form).files = kept.files;
});
document.addEventListener("comment-saved", () => {
  kept = null;
  for (const form of document.querySelectorAll("form[data-files=keep]")) input(form).value = "";
});

// --- progress

document.addEventListener("htmx:xhr:progress", (event) => {
  const place = event.target.querySelector?.("[data-progress]");
  if (!place || !event.detail.lengthComputable) return;
  place.hidden = false;
  place.querySelector("progress").value = (100 * event.detail.loaded) / event.detail.total;
});
document.addEventListener("htmx:afterRequest", (event) => {
  const place = event.target.querySelector?.("[data-progress]");
  if (place) place.hidden = true;
});

// --- copying

document.addEventListener("click", async (event) => {
  const text = event.target.closest("[data-copy]")?.dataset.copy;
  if (!text) return;
  try {
    await navigator.clipboard.writeText(text);
    toast(text, "success");
  } catch {
    toast(text, "info");
  }
});
