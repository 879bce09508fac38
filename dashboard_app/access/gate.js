// Sets the saved theme before the first paint, and counts a held button down. The pages work without it.
(() => {
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "dark" || theme === "light") document.documentElement.classList.add(theme);
  } catch {
    /* storage is blocked: follow the system */
  }
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("button[data-wait-s]");
    if (!button) return;
    const words = button.textContent;
    const error = document.getElementById("error");
    const end = Date.now() + 1000 * Number(button.dataset.waitS);
    const tick = () => {
      const left = Math.ceil((end - Date.now()) / 1000);
      button.disabled = left > 0;
      button.textContent = left > 0 ? `${words} in ${left} s` : words;
      if (error && left > 0) error.textContent = error.textContent.replace(/\d+ s\.$/, `${left} s.`);
      if (left > 0) setTimeout(tick, 250);
      else if (error) error.remove();
    };
    tick();
  });
})();
