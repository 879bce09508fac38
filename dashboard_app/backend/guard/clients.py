"""Which clients follow the throttling-config: what each says it acts on, against what it was told. Bounded, nothing is ever refused.

A client names itself and the version it acts on with every request: `X-Throttle-Client: orders; version=42`, or the version in
`X-Throttle-Version`. Every answer tells it the version of that moment (`X-Throttle`), so the age of the config it acts on is the time since
it was last told this version.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock

from dashboard_app.policy.throttle import TTL_S

MOST_CLIENTS = 200
GRACE_S = 2 * TTL_S
"""The contract's ttl and one poll interval: so long a client may act on a config that was not confirmed."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,63}")
_DIGITS = 15
_VERSIONS = 100
_SLOTS, _SLOT_S = 12, 5.0


class Follows(StrEnum):
    """Whether a client does what it was told."""

    CURRENT = "current"
    BEHIND = "behind"
    STALE = "stale"
    UNKNOWN = "unknown"


_ORDER = (Follows.STALE, Follows.BEHIND, Follows.UNKNOWN, Follows.CURRENT)


@dataclass(slots=True)
class _Client:
    """One name. `told`: versions it was told lately, and when last; times are monotonic seconds."""

    name: str
    is_signed_in: bool
    version: int | None = None
    seen_at: float = 0.0
    requests_total: int = 0
    told: dict[int, float] = field(default_factory=dict)
    slots: list[int] = field(default_factory=lambda: [0] * _SLOTS)
    slot: int = 0

    def count(self, now: float) -> None:
        """One more request."""
        self._turn(now)
        self.requests_total += 1
        self.slots[self.slot % _SLOTS] += 1

    def last_minute(self, now: float) -> int:
        """Requests within the last 55 to 60 s."""
        self._turn(now)
        return sum(self.slots)

    def _turn(self, now: float) -> None:
        """Empty the slots that are over."""
        slot = int(now / _SLOT_S)
        for passed in range(max(self.slot + 1, slot - _SLOTS + 1), slot + 1):
            self.slots[passed % _SLOTS] = 0
        self.slot = slot


class Clients:
    """At most 200 names. For a new one the silent longest goes, those that nobody vouches for first."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Nobody was heard."""
        self.dropped_total = 0
        self.ignored_total = 0
        self._monotonic = monotonic
        self._clients: dict[str, _Client] = {}
        self._made: deque[tuple[int, float]] = deque([(1, monotonic())], maxlen=_VERSIONS)
        self._lock = Lock()

    def changed(self, version: int) -> None:
        """The config has a new version as of now."""
        self._made.append((version, self._monotonic()))

    def heard(self, client: str, version: str, *, is_signed_in: bool, counts: bool) -> str | None:
        """Note one request by its two headers; the name, or None when it is no name. `counts`: it is bound by the config's limits."""
        name, acts_on = parse(client, version)
        if name is None:
            self.ignored_total += 1
            return None
        now = self._monotonic()
        with self._lock:
            known = self._clients.get(name) or self._new(name, is_signed_in=is_signed_in)
            known.is_signed_in = known.is_signed_in or is_signed_in
            known.version, known.seen_at = acts_on, now
            if counts:
                known.count(now)
        return name

    def told(self, name: str, version: int) -> None:
        """The answer to `name` carried `version`."""
        with self._lock:
            known = self._clients.get(name)
            if known is not None:
                known.told.pop(version, None)  # the newest stands last
                known.told[version] = self._monotonic()
                if len(known.told) > _VERSIONS:
                    del known.told[next(iter(known.told))]

    def rows(self, version: int, allowed_per_minute: int) -> list[dict[str, object]]:
        """One object per client: who does not follow first, then by requests. `version` holds now."""
        now = self._monotonic()
        with self._lock:
            rows = [self._row(client, version, allowed_per_minute, now) for client in self._clients.values()]
        return sorted(
            rows, key=lambda row: (_ORDER.index(Follows(str(row["follows"]))), -int(str(row["requests_last_minute"])), row["name"])
        )

    def _row(self, client: _Client, version: int, allowed_per_minute: int, now: float) -> dict[str, object]:
        """One client as told to operators."""
        told_at = client.told.get(client.version) if client.version is not None else None
        requests = client.last_minute(now)
        return {
            "name": client.name,
            "is_signed_in": client.is_signed_in,
            "version": client.version,
            "follows": self._follows(client, version, now).value,
            "config_age_s": None if told_at is None else round(now - told_at, 1),
            "seen_s": round(now - client.seen_at, 1),
            "requests_last_minute": requests,
            "allowed_per_minute": allowed_per_minute,
            "is_over": requests > allowed_per_minute,
            "requests_total": client.requests_total,
        }

    def _follows(self, client: _Client, version: int, now: float) -> Follows:
        """Current; behind while it may still be; stale when it acts on what was replaced, or has not asked, for longer than it may."""
        if client.version is None:
            return Follows.UNKNOWN
        if now - client.seen_at > GRACE_S:
            return Follows.STALE
        if client.version == version:
            return Follows.CURRENT
        return Follows.BEHIND if now - self._replaced_at(client.version) <= GRACE_S else Follows.STALE

    def _replaced_at(self, version: int) -> float:
        """When something newer than `version` was made; a version of another life of this process was replaced when this one began."""
        made = list(self._made)
        if version > made[-1][0]:
            return made[0][1]
        return next(at for newer, at in made if newer > version)

    def _new(self, name: str, *, is_signed_in: bool) -> _Client:
        """A place for `name`."""
        if len(self._clients) >= MOST_CLIENTS:
            first = min(self._clients.values(), key=lambda client: (client.is_signed_in, client.seen_at))
            del self._clients[first.name]
            self.dropped_total += 1
        client = self._clients[name] = _Client(name, is_signed_in)
        return client


def parse(client: str, version: str = "") -> tuple[str | None, int | None]:
    """The name and the version of `orders; version=42`, or of `orders` and `42`; None for what is not well formed."""
    name, *parameters = (part.strip() for part in client.split(";"))
    named = dict(part.partition("=")[::2] for part in parameters)
    told = named.get("version", version).strip()
    is_number = told.isascii() and told.isdigit() and len(told) <= _DIGITS
    return (name if _NAME.fullmatch(name) else None), (int(told) if is_number else None)
