"""One lane by the adaptive pace in virtual time: the window, bulk reads and their falls, and that the dead cost the living nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from dashboard_app.console.client.reading import ReadHow
from dashboard_app.console.lane import Lane
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, NotFound, QueueFull, Refused, SpillwayError
from dashboard_app.policy.freshness import Freshness
from dashboard_app.policy.pacing import Plan
from tests.console.running import oldest_age_s

HEALTH = Plan(3, 0.2, 1.0)
RULES = Freshness(60, 120, 2, 3)


class Server:
    """Answers after 50 ms; frozen ids after 5 s with bad news; a bulk read with frozen ids in it takes as long as they do."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.frozen: set[int] = set()
        self.failing: SpillwayError | None = None
        self.bulk_failing: SpillwayError | None = None
        self.left_out: set[int] = set()
        self.gone: set[int] = set()
        self.answer_s = 0.05
        self.in_flight = self.peak = self.bulks = self.peak_bulks = 0
        self.singles: list[tuple[int, float]] = []
        self.bulk_sizes: list[tuple[int, ...]] = []
        self.reads: dict[int, list[float]] = {}

    def now(self) -> float:
        return self.clock.monotonic() - 1000

    async def _take(self, takes_s: float) -> None:
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await self.clock.sleep(takes_s)
        finally:
            self.in_flight -= 1

    async def read(self, source_id: int, how: ReadHow) -> bool:
        if isinstance(self.failing, QueueFull):
            raise self.failing
        how.on_start()
        self.singles.append((source_id, self.now()))
        await self._take(5.0 if source_id in self.frozen else self.answer_s)
        if self.failing is not None:
            raise self.failing
        if source_id in self.gone:
            raise NotFound
        self.reads.setdefault(source_id, []).append(self.now())
        return source_id not in self.frozen

    async def read_many(self, source_ids: Sequence[int], how: ReadHow) -> frozenset[int]:
        assert how.paced
        how.on_start()
        self.bulk_sizes.append(tuple(source_ids))
        self.bulks += 1
        self.peak_bulks = max(self.peak_bulks, self.bulks)
        bad = self.frozen & set(source_ids)
        try:
            await self._take(5.0 if bad else self.answer_s)
        finally:
            self.bulks -= 1
        if self.bulk_failing is not None:
            raise self.bulk_failing
        well = frozenset(source_ids) - bad - self.left_out - self.gone
        for source_id in well:
            self.reads.setdefault(source_id, []).append(self.now())
        return well


class Setup:
    def __init__(self, count: int, *, bulk: bool, adaptive: bool = True, places: int = 10) -> None:
        self.clock = ManualClock()
        self.server = Server(self.clock)
        self.visible = frozenset[int]()
        self.places = places
        self.lane = Lane(
            HEALTH,
            RULES,
            self.server.read,
            self.clock,
            why_paused=lambda: "",
            visible=lambda: self.visible,
            chance=lambda: 0.5,
            read_many=self.server.read_many if bulk else None,
            places=lambda: self.places,
        )
        self.lane.set_adaptive(adaptive)
        self.lane.set_sources(set(range(1, count + 1)), {})

    @property
    def took_s(self) -> float:
        assert self.lane.last_round is not None
        return self.lane.last_round.duration_s

    def ids(self) -> list[int]:
        return [source_id for source_id, _ in self.server.singles]


@contextlib.asynccontextmanager
async def a_lane(count: int, *, bulk: bool = False, adaptive: bool = True, places: int = 10) -> AsyncIterator[Setup]:
    setup = Setup(count, bulk=bulk, adaptive=adaptive, places=places)
    task = asyncio.create_task(setup.lane.run())
    try:
        yield setup
    finally:
        task.cancel()
        await asyncio.gather(task, *setup.lane._tasks, return_exceptions=True)


async def test_it_starts_at_the_batch_size_waits_for_nothing_and_grows_to_what_the_server_allows() -> None:
    async with a_lane(200) as setup:
        await setup.clock.advance(0.04)
        assert setup.server.peak == 3
        await setup.clock.advance(0.05)
        assert setup.server.peak in (3, 4)
        await setup.clock.advance(30)
        assert setup.server.peak == 10
        assert setup.took_s == pytest.approx(0.05 * (7 + (200 - 42) / 10), abs=0.11)
        assert sorted(setup.ids()) == list(range(1, 201))
        assert setup.lane.progress().at_once == 10


async def test_never_above_its_places_though_they_shrink_on_the_way() -> None:
    async with a_lane(400, places=6) as setup:
        await setup.clock.advance(1)
        assert setup.server.peak == 6
        setup.places, setup.server.peak = 2, 0
        setup.lane.wake()
        await setup.clock.advance(0.2)
        setup.server.peak = setup.server.in_flight
        await setup.clock.advance(1)
        assert setup.server.peak == 2


async def test_the_first_refusal_halves_the_window_and_a_slow_server_does_too() -> None:
    for trouble in ("refusal", "slow"):
        async with a_lane(2000) as setup:
            await setup.clock.advance(2)
            assert setup.lane.progress().at_once == 10
            setup.server.failing = BackendFailed(cause="http", status=503) if trouble == "refusal" else None
            setup.server.answer_s = 0.05 if trouble == "refusal" else 0.5
            while setup.lane.progress().at_once == 10:
                await setup.clock.advance(0.01)
            assert setup.lane.progress().at_once == 5
            setup.server.failing = None


async def test_a_bulk_read_takes_a_hundred_in_view_first_and_no_more_of_them_than_a_batch_go_at_once() -> None:
    async with a_lane(1000, bulk=True) as setup:
        setup.visible = frozenset({777, 888})
        await setup.clock.advance(10)
        assert [len(each) for each in setup.server.bulk_sizes] == [100] * 10
        assert setup.server.bulk_sizes[0][:2] == (777, 888)
        assert setup.server.peak_bulks == 3
        assert not setup.server.singles
        assert setup.took_s == pytest.approx(0.2, abs=0.01)
        progress = setup.lane.progress()
        assert (progress.done, progress.total, progress.slow) == (1000, 1000, 0)
        await setup.clock.advance(120)
        assert len(setup.server.bulk_sizes) == 20


async def test_one_source_is_no_bulk_read() -> None:
    async with a_lane(1, bulk=True) as setup:
        await setup.clock.advance(1)
        assert (setup.ids(), setup.server.bulk_sizes) == ([1], [])


@pytest.mark.parametrize("refusal", [NotFound(), Refused()], ids=["404", "405"])
async def test_a_server_without_bulk_reads_is_read_one_by_one_and_not_asked_for_them_again(refusal: SpillwayError) -> None:
    async with a_lane(20, bulk=True) as setup:
        setup.server.bulk_failing = refusal
        await setup.clock.advance(5)
        assert sorted(setup.ids()) == list(range(1, 21))
        asked = len(setup.server.bulk_sizes)
        assert setup.lane.last_round is not None
        assert setup.lane.last_round.failed == 0
        await setup.clock.advance(600)
        assert len(setup.server.bulk_sizes) == asked
        assert len(setup.ids()) == 20 * 6


async def test_after_a_bulk_read_that_failed_all_are_read_one_by_one_until_the_next_round() -> None:
    async with a_lane(20, bulk=True) as setup:
        setup.server.bulk_failing = BackendFailed(cause="timeout")
        await setup.clock.advance(5)
        assert sorted(setup.ids()) == list(range(1, 21))
        assert setup.lane.last_round is not None
        assert setup.lane.last_round.failed == 0
        setup.server.bulk_failing = None
        await setup.clock.advance(130)
        assert len(setup.server.bulk_sizes) == 2
        assert len(setup.ids()) == 20


async def test_whoever_a_bulk_read_leaves_out_is_read_alone_in_the_same_round_and_is_well_after_it() -> None:
    async with a_lane(50, bulk=True) as setup:
        setup.server.left_out, setup.server.gone = {4, 5}, {6}
        await setup.clock.advance(5)
        assert sorted(setup.ids()) == [4, 5, 6]
        assert setup.lane.progress().total == 49
        setup.server.left_out = set()
        await setup.clock.advance(120)
        assert [len(each) for each in setup.server.bulk_sizes] == [50, 49]


async def test_a_frozen_source_is_found_by_one_bulk_read_and_never_in_another() -> None:
    async with a_lane(100, bulk=True) as setup:
        setup.server.frozen = {7}
        await setup.clock.advance(1000)
        assert [7 in each for each in setup.server.bulk_sizes].count(True) == 1
        assert setup.lane.progress().slow == 1
        setup.server.frozen = set()
        await setup.clock.advance(300)
        before = len(setup.server.reads[7])
        await setup.clock.advance(600)
        assert setup.lane.progress().slow == 0
        assert len(setup.server.reads[7]) >= before + 4


@pytest.mark.parametrize("kind", ["batched", "adaptive", "adaptive, bulk"])
async def test_thirty_frozen_of_a_hundred_do_not_age_the_living(kind: str) -> None:
    living, ages = set(range(31, 101)), []
    for frozen in (set(), set(range(1, 31))):
        async with a_lane(100, bulk="bulk" in kind, adaptive="adaptive" in kind) as setup:
            setup.server.frozen = frozen
            await setup.clock.advance(900)
            ages.append(oldest_age_s(setup.server.reads, living, 400, 900))
            assert setup.lane.progress().slow == len(frozen)
    assert ages[1] <= 1.2 * ages[0]


async def test_a_hundred_suspects_hold_up_no_round_of_the_living() -> None:
    async with a_lane(300, bulk=True) as setup:
        await setup.clock.advance(100)
        setup.server.frozen = set(range(1, 101))
        await setup.clock.advance(900)
        assert oldest_age_s(setup.server.reads, set(range(101, 301)), 60, 1000) <= 1.2 * 120
        assert setup.lane.progress().slow == 100


@pytest.mark.parametrize("kind", ["adaptive", "adaptive, bulk"])
async def test_thirty_that_freeze_all_at_once_do_not_age_the_living_even_then(kind: str) -> None:
    living, ages = set(range(31, 101)), []
    for frozen in (set(), set(range(1, 31))):
        async with a_lane(100, bulk="bulk" in kind) as setup:
            await setup.clock.advance(300)
            setup.server.frozen = frozen
            await setup.clock.advance(900)
            ages.append(oldest_age_s(setup.server.reads, living, 200, 1200))
    assert ages[1] <= 1.2 * ages[0]


async def test_while_thirty_hang_suspects_hold_a_third_of_the_window_at_most() -> None:
    async with a_lane(100, bulk=True) as setup:
        setup.server.frozen = set(range(1, 31))
        await setup.clock.advance(5.2)
        assert setup.server.in_flight == 3
        await setup.clock.advance(600)
        assert setup.lane.progress().slow == 30


async def test_the_pace_changes_while_requests_are_under_way_and_back() -> None:
    async with a_lane(300, adaptive=False) as setup:
        await setup.clock.advance(4)
        batched = len(setup.ids())
        assert batched <= 10
        setup.lane.set_adaptive(True)
        assert setup.lane.progress().at_once == 3
        await setup.clock.advance(0.5)
        assert len(setup.ids()) > 40
        setup.lane.set_adaptive(True)
        setup.lane.set_adaptive(False)
        assert setup.lane.progress().at_once == 0
        before = len(setup.ids())
        setup.server.peak = 0
        await setup.clock.advance(0.06)
        setup.server.peak = 0
        await setup.clock.advance(14.5)
        assert 3 * 9 <= len(setup.ids()) - before <= 3 * 11 + 1
        assert setup.server.peak <= 3
        assert len(set(setup.ids())) == len(setup.ids())


async def test_what_was_not_even_sent_is_tried_again_a_breath_later() -> None:
    async with a_lane(2) as setup:
        setup.server.failing = QueueFull()
        await setup.clock.advance(3.5)
        setup.server.failing = None
        await setup.clock.advance(2)
        assert sorted(setup.ids()) == [1, 2]


async def test_a_source_whose_reading_the_server_refuses_is_not_asked_without_end() -> None:
    async with a_lane(3) as setup:
        setup.server.failing = Refused()
        await setup.clock.advance(300)
        assert len(setup.ids()) <= 3 * 3
        assert setup.lane.progress().slow == 3
