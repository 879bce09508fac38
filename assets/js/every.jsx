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

// Mounted while the page's socket is cut: asks every `seconds` whether the session is still good, and leaves for the sign-in page when it is not.
// A refused socket does not say why; the page itself does: somebody who is signed out is sent elsewhere.
export function StillSignedIn({ seconds }) {
  useEffect(() => {
    const look = async () => {
      const here = window.location.pathname + window.location.search;
      const limit = AbortSignal.timeout(seconds * 1000);
      const answer = await fetch(here, { method: "HEAD", redirect: "manual", cache: "no-store", signal: limit }).catch(() => null);
      if (answer?.type === "opaqueredirect") window.location.assign(`/login?expired=1&next=${encodeURIComponent(here)}`);
    };
    look();
    const timer = setInterval(look, seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return null;
}
