"""F16, F24 to F26: a thousand tabs, little memory, a new version, everybody back at once."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator

import aiohttp
import httpx

from tests.faults.matrix.row import Row, percentile
from tests.faults.matrix.stand import Stand, caller, cpu_s, kept_waiting_s, ready, rss_kb, signed_in
from tests.faults.matrix.tab import ON_LOAD, Tab, each, opened, web
from tests.instance import Instance, free_port

MEMORY_MB = 260
"""So little that a thousand tabs do not fit: at 512 MB they do."""
HYDRATED_S = 40
"""For a thousand tabs, beside the time in which others' work kept the server from the processor; 10 to 20 s on two quiet cores."""
GONE = "reflex___state____state.dashboard_app___console___pages___jobs_state____jobs_state.read_of_the_last_version"


@contextlib.asynccontextmanager
async def open_tabs(instance: Instance, count: int, path: str = "/") -> AsyncIterator[list[Tab]]:
    """So many open pages of one person, hydrated."""
    cookie = await signed_in(instance)
    async with web() as sockets:
        tabs = [Tab(sockets, instance.url, cookie) for _ in range(count)]
        await each(tabs, lambda tab: opened(tab, path))
        try:
            yield tabs
        finally:
            await asyncio.gather(*(tab.close() for tab in tabs), return_exceptions=True)


async def f16(stand: Stand, row: Row) -> None:
    """A thousand tabs: all hydrated soon though those that are open are served, an event in 300 ms, memory is bounded and comes back."""
    count = stand.count(1000, 20)
    async with stand.instance(await stand.database(), demo="true") as instance:
        async with open_tabs(instance, 5):
            pass
        pid = instance.process.pid
        before = rss_kb(pid)
        began, used, waited = time.monotonic(), cpu_s(pid), kept_waiting_s(pid)
        async with open_tabs(instance, count) as tabs:
            hydrated, waited = time.monotonic() - began, kept_waiting_s(pid) - waited
            ms = (cpu_s(pid) - used) * 1000 / count
            held = rss_kb(pid)
            row.expect(
                hydrated - waited <= HYDRATED_S, f"hydrated after {hydrated:.0f} s, of which the server had no processor for {waited:.0f} s"
            )
            row.expect(all(tab.is_open for tab in tabs), "sockets were lost")

            async def asks(tab: Tab) -> None:
                tab.forget()
                await tab.send(ON_LOAD)
                await tab.hears('"is_hydrated_rx_state_":true', 15)

            waits: list[float] = []
            for start in range(0, count, 5):  # five people click at once, all the time
                part = tabs[start : start + 5]
                waits += await each(part, asks)
            row.n = count
        async with open_tabs(instance, 1):
            after = rss_kb(pid)
    kb = (held - before) / count
    row.waited(percentile(waits, 0.95))
    row.expect(row.longest_wait_s <= 0.3, f"p95 of an event is {row.longest_wait_s * 1000:.0f} ms")
    row.expect(kb <= 400, f"{kb:.0f} kB a tab")
    row.say(f"{count} tabs hydrated in {hydrated:.1f} s, of which the server had no processor for {waited:.1f} s")
    row.say(f"{ms:.0f} ms of a processor for a tab, pushes to the others included")
    row.say(f"{kb:.0f} kB a tab; {after // 1024} MB after they left, {before // 1024} MB before")
    row.say("longest wait: p95 of an event")


async def f24(stand: Stand, row: Row) -> None:
    """Little memory is left: streams go first, then new sockets are refused; the process lives and people still act."""
    count = stand.count(700, 20)
    async with (
        stand.instance(await stand.database(), demo="true", memory_limit_mb=MEMORY_MB) as instance,
        await caller(instance, "admin") as client,
    ):
        pid = instance.process.pid
        cookie = await signed_in(instance)
        peak = rss_kb(pid)
        refused = 0
        async with web() as sockets:
            tabs: list[Tab] = []
            for start in range(0, count, 20):
                part = [Tab(sockets, instance.url, cookie) for _ in range(min(20, count - start))]
                found = await asyncio.gather(*(opened(tab, "/") for tab in part), return_exceptions=True)
                tabs += [tab for tab, failure in zip(part, found, strict=True) if failure is None]
                refused += sum(isinstance(failure, aiohttp.WSServerHandshakeError) for failure in found)
                peak = max(peak, rss_kb(pid))
            began = time.monotonic()
            row.expect((await client.get("/api/v1/health/database/status")).status_code == 200, "status does not answer")
            row.expect((await client.post("/api/v1/health/database/force-cleanup")).status_code == 200, "a cleanup does not work")
            row.waited(time.monotonic() - began)
            row.expect(all(tab.is_open for tab in tabs), "tabs that stood were lost")
            await asyncio.gather(*(tab.close() for tab in tabs), return_exceptions=True)
        row.expect(instance.process.poll() is None, "the process ended")
        row.recovered(await ready(instance, 15))
        row.n = count
    row.expect(peak <= MEMORY_MB * 1024, f"{peak // 1024} MB at most")
    row.expect(refused > 0 or stand.share < 1, "nobody had to be refused: the row shows nothing")
    row.say(f"{len(tabs)} tabs let in, {refused} refused with 503, {peak // 1024} MB at most of {MEMORY_MB}")


async def f25(stand: Stand, row: Row) -> None:
    """A new version takes over the port: old tabs come back by themselves, what they call of the old one harms nothing, nothing runs twice."""
    port, address = free_port(), await stand.database()
    data = stand.folder / f"deploy-{port}"
    count = stand.count(100, 10)
    tokens: dict[str, str] = {}
    async with web() as sockets:
        async with stand.instance(address, data_dir=data, port=port) as old:
            token, cookie = await asyncio.to_thread(old.token, "admin"), await signed_in(old)
            tokens = old.tokens
            tabs = [Tab(sockets, old.url, cookie) for _ in range(count)]
            await each(tabs, lambda tab: opened(tab, "/jobs"))
            acted = asyncio.create_task(_acts(old.url, token))
            await asyncio.sleep(0.5)
            began = time.monotonic()
            row.expect(await asyncio.to_thread(old.stop) == 0, "the old one did not end in order")
        async with stand.instance(address, data_dir=data, port=port) as new:
            new.tokens = tokens
            row.recovered(time.monotonic() - began)
            answered = await acted
            again = [Tab(sockets, new.url, cookie, tab.token) for tab in tabs]

            async def comes_back(tab: Tab) -> None:
                await tab.connect()
                await tab.send(GONE, path="/jobs")
                await tab.load("/jobs")

            row.waited(max(await each(again, comes_back)))
            row.expect(all(tab.is_open for tab in again), "tabs are stuck")
            async with await caller(new, "admin") as client:
                rows = (await client.get("/api/v1/audit?action=pool.cleanup&limit=500")).json()["items"]
            row.lost = max(answered - len(rows), 0)
            row.duplicated = len(rows) - len({one["id"] for one in rows})
            row.expect(len(rows) <= answered + 1, f"{len(rows)} cleanups in the audit, {answered} answered")
            row.n = count
            said = new.log.read_text()
            row.expect(cookie.partition("=")[2] not in said, "a session's cookie is in the log")
            row.expect("Traceback" not in said, "a handler that is gone left a trace in the log")
            await asyncio.gather(*(tab.close() for tab in (*tabs, *again)), return_exceptions=True)
    row.say(f"{answered} cleanups answered until the old one left, each once in the audit; recovery: from SIGTERM to ready")
    row.say("one build under two processes, and a handler that the new one does not have: one line in the log, nothing runs")


async def _acts(url: str, token: str) -> int:
    """Clean up again and again until nobody answers; how many were answered."""
    done = 0
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=15) as client:
        with contextlib.suppress(httpx.HTTPError):
            while (await client.post("/api/v1/health/database/force-cleanup")).status_code == 200:
                done += 1
    return done


async def f26(stand: Stand, row: Row) -> None:
    """SIGKILL under a thousand tabs: they all come back with jitter, nobody signs in again."""
    count, port, address = stand.count(1000, 20), free_port(), await stand.database()
    data = stand.folder / f"storm-{port}"
    async with web() as sockets:
        async with stand.instance(address, data_dir=data, port=port) as old:
            cookie = await signed_in(old)
            tabs = [Tab(sockets, old.url, cookie) for _ in range(count)]
            began = time.monotonic()
            await each(tabs, lambda tab: opened(tab, "/"))
            row.say(f"{count} tabs opened in {time.monotonic() - began:.1f} s before it")
            old.process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(old.process.wait, 10)
        back: list[float] = []
        async with stand.instance(address, data_dir=data, port=port) as new:
            began = time.monotonic()

            async def comes_back(tab: Tab) -> None:
                again = Tab(sockets, new.url, cookie, tab.token)
                pause_s = stand.chance.random()  # as the page's socket does: a second, doubled each time, with chance
                while True:
                    await asyncio.sleep(pause_s)
                    try:
                        await again.connect(10)
                        await again.load("/", 30)
                    except (aiohttp.ClientError, OSError, TimeoutError):
                        pause_s = min(pause_s * 2 + stand.chance.random(), 5)
                    else:
                        back.append(time.monotonic() - began)
                        tab.forget()
                        tabs_again.append(again)
                        return

            tabs_again: list[Tab] = []
            await asyncio.wait_for(asyncio.gather(*(comes_back(tab) for tab in tabs)), 90)
            row.recovered(percentile(back, 0.99))
            await ready(new, 5)
            await asyncio.gather(*(tab.close() for tab in (*tabs, *tabs_again)), return_exceptions=True)
    row.n, row.lost = count, count - len(back)
    row.expect(row.recover_s <= 15, f"99 % back after {row.recover_s:.1f} s")
    row.say("recovery: from the next process being ready until 99 % of the tabs show their page again, with the same session")
