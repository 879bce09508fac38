"""A console that runs against a stub over real sockets, and waiting for a condition with a deadline."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dashboard_app.console.console import Console
from dashboard_app.model.clock import SystemClock
from dashboard_app.settings import Settings
from tests.timing import Stopwatch


class KeptStates:
    """What keeps the states of open pages; notes whose were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get_state(self, token: Any) -> None:
        self.asked.append(token.ident)


async def until(condition: Callable[[], object], *, within_s: float = 30.0) -> float:
    """How long it took until `condition` held; the time in which the machine gave this thread no turn does not count."""
    watch = Stopwatch()
    while not condition():
        assert watch.took_s < within_s, "the condition did not come true in time"
        await asyncio.sleep(0.02)
    return watch.took_s


class Lateness:
    """How late this loop ever was: the error of every arrival time that is taken on it."""

    def __init__(self) -> None:
        self.worst_s = 0.0

    async def measure(self) -> None:
        while True:
            due = time.monotonic() + 0.005
            await asyncio.sleep(0.005)
            self.worst_s = max(self.worst_s, time.monotonic() - due)


@contextlib.asynccontextmanager
async def lateness() -> AsyncIterator[Lateness]:
    measured = Lateness()
    task = asyncio.create_task(measured.measure())
    try:
        yield measured
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def console_on(url: str, data_dir: Path, **settings: Any) -> AsyncIterator[Console]:
    console = Console(Settings(backend_url=url, data_dir=data_dir, **settings), SystemClock())
    task = asyncio.create_task(console.run())
    try:
        yield console
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def oldest_age_s(reads: Mapping[int, Sequence[float]], living: set[int], since: float, until: float) -> float:
    """The greatest age any living source reached between two moments."""
    worst = 0.0
    for source_id in living:
        times = [at for at in reads[source_id] if at <= until]
        kept = [max(at for at in times if at <= since), *(at for at in times if at > since), until]
        worst = max(worst, *(after - before for before, after in itertools.pairwise(kept)))
    return worst
