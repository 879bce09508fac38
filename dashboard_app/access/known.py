"""What is known about credentials without asking the database: each entry with the moment it was last confirmed."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dashboard_app.model.user import Principal
from dashboard_app.store.sessions import Stamps

FRESH_S = 1.0
"""An entry confirmed this recently is used as it is."""
GOOD_S = 900.0
"""While the database cannot be asked an entry confirmed this recently still counts."""
MAX_KNOWN = 10_000
SESSION_IDLE = timedelta(hours=2)
SESSION_LIFE = timedelta(hours=12)


@dataclass(slots=True)
class Known:
    """A session or token by the SHA-256 of its secret. `is_written` False: a session that the database has yet to hear of."""

    key: str
    principal: Principal
    confirmed_mono: float
    expires_at: datetime | None
    seen_at: datetime | None = None
    is_written: bool = True
    address: str = ""

    def is_over(self, now: datetime) -> bool:
        """True past its end, or for a session that nobody used for SESSION_IDLE."""
        if self.expires_at is not None and now >= self.expires_at:
            return True
        return self.seen_at is not None and now - self.seen_at > SESSION_IDLE


class KnownCredentials:
    """Bounded memory of credentials; the least recently used goes first.

    `generation` grows with every loss of a right, so that an answer asked for before it is not believed after it.
    """

    def __init__(self, limit: int = MAX_KNOWN) -> None:
        """Empty."""
        self._limit = limit
        self._entries: OrderedDict[str, Known] = OrderedDict()
        self._gone: OrderedDict[str, None] = OrderedDict()
        self.generation = 0

    def get(self, key: str) -> Known | None:
        """The entry, or None."""
        known = self._entries.get(key)
        if known is not None:
            self._entries.move_to_end(key)
        return known

    def put(self, known: Known) -> None:
        """Keep an entry, unless it was dropped for good."""
        if known.key in self._gone:
            return
        before = self._entries.get(known.key)
        if before is not None and before.seen_at is not None and known.seen_at is not None:
            known.seen_at = max(before.seen_at, known.seen_at)
            known.expires_at = before.expires_at  # never prolonged; `carry` alone moves it, and the table may hear of that later
            known.principal = _newest(before.principal, known.principal)
        self._entries[known.key] = known
        self._entries.move_to_end(known.key)
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def carry(self, moved: timedelta, now: datetime) -> None:
        """The time jumped by `moved` and it is `now`: every session keeps the rest of its life. What is asked for meanwhile is asked again."""
        self.generation += 1
        for known in self._entries.values():
            if known.seen_at is not None and known.expires_at is not None:
                known.expires_at += moved
                known.seen_at = min(known.seen_at + moved, now)
                if known.principal.proved_at is not None:
                    known.principal = replace(known.principal, proved_at=min(known.principal.proved_at + moved, now))

    def stamps(self) -> dict[str, Stamps]:
        """The times of the sessions that are in the table."""
        return {
            known.key: Stamps(known.expires_at - SESSION_LIFE, known.seen_at, known.expires_at, known.principal.proved_at)
            for known in self._entries.values()
            if known.is_written and known.expires_at is not None and known.seen_at is not None and known.principal.proved_at is not None
        }

    def end(self, key: str) -> None:
        """Drop an entry for good: no late answer brings it back."""
        self.generation += 1
        self._entries.pop(key, None)
        self._gone[key] = None
        while len(self._gone) > self._limit:
            self._gone.popitem(last=False)

    def missing(self, key: str) -> None:
        """The database does not have it (any more)."""
        self._entries.pop(key, None)

    def of_user(self, user_id: int) -> list[str]:
        """The keys of a user's sessions."""
        return [key for key, known in self._entries.items() if known.principal.user_id == user_id]

    def replace(self, fresh: Iterable[Known], asked_mono: float) -> None:
        """Take in a full reading that was asked for at `asked_mono`; what it lacks and is older goes."""
        kept = set()
        for known in fresh:
            kept.add(known.key)
            before = self._entries.get(known.key)
            if before is None or before.confirmed_mono < asked_mono:
                self.put(known)
        stale = [k for k, e in self._entries.items() if k not in kept and e.is_written and e.confirmed_mono < asked_mono]
        for key in stale:
            del self._entries[key]

    def __iter__(self) -> Iterator[Known]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)


def _newest(before: Principal, now: Principal) -> Principal:
    """`now`, with the proof of `before` when the table has yet to hear of that."""
    if before.proved_at is None or now.proved_at is None or now.proved_at >= before.proved_at:
        return now
    return replace(now, proved_at=before.proved_at)
