"""What announcing costs who announces, and a burst of 100,000 events: bounded, nothing lost."""

import asyncio
import json
import threading
import time
import tracemalloc
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import datetime

from benchmarks.harness.rounds import interleaved_async
from benchmarks.harness.table import Table
from dashboard_app.backend.events.broadcaster import Broadcaster
from dashboard_app.backend.events.publisher import Events
from dashboard_app.backend.events.recorder import Recorder, RecorderRule
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.event import Message
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.runtime.hub import Hub

CALLS = 20_000
BURST = 100_000
ROUNDS = 15
LIMIT_US = 3.0
PEAK_MB = 200.0


class _NoHistory:
    """A history that takes everything at once."""

    async def add(self, messages: Sequence[Message]) -> None:
        """Take it."""

    async def newest(self, _count: int, _most_bytes: int) -> list[Message]:
        """Nothing."""
        return []

    async def prune(self, _before: datetime) -> int:
        """Nothing."""
        return 0


class _NoPool:
    """Always has a place."""

    @asynccontextmanager
    async def admission(self) -> AsyncIterator[None]:
        """A place."""
        yield

    def holding(self, **_names: str) -> "nullcontext[None]":
        """Nothing."""
        return nullcontext()


def _events() -> Events:
    """Events with the settings' defaults."""
    hub: Hub[Message] = Hub()
    recorder = Recorder(_NoHistory(), hub, _NoPool(), SystemClock(), RecorderRule(2, 0.5, 7))
    return Events(hub, recorder, SystemClock(), BatchLimits(10, 0.5, 10, 200_000))


async def _drained(events: Events) -> None:
    """Wait until all is published."""
    while events.figures().waiting:  # noqa: ASYNC110 - the batcher's own figures say it
        await asyncio.sleep(0.01)


async def _per_call_us(events: Events) -> float:
    """Microseconds of one call from a task."""
    broadcaster = Broadcaster("bench", publisher=events)
    began = time.perf_counter()
    for number in range(CALLS):
        broadcaster.publish("JOB_STARTED", job_id=number)
    took = time.perf_counter() - began
    await _drained(events)
    return took / CALLS * 1e6


async def _direct_us(events: Events) -> float:
    """The same at the publisher itself."""
    began = time.perf_counter()
    for number in range(CALLS):
        events.publish("JOB_STARTED", {"job_id": number})
    took = time.perf_counter() - began
    await _drained(events)
    return took / CALLS * 1e6


async def _thread_us(events: Events) -> float:
    """Microseconds of one call from a thread, the loop running beside it."""
    taken: list[float] = []
    broadcaster = Broadcaster("bench", publisher=events)

    def work() -> None:
        began = time.perf_counter()
        for number in range(CALLS):
            broadcaster.publish("JOB_STARTED", job_id=number)
        taken.append((time.perf_counter() - began) / CALLS * 1e6)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():  # noqa: ASYNC110 - a thread sets no event of ours
        await asyncio.sleep(0.005)
    await _drained(events)
    return taken[0]


async def _append_us(_events: Events) -> float:
    """What a list with JSON in it would cost: the least that anybody could do."""
    kept: deque[bytes] = deque()
    began = time.perf_counter()
    for number in range(CALLS):
        kept.append(json.dumps({"job_id": number}).encode())
    return (time.perf_counter() - began) / CALLS * 1e6


async def _burst(events: Events) -> tuple[float, int, float]:
    """(seconds until all were published, messages, MB at the peak)."""
    before = events.figures()
    tracemalloc.start()
    began = time.perf_counter()
    for number in range(BURST):
        events.publish(f"JOB_{'STARTED' if number % 2 else 'COMPLETED'}", {"job_id": number, "worker": number % 7})
    await _drained(events)
    took, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return took, events.figures().messages_total - before.messages_total, peak


async def _measure() -> Table:
    events = _events()
    running = asyncio.create_task(events.run())
    await asyncio.sleep(0.1)
    rounds = await interleaved_async(
        {
            "Broadcaster, from a task": lambda: _per_call_us(events),
            "Events.publish, from a task": lambda: _direct_us(events),
            "Broadcaster, from a thread": lambda: _thread_us(events),
            "json.dumps and a deque": lambda: _append_us(events),
        },
        ROUNDS,
    )
    took, messages, peak = await _burst(events)
    now = events.figures()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    rows: list[list[str | float]] = [
        [name, round(rounds.median(name), 2), round(rounds.ratio(name, "json.dumps and a deque"), 2)] for name in rounds.measured
    ]
    return Table(
        "Announcing an event",
        ("call", "µs", "ratio"),
        rows,
        note=f"Median of {ROUNDS} interleaved rounds of {CALLS:,} calls. A burst of {BURST:,} events without a pause became {messages:,} messages in {took:.1f} s (memory traced), with {peak:.0f} MB at its peak.",
        claims={
            f"at most {LIMIT_US:g} µs from a task": rounds.median("Broadcaster, from a task") <= LIMIT_US,
            f"a burst of {BURST:,}: nothing lost, at most {PEAK_MB:g} MB": now.lost_total == 0 and peak <= PEAK_MB,
        },
    )


def run() -> Table:
    """Measure."""
    return asyncio.run(_measure())
