// Copies the link of an invitation.

import { toast } from "./app.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    return; // the text is selected: Ctrl+C does the rest
  }
  toast(button.dataset.done);
});
