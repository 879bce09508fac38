"""The last hour of the pool, one mark a second: its highest usage, its longest queue; and what happened when."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

KEPT_S = 3600
"""One hour of marks: about 300 kB."""
_EVENTS = 500


@dataclass(slots=True)
class _Mark:
    """One second: the most connections in use and the most waiters within it, and how many were in use at its end.

    `end` is when it is over: as a float, since each checkout compares it twice.
    """

    end: float
    top: int
    waiting: int
    last: int


@dataclass(frozen=True, slots=True)
class Happening:
    """Something worth a line in the chart. `kind`: level, reachable, unreachable or cleanup."""

    at: datetime
    kind: str
    text: str


class Recorder:
    """What the pool was like. Seconds without a change repeat the one before; times are monotonic."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._marks: deque[_Mark] = deque(maxlen=KEPT_S)
        self.newest = _Mark(0.0, 0, 0, 0)
        """The second under way. Who knows that `now` is in it and that it has had no less may just set its `last`, without the lock."""
        self._happenings: deque[Happening] = deque(maxlen=_EVENTS)
        self._lock = Lock()

    def mark(self, now: float, checked_out: int, waiting: int) -> None:
        """At `now` this many connections are in use and this many callers wait."""
        with self._lock:
            mark = self.newest
            if now >= mark.end:
                self.newest = _Mark(float(int(now) + 1), max(mark.last, checked_out), waiting, checked_out)
                self._marks.append(self.newest)
                return
            mark.top = max(mark.top, checked_out)
            mark.waiting = max(mark.waiting, waiting)
            mark.last = checked_out

    def tell(self, happening: Happening) -> None:
        """Remember it; the last 500 are kept."""
        self._happenings.append(happening)

    def happenings(self) -> list[Happening]:
        """What happened, the oldest first."""
        return list(self._happenings)

    def peak(self, now: float) -> int:
        """The most connections in use at once within the last hour."""
        return max((top for _, top, _ in self.seconds(now, KEPT_S)), default=0)

    def seconds(self, now: float, back_s: int) -> Iterator[tuple[int, int, int]]:
        """(second, most in use, most waiting) for runs of seconds from `back_s` ago until `now`, rising.

        A quiet stretch gives its first and its last second only: between them nothing changed.
        """
        with self._lock:
            marks = [(int(mark.end) - 1, mark.top, mark.waiting, mark.last) for mark in self._marks]
        first, current = int(now) - back_s + 1, int(now)
        before: tuple[int, int] | None = None
        for second, top, waiting, last in marks:
            if second >= first:
                if before is not None and before[0] < second - 1 >= first:
                    yield max(before[0] + 1, first), before[1], 0
                    if max(before[0] + 1, first) < second - 1:
                        yield second - 1, before[1], 0
                yield second, top, waiting
            before = second, last
        if before is not None and before[0] < current:
            yield current, before[1], 0


def downsampled(points: list[tuple[int, float, int]], most: int) -> list[tuple[int, float, int]]:
    """At most `most` points (time, usage, waiting), evenly spaced in time; each the highest of its stretch, so that no peak is lost."""
    if len(points) <= most:
        return points
    start, end = points[0][0], points[-1][0]
    width = (end - start + 1) / most
    buckets: dict[int, tuple[int, float, int]] = {}
    for at, usage, waiting in points:
        number = int((at - start) / width)
        _, top, longest = buckets.get(number, (at, usage, waiting))
        buckets[number] = (at, max(top, usage), max(longest, waiting))
    return list(buckets.values())
