"""Jobs to update, an updater on a real pool with its guard, and what a burst of updates is."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from dashboard_app.backend.guard import PoolGuard
from dashboard_app.backend.jobs.updater import Updater
from dashboard_app.model.clock import SystemClock
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.settings import Settings
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.database import Database
from dashboard_app.store.jobs import JobStore
from dashboard_app.store.migrations import migrate
from dashboard_app.store.segments import SegmentLog

LIMITS = BatchLimits(size=50, age_s=2.0, most=5000, waiting_most=10_000)
"""The defaults of the settings."""
STATUSES = ("processing", "completed", "error")
JOBS = 3957
UPDATES = 12_000


def burst(jobs: list[int], count: int = UPDATES) -> list[tuple[int, str]]:
    """`count` updates over all jobs, each job's in order: processing, then how it ended."""
    return [(jobs[number % len(jobs)], STATUSES[number // len(jobs) % len(STATUSES)]) for number in range(count)]


@contextlib.asynccontextmanager
async def database_at(address: DatabaseAddress) -> AsyncIterator[Database]:
    """A migrated database."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(lambda: address, Settings.model_validate({"data_dir": Path(folder)}))
        await migrate(database)
        try:
            yield database
        finally:
            await database.close()


@contextlib.asynccontextmanager
async def updating(database: Database, folder: Path | None, guard: PoolGuard | None = None) -> AsyncIterator[Updater]:
    """A running updater with the settings' defaults; `folder` None: no journal."""
    guard = guard or PoolGuard(database.engine)
    journal = SegmentLog(folder) if folder is not None else None
    updater = Updater(JobStore(database, guard.running), guard, SystemClock(), LIMITS, journal=journal)
    running = asyncio.create_task(updater.run())
    try:
        await updater.flush(5)
        yield updater
        await updater.close()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await updater.release()


async def made_jobs(database: Database, count: int = JOBS) -> list[int]:
    """The ids of new jobs."""
    async with database.engine.begin() as connection:
        raw = await connection.get_raw_connection()
        rows = await raw.driver_connection.fetch("INSERT INTO jobs (kind) SELECT 'bench' FROM generate_series(1, $1) RETURNING id", count)
    return [row["id"] for row in rows]
