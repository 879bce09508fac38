"""How long a coroutine itself was at work: waiting does not count, and whoever waits for it notices no difference."""

import asyncio

import pytest

from dashboard_app.model.clock import ManualClock
from dashboard_app.runtime.own_time import OwnTime


async def test_only_its_own_steps_count() -> None:
    clock, noted = ManualClock(), []

    async def work() -> str:
        clock.tick(0.25)
        await clock.sleep(60)
        clock.tick(0.5)
        return "done"

    waiting = asyncio.create_task(_awaited(OwnTime(work(), clock.monotonic, noted.append)))
    await clock.advance(61)
    assert await waiting == "done"
    assert sum(noted) == pytest.approx(0.75)


async def test_a_time_limit_reaches_the_work_and_its_failure_whoever_waits() -> None:
    ended = []

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("its own")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await OwnTime(hangs(), ManualClock().monotonic, lambda _s: None)
    assert ended == [True]
    with pytest.raises(ValueError, match="its own"):
        await OwnTime(fails(), ManualClock().monotonic, lambda _s: None)


async def _awaited(work: OwnTime[str]) -> str:
    return await work
