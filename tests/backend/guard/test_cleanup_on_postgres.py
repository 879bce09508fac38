import asyncio
import gc
from collections.abc import Callable

import pytest
from sqlalchemy import text

from dashboard_app.backend.guard import GuardLimits
from dashboard_app.model.errors import Reclaimed
from dashboard_app.store.address import DatabaseAddress
from tests.backend.guard.conftest import NAME, guarded, until
from tests.conftest import PostgresForTests
from tests.timing import within

AT_ONCE = GuardLimits(leak_threshold_s=0.01, auto_cleanup=False)


async def aged() -> None:
    await asyncio.sleep(0.02)  # the leak threshold of AT_ONCE, by the machine's clock


async def test_leaks_are_taken_back_and_the_accounting_is_exact(address: DatabaseAddress, sessions: Callable[[], int]) -> None:
    async with guarded(address, limits=AT_ONCE) as system:
        await system.hold(28)
        await aged()
        report = await system.guard.cleanup(dry_run=False)
        assert (report.reclaimed, report.terminated_backends, report.closed_idle) == (28, 0, 0)
        assert report.before.checked_out == 28
        assert report.after.checked_out == 0
        await until(lambda: sessions() == 0)
        await system.release()
        assert system.guard.counts().checked_out == 0
        await system.hold(30)
        assert system.guard.counts().checked_out == 30


async def test_idle_transactions_are_ended_on_the_server_and_their_checkouts_taken_back(address: DatabaseAddress) -> None:
    async with guarded(address, limits=AT_ONCE) as system:
        await system.hold(5, "idle_in_transaction")
        await system.hold(2)
        await aged()
        plan = await system.guard.cleanup(dry_run=True)
        assert (plan.reclaimed, plan.terminated_backends, plan.left_alone) == (2, 5, 0)
        report = await system.guard.cleanup(dry_run=False)
        assert (report.reclaimed, report.terminated_backends) == (2, 5)
        assert report.skipped == ()
        assert system.guard.counts().checked_out == 0


async def test_a_dry_run_says_the_pool_that_the_cleanup_then_leaves(address: DatabaseAddress) -> None:
    async with guarded(address, limits=AT_ONCE) as system:
        await system.hold(30)
        await aged()
        plan = await system.guard.cleanup(dry_run=True)
        assert (plan.before.overflow, plan.after.overflow) == (10, 0)
        assert plan.after == (await system.guard.cleanup(dry_run=False)).after


async def test_a_running_query_finishes_with_its_right_answer(address: DatabaseAddress) -> None:
    async with guarded(address, limits=AT_ONCE) as system:

        async def query() -> object:
            async with system.engine.connect() as connection:
                return (await connection.execute(text("SELECT 42 FROM pg_sleep(0.5)"))).scalar()

        running = [asyncio.create_task(query()) for _ in range(4)]
        await system.hold(3)
        await until(lambda: sum(holder.state == "query" for holder in system.guard.holders()) == 4)
        await aged()
        report = await system.guard.cleanup(dry_run=False)
        assert report.reclaimed == 3
        assert await asyncio.gather(*running) == [42] * 4
        assert system.guard.counts().checked_out == 0


async def test_a_query_that_only_the_server_sees_is_left_alone(address: DatabaseAddress, postgres: PostgresForTests) -> None:
    active = "SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND state = 'active'"
    async with guarded(address, limits=AT_ONCE) as system:
        await system.hold(1)
        driver = (await system.held[0].get_raw_connection()).driver_connection
        assert driver is not None
        answer = asyncio.create_task(driver.fetchval("SELECT 7 FROM pg_sleep(1)"))
        await aged()
        await until(lambda: len(postgres.execute(active, NAME)) == 1)
        report = await system.guard.cleanup(dry_run=False)
        assert report.reclaimed == 0
        assert len(report.skipped) == 1
        assert await answer == 7


async def test_the_holder_of_a_reclaimed_connection_hears_so_and_closing_it_is_no_error(address: DatabaseAddress) -> None:
    async with guarded(address, limits=AT_ONCE) as system:
        await system.hold(1, "idle_in_transaction")
        await system.hold(1)
        await aged()
        await system.guard.cleanup(dry_run=False)
        for connection in system.held:
            for _ in range(2):
                with pytest.raises(Reclaimed):
                    await connection.execute(text("SELECT 1"))
        with pytest.raises(Reclaimed):
            await system.held[0].commit()
        with pytest.raises(Reclaimed):
            _ = (await system.held[1].get_raw_connection()).driver_connection
        before = system.guard.counts()
        await system.release()
        assert system.guard.counts() == before


async def test_a_block_that_commits_after_the_reclaim_fails_as_reclaimed(address: DatabaseAddress) -> None:
    async with guarded(address, limits=AT_ONCE) as system:

        async def work() -> None:
            async with system.engine.begin() as connection:
                await connection.execute(text("SELECT 1"))
                await aged()
                assert (await system.guard.cleanup(dry_run=False)).terminated_backends == 1

        with pytest.raises(Reclaimed):
            await work()
        assert system.guard.counts().checked_out == 0


async def test_a_reclaimed_connection_that_is_forgotten_gives_no_place_back_twice(address: DatabaseAddress) -> None:
    async with guarded(address, limits=AT_ONCE) as system:
        await system.hold(3)
        await system.hold(3, "idle_in_transaction")
        await aged()
        report = await system.guard.cleanup(dry_run=False)
        assert (report.reclaimed, report.terminated_backends) == (3, 3)
        before = system.guard.counts()
        system.held.clear()
        gc.collect()
        assert system.guard.counts() == before
        await system.hold(30)
        assert system.guard.counts().checked_out == 30


async def test_waiters_get_the_places_that_a_cleanup_wins(address: DatabaseAddress) -> None:
    async with guarded(address, limits=AT_ONCE, pool_size=4, max_overflow=2) as system:
        await system.hold(6)

        async def work() -> object:
            async with system.engine.connect() as connection:
                return (await connection.execute(text("SELECT 1"))).scalar()

        waiting = [asyncio.create_task(work()) for _ in range(15)]
        await until(lambda: system.guard.counts().waiting == 15)
        await aged()
        assert system.guard.counts().oldest_wait_s > 0
        await system.guard.cleanup(dry_run=False)
        assert await asyncio.gather(*waiting) == [1] * 15
        await system.release()
        counts = system.guard.counts()
        assert (counts.checked_out, counts.waiting, counts.oldest_wait_s) == (0, 0, 0.0)


async def test_idle_connections_are_closed_on_the_server_too(address: DatabaseAddress, sessions: Callable[[], int]) -> None:
    async with guarded(address) as system:
        await system.hold(13)
        for connection in system.held[:7]:
            await connection.close()
        report = await system.guard.cleanup(dry_run=False)
        assert (report.closed_idle, report.after.checked_out, report.after.idle) == (7, 6, 0)
        await until(lambda: sessions() == 6)
        del system.held[:7]
        await system.release()
        counts = system.guard.counts()
        assert (counts.checked_out, counts.idle) == (0, 6)


async def test_another_applications_session_is_never_ended(address: DatabaseAddress) -> None:
    async with guarded(address, limits=AT_ONCE) as system, guarded(address, limits=AT_ONCE) as other:
        await system.hold(1, "idle_in_transaction")
        await other.hold(2, "idle_in_transaction")
        await aged()
        assert (await system.guard.cleanup(dry_run=False)).terminated_backends == 1
        for connection in other.held:
            assert (await connection.execute(text("SELECT 1"))).scalar() == 1


async def test_an_exempt_hold_is_never_suspected(address: DatabaseAddress) -> None:
    async with guarded(address, limits=AT_ONCE) as system:
        with system.guard.holding(task="listener", exempt="listens for as long as the app runs"):
            await system.hold(1)
        await aged()
        (holder,) = system.guard.holders()
        assert not holder.suspected_leak
        assert "listens" in holder.task
        assert (await system.guard.cleanup(dry_run=False)).reclaimed == 0


async def test_a_frozen_server_stops_no_cleanup(address: DatabaseAddress, postgres: PostgresForTests) -> None:
    async with guarded(address, limits=AT_ONCE, monitored=True) as system:
        await system.hold(20)
        await system.hold(10, "idle_in_transaction")
        with postgres.frozen():
            await until(lambda: not system.guard.is_reachable)
            for call in (True, False):
                with within(0.5):
                    report = await system.guard.cleanup(dry_run=call)
                assert (report.reclaimed, report.terminated_backends) == (30, 0)
            assert len(report.skipped) == 10
            assert system.guard.counts().checked_out == 0
            with pytest.raises(Reclaimed):
                await system.held[0].execute(text("SELECT 1"))
        await until(lambda: system.guard.is_reachable)
        await system.release()


async def test_a_cleanup_is_told_once_with_all_its_victims(address: DatabaseAddress) -> None:
    async with guarded(address, limits=AT_ONCE) as system:
        told = []
        system.guard.on_cleanup = lambda report, forced: told.append((report.victims_json(), forced))
        with system.guard.holding(task="export", route="/reports"):
            await system.hold(1)
        await aged()
        answer = (await system.guard.cleanup(dry_run=True)).to_json()
        assert set(answer) == {
            *("closed_idle", "reclaimed", "terminated_backends", "before", "after", "duration_ms"),
            *("victims", "left_alone", "usage_after_percent", "level_after"),
        }
        assert told == []
        await system.guard.cleanup(dry_run=False)
        ((victims, forced),) = told
        assert forced
        assert victims[0]["action"] == "reclaim"
        assert str(victims[0]["holder"]).startswith("export /reports tests.backend.guard.conftest.Guarded.hold")
        assert system.guard.status()["last_cleanup_at"] is not None


async def test_automatic_cleanup_begins_at_90_percent(address: DatabaseAddress) -> None:
    async with guarded(address, limits=GuardLimits(leak_threshold_s=0.01), monitored=True) as system:
        told = []
        system.guard.on_cleanup = lambda report, forced: told.append(forced)
        await system.hold(27)
        await until(lambda: told == [False])
        assert system.guard.counts().checked_out == 0


async def test_a_server_that_froze_a_moment_ago_costs_a_cleanup_less_than_two_seconds(
    address: DatabaseAddress, postgres: PostgresForTests
) -> None:
    async with guarded(address, limits=AT_ONCE) as system:
        await system.hold(4, "idle_in_transaction")
        await aged()
        with postgres.frozen():
            with within(2.0):
                plan = await system.guard.cleanup(dry_run=True)
                report = await system.guard.cleanup(dry_run=False)
            assert (plan.terminated_backends, report.terminated_backends, report.reclaimed) == (4, 0, 4)
        assert system.guard.counts().checked_out == 0
