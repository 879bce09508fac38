"""What became of everybody who asked the request queue for a place."""

import logging
import math
from collections import deque
from dataclasses import dataclass

_log = logging.getLogger(__name__)
_WAITS_KEPT = 200
_SAY_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """The queue at one moment; totals since the start; the wait's 95th percentile (nearest rank) over the last 200 starts.

    `rejected_total` counts who found the queue full, those that were shed for somebody more urgent among them. Whoever asked has
    started, timed out, been rejected, left (`cancelled_total`), or waits.
    """

    running: int
    waiting: int
    waiting_by_priority: dict[str, int]
    started_total: int
    timed_out_total: int
    rejected_total: int
    wait_ms_p95: float
    shed_total: int = 0
    cancelled_total: int = 0


class QueueLedger:
    """Counts since the start, and the log's word that requests are lost."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.timed_out = self.shed = self.cancelled = 0
        self._started = self._rejected = 0
        self._waits_s: deque[float] = deque(maxlen=_WAITS_KEPT)
        self._unsaid, self._said_at = 0, -math.inf

    def started(self, waited_s: float) -> None:
        """Count one that got its place after `waited_s`."""
        self._started += 1
        self._waits_s.append(waited_s)

    def refused(self, priority: str, now: float) -> None:
        """Count one of `priority` that finds no room, and say so in the log, every ten seconds at most."""
        self._rejected += 1
        self._unsaid += 1
        if now - self._said_at >= _SAY_EVERY_S:
            _log.warning("the request queue is full: %d refused since the last word, the last one of priority %s", self._unsaid, priority)
            self._unsaid, self._said_at = 0, now

    def figures(self, running: int, waiting_by_priority: dict[str, int]) -> QueueFigures:
        """The queue in numbers."""
        waits = sorted(self._waits_s)
        return QueueFigures(
            running=running,
            waiting=sum(waiting_by_priority.values()),
            waiting_by_priority=waiting_by_priority,
            started_total=self._started,
            timed_out_total=self.timed_out,
            rejected_total=self._rejected,
            wait_ms_p95=round(waits[math.ceil(len(waits) * 0.95) - 1] * 1000.0, 1) if waits else 0.0,
            shed_total=self.shed,
            cancelled_total=self.cancelled,
        )
