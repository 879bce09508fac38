"""Who holds connections and where checkouts come from, as rows. Pure; from the contract's holders answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboard_app.console import words

MOST_ROWS = 50
MOST_NUMBERS = 100
LONG_QUERY_S = 10.0
"""A statement that runs longer is worth a look."""
_STATES = {"query": "query running", "idle_in_transaction": "idle in transaction", "idle": "idle, nothing running"}
_RANK = {"bad": 0, "warn": 1, "quiet": 2, "off": 3}
_ONE_REQUEST = re.compile(r"(request) \S+")


@dataclass(frozen=True, slots=True)
class HolderRow:
    """One checkout, or several that are alike: same task, route, state and statement.

    `held_s` is the longest of them; it grows by itself in the browser and never counts as a change.
    """

    id: int
    count: int
    verdict: str
    tone: str
    icon: str
    who: str
    route: str
    state: str
    query: str
    numbers: str = ""
    """The numbers of several, the longest held first; "" for one."""
    held_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class CallSiteRow:
    """One place in the code that takes connections."""

    call_site: str
    checkouts: str
    held_total: str
    held_p95: str


def holders(answer: Mapping[str, Any]) -> list[HolderRow]:
    """What needs a person first, then those who hold most, then the longest held; at most 50 rows."""
    rows = [_row(items) for items in _alike(answer)]
    return sorted(rows, key=lambda row: (_RANK[row.tone], -row.count, -row.held_s))[:MOST_ROWS]


def _alike(answer: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
    """The holders, those that are alike together, each group with the longest held first."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for item in sorted(answer.get("items") or (), key=lambda item: -float(item["held_s"])):
        kind = (task_of(item), where(item), str(item.get("state")), str(item.get("query")), _judged(item)[0])
        groups.setdefault(kind, []).append(item)
    return list(groups.values())


def _row(items: Sequence[Mapping[str, Any]]) -> HolderRow:
    """One row for holders that are alike; what the guard could not name is said so."""
    oldest, count = items[0], len(items)
    verdict, tone, icon = _judged(oldest)
    state = str(oldest.get("state") or "idle")
    shown = [f"#{item['id']}" for item in items[:MOST_NUMBERS]]
    return HolderRow(
        id=int(oldest["id"]),
        count=count,
        verdict=verdict,
        tone=tone,
        icon=icon,
        who=f"{oldest.get('task') or 'unnamed task'} #{oldest['id']}" if count == 1 else task_of(oldest),
        route=where(oldest),
        state=_STATES.get(state, state),
        query=str(oldest.get("query") or "") or "(no statement)",
        numbers=" ".join(shown) + (" …" if count > MOST_NUMBERS else "") if count > 1 else "",
        held_s=float(oldest["held_s"]),
    )


def task_of(item: Mapping[str, Any]) -> str:
    """What holds it, without what is its alone: `request 01JD7M2Q` is "request", and an identifier reads as words."""
    return _ONE_REQUEST.sub(r"\1", str(item.get("task") or "unnamed task")).replace("_", " ")


def where(item: Mapping[str, Any]) -> str:
    """The route it serves, or else the place in the code that took it."""
    return str(item.get("route") or item.get("call_site") or "")


def _judged(item: Mapping[str, Any]) -> tuple[str, str, str]:
    """Word, tone and icon of the verdict on one holder."""
    if item.get("suspected_leak"):
        return (
            ("Idle transaction", "bad", "hourglass")
            if item.get("state") == "idle_in_transaction"
            else ("Suspected leak", "bad", "hourglass")
        )
    if item.get("exempt"):
        return "Exempt", "off", "shield-check"
    if item.get("state") == "query" and float(item["held_s"]) >= LONG_QUERY_S:
        return "Long query", "warn", "clock"
    return "Normal", "quiet", "circle-check"


def leaks(answer: Mapping[str, Any]) -> int:
    """How many of the holders look lost."""
    return sum(1 for item in answer.get("items") or () if item.get("suspected_leak"))


def heading(answer: Mapping[str, Any]) -> str:
    """What stands beside the table's title."""
    total, groups = len(answer.get("items") or ()), len(_alike(answer))
    shown = f"the first {MOST_ROWS} of {words.plural(groups, 'kind')}, " if groups > MOST_ROWS else ""
    kinds = f" of {words.plural(groups, 'kind')}" if not shown and groups < total else ""
    return f"{shown}{words.plural(total, 'checkout')}{kinds} · what needs a look first"


def call_sites(answer: Mapping[str, Any], most: int = 20) -> list[CallSiteRow]:
    """Where checkouts come from, the longest held in all first."""
    items: Sequence[Mapping[str, Any]] = answer.get("call_sites") or ()
    ordered = sorted(items, key=lambda item: -float(item.get("held_s_total") or 0.0))
    return [
        CallSiteRow(
            str(item["call_site"]),
            words.count(item["checkouts"]),
            words.duration(item.get("held_s_total")),
            words.duration(item.get("held_s_p95")),
        )
        for item in ordered[:most]
    ]
