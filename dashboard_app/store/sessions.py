"""The sessions table: who is signed in. A row is named by the SHA-256 of the cookie; the cookie itself is nowhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.model.user import Role
from dashboard_app.store.database import Database
from dashboard_app.store.tables import sessions, users

MAX_SESSIONS = 10_000
"""As many are kept in memory and read at once."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One sign-in. `email`, `role` and `disabled` are those of its user at the moment it was read."""

    id_hash: str
    user_id: int
    email: str
    role: Role
    disabled: bool
    address: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class SessionStore:
    """Named queries on `sessions`. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database) -> None:
        """No I/O."""
        self._database = database

    async def insert(self, record: SessionRecord, limit_s: float = 2.0) -> None:
        """Write it; writing it again changes nothing. A user who is gone takes the session along."""
        statement = (
            insert(sessions)
            .from_select(
                ["id_hash", "user_id", "address", "created_at", "last_seen_at", "expires_at"],
                select(*(_literals(record))).where(users.c.id == record.user_id),
            )
            .on_conflict_do_nothing()
        )
        await self._execute(statement, limit_s)

    async def find(self, id_hash: str, now: datetime, limit_s: float = 2.0) -> SessionRecord | None:
        """The session that is not past its absolute end, or None."""

        async def work(connection: AsyncConnection) -> SessionRecord | None:
            row = (await connection.execute(_joined(now).where(sessions.c.id_hash == id_hash))).one_or_none()
            return _record_of(row) if row is not None else None

        return await self._database.on_control(work, limit_s)

    async def live(self, now: datetime) -> list[SessionRecord]:
        """The sessions that are not past their absolute end, newest first, at most MAX_SESSIONS."""

        async def work(connection: AsyncConnection) -> list[SessionRecord]:
            rows = await connection.execute(_joined(now).order_by(sessions.c.created_at.desc()).limit(MAX_SESSIONS))
            return [_record_of(row) for row in rows]

        return await self._database.on_control(work)

    async def touch(self, seen: Mapping[str, datetime]) -> None:
        """Move `last_seen_at` of each session forward, in one statement."""
        statement = text(
            "UPDATE sessions SET last_seen_at = greatest(last_seen_at, seen.at) "
            "FROM unnest(CAST(:ids AS text[]), CAST(:ats AS timestamptz[])) AS seen(id, at) WHERE id_hash = seen.id"
        ).bindparams(ids=list(seen), ats=list(seen.values()))
        await self._execute(statement)

    async def delete(self, id_hash: str, limit_s: float = 2.0) -> None:
        """End one session."""
        await self._execute(delete(sessions).where(sessions.c.id_hash == id_hash), limit_s)

    async def delete_of_user(self, user_id: int) -> None:
        """End every session of a user."""
        await self._execute(delete(sessions).where(sessions.c.user_id == user_id))

    async def delete_ended(self, now: datetime, idle_since: datetime) -> None:
        """Drop what is past its absolute end or not seen since `idle_since`."""
        await self._execute(delete(sessions).where((sessions.c.expires_at <= now) | (sessions.c.last_seen_at <= idle_since)))

    async def _execute(self, statement: Any, limit_s: float = 2.0) -> None:
        """One statement, one transaction."""

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(statement)

        await self._database.on_control(work, limit_s)


def _literals(record: SessionRecord) -> tuple[Any, ...]:
    """The values of a row as bound parameters."""
    names = ("id_hash", "user_id", "address", "created_at", "last_seen_at", "expires_at")
    return tuple(literal(getattr(record, name), sessions.c[name].type) for name in names)


def _joined(now: datetime) -> Select[Any]:
    """Sessions with what a principal needs to know of their users."""
    return (
        select(sessions, users.c.email, users.c.role, users.c.disabled)
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.expires_at > now)
    )


def _record_of(row: Row[Any]) -> SessionRecord:
    """A joined row as a record."""
    return SessionRecord(
        row.id_hash,
        row.user_id,
        row.email,
        Role(row.role),
        row.disabled,
        row.address,
        row.created_at,
        row.last_seen_at,
        row.expires_at,
    )
