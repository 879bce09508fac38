"""The updater in numbers: its ledger, and what it wrote in each of the last seconds."""

from collections import deque
from dataclasses import dataclass

KEPT_S = 600
"""Seconds of the past that are kept."""
STEP_S = 5
"""Seconds that are told as one."""


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
class Second:
    """One second in which something was written. `at`: whole seconds of the monotonic clock."""

    at: int
    written: int = 0
    batches: int = 0
    largest: int = 0
    longest_ms: float = 0.0


@dataclass(slots=True)
class Step:
    """Some seconds of the past. `ago_s`: when it begins, counted from now, below zero."""

    ago_s: float
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

    def steps(self, now: float) -> list[Step]:
        """The last ten minutes in steps, oldest first; nothing was written in a step without a batch. The running step is left out."""
        last = int(now) // STEP_S
        steps = [Step((last - number) * STEP_S - now) for number in range(KEPT_S // STEP_S - 1, 0, -1)]
        for second in self._seconds:
            place = second.at // STEP_S - last + len(steps)
            if 0 <= place < len(steps):
                step = steps[place]
                step.written += second.written
                step.batches += second.batches
                step.largest = max(step.largest, second.largest)
                step.longest_ms = max(step.longest_ms, second.longest_ms)
        return steps
