import asyncio

import pytest

from dashboard_app.model.clock import ManualClock, SystemClock


async def test_manual_clock_wakes_sleepers_in_the_order_they_are_due():
    clock, woken = ManualClock(), []

    async def sleeper(name: str, delay_s: float) -> None:
        await clock.sleep(delay_s)
        woken.append((name, clock.monotonic()))

    start = clock.monotonic()
    tasks = [asyncio.create_task(sleeper("late", 2.0)), asyncio.create_task(sleeper("early", 0.5))]
    await clock.advance(1.0)
    assert woken == [("early", start + 0.5)]
    await clock.advance(1.0)
    assert woken == [("early", start + 0.5), ("late", start + 2.0)]
    await asyncio.gather(*tasks)


async def test_both_faces_of_a_manual_clock_move_together():
    clock = ManualClock()
    now, monotonic = clock.now(), clock.monotonic()
    clock.tick(90)
    assert ((clock.now() - now).total_seconds(), clock.monotonic() - monotonic) == (90, 90)


async def test_a_sleep_of_nothing_gives_others_one_turn():
    clock = ManualClock()
    await clock.sleep(0)
    assert clock.next_wake is None


async def test_a_cancelled_sleeper_is_forgotten():
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(5))
    await clock.advance(0)
    assert clock.next_wake == clock.monotonic() + 5
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.next_wake is None
    await clock.advance(10)


async def test_the_system_clock_is_aware_and_does_not_go_back():
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(-1)
    assert clock.now().utcoffset().total_seconds() == 0
    assert clock.monotonic() >= before
