"""The account_links table: one-time links by which a person sets a password. A row holds the SHA-256 of the link's token."""

from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.model.errors import Refused
from dashboard_app.model.secret import Secret
from dashboard_app.store.database import Database
from dashboard_app.store.setup_links import SetupLink
from dashboard_app.store.tables import account_links, users
from dashboard_app.store.users import UserRecord, record_of


class AccountLinkStore:
    """Named queries on `account_links`. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database) -> None:
        """No I/O."""
        self._database = database

    async def renew(self, token_hash: str, user_id: int, expires_at: datetime, created_by: str) -> None:
        """Put this link in place of every unused one of the user."""
        values = {"token_hash": token_hash, "user_id": user_id, "expires_at": expires_at, "created_by": created_by}
        unused = (account_links.c.user_id == user_id) & account_links.c.used_at.is_(None)

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(delete(account_links).where(unused))
            await connection.execute(insert(account_links).values(values))

        await self._database.on_control(work)

    async def find(self, token_hash: str) -> tuple[SetupLink, str] | None:
        """The link and the email of its account, or None; a disabled account's link is none."""
        joined = select(account_links, users.c.email).join(users, users.c.id == account_links.c.user_id)
        wanted = joined.where(account_links.c.token_hash == token_hash, ~users.c.disabled)

        async def work(connection: AsyncConnection) -> tuple[SetupLink, str] | None:
            row = (await connection.execute(wanted)).one_or_none()
            return (SetupLink(row.expires_at, row.used_at), row.email) if row is not None else None

        return await self._database.on_control(work)

    async def use(self, token_hash: str, now: datetime, password_hash: Secret) -> UserRecord:
        """The account with the password that was set by this link, which is then used up. Raises Refused: unknown, used or too old."""
        good = (account_links.c.token_hash == token_hash) & account_links.c.used_at.is_(None) & (account_links.c.expires_at > now)
        used = update(account_links).where(good).values(used_at=now).returning(account_links.c.user_id)

        async def work(connection: AsyncConnection) -> UserRecord:
            user_id = (await connection.execute(used)).scalar_one_or_none()
            change = (
                update(users).where(users.c.id == user_id, ~users.c.disabled).values(password_hash=password_hash.reveal(), updated_at=now)
            )
            row = (await connection.execute(change.returning(users))).one_or_none()
            if row is None:
                raise Refused("This link is used or too old.")
            return record_of(row)

        return await self._database.on_control(work)
