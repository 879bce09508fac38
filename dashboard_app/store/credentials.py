"""Which of the sessions and tokens that are in use were ended: one statement for all of them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.store.database import Database

_ENDED = text("""
SELECT key FROM unnest(CAST(:keys AS text[])) AS used (key)
WHERE NOT EXISTS (
    SELECT FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id_hash = key AND NOT u.disabled
) AND NOT EXISTS (
    SELECT FROM api_tokens t WHERE t.token_hash = key AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > :now)
)
""")


async def ended(database: Database, keys: Sequence[str], now: datetime, limit_s: float) -> list[str]:
    """Those of `keys` (hashes of sessions and tokens) that are good no more. When a session's life is over is for its keeper to say.

    Raises:
        DatabaseUnavailable: no answer within `limit_s`.

    """

    async def work(connection: AsyncConnection) -> list[str]:
        return list((await connection.execute(_ENDED, {"keys": list(keys), "now": now})).scalars())

    return await database.on_control(work, limit_s)
