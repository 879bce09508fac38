"""How often something happened in the last minute or hour, counted by the `limits` library on a clock that never jumps.

The library asks `time.time()`: whoever had no try left when the machine's clock was put back by a day would have had none for a day.
"""

import math
import time
from collections.abc import Callable

import limits.storage.memory
from limits import RateLimitItem
from limits.strategies import MovingWindowRateLimiter


class Ticks:
    """What the library's memory takes for the module `time`."""

    time: Callable[[], float] = staticmethod(time.monotonic)


limits.storage.memory.time = Ticks  # type: ignore[attr-defined, assignment]


class MovingWindow:
    """What counted, by name, for as long as it counts."""

    def __init__(self) -> None:
        """Nothing happened yet."""
        self._limiter = MovingWindowRateLimiter(limits.storage.MemoryStorage())

    def hit(self, rate: RateLimitItem, *names: str) -> bool:
        """Count one more, if there is one left; one that is refused does not count."""
        return self._limiter.hit(rate, *names)

    def left(self, rate: RateLimitItem, *names: str) -> int:
        """How many more there may be now."""
        return int(self._limiter.get_window_stats(rate, *names).remaining)

    def wait_s(self, rate: RateLimitItem, *names: str) -> int:
        """Whole seconds until the first that counts does so no more, at least 1."""
        return max(1, math.ceil(self._limiter.get_window_stats(rate, *names).reset_time - Ticks.time()))
