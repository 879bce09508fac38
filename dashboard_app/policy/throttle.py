"""Pool usage → level → what clients may send. Raised at once, lowered only after a calm while, so that it never flaps.

The thresholds and figures are the contract's table; nothing here reads a clock or a pool.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dashboard_app.model.pool import Level, PoolCounts, PoolHealth, ThrottlingConfig

MARGIN_PERCENT = 5.0
"""Usage must fall this far below a level's threshold before the level may fall."""
CALM_S = 5.0
"""And stay there for this long."""
TTL_S = 30.0
"""How long a client may act on a config without asking again."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """One row of the table: the usage from which a level holds, and what clients may send then."""

    from_percent: float
    max_concurrent_requests: int
    max_requests_per_minute: int
    request_delay_ms: int
    alert: str | None


ALLOWANCES: dict[Level, Allowance] = {
    Level.NORMAL: Allowance(0.0, 10, 100, 100, None),
    Level.MODERATE: Allowance(70.0, 7, 70, 300, "info"),
    Level.AGGRESSIVE: Allowance(80.0, 3, 30, 1000, "warning"),
    Level.EMERGENCY: Allowance(90.0, 1, 5, 2000, "critical"),
}
"""From the calmest to the strictest."""

_HEALTH = {
    Level.NORMAL: PoolHealth.HEALTHY,
    Level.MODERATE: PoolHealth.DEGRADED,
    Level.AGGRESSIVE: PoolHealth.DEGRADED,
    Level.EMERGENCY: PoolHealth.CRITICAL,
}


@dataclass(frozen=True, slots=True)
class Throttle:
    """Where throttling stands. `low_since`: monotonic time since when usage is low enough for the level to fall, or None."""

    by_usage: Level = Level.NORMAL
    low_since: float | None = None
    is_reachable: bool = True

    @property
    def level(self) -> Level:
        """What clients are told: the level by usage, or EMERGENCY while the database cannot be reached."""
        return self.by_usage if self.is_reachable else Level.EMERGENCY

    @property
    def health(self) -> PoolHealth:
        """The verdict: it rises and falls with the level by usage (both have a threshold at 70 and 90 percent)."""
        return _HEALTH[self.by_usage] if self.is_reachable else PoolHealth.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class LeakFacts:
    """What is known about who holds connections for too long. `idle_in_transaction`: (call site, count), most first."""

    suspected_leaks: int = 0
    leak_threshold_s: float = 60.0
    idle_in_transaction: tuple[tuple[str, int], ...] = ()


def level_for(usage_percent: float) -> Level:
    """The level that `usage_percent` (0..100) calls for, without any memory."""
    return next(level for level in reversed(ALLOWANCES) if usage_percent >= ALLOWANCES[level].from_percent)


def falls_below(level: Level) -> float:
    """The usage in percent at or below which `level` may fall; negative for NORMAL, which cannot."""
    return ALLOWANCES[level].from_percent - MARGIN_PERCENT


def follow(throttle: Throttle, usage_percent: float, now: float) -> Throttle:
    """The throttle after usage was `usage_percent` at `now` (monotonic). The same object when nothing changed.

    Usage is taken as constant between two calls: call it with the old value, then with the new one, at each change.
    """
    called_for = level_for(usage_percent)
    if ALLOWANCES[called_for].from_percent > ALLOWANCES[throttle.by_usage].from_percent:
        return replace(throttle, by_usage=called_for, low_since=None)
    if usage_percent > falls_below(throttle.by_usage):
        return throttle if throttle.low_since is None else replace(throttle, low_since=None)
    if throttle.low_since is None:
        return replace(throttle, low_since=now)
    if now - throttle.low_since >= CALM_S:
        return replace(throttle, by_usage=called_for, low_since=None)
    return throttle


def reach(throttle: Throttle, is_reachable: bool) -> Throttle:
    """The throttle once the database is known to be reachable or not; at once both ways. The same object when nothing changed."""
    return throttle if throttle.is_reachable == is_reachable else replace(throttle, is_reachable=is_reachable)


def config_for(throttle: Throttle, usage_percent: float, reasons: Sequence[str], version: int, measured_at: datetime) -> ThrottlingConfig:
    """What clients are told."""
    level = throttle.level
    allowance = ALLOWANCES[level]
    is_emergency = level is Level.EMERGENCY
    return ThrottlingConfig(
        level=level,
        max_concurrent_requests=allowance.max_concurrent_requests,
        max_requests_per_minute=allowance.max_requests_per_minute,
        request_delay_ms=allowance.request_delay_ms,
        circuit_breaker_open=is_emergency,
        emergency_mode_active=is_emergency,
        alert=allowance.alert,
        usage_percent=usage_percent,
        reasons=tuple(reasons),
        version=version,
        ttl_s=TTL_S,
        measured_at=measured_at,
    )


def hint_for(level: Level, version: int) -> str:
    """The value of the `X-Throttle` header: `level=NORMAL; max=10; rpm=100; delay=100; version=42`."""
    allowance = ALLOWANCES[level]
    return (
        f"level={level.value}; max={allowance.max_concurrent_requests}; rpm={allowance.max_requests_per_minute}; "
        f"delay={allowance.request_delay_ms}; version={version}"
    )


def reasons_for(counts: PoolCounts, leaks: LeakFacts, throttle: Throttle, now: float, unreachable_since: datetime | None) -> list[str]:
    """Why the level is what it is, in sentences: the database first, then usage, leaks, open transactions, and what holds it up.

    `unreachable_since` None: the database answers. Call sites are named only where `leaks` names them.
    """
    told = []
    if unreachable_since is not None:
        told.append(f"the database does not answer since {unreachable_since:%Y-%m-%dT%H:%M:%SZ}")
    told.append(_usage(counts))
    told.extend(_leaks(leaks))
    if throttle.low_since is not None:
        rest_s = max(CALM_S - (now - throttle.low_since), 0.0)
        told.append(f"usage is at or below {falls_below(throttle.by_usage):g} % again; {throttle.by_usage} ends in {rest_s:.1f} s")
    return told


def _usage(counts: PoolCounts) -> str:
    """How full the pool is and who waits."""
    if not counts.waiting:
        return f"{counts.checked_out} of {counts.capacity} connections in use, nobody waits"
    verb = "waits" if counts.waiting == 1 else "wait"
    return f"{counts.checked_out} of {counts.capacity} in use, {counts.waiting} {verb}, oldest {counts.oldest_wait_s:.1f} s"


def _leaks(leaks: LeakFacts) -> list[str]:
    """Suspected leaks and open transactions that run nothing."""
    told = []
    if leaks.suspected_leaks == 1:
        told.append(f"1 checkout is older than {leaks.leak_threshold_s:g} s and runs nothing: a suspected leak")
    elif leaks.suspected_leaks:
        told.append(f"{leaks.suspected_leaks} checkouts are older than {leaks.leak_threshold_s:g} s and run nothing: suspected leaks")
    idle = sum(count for _, count in leaks.idle_in_transaction)
    if idle:
        site, most = leaks.idle_in_transaction[0]
        share = "" if most == idle else f"{most} of them "
        source = f", {share}from `{site}`" if site else ""
        told.append(f"{idle} {'checkout sits' if idle == 1 else 'checkouts sit'} idle in a transaction{source}")
    return told
