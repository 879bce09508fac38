"""How late the event loop is, for `/metrics`: one task that wakes ten times a second and notes by how much it was kept waiting.

Where it stood still is told by `watchdog`, from a thread of its own.
"""

from collections import deque

from dashboard_app.model.clock import Clock
from dashboard_app.runtime.watchdog import STALL_S

TICK_S = 0.1
WINDOW_S = 60.0


class LoopWatch:
    """Stalls since the start, and the longest of the last minute."""

    def __init__(self, clock: Clock) -> None:
        """Nothing was seen yet."""
        self._clock = clock
        self._late: deque[tuple[float, float]] = deque(maxlen=round(WINDOW_S / TICK_S))
        self.stalls = 0
        self.longest_s = 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            due = self._clock.monotonic() + TICK_S
            await self._clock.sleep(TICK_S)
            self.saw(max(self._clock.monotonic() - due, 0.0))

    def saw(self, late_s: float) -> None:
        """Note how late one waking was."""
        self._late.append((self._clock.monotonic(), late_s))
        self.longest_s = max(self.longest_s, late_s)
        self.stalls += late_s > STALL_S

    def longest_of_window_s(self) -> float:
        """The latest waking of the last minute."""
        since = self._clock.monotonic() - WINDOW_S
        return max((late for at, late in self._late if at >= since), default=0.0)
