"""Who fills the pool: the largest group of holders that are alike, in a sentence an operator can act on. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dashboard_app.console import words
from dashboard_app.console.rows.holders import HolderRow, holders, is_much

_DEEDS = {
    "query running": ("run a query", "Clean up leaves running queries alone."),
    "idle in transaction": ("sit idle in a transaction", "Clean up ends their sessions."),
    "idle, nothing running": ("run nothing", "Clean up takes them back."),
}


@dataclass(frozen=True, slots=True)
class Culprit:
    """A group that stands out, and since when its oldest member holds on."""

    row: HolderRow
    since: datetime


def culprit(answer: Mapping[str, Any], capacity: int, now: datetime, before: Culprit | None = None) -> Culprit | None:
    """Who holds most of the pool; None when nobody stands out. The same as `before`: its beginning stays as it was told."""
    rows = [row for row in holders(answer) if _stands_out(row, capacity)]
    if not rows:
        return None
    row = max(rows, key=lambda row: row.count)
    is_same = before is not None and (before.row.id, before.row.who) == (row.id, row.who)
    return Culprit(row, before.since if before is not None and is_same else now - timedelta(seconds=row.held_s))


def _stands_out(row: HolderRow, capacity: int) -> bool:
    """True for many that are alike, or for any that look lost."""
    return row.tone == "bad" or is_much(row.count, capacity)


def told(found: Culprit | None) -> str:
    """Who, doing what, since when, and what a cleanup would do about it; "" for nobody."""
    if found is None:
        return ""
    row, since = found.row, words.clock(found.since)
    deed, advice = _DEEDS.get(row.state, (f"are in the state {row.state}", ""))
    advice = advice if row.tone == "bad" or row.state == "query running" else ""
    place = f" ({words.code(row.route)})" if row.route else ""
    if row.count == 1:
        return f"{words.bold(f'1 connection is held by {row.who}')}{place} since {since}. {_of_one(advice)}".strip()
    return f"{words.bold(f'{row.count} connections are held by {row.who}')}{place}. They {deed}, the first since {since}. {advice}".strip()


def _of_one(advice: str) -> str:
    """`advice` about a single holder."""
    return advice.replace("their sessions", "its session").replace("takes them", "takes it")
