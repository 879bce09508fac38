"""One stream to a thousand readers: Spillway's hub against a queue for each reader, the same frames, interleaved in one run."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

import httpx

from benchmarks.harness.event_clients import closed, connected
from benchmarks.harness.results import ROOT
from benchmarks.harness.table import Table

CLIENTS = 1000
RATE = 100.0
SECONDS = 6.0
ROUNDS = 5
SETTLE_S = 15.0
LEAST = 0.8
NAMES = {"ours": "Spillway: one history, a place for each reader", "byhand": "a queue for each reader, StreamingResponse"}


@asynccontextmanager
async def server(kind: str) -> AsyncIterator[int]:
    """The port of a server of this kind in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.harness.event_servers", kind, str(port)], cwd=ROOT)  # noqa: S603, ASYNC220 - this very program
    try:
        async with httpx.AsyncClient() as client:
            for _ in range(200):
                with contextlib.suppress(httpx.TransportError):
                    await client.get(f"http://127.0.0.1:{port}/")
                    break
                await asyncio.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


async def one_round(port: int) -> tuple[float, float]:
    """(messages delivered a second, share of those published that arrived)."""
    readers = await connected(port, "/stream", CLIENTS)
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient(timeout=120) as client:
        await asyncio.sleep(1)
        began = loop.time()
        answer = await client.get(f"http://127.0.0.1:{port}/go", params={"rate": RATE, "seconds": SECONDS})
        published = answer.json()["published"]
        wanted, last = published * CLIENTS, -1
        while (seen := sum(len(reader.ids) for reader in readers)) < wanted and seen != last and loop.time() - began < SECONDS + SETTLE_S:
            last = seen
            await asyncio.sleep(0.25)
        took = loop.time() - began
    closed(readers)
    return seen / took, seen / wanted


async def _measure() -> Table:
    rates: dict[str, list[float]] = {kind: [] for kind in NAMES}
    shares: dict[str, list[float]] = {kind: [] for kind in NAMES}
    for number in range(ROUNDS):
        for kind in list(NAMES) if number % 2 == 0 else list(NAMES)[::-1]:
            async with server(kind) as port:
                rate, share = await one_round(port)
            rates[kind].append(rate)
            shares[kind].append(share)
    ratio = median(one / other for one, other in zip(rates["ours"], rates["byhand"], strict=True))
    rows: list[list[str | float]] = [
        [name, round(median(rates[kind])), round(100 * median(shares[kind]), 1), round(ratio, 2) if kind == "ours" else 1.0]
        for kind, name in NAMES.items()
    ]
    return Table(
        "Events to 1,000 readers over SSE",
        ("server", "messages delivered / s", "arrived %", "ratio"),
        rows,
        note=f"{CLIENTS:,} readers × {RATE:g} messages a second of 178 bytes for {SECONDS:g} s, unbatched; server and readers share the machine. Median of {ROUNDS} interleaved rounds.",
        claims={f"at least {LEAST} × a hand-written fan-out of the same bytes": ratio >= LEAST},
    )


def run() -> Table:
    """Measure."""
    return asyncio.run(_measure())
