"""Wait for a ring or a moment, whichever comes first."""

import asyncio

from dashboard_app.model.clock import Clock


class Wake:
    """A bell that remembers one ring. One waiter at a time."""

    def __init__(self, clock: Clock) -> None:
        """Measure moments on `clock`."""
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the waiter, or the next one that comes."""
        self._rung.set()

    async def wait(self, until: float | None = None) -> None:
        """Return at a ring, or at monotonic time `until` (None: at a ring only); takes the ring away."""
        if until is None:
            await self._rung.wait()
        elif not self._rung.is_set():
            await self._ring_or(until)
        self._rung.clear()

    async def _ring_or(self, until: float) -> None:
        """Let a sleeping task ring at `until`."""
        sleeper = asyncio.ensure_future(self._clock.sleep(until - self._clock.monotonic()))
        sleeper.add_done_callback(self._slept)
        try:
            await self._rung.wait()
        finally:
            sleeper.cancel()

    def _slept(self, sleeper: "asyncio.Future[None]") -> None:
        """Ring when the moment has come, not when the wait was cut short."""
        if not sleeper.cancelled():
            self._rung.set()
