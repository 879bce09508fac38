"""The audit table: who did what to what, written once per uuid and never changed.

The database numbers the rows without a gap and chains them: each hash covers the row and the hash before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.store.database import Database
from dashboard_app.store.tables import audit

_SHOWN = tuple(column for column in audit.c if column.name != "hash")
_LINKS = text(
    """
    SELECT id, hash, jsonb_build_array(
        id, uuid, (extract(epoch FROM at) * 1000000)::bigint, actor, actor_kind, action, target, result, request_id, details
    )::text AS content
    FROM audit WHERE id > :after ORDER BY id LIMIT :limit
    """
)
_HEAD = text("SELECT id, hash FROM audit ORDER BY id DESC OFFSET :skip LIMIT 1")
_HASH_OF = text("SELECT hash FROM audit WHERE id = :id")


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


@dataclass(frozen=True, slots=True)
class Head:
    """A row of the chain by its number and hash; 0 and no bytes: the chain before its first row."""

    id: int = 0
    hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Link:
    """One row of the chain: what its hash must cover, and the hash it has."""

    id: int
    content: bytes
    hash: bytes


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

    async def links(self, after: int, limit: int) -> list[Link]:
        """The rows of the chain behind row `after`, at most `limit`."""

        async def work(connection: AsyncConnection) -> list[Link]:
            rows = await connection.execute(_LINKS, {"after": after, "limit": limit})
            return [Link(row.id, row.content.encode(), bytes(row.hash)) for row in rows]

        return await self._database.on_control(work)

    async def head(self, skip: int = 0) -> Head:
        """The newest row of the chain, or the one that `skip` rows follow."""

        async def work(connection: AsyncConnection) -> Head:
            row = (await connection.execute(_HEAD, {"skip": skip})).one_or_none()
            return Head(row.id, bytes(row.hash)) if row is not None else Head()

        return await self._database.on_control(work)

    async def hash_of(self, row_id: int) -> bytes | None:
        """The hash of row `row_id`, None when there is no such row."""

        async def work(connection: AsyncConnection) -> bytes | None:
            found = await connection.scalar(_HASH_OF, {"id": row_id})
            return None if found is None else bytes(found)

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
    return select(*_SHOWN).where(*(compare(value) for value, compare in conditions if value is not None))
