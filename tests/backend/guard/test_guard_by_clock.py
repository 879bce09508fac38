"""The guard on a pool without any server: connections of SQLite in memory, sync, with a clock that moves by hand."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, text

from dashboard_app.backend.guard import GuardLimits, PoolGuard
from dashboard_app.backend.guard.recorder import Recorder, downsampled
from dashboard_app.backend.guard.server_view import Backend, Overview
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import DatabaseUnavailable, Reclaimed
from dashboard_app.model.pool import Level
from tests.backend.guard.conftest import gathered, until


class Pool:
    """A guarded sync engine and what is held on it."""

    def __init__(self, **over: Any) -> None:
        self.clock = ManualClock()
        self.engine: Engine = create_engine(
            "sqlite://", poolclass=QueuePool, pool_size=20, max_overflow=10, pool_timeout=5, connect_args={"check_same_thread": False}
        )
        limits = GuardLimits(**{"auto_cleanup": False, **over.pop("limits", {})})
        self.guard = PoolGuard(self.engine, limits, self.clock, **over)
        self.held: list[Connection] = []

    def hold(self, count: int) -> None:
        while len(self.held) < count:
            self.held.append(self.engine.connect())
        while len(self.held) > count:
            self.held.pop().close()

    @property
    def level(self) -> str:
        return str(self.guard.status()["throttling_level"])


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.hold(0)
    pool.engine.dispose()


@contextlib.asynccontextmanager
async def monitored(pool: Pool) -> Any:
    monitor = asyncio.create_task(pool.guard.run())
    await pool.clock.advance(0)
    yield
    monitor.cancel()
    await gathered(monitor)
    pool.hold(0)
    pool.engine.dispose()


def test_a_level_falls_by_reading_alone_after_five_calm_seconds(pool: Pool) -> None:
    pool.hold(27)
    assert pool.level == "EMERGENCY"
    pool.hold(13)
    pool.clock.tick(4.9)
    assert pool.level == "EMERGENCY"
    pool.clock.tick(0.1)
    assert pool.level == "NORMAL"


def test_a_level_that_was_due_to_fall_has_fallen_when_the_next_checkout_comes(pool: Pool) -> None:
    pool.hold(21)
    pool.hold(19)
    pool.clock.tick(10)  # nobody looked for ten seconds
    pool.hold(20)
    assert pool.level == "NORMAL"


@pytest.mark.parametrize(("threshold", "level"), [(21, "MODERATE"), (24, "AGGRESSIVE"), (27, "EMERGENCY")])
@pytest.mark.parametrize("pause_s", [0.01, 0.9, 7])
def test_one_connection_more_or_less_round_a_threshold_never_flaps(pool: Pool, threshold: int, level: str, pause_s: float) -> None:
    told: list[Level] = []
    pool.guard.on_change(lambda config: told.append(config.level))
    pool.hold(threshold)
    version = pool.guard.version
    for step in (-1, 0, 1, 0, -1, 0) * 20:
        pool.hold(threshold + step)
        pool.clock.tick(pause_s)
        assert (pool.level, pool.guard.version) == (level, version)
    assert told[-1] == level
    assert len(told) == len(set(told))  # each level on the way up was told once


def test_each_change_has_a_new_version_hint_and_etag(pool: Pool) -> None:
    seen = [(pool.guard.version, pool.guard.hint(), pool.guard.etag)]
    for held in (21, 24, 27):
        pool.hold(held)
        seen.append((pool.guard.version, pool.guard.hint(), pool.guard.etag))
    assert [version for version, _, _ in seen] == [1, 2, 3, 4]
    assert seen[3][1] == "level=EMERGENCY; max=1; rpm=5; delay=2000; version=4"
    assert len({etag for _, _, etag in seen}) == 4
    assert pool.guard.etag != PoolGuard(create_engine("sqlite://", poolclass=QueuePool)).etag  # another process, another prefix


def test_a_listener_that_fails_breaks_no_checkout(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_config: object) -> None:
        raise RuntimeError("mine")

    pool.guard.on_change(fail)
    pool.hold(27)
    assert len(pool.held) == 27
    assert "a listener of the pool guard failed" in caplog.text


def test_a_second_opinion_on_the_database_counts() -> None:
    answers = [True]
    pool = Pool(is_reachable=lambda: answers[0])
    assert pool.level == "NORMAL"
    answers[0] = False
    assert (pool.guard.status()["status"], pool.level) == ("unavailable", "EMERGENCY")
    assert pool.guard.throttling_config().reasons[0] == "the database does not answer since 2026-01-01T00:00:00Z"
    answers[0] = True
    assert pool.level == "NORMAL"


def test_a_pool_without_a_bound_cannot_be_guarded() -> None:
    with pytest.raises(ValueError, match="NullPool"):
        PoolGuard(create_engine("sqlite://", poolclass=NullPool))
    for bounds in ({"max_overflow": -1}, {"pool_size": 0}):
        with pytest.raises(ValueError, match="bounded"):
            PoolGuard(create_engine("sqlite://", poolclass=QueuePool, **bounds))


def test_threads_that_wait_are_counted(pool: Pool) -> None:
    pool.hold(30)
    waiting = threading.Thread(target=lambda: pool.engine.connect().close(), name="impatient")
    waiting.start()
    while pool.guard.counts().waiting == 0:
        pass
    pool.clock.tick(3.2)
    assert pool.guard.counts().oldest_wait_s == 3.2
    assert pool.guard.throttling_config().reasons[0] == "30 of 30 in use, 1 waits, oldest 3.2 s"
    pool.hold(29)
    waiting.join(5)
    assert (pool.guard.counts().waiting, pool.guard.counts().checked_out) == (0, 29)
    assert pool.guard.holders()[0].task == threading.current_thread().name


async def test_a_sync_engines_leaks_are_taken_back(pool: Pool) -> None:
    pool.hold(5)
    pool.held[0].execute(text("CREATE TABLE t (a)"))
    pool.held[0].execute(text("INSERT INTO t VALUES (1)"))
    assert pool.guard.holders()[0].state == "idle_in_transaction"
    pool.clock.tick(61)
    assert pool.guard.status()["reasons"] == [
        "5 of 30 connections in use, nobody waits",
        "5 checkouts are older than 60 s and run nothing: suspected leaks",
        f"1 checkout sits idle in a transaction, from `{pool.guard.holders()[0].call_site}`",
    ]
    plan = (await pool.guard.cleanup(dry_run=True)).to_json()
    assert (plan["reclaimed"], plan["left_alone"], plan["usage_after_percent"], plan["level_after"]) == (5, 0, 0.0, "NORMAL")
    report = await pool.guard.cleanup(dry_run=False)
    assert (report.reclaimed, len(report.skipped), pool.guard.counts().checked_out) == (5, 1, 0)
    with pytest.raises(Reclaimed):
        pool.held[1].execute(text("SELECT 1"))
    with pytest.raises(Reclaimed):
        pool.held[1].connection.detach()
    with pytest.raises(Reclaimed), pool.guard.running(pool.held[2], "COPY"):
        pass
    pool.held[3].invalidate()
    pool.hold(0)
    assert pool.guard.counts().checked_out == 0


async def test_a_detached_connection_is_no_longer_the_pools(pool: Pool) -> None:
    pool.hold(2)
    pool.held[0].detach()
    assert len(pool.guard.holders()) == 1
    with pool.guard.running(object(), "nothing of ours"):
        assert pool.guard.counts().checked_out == 1
    assert (await pool.guard.connection_test())["ok"] is True


class Server:
    """A server view that says what it is told to."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.pings = 0
        self.silent: asyncio.Event | None = None

    async def ping(self) -> None:
        self.pings += 1
        if self.silent is not None:
            await self.silent.wait()
        if self.error is not None:
            raise self.error

    async def backends(self, pids: Sequence[int]) -> list[Backend]:
        raise AssertionError(pids)

    async def terminate(self, backends: Sequence[Backend]) -> set[int]:
        raise AssertionError(backends)

    async def overview(self, capacity: int) -> Overview:
        if self.error is not None:
            raise self.error
        assert capacity == 30
        return Overview(100, 7, 3)


async def test_the_heartbeat_quickens_while_the_database_is_away_and_news_come_once() -> None:
    server = Server()
    pool = Pool(server=server)
    news: list[bool] = []
    pool.guard.on_reachable(news.append)
    async with monitored(pool):
        assert (server.pings, pool.guard.overview()) == (1, Overview(100, 7, 3))
        server.error = ConnectionRefusedError()
        await pool.clock.advance(2.2)
        assert (news, pool.level) == ([False], "EMERGENCY")
        seen = server.pings
        await pool.clock.advance(5.5)  # one each 1.1 s
        assert server.pings - seen == 5
        await pool.clock.advance(30)
        assert pool.guard.overview() is None
        server.error = None
        await pool.clock.advance(1.2)
        assert (news, pool.level) == ([False, True], "NORMAL")


async def test_a_suspicion_is_looked_into_at_once() -> None:
    server = Server()
    pool = Pool(server=server)
    pool.guard.suspect()  # nobody runs: nothing happens
    async with monitored(pool):
        server.error = TimeoutError()
        await pool.clock.advance(0.2)
        assert server.pings == 1
        pool.guard.suspect()
        await asyncio.sleep(0)
        await pool.clock.advance(0)
        assert (server.pings, pool.guard.is_reachable) == (2, False)


async def test_a_silent_database_is_asked_once_and_its_late_answer_counts() -> None:
    server = Server()
    pool = Pool(server=server, limits={"heartbeat_s": 0.02})
    server.silent = asyncio.Event()
    async with monitored(pool):
        await until(lambda: not pool.guard.is_reachable)
        await pool.clock.advance(1)
        assert server.pings == 1
        server.silent.set()
        for _ in range(20):
            await pool.clock.advance(0.2)
        assert pool.guard.is_reachable


async def test_listeners_hear_of_a_fall_within_a_second_of_it() -> None:
    pool = Pool()
    told: list[Level] = []
    pool.guard.on_change(lambda config: told.append(config.level))
    async with monitored(pool):
        pool.hold(27)
        pool.hold(5)
        await pool.clock.advance(6)
        assert told[-1] is Level.NORMAL


async def test_automatic_cleanup_waits_for_90_percent_and_never_comes_twice_in_30_s() -> None:
    pool = Pool(limits={"auto_cleanup": True, "leak_threshold_s": 5})
    done: list[tuple[int, bool]] = []
    pool.guard.on_cleanup = lambda report, forced: done.append((report.reclaimed, forced))
    async with monitored(pool):
        pool.hold(26)
        await pool.clock.advance(10)
        assert done == []
        pool.hold(27)
        await pool.clock.advance(1.1)
        assert done == [(26, False)]
        pool.hold(0)
        pool.hold(27)
        await pool.clock.advance(27)
        assert len(done) == 1
        await pool.guard.cleanup(dry_run=False)  # forced: no cool-down
        assert done[1:] == [(27, True)]


async def test_places_are_given_in_order_and_a_wait_ends_in_a_refusal() -> None:
    pool = Pool(limits={"max_concurrent_requests": 2, "admission_timeout_s": 0.05, "max_waiting": 3})
    order: list[int] = []
    leave = asyncio.Event()

    async def work(number: int) -> None:
        async with pool.guard.admission():
            order.append(number)
            await leave.wait()

    tasks = [asyncio.create_task(work(number)) for number in range(2)]
    await until(lambda: order == [0, 1])
    late = [asyncio.create_task(work(number)) for number in range(2, 6)]
    await until(late[3].done)
    assert isinstance(late[3].exception(), DatabaseUnavailable)  # three wait: the fourth is refused at once
    assert pool.guard.counts().waiting == 3
    outcomes = await gathered(*late[:3])
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 3
    assert outcomes[0].retry_after_s == 1
    assert pool.guard.counts().waiting == 0
    queued = [asyncio.create_task(work(number)) for number in range(6, 9)]
    await until(lambda: pool.guard.counts().waiting == 3)
    leave.set()
    await gathered(*tasks, *queued)
    assert order == [0, 1, 6, 7, 8]
    assert pool.guard.status()["admission"] == {"limit": 2, "in_flight": 0, "rejected_total": 4}


async def test_a_place_that_comes_with_the_cancellation_is_passed_on() -> None:
    pool = Pool(limits={"max_concurrent_requests": 1})

    async def work() -> None:
        async with pool.guard.admission():
            pass

    place = pool.guard.admission()
    await place.__aenter__()
    first, second = asyncio.create_task(work()), asyncio.create_task(work())
    await until(lambda: pool.guard.counts().waiting == 2)
    await place.__aexit__(None, None, None)
    first.cancel()  # its place has just been granted
    assert isinstance((await gathered(first))[0], asyncio.CancelledError)
    await second
    third = pool.guard.admission()
    await third.__aenter__()
    fourth = asyncio.create_task(work())
    await until(lambda: pool.guard.counts().waiting == 1)
    fourth.cancel()
    await gathered(fourth)
    await third.__aexit__(None, None, None)
    assert pool.guard.status()["admission"] == {"limit": 1, "in_flight": 0, "rejected_total": 0}


async def test_a_pool_that_filled_up_during_the_wait_refuses_at_once_too() -> None:
    pool = Pool(limits={"max_concurrent_requests": 1})
    place = pool.guard.admission()
    await place.__aenter__()

    async def work() -> None:
        async with pool.guard.admission():
            raise AssertionError

    late = asyncio.create_task(work())
    await until(lambda: pool.guard.counts().waiting == 1)
    pool.hold(30)
    await place.__aexit__(None, None, None)
    assert isinstance((await gathered(late))[0], DatabaseUnavailable)
    assert pool.guard.status()["admission"] == {"limit": 1, "in_flight": 0, "rejected_total": 1}
    pool.hold(0)
    pool.engine.dispose()


async def test_at_90_percent_the_log_warns_five_times_a_minute_and_counts_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    pool = Pool()
    pool.hold(27)
    for _ in range(12):
        async with pool.guard.admission():
            pass
    lines = [record.getMessage() for record in caplog.records if "lines held back" in record.getMessage()]
    assert lines == ["the pool is 90.0 % in use (0 such lines held back)"] * 5
    pool.clock.tick(61)
    async with pool.guard.admission():
        pass
    assert caplog.records[-1].getMessage() == "the pool is 90.0 % in use (7 such lines held back)"
    pool.hold(0)
    pool.engine.dispose()


def test_a_quiet_stretch_keeps_its_usage_and_a_peak_lasts_an_hour() -> None:
    recorder = Recorder()
    recorder.mark(100.0, 30, 4)
    recorder.mark(100.5, 5, 0)
    recorder.mark(200.2, 7, 0)
    assert list(recorder.seconds(210.0, 900)) == [(100, 30, 4), (101, 5, 0), (199, 5, 0), (200, 7, 0), (210, 7, 0)]
    assert recorder.peak(3699.0) == 30
    assert recorder.peak(3700.0) == 7
    assert list(recorder.seconds(210.0, 50)) == [(161, 5, 0), (199, 5, 0), (200, 7, 0), (210, 7, 0)]
    assert list(Recorder().seconds(1.0, 60)) == []


def test_downsampling_keeps_every_peak() -> None:
    points = [(second, 90.0 if second == 1717 else 10.0, 3 if second == 1717 else 0) for second in range(3600)]
    thin = downsampled(points, 300)
    assert len(thin) == 300
    assert max(thin, key=lambda point: point[1])[1:] == (90.0, 3)
    assert downsampled(points[:300], 300) == points[:300]


def test_reading_is_cheap_enough_for_every_answer(pool: Pool) -> None:
    pool.hold(13)
    import timeit

    assert min(timeit.repeat(pool.guard.hint, number=1000, repeat=5)) / 1000 < 50e-6
    assert min(timeit.repeat(pool.guard.counts, number=1000, repeat=5)) / 1000 < 50e-6


async def test_other_limits_are_in_force_at_once():
    pool = Pool(limits={"max_concurrent_requests": 1})
    pool.guard.retune(replace(pool.guard.limits, max_concurrent_requests=7, leak_threshold_s=3, auto_cleanup=False))
    assert pool.guard.status()["admission"]["limit"] == 7
    assert (pool.guard._cleanup.threshold_s, pool.guard._monitor.limits.auto_cleanup) == (3, False)
