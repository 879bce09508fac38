"""The line of the requests whose asker paces itself: the queue's concurrency and interval do not bind them, the server's limits do."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DeadlinePassed, QueueFull
from dashboard_app.runtime.queue_ledger import QueueLedger


@dataclass(eq=False, slots=True)
class _Waiter:
    """One request that waits for a place."""

    since: float
    deadline: float
    granted: "asyncio.Future[None]"


class PacedLine:
    """Owned by the request queue, which says when the next may start; `look` asks it to look again. First come, first served."""

    def __init__(self, clock: Clock, ledger: QueueLedger, *, timeout_s: float, at_most: int, look: Callable[[], None]) -> None:
        """Nobody waits; one place."""
        self._ledger = ledger
        self._clock, self._timeout_s, self._at_most, self._look = clock, timeout_s, at_most, look
        self._waiting: deque[_Waiter] = deque()
        self.running = 0
        self.places = 1
        """One may start while fewer requests of all sorts are under way."""
        self.last_start: float | None = None

    def retune(self, *, timeout_s: float, at_most: int) -> None:
        """Go by other limits from now on."""
        self._timeout_s, self._at_most = timeout_s, at_most

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def deadline(self) -> float | None:
        """The first deadline of those that wait."""
        return self._waiting[0].deadline if self._waiting else None

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[float]:
        """Wait for a place, hold it for the block; gives how many seconds are left until the deadline.

        Raises:
            QueueFull: too many wait already.
            DeadlinePassed: no place came in time.

        """
        if len(self._waiting) >= self._at_most:
            self._ledger.refused("background", self._clock.monotonic())
            raise QueueFull
        now = self._clock.monotonic()
        waiter = _Waiter(now, now + self._timeout_s, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._look()
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                self._ledger.cancelled += 1
                self._look()
            elif not waiter.granted.cancelled() and waiter.granted.exception() is None:
                self._leave()
            raise
        try:
            yield max(waiter.deadline - self._clock.monotonic(), 0.01)
        finally:
            self._leave()

    def grant(self, now: float) -> float:
        """Start the one that has waited longest; how long it has waited."""
        waiter = self._waiting.popleft()
        self.running += 1
        self.last_start = now
        if waiter.granted.cancelled():  # its asker left in this very turn
            self.running -= 1
        else:
            waiter.granted.set_result(None)
        return now - waiter.since

    def expire(self, now: float) -> int:
        """End waits past their deadline; how many."""
        ended = 0
        while self._waiting and self._waiting[0].deadline <= now:
            self._end(self._waiting.popleft(), DeadlinePassed())
            ended += 1
        return ended

    def close(self) -> None:
        """Refuse all who wait."""
        while self._waiting:
            self._end(self._waiting.popleft(), QueueFull("the queue is closed"))

    @staticmethod
    def _end(waiter: _Waiter, error: QueueFull | DeadlinePassed) -> None:
        """End one wait with an error."""
        if not waiter.granted.done():
            waiter.granted.set_exception(error)

    def _leave(self) -> None:
        """Free a place."""
        self.running -= 1
        self._look()
