"""Samples of health and metrics: written many at a time in one statement, read back as few points as a chart can show."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError

from dashboard_app.model.errors import Failed
from dashboard_app.model.health import Health, Metrics
from dashboard_app.store.database import Database, unavailable_errors

LATENCY = "latency_ms"
"""The one metric that is read from the health samples."""
RETENTION_STEP = 5_000
"""Rows one statement deletes: a small step stays far below the limit of a statement."""
_RESTORE_STEP = 50

_WRITE = text("""
WITH found AS (SELECT id FROM data_sources WHERE id = ANY(CAST(:ids AS bigint[])) FOR KEY SHARE),
healths AS (
    INSERT INTO health_samples (source_id, checked_at, status, latency_ms, message)
    SELECT h.source_id, h.checked_at, h.status, h.latency_ms, h.message
    FROM unnest(CAST(:h_ids AS bigint[]), CAST(:h_at AS timestamptz[]), CAST(:h_status AS text[]),
                CAST(:h_latency AS float8[]), CAST(:h_message AS text[])) AS h(source_id, checked_at, status, latency_ms, message)
    JOIN found ON found.id = h.source_id
    ON CONFLICT DO NOTHING
)
INSERT INTO metric_samples (source_id, collected_at, metrics, units)
SELECT m.source_id, m.collected_at, CAST(m.metrics AS jsonb), CAST(m.units AS jsonb)
FROM unnest(CAST(:m_ids AS bigint[]), CAST(:m_at AS timestamptz[]), CAST(:m_metrics AS text[]),
            CAST(:m_units AS text[])) AS m(source_id, collected_at, metrics, units)
JOIN found ON found.id = m.source_id
ON CONFLICT DO NOTHING
""")

_POINTS = """
WITH raw AS ({raw}),
numbered AS (
    SELECT at, value, floor(extract(epoch FROM at - :since) * :buckets / :span_s) AS bucket FROM raw WHERE value IS NOT NULL
),
ranked AS (
    SELECT at, value, count(*) OVER () AS total,
           row_number() OVER (PARTITION BY bucket ORDER BY value DESC, at) AS from_top,
           row_number() OVER (PARTITION BY bucket ORDER BY value, at) AS from_bottom
    FROM numbered
)
SELECT extract(epoch FROM at) * 1000 AS at_ms, value FROM ranked
WHERE total <= :points OR from_top = 1 OR (from_bottom = 1 AND :points > 1)
ORDER BY at
"""
_LATENCY_ROWS = """
    SELECT checked_at AS at, CAST(latency_ms AS float8) AS value FROM health_samples
    WHERE source_id = :source_id AND checked_at >= :since AND checked_at < :until
"""
_METRIC_ROWS = """
    SELECT collected_at AS at, CAST(metrics ->> :metric AS float8) AS value FROM metric_samples
    WHERE source_id = :source_id AND collected_at >= :since AND collected_at < :until
"""
_LATENCY_POINTS = text(_POINTS.format(raw=_LATENCY_ROWS))
_METRIC_POINTS = text(_POINTS.format(raw=_METRIC_ROWS))

_TIMELINE = text("""
SELECT CAST(floor(extract(epoch FROM checked_at - :since) * :buckets / :span_s) AS int) AS bucket,
       min(position(status IN 'bwuo')) AS worst
FROM health_samples
WHERE source_id = :source_id AND checked_at >= :since AND checked_at < :until
GROUP BY 1
""")

_RECENT = text("""
SELECT s.id, recent.letters, last.checked_at, last.status, last.latency_ms, last.message,
       coalesce((SELECT min(n.checked_at) FROM health_samples n WHERE n.source_id = s.id AND n.checked_at > changed.at),
                (SELECT min(n.checked_at) FROM health_samples n WHERE n.source_id = s.id)) AS since
FROM (SELECT id FROM data_sources WHERE id > :after ORDER BY id LIMIT :step) s
LEFT JOIN LATERAL (
    SELECT checked_at, status, latency_ms, message FROM health_samples WHERE source_id = s.id ORDER BY checked_at DESC LIMIT 1
) last ON true
JOIN LATERAL (
    SELECT string_agg(status, '' ORDER BY checked_at) AS letters FROM (
        SELECT checked_at, status FROM health_samples WHERE source_id = s.id ORDER BY checked_at DESC LIMIT :letters
    ) newest
) recent ON true
LEFT JOIN LATERAL (
    SELECT checked_at AS at FROM health_samples
    WHERE source_id = s.id AND status <> last.status ORDER BY checked_at DESC LIMIT 1
) changed ON true
ORDER BY s.id
""")

_FORGET = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {at} < :before LIMIT :step))
"""
_FORGET_HEALTH = text(_FORGET.format(table="health_samples", at="checked_at"))
_FORGET_METRICS = text(_FORGET.format(table="metric_samples", at="collected_at"))


@dataclass(frozen=True, slots=True)
class RecentHealth:
    """What the samples say of one source: its last letters, oldest first, its last sample, and when that status began."""

    source_id: int
    letters: str
    status: str
    checked_at: datetime
    latency_ms: float | None
    message: str | None
    since: datetime


class SampleStore:
    """Reads and writes `health_samples` and `metric_samples`. Every call raises DatabaseUnavailable when the database is away."""

    def __init__(self, database: Database) -> None:
        """No I/O here."""
        self._database = database

    async def write(self, healths: Sequence[Health], metrics: Sequence[Metrics]) -> None:
        """Keep these samples, in one statement; those of sources that are gone and those already kept are passed over.

        Raises:
            Failed: the database refused a sample; none of them is kept.

        """
        values = {
            "ids": sorted({health.data_source_id for health in healths} | {sample.data_source_id for sample in metrics}),
            "h_ids": [health.data_source_id for health in healths],
            "h_at": [health.checked_at for health in healths],
            "h_status": [health.status.letter for health in healths],
            "h_latency": [health.latency_ms for health in healths],
            "h_message": [health.message for health in healths],
            "m_ids": [sample.data_source_id for sample in metrics],
            "m_at": [sample.collected_at for sample in metrics],
            "m_metrics": [json.dumps(dict(sample.metrics), allow_nan=False) for sample in metrics],
            "m_units": [json.dumps(dict(sample.units)) for sample in metrics],
        }
        try:
            with unavailable_errors():
                async with self._database.engine.begin() as connection:
                    await connection.execute(_WRITE, values)
        except DBAPIError as error:
            raise Failed("The database refused samples") from error

    async def points(self, source_id: int, metric: str, since: datetime, until: datetime, points: int) -> list[tuple[int, float]]:
        """(epoch in ms, value) in order of time, at most `points`: all there are, or the least and the greatest of each of points/2 spans."""
        values = {**_span(source_id, since, until, max(points // 2, 1)), "points": points}
        statement = _LATENCY_POINTS if metric == LATENCY else _METRIC_POINTS
        rows = await self._rows(statement, values if metric == LATENCY else {**values, "metric": metric})
        return [(round(float(row.at_ms)), round(float(row.value), 3)) for row in rows]

    async def timeline(self, source_id: int, since: datetime, until: datetime, buckets: int) -> dict[int, str]:
        """The worst letter (b, w, u, o) of each of `buckets` equal spans that has a sample, by its number from 0."""
        rows = await self._rows(_TIMELINE, _span(source_id, since, until, buckets))
        return {int(row.bucket): "bwuo"[row.worst - 1] for row in rows}

    async def recent(self, letters: int) -> list[RecentHealth]:
        """The last samples of every source that has any, 50 sources a statement."""
        found: list[RecentHealth] = []
        after = 0
        while rows := await self._rows(_RECENT, {"after": after, "step": _RESTORE_STEP, "letters": letters}):
            seen = [row for row in rows if row.status is not None]
            found += [RecentHealth(r.id, r.letters, r.status, r.checked_at, r.latency_ms, r.message, r.since) for r in seen]
            after = rows[-1].id
        return found

    async def forget(self, before: datetime) -> int:
        """How many samples older than `before` were deleted: all of them, in small steps."""
        return await self._forget_from(_FORGET_HEALTH, before) + await self._forget_from(_FORGET_METRICS, before)

    async def _forget_from(self, statement: TextClause, before: datetime) -> int:
        """Delete step by step until a step finds less than it may take."""
        total, deleted = 0, RETENTION_STEP
        while deleted == RETENTION_STEP:
            with unavailable_errors():
                async with self._database.engine.begin() as connection:
                    deleted = (await connection.execute(statement, {"before": before, "step": RETENTION_STEP})).rowcount
            total += deleted
        return total

    async def _rows(self, statement: TextClause, values: dict[str, Any]) -> Sequence[Any]:
        """The rows of one statement on the guarded pool."""
        with unavailable_errors():
            async with self._database.engine.connect() as connection:
                return (await connection.execute(statement, values)).all()


def _span(source_id: int, since: datetime, until: datetime, buckets: int) -> dict[str, Any]:
    """The values that every statement on a span of time takes."""
    return {
        "source_id": source_id,
        "since": since,
        "until": until,
        "buckets": buckets,
        "span_s": max((until - since).total_seconds(), 0.001),
    }
