// The tail of the live feed. Rows keep their place in the layout for life, the list as a whole is moved by a transform: nothing shifts when
// rows come on top. Frozen while a person pauses it, has scrolled away from its top, or reads a row; what comes meanwhile is counted.
import { memo, useCallback, useEffect, useRef, useState } from "react";
import { Sentence, clock } from "$/public/js/live.jsx";

const MOST = 500;
const HEADER = 60;
const REST_MS = 1500;

// `rows` with a place for life each: the oldest of the list as sent whole has place 1.
function placed(rows) {
  return rows.map((row, at) => ({ ...row, place: rows.length - at }));
}

function withTail(rows, fresh) {
  const top = rows.length ? rows[0].place : 0;
  return [...fresh.map((row, at) => ({ ...row, place: top + fresh.length - at })), ...rows].slice(0, MOST);
}

// The rows so far, how many came in all, and how many parts were lost on the way.
function useTail(first, tail) {
  "use no memo";
  const kept = useRef(null);
  const now = kept.current;
  if (!now || now.first !== first) {
    kept.current = { first, seq: tail.seq, rows: placed(first), came: first.length, lost: 0 };
  } else if (now.seq !== tail.seq) {
    const lost = now.lost + (tail.seq === now.seq + 1 ? 0 : 1);
    kept.current = { first, seq: tail.seq, rows: withTail(now.rows, tail.rows), came: now.came + tail.rows.length + tail.missed, lost };
  }
  return kept.current;
}

const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");

function Parts({ parts, className }) {
  return (
    <dl className={className}>
      {parts.map((part, at) => (
        <div key={at}>
          <dt>{part.name}</dt>
          <dd className="mono">{part.value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Opened({ detail }) {
  return (
    <div className="ef-open">
      <Parts parts={[{ name: "message id", value: detail.id }, ...detail.fields]} className="adetails" />
      {detail.items.length ? (
        <ol className="ef-items">
          {detail.items.map((item, at) => (
            <li key={at}>
              <b className="mono">{item.name}</b>
              <span className="mono">{item.value}</span>
            </li>
          ))}
        </ol>
      ) : null}
      {detail.note ? <p className="dim">{detail.note}</p> : null}
    </div>
  );
}

const Row = memo(function Row({ row, opens, isOpen, detail, onToggle }) {
  const style = { "--place": row.place };
  if (row.kind !== "event") {
    return (
      <li className={`ef-row ef-${row.kind} t-${row.tone}`} style={style}>
        <Sentence text={row.text} className="ef-cells" />
      </li>
    );
  }
  const cells = (
    <>
      <time className="mono ef-at" dateTime={new Date(row.at * 1000).toISOString()} title={new Date(row.at * 1000).toISOString()}>
        {clock(row.at)}
      </time>
      <span className="ef-type">
        <span className={`ef-badge t-${row.tone}`} title={row.type}>
          {row.type}
        </span>
        {row.count > 1 ? <b className="num ef-count">× {grouped(row.count)}</b> : null}
      </span>
      <span className="ef-text cut" title={row.text}>
        {row.text}
      </span>
    </>
  );
  return (
    <li className="ef-row" style={style} data-event-type={row.type}>
      {opens ? (
        <button type="button" className="ef-cells" aria-expanded={isOpen} onClick={() => onToggle(row.seq)}>
          {cells}
        </button>
      ) : (
        <div className="ef-cells">{cells}</div>
      )}
      {detail ? <Opened detail={detail} /> : null}
    </li>
  );
});

export function EventList({ first, tail, opened, opens, nothing, filtered, isLoading, onOpen, onClose, onAgain }) {
  "use no memo";
  const now = useTail(first, tail);
  const [isPaused, setPaused] = useState(false);
  const [isScrolled, setScrolled] = useState(false);
  const [openSeq, setOpenSeq] = useState(0);
  const [isPointed, setPointed] = useState(false);
  const still = useRef(0);
  const frozen = useRef(null);
  const edge = useRef(null);
  const isFrozen = isPaused || isScrolled || isPointed || openSeq !== 0;

  if (!isFrozen || (frozen.current && frozen.current.first !== now.first)) frozen.current = null;
  else if (!frozen.current) frozen.current = now;
  const shown = frozen.current ?? now;
  const missed = now.came - shown.came;
  const rows = shown.rows;

  useEffect(() => {
    if (now.lost) onAgain?.();
  }, [now.lost]);
  useEffect(() => {
    setOpenSeq(0);
  }, [first]);
  useEffect(() => {
    const tell = ([entry]) => setScrolled(!entry.isIntersecting && entry.boundingClientRect.top < innerHeight / 2);
    const watcher = new IntersectionObserver(tell, { rootMargin: `-${HEADER}px 0px 0px 0px` });
    watcher.observe(edge.current);
    return () => watcher.disconnect();
  }, []);
  const act = useRef(null);
  act.current = (seq) => {
    if (openSeq === seq) onClose?.();
    else onOpen?.(seq);
    setOpenSeq(openSeq === seq ? 0 : seq);
  };
  const toggle = useCallback((seq) => act.current(seq), []);
  // rows do not move under a finger: the list rests while the pointer moves over it, and while a row has the focus of the keyboard
  const point = () => {
    clearTimeout(still.current);
    setPointed(true);
    still.current = setTimeout(() => setPointed(false), REST_MS);
  };
  useEffect(() => () => clearTimeout(still.current), []);
  const focus = (event) => {
    if (!event.target.matches(":focus-visible")) return;
    clearTimeout(still.current);
    setPointed(true);
  };
  const resume = () => {
    clearTimeout(still.current);
    setPointed(false);
    if (openSeq) onClose?.();
    setOpenSeq(0);
    setPaused(false);
    if (isScrolled) edge.current.scrollIntoView({ block: "end" });
    setScrolled(false);
  };
  const isAuto = isFrozen && !isPaused;
  const why = isAuto ? (openSeq ? "while a row is open" : isScrolled ? "while scrolled" : "while you point at it") : "";
  return (
    <div className="panel ef" data-paused={isFrozen ? "true" : "false"}>
      <span ref={edge} className="ef-edge" />
      <div className="ef-bar">
        <h2>Live tail</h2>
        <p className={isFrozen ? "ef-told on" : "ef-told"} role="status" data-testid="events-state">
          {isFrozen ? (missed ? `Paused${why ? ` ${why}` : ""}. ${grouped(missed)} new` : `Paused${why ? ` ${why}` : ""}`) : rows.length ? "Newest on top" : ""}
        </p>
        <button type="button" className="btn sm" data-key=" " data-testid="events-pause" title="Space" disabled={isLoading} onClick={isFrozen ? resume : () => setPaused(true)}>
          {isFrozen ? "Resume" : "Pause"}
          <kbd aria-hidden="true">Space</kbd>
        </button>
      </div>
      {rows.length ? (
        <div
          className={openSeq ? "ef-list still" : "ef-list"}
          style={{ "--rows": rows.length }}
          onPointerMove={point}
          onFocus={focus}
          onBlur={() => setPointed(false)}
        >
          <ol className="ef-move" aria-label="Events, newest first" style={{ "--top": rows[0].place }}>
            {rows.map((row) => (
              <Row
                key={`${row.kind}${row.seq}`}
                row={row}
                opens={opens}
                isOpen={row.seq === openSeq}
                detail={row.seq === openSeq && opened.seq === row.seq ? opened : null}
                onToggle={toggle}
              />
            ))}
          </ol>
        </div>
      ) : (
        <div className="empty-line">
          {isLoading ? "Reading events…" : <Sentence text={nothing} element="p" />}
          {filtered && !isLoading ? <p className="dim">The tail shows what comes from now on, too.</p> : null}
        </div>
      )}
    </div>
  );
}
