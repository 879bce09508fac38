"""The updater in numbers: its ledger, and what it wrote in each of the last seconds."""

from collections import deque
from dataclasses import dataclass

KEPT_S = 600
"""Seconds of the past that are kept."""


@dataclass(frozen=True, slots=True)
class UpdaterFigures:
    """The ledger: at every moment accepted = written + superseded + queued + dead letters. `level`: ok, waiting, journal_failed."""

    accepted_total: int
    written_total: int
    superseded_total: int
    queued: int
    dead_letter_total: int
    batches_total: int
    checkouts_total: int
    fallbacks_total: int
    last_size: int
    last_duration_ms: float
    journal_bytes: int
    oldest_s: float
    level: str
    is_batching: bool


@dataclass(slots=True)
class Direct:
    """What was written past the queue."""

    accepted: int = 0
    written: int = 0
    superseded: int = 0
    dead: int = 0


@dataclass(slots=True)
class Second:
    """One second in which something was written. `at`: whole seconds of the monotonic clock."""

    at: int
    written: int = 0
    batches: int = 0
    largest: int = 0
    longest_ms: float = 0.0


class Past:
    """The last ten minutes, second by second; seconds without a batch are left out."""

    def __init__(self) -> None:
        """Nothing was written yet."""
        self._seconds: deque[Second] = deque(maxlen=KEPT_S)

    def note(self, now: float, size: int, took_s: float) -> None:
        """A batch was written."""
        at = int(now)
        if not self._seconds or self._seconds[-1].at != at:
            self._seconds.append(Second(at))
        second = self._seconds[-1]
        second.written += size
        second.batches += 1
        second.largest = max(second.largest, size)
        second.longest_ms = max(second.longest_ms, took_s * 1000)

    def since(self, now: float, seconds: int) -> list[Second]:
        """The seconds of the last `seconds`, oldest first."""
        return [one for one in self._seconds if one.at > int(now) - seconds]
