"""The history of events: written many at a time in one statement, read once at the start, kept for a time."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import text

from dashboard_app.model.errors import DatabaseUnavailable, Failed
from dashboard_app.model.event import Draft, Message, message_of
from dashboard_app.store.database import Database, unavailable_errors

PRUNE_STEP = 5_000
"""Rows one statement deletes: a small step stays far below the limit of a statement."""
_ADD = """
INSERT INTO events (id, follows, type, origin, payload, count)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::integer[]) ON CONFLICT (id) DO NOTHING
"""
_NEWEST = text("""
SELECT id, follows, type, origin, payload, count FROM (
    SELECT *, sum(octet_length(payload)) OVER (ORDER BY id DESC) AS bytes FROM (
        SELECT * FROM events ORDER BY id DESC LIMIT :count
    ) AS newest
) AS measured WHERE bytes <= :bytes ORDER BY id
""")
_PRUNE = text("DELETE FROM events WHERE id IN (SELECT id FROM events WHERE created_at < :before ORDER BY id LIMIT :step)")


class EventStore:
    """Named queries on `events`. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database, running: Callable[[Any, str], AbstractContextManager[object]]) -> None:
        """`running` tells the pool guard that a checkout runs a statement on the driver's own connection."""
        self._database = database
        self._running = running

    async def add(self, messages: Sequence[Message]) -> None:
        """Keep messages, in one statement; one that is kept already changes nothing.

        Raises:
            Failed: the database refuses them.

        """
        columns = (
            [message.id for message in messages],
            [message.follows for message in messages],
            [message.type for message in messages],
            [message.origin for message in messages],
            [message.payload.decode() for message in messages],
            [message.count for message in messages],
        )
        with unavailable_errors():
            async with self._database.engine.connect() as connection:
                raw: Any = await connection.get_raw_connection()
                try:
                    with self._running(connection, _ADD):
                        await raw.driver_connection.execute(_ADD, *columns)
                except asyncpg.PostgresError as refused:
                    raise _translated(refused) from refused

    async def newest(self, count: int, most_bytes: int) -> list[Message]:
        """The last `count` messages, ascending, as far as their payloads fit into `most_bytes`."""
        with unavailable_errors():
            async with self._database.engine.connect() as connection:
                rows = (await connection.execute(_NEWEST, {"count": count, "bytes": most_bytes})).all()
        return [
            message_of(number, follows, Draft(event_type, origin, payload.encode(), stands_for))
            for number, follows, event_type, origin, payload, stands_for in rows
        ]

    async def prune(self, before: datetime) -> int:
        """How many messages from before that moment were let go, at most `PRUNE_STEP`."""
        with unavailable_errors():
            async with self._database.engine.begin() as connection:
                return (await connection.execute(_PRUNE, {"before": before, "step": PRUNE_STEP})).rowcount


def _translated(refused: asyncpg.PostgresError) -> DatabaseUnavailable | Failed:
    """The driver's error as one of ours."""
    try:
        with unavailable_errors():
            raise refused
    except DatabaseUnavailable as away:
        return away
    except asyncpg.PostgresError:
        return Failed("The history of events cannot be written.")
