"""The alerts table: what fired, for which source, from when to when. It goes over the control pool; samples alone over the guarded one."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, TextClause, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.model.alert import Alert, Severity
from dashboard_app.model.errors import Conflict
from dashboard_app.store.database import Database, unavailable_errors
from dashboard_app.store.tables import alerts

FORGET_STEP = 5_000
"""Rows one statement deletes."""
OPEN_AT_MOST = 5_000
_COLUMNS = tuple(field.name for field in fields(Alert))
_TYPES = {"id": "bigint", "rule_id": "bigint", "source_id": "bigint", "value": "float8"}
_UNNESTED = ", ".join(
    f"CAST(:{name} AS {_TYPES.get(name, 'timestamptz' if name.endswith(('_at', '_until')) else 'text')}[])" for name in _COLUMNS
)
_CHANGES = ("resolved_at", "acknowledged_by", "acknowledged_at", "silenced_until", "silenced_by", "silence_reason")

_WRITE = text(f"""
INSERT INTO alerts ({", ".join(_COLUMNS)})
SELECT * FROM unnest({_UNNESTED}) AS given({", ".join(_COLUMNS)}) ORDER BY id
ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _CHANGES)}
""")  # noqa: S608 - the names are this module's own; in the order of ids one alert ends before the next of its rule begins
_RESERVE = text("SELECT nextval(pg_get_serial_sequence('alerts', 'id')) AS id FROM generate_series(1, :count)")
_FORGET = text("""
DELETE FROM alerts WHERE ctid = ANY(ARRAY(SELECT ctid FROM alerts WHERE resolved_at < :before LIMIT :step))
""")
_SAMPLES = """
SELECT source_id, extract(epoch FROM at)::float8 AS at_s, value FROM ({raw}) raw
WHERE value IS NOT NULL ORDER BY source_id, at LIMIT :most
"""
_HEALTH = """
SELECT source_id, checked_at AS at, {value} AS value FROM health_samples
WHERE source_id = ANY(CAST(:ids AS bigint[])) AND checked_at >= :since
"""
_STATUS_SAMPLES = text(_SAMPLES.format(raw=_HEALTH.format(value="(nullif(position(status IN 'owb'), 0) - 1)::float8")))
_LATENCY_SAMPLES = text(_SAMPLES.format(raw=_HEALTH.format(value="latency_ms::float8")))
_METRIC_SAMPLES = text(
    _SAMPLES.format(
        raw="""
SELECT source_id, collected_at AS at, (metrics ->> :metric)::float8 AS value FROM metric_samples
WHERE source_id = ANY(CAST(:ids AS bigint[])) AND collected_at >= :since
"""
    )
)


class AlertStore:
    """Named queries on `alerts`. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database) -> None:
        """No I/O."""
        self._database = database

    async def reserve(self, count: int) -> list[int]:
        """`count` ids that nobody else gets, rising: an alert that opens while the database is away has its id already."""
        return [row.id for row in await self._rows(_RESERVE, {"count": count})]

    async def write(self, changed: Sequence[Alert]) -> None:
        """Keep these alerts as they are now, in one statement; those that are in the table already are brought up to date.

        Raises:
            Conflict: one of them is a second open alert of its rule and source; none is kept.

        """
        rows = [asdict(alert) for alert in changed]
        values = {name: [row[name] for row in rows] for name in _COLUMNS}

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(_WRITE, values)

        try:
            await self._database.on_control(work)
        except IntegrityError as error:
            raise Conflict("The table has another open alert of this rule and source") from error

    async def still_open(self) -> list[Alert]:
        """Every alert that is not over, the oldest first."""
        return await self._found(alerts.c.resolved_at.is_(None), limit=OPEN_AT_MOST, newest_first=False)

    async def silenced(self, now: datetime) -> list[Alert]:
        """Every alert, over or not, whose silence lasts beyond `now`, the oldest first."""
        return await self._found(alerts.c.silenced_until > now, limit=OPEN_AT_MOST, newest_first=False)

    async def page(self, limit: int, before: int | None = None, *, only_resolved: bool = False) -> list[Alert]:
        """Alerts with ids below `before`, the newest first, at most `limit`."""
        conditions = [alerts.c.id < before] if before is not None else []
        return await self._found(*conditions, *([alerts.c.resolved_at.is_not(None)] if only_resolved else []), limit=limit)

    async def exists(self, alert_id: int) -> bool:
        """True when there is such an alert."""
        return bool(await self._found(alerts.c.id == alert_id, limit=1))

    async def forget(self, before: datetime) -> int:
        """How many alerts that were over before `before` were deleted: one step of at most 5,000."""

        async def work(connection: AsyncConnection) -> int:
            return (await connection.execute(_FORGET, {"before": before, "step": FORGET_STEP})).rowcount

        return await self._database.on_control(work)

    async def samples(self, metric: str, source_ids: Sequence[int], since: datetime, most: int) -> dict[int, list[tuple[float, float]]]:
        """(epoch in s, value) of each source from `since` on, rising, at most `most` in all; `metric` as rules name it, without "source.". The caller holds admission."""
        statement = {"status": _STATUS_SAMPLES, "latency_ms": _LATENCY_SAMPLES}.get(metric, _METRIC_SAMPLES)
        values: dict[str, Any] = {"ids": list(source_ids), "since": since, "most": most}
        if statement is _METRIC_SAMPLES:
            values["metric"] = metric
        found: dict[int, list[tuple[float, float]]] = {}
        with unavailable_errors():
            async with self._database.engine.connect() as connection:
                rows = (await connection.execute(statement, values)).all()
        for row in rows:
            found.setdefault(row.source_id, []).append((row.at_s, row.value))
        return found

    async def _found(self, *conditions: Any, limit: int, newest_first: bool = True) -> list[Alert]:
        """The alerts that fulfil all conditions."""
        order = alerts.c.id.desc() if newest_first else alerts.c.id
        return [_alert(row) for row in await self._rows(select(alerts).where(*conditions).order_by(order).limit(limit), {})]

    async def _rows(self, statement: Any | TextClause, values: dict[str, Any]) -> Sequence[Row[Any]]:
        """The rows of one statement."""

        async def work(connection: AsyncConnection) -> Sequence[Row[Any]]:
            return (await connection.execute(statement, values)).all()

        return await self._database.on_control(work)


def _alert(row: Row[Any]) -> Alert:
    """A row as the model's word."""
    values = dict(row._mapping)  # noqa: SLF001 - the documented way to a row as a mapping
    return Alert(**{**values, "severity": Severity(values["severity"])})
