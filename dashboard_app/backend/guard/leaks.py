"""Suspected leaks as they were found, and how each ended: given back after all, taken back by a cleanup, or not yet."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from dashboard_app.backend.guard.call_site import Trace, call_site, stack

logger = logging.getLogger("spillway.guard")
RETURNED, RECLAIMED = "returned", "reclaimed"
_RECENT = 20


@dataclass(slots=True)
class Leak:
    """One checkout that was held for too long and ran nothing. Times are monotonic; `ended` None: it is out still."""

    id: int
    task: str
    route: str
    trace: Trace
    since: float
    ended: str | None = None
    held_s: float = 0.0


class Leaks:
    """Counts since the start, and the last 20. A leak is counted once, however often it is looked at."""

    def __init__(self) -> None:
        """None found yet."""
        self.found_total = 0
        self.returned_total = 0
        self.reclaimed_total = 0
        self._recent: deque[Leak] = deque(maxlen=_RECENT)
        self._lock = Lock()

    def find(self, leak: Leak, now: float) -> None:
        """A checkout has become a suspected leak: one line in the log, once."""
        with self._lock:
            self.found_total += 1
            self._recent.appendleft(leak)
        held_s, way = now - leak.since, " < ".join(stack(leak.trace)) or call_site(leak.trace)
        logger.warning("suspected leak: checkout %d (%s) is held for %.0f s and runs nothing; taken at %s", leak.id, leak.task, held_s, way)

    def end(self, leak: Leak, now: float, *, is_reclaimed: bool) -> None:
        """Its connection is back, by its holder or by a cleanup."""
        with self._lock:
            if leak.ended is not None:
                return
            leak.held_s = now - leak.since
            leak.ended = RECLAIMED if is_reclaimed else RETURNED
            if is_reclaimed:
                self.reclaimed_total += 1
            else:
                self.returned_total += 1
        if not is_reclaimed:
            logger.info("checkout %d (%s) was returned after all, after %.0f s", leak.id, leak.task, leak.held_s)

    def to_json(self, monotonic: Callable[[], float]) -> dict[str, object]:
        """The totals, and the last 20 leaks, the newest first."""
        with self._lock:
            now = monotonic()
            return {
                "found_total": self.found_total,
                "returned_total": self.returned_total,
                "reclaimed_total": self.reclaimed_total,
                "recent": [_leak_json(leak, now) for leak in self._recent],
            }


def _leak_json(leak: Leak, now: float) -> dict[str, object]:
    """One leak; while it is out `held_s` grows."""
    return {
        "id": leak.id,
        "task": leak.task,
        "route": leak.route,
        "call_site": call_site(leak.trace),
        "stack": list(stack(leak.trace)),
        "held_s": round(now - leak.since if leak.ended is None else leak.held_s, 3),
        "ended": leak.ended,
    }
