"""The whole app under a thousand readers, one in twenty of them frozen, while a hundred events come in each second."""

import asyncio
import json
import time

import httpx

from benchmarks.harness.app import RunningApp, running_app
from benchmarks.harness.event_clients import Reader, closed, connected
from benchmarks.harness.rounds import percentile
from benchmarks.harness.table import Table

CLIENTS = 1000
FROZEN_EVERY = 20
WATCHED_EVERY = 25
RATE = 100
SECONDS = 60
SETTLE_S = 20.0
P99_MS = 700.0
GROWTH_MB = 150.0
LESS_PERCENT = 90.0


class Watch:
    """How old an event is when a reader has it."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self.ages_ms: list[float] = []

    def frame(self, frame: bytes) -> None:
        """Take the ages from one frame."""
        at = frame.find(b"\ndata: ")
        if at < 0 or b"TICK" not in frame:
            return
        data = json.loads(frame[at + 7 :].partition(b"\n")[0])
        now = time.time_ns()
        for one in data.get("items", [data]):
            if "at" in one:
                self.ages_ms.append((now - one["at"]) / 1e6)


async def _publish(app: RunningApp) -> int:
    """So many events a second, each by a call of its own; how many there were."""
    headers = {"Authorization": f"Bearer {app.token}"}
    loop, count = asyncio.get_running_loop(), 0
    async with httpx.AsyncClient(base_url=app.url, headers=headers, timeout=60) as client:
        began = loop.time()
        while count < RATE * SECONDS:
            await asyncio.sleep(max(began + count / RATE - loop.time(), 0))
            count += 1
            event = {"type": "TICK_SEEN", "data": {"tick_id": count, "at": time.time_ns(), "padding": "x" * 60}}
            (await client.post("/api/v1/events", json=event)).raise_for_status()
    return count


async def _stats(app: RunningApp) -> dict[str, int]:
    async with httpx.AsyncClient(base_url=app.url, headers={"Authorization": f"Bearer {app.token}"}, timeout=60) as client:
        answer: dict[str, int] = (await client.get("/api/v1/events/stats")).json()
        return answer


def _told(readers: list[Reader], count: int) -> tuple[int, int]:
    """How many readers have what the first has read, once and in order; and how many have anything else."""
    expected = max((reader.ids for reader in readers), key=len)
    good = sum(reader.ids == expected and reader.ids == sorted(set(reader.ids)) for reader in readers)
    return (good, len(readers) - good) if count else (0, len(readers))


async def _measure() -> Table:
    watch = Watch()
    with running_app(limit_concurrency=3000) as app:
        await asyncio.sleep(3)
        before_mb = app.rss_mb
        headers = f"Authorization: Bearer {app.token}\r\n"
        readers = await connected(
            app.port, "/api/v1/events/stream?types=TICK_SEEN", CLIENTS, headers, watched_every=WATCHED_EVERY, on_frame=watch.frame
        )
        while (await _stats(app))["subscribers"] < CLIENTS:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.5)
        frozen = readers[1::FROZEN_EVERY]
        for reader in frozen:
            assert reader.transport is not None
            reader.transport.pause_reading()
        healthy = [reader for number, reader in enumerate(readers) if number % FROZEN_EVERY != 1]
        peak = 0.0
        publishing = asyncio.create_task(_publish(app))
        while not publishing.done():
            await asyncio.sleep(1)
            peak = max(peak, app.rss_mb)
        published = await publishing
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end and len({len(reader.ids) for reader in healthy}) > 1:  # noqa: ASYNC110 - sockets of a benchmark
            await asyncio.sleep(0.5)
        after = await _stats(app)
        closed(readers)
    good, bad = _told(healthy, published)
    messages = max(len(reader.ids) for reader in healthy)
    less = 100.0 * (1 - messages / published)
    p50, p99 = percentile(watch.ages_ms, 50), percentile(watch.ages_ms, 99)
    rows: list[list[str | float]] = [
        ["events published", published],
        ["messages sent to each reader", messages],
        ["fewer messages, %", round(less, 1)],
        ["healthy readers that got every one once, in order", good],
        ["healthy readers that did not", bad],
        ["from publish to receipt, p50 ms", round(p50, 1)],
        ["from publish to receipt, p99 ms", round(p99, 1)],
        ["memory before, MB", round(before_mb, 1)],
        ["memory at its peak, MB more", round(peak - before_mb, 1)],
        ["events lost", after["batcher_events_lost"]],
    ]
    return Table(
        "The whole app with 1,000 readers of the stream",
        ("figure", "measured"),
        rows,
        note=f"{CLIENTS:,} readers, one in {FROZEN_EVERY} frozen, {RATE} events a second for {SECONDS} s, each posted by itself; app, PostgreSQL and readers on the same machine.",
        claims={
            "every healthy reader got every event exactly once, in order": bad == 0 and messages > 0,
            f"99 % of the events arrive within {P99_MS:g} ms": p99 <= P99_MS,
            f"memory grows by at most {GROWTH_MB:g} MB": peak - before_mb <= GROWTH_MB,
            f"at least {LESS_PERCENT:g} % fewer messages than events": less >= LESS_PERCENT,
        },
    )


def run() -> Table:
    """Measure."""
    return asyncio.run(_measure())
