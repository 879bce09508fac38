"""The batcher: nothing lost, order kept, never late, never too large, whatever fails."""

import asyncio
import contextlib
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard_app.model.clock import ManualClock, SystemClock
from dashboard_app.model.errors import DatabaseUnavailable, DeadlinePassed, QueueFull
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.runtime.batcher import Batcher, RetryRule

LIMITS = BatchLimits(size=3, age_s=2.0, most=5, waiting_most=8)


class Receiver:
    """Keeps what was sent and when; fails while `failing` is above zero; waits while `gate` is clear."""

    def __init__(self, clock):
        self.clock = clock
        self.batches = []
        self.at = []
        self.failing = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, batch):
        await self.gate.wait()
        if self.failing:
            self.failing -= 1
            raise DatabaseUnavailable
        self.batches.append(list(batch))
        self.at.append(self.clock.monotonic())

    @property
    def items(self):
        return [item for batch in self.batches for item in batch]


@contextlib.asynccontextmanager
async def running(limits=LIMITS, clock=None, **options):
    clock = clock or ManualClock()
    receiver = Receiver(clock)
    batcher = Batcher(limits, receiver, clock, **options)
    task = asyncio.create_task(batcher.run())
    await asyncio.sleep(0)
    try:
        yield batcher, receiver, clock
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def turns(count=10):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_full_batch_goes_at_once_and_a_small_one_when_its_oldest_is_old_enough():
    async with running() as (batcher, receiver, clock):
        for item in "abc":
            batcher.add(item)
        await turns()
        assert receiver.batches == [["a", "b", "c"]]
        batcher.add("d")
        await clock.advance(1.9)
        batcher.add("e")
        assert len(receiver.batches) == 1
        await clock.advance(0.1)
        assert receiver.batches[1:] == [["d", "e"]]


async def test_what_gathers_while_a_batch_is_under_way_goes_in_the_next_one_up_to_the_most():
    async with running() as (batcher, receiver, _):
        receiver.gate.clear()
        for item in range(3):
            batcher.add(item)
        await turns()
        for item in range(3, 10):
            batcher.add(item)
        receiver.gate.set()
        await turns()
        assert receiver.batches == [[0, 1, 2], [3, 4, 5, 6, 7]]
        assert batcher.figures().waiting == 2


async def test_with_a_key_the_last_one_wins_at_the_age_of_the_older():
    async with running(key=lambda item: item[0]) as (batcher, receiver, clock):
        batcher.add((1, "pending"))
        await clock.advance(1.5)
        batcher.add((1, "completed"))
        batcher.add((2, "error"))
        await clock.advance(0.5)
        assert receiver.batches == [[(1, "completed"), (2, "error")]]
        figures = batcher.figures()
        assert (figures.added_total, figures.superseded_total, figures.sent_total) == (3, 1, 2)


async def test_full_refuses_and_forgets_nothing():
    async with running() as (batcher, receiver, _):
        receiver.gate.clear()
        for item in range(3):
            batcher.add(item)
        await turns()
        for item in range(8):
            batcher.add(item)
        with pytest.raises(QueueFull):
            batcher.add("too many")
        with pytest.raises(QueueFull):
            batcher.add_from_thread("too many")
        assert batcher.figures().refused_total == 2
        receiver.gate.set()
        await batcher.flush(1)
        assert len(receiver.items) == 11


async def test_a_failing_batch_is_tried_again_in_order_after_growing_pauses():
    async with running() as (batcher, receiver, clock):
        receiver.failing = 3
        began = clock.monotonic()
        for item in range(4):
            batcher.add(item)
        await turns()
        assert batcher.figures().is_failing
        await clock.advance(0.5 + 1.0)
        assert receiver.batches == []
        await clock.advance(2.0)
        assert receiver.batches[0] == [0, 1, 2, 3]
        assert receiver.at[0] - began == pytest.approx(3.5)
        assert not batcher.figures().is_failing


async def test_when_its_tries_are_used_a_batch_is_set_aside_and_the_next_one_goes():
    aside = []
    rule = RetryRule(tries=2, first_s=0.5, longest_s=0.5)
    async with running(retry=rule, give_up=lambda items, failure: aside.append((items, failure.code))) as (batcher, receiver, clock):
        receiver.failing = 3
        for item in "abc":
            batcher.add(item)
        await clock.advance(1.0)
        assert aside == [(["a", "b", "c"], "database_unavailable")]
        batcher.add("d")
        assert await asyncio.gather(batcher.flush(5), clock.advance(0.1)) == [1, None]
        assert (receiver.items, batcher.figures().given_up_total) == (["d"], 3)


async def test_a_flush_returns_when_what_waited_is_sent_and_says_how_much():
    async with running() as (batcher, receiver, _):
        assert await batcher.flush(1) == 0
        batcher.add("a")
        batcher.add("b")
        assert await batcher.flush(1) == 2
        assert receiver.batches == [["a", "b"]]


async def test_a_flush_that_takes_too_long_ends_and_nothing_is_lost():
    async with running(clock=SystemClock()) as (batcher, receiver, _):
        receiver.gate.clear()
        batcher.add("a")
        with pytest.raises(DeadlinePassed):
            await batcher.flush(0.05)
        assert batcher.left() == ["a"]
        receiver.gate.set()
        await batcher.close(1)
        assert (receiver.items, batcher.left()) == (["a"], [])


async def test_threads_bring_items_and_none_is_lost():
    limits = BatchLimits(size=50, age_s=0.05, most=500, waiting_most=100_000)
    async with running(limits, SystemClock()) as (batcher, receiver, _):

        def bring(first):
            for number in range(2000):
                batcher.add_from_thread((first, number))

        threads = [threading.Thread(target=bring, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(lambda: [thread.join() for thread in threads])
        await batcher.flush(5)
    assert len(receiver.items) == 8000
    for first in range(4):
        assert [number for who, number in receiver.items if who == first] == list(range(2000))
    assert max(len(batch) for batch in receiver.batches) <= 500


async def test_without_a_loop_that_runs_a_thread_is_refused():
    batcher = Batcher(LIMITS, Receiver(ManualClock()), ManualClock())
    with pytest.raises(QueueFull):
        batcher.add_from_thread("x")


async def test_other_limits_hold_from_now_on():
    async with running() as (batcher, receiver, _):
        batcher.add("a")
        await turns()
        batcher.retune(BatchLimits(size=1, age_s=2.0, most=1, waiting_most=8))
        await turns()
        batcher.add("b")
        batcher.add("c")
        await turns(20)
        assert receiver.batches == [["a"], ["b"], ["c"]]


async def flushed(batcher, clock):
    """Flush while the clock runs on, however long the pauses have grown."""
    flushing = asyncio.ensure_future(batcher.flush(50))
    while not flushing.done():
        await clock.advance(1.0)
    return await flushing


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 4)),
        st.tuples(st.just("advance"), st.floats(0.01, 3.0)),
        st.tuples(st.just("fail"), st.integers(1, 2)),
        st.tuples(st.just("flush"), st.none()),
    ),
    max_size=60,
)


@given(STEPS, st.booleans())
@settings(max_examples=150, deadline=None)
def test_nothing_is_lost_order_is_kept_nothing_is_late_and_no_batch_too_large(steps, has_key):
    async def story():
        clock = ManualClock()
        async with running(clock=clock, key=(lambda item: item[0]) if has_key else None) as (batcher, receiver, _):
            added, number, has_failed = [], 0, False
            for step, value in steps:
                if step == "add":
                    number += 1
                    with contextlib.suppress(QueueFull):
                        batcher.add((value, number, clock.monotonic()))
                        added.append((value, number))
                elif step == "advance":
                    await clock.advance(value)
                elif step == "fail":
                    receiver.failing, has_failed = value, True
                else:
                    await flushed(batcher, clock)
            receiver.failing = 0
            await flushed(batcher, clock)
            sent = [(key, number) for key, number, _ in receiver.items]
            for key in {key for key, _ in added}:
                wanted = [number for one, number in added if one == key]
                got = [number for one, number in sent if one == key]
                assert got == sorted(got)
                assert got[-1] == wanted[-1] if has_key else got == wanted
            assert all(len(batch) <= LIMITS.most for batch in receiver.batches)
            if not has_failed and not has_key:
                late = [at - since for batch, at in zip(receiver.batches, receiver.at, strict=True) for _, _, since in batch]
                assert all(wait <= LIMITS.age_s + 1e-6 for wait in late)
            figures = batcher.figures()
            assert figures.added_total == figures.sent_total + figures.superseded_total + figures.waiting + figures.under_way

    asyncio.run(story())
