"""Spillway as it is served, with two levers that only the harness has: `python -m tests.faults.matrix.launched serve`.

SIGUSR1 stalls its event loop for STALL_S seconds of real blocking; SIGUSR2 reads CLOCK_FILE: from then on the wall clock is so many seconds
off, for Spillway and for whatever asks `time.time()` (Reflex does). The monotonic clock runs on, as it does when a machine's clock is set.
What the machine's clock says then stands in CLOCK_FILE.said, as Spillway and as everybody else reads it.
"""

import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dashboard_app.model.clock import SystemClock

_REAL = time.time
_offset_s = 0.0


def _set_clock(*_: Any) -> None:
    global _offset_s  # noqa: PLW0603 - one process, one clock
    _offset_s = float(Path(os.environ["CLOCK_FILE"]).read_text())
    fresh = Path(os.environ["CLOCK_FILE"] + ".fresh")
    fresh.write_text(f"{SystemClock().now().timestamp()} {time.time()}")
    fresh.replace(os.environ["CLOCK_FILE"] + ".said")


def _now(_clock: SystemClock) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=_offset_s)


def _stall(*_: Any) -> None:
    time.sleep(float(os.environ["STALL_S"]))


def main() -> None:
    """Serve."""
    if "CLOCK_FILE" in os.environ:
        time.time = lambda: _REAL() + _offset_s
        SystemClock.now = _now  # type: ignore[method-assign]
        signal.signal(signal.SIGUSR2, _set_clock)
    if "STALL_S" in os.environ:
        signal.signal(signal.SIGUSR1, _stall)
    from dashboard_app.cli import app

    app(prog_name="spillway")


if __name__ == "__main__":
    main()
