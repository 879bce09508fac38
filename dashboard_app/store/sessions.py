"""The sessions table: who is signed in. A row is named by the SHA-256 of the cookie; the cookie itself is nowhere."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.model.user import Role
from dashboard_app.store.database import Database
from dashboard_app.store.tables import sessions, users

HANDLE_LENGTH = 16
_COLUMNS = ("id_hash", "user_id", "address", "created_at", "last_seen_at", "expires_at", "user_agent", "proved_at")
MAX_SESSIONS = 10_000
"""As many are kept in memory and read at once."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One sign-in. `email`, `role` and `disabled` are those of its user at the moment it was read.

    `proved_at`: when its person last entered the password (or a code) in it.
    """

    id_hash: str
    user_id: int
    email: str
    role: Role
    disabled: bool
    address: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str
    proved_at: datetime

    @property
    def handle(self) -> str:
        """What the session is called where it is listed: no way leads from it to the cookie."""
        return self.id_hash[:HANDLE_LENGTH]

    def carried(self, by: timedelta) -> "SessionRecord":
        """The same, as if everything had happened so much later."""
        names = ("created_at", "last_seen_at", "expires_at", "proved_at")
        return replace(self, **{name: getattr(self, name) + by for name in names})


class Stamps(NamedTuple):
    """The times of one session."""

    created: datetime
    seen: datetime
    expires: datetime
    proved: datetime


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
                list(_COLUMNS),
                select(*(_literals(record))).where(users.c.id == record.user_id),
            )
            .on_conflict_do_nothing()
        )
        seen = update(users).where(users.c.id == record.user_id).values(last_sign_in_at=record.created_at)
        is_newer = users.c.last_sign_in_at.is_(None) | (users.c.last_sign_in_at < record.created_at)

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(statement)
            await connection.execute(seen.where(is_newer))

        await self._database.on_control(work, limit_s)

    async def find(self, id_hash: str, limit_s: float = 2.0) -> SessionRecord | None:
        """The session, which may be past its end, or None."""

        async def work(connection: AsyncConnection) -> SessionRecord | None:
            row = (await connection.execute(_joined().where(sessions.c.id_hash == id_hash))).one_or_none()
            return _record_of(row) if row is not None else None

        return await self._database.on_control(work, limit_s)

    async def live(self, now: datetime) -> list[SessionRecord]:
        """The sessions that are not past their absolute end, newest first, at most MAX_SESSIONS."""

        async def work(connection: AsyncConnection) -> list[SessionRecord]:
            rows = await connection.execute(_live(now).order_by(sessions.c.created_at.desc()).limit(MAX_SESSIONS))
            return [_record_of(row) for row in rows]

        return await self._database.on_control(work)

    async def of_user(self, user_id: int, now: datetime, idle_since: datetime) -> list[SessionRecord]:
        """The sessions of one user that are not over, the one last seen first."""
        mine = (sessions.c.user_id == user_id) & (sessions.c.last_seen_at > idle_since)

        async def work(connection: AsyncConnection) -> list[SessionRecord]:
            rows = await connection.execute(_live(now).where(mine).order_by(sessions.c.last_seen_at.desc()).limit(MAX_SESSIONS))
            return [_record_of(row) for row in rows]

        return await self._database.on_control(work)

    async def prove(self, id_hash: str, at: datetime, limit_s: float = 2.0) -> None:
        """Note that the person of a session has shown who they are."""
        await self._execute(update(sessions).where(sessions.c.id_hash == id_hash).values(proved_at=at), limit_s)

    async def touch(self, seen: Mapping[str, datetime]) -> None:
        """Move `last_seen_at` of each session forward, in one statement."""
        statement = text(
            "UPDATE sessions SET last_seen_at = greatest(last_seen_at, seen.at) "
            "FROM unnest(CAST(:ids AS text[]), CAST(:ats AS timestamptz[])) AS seen(id, at) WHERE id_hash = seen.id"
        ).bindparams(ids=list(seen), ats=list(seen.values()))
        await self._execute(statement)

    async def carry(self, moved: Mapping[str, Stamps]) -> None:
        """Write the stamps of sessions anew, after the clock they are judged by was set, in one statement."""
        statement = text(
            "UPDATE sessions SET created_at = new.created, last_seen_at = new.seen, expires_at = new.expires, proved_at = new.proved "
            "FROM unnest(CAST(:ids AS text[]), CAST(:created AS timestamptz[]), CAST(:seen AS timestamptz[]), CAST(:expires AS timestamptz[]), "
            "CAST(:proved AS timestamptz[])) AS new(id, created, seen, expires, proved) WHERE id_hash = new.id"
        )
        columns = {name: [getattr(stamps, name) for stamps in moved.values()] for name in Stamps._fields}
        await self._execute(statement.bindparams(ids=list(moved), **columns))

    async def delete(self, id_hash: str, limit_s: float = 2.0) -> None:
        """End one session."""
        await self._execute(delete(sessions).where(sessions.c.id_hash == id_hash), limit_s)

    async def delete_of_user(self, user_id: int, keep: str = "") -> list[str]:
        """End every session of a user but `keep`, and return which were there."""
        statement = delete(sessions).where(sessions.c.user_id == user_id, sessions.c.id_hash != keep).returning(sessions.c.id_hash)

        async def work(connection: AsyncConnection) -> list[str]:
            return list(await connection.scalars(statement))

        return await self._database.on_control(work)

    async def count_of_users(self, now: datetime, idle_since: datetime) -> dict[int, int]:
        """How many sessions that are not over each user has; users without one are left out."""
        good = (sessions.c.expires_at > now) & (sessions.c.last_seen_at > idle_since)
        statement = select(sessions.c.user_id, func.count().label("number")).where(good).group_by(sessions.c.user_id)

        async def work(connection: AsyncConnection) -> dict[int, int]:
            return {row.user_id: row.number for row in await connection.execute(statement)}

        return await self._database.on_control(work)

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
    return tuple(literal(getattr(record, name), sessions.c[name].type) for name in _COLUMNS)


def _joined() -> Select[Any]:
    """Sessions with what a principal needs to know of their users."""
    return select(sessions, users.c.email, users.c.role, users.c.disabled).join(users, users.c.id == sessions.c.user_id)


def _live(now: datetime) -> Select[Any]:
    """Those that are not past their absolute end."""
    return _joined().where(sessions.c.expires_at > now)


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
        row.user_agent,
        row.proved_at,
    )
