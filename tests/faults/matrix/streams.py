"""F17: readers of the event stream that read nothing."""

import asyncio
import contextlib
import json
import socket
import time

import aiohttp
import httpx

from tests.faults.matrix.row import Row, percentile
from tests.faults.matrix.stand import Stand, caller, rss_kb, until
from tests.instance import Instance

STREAM = "/api/v1/events/stream"
EVENTS = "/api/v1/events"


async def f17(stand: Stand, row: Row) -> None:
    """Readers of the event stream that read nothing: memory is bounded, the others get all in time, who was cut resumes without a gap."""
    frozen, live = stand.count(200, 10), 5
    async with stand.instance(await stand.database()) as instance, await caller(instance, "admin") as client:
        token = await asyncio.to_thread(instance.token, "admin")
        seen: list[list[int]] = [[] for _ in range(live)]
        delays: list[float] = []
        ids: list[int] = []
        readers = [asyncio.create_task(_reads(instance, token, into, delays, ids)) for into in seen]
        await until(lambda: _has_readers(client, live))
        for _ in range(100):  # a history of its own is no cost of a frozen reader
            warm = [{"type": "WARM", "data": {"pad": "x" * 800}}] * 20
            assert (await client.post(EVENTS, json=warm)).status_code == 202
        held = [await _frozen(instance, token) for _ in range(frozen)]
        await until(lambda: _has_readers(client, frozen + live))
        pid, before = instance.process.pid, rss_kb(instance.process.pid)
        first = ids[-1]
        published, began = 0, time.monotonic()
        while time.monotonic() - began < max(35 * stand.share, 8):
            body = [{"type": "ROW", "data": {"number": published + n, "at": time.monotonic(), "pad": "x" * 800}} for n in range(20)]
            assert (await client.post(EVENTS, json=body)).status_code == 202
            published += 20
            await asyncio.sleep(0.05)
        await until(lambda: all(numbers and numbers[-1] == published - 1 for numbers in seen), 20)
        grown = (rss_kb(pid) - before) / 1024
        for reader in readers:
            reader.cancel()
        left = (await client.get(f"{EVENTS}/stats")).json()["subscribers"]
        for one in held:
            one.close()
        row.lost = sum(len(set(range(published)) - set(numbers)) for numbers in seen)
        row.duplicated = sum(len(numbers) - len(set(numbers)) for numbers in seen)
        late: list[int] = []
        late_reader = asyncio.create_task(_reads(instance, token, late, [], [], last_id=first))
        await until(lambda: bool(late) and late[-1] == published - 1, 20)
        late_reader.cancel()
        row.expect(late == list(range(published)), "a gap or a double after resuming")
        row.n = frozen
    row.waited(percentile(delays, 0.99))
    row.expect(grown <= 50, f"memory grew by {grown:.0f} MB")
    row.expect(row.longest_wait_s <= 2.0, f"p99 of the others is {row.longest_wait_s:.2f} s")
    row.say(
        f"{published} events of 0.8 kB past {frozen} frozen readers, of which {frozen + live - left} were cut; RSS +{max(grown, 0):.0f} MB"
    )
    row.say("longest wait: p99 of the other readers from the call to the event, a batch is up to 0.5 s")


async def _has_readers(client: httpx.AsyncClient, count: int) -> bool:
    return (await client.get(f"{EVENTS}/stats")).json()["subscribers"] >= count


async def _frozen(instance: Instance, token: str) -> socket.socket:
    """A reader that asks and then never reads."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.to_thread(one.connect, ("127.0.0.1", instance.port))
    one.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: 127.0.0.1:{instance.port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return one


async def _reads(
    instance: Instance, token: str, into: list[int], delays: list[float], ids: list[int], *, last_id: int | None = None
) -> None:
    """Follow the stream and note every number; comes back with the last id when it is cut."""
    async with aiohttp.ClientSession() as session:
        while True:
            headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": str(last_id)} if last_id else {})
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(
                    f"{instance.url}{STREAM}", headers=headers, timeout=aiohttp.ClientTimeout(None), read_bufsize=2**22
                ) as answer:
                    async for raw in answer.content:
                        line = raw.decode()
                        if line.startswith("id:"):
                            last_id = int(line[3:])
                            ids.append(last_id)
                        elif line.startswith("data:"):
                            _note(json.loads(line[5:]), into, delays)


def _note(data: dict[str, object], into: list[int], delays: list[float]) -> None:
    """A batch carries its events as items."""
    for one in data.get("items", [data]):  # type: ignore[attr-defined]
        if "number" in one:
            into.append(one["number"])
            delays.append(time.monotonic() - one["at"])
