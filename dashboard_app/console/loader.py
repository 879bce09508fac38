"""The background loader: one for all viewers, two lanes, and the list of sources they read.

In: the clock and the breaker say when; the queue says how many. Out: the snapshot.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from dashboard_app.console.client.backend import Backend, ReadHow
from dashboard_app.console.client.throttle import Throttle
from dashboard_app.console.lane import Lane, LaneProgress, RoundReport
from dashboard_app.console.snapshot import Snapshot
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BreakerOpen, SpillwayError, TryLater
from dashboard_app.model.health import HealthStatus
from dashboard_app.model.pool import Level
from dashboard_app.policy.freshness import SLOW_ANSWER_S, Freshness
from dashboard_app.policy.pacing import Plan
from dashboard_app.runtime.breakers import NamedBreaker
from dashboard_app.runtime.request_queue import Priority
from dashboard_app.runtime.wake import Wake
from dashboard_app.settings import Settings

LIST_WATCHED_S = 5.0
LIST_UNWATCHED_S = 30.0
LIST_AFTER_FAILURE_S = 2.0
_LIST_AT_LEAST_S = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """The loader at one moment. `last_round` is the newest of the lanes' last rounds, None before the first has ended."""

    lanes: dict[str, LaneProgress]
    pace: str
    last_round: RoundReport | None


class Loader:
    """Reads whether or not anyone watches; viewers only decide what comes first."""

    def __init__(
        self, settings: Settings, clock: Clock, backend: Backend, snapshot: Snapshot, *, breaker: NamedBreaker, throttle: Throttle
    ) -> None:
        """Nothing runs yet."""
        self._clock, self._backend, self._snapshot = clock, backend, snapshot
        self._breaker, self._throttle = breaker, throttle
        self._pace = settings.pace
        self._list_bell = Wake(clock)
        self._is_list_asked = False
        self.list_failure: SpillwayError | None = None
        """Why the list could not be read the last time; None after a good one."""
        self.list_failing_since: datetime | None = None
        self.visible: Callable[[], frozenset[int]] = frozenset
        self.is_watched: Callable[[], bool] = lambda: False
        self.health = Lane(
            Plan(settings.health_batch_size, settings.health_stagger_ms / 1000.0, settings.health_batch_delay_ms / 1000.0),
            Freshness(settings.health_stale_s, settings.health_refetch_s, settings.health_retries, settings.health_retry_delay_s),
            self._read_health,
            clock,
            why_paused=self.why_paused,
            visible=self._visible_now,
        )
        self.metrics = Lane(
            Plan(settings.metrics_batch_size, settings.metrics_stagger_ms / 1000.0, settings.metrics_batch_delay_ms / 1000.0),
            Freshness(settings.metrics_stale_s, settings.metrics_refetch_s, settings.metrics_retries, settings.metrics_retry_delay_s),
            self._read_metrics,
            clock,
            why_paused=self.why_paused,
            visible=self._visible_now,
        )
        for lane in self.lanes:
            lane.on_progress = snapshot.touch

    @property
    def lanes(self) -> tuple[Lane, Lane]:
        """Health and metrics."""
        return (self.health, self.metrics)

    def _visible_now(self) -> frozenset[int]:
        """The sources in view."""
        return self.visible()

    def why_paused(self) -> str:
        """Why background reading stands still, in words; "" when it does not."""
        if not self._breaker.lets_through:
            return "paused: the circuit breaker is open"
        if self._throttle.level is Level.EMERGENCY:
            return "paused: the server is at EMERGENCY"
        return ""

    def progress(self) -> Progress:
        """Where both lanes stand."""
        ended = [lane.last_round for lane in self.lanes if lane.last_round is not None]
        last = max(ended, key=lambda report: report.ended_at) if ended else None
        lanes = {"health": self._told(self.health), "metrics": self._told(self.metrics)}
        return Progress(lanes, self._pace, last)

    def refresh(self) -> bool:
        """Start a round over all sources in both lanes; True when both had one under way and it was joined.

        Raises:
            BreakerOpen: nothing can be read; carries the time to the next trial.

        """
        if not self._breaker.lets_through:
            retry_in_s = self._breaker.reading().retry_in_s
            raise BreakerOpen(retry_after_s=1.0 if retry_in_s is None else retry_in_s)
        started = [lane.begin() for lane in self.lanes]
        self.reload_list()
        return not any(started)

    def try_now(self) -> None:
        """End an open breaker's wait: the list is read at once as a trial."""
        self._breaker.try_now()
        self.reload_list()

    def reload_list(self) -> None:
        """Read the list at once: a person has changed it."""
        self._is_list_asked = True
        self._list_bell.ring()

    def next_check_s(self, source_id: int) -> float | None:
        """Seconds until the next health of this source; None while nothing is planned."""
        return self.health.next_check_s(source_id)

    def wake(self) -> None:
        """Look again: the breaker or the level has moved, or somebody begins to watch."""
        for lane in self.lanes:
            lane.wake()
        self._list_bell.ring()

    async def run_list(self) -> None:
        """Read the list of sources for ever; while the breaker is open this is the call that tries it."""
        self._take_over_list()
        is_asked = False
        while True:
            await self._read_list(is_asked=is_asked)
            is_asked = await self._pause()

    async def _pause(self) -> bool:
        """Wait until the list is due again, or somebody asks for it: then True."""
        ended = self._clock.monotonic()
        while not self._is_list_asked and (moment := self._list_due(ended)) > self._clock.monotonic():
            await self._list_bell.wait(moment)
        is_asked, self._is_list_asked = self._is_list_asked, False
        return is_asked

    def _list_due(self, last: float) -> float:
        """When the list is read again after a reading that ended at `last`."""
        if self._breaker.retry_at is not None:
            return max(self._breaker.retry_at, last + _LIST_AT_LEAST_S)
        if self.list_failure is not None:
            return last + LIST_AFTER_FAILURE_S
        return last + (LIST_WATCHED_S if self.is_watched() else LIST_UNWATCHED_S)

    async def _read_list(self, *, is_asked: bool) -> None:
        """Read the list once; a failure is kept for the banner.

        At EMERGENCY only what a person asks for is read, and the trial of an open breaker: without it the banner would stay as long
        as the level.
        """
        is_click = self._throttle.level is Level.EMERGENCY
        if is_click and not is_asked and self._breaker.lets_through:
            return
        try:
            items = await self._backend.sources(Priority.CLICK if is_click else Priority.BACKGROUND)
        except TryLater:
            return
        except SpillwayError as failure:
            self.list_failure = failure
            self.list_failing_since = self.list_failing_since or self._clock.now()
            self._snapshot.touch()
            return
        had_failed, self.list_failure, self.list_failing_since = self.list_failure is not None, None, None
        self._snapshot.set_sources(items)
        if had_failed:
            self._snapshot.touch()
        self._take_over_list()

    def _take_over_list(self) -> None:
        """Let the lanes read the enabled sources of the snapshot."""
        enabled = {source_id for source_id, source in self._snapshot.sources.items() if source.enabled}
        self.health.set_sources(enabled, {key: reading.received_mono for key, reading in self._snapshot.health.items()})
        self.metrics.set_sources(enabled, {key: reading.received_mono for key, reading in self._snapshot.metrics.items()})

    def _told(self, lane: Lane) -> LaneProgress:
        """A lane's progress, with the words for what slows both."""
        progress = lane.progress()
        if self._snapshot.sources_at is None and not self.why_paused():
            return LaneProgress(progress.done, progress.total, progress.in_flight, "reading the list of sources", progress.slow)
        level = self._throttle.level
        if progress.reason or level is Level.NORMAL:
            return progress
        words = f"slowed by the server: {level}" if not self._throttle.is_assumed else f"slowed: no limits from the server, {level} assumed"
        return LaneProgress(progress.done, progress.total, progress.in_flight, words, progress.slow)

    async def _read_health(self, source_id: int, how: ReadHow) -> bool:
        """Read and keep one health; False for a source that hangs: bad news that took SLOW_ANSWER_S and more."""
        began: list[float] = []

        def started() -> None:
            began.append(self._clock.monotonic())
            how.on_start()

        health = await self._backend.health(source_id, how=replace(how, on_start=started))
        self._snapshot.set_health(health)
        took_s = self._clock.monotonic() - began[-1] if began else 0.0
        is_bad = health.status in (HealthStatus.UNHEALTHY, HealthStatus.UNKNOWN)
        return not (is_bad and took_s >= SLOW_ANSWER_S)

    async def _read_metrics(self, source_id: int, how: ReadHow) -> bool:
        """Read and keep one source's numbers."""
        self._snapshot.set_metrics(await self._backend.metrics(source_id, how=how))
        return True
