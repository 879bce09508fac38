"""What PostgreSQL itself says about this application's sessions, over connections outside the guarded pool."""

import asyncio
import re
import secrets
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Engine, TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from dashboard_app.policy.connections import Demand, Instance

_NAME_CHARS = 24
"""How much of an application's name an announcement repeats: PostgreSQL cuts names at 63 bytes."""
_ANNOUNCEMENT = re.compile(r"([0-9a-f]{6}) (\d{1,6})\+(\d{1,6})")
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
    """The whole server: its limit, all its sessions, and those of this application (all instances).

    `own_states` counts the latter by what the server says they do; `reserved` connections are not for us; `other_sessions` are of other
    applications. `instances` are those that announce themselves, this one among them.
    """

    max_connections: int
    sessions: int
    own_sessions: int
    reserved: int = 0
    own_states: Mapping[str, int] = field(default_factory=dict)
    other_sessions: int = 0
    instances: tuple[Instance, ...] = ()

    @property
    def demand(self) -> Demand:
        """What all instances together may ask for."""
        return Demand(self.instances, self.other_sessions, self.max_connections - self.reserved)


class ServerView(Protocol):
    """What a guard asks of the server. Each call may take as long as it likes: the guard limits it."""

    async def ping(self) -> None:
        """Return when the database answered; raise when it cannot."""

    async def backends(self, pids: Sequence[int]) -> list[Backend]:
        """The sessions of this application among `pids`."""

    async def terminate(self, backends: Sequence[Backend]) -> set[int]:
        """End those that are still the same session, still of this application and still idle in a transaction; their pids."""

    async def overview(self, capacity: int) -> Overview:
        """The server's limit and sessions. `capacity`: what this instance's pool may open, which other instances are told."""


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

_ANNOUNCE = text("SELECT set_config('application_name', :name, false)")

_LIMITS = text("""
    SELECT current_setting('max_connections')::integer AS max_connections,
           current_setting('superuser_reserved_connections')::integer
             + coalesce(nullif(current_setting('reserved_connections', true), '')::integer, 0) AS reserved,
           (SELECT reset_val FROM pg_settings WHERE name = 'application_name') AS control_name
""")

_SESSIONS = text("""
    SELECT coalesce(application_name, '') AS name, coalesce(state, '') AS state, count(*) AS sessions
    FROM pg_stat_activity WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend' GROUP BY 1, 2
""")
"""A role without pg_monitor sees no backend_type of other roles' sessions: they count all the same."""


class ControlView:
    """The view over a control engine, sync or async. `application_name` is the one that the guarded engine's connections carry."""

    def __init__(self, engine: AsyncEngine | Engine, application_name: str) -> None:
        """Nothing connects yet. Give the engine's driver time limits and a pool of at most two."""
        self._engine = engine
        self._application = application_name
        self._id = secrets.token_hex(3)
        self._announced = f"{application_name[:_NAME_CHARS]} guard {zlib.crc32(application_name.encode()):08x} "

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

    async def overview(self, capacity: int) -> Overview:
        """The server's limit and sessions. The session that asks goes on under a name that tells other instances of this one."""
        pool: Any = self._engine.pool
        own = Instance(self._id, capacity, pool.size() + max(pool._max_overflow, 0))  # noqa: SLF001 - SQLAlchemy tells no limit in public
        name = f"{self._announced}{own.id} {own.pool}+{own.control}"
        _, (limits,), sessions = await self._all((_ANNOUNCE, {"name": name}), (_LIMITS, {}), (_SESSIONS, {}))
        return self._overview(limits, sessions, own)

    def _overview(self, limits: Any, sessions: Sequence[Any], own: Instance) -> Overview:
        """What the rows come to."""
        states: Counter[str] = Counter()
        instances = {own.id: own}
        others = 0
        for row in sessions:
            announced = _instance(row.name.removeprefix(self._announced)) if row.name.startswith(self._announced) else None
            if row.name == self._application:
                states[row.state or "unknown"] += row.sessions
            elif announced is not None:
                instances.setdefault(announced.id, announced)
            elif not row.name or row.name != limits.control_name:
                others += row.sessions
        return Overview(
            max_connections=limits.max_connections,
            sessions=sum(row.sessions for row in sessions),
            own_sessions=states.total(),
            reserved=limits.reserved,
            own_states=dict(states),
            other_sessions=others,
            instances=tuple(instances.values()),
        )

    async def _rows(self, statement: TextClause, values: Mapping[str, object]) -> Sequence[Any]:
        """The rows of one statement on a connection of its own."""
        (rows,) = await self._all((statement, values))
        return rows

    async def _all(self, *statements: tuple[TextClause, Mapping[str, object]]) -> list[Sequence[Any]]:
        """The rows of each statement, all on one connection; committed, so that an announcement stays with its session."""
        if isinstance(self._engine, AsyncEngine):
            async with self._engine.begin() as connection:
                return [(await connection.execute(statement, values)).all() for statement, values in statements]
        return await asyncio.to_thread(_all_of, self._engine, statements)


def _all_of(engine: Engine, statements: Sequence[tuple[TextClause, Mapping[str, object]]]) -> list[Sequence[Any]]:
    """The same for a sync engine."""
    with engine.begin() as connection:
        return [connection.execute(statement, values).all() for statement, values in statements]


def _instance(announcement: str) -> Instance | None:
    """An instance by what it says of itself (`3f9a2c 30+2`); None when that cannot be read."""
    found = _ANNOUNCEMENT.fullmatch(announcement)
    return None if found is None else Instance(found[1], int(found[2]), int(found[3]))
