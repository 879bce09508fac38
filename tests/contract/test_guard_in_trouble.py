"""The guard's calls while the pool is full, filling, or has no server: they need no connection and wait for nobody."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from dashboard_app.backend.guard import PoolGuard
from dashboard_app.settings import Settings
from dashboard_app.store.address import DatabaseAddress
from tests.conftest import PostgresForTests
from tests.contract.conftest import Served, fill, served, until
from tests.timing import within

BASE = "/api/v1/health/database"
CALLS = (f"{BASE}/status", f"{BASE}/throttling-config", f"{BASE}/holders", "/api/v1/health/ping")
HOLD = "/api/v1/drill/hold"
TABLE = {20: "NORMAL", 21: "MODERATE", 24: "AGGRESSIVE", 27: "EMERGENCY", 30: "EMERGENCY"}
NEVER_WAITS_S = 1.0
"""A call that waited for a connection, an admission or the server would take longer; how long it takes is for `make bench`."""


@pytest.fixture
async def big(fresh_database: DatabaseAddress, settings_for: Callable[..., Settings]) -> AsyncIterator[Served]:
    """The API of a demo, with the ordinary pool of 20 + 10."""
    async with served(fresh_database, settings_for(demo=True, leak_threshold_s=60)) as made:
        yield made


def level_of(checked_out: int) -> str:
    return next(level for held, level in sorted(TABLE.items(), reverse=True) if checked_out >= held) if checked_out >= 20 else "NORMAL"


async def test_a_hold_moves_the_level_as_the_table_says_and_polls_see_it_at_once(big):
    seen: set[tuple[int, str]] = set()
    is_over = asyncio.Event()

    async def poll() -> None:
        async with big.client(None) as client:
            while not is_over.is_set():
                said = (await client.get(f"{BASE}/status")).json()
                seen.add((said["pool"]["checked_out"], said["throttling_level"]))
                await asyncio.sleep(0.001)  # in process a call need not give way to anybody

    async with big.client() as client:
        polling = asyncio.create_task(poll())
        held = 0
        for target, level in TABLE.items():
            async with asyncio.timeout(20):
                while held < target:
                    held += (await client.post(HOLD, json={"connections": target - held, "seconds": 60})).json()["held"]
            said = (await client.get(f"{BASE}/status")).json()  # the very next answer knows
            config = (await client.get(f"{BASE}/throttling-config")).json()
            assert (said["pool"]["checked_out"], said["throttling_level"], config["throttling_level"]) == (target, level, level)
            assert said["usage_percent"] == round(target / 0.3, 1)
        is_over.set()
        await polling
    assert {(count, level) for count, level in seen if level != level_of(count)} == set()  # no poll on the way saw anything else
    assert len(seen) > 5


async def calls_answer(api: Served, guard: PoolGuard, **expected: Any) -> None:
    """Each call is a 200 that waits for nothing and takes no connection from the pool."""
    before = guard.counts()
    async with api.client() as client:
        for path in CALLS * 5:
            with within(NEVER_WAITS_S):
                answer = await client.get(path)
            assert answer.status_code == 200, path
        status = (await client.get(f"{BASE}/status")).json()
    assert guard.counts().checked_out == before.checked_out
    assert {name: status[name] for name in expected} == expected


async def test_guard_calls_answer_while_the_pool_is_exhausted(demo_api):
    async with demo_api.client() as client:
        await fill(demo_api, client)
        late = [asyncio.create_task(demo_api.database.engine.connect().start()) for _ in range(3)]
        await until(lambda: demo_api.guard.counts().waiting == 3)
        await calls_answer(demo_api, demo_api.guard, status="critical", throttling_level="EMERGENCY", usage_percent=100.0)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await client.post(HOLD, json={"connections": 0})


@pytest.mark.impatient
@pytest.mark.parametrize("trouble", [PostgresForTests.freeze, PostgresForTests.stop])
async def test_guard_calls_answer_while_the_server_is_frozen_or_stopped(demo_api, postgres, trouble):
    async with demo_api.client() as client:
        await client.get("/scan/data-sources")
        await asyncio.to_thread(trouble, postgres)
        await calls_answer(demo_api, demo_api.guard)  # nobody knows yet
        await until(lambda: not demo_api.guard.is_reachable)
        await calls_answer(demo_api, demo_api.guard, status="unavailable", throttling_level="EMERGENCY", circuit_breaker="open")
        postgres.thaw()
        await asyncio.to_thread(postgres.start)
        await until(lambda: demo_api.guard.is_reachable)
        await calls_answer(demo_api, demo_api.guard, status="healthy", throttling_level="NORMAL")
