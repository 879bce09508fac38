"""Suspected leaks since the server started: how many, how they ended, and the last of them. Pure; empty where a guard does not tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboard_app.console import words

MOST_ROWS = 10
MOST_FRAMES = 12
_ENDED = {"returned": "came back after all", "reclaimed": "taken back", None: "still out"}


@dataclass(frozen=True, slots=True)
class LeakRow:
    """One suspected leak that was seen; `held` as it was when it ended, or as it is."""

    id: str
    who: str
    call_site: str
    held: str
    ended: str
    tone: str
    stack: list[str] = field(default_factory=list)


def summary(answer: Mapping[str, Any]) -> str:
    """All suspected leaks in one sentence; "" when there was none, or the guard does not tell."""
    leaks = answer.get("leaks") or {}
    found = int(leaks.get("found_total") or 0)
    if not found:
        return ""
    returned, reclaimed = int(leaks.get("returned_total") or 0), int(leaks.get("reclaimed_total") or 0)
    parts = [f"{words.count(returned)} came back after all"] if returned else []
    parts += [f"{words.count(reclaimed)} {'was' if reclaimed == 1 else 'were'} taken back"] if reclaimed else []
    out = found - returned - reclaimed
    parts += [f"{words.count(out)} {'is' if out == 1 else 'are'} still out"] if out > 0 else []
    return f"{words.plural(found, 'suspected leak')} since the server started: {words.listed(parts)}"


def rows(answer: Mapping[str, Any]) -> list[LeakRow]:
    """The last of them, newest first, at most ten."""
    return [_row(item) for item in ((answer.get("leaks") or {}).get("recent") or ())[:MOST_ROWS]]


def _row(item: Mapping[str, Any]) -> LeakRow:
    """One suspected leak."""
    ended = item.get("ended")
    who = " · ".join(str(item[name]) for name in ("task", "route") if item.get(name)) or "unnamed task"
    return LeakRow(
        id=str(item.get("id")),
        who=f"{who} #{item.get('id')}",
        call_site=str(item.get("call_site") or ""),
        held=words.duration(item.get("held_s")) if ended else "",
        ended=_ENDED.get(ended, str(ended)),
        tone="bad" if ended is None else "off",
        stack=[str(frame) for frame in (item.get("stack") or ())[:MOST_FRAMES]],
    )
