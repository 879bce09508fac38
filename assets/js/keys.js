// Keys, the palette's choice, and the tab stop of the list's rows. Single keys are off inside fields and open dialogs, and everywhere
// when the switch in the user's menu says so; Ctrl K, Escape and the arrows of a row are not single character keys and stay on.
(() => {
  const STORE = { keys: "spillway-single-keys", recent: "spillway-recent" };
  const RECENT_AT_MOST = 12;
  const CHORD_MS = 1500;
  const PRESS_WITHIN_MS = 8000;
  const AGAIN_MS = 2000;

  const stored = (name, fallback) => {
    try {
      return JSON.parse(localStorage.getItem(name)) ?? fallback;
    } catch {
      return fallback; // blocked or not ours: as if nothing was kept
    }
  };
  const store = (name, value) => {
    try {
      localStorage.setItem(name, JSON.stringify(value));
    } catch {
      /* storage is blocked: the choice lasts as long as the page */
    }
  };
  const press = (selector) => {
    const target = document.querySelector(selector);
    if (target && !target.disabled) target.click();
    return Boolean(target);
  };

  // -- rows: one tab stop for the table, moved by ↑ ↓ j k; the row's menu is the stop behind it
  let currentRow = "";
  const links = () => [...document.querySelectorAll("[data-row-link]")];
  const rowOf = (element) => element?.closest?.(".row[data-source-id]");
  const placeStop = () => {
    const all = links();
    const current = all.find((one) => rowOf(one)?.dataset.sourceId === currentRow) ?? all[0];
    for (const one of all) {
      const stop = one === current ? 0 : -1;
      for (const part of [one, rowOf(one)?.querySelector("[data-row-menu]")]) if (part && part.tabIndex !== stop) part.tabIndex = stop;
    }
  };
  const move = (step) => {
    const rows = links();
    if (!rows.length) return false;
    const at = rows.findIndex((row) => rowOf(row) === rowOf(document.activeElement));
    const next = at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1);
    rows[next].focus();
    return true;
  };
  document.addEventListener("focusin", (event) => {
    const row = rowOf(event.target);
    if (!row || row.dataset.sourceId === currentRow) return;
    currentRow = row.dataset.sourceId;
    placeStop();
  });

  // -- palette: a native dialog traps the focus, closes on Escape and gives the focus back
  const palette = () => document.getElementById("palette");
  const options = () => [...(palette()?.querySelectorAll("[role=option]") ?? [])];
  let chosen = 0;
  let chosenFor = null; // the answer in which the choice was made
  let isEnterDue = false;
  const choose = (place) => {
    const all = options();
    const field = palette()?.querySelector("input");
    chosen = all.length ? (place + all.length) % all.length : 0;
    chosenFor = answered();
    all.forEach((one, at) => {
      one.id = `hit-${at}`;
      one.setAttribute("aria-selected", at === chosen ? "true" : "false");
    });
    if (!field) return;
    if (all.length) {
      field.setAttribute("aria-activedescendant", `hit-${chosen}`);
      all[chosen].scrollIntoView({ block: "nearest" });
    } else field.removeAttribute("aria-activedescendant");
  };
  const answered = () => palette()?.querySelector("[role=listbox]").dataset.for;
  const isCurrent = () => answered() === palette().querySelector("input").value.trim();
  const chooseAnew = () => {
    // another answer begins at its first line; in the same one the choice stays on its line, wherever that stands now
    const all = options();
    const place = answered() === chosenFor ? all.findIndex((one) => one.getAttribute("aria-selected") === "true") : -1;
    if (place < 0) choose(0);
    else if (place !== chosen || all.some((one, at) => one.id !== `hit-${at}`)) choose(place);
  };
  const take = () => {
    if (!isCurrent()) {
      isEnterDue = true; // what was typed last is still on its way; the answer will be taken
      return;
    }
    isEnterDue = false;
    options()[chosen]?.click();
  };
  const pressSoon = (selector) => {
    const until = performance.now() + PRESS_WITHIN_MS;
    const look = () => {
      const target = document.querySelector(selector);
      if (target && !target.disabled) {
        target.focus();
        target.click();
      } else if (performance.now() < until) setTimeout(look, 50);
    };
    look();
  };
  const taken = (hit, event) => {
    const recent = stored(STORE.recent, []);
    store(STORE.recent, [hit.dataset.hit, ...recent.filter((one) => one !== hit.dataset.hit)].slice(0, RECENT_AT_MOST));
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (hit.dataset.press && hit.getAttribute("href") === location.pathname) event.preventDefault();
    palette().close();
    if (hit.dataset.press) pressSoon(hit.dataset.press);
  };
  window.spillwayRecent = () => stored(STORE.recent, []);

  // -- clicks on what opens a dialog, on a hit, beside a dialog, on the switch of the single keys
  window.addEventListener(
    "click",
    (event) => {
      if (!(event.target instanceof Element)) return;
      const opener = event.target.closest("[data-opens]");
      if (opener) open(opener.dataset.opens);
      const hit = event.target.closest("#palette [data-hit]");
      if (hit) taken(hit, event);
      if (event.target.matches("dialog.native")) event.target.close();
      if (event.target.closest("[data-single-keys]")) {
        store(STORE.keys, !areKeysOn());
        showSwitch();
      }
    },
    true,
  );
  const open = (id) => {
    const dialog = document.getElementById(id);
    if (!dialog || dialog.open) return;
    if (id === "palette") dialog.querySelector("input").value = "";
    isEnterDue = false;
    chosenFor = null;
    document.querySelector(".menu:popover-open")?.hidePopover();
    dialog.showModal();
    if (id === "palette" && !isReady()) askWhenReady();
  };
  // sources come and go, and change their state, while the palette is open
  setInterval(() => {
    if (!document.hidden && palette()?.open && isReady() && isCurrent()) press("#palette-again");
  }, AGAIN_MS);
  // before the page has loaded, a press opens the palette but asks for nothing: it is pressed again then
  const isReady = () => document.querySelector("[data-opens='palette']")?.dataset.ready === "true";
  const askWhenReady = () => {
    if (!palette()?.open) return;
    if (isReady()) press("[data-opens='palette']");
    else setTimeout(askWhenReady, 50);
  };

  // -- single keys
  const areKeysOn = () => stored(STORE.keys, true) !== false;
  const showSwitch = () => document.querySelector("[data-single-keys]")?.setAttribute("aria-checked", String(areKeysOn()));
  const focusFilter = () => {
    const field = document.querySelector("[data-key='/']");
    field?.focus();
    field?.select();
    return Boolean(field);
  };
  const openRowMenu = () => {
    const menu = rowOf(document.activeElement)?.querySelector("[data-row-menu]");
    menu?.focus();
    menu?.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    return Boolean(menu);
  };
  const actions = {
    "/": focusFilter,
    "?": () => press("[data-opens='keys']"),
    r: () => press("[data-key='r']"),
    o: () => press("[data-key='o']"),
    "[": () => press("[data-key='[']"),
    "]": () => press("[data-key=']']"),
    j: () => move(1),
    k: () => move(-1),
    ".": openRowMenu,
    " ": () => press("[data-key=' ']"),
  };
  const pages = {
    s: "/",
    p: "/pool",
    b: "/breakers",
    j: "/jobs",
    e: "/events",
    a: "/alerts",
    u: "/audit",
    t: "/settings",
    d: "/drill",
    w: "/wall",
  };
  let chordUntil = 0;
  const single = (key) => {
    const isChord = performance.now() < chordUntil;
    chordUntil = 0;
    if (isChord && Object.hasOwn(pages, key)) return press(`.side nav a[href='${pages[key]}']`);
    if (key === "g") {
      chordUntil = performance.now() + CHORD_MS;
      return true;
    }
    return Object.hasOwn(actions, key) ? actions[key]() : false;
  };
  const paletteKeys = {
    ArrowDown: () => choose(chosen + 1),
    ArrowUp: () => choose(chosen - 1),
    Enter: take,
    Tab: () => {}, // the field is the only stop
  };
  const isInDialog = () => document.querySelector("dialog[open],[role=dialog],[role=alertdialog]") !== null;
  const isTyping = (target) =>
    target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.closest("[role=menu]") !== null;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (target.closest("#palette")) {
      if (Object.hasOwn(paletteKeys, event.key)) {
        event.preventDefault();
        paletteKeys[event.key]();
      }
      return;
    }
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (!isInDialog()) press("[data-opens='palette']");
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isInDialog()) return;
    if (isTyping(target)) {
      if (event.key === "Escape" && target.matches("[data-key='/']")) target.blur();
      return;
    }
    if (event.key === "Escape" && press("[data-key='Escape']")) return;
    if (event.key === " " && target.closest("button,a,summary,[role=button]")) return;
    const isArrow = event.key === "ArrowDown" || event.key === "ArrowUp";
    if (isArrow ? rowOf(target) && move(event.key === "ArrowDown" ? 1 : -1) : areKeysOn() && single(event.key)) event.preventDefault();
  });

  // -- what React draws anew starts without our marks
  let isDue = false;
  const sync = () => {
    isDue = false;
    placeStop();
    showSwitch();
    if (!palette()?.open) return;
    chooseAnew();
    if (isEnterDue && isCurrent()) take();
  };
  const start = () => {
    new MutationObserver(() => {
      if (isDue) return;
      isDue = true;
      requestAnimationFrame(sync);
    }).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-for"] });
    sync();
  };
  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();
