"""How long a piece of work takes, without the time in which the machine gave this thread no turn: others work here, too."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_SCHEDULE = Path("/proc/thread-self/schedstat")


def waited_for_the_machine_s() -> float:
    """Seconds that this thread was ready to run and had to wait for a processor, since it began; 0 where the kernel does not tell."""
    try:
        return int(_SCHEDULE.read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


class Stopwatch:
    """Runs from when it is made. Waiting for a lock, a socket or a timer counts; waiting for a processor does not."""

    def __init__(self) -> None:
        self._began, self._waited_s = time.monotonic(), waited_for_the_machine_s()

    @property
    def took_s(self) -> float:
        return time.monotonic() - self._began - (waited_for_the_machine_s() - self._waited_s)


@contextlib.contextmanager
def within(limit_s: float) -> Iterator[None]:
    """Fail when the block takes `limit_s` or more."""
    watch = Stopwatch()
    yield
    took_s = watch.took_s
    if took_s >= limit_s:
        pytest.fail(f"took {took_s:.3f} s, which is not below {limit_s:g} s")
