"""The request queue of the console: few in flight, spaced starts, priorities that age, deadlines, a bound.

Full: the newest waiter of the lowest priority makes room for a higher one, otherwise the newcomer is refused.
Three places of truth are kept apart: `QueueLimits` (settings), `ServerLimits` (what the server asks for now), and the waiters.
"""

import asyncio
import contextlib
import heapq
import itertools
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import IntEnum

from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DeadlinePassed, QueueFull
from dashboard_app.policy.queueing import Head, is_by_age, next_of
from dashboard_app.policy.server_limits import ServerLimits, Throttling
from dashboard_app.runtime.paced_line import PacedLine
from dashboard_app.runtime.queue_ledger import QueueFigures, QueueLedger

_AGE_STEPS = 3
"""A waiter grows more urgent after each third of the queue's time limit: background is as urgent as a click before its time is over."""
_SPARE = 200
"""Deadlines kept of waiters that are gone, beyond as many as may wait, before they are swept out."""


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


@dataclass(eq=False, slots=True)
class _Waiter:
    """One request that waits for a place."""

    priority: Priority
    since: float
    deadline: float
    granted: "asyncio.Future[bool]"


class RequestQueue:
    """Grants places. Needs no loop of its own: every arrival, departure and due moment lets it look again."""

    def __init__(self, limits: QueueLimits, clock: Clock) -> None:
        """An empty queue."""
        self._limits = limits
        self._clock = clock
        self._server = ServerLimits()
        self._waiting: dict[Priority, deque[_Waiter]] = {priority: deque() for priority in Priority}
        self._running = 0
        self._running_beside = 0
        self._last_start: float | None = None
        self._was_by_age = False
        self._deadlines: list[tuple[float, int, _Waiter]] = []
        self._arrivals = itertools.count()
        self._ledger = QueueLedger()
        self._alarm: asyncio.Task[None] | None = None
        self.paced = PacedLine(clock, self._ledger, timeout_s=limits.timeout_s, at_most=limits.max_waiting, look=self._look)
        """Requests of the adaptive window: behind whoever else may start, by the server's limits alone."""

    @property
    def running(self) -> int:
        """Requests under way, the paced among them."""
        return self._running + self._running_beside + self.paced.running

    def allow_paced(self, places: int) -> None:
        """Let a paced request start while fewer than `places` requests of all sorts are under way."""
        self.paced.places = places
        self._look()

    def retune(self, limits: QueueLimits) -> None:
        """Go by other limits from now on; whoever waits keeps the deadline it came with."""
        self._limits = limits
        self.paced.retune(timeout_s=limits.timeout_s, at_most=limits.max_waiting)
        self._look()

    def follow(self, throttling: Throttling | None) -> None:
        """Obey `throttling` from the next start on. The bucket is full at first and never refilled by a change."""
        if throttling != self._server.throttling:
            self._server.follow(throttling, self._clock.monotonic())
            self._look()

    def rest(self, seconds: float) -> None:
        """Start nothing for so long (REST_MAX_S at most): the server has answered 429 with Retry-After."""
        self._server.rest(seconds, self._clock.monotonic())
        self._look()

    @contextlib.asynccontextmanager
    async def place(self, priority: Priority, timeout_s: float | None = None) -> AsyncIterator[float]:
        """Wait for a place, hold it for the block; gives how many seconds are left until the deadline.

        `timeout_s`: this request's own time, waiting counted; None: the queue's.

        Raises:
            QueueFull: too many wait already.
            DeadlinePassed: no place came in time.

        """
        deadline = self._clock.monotonic() + (self._limits.timeout_s if timeout_s is None else timeout_s)
        is_beside = await self._granted(priority, deadline)
        try:
            yield max(deadline - self._clock.monotonic(), 0.01)
        finally:
            self._leave(is_beside=is_beside)

    def figures(self) -> QueueFigures:
        """The queue in numbers."""
        by_priority = {priority.name.lower(): len(waiters) for priority, waiters in self._waiting.items()}
        by_priority[Priority.BACKGROUND.name.lower()] += len(self.paced)
        return self._ledger.figures(self.running, by_priority)

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
        heapq.heappush(self._deadlines, (deadline, next(self._arrivals), waiter))
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
        self._ledger.refused(lowest.name.lower() if lowest > priority else priority.name.lower(), self._clock.monotonic())
        if lowest <= priority:
            raise QueueFull
        self._ledger.shed += 1
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
            self._ledger.cancelled += 1
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
        """End waits past their deadline, and forget the deadlines of those that wait no more."""
        self._ledger.timed_out += self.paced.expire(now)
        while self._deadlines and (self._deadlines[0][0] <= now or self._deadlines[0][2].granted.done()):
            waiter = heapq.heappop(self._deadlines)[2]
            if waiter.granted.done():
                continue
            self._ledger.timed_out += 1
            self._waiting[waiter.priority].remove(waiter)
            self._refuse(waiter, DeadlinePassed())
        if len(self._deadlines) > 2 * self._limits.max_waiting + _SPARE:
            self._deadlines = [each for each in self._deadlines if not each[2].granted.done()]
            heapq.heapify(self._deadlines)

    def _next_in_line(self) -> tuple[_Waiter, bool] | None:
        """The next waiter that has a place, and whether that is one beside the ordinary ones; None: nobody has."""
        if not self._server.has_place(self.running):
            return None
        has_ordinary = self._running < self._limits.concurrency
        if not has_ordinary or self._server.clicks_only:
            clicks, has_place = self._waiting[Priority.CLICK], has_ordinary or self._running_beside < self._limits.click_places
            return (clicks[0], not has_ordinary) if clicks and has_place else None
        heads = self._heads()
        return (self._waiting[Priority(self._chosen(heads).priority)][0], False) if heads else None

    def _heads(self) -> list[Head]:
        """Who has waited longest, of each priority."""
        return [Head(priority, waiters[0].since) for priority, waiters in self._waiting.items() if waiters]

    def _chosen(self, heads: list[Head]) -> Head:
        """Who of them goes next."""
        step_s = self._limits.timeout_s / _AGE_STEPS
        return next_of(heads, self._clock.monotonic(), step_s, may_age=not self._was_by_age)

    def _earliest_start(self, now: float) -> float:
        """When the interval, the server's delay and its requests per minute allow the next start."""
        spaced = now if self._last_start is None else self._last_start + self._limits.interval_s
        return max(spaced, self._earliest_of_any(now))

    def _earliest_of_any(self, now: float) -> float:
        """When a rest, the server's delay and its requests per minute allow the next start, paced or not."""
        starts = [start for start in (self._last_start, self.paced.last_start) if start is not None]
        return self._server.earliest(now, max(starts, default=None))

    def _has_paced_place(self) -> bool:
        """True when a paced request waits and has a place."""
        if not len(self.paced) or self.running >= self.paced.places:
            return False
        return not self._server.clicks_only and self._server.has_place(self.running)

    def _grant(self, waiter: _Waiter, is_beside: bool, now: float) -> None:
        """Start one request."""
        is_aged = is_by_age(Head(waiter.priority, waiter.since), self._heads())
        self._waiting[waiter.priority].popleft()
        if waiter.granted.done():  # its asker left in this very turn
            self._ledger.cancelled += 1
            return
        self._was_by_age = is_aged
        if is_beside:
            self._running_beside += 1
        else:
            self._running += 1
        self._last_start = now
        self._count_start(now, now - waiter.since)
        waiter.granted.set_result(is_beside)

    def _count_start(self, now: float, waited_s: float) -> None:
        """Count a start, by the server's limit, too."""
        self._ledger.started(waited_s)
        self._server.started(now)

    def _set_alarm(self, now: float) -> None:
        """Sleep until the next start that is only a matter of time, or the next deadline."""
        moments = [deadline for deadline, _, _ in self._deadlines[:1]]
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
