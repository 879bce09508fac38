"""What time it is, as the database says, carried on by a clock that never jumps: who sets this machine's clock moves nothing in this process."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard_app.model.clock import Clock, SystemClock

_THAT_COUNTS_SLEEP = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
"""On Linux CLOCK_MONOTONIC stands still while the machine is suspended; people's time does not."""


@dataclass(frozen=True, slots=True)
class Told:
    """The time `at` that somebody said between two readings of this clock's `elapsed`."""

    at: datetime
    asked: float
    answered: float


class SteadyClock(SystemClock):
    """`now()` is what was told last plus what has passed since; before the first time this machine's clock at the start plus that."""

    def __init__(self, machine: Clock | None = None, elapsed: Callable[[], float] | None = None) -> None:
        """`machine` is asked once, here. `elapsed`: seconds that never jump, and go on while the machine sleeps."""
        self.elapsed = elapsed or _elapsed
        self.is_told = False
        self._zero = (machine or SystemClock()).now() - timedelta(seconds=self.elapsed())

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return self._zero + timedelta(seconds=self.elapsed())

    def hear(self, told: Told) -> timedelta:
        """Take over a told time, and return how far `now()` moved by it.

        It was told at some moment between question and answer, so it moves this clock only as far as it proves it wrong: a slow answer,
        which proves little, skews nothing.
        """
        earliest, latest = told.at - timedelta(seconds=told.answered), told.at - timedelta(seconds=told.asked)
        before, self._zero = self._zero, min(max(self._zero, earliest), latest) if self.is_told else earliest + (latest - earliest) / 2
        self.is_told = True
        return self._zero - before


def _elapsed() -> float:
    """Seconds since the machine was switched on, those that it slept through, too."""
    return time.monotonic() if _THAT_COUNTS_SLEEP is None else time.clock_gettime(_THAT_COUNTS_SLEEP)
