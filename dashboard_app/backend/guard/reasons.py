"""Why the level is what it is: the facts behind the sentences, gathered from the ledger and from the server's own view."""

from collections.abc import Sequence
from datetime import datetime

from dashboard_app.backend.guard.checkout import Checkout
from dashboard_app.backend.guard.server_view import Overview
from dashboard_app.model.pool import HolderState, PoolCounts
from dashboard_app.policy.connections import demand_reason
from dashboard_app.policy.throttle import LeakFacts, Throttle, reasons_for

_LINGERS_S = 1.0


def reasons(
    counts: PoolCounts, leaks: LeakFacts, throttle: Throttle, now: float, *, away_since: datetime | None, overview: Overview | None
) -> list[str]:
    """The sentences: the database, usage, leaks, then whether the server has enough for all instances."""
    told = reasons_for(counts, leaks, throttle, now, away_since)
    demand = None if overview is None else demand_reason(overview.demand)
    return told if demand is None else [*told, demand]


def leak_facts(checkouts: Sequence[Checkout], now: float, threshold_s: float, *, call_sites: bool) -> LeakFacts:
    """Suspected leaks, and who sits idle in a transaction for a second and more."""
    by_site: dict[str, int] = {}
    for checkout in checkouts:
        if now - checkout.idle_since >= _LINGERS_S and checkout.state() is HolderState.IDLE_IN_TRANSACTION:
            site = checkout.call_site if call_sites else ""
            by_site[site] = by_site.get(site, 0) + 1
    return LeakFacts(
        suspected_leaks=sum(checkout.is_suspect(now, threshold_s) for checkout in checkouts),
        leak_threshold_s=threshold_s,
        idle_in_transaction=tuple(sorted(by_site.items(), key=lambda item: -item[1])),
    )
