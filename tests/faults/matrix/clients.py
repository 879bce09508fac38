"""F16, F17, F19, F23 to F26: many tabs, slow readers, poison, no descriptors, no memory, a new version, everybody at once."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import httpx

from tests.faults.jobs.outages import poisoned
from tests.faults.matrix.row import Row, percentile
from tests.faults.matrix.stand import Stand, answers, caller, cpu_s, lag, ready, rss_kb, signed_in, until
from tests.faults.matrix.tab import ON_LOAD, Tab, web
from tests.instance import Instance, Launch, free_port

STREAM = "/api/v1/events/stream"
EVENTS = "/api/v1/events"
READ = "reflex___state____state.dashboard_app___console___pages___jobs_state____jobs_state.read"
GONE = "reflex___state____state.dashboard_app___console___pages___jobs_state____jobs_state.read_of_the_last_version"
MEMORY_MB = 260
"""So little that a thousand tabs do not fit: at 512 MB they do."""
_AT_ONCE = 50


@contextlib.asynccontextmanager
async def _tabs(instance: Instance, count: int, path: str = "/") -> AsyncIterator[list[Tab]]:
    """So many open pages of one person, hydrated."""
    cookie = await signed_in(instance)
    async with web() as sockets:
        tabs = [Tab(sockets, instance.url, cookie) for _ in range(count)]
        await _each(tabs, lambda tab: _opened(tab, path))
        try:
            yield tabs
        finally:
            await asyncio.gather(*(tab.close() for tab in tabs), return_exceptions=True)


async def _each(tabs: list[Tab], work) -> list[float]:
    """`work` on every tab, fifty at once; how long each took."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(tab: Tab) -> float:
        async with places:
            began = time.monotonic()
            await work(tab)
            return time.monotonic() - began

    return await asyncio.gather(*(one(tab) for tab in tabs))


async def _opened(tab: Tab, path: str) -> None:
    await tab.connect()
    await tab.load(path)
    tab.forget()


async def f16(stand: Stand, row: Row) -> None:
    """A thousand tabs: all hydrated, an event is answered in 300 ms, memory is bounded and comes back."""
    count = stand.count(1000, 20)
    async with stand.instance(await stand.database(), demo="true") as instance:
        async with _tabs(instance, 5):
            pass
        pid = instance.process.pid
        before = rss_kb(pid)
        began = time.monotonic()
        async with _tabs(instance, count) as tabs:
            hydrated = time.monotonic() - began
            held = rss_kb(pid)
            row.expect(all(tab.is_open for tab in tabs), "sockets were lost")

            async def asks(tab: Tab) -> None:
                tab.forget()
                await tab.send(ON_LOAD)
                await tab.hears('"is_hydrated_rx_state_":true', 15)

            waits: list[float] = []
            for start in range(0, count, 5):  # five people click at once, all the time
                part = tabs[start : start + 5]
                waits += await _each(part, asks)
            row.n = count
        async with _tabs(instance, 1):
            after = rss_kb(pid)
    each = (held - before) / count
    row.waited(percentile(waits, 0.95))
    row.expect(row.longest_wait_s <= 0.3, f"p95 of an event is {row.longest_wait_s * 1000:.0f} ms")
    row.expect(each <= 400, f"{each:.0f} kB a tab")
    row.say(
        f"{count} tabs hydrated in {hydrated:.1f} s, {each:.0f} kB a tab; {after // 1024} MB after they left, {before // 1024} MB before"
    )
    row.say("longest wait: p95 of an event")


async def f17(stand: Stand, row: Row) -> None:
    """Readers of the event stream that read nothing: memory is bounded, the others get all in time, who was cut resumes without a gap."""
    frozen, live = stand.count(200, 10), 5
    async with stand.instance(await stand.database()) as instance, await caller(instance, "admin") as client:
        token = await asyncio.to_thread(instance.token, "admin")
        held = [await _frozen(instance, token) for _ in range(frozen)]
        pid, before = instance.process.pid, rss_kb(instance.process.pid)
        seen: list[list[int]] = [[] for _ in range(live)]
        delays: list[float] = []
        ids: list[int] = []
        readers = [asyncio.create_task(_reads(instance, token, into, delays, ids)) for into in seen]
        await until(lambda: _has_readers(client, frozen + live))
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
        late_reader = asyncio.create_task(_reads(instance, token, late, [], [], last_id=ids[0]))
        await until(lambda: bool(late) and late[-1] == published - 1, 20)
        late_reader.cancel()
        row.expect(late == list(range(late[0], published)), "a gap or a double after resuming")
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


POISON = (
    b'{"updates": [{"job_id": 1, "status": "finished"}]}',
    b'{"updates": [{"job_id": -1, "status": "error"}]}',
    b'{"updates": [{"job_id": 1e400, "status": "error"}]}',
    b'{"updates": [{"job_id": NaN, "status": "error"}]}',
    b'{"updates": [{"job_id": 99999999999999999999, "status": "error"}]}',
    b'{"updates": [{"job_id": 1, "status": "error", "error_message": "a\\u0000b"}]}',
    b'{"updates": [{"job_id": 1, "status": "error", "error_message": "\\ud800"}]}',
    b'{"updates": [{"job_id": 1, "status": "error", "error_message": "' + b"x" * 1_000_000 + b'"}]}',
    b'{"updates": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b'{"updates": [{"job_id": "1; DROP TABLE jobs", "status": "error"}]}',
    b'{"updates": "all"}',
    b"\xff\xfe{}",
    b"",
)


async def f19(stand: Stand, row: Row) -> None:
    """Poison among updates: named at the door or a dead letter, its neighbours are written."""
    async with stand.instance(await stand.database()) as instance, await caller(instance) as client:
        made = (await client.post("/api/v1/jobs", json={"jobs": [{"kind": "row"}] * 2})).json()["ids"]
        for body in POISON:
            began = time.monotonic()
            answer = await client.post("/api/v1/jobs/status", content=body, headers={"Content-Type": "application/json"})
            row.waited(time.monotonic() - began)
            refused = 400 <= answer.status_code < 500 or (answer.status_code == 202 and answer.json()["rejected"])
            row.expect(refused, f"{body[:60]!r}: {answer.status_code} {answer.text[:100]}")
            good = await client.patch(f"/api/v1/jobs/{made[0]}/status", json={"status": "processing"})
            row.expect(good.status_code == 202, f"the next good one after {body[:40]!r}: {good.status_code}")
            row.n += 1
    outcome = await asyncio.to_thread(poisoned, stand.count(20_000, 2_000))
    row.n += outcome.runs
    row.lost, row.duplicated = outcome.lost, outcome.backwards
    row.expect(outcome.is_well, "poison in bulk")
    row.say(f"{len(POISON)} kinds of poison over HTTP; {outcome.notes[0]}, {outcome.acknowledged} good ones written")


async def f23(stand: Stand, row: Row) -> None:
    """No descriptor is left: no spinning, and it goes on when there are some again."""
    launch = Launch(prefix=("sh", "-c", 'ulimit -n 256; exec "$@"', "sh"))
    async with stand.instance(await stand.database(), launch, keep_alive_s=3600) as instance:
        pid = instance.process.pid
        held = []
        for _ in range(300):
            one = socket.socket()
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", instance.port))
            held.append(one)
            await asyncio.sleep(0.002)
        await asyncio.sleep(1)
        seconds, used = max(5 * stand.share, 2), cpu_s(pid)
        await asyncio.sleep(seconds)
        share = (cpu_s(pid) - used) / seconds
        alive, used_up = instance.process.poll() is None, len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - a list of names is all
        for one in held:
            one.close()
        row.recovered(await ready(instance, 20))
        row.n = len(held)
        row.expect(alive, "it ended")
        row.expect(used_up >= 250, f"only {used_up} descriptors were in use")
        said = instance.log.read_text()
        noise = said.count("Too many open files")
    row.expect(share <= 0.2, f"{share:.0%} of a processor meanwhile")
    row.expect(row.recover_s <= 5, f"back after {row.recover_s:.1f} s")
    row.say(f"256 descriptors, 300 sockets: {share:.0%} of a processor; {noise} lines of the log say so")


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
            await _each(tabs, lambda tab: _opened(tab, "/jobs"))
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

            row.waited(max(await _each(again, comes_back)))
            row.expect(all(tab.is_open for tab in again), "tabs are stuck")
            async with await caller(new, "admin") as client:
                rows = (await client.get("/api/v1/audit?action=pool.cleanup&limit=500")).json()["items"]
            row.lost = max(answered - len(rows), 0)
            row.duplicated = len(rows) - len({one["id"] for one in rows})
            row.expect(len(rows) <= answered + 1, f"{len(rows)} cleanups in the audit, {answered} answered")
            row.n = count
            said = new.log.read_text()
            row.expect(cookie.partition("=")[2] not in said, "a session's cookie is in the log")
            await asyncio.gather(*(tab.close() for tab in (*tabs, *again)), return_exceptions=True)
    row.say(f"{answered} cleanups answered until the old one left, each once in the audit; recovery: from SIGTERM to ready")
    row.say("one build under two processes, and a handler that the new one does not have: Reflex logs it with a trace, nothing runs")


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
            await _each(tabs, lambda tab: _opened(tab, "/"))
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
            row.expect(await answers_of(new) == 200, "it is not ready")
            await asyncio.gather(*(tab.close() for tab in (*tabs, *tabs_again)), return_exceptions=True)
    row.n, row.lost = count, count - len(back)
    row.expect(row.recover_s <= 15, f"99 % back after {row.recover_s:.1f} s")
    row.say("recovery: from the next process being ready until 99 % of the tabs show their page again, with the same session")


async def answers_of(instance: Instance) -> int:
    """The status of /readyz."""
    async with await caller(instance, None) as client:
        return await answers(client, "/readyz")


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
        async with _tabs(instance, 1):
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
    row.expect(set(codes) <= {403, 0} and codes[403] > 0, f"answers {dict(codes)}")
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


async def f24(stand: Stand, row: Row) -> None:
    """Little memory is left: streams go first, then new sockets are refused; the process lives and people still act."""
    count = stand.count(1000, 20)
    async with (
        stand.instance(await stand.database(), demo="true", memory_limit_mb=MEMORY_MB) as instance,
        await caller(instance, "admin") as client,
    ):
        pid = instance.process.pid
        cookie = await signed_in(instance)
        peak = rss_kb(pid)
        refused = 0
        async with web() as sockets, lag():
            tabs: list[Tab] = []
            for start in range(0, count, 20):
                part = [Tab(sockets, instance.url, cookie) for _ in range(min(20, count - start))]
                found = await asyncio.gather(*(_opened(tab, "/") for tab in part), return_exceptions=True)
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
