"""The setup_links table: the one-time link that makes the first admin. A row holds the SHA-256 of the link's token."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.model.errors import Conflict, Refused
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Role
from dashboard_app.store.database import Database
from dashboard_app.store.tables import setup_links, users
from dashboard_app.store.users import UserRecord, insert_user

_ONE_AT_A_TIME = 0x5370696C73657475
"""Advisory lock of a transaction that makes the first user: "Spilsetu" in ASCII."""


@dataclass(frozen=True, slots=True)
class SetupLink:
    """One link. `used_at` None: nobody used it."""

    expires_at: datetime
    used_at: datetime | None


class SetupLinkStore:
    """Named queries on `setup_links`. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database) -> None:
        """No I/O."""
        self._database = database

    async def renew(self, token_hash: str, expires_at: datetime) -> bool:
        """Put this link in place of every unused one, and True; False when there is a user already (no link then)."""

        async def work(connection: AsyncConnection) -> bool:
            await _lock(connection)
            if await _has_users(connection):
                return False
            await connection.execute(delete(setup_links).where(setup_links.c.used_at.is_(None)))
            await connection.execute(insert(setup_links).values(token_hash=token_hash, expires_at=expires_at))
            return True

        return await self._database.on_control(work)

    async def find(self, token_hash: str) -> SetupLink | None:
        """The link, or None."""

        async def work(connection: AsyncConnection) -> SetupLink | None:
            row = (await connection.execute(select(setup_links).where(setup_links.c.token_hash == token_hash))).one_or_none()
            return SetupLink(row.expires_at, row.used_at) if row is not None else None

        return await self._database.on_control(work)

    async def use(self, token_hash: str, now: datetime, email: str, name: str, password_hash: Secret) -> UserRecord:
        """The first admin, made with this link, which is then used up.

        Raises:
            Refused: the link is unknown, used or too old.
            Conflict: there is a user already.

        """

        async def work(connection: AsyncConnection) -> UserRecord:
            await _lock(connection)
            good = (setup_links.c.token_hash == token_hash) & setup_links.c.used_at.is_(None) & (setup_links.c.expires_at > now)
            used = await connection.execute(update(setup_links).where(good).values(used_at=now).returning(setup_links.c.token_hash))
            if used.one_or_none() is None:
                raise Refused("This link is used or too old.")
            if await _has_users(connection):
                raise Conflict("There is an account already. Sign in.")
            return await insert_user(connection, email, name, Role.ADMIN, password_hash)

        return await self._database.on_control(work)


async def _lock(connection: AsyncConnection) -> None:
    """Let one transaction at a time decide who is first."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})


async def _has_users(connection: AsyncConnection) -> bool:
    """True when there is any account."""
    return bool(await connection.scalar(select(func.count()).select_from(users)))
