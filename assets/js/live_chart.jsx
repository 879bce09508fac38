import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";

// data:   [[epoch seconds…], [values or null…], …], whole, once per load
// patch:  { points: [[epoch seconds, value, …], …] } appended without resending the series
// series: [{ label, kind: "line" | "step", axis, unit }], drawn with --chart-1 … --chart-4 in this order;
//         axis "right" has a scale of its own for counts; unit "none" has no unit, absent: the chart's
// bands:  [{ low, high, tone, name }], from `low` up to `high` on the y axis
// marks:  [{ t, letter }], vertical event lines; the list of what they mean stands beneath, outside
// shownFrom, shownTo: the shown range in epoch seconds; 0 follows the data
const DASHES = [[], [6, 3], [2, 2], []];
const WIDTHS = [1.75, 1.75, 1.75, 1];
const pad = (n) => String(n).padStart(2, "0");

function clock(t, wide) {
  const d = new Date(t * 1000);
  const hm = `${pad(d.getHours())}:${pad(d.getMinutes())}`;
  if (wide) return `${d.toLocaleString("en-GB", { month: "short", day: "numeric" })} ${hm}`;
  return `${hm}:${pad(d.getSeconds())}`;
}

function figure(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1000) return String(value);
  if (size >= 1000) return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2).replace(/\.0+$/, "");
}

const unitOf = (s, p) => (s.unit === "none" ? "" : s.unit || p.unit);
const spaced = (unit) => (unit ? "\u00a0" + unit : "");
const token = (host, name) => getComputedStyle(host).getPropertyValue(name).trim();

function lastIndex(rows) {
  for (let i = rows[0].length - 1; i >= 0; i--) for (let s = 1; s < rows.length; s++) if (rows[s][i] != null) return i;
  return -1;
}

function fillRange(u, low, high, y0, y1) {
  const { left, top, width, height } = u.bbox;
  const a = Math.max(left, Math.min(left + width, low)), b = Math.max(left, Math.min(left + width, high));
  const c = Math.max(top, Math.min(top + height, y0)), d = Math.max(top, Math.min(top + height, y1));
  if (b > a && d > c) u.ctx.fillRect(a, c, b - a, d - c);
}

function drawBands(u, host, bands) {
  const { left, width } = u.bbox;
  for (const band of bands) {
    const top = u.valToPos(band.high, "y", true), bottom = u.valToPos(band.low, "y", true);
    u.ctx.fillStyle = token(host, `--${band.tone}-a2`) || "transparent";
    if (band.tone === "bad") u.ctx.fillStyle = token(host, "--bad-a3") || u.ctx.fillStyle;
    fillRange(u, left, left + width, top, bottom);
    u.ctx.save();
    u.ctx.strokeStyle = token(host, `--${band.tone}-11`);
    u.ctx.lineWidth = devicePixelRatio;
    u.ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    u.ctx.beginPath();
    u.ctx.moveTo(left, bottom);
    u.ctx.lineTo(left + width, bottom);
    u.ctx.stroke();
    u.ctx.restore();
  }
}

// A missing sample is a gap, never bridged: hatched, so that nobody takes it for zero.
function drawGaps(u, host) {
  const { left, top, width, height } = u.bbox;
  const xs = u.data[0], ys = u.data[1];
  const edges = [];
  for (let i = 0; i < xs.length; i++) {
    if (ys[i] != null) continue;
    let end = i;
    while (end + 1 < xs.length && ys[end + 1] == null) end++;
    edges.push([i > 0 ? xs[i - 1] : xs[i], end + 1 < xs.length ? xs[end + 1] : xs[end]]);
    i = end;
  }
  if (!edges.length) return;
  const ctx = u.ctx, step = 7 * devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = token(host, "--gray-a4");
  ctx.lineWidth = devicePixelRatio;
  for (const [a, b] of edges) {
    const x0 = Math.max(left, u.valToPos(a, "x", true)), x1 = Math.min(left + width, u.valToPos(b, "x", true));
    if (x1 - x0 < 2) continue;
    ctx.save();
    ctx.beginPath();
    ctx.rect(x0, top, x1 - x0, height);
    ctx.clip();
    ctx.beginPath();
    for (let x = x0 - height; x < x1; x += step) {
      ctx.moveTo(x, top + height);
      ctx.lineTo(x + height, top);
    }
    ctx.stroke();
    ctx.restore();
    if (x1 - x0 > 64 * devicePixelRatio) {
      ctx.font = `500 ${11 * devicePixelRatio}px Inter, sans-serif`;
      ctx.textAlign = "center";
      const middle = (x0 + x1) / 2, line = top + height / 2, half = ctx.measureText("no data").width / 2 + 5 * devicePixelRatio;
      ctx.fillStyle = token(host, "--panel");
      ctx.fillRect(middle - half, line - 12 * devicePixelRatio, 2 * half, 17 * devicePixelRatio);
      ctx.fillStyle = token(host, "--gray-11");
      ctx.fillText("no data", middle, line);
    }
  }
  ctx.restore();
}

// A sample between two gaps has no line to lie on: it is drawn as a dot.
function alone(u, s) {
  const ys = u.data[s], found = [];
  for (let i = 0; i < ys.length; i++) if (ys[i] != null && ys[i - 1] == null && ys[i + 1] == null) found.push(i);
  return found;
}

function drawMarks(u, host, marks) {
  const { left, top, width, height } = u.bbox;
  const ctx = u.ctx, k = devicePixelRatio;
  ctx.save();
  ctx.font = `700 ${10 * k}px Inter, sans-serif`;
  ctx.textAlign = "center";
  ctx.textBaseline = "alphabetic";
  const seen = marks.map((mark) => ({ letter: mark.letter, x: u.valToPos(mark.t, "x", true) })).filter(({ x }) => x >= left && x <= left + width);
  let free = Infinity;
  for (const mark of seen.reverse()) {
    ctx.strokeStyle = token(host, "--gray-8");
    ctx.lineWidth = k;
    ctx.beginPath();
    ctx.moveTo(mark.x, top);
    ctx.lineTo(mark.x, top + height);
    ctx.stroke();
    const x = Math.min(mark.x, free - 18 * k);  // letters of one moment stand side by side
    free = x;
    ctx.fillStyle = token(host, "--gray-12");
    ctx.beginPath();
    ctx.roundRect(x - 8 * k, top - 16 * k, 16 * k, 15 * k, 4 * k);
    ctx.fill();
    ctx.fillStyle = token(host, "--panel");
    ctx.fillText(mark.letter, x, top - 5 * k);
  }
  ctx.restore();
}

function drawNow(u, host) {
  const i = lastIndex(u.data);
  if (i < 0) return;
  const k = devicePixelRatio;
  u.data.slice(1).forEach((ys, s) => {
    if (ys[i] == null) return;
    const x = u.valToPos(u.data[0][i], "x", true), y = u.valToPos(ys[i], u.series[s + 1].scale, true);
    u.ctx.beginPath();
    u.ctx.arc(x, y, 4 * k, 0, 2 * Math.PI);
    u.ctx.fillStyle = token(host, `--chart-${s + 1}`);
    u.ctx.fill();
    u.ctx.lineWidth = 2 * k;
    u.ctx.strokeStyle = token(host, "--panel");
    u.ctx.stroke();
  });
}

function options(host, p, shown, onCursor) {
  const axis = { font: "500 11px Inter, sans-serif", ticks: { show: false }, stroke: () => token(host, "--gray-11") };
  const grid = { stroke: () => token(host, "--gray-a4"), width: 1 };
  return {
    width: Math.max(120, host.clientWidth),
    height: p.height,
    padding: [p.marks.length ? 18 : 8, 18, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 }, ...(p.syncKey ? { sync: { key: p.syncKey } } : {}) },
    scales: {
      x: { time: true, range: () => shown() },
      y: { range: (u, low, high) => [0, p.yMax > 0 ? p.yMax : Math.max(p.yLeast, (high || 0) * 1.1)] },
      y2: { range: (u, low, high) => [0, Math.max(5, Math.ceil((high || 0) * 1.1))] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 28, space: 88, values: (u, splits) => splits.map((t) => clock(t, u.scales.x.max - u.scales.x.min > 172800)).map((s) => (s.length === 8 ? s.slice(0, 5) : s)) },
      { ...axis, grid, size: 44, ...(p.ticks.length ? { splits: () => p.ticks } : {}), values: (u, splits) => splits.map((v) => figure(v)) },
      ...(p.series.some((s) => s.axis === "right") ? [{ ...axis, grid: { show: false }, scale: "y2", side: 1, size: 34, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }] : []),
    ],
    series: [
      {},
      ...p.series.map((s, i) => ({
        label: s.label,
        scale: s.axis === "right" ? "y2" : "y",
        stroke: () => token(host, `--chart-${i + 1}`),
        width: WIDTHS[i] ?? 1.5,
        dash: DASHES[i] ?? [],
        fill: i === 0 && p.series.filter((one) => one.axis !== "right").length === 1 ? () => token(host, "--chart-fill") : undefined,
        paths: s.kind === "step" ? uPlot.paths.stepped({ align: 1 }) : undefined,
        points: { show: true, filter: (u, s) => alone(u, s), size: 5, fill: () => token(host, `--chart-${i + 1}`), width: 0 },
        spanGaps: false,
      })),
    ],
    hooks: {
      drawClear: [(u) => drawBands(u, host, p.bands)],
      drawAxes: [(u) => drawGaps(u, host)],
      draw: [(u) => drawMarks(u, host, p.marks), (u) => p.live && drawNow(u, host)],
      setCursor: [(u) => onCursor(u.cursor.idx)],
    },
  };
}

function bandOf(bands, value) {
  for (const band of bands) if (value >= band.low && (value < band.high || band.high >= 100)) return band.name;
  return "";
}

function writeReadout(el, rows, p, idx) {
  if (!el) return;
  const i = idx == null ? lastIndex(rows) : idx;
  if (i < 0 || i >= rows[0].length) { el.textContent = "No data in this range"; return; }
  const parts = p.series.map((s, k) => `${p.series.length > 1 ? s.label + " " : ""}${figure(rows[k + 1][i])}${rows[k + 1][i] == null ? "" : spaced(unitOf(s, p))}`);
  const band = p.bands.length && rows[1][i] != null ? bandOf(p.bands, rows[1][i]) || "NORMAL" : "";
  const day = rows[0].length > 1 && rows[0][rows[0].length - 1] - rows[0][0] > 86400;
  el.textContent = [clock(rows[0][i], day), ...parts, band].filter(Boolean).join(" · ");
}

function Table({ rows, p }) {
  const step = Math.max(1, Math.ceil(rows[0].length / 120));
  const picked = [];
  for (let i = rows[0].length - 1; i >= 0; i -= step) picked.push(i);
  return (
    <div className="lc-table" tabIndex={0} role="region" aria-label={`${p.label} as a table`}>
      <table>
        <thead><tr><th scope="col">Time</th>{p.series.map((s) => <th scope="col" className="num" key={s.label}>{s.label}{unitOf(s, p) ? `, ${unitOf(s, p)}` : ""}</th>)}</tr></thead>
        <tbody>{picked.map((i) => <tr key={i}><td className="num">{clock(rows[0][i], rows[0][rows[0].length - 1] - rows[0][0] > 86400)}</td>{p.series.map((s, k) => <td className="num" key={s.label}>{figure(rows[k + 1][i])}</td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}

export function LiveChart({ data, series, patch, bands = [], marks = [], ticks = [], height = 220, yMax = 0, yLeast = 1, unit = "", label = "", syncKey = "", shownFrom = 0, shownTo = 0, windowS = 0, live = false }) {
  const p = { series, bands, marks, ticks, height, yMax, yLeast, unit, label, syncKey, live };
  const host = useRef(null), plot = useRef(null), read = useRef(null), seen = useRef(patch), waiting = useRef(false);
  const empty = useMemo(() => [[], ...series.map(() => [])], [series.length]);
  const rows = useRef(empty), now = useRef(p), range = useRef([0, 0]);
  const [open, setOpen] = useState(false), [, again] = useState(0);
  now.current = p;
  range.current = [shownFrom, shownTo];

  const shown = () => {
    const xs = rows.current[0], last = xs.length ? xs[xs.length - 1] : Date.now() / 1000;
    const end = range.current[1] || last, begin = range.current[0] || (windowS ? end - windowS : xs[0] ?? end - 60);
    return [begin, Math.max(end, begin + 1)];
  };
  const paint = () => {
    if (document.hidden) { waiting.current = true; return; }
    if (plot.current) plot.current.setData(rows.current);
    writeReadout(read.current, rows.current, now.current, null);
    if (host.current?.closest(".lc")?.querySelector("details")?.open) again((n) => n + 1);
  };

  useEffect(() => {
    const u = new uPlot(options(host.current, now.current, shown, (idx) => writeReadout(read.current, rows.current, now.current, idx)), rows.current, host.current);
    plot.current = u;
    const size = new ResizeObserver(() => { if (host.current) u.setSize({ width: Math.max(120, host.current.clientWidth), height }); });
    size.observe(host.current);
    const theme = new MutationObserver(() => u.redraw(false));
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
    const wake = () => { if (!document.hidden && waiting.current) { waiting.current = false; paint(); } };
    document.addEventListener("visibilitychange", wake);
    return () => { size.disconnect(); theme.disconnect(); document.removeEventListener("visibilitychange", wake); u.destroy(); plot.current = null; };
  }, [JSON.stringify([series, bands, marks, ticks, yMax, yLeast, unit]), height]);

  useEffect(() => {
    rows.current = data && data.length === series.length + 1 ? data : empty;
    seen.current = patch;
    paint();
  }, [data]);

  useEffect(() => { paint(); }, [shownFrom, shownTo]);

  useEffect(() => {
    if (!patch?.points?.length || patch === seen.current) return;
    seen.current = patch;
    const old = rows.current, last = old[0].length ? old[0][old[0].length - 1] : 0;
    const fresh = patch.points.filter((row) => row[0] > last);
    if (!fresh.length) return;
    const oldest = windowS ? fresh[fresh.length - 1][0] - windowS : 0;
    let cut = 0;
    while (cut < old[0].length && old[0][cut] < oldest) cut++;
    rows.current = old.map((column, i) => [...column.slice(cut), ...fresh.map((row) => row[i])]);
    paint();
  }, [patch]);

  return (
    <div className="lc">
      <div className="lc-head">
        {series.length > 1 ? <span className="lc-legend" aria-hidden="true">{series.map((s, i) => <span key={s.label} className={`lc-key k${i + 1}`}>{s.label}</span>)}</span> : null}
        <span className="lc-read num" ref={read} />
      </div>
      <div className="lc-body">
        <div className="lc-plot" ref={host} role="img" aria-label={label} style={{ height }} />
        {bands.length ? <div className="lc-names" aria-hidden="true" style={{ height }}>{bands.map((band) => <span key={band.name} className={`lc-band t-${band.tone}`} style={{ bottom: `calc(var(--lc-base) + (100% - var(--lc-base) - ${marks.length ? 18 : 8}px) * ${(Math.min(band.high, yMax || 100) + band.low) / 2 / (yMax || 100)})` }}>{band.name}</span>)}</div> : null}
      </div>
      <details className="lc-more" onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>Show as table</summary>
        {open ? <Table rows={rows.current} p={p} /> : null}
      </details>
    </div>
  );
}
