import { useEffect, useRef } from "react";

let last = null;
if (typeof document !== "undefined") {
  document.addEventListener("focusin", (event) => {
    if (!(event.target instanceof Element) || event.target.closest("[role=dialog],[role=alertdialog]")) return;
    // a menu is gone once its entry was chosen: the way back leads to the button that opened it
    const menu = event.target.closest("[role=menu]");
    last = (menu && document.getElementById(menu.getAttribute("aria-labelledby"))) || event.target;
  });
}

// When a dialog that a server's answer opened is closed again, the focus goes back to where it was before.
// The closing dialog fades for a moment and keeps the focus until then, so look a few times.
export function Refocus({ isOpen }) {
  const was = useRef(false);
  useEffect(() => {
    const closed = was.current && !isOpen;
    was.current = isOpen;
    if (!closed) return undefined;
    const opener = last;
    let looks = 20;
    const timer = setInterval(() => {
      const free = document.activeElement === document.body;
      if (free && opener?.isConnected) opener.focus();
      if (free || (looks -= 1) <= 0) clearInterval(timer);
    }, 50);
    return () => clearInterval(timer);
  }, [isOpen]);
  return null;
}
