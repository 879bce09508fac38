"""What the rules are judged by: the pool as the guard sees it, the sources as they were found last. Memory only, no connection."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dashboard_app.model.alert import POOL_ID, POOL_NAME, RuleSettings
from dashboard_app.model.health import Health, Metrics
from dashboard_app.model.pool import Holder, PoolCounts
from dashboard_app.model.source import Source
from dashboard_app.policy.alert_rule import STATUS_METRIC, STATUS_VALUES, is_of_pool, watches

KNOWN_FOR_S = 600.0
"""A reading of a source that is older says nothing about now: its value is not known."""


class Pool(Protocol):
    """What is read of the guard."""

    def counts(self) -> PoolCounts:
        """The pool now."""

    def holders(self) -> list[Holder]:
        """Who holds connections."""

    @property
    def is_reachable(self) -> bool:
        """False while the database is known not to answer."""


class KnownSources(Protocol):
    """What is read of the registry."""

    def everything(self) -> tuple[Source, ...]:
        """All sources."""


class Found(Protocol):
    """What probes found last."""

    def last(self, source_id: int) -> Health | None:
        """The last health; None: never probed."""

    def last_metrics(self, source_id: int) -> Metrics | None:
        """The last numbers; None: none yet."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value for one rule. None: not known. `found`: what the probe said."""

    source_id: int
    source: str
    value: float | None
    found: str = ""


class Readings:
    """Everything at one moment; made anew for each look."""

    def __init__(self, pool: Pool, sources: Sequence[Source], found: Found, now: datetime) -> None:
        """Read the pool; sources are read as rules ask for them."""
        counts = pool.counts()
        self._pool = {
            "pool.usage_percent": counts.usage_percent,
            "pool.waiting": float(counts.waiting),
            "pool.oldest_wait_s": counts.oldest_wait_s,
            "pool.suspected_leaks": float(sum(holder.suspected_leak for holder in pool.holders())),
            "pool.unreachable": 0.0 if pool.is_reachable else 1.0,
        }
        self._sources = [source for source in sources if source.enabled]
        self._found = found
        self._now = now

    def of(self, rule: RuleSettings) -> Iterator[Reading]:
        """One reading for each source that `rule` watches; paused sources are watched by nobody."""
        if is_of_pool(rule.metric):
            yield Reading(POOL_ID, POOL_NAME, self._pool.get(rule.metric))
            return
        for source in self._sources:
            if watches(rule.scope, source):
                yield self._of_source(source, rule.metric)

    def _of_source(self, source: Source, metric: str) -> Reading:
        """One value of one source."""
        if metric in (STATUS_METRIC, "source.latency_ms"):
            health = self._found.last(source.id)
            if health is None or not self._is_fresh(health.checked_at):
                return Reading(source.id, source.name, None)
            value = STATUS_VALUES.get(health.status) if metric == STATUS_METRIC else health.latency_ms
            return Reading(source.id, source.name, value, health.message or "")
        metrics = self._found.last_metrics(source.id)
        if metrics is None or not self._is_fresh(metrics.collected_at):
            return Reading(source.id, source.name, None)
        return Reading(source.id, source.name, metrics.metrics.get(metric.partition(".")[2]))

    def _is_fresh(self, at: datetime | None) -> bool:
        """True when it was read lately."""
        return at is not None and (self._now - at).total_seconds() <= KNOWN_FOR_S
