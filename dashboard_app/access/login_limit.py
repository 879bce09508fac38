"""How many tries to sign in an address has: counted where passwords are checked, whatever page or call asks."""

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from dashboard_app.model.errors import NotSignedIn, RateLimited


class LoginLimit:
    """Counts failed tries per address in a moving window; tries under way count, too, so that none slips in between."""

    def __init__(self, rate: str) -> None:
        """`rate` as in RATE_LIMIT_LOGIN: "10/minute"."""
        self._item: RateLimitItem = parse(rate)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def one_try(self, address: str) -> Iterator[None]:
        """Inside, one try is under way; a NotSignedIn from it counts and leaves with the tries left.

        Raises:
            RateLimited: this address has no try left; says in how many seconds it has.

        """
        if self._remaining(address) - self._under_way[address] <= 0:
            wait_s = self._wait_s(address)
            raise RateLimited(f"Too many tries from this address. Again in {wait_s} s.", retry_after_s=wait_s)
        self._under_way[address] += 1
        try:
            yield
        except NotSignedIn as refused:
            self._limiter.hit(self._item, "login", address)
            raise NotSignedIn(f"{refused.detail} {self._left(address)}") from refused
        finally:
            self._under_way -= Counter({address: 1})

    def _remaining(self, address: str) -> int:
        """Tries left in the window."""
        return int(self._limiter.get_window_stats(self._item, "login", address).remaining)

    def _wait_s(self, address: str) -> int:
        """Whole seconds until there is a try again, at least 1."""
        return max(1, math.ceil(self._limiter.get_window_stats(self._item, "login", address).reset_time - time.time()))

    def _left(self, address: str) -> str:
        """The sentence about what is left."""
        count = self._remaining(address)
        tries = {0: "No tries", 1: "1 try"}.get(count, f"{count} tries")
        return f"{tries} left this {self._item.GRANULARITY.name}."
