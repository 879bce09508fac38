"""What one call of `update_job_status` costs who reports: from a task, and from a thread."""

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.harness.jobs import database_at, made_jobs, updating
from benchmarks.harness.rounds import interleaved_async
from benchmarks.harness.server import postgres
from benchmarks.harness.table import Table
from dashboard_app.backend.jobs.updater import Updater

ROUNDS = 15
SLICES = 5
CALLS = 4000
LIMITS_US = {"asyncio": 1.0, "thread": 3.0}


def run() -> Table:
    """One table: µs per call."""
    with postgres() as address, tempfile.TemporaryDirectory() as folder:

        async def measure() -> Table:
            async with database_at(address) as database, updating(database, Path(folder)) as updater:
                jobs = await made_jobs(database, CALLS)
                ways = {"asyncio": lambda: _from_a_task(updater, jobs), "thread": lambda: _from_a_thread(updater, jobs)}
                rounds = await interleaved_async(ways, ROUNDS, SLICES)
            cost = {name: rounds.median(name) * 1e6 for name in ways}
            return Table(
                "Job status updates: what a call costs",
                ("from", "µs per call", "at most"),
                [[name, figure, LIMITS_US[name]] for name, figure in cost.items()],
                f"Median of {ROUNDS} rounds, each the fastest of {SLICES} slices of {CALLS} calls, journal on; the thread calls while the loop runs.",
                {f"from {name}: at most {LIMITS_US[name]:g} µs": figure <= LIMITS_US[name] for name, figure in cost.items()},
            )

        return asyncio.run(measure())


async def _from_a_task(updater: Updater, jobs: list[int]) -> float:
    """Seconds per call."""
    report = updater.aupdate_job_status
    began = time.perf_counter()
    for job in jobs:
        await report(job, "completed")
    took_s = time.perf_counter() - began
    await updater.flush(30)
    return took_s / len(jobs)


async def _from_a_thread(updater: Updater, jobs: list[int]) -> float:
    """Seconds per call."""
    took_s = await asyncio.to_thread(_reported, updater, jobs)
    await updater.flush(30)
    return took_s / len(jobs)


def _reported(updater: Updater, jobs: list[int]) -> float:
    """Seconds that a thread took to report all."""
    report = updater.update_job_status
    began = time.perf_counter()
    for job in jobs:
        report(job, "processing")
    return time.perf_counter() - began
