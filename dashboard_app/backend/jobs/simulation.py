"""The same ingestion twice: every status written by itself on a connection of its own, then through the updater."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import event

from dashboard_app.backend.guard import PoolGuard
from dashboard_app.backend.jobs.updater import Updater
from dashboard_app.model.clock import Clock
from dashboard_app.model.job import JobStatus, JobUpdate, NewJob
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.store.database import Database
from dashboard_app.store.jobs import JobStore
from dashboard_app.store.segments import SegmentLog

KIND = "spillway-simulation"
STEPS = ("processing", "processing", "completed")
"""What a worker reports of each job: begun, half way, done."""
_TAKEN_AT_ONCE = 50
_MADE_AT_ONCE = 5000
_FLUSH_S = 60.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figures:
    """One run: checkouts for status updates alone, and the most connections that were in use at once."""

    way: str
    updates: int
    checkouts: int
    seconds: float
    pool_peak: int
    completed: int


@dataclass(slots=True)
class _Pool:
    """Checkouts as the pool counts them."""

    checkouts: int = 0
    in_use: int = 0
    peak: int = 0


class Simulation:
    """Workers take pending jobs and report three statuses of each; the jobs are of a kind of their own and are deleted at the end."""

    def __init__(self, database: Database, clock: Clock, limits: BatchLimits, folder: Path) -> None:
        """`folder` takes the journal of the second run."""
        self._database, self._clock, self._limits, self._folder = database, clock, limits, folder
        self._guard = PoolGuard(database.engine)
        self._store = JobStore(database, self._guard.running)

    async def run(self, jobs: int, workers: int) -> list[Figures]:
        """One by one, then batched. Raises DatabaseUnavailable."""
        try:
            return [await self._one_by_one(jobs, workers), await self._batched(jobs, workers)]
        finally:
            await self._store.remove(KIND)

    async def _one_by_one(self, jobs: int, workers: int) -> Figures:
        """Each status is a checkout, a statement and a commit."""
        loop = asyncio.get_running_loop()

        def report(job_id: int, status: str) -> None:
            update = JobUpdate(time.time_ns(), job_id, JobStatus(status))
            asyncio.run_coroutine_threadsafe(self._store.write([update]), loop).result()

        return await self._measured("one by one", jobs, workers, report, _nothing)

    async def _batched(self, jobs: int, workers: int) -> Figures:
        """Each status goes through the updater, with its journal."""
        updater = Updater(self._store, self._guard, self._clock, self._limits, journal=SegmentLog(self._folder))
        running = asyncio.create_task(updater.run())
        try:
            await updater.flush(_FLUSH_S)
            return await self._measured("batched", jobs, workers, updater.update_job_status, lambda: updater.flush(_FLUSH_S))
        finally:
            running.cancel()
            await asyncio.wait({running})
            await updater.release()

    async def _measured(
        self, way: str, jobs: int, workers: int, report: Callable[[int, str], None], finish: Callable[[], Coroutine[Any, Any, object]]
    ) -> Figures:
        """New jobs, taken and reported by threads, until all is committed."""
        await self._store.remove(KIND)
        for first in range(0, jobs, _MADE_AT_ONCE):
            await self._store.add([NewJob(KIND, {}) for _ in range(min(_MADE_AT_ONCE, jobs - first))])
        loop = asyncio.get_running_loop()
        takes = 0

        def work() -> None:
            nonlocal takes
            while taken := asyncio.run_coroutine_threadsafe(self._store.take(KIND, _TAKEN_AT_ONCE), loop).result():
                takes += 1
                for job_id, _payload in taken:
                    for status in STEPS:
                        report(job_id, status)
            takes += 1

        with self._watched() as pool, ThreadPoolExecutor(workers, thread_name_prefix="worker") as threads:
            began = time.perf_counter()
            await asyncio.gather(*(loop.run_in_executor(threads, work) for _ in range(workers)))
            await finish()
            seconds = time.perf_counter() - began
        completed = await self._store.count_of(KIND, JobStatus.COMPLETED)
        return Figures(way, jobs * len(STEPS), pool.checkouts - takes, seconds, pool.peak, completed)

    @contextmanager
    def _watched(self) -> Iterator[_Pool]:
        """Count checkouts for the length of the block."""
        pool, engine = _Pool(), self._database.engine.sync_engine

        def out(*_: object) -> None:
            pool.checkouts += 1
            pool.in_use += 1
            pool.peak = max(pool.peak, pool.in_use)

        def back(*_: object) -> None:
            pool.in_use -= 1

        event.listen(engine, "checkout", out)
        event.listen(engine, "checkin", back)
        try:
            yield pool
        finally:
            event.remove(engine, "checkout", out)
            event.remove(engine, "checkin", back)


async def _nothing() -> None:
    """All is committed already."""
