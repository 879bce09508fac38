import { useEffect, useRef } from "react";

// Calls onTick every `seconds` while the page is in front; never while it is hidden, and once when it comes back.
export function Every({ seconds, onTick }) {
  const tick = useRef(onTick);
  tick.current = onTick;
  useEffect(() => {
    const run = () => { if (!document.hidden) tick.current?.(); };
    const timer = setInterval(run, seconds * 1000);
    document.addEventListener("visibilitychange", run);
    return () => { clearInterval(timer); document.removeEventListener("visibilitychange", run); };
  }, [seconds]);
  return null;
}
