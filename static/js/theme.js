// Runs before the first paint: "as the system" needs the system's answer, which only the browser knows.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  if (root.dataset.theme !== "auto") return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => { root.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  dark.addEventListener("change", apply);
  apply();
})();
