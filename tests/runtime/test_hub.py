"""The hub: every reader gets everything once and in order, or is told that it fell behind."""

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dashboard_app.runtime.hub import FellBehind, Hub, beating


@dataclass
class Told:
    id: int
    follows: int
    size: int = 1


def told(count, after=0):
    return [Told(after + place + 1, after + place) for place in range(count)]


def ids(messages):
    return [message.id for message in messages]


def test_a_reader_reads_from_now_on_or_from_where_it_was():
    hub = Hub()
    hub.publish(told(3))
    late, early = hub.join(), hub.join(hub.position_after(1))
    hub.publish(told(2, after=3))
    assert ids(late.take()) == [4, 5]
    assert ids(early.take(3)) == [2, 3, 4]
    assert ids(early.take()) == [5]
    assert not early.take()


def test_the_history_is_bounded_and_tells_what_it_lets_go():
    hub, gone = Hub(kept=3), []
    hub.on_gone = lambda message: gone.append(message.id)
    slow = hub.join()
    for after in range(10):
        hub.publish(told(1, after))
    assert gone == list(range(1, 8))
    assert (hub.oldest.id, hub.newest_id, hub.end - hub.start) == (8, 10, 3)
    assert [hub.position_after(last) is not None for last in (6, 7, 10, 11)] == [False, True, True, False]
    with pytest.raises(FellBehind):
        slow.take()


def test_the_history_is_bounded_in_bytes_but_keeps_the_newest():
    hub = Hub(kept=100, kept_bytes=10)
    hub.publish([Told(1, 0, 4), Told(2, 1, 4), Told(3, 2, 4)])
    assert hub.oldest.id == 2
    hub.publish([Told(4, 3, 1000)])
    assert (hub.oldest.id, hub.newest_id) == (4, 4)


def test_it_begins_with_what_was_kept_and_a_hole_ends_what_is_owed():
    hub = Hub()
    hub.load([Told(1, 0), Told(4, 3), Told(5, 4)])  # 2 and 3 were never kept
    assert [hub.position_after(last) for last in (1, 2, 3, 4)] == [None, None, 0, 1]
    hub.publish([Told(9, 8)])  # another hole, made while it runs
    assert (hub.oldest.id, hub.position_after(5), hub.position_after(8)) == (9, None, hub.start)


def test_an_empty_past_owes_nothing():
    hub = Hub()
    hub.load([])
    assert hub.oldest is None
    assert hub.position_after(0) == 0
    hub.publish([])
    assert hub.newest_id == 0


async def test_a_waiting_reader_is_woken_by_a_message_by_a_ring_and_by_its_end():
    hub = Hub()
    reader = hub.join()
    for wake in (lambda: hub.publish(told(1)), reader.ring, reader.stop):
        waiting = asyncio.create_task(reader.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        wake()
        async with asyncio.timeout(5):
            await waiting
        if not reader.has_ended:
            reader.take()
    await reader.wait()  # it has ended: nothing to wait for
    hub.leave(reader)
    reader.ring()  # nobody waits: no error


async def test_one_timer_beats_until_it_is_ended():
    loop, beats = asyncio.get_running_loop(), []
    third = asyncio.Event()

    def beat():
        beats.append(len(beats))
        if len(beats) == 3:
            third.set()

    end = beating(loop, 0.01, beat)
    async with asyncio.timeout(10):
        await third.wait()
    end()
    count = len(beats)
    await asyncio.sleep(0)
    assert len(beats) == count


class HubAgainstList(RuleBasedStateMachine):
    """A hub beside the list of all that was ever published."""

    @initialize(kept=st.integers(1, 6))
    def begin(self, kept):
        self.kept, self.hub, self.all, self.readers = kept, Hub(kept=kept), [], []

    @rule(steps=st.lists(st.integers(1, 3), max_size=4))
    def publish(self, steps):
        made = []
        for step in steps:
            before = made[-1].id if made else (self.all[-1].id if self.all else 0)
            made.append(Told(before + step, before))
        self.all += made
        self.hub.publish(made)

    @rule(back=st.integers(0, 8))
    def join(self, back):
        place = max(len(self.all) - back, 0)
        last = self.all[place - 1].id if place else 0
        position = self.hub.position_after(last)
        assert (position is None) is (len(self.all) - place > self.kept)
        if position is not None:
            self.readers.append([self.hub.join(position), place])

    @rule(most=st.integers(1, 3))
    def read(self, most):
        for pair in list(self.readers):
            reader, place = pair
            if place < len(self.all) - self.kept:
                with pytest.raises(FellBehind):
                    reader.take(most)
                self.readers.remove(pair)
                self.hub.leave(reader)
            else:
                assert ids(reader.take(most)) == ids(self.all[place : place + most])
                pair[1] = min(place + most, len(self.all))

    @invariant()
    def is_bounded(self):
        if hasattr(self, "hub"):
            assert self.hub.end - self.hub.start == min(len(self.all), self.kept)
            assert len(self.hub._messages) <= 2 * self.kept + 4


TestHubAgainstList = HubAgainstList.TestCase
TestHubAgainstList.settings = settings(max_examples=60, stateful_step_count=30)
