// Sets the theme's class before the first paint: the saved choice, else what the system says.
(() => {
  let choice = "system";
  try {
    choice = localStorage.getItem("theme") || "system";
  } catch {
    /* storage is blocked: follow the system */
  }
  const dark = choice === "dark" || (choice !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  const root = document.documentElement;
  root.classList.remove("light", "dark");
  root.classList.add(dark ? "dark" : "light");
  root.style.colorScheme = dark ? "dark" : "light";
})();
