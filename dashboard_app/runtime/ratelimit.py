"""How many calls an address has in a moving window, counted by the `limits` library."""

import math
import time

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from dashboard_app.model.errors import RateLimited


class AddressLimit:
    """Counts every call per address. A refused call does not count, so whoever keeps asking is let in again in time."""

    def __init__(self, name: str, rate: str) -> None:
        """`rate` as in the settings: "30/minute"; `name` keeps the counts of different limits apart."""
        self._name = name
        self._item: RateLimitItem = parse(rate)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def hit(self, address: str) -> None:
        """Count one call of `address`.

        Raises:
            RateLimited: none is left; says in how many whole seconds (at least 1) there is.

        """
        if self._limiter.hit(self._item, self._name, address):
            return
        reset = self._limiter.get_window_stats(self._item, self._name, address).reset_time
        wait_s = max(1, math.ceil(reset - time.time()))
        raise RateLimited(f"More than {self._item.amount} a {self._item.GRANULARITY.name}. Again in {wait_s} s.", retry_after_s=wait_s)
