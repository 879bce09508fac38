"""What the guard records of a real pool: how each checkout was served, and whether a sizing made of it comes true."""

import asyncio
import random
import time
from contextlib import suppress

import pytest
from sqlalchemy import QueuePool, create_engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dashboard_app.backend.guard import GuardLimits, PoolGuard
from dashboard_app.policy.sizing import Demand, Sizing, percentile, sizing
from dashboard_app.store.address import DatabaseAddress
from tests.backend.guard.conftest import Guarded, gathered, guarded, until


def totals(system: Guarded) -> dict[str, int]:
    return system.guard.insight.demands.totals()


async def test_checkouts_count_by_the_way_they_were_served(address: DatabaseAddress) -> None:
    async with guarded(address, pool_size=1, max_overflow=1, pool_timeout=0.2) as system:
        await system.hold(2)
        assert totals(system) == {"idle": 0, "opened": 2, "waited": 0, "gave_up": 0}
        with suppress(PoolTimeout):
            await system.hold(1)
        assert totals(system)["gave_up"] == 1
        waiter = asyncio.create_task(system.hold(1))
        await until(lambda: system.guard.counts().waiting == 1)
        await system.held.pop(0).close()
        await waiter
        assert totals(system) == {"idle": 0, "opened": 2, "waited": 1, "gave_up": 1}
        await system.release()
        await system.hold(1)
        assert totals(system) == {"idle": 1, "opened": 2, "waited": 1, "gave_up": 1}
        await system.release()
        assert (await system.guard.cleanup(dry_run=False)).closed_idle == 1
        assert totals(system) == {"idle": 1, "opened": 2, "waited": 1, "gave_up": 1}  # what is closed was not asked for
        await system.hold(1)
        await system.release()
        await system.engine.dispose()
        assert totals(system) == {"idle": 1, "opened": 3, "waited": 1, "gave_up": 1}
        await system.hold(1)
        assert totals(system)["opened"] == 4  # the doors of the new pool are watched, too
        assert system.guard.insight.performance_json()["pool"]["window"]["checkouts"] == 6


async def test_a_connection_that_died_in_the_pool_counts_as_opened(address: DatabaseAddress, postgres) -> None:
    async with guarded(address, pool_size=2, max_overflow=0) as system:
        await system.hold(1)
        await system.release()
        postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'guard-test'")
        await system.hold(1)  # the ping before use notices and connects anew
        assert totals(system) == {"idle": 0, "opened": 2, "waited": 0, "gave_up": 0}


async def test_a_wait_at_the_door_of_admission_belongs_to_the_first_checkout_behind_it(address: DatabaseAddress) -> None:
    limits = GuardLimits(auto_cleanup=False, max_concurrent_requests=1, admission_timeout_s=5)
    async with guarded(address, limits=limits) as system:
        async with system.guard.admission():
            await system.hold(1)
            waiter = asyncio.create_task(_two_checkouts(system))
            await until(lambda: system.guard.counts().waiting == 1)
            began = time.monotonic()
            await until(lambda: time.monotonic() - began > 0.05)
        await waiter
        assert totals(system) == {"idle": 1, "opened": 2, "waited": 0, "gave_up": 0} | {"waited": 1, "opened": 1}
        await system.release()
        work, waits = system.guard.insight.demands.sample(set())
        assert len(work) == 3
        assert max(waits) >= 0.05


async def _two_checkouts(system: Guarded) -> None:
    async with system.guard.admission():
        for _ in range(2):
            async with system.engine.connect():
                pass


async def test_what_is_lost_is_left_out_of_the_sample(address: DatabaseAddress) -> None:
    limits = GuardLimits(auto_cleanup=False, leak_threshold_s=0.01)
    async with guarded(address, limits=limits) as system:
        await system.hold(3)
        await until(lambda: all(holder.suspected_leak for holder in system.guard.holders()))
        told = await system.guard.insight.sizing_json()
        assert (told["sample"]["left_out"], told["sample"]["checkouts"], told["recommended"]) == (3, 0, None)
        assert "200 are needed" in told["note"]
        await system.held.pop().close()  # one comes back after all: it was no work either
        await system.guard.cleanup(dry_run=False)
        assert system.guard.insight.demands.sample(set()) == ([], [])
        async with system.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        assert len(system.guard.insight.demands.sample(set())[0]) == 1


def load(seed: int, slower: int = 1, bursts: int = 11, at_once: int = 20) -> list[tuple[float, float]]:
    """When each piece of work comes and for how many seconds it uses a connection: bursts, whose queues are as long as their holds.

    (Random arrivals near the limit would turn a machine's noise of 5 % in the holds into 100 % in the waits.)
    """
    dice = random.Random(seed)  # noqa: S311 - a load, no secret
    return [(burst * 0.9 * slower, dice.uniform(0.1, 0.2) * slower) for burst in range(bursts) for _ in range(at_once)]


async def put_through(system: Guarded, work: list[tuple[float, float]]) -> tuple[Sizing, list[float]]:
    """The sizing of what the guard recorded of this load, and the waits that the pool really gave."""
    await system.hold(5)  # connections are open before the load comes
    await system.release()
    system.guard.insight.demands.totals()  # what was gathered is in the sample now
    system.guard.insight.demands._done.clear()
    loop = asyncio.get_running_loop()
    zero = loop.time() + 0.1

    async def one(at: float, hold_s: float) -> None:
        arrives = loop.create_future()
        loop.call_at(zero + at, arrives.set_result, None)
        await arrives
        async with system.engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(:s)"), {"s": hold_s})

    assert not [failure for failure in await gathered(*(one(*piece) for piece in work)) if failure is not None]
    recorded, waited = system.guard.insight.demands.sample(set())
    assert len(recorded) == len(work)
    return sizing(recorded), sorted(waited)


async def measured(address: DatabaseAddress, connections: int, slower: int) -> tuple[Sizing, list[float], float]:
    """What `put_through` gives for a pool of this size, and the seconds that all its holds took together."""
    async with guarded(address, pool_size=connections, max_overflow=0, pool_pre_ping=False) as system:
        told, waited = await put_through(system, load(seed=11, slower=slower))
        return told, waited, sum(one.held_s for one in system.guard.insight.demands.sample(set())[0])


def at_size(told: Sizing, connections: int) -> float:
    """The 95th percentile of the waits foretold for a pool of this size, in seconds."""
    return next(size.wait_s_p95 for size in told.curve if size.connections == connections)


async def test_the_sizing_of_a_wide_pool_comes_true_in_a_narrow_one_under_the_same_load(address: DatabaseAddress) -> None:
    # 20 at once for 150 ms each: with 5 connections the last of them waits for three others, with 12 for one
    for slower in (
        1,
        2,
        4,
    ):  # a claim about one load: a machine that made it another one in between is asked again, and its part is less then
        (foretold, none, wide_s), (own, waited, narrow_s) = await measured(address, 30, slower), await measured(address, 5, slower)
        if wide_s == pytest.approx(narrow_s, rel=0.1):
            break
    real = percentile(waited, 95)
    assert percentile(none, 50) < 0.05 * slower  # the wide pool let nobody wait
    # what the wide pool recorded says what the narrow one will do (in the measure of the holds, whatever the machine made of them) …
    assert at_size(foretold, 5) * narrow_s / wide_s == pytest.approx(real, rel=0.4)
    # … which no other size would have given: the claim can fail
    assert at_size(foretold, 12) * narrow_s / wide_s < real / 2
    # and replaying what the narrow one recorded gives back the waits it really had
    assert at_size(own, 5) == pytest.approx(real, rel=0.25)
    assert own.enough is not None
    assert own.enough > 5


def test_a_pool_of_threads_is_recorded_alike() -> None:
    engine = create_engine("sqlite://", poolclass=QueuePool, connect_args={"check_same_thread": False}, pool_size=1, max_overflow=0)
    guard = PoolGuard(engine, GuardLimits())
    with engine.connect():
        pass
    with engine.connect():
        work, _ = guard.insight.demands.sample(guard._alive()[0])
        assert guard.insight.demands.totals() == {"idle": 1, "opened": 1, "waited": 0, "gave_up": 0}
    assert len(work) == 2
    assert all(isinstance(one, Demand) and one.held_s >= 0 for one in work)
    engine.dispose()
