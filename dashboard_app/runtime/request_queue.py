"""The request queue of the console: few in flight, spaced starts, priorities, deadlines, a bound.

Full: the newest waiter of the lowest priority makes room for a higher one, otherwise the newcomer is refused.
Three places of truth are kept apart: `QueueLimits` (settings), `Throttling` (what the server asks for now), and the waiters.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import IntEnum

from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DeadlinePassed, QueueFull
from dashboard_app.policy.pacing import Bucket
from dashboard_app.runtime.paced_line import PacedLine

_WAITS_KEPT = 200


class Priority(IntEnum):
    """Who goes first; smaller is sooner."""

    CLICK = 0
    VIEW = 1
    BACKGROUND = 2


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """The queue's own limits. `click_places` stand beside `concurrency` for operators' clicks."""

    concurrency: int = 5
    interval_s: float = 0.1
    timeout_s: float = 30.0
    max_waiting: int = 1000
    click_places: int = 2


@dataclass(frozen=True, slots=True)
class Throttling:
    """What the server asks of its clients now; None: nothing (NORMAL)."""

    max_concurrent: int
    per_minute: int
    delay_s: float
    clicks_only: bool = False
    """True at EMERGENCY: background work stops."""


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """The queue at one moment; totals since the start; the wait's 95th percentile over the last 200 starts."""

    running: int
    waiting: int
    waiting_by_priority: dict[str, int]
    started_total: int
    timed_out_total: int
    rejected_total: int
    wait_ms_p95: float


@dataclass(eq=False, slots=True)
class _Waiter:
    """One request that waits for a place."""

    priority: Priority
    since: float
    deadline: float
    granted: "asyncio.Future[bool]"


@dataclass(slots=True)
class _Totals:
    """Counts since the start."""

    started: int = 0
    timed_out: int = 0
    rejected: int = 0
    waits_s: deque[float] = field(default_factory=lambda: deque(maxlen=_WAITS_KEPT))


class RequestQueue:
    """Grants places. Needs no loop of its own: every arrival, departure and due moment lets it look again."""

    def __init__(self, limits: QueueLimits, clock: Clock) -> None:
        """An empty queue."""
        self._limits = limits
        self._clock = clock
        self._throttling: Throttling | None = None
        self._bucket: Bucket | None = None
        self._waiting: dict[Priority, deque[_Waiter]] = {priority: deque() for priority in Priority}
        self._running = 0
        self._running_beside = 0
        self._last_start: float | None = None
        self._totals = _Totals()
        self._alarm: asyncio.Task[None] | None = None
        self.paced = PacedLine(clock, timeout_s=limits.timeout_s, at_most=limits.max_waiting, look=self._look)
        """Requests of the adaptive window: behind whoever else may start, by the server's limits alone."""

    @property
    def running(self) -> int:
        """Requests under way, the paced among them."""
        return self._running + self._running_beside + self.paced.running

    def allow_paced(self, places: int) -> None:
        """Let a paced request start while fewer than `places` requests of all sorts are under way."""
        self.paced.places = places
        self._look()

    def follow(self, throttling: Throttling | None) -> None:
        """Obey `throttling` from the next start on. The bucket is full at first and never refilled by a change."""
        if throttling == self._throttling:
            return
        now = self._clock.monotonic()
        self._throttling = throttling
        if throttling is None:
            self._bucket = None
        elif self._bucket is None:
            self._bucket = Bucket.full(throttling.per_minute, now)
        else:
            self._bucket = self._bucket.resized(throttling.per_minute, now)
        self._look()

    @contextlib.asynccontextmanager
    async def place(self, priority: Priority) -> AsyncIterator[float]:
        """Wait for a place, hold it for the block; gives how many seconds are left until the deadline.

        Raises:
            QueueFull: too many wait already.
            DeadlinePassed: no place came in time.

        """
        deadline = self._clock.monotonic() + self._limits.timeout_s
        is_beside = await self._granted(priority, deadline)
        try:
            yield max(deadline - self._clock.monotonic(), 0.01)
        finally:
            self._leave(is_beside=is_beside)

    def figures(self) -> QueueFigures:
        """The queue in numbers."""
        by_priority = {priority.name.lower(): len(waiters) for priority, waiters in self._waiting.items()}
        by_priority[Priority.BACKGROUND.name.lower()] += len(self.paced)
        waits = sorted(self._totals.waits_s)
        return QueueFigures(
            running=self.running,
            waiting=sum(by_priority.values()),
            waiting_by_priority=by_priority,
            started_total=self._totals.started,
            timed_out_total=self._totals.timed_out,
            rejected_total=self._totals.rejected,
            wait_ms_p95=round(waits[int(len(waits) * 0.95)] * 1000.0, 1) if waits else 0.0,
        )

    async def close(self) -> None:
        """Refuse all who wait and stop the alarm."""
        for waiters in self._waiting.values():
            while waiters:
                self._refuse(waiters.popleft(), QueueFull("the queue is closed"))
        self.paced.close()
        if self._alarm is not None:
            self._alarm.cancel()
            await asyncio.wait({self._alarm})

    async def _granted(self, priority: Priority, deadline: float) -> bool:
        """Wait for a place; True when it is one beside."""
        self._make_room(priority)
        waiter = _Waiter(priority, self._clock.monotonic(), deadline, asyncio.get_running_loop().create_future())
        self._waiting[priority].append(waiter)
        self._look()
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
                self._leave(is_beside=waiter.granted.result())
            else:
                self._forget(waiter)
            raise

    def _make_room(self, priority: Priority) -> None:
        """Refuse the newcomer, or shed a waiter of lower priority, when the queue is full."""
        if sum(map(len, self._waiting.values())) < self._limits.max_waiting:
            return
        lowest = max(each for each, waiters in self._waiting.items() if waiters)
        self._totals.rejected += 1
        if lowest <= priority:
            raise QueueFull
        self._refuse(self._waiting[lowest].pop(), QueueFull("made room for a more urgent request"))

    @staticmethod
    def _refuse(waiter: _Waiter, error: QueueFull | DeadlinePassed) -> None:
        """End one wait with an error."""
        if not waiter.granted.done():
            waiter.granted.set_exception(error)

    def _forget(self, waiter: _Waiter) -> None:
        """Its asker is gone."""
        with contextlib.suppress(ValueError):
            self._waiting[waiter.priority].remove(waiter)
        self._look()

    def _leave(self, *, is_beside: bool) -> None:
        """Free a place."""
        if is_beside:
            self._running_beside -= 1
        else:
            self._running -= 1
        self._look()

    def _look(self) -> None:
        """Grant what may start now, end what waited too long, and set the alarm for the next moment that changes something."""
        now = self._clock.monotonic()
        self._expire(now)
        while (choice := self._next_in_line()) is not None and self._earliest_start(now) <= now:
            self._grant(*choice, now)
        while self._has_paced_place() and self._earliest_of_any(now) <= now:
            self._count_start(now, self.paced.grant(now))
        self._set_alarm(now)

    def _expire(self, now: float) -> None:
        """End waits past their deadline. Deadlines are in order of arrival, so only the heads are looked at."""
        self._totals.timed_out += self.paced.expire(now)
        for waiters in self._waiting.values():
            while waiters and waiters[0].deadline <= now:
                self._totals.timed_out += 1
                self._refuse(waiters.popleft(), DeadlinePassed())

    def _next_in_line(self) -> tuple[_Waiter, bool] | None:
        """The next waiter that has a place, and whether that is one beside the ordinary ones; None: nobody has."""
        throttling = self._throttling
        if throttling is not None and self.running >= throttling.max_concurrent:
            return None
        has_ordinary = self._running < self._limits.concurrency
        for priority, waiters in self._waiting.items():
            if not waiters or (priority is not Priority.CLICK and throttling is not None and throttling.clicks_only):
                continue
            if has_ordinary:
                return waiters[0], False
            if priority is Priority.CLICK and self._running_beside < self._limits.click_places:
                return waiters[0], True
        return None

    def _earliest_start(self, now: float) -> float:
        """When the interval, the server's delay and its requests per minute allow the next start."""
        spaced = now if self._last_start is None else self._last_start + self._limits.interval_s
        return max(spaced, self._earliest_of_any(now))

    def _earliest_of_any(self, now: float) -> float:
        """When the server's delay and its requests per minute allow the next start, paced or not."""
        if self._throttling is None or self._bucket is None:
            return now
        starts = [start for start in (self._last_start, self.paced.last_start) if start is not None]
        return max(max(starts, default=now - self._throttling.delay_s) + self._throttling.delay_s, self._bucket.next_token(now))

    def _has_paced_place(self) -> bool:
        """True when a paced request waits and has a place."""
        throttling = self._throttling
        if not len(self.paced) or self.running >= self.paced.places:
            return False
        return throttling is None or (not throttling.clicks_only and self.running < throttling.max_concurrent)

    def _grant(self, waiter: _Waiter, is_beside: bool, now: float) -> None:
        """Start one request."""
        self._waiting[waiter.priority].popleft()
        if waiter.granted.done():
            return
        if is_beside:
            self._running_beside += 1
        else:
            self._running += 1
        self._last_start = now
        self._count_start(now, now - waiter.since)
        waiter.granted.set_result(is_beside)

    def _count_start(self, now: float, waited_s: float) -> None:
        """Count a start after so long a wait, by the server's limit, too."""
        if self._bucket is not None:
            self._bucket = self._bucket.taken(now)
        self._totals.started += 1
        self._totals.waits_s.append(waited_s)

    def _set_alarm(self, now: float) -> None:
        """Sleep until the next start that is only a matter of time, or the next deadline."""
        moments = [waiters[0].deadline for waiters in self._waiting.values() if waiters]
        if moments and self._next_in_line() is not None:
            moments.append(self._earliest_start(now))
        if self.paced.deadline is not None:
            moments.append(self.paced.deadline)
        if self._has_paced_place():
            moments.append(self._earliest_of_any(now))
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if moments:
            self._alarm = asyncio.ensure_future(self._sleep_until(min(moments)))

    async def _sleep_until(self, moment: float) -> None:
        """Look again at `moment`."""
        await self._clock.sleep(max(moment - self._clock.monotonic(), 0.0005))
        self._alarm = None
        self._look()
