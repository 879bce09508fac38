"""Measured arrivals and holds → how long each would have waited in a pool of N connections, and the smallest N that is enough.

The recorded work is played again through N servers with one queue, first come first served (the recursion of Kiefer and Wolfowitz, 1955,
on the order statistics of the servers' workloads). For that work the waits are exact, not estimated: no shape of the load is assumed.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_CONNECTIONS = 5
MOST_CONNECTIONS = 100
ENOUGH_WAIT_S = 0.05
"""A pool is large enough when 99 of 100 pieces of work wait for less than this."""
LEAST_CHECKOUTS = 200
"""With fewer the 99th percentile hangs on one piece of work."""


@dataclass(frozen=True, slots=True)
class Demand:
    """One piece of work: when it asked for a connection (seconds, any zero) and for how long it had one."""

    arrived: float
    held_s: float


@dataclass(frozen=True, slots=True)
class Size:
    """What `connections` would have given: percentiles of the wait over all work, and the share of it that waited at all."""

    connections: int
    wait_s_p50: float
    wait_s_p95: float
    wait_s_p99: float
    waited_percent: float


@dataclass(frozen=True, slots=True)
class Sizing:
    """The curve, N rising from 5 until nobody waits (then it stays at zero up to 100), and the smallest N that is enough.

    `enough` None: not even 100 are, or there is too little to judge by (`is_judged` False, then there is no curve either).
    """

    checkouts: int
    span_s: float
    is_judged: bool
    most_at_once: int
    curve: tuple[Size, ...] = ()
    enough: int | None = None


def sizing(work: Sequence[Demand]) -> Sizing:
    """The sizing for `work` in any order. O(n log n) for each N up to the most that were ever wanted at once."""
    ordered = sorted(work, key=lambda demand: demand.arrived)
    span_s = ordered[-1].arrived - ordered[0].arrived if ordered else 0.0
    most = most_at_once(ordered)
    if len(ordered) < LEAST_CHECKOUTS:
        return Sizing(len(ordered), span_s, is_judged=False, most_at_once=most)
    curve = []
    for connections in range(LEAST_CONNECTIONS, MOST_CONNECTIONS + 1):
        curve.append(_size(connections, sorted(waits(ordered, connections)) if connections < most else [0.0]))
        if connections >= most:
            break
    enough = next((size.connections for size in curve if size.wait_s_p99 < ENOUGH_WAIT_S), None)
    return Sizing(len(ordered), span_s, True, most, tuple(curve), enough)


def waits(ordered: Sequence[Demand], connections: int) -> list[float]:
    """How long each of `ordered` (by arrival) waits when there are `connections`, first come first served."""
    free_at = [float("-inf")] * connections
    told = []
    for demand in ordered:
        begins = max(demand.arrived, free_at[0])
        heapq.heapreplace(free_at, begins + demand.held_s)
        told.append(begins - demand.arrived)
    return told


def most_at_once(work: Sequence[Demand]) -> int:
    """How many connections the work would have had at once if there were no limit; with so many nobody waits."""
    changes = sorted([(demand.arrived, 1) for demand in work] + [(demand.arrived + demand.held_s, -1) for demand in work])
    held = most = 0
    for _, change in changes:  # at one moment an end counts before a beginning: the connection goes from hand to hand
        held += change
        most = max(most, held)
    return most


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile of rising values; 0 when there are none."""
    return ordered[(len(ordered) * percent + 99) // 100 - 1] if ordered else 0.0


def _size(connections: int, ordered_waits: list[float]) -> Size:
    """One point of the curve."""
    waited = sum(wait > 0 for wait in ordered_waits)
    return Size(
        connections,
        percentile(ordered_waits, 50),
        percentile(ordered_waits, 95),
        percentile(ordered_waits, 99),
        round(100.0 * waited / len(ordered_waits), 2),
    )
