"""12,000 status updates of 3,957 jobs at once: through the updater, and in every way one would write by hand."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import asyncpg
from sqlalchemy import text

from benchmarks.harness.jobs import UPDATES, burst, database_at, made_jobs, updating
from benchmarks.harness.rounds import interleaved_async
from benchmarks.harness.server import postgres
from benchmarks.harness.table import Table
from dashboard_app.backend.guard import PoolGuard
from dashboard_app.backend.jobs.updater import Updater
from dashboard_app.store.database import Database, connect

ROUNDS = 5
SAMPLED = 600
"""Updates of the slow ways that are measured in a round; their time is scaled to all 12,000."""
MOST_CHECKOUTS, TIMES_ONE_BY_ONE, TIMES_UNNEST, TIMES_UNNEST_JOURNAL = 24, 60, 1.0, 0.6
ONE_BY_ONE, UNNEST, OURS, OURS_ON_DISK = "one by one, pooled", "unnest 500", "Spillway, journal off", "Spillway"
_ONE = "UPDATE jobs SET status = $2, updated_at = now() WHERE id = $1"
_CORE = text("UPDATE jobs SET status = :status, updated_at = now() WHERE id = :id")
_MANY = "UPDATE jobs j SET status = u.status, updated_at = now() FROM unnest($1::bigint[], $2::text[]) AS u (id, status) WHERE j.id = u.id"
_STAGE = "CREATE TEMP TABLE staged (id bigint, status text) ON COMMIT DROP"
_STAGED = "UPDATE jobs j SET status = s.status, updated_at = now() FROM staged s WHERE j.id = s.id"
Updates = Sequence[tuple[int, str]]


def run() -> Table:
    """One table: seconds and checkouts for the burst, and the ratio to one by one and to unnest 500 in the same rounds."""
    with postgres(fsync="on") as address, tempfile.TemporaryDirectory() as folder:

        async def measure() -> Table:
            async with database_at(address) as database:
                guard = PoolGuard(database.engine)
                connection = await connect(address, application_name="bench", command_timeout_s=60)
                async with updating(database, None, guard) as off, updating(database, Path(folder), guard) as on:
                    table = await _measure(database, connection, off, on)
                await connection.close()
                return table

        return asyncio.run(measure())


async def _measure(database: Database, connection: asyncpg.Connection, off: Updater, on: Updater) -> Table:
    """Every way in each round."""
    jobs = await made_jobs(database)
    updates = burst(jobs)
    last = dict(updates)
    checkouts: dict[str, int] = {}

    def timed(name: str, way: Callable[[Updates], Awaitable[object]], share: int = UPDATES) -> Callable[[], Awaitable[float]]:
        async def once() -> float:
            await connection.execute("UPDATE jobs SET status = 'pending'")
            await connection.execute("VACUUM jobs")
            taken = _taken(off, on)
            began = time.perf_counter()
            await way(updates[:share])
            took_s = time.perf_counter() - began
            checkouts[name] = _taken(off, on) - taken
            if share == UPDATES:
                rows = dict(await connection.fetch("SELECT id, status FROM jobs WHERE id = ANY($1)", jobs))
                if rows != last:
                    raise AssertionError(f"{name} left wrong rows")
            return took_s * UPDATES / share

        return once

    ways = {
        ONE_BY_ONE: timed(ONE_BY_ONE, lambda some: _one_by_one(database, some), SAMPLED),
        "executemany": timed("executemany", lambda some: connection.executemany(_ONE, some)),
        "SQLAlchemy Core executemany": timed("SQLAlchemy Core executemany", lambda some: _core(database, some)),
        "unnest 50": timed("unnest 50", lambda some: _unnest(connection, some, 50)),
        UNNEST: timed(UNNEST, lambda some: _unnest(connection, some, 500)),
        "unnest 5,000": timed("unnest 5,000", lambda some: _unnest(connection, some, 5000)),
        "COPY to a temporary table": timed("COPY to a temporary table", lambda some: _copied(connection, some)),
        OURS: timed(OURS, lambda some: _through(off, some)),
        OURS_ON_DISK: timed(OURS_ON_DISK, lambda some: _through(on, some)),
    }
    rounds = await interleaved_async(ways, ROUNDS)
    by_hand = {ONE_BY_ONE: UPDATES, "unnest 50": UPDATES // 50, UNNEST: UPDATES // 500, "unnest 5,000": -(-UPDATES // 5000)}
    rows: list[list[str | float]] = [
        [
            name,
            rounds.median(name) * 1000,
            UPDATES / rounds.median(name),
            checkouts[name] if name in (OURS, OURS_ON_DISK) else by_hand.get(name, 1),
            1 / rounds.ratio(name, ONE_BY_ONE),
            1 / rounds.ratio(name, UNNEST),
        ]
        for name in ways
    ]
    return Table(
        "Job status updates: 12,000 of 3,957 jobs as one burst",
        ("way", "ms", "updates/s", "checkouts or statements", "× one by one", "× unnest 500"),
        rows,
        f"Median of {ROUNDS} interleaved rounds, from the first call until all is committed; PostgreSQL with fsync on loopback. After each the rows "
        f"are compared with what the last update of each job says. One by one is measured over {SAMPLED} updates and scaled. By hand: one "
        "connection, the last of each job within a statement.",
        _claims(rounds.ratio(OURS, UNNEST), rounds.ratio(OURS_ON_DISK, UNNEST), rounds.ratio(OURS_ON_DISK, ONE_BY_ONE), checkouts),
    )


def _claims(off: float, on: float, one: float, checkouts: dict[str, int]) -> dict[str, bool]:
    """The bounds."""
    return {
        f"at most {MOST_CHECKOUTS} checkouts": max(checkouts[OURS], checkouts[OURS_ON_DISK]) <= MOST_CHECKOUTS,
        f"at least {TIMES_ONE_BY_ONE} × one by one, journal on": 1 / one >= TIMES_ONE_BY_ONE,
        f"journal off: at least {TIMES_UNNEST:g} × unnest 500 by hand": 1 / off >= TIMES_UNNEST,
        f"journal on: at least {TIMES_UNNEST_JOURNAL:g} × unnest 500 by hand": 1 / on >= TIMES_UNNEST_JOURNAL,
    }


def _taken(*updaters: Updater) -> int:
    """Checkouts of these updaters."""
    return sum(updater.figures().checkouts_total for updater in updaters)


async def _through(updater: Updater, updates: Updates) -> None:
    """As services report: call after call, then until all of it is committed."""
    for job_id, status in updates:
        await updater.aupdate_job_status(job_id, status)
    await updater.flush(30)


async def _one_by_one(database: Database, updates: Updates) -> None:
    """A checkout, a statement and a commit for each."""
    for job_id, status in updates:
        async with database.engine.begin() as connection:
            await connection.execute(_CORE, {"id": job_id, "status": status})


async def _core(database: Database, updates: Updates) -> None:
    """One call with a list of parameters."""
    async with database.engine.begin() as connection:
        await connection.execute(_CORE, [{"id": job_id, "status": status} for job_id, status in updates])


async def _unnest(connection: asyncpg.Connection, updates: Updates, size: int) -> None:
    """`size` updates in each statement, the last of each job."""
    for first in range(0, len(updates), size):
        last = dict(updates[first : first + size])
        await connection.execute(_MANY, list(last.keys()), list(last.values()))


async def _copied(connection: asyncpg.Connection, updates: Updates) -> None:
    """All into a temporary table, then one statement."""
    async with connection.transaction():
        await connection.execute(_STAGE)
        await connection.copy_records_to_table("staged", records=list(dict(updates).items()), columns=("id", "status"))
        await connection.execute(_STAGED)
