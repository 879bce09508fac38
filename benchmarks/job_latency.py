"""How long ten updates take from the call until they are committed, over what their statement takes by itself."""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.harness.jobs import database_at, made_jobs, updating
from benchmarks.harness.rounds import interleaved_async
from benchmarks.harness.server import postgres
from benchmarks.harness.table import Table
from dashboard_app.backend.guard import PoolGuard
from dashboard_app.backend.jobs.updater import Updater
from dashboard_app.model.job import JobStatus, JobUpdate
from dashboard_app.store.jobs import JobStore

ROUNDS = 200
TEN = 10
LIMIT_MS = 2.0
STATEMENT, OURS, OURS_ON_DISK = "its statement alone", "Spillway, journal off", "Spillway"


def run() -> Table:
    """One table: ms, and what is on top of the statement in the same round."""
    with postgres(fsync="on") as address, tempfile.TemporaryDirectory() as folder:

        async def measure() -> Table:
            async with database_at(address) as database:
                guard = PoolGuard(database.engine)
                jobs = await made_jobs(database, TEN)
                store = JobStore(database, guard.running)
                async with updating(database, None, guard) as off, updating(database, Path(folder), guard) as on:
                    ways = {
                        STATEMENT: lambda: _statement(store, jobs),
                        OURS: lambda: _flushed(off, jobs),
                        OURS_ON_DISK: lambda: _flushed(on, jobs),
                    }
                    rounds = await interleaved_async(ways, ROUNDS)
            over = {
                name: median(a - b for a, b in zip(rounds.measured[name], rounds.measured[STATEMENT], strict=True)) * 1000 for name in ways
            }
            return Table(
                "Job status updates: ten until committed after a flush",
                ("way", "ms", "ms over the statement"),
                [[name, rounds.median(name) * 1000, over[name]] for name in ways],
                f"Median of {ROUNDS} interleaved rounds; PostgreSQL with fsync on loopback; the statement alone has a checkout, too.",
                {f"{name}: at most {LIMIT_MS:g} ms over the statement": over[name] <= LIMIT_MS for name in (OURS, OURS_ON_DISK)},
            )

        return asyncio.run(measure())


async def _statement(store: JobStore, jobs: list[int]) -> float:
    """Seconds."""
    seq = time.time_ns() // 1000
    began = time.perf_counter()
    await store.write([JobUpdate(seq, job, JobStatus.PROCESSING) for job in jobs])
    return time.perf_counter() - began


async def _flushed(updater: Updater, jobs: list[int]) -> float:
    """Seconds."""
    began = time.perf_counter()
    for job in jobs:
        await updater.aupdate_job_status(job, "completed")
    await updater.flush(10)
    return time.perf_counter() - began
