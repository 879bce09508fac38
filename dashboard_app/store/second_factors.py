"""The second factor of an account: an encrypted key, the last step that a code was used of, and the hashes of recovery codes."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.model.errors import NotFound
from dashboard_app.store.database import Database
from dashboard_app.store.tables import recovery_codes, users
from dashboard_app.store.users import UserRecord, record_of


class SecondFactorStore:
    """Named queries. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database) -> None:
        """No I/O."""
        self._database = database

    async def set(self, user_id: int, encrypted: bytes | None, step: int, code_hashes: Sequence[str]) -> UserRecord:
        """The account with this key and these recovery codes in place of what it had; None and no codes: without. Raises NotFound."""
        values = {"totp_encrypted": encrypted, "totp_step": step, "updated_at": func.now()}
        codes = [{"user_id": user_id, "code_hash": code_hash} for code_hash in code_hashes]

        async def work(connection: AsyncConnection) -> UserRecord:
            row = (await connection.execute(update(users).where(users.c.id == user_id).values(values).returning(users))).one_or_none()
            if row is None:
                raise NotFound("There is no such account.")
            await connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
            if codes:
                await connection.execute(insert(recovery_codes).values(codes))
            return record_of(row)

        return await self._database.on_control(work)

    async def use_step(self, user_id: int, step: int, limit_s: float = 2.0) -> bool:
        """True for the first use of a code of this step or a later one; of several at once, one gets True."""
        newer = update(users).where(users.c.id == user_id, users.c.totp_step < step).values(totp_step=step).returning(users.c.id)

        async def work(connection: AsyncConnection) -> bool:
            return (await connection.execute(newer)).one_or_none() is not None

        return await self._database.on_control(work, limit_s)

    async def use_code(self, user_id: int, code_hash: str, now: datetime, limit_s: float = 2.0) -> bool:
        """True for the first use of a recovery code."""
        mine = (recovery_codes.c.user_id == user_id) & (recovery_codes.c.code_hash == code_hash) & recovery_codes.c.used_at.is_(None)
        used = update(recovery_codes).where(mine).values(used_at=now).returning(recovery_codes.c.user_id)

        async def work(connection: AsyncConnection) -> bool:
            return (await connection.execute(used)).one_or_none() is not None

        return await self._database.on_control(work, limit_s)

    async def codes_left(self, user_id: int) -> int:
        """How many recovery codes are unused."""
        unused = (recovery_codes.c.user_id == user_id) & recovery_codes.c.used_at.is_(None)

        async def work(connection: AsyncConnection) -> int:
            return int(await connection.scalar(select(func.count()).select_from(recovery_codes).where(unused)) or 0)

        return await self._database.on_control(work)
