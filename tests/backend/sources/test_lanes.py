import asyncio

import pytest

from dashboard_app.backend.sources.lanes import Lanes
from dashboard_app.model.errors import DeadlinePassed


class Holder:
    """Somebody in a place until told to go."""

    def __init__(self, lanes: Lanes, *, slow: bool) -> None:
        self.leave = asyncio.Event()
        self.is_in = asyncio.Event()
        self.task = asyncio.create_task(self._stay(lanes, slow))

    async def _stay(self, lanes, slow):
        async with lanes.place(slow=slow):
            self.is_in.set()
            await self.leave.wait()


async def test_a_place_that_is_held_too_long_is_given_to_the_next_and_never_twice():
    lanes = Lanes(fast=1, hold_s=0.01, wait_s=5)
    first = Holder(lanes, slow=False)
    await first.is_in.wait()
    second = Holder(lanes, slow=False)
    await asyncio.wait_for(second.is_in.wait(), 2)
    assert not first.task.done()
    first.leave.set()
    second.leave.set()
    await asyncio.gather(first.task, second.task)
    assert lanes._fast._value == 1


async def test_the_slow_lane_keeps_its_places_and_takes_none_of_the_fast():
    lanes = Lanes(fast=1, slow=1, hold_s=0.01, wait_s=0.05)
    slow = Holder(lanes, slow=True)
    await slow.is_in.wait()
    with pytest.raises(DeadlinePassed):
        async with lanes.place(slow=True):
            pytest.fail("two in one place")
    async with lanes.place(slow=False):
        pass
    slow.leave.set()
    await slow.task


async def test_one_who_is_cancelled_gives_its_place_back():
    lanes = Lanes(fast=1, slow=1, hold_s=60, wait_s=1)
    for is_slow in (True, False):
        holder = Holder(lanes, slow=is_slow)
        await holder.is_in.wait()
        holder.task.cancel()
        await asyncio.gather(holder.task, return_exceptions=True)
    assert (lanes._fast._value, lanes._slow._value) == (1, 1)
