"""The user_identities table: which account is whom at an identity provider, by issuer and subject, never by email."""

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.model.errors import Conflict
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Role
from dashboard_app.store.database import Database
from dashboard_app.store.tables import user_identities, users
from dashboard_app.store.users import UserRecord, insert_user, record_of


class IdentityStore:
    """Named queries on `user_identities`. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database) -> None:
        """No I/O."""
        self._database = database

    async def find(self, issuer: str, subject: str) -> UserRecord | None:
        """The account tied to this person of the provider, or None."""
        joined = select(users).join(user_identities, users.c.id == user_identities.c.user_id)
        wanted = joined.where(user_identities.c.issuer == issuer, user_identities.c.subject == subject)

        async def work(connection: AsyncConnection) -> UserRecord | None:
            row = (await connection.execute(wanted)).one_or_none()
            return record_of(row) if row is not None else None

        return await self._database.on_control(work)

    async def has_any(self, user_id: int, issuer: str) -> bool:
        """True when this account is tied to somebody of this provider."""
        wanted = select(user_identities.c.subject).where(user_identities.c.user_id == user_id, user_identities.c.issuer == issuer).limit(1)

        async def work(connection: AsyncConnection) -> bool:
            return (await connection.execute(wanted)).one_or_none() is not None

        return await self._database.on_control(work)

    async def tied(self, issuer: str) -> frozenset[int]:
        """The ids of all accounts that are tied to somebody of this provider."""
        wanted = select(user_identities.c.user_id).where(user_identities.c.issuer == issuer)

        async def work(connection: AsyncConnection) -> frozenset[int]:
            return frozenset((await connection.execute(wanted)).scalars())

        return await self._database.on_control(work)

    async def tie(self, issuer: str, subject: str, user_id: int) -> None:
        """Tie an account to a person of the provider. Raises Conflict when that person is tied to one already."""

        async def work(connection: AsyncConnection) -> None:
            await _tie(connection, issuer, subject, user_id)

        await self._database.on_control(work)

    async def insert(self, issuer: str, subject: str, email: str, name: str, role: Role) -> UserRecord:
        """A new account without a password, tied to a person of the provider. Raises Conflict when email or person has one already."""

        async def work(connection: AsyncConnection) -> UserRecord:
            record = await insert_user(connection, email, name, role, Secret(""))
            await _tie(connection, issuer, subject, record.user.id)
            return record

        return await self._database.on_control(work)


async def _tie(connection: AsyncConnection, issuer: str, subject: str, user_id: int) -> None:
    """Insert in the transaction of `connection`. Raises Conflict."""
    try:
        await connection.execute(insert(user_identities).values(issuer=issuer, subject=subject, user_id=user_id))
    except IntegrityError as error:
        raise Conflict("This person has an account already.") from error
