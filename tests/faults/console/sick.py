"""One console in a process of its own, and a server that is sick in one way for some minutes. What happened goes out as one line of JSON."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from dashboard_app.console.console import Console
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.errors import BreakerOpen
from tests.console.running import console_on
from tests.console.stub_backend import StubBackend, running

SOURCES = 20
_GUARD = {"ping", "status", "config", "cleanup"}
_WIRE = {"2 GB body": "huge", "redirect loop": "redirect", "reset": "reset", "half-open": "half-open"}
_FLAP_S = 3.0
_TICK_S = 0.05
_WELL_S = 120.0
MODES = ("5xx", "slow 10 s", "garbage JSON", *_WIRE, "flapping")


class Watch:
    """Samples a console twenty times a second: its longest stall, its memory, its fallback, readings that look fresher than they can be."""

    def __init__(self, console: Console, stub: StubBackend) -> None:
        self._console, self._stub, self._process = console, stub, psutil.Process()
        self.longest_stall_s = 0.0
        self.fallback_after_s: float | None = None
        self.false_ages = 0
        self.sick_since = 0.0
        self.well_at: float | None = None
        """When a flapping server was well last; None: it is well now."""
        self.open_since: float | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            self.longest_stall_s = max(self.longest_stall_s, now - before - _TICK_S)
            if not self.sick_since:
                continue
            if self.fallback_after_s is None and self._console.fallback() is not None:
                self.fallback_after_s = now - self.sick_since
            if self.open_since is None and self._console.breakers["api"].state is BreakerState.OPEN:
                self.open_since = now
            if self.well_at is not None:
                readings = (*self._console.snapshot.health.values(), *self._console.snapshot.metrics.values())
                self.false_ages += sum(reading.received_mono > self.well_at + 0.5 for reading in readings)

    def memory_mb(self) -> float:
        """What this process holds now."""
        return float(self._process.memory_info().rss) / 1e6


@contextmanager
def _sick(stub: StubBackend, mode: str, watch: Watch) -> Iterator[None]:
    """Sick in that way, at once and until the end; a flapping one changes every 3 s."""
    watch.sick_since = watch.well_at = time.monotonic()
    flapping = asyncio.create_task(_flap(stub, watch)) if mode == "flapping" else None
    if mode == "5xx":
        stub.failing = True
    elif mode == "slow 10 s":
        stub.delay_s = stub.list_delay_s = 10.0
    elif mode == "garbage JSON":
        stub.forced_answers = dict.fromkeys(("list", "health", "stats", "healths", "statses"), (200, b"<html>{]"))
    else:
        stub.fault = _WIRE.get(mode, "")
    yield
    if flapping is not None:
        flapping.cancel()
    stub.failing, stub.delay_s, stub.list_delay_s, stub.forced_answers, stub.fault, watch.well_at = False, 0.05, 0.0, {}, "", None


async def _flap(stub: StubBackend, watch: Watch) -> None:
    """Three seconds sick, three well."""
    while True:
        stub.failing, watch.well_at = True, time.monotonic()
        await asyncio.sleep(_FLAP_S)
        stub.failing, watch.well_at = False, None
        await asyncio.sleep(_FLAP_S)


async def course(mode: str, seconds: float) -> dict[str, Any]:
    """The whole illness: well, sick for `seconds`, well again."""
    with tempfile.TemporaryDirectory(prefix="spillway-sick-") as folder:
        async with (
            running(StubBackend(count=SOURCES, delay_s=0.05)) as stub,
            console_on(stub.url, Path(folder), pace="adaptive") as console,
        ):
            watch = Watch(console, stub)
            watching = asyncio.create_task(watch.run())
            await _until(lambda: len(console.snapshot.metrics) == SOURCES, 60)
            memory = watch.memory_mb()
            with _sick(stub, mode, watch):
                console.loader.refresh()
                await asyncio.sleep(seconds)
                grown, over = watch.memory_mb() - memory, time.monotonic()
                trials = sum(move.target is BreakerState.HALF_OPEN for move in console.breakers["api"].transitions())
                asked = [each.at for each in stub.seen if each.what not in _GUARD and each.at >= watch.sick_since]
                asked += [at for what, at in stub.failed if what not in _GUARD]
            again = await _until(lambda: console.fallback() is None, _WELL_S)
            read = await _until(lambda: _read_again(console, over), _WELL_S)
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
    open_at = watch.open_since
    return {
        "mode": mode,
        "asked": len(asked),
        "trials": trials,
        "after_open": 0 if open_at is None else sum(at > open_at for at in asked),
        "banner_s": watch.fallback_after_s,
        "false_ages": watch.false_ages,
        "stall_s": watch.longest_stall_s,
        "grown_mb": grown,
        "well_s": None if again is None or read is None else again + read,
    }


def _read_again(console: Console, since: float) -> bool:
    """Whether every source was read since then; Refresh is pressed again and again: a press that comes into a round begins none."""
    with suppress(BreakerOpen):
        console.loader.refresh()
    return all(each.received_mono > since for each in console.snapshot.health.values())


async def _until(condition: Any, limit_s: float) -> float | None:
    """Seconds until it held; None: it did not."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > limit_s:
            return None
        await asyncio.sleep(_TICK_S)
    return time.monotonic() - began


if __name__ == "__main__":
    print(json.dumps(asyncio.run(course(sys.argv[1], float(sys.argv[2])))))
