"""How many tries to sign in an address and an account have: counted where passwords are checked, whatever page or call asks."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from limits import RateLimitItem, parse

from dashboard_app.model.errors import NotSignedIn, RateLimited
from dashboard_app.runtime.moving_window import MovingWindow

ACCOUNT_RATE = "30/hour"
"""Failed tries for one account from addresses that it was never signed in at; whoever guesses from everywhere has no more."""


class LoginLimit:
    """Counts failed tries in moving windows; tries under way count, too, so that none slips in between."""

    def __init__(self, rate: str, account_rate: str = ACCOUNT_RATE) -> None:
        """`rate` as in RATE_LIMIT_LOGIN: "10/minute"."""
        self._item: RateLimitItem = parse(rate)
        self._account_item: RateLimitItem = parse(account_rate)
        self._failed = MovingWindow()
        self._under_way: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def one_try(self, address: str, account: str = "") -> Iterator[None]:
        """Inside, one try is under way; a NotSignedIn from it counts and leaves with the tries left.

        `account` "": its tries are not counted, as for somebody at an address that it was signed in at before.

        Raises:
            RateLimited: this address, or this account, has no try left; says in how many seconds it has.

        """
        counts = [(self._item, "login", address), *([(self._account_item, "account", account)] if account else [])]
        for item, kind, name in counts:
            if self._failed.left(item, kind, name) - self._under_way[kind, name] <= 0:
                wait_s = self._failed.wait_s(item, kind, name)
                whose = "from this address" if kind == "login" else "for this account"
                raise RateLimited(f"Too many tries {whose}. Again in {wait_s} s.", retry_after_s=wait_s)
        keys = [(kind, name) for _, kind, name in counts]
        self._under_way.update(keys)
        try:
            yield
        except NotSignedIn as refused:
            for item, kind, name in counts:
                self._failed.hit(item, kind, name)
            raise NotSignedIn(f"{refused.detail} {self._left(address)}") from refused
        finally:
            self._under_way -= Counter(keys)

    def _left(self, address: str) -> str:
        """The sentence about what is left."""
        count = self._failed.left(self._item, "login", address)
        tries = {0: "No tries", 1: "1 try"}.get(count, f"{count} tries")
        return f"{tries} left this {self._item.GRANULARITY.name}."
