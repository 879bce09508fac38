"""The api_tokens table: what programs sign in with. A row holds the token's SHA-256 and first characters, never the token."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.model.errors import NotFound
from dashboard_app.model.user import Role
from dashboard_app.store.database import Database
from dashboard_app.store.tables import api_tokens

MAX_TOKENS = 10_000
"""As many are kept in memory and listed at once."""


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """One API token. `expires_at` None: it does not expire; `revoked_at` None: it is not revoked; `scopes` None: the whole role."""

    id: int
    name: str
    prefix: str
    token_hash: str
    role: Role
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    scopes: frozenset[str] | None = None

    def is_good(self, now: datetime) -> bool:
        """True while it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class TokenStore:
    """Named queries on `api_tokens`. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database) -> None:
        """No I/O."""
        self._database = database

    async def insert(
        self,
        name: str,
        prefix: str,
        token_hash: str,
        role: Role,
        *,
        scopes: frozenset[str] | None,
        expires_at: datetime | None,
        created_by: str,
    ) -> TokenRecord:
        """The new token's row."""
        values = {
            "name": name,
            "prefix": prefix,
            "token_hash": token_hash,
            "role": role,
            "scopes": None if scopes is None else sorted(scopes),
            "expires_at": expires_at,
            "created_by": created_by,
        }

        async def work(connection: AsyncConnection) -> TokenRecord:
            return _record_of((await connection.execute(insert(api_tokens).values(values).returning(api_tokens))).one())

        return await self._database.on_control(work)

    async def find(self, token_hash: str, limit_s: float = 2.0) -> TokenRecord | None:
        """The token with this hash, good or not; None when there is none."""

        async def work(connection: AsyncConnection) -> TokenRecord | None:
            row = (await connection.execute(select(api_tokens).where(api_tokens.c.token_hash == token_hash))).one_or_none()
            return _record_of(row) if row is not None else None

        return await self._database.on_control(work, limit_s)

    async def all(self) -> list[TokenRecord]:
        """Every token, newest first, at most MAX_TOKENS."""

        async def work(connection: AsyncConnection) -> list[TokenRecord]:
            rows = await connection.execute(select(api_tokens).order_by(api_tokens.c.id.desc()).limit(MAX_TOKENS))
            return [_record_of(row) for row in rows]

        return await self._database.on_control(work)

    async def revoke(self, token_id: int, now: datetime) -> TokenRecord:
        """The token, revoked (again changes nothing). Raises NotFound."""
        statement = update(api_tokens).where(api_tokens.c.id == token_id)

        async def work(connection: AsyncConnection) -> TokenRecord:
            row = (await connection.execute(select(api_tokens).where(api_tokens.c.id == token_id).with_for_update())).one_or_none()
            if row is None:
                raise NotFound("There is no such token.")
            if row.revoked_at is not None:
                return _record_of(row)
            return _record_of((await connection.execute(statement.values(revoked_at=now).returning(api_tokens))).one())

        return await self._database.on_control(work)

    async def touch(self, used: Mapping[str, datetime]) -> None:
        """Move `last_used_at` of each token (by hash) forward, in one statement."""
        statement = text(
            "UPDATE api_tokens SET last_used_at = greatest(last_used_at, used.at) "
            "FROM unnest(CAST(:ids AS text[]), CAST(:ats AS timestamptz[])) AS used(id, at) WHERE token_hash = used.id"
        ).bindparams(ids=list(used), ats=list(used.values()))

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(statement)

        await self._database.on_control(work)


def _record_of(row: Row[Any]) -> TokenRecord:
    """A row of `api_tokens` as a record."""
    return TokenRecord(
        row.id,
        row.name,
        row.prefix,
        row.token_hash,
        Role(row.role),
        row.created_by,
        row.created_at,
        row.expires_at,
        row.last_used_at,
        row.revoked_at,
        None if row.scopes is None else frozenset(row.scopes),
    )
