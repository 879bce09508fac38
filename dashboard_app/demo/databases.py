"""The demo's databases and roles on Spillway's own server, and a little life in them."""

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable

import asyncpg

from dashboard_app.demo.plan import REALMS
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.model.secret import Secret
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.database import connect

log = logging.getLogger(__name__)

AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, DatabaseUnavailable)
"""What a statement raises while the server is away."""
_SETUP_S = 30.0
_AGAIN_S = 2.0
_KEPT_ROWS = 1000
_LONGEST_TRANSACTION_S = 4.0

Password = dict[str, Secret]


async def prepare(address: DatabaseAddress) -> Password:
    """Make what is missing; the password of each role, new at each call. Takes about a second the first time.

    Raises:
        OSError, TimeoutError, asyncpg.PostgresError: the server is away, or this user may create no databases.

    """
    passwords: Password = {}
    connection = await connect(address, application_name="spillway-demo", command_timeout_s=_SETUP_S)
    try:
        for realm in REALMS:
            for role in (f"demo_{realm}", f"demo_{realm}_reader"):
                passwords[role] = Secret(secrets.token_urlsafe(18))
                await _make_role(connection, role, passwords[role])
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", f"demo_{realm}"):
                await connection.execute(f'CREATE DATABASE "demo_{realm}" OWNER "demo_{realm}"')
    finally:
        await connection.close(timeout=2)
    return passwords


async def _make_role(connection: asyncpg.Connection, role: str, password: Secret) -> None:
    """A role that may sign in, see statistics and nothing else. The names and the password's letters need no quoting."""
    verb = "ALTER" if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role) else "CREATE"
    await connection.execute(f"{verb} ROLE \"{role}\" LOGIN PASSWORD '{password.reveal()}'")
    await connection.execute(f'GRANT pg_monitor TO "{role}"')
    if role.endswith("_reader"):
        await connection.execute(f'ALTER ROLE "{role}" SET default_transaction_read_only = on')


class Life:
    """Sessions that do what an application's would: write, read, pause in a transaction, idle."""

    def __init__(self, address: Callable[[str], DatabaseAddress], clock: Clock) -> None:
        """`address` gives where the database of a realm is, and how to sign in there."""
        self._address = address
        self._clock = clock
        self._random = random.Random()  # noqa: S311 - the demo's dice

    async def run(self) -> None:
        """Live in every realm until cancelled."""
        async with asyncio.TaskGroup() as group:
            for realm in REALMS:
                group.create_task(self._again(realm, "api", self._writes), name=f"demo {realm} api")
                group.create_task(self._again(realm, "worker", self._pauses), name=f"demo {realm} worker")

    async def _again(self, realm: str, what: str, live: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
        """Live on a connection, and on a new one whenever that breaks."""
        while True:
            try:
                connection = await connect(self._address(realm), application_name=f"{realm}-{what}", command_timeout_s=_SETUP_S)
                try:
                    await connection.execute("CREATE TABLE IF NOT EXISTS happenings (id bigserial PRIMARY KEY, at timestamptz, body text)")
                    await live(connection)
                finally:
                    connection.terminate()
            except AWAY as error:
                log.debug("the demo's %s %s lost its connection: %s", realm, what, type(error).__name__)
            await self._clock.sleep(_AGAIN_S)

    async def _writes(self, connection: asyncpg.Connection) -> None:
        """Write, read and idle, a few times a second."""
        while True:
            last = await connection.fetchval("INSERT INTO happenings (at, body) VALUES (now(), $1) RETURNING id", "x" * 100)
            await connection.execute("DELETE FROM happenings WHERE id <= $1", last - _KEPT_ROWS)
            await connection.fetchval("SELECT count(*) FROM happenings")
            await self._clock.sleep(self._random.uniform(0.3, 1.5))

    async def _pauses(self, connection: asyncpg.Connection) -> None:
        """Think within a transaction for seconds, then rest."""
        while True:
            async with connection.transaction():
                await connection.fetchval("SELECT count(*) FROM happenings")
                await self._clock.sleep(self._random.uniform(0.2, _LONGEST_TRANSACTION_S))
            await self._clock.sleep(self._random.uniform(2, 10))
