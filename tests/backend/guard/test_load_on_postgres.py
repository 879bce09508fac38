"""The guard under load: cancellations, more callers than places, and a server that goes away and comes back."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import text

from dashboard_app.backend.guard import GuardLimits
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.store.address import DatabaseAddress
from tests.backend.guard.conftest import Guarded, gathered, guarded, until
from tests.conftest import PostgresForTests

CANCELLATIONS = 10_000
WAVE = 100
QUIET = GuardLimits(auto_cleanup=False)


async def select(system: Guarded, seconds: float = 0.0) -> object:
    async with system.guard.admission(), system.engine.connect() as connection:
        return (await connection.execute(text("SELECT 1 FROM pg_sleep(:seconds)"), {"seconds": seconds})).scalar()


async def nothing_is_left(system: Guarded, sessions: Callable[[], int]) -> None:
    """Pool, admission, ledger and server all agree that nobody has anything: each session left lies in the pool."""
    await until(lambda: system.guard.counts().checked_out == 0)
    admission = system.guard.status()["admission"]
    assert isinstance(admission, dict)
    assert (system.guard.holders(), system.guard.counts().waiting, admission["in_flight"]) == ([], 0, 0)
    await until(lambda: sessions() == len(system.guard._ledger.idle()))  # a place in the pool whose connection was cut has no session


@pytest.mark.timeout(180)
async def test_10000_random_cancellations_leak_nothing(address: DatabaseAddress, sessions: Callable[[], int]) -> None:
    chance = random.Random(3)  # noqa: S311 - the same cancellations each time
    limits = GuardLimits(max_concurrent_requests=8, auto_cleanup=False)
    async with guarded(address, pool_size=4, max_overflow=2, pool_timeout=5, limits=limits) as system:
        reached: Counter[str] = Counter()

        async def work() -> None:
            async with system.guard.admission():
                reached["place"] += 1
                async with system.engine.connect() as connection:
                    reached["connection"] += 1
                    await connection.execute(text("SELECT 1"))
                    reached["answer"] += 1

        for wave in range(CANCELLATIONS // WAVE):
            pause_s = (0, 0.0003, 0.001)[wave % 3]  # turns of the loop alone are over before the server has said anything
            tasks = [asyncio.create_task(work()) for _ in range(WAVE)]
            turns = sorted((chance.randrange(40), number) for number in range(WAVE))
            turn = 0
            for when, number in turns:
                while turn < when:
                    await asyncio.sleep(pause_s)  # at least one turn of the loop: each await of the work is a point to be cancelled at
                    turn += 1
                tasks[number].cancel()
            await gathered(*tasks)
        assert min(reached.values()) > 100  # cancelled everywhere: before, within and after
        assert reached["place"] > reached["connection"] > reached["answer"]
        await nothing_is_left(system, sessions)
        assert await asyncio.wait_for(asyncio.gather(*(select(system) for _ in range(6))), 10) == [1] * 6


async def test_500_callers_on_a_pool_of_30_each_get_an_answer_or_a_time_to_come_back(
    address: DatabaseAddress, sessions: Callable[[], int]
) -> None:
    async with guarded(address, limits=QUIET, limit_s=20) as system:  # a busy machine may take seconds for 25 connections at once
        outcomes = await asyncio.wait_for(gathered(*(select(system, 0.05) for _ in range(500))), 60)
        refused = [outcome for outcome in outcomes if isinstance(outcome, DatabaseUnavailable)]
        assert len(refused) + outcomes.count(1) == 500
        assert outcomes.count(1) >= 25
        assert {outcome.retry_after_s for outcome in refused} <= {1.0, 2.0}
        admission = system.guard.status()["admission"]
        assert admission == {"limit": 25, "in_flight": 0, "rejected_total": len(refused)}
        await nothing_is_left(system, sessions)


def kill(postgres: PostgresForTests) -> None:
    for pid in postgres.pids():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def restart(postgres: PostgresForTests) -> None:
    postgres.stop()
    postgres.start()


TROUBLES: dict[str, Callable[[PostgresForTests], None]] = {
    "kill": kill,
    "stop": PostgresForTests.stop,
    "freeze": PostgresForTests.freeze,
    "restart": restart,
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_after_trouble_of_the_server_under_load_all_is_back_and_nothing_leaked(
    address: DatabaseAddress, postgres: PostgresForTests, sessions: Callable[[], int], trouble: str
) -> None:
    async with guarded(address, limits=QUIET, monitored=True) as system:
        answers, is_over = Counter[str](), asyncio.Event()

        async def load() -> None:
            while not is_over.is_set():
                try:
                    await select(system, 0.005)
                    answers["ok"] += 1
                except DatabaseUnavailable:
                    answers["refused"] += 1
                    await asyncio.sleep(0.02)
                except Exception:  # noqa: BLE001 - whatever a driver says about a server that went away
                    answers["failed"] += 1
                    await asyncio.sleep(0.02)

        workers = [asyncio.create_task(load()) for _ in range(15)]
        await until(lambda: answers["ok"] > 30)
        await asyncio.to_thread(TROUBLES[trouble], postgres)
        if trouble != "restart":
            await until(lambda: not system.guard.is_reachable)
            assert system.guard.status()["status"] == "unavailable"
        await asyncio.to_thread(postgres.thaw)
        await asyncio.to_thread(postgres.start)
        seen = answers["ok"]
        await until(lambda: system.guard.is_reachable and answers["ok"] > seen + 30)
        is_over.set()
        await asyncio.wait_for(gathered(*workers), 10)
        assert answers["refused"] + answers["failed"] > 0
        await nothing_is_left(system, sessions)
