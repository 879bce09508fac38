"""A sliding window of calls, by count or by time, and the rates in it that open a breaker."""

from collections import deque

from dashboard_app.model.breaker import Cause, RateLimits

CALLS_AT_MOST = 10_000
"""A window by time keeps no more calls than this: the oldest leave early."""


class Window:
    """The last calls with their running counts; `add` costs the same however large the window is."""

    __slots__ = ("_calls", "_failed", "_limits", "_slow")

    def __init__(self, limits: RateLimits) -> None:
        """Empty."""
        self._limits = limits
        self._calls: deque[tuple[float, bool, bool]] = deque()
        self._failed = self._slow = 0

    def add(self, now: float, *, failed: bool = False, slow: bool = False) -> Cause | None:
        """Count one call that ended at `now`; why the breaker opens, or None."""
        self._calls.append((now, failed, slow))
        self._failed += failed
        self._slow += slow
        self._drop(now)
        return self._verdict()

    def clear(self) -> None:
        """Forget every call."""
        self._calls.clear()
        self._failed = self._slow = 0

    def _drop(self, now: float) -> None:
        """Let go of calls that have left the window."""
        by_time = self._limits.by_time
        most = CALLS_AT_MOST if by_time else self._limits.size
        while len(self._calls) > most or (by_time and self._calls[0][0] <= now - self._limits.size):
            _, failed, slow = self._calls.popleft()
            self._failed -= failed
            self._slow -= slow

    def _verdict(self) -> Cause | None:
        """The rate that is reached; failures are named first."""
        calls = len(self._calls)
        if calls < self._limits.min_calls:
            return None
        if self._failed and self._failed * 100.0 >= self._limits.failure_percent * calls:
            return Cause.FAILURE_RATE
        if self._slow and self._slow * 100.0 >= self._limits.slow_percent * calls:
            return Cause.SLOW_RATE
        return None
