"""Time as a value that is passed in: the wall clock for what people read, the monotonic clock for durations."""

import asyncio
import heapq
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What every part of Spillway that needs time is given."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC. For stamps; never for durations."""

    def monotonic(self) -> float:
        """Seconds that never jump. For durations; the zero is arbitrary."""

    async def sleep(self, delay_s: float) -> None:
        """Return after `delay_s` seconds of this clock; 0 or less gives other tasks one turn."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)
    """Seconds of the machine's monotonic clock; the function itself, since the pool guard asks it six times for a checkout."""

    async def sleep(self, delay_s: float) -> None:
        """Sleep on the running loop."""
        await asyncio.sleep(max(delay_s, 0.0))


class ManualClock:
    """A clock that moves only when a test says so. Both faces move together."""

    def __init__(self, at: datetime | None = None) -> None:
        """Start at `at` (default 2026-01-01T00:00:00Z); monotonic time starts at 1,000 s."""
        self._now = at or datetime(2026, 1, 1, tzinfo=UTC)
        self._monotonic = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        """The time this clock was last moved to."""
        return self._now

    def monotonic(self) -> float:
        """The monotonic time this clock was last moved to."""
        return self._monotonic

    async def sleep(self, delay_s: float) -> None:
        """Wait until `advance` has moved this clock by `delay_s`."""
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._monotonic + delay_s, self._count, woken))
        await woken

    @property
    def next_wake(self) -> float | None:
        """Monotonic time of the next sleeper that still waits, or None."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def tick(self, seconds: float) -> None:
        """Move both faces by `seconds` and wake whoever is due. Tasks run at the next await."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
        while (due := self.next_wake) is not None and due <= self._monotonic + 1e-9:
            heapq.heappop(self._sleepers)[2].set_result(None)

    async def advance(self, seconds: float, *, turns: int = 20) -> None:
        """Move by `seconds`, stopping at each sleeper on the way, and let tasks run `turns` turns after each stop."""
        end = self._monotonic + seconds
        for _ in range(turns):
            await asyncio.sleep(0)
        while (due := self.next_wake) is not None and due <= end + 1e-9:
            self.tick(max(due - self._monotonic, 0.0))
            for _ in range(turns):
                await asyncio.sleep(0)
        self.tick(max(end - self._monotonic, 0.0))
        for _ in range(turns):
            await asyncio.sleep(0)
