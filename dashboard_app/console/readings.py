"""Reading sources into the snapshot, one by one or many at once, and judging whether a source hangs."""

from collections.abc import Sequence
from dataclasses import replace

from dashboard_app.console.client.backend import Backend
from dashboard_app.console.client.reading import ReadHow
from dashboard_app.console.snapshot import Snapshot
from dashboard_app.model.clock import Clock
from dashboard_app.model.health import Health, HealthStatus
from dashboard_app.policy.freshness import SLOW_ANSWER_S

_SHARED_S = 2.0
"""A server gives a result that is so young to whoever asks next; an older one that comes again is no news."""
_NO_PLACE_S = 1.0
"""A bulk read that took so long may hold sources that found no place for their probe: those without numbers are asked again."""


class Readings:
    """What the lanes call. Everything is kept in the snapshot; nothing is retried here."""

    def __init__(self, backend: Backend, snapshot: Snapshot, clock: Clock) -> None:
        """Read from `backend`."""
        self._backend, self._snapshot, self._clock = backend, snapshot, clock

    async def health(self, source_id: int, how: ReadHow) -> bool:
        """Read and keep one health; False for a source that hangs: bad news that took SLOW_ANSWER_S and more."""
        watch = _Watch(self._clock, how)
        health = await self._backend.health(source_id, how=watch.how)
        self._snapshot.set_health(health)
        return not (_is_bad(health) and watch.took_s >= SLOW_ANSWER_S)

    async def metrics(self, source_id: int, how: ReadHow) -> bool:
        """Read and keep one source's numbers."""
        self._snapshot.set_metrics(await self._backend.metrics(source_id, how=how))
        return True

    async def healths(self, source_ids: Sequence[int], how: ReadHow) -> frozenset[int]:
        """Read and keep several healths; those that are news, and no bad news of an answer that hung, need no other reading."""
        watch = _Watch(self._clock, how)
        found = await self._backend.healths(source_ids, watch.how)
        is_slow = watch.took_s >= SLOW_ANSWER_S
        news = [health for health in found if health.data_source_id in source_ids and self._is_news(health)]
        for health in news:
            self._snapshot.set_health(health)
        return frozenset(health.data_source_id for health in news if not (is_slow and _is_bad(health)))

    async def many_metrics(self, source_ids: Sequence[int], how: ReadHow) -> frozenset[int]:
        """Read and keep several sources' numbers; of a long answer those that have some."""
        watch = _Watch(self._clock, how)
        found = await self._backend.many_metrics(source_ids, watch.how)
        has_no_place = watch.took_s >= _NO_PLACE_S
        good = [each for each in found if each.data_source_id in source_ids and (each.metrics or not has_no_place)]
        for each in good:
            self._snapshot.set_metrics(each)
        return frozenset(each.data_source_id for each in good)

    def _is_news(self, health: Health) -> bool:
        """False for a health that was known already: a server that cannot probe now may answer with its last."""
        if health.checked_at is None:
            return False
        known = self._snapshot.health.get(health.data_source_id)
        is_same = known is not None and known.value.checked_at == health.checked_at
        return not is_same or (known is not None and known.age_s(self._clock.monotonic()) < _SHARED_S)


class _Watch:
    """Measures from the real start, after the queue."""

    def __init__(self, clock: Clock, how: ReadHow) -> None:
        """Not started."""
        self._clock, self._on_start = clock, how.on_start
        self._began: float | None = None
        self.how = replace(how, on_start=self._start)

    @property
    def took_s(self) -> float:
        """Seconds since the start; 0 when it shared the request of another."""
        return 0.0 if self._began is None else self._clock.monotonic() - self._began

    def _start(self) -> None:
        """The request leaves."""
        self._began = self._clock.monotonic()
        self._on_start()


def _is_bad(health: Health) -> bool:
    """True for a source that does not work, or that nobody could look at."""
    return health.status in (HealthStatus.UNHEALTHY, HealthStatus.UNKNOWN)
