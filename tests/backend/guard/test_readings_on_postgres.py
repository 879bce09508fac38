import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dashboard_app.backend.guard import GuardLimits
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.model.pool import Level
from dashboard_app.store.address import DatabaseAddress
from tests.backend.guard.conftest import Guarded, engine_on, gathered, guarded, until
from tests.conftest import PostgresForTests
from tests.timing import Stopwatch, within


@asynccontextmanager
async def asyncpg_session(address: DatabaseAddress, name: str) -> AsyncIterator[None]:
    engine = engine_on(address, name)
    async with engine.connect():
        yield
    await engine.dispose()


def all_readings(system: Guarded) -> float:
    """The slowest of the guard's readings, in seconds, each the best of three (other processes share the machine); all must be JSON."""
    guard = system.guard
    return max(
        min(_took(reading) for _ in range(3))
        for reading in (guard.status, guard.config_json, guard.holders_json, guard.history, guard.hint)
    )


def _took(reading: Callable[[], object]) -> float:
    watch = Stopwatch()
    json.dumps(reading())
    return watch.took_s


@pytest.mark.parametrize(
    ("held", "level", "status"),
    [
        (20, "NORMAL", "healthy"),
        (21, "MODERATE", "degraded"),
        (24, "AGGRESSIVE", "degraded"),
        (27, "EMERGENCY", "critical"),
        (30, "EMERGENCY", "critical"),
    ],
)
async def test_the_level_follows_the_checkouts_at_once(address: DatabaseAddress, held: int, level: str, status: str) -> None:
    async with guarded(address) as system:
        told: list[Level] = []
        system.guard.on_change(lambda config: told.append(config.level))
        await system.hold(held)
        answer = system.guard.status()
        assert (answer["throttling_level"], answer["status"]) == (level, status)
        assert answer["circuit_breaker"] == ("open" if level == "EMERGENCY" else "closed")
        assert answer["emergency_mode_active"] is (level == "EMERGENCY")
        assert (told[-1] if told else Level.NORMAL) == level
        assert system.guard.hint().startswith(f"level={level}; ")


async def test_a_status_has_every_field_of_the_contract(address: DatabaseAddress) -> None:
    async with guarded(address) as system:
        await system.hold(19)
        while len(system.held) > 13:
            await system.held.pop().close()
        status = system.guard.status()
        assert status["usage_percent"] == 43.3
        assert status["peak_usage_percent"] == 63.3
        assert status["pool"] == {
            "size": 20,
            "max_overflow": 10,
            "capacity": 30,
            "checked_out": 13,
            "idle": 6,
            "overflow": 0,
            "waiting": 0,
            "oldest_wait_s": 0.0,
        }
        assert status["admission"] == {"limit": 25, "in_flight": 0, "rejected_total": 0}
        assert status["reasons"] == ["13 of 30 connections in use, nobody waits"]
        assert (status["last_cleanup_at"], status["forecast"]) == (None, {"slope_percent_per_min": 0.0, "exhaustion_in_s": None})
        assert str(status["measured_at"]).endswith("Z")


async def test_an_exhausted_pool_is_read_in_no_time_and_its_waiters_are_counted(address: DatabaseAddress) -> None:
    async with guarded(address, pool_timeout=0.6) as system:
        await system.hold(30)
        waiting = [asyncio.create_task(system.hold(1)) for _ in range(3)]
        await until(lambda: system.guard.counts().waiting == 3)
        assert all_readings(system) < 0.05
        await until(lambda: system.guard.counts().oldest_wait_s > 0.05)
        with pytest.raises(DatabaseUnavailable) as refused:
            async with system.guard.admission():
                pass
        assert refused.value.retry_after_s == 2
        assert system.guard.status()["admission"] == {"limit": 25, "in_flight": 0, "rejected_total": 1}
        assert all(isinstance(outcome, PoolTimeout) for outcome in await gathered(*waiting))
        assert system.guard.counts().waiting == 0
        assert await system.guard.connection_test() == {
            "ok": False,
            "via": "pool",
            "server_version": None,
            "error": "No connection within 2 s: the pool is full (30 of 30 in use).",
            "latency_ms": pytest.approx(600, abs=400),
        }


async def test_a_frozen_server_is_known_and_the_guard_answers_on(address: DatabaseAddress, postgres: PostgresForTests) -> None:
    async with guarded(address, monitored=True) as system:
        news: list[bool] = []
        system.guard.on_reachable(news.append)
        await system.hold(2)
        await system.held.pop().close()
        before = system.guard.version
        with postgres.frozen():
            with within(4.5), pytest.raises((TimeoutError, OSError, DBAPIError)):
                await system.hold(1)
            await until(lambda: not system.guard.is_reachable, 3)
            assert all_readings(system) < 0.05
            status = system.guard.status()
            assert (status["status"], status["throttling_level"]) == ("unavailable", "EMERGENCY")
            assert str(status["reasons"]).startswith("['the database does not answer since ")
            with pytest.raises(DatabaseUnavailable):
                async with system.guard.admission():
                    pass
            with within(2.5):
                assert (await system.guard.connection_test())["ok"] is False
        await until(lambda: system.guard.is_reachable, 3)
        status = system.guard.status()
        assert (status["status"], status["throttling_level"]) == ("healthy", "NORMAL")
        assert news == [False, True]
        assert system.guard.version == before + 2
        await until(lambda: system.guard.counts().checked_out == len(system.held))


async def test_a_stopped_server_is_known_at_once_after_the_first_error(address: DatabaseAddress, postgres: PostgresForTests) -> None:
    async with guarded(address, monitored=True, limits=GuardLimits(heartbeat_s=30)) as system:
        await system.hold(1)
        await system.release()
        postgres.stop()
        with pytest.raises((OSError, DBAPIError)):
            await system.hold(1)
        await until(lambda: not system.guard.is_reachable, 3)
        assert all_readings(system) < 0.05
        assert system.guard.counts().checked_out == 0
        assert (await system.guard.connection_test())["error"] == "The database refuses connections."
        report = await system.guard.cleanup(dry_run=False)
        assert report.terminated_backends == 0


async def test_a_connection_test_goes_through_the_pool(address: DatabaseAddress) -> None:
    async with guarded(address) as system:
        one, other = await asyncio.gather(system.guard.connection_test(), system.guard.connection_test())
        assert one is other  # who asks at the same time shares one test
        assert (one["ok"], one["via"]) == (True, "pool")
        assert str(one["server_version"]).split(".")[0].isdigit()
        assert system.guard.counts().checked_out == 0


async def test_holders_say_who_what_where_and_for_how_long(address: DatabaseAddress) -> None:
    async with guarded(address, limits=GuardLimits(leak_threshold_s=0.05)) as system:
        with system.guard.holding(task="nightly", route="/export"):
            await system.hold(1)
        await system.hold(1, "idle_in_transaction")
        running = asyncio.create_task(system.held[0].execute(text("SELECT pg_sleep(0.4)")))
        await until(lambda: {holder.state for holder in system.guard.holders()} == {"query", "idle_in_transaction"})
        await until(lambda: system.guard.holders()[1].suspected_leak)
        first, second = system.guard.holders()
        assert (first.task, first.route, first.query, first.suspected_leak) == ("nightly", "/export", "SELECT pg_sleep(0.4)", False)
        assert first.call_site.startswith("tests.backend.guard.conftest.Guarded.hold:")
        assert first.backend_pid != second.backend_pid
        assert second.query == "SELECT 1"
        await running
        await system.release()
        (site,) = system.guard.call_sites()
        assert (site["checkouts"], site["call_site"]) == (2, first.call_site)
        assert system.guard.holders() == []


async def test_a_commit_ends_the_transaction_and_the_driver_used_directly_can_be_marked(address: DatabaseAddress) -> None:
    async with guarded(address) as system:
        await system.hold(1, "idle_in_transaction")
        (connection,) = system.held
        await connection.commit()
        assert system.guard.holders()[0].state == "idle"
        with system.guard.running(connection, "COPY " + "x" * 500):
            (holder,) = system.guard.holders()
            assert (holder.state, len(holder.query)) == ("query", 200)
        assert system.guard.holders()[0].state == "idle"
        with pytest.raises(OSError, match="cut"), system.guard.running(await connection.get_raw_connection(), "COPY"):
            raise OSError("cut")
        with pytest.raises(DBAPIError):
            await connection.execute(text("SELECT 1 / 0"))
        assert system.guard.holders()[0].state == "idle_in_transaction"


async def test_call_sites_can_be_left_out_of_the_reasons(address: DatabaseAddress) -> None:
    async with guarded(address) as system:
        await system.hold(2, "idle_in_transaction")
        await until(lambda: "2 checkouts sit" in str(system.guard.throttling_config().reasons))
        assert "conftest" in system.guard.throttling_config().reasons[1]
        assert system.guard.throttling_config(call_sites=False).reasons[1] == "2 checkouts sit idle in a transaction"


async def test_a_disposed_engine_is_watched_on(address: DatabaseAddress) -> None:
    async with guarded(address) as system:
        await system.hold(1)
        await system.release()
        await system.engine.dispose()
        assert system.guard.counts().idle == 0
        await system.hold(30)
        assert system.guard.status()["throttling_level"] == "EMERGENCY"
        waiting = asyncio.create_task(system.hold(1))
        await until(lambda: system.guard.counts().waiting == 1)
        await system.held.pop().close()
        await waiting


async def test_history_shows_the_hold_and_the_level(address: DatabaseAddress) -> None:
    async with guarded(address) as system:
        await system.hold(27)
        await system.release()
        await system.guard.cleanup(dry_run=False)
        history = system.guard.history(15)
        points, marks = history["points"], history["marks"]
        assert isinstance(points, list)
        assert isinstance(marks, list)
        assert max(point[1] for point in points) == 90.0
        assert abs(points[-1][0] / 1000 - time.time()) < 3
        assert {mark["kind"] for mark in marks} == {"level", "cleanup"}


async def test_the_servers_own_view_counts_our_sessions(address: DatabaseAddress) -> None:
    async with guarded(address) as system:
        await system.hold(3)
        monitor = asyncio.create_task(system.guard.run())
        await until(lambda: system.guard.overview() is not None)
        monitor.cancel()
        await gathered(monitor)
        overview = system.guard.overview()
        assert overview is not None
        assert (overview.own_sessions, overview.own_states) == (3, {"idle": 3})
        assert overview.max_connections >= overview.sessions >= 4


async def test_pools_that_may_ask_for_more_than_the_server_has_are_told_in_words(
    address: DatabaseAddress, caplog: pytest.LogCaptureFixture
) -> None:
    quick = GuardLimits(auto_cleanup=False, monitor_interval_s=0.05)
    async with guarded(address, monitored=True, limits=quick) as system:
        await until(lambda: system.guard.overview() is not None)
        overview = system.guard.overview()
        assert overview is not None
        assert (overview.demand.available, overview.demand.is_too_much) == (overview.max_connections - overview.reserved, False)
        assert [(instance.pool, instance.control) for instance in overview.instances] == [(30, 2)]
        assert overview.reserved >= 3
        async with (
            guarded(address, monitored=True, limits=quick, pool_size=150),
            guarded(address, monitored=True, limits=quick),
            asyncpg_session(address, "psql"),
        ):
            said = f"may ask for {{}} of {overview.demand.available} connections of the server"
            await until(lambda: len(system.guard.status()["reasons"]) == 2)  # type: ignore[arg-type]
            await until(lambda: "1 instance × 160 + 2 instances × 30 + 6 of their control pools + " in system.guard.status()["reasons"][1])  # type: ignore[index]
            server = system.guard.holders_json()["server"]
            assert isinstance(server, dict)
            assert said.format(server["may_ask"]) in str(system.guard.throttling_config().reasons)
            assert (server["instances"], server["may_ask"]) == (3, 226 + server["other_sessions"])
            assert server["other_sessions"] >= 1
        assert said.format(server["may_ask"]) in caplog.text
        await until(lambda: len(system.guard.status()["reasons"]) == 1)  # type: ignore[arg-type]
