"""`make soak`: a Spillway of its own under full load for HOURS (2); memory, tasks, descriptors and the loop's lateness every ten seconds.

Exit code 1 when a claim does not hold. Writes docs/reliability-soak.md.
"""

import argparse
import asyncio
import contextlib
import json
import re
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from benchmarks.harness.event_clients import Reader, closed, connected
from benchmarks.harness.machine import facts as machine
from benchmarks.harness.table import Table
from load.soak_figures import MOST_MB_PER_H, MOST_STALL_S, Sample, growth, is_flat, slope
from tests.instance import ADMIN_EMAIL, ADMIN_PASSWORD, PLAIN, ROOT, Instance, running

PAGE = ROOT / "docs" / "reliability-soak.md"
EVERY_S = 10.0
WARM_UP = 0.2
"""The share of the run that is left out of the slope: caches fill, readers connect …"""
FILLED_S = 1080.0
"""… and the history of 10,000 messages, which ten a second fill in 1,000 s: so long, when the run is at least twice that."""
VIEWERS, READERS, READERS_OF_TOKEN, JOBS = 30, 100, 5, 2000
UPDATES_PER_S, EVENTS_PER_S, GUARD_CALLS_PER_S = 1000, 100, 20
CALLS_PER_S = 10
USED_EVERY_S = 600.0
_GUARD = ("status", "throttling-config")
_ON_LOAD = "reflex___state____state.reflex___state____on_load_internal_state.on_load_internal"
_GAUGES = {"tasks": "spillway_event_loop_tasks", "descriptors": "process_open_fds", "stall": "spillway_event_loop_late_seconds"}
_HEAD = """# Soak

`make soak` (HOURS=2) starts a Spillway of its own under full load and samples it every ten seconds; this page is what the last run wrote. Load and
server share one machine, so what the load takes of the processor is in every stall.
"""


class Load:
    """Everything that asks. `done` counts by kind what was answered as wanted, `failed` the rest by its words."""

    def __init__(self, instance: Instance) -> None:
        """Nothing is open yet."""
        self._instance = instance
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        signed = {"Authorization": f"Bearer {instance.token('admin')}"}
        self._client = httpx.AsyncClient(base_url=instance.url, headers=signed, timeout=30, verify=PLAIN)

    async def run(self) -> None:
        """Ask until cancelled."""
        jobs = await self._jobs()
        cookie = await self._signed_in()
        tokens = [await self._token(number) for number in range(READERS // READERS_OF_TOKEN)]
        try:
            async with asyncio.TaskGroup() as group:
                for token in tokens:
                    group.create_task(self._read(f"Authorization: Bearer {token}\r\n"))
                for number in range(VIEWERS):
                    group.create_task(self._view(cookie, ("/", "/sources", "/jobs", "/pool")[number % 4]))
                group.create_task(self._use(cookie))
                group.create_task(self._paced(CALLS_PER_S, lambda number: self._update(jobs, number)))
                group.create_task(self._paced(CALLS_PER_S, self._publish))
                group.create_task(self._paced(GUARD_CALLS_PER_S, self._guard))
        finally:
            await self._client.aclose()

    async def _token(self, number: int) -> str:
        made = await self._client.post("/api/v1/tokens", json={"name": f"soak {number}", "role": "viewer"})
        return str(made.raise_for_status().json()["token"])

    async def _read(self, headers: str) -> None:
        """The readers of one token. The server ends each stream after ten minutes, so that it comes again: so it does."""
        readers: list[Reader] = []
        try:
            while True:
                lost = [one for one in readers if one.is_lost]
                readers = [one for one in readers if not one.is_lost]
                self.done["messages to readers, of streams that ended"] += sum(len(one.ids) for one in lost)
                missing = READERS_OF_TOKEN - len(readers)
                if missing:
                    with contextlib.suppress(OSError):
                        readers += await connected(self._instance.port, "/api/v1/events/stream", missing, headers)
                        self.done["streams opened"] += missing
                await asyncio.sleep(1)
        finally:
            closed(readers)

    async def _jobs(self) -> list[int]:
        made = await self._client.post("/api/v1/jobs", json={"jobs": [{"kind": "soak"}] * JOBS})
        ids: list[int] = made.raise_for_status().json()["ids"]
        return ids

    async def _signed_in(self) -> str:
        form = {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        async with httpx.AsyncClient(base_url=self._instance.url, timeout=30, verify=PLAIN) as browser:
            await browser.post("/login", data=form, headers={"Origin": self._instance.url})
            return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())

    async def _use(self, cookie: str) -> None:
        """The person behind the pages asks for one now and then: a session that nobody uses ends after two hours, and its pages with it."""
        async with httpx.AsyncClient(base_url=self._instance.url, headers={"Cookie": cookie}, timeout=30, verify=PLAIN) as browser:
            while True:
                answer = await browser.get("/pool", headers={"Accept": "text/html"})
                self.done["pages asked for"] += answer.is_success
                await asyncio.sleep(USED_EVERY_S)

    async def _paced(self, per_s: int, act: Callable[[int], Awaitable[httpx.Response]]) -> None:
        """`act` so many times a second; what is late is made up for, and a refusal is counted, not raised."""
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        while True:
            await asyncio.sleep(max(began + number / per_s - loop.time(), 0))
            number += 1
            try:
                answer = await act(number)
            except httpx.HTTPError as failure:
                self.failed[type(failure).__name__] += 1
                continue
            if answer.status_code >= 400:  # noqa: PLR2004 - where HTTP's refusals begin
                self.failed[f"{answer.request.url.path} {answer.status_code}"] += 1

    async def _update(self, jobs: Sequence[int], number: int) -> httpx.Response:
        size = UPDATES_PER_S // CALLS_PER_S
        status = ("processing", "completed")[number // (JOBS // size) % 2]
        some = [jobs[(number * size + one) % JOBS] for one in range(size)]
        answer = await self._client.post("/api/v1/jobs/status", json={"updates": [{"job_id": job, "status": status} for job in some]})
        self.done["updates"] += size * answer.is_success
        return answer

    async def _publish(self, number: int) -> httpx.Response:
        size = EVENTS_PER_S // CALLS_PER_S
        some = [{"type": "SOAK_TICK", "data": {"tick_id": number * size + one}} for one in range(size)]
        answer = await self._client.post("/api/v1/events", json=some)
        self.done["events"] += size * answer.is_success
        return answer

    async def _guard(self, number: int) -> httpx.Response:
        answer = await self._client.get(f"/api/v1/health/database/{_GUARD[number % 2]}")
        self.done["guard calls"] += answer.is_success
        return answer

    async def _view(self, cookie: str, path: str) -> None:
        """One open page: it reads what is pushed, and opens again when it is cut."""
        url = f"ws://127.0.0.1:{self._instance.port}/_event/?EIO=4&transport=websocket&token={uuid.uuid4()}"
        event = {"name": _ON_LOAD, "payload": {}, "router_data": {"pathname": path, "asPath": path, "query": {}}}
        while True:
            with contextlib.suppress(OSError, TimeoutError, ConnectionClosed):
                async for socket in connect(
                    url, additional_headers={"Cookie": cookie}, origin=self._instance.url, proxy=None, ping_interval=None, max_size=None
                ):
                    await socket.send("40/_event,")
                    await socket.send(f"42/_event,{json.dumps(['event', event])}")
                    self.done["pages opened"] += 1
                    async for said in socket:
                        if said == "2":
                            await socket.send("3")
                        self.done["messages to pages"] += 1
            self.failed["a page was cut"] += 1


def take(instance: Instance, client: httpx.Client, began: float) -> Sample:
    """One sample."""
    text = client.get("/metrics").raise_for_status().text
    found = {name: float(re.search(rf"^{gauge} (\S+)$", text, re.MULTILINE)[1]) for name, gauge in _GAUGES.items()}  # type: ignore[index]
    pages = int(Path(f"/proc/{instance.process.pid}/statm").read_text(encoding="ascii").split()[1])
    return Sample(time.monotonic() - began, pages * 4096 / 1e6, int(found["tasks"]), int(found["descriptors"]), found["stall"])


async def measured(instance: Instance, seconds: float) -> tuple[list[Sample], Load]:
    """Samples over `seconds` under load."""
    load = Load(instance)
    asking = asyncio.create_task(load.run())
    samples: list[Sample] = []
    began = time.monotonic()
    with instance.client("admin") as client:
        while time.monotonic() - began < seconds:
            await asyncio.sleep(EVERY_S)
            if asking.done():
                asking.result()
            samples.append(await asyncio.to_thread(take, instance, client, began))
            last = samples[-1]
            print(
                f"soak: {last.at_s:6.0f} s  {last.rss_mb:6.1f} MB  {last.tasks} tasks  {last.descriptors} descriptors  "
                f"{last.stall_s * 1000:.0f} ms late",
                flush=True,
            )
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    return samples, load


def judged(samples: Sequence[Sample], load: Load, seconds: float) -> Table:
    """The table with its claims."""
    warm_up_s = max(WARM_UP * seconds, min(FILLED_S, seconds / 2))
    settled = [one for one in samples if one.at_s >= warm_up_s]
    grows = slope(settled)
    tasks, descriptors = [one.tasks for one in settled], [one.descriptors for one in settled]
    stall = max(one.stall_s for one in settled)
    rows: list[list[str | float]] = [
        ["samples, after the warm-up", len(settled)],
        ["memory at first, MB", settled[0].rss_mb],
        ["memory at last, MB", settled[-1].rss_mb],
        ["memory, MB per hour", grows.per_hour],
        ["… and its 95 % bound, ±", grows.bound],
        ["tasks, last quarter less the first", growth(tasks)],
        ["descriptors, last quarter less the first", growth(descriptors)],
        ["longest stall, ms", stall * 1000],
        *([what, count] for what, count in sorted(load.done.items())),
        *([f"not as wanted: {what}", count] for what, count in sorted(load.failed.items())),
    ]
    mine = machine()
    note = (
        f"{datetime.now(UTC):%Y-%m-%d}, {seconds / 3600:.2f} h, the first {warm_up_s / 60:.0f} minutes left out. {VIEWERS} pages over their sockets, {READERS} readers of the stream, "
        f"{UPDATES_PER_S:,} job updates, {EVENTS_PER_S} events and {GUARD_CALLS_PER_S} guard calls a second, on {mine['cpus']} × {mine['processor']}."
    )
    claims = {
        f"memory grows by at most {MOST_MB_PER_H:g} MB an hour, with its 95 % bound": grows.at_most <= MOST_MB_PER_H,
        "tasks are flat": is_flat(tasks),
        "descriptors are flat": is_flat(descriptors),
        f"no stall is longer than {MOST_STALL_S * 1000:g} ms": stall <= MOST_STALL_S,
    }
    return Table("Full load", ("figure", "measured"), rows, note, claims)


def main(arguments: Sequence[str]) -> int:
    """0 when every claim holds."""
    parser = argparse.ArgumentParser(prog="python -m load.soak", description="Full load for hours.")
    parser.add_argument("--hours", type=float, default=2.0)
    seconds = parser.parse_args(arguments).hours * 3600
    with tempfile.TemporaryDirectory(prefix="spillway-soak-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)  # as root the embedded server runs under another account
        with running(Path(folder) / "data", log_level="warning") as instance:
            samples, load = asyncio.run(measured(instance, seconds))
    table = judged(samples, load, seconds)
    print(table.text())
    PAGE.write_text(f"{_HEAD}\n{table.markdown()}", encoding="utf-8")
    return 0 if all(table.claims.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
