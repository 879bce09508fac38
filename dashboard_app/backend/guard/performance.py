"""How fast each route answers and how often it fails, over the last minutes, in bounded memory.

Each route has a ring of one-minute slots; a slot is a row of buckets. A slot nobody has used costs nothing, a used one 1.3 kB.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from dashboard_app.backend.guard.latency import bucket_of, empty, percentile_s

WINDOW_MIN = 15
"""How far back a reading looks."""
MOST_ROUTES = 200
OTHER = "(other)"
LEFT = 499
"""The status under which a call counts whose caller did not wait for the answer; nginx's number."""
_FAILED = 500
_MINUTE_S = 60.0


@dataclass(slots=True)
class _Minute:
    """What one route did in one minute."""

    number: int
    errors: int = 0
    left: int = 0
    times: "array[int]" = field(default_factory=empty)


class Performance:
    """Answers counted by route template, never by path. At most 200 routes by name, the rest together as "(other)"."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Nothing was answered yet."""
        self._monotonic = monotonic
        self._routes: dict[str, list[_Minute | None]] = {}
        self._lock = Lock()

    def answered(self, route: str, status: int, seconds: float) -> None:
        """One answer of `route`; 5xx is an error, 499 a caller that left before the answer came. Below 1 µs."""
        minute = int(self._monotonic() / _MINUTE_S)
        ring = self._routes.get(route) or self._ring(route)
        slot = ring[minute % WINDOW_MIN]
        if slot is None or slot.number != minute:
            slot = self._turn(ring, minute)
        slot.times[bucket_of(seconds)] += 1
        if status >= _FAILED:
            slot.errors += 1
        elif status == LEFT:
            slot.left += 1

    def rows(self) -> list[dict[str, object]]:
        """One object per route with answers in the window, the most failures first, then the slowest."""
        oldest = int(self._monotonic() / _MINUTE_S) - WINDOW_MIN + 1
        rows = []
        for route, ring in list(self._routes.items()):
            slots = [slot for slot in ring if slot is not None and slot.number >= oldest]
            times = [sum(counts) for counts in zip(*(slot.times for slot in slots), strict=True)]
            if requests := sum(times):
                errors = sum(slot.errors for slot in slots)
                rows.append(
                    {
                        "route": route,
                        "requests": requests,
                        "errors": errors,
                        "error_percent": round(100.0 * errors / requests, 2),
                        "left": sum(slot.left for slot in slots),
                        **{f"p{percent}_ms": _ms(percentile_s(times, percent)) for percent in (50, 95, 99)},
                    }
                )
        return sorted(rows, key=lambda row: (-int(str(row["errors"])), -float(str(row["p99_ms"])), str(row["route"])))

    def _ring(self, route: str) -> list[_Minute | None]:
        """The ring of a route that is seen for the first time; beyond the bound, the one for all others."""
        with self._lock:
            name = route if len(self._routes) < MOST_ROUTES else OTHER
            return self._routes.setdefault(name, [None] * WINDOW_MIN)

    def _turn(self, ring: list[_Minute | None], minute: int) -> _Minute:
        """A new slot for this minute, unless another thread has just made it."""
        with self._lock:
            slot = ring[minute % WINDOW_MIN]
            if slot is None or slot.number != minute:
                slot = ring[minute % WINDOW_MIN] = _Minute(minute)
            return slot


def _ms(seconds: float | None) -> float:
    """Milliseconds in at most three digits that matter."""
    return float(f"{(seconds or 0.0) * 1000:.3g}")
