"""The background loader: one for all viewers, two lanes, and the list of sources they read.

In: the clock and the breaker say when; the queue says how many. Out: the snapshot.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from dashboard_app.console.client.backend import Backend
from dashboard_app.console.client.throttle import Throttle
from dashboard_app.console.lane import Lane
from dashboard_app.console.lane_words import LaneProgress, RoundReport
from dashboard_app.console.readings import Readings
from dashboard_app.console.snapshot import Snapshot
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BreakerOpen, SpillwayError, TryLater
from dashboard_app.model.pool import Level
from dashboard_app.policy.freshness import Freshness
from dashboard_app.policy.pacing import Plan
from dashboard_app.policy.server_limits import Throttling
from dashboard_app.policy.window_control import Usage, places
from dashboard_app.runtime.named_breaker import NamedBreaker
from dashboard_app.runtime.request_queue import Priority
from dashboard_app.runtime.wake import Wake
from dashboard_app.settings import Settings

LIST_WATCHED_S = 5.0
LIST_UNWATCHED_S = 30.0
LIST_AFTER_FAILURE_S = 2.0
LIST_NEWS_S = 1.0
"""Between two readings of the list that news asked for."""
_LIST_AT_LEAST_S = 0.5
_ABSURD = 1_000_000
Pace = Literal["batched", "adaptive"]


@dataclass(frozen=True, slots=True)
class Progress:
    """The loader at one moment. `last_round` is the newest of the lanes' last rounds, None before the first has ended."""

    lanes: dict[str, LaneProgress]
    pace: Pace
    last_round: RoundReport | None


class Loader:
    """Reads whether or not anyone watches; viewers only decide what comes first."""

    def __init__(
        self, settings: Settings, clock: Clock, backend: Backend, snapshot: Snapshot, *, breaker: NamedBreaker, throttle: Throttle
    ) -> None:
        """Nothing runs yet."""
        self._clock, self._backend, self._snapshot = clock, backend, snapshot
        self._breaker, self._throttle = breaker, throttle
        self._pace: Pace = "batched"
        self._usage: Usage | None = None
        self._list_bell = Wake(clock)
        self._is_list_asked = self._has_list_news = False
        self.list_failure: SpillwayError | None = None
        """Why the list could not be read the last time; None after a good one."""
        self.list_failing_since: datetime | None = None
        self.visible: Callable[[], frozenset[int]] = frozenset
        self.is_watched: Callable[[], bool] = lambda: False
        readings = Readings(backend, snapshot, clock)
        self.health = Lane(
            *_by_settings(settings, "health"),
            readings.health,
            clock,
            why_paused=self.why_paused,
            visible=self._visible_now,
            read_many=readings.healths,
            places=self.places,
        )
        self.metrics = Lane(
            *_by_settings(settings, "metrics"),
            readings.metrics,
            clock,
            why_paused=self.why_paused,
            visible=self._visible_now,
            read_many=readings.many_metrics,
            places=self.places,
        )
        for lane in self.lanes:
            lane.on_progress = snapshot.touch
        self.set_pace(settings.pace)

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
            is_held = self._breaker.state is BreakerState.FORCED_OPEN
            return "paused: the circuit breaker is held open" if is_held else "paused: the circuit breaker is open"
        if self._throttle.level is Level.EMERGENCY:
            return "paused: the server is at EMERGENCY"
        return ""

    @property
    def pace(self) -> Pace:
        """How requests are spaced now."""
        return self._pace

    def retune(self, settings: Settings) -> None:
        """Go by other settings from the next start on."""
        for lane, name in zip(self.lanes, ("health", "metrics"), strict=True):
            lane.retune(*_by_settings(settings, name))
        self.set_pace(settings.pace)

    def set_pace(self, pace: Pace) -> None:
        """Go on by this pace from the next start on; what is under way is not disturbed."""
        self._pace = pace
        for lane in self.lanes:
            lane.set_adaptive(pace == "adaptive")

    def places(self) -> int:
        """How many requests the adaptive window of both lanes may have under way: the server's limit, less what would fill its pool."""
        return places(self._throttle.max_concurrent, self._usage)

    def note_usage(self, own: int) -> None:
        """Take over how full the snapshot says the server's pool is; `own` of this console's requests are under way."""
        self._usage = usage_of(self._snapshot, own, self._usage)

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

    def sources_changed(self) -> None:
        """Read the list soon, as background work: a source is told to have changed."""
        self._has_list_news = True
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
        if self._breaker.state is BreakerState.HALF_OPEN:
            return last + _LIST_AT_LEAST_S  # the next trial: nobody else tries, and trials have only so much time
        if self._breaker.retry_at is not None:
            return max(self._breaker.retry_at, last + _LIST_AT_LEAST_S)
        if self.list_failure is not None:
            return last + LIST_AFTER_FAILURE_S
        if self._has_list_news:
            return last + LIST_NEWS_S
        return last + (LIST_WATCHED_S if self.is_watched() else LIST_UNWATCHED_S)

    async def _read_list(self, *, is_asked: bool) -> None:
        """Read the list once; a failure is kept for the banner.

        At EMERGENCY only what a person asks for is read, and the trial of an open breaker: without it the banner would stay as long
        as the level.
        """
        self._has_list_news = False
        if self._breaker.state is BreakerState.FORCED_OPEN:
            return
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
            return replace(progress, reason="reading the list of sources")
        level = self._throttle.level
        if progress.reason or level is Level.NORMAL:
            return progress
        return replace(progress, reason=_slowed(level, self._throttle.limits(), is_assumed=self._throttle.is_assumed))


def _slowed(level: Level, limits: Throttling | None, *, is_assumed: bool) -> str:
    """What a level above NORMAL makes of the pace, in words."""
    if is_assumed or limits is None:
        return f"slowed: no limits from the server, {level} assumed"
    return f"slowed by {level}: {limits.max_concurrent} at once, {limits.delay_s:g} s apart"


def usage_of(snapshot: Snapshot, own: int, last: Usage | None) -> Usage | None:
    """How full the server's pool is by its newest word; None: it never told how many connections it has."""
    status, config = snapshot.pool, snapshot.throttling
    told = status.value.get("pool") if status is not None else None
    capacity = _whole(told.get("capacity")) if isinstance(told, dict) else last.capacity if last is not None else None
    if capacity is None:
        return last
    used = _whole(told.get("checked_out")) if isinstance(told, dict) else None
    if config is not None and (used is None or status is None or config.received_mono > status.received_mono):
        return Usage(config.value.usage_percent / 100.0 * capacity, capacity, own)
    return last if used is None else Usage(used, capacity, own)


def _whole(value: object) -> int | None:
    """A count as told; None for anything else."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _ABSURD else None


def _by_settings(settings: Settings, lane: str) -> tuple[Plan, Freshness]:
    """The plan and the rules of the lane called `lane` (health, metrics)."""
    size, stagger_ms, delay_ms, stale_s, refetch_s, retries, retry_delay_s = (
        getattr(settings, f"{lane}_{name}")
        for name in ("batch_size", "stagger_ms", "batch_delay_ms", "stale_s", "refetch_s", "retries", "retry_delay_s")
    )
    return Plan(size, stagger_ms / 1000.0, delay_ms / 1000.0), Freshness(stale_s, refetch_s, retries, retry_delay_s)
