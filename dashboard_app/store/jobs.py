"""The jobs table: made for churn. Updates go many in one statement on the driver's own connection; pages are read by key."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import text

from dashboard_app.model.errors import Failed, InvalidInput
from dashboard_app.model.job import DeadLetter, Job, JobStatus, JobUpdate, NewJob
from dashboard_app.store.database import Database, unavailable_errors

_UPDATE = """
WITH wanted AS (
    SELECT u.* FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) AS u (id, status, error_message, seq),
                    (SELECT set_config('synchronous_commit', 'on', true)) AS durable
), locked AS (
    SELECT j.id, w.status, w.error_message, w.seq FROM jobs j JOIN wanted w ON w.id = j.id ORDER BY j.id FOR UPDATE OF j
), done AS (
    UPDATE jobs j SET
        status = l.status, error_message = l.error_message, status_seq = l.seq, updated_at = now(),
        left_pending_at = CASE WHEN l.status = 'pending' THEN NULL ELSE coalesce(j.left_pending_at, now()) END,
        failed_as = CASE WHEN l.status IN ('error', 'cancelled') THEN l.status END
    FROM locked l WHERE j.id = l.id AND j.status_seq < l.seq
)
SELECT array_agg(id) AS known FROM locked HAVING count(*) < cardinality($1)
"""
"""Rows are locked in the order of their ids, so that two writers never wait for each other in a circle. When some jobs are unknown it
gives the known ones. No two of its lists are joined with each other: a plan made for ten rows takes 5,000 as well, by key."""

_INSERT = """
INSERT INTO jobs (kind, payload) SELECT kind, payload FROM unnest($1::text[], $2::jsonb[]) WITH ORDINALITY AS n (kind, payload, place)
ORDER BY place RETURNING id
"""
_DEAD = """
INSERT INTO job_dead_letters (job_id, status, error_message, seq, code, reason)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[])
ON CONFLICT (seq) DO NOTHING
"""
_TAKE = """
WITH next AS (
    SELECT id FROM jobs WHERE left_pending_at IS NULL AND status = 'pending' AND kind = $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE jobs j SET status = 'processing', left_pending_at = now(), updated_at = now() FROM next
WHERE j.id = next.id RETURNING j.id, j.kind, j.payload
"""
_PAGE = "SELECT id, kind, status, error_message, payload, created_at, updated_at FROM jobs WHERE {} ORDER BY id DESC LIMIT :limit"
_IN_STATUS = {
    JobStatus.PENDING: "left_pending_at IS NULL AND status = :status",
    JobStatus.ERROR: "failed_as = :status",
    JobStatus.CANCELLED: "failed_as = :status",
}
"""The conditions that the partial indexes serve."""
_EXACT_UP_TO = 100_000
_LIMIT_S = 10.0
"""Limit of one statement with many rows: a batch that is tried again and again because it is large would never be written."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One update that the database does not take, and why."""

    update: JobUpdate
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class StatusCounts:
    """How many jobs are in each status. `is_estimate`: the table is large, so that the planner's figures are given."""

    by_status: dict[str, int]
    is_estimate: bool


class JobStore:
    """Named queries on `jobs` and `job_dead_letters`. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database, running: Callable[[Any, str], AbstractContextManager[object]]) -> None:
        """`running` tells the pool guard that a checkout runs a statement on the driver's own connection."""
        self._database = database
        self._running = running

    async def write(self, updates: Sequence[JobUpdate]) -> list[Refusal]:
        """Write at most one update per job in one statement on one checkout; gives back those the database refuses.

        Committed when it returns. An update whose `seq` is not above the job's own changes nothing. When a value is refused, the
        batch is halved until the bad ones stand alone, so that the others are written.
        """
        with unavailable_errors():
            async with self._database.engine.connect() as connection:
                return await self._bisected(connection, list(updates))

    async def set_aside(self, refusals: Sequence[Refusal]) -> None:
        """Keep refused updates as dead letters, in one statement; one that is kept already changes nothing."""
        updates = [refusal.update for refusal in refusals]
        columns = (*_columns(updates), [refusal.code for refusal in refusals], [refusal.reason for refusal in refusals])
        await self._fetch(_DEAD, *columns)

    async def add(self, jobs: Sequence[NewJob]) -> list[int]:
        """The ids of new pending jobs, in the order given.

        Raises:
            InvalidInput: a payload holds what PostgreSQL cannot keep (NUL).

        """
        try:
            rows = await self._fetch(_INSERT, [job.kind for job in jobs], [json.dumps(job.payload) for job in jobs])
        except asyncpg.DataError as refused:
            raise InvalidInput(
                "A value cannot be stored.", ({"field": "payload", "message": "holds a value that cannot be stored"},)
            ) from refused
        return sorted(row["id"] for row in rows)

    async def take(self, kind: str, count: int) -> list[tuple[int, Any]]:
        """Up to `count` pending jobs of `kind`, now processing and nobody else's: (id, payload), the oldest first."""
        rows = await self._fetch(_TAKE, kind, count)
        return sorted(((row["id"], row["payload"]) for row in rows), key=lambda job: job[0])

    async def remove(self, kind: str) -> None:
        """Delete every job of `kind`."""
        await self._fetch("DELETE FROM jobs WHERE kind = $1", kind)

    async def count_of(self, kind: str, status: JobStatus) -> int:
        """How many jobs of `kind` are in `status`."""
        rows = await self._fetch("SELECT count(*) AS n FROM jobs WHERE kind = $1 AND status = $2", kind, status.value)
        return int(rows[0]["n"])

    async def page(self, *, status: str = "", kind: str = "", limit: int = 50, before: int | None = None) -> list[Job]:
        """Jobs with ids below `before`, the newest first."""
        asked: dict[str, str | int] = {"limit": limit, "before": before or 2**63 - 1}
        conditions = ["id < :before"]
        if status:
            conditions.append(_IN_STATUS.get(JobStatus(status), "status = :status"))
            asked["status"] = status
        if kind:
            conditions.append("kind = :kind")
            asked["kind"] = kind
        statement = text(_PAGE.format(" AND ".join(conditions)))
        with unavailable_errors():
            async with self._database.engine.connect() as connection:
                rows = (await connection.execute(statement, asked)).all()
        return [Job(*row) for row in rows]

    async def counts(self) -> StatusCounts:
        """How many jobs are in each status; exact up to about 100,000 jobs, then the planner's estimate."""
        with unavailable_errors():
            async with self._database.engine.connect() as connection:
                total = await connection.scalar(text("SELECT reltuples::bigint FROM pg_class WHERE oid = 'jobs'::regclass"))
                if (total or 0) > _EXACT_UP_TO:
                    return StatusCounts(await _estimated(connection, int(total)), is_estimate=True)
                rows = await connection.execute(text("SELECT status, count(*) FROM jobs GROUP BY status"))
                return StatusCounts({str(status): int(count) for status, count in rows}, is_estimate=False)

    async def dead_letters(self, *, limit: int = 50, before: int | None = None) -> list[DeadLetter]:
        """Dead letters with ids below `before`, the newest first."""
        statement = text("SELECT * FROM job_dead_letters WHERE id < :before ORDER BY id DESC LIMIT :limit")
        with unavailable_errors():
            async with self._database.engine.connect() as connection:
                rows = await connection.execute(statement, {"before": before or 2**63 - 1, "limit": limit})
                return [_letter(row) for row in rows]

    async def dead_letter(self, letter_id: int) -> DeadLetter | None:
        """One dead letter; None when there is none."""
        with unavailable_errors():
            async with self._database.engine.connect() as connection:
                row = (await connection.execute(text("SELECT * FROM job_dead_letters WHERE id = :id"), {"id": letter_id})).one_or_none()
        return None if row is None else _letter(row)

    async def take_dead_letter(self, letter_id: int) -> DeadLetter | None:
        """The dead letter, which is gone then; None when there is none."""
        statement = text("DELETE FROM job_dead_letters WHERE id = :id RETURNING *")
        with unavailable_errors():
            async with self._database.engine.begin() as connection:
                row = (await connection.execute(statement, {"id": letter_id})).one_or_none()
        return None if row is None else _letter(row)

    async def _fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """The rows of one statement on the driver's connection of one checkout."""
        with unavailable_errors():
            async with self._database.engine.connect() as connection:
                return await self._run(connection, statement, *values)

    async def _run(self, connection: Any, statement: str, *values: object) -> list[asyncpg.Record]:
        """The rows of one statement on the driver's own connection, known to the guard while it runs."""
        raw = await connection.get_raw_connection()
        with self._running(connection, statement):
            rows: list[asyncpg.Record] = await raw.driver_connection.fetch(statement, *values, timeout=_LIMIT_S)
            return rows

    async def _bisected(self, connection: Any, updates: list[JobUpdate]) -> list[Refusal]:
        """Write `updates`; when the database refuses a value, write each half by itself."""
        try:
            rows = await self._run(connection, _UPDATE, *_columns(updates))
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as refused:
            if len(updates) == 1:
                return [Refusal(updates[0], "illegal_value", _told(refused))]
            middle = len(updates) // 2
            return await self._bisected(connection, updates[:middle]) + await self._bisected(connection, updates[middle:])
        except asyncpg.PostgresError as failure:
            with unavailable_errors():
                raise
            raise Failed("The jobs could not be written.") from failure
        if not rows:
            return []
        known = set(rows[0]["known"] or ())
        return [Refusal(one, "unknown_job", f"Job {one.job_id} does not exist") for one in updates if one.job_id not in known]


def _columns(updates: Sequence[JobUpdate]) -> tuple[list[int], list[str], list[str | None], list[int]]:
    """Updates as the columns of an unnest."""
    return (
        [one.job_id for one in updates],
        [one.status.value for one in updates],
        [one.error_message for one in updates],
        [one.seq for one in updates],
    )


def _told(refused: asyncpg.PostgresError) -> str:
    """Why a value is refused, by the class of the error; the driver's own text may hold the value and is not told."""
    if isinstance(refused, asyncpg.CheckViolationError):
        return "The database does not allow this status"
    return "The database cannot keep a value of this update"


def _letter(row: Any) -> DeadLetter:
    """A row as a dead letter."""
    update = JobUpdate(row.seq, row.job_id, JobStatus(row.status), row.error_message)
    return DeadLetter(row.id, update, row.code, row.reason, row.created_at)


async def _estimated(connection: Any, total: int) -> dict[str, int]:
    """Counts by status from the planner's statistics."""
    row = (
        await connection.execute(
            text(
                "SELECT most_common_vals::text::text[] AS vals, most_common_freqs AS freqs FROM pg_stats "
                "WHERE schemaname = current_schema AND tablename = 'jobs' AND attname = 'status'"
            )
        )
    ).one_or_none()
    if row is None or row.vals is None:
        return {}
    return {value: round(total * freq) for value, freq in zip(row.vals, row.freqs, strict=True)}
