"""Places for probes: the living share one lane, those that did not answer last time another, so that the dead delay nobody else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from dashboard_app.model.errors import DeadlinePassed

FAST_PLACES = 32
SLOW_PLACES = 8
FAST_HOLD_S = 0.5
"""A probe in the fast lane gives its place to the next after this long, though it goes on: a source that begins to hang
costs the others half a second at most. How many go on at once is bounded by one per source and the probe's own time limit."""
WAIT_LIMIT_S = 1.5


class Lanes:
    """Bounded concurrency of probes."""

    def __init__(self, fast: int = FAST_PLACES, slow: int = SLOW_PLACES, hold_s: float = FAST_HOLD_S, wait_s: float = WAIT_LIMIT_S) -> None:
        """No task and no loop is needed yet."""
        self._fast = asyncio.Semaphore(fast)
        self._slow = asyncio.Semaphore(slow)
        self._hold_s = hold_s
        self._wait_s = wait_s

    @contextlib.asynccontextmanager
    async def place(self, *, slow: bool) -> AsyncIterator[None]:
        """Within: a place in the lane.

        Raises:
            DeadlinePassed: none became free in time.

        """
        lane = self._slow if slow else self._fast
        try:
            async with asyncio.timeout(self._wait_s):
                await lane.acquire()
        except TimeoutError as error:
            raise DeadlinePassed("Too many sources are being probed at once") from error
        with contextlib.ExitStack() as held:
            held.callback(lane.release)
            if not slow:
                timer = asyncio.get_running_loop().call_later(self._hold_s, held.close)
                held.callback(timer.cancel)
            yield
