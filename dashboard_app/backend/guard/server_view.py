"""What PostgreSQL itself says about this application's sessions, over connections outside the guarded pool."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Engine, text
from sqlalchemy.ext.asyncio import AsyncEngine

ACTIVE = "active"
IDLE_IN_TRANSACTION = ("idle in transaction", "idle in transaction (aborted)")


@dataclass(frozen=True, slots=True)
class Backend:
    """One server session. `state` as in pg_stat_activity; pid and backend_start together name it for good."""

    pid: int
    backend_start: datetime
    state: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole server: its limit, all its sessions, and those of this application (all instances)."""

    max_connections: int
    sessions: int
    own_sessions: int


class ServerView(Protocol):
    """What a guard asks of the server. Each call may take as long as it likes: the guard limits it."""

    async def ping(self) -> None:
        """Return when the database answered; raise when it cannot."""

    async def backends(self, pids: Sequence[int]) -> list[Backend]:
        """The sessions of this application among `pids`."""

    async def terminate(self, backends: Sequence[Backend]) -> set[int]:
        """End those that are still the same session, still of this application and still idle in a transaction; their pids."""

    async def overview(self) -> Overview:
        """The server's limit and sessions."""


_BACKENDS = text("""
    SELECT pid, backend_start, coalesce(state, '') AS state FROM pg_stat_activity
    WHERE application_name = :application AND pid = ANY(:pids)
""")

_TERMINATE = text("""
    SELECT activity.pid, pg_terminate_backend(activity.pid) AS is_done
    FROM pg_stat_activity AS activity
    JOIN unnest(CAST(:pids AS integer[]), CAST(:starts AS timestamptz[])) AS victim (pid, backend_start)
      ON victim.pid = activity.pid AND victim.backend_start = activity.backend_start
    WHERE activity.application_name = :application
      AND activity.state IN ('idle in transaction', 'idle in transaction (aborted)')
      AND activity.pid <> pg_backend_pid()
""")

_OVERVIEW = text("""
    SELECT current_setting('max_connections')::integer AS max_connections, count(*) AS sessions,
           count(*) FILTER (WHERE application_name = :application) AS own_sessions
    FROM pg_stat_activity WHERE backend_type = 'client backend'
""")


class ControlView:
    """The view over a control engine, sync or async. `application_name` is the one that the guarded engine's connections carry."""

    def __init__(self, engine: AsyncEngine | Engine, application_name: str) -> None:
        """Nothing connects yet. Give the engine's driver time limits and a pool of at most two."""
        self._engine = engine
        self._application = application_name

    async def ping(self) -> None:
        """One round trip."""
        await self._rows(text("SELECT 1"), {})

    async def backends(self, pids: Sequence[int]) -> list[Backend]:
        """Our sessions among `pids`."""
        rows = await self._rows(_BACKENDS, {"application": self._application, "pids": list(pids)})
        return [Backend(row.pid, row.backend_start, row.state) for row in rows]

    async def terminate(self, backends: Sequence[Backend]) -> set[int]:
        """End them, each re-checked in the same statement."""
        starts = [backend.backend_start for backend in backends]
        values = {"application": self._application, "pids": [backend.pid for backend in backends], "starts": starts}
        return {row.pid for row in await self._rows(_TERMINATE, values) if row.is_done}

    async def overview(self) -> Overview:
        """The server's limit and sessions."""
        (row,) = await self._rows(_OVERVIEW, {"application": self._application})
        return Overview(row.max_connections, row.sessions, row.own_sessions)

    async def _rows(self, statement: Any, values: Mapping[str, object]) -> Sequence[Any]:
        """The rows of one statement on a connection of its own."""
        if isinstance(self._engine, AsyncEngine):
            async with self._engine.connect() as connection:
                return (await connection.execute(statement, values)).all()
        return await asyncio.to_thread(_rows_of, self._engine, statement, values)


def _rows_of(engine: Engine, statement: Any, values: Mapping[str, object]) -> Sequence[Any]:
    """The rows, for a sync engine."""
    with engine.connect() as connection:
        return connection.execute(statement, values).all()
