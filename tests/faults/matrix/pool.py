"""F7 to F9 and a claim: the pool is exhausted, leaks, sits in transactions; no wrong session is ended."""

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from dashboard_app.backend.guard.server_view import Backend, ControlView
from dashboard_app.settings import Settings
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.database import Database, connect
from tests.faults.matrix.row import Row
from tests.faults.matrix.stand import Stand, caller, lag, until

GUARD = "/api/v1/health/database"
JOBS = "/api/v1/jobs"
VICTIM = "victim"
POOL_WAIT_S = 1.0
_PID_FILE = Path("/proc/sys/kernel/ns_last_pid")


@contextlib.asynccontextmanager
async def pool(address: DatabaseAddress, folder: Path, **settings: object) -> AsyncIterator[AsyncEngine]:
    """Spillway's own pool on `address`."""
    database = Database(lambda: address, Settings.model_validate({"data_dir": folder, "pool_timeout_s": POOL_WAIT_S, **settings}))
    try:
        yield database.engine
    finally:
        await database.close()


async def f07(stand: Stand, row: Row) -> None:
    """Every connection is out: waiters give up at their limit, come in turn, and over HTTP there is a 503 at once."""
    address = await stand.database()
    waiters = stand.count(500, 50)
    async with pool(address, stand.folder, pool_size=5, pool_max_overflow=0) as engine:
        held = [await engine.connect() for _ in range(5)]
        async with lag() as late:
            waits = await asyncio.gather(*(_given_up(engine) for _ in range(waiters)))
        over = [wait for wait in waits if wait > POOL_WAIT_S * 1.1 + late()]
        row.expect(not over, f"{len(over)} waited longer than {POOL_WAIT_S} s + 10 %, at most {max(waits):.2f} s")
        row.expect(min(waits) >= POOL_WAIT_S * 0.9, f"somebody gave up after {min(waits):.2f} s")
        row.waited(max(waits))
        order: list[int] = []
        turn = [asyncio.create_task(_in_turn(engine, number, order)) for number in range(100)]
        await asyncio.sleep(0.1)
        for connection in held:
            await connection.close()
        await asyncio.gather(*turn)
        spread = max(abs(place - number) for place, number in enumerate(order))
        row.expect(spread <= 25, f"somebody was served {spread} places out of turn")
        row.n = waiters + len(order)
    async with stand.instance(address, demo="true") as instance, await caller(instance, "admin") as client:
        held_now = (await client.post("/api/v1/drill/hold", json={"connections": 30, "seconds": 60, "kind": "leak"})).json()
        answers = await asyncio.gather(*(client.get(JOBS) for _ in range(stand.count(200, 20))))
        codes = Counter(answer.status_code for answer in answers)
        row.expect(set(codes) <= {503, 429}, f"answers {dict(codes)} with {held_now}")
        row.expect(all("retry-after" in answer.headers for answer in answers), "no Retry-After")
        freed = time.monotonic()
        await client.post(f"{GUARD}/force-cleanup")
        await client.post("/api/v1/drill/hold", json={"connections": 0, "seconds": 1, "kind": "leak"})

        async def is_served() -> bool:
            return (await client.get(JOBS)).status_code == 200

        await until(is_served, 90)
        row.recovered(time.monotonic() - freed)
    row.say(f"of 100 served by 5 connections none more than {spread} places out of turn; over HTTP {dict(codes)}")


async def _given_up(engine: AsyncEngine) -> float:
    began = time.monotonic()
    try:
        await (await engine.connect()).close()
    except PoolTimeout:
        return time.monotonic() - began
    raise AssertionError("a connection came out of a full pool")


async def _in_turn(engine: AsyncEngine, number: int, order: list[int]) -> None:
    async with engine.connect():
        order.append(number)


async def f08(stand: Stand, row: Row) -> None:
    """Connections leak, clients hang up in the middle: every leak is found in time and taken back, the server has no session too many."""
    address = await stand.database()
    settings = {"demo": "true", "leak_threshold_s": 2}
    async with stand.instance(address, **settings) as instance, await caller(instance, "admin") as client:
        cut = stand.count(1000, 50)
        headers = {"Authorization": f"Bearer {instance.token('admin')}"}
        async with aiohttp.ClientSession(base_url=instance.url, headers=headers) as hasty:

            async def hang_up() -> None:
                with contextlib.suppress(TimeoutError, aiohttp.ClientError):
                    async with asyncio.timeout(stand.chance.random() * 0.03), hasty.get(JOBS) as answer:
                        await answer.read()

            for _ in range(cut // 20):
                await asyncio.gather(*(hang_up() for _ in range(20)))
        for _ in range(stand.count(2)):
            await client.post("/api/v1/drill/hold", json={"connections": 5, "seconds": 60, "kind": "leak"})
            held = time.monotonic()

            async def are_found() -> bool:
                items = (await client.get(f"{GUARD}/holders")).json()["items"]
                return sum(item["suspected_leak"] for item in items) == 5

            await until(are_found, 10)
            row.waited(time.monotonic() - held)
            items = (await client.get(f"{GUARD}/holders")).json()["items"]
            row.expect(
                all(item["call_site"] for item in items if item["suspected_leak"]), f"a leak without a place in the code: {items[:1]}"
            )
            began = time.monotonic()
            done = (await client.post(f"{GUARD}/force-cleanup")).json()
            row.recovered(time.monotonic() - began)
            row.expect(done["reclaimed"] == 5, f"taken back: {done['reclaimed']} of 5")
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'spillway' AND query NOT LIKE '%pg_stat_activity%'"  # the probe of itself as a source is no part of its pool

        async def is_even() -> bool:
            pool = (await client.get(f"{GUARD}/status")).json()["pool"]
            sessions = (await stand.execute(count, address.database))[0][0]
            surplus[0] = f"{pool} in the pool, {sessions} sessions"
            return pool["checked_out"] == 0 and sessions == pool["idle"]

        surplus = [""]
        with contextlib.suppress(TimeoutError):
            await until(is_even, 10)
            surplus[0] = ""
        row.expect(not surplus[0], surplus[0])
    row.n = cut + 5 * stand.count(2)
    row.expect(row.longest_wait_s <= 3.0 + 0.3, f"found after {row.longest_wait_s:.1f} s at a threshold of 2 s")
    row.say(f"{cut} clients hung up; longest wait: until a leak past 2 s was named; the server's sessions equal the pool's idle ones")


async def f09(stand: Stand, row: Row) -> None:
    """Sessions idle in a transaction: shown with age and pid, ended on request; a pid that has a new owner is left alone."""
    address = await stand.database()
    async with stand.instance(address, demo="true", leak_threshold_s=0.5) as instance, await caller(instance, "admin") as client:
        await client.post("/api/v1/drill/hold", json={"connections": 6, "seconds": 60, "kind": "idle_in_transaction"})
        held = time.monotonic()

        async def are_shown() -> bool:
            items = (await client.get(f"{GUARD}/holders")).json()["items"]
            return sum(item["suspected_leak"] and item["state"] == "idle_in_transaction" for item in items) == 6

        await until(are_shown, 10)
        row.waited(time.monotonic() - held)
        began = time.monotonic()
        done = (await client.post(f"{GUARD}/force-cleanup")).json()
        row.expect(done["terminated_backends"] == 6, f"ended: {done['terminated_backends']} of 6")
        left = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND state LIKE 'idle in transaction%'"

        async def is_gone() -> bool:
            return (await stand.execute(left, address.database))[0][0] == 0

        await until(is_gone, 10)
        row.recovered(time.monotonic() - began)
        row.n = 6
    await _races(stand, row, address, stand.count(60, 10))


async def pid_reuse(stand: Stand, row: Row) -> None:
    """A session is to be ended, ends by itself, and its pid belongs to another session of the same application, idle in a transaction, too."""
    await _races(stand, row, await stand.database(), stand.count(1000, 10))


async def _races(stand: Stand, row: Row, address: DatabaseAddress, races: int) -> None:
    wrong = reused = 0
    async with pool(address, stand.folder) as control:
        view = ControlView(control, VICTIM)
        for number in range(races):
            first = await _idle_in_transaction(address)
            (seen,) = await view.backends([first.get_server_pid()])
            if number % 2:  # the end of the one and the beginning of the other in the middle of it
                ending = asyncio.create_task(view.terminate([seen]))
                await first.close(timeout=5)
                second = await _with_pid(address, seen.pid)
                await ending
            else:
                await first.close(timeout=5)
                second = await _with_pid(address, seen.pid)
            is_reused = second.get_server_pid() == seen.pid
            reused += is_reused
            aim = seen if is_reused else Backend(second.get_server_pid(), seen.backend_start, seen.state)
            wrong += bool(await view.terminate([aim]))
            (alive,) = await view.backends([second.get_server_pid()])
            if number % 50 == 0:  # the same call does end the right one
                row.expect(await view.terminate([alive]) == {alive.pid}, "the right session was not ended")
            await second.close(timeout=5) if number % 50 else second.terminate()
            row.n += 1
    row.lost += wrong
    row.say(f"{wrong} wrong sessions ended in {races} races, {reused} of them with a pid that the kernel really gave out again")


async def _idle_in_transaction(address: DatabaseAddress):
    connection = await connect(address, application_name=VICTIM, timeout_s=10, command_timeout_s=10)
    await connection.execute("BEGIN; SELECT 1")
    return connection


async def _with_pid(address: DatabaseAddress, pid: int):
    """A session idle in a transaction, with this pid if the kernel can be talked into it (root; another process may be quicker)."""
    for _ in range(5):
        if os.access(_PID_FILE, os.W_OK):
            with contextlib.suppress(OSError):
                await asyncio.to_thread(_PID_FILE.write_text, str(pid - 1))
        connection = await _idle_in_transaction(address)
        if connection.get_server_pid() == pid or not os.access(_PID_FILE, os.W_OK):
            return connection
        await connection.close(timeout=5)
    return await _idle_in_transaction(address)
