// Single keys for the list: / filter, r refresh, j k ↑ ↓ rows, o sort again, [ ] pages, . row menu. Off inside fields and open dialogs.
(() => {
  const press = (selector) => {
    const target = document.querySelector(selector);
    if (target && !target.disabled) target.click();
    return Boolean(target);
  };
  const move = (step) => {
    const rows = [...document.querySelectorAll("[data-row-link]")];
    if (!rows.length) return false;
    const at = rows.findIndex((row) => row.closest(".row") === document.activeElement?.closest(".row"));
    const next = at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1);
    rows[next].focus();
    return true;
  };
  const focusFilter = () => {
    const field = document.querySelector("[data-key='/']");
    field?.focus();
    field?.select();
    return Boolean(field);
  };
  const actions = {
    "/": focusFilter,
    r: () => press("[data-key='r']"),
    o: () => press("[data-key='o']"),
    "[": () => press("[data-key='[']"),
    "]": () => press("[data-key=']']"),
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    ".": () => {
      const menu = document.activeElement?.closest(".row")?.querySelector("[data-row-menu]");
      menu?.focus();
      menu?.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
      return Boolean(menu);
    },
  };
  const busy = (target) =>
    target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.closest("[role=menu],[role=dialog],[role=alertdialog]");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (busy(target)) {
      if (event.key === "Escape" && target.matches("[data-key='/']")) target.blur();
      return;
    }
    if (event.key.startsWith("Arrow") && !target.closest(".row")) return;
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (action?.()) event.preventDefault();
  });
})();
