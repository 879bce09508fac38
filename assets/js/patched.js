// Rows that are sent once and then changed one by one: `rows` is the page as last sent whole, `patch` {seq, rows} the rows that changed since.
// Unchanged rows keep their identity, so React touches only the changed ones.
import { useEffect, useRef } from "react";

function merged(rows, changed) {
  if (!changed.length) return rows;
  const byId = new Map(changed.map((row) => [row.id, row]));
  return rows.map((row) => {
    const next = byId.get(row.id);
    return next ? { ...next, is_fresh: next.status !== row.status } : row;
  });
}

export function usePatchedRows(rows, patch) {
  "use no memo";
  const kept = useRef({ base: null, seq: 0, rows: [], missed: 0 });
  const now = kept.current;
  if (now.base !== rows) {
    kept.current = { base: rows, seq: patch.seq, rows: merged(rows, patch.rows), missed: now.missed };
  } else if (now.seq !== patch.seq) {
    const missed = now.missed + (patch.seq === now.seq + 1 ? 0 : 1);
    kept.current = { base: rows, seq: patch.seq, rows: merged(now.rows, patch.rows), missed };
  }
  const { missed } = kept.current;
  useEffect(() => {
    // two patches arrived before one was drawn, so the first is lost: ask for the whole page
    if (missed) document.getElementById("rows-again")?.click();
  }, [missed]);
  return kept.current.rows;
}
