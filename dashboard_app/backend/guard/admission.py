"""Places for database work: so many at once, first come first served, a short wait, then a refusal that says when to come back."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dashboard_app.backend.guard.limits import GuardLimits
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.policy.throttle import ALLOWANCES, level_for

logger = logging.getLogger("spillway.guard")
_WARN_PERCENT = 90.0
_WARNINGS_PER_MINUTE = 5
_MINUTE_S = 60.0
_FULL_PERCENT = 100.0


class Admission:
    """One event loop's places. Waiting is bounded; a cancelled waiter or worker gives its place back."""

    def __init__(self, limits: GuardLimits, monotonic: Callable[[], float]) -> None:
        """All places are free."""
        self.in_flight = 0
        self.rejected_total = 0
        self.limits = limits
        self._monotonic = monotonic
        self.waiters: deque[tuple[asyncio.Future[bool], float]] = deque()
        """Who waits for a place, and since when (monotonic)."""
        self._warnings: deque[float] = deque(maxlen=_WARNINGS_PER_MINUTE)
        self._held_back = 0

    @property
    def limit(self) -> int:
        """How many places there are."""
        return self.limits.max_concurrent_requests

    def queued(self) -> tuple[int, float]:
        """How many wait for a place, and since how many seconds the first of them."""
        if not self.waiters:
            return 0, 0.0
        return len(self.waiters), self._monotonic() - self.waiters[0][1]

    @asynccontextmanager
    async def place(self, usage: Callable[[], float], is_reachable: bool, on_change: Callable[[], None]) -> AsyncIterator[None]:
        """A place for the length of the block. `usage()` is the pool's in percent; `on_change` is called when a wait begins or ends.

        Raises:
            DatabaseUnavailable: at once when the pool is full or the database is known to be away, or after ADMISSION_TIMEOUT_S.

        """
        if not is_reachable:
            raise self._refusal("The database does not answer.", _FULL_PERCENT)
        usage_percent = usage()
        if usage_percent >= _FULL_PERCENT:
            raise self._full()
        if usage_percent >= _WARN_PERCENT:
            self._warn(usage_percent)
        if self.in_flight >= self.limit or self.waiters:
            await self._wait(usage_percent, on_change)
            if usage() >= _FULL_PERCENT:
                self._leave()
                raise self._full()
        else:
            self.in_flight += 1
        try:
            yield
        finally:
            self._leave()

    async def _wait(self, usage_percent: float, on_change: Callable[[], None]) -> None:
        """Return with a place, or refuse."""
        if len(self.waiters) >= self.limits.max_waiting:
            raise self._refusal("Too much database work is waiting already.", usage_percent)
        loop = asyncio.get_running_loop()
        granted: asyncio.Future[bool] = loop.create_future()
        entry = (granted, self._monotonic())
        self.waiters.append(entry)
        timer = loop.call_later(self.limits.admission_timeout_s, _expire, granted)
        on_change()
        try:
            has_place = await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled() and granted.result():
                self._leave()  # the place came in the same turn as the cancellation
            raise
        finally:
            timer.cancel()
            if entry in self.waiters:
                self.waiters.remove(entry)
            on_change()
        if not has_place:
            raise self._refusal(f"All {self.limit} places for database work are taken.", usage_percent)

    def _leave(self) -> None:
        """Hand this place to the first who still waits, or free it."""
        while self.waiters:
            granted, _ = self.waiters.popleft()
            if not granted.done():
                granted.set_result(True)
                return
        self.in_flight -= 1

    def _full(self) -> DatabaseUnavailable:
        """The refusal at 100 % of the pool."""
        return self._refusal("All connections to the database are in use.", _FULL_PERCENT)

    def _refusal(self, detail: str, usage_percent: float) -> DatabaseUnavailable:
        """The error to raise, counted; it says to come back after the level's own delay, at least a second."""
        self.rejected_total += 1
        delay_s = ALLOWANCES[level_for(usage_percent)].request_delay_ms / 1000
        return DatabaseUnavailable(detail, retry_after_s=max(delay_s, 1.0))

    def _warn(self, usage_percent: float) -> None:
        """One line in the log, at most five a minute; the next line says how many were held back."""
        now = self._monotonic()
        if len(self._warnings) == _WARNINGS_PER_MINUTE and now - self._warnings[0] < _MINUTE_S:
            self._held_back += 1
            return
        self._warnings.append(now)
        logger.warning("the pool is %.1f %% in use (%d such lines held back)", usage_percent, self._held_back)
        self._held_back = 0


def _expire(granted: "asyncio.Future[bool]") -> None:
    """The wait is over without a place."""
    if not granted.done():
        granted.set_result(False)
