import { useEffect, useRef } from "react";

// Calls onTick every `seconds` while the page is in front, and when `stamp` changes; never while it is hidden, and once when it comes back.
export function Every({ seconds, stamp = 0, onTick }) {
  const tick = useRef(onTick);
  const seen = useRef(stamp);
  tick.current = onTick;
  useEffect(() => {
    const run = () => { if (!document.hidden) tick.current?.(); };
    const timer = setInterval(run, seconds * 1000);
    document.addEventListener("visibilitychange", run);
    return () => { clearInterval(timer); document.removeEventListener("visibilitychange", run); };
  }, [seconds]);
  useEffect(() => {
    if (seen.current === stamp) return;
    seen.current = stamp;
    if (!document.hidden) tick.current?.();
  }, [stamp]);
  return null;
}

// Calls onSeen(false) when the page goes out of sight and onSeen(true) when it comes back: the server sends nothing in between.
export function InSight({ onSeen }) {
  const seen = useRef(onSeen);
  seen.current = onSeen;
  useEffect(() => {
    const tell = () => seen.current?.(!document.hidden);
    document.addEventListener("visibilitychange", tell);
    if (document.hidden) tell();
    return () => document.removeEventListener("visibilitychange", tell);
  }, []);
  return null;
}
