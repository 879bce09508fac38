"""One connection to a PgBouncer's admin console: made when it is needed, kept, thrown away when it gives no answer in time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from dashboard_app.backend.sources.probes.connection import QUERY_STEP, Steps, one_try, open_connection
from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probes.pgbouncer_words import reason
from dashboard_app.backend.sources.probes.simple_query import Refusal, Row, SimpleQuery
from dashboard_app.backend.sources.probes.target import Target
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import ProbeFailed

REUSED_SHARE = 0.4
"""The part of the limit that a kept connection gets, as for PostgreSQL: the rest is enough for a new one."""
_STATE = "SHOW STATE"


@dataclass(frozen=True, slots=True)
class Told:
    """The rows of each command by its text, how long they took, how long a new connection took (None: a kept one), and which connection."""

    tables: dict[str, list[Row]]
    query_ms: float
    connect_ms: float | None
    version: str
    connection_number: int


class Console:
    """The caller asks one thing at a time."""

    def __init__(self, target: Target, resolver: Resolver, clock: Clock) -> None:
        """No I/O here; the first question connects."""
        self.target = target
        self._resolver = resolver
        self._clock = clock
        self._open: SimpleQuery | None = None
        self._number = 0
        self._version = ""
        self._tells_state = True
        self._used_at = clock.monotonic()

    async def ask(self, commands: Sequence[str], limit_s: float, *, wants_state: bool = False) -> Told:
        """The rows of each command, over the kept connection, or over a new one when there is none or it gives none.

        `wants_state`: also whether all of it is paused, where this version tells; its rows are absent where it does not.

        Raises:
            ProbeFailed: no answer within `limit_s`, or it was refused.

        """
        until = _at(limit_s)
        if self._open is not None and not self._open.is_closed:
            try:
                return await self._attempt(commands, Steps(), _at(limit_s * REUSED_SHARE), limit_s, wants_state=wants_state)
            except ProbeFailed:
                pass  # cut by the server, or dropped on the way while it was idle: only a new connection can tell
        return await self._attempt(commands, Steps(), until, limit_s, wants_state=wants_state)

    async def once(self, commands: Sequence[str], limit_s: float, steps: Steps | None = None) -> Told:
        """As `ask`, but no command is ever sent twice. `steps` are noted as they are done."""
        return await self._attempt(commands, steps or Steps(), _at(limit_s), limit_s, wants_state=False)

    async def _attempt(self, commands: Sequence[str], steps: Steps, until: float, limit_s: float, *, wants_state: bool) -> Told:
        """One try up to the loop's time `until`; a connection that failed is thrown away. Raises ProbeFailed."""
        async with one_try(steps, until, limit_s, why=lambda error: reason(error, self.target), drop=self._drop):
            return await self._told(commands, steps, limit_s, wants_state=wants_state)

    def release(self, idle_s: float) -> None:
        """Close the connection when it has not been used for `idle_s`."""
        if self._open is not None and self._clock.monotonic() - self._used_at >= idle_s:
            self.close()

    def close(self) -> None:
        """Close the connection. The next question connects anew."""
        open_, self._open = self._open, None
        if open_ is not None:
            open_.close()

    async def _told(self, commands: Sequence[str], steps: Steps, limit_s: float, *, wants_state: bool) -> Told:
        """Connect when there is no connection, then ask one command after the other: the console takes one at a time."""
        began, connect_ms = self._clock.monotonic(), None
        if self._open is None or self._open.is_closed:
            self._drop()
            await self._connect(steps, limit_s)
            connect_ms = (self._clock.monotonic() - began) * 1000
        assert self._open is not None  # noqa: S101 - connected above
        with steps.step(QUERY_STEP):
            asked = self._clock.monotonic()
            tables = {command: await self._open.rows(command) for command in commands}
            if wants_state:
                tables |= await self._state(self._open)
            self._used_at = self._clock.monotonic()
        steps.note(f"PgBouncer {self._version}")
        return Told(tables, (self._used_at - asked) * 1000, connect_ms, self._version, self._number)

    async def _connect(self, steps: Steps, limit_s: float) -> None:
        """Sign in. PgBouncer refuses server settings that it does not know, so it is given none beside the name."""
        connection = await open_connection(self.target, self._resolver, steps, limit_s, limits={})
        version = connection.get_server_version()
        self._version = f"{version.major}.{version.minor}.{version.micro}"
        self._open = SimpleQuery(connection)
        self._number += 1
        self._tells_state = True

    async def _state(self, console: SimpleQuery) -> dict[str, list[Row]]:
        """Whether all of it is paused; asked once only of a version that does not know the command (1.18 does not)."""
        if not self._tells_state:
            return {}
        try:
            return {_STATE: await console.rows(_STATE)}
        except Refusal:
            self._tells_state = False
            return {}

    def _drop(self) -> None:
        """Cut the connection without a word: nothing waits for a server that is silent."""
        if self._open is not None:
            self._open.drop()
            self._open = None


def _at(delay_s: float) -> float:
    """The running loop's time in `delay_s` seconds."""
    return asyncio.get_running_loop().time() + delay_s
