"""When a source is read again: stale, refetch, retries with jitter, and the slow lane.

`chance` is a random number in 0..1 that the caller draws, so that every rule here stays a function.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

SLOW_AFTER_FAILURES = 2
"""Failures in a row that move a source to the slow lane."""
SLOW_ANSWER_S = 2.0
"""An answer "unhealthy" or "unknown" that took so long is a failure of the source; a quick one is plain news and costs nobody."""
_JITTER = 0.25


@dataclass(frozen=True, slots=True)
class Freshness:
    """One lane's rules, in seconds. `stale_s` <= `refetch_s`; `retries` 0: none."""

    stale_s: float
    refetch_s: float
    retries: int
    retry_delay_s: float


@dataclass(frozen=True, slots=True)
class Track:
    """What a lane knows about one source. `read_at` None: never read; `next_slow_at` counts only in the slow lane."""

    read_at: float | None = None
    failures: int = 0
    next_slow_at: float = 0.0

    @property
    def is_slow(self) -> bool:
        """True while the source belongs to the slow lane."""
        return self.failures >= SLOW_AFTER_FAILURES

    def succeeded(self, now: float) -> "Track":
        """After an answer: back in the normal lane at once."""
        return replace(self, read_at=now, failures=0, next_slow_at=0.0)

    def failed(self, now: float, rules: Freshness, chance: float, *, was_read: bool = False) -> "Track":
        """After a failure: one more in a row, and when the slow lane may ask again. `was_read`: it failed by a slow, bad answer."""
        failures = self.failures + 1
        slow_at = now + slow_interval_s(rules, failures, chance)
        return Track(read_at=now if was_read else self.read_at, failures=failures, next_slow_at=slow_at)

    def is_due(self, now: float, rules: Freshness) -> bool:
        """True when a regular round that starts now reads this source: never read, or stale."""
        return self.read_at is None or now - self.read_at >= rules.stale_s

    def overdue_at(self, rules: Freshness) -> float | None:
        """When it must be read even without a regular round: at once if never read, one refetch after its reading; None: it is failing."""
        if self.failures:
            return None
        return 0.0 if self.read_at is None else self.read_at + rules.refetch_s


def retry_delay_s(rules: Freshness, chance: float) -> float:
    """The pause before a retry: the set delay and up to a quarter more, so that sources that failed together part."""
    return rules.retry_delay_s * (1.0 + _JITTER * chance)


def slow_interval_s(rules: Freshness, failures: int, chance: float) -> float:
    """The slow lane's interval: half a refetch, then doubling to two refetches, a quarter of it up or down by chance."""
    doublings = min(max(failures - SLOW_AFTER_FAILURES, 0), 2)
    return rules.refetch_s * 0.5 * 2.0**doublings * (1.0 + _JITTER * (2.0 * chance - 1.0))


def next_round_at(started_at: float, ended_at: float, rules: Freshness) -> float:
    """When the next round begins: one refetch after the last began, never before it ended."""
    return max(started_at + rules.refetch_s, ended_at)


def first_of(candidates: Mapping[int, Track], visible: frozenset[int]) -> int | None:
    """The source to read next: in view before the rest, never read before read, then the oldest reading, then the lowest id."""
    if not candidates:
        return None
    return min(candidates, key=lambda each: _rank(each, candidates[each], visible))


def in_order(candidates: Mapping[int, Track], visible: frozenset[int]) -> tuple[int, ...]:
    """All of them, in the order in which `first_of` would take them."""
    return tuple(sorted(candidates, key=lambda each: _rank(each, candidates[each], visible)))


def _rank(source_id: int, track: Track, visible: frozenset[int]) -> tuple[bool, bool, float, int]:
    """The order of `first_of` and `in_order`; smaller comes first."""
    return (source_id not in visible, track.read_at is not None, track.read_at or 0.0, source_id)
