"""How often something happened in the last minute or hour, by a clock that never jumps: setting the machine's clock locks nobody out."""

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from limits import RateLimitItem


class MovingWindow:
    """The times of what counted, by name, for as long as they count. Used on one thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Nothing happened yet."""
        self._monotonic = monotonic
        self._times: OrderedDict[str, tuple[int, deque[float]]] = OrderedDict()

    def hit(self, rate: RateLimitItem, *names: str) -> bool:
        """Count one more, if there is one left; one that is refused does not count."""
        if self.left(rate, *names) <= 0:
            return False
        key, life_s = rate.key_for(*names), rate.get_expiry()
        self._times.setdefault(key, (life_s, deque(maxlen=rate.amount)))[1].append(self._monotonic())
        self._times.move_to_end(key)
        self._forget()
        return True

    def left(self, rate: RateLimitItem, *names: str) -> int:
        """How many more there may be now."""
        return rate.amount - len(self._within(rate, *names))

    def wait_s(self, rate: RateLimitItem, *names: str) -> int:
        """Whole seconds until the first that counts does so no more, at least 1."""
        times = self._within(rate, *names)
        return max(1, math.ceil(times[0] + rate.get_expiry() - self._monotonic())) if times else 1

    def __len__(self) -> int:
        return len(self._times)

    def _within(self, rate: RateLimitItem, *names: str) -> deque[float]:
        """What counts now, the oldest first."""
        _, times = self._times.get(rate.key_for(*names), (0, deque[float]()))
        since = self._monotonic() - rate.get_expiry()
        while times and times[0] < since:
            times.popleft()
        return times

    def _forget(self) -> None:
        """Drop names of which nothing counts any more, the one that was counted longest ago first."""
        now = self._monotonic()
        while self._times:
            key, (life_s, times) = next(iter(self._times.items()))
            if times and times[-1] >= now - life_s:
                return
            del self._times[key]
