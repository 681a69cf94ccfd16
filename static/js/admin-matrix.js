// Colours a cell of the matrix by its level while it is edited; the server does the same on each answer.
"use strict";
{
  const toneOf = (level) => document.getElementById(`id_level-${level}-tone`)?.value;
  const paint = (select) => {
    const tone = select.value && toneOf(select.value);
    select.closest("td").className = tone ? `tone-${tone}` : "";
  };
  const paintAll = () => document.querySelectorAll(".matrix-cells select").forEach(paint);
  document.addEventListener("change", (event) => {
    if (event.target.matches(".matrix-cells select")) paint(event.target);
    if (/^id_level-\d-tone$/.test(event.target.id)) paintAll();
  });
}
