"""The audit table: who did what to what, written once per uuid and never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.store.database import Database
from dashboard_app.store.tables import audit


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One act. `id` None: it is in the journal and not in the table yet."""

    uuid: UUID
    at: datetime
    actor: str
    actor_kind: str
    action: str
    target: str
    result: str
    request_id: str
    details: Mapping[str, object]
    id: int | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows: None asks for all. `since` is inclusive, `until` exclusive; `before` is an id, exclusive."""

    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None

    def takes(self, row: AuditRow) -> bool:
        """True when `row` is asked for; a row without an id counts as newer than every id."""
        return (
            self.actor in (None, row.actor)
            and self.action in (None, row.action)
            and (self.since is None or row.at >= self.since)
            and (self.until is None or row.at < self.until)
            and (self.before is None or (row.id is not None and row.id < self.before))
        )


class AuditStore:
    """Named queries on `audit`. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database) -> None:
        """No I/O."""
        self._database = database

    async def insert(self, rows: Sequence[AuditRow]) -> list[AuditRow]:
        """The rows with their ids, in one statement; one that is in the table already keeps its id."""
        values = [
            {
                "uuid": row.uuid,
                "at": row.at,
                "actor": row.actor,
                "actor_kind": row.actor_kind,
                "action": row.action,
                "target": row.target,
                "result": row.result,
                "request_id": row.request_id,
                "details": dict(row.details),
            }
            for row in rows
        ]

        async def work(connection: AsyncConnection) -> list[AuditRow]:
            await connection.execute(insert(audit).values(values).on_conflict_do_nothing(index_elements=["uuid"]))
            found = await connection.execute(select(audit.c.uuid, audit.c.id).where(audit.c.uuid.in_([row.uuid for row in rows])))
            ids = {row.uuid: row.id for row in found}
            return [replace(row, id=ids[row.uuid]) for row in rows]

        return await self._database.on_control(work)

    async def page(self, wanted: AuditFilter, limit: int) -> list[AuditRow]:
        """Rows, newest id first, at most `limit`."""

        async def work(connection: AsyncConnection) -> list[AuditRow]:
            rows = await connection.execute(_where(wanted).order_by(audit.c.id.desc()).limit(limit))
            return [AuditRow(**row._mapping) for row in rows]  # noqa: SLF001 - the documented way to a row as a mapping

        return await self._database.on_control(work)


def _where(wanted: AuditFilter) -> Select[Any]:
    """The statement for `wanted`, without order and limit."""
    conditions = (
        (wanted.actor, audit.c.actor.__eq__),
        (wanted.action, audit.c.action.__eq__),
        (wanted.since, audit.c.at.__ge__),
        (wanted.until, audit.c.at.__lt__),
        (wanted.before, audit.c.id.__lt__),
    )
    return select(audit).where(*(compare(value) for value, compare in conditions if value is not None))
