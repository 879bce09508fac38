"""What a rule would have done: its replay over the samples of the last day, or over the guard's last hour."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from dashboard_app.model.alert import POOL_NAME, RuleSettings
from dashboard_app.model.source import Source
from dashboard_app.policy.alert import fired
from dashboard_app.policy.alert_rule import is_of_pool, watches
from dashboard_app.store.alerts import AlertStore

LOOKS_BACK = timedelta(hours=24)
POOL_LOOKS_BACK = timedelta(hours=1)
SOURCES_AT_MOST = 100
_SAMPLES_AT_MOST = 50_000
_NAMED_AT_MOST = 20
_POINT_OF = {"pool.usage_percent": 1, "pool.waiting": 2}


class PoolHistory(Protocol):
    """The guard's memory."""

    def history(self, minutes: int = 15) -> dict[str, Any]:
        """Points and marks of the last minutes."""


@dataclass(frozen=True, slots=True)
class Preview:
    """How often a rule would have fired since `since`; None: no past is kept of its metric. `by_source`: the most first, at most 20."""

    fired: int | None
    since: datetime
    sources: int
    by_source: tuple[tuple[str, int], ...] = ()


class Previews:
    """Replays rules. The caller holds admission for those of sources."""

    def __init__(self, guard: PoolHistory, sources: Callable[[], Sequence[Source]], store: AlertStore) -> None:
        """No I/O."""
        self._guard, self._sources, self._store = guard, sources, store

    async def of(self, rule: RuleSettings, now: datetime) -> Preview:
        """The replay of `rule`, which must be acceptable. Raises DatabaseUnavailable."""
        if is_of_pool(rule.metric):
            return self._of_pool(rule, now)
        watched = [source for source in self._sources() if source.enabled and watches(rule.scope, source)][:SOURCES_AT_MOST]
        since = now - LOOKS_BACK
        metric = rule.metric.partition(".")[2]
        samples = await self._store.samples(metric, [source.id for source in watched], since, _SAMPLES_AT_MOST)
        counts = await asyncio.to_thread(_counts, rule, samples, now.timestamp())
        named = sorted(((source.name, counts.get(source.id, 0)) for source in watched), key=lambda one: (-one[1], one[0]))
        shown = tuple(one for one in named if one[1])[:_NAMED_AT_MOST]
        return Preview(sum(counts.values()), since, len(watched), shown)

    def _of_pool(self, rule: RuleSettings, now: datetime) -> Preview:
        """The replay over the hour that the guard remembers."""
        since, past = now - POOL_LOOKS_BACK, self._guard.history(60)
        if rule.metric == "pool.unreachable":
            values = {"unreachable": 1.0, "reachable": 0.0}
            marks = [mark for mark in past["marks"] if mark["kind"] in values]
            samples = [(datetime.fromisoformat(mark["at"]).timestamp(), values[mark["kind"]]) for mark in marks]
        elif rule.metric in _POINT_OF:
            samples = [(point[0] / 1000, float(point[_POINT_OF[rule.metric]])) for point in past["points"]]
        else:
            return Preview(None, since, 1)
        count = fired(rule, samples, now.timestamp())
        return Preview(count, since, 1, ((POOL_NAME, count),) if count else ())


def _counts(rule: RuleSettings, samples: Mapping[int, Sequence[tuple[float, float]]], until: float) -> dict[int, int]:
    """How often it would have fired, per source."""
    return {source_id: fired(rule, found, until) for source_id, found in samples.items()}
