"""The users table: local accounts with their password hashes. Every query runs on the control pool."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.model.errors import Conflict, NotFound
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Role, User
from dashboard_app.store.database import Database
from dashboard_app.store.tables import users

MAX_USERS = 10_000
"""As many are kept in memory for sign-in while the database is away."""


@dataclass(frozen=True, slots=True)
class UserRecord:
    """An account, the argon2 hash that its password must match, and the key of its second factor (None: it has none)."""

    user: User
    password_hash: Secret
    totp_encrypted: bytes | None = None


class UserStore:
    """Named queries on `users`. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database) -> None:
        """No I/O."""
        self._database = database

    async def all(self) -> list[UserRecord]:
        """Every account, oldest first, at most MAX_USERS."""

        async def work(connection: AsyncConnection) -> list[UserRecord]:
            rows = await connection.execute(select(users).order_by(users.c.id).limit(MAX_USERS))
            return [record_of(row) for row in rows]

        return await self._database.on_control(work)

    async def by_email(self, email: str, limit_s: float = 2.0) -> UserRecord | None:
        """The account of `email` in any case, or None."""
        if not _may_be_stored(email):
            return None

        async def work(connection: AsyncConnection) -> UserRecord | None:
            row = (await connection.execute(select(users).where(func.lower(users.c.email) == email.lower()))).one_or_none()
            return record_of(row) if row is not None else None

        return await self._database.on_control(work, limit_s)

    async def by_id(self, user_id: int) -> UserRecord:
        """The account. Raises NotFound."""

        async def work(connection: AsyncConnection) -> UserRecord:
            row = (await connection.execute(select(users).where(users.c.id == user_id))).one_or_none()
            if row is None:
                raise NotFound("There is no such account.")
            return record_of(row)

        return await self._database.on_control(work)

    async def insert(self, email: str, name: str, role: Role, password_hash: Secret) -> UserRecord:
        """The new account. Raises Conflict when the email is taken."""

        async def work(connection: AsyncConnection) -> UserRecord:
            return await insert_user(connection, email, name, role, password_hash)

        return await self._database.on_control(work)

    async def change(self, email: str, *, role: Role | None = None, disabled: bool | None = None) -> UserRecord:
        """The account after the change.

        Raises:
            NotFound: there is no such account.
            Conflict: it is the last admin who can sign in, and would no longer be one.

        """
        changes: dict[str, Any] = {"role": role, "disabled": disabled}
        given = {column: value for column, value in changes.items() if value is not None}

        async def work(connection: AsyncConnection) -> UserRecord:
            admins = await connection.scalars(
                select(func.lower(users.c.email)).where(users.c.role == Role.ADMIN, ~users.c.disabled).with_for_update()
            )
            changed = await _update(connection, email, given)
            stays_admin = changed.user.role is Role.ADMIN and not changed.user.disabled
            if not stays_admin and set(admins) == {email.lower()}:
                raise Conflict("This is the last admin who can sign in.")
            return changed

        return await self._database.on_control(work)

    async def set_password(self, email: str, password_hash: Secret) -> UserRecord:
        """The account with its new hash. Raises NotFound."""

        async def work(connection: AsyncConnection) -> UserRecord:
            return await _update(connection, email, {"password_hash": password_hash.reveal()})

        return await self._database.on_control(work)


async def insert_user(connection: AsyncConnection, email: str, name: str, role: Role, password_hash: Secret) -> UserRecord:
    """Insert in the transaction of `connection`. Raises Conflict when the email is taken."""
    values = {"email": email, "name": name, "role": role, "password_hash": password_hash.reveal()}
    try:
        row = (await connection.execute(insert(users).values(values).returning(users))).one()
    except IntegrityError as error:
        raise Conflict("There is already an account with this email.") from error
    return record_of(row)


async def _update(connection: AsyncConnection, email: str, changes: Mapping[str, Any]) -> UserRecord:
    """The account after `changes`. Raises NotFound."""
    if not _may_be_stored(email):
        raise NotFound("There is no account with this email.")
    statement = update(users).where(func.lower(users.c.email) == email.lower())
    row = (await connection.execute(statement.values(updated_at=func.now(), **changes).returning(users))).one_or_none()
    if row is None:
        raise NotFound("There is no account with this email.")
    return record_of(row)


def _may_be_stored(text: str) -> bool:
    """False for what PostgreSQL takes in no text: NUL, and halves of surrogate pairs."""
    return "\x00" not in text and text.encode("utf-8", "ignore").decode() == text


def record_of(row: Row[Any]) -> UserRecord:
    """A row of `users` as a record."""
    user = User(
        row.id, row.email, row.name, Role(row.role), row.disabled, row.created_at, row.last_sign_in_at, row.totp_encrypted is not None
    )
    return UserRecord(user, Secret(row.password_hash), row.totp_encrypted)
