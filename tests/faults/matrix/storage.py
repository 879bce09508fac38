"""F1 to F6: Spillway's own database is away, dies, is slow, refuses, is full, falls silent."""

import asyncio
import contextlib
import time
from pathlib import Path

import httpx

from dashboard_app.store.database import connect
from dashboard_app.store.embedded import EmbeddedServer
from tests.faults.jobs.apps import Senders
from tests.faults.jobs.book import BACKWARDS, Book, backwards, made_jobs
from tests.faults.jobs.outages import started, stop_at_once
from tests.faults.matrix.row import Row, percentile
from tests.faults.matrix.stand import Stand, answers, caller, ready, until
from tests.faults.matrix.toxics import Kind, Toxic
from tests.instance import Launch

STATUS = "/api/v1/health/database/status"
JOBS = "/api/v1/jobs"
FROZEN_LIMIT_S = 4.4
"""Statement limit plus connect limit, 2 s each, plus 10 %."""
SLOW_LIMIT_S = 12.0
"""A call is a checkout (a ping and a connect, 2 s each) and three trips to the server, each within 2 s, plus a busy machine."""
DOWN = Toxic(Kind.DOWN)


async def f01(stand: Stand, row: Row) -> None:
    """PostgreSQL is down at the start: the process serves, says so, and is ready by itself soon after."""
    for _ in range(stand.count(2)):
        async with stand.behind_a_proxy(Launch(waits=False)) as (first, proxy):
            await ready(first)
            await proxy.become(DOWN)
            began = time.monotonic()
            url = first.environment["SPILLWAY_DATABASE_URL"]
            async with stand.instance(None, Launch(waits=False), database_url=url) as instance, await caller(instance, None) as client:

                async def lives() -> bool:
                    return await answers(client, "/livez") == httpx.codes.OK

                await until(lives)
                row.waited(time.monotonic() - began)
                row.expect(await answers(client, "/readyz") == 503, "/readyz is not 503")
                login = await client.get("/login")
                row.expect(login.status_code == 200 and "does not answer" in login.text, "the sign-in page says nothing of the database")
                await asyncio.sleep(3)
                row.expect(instance.process.poll() is None, "the process ended")
                await proxy.become()
                row.recovered(await ready(instance))
        row.n += 1
    row.expect(row.recover_s <= 2.0, f"ready only {row.recover_s:.1f} s after the database")
    row.say("longest wait: from the start of the process to /livez")


async def f02(stand: Stand, row: Row) -> None:
    """PostgreSQL stops at once, again and again, under a thousand updates a second: what was acknowledged is written, in order."""
    address = await stand.database()
    noticed = []
    async with stand.instance(address) as instance:
        connection = await connect(address, application_name="faults")
        await connection.execute(BACKWARDS)
        book = Book(await made_jobs(connection))
        await connection.close()
        token = instance.token("operator")
        senders = await asyncio.to_thread(Senders.on, instance, book)
        async with await caller(instance) as client:
            for _ in range(stand.count(8)):
                await asyncio.sleep(0.3 + stand.chance.random())
                stop_at_once(stand.server)
                fell = time.monotonic()
                await until(lambda: _says(client, "unavailable"), 10)
                noticed.append(time.monotonic() - fell)
                await asyncio.to_thread(started, stand.server)
                back = time.monotonic()
                await until(lambda: _says(client, "healthy"), 30)
                row.recovered(time.monotonic() - back)
                row.n += 1
            await asyncio.to_thread(senders.end)
            row.expect((await client.post("/api/v1/jobs/status/flush")).status_code == 200, "the flush after it failed")
        connection = await connect(address, application_name="faults")
        row.lost, row.duplicated = await book.lost(connection), await backwards(connection)
        await connection.close()
        assert token
    row.waited(max(noticed))
    row.expect(max(noticed) <= 2.5, f"noticed only after {max(noticed):.1f} s")
    row.expect(book.total > 0, "nothing was acknowledged")
    row.say(f"{book.total} updates acknowledged, {senders.refused} refused; longest wait: until the status said unavailable")


async def _says(client: httpx.AsyncClient, word: str) -> bool:
    answer = await client.get(STATUS)
    return answer.status_code == 200 and (answer.json()["status"] != "unavailable") == (word == "healthy")


async def f03(stand: Stand, row: Row) -> None:
    """PostgreSQL is slow, 0.1 to 10 s each way: what needs it gives up in time, what does not is as quick as ever."""
    async with stand.behind_a_proxy(pool_timeout_s=2) as (instance, proxy), await caller(instance) as client:
        quiet = [await _timed(client, STATUS) for _ in range(100)]
        spoiled: list[float] = []
        for latency_s in (0.1, 0.5, 10.0):
            await proxy.become(Toxic(Kind.LATENCY, latency_s))
            end = time.monotonic() + 6
            while time.monotonic() < end:
                works = [asyncio.create_task(_timed(client, JOBS)) for _ in range(stand.count(20, 5))]
                while not all(work.done() for work in works):
                    spoiled.append(await _timed(client, STATUS))
                    await asyncio.sleep(0.02)
                row.n += len(works)
                row.waited(max(work.result() for work in works))
        await proxy.become()
        row.recovered(await until(lambda: _is_well(client)))
    before, during = percentile(quiet, 0.99), percentile(spoiled, 0.99)
    row.expect(row.longest_wait_s <= SLOW_LIMIT_S, f"a call took {row.longest_wait_s:.1f} s")
    row.expect(during <= max(0.1, 4 * before), f"status p99 {during * 1000:.0f} ms beside {before * 1000:.0f} ms")
    row.say(f"status p99 {during * 1000:.0f} ms meanwhile, {before * 1000:.0f} ms before")


async def _timed(client: httpx.AsyncClient, path: str) -> float:
    began = time.monotonic()
    answer = await client.get(path)
    assert answer.status_code in {200, 503}, answer.text[:300]
    return time.monotonic() - began


async def _is_well(client: httpx.AsyncClient) -> bool:
    return await answers(client, JOBS) == httpx.codes.OK and await _says(client, "healthy")


async def f04(stand: Stand, row: Row) -> None:
    """Connections are refused, then accepted and reset: said at once, tried seldom, healed soon."""
    async with stand.behind_a_proxy() as (instance, proxy), await caller(instance) as client:
        for fault in (DOWN, Toxic(Kind.RESET, 0.0)):
            await proxy.become(fault)
            if fault.kind is Kind.RESET:
                proxy.reset_all()
            await until(lambda: _says(client, "unavailable"), 10)
            before, began = proxy.accepted, time.monotonic()
            seconds = max(10 * stand.share, 3)
            while time.monotonic() - began < seconds:
                for path in (JOBS, "/scan/data-sources", STATUS):
                    row.waited(await _timed(client, path))
                    row.n += 1
                await asyncio.sleep(0.05)
            if fault.kind is Kind.RESET:
                tries = (proxy.accepted - before) / (time.monotonic() - began)
                row.expect(tries <= 5, f"{tries:.1f} tries a second")
                row.say(f"{tries:.1f} tries to connect a second by all loops together")
            await proxy.become()
            row.recovered(await until(lambda: _is_well(client)))
    row.expect(row.longest_wait_s <= 1.0, f"a call took {row.longest_wait_s:.1f} s")
    row.expect(row.recover_s <= 5.0, f"healed after {row.recover_s:.1f} s")


async def f05(stand: Stand, row: Row) -> None:
    """PostgreSQL has no connection left (53300): no tight loop, no 500, a source is said to be full, and it heals."""
    folder = stand.folder / f"narrow-{time.monotonic_ns()}"
    server = EmbeddedServer(folder, options={"max_connections": "16", "superuser_reserved_connections": "3"})
    await asyncio.to_thread(server.start)
    try:
        async with stand.instance(server.address(), pool_pre_ping="true") as instance, await caller(instance, "admin") as client:
            source = await client.post("/scan/data-sources", json=_source_at(server))
            row.expect(source.status_code == 201, f"no source: {source.text[:200]}")
            takers = []
            with contextlib.suppress(Exception):  # the server's refusal is the goal
                while len(takers) < 16:
                    takers.append(await connect(server.address(), application_name="taker"))
            row.expect(len(takers) > 5, "the server took too few")
            tried = await client.post("/scan/data-sources/test", json=_source_at(server))
            told = " ".join(step["message"] or "" for step in tried.json()["steps"])
            row.expect("no free connection slot" in told, f"the test says: {told}")
            end, codes = time.monotonic() + 5, dict[int, int]()
            refused = await _refusals(server)
            while time.monotonic() < end:
                began = time.monotonic()
                for code in await asyncio.gather(*(answers(client, JOBS) for _ in range(10))):
                    codes[code] = codes.get(code, 0) + 1
                    row.n += 1
                row.waited(time.monotonic() - began)
                await asyncio.sleep(0.1)
            tries = (await _refusals(server) - refused) / 5
            row.expect(set(codes) <= {200, 503}, f"answers {codes}")
            for taker in takers:
                await taker.close()
            row.recovered(await until(lambda: _is_well(client)))
            row.say(f"answers {codes}, {tries:.1f} refused connects a second; the source says: {told}")
    finally:
        await asyncio.to_thread(server.stop_if_last_user)
    row.expect(row.recover_s <= 5, f"healed after {row.recover_s:.1f} s")
    row.expect(row.longest_wait_s <= 4.5, f"a call took {row.longest_wait_s:.1f} s")
    row.expect(tries <= 120, f"{tries:.0f} refused connects a second")


def _source_at(server: EmbeddedServer) -> dict[str, object]:
    address = server.address()
    return {
        "name": "full",
        "kind": "postgresql",
        "host": address.host,
        "port": address.port,
        "database": address.database,
        "username": address.user,
        "password": address.password.reveal(),
    }


async def _refusals(server: EmbeddedServer) -> int:
    """How often the server has said that it is full."""

    def count() -> int:
        place = server._cluster()
        return sum(Path(log).read_text(errors="replace").count("too many clients") for log in (place / "log").glob("*.log"))

    return await asyncio.to_thread(count)


async def f06(stand: Stand, row: Row) -> None:
    """PostgreSQL is frozen (SIGSTOP), or the way to it falls silent: everybody is answered in time."""
    crowd = stand.count(100, 20)
    async with stand.behind_a_proxy(pool_timeout_s=2) as (instance, proxy), await caller(instance) as client:
        for silence in ("SIGSTOP", "half-open"):
            await until(lambda: _is_well(client))
            for _ in range(2):
                usual = max(await asyncio.gather(*(_timed(client, STATUS) for _ in range(crowd))))
            with contextlib.ExitStack() as stack:
                if silence == "SIGSTOP":
                    stack.enter_context(instance.frozen(stand.server))
                else:
                    await proxy.become(Toxic(Kind.TIMEOUT))
                for _ in range(2):
                    waits = await asyncio.gather(*(_timed(client, JOBS) for _ in range(crowd)))
                    row.n += len(waits)
                    row.waited(max(waits))
                    row.expect(max(waits) <= FROZEN_LIMIT_S + usual, f"{silence}: a call took {max(waits):.1f} s, usual are {usual:.1f} s")
            await proxy.become()
            row.recovered(await until(lambda: _is_well(client)))
    row.expect(row.recover_s <= 5, f"healed after {row.recover_s:.1f} s")
    row.say(f"bound: {FROZEN_LIMIT_S} s and what the same crowd of {crowd} takes on a database that answers")
