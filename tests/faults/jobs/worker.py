"""The part that is killed: journal and updater on a real database, under load, in a process of its own that forks in milliseconds.

It tells its parent through a pipe: P + seconds (the journal was replayed and written), A + number (ten updates from that number on are
acknowledged), R + number (they were refused).
"""

import asyncio
import contextlib
import errno
import os
import random
import signal
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dashboard_app.backend.guard import ControlView, GuardLimits, PoolGuard
from dashboard_app.backend.jobs.updater import Updater
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.errors import TryLater
from dashboard_app.model.job import JobStatus
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.settings import Settings
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.database import APPLICATION_NAME, Database
from dashboard_app.store.jobs import JobStore
from dashboard_app.store.segments import SegmentLog

TEN = 10
PER_SECOND = 1000
SMALL_SEGMENT = 8192
"""So small that a new one is begun several times a second."""
LIMITS = BatchLimits(size=50, age_s=2.0, most=5000, waiting_most=10_000)
POINTS = ("append", "fsync", "rotate", "trim", "flush", "commit")
TOLD = struct.Struct("<cd")
STATUSES = (JobStatus.PROCESSING, JobStatus.COMPLETED, JobStatus.ERROR)


@dataclass(frozen=True)
class Task:
    """What one worker does. `trap`: the point at which it kills itself, at the `passes`th time; "" none. `bad_fsync`: syncs fail at times."""

    url: str
    folder: Path
    jobs: list[int]
    first: int
    seed: int
    trap: str = ""
    passes: int = 1
    bad_fsync: bool = False
    seconds: float = 60.0


def work(task: Task, pipe: Connection) -> None:
    """Run until killed, or for `task.seconds`; then everything is written and closed."""
    asyncio.run(_work(task, pipe))


@contextlib.asynccontextmanager
async def updating(
    address: DatabaseAddress,
    folder: Path,
    limits: BatchLimits = LIMITS,
    segment_bytes: int = SMALL_SEGMENT,
    store_of: Callable[[Database, PoolGuard], Any] = lambda database, guard: JobStore(database, guard.running),
) -> AsyncIterator[Updater]:
    """A running updater on a real pool with its guard; closed in order."""
    database = Database(lambda: address, Settings.model_validate({"data_dir": folder}))
    guard = PoolGuard(database.engine, GuardLimits(), SystemClock(), server=ControlView(database.control, APPLICATION_NAME))
    journal = SegmentLog(folder / "job-journal", segment_bytes)
    updater = Updater(store_of(database, guard), guard, SystemClock(), limits, journal=journal)
    running = [asyncio.create_task(guard.run()), asyncio.create_task(updater.run())]
    try:
        yield updater
        await updater.close()
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        await updater.release()
        await database.close()


async def _work(task: Task, pipe: Connection) -> None:
    chance = random.Random(task.seed)  # noqa: S311 - which moment, not a secret
    _set_traps(task, chance)
    began = time.perf_counter()
    async with updating(DatabaseAddress.from_url(task.url), task.folder) as updater:
        await updater.flush(30)
        pipe.send_bytes(TOLD.pack(b"P", time.perf_counter() - began))
        await load(updater, task.jobs, task.first, task.seconds, lambda word, number: pipe.send_bytes(TOLD.pack(word, number)))


async def load(updater: Updater, jobs: list[int], first: int, seconds: float, tell: Callable[[bytes, int], object]) -> int:
    """A thousand updates a second, ten in each call; the first number that was not used."""
    number, began, under_way = first, time.perf_counter(), set[asyncio.Task[None]]()
    while (passed := time.perf_counter() - began) < seconds:
        while number - first < passed * PER_SECOND:
            call = asyncio.create_task(_ten(updater, jobs, number, tell))
            under_way.add(call)
            call.add_done_callback(under_way.discard)
            number += TEN
        await asyncio.sleep(0.002)
    if under_way:
        await asyncio.wait(under_way, timeout=20)
    return number


async def _ten(updater: Updater, jobs: list[int], first: int, tell: Callable[[bytes, int], object]) -> None:
    wanted = [(jobs[n % len(jobs)], STATUSES[n % len(STATUSES)], str(n)) for n in range(first, first + TEN)]
    try:
        await updater.accept(wanted)
    except TryLater:
        tell(b"R", first)
    else:
        tell(b"A", first)


class _Trap:
    """Counts how often a point is passed, and kills this process at the one it is set for."""

    def __init__(self, task: Task) -> None:
        self._point, self._left = task.trap, task.passes

    def snaps(self, point: str) -> bool:
        if point != self._point or threading.current_thread().name.startswith("job-journal") != (point not in ("flush", "commit")):
            return False
        self._left -= 1
        return self._left == 0


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _set_traps(task: Task, chance: random.Random) -> None:
    """Put the trap, and the failing disk, between the journal and the system, and round the store's statements."""
    trap = _Trap(task)
    is_early = chance.random() < 0.5

    def around(point: str, call: Callable[..., Any], is_ours: Callable[[Any], bool] = lambda _first: True) -> Callable[..., Any]:
        def trapped(first: Any, *rest: Any, **more: Any) -> Any:
            snaps = is_ours(first) and trap.snaps(point)
            if snaps and is_early:
                _die()
            done = call(first, *rest, **more)
            if snaps:
                _die()
            return done

        return trapped

    os.write = _torn(trap, chance)
    os.fdatasync = around("fsync", _failing(os.fdatasync, chance) if task.bad_fsync else os.fdatasync)
    os.open = around("rotate", os.open, lambda path: str(path).endswith(".seg"))
    os.fsync = around("rotate", os.fsync)
    os.ftruncate = around("trim", os.ftruncate)
    _trap_statements(trap, chance)


def _torn(trap: _Trap, chance: random.Random) -> Callable[[int, Any], int]:
    """`os.write` that may end in the middle."""
    real = os.write

    def write(descriptor: int, data: Any) -> int:
        if trap.snaps("append"):
            real(descriptor, bytes(data)[: chance.randrange(len(data))])
            _die()
        return real(descriptor, data)

    return write


def _failing(real: Callable[[int], None], chance: random.Random) -> Callable[[int], None]:
    """A sync of which three in ten fail."""

    def fdatasync(descriptor: int) -> None:
        if chance.random() < 0.3:
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    return fdatasync


def _trap_statements(trap: _Trap, chance: random.Random) -> None:
    """Die some milliseconds after a statement was sent, or right after it was committed."""
    real = JobStore.write

    async def write(self: JobStore, updates: Any) -> Any:
        if trap.snaps("flush"):
            asyncio.get_running_loop().call_later(chance.random() * 0.01, _die)
        done = await real(self, updates)
        if trap.snaps("commit"):
            _die()
        return done

    JobStore.write = write  # type: ignore[method-assign]
