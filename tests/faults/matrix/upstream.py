"""F10, F11, F21: sources that answer wrongly, a Redis that is not there, a source that hangs for ever."""

import asyncio
import contextlib
import gzip
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from tests.faults.matrix.row import Row, percentile
from tests.faults.matrix.stand import Stand, caller, rss_kb, signed_in, until
from tests.faults.matrix.tab import Tab, web
from tests.faults.matrix.toxics import proxied

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SOURCES = "/scan/data-sources"
PROBE_LIMIT_S = 0.6
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_CHANCE = random.Random(10)  # noqa: S311 - which bytes, not a secret


def _answers(head: bytes, body: bytes = b"", *, length: bool = True) -> Behave:
    """One answer, then the end."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + (b"Content-Length: %d\r\n" % len(body) if length else b"") + b"\r\n" + body)
        await writer.drain()

    return behave


def _endless(head: bytes, piece: bytes, pause_s: float = 0.0) -> Behave:
    """An answer that does not end."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return behave


async def _random(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_CHANCE.randbytes(_CHANCE.randint(1, 5000)))
    await writer.drain()


async def _random_json(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _answers(_OK, json.dumps(_junk(4)).encode())(reader, writer)


async def _silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read(2**20)
    await asyncio.sleep(60)


async def _hangs_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    return


def _junk(depth: int) -> object:
    """JSON of some shape or other, with the names that are looked for among its keys."""
    kind = _CHANCE.randint(0, 6 if depth else 4)
    if kind <= 4:
        return (None, True, _CHANCE.choice((0, -1, 1e308, 2**70, 0.1)), "x" * _CHANCE.randint(0, 50), "\ud800\x00\u202e")[kind]
    if kind == 5:
        return [_junk(depth - 1) for _ in range(_CHANCE.randint(0, 4))]
    names = ("pool", "status", "throttling_level", "capacity", "checked_out", "reasons", "items", "", "admission")
    return {_CHANCE.choice(names): _junk(depth - 1) for _ in range(_CHANCE.randint(0, 6))}


def _status(code: int) -> Behave:
    return _answers(b"HTTP/1.1 %d Whatever\r\n" % code, b"{}")


KINDS: dict[str, Behave] = {
    **{f"status {code}": _status(code) for code in (204, 301, 400, 401, 403, 404, 429, 500, 502, 503, 504, 599, 999)},
    "redirect to itself": _answers(b"HTTP/1.1 302 Found\r\nLocation: /api/v1/health/database/status\r\n"),
    "redirect elsewhere": _answers(b"HTTP/1.1 307 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\n"),
    "random bytes": _random,
    "random JSON": _random_json,
    "not JSON": _answers(_OK, b"<html>hello"),
    "deep JSON": _answers(_OK, b"[" * 50_000 + b"]" * 50_000),
    "NaN": _answers(_OK, b'{"pool": {"capacity": NaN}}'),
    "2 GB announced": _endless(_OK + b"Content-Length: 2147483648\r\n\r\n", b"x" * 65_536),
    "endless chunks": _endless(_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b"x" * 0x4000 + b"\r\n"),
    "slow drip": _endless(_OK + b"Content-Length: 100000\r\n\r\n", b"x", 0.05),
    "endless head": _endless(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"x" * 8000 + b"\r\n"),
    "gzip bomb": _answers(_OK + b"Content-Encoding: gzip\r\n", gzip.compress(b"\0" * 50_000_000)),
    "cut short": _answers(_OK + b"Content-Length: 5000\r\n", b'{"pool":', length=False),
    "two lengths": _answers(_OK + b"Content-Length: 1\r\nContent-Length: 200\r\n", b"{}", length=False),
    "says nothing": _silent,
    "hangs up": _hangs_up,
    "100 again and again": _endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
}


@contextlib.asynccontextmanager
async def _listening(behave: Behave) -> AsyncIterator[int]:
    """A port where somebody behaves like that."""
    under_way: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
                await behave(reader, writer)
        finally:
            under_way.discard(task)
            writer.transport.close() if not writer.transport.is_closing() else None

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(under_way):
            task.cancel()


async def f10(stand: Stand, row: Row) -> None:
    """A service answers in thirty wrong ways: a sentence for each, in time, no memory lost."""
    total = stand.count(900, 60)
    told: dict[str, str] = {}
    codes: Counter[int] = Counter()
    async with contextlib.AsyncExitStack() as stack:
        ports = {kind: await stack.enter_async_context(_listening(behave)) for kind, behave in KINDS.items()}
        instance = await stack.enter_async_context(stand.instance(await stand.database(), probe_timeout_s=PROBE_LIMIT_S))
        client = await stack.enter_async_context(await caller(instance, "admin"))
        numbers = iter(range(total // 3))
        names = list(KINDS)

        async def sender() -> None:
            for number in numbers:
                kind = names[number % len(names)]
                body = {"name": kind, "kind": "service", "host": "127.0.0.1", "port": ports[kind], "password": "x" * 20}
                began = time.monotonic()
                answer = await client.post(f"{SOURCES}/test", json=body)
                waits.append(time.monotonic() - began)
                codes[answer.status_code] += 1
                said = answer.json()
                row.expect(answer.status_code in {200, 503}, f"{kind}: {answer.status_code} {answer.text[:150]}")
                if answer.status_code == 200:
                    row.expect(not said["ok"], f"{kind} counts as an answer")
                    told[kind] = said["steps"][-1]["message"]

        waits: list[float] = []
        await asyncio.gather(*(sender() for _ in range(8)))  # once through everything, so that memory is warm
        numbers = iter(range(total))
        before = rss_kb(instance.process.pid)
        waits.clear()
        await asyncio.gather(*(sender() for _ in range(8)))
        grown = (rss_kb(instance.process.pid) - before) / 1024
        row.expect("Traceback" not in instance.log.read_text(), "a traceback in the log")
        good = await client.get(SOURCES)
        row.expect(good.status_code == 200, "the list does not answer afterwards")
    row.n = sum(codes.values())
    row.waited(max(waits))
    row.expect(len(told) == len(KINDS), f"not told: {sorted(set(KINDS) - set(told))}")
    row.expect(all(told.values()), "a failure without a sentence")
    row.expect(grown <= 20, f"RSS +{grown:.0f} MB")
    row.expect(percentile(waits, 0.99) <= PROBE_LIMIT_S * 1.1 + 1.5 + 0.5, f"p99 {percentile(waits, 0.99):.2f} s")
    row.say(
        f"{len(KINDS)} kinds, answers {dict(codes)}, RSS {grown:+.1f} MB; p99 {percentile(waits, 0.99):.2f} s at a limit of {PROBE_LIMIT_S} s"
    )


async def f11(_stand: Stand, row: Row) -> None:
    """Redis."""
    row.skip("not yet: Spillway uses no Redis; sessions, jobs and events live in PostgreSQL and on disk")


async def f21(stand: Stand, row: Row) -> None:
    """Some sources hang for ever: the others are read on time."""
    seconds, refetch_s = max(25 * stand.share, 12), 3.0
    settings = {
        "health_refetch_s": refetch_s,
        "health_stale_s": 1,
        "health_stagger_ms": 10,
        "health_batch_delay_ms": 20,
        "health_batch_size": 8,
        "queue_interval_ms": 5,
        "queue_concurrency": 10,
        "probe_timeout_s": 2,
        "health_retries": 0,
        "metrics_refetch_s": 600,
    }
    address = await stand.database()
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(_listening(_silent))
        instance = await stack.enter_async_context(stand.instance(address, **settings))
        client = await stack.enter_async_context(await caller(instance, "admin"))
        doors = [await stack.enter_async_context(proxied(address.host, address.port)) for _ in range(40)]
        body = {
            "kind": "postgresql",
            "host": address.host,
            "database": address.database,
            "username": address.user,
            "password": address.password.reveal(),
        }
        for number, door in enumerate(doors):
            await _added(client, body | {"name": f"good-{number}", "port": door.port})
        sockets = await stack.enter_async_context(web())
        tab = Tab(sockets, instance.url, await signed_in(instance))  # somebody looks
        await tab.connect()
        await tab.load("/")
        await client.post("/api/v1/loader/refresh")
        await until(lambda: all(len(door.asked_at) > 1 for door in doors), 60)
        bad = [await _added(client, body | {"name": f"hangs-{number}", "port": port}) for number in range(2)]
        await client.post("/api/v1/loader/refresh")
        hung = time.monotonic()
        await asyncio.sleep(seconds)
        await tab.close()
        found = (await client.get(f"{SOURCES}/health?ids={','.join(map(str, bad))}")).json()
        told = [one["status"] for one in found.get("items", found)]
        row.expect(bool(told) and not set(told) & {"healthy"}, f"the ones that hang are said to be {told}")
        lags = [
            max(late - early - refetch_s, 0.0)
            for door in doors
            for early, late in itertools.pairwise(moment for moment in door.asked_at if moment >= hung)
        ]
    row.n = len(lags)
    row.waited(percentile(lags, 0.99))
    row.expect(len(lags) >= 40, f"only {len(lags)} readings")
    row.expect(row.longest_wait_s <= 1.0, f"lag p99 {row.longest_wait_s:.2f} s")
    row.say(
        f"longest wait: by how much a reading of the other 40 came late, p99; p50 {percentile(lags, 0.5):.2f} s, {len(lags)} readings every {refetch_s:g} s"
    )


async def _added(client: httpx.AsyncClient, body: dict[str, object]) -> int:
    answer = await client.post(SOURCES, json=body)
    assert answer.status_code == 201, answer.text[:300]
    return int(answer.json()["id"])
