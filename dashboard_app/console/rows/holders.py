"""Who holds connections and where checkouts come from, as rows. Pure; from the contract's holders answer."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboard_app.console import words

MOST_ROWS = 50
MOST_NUMBERS = 100
MOST_FRAMES = 12
_LEAST = 3
_SHARE = 1 / 3
"""Holders that are alike are called much of the pool from this part of it on."""
LONG_QUERY_S = 10.0
"""A statement that runs longer is worth a look."""
_STATES = {"query": "query running", "idle_in_transaction": "idle in transaction", "idle": "idle, nothing running"}
_STATE_ORDER = ("idle_in_transaction", "idle", "query")
_ONE_REQUEST = re.compile(r"(request) \S+")


@dataclass(frozen=True, slots=True)
class HolderRow:
    """One checkout, or several that are alike: same task, route, call site, state and statement.

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
    call_site: str = ""
    numbers: str = ""
    """The numbers of several, the longest held first; "" for one."""
    process: str = ""
    """The server process of the longest held."""
    stack: list[str] = field(default_factory=list)
    """Where the longest held was taken, the innermost frame first; for suspected leaks only."""
    held_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class CallSiteRow:
    """One place in the code that takes connections; `share_percent` of all connection-seconds, those held now included."""

    call_site: str
    checkouts: str
    held_now: str
    held_total: str
    held_p95: str
    share: str
    share_percent: float = 0.0


def _state_rank(item: Mapping[str, Any]) -> int:
    """What sits and does nothing first."""
    state = str(item.get("state"))
    return _STATE_ORDER.index(state) if state in _STATE_ORDER else len(_STATE_ORDER)


SORTS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "held": lambda item: -float(item["held_s"]),
    "state": lambda item: (_state_rank(item), -float(item["held_s"])),
    "site": lambda item: (str(item.get("call_site") or "~"), -float(item["held_s"])),
}
"""The orders of the table by their names in the URL; the first is the one without a name there."""
HELD = "held"


def holders(answer: Mapping[str, Any], sort: str = HELD, capacity: int = 0) -> list[HolderRow]:
    """At most 50 rows, the longest held first, or in another order of `SORTS`; `capacity` 0: how much of the pool a row holds is not told."""
    groups = sorted(_alike(answer), key=lambda items: SORTS.get(sort, SORTS[HELD])(items[0]))
    return [_row(items, capacity) for items in groups[:MOST_ROWS]]


def is_much(count: int, capacity: int) -> bool:
    """True when so many holders that are alike are a large part of the pool."""
    return count >= _LEAST and count >= capacity * _SHARE


def _alike(answer: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
    """The holders, those that are alike together, each group with the longest held first."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for item in sorted(answer.get("items") or (), key=lambda item: -float(item["held_s"])):
        named = (task_of(item), where(item), str(item.get("call_site") or ""))
        groups.setdefault((*named, str(item.get("state")), str(item.get("query")), _judged(item)[0]), []).append(item)
    return list(groups.values())


def _row(items: Sequence[Mapping[str, Any]], capacity: int) -> HolderRow:
    """One row for holders that are alike; what the guard could not name is said so."""
    oldest, count = items[0], len(items)
    verdict, tone, icon = _judged(oldest)
    if tone == "quiet" and capacity and is_much(count, capacity):
        verdict, tone, icon = "Fills the pool", "warn", "gauge"
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
        call_site=str(oldest.get("call_site") or ""),
        numbers=" ".join(shown) + (" …" if count > MOST_NUMBERS else "") if count > 1 else "",
        process=str(oldest.get("backend_pid") or ""),
        stack=_frames(oldest) if oldest.get("suspected_leak") else [],
        held_s=float(oldest["held_s"]),
    )


def _frames(item: Mapping[str, Any]) -> list[str]:
    """The first frames of a stack, none when the server tells none."""
    return [str(frame) for frame in (item.get("stack") or ())[:MOST_FRAMES]]


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


def heading(answer: Mapping[str, Any], sort: str = HELD) -> str:
    """What stands beside the table's title."""
    total, groups = len(answer.get("items") or ()), len(_alike(answer))
    shown = f"the first {MOST_ROWS} of {words.plural(groups, 'kind')}, " if groups > MOST_ROWS else ""
    kinds = f" of {words.plural(groups, 'kind')}" if not shown and groups < total else ""
    return f"{shown}{words.plural(total, 'checkout')}{kinds} · {_ORDERS.get(sort, _ORDERS[HELD])}"


_ORDERS = {HELD: "longest first", "state": "by state", "site": "by call site"}


def call_sites(answer: Mapping[str, Any], most: int = 12) -> list[CallSiteRow]:
    """Who uses the pool: call sites by connection-seconds since the start, what is held at this moment included."""
    now: dict[str, list[float]] = {}
    for item in answer.get("items") or ():
        if site := str(item.get("call_site") or ""):
            now.setdefault(site, []).append(float(item["held_s"]))
    done = {str(item["call_site"]): item for item in answer.get("call_sites") or ()}
    held_s = {site: float(done.get(site, {}).get("held_s_total") or 0.0) + sum(now.get(site, ())) for site in {*now, *done}}
    total_s = sum(held_s.values())
    ordered = sorted(held_s, key=lambda site: (-held_s[site], site))
    return [_call_site(site, done.get(site, {}), len(now.get(site, ())), held_s[site], total_s) for site in ordered[:most]]


def _call_site(site: str, done: Mapping[str, Any], held_now: int, held_s: float, total_s: float) -> CallSiteRow:
    """One call site."""
    share_percent = round(100 * held_s / total_s, 1) if total_s else 0.0
    return CallSiteRow(
        site,
        words.count(int(done.get("checkouts") or 0) + held_now),
        words.count(held_now),
        words.duration(held_s),
        words.duration(done.get("held_s_p95")),
        words.percent(share_percent, 1),
        share_percent,
    )
