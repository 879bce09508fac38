"""Who holds connections and where checkouts come from, as rows. Pure; from the contract's holders answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboard_app.console import words

MOST_ROWS = 50
LONG_QUERY_S = 10.0
"""A statement that runs longer is worth a look."""
_STATES = {"query": "query running", "idle_in_transaction": "idle in transaction", "idle": "idle, nothing running"}


@dataclass(frozen=True, slots=True)
class HolderRow:
    """One checked-out connection; its age grows by itself in the browser and never counts as a change."""

    id: int
    verdict: str
    tone: str
    icon: str
    who: str
    route: str
    state: str
    query: str
    held_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class CallSiteRow:
    """One place in the code that takes connections."""

    call_site: str
    checkouts: str
    held_total: str
    held_p95: str


def holders(answer: Mapping[str, Any]) -> list[HolderRow]:
    """The longest held first, at most 50."""
    items = sorted(answer.get("items") or (), key=lambda item: -float(item["held_s"]))
    return [_holder(item) for item in items[:MOST_ROWS]]


def _holder(item: Mapping[str, Any]) -> HolderRow:
    """One row; what the guard could not name is said so."""
    verdict, tone, icon = _judged(item)
    state = str(item.get("state") or "idle")
    return HolderRow(
        id=int(item["id"]),
        verdict=verdict,
        tone=tone,
        icon=icon,
        who=f"{item.get('task') or 'unnamed task'} #{item['id']}",
        route=str(item.get("route") or item.get("call_site") or ""),
        state=_STATES.get(state, state),
        query=str(item.get("query") or "") or "(no statement)",
        held_s=float(item["held_s"]),
    )


def _judged(item: Mapping[str, Any]) -> tuple[str, str, str]:
    """Word, tone and icon of the verdict on one holder."""
    if item.get("suspected_leak"):
        return "Suspected leak", "bad", "hourglass"
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
    total = len(answer.get("items") or ())
    cut = f"the {MOST_ROWS} longest of {words.count(total)}" if total > MOST_ROWS else words.plural(total, "checkout")
    return f"{cut} · longest first"


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
