"""How many requests the adaptive pace keeps under way: one more for each full window of good answers, half at the first bad sign.

Times are monotonic seconds of real starts. Two bounds come from outside: what the server allows at once, and the room that others leave
in its pool; both meet in `places`. A pool gives no sign before it is full, so the bounds hold, and the halving is for servers that tell nothing.
"""

import math
from dataclasses import dataclass, replace
from enum import Enum

from dashboard_app.policy.pacing import HOLD_S

UNTOLD_PLACES = 10
"""Requests at once at a server that tells no limit: what the contract allows at NORMAL."""
TARGET_SHARE = 0.8
"""The part of a pool that its holders and this console together stay below."""
SLOW_TIMES = 4.0
SLOW_AT_LEAST_S = 0.25
"""An answer is slow when it takes so many times the usual, and at least so long."""
SLOW_BULK_S = 2.0
"""A bulk read's time depends on how many it reads; it is slow from here on."""
REST_S = 5.0
"""After so long without an answer the window is the first one again: nobody knows who came meanwhile."""
_WEIGHT = 0.125
_ROUNDING = 1e-9


class Signal(Enum):
    """What an outcome says about the server."""

    GOOD = "good"
    SILENT = "silent"
    """No answer in time."""
    REFUSED = "refused"
    NOTHING = "nothing"
    """It is about the source alone."""


@dataclass(frozen=True, slots=True)
class Usage:
    """A pool as its server told it; `own` of this console's requests were under way then and may be among the used."""

    used: float
    capacity: int
    own: int


def places(told: int | None, usage: Usage | None) -> int:
    """How many requests may be under way: what the server says, and what keeps its pool below the target; one always.

    What may be this console's own is counted as its own: the others are never guessed too low by more than that.
    """
    most = UNTOLD_PLACES if told is None else max(told, 1)
    if usage is None or usage.capacity <= 0:
        return most
    others = math.ceil(max(usage.used - usage.own, 0.0))
    return max(min(most, math.ceil(usage.capacity * TARGET_SHARE) - 1 - others), 1)


@dataclass(frozen=True, slots=True)
class Window:
    """Where one lane stands. `first` is the size it starts with; `flying` are requests under way with their starts."""

    first: int
    size: float
    flying: tuple[tuple[int, float], ...] = ()
    usual_s: float | None = None
    last_answer: float | None = None
    backed_off_at: float | None = None
    good_start: float | None = None
    """The newest start of a request that was answered well in good time."""
    filled_at: float | None = None
    """When the window was used in full the last time."""

    @staticmethod
    def opened(first: int, flying: tuple[tuple[int, float], ...] = ()) -> "Window":
        """A window of the first size over what is under way already."""
        return Window(first, float(first), flying)

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self.flying)

    def at_once(self, most: int) -> int:
        """How many may be under way when `most` places are given."""
        return min(self.whole, most)

    @property
    def whole(self) -> int:
        """The size in requests; a sum of thirds is a whole one."""
        return int(self.size + _ROUNDING)

    def next_start(self, most: int, now: float) -> float | None:
        """The earliest moment for the next start; None: not before an answer. What hangs for HOLD_S takes no room any more."""
        fresh = [start for _, start in self.flying if now < start + HOLD_S]
        if self.in_flight >= most:
            return None
        return now if len(fresh) < self.at_once(most) else min(fresh) + HOLD_S

    def started(self, key: int, now: float) -> "Window":
        """The window after the start of request `key`."""
        has_rested = not self.flying and self.last_answer is not None and now - self.last_answer >= REST_S
        size = float(self.first) if has_rested else self.size
        after = replace(self, size=size, flying=(*self.flying, (key, now)))
        return replace(after, filled_at=now) if after.in_flight >= after.whole else after

    def answered(self, key: int, now: float, signal: Signal, most: int, *, is_bulk: bool = False) -> "Window":
        """The window after the outcome of request `key`."""
        start = dict(self.flying).get(key)
        flying = tuple(pair for pair in self.flying if pair[0] != key)
        after = replace(self, flying=flying, last_answer=now)
        if start is None or signal is Signal.NOTHING:
            return after
        took_s = now - start
        is_slow = self._is_slow(took_s, signal, is_bulk=is_bulk)
        if (signal is Signal.REFUSED or is_slow) and self._is_old_news(start):
            return after
        if signal is Signal.REFUSED or (is_slow and not self._is_overtaken(start)):
            after = replace(after, size=max(self.size / 2.0, 1.0), backed_off_at=now)
        elif signal is Signal.GOOD and not is_slow:
            after = replace(after, size=self._grown(start, most), good_start=max(start, self.good_start or start))
        if signal is Signal.GOOD and not is_bulk:
            usual_s = took_s if self.usual_s is None else self.usual_s + _WEIGHT * (took_s - self.usual_s)
            after = replace(after, usual_s=usual_s)
        return after

    def _is_slow(self, took_s: float, signal: Signal, *, is_bulk: bool) -> bool:
        """True for an answer that took far longer than usual, or none at all."""
        if signal is Signal.SILENT:
            return True
        if is_bulk:
            return took_s >= SLOW_BULK_S
        return self.usual_s is not None and took_s >= max(SLOW_TIMES * self.usual_s, SLOW_AT_LEAST_S)

    def _is_overtaken(self, start: float) -> bool:
        """True when a request that began later was answered in good time: then the source is slow, not the server."""
        return self.good_start is not None and self.good_start > start

    def _is_old_news(self, start: float) -> bool:
        """True for what was under way when the window stepped back: one trouble is one step, and one slow answer for what is usual."""
        return self.backed_off_at is not None and start < self.backed_off_at

    def _grown(self, start: float, most: int) -> float:
        """One more for each window of good answers, if it was full while the request was under way, never above `most`."""
        if self.filled_at is None or self.filled_at < start or self.size >= most:
            return self.size
        return min(self.size + 1.0 / self.whole, float(most))
