// Text that the browser keeps current by itself: ages, countdowns, and clock times in the viewer's zone.
// The server sends seconds with a value; one timer rewrites text nodes. Nothing is sent for ageing.
import { createElement, useEffect, useLayoutEffect, useRef, useState } from "react";

const NB = "\u00a0";
const ticking = new Set();
let timer = 0;

function span(seconds) {
  if (seconds < 120) return `${Math.floor(seconds)}${NB}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}${NB}min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)}${NB}h`;
  return `${Math.floor(seconds / 86400)}${NB}d`;
}

const two = (n) => String(n).padStart(2, "0");
const time = (at) => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;

function words(entry, now) {
  if (entry.mode === "clock") return time(new Date());
  const passed = (now - entry.from) / 1000;
  if (entry.mode === "next") {
    const left = Math.ceil(-passed);
    return left <= 0 ? "now" : `in ${span(left)}`;
  }
  if (entry.mode === "old") return span(Math.max(passed, 0));
  return passed < 1 ? "now" : `${span(passed)} ago`;
}

function write(entry, now) {
  const text = entry.template.replace("{}", words(entry, now));
  if (!entry.node.firstChild) entry.node.appendChild(document.createTextNode(""));
  if (entry.node.firstChild.nodeValue !== text) entry.node.firstChild.nodeValue = text;
  const late = String(isLate(entry, now));
  if (entry.node.dataset.late !== late) entry.node.dataset.late = late;
}

// Only what is in view is rewritten each second; the rest catches up when it comes into view.
const inView = new WeakMap();
const watcher =
  typeof IntersectionObserver === "undefined"
    ? null
    : new IntersectionObserver((changes) => {
        const now = performance.now();
        for (const change of changes) {
          const entry = inView.get(change.target);
          if (!entry) continue;
          entry.isSeen = change.isIntersecting;
          if (entry.isSeen) write(entry, now);
        }
      });

const isLate = (entry, now) => entry.late > 0 && now - entry.from > entry.late * 1000;

// What becomes late is rewritten in sight or not: it may be what brings a text into view, which must not show an old age for a frame.
function tick() {
  const now = performance.now();
  for (const entry of ticking) if (entry.isSeen || String(isLate(entry, now)) !== entry.node.dataset.late) write(entry, now);
}

function join(entry) {
  ticking.add(entry);
  inView.set(entry.node, entry);
  watcher?.observe(entry.node);
  if (!timer) timer = setInterval(tick, 1000);
  return () => {
    ticking.delete(entry);
    if (inView.get(entry.node) === entry) {
      inView.delete(entry.node);
      watcher?.unobserve(entry.node);
    }
    if (!ticking.size && timer) {
      clearInterval(timer);
      timer = 0;
    }
  };
}

// seconds: age now (mode ago, old) or seconds to go (mode next); null: not known; mode clock: the time now, in the viewer's zone. stamp: anything that changes with each new reading.
// late: limit in seconds past which the age is marked; 0: never. template: text round the words, "{}" is where they go.
export function Age({ seconds, stamp, late = 0, mode = "ago", template = "{}", className, title }) {
  const ref = useRef(null);
  useLayoutEffect(() => {
    const node = ref.current;
    if (seconds === null || seconds === undefined) {
      node.textContent = "–";
      node.dataset.late = "false";
      return undefined;
    }
    const sign = mode === "next" ? 1 : -1;
    const entry = { node, mode, template, late, isSeen: true, from: performance.now() + sign * seconds * 1000 };
    write(entry, performance.now());
    return join(entry);
  }, [seconds, stamp, late, mode, template]);
  return <span ref={ref} title={title || undefined} data-mode={mode} className={`age ${className || ""}`} />;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

// A clock time with seconds today, a date and minutes on any other day; always the viewer's zone.
export function clock(epoch) {
  const at = new Date(epoch * 1000);
  const today = new Date();
  if (at.toDateString() === today.toDateString()) return time(at);
  const year = at.getFullYear() === today.getFullYear() ? "" : ` ${at.getFullYear()}`;
  return `${MONTHS[at.getMonth()]} ${at.getDate()}${year} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

// The marks of dashboard_app/console/words.py, in Unicode's private range so that no name can contain them by accident.
const MARKS = /(\ue000[^\ue001]*\ue001|\ue002[^\ue003]*\ue003|\ue004[^\ue005]*\ue005)/;

function piece(part, key) {
  const inside = part.slice(1, -1);
  if (part[0] === "\ue000") return <b key={key}>{inside}</b>;
  if (part[0] === "\ue002") return <code key={key}>{inside}</code>;
  if (part[0] === "\ue004") {
    const iso = new Date(Number(inside) * 1000).toISOString();
    return (
      <time key={key} dateTime={iso} title={iso} suppressHydrationWarning>
        {clock(Number(inside))}
      </time>
    );
  }
  return part;
}

// A sentence built by the server, with bold words, code and clock times in it.
export function Sentence({ text, element = "span", ...rest }) {
  return createElement(element, rest, ...String(text || "").split(MARKS).filter(Boolean).map(piece));
}

const LEFT_WITHIN_MS = 10000;
let leavingSince = -Infinity;
if (typeof window !== "undefined") window.addEventListener("beforeunload", () => { leavingSince = performance.now(); });

// Leaves for the sign-in page by a full page load, a second after the session has ended.
export function SignInAgain() {
  useEffect(() => {
    let timer = 0;
    const leave = () => {
      if (performance.now() - leavingSince < LEFT_WITHIN_MS) return arm(); // the tab that signs out is on its way, however slow
      const here = window.location.pathname + window.location.search;
      window.location.assign(`/login?expired=1&next=${encodeURIComponent(here)}`);
    };
    const arm = () => { timer = setTimeout(leave, 1000); };
    arm();
    return () => clearTimeout(timer);
  }, []);
  return null;
}

// Mounted while the page's socket is cut: asks every `seconds` whether the session is still good, and leaves when it is not.
// A refused socket does not say why; the page itself does: somebody who is signed out is sent elsewhere.
export function StillSignedIn({ seconds }) {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const look = async () => {
      const here = window.location.pathname + window.location.search;
      const limit = AbortSignal.timeout(seconds * 1000);
      const answer = await fetch(here, { method: "HEAD", redirect: "manual", cache: "no-store", signal: limit }).catch(() => null);
      if (answer?.type === "opaqueredirect") setOver(true);
    };
    look();
    const timer = setInterval(look, seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return isOver ? <SignInAgain /> : null;
}

// Calls onDone after some seconds, but not while its parent is pointed at or focused: nobody's Undo vanishes under the finger.
export function After({ seconds, stamp, onDone }) {
  const ref = useRef(null);
  useEffect(() => {
    const box = ref.current.parentElement;
    let timer = 0;
    const arm = () => {
      clearTimeout(timer);
      timer = setTimeout(() => (box.matches(":hover, :focus-within") ? arm() : onDone()), seconds * 1000);
    };
    arm();
    return () => clearTimeout(timer);
  }, [seconds, stamp]);
  return <span ref={ref} hidden />;
}
