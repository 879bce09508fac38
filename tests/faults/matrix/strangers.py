"""Three claims: cut sockets come back, strangers leave no trace, a stolen client token is worth nothing."""

import asyncio
import contextlib
import time
from collections import Counter

import aiohttp
import httpx

from tests.faults.matrix.row import Row, percentile
from tests.faults.matrix.stand import Stand, caller, rss_kb, signed_in
from tests.faults.matrix.tab import Tab, web
from tests.faults.matrix.tabs import open_tabs
from tests.instance import Instance

READ = "reflex___state____state.dashboard_app___console___pages___jobs_state____jobs_state.read"


async def cuts(stand: Stand, row: Row) -> None:
    """A socket is cut at a random moment and comes back at once: still signed in, and the page of the address is there again."""
    count = stand.count(500, 10)
    async with stand.instance(await stand.database()) as instance, await caller(instance) as client, web() as sockets:
        cookie = await signed_in(instance)
        await client.post("/api/v1/jobs", json={"jobs": [{"kind": "seen"}, {"kind": "hidden"}]})
        query, restored = {"kind": "seen"}, 0

        async def one(number: int) -> None:
            nonlocal restored
            tab = Tab(sockets, instance.url, cookie)
            await tab.connect()
            if number % 2:
                await tab.load("/jobs", query=query)
            else:
                await tab.send(READ, path="/jobs")
            await asyncio.sleep(stand.chance.random() * 0.05)
            tab.cut()
            again = Tab(sockets, instance.url, cookie, tab.token)  # before the server has seen the old one go
            await again.connect()
            row.waited(await again.load("/jobs", query=query))
            text = "".join(again.heard)
            is_signed_in = "/login?expired" not in text
            restored += is_signed_in and '"kind_rx_state_":"seen"' in text
            await tab.close()
            await again.close()

        for start in range(0, count, 10):
            await asyncio.gather(*(one(number) for number in range(start, min(start + 10, count))))
        row.n, row.lost = count, count - restored
    row.say(f"{restored} of {count} still signed in with the filter of the address in place; longest wait: until the page was there")


async def handshakes(stand: Stand, row: Row) -> None:
    """Anonymous handshakes by the thousand: refused before any state exists, and people sign in meanwhile."""
    count = stand.count(10_000, 100)
    async with stand.instance(await stand.database()) as instance, web() as sockets:
        async with open_tabs(instance, 1):
            pass
        await _flood(sockets, instance, 200)
        pid, before = instance.process.pid, rss_kb(instance.process.pid)
        flood = asyncio.create_task(_flood(sockets, instance, count))
        signs: list[float] = []
        while not flood.done():
            began = time.monotonic()
            await signed_in(instance)
            signs.append(time.monotonic() - began)
            await asyncio.sleep(0.5)
        codes = await flood
        grown = (rss_kb(pid) - before) / 1024
    row.n = count
    row.waited(max(signs))
    row.expect(set(codes) <= {401, 0} and codes[401] > 0, f"answers {dict(codes)}")
    row.expect(grown <= 10, f"RSS +{grown:.1f} MB")
    row.expect(percentile(signs, 0.95) <= 1.0, f"signing in took {percentile(signs, 0.95):.2f} s")
    row.say(f"{dict(codes)}, RSS {grown:+.1f} MB; longest wait: to sign in meanwhile, p95 {percentile(signs, 0.95):.2f} s")


async def _flood(sockets: aiohttp.ClientSession, instance: Instance, count: int) -> Counter[int]:
    """So many handshakes without a cookie, twenty at once; the answers."""
    codes: Counter[int] = Counter()
    left = iter(range(count))

    async def sender() -> None:
        for _ in left:
            tab = Tab(sockets, instance.url, "")
            try:
                await tab.connect(20)
            except aiohttp.WSServerHandshakeError as refused:
                codes[refused.status] += 1
            except aiohttp.ClientError:
                codes[0] += 1  # hung up on before the answer was read
            else:
                codes[101] += 1
                await tab.close()

    await asyncio.gather(*(sender() for _ in range(20)))
    return codes


async def stolen_token(stand: Stand, row: Row) -> None:
    """A client token without its session, or with another person's: what its owner saw is never served."""
    count = stand.count(1000, 20)
    async with stand.instance(await stand.database()) as instance, web() as sockets:
        await asyncio.to_thread(instance.cli, "user", "add", "vera@example.org", "--role", "viewer", stdin="correct-horse-battery-8")
        owner, other = await signed_in(instance), await _signed_in_as(instance, "vera@example.org", "correct-horse-battery-8")
        mark = {"kind": "the-owners-own"}
        served = 0

        async def one(number: int) -> None:
            nonlocal served
            victim = Tab(sockets, instance.url, owner)
            await victim.connect()
            await victim.load("/jobs", query=mark)
            assert "the-owners-own" in "".join(victim.heard)
            await victim.close()
            thief = Tab(sockets, instance.url, ("", other, "spillway_session=guessed")[number % 3], victim.token)
            with contextlib.suppress(aiohttp.WSServerHandshakeError):
                await thief.connect()
                await thief.load("/jobs")
            served += "the-owners-own" in "".join(thief.heard)
            await thief.close()

        for start in range(0, count, 10):
            await asyncio.gather(*(one(number) for number in range(start, min(start + 10, count))))
        row.n, row.lost = count, served
    row.say(f"served {served} of {count}: a third each without a cookie, with another person's session, with a guessed one")


async def _signed_in_as(instance: Instance, email: str, password: str) -> str:
    async with httpx.AsyncClient(base_url=instance.url, timeout=20) as client:
        answer = await client.post("/login", data={"email": email, "password": password})
        assert answer.status_code in {302, 303}, answer.text[:300]
        return "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
