"""How late the loop is: counted when it is too late, told for the last minute, kept for good as the longest."""

import asyncio

import pytest

from dashboard_app.model.clock import ManualClock
from dashboard_app.runtime.loop_watch import LoopWatch
from dashboard_app.runtime.watchdog import STALL_S


def test_only_what_is_too_late_counts_as_a_stall() -> None:
    watch = LoopWatch(ManualClock())
    for late in (0.01, STALL_S, STALL_S + 0.01, 1.5):
        watch.saw(late)
    assert (watch.stalls, watch.longest_s, watch.longest_of_window_s()) == (2, 1.5, 1.5)


async def test_the_longest_of_the_last_minute_is_forgotten_after_it_and_the_longest_of_all_is_kept() -> None:
    clock = ManualClock()
    watch = LoopWatch(clock)
    watch.saw(0.9)
    await clock.advance(61)
    watch.saw(0.02)
    assert (watch.longest_of_window_s(), watch.longest_s) == (0.02, 0.9)


class LateOnce(ManualClock):
    """Wakes whoever sleeps 0.4 s too late, and nobody a second time."""

    async def sleep(self, delay_s: float) -> None:
        if self.monotonic() > 1000.0:
            raise asyncio.CancelledError
        await self.advance(delay_s + 0.4)


async def test_a_waking_that_comes_late_is_seen_as_late() -> None:
    watch = LoopWatch(LateOnce())
    with pytest.raises(asyncio.CancelledError):
        await watch.run()
    assert watch.stalls == 1
    assert watch.longest_s == pytest.approx(0.4)
