"""One lane in virtual time at the default settings: the frozen cost the living nothing, rounds, retries, pauses."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

import pytest

from dashboard_app.console.client.reading import ReadHow
from dashboard_app.console.lane import Lane
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, NotFound, QueueFull
from dashboard_app.policy.freshness import Freshness
from dashboard_app.policy.pacing import Plan
from tests.console.running import oldest_age_s

HEALTH = Plan(3, 0.2, 1.0)
RULES = Freshness(60, 120, 2, 3)


class Server:
    """Answers after 50 ms; frozen ids fail after 8 s, broken ones at once."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.frozen: set[int] = set()
        self.broken: set[int] = set()
        self.gone: set[int] = set()
        self.full = False
        self.in_flight = self.peak = 0
        self.starts: list[tuple[int, float]] = []
        self.reads: dict[int, list[float]] = {}

    async def read(self, source_id: int, how: ReadHow) -> bool:
        if self.full:
            raise QueueFull
        how.on_start()
        self.starts.append((source_id, self.clock.monotonic() - 1000))
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await self.clock.sleep(8.0 if source_id in self.frozen else 0.05)
        finally:
            self.in_flight -= 1
        if source_id in self.gone:
            raise NotFound
        if source_id in self.frozen | self.broken:
            raise BackendFailed(cause="timeout")
        self.reads.setdefault(source_id, []).append(self.clock.monotonic() - 1000)
        return True


class Setup:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.server = Server(self.clock)
        self.paused, self.visible = "", frozenset[int]()
        self.lane = Lane(
            HEALTH,
            RULES,
            self.server.read,
            self.clock,
            why_paused=lambda: self.paused,
            visible=lambda: self.visible,
            chance=lambda: 0.5,
        )

    def ids(self) -> list[int]:
        return [source_id for source_id, _ in self.server.starts]


@contextlib.asynccontextmanager
async def a_lane(count: int = 0) -> AsyncIterator[Setup]:
    setup = Setup()
    setup.lane.set_sources(set(range(1, count + 1)), {})
    task = asyncio.create_task(setup.lane.run())
    try:
        yield setup
    finally:
        task.cancel()
        await asyncio.gather(task, *setup.lane._tasks, return_exceptions=True)


async def test_twenty_sources_take_the_closed_form_and_the_next_round_begins_one_refetch_later() -> None:
    async with a_lane(20) as setup:
        await setup.clock.advance(119)
        assert len(setup.server.starts) == 20
        report = setup.lane.last_round
        assert report is not None
        assert report.duration_s == pytest.approx(1.45 * 6 + 0.2 + 0.05, abs=0.01)
        assert setup.lane.next_check_s(1) == pytest.approx(1.0, abs=0.01)
        await setup.clock.advance(30)
        assert len(setup.server.starts) == 40
        assert setup.server.starts[20][1] == pytest.approx(120, abs=0.01)


async def test_thirty_frozen_of_a_hundred_do_not_age_the_living() -> None:
    living = set(range(31, 101))
    ages = []
    for frozen in (set(), set(range(1, 31))):
        async with a_lane(100) as setup:
            setup.server.frozen = frozen
            await setup.clock.advance(900)
            ages.append(oldest_age_s(setup.server.reads, living, 400, 900))
            assert setup.server.peak <= 3
            assert setup.lane.progress().slow == len(frozen)
    assert ages[1] <= 1.2 * ages[0]


async def test_a_failing_source_is_retried_twice_three_seconds_apart_and_holds_no_batch() -> None:
    async with a_lane(7) as setup:
        setup.server.broken = {1}
        await setup.clock.advance(20)
        tries = [at for source_id, at in setup.server.starts if source_id == 1]
        assert len(tries) == 3
        assert all(3.0 <= after - before <= 5.0 for before, after in itertools.pairwise(tries))
        report = setup.lane.last_round
        assert report is not None
        assert report.failed == 1
        progress = setup.lane.progress()
        assert (progress.done, progress.total, progress.slow, progress.reason) == (7, 7, 1, "1 in the slow lane")


async def test_the_slow_lane_asks_at_growing_intervals_and_one_success_ends_it() -> None:
    async with a_lane(1) as setup:
        setup.server.broken = {1}
        await setup.clock.advance(600)
        tries = [at for _, at in setup.server.starts]
        gaps = [round(after - before) for before, after in itertools.pairwise(tries)]
        assert gaps == [3, 3, 120, 240]
        setup.server.broken = set()
        await setup.clock.advance(300)
        assert setup.lane.progress().slow == 0


async def test_in_view_and_never_read_come_first() -> None:
    setup = Setup()
    now = setup.clock.monotonic()
    setup.lane.set_sources({1, 2, 3, 4}, {1: now - 100, 2: now - 200, 3: now - 10})
    setup.visible = frozenset({1})
    task = asyncio.create_task(setup.lane.run())
    await setup.clock.advance(5)
    assert setup.ids() == [1, 4, 2]
    assert setup.lane.next_check_s(3) == pytest.approx(120 - 10 - 5, abs=0.01)  # its reading is from disk and older than the round
    await setup.clock.advance(106)
    assert setup.ids() == [1, 4, 2, 3]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_pause_stops_starts_and_keeps_the_round() -> None:
    async with a_lane(6) as setup:
        await setup.clock.advance(0.3)
        setup.paused = "paused: the circuit breaker is open"
        await setup.clock.advance(60)
        assert len(setup.server.starts) == 2
        assert setup.lane.progress().reason == setup.paused
        assert setup.lane.next_check_s(6) is None
        setup.paused = ""
        setup.lane.wake()
        await setup.clock.advance(10)
        assert sorted(setup.ids()) == [1, 2, 3, 4, 5, 6]


async def test_a_forced_round_reads_all_and_a_second_joins_it() -> None:
    async with a_lane(3) as setup:
        await setup.clock.advance(5)
        assert [setup.lane.begin(), setup.lane.begin()] == [True, False]
        assert setup.lane.next_check_s(2) == 0.0
        await setup.clock.advance(5)
        assert len(setup.server.starts) == 6
        assert setup.lane.next_check_s(99) is None


async def test_new_sources_are_read_at_once_and_removed_ones_are_left() -> None:
    async with a_lane(2) as setup:
        await setup.clock.advance(5)
        setup.lane.set_sources({2, 3}, {})
        await setup.clock.advance(5)
        assert setup.ids() == [1, 2, 3]
        setup.lane.begin()
        setup.lane.set_sources({3, 4}, {})
        await setup.clock.advance(5)
        assert setup.ids() == [1, 2, 3, 4, 3]
        assert setup.lane.progress().total == 2


async def test_what_was_not_even_sent_is_tried_again_a_breath_later() -> None:
    async with a_lane(1) as setup:
        setup.server.full = True
        await setup.clock.advance(3.5)
        setup.server.full = False
        await setup.clock.advance(2)
        assert setup.ids() == [1]
        assert setup.lane.progress().slow == 0


async def test_a_source_the_server_does_not_know_is_dropped() -> None:
    async with a_lane(2) as setup:
        setup.server.gone = {1}
        await setup.clock.advance(200)
        assert setup.lane.progress().total == 1


async def test_a_lane_without_sources_has_nothing_to_begin() -> None:
    async with a_lane() as setup:
        assert setup.lane.begin()
        assert not setup.lane.is_running
